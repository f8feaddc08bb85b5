package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"textback"
)

// Keys tell Decide whose history to read. Business, Line and Caller must be those of the Decision that follows.
type Keys struct {
	Business     string         // "" if the line is unknown: the history is then empty
	Line         string         // E.164 as configured
	Caller       string         // E.164; "" if there is no number: only the counters of line and business are read
	Block        string         // the caller's number without its last four digits
	Zone         *time.Location // for the business's clock hour and day; nil is UTC
	RepeatWithin time.Duration
	InThread     time.Duration
	Recall       int      // the newest texts to the caller that the guards count; older ones may be forgotten
	SharedWith   []string // other businesses that text from the same sender: their opt-outs count
	Shadow       bool     // shadow mode: claims and counters of shadow verdicts are read too

	// Attempt, if set, is asked inside the transaction about the text that was queued, and the attempt that it returns, nil for none, is
	// made there, as [Store.Attempt] would: a text that is due at once waits for one commit and not for two. ID need not be set. It may
	// be asked again if the transaction has to be run again, and is not asked when the call was decided before.
	Attempt func(textback.Text) *Attempt

	// Also, if set, is called inside the transaction with what was decided (text is nil if none); the hand-offs that it
	// returns are queued in the same transaction. It is not called when the call was decided before.
	Also func(v textback.Verdict, text *textback.Text) []Delivery
}

// Contact is an answered call with someone outside, in or out: a person was reached.
type Contact struct {
	Caller   string // E.164 of the person outside
	Business string // "" = all businesses: an outbound call, or one on a line that is not configured
	Line     string // for the count, "" if unknown
	Call     *textback.Call
	Count    bool // count it as an answered call (once for each call, when it is over)

	// Also, if set, is called inside the transaction with the texts that were cancelled.
	Also func(cancelled []textback.Text) []Delivery
	// Recovered, if set, is called inside the transaction for each verdict that became recovered.
	Recovered func(textback.Verdict) []Delivery
}

// Decide reads the caller's history, asks fn, and writes the verdict and, for ReasonText, the claim and the queued text
// (for ReasonShadow claim and counters apart): all in one transaction. It is idempotent by call id: a call that was
// decided before returns the stored verdict and text, and fn is not called. fn must be quick and pure.
func (s *Store) Decide(ctx context.Context, call textback.Call, k Keys, at time.Time,
	fn func(textback.History) textback.Decision) (v textback.Verdict, text *textback.Text, err error) {
	if !call.Missed() || call.ID == "" {
		return v, nil, fmt.Errorf("decide call %q: only an ended missed call with an id gets a verdict", call.ID)
	}
	err = s.update(ctx, at, func(w *work) error {
		v, text = textback.Verdict{}, nil
		if old, ok := load[textback.Verdict](w, tCalls, callKey(call.ID)); ok {
			v = old
			if r, ok := w.text(v.TextID); ok {
				text = &r.T
			}
			return nil
		}
		h := w.history(k)
		if w.err != nil {
			return w.err
		}
		v = textback.Verdict{Call: call, Decision: fn(h), At: at}
		d := v.Decision
		w.tally(at, CountMissed, call.Outcome.String(), d.Business, d.Line, 1)
		switch d.Reason {
		case textback.ReasonText:
			r, err := w.missedCallText(v, k)
			if err != nil {
				return err
			}
			v.TextID, text = r.T.ID, &r.T
			if k.Attempt == nil {
				break
			}
			if a := k.Attempt(r.T); a != nil {
				if err := w.attempt(r, *a); err != nil {
					return err
				}
				w.texts = false // it is in no queue any more: nobody need look
			}
		case textback.ReasonShadow:
			w.claim(w.next("text"), v, k, true)
		}
		w.saveVerdict(v)
		if s.opts.Committed != nil {
			w.verdicts = append(w.verdicts, v)
		}
		if k.Caller != "" {
			w.enter(tMissed, key(nil).str(k.Caller).str(k.Business).time(at).str(call.ID), nil)
		}
		if k.Also != nil {
			w.enqueue(k.Also(v, text)...)
		}
		return nil
	})
	if err != nil {
		return textback.Verdict{}, nil, fmt.Errorf("decide call %s: %w", call.ID, err)
	}
	return v, text, nil
}

