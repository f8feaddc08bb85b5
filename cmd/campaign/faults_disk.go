package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"textback/cmd/internal/daemon"
	"textback/smpp/smpptest"
)

// diskFaults are what disks do.
func diskFaults() []fault {
	var broken, slow atomic.Bool
	failing := with(settings{inside: true, redeliver: 500 * time.Millisecond, change: func(o *daemon.Options) {
		o.BeforeCommit = func() error {
			if broken.Load() {
				return &os.PathError{Op: "write", Path: "textback.db", Err: syscall.EROFS}
			}
			return nil
		}
	}})
	busy := with(settings{inside: true, change: func(o *daemon.Options) {
		o.BeforeCommit = func() error {
			if slow.Load() {
				time.Sleep(400 * time.Millisecond) // a disk that is busy with something else
			}
			return nil
		}
	}})
	return []fault{
		{name: "disk-full", root: true, settings: onSmallDisk, run: diskFull,
			expect: "calls are tracked, verdicts wait and are stored later, deliver_sm gets 0x64, one alarm, recovery by itself"},
		{name: "disk-turns-read-only", settings: failing, expect: "the same for a file system that turns read-only",
			run: func(ctx context.Context, s *scene) error {
				return withoutDisk(ctx, s, func() error { broken.Store(true); return nil }, func() error { broken.Store(false); return nil })
			}},
		{name: "disk-slow", settings: busy, run: func(ctx context.Context, s *scene) error { return slowDisk(ctx, s, &slow) },
			expect: "a commit takes 0.4 s: calls share commits, every text goes out once"},
		{name: "disk-read-only-at-start", root: true, manual: true, settings: onSmallDisk, run: readOnlyAtStart,
			expect: "textback says what it could not write and where, and ends; it starts once it may write"},
		{name: "state-file-damaged", manual: true, run: damaged,
			expect: "each kind of damage is named, with the way back; the file is not touched; the last backup starts and knows its opt-outs"},
		{name: "backup-under-load", run: hotBackup, settings: func(s *scene) (settings, error) {
			return settings{tables: fmt.Sprintf("[backup]\ndir = %q\nevery = \"1h\"\nkeep = 3\n", filepath.Join(s.dir, "backups"))}, nil
		}, expect: "copies made while calls come in are whole and open; the periodic one is made by itself"},
	}
}

// onSmallDisk gives a scene a file system of 4 MB for its state.
func onSmallDisk(s *scene) (settings, error) {
	mount := filepath.Join(s.dir, "disk")
	if err := os.Mkdir(mount, 0o700); err != nil {
		return settings{}, err
	}
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=4m,mode=0700", "textback-campaign", mount).CombinedOutput(); err != nil {
		return settings{}, fmt.Errorf("mount a tmpfs: %w: %s", err, out)
	}
	s.later(func() { _ = exec.Command("umount", "-l", mount).Run() }) // the folder is removed afterwards: that fails if this did
	return settings{state: filepath.Join(mount, "textback.db"), redeliver: 500 * time.Millisecond}, nil
}

func diskFull(ctx context.Context, s *scene) error {
	filler := filepath.Join(filepath.Dir(s.state()), "filler")
	fill := func() error {
		f, err := os.Create(filler)
		if err != nil {
			return err
		}
		defer f.Close()
		for n := 64 << 10; n > 0; n /= 2 {
			for {
				if _, err := f.Write(make([]byte, n)); err != nil {
					break
				}
			}
		}
		return nil
	}
	return withoutDisk(ctx, s, fill, func() error { return os.Remove(filler) })
}

