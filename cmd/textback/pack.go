package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"textback/cmd/internal/daemon"
	"textback/cmd/internal/registration"
	"textback/configs"
)

func packVerb() *verb {
	return &verb{name: "pack", args: "[--config FILE] [--business KEY] [--form 10dlc|toll-free|general] [--consent tell|ask] [--format md|csv|json] [--dir DIR] [--offline]",
		short: "write what carriers ask for to register the sender",
		long: "Brand, use case, the story of the opt-in, samples as they are really sent, the answers to STOP, START and HELP, the greeting for\n" +
			"the voicemail, and the volume: for US 10DLC, for toll-free numbers, and for other countries. What only the business knows is\n" +
			"marked as to be filled in. With --dir each business gets its files there (KEY-FORM.md, KEY.csv, KEY.json); a file that is there\n" +
			"already is left alone. The volume is counted from the running daemon or its state file, else concluded from the limits.", run: runPack}
}

func runPack(ctx context.Context, e *env, v *verb, args []string) int {
	flags := v.flags(e)
	t := targetFlags(flags)
	business := flags.String("business", "", "only the business with this `KEY`")
	form := flags.String("form", "", "only this `FORM`: 10dlc, toll-free or general")
	format := flags.String("format", "md", "`FORMAT`: md, csv or json")
	dir := flags.String("dir", "", "write files to this `DIR`")
	consent := flags.String("consent", "tell", "how callers know of the text: tell (the greeting says so, a key declines) or ask (only who presses one); `HOW` is one of the two words")
	offline := flags.Bool("offline", false, "do not count: conclude the volume from the limits")
	rest, code, ok := v.parse(e, flags, args)
	if !ok {
		return code
	}
	if *t.json {
		*format = "json"
	}
	how, known := map[string]registration.Consent{"tell": registration.Told, "ask": registration.Asked}[*consent]
	if len(rest) > 0 || !known || !slices.Contains([]string{"md", "csv", "json"}, *format) {
		return v.misuse(e)
	}
	if *form != "" && !slices.Contains(registration.Forms(), *form) {
		return fail(e, exitUsage, fmt.Errorf("pack: there is no form %q", *form), "one of: "+strings.Join(registration.Forms(), ", "))
	}
	cfg, code := loadConfig(e, *t.config)
	if cfg == nil {
		return code
	}
	keys := slices.Sorted(maps.Keys(cfg.Set.Businesses))
	if *business != "" {
		if cfg.Set.Businesses[*business] == nil {
			return fail(e, exitUsage, fmt.Errorf("pack: there is no [business.%s]", *business), "one of: "+strings.Join(keys, ", "))
		}
		keys = []string{*business}
	}
	now := time.Now()
	var packs []*registration.Pack
	for _, key := range keys {
		volume := t.volume(ctx, cfg, key, now, *offline)
		p, err := registration.Make(cfg, key, volume, how, now)
		if err != nil && *business == "" && len(keys) > 1 {
			fmt.Fprintf(e.stderr, "textback: warning: %v\n", err)
			continue
		}
		if err != nil {
			return fail(e, exitFailed, fmt.Errorf("pack: %w", err), "")
		}
		packs = append(packs, p)
	}
	if *dir != "" {
		return writePacks(e, packs, *form, *dir)
	}
	if err := printPacks(e.stdout, packs, *form, *format); err != nil {
		return fail(e, exitFailed, err, "")
	}
	return exitOK
}

// formsOf are the forms that are asked for.
func formsOf(form string) []string {
	if form == "" {
		return registration.Forms()
	}
	return []string{form}
}

func printPacks(w io.Writer, packs []*registration.Pack, form, format string) error {
	if format == "json" {
		return registration.WriteJSON(w, packs, form)
	}
	if format == "csv" {
		return registration.WriteCSV(w, packs, form)
	}
	for _, p := range packs {
		for _, f := range formsOf(form) {
			if err := registration.WriteMarkdown(w, p, f); err != nil {
				return err
			}
		}
	}
	return nil
}

// writePacks writes the files. One that is there may have been filled in by hand, so it is left alone.
func writePacks(e *env, packs []*registration.Pack, form, dir string) int {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fail(e, exitFailed, fmt.Errorf("pack: %w", err), "")
	}
	kept := 0
	put := func(name string, write func(io.Writer) error) error {
		var b bytes.Buffer
		if err := write(&b); err != nil {
			return err
		}
		path := filepath.Join(dir, name)
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
		if os.IsExist(err) {
			kept++
			fmt.Fprintf(e.stderr, "textback: %s is there already: left alone\n", path)
			return nil
		}
		if err != nil {
			return err
		}
		if _, err = f.Write(b.Bytes()); err != nil {
			f.Close()
			return err
		}
		fmt.Fprintf(e.stdout, "%s: written\n", path)
		return f.Close()
	}
	for _, p := range packs {
		for _, f := range formsOf(form) {
			if err := put(p.Business+"-"+f+".md", func(w io.Writer) error { return registration.WriteMarkdown(w, p, f) }); err != nil {
				return fail(e, exitFailed, fmt.Errorf("pack: %w", err), "")
			}
		}
		err := put(p.Business+".csv", func(w io.Writer) error { return registration.WriteCSV(w, []*registration.Pack{p}, form) })
		if err == nil {
			err = put(p.Business+".json", func(w io.Writer) error { return registration.WriteJSON(w, []*registration.Pack{p}, form) })
		}
		if err != nil {
			return fail(e, exitFailed, fmt.Errorf("pack: %w", err), "")
		}
	}
	if kept > 0 {
		fmt.Fprintf(e.stderr, "textback: hint: name another --dir for a new set\n")
		return exitFailed
	}
	return exitOK
}

// volume is how many texts a month are expected: counted of the last days, shadow mode included, else as many as the limits let.
func (t *target) volume(ctx context.Context, cfg *configs.Config, key string, now time.Time, offline bool) registration.Volume {
	p := &cfg.Set.Businesses[key].Policy
	v := registration.Volume{Month: 30 * p.PerDay, Day: p.PerDay, How: fmt.Sprintf("no figures yet: as many as per_day = %d lets", p.PerDay)}
	if p.PerDay == 0 {
		v.Month, v.Day, v.How = 0, 0, "no figures yet, and per_day sets no limit: estimate it"
	}
	if offline {
		return v
	}
	r, err := t.lately(ctx, cfg, daemon.ReportArgs{Business: key}, now)
	if err != nil || r.Kept.IsZero() {
		return v
	}
	days := min(figuresOf, int(now.Sub(r.Kept)/(24*time.Hour))+1)
	texts := r.Figures.Queued
	for _, w := range r.Would {
		texts += w.Calls
	}
	if texts == 0 {
		return v
	}
	v = registration.Volume{Month: (texts*figuresOf + days - 1) / days, Known: true}
	for _, d := range r.Days {
		v.Day = max(v.Day, d.Missed)
	}
	v.How = fmt.Sprintf("%d first texts in %d days, shadow mode included, without answers to replies", texts, days)
	return v
}
