package store

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"textback"
)

// Explanation is everything that is known about a number or a call.
type Explanation struct {
	Calls   []textback.Verdict // oldest first
	Texts   []textback.Text    // oldest first
	Threads []textback.Thread
	Ledger  []LedgerEntry
	Out     []string // businesses that the person has opted out of
	Made    []Made   // hand-offs about the person that are over, oldest first
}

// Count is one counted thing.
type Count struct {
	Kind     string // CountMissed, CountVerdict, ...
	Word     string // the outcome, reason or state
	Business string
	Line     string
	N        int64
}

// Kinds of counts.
const (
	CountMissed   = "missed"   // missed calls taken in, by outcome
	CountVerdict  = "verdict"  // verdicts, by reason ("recovered" moves one from its old reason)
	CountAnswered = "answered" // answered calls, by direction
	CountText     = "text"     // changes of texts into a state, by state
	CountReply    = "reply"    // replies
	CountOptOut   = "opt"      // opt-outs and opt-ins, by action
	CountBooking  = "booking"  // bookings, by state
)

// Explain returns everything about a number (E.164, or raw as the PBX gave it) or a call id.
func (s *Store) Explain(ctx context.Context, numberOrCall string) (x Explanation, err error) {
	err = s.view(ctx, time.Time{}, func(w *work) error {
		if v, ok := load[textback.Verdict](w, tCalls, callKey(numberOrCall)); ok {
			x.Calls = append(x.Calls, v)
			w.explainCall(v, &x)
			return nil
		}
		w.explainNumber(numberOrCall, &x)
		return nil
	})
	if err != nil {
		return Explanation{}, fmt.Errorf("explain: %w", err)
	}
	return x, nil
}

// explainCall adds what came of a missed call: its text, the conversation that began with it, the texts of that, and the
// hand-offs from then on.
func (w *work) explainCall(v textback.Verdict, x *Explanation) {
	number := v.Decision.Caller
	if number == "" {
		return
	}
	mine := make(map[uint64]bool)
	w.scan(tThreadsCaller, key(nil).str(number), func(k, _ []byte) bool {
		if r, ok := w.thread(tail(k)); ok && r.T.CallID == v.Call.ID {
			mine[r.T.ID] = true
			x.Threads = append(x.Threads, w.full(r))
		}
		return true
	})
	for _, id := range w.textsTo(number) {
		if r, ok := w.text(id); ok && (id == v.TextID || r.T.CallID == v.Call.ID || r.T.ThreadID != 0 && mine[r.T.ThreadID]) {
			x.Texts = append(x.Texts, r.T)
		}
	}
	for _, m := range w.madeFor(number) {
		if !m.Queued.Before(v.At) {
			x.Made = append(x.Made, m)
		}
	}
}

func (w *work) explainNumber(num string, x *Explanation) {
	w.scan(tCallsParty, key(nil).str(num), func(k, _ []byte) bool {
		_, rest := field(k)
		id, _ := field(rest[8:])
		if v, ok := load[textback.Verdict](w, tCalls, callKey(id)); ok {
			x.Calls = append(x.Calls, v)
		}
		return true
	})
	for _, id := range w.textsTo(num) {
		if r, ok := w.text(id); ok && r.T.To == num {
			x.Texts = append(x.Texts, r.T)
		}
	}
	w.scan(tThreadsCaller, key(nil).str(num), func(k, _ []byte) bool {
		if r, ok := w.thread(tail(k)); ok {
			x.Threads = append(x.Threads, w.full(r))
		}
		return true
	})
	who := w.s.hash("number", num)
	x.Ledger = append(w.listsOf(num, who), w.ledgerOf(who)...)
	slices.SortFunc(x.Ledger, func(a, b LedgerEntry) int { return cmp.Compare(a.Seq, b.Seq) })
	w.scan(tOut, key(nil).str(who), func(k, _ []byte) bool {
		_, rest := field(k)
		b, _ := field(rest)
		x.Out = append(x.Out, b)
		return true
	})
	for _, b := range w.listedBusinesses() {
		if _, ok := w.listedAs(num, b); ok {
			x.Out = append(x.Out, b)
		}
	}
	x.Made = w.madeFor(num)
}

// Verdict returns the verdict on one call; ErrNotFound.
func (s *Store) Verdict(ctx context.Context, callID string) (v textback.Verdict, err error) {
	err = s.view(ctx, time.Time{}, func(w *work) error {
		var ok bool
		if v, ok = load[textback.Verdict](w, tCalls, callKey(callID)); !ok {
			return cmpErr(w.err, ErrNotFound)
		}
		return nil
	})
	if err != nil {
		return v, fmt.Errorf("read the verdict on call %s: %w", callID, err)
	}
	return v, nil
}

// Calls walks the verdicts on calls that ended in [since, until), in that order. fn returns false to stop; it must not
// call the store.
func (s *Store) Calls(ctx context.Context, since, until time.Time, fn func(textback.Verdict) bool) error {
	return s.between(ctx, tCallsTime, since, until, func(w *work, k []byte) bool {
		id, _ := field(k[8:])
		v, ok := load[textback.Verdict](w, tCalls, callKey(id))
		return !ok || fn(v)
	})
}

// Texts walks the texts created in [since, until), in that order; as Calls.
func (s *Store) Texts(ctx context.Context, since, until time.Time, fn func(textback.Text) bool) error {
	return s.between(ctx, tTextsTime, since, until, func(w *work, k []byte) bool {
		r, ok := w.text(tail(k))
		return !ok || fn(r.T)
	})
}

// InState lists the texts that stand in a state, newest first. It looks at every text until it has limit (0 = all of them):
// for a person who asks, not for a loop.
func (s *Store) InState(ctx context.Context, state textback.TextState, limit int) (all []textback.Text, err error) {
	err = s.view(ctx, time.Time{}, func(w *work) error {
		if w.stands(nowTexts, state.String()) == 0 {
			return nil
		}
		w.back(tTextsTime, nil, func(k, _ []byte) bool {
			if r, ok := w.text(tail(k)); ok && r.T.State == state {
				all = append(all, r.T)
			}
			return (limit <= 0 || len(all) < limit) && ctx.Err() == nil
		})
		return ctx.Err()
	})
	if err != nil {
		return nil, fmt.Errorf("list texts: %w", err)
	}
	return all, nil
}

// ThreadsBetween walks the threads opened in [since, until), with their messages; as Calls.
func (s *Store) ThreadsBetween(ctx context.Context, since, until time.Time, fn func(textback.Thread) bool) error {
	return s.between(ctx, tThreadsTime, since, until, func(w *work, k []byte) bool {
		r, ok := w.thread(tail(k))
		return !ok || fn(w.full(r))
	})
}

func (s *Store) between(ctx context.Context, t table, since, until time.Time, fn func(*work, []byte) bool) error {
	return s.view(ctx, since, func(w *work) error {
		w.walk(t, key(nil).time(since), key(nil).time(until), false, func(k, _ []byte) bool {
			return fn(w, k) && ctx.Err() == nil
		})
		return cmpErr(w.err, ctx.Err())
	})
}
