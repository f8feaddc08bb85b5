package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"textback"
)

// Where an opt-out or opt-in came from. Other words are kept as they are.
const (
	SourceSMS       = "sms"
	SourceCommand   = "command"
	SourceImport    = "import"
	SourceVoicemail = "voicemail"
)

// Action is what an entry of the ledger did.
type Action string

const (
	ActionOut    Action = "out"
	ActionIn     Action = "in"
	ActionForget Action = "forget" // the person's data was erased; what he had opted out of goes on suppressing
	ActionList   Action = "list"   // many persons opted out, by a list that was imported
)

// OptChange is somebody's wish to hear nothing more, or to be texted again.
type OptChange struct {
	Number     string   // E.164
	Businesses []string // all businesses that it counts for
	Source     string   // SourceSMS, SourceCommand, ...
	Line       string   // sender or line that it came in on
	Wording    string   // what was said
	Incoming   uint64   // marked as handled in the same transaction; one that was handled changes nothing; 0 if none

	// Confirm, if set, is the confirmation text to queue, rendered. It is queued only if the change changes
	// something and no confirmation was queued for this person and these businesses within the last five minutes.
	Confirm *textback.Text
	Also    func(OptResult) []Delivery

	// File, if set, files the wording under the person's thread, which is opened if there is none, because a person is to
	// read it: it was understood, not said in so many words.
	File *Filed
}

// Filed is how an opt-out is filed for people.
type Filed struct {
	Business, Line, Flag string
	Also                 func(textback.Thread) []Delivery // called inside the transaction with the thread and its messages
}

// OptResult is what an OptOut or OptIn did.
type OptResult struct {
	Changed      bool            // false: the person had opted out (in) before
	Entry        LedgerEntry     // the entry appended; zero if none was
	Cancelled    []textback.Text // queued texts that were cancelled
	Confirmation *textback.Text  // the confirmation queued, nil if none
}

// confirmWithin is the time in which a person gets one confirmation at most.
const confirmWithin = 5 * time.Minute

// OptedOut is one person's standing opt-out of one business.
type OptedOut struct {
	Number   string // "" for an erased person
	Who      string // keyed hash of the number, hex
	Business string
	At       time.Time
	Source   string
	Line     string
	Wording  string
}

// outRecord is a standing opt-out, found by the keyed hash of the number: that way an erased person is found as well.
type outRecord struct {
	Number  string // "" after erasing
	At      time.Time
	Source  string
	Line    string
	Wording string
	Seq     uint64 // the ledger's entry
}

func outKey(who, business string) []byte { return key(nil).str(who).str(business) }

// OptOut makes an opt-out durable, cancels the person's queued texts of these businesses, and queues the confirmation.
func (s *Store) OptOut(ctx context.Context, c OptChange, at time.Time) (OptResult, error) {
	return s.optChange(ctx, c, ActionOut, at)
}

// OptIn takes an opt-out back.
func (s *Store) OptIn(ctx context.Context, c OptChange, at time.Time) (OptResult, error) {
	return s.optChange(ctx, c, ActionIn, at)
}

func (s *Store) optChange(ctx context.Context, c OptChange, action Action, at time.Time) (res OptResult, err error) {
	err = s.update(ctx, at, func(w *work) (err error) {
		res, err = w.optChange(c, action)
		if err == nil && c.Also != nil {
			w.enqueue(c.Also(res)...)
		}
		return err
	})
	if err != nil {
		return OptResult{}, fmt.Errorf("opt %s: %w", action, err)
	}
	return res, nil
}

