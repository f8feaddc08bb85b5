package store

import (
	"bytes"
	"context"
	"time"

	"textback"
)

// unrepliedWithin is how far back History looks for texts without an answer and for permanent failures.
const unrepliedWithin = 30 * 24 * time.Hour

// recallLeast is how many texts to a caller, of one business, are remembered at least, however few the guards ask for.
const recallLeast = 16

// scanMost bounds what one history reads of a caller: limits are far below, floods are far above.
const scanMost = 5000

// claim is what a text to a caller takes up: the window, the limits and the budgets. A text that does not leave
// gives it back.
type claim struct {
	ID        uint64 // of the text; of nothing in shadow mode
	CallID    string
	Business  string
	Caller    string
	Line      string
	Block     string
	At        time.Time // submit time; due time until then
	Taken     time.Time // when it was claimed
	Hour, Day time.Time // the business's clock hour and day that it counts in
	Submitted bool
	Shadow    bool
}

// callerFacts are what we know of a person and a business ("" = any business).
type callerFacts struct {
	Wrote   time.Time
	Reached time.Time
	// The last confirmation of an opt-out and of an opt-in was queued.
	Confirmed, ConfirmedIn time.Time
}

func callerKey(caller, business string) []byte { return key(nil).str(caller).str(business) }

func claimKey(caller, business string, id uint64) []byte {
	return key(nil).str(caller).str(business).num(id)
}

// Kinds of entries in tRate.
const (
	rateTaken = 'c'
	rateBlock = 'b' // only in memory, and in older files
	rateLine  = 'l' // likewise
	rateHour  = 'h'
	rateDay   = 'd'
)

// shadowSlot ends the entry of a claim, or the key of a budget, that counts what would have been sent.
var shadowSlot = []byte("shadow")

func budgetKey(kind byte, shadow bool, from time.Time, business string) key {
	k := key(nil).byt(kind).time(from).str(business)
	if shadow {
		k = k.raw(shadowSlot)
	}
	return k
}

// History reads the history as Decide would, for a text that is checked again when it is due. By then the text's
// own claim and call are part of it.
func (s *Store) History(ctx context.Context, k Keys, at time.Time) (h textback.History, err error) {
	err = s.view(ctx, at, func(w *work) error { h = w.history(k); return nil })
	return h, err
}

func (w *work) history(k Keys) (h textback.History) {
	hour, day := hourAndDay(w.at, k.Zone)
	h.BusinessHour = w.budget(rateHour, hour, k)
	h.BusinessDay = w.budget(rateDay, day, k)
	since := w.at.Add(-time.Hour)
	h.BlockHour = w.rate(rateBlock, k.Block, since, k.Shadow)
	h.LineHour = w.rate(rateLine, k.Line, since, k.Shadow)
	if k.Caller == "" {
		return h
	}
	h.OptedOut = w.optedOut(k.Caller, append([]string{k.Business}, k.SharedWith...)...)
	h.Thread = w.personInThread(k.Caller, k.Business, k.InThread)
	if w.stranger = w.isStranger(k.Caller); w.stranger {
		return h
	}

	wrote := w.at.Add(-unrepliedWithin)
	w.scan(tCallers, key(nil).str(k.Caller), func(_, v []byte) bool {
		var f callerFacts
		if err := decode(v, &f); err != nil {
			w.fail("decode a record of", tCallers, err)
			return false
		}
		wrote = later(wrote, f.Wrote)
		return true
	})
	n := 0
	w.back(tClaims, key(nil).str(k.Caller), func(_, v []byte) bool {
		var c claim
		if err := decode(v, &c); err != nil {
			w.fail("decode a record of", tClaims, err)
			return false
		}
		if n++; c.Shadow && !k.Shadow {
			return n < scanMost
		}
		if c.Business == k.Business {
			h.LastText = later(h.LastText, c.At)
		}
		if c.At.After(wrote) {
			h.Unreplied++
		}
		return n < scanMost
	})
	f := w.facts(k.Caller, k.Business)
	from := later(later(w.at.Add(-k.RepeatWithin), f.Wrote), f.Reached)
	h.Missed = w.countFrom(tMissed, key(nil).str(k.Caller).str(k.Business), from)
	h.Undeliverable = w.countFrom(tFailed, key(nil).str(k.Caller), w.at.Add(-unrepliedWithin))
	return h
}

// countFrom counts the keys under prefix whose time is later than from.
func (w *work) countFrom(t table, prefix key, from time.Time) (n int) {
	first := key(bytes.Clone(prefix)).num(stamp(from) + 1)
	w.walk(t, first, after(prefix), false, func(_, _ []byte) bool { n++; return n < scanMost })
	return n
}

