package daemon

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"time"

	"textback"
	"textback/cmd/internal/handoff"
	"textback/configs"
	"textback/rules"
	"textback/smpp"
	"textback/store"
)

// retryPause is how long a text that was turned away for now waits before it is tried again; it doubles up to retryMost.
const (
	retryPause = 2 * time.Second
	retryMost  = time.Minute
)

// token names one part of a text on its way through a link.
type token struct {
	text uint64
	part int
}

func (d *Daemon) trySend(ctx context.Context, t textback.Text, p *place, now time.Time) (wait bool, err error) {
	r := d.conf.Load()
	if now.After(expires(&t)) {
		t, err = d.store.Expire(ctx, t.ID, "could not be sent in time", now)
		if err == nil {
			d.log.Error("text-expired", "text", t.ID, "to", textback.Short(t.To), "business", t.Business, "due", t.Due.Format(time.RFC3339))
			if ok, more := d.limit.Allow("alarm-expired "+t.Business, now); ok {
				d.alarm(handoff.Alarm{ID: "text-expired", Business: t.Business,
					Message: fmt.Sprintf("a text due at %s could not be sent in time, and %d more since the last such alarm", t.Due.Format(time.RFC3339), more)})
			}
		}
		return false, err
	}
	flight, landed := d.flights.begin(ctx, t.Kind, t.To)
	defer landed()
	if out, err := d.optedOutSince(ctx, r.cfg, t, now); err != nil || out {
		return false, err
	}
	template, variant, body := t.Template, t.Variant, t.Body
	validity := expires(&t)
	// What goes out now must be the rest of what went out before.
	rest := written(&t) || t.Resent
	if t.Kind == textback.MissedCallText && !rest {
		if calls, _ := d.live.onPhone(t.To, t.CallID); calls > 0 {
			return true, nil
		}
		checked, err := d.recheck(ctx, r.cfg, t, now)
		if err != nil || !checked.send {
			return false, err
		}
		template, variant, body, validity = checked.template, checked.variant, checked.body, checked.validity
	}
	link, err := r.pool.Pick(t.SMPP)
	if err != nil {
		return true, nil
	}
	if t.Link != "" && rest && link.Name() != t.Link {
		// Parts of one text must not be split over message centres: it waits for the one that has the others.
		if link, err = r.pool.Pick(t.Link); err != nil {
			return true, nil
		}
	}
	segments := link.Segments(body)
	attempt := store.Attempt{ID: t.ID, Body: body, Template: template, Variant: variant, Link: link.Name(), Ref: byte(t.ID)}
	if rest {
		attempt.Body = ""
		if len(segments) != len(t.Parts) {
			return false, d.fail(ctx, t, "the link's settings have changed, so the rest of its parts cannot be made any more")
		}
	}
	attempt.References = references(len(segments))
	t, err = d.store.Attempt(ctx, attempt, now)
	if err != nil {
		return false, err
	}
	return false, d.submit(flight, link, p, t, segments, validity)
}

// optedOutSince takes back a text whose person has opted out while it was on its way (throttled, in doubt): only what was
// queued then was taken back with the opt-out itself.
func (d *Daemon) optedOutSince(ctx context.Context, cfg *configs.Config, t textback.Text, now time.Time) (bool, error) {
	if !stoppable(t.Kind) {
		return false, nil
	}
	out, err := d.store.OptedOut(ctx, t.To, append([]string{t.Business}, cfg.Set.SharedWith(t.Business)...)...)
	if err != nil || !out {
		return false, err
	}
	return true, d.takeBack(ctx, t, "opted out", textback.ReasonOptedOut, "opted out meanwhile", now)
}

// takeBack cancels a text that is not to leave any more; note is what the record says.
func (d *Daemon) takeBack(ctx context.Context, t textback.Text, note string, reason textback.Reason, detail string, now time.Time) error {
	_, err := d.store.Cancel(ctx, t.ID, note, now)
	if err == nil {
		d.log.Info("text-cancelled", "text", t.ID, "call", t.CallID, "to", textback.Short(t.To), "reason", reason.String(), "detail", detail)
	}
	return err
}

// fail ends a text for good.
func (d *Daemon) fail(ctx context.Context, t textback.Text, note string) error {
	_, err := d.store.Fail(ctx, store.Failure{ID: t.ID, Note: note}, d.now())
	d.log.Error("text-failed", "text", t.ID, "error", note)
	return err
}

// written tells whether a part of the text may have left before.
func written(t *textback.Text) bool {
	return slices.ContainsFunc(t.Parts, func(p textback.Part) bool { return p.State != textback.Queued })
}

// checked is a text as it is to leave.
type checked struct {
	send     bool
	template string
	variant  int
	body     string
	validity time.Time
}

