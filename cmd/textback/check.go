package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"textback/cmd/internal/daemon"
	"textback/cmd/internal/preview"
	reports "textback/cmd/internal/report"
	"textback/cmd/internal/syslog"
	"textback/configs"
	"textback/store"
)

func checkVerb() *verb {
	return &verb{name: "check", args: "[--config FILE] [--quiet] [--strict] [--offline] [--json]",
		short: "check the configuration, and tell in plain words what it will do",
		long: "Reads the file as the daemon would, prints what should be looked at, and puts made-up calls through the rules: in and out of\n" +
			"hours, at night, on a closed day, a repeat caller, a withheld number and so on, with the text that each would get, its\n" +
			"segments and when it would leave. Nothing is sent. If the daemon runs, or its state file can be read, the calls of the last\n" +
			"30 days are held against the file (a line that nobody dials); --offline leaves that out.\n\n" +
			"Exit status: 0 the daemon takes this file, 1 it does and there are warnings (with --strict only), 2 it does not.", run: runCheck}
}

// checked is the JSON form of a check.
type checked struct {
	File     string            `json:"file"`
	OK       bool              `json:"ok"`
	Errors   []string          `json:"errors,omitempty"`
	Warnings []preview.Warning `json:"warnings"`
	*preview.Preview
}

func runCheck(ctx context.Context, e *env, v *verb, args []string) int {
	flags := v.flags(e)
	t := targetFlags(flags)
	quiet := flags.Bool("quiet", false, "print mistakes and warnings only")
	strict := flags.Bool("strict", false, "exit with 1 if there are warnings")
	offline := flags.Bool("offline", false, "look at the file only, not at the calls of the last days")
	rest, code, ok := v.parse(e, flags, args)
	if !ok {
		return code
	}
	if len(rest) == 1 && *t.config == defaultConfig {
		*t.config, rest = rest[0], nil
	}
	if len(rest) > 0 {
		return v.misuse(e)
	}
	if *t.json {
		if cfg, err := checkedConfig(*t.config); cfg == nil {
			return t.printChecked(e, checked{File: *t.config, Errors: configs.Lines(err)}, exitUsage)
		}
	}
	cfg, code := loadConfig(e, *t.config)
	if cfg == nil {
		return code
	}
	now := time.Now()
	var figures *preview.Figures
	if !*offline {
		figures = t.figures(ctx, cfg, now)
	}
	found := preview.Look(cfg, figures, now)
	code = exitOK
	if *strict && len(cfg.Warnings)+len(found) > 0 {
		code = exitFailed
	}
	if *t.json {
		all := make([]preview.Warning, 0, len(cfg.Warnings)+len(found))
		for _, w := range cfg.Warnings {
			all = append(all, preview.Warning{Key: w.Key, Message: w.String(), Hint: w.Hint})
		}
		return t.printChecked(e, checked{File: *t.config, OK: true, Warnings: append(all, found...), Preview: preview.Make(cfg, now)}, code)
	}
	if !*quiet {
		if err := preview.WriteText(e.stdout, preview.Make(cfg, now)); err != nil {
			return fail(e, exitFailed, err, "")
		}
		fmt.Fprintln(e.stdout)
	}
	for _, w := range cfg.Warnings {
		printWarning(e, w.String(), w.Hint)
	}
	for _, w := range found {
		printWarning(e, *t.config+": "+w.String(), w.Hint)
	}
	fmt.Fprintf(e.stdout, "%s: ok: %d pbx, %d smpp, %d businesses, %d lines, %d templates, %d rules\n", *t.config, len(cfg.PBXs), len(cfg.SMPPs),
		len(cfg.Set.Businesses), len(cfg.Set.Lines), len(cfg.Set.Templates), len(cfg.Set.Rules))
	return code
}

func printWarning(e *env, message, hint string) {
	fmt.Fprintf(e.stdout, "warning: %s\n", message)
	if hint != "" {
		fmt.Fprintf(e.stdout, "hint: %s\n", hint)
	}
}

