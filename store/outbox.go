package store

import (
	"context"
	"fmt"
	"slices"
	"time"

	"textback"
)

// NewText is a text to queue that answers no missed call: a help answer, a branch's answer, a booking confirmation, a
// note to staff. ID, State and Created are set by the store.
type NewText struct {
	Text       textback.Text
	SharedWith []string // other businesses on the same sender, for the opt-out check
	Incoming   uint64   // the incoming message that it answers, marked as handled in the same transaction; 0 if none
	Also       func(textback.Text) []Delivery
}

// Attempt is what is made durable before a text's parts are written to the wire.
type Attempt struct {
	ID         uint64
	Body       string // as rendered; on a further attempt "" keeps the stored one
	Template   string // "" keeps the stored one
	Variant    int
	Link       string   // [[smpp]] link that carries it
	Ref        byte     // concatenation reference; kept from the first attempt
	References []uint16 // user_message_reference of each part; its length is the number of parts. Kept from the first attempt.
	Only       []int    // mark these parts as submitting, from 0; nil = all that were never written
}

// PartResult is how the submission of one part ended.
type PartResult uint8

const (
	_ PartResult = iota
	// PartAccepted: submit_sm_resp with status 0.
	PartAccepted
	// PartRefused: refused for good. The text is failed.
	PartRefused
	// PartUncertain: written, but no answer came.
	PartUncertain
	// PartNotWritten: nothing of it left, or the message centre turned it away for now (throttled, queue full): it
	// may be written again. Defer the text when no part of it is submitting any more.
	PartNotWritten
)

// PartAnswer is what became of one part of a text on the wire.
type PartAnswer struct {
	ID        uint64
	Part      int // from 0
	Result    PartResult
	MessageID string // as it stood in submit_sm_resp
	Status    uint32 // command_status
	Error     string
	Number    bool // with PartRefused: it is the number's fault (counts for History.Undeliverable)
}

// Deferral puts a text back into the queue.
type Deferral struct {
	ID    uint64
	Until time.Time // its new due time
	// Held: it waits for the end of quiet hours. Text.Held is set, and Expires moves by the time from now to Until,
	// because give_up_after does not count holds.
	Held    bool
	Expires time.Time // if not zero: the new Expires
	Note    string
}

// Failure is why a text failed for good.
type Failure struct {
	ID     uint64
	Note   string
	Number bool // it is the number's fault (counts for History.Undeliverable)
}

// QueueText queues a text that answers no missed call. ErrOptedOut if the person has opted out, unless it is a
// confirmation, a help answer or for staff. If its incoming message was handled before, nothing is queued: the text
// is zero.
func (s *Store) QueueText(ctx context.Context, n NewText, at time.Time) (t textback.Text, err error) {
	err = s.update(ctx, at, func(w *work) error {
		t = textback.Text{}
		if n.Incoming != 0 && !w.handled(n.Incoming) {
			return nil
		}
		switch n.Text.Kind {
		case textback.ConfirmationText, textback.HelpText, textback.StaffText:
		default:
			if w.optedOut(n.Text.To, append([]string{n.Text.Business}, n.SharedWith...)...) {
				return ErrOptedOut
			}
		}
		t = w.queueInThread(n.Text).T
		if n.Also != nil {
			w.enqueue(n.Also(t)...)
		}
		return nil
	})
	if err != nil {
		return textback.Text{}, fmt.Errorf("queue a %s text: %w", n.Text.Kind, err)
	}
	return t, nil
}

