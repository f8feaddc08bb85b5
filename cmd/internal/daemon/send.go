package daemon

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"textback"
	"textback/configs"
	"textback/rules"
	"textback/smpp"
	"textback/store"
)

// retryPause is how long a text that could not be written waits before it is tried again.
const retryPause = 2 * time.Second

// token names one part of a text on its way through a link.
type token struct {
	text uint64
	part int
}

// outbox is what the sender knows beside the store: which texts are on their way, and which wait for something that
// wakes the sender when it changes.
type outbox struct {
	mu      sync.Mutex
	flying  map[uint64]bool
	waiting map[uint64]bool
	wg      sync.WaitGroup
}

// send takes due texts in order of their due time and carries each to its end.
func (d *Daemon) send(ctx context.Context) error {
	box := &outbox{flying: make(map[uint64]bool), waiting: make(map[uint64]bool)}
	defer box.wg.Wait()
	timer := time.NewTimer(0)
	defer timer.Stop()
	done := make(chan struct{}, 1)
	for {
		next, err := d.launch(ctx, box, done)
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			d.sparingly(slog.LevelError, "store", "store-failed", "what", "outbox", "error", err)
			next = time.Second
		}
		timer.Reset(next)
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		case <-d.store.TextsChanged():
		case <-done:
		case <-d.kick:
			box.mu.Lock()
			clear(box.waiting)
			box.mu.Unlock()
		}
	}
}

// launch starts what is due and may start, and says when to look again at the latest.
func (d *Daemon) launch(ctx context.Context, box *outbox, done chan<- struct{}) (time.Duration, error) {
	room := d.conf.Load().texts()
	box.mu.Lock()
	busy, waiting := len(box.flying), len(box.waiting)
	box.mu.Unlock()
	// Texts that wait stand first in the list again and again: they must not hide those behind them.
	due, err := d.store.Due(ctx, d.now(), busy+waiting+room)
	if err != nil {
		return 0, err
	}
	for _, t := range due {
		if busy >= room {
			return time.Second, nil
		}
		box.mu.Lock()
		skip := box.flying[t.ID] || box.waiting[t.ID]
		if !skip {
			box.flying[t.ID] = true
		}
		box.mu.Unlock()
		if skip {
			continue
		}
		busy++
		box.wg.Add(1)
		go func() {
			defer box.wg.Done()
			wait := d.sendText(ctx, t)
			box.mu.Lock()
			delete(box.flying, t.ID)
			if wait {
				box.waiting[t.ID] = true
			}
			box.mu.Unlock()
			select {
			case done <- struct{}{}:
			default:
			}
		}()
	}
	box.mu.Lock()
	defer box.mu.Unlock()
	if len(box.waiting) > 0 {
		// What waits for a link or the end of a call may expire meanwhile.
		clear(box.waiting)
		return time.Second, nil
	}
	next, ok, err := d.store.NextDue(ctx)
	switch {
	case err != nil:
		return 0, err
	case !ok || len(box.flying) > 0:
		return time.Minute, nil
	default:
		return min(max(next.Sub(d.now()), 10*time.Millisecond), time.Minute), nil
	}
}

// texts is how many texts may be on their way at once: enough to keep every window full.
func (r *running) texts() int {
	n := 1
	for _, l := range r.pool.Links() {
		n += l.Config().Window
	}
	return n
}

// sendText carries one due text as far as it goes now. It returns true when the text must wait for something that wakes
// the sender.
func (d *Daemon) sendText(ctx context.Context, t textback.Text) (wait bool) {
	wait, err := d.trySend(ctx, t)
	switch {
	case err == nil, errors.Is(err, store.ErrState), ctx.Err() != nil:
		// ErrState: it was cancelled or settled meanwhile, which is normal.
	default:
		d.sparingly(slog.LevelError, "store", "store-failed", "what", "text", "text", t.ID, "error", err)
		return true
	}
	return wait
}

