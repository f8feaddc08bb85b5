package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"textback/cmd/internal/control"
	"textback/cmd/internal/daemon"
	"textback/configs"
)

func doctorVerb() *verb {
	return &verb{name: "doctor", args: "[--config FILE] [--json]",
		short: "try every link and look at every permission, with what mends it",
		long: "Reads the configuration and tries the PBX, the message centre, the log server, the mail and webhook hand-offs, the call\n" +
			"records, the files and the unit. It sends no text, no mail and no event. While the daemon runs, its own bind at the message\n" +
			"centre is looked at instead of making a second one. Exit code 1 if anything failed. Run it with sudo, to see what the\n" +
			"daemon's user may read and write.", run: runDoctor}
}

// Words of a finding.
const (
	stateOK      = "ok"
	stateWarning = "warning"
	stateFailed  = "failed"
)

// finding is the result of one check.
type finding struct {
	Check  string `json:"check"`
	State  string `json:"state"`
	Detail string `json:"detail"`
	Hint   string `json:"hint,omitempty"`
}

func healthy(format string, args ...any) finding {
	return finding{State: stateOK, Detail: fmt.Sprintf(format, args...)}
}

func doubtful(hint, format string, args ...any) finding {
	return finding{State: stateWarning, Detail: fmt.Sprintf(format, args...), Hint: hint}
}

func failing(hint, format string, args ...any) finding {
	return finding{State: stateFailed, Detail: fmt.Sprintf(format, args...), Hint: hint}
}

// check is one thing to try.
type check struct {
	name string
	run  func(context.Context) finding
}

// doctor is one run.
type doctor struct {
	e       *env
	path    string
	within  time.Duration
	target  *target
	cfg     *configs.Config
	status  *daemon.Status // nil: no daemon answers
	running bool
	unit    *unit // nil: there is none
	user    account
}

func runDoctor(ctx context.Context, e *env, v *verb, args []string) int {
	fs := v.flags(e)
	t := targetFlags(fs)
	within := fs.Duration("timeout", 20*time.Second, "`TIME` that one check may take")
	rest, code, ok := v.parse(e, fs, args)
	if !ok {
		return code
	}
	if len(rest) > 0 || *within <= 0 {
		return v.misuse(e)
	}
	d := &doctor{e: e, path: *t.config, within: *within, target: t}
	if abs, err := filepath.Abs(d.path); err == nil {
		d.path = abs
	}
	all := d.examine(ctx)
	failed, warned := 0, 0
	for _, f := range all {
		switch f.State {
		case stateFailed:
			failed++
		case stateWarning:
			warned++
		}
	}
	if *t.json {
		enc := json.NewEncoder(e.stdout)
		enc.SetIndent("", "  ")
		if err := enc.Encode(map[string]any{"checks": all, "failed": failed, "warnings": warned}); err != nil {
			return fail(e, exitFailed, err, "")
		}
	} else if _, err := fmt.Fprintf(e.stdout, "\n%d checks: %d ok, %d to look at, %d failed\n", len(all), len(all)-failed-warned,
		warned, failed); err != nil {
		return fail(e, exitFailed, err, "")
	}
	if failed > 0 || ctx.Err() != nil {
		return exitFailed
	}
	return exitOK
}

// examine runs the checks, a few at a time, and prints each in its place as soon as it is known.
func (d *doctor) examine(ctx context.Context) []finding {
	d.unit = findUnit("/")
	d.user = d.daemonUser()
	first := d.each(ctx, []check{{"configuration", d.configuration}, {"daemon", d.daemon}})
	if d.cfg == nil {
		return append(first, d.each(ctx, []check{{"clock", clockCheck}})...)
	}
	var list []check
	list = append(list, d.linkChecks()...)
	list = append(list, d.hostChecks()...)
	return append(first, d.each(ctx, list)...)
}

// atOnce is how many checks run together: most wait for a network.
const atOnce = 6