func (w *work) optChange(c OptChange, action Action) (res OptResult, err error) {
	businesses := cleanBusinesses(c.Businesses)
	if c.Number == "" || len(businesses) == 0 {
		return res, errors.New("no number or no business")
	}
	if c.Incoming != 0 && !w.handled(c.Incoming) {
		return res, nil // it was dealt with before
	}
	who := w.s.hash("number", c.Number)
	for _, b := range businesses {
		res.Changed = res.Changed || w.isOut(who, c.Number, b) != (action == ActionOut)
	}
	if res.Changed {
		res.Entry = w.appendLedger(LedgerEntry{At: w.at, Action: action, Number: c.Number, Who: who, Businesses: businesses,
			Source: c.Source, Line: c.Line, Wording: c.Wording})
		for _, b := range businesses {
			w.setOut(who, b, res.Entry)
		}
		w.tally(w.at, CountOptOut, string(action), businesses[0], c.Line, 1)
	}
	res.Cancelled = w.cancelFor(c.Number, businesses, action)
	if c.File != nil {
		w.fileOptOut(c, c.File)
	}
	if c.Source == SourceSMS {
		for _, b := range businesses {
			if c.File == nil || c.File.Business != b {
				w.wrote(c.Number, b, c.Wording, "opted "+string(action))
			}
		}
	}
	if c.Confirm != nil && res.Changed && w.mayConfirm(c.Number, businesses, action) {
		t := *c.Confirm
		t.Kind = textback.ConfirmationText
		if t.To == "" {
			t.To = c.Number
		}
		if t.Business == "" {
			t.Business = businesses[0]
		}
		queued := w.queueInThread(t).T
		res.Confirmation = &queued
	}
	return res, nil
}

// fileOptOut files the wording under the person's thread of one business.
func (w *work) fileOptOut(c OptChange, f *Filed) {
	r, ok := w.openThread(c.Number, f.Business)
	if !ok {
		r = w.newThread(c.Number, f.Business, f.Line)
	}
	w.wrote(c.Number, f.Business, c.Wording, f.Flag)
	if r, ok = w.thread(r.T.ID); ok && f.Also != nil {
		w.enqueue(f.Also(w.full(r))...)
	}
}

// setOut puts one business's opt-out as an entry of the ledger says.
func (w *work) setOut(who, business string, e LedgerEntry) {
	k := outKey(who, business)
	if e.Action == ActionOut {
		if w.isOut(who, e.Number, business) {
			return // the first one is the evidence
		}
		w.save(tOut, k, outRecord{Number: e.Number, At: e.At, Source: e.Source, Line: e.Line, Wording: e.Wording, Seq: e.Seq})
		w.put(tOutNumber, key(nil).str(e.Number).str(business), nil)
		w.standing(nowOptedOut, "", 1)
		return
	}
	if w.has(tOut, k) {
		w.del(tOut, k)
		w.del(tOutNumber, key(nil).str(e.Number).str(business))
		w.standing(nowOptedOut, "", -1)
	}
	if _, was := w.delist(e.Number, business); was {
		w.standing(nowOptedOut, "", -1)
	}
}

// isOut tells whether a person's opt-out of one business stands.
func (w *work) isOut(who, number, business string) bool {
	if w.has(tOut, outKey(who, business)) {
		return true
	}
	_, ok := w.listedAs(number, business)
	return ok
}

// cancelFor cancels what is queued for a person of some businesses: on an opt-out everything, on an opt-in the
// confirmation of the opt-out.
func (w *work) cancelFor(number string, businesses []string, action Action) (cancelled []textback.Text) {
	for _, id := range w.textsTo(number) {
		r, ok := w.text(id)
		if !ok || r.T.State != textback.Queued || r.T.To != number || r.T.Kind == textback.StaffText ||
			!slices.Contains(businesses, r.T.Business) || action == ActionIn && r.T.Kind != textback.ConfirmationText {
			continue
		}
		w.end(r, textback.Cancelled, "opted "+string(action))
		cancelled = append(cancelled, r.T)
	}
	return cancelled
}

// textsTo lists the texts to a number (and to some that end alike), oldest first.
func (w *work) textsTo(number string) (ids []uint64) {
	w.scan(tTextsTo, key(nil).str(lastDigits(number)), func(k, _ []byte) bool { ids = append(ids, tail(k)); return true })
	return ids
}

