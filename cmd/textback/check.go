package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"textback/cmd/internal/preview"
	"textback/cmd/internal/syslog"
	"textback/configs"
)

func checkVerb() *verb {
	return &verb{name: "check", args: "[--config FILE] [--quiet] [--strict] [--offline] [--call CALL] [--reply REPLY] [--json]",
		short: "check the configuration, and tell in plain words what it will do",
		long: "Reads the file as the daemon would, prints what should be looked at, and puts made-up calls through the rules: in and out of\n" +
			"hours, at night, on a closed day, a repeat caller, a withheld number and so on, with the text that each would get, its\n" +
			"segments and when it would leave. Nothing is sent. The calls of the last 30 days are held against the file (a line that\n" +
			"nobody dials): those that the daemon or its state file knows, else those of the PBX's record files; --offline leaves that\n" +
			"out. With --call it tells of one call only. A CALL is\n" + strings.ReplaceAll(preview.Questions, "; then", ";\nthen") + ".\n\n" +
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
	call := flags.String("call", "", "tell only what this `CALL` would get: \"abandoned after 5 s, Tue 19:00\"")
	reply := flags.String("reply", "", "tell only what would be done with this `REPLY`")
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
	if *call != "" || *reply != "" {
		return t.answer(e, cfg, *call, *reply, now)
	}
	var figures *preview.Figures
	var unread []preview.Warning
	if !*offline {
		figures, unread = t.figures(ctx, cfg, now)
	}
	found := append(preview.Look(cfg, figures, now), unread...)
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

// answer tells of one call or one reply.
func (t *target) answer(e *env, cfg *configs.Config, call, reply string, now time.Time) int {
	if call != "" {
		c, err := preview.Ask(cfg, call, now)
		if err != nil {
			return fail(e, exitUsage, fmt.Errorf("check: --call: %w", err), "write "+preview.Questions)
		}
		return t.show(e, c, func(w io.Writer) { fmt.Fprint(w, c.String()) })
	}
	type told struct {
		Line string `json:"line"`
		Is   string `json:"is"`
	}
	var all []told
	for _, l := range cfg.Set.Lines {
		if is := preview.AskReply(cfg, reply, l); !slices.ContainsFunc(all, func(o told) bool { return o.Is == is }) {
			all = append(all, told{l.Number, is})
		}
	}
	return t.show(e, all, func(w io.Writer) {
		for _, one := range all {
			fmt.Fprintf(w, "on %s this reply is %s\n", one.Line, one.Is)
		}
	})
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

// open opens a file given to a command, "-" being standard input.
func (e *env) open(path string) (io.ReadCloser, error) {
	if path == "-" {
		return io.NopCloser(e.stdin), nil
	}
	return os.Open(path)
}