// withoutDisk plays calls, replies and a STOP while nothing can be stored.
func withoutDisk(ctx context.Context, s *scene, breakIt, mendIt func() error) error {
	before, err := s.miss(ctx, 20)
	if err != nil {
		return err
	}
	if err := s.texted(ctx, before, 20*time.Second); err != nil {
		return err
	}
	if err := s.settle(ctx); err != nil {
		return err
	}
	if err := breakIt(); err != nil {
		return err
	}
	n := 150
	callers, err := s.miss(ctx, n)
	if err != nil {
		return err
	}
	stopped := make(chan error, 1)
	go func() { stopped <- s.stopAll(ctx, before[:5]) }()
	if !wait(ctx, 5*time.Second) {
		return ctx.Err()
	}
	asked := 0
	bound, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	// What is asked below tells if none ever came.
	_ = s.await(bound, "a deliver_sm answered with 0x64", func() bool {
		asked = 0
		for _, a := range s.smsc.Acks() {
			if a.Status == 0x64 {
				asked++
			}
		}
		return asked > 0
	})
	st, err := s.status(ctx)
	if err != nil {
		return err
	}
	waiting := st.PBXs[0].Waiting + st.PBXs[1].Waiting
	lines := s.logged("store-failed")
	s.saw("while nothing can be stored: %d verdicts wait, deliver_sm answered with 0x64 %d times, lines store-failed %d, status: %s",
		waiting, asked, lines, st.Store.LastError)
	s.must(waiting > 0 || st.Store.LastError != "", "the fault did not bite")
	// Small changes may find room on a full disk: pages that are free are used again.
	s.must(asked > 0 || len(s.stops()) > 0, "no deliver_sm was answered with 0x64, and none was stored")
	s.must(lines > 0 && lines <= 2, "%d lines store-failed", lines)
	if err := mendIt(); err != nil {
		return err
	}
	mended := time.Now()
	if err := s.texted(ctx, callers, time.Minute); err != nil {
		return err
	}
	s.saw("all %d texts out %s after it could be written again, without a restart", n, time.Since(mended).Round(100*time.Millisecond))
	return <-stopped
}

// stopAll lets each of the callers say STOP until it is acknowledged.
func (s *scene) stopAll(ctx context.Context, callers []string) error {
	for _, c := range callers {
		statuses, err := s.smsc.Deliver(ctx, smpptest.Message{From: c, To: "+15550100", Body: "STOP"})
		if err != nil {
			return err
		}
		s.must(len(statuses) == 1 && statuses[0] == 0, "a STOP was answered with %v", statuses)
	}
	return nil
}

func slowDisk(ctx context.Context, s *scene, slow *atomic.Bool) error {
	slow.Store(true)
	defer slow.Store(false)
	before, err := s.status(ctx)
	if err != nil {
		return err
	}
	began := time.Now()
	callers, err := s.miss(ctx, 60)
	if err != nil {
		return err
	}
	if err := s.texted(ctx, callers, time.Minute); err != nil {
		return err
	}
	after, err := s.status(ctx)
	if err != nil {
		return err
	}
	commits := after.Store.Commits - before.Store.Commits
	s.saw("60 calls texted in %s; %d transactions in %d commits of 0.4 s", time.Since(began).Round(100*time.Millisecond),
		after.Store.Writes-before.Store.Writes, commits)
	return nil
}

func readOnlyAtStart(ctx context.Context, s *scene) error {
	remount := func(how string) error {
		out, err := exec.CommandContext(ctx, "mount", "-o", "remount,"+how, filepath.Dir(s.state())).CombinedOutput()
		if err != nil {
			return fmt.Errorf("remount: %w: %s", err, out)
		}
		return nil
	}
	if err := remount("ro"); err != nil {
		return err
	}
	said, err := s.verb(ctx, "run")
	s.saw("exit: %v; said: %s", err, lastLine(said))
	s.must(err != nil && strings.Contains(said, "read-only file system") && strings.Contains(said, s.state()), "that does not name the cause and the file")
	if err := remount("rw"); err != nil {
		return err
	}
	if err := s.up(ctx); err != nil {
		return err
	}
	callers, err := s.miss(ctx, 10)
	if err != nil {
		return err
	}
	return s.texted(ctx, callers, 20*time.Second)
}

func lastLine(said string) string {
	lines := strings.Split(strings.TrimSpace(said), "\n")
	return lines[len(lines)-1]
}