// mayConfirm tells whether no confirmation was queued for the person and these businesses lately, and notes that
// one is now.
func (w *work) mayConfirm(number string, businesses []string, action Action) bool {
	for _, b := range businesses {
		f := w.facts(number, b)
		last := f.Confirmed
		if action == ActionIn {
			last = f.ConfirmedIn
		}
		if !last.IsZero() && w.at.Sub(last) < confirmWithin {
			return false
		}
	}
	for _, b := range businesses {
		f, _ := load[callerFacts](w, tCallers, callerKey(number, b))
		if action == ActionIn {
			f.ConfirmedIn = w.at
		} else {
			f.Confirmed = w.at
		}
		w.save(tCallers, callerKey(number, b), &f)
	}
	return true
}

func cleanBusinesses(in []string) []string {
	var all []string
	for _, b := range in {
		if b != "" {
			all = append(all, b)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// OptedOut tells whether a number has opted out of any of the businesses.
func (s *Store) OptedOut(ctx context.Context, number string, businesses ...string) (out bool, err error) {
	err = s.view(ctx, time.Time{}, func(w *work) error { out = w.optedOut(number, businesses...); return nil })
	return out, err
}

func (w *work) optedOut(number string, businesses ...string) bool {
	if number == "" {
		return false
	}
	who := w.s.hash("number", number)
	for _, b := range businesses {
		if b != "" && w.isOut(who, number, b) {
			return true
		}
	}
	return false
}

// OptOuts lists the standing opt-outs: those that came one by one by number, then those that came by list by business and number,
// erased persons last. fn returns false to stop.
func (s *Store) OptOuts(ctx context.Context, fn func(OptedOut) bool) error {
	return s.view(ctx, time.Time{}, func(w *work) error {
		more := true
		w.scan(tOutNumber, nil, func(k, _ []byte) bool {
			if o, ok := w.outOf(k); ok {
				more = fn(o)
			}
			return more
		})
		if !more {
			return nil
		}
		entries := make(map[uint64]LedgerEntry)
		w.eachListed(nil, nil, func(business string, l listed) bool {
			more = fn(w.listedOut(business, l, entries))
			return more
		})
		if !more {
			return nil
		}
		w.scan(tOut, nil, func(k, v []byte) bool {
			var r outRecord
			if err := decode(v, &r); err != nil {
				w.fail("decode a record of", tOut, err)
				return false
			}
			if r.Number != "" {
				return true
			}
			who, rest := field(k)
			b, _ := field(rest)
			return fn(OptedOut{Who: who, Business: b, At: r.At, Source: r.Source, Line: r.Line})
		})
		return nil
	})
}

// outOf is the opt-out of an entry in tOutNumber.
func (w *work) outOf(k []byte) (OptedOut, bool) {
	num, rest := field(k)
	b, _ := field(rest)
	who := w.s.hash("number", num)
	r, ok := load[outRecord](w, tOut, outKey(who, b))
	return OptedOut{Number: num, Who: who, Business: b, At: r.At, Source: r.Source, Line: r.Line, Wording: r.Wording}, ok
}

// listedOut is the opt-out of a number in a list. entries are those of the ledger that were looked up before.
func (w *work) listedOut(business string, l listed, entries map[uint64]LedgerEntry) OptedOut {
	e, ok := entries[l.seq]
	if !ok {
		e, _ = load[LedgerEntry](w, tLedger, key(nil).num(l.seq))
		entries[l.seq] = e
	}
	number := unpackNumber(l.number)
	o := OptedOut{Number: number, Who: w.s.hash("number", number), Business: business, At: l.when(), Source: e.Source, Line: e.Line, Wording: e.Wording}
	if o.At.IsZero() {
		o.At = e.At
	}
	return o
}
