package main

import (
	"context"
	"fmt"
	"path/filepath"

	"textback/cmd/internal/daemon"
	"textback/store"
)

func backupVerb() *verb {
	return &verb{name: "backup", args: "FILE", short: "write a checked copy of the state file while the daemon runs",
		long: "An older backup of this name is replaced, any other file is left alone. Without a running daemon the state file is\n" +
			"copied all the same. To go back, stop the daemon and put the copy in the place of the state file.", run: runBackup}
}

func runBackup(ctx context.Context, e *env, v *verb, args []string) int {
	t, rest, code, ok := v.targeted(e, args, 1)
	if !ok {
		return code
	}
	path, err := filepath.Abs(rest[0])
	if err != nil {
		return fail(e, exitFailed, err, "")
	}
	offline := func(ctx context.Context, st *store.Store) error {
		_, state, err := t.paths()
		if err == nil {
			err = daemon.BackupTarget(path, state)
		}
		if err != nil {
			return err
		}
		return st.Backup(ctx, path)
	}
	if err := t.orOpen(ctx, "backup", daemon.BackupArgs{Path: path}, nil, offline); err != nil {
		return report(e, err)
	}
	fmt.Fprintf(e.stdout, "%s: written and checked\n", path)
	return exitOK
}

func forgetVerb() *verb {
	return &verb{name: "forget", args: "NUMBER", short: "erase a person; an opt-out goes on suppressing by a keyed hash", run: runForget}
}

func runForget(ctx context.Context, e *env, v *verb, args []string) int {
	t, rest, code, ok := v.targeted(e, args, 1)
	if !ok {
		return code
	}
	var f store.Forgotten
	if err := t.call(ctx, "forget", daemon.OptArgs{Number: rest[0]}, &f); err != nil {
		return report(e, err)
	}
	fmt.Fprintf(e.stdout, "removed: %d calls, %d texts, %d threads, %d messages, %d bookings, %d hand-offs; ledger entries blanked: %d\n",
		f.Calls, f.Texts, f.Threads, f.Messages, f.Bookings, f.Deliveries, f.Ledger)
	if len(f.StillOut) > 0 {
		fmt.Fprintf(e.stdout, "still suppressed, by a keyed hash: %v\n", f.StillOut)
	}
	return exitOK
}