// recheck looks at a text at the moment it is due, and renders it.
func (d *Daemon) recheck(ctx context.Context, cfg *configs.Config, t textback.Text, now time.Time) (checked, error) {
	v, err := d.store.Verdict(ctx, t.CallID)
	if errors.Is(err, store.ErrNotFound) {
		_, err = d.store.Cancel(ctx, t.ID, "the call that it answers is not on record any more", now)
		return checked{}, err
	}
	if err != nil {
		return checked{}, err
	}
	f := rules.Facts{Call: v.Call, Now: now, Line: cfg.Set.LineByNumber(t.Line)}
	if f.Line != nil {
		f.Caller, f.CallerErr = textback.ParseNumber(t.To, f.Line.Business.Region, nil, f.Line.Policy.ValidateNumbers)
		if f.History, err = d.store.History(ctx, d.keys(cfg, f), now); err != nil {
			return checked{}, err
		}
		f.History.Missed = max(f.History.Missed-1, 0) // the call itself is counted by now
	}
	_, f.TalkingNow = d.live.onPhone(t.To, t.CallID)
	dec := cfg.Set.Recheck(f, t)
	switch {
	case dec.Reason != textback.ReasonText:
		return checked{}, d.takeBack(ctx, t, dec.Reason.String()+": "+dec.Detail, dec.Reason, dec.Detail, now)
	case dec.Due.After(now):
		t, err = d.store.Defer(ctx, store.Deferral{ID: t.ID, Until: dec.Due, Held: dec.Held, Expires: dec.Expires, Note: dec.Detail}, now)
		if err == nil {
			d.log.Info("text-held", "text", t.ID, "to", textback.Short(t.To), "until", dec.Due.Format(time.RFC3339), "detail", dec.Detail)
		}
		return checked{}, err
	}
	c, err := d.render(cfg, f, &t, dec.Template)
	if err != nil {
		return checked{}, d.fail(ctx, t, err.Error())
	}
	return c, nil
}

// render makes the words of a missed call's text, as it is to leave now.
func (d *Daemon) render(cfg *configs.Config, f rules.Facts, t *textback.Text, template string) (c checked, err error) {
	c = checked{send: true, template: template, validity: cfg.Set.ValidityEnd(f, *t)}
	if tmpl := cfg.Set.Templates[template]; tmpl != nil {
		c.variant = tmpl.Pick(d.deal(template))
	}
	c.body, err = cfg.Set.RenderText(f.Line, template, c.variant, f.Call.Party.Name, t.Created, f.Now, t.Token)
	return c, err
}

// deal counts the texts of a template, so that its variants are dealt out evenly.
func (d *Daemon) deal(template string) uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.dealt[template]++
	return d.dealt[template]
}

// submit writes the parts that were never written, in order, and settles each answer. A part in doubt does not keep the
// others back: a whole text with one part in doubt is more use than a torn one.
func (d *Daemon) submit(ctx context.Context, link *smpp.Link, p *place, t textback.Text, segments []textback.Segment,
	validity time.Time) error {
	if !validity.IsZero() {
		validity = time.Now().Add(validity.Sub(d.now())) // the link goes by the system's clock
	}
	for i := range t.Parts {
		if t.Parts[i].State != textback.Submitting {
			continue
		}
		if i >= len(segments) {
			return d.answered(store.PartAnswer{ID: t.ID, Part: i, Result: store.PartRefused, Error: "the text has fewer parts now"})
		}
		answer, err := p.hand(ctx, link, smpp.Segment{To: t.To, From: t.From, Part: segments[i], Concat: t.Ref,
			Reference: t.Parts[i].Reference, Validity: validity, Token: token{t.ID, i}})
		d.met.submitted(answer)
		result := store.PartAnswer{ID: t.ID, Part: i, MessageID: answer.MessageID, Status: answer.Status}
		switch {
		case err == nil:
			result.Result = store.PartAccepted
		case errors.Is(err, smpp.ErrUnanswered):
			result.Result, result.Error = store.PartUncertain, err.Error()
		case errors.Is(err, smpp.ErrUnsendable):
			// Nothing was written, and nothing will ever be: what is wrong is wrong with the text.
			result.Result, result.Error = store.PartRefused, err.Error()
		case smpp.Retryable(err) || answer.Sent == smpp.NotSent:
			return d.putBack(link, t, i, answer, err)
		default:
			result.Result, result.Error = store.PartRefused, err.Error()
			result.Number = answer.Status == smpp.StatusInvDest
		}
		if err := d.answered(result); err != nil {
			return err
		}
		if result.Result == store.PartRefused {
			return nil
		}
	}
	return nil
}