func damaged(ctx context.Context, s *scene) error {
	if err := s.up(ctx); err != nil {
		return err
	}
	callers, err := s.miss(ctx, 40)
	if err != nil {
		return err
	}
	if err := s.texted(ctx, callers, 20*time.Second); err != nil {
		return err
	}
	if err := s.stopAll(ctx, callers[:10]); err != nil {
		return err
	}
	if err := s.settle(ctx); err != nil {
		return err
	}
	copyOf := filepath.Join(s.dir, "copy.db")
	if said, err := s.verb(ctx, "backup", copyOf); err != nil {
		return fmt.Errorf("textback backup: %w: %s", err, said)
	}
	s.kill(syscall.SIGTERM)
	for _, d := range []struct {
		name string
		do   func(f *os.File, size int64) error
	}{
		{"cut short", func(f *os.File, size int64) error { return f.Truncate(size / 2) }},
		{"both heads overwritten", func(f *os.File, _ int64) error {
			_, err := f.WriteAt(make([]byte, 8192), 0)
			return err
		}},
		{"pages overwritten", func(f *os.File, size int64) error {
			junk := []byte(strings.Repeat("damage!!", 512))
			for at := int64(3 * 4096); at < size; at += 4096 {
				if _, err := f.WriteAt(junk, at); err != nil {
					return err
				}
			}
			return nil
		}},
		{"not a state file", func(f *os.File, size int64) error {
			_, err := f.WriteAt([]byte(strings.Repeat("This is a letter to my aunt.\n", int(size)/29)), 0)
			return err
		}},
	} {
		if err := copyFile(copyOf, s.state()); err != nil {
			return err
		}
		if err := damage(s.state(), d.do); err != nil {
			return err
		}
		before, err := os.ReadFile(s.state())
		if err != nil {
			return err
		}
		said, err := s.verb(ctx, "run")
		after, readErr := os.ReadFile(s.state())
		if readErr != nil {
			return readErr
		}
		s.saw("%s: %v; %.220s", d.name, err, lastLine(said))
		s.must(err != nil && strings.Contains(said, "damaged") && strings.Contains(said, "backup") && !strings.Contains(said, "goroutine"),
			"%s: the message does not tell what it is and the way back: %s", d.name, said)
		s.must(string(before) == string(after), "%s: the file was changed", d.name)
	}
	// The way back.
	if err := copyFile(copyOf, s.state()); err != nil {
		return err
	}
	if err := s.up(ctx); err != nil {
		return err
	}
	for i, c := range callers {
		if err := s.missOne(ctx, i%2 == 0, c); err != nil {
			return err
		}
	}
	after, err := s.miss(ctx, 10)
	if err != nil {
		return err
	}
	return s.texted(ctx, after, 20*time.Second)
}

func damage(path string, do func(f *os.File, size int64) error) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	return do(f, info.Size())
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		out.Close()
		return err
	}
	return out.Close()
}

func hotBackup(ctx context.Context, s *scene) error {
	done := make(chan struct{})
	go func() { defer close(done); s.mix(ctx, 200, 40) }()
	for i := range 5 {
		if !wait(ctx, time.Second) {
			return ctx.Err()
		}
		path := filepath.Join(s.dir, fmt.Sprintf("copy%d.db", i))
		if said, err := s.verb(ctx, "backup", path); err != nil {
			return fmt.Errorf("textback backup: %w: %s", err, said)
		}
		missed, err := verify(ctx, path)
		if err != nil {
			return err
		}
		s.saw("copy %d is whole: %d missed calls, as many verdicts", i+1, missed)
	}
	<-done
	bound, cancel := context.WithTimeout(ctx, 40*time.Second)
	defer cancel()
	pattern := filepath.Join(s.dir, "backups", "textback-*.db")
	if err := s.await(bound, "the periodic backup", func() bool { m, _ := filepath.Glob(pattern); return len(m) > 0 }); err != nil {
		return err
	}
	m, err := filepath.Glob(pattern)
	if err != nil {
		return err
	}
	missed, err := verify(ctx, m[0])
	s.saw("the periodic one: %d missed calls", missed)
	return err
}
