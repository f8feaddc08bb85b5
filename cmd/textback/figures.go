package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"textback/cmd/internal/daemon"
	"textback/cmd/internal/preview"
	"textback/cmd/internal/records"
	reports "textback/cmd/internal/report"
	"textback/configs"
	"textback/store"
)

// figuresOf is how many days back the figures go.
const figuresOf = 30

// mostLinesAsked bounds how many lines without a missed call are asked about one by one.
const mostLinesAsked = 50

// figures reads what is known of the last days: from the daemon, else from its state file; where these know of less than a
// week, from the PBX's record files. Of databases nothing is asked: a check opens no connection to another machine.
func (t *target) figures(ctx context.Context, cfg *configs.Config, now time.Time) (*preview.Figures, []preview.Warning) {
	f := t.stateFigures(ctx, cfg, now)
	if f != nil && f.Days >= 7 {
		return f, nil
	}
	recorded, unread := recordFigures(ctx, cfg, now)
	if recorded != nil {
		return recorded, unread
	}
	return f, unread
}

// stateFigures are those of the daemon or its state file; nil if there is neither.
func (t *target) stateFigures(ctx context.Context, cfg *configs.Config, now time.Time) *preview.Figures {
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

// recordFigures count the calls in the PBX's record files; nil if no file has any. What cannot be read is warned of.
func recordFigures(ctx context.Context, cfg *configs.Config, now time.Time) (*preview.Figures, []preview.Warning) {
	f := &preview.Figures{Calls: map[string]int{}, Busiest: map[string]int{}}
	var unread []preview.Warning
	strange, days := map[string]int{}, map[string]int{}
	var first time.Time
	for i := range cfg.Records {
		r := cfg.Records[i]
		pbx, ok := cfg.PBX(r.PBX)
		if !ok || r.Kind == records.MySQL || r.Kind == records.Postgres {
			continue
		}
		result, err := records.Read(ctx, records.NewSource(r, &pbx), now.AddDate(0, 0, -figuresOf), now)
		if err != nil {
			unread = append(unread, preview.Warning{Key: fmt.Sprintf("records %q", r.PBX), Message: "the calls of the last days cannot be read: " + err.Error(),
				Hint: "look at path and at who may read it: after a gap of the link they will be needed"})
			continue
		}
		for j := range result.Calls {
			c := &result.Calls[j]
			if first.IsZero() || c.End.Before(first) {
				first = c.End
			}
			line := cfg.Set.FindLine(c.Dialled, pbx.Region, pbx.Rewrite)
			switch {
			case line != nil:
				f.Calls[line.Number]++
				if c.Missed() {
					key := line.Business.Key
					day := key + c.End.In(line.Business.Zone).Format(" 2006-01-02")
					days[day]++
					f.Busiest[key] = max(f.Busiest[key], days[day])
				}
			case len(c.Dialled) > 0 && c.Missed():
				strange[c.Dialled[0]]++
			}
		}
	}
	if first.IsZero() {
		return nil, unread
	}
	f.Days = min(figuresOf, int(now.Sub(first)/(24*time.Hour)))
	f.Strange = strangeWords(strange)
	return f, unread
}

// strangeWords tell of missed calls to numbers that are no line; only what looks like a number is shown.
func strangeWords(n map[string]int) string {
	const few, shown = 3, 3
	var list []string
	total := 0
	for _, number := range slices.SortedFunc(maps.Keys(n), func(a, b string) int { return cmp.Or(n[b]-n[a], strings.Compare(a, b)) }) {
		if total += n[number]; len(list) < shown && len(number) <= 20 && strings.Trim(number, "+*#0123456789") == "" {
			list = append(list, fmt.Sprintf("%s (%d)", number, n[number]))
		}
	}
	if total < few {
		return ""
	}
	return fmt.Sprintf("%d missed calls were to a number that is no [[line]]: %s. Add a [[line]] for it, or an alias.", total, strings.Join(list, ", "))
}
