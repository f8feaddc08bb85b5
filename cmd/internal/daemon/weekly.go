package daemon

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"html"
	"log/slog"
	"time"

	"textback/cmd/internal/handoff"
	"textback/cmd/internal/report"
	"textback/configs"
	"textback/store"
)

// weeklyMark is the name under which the store keeps for which moment the last weekly report was queued.
const weeklyMark = "report.weekly"

// weeklyLate is how late a weekly report is still sent, after the daemon was away.
const weeklyLate = 24 * time.Hour

// weekly queues the weekly report when it is due: once for each week, whatever crashes, because mark and hand-offs are one
// transaction.
func (k *keeper) weekly(ctx context.Context, cfg *configs.Config, now time.Time) {
	if !cfg.Report.Weekly {
		return
	}
	if err := k.d.sendWeekly(ctx, cfg, now); err != nil && ctx.Err() == nil {
		k.d.sparingly(slog.LevelError, "report-failed", "report-failed", "error", err)
	}
}

func (d *Daemon) sendWeekly(ctx context.Context, cfg *configs.Config, now time.Time) error {
	r := cfg.Report
	due := report.LastDue(r.Day, r.Minute, r.Zone, now)
	last, err := d.store.Mark(ctx, weeklyMark)
	switch {
	case err != nil || !due.After(last):
		return err
	case last.IsZero():
		// A new state file, or the report was just switched on: no week was missed.
		_, err = d.store.EnqueueOnce(ctx, weeklyMark, due, now)
		return err
	case now.Sub(due) > weeklyLate:
		if _, err = d.store.EnqueueOnce(ctx, weeklyMark, due, now); err == nil {
			d.log.Warn("report-skipped", "due", due.Format(time.RFC3339), "hint", "`textback report` makes it by hand")
		}
		return err
	}
	list, err := d.weeklyMail(ctx, cfg, due, now)
	if err != nil {
		return err
	}
	queued, err := d.store.EnqueueOnce(ctx, weeklyMark, due, now, list...)
	if err == nil && queued {
		d.log.Info("report", "due", due.Format(time.RFC3339), "to", len(list))
	}
	return err
}

// weeklyMail makes the hand-offs of the report on the seven days before the day on which it is due.
func (d *Daemon) weeklyMail(ctx context.Context, cfg *configs.Config, due, now time.Time) ([]store.Delivery, error) {
	q := report.Query{Period: report.WeekBefore(due, cfg.Report.Zone), Now: now, Businesses: cfg.Report.Businesses}
	describe(cfg, &q)
	q.Zone = cfg.Report.Zone
	in, err := report.Gather(ctx, d.store, q)
	if err != nil {
		return nil, err
	}
	r := report.Compute(in)
	var text, page bytes.Buffer
	if err := report.WriteText(&text, r); err != nil {
		return nil, err
	}
	if err := report.WriteHTML(&page, r); err != nil {
		return nil, err
	}
	del, err := handoff.New("", handoff.TypeReport, due, struct{}{})
	if err != nil {
		return nil, err
	}
	const lead = "The attached page has the same with plots; it opens in any browser.\n\n"
	day := r.Since.Format(time.DateOnly)
	del.Subject = fmt.Sprintf("Missed calls, week of %s: %d missed, %d texted, %d replied, %d booked", r.Since.Format("2 January"), r.Figures.Missed,
		r.Figures.Texted, r.Figures.Replied, r.Figures.Booked)
	del.Lead = lead + text.String()
	// Mail programs do not draw plots, but they keep the columns of this.
	del.HTML = "<p>" + html.EscapeString(lead) + "</p><pre style=\"font: 13px/1.4 Menlo, Consolas, monospace\">" + html.EscapeString(text.String()) + "</pre>"
	del.Files = []handoff.File{{Name: "textback-" + day + ".html", Type: "text/html; charset=utf-8", Data: page.Bytes()}}
	var list []store.Delivery
	for _, name := range cfg.Report.Notify {
		n := notifyNamed(cfg, name)
		if n == nil || n.Kind != configs.Email {
			continue
		}
		del.ID = handoff.NewID()
		b, err := json.Marshal(del)
		if err != nil {
			return nil, fmt.Errorf("write the weekly report: %w", err)
		}
		list = append(list, store.Delivery{Kind: n.Kind, Target: n.Name, Event: handoff.TypeReport, Payload: b})
	}
	return list, nil
}