func (d *Daemon) trySend(ctx context.Context, t textback.Text) (wait bool, err error) {
	r := d.conf.Load()
	now := d.now()
	if !t.Expires.IsZero() && now.After(t.Expires) {
		t, err = d.store.Expire(ctx, t.ID, "could not be sent in time", now)
		if err == nil {
			d.log.Error("text-expired", "text", t.ID, "to", textback.Short(t.To), "business", t.Business, "due", t.Due.Format(time.RFC3339))
		}
		return false, err
	}
	template, variant, body := t.Template, t.Variant, t.Body
	validity := t.Expires
	if t.Kind == textback.MissedCallText && !written(&t) {
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
		if errors.Is(err, smpp.ErrUnknownLink) {
			d.sparingly(slog.LevelError, "unknown-link "+t.SMPP, "text-waits", "text", t.ID, "error", err)
		}
		return true, nil
	}
	if t.Link != "" && written(&t) && link.Name() != t.Link {
		// Parts of one text must not be split over message centres: it waits for the one that has the others.
		if link, err = r.pool.Pick(t.Link); err != nil {
			return true, nil
		}
	}
	segments := link.Segments(body)
	attempt := store.Attempt{ID: t.ID, Body: body, Template: template, Variant: variant, Link: link.Name(), Ref: byte(t.ID)}
	if written(&t) {
		attempt.Body = "" // what goes out now must be the rest of what went out before
	}
	attempt.References = references(len(segments))
	t, err = d.store.Attempt(ctx, attempt, now)
	if err != nil {
		return false, err
	}
	return false, d.submit(ctx, link, t, segments, validity)
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
		if t, err = d.store.Cancel(ctx, t.ID, dec.Reason.String()+": "+dec.Detail, now); err == nil {
			d.log.Info("text-cancelled", "text", t.ID, "call", t.CallID, "to", textback.Short(t.To), "reason", dec.Reason.String(), "detail", dec.Detail)
		}
		return checked{}, err
	case dec.Due.After(now):
		t, err = d.store.Defer(ctx, store.Deferral{ID: t.ID, Until: dec.Due, Held: dec.Held, Expires: dec.Expires, Note: dec.Detail}, now)
		if err == nil {
			d.log.Info("text-held", "text", t.ID, "to", textback.Short(t.To), "until", dec.Due.Format(time.RFC3339), "detail", dec.Detail)
		}
		return checked{}, err
	}
	c := checked{send: true, template: dec.Template, validity: cfg.Set.ValidityEnd(f, t)}
	if tmpl := cfg.Set.Templates[dec.Template]; tmpl != nil {
		c.variant = tmpl.Pick(d.deal(dec.Template))
	}
	c.body, err = cfg.Set.RenderText(f.Line, dec.Template, c.variant, v.Call.Party.Name, t.Created, now, t.Token)
	if err != nil {
		t, failErr := d.store.Fail(ctx, store.Failure{ID: t.ID, Note: err.Error()}, now)
		d.log.Error("text-failed", "text", t.ID, "error", err)
		return checked{}, failErr
	}
	return c, nil
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
func (d *Daemon) submit(ctx context.Context, link *smpp.Link, t textback.Text, segments []textback.Segment, validity time.Time) error {
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
		answer, err := link.Submit(ctx, smpp.Segment{To: t.To, From: t.From, Part: segments[i], Concat: t.Ref,
			Reference: t.Parts[i].Reference, Validity: validity, Token: token{t.ID, i}})
		d.met.submitted(answer)
		result := store.PartAnswer{ID: t.ID, Part: i, MessageID: answer.MessageID, Status: answer.Status}
		switch {
		case err == nil:
			result.Result = store.PartAccepted
		case errors.Is(err, smpp.ErrUnanswered):
			result.Result, result.Error = store.PartUncertain, err.Error()
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
	ctx, cancel := context.WithTimeout(context.Background(), drainTime)
	defer cancel()
	_, err := d.store.Defer(ctx, store.Deferral{ID: t.ID, Until: d.now().Add(retryPause), Note: cause.Error()}, d.now())
	return err
}

// answered records what became of a part. It must not be lost to a context that ended: the answer is known only here.
func (d *Daemon) answered(a store.PartAnswer) error {
	ctx, cancel := context.WithTimeout(context.Background(), drainTime)
	defer cancel()
	t, err := d.store.PartAnswered(ctx, a, d.now())
	if err != nil {
		return err
	}
	if t.State != textback.Submitting && t.State != textback.Queued {
		d.logText(t, a.Error)
	}
	return nil
}

// late settles a part whose answer came after it had been given up.
func (d *Daemon) late(a smpp.Answer) {
	tok, ok := a.Token.(token)
	if !ok {
		return
	}
	r := store.PartAnswer{ID: tok.text, Part: tok.part, MessageID: a.MessageID, Status: a.Status, Result: store.PartAccepted}
	if a.Status != smpp.StatusOK {
		err := &smpp.StatusError{Command: "submit_sm", Status: a.Status}
		r.Result, r.Error, r.Number = store.PartRefused, err.Error(), a.Status == smpp.StatusInvDest
	}
	if err := d.answered(r); err != nil && !errors.Is(err, store.ErrState) {
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
		for _, conf := range cfg.SMPPs {
			if conf.ResendUncertain != "grace" {
				continue
			}
			list, err := d.store.Uncertain(ctx, d.now().Add(-conf.UncertainGrace), 1000)
			if err != nil {
				d.sparingly(slog.LevelError, "store", "store-failed", "what", "texts in doubt", "error", err)
				continue
			}
			for _, t := range list {
				if t.Link != conf.Name {
					continue
				}
				if t, err = d.store.Resend(ctx, t.ID, d.now()); err == nil {
					d.log.Warn("text-resent", "text", t.ID, "to", textback.Short(t.To), "smpp", conf.Name,
						"reason", "no answer within uncertain_grace")
				}
			}
		}
	}
	return nil
}

const graceTick = 5 * time.Second