func (t *target) printChecked(e *env, c checked, code int) int {
	if c.Warnings == nil {
		c.Warnings = []preview.Warning{}
	}
	enc := json.NewEncoder(e.stdout)
	enc.SetIndent("", "  ")
	if err := enc.Encode(c); err != nil {
		return fail(e, exitFailed, err, "")
	}
	return code
}

// figuresOf is how many days back the figures go.
const figuresOf = 30

// mostLinesAsked bounds how many lines without a missed call are asked about one by one.
const mostLinesAsked = 50

// figures reads what is known of the last days from the daemon, else from its state file; nil if there is neither.
func (t *target) figures(ctx context.Context, cfg *configs.Config, now time.Time) *preview.Figures {
	all, err := t.lately(ctx, cfg, daemon.ReportArgs{}, now)
	if err != nil || all.Kept.IsZero() {
		return nil
	}
	f := &preview.Figures{Calls: map[string]int{}, Busiest: map[string]int{}, Days: min(figuresOf, int(now.Sub(all.Kept)/(24*time.Hour)))}
	for _, g := range all.Lines {
		f.Calls[g.Key] = g.Missed
	}
	for _, a := range all.Advice {
		if a.ID == "unknown-line" {
			f.Strange = a.Text
		}
	}
	asked := 0
	for _, l := range cfg.Set.Lines {
		if f.Calls[l.Number] > 0 {
			continue
		}
		// It may be that each of its calls is answered.
		if asked++; asked > mostLinesAsked {
			f.Calls[l.Number] = 1 // not known: nothing is said about it
			continue
		}
		one, err := t.lately(ctx, cfg, daemon.ReportArgs{Line: l.Number}, now)
		if err != nil {
			return nil
		}
		f.Calls[l.Number] = one.Figures.Answered + one.Figures.Missed
	}
	for key := range cfg.Set.Businesses {
		one, err := t.lately(ctx, cfg, daemon.ReportArgs{Business: key}, now)
		if err != nil {
			continue // the running daemon does not know it yet
		}
		for _, d := range one.Days {
			f.Busiest[key] = max(f.Busiest[key], d.Missed)
		}
	}
	return f
}

// lately is the report of the last days.
func (t *target) lately(ctx context.Context, cfg *configs.Config, a daemon.ReportArgs, now time.Time) (*reports.Report, error) {
	a.Since = fmt.Sprintf("%dd", figuresOf)
	var r reports.Report
	err := t.orOpen(ctx, "report", a, &r, func(ctx context.Context, st *store.Store) error {
		made, err := daemon.MakeReport(ctx, st, cfg, a, now)
		if err == nil {
			r = *made
		}
		return err
	})
	return &r, err
}

// loadConfig reads the configuration and prints what is wrong with it.
func loadConfig(e *env, path string) (*configs.Config, int) {
	cfg, err := checkedConfig(path)
	if err == nil {
		return cfg, exitOK
	}
	for _, line := range configs.Lines(err) {
		fmt.Fprintf(e.stderr, "textback: %s\n", line)
	}
	if errors.Is(err, fs.ErrNotExist) && path == defaultConfig {
		fmt.Fprintf(e.stderr, "textback: hint: give the file with --config FILE\n")
	}
	return nil, exitUsage
}

// checkedConfig reads the configuration and checks what only this program knows: whether there can be such a log.
func checkedConfig(path string) (*configs.Config, error) {
	cfg, err := configs.Load(path)
	if err != nil {
		return nil, err
	}
	o, err := logOptions(cfg)
	if err == nil {
		err = syslog.Check(o)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: [syslog]: %w", path, err)
	}
	return cfg, nil
}

// read reads a file given to a command, "-" being standard input.
func (e *env) read(path string) ([]byte, error) {
	if path == "-" {
		return readAll(e.stdin)
	}
	return os.ReadFile(path)
}
