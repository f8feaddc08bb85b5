package store

import (
	"context"
	"fmt"
	"time"

	"textback"
)

// Retention says for how long to keep what has ended. Opt-outs and their ledger are kept for ever.
type Retention struct {
	Records time.Duration // verdicts, texts, threads, bookings; 90 days if zero
	Claims  time.Duration // at least the longest window; never less than 30 days
	Counts  time.Duration // hourly counts; 400 days if zero
}

// Pruned counts what Prune removed.
type Pruned struct{ Calls, Texts, Threads, Claims, Incoming, Receipts, Other int }

// How long what nobody asks for is kept.
const (
	keepSeen   = 24 * time.Hour     // fingerprints of incoming messages
	keepEarly  = 24 * time.Hour     // receipts that matched nothing
	keepRate   = 2 * time.Hour      // what the hourly limits count
	keepBudget = 3 * 24 * time.Hour // hourly and daily budgets
)

// pruneBatch bounds what one transaction removes: others wait for it.
const pruneBatch = 100

// Prune removes what is older than its retention, in small transactions.
func (s *Store) Prune(ctx context.Context, r Retention, at time.Time) (p Pruned, err error) {
	const day = 24 * time.Hour
	if r.Records == 0 {
		r.Records = 90 * day
	}
	if r.Counts == 0 {
		r.Counts = 400 * day
	}
	r.Claims = max(r.Claims, unrepliedWithin)
	records, claims := at.Add(-r.Records), at.Add(-r.Claims)
	for _, step := range []func() (int, error){
		func() (int, error) { return s.pruneTime(ctx, tCallsTime, records, at, &p.Calls, pruneCall) },
		func() (int, error) { return s.pruneTime(ctx, tTextsTime, records, at, &p.Texts, pruneText) },
		func() (int, error) {
			return s.pruneTime(ctx, tThreadsTime, records, at, &p.Threads, func(w *work, k []byte) bool {
				return pruneThread(w, k, records)
			})
		},
		func() (int, error) { return s.pruneTime(ctx, tBookingsTime, records, at, &p.Other, pruneBooking) },
		func() (int, error) { return s.pruneTime(ctx, tSeenTime, at.Add(-keepSeen), at, &p.Incoming, pruneSeen) },
		func() (int, error) {
			return s.pruneTime(ctx, tEarlyTime, at.Add(-keepEarly), at, &p.Receipts, pruneEarly)
		},
		func() (int, error) {
			return s.pruneRange(ctx, tCounts, key(nil).num(countNow+1), key(nil).time(at.Add(-r.Counts)), at, &p.Other)
		},
		func() (int, error) {
			return s.pruneRange(ctx, tRate, key(nil).byt(rateHour), key(nil).byt(rateHour).time(at.Add(-keepBudget)), at, &p.Other)
		},
		func() (int, error) {
			return s.pruneRange(ctx, tRate, key(nil).byt(rateDay), key(nil).byt(rateDay).time(at.Add(-keepBudget)), at, &p.Other)
		},
		func() (int, error) {
			before := at.Add(-keepRate).Truncate(rateSlot)
			s.rates.forget(before)
			return s.pruneRange(ctx, tRate, key(nil).byt(rateTaken), key(nil).byt(rateTaken).time(before), at, &p.Other)
		},
		func() (int, error) {
			return s.pruneKeys(ctx, tRate, at, &p.Other, func(k, _ []byte) bool { return oldRate(k, at.Add(-keepRate)) })
		},
		func() (int, error) {
			return s.pruneKeys(ctx, tMissed, at, &p.Other, func(k, _ []byte) bool { return timeInMissed(k).Before(records) })
		},
		func() (int, error) {
			return s.pruneKeys(ctx, tMade, at, &p.Other, func(k, _ []byte) bool { return timeInMade(k).Before(records) })
		},
		func() (int, error) {
			return s.pruneKeys(ctx, tFailed, at, &p.Other, func(k, _ []byte) bool {
				return moment(number(k[len(k)-16 : len(k)-8])).Before(at.Add(-unrepliedWithin))
			})
		},
		func() (int, error) {
			return s.pruneKeys(ctx, tClaims, at, &p.Claims, func(_, v []byte) bool { return oldClaim(v, claims) })
		},
		func() (int, error) {
			return s.pruneKeys(ctx, tCallers, at, &p.Other, func(_, v []byte) bool {
				return oldCaller(v, at.Add(-max(r.Records, r.Claims)))
			})
		},
	} {
		if _, err := step(); err != nil {
			return p, fmt.Errorf("prune: %w", err)
		}
	}
	return p, nil
}

