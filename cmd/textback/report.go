package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"textback/cmd/internal/daemon"
	reports "textback/cmd/internal/report"
	"textback/configs"
	"textback/store"
)

func reportVerb() *verb {
	return &verb{name: "report", args: "[--since TIME] [--until TIME] [--business KEY] [--line NUMBER] [--format text|csv|json|html] [--output FILE]",
		short: "count missed calls, texts, replies and bookings, and say what to do about them",
		long: "Without --since and --until it is about the last seven days, today included. A TIME is a date (2026-11-16; as --until the\n" +
			"whole day is meant), a month (2026-11), a date with a time (\"2026-11-16 08:00\"), or how long ago (7d, 36h). The period\n" +
			"is compared with the same days of the weeks before. Without a running daemon the state file is read.", run: runReport}
}

// formats are the ways to write a report, by name.
func formats() map[string]func(io.Writer, *reports.Report) error {
	return map[string]func(io.Writer, *reports.Report) error{
		"text": reports.WriteText, "csv": reports.WriteCSV, "json": reports.WriteJSON, "html": reports.WriteHTML}
}

func runReport(ctx context.Context, e *env, v *verb, args []string) int {
	fs := v.flags(e)
	t := targetFlags(fs)
	var a daemon.ReportArgs
	fs.StringVar(&a.Since, "since", "", "from this `TIME` on")
	fs.StringVar(&a.Until, "until", "", "up to this `TIME`")
	fs.StringVar(&a.Business, "business", "", "only the business with this `KEY`")
	fs.StringVar(&a.Line, "line", "", "only the line with this `NUMBER`")
	format := fs.String("format", "", "`FORMAT`: text, csv, json or html (by the name of --output, else text)")
	output := fs.String("output", "", "write to this `FILE`")
	rest, code, ok := v.parse(e, fs, args)
	if !ok {
		return code
	}
	if len(rest) > 0 {
		return v.misuse(e)
	}
	name := reportFormat(*format, *output, *t.json)
	write := formats()[name]
	if write == nil {
		return fail(e, exitUsage, fmt.Errorf("report: there is no format %q", name), "one of: text, csv, json, html")
	}
	var r reports.Report
	err := t.orOpen(ctx, "report", a, &r, func(ctx context.Context, st *store.Store) error {
		cfg, err := configs.Load(*t.config)
		if err != nil {
			fmt.Fprintf(e.stderr, "textback: warning: the configuration does not pass its check: no names of businesses and lines, and times are local\n")
			cfg = nil
		}
		made, err := daemon.MakeReport(ctx, st, cfg, a, time.Now())
		if err == nil {
			r = *made
		}
		return err
	})
	if err != nil {
		return report(e, err)
	}
	var b bytes.Buffer
	if err = write(&b, &r); err == nil {
		if *output == "" {
			_, err = e.stdout.Write(b.Bytes())
		} else {
			err = os.WriteFile(*output, b.Bytes(), 0o644)
		}
	}
	if err != nil {
		return fail(e, exitFailed, fmt.Errorf("write the report: %w", err), "")
	}
	if *output != "" {
		fmt.Fprintf(e.stdout, "%s: written\n", *output)
	}
	return exitOK
}

// reportFormat is the format asked for, else the one that the file's name tells, else text.
func reportFormat(asked, output string, json bool) string {
	switch {
	case asked != "":
		return asked
	case json:
		return "json"
	}
	if ext := strings.TrimPrefix(filepath.Ext(output), "."); formats()[ext] != nil {
		return ext
	}
	return "text"
}
