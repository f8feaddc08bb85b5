package store

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"textback"
)

// Forgotten says what was removed of a person.
type Forgotten struct {
	Calls, Texts, Threads, Messages, Bookings, Deliveries int
	Ledger                                                int      // entries from which number and wording were removed
	StillOut                                              []string // businesses that go on being suppressed by the keyed hash
}

// Forget erases a person: calls (what was decided stays, without who it was about), texts, threads, hand-offs, the
// number and the wording in the ledger. Opt-outs go on suppressing by a keyed hash.
func (s *Store) Forget(ctx context.Context, number string, at time.Time) (f Forgotten, err error) {
	if number == "" {
		return f, fmt.Errorf("forget: no number: %w", ErrNotFound)
	}
	// What no index finds is looked for in a snapshot first, so that the writers do not wait for it.
	var found findings
	if err = s.view(ctx, at, func(w *work) error { found = w.find(number); return nil }); err != nil {
		return f, fmt.Errorf("forget: %w", err)
	}
	err = s.update(ctx, at, func(w *work) error {
		f = Forgotten{}
		for _, id := range found.calls {
			w.forgetCall(id, &f)
		}
		for _, id := range append(w.textsTo(number), found.texts...) {
			r, ok := w.text(id)
			if !ok || r.T.To != number && !slices.Contains(found.texts, id) {
				continue
			}
			w.del(tClaims, claimKey(r.T.To, r.T.Business, id))
			w.removeText(r)
			f.Texts++
		}
		for _, k := range w.keys(tThreadsCaller, key(nil).str(number), after(key(nil).str(number)), 0) {
			if r, ok := w.thread(tail(k)); ok {
				f.Messages += w.removeThread(r)
				f.Threads++
			}
		}
		for _, k := range found.bookings {
			if b, ok := load[BookingRecord](w, tBookings, k); ok {
				w.del(tBookings, k)
				w.del(tBookingsTime, key(nil).time(b.Booking.At).raw(k))
				f.Bookings++
			}
		}
		for _, id := range found.deliveries {
			if w.removeDelivery(id) {
				f.Deliveries++
			}
		}
		for _, id := range found.incoming {
			w.handled(id)
		}
		for _, id := range found.early {
			w.dropEarly(id)
		}
		for _, t := range []table{tClaims, tCallers, tMissed, tFailed, tMade} {
			for _, k := range w.keys(t, key(nil).str(number), after(key(nil).str(number)), 0) {
				w.del(t, k)
			}
		}
		for _, k := range found.parts {
			w.dropParts(k)
		}
		w.forgetOptOut(number, &f)
		return nil
	})
	if err != nil {
		return Forgotten{}, fmt.Errorf("forget: %w", err)
	}
	return f, nil
}

// findings are the places of a person that only a walk over whole tables finds.
type findings struct {
	calls           []string
	texts           []uint64 // to staff, about the person
	bookings, parts [][]byte
	deliveries      []uint64
	incoming        []uint64
	early           []uint64
}

func (w *work) find(number string) (f findings) {
	w.scan(tCallsParty, nil, func(k, _ []byte) bool {
		p, rest := field(k)
		if sameNumber(p, number) {
			id, _ := field(rest[8:])
			f.calls = append(f.calls, id)
		}
		return true
	})
	threads := map[uint64]bool{}
	w.scan(tThreadsCaller, key(nil).str(number), func(k, _ []byte) bool { threads[tail(k)] = true; return true })
	eachRecord(w, tTexts, func(k []byte, r textRecord) {
		if r.T.To != number && (threads[r.T.ThreadID] || r.T.CallID != "" && slices.Contains(f.calls, r.T.CallID)) {
			f.texts = append(f.texts, r.T.ID)
		}
	})
	eachRecord(w, tBookings, func(k []byte, b BookingRecord) {
		if b.Caller == number {
			f.bookings = append(f.bookings, slices.Clone(k))
		}
	})
	eachRecord(w, tDeliveries, func(k []byte, d Delivery) {
		if d.Person == number {
			f.deliveries = append(f.deliveries, d.ID)
		}
	})
	eachRecord(w, tIncoming, func(k []byte, in incomingRecord) {
		if sameNumber(in.Reply.From, number) {
			f.incoming = append(f.incoming, tail(k))
		}
	})
	eachRecord(w, tEarly, func(k []byte, e early) {
		if sameAddress(e.R.From, number) || sameAddress(e.R.To, number) {
			f.early = append(f.early, tail(k))
		}
	})
	eachRecord(w, tParts, func(k []byte, p partSet) {
		if sameNumber(p.From, number) {
			f.parts = append(f.parts, slices.Clone(k))
		}
	})
	return f
}

// eachRecord walks all records of a table.
func eachRecord[T any](w *work, t table, fn func(k []byte, v T)) {
	w.scan(t, nil, func(k, b []byte) bool {
		var v T
		if err := decode(b, &v); err != nil {
			w.fail("decode a record of", t, err)
			return false
		}
		fn(k, v)
		return true
	})
}

// sameNumber tells whether a PBX's spelling of a number is a person's, strictly: others must not be erased with him.
func sameNumber(raw, number string) bool {
	if raw == number {
		return true
	}
	a, b := strings.TrimLeft(digits(raw), "0"), digits(number)
	return len(a) >= 9 && strings.HasSuffix(b, a)
}

// forgetCall takes out of a verdict who called. The verdict stays: it counts.
func (w *work) forgetCall(id string, f *Forgotten) {
	v, ok := load[textback.Verdict](w, tCalls, callKey(id))
	if !ok {
		return
	}
	w.del(tCallsParty, key(nil).str(party(v)).time(ended(v)).str(id))
	v.Call.Party = textback.Party{Withheld: v.Call.Party.Withheld, Verification: v.Call.Party.Verification}
	v.Call.Evidence = nil
	v.Decision.Caller, v.Decision.Detail, v.TextID = "", "", 0
	w.save(tCalls, callKey(id), &v)
	f.Calls++
}

// forgetOptOut leaves of a person's opt-outs the keyed hash.
func (w *work) forgetOptOut(number string, f *Forgotten) {
	who := w.s.hash("number", number)
	entries := w.ledgerOf(who)
	lists := w.listsOf(number, who)
	for _, b := range w.listedBusinesses() {
		if l, ok := w.delist(number, b); ok {
			o := w.listedOut(b, l, map[uint64]LedgerEntry{})
			w.save(tOut, outKey(who, b), outRecord{At: o.At, Source: o.Source, Line: o.Line, Seq: l.seq})
		}
	}
	for _, e := range entries {
		if e.Number == "" && e.Wording == "" {
			continue
		}
		e.Number, e.Wording = "", ""
		w.save(tLedger, key(nil).num(e.Seq), &e)
		f.Ledger++
	}
	prefix := key(nil).str(who)
	for _, k := range w.keys(tOut, prefix, after(prefix), 0) {
		_, rest := field(k)
		b, _ := field(rest)
		r, ok := load[outRecord](w, tOut, k)
		if !ok {
			continue
		}
		r.Number, r.Wording = "", ""
		w.save(tOut, k, &r)
		w.del(tOutNumber, key(nil).str(number).str(b))
		f.StillOut = append(f.StillOut, b)
	}
	if len(entries)+len(lists) > 0 {
		w.appendLedger(LedgerEntry{At: w.at, Action: ActionForget, Who: who, Businesses: f.StillOut, Source: SourceCommand})
	}
}