// putBack returns a text's unwritten parts to the queue.
func (d *Daemon) putBack(link *smpp.Link, t textback.Text, part int, answer smpp.Answer, cause error) error {
	for i := part; i < len(t.Parts); i++ {
		if t.Parts[i].State != textback.Submitting {
			continue
		}
		r := store.PartAnswer{ID: t.ID, Part: i, Result: store.PartNotWritten, Error: cause.Error()}
		if i == part {
			r.Status = answer.Status
		}
		if err := d.answered(r); err != nil {
			return err
		}
	}
	if answer.Sent == smpp.Answered {
		d.sparingly(slog.LevelWarn, "throttled "+link.Name(), "throttled", "smpp", link.Name(), "text", t.ID, "error", cause)
	}
	attempts := t.Attempts
	if answer.Sent == smpp.NotSent || smpp.Throttling(cause) {
		attempts = 1 // the link sees to the pace itself
	}
	return d.deferText(t.ID, attempts, cause.Error())
}

// deferText lets a text that was turned away for now wait, longer each time.
func (d *Daemon) deferText(id uint64, attempts int, note string) error {
	pause := min(retryPause<<min(max(attempts-1, 0), 5), retryMost)
	return d.persist("deferral", func(ctx context.Context) error {
		_, err := d.store.Defer(ctx, store.Deferral{ID: id, Until: d.now().Add(pause), Note: note}, d.now())
		return err
	})
}

// answered records what became of a part.
func (d *Daemon) answered(a store.PartAnswer) error {
	var t textback.Text
	err := d.persist("answer", func(ctx context.Context) (err error) {
		t, err = d.store.PartAnswered(ctx, a, d.now())
		return err
	})
	if err == nil && t.State != textback.Submitting && t.State != textback.Queued {
		d.logText(t, a.Error)
	}
	return err
}

// persist stores what is known only here, whatever it takes: as long as the disk fails it is tried again, and a stop gives
// it one more chance. What is lost then is found in doubt at the next start.
func (d *Daemon) persist(what string, f func(context.Context) error) error {
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, 5*time.Second) {
		ctx, cancel := context.WithTimeout(context.Background(), storeWithin)
		err := f(ctx)
		cancel()
		if err == nil || errors.Is(err, store.ErrState) || errors.Is(err, store.ErrNotFound) || d.work.Err() != nil {
			return err
		}
		d.met.StoreErrors.Inc()
		d.sparingly(slog.LevelError, "store", "store-failed", "what", what, "error", err)
		sleep(d.work, wait)
	}
}

// late settles a part whose answer came after it had been given up. The link calls it beside its reader.
func (d *Daemon) late(a smpp.Answer) {
	tok, ok := a.Token.(token)
	if !ok {
		return
	}
	r := store.PartAnswer{ID: tok.text, Part: tok.part, MessageID: a.MessageID, Status: a.Status, Result: store.PartAccepted}
	var refused error
	if a.Status != smpp.StatusOK {
		refused = &smpp.StatusError{Command: "submit_sm", Status: a.Status}
		r.Result, r.Error, r.Number = store.PartRefused, refused.Error(), a.Status == smpp.StatusInvDest
	}
	again := smpp.Retryable(refused)
	if again {
		r.Result = store.PartNotWritten // it was turned away for now: it may go again
	}
	err := d.answered(r)
	if err == nil && again {
		err = d.deferText(tok.text, 1, r.Error)
	}
	if err != nil && !errors.Is(err, store.ErrState) {
		d.sparingly(slog.LevelError, "store", "store-failed", "what", "late answer", "text", tok.text, "error", err)
	}
}

// references are the user_message_references of a text's parts: random, and different in their low eight bits, because
// some message centres send only these back.
func references(n int) []uint16 {
	base := uint16(rand.N(1 << 16))
	list := make([]uint16, n)
	for i := range list {
		list[i] = cmp.Or(base+uint16(i), 0x5A5A)
	}
	return list
}

// grace sends texts in doubt once more, where the link's configuration says so.
func (d *Daemon) grace(ctx context.Context) error {
	for sleep(ctx, graceTick) {
		cfg := d.conf.Load().cfg
		for i := range cfg.SMPPs {
			if cfg.SMPPs[i].ResendUncertain == "grace" {
				d.resend(ctx, &cfg.SMPPs[i])
			}
		}
	}
	return nil
}

// resend sends a link's texts in doubt once more, but no confirmation: whoever opted out may get one, and nothing after it.
func (d *Daemon) resend(ctx context.Context, conf *configs.SMPP) {
	var list []textback.Text
	now, err := d.steady(ctx)
	if err == nil {
		list, err = d.store.Uncertain(ctx, now.Add(-conf.UncertainGrace), 1000, func(t *textback.Text) bool {
			return t.Link == conf.Name && t.Kind != textback.ConfirmationText
		})
	}
	if err != nil {
		d.sparingly(slog.LevelError, "store", "store-failed", "what", "texts in doubt", "error", err)
		return
	}
	for _, t := range list {
		if t, err = d.store.Resend(ctx, t.ID, now); err == nil {
			d.log.Warn("text-resent", "text", t.ID, "to", textback.Short(t.To), "smpp", conf.Name,
				"reason", "no answer within uncertain_grace")
		}
	}
}

const graceTick = 5 * time.Second