// use changes what an hour or day has used up; nothing is kept of one in which nothing was.
func (w *work) use(k key, n int64) {
	if now := int64(number(w.get(tRate, k))) + n; now > 0 {
		w.enterNumber(tRate, k, uint64(now))
	} else {
		w.del(tRate, k)
	}
}

func (w *work) budget(kind byte, from time.Time, k Keys) int {
	n := number(w.get(tRate, budgetKey(kind, false, from, k.Business)))
	if k.Shadow {
		n += number(w.get(tRate, budgetKey(kind, true, from, k.Business)))
	}
	return int(n)
}

// claim takes the caller, the limits and the budgets.
func (w *work) claim(id uint64, v textback.Verdict, k Keys, shadow bool) {
	d := v.Decision
	c := claim{ID: id, CallID: v.Call.ID, Business: d.Business, Caller: d.Caller, Line: d.Line, Block: k.Block, At: d.Due,
		Taken: w.at, Shadow: shadow}
	if c.At.IsZero() {
		c.At = w.at
	}
	c.Hour, c.Day = hourAndDay(w.at, k.Zone)
	w.count(c, 1)
	w.saveNew(tClaims, claimKey(c.Caller, c.Business, id), &c)
	if !w.stranger {
		w.forgetClaims(c, min(max(k.Recall, recallLeast), scanMost))
	}
}

// forgetClaims drops the oldest claims on a caller beyond the newest few, which are all that a guard asks for. One
// whose text has not left stays: it may have to be given back.
func (w *work) forgetClaims(of claim, keep int) {
	var old [][]byte
	n := 0
	mine := key(nil).str(of.Caller).str(of.Business)
	w.scan(tClaims, mine, func(_, _ []byte) bool { n++; return n <= keep })
	if n <= keep {
		return // the rule: nothing has to be read for it
	}
	n = 0
	w.back(tClaims, mine, func(k, v []byte) bool {
		var c claim
		if err := decode(v, &c); err != nil {
			w.fail("decode a record of", tClaims, err)
			return false
		}
		if c.Shadow != of.Shadow {
			return true
		}
		if n++; n > keep && (c.Submitted || c.Shadow) {
			old = append(old, bytes.Clone(k))
		}
		return true
	})
	for _, k := range old {
		w.del(tClaims, k)
	}
}

// giveBack takes a claim back, with everything that it counted for.
func (w *work) giveBack(t textback.Text) {
	k := claimKey(t.To, t.Business, t.ID)
	c, ok := load[claim](w, tClaims, k)
	if !ok {
		return
	}
	w.del(tClaims, k)
	w.count(c, -1)
}

// count adds a claim to the limits and budgets that it counts for, or takes it off.
func (w *work) count(c claim, n int64) {
	if n > 0 {
		w.takeRate(&c)
	} else {
		w.giveRate(&c)
	}
	w.use(budgetKey(rateHour, c.Shadow, c.Hour, c.Business), n)
	w.use(budgetKey(rateDay, c.Shadow, c.Day, c.Business), n)
}

// moveClaim lets a text's claim count from another time.
func (w *work) moveClaim(t textback.Text, at time.Time, submitted bool) {
	k := claimKey(t.To, t.Business, t.ID)
	if c, ok := load[claim](w, tClaims, k); ok {
		c.At, c.Submitted = at, submitted
		w.save(tClaims, k, &c)
	}
}

// claimed lists the texts that hold claims on a caller, for one business or all, oldest first.
func (w *work) claimed(caller, business string) (ids []uint64) {
	prefix := key(nil).str(caller)
	if business != "" {
		prefix = prefix.str(business)
	}
	w.scan(tClaims, prefix, func(k, _ []byte) bool { ids = append(ids, tail(k)); return true })
	return ids
}

// facts are a caller's facts for a business, with those that count for all.
func (w *work) facts(caller, business string) callerFacts {
	f, _ := load[callerFacts](w, tCallers, callerKey(caller, business))
	if business != "" {
		all, _ := load[callerFacts](w, tCallers, callerKey(caller, ""))
		f.Wrote, f.Reached = later(f.Wrote, all.Wrote), later(f.Reached, all.Reached)
	}
	return f
}

// hourAndDay are the beginnings of the clock hour and the day in a zone. The hour is cut off the local clock, so
// that it is right in zones of half hours and on the nights when clocks change.
func hourAndDay(at time.Time, zone *time.Location) (hour, day time.Time) {
	if zone == nil {
		zone = time.UTC
	}
	l := at.In(zone)
	past := time.Duration(l.Minute())*time.Minute + time.Duration(l.Second())*time.Second + time.Duration(l.Nanosecond())
	hour = l.Add(-past)
	return hour.UTC(), time.Date(l.Year(), l.Month(), l.Day(), 0, 0, 0, 0, zone).UTC()
}
