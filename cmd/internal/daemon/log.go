package daemon

import (
	"context"
	"log/slog"
	"time"

	"textback"
	"textback/cmd/internal/handoff"
	"textback/cmd/internal/syslog"

	"sync"
)

const noticeLevel = syslog.LevelNotice

// logVerdict writes the one line of a missed call.
func (d *Daemon) logVerdict(v textback.Verdict, text *textback.Text) {
	c, dec := &v.Call, &v.Decision
	attrs := []any{"call", c.ID, "pbx", c.PBX, "caller", callerWord(&v), "line", dec.Line, "business", dec.Business,
		"outcome", c.Outcome.String(), "ring", c.Ring.Round(100 * time.Millisecond).String(), "reason", dec.Reason.String(),
		"detail", dec.Detail}
	if dec.Rule != "" {
		attrs = append(attrs, "rule", dec.Rule)
	}
	if text != nil {
		attrs = append(attrs, "template", dec.Template, "text", text.ID, "due", dec.Due.Format(time.RFC3339), "held", dec.Held)
	}
	if c.Reconciled {
		attrs = append(attrs, "reconciled", true)
	}
	d.log.Info("verdict", attrs...)
}

// callerWord is a caller as the log shows it: the end of the number, or why there is none.
func callerWord(v *textback.Verdict) string {
	switch {
	case v.Call.Party.Withheld:
		return "withheld"
	case v.Decision.Caller == "":
		return "none"
	default:
		return textback.Short(v.Decision.Caller)
	}
}

// logText writes the one line of a text's change of state.
func (d *Daemon) logText(t textback.Text, note string) {
	level := slog.LevelInfo
	switch t.State {
	case textback.Failed, textback.Undelivered, textback.Unknown, textback.Expired:
		level = slog.LevelWarn
	case textback.Submitting, textback.Queued:
		level = slog.LevelDebug
	}
	attrs := []any{"text", t.ID, "kind", t.Kind.String(), "state", t.State.String(), "to", textback.Short(t.To), "business", t.Business,
		"smpp", t.Link, "segments", len(t.Parts)}
	if t.CallID != "" {
		attrs = append(attrs, "call", t.CallID)
	}
	if note != "" {
		attrs = append(attrs, "note", note)
	}
	if t.State == textback.Accepted && !t.Due.IsZero() {
		attrs = append(attrs, "after_due", t.Submitted.Sub(t.Due).Round(time.Millisecond).String())
	}
	d.log.Log(context.Background(), level, "text", attrs...)
}

// breakers know which budgets are spent, so that opening and closing are each said once and loudly.
type breakers struct {
	mu   sync.Mutex
	open map[string]breaker
}

type breaker struct {
	since  time.Time
	detail string
	calls  int // missed calls that were not texted because of it
}

// note opens a business's breaker at its first verdict for want of budget, and closes it at its next text if there is room again: a
// text that was decided before may be told of afterwards. room tells.
func (b *breakers) note(d *Daemon, v textback.Verdict, room func(business string) bool) {
	business := v.Decision.Business
	b.mu.Lock()
	defer b.mu.Unlock()
	br, open := b.open[business]
	switch {
	case v.Decision.Reason == textback.ReasonBudget:
		br.calls++
		if !open {
			br.since, br.detail = v.At, v.Decision.Detail
			if b.open == nil {
				b.open = make(map[string]breaker)
			}
			d.met.BreakersOpen.WithLabelValues(business).Set(1)
			d.log.Error("breaker-open", "business", business, "detail", br.detail,
				"effect", "no further text until the hour or day is over")
			go d.alarm(handoff.Alarm{ID: "breaker-open", Business: business, Message: "the budget for texts is spent: " + br.detail})
		}
		b.open[business] = br
	case open && v.Decision.Reason == textback.ReasonText && room(business):
		b.close(d, business, br, v.At)
	}
}

func (b *breakers) close(d *Daemon, business string, br breaker, at time.Time) {
	delete(b.open, business)
	d.met.BreakersOpen.WithLabelValues(business).Set(0)
	d.log.Log(context.Background(), noticeLevel, "breaker-closed", "business", business, "open_for", at.Sub(br.since).Round(time.Second).String(),
		"not_texted", br.calls)
}

// tick closes breakers whose budget has room again, by the rule and not by a restart. room tells.
func (b *breakers) tick(d *Daemon, now time.Time, room func(business string) bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for business, br := range b.open {
		if room(business) {
			b.close(d, business, br, now)
		}
	}
}

// list is for status.
func (b *breakers) list() map[string]string {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := make(map[string]string, len(b.open))
	for k, v := range b.open {
		out[k] = v.detail
	}
	return out
}
