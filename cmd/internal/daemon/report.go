package daemon

import (
	"context"
	"fmt"
	"strings"
	"time"

	"textback/cmd/internal/control"
	"textback/cmd/internal/report"
	"textback/configs"
	"textback/store"
)

// ReportArgs say what to report on, as typed; see [report.ParsePeriod].
type ReportArgs struct {
	Since    string `json:"since,omitempty"`
	Until    string `json:"until,omitempty"`
	Business string `json:"business,omitempty"`
	Line     string `json:"line,omitempty"`
}

// report answers the verb.
func (d *Daemon) report(ctx context.Context, a ReportArgs) (*report.Report, error) {
	return MakeReport(ctx, d.store, d.conf.Load().cfg, a, d.now())
}

// MakeReport reads a report from a store. cfg may be nil where the configuration cannot be read: then there are no names, and
// times are local.
func MakeReport(ctx context.Context, st *store.Store, cfg *configs.Config, a ReportArgs, now time.Time) (*report.Report, error) {
	q := report.Query{Now: now, Zone: time.Local, Line: a.Line}
	if a.Business != "" {
		q.Businesses = []string{a.Business}
	}
	if cfg != nil {
		if _, err := chosen(cfg, a.Business); err != nil {
			return nil, err
		}
		if a.Line != "" {
			line, err := lineTyped(cfg, a.Line)
			if err != nil {
				return nil, err
			}
			q.Line = line
		}
		describe(cfg, &q)
	}
	var err error
	if q.Period, err = report.ParsePeriod(a.Since, a.Until, now, q.Zone); err != nil {
		return nil, &control.Error{Code: "period", Message: err.Error(), Hint: "`textback help report` tells the ways to write a time"}
	}
	in, err := report.Gather(ctx, st, q)
	if err != nil {
		return nil, err
	}
	return report.Compute(in), nil
}

// describe tells a query what the configuration knows: names, zones, which businesses can be booked.
func describe(cfg *configs.Config, q *report.Query) {
	q.Known, q.Lines = make(map[string]report.Place), make(map[string]string)
	for key, b := range cfg.Set.Businesses {
		q.Known[key] = report.Place{Name: b.Name, Zone: b.Zone, Booking: b.BookingURL != ""}
	}
	for _, l := range cfg.Set.Lines {
		q.Lines[l.Number] = l.Name
	}
	q.Zone = reportZone(cfg, q.Businesses)
}

// reportZone is that of [report] if it says one, else the one that the businesses share, else UTC.
func reportZone(cfg *configs.Config, only []string) *time.Location {
	if z := cfg.Report.Zone; z != nil && z != time.UTC && len(only) != 1 {
		return z
	}
	if len(only) == 0 {
		only = businesses(cfg)
	}
	var zone *time.Location
	for _, key := range only {
		b := cfg.Set.Businesses[key]
		switch {
		case b == nil || b.Zone == nil:
		case zone == nil:
			zone = b.Zone
		case zone.String() != b.Zone.String():
			return time.UTC
		}
	}
	if zone == nil {
		return time.UTC
	}
	return zone
}

// lineTyped finds the line that a command names, by its number in any usual form.
func lineTyped(cfg *configs.Config, typed string) (string, error) {
	if l := cfg.Set.LineByNumber(typed); l != nil {
		return l.Number, nil
	}
	if n, err := number(cfg, typed); err == nil && cfg.Set.LineByNumber(n) != nil {
		return n, nil
	}
	const shown = 5
	var all []string
	for i, l := range cfg.Set.Lines {
		if i == shown {
			all = append(all, "...")
			break
		}
		all = append(all, l.Number)
	}
	return "", &control.Error{Code: "line", Message: fmt.Sprintf("there is no [[line]] %q", typed), Hint: "one of: " + strings.Join(all, ", ")}
}