// Due returns queued texts whose time has come, in order of due time.
func (s *Store) Due(ctx context.Context, at time.Time, limit int) (all []textback.Text, err error) {
	err = s.view(ctx, at, func(w *work) error {
		all = w.textsOf(tDue, at, limit, nil)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read due texts: %w", err)
	}
	return all, nil
}

// textsOf reads the texts of a time index up to and including a time.
func (w *work) textsOf(t table, until time.Time, limit int, want func(*textback.Text) bool) (all []textback.Text) {
	w.walk(t, nil, key(nil).num(stamp(until)).num(1<<64-1), false, func(k, _ []byte) bool {
		if r, ok := w.text(tail(k)); ok && (want == nil || want(&r.T)) {
			all = append(all, r.T)
		}
		return limit <= 0 || len(all) < limit
	})
	return all
}

// NextDue is the earliest due time of a queued text; false if none is queued.
func (s *Store) NextDue(ctx context.Context) (time.Time, bool, error) { return s.first(ctx, tDue) }

// first is the earliest time in a time index.
func (s *Store) first(ctx context.Context, t table) (at time.Time, ok bool, err error) {
	err = s.view(ctx, time.Time{}, func(w *work) error {
		w.walk(t, nil, nil, false, func(k, _ []byte) bool {
			at, ok = moment(number(k[:8])), true
			return false
		})
		return nil
	})
	return at, ok, err
}

// change runs fn on one text in a transaction and returns the text as it then stands.
func (s *Store) change(ctx context.Context, what string, id uint64, at time.Time,
	fn func(*work, *textRecord) error) (textback.Text, error) {
	var t textback.Text
	err := s.update(ctx, at, func(w *work) error {
		r, ok := w.text(id)
		if !ok {
			return cmpErr(w.err, ErrNotFound)
		}
		if err := fn(w, r); err != nil {
			return err
		}
		t = r.T
		return nil
	})
	if err != nil {
		return textback.Text{}, fmt.Errorf("%s text %d: %w", what, id, err)
	}
	return t, nil
}

// Attempt makes the attempt durable before anything is written: the text is submitting, so are its parts, and the
// claim counts from at. ErrState if the text is not queued any more (it was cancelled meanwhile): then nothing may
// be written.
func (s *Store) Attempt(ctx context.Context, a Attempt, at time.Time) (textback.Text, error) {
	return s.change(ctx, "attempt", a.ID, at, func(w *work, r *textRecord) error { return w.attempt(r, a) })
}

// attempt makes an attempt of a queued text.
func (w *work) attempt(r *textRecord, a Attempt) error {
	t := &r.T
	if t.State != textback.Queued {
		return fmt.Errorf("it is %s: %w", t.State, ErrState)
	}
	if !r.touched() {
		for _, k := range r.indexed() {
			w.del(k.t, k.key)
		}
		if len(a.References) == 0 {
			return fmt.Errorf("an attempt needs a reference for each part, 0 for none: %w", ErrState)
		}
		t.Ref, t.Parts = a.Ref, make([]textback.Part, len(a.References))
		for i := range t.Parts {
			t.Parts[i] = textback.Part{State: textback.Queued, Reference: a.References[i]}
		}
		if a.Body != "" {
			t.Body = a.Body
		}
		if a.Template != "" {
			t.Template = a.Template
		}
		t.Variant = a.Variant
	}
	only := make(map[int]bool, len(a.Only))
	for _, i := range a.Only {
		only[i] = true
	}
	if t.Link != a.Link && t.Link != "" && !slices.Contains(r.Links, t.Link) {
		r.Links = append(r.Links, t.Link)
	}
	t.Link = a.Link
	for i := range t.Parts {
		p := &t.Parts[i]
		if p.State != textback.Queued || a.Only != nil && !only[i] {
			continue
		}
		p.State, p.At, p.Status, p.Error = textback.Submitting, w.at, 0, ""
		if p.Reference != 0 {
			w.put(tRefs, refKey(t.Link, byte(p.Reference), t.ID, i), []byte{byte(p.Reference >> 8), byte(p.Reference)})
		}
	}
	t.State, t.Note = textback.Submitting, ""
	t.Attempts++
	if t.Submitted.IsZero() {
		t.Submitted = w.at
		w.moveClaim(*t, w.at, true)
	}
	w.saveText(r)
	w.renderInThread(r)
	return nil
}

// PartAnswered records what became of one part, also late, and returns the text as it then stands. A receipt that came
// before its response is applied.
func (s *Store) PartAnswered(ctx context.Context, a PartAnswer, at time.Time) (textback.Text, error) {
	return s.change(ctx, "settle", a.ID, at, func(w *work, r *textRecord) error {
		if a.Part < 0 || a.Part >= len(r.T.Parts) {
			return fmt.Errorf("part %d of %d: %w", a.Part, len(r.T.Parts), ErrNotFound)
		}
		p := &r.T.Parts[a.Part]
		open := p.State == textback.Submitting || p.State == textback.Unknown || p.State == textback.Queued
		switch a.Result {
		case PartAccepted:
			if open {
				p.State = textback.Accepted
			}
			p.MessageID, p.Status = a.MessageID, a.Status
			w.indexID(r.T.Link, a.MessageID, r.T.ID, a.Part)
		case PartRefused:
			if open {
				p.State, p.Status, p.Error = textback.Failed, a.Status, a.Error
				if r.T.Note == "" {
					r.T.Note = a.Error
				}
				if a.Number {
					w.numberFailed(r.T)
				}
			}
		case PartUncertain:
			if p.State == textback.Submitting {
				p.State, p.Error = textback.Unknown, a.Error
			}
		case PartNotWritten:
			if p.State == textback.Submitting || p.State == textback.Unknown {
				p.State, p.Status, p.Error = textback.Queued, a.Status, a.Error
			}
		default:
			return fmt.Errorf("part result %d is not known", a.Result)
		}
		p.At = at
		r.settle()
		w.saveText(r)
		if a.Result == PartAccepted || a.Result == PartUncertain {
			w.retryEarly(r, a.MessageID)
		}
		return nil
	})
}

// Defer puts a text back into the queue: not yet written, or with parts that were not. ErrState if there is nothing
// left to write.
func (s *Store) Defer(ctx context.Context, d Deferral, at time.Time) (textback.Text, error) {
	return s.change(ctx, "defer", d.ID, at, func(w *work, r *textRecord) error {
		t := &r.T
		back := t.State == textback.Submitting || t.State == textback.Unknown
		if t.State != textback.Queued && !(back && r.waiting()) {
			return fmt.Errorf("it is %s: %w", t.State, ErrState)
		}
		t.State, t.Due, t.Note = textback.Queued, d.Until, d.Note
		if d.Held {
			t.Held = true
			if wait := d.Until.Sub(at); wait > 0 && !t.Expires.IsZero() {
				t.Expires = t.Expires.Add(wait)
			}
		}
		if !d.Expires.IsZero() {
			t.Expires = d.Expires
		}
		if !r.touched() {
			t.Submitted = time.Time{}
			w.moveClaim(*t, t.Due, false)
		}
		w.saveText(r)
		return nil
	})
}

// Cancel ends a queued text; ErrState if it is not queued. The claim is given back if no part was written.
func (s *Store) Cancel(ctx context.Context, id uint64, note string, at time.Time) (textback.Text, error) {
	return s.endQueued(ctx, "cancel", id, textback.Cancelled, note, at)
}

// Expire ends a queued text that could not be sent in time; as Cancel.
func (s *Store) Expire(ctx context.Context, id uint64, note string, at time.Time) (textback.Text, error) {
	return s.endQueued(ctx, "expire", id, textback.Expired, note, at)
}

func (s *Store) endQueued(ctx context.Context, what string, id uint64, to textback.TextState, note string,
	at time.Time) (textback.Text, error) {
	return s.change(ctx, what, id, at, func(w *work, r *textRecord) error {
		if r.T.State != textback.Queued {
			return fmt.Errorf("it is %s: %w", r.T.State, ErrState)
		}
		w.end(r, to, note)
		return nil
	})
}

// Fail ends a queued or submitting text for good. The claim is given back if no part was, or may have been, accepted.
func (s *Store) Fail(ctx context.Context, f Failure, at time.Time) (textback.Text, error) {
	return s.change(ctx, "fail", f.ID, at, func(w *work, r *textRecord) error {
		switch r.T.State {
		case textback.Queued, textback.Submitting, textback.Unknown:
		default:
			return fmt.Errorf("it is %s: %w", r.T.State, ErrState)
		}
		if f.Number {
			w.numberFailed(r.T)
		}
		w.end(r, textback.Failed, f.Note)
		return nil
	})
}

// Recover is called once after Open by the daemon: texts that were submitting become unknown, queued ones go on. It
// returns those that became unknown.
func (s *Store) Recover(ctx context.Context, at time.Time) (unknown []textback.Text, err error) {
	err = s.update(ctx, at, func(w *work) error {
		unknown = nil
		for _, k := range w.keys(tOpen, nil, nil, 0) {
			r, ok := w.text(tail(k))
			if !ok {
				continue
			}
			for i := range r.T.Parts {
				if p := &r.T.Parts[i]; p.State == textback.Submitting {
					p.State, p.Error, p.At = textback.Unknown, "the daemon stopped before an answer came", at
				}
			}
			if r.settle(); r.T.State == textback.Submitting {
				r.T.State, r.T.Due = textback.Queued, at // every part came back unwritten, and the daemon stopped before Defer
			}
			w.saveText(r)
			w.retryEarly(r, "")
			if r.T.State == textback.Unknown {
				unknown = append(unknown, r.T)
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("take up the texts in doubt: %w", err)
	}
	return unknown, nil
}

// Uncertain lists unknown texts whose last change lies before a time and which were not sent again yet, oldest first: those that
// want takes, all if it is nil.
func (s *Store) Uncertain(ctx context.Context, before time.Time, limit int, want func(*textback.Text) bool) (all []textback.Text, err error) {
	err = s.view(ctx, before, func(w *work) error {
		all = w.textsOf(tUncertain, before, limit, want)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read texts in doubt: %w", err)
	}
	return all, nil
}

// Resend queues an unknown text once more, once only: if every part of it is unknown all of them, else those never
// written, with the same references. ErrState if it is settled, was sent again before, or nothing is left to write.
func (s *Store) Resend(ctx context.Context, id uint64, at time.Time) (textback.Text, error) {
	return s.change(ctx, "send again", id, at, func(w *work, r *textRecord) error {
		t := &r.T
		if t.State != textback.Unknown || t.Resent {
			return fmt.Errorf("it is %s, sent again before: %t: %w", t.State, t.Resent, ErrState)
		}
		all := true
		for _, p := range t.Parts {
			all = all && p.State == textback.Unknown
		}
		if all {
			for i := range t.Parts {
				t.Parts[i].State, t.Parts[i].At = textback.Queued, at
			}
		}
		if !r.waiting() {
			return fmt.Errorf("the parts in doubt go with parts that arrived: %w", ErrState)
		}
		t.Resent, t.State, t.Due = true, textback.Queued, at
		w.saveText(r)
		return nil
	})
}

// ClockStepped moves the queued texts with the wall clock after it was set by so much (forward is positive): what
// was to leave in five seconds still does, and nothing expires, or waits, for the step. Texts held for the end of
// quiet hours keep their time: that is one of the clock's own. So do those that were queued from since on, by the new clock: the step
// is noticed a moment after it was made. The grace of texts in doubt begins anew: it must not be over because of the step.
func (s *Store) ClockStepped(ctx context.Context, by time.Duration, since, at time.Time) (moved int, err error) {
	err = s.update(ctx, at, func(w *work) error {
		moved = 0
		before := at.Add(-by) // what the clock would have said
		for _, k := range w.keys(tDue, nil, nil, 0) {
			r, ok := w.text(tail(k))
			if !ok || r.T.Held && r.T.Due.After(before) || !r.T.Created.Before(since) && !r.T.Created.After(at) {
				continue
			}
			r.T.Due = r.T.Due.Add(by)
			if !r.T.Expires.IsZero() {
				r.T.Expires = r.T.Expires.Add(by)
			}
			if !r.touched() {
				w.moveClaim(r.T, r.T.Due, false)
			}
			w.saveText(r)
			moved++
		}
		for _, k := range w.keys(tUncertain, nil, nil, 0) {
			if r, ok := w.text(tail(k)); ok {
				w.saveText(r)
			}
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("move the queued texts with the clock: %w", err)
	}
	return moved, nil
}