func callKey(id string) []byte { return key(nil).str(id) }

// saveVerdict writes a new verdict with its indexes.
func (w *work) saveVerdict(v textback.Verdict) {
	w.saveNew(tCalls, callKey(v.Call.ID), &v)
	w.enter(tCallsTime, key(nil).time(ended(v)).str(v.Call.ID), nil)
	if p := party(v); p != "" {
		w.enter(tCallsParty, key(nil).str(p).time(ended(v)).str(v.Call.ID), nil)
	}
	w.tally(w.at, CountVerdict, v.Decision.Reason.String(), v.Decision.Business, v.Decision.Line, 1)
}

// ended is when the call ended, as reports sort it.
func ended(v textback.Verdict) time.Time {
	if v.Call.End.IsZero() {
		return v.At
	}
	return v.Call.End
}

// party is the number under which a verdict is found.
func party(v textback.Verdict) string {
	if v.Decision.Caller != "" {
		return v.Decision.Caller
	}
	return v.Call.Party.Number
}

// missedCallText claims the caller and queues the text.
func (w *work) missedCallText(v textback.Verdict, k Keys) (*textRecord, error) {
	d := v.Decision
	if d.Caller == "" || d.Business == "" {
		return nil, errors.New("a text needs a caller and a business")
	}
	r := w.newText(textback.Text{Kind: textback.MissedCallText, CallID: v.Call.ID, Business: d.Business, Line: d.Line,
		To: d.Caller, From: d.From, SMPP: d.SMPP, Template: d.Template, Due: d.Due, Held: d.Held, Expires: d.Expires})
	w.claim(r.T.ID, v, k, false)
	return r, nil
}

// Reached notes that a person was reached: queued missed-call texts of the caller of which nothing was written are
// cancelled and their verdicts become recovered, their claims are given back, the missed counter starts anew, and
// an open thread has its human response. It returns the cancelled texts.
func (s *Store) Reached(ctx context.Context, c Contact, at time.Time) (cancelled []textback.Text, err error) {
	if c.Caller == "" {
		return nil, errors.New("reached: no number")
	}
	err = s.update(ctx, at, func(w *work) error {
		cancelled = nil
		for _, id := range w.claimed(c.Caller, c.Business) {
			r, ok := w.text(id)
			if !ok || r.T.Kind != textback.MissedCallText || r.T.State != textback.Queued || r.touched() {
				continue
			}
			w.end(r, textback.Cancelled, "reached a person")
			if v, ok := w.recovered(r.T.CallID); ok && c.Recovered != nil {
				w.enqueue(c.Recovered(v)...)
			}
			cancelled = append(cancelled, r.T)
		}
		f := w.facts(c.Caller, c.Business)
		f.Reached = later(f.Reached, at)
		w.save(tCallers, callerKey(c.Caller, c.Business), &f)
		w.answeredThreads(c.Caller, c.Business)
		if c.Count {
			word := textback.Inbound.String()
			if c.Call != nil {
				word = c.Call.Direction.String()
			}
			w.tally(at, CountAnswered, word, c.Business, c.Line, 1)
		}
		if c.Also != nil {
			w.enqueue(c.Also(cancelled)...)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("note a reached caller: %w", err)
	}
	return cancelled, nil
}

// recovered turns a verdict that had queued a text; false if it was turned before.
func (w *work) recovered(callID string) (v textback.Verdict, ok bool) {
	v, ok = load[textback.Verdict](w, tCalls, callKey(callID))
	if !ok || v.Decision.Reason == textback.ReasonRecovered {
		return v, false
	}
	d := v.Decision
	w.tally(v.At, CountVerdict, d.Reason.String(), d.Business, d.Line, -1)
	w.tally(v.At, CountVerdict, textback.ReasonRecovered.String(), d.Business, d.Line, 1)
	v.Was, v.Decision.Reason = d.Reason, textback.ReasonRecovered
	w.save(tCalls, callKey(callID), &v)
	return v, true
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