func (d *doctor) each(ctx context.Context, list []check) []finding {
	results := make([]chan finding, len(list))
	places := make(chan struct{}, atOnce)
	for i, c := range list {
		results[i] = make(chan finding, 1)
		go func() {
			places <- struct{}{}
			defer func() { <-places }()
			results[i] <- d.one(ctx, c)
		}()
	}
	all := make([]finding, 0, len(list))
	for _, r := range results {
		f := <-r
		d.print(f)
		all = append(all, f)
	}
	return all
}

// one runs a check in bounded time: what does not come back by then is said to hang, and left behind.
func (d *doctor) one(ctx context.Context, c check) finding {
	within, cancel := context.WithTimeout(ctx, d.within)
	defer cancel()
	done := make(chan finding, 1)
	go func() { done <- c.run(within) }()
	var f finding
	select {
	case f = <-done:
	case <-time.After(d.within + time.Second):
		f = failing("something hangs: a dead file system, or a peer that holds the connection", "no answer within %s",
			d.within)
	}
	f.Check, f.Detail, f.Hint = c.name, plain(f.Detail), plain(f.Hint)
	return f
}

func (d *doctor) print(f finding) {
	if *d.target.json {
		return
	}
	word := f.State
	if word == stateFailed {
		word = "FAILED"
	}
	fmt.Fprintf(d.e.stdout, "%-8s %-20s %s\n", word, plain(f.Check), f.Detail)
	if f.Hint != "" {
		fmt.Fprintf(d.e.stdout, "%-8s %-20s -> %s\n", "", "", f.Hint)
	}
}

// configuration reads the file.
func (d *doctor) configuration(context.Context) finding {
	cfg, err := checkedConfig(d.path)
	if err != nil {
		lines := configs.Lines(err)
		hint := "textback check --config " + d.path
		if len(lines) > 1 {
			if h, ok := strings.CutPrefix(lines[1], "hint: "); ok {
				hint = h
			}
		}
		if errors.Is(err, fs.ErrPermission) {
			hint = "sudo textback doctor --config " + d.path
		}
		if os.Getenv("CREDENTIALS_DIRECTORY") == "" && strings.Contains(lines[0], "_credential: ") {
			hint = "sudo CREDENTIALS_DIRECTORY=/run/credentials/textback.service textback doctor, while the service runs; /etc/credstore before"
		}
		detail := lines[0]
		if n := len(lines); n > 2 {
			detail += " (and more: textback check)"
		}
		return failing(hint, "%s", detail)
	}
	d.cfg = cfg
	f := healthy("%s: %d pbx, %d smpp, %d lines", d.path, len(cfg.PBXs), len(cfg.SMPPs), len(cfg.Set.Lines))
	if n := len(cfg.Warnings); n > 0 {
		f.Detail += fmt.Sprintf("; %d warnings, `textback check` shows them", n)
	}
	shadow := 0
	for _, l := range cfg.Set.Lines {
		if l.Policy.Shadow {
			shadow++
		}
	}
	if shadow > 0 {
		f.Detail += fmt.Sprintf("; %d lines in shadow mode", shadow)
	}
	return f
}

// daemon asks the running one.
func (d *doctor) daemon(ctx context.Context) finding {
	var s daemon.Status
	err := d.target.call(ctx, "status", nil, &s)
	switch {
	case err == nil:
		d.status, d.running = &s, true
		if s.Store.LastError != "" {
			return failing("look at the disk: docs/operating.md, A full or broken disk",
				"it cannot write its state file: %s", s.Store.LastError)
		}
		if len(s.Breakers) > 0 {
			return doubtful("it closes by itself; per_hour and per_day of [policy] are the figures",
				"running since %s; a breaker is open: nothing is sent until the hour or day is over", clock(s.Started))
		}
		return healthy("running since %s, %s", clock(s.Started), s.Version)
	case errors.Is(err, control.ErrNotRunning):
		return doubtful("systemctl start textback; until then this looks at what it would find", "it is not running")
	default:
		hint := control.Hint(err)
		if hint == "" {
			hint = "sudo textback doctor"
		}
		d.running = true // somebody answers, or keeps us out
		return failing(hint, "%v", err)
	}
}
