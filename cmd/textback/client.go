package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"textback/cmd/internal/control"
	"textback/configs"
	"textback/store"
)

// target says which daemon a command talks to.
type target struct {
	config *string
	socket *string
	json   *bool
}

// targetFlags are the flags of every command that talks to the daemon.
func targetFlags(fs *flag.FlagSet) *target {
	return &target{
		config: fs.String("config", defaultConfig, "configuration `FILE`, which names the control socket and the state file"),
		socket: fs.String("control", "", "control `SOCKET`, instead of the configuration's"),
		json:   fs.Bool("json", false, "print JSON"),
	}
}

// targeted reads the flags of a command that talks to the daemon and takes n arguments and no flags of its own.
func (v *verb) targeted(e *env, args []string, n int) (t *target, rest []string, code int, ok bool) {
	fs := v.flags(e)
	t = targetFlags(fs)
	rest, code, ok = v.parse(e, fs, args)
	if ok && len(rest) != n {
		return t, rest, v.misuse(e), false
	}
	return t, rest, code, ok
}

// paths finds the control socket and the state file. A configuration that does not pass its check is good enough: the
// daemon may be running an older one.
func (t *target) paths() (socket, state string, err error) {
	if *t.socket != "" {
		return *t.socket, "", nil
	}
	socket, state, err = configs.Paths(*t.config)
	if err != nil {
		return "", "", fmt.Errorf("find the control socket: %w", err)
	}
	return socket, state, nil
}

// call asks the daemon for a verb.
func (t *target) call(ctx context.Context, name string, args, reply any) error {
	socket, _, err := t.paths()
	if err != nil {
		return err
	}
	return control.NewClient(socket).Call(ctx, name, args, reply)
}

// orOpen asks the daemon; without one it opens the state file for reading and asks f instead.
func (t *target) orOpen(ctx context.Context, name string, args, reply any, f func(context.Context, *store.Store) error) error {
	err := t.call(ctx, name, args, reply)
	if !errors.Is(err, control.ErrNotRunning) {
		return err
	}
	_, state, pathErr := t.paths()
	if pathErr != nil || state == "" {
		return err
	}
	st, openErr := store.Open(store.Options{Path: state, ReadOnly: true})
	if openErr != nil {
		return fmt.Errorf("%w, and its state file cannot be read: %w", err, openErr)
	}
	defer st.Close()
	return f(ctx, st)
}

// report prints an error of a call with its hint.
func report(e *env, err error) int {
	hint := control.Hint(err)
	switch {
	case hint != "", errors.Is(err, store.ErrCorrupt): // whose message says what to do
	case errors.Is(err, fs.ErrPermission):
		hint = "use sudo"
	case errors.Is(err, control.ErrNotRunning):
		hint = "start it with `textback run`, or name its socket with --control"
	}
	code := exitFailed
	if refused := (*control.Error)(nil); errors.As(err, &refused) && refused.Code == "period" {
		code = exitUsage // the daemon reads --since and --until, in the business's time zone
	}
	return fail(e, code, err, hint)
}

// show prints JSON if asked for, else what f prints.
func (t *target) show(e *env, v any, f func(w io.Writer)) int {
	if *t.json {
		b, err := json.MarshalIndent(v, "", "  ")
		if err == nil {
			_, err = e.stdout.Write(append(inert(b), '\n'))
		}
		if err != nil {
			return fail(e, exitFailed, err, "")
		}
		return exitOK
	}
	w := tabwriter.NewWriter(e.stdout, 0, 4, 2, ' ', 0)
	f(w)
	if err := w.Flush(); err != nil {
		return fail(e, exitFailed, err, "")
	}
	return exitOK
}

// plain makes what strangers wrote safe for a terminal.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n', r == '\r', r == '\t', unicode.In(r, unicode.Zl, unicode.Zp):
			return ' '
		case hidden(r):
			return -1
		default:
			return r
		}
	}, s)
}

// clock writes a moment for people.
func clock(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Local().Format("2006-01-02 15:04:05")
}