// pruneTime removes the records of a time index that lie before a time. fn removes one, or leaves it and returns false.
func (s *Store) pruneTime(ctx context.Context, t table, before, at time.Time, n *int,
	fn func(*work, []byte) bool) (int, error) {
	var from []byte
	for {
		var got, removed int
		var last []byte
		err := s.update(ctx, at, func(w *work) error {
			got, removed = 0, 0
			for _, k := range w.keys(t, from, key(nil).time(before), pruneBatch) {
				got++
				if fn(w, k) {
					w.del(t, k)
					removed++
				}
				last = append(append([]byte{}, k...), 0)
			}
			return nil
		})
		if err != nil {
			return 0, err
		}
		if *n += removed; got < pruneBatch {
			return removed, nil
		}
		from = last // those that stay are not looked at again
	}
}

func (s *Store) pruneRange(ctx context.Context, t table, from, to []byte, at time.Time, n *int) (int, error) {
	for {
		var got int
		err := s.update(ctx, at, func(w *work) error {
			keys := w.keys(t, from, to, pruneBatch)
			for _, k := range keys {
				w.del(t, k)
			}
			got = len(keys)
			return nil
		})
		if err != nil {
			return 0, err
		}
		if *n += got; got < pruneBatch {
			return got, nil
		}
	}
}

// pruneKeys looks for old entries in a table that is not in order of time: in a snapshot, and removes what it found in
// small transactions, looking again at each.
func (s *Store) pruneKeys(ctx context.Context, t table, at time.Time, n *int, old func(k, v []byte) bool) (int, error) {
	var found [][]byte
	if err := s.view(ctx, at, func(w *work) error {
		w.scan(t, nil, func(k, v []byte) bool {
			if old(k, v) {
				found = append(found, append([]byte{}, k...))
			}
			return ctx.Err() == nil
		})
		return ctx.Err()
	}); err != nil {
		return 0, err
	}
	all := len(found)
	for len(found) > 0 {
		batch := found[:min(len(found), pruneBatch)]
		found = found[len(batch):]
		err := s.update(ctx, at, func(w *work) error {
			for _, k := range batch {
				if v := w.get(t, k); v != nil && old(k, v) {
					w.del(t, k)
				}
			}
			return nil
		})
		if err != nil {
			return 0, err
		}
		*n += len(batch)
	}
	return all, nil
}

func pruneCall(w *work, k []byte) bool {
	id, _ := field(k[8:])
	if v, ok := load[textback.Verdict](w, tCalls, callKey(id)); ok {
		w.del(tCallsParty, key(nil).str(party(v)).time(ended(v)).str(id))
		w.del(tCalls, callKey(id))
	}
	return true
}

func pruneText(w *work, k []byte) bool {
	r, ok := w.text(tail(k))
	if ok && (r.T.State == textback.Queued || r.T.State == textback.Submitting) {
		return false
	}
	if ok {
		w.removeText(r)
	}
	return true
}

// pruneThread removes a thread in which nothing was said since.
func pruneThread(w *work, k []byte, before time.Time) bool {
	r, ok := w.thread(tail(k))
	if ok && !r.T.Last.Before(before) {
		return false
	}
	if ok {
		w.removeThread(r)
	}
	return true
}

func pruneBooking(w *work, k []byte) bool { w.del(tBookings, k[8:]); return true }

func pruneSeen(w *work, k []byte) bool { w.del(tSeen, k[8:]); return true }

func pruneEarly(w *work, k []byte) bool { w.dropEarly(tail(k)); return true }

// oldRate tells whether a slot of a block's or line's hour, as older files have them, is past.
func oldRate(k []byte, before time.Time) bool {
	if k[0] != rateBlock && k[0] != rateLine {
		return false
	}
	_, rest := field(k[1:])
	return len(rest) < 8 || moment(number(rest[:8])).Before(before)
}

func timeInMissed(k []byte) time.Time {
	_, rest := field(k)
	_, rest = field(rest)
	if len(rest) < 8 {
		return time.Time{}
	}
	return moment(number(rest[:8]))
}

func oldClaim(v []byte, before time.Time) bool {
	var c claim
	return decode(v, &c) == nil && c.At.Before(before) && c.Taken.Before(before)
}

func oldCaller(v []byte, before time.Time) bool {
	var f callerFacts
	if decode(v, &f) != nil {
		return false
	}
	return later(later(f.Wrote, f.Reached), later(f.Confirmed, f.ConfirmedIn)).Before(before)
}
