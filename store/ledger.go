package store

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"textback"
)

// LedgerEntry is one line of the append-only ledger of opt-outs. Hash is SHA-256 over Prev and the entry's canonical
// bytes. These hold the keyed hashes of number and wording, not the words themselves, so that the chain still verifies
// after a person was erased.
type LedgerEntry struct {
	Seq        uint64
	At         time.Time
	Action     Action
	Number     string   // E.164; "" after erasing
	Who        string   // keyed hash of the number, hex
	Businesses []string // sorted
	Source     string
	Line       string
	Wording    string // "" after erasing
	Said       string // keyed hash of the wording, hex; "" if there was none
	Count      int    // of an ActionList: how many persons opted out by it
	Sum        string // of an ActionList: the sum over their keyed hashes (see listSum), hex
	Prev       string // hash of the entry before, hex
	Hash       string // hex
}

// hash is the keyed hash (HMAC-SHA256 with the file's own random key) under which a number or a wording can be
// recognised when it is gone. Numbers are few: whoever has the file can try them all, so it is a pseudonym, not
// anonymous.
func (s *Store) hash(kind, what string) string {
	m := hmac.New(sha256.New, s.hashKey)
	m.Write([]byte(kind))
	m.Write([]byte{0})
	m.Write([]byte(what))
	return hex.EncodeToString(m.Sum(nil))
}

// canonical are the bytes of an entry that its hash covers: every field with its length before it.
func (e *LedgerEntry) canonical() []byte {
	b := []byte("textback ledger 1")
	add := func(s string) {
		b = binary.BigEndian.AppendUint32(b, uint32(len(s)))
		b = append(b, s...)
	}
	b = binary.BigEndian.AppendUint64(b, e.Seq)
	b = binary.BigEndian.AppendUint64(b, uint64(e.At.UnixNano()))
	add(string(e.Action))
	add(e.Who)
	b = binary.BigEndian.AppendUint32(b, uint32(len(e.Businesses)))
	for _, business := range e.Businesses {
		add(business)
	}
	add(e.Source)
	add(e.Line)
	add(e.Said)
	if e.Action == ActionList {
		b = binary.BigEndian.AppendUint64(b, uint64(e.Count))
		add(e.Sum)
	}
	return b
}

func (e *LedgerEntry) sum() string {
	h := sha256.New()
	h.Write([]byte(e.Prev))
	h.Write(e.canonical())
	return hex.EncodeToString(h.Sum(nil))
}

// appendLedger gives an entry its number and its place in the chain.
func (w *work) appendLedger(e LedgerEntry) LedgerEntry {
	w.back(tLedger, nil, func(_, v []byte) bool {
		var last LedgerEntry
		if err := decode(v, &last); err != nil {
			w.fail("decode a record of", tLedger, err)
		}
		e.Prev = last.Hash
		return false
	})
	e.Seq = w.next("ledger")
	e.At = e.At.UTC()
	if e.Wording != "" {
		e.Said = w.s.hash("wording", e.Wording)
	}
	e.Hash = e.sum()
	w.save(tLedger, key(nil).num(e.Seq), &e)
	if e.Who != "" {
		w.put(tLedgerWho, key(nil).str(e.Who).num(e.Seq), nil)
	}
	return e
}

// listsOf are the entries of the lists in which a person stands, or stood before he opted in or was erased, oldest first.
func (w *work) listsOf(num, who string) (all []LedgerEntry) {
	var seqs []uint64
	for _, b := range w.listedBusinesses() {
		if l, ok := w.listedAs(num, b); ok {
			seqs = append(seqs, l.seq)
		}
	}
	w.scan(tDelisted, key(nil).str(who), func(k, _ []byte) bool {
		_, rest := field(k)
		seqs = append(seqs, number(rest[:min(8, len(rest))]))
		return true
	})
	slices.Sort(seqs)
	for _, seq := range slices.Compact(seqs) {
		if e, ok := load[LedgerEntry](w, tLedger, key(nil).num(seq)); ok {
			all = append(all, e)
		}
	}
	return all
}

// ledgerOf are a person's own entries, oldest first.
func (w *work) ledgerOf(who string) (all []LedgerEntry) {
	w.scan(tLedgerWho, key(nil).str(who), func(k, _ []byte) bool {
		if e, ok := load[LedgerEntry](w, tLedger, key(nil).num(tail(k))); ok {
			all = append(all, e)
		}
		return true
	})
	return all
}

// Ledger lists the ledger from an entry on. fn returns false to stop.
func (s *Store) Ledger(ctx context.Context, from uint64, fn func(LedgerEntry) bool) error {
	return s.view(ctx, time.Time{}, func(w *work) error {
		w.walk(tLedger, key(nil).num(from), nil, false, func(_, v []byte) bool {
			var e LedgerEntry
			if err := decode(v, &e); err != nil {
				w.fail("decode a record of", tLedger, err)
				return false
			}
			return fn(e)
		})
		return nil
	})
}

// Verify checks the whole file: the ledger's chain, the standing opt-outs and the lists against it, that each text stands in the
// index of its state, and that verdicts = missed calls. The error is the first thing that is wrong.
func (s *Store) Verify(ctx context.Context) error {
	return s.view(ctx, time.Time{}, func(w *work) error {
		if err := w.verifyLedger(); err != nil {
			return fmt.Errorf("ledger: %w", err)
		}
		if err := w.verifyTexts(); err != nil {
			return fmt.Errorf("texts: %w", err)
		}
		if missed, verdicts := w.total(CountMissed), w.total(CountVerdict); missed != verdicts {
			return fmt.Errorf("%d missed calls, %d verdicts", missed, verdicts)
		}
		return nil
	})
}

// verifyTexts checks that every text is found where the loops look for it.
func (w *work) verifyTexts() (err error) {
	n := map[table]int{}
	w.scan(tTexts, nil, func(_, v []byte) bool {
		var r textRecord
		if err = decode(v, &r); err != nil {
			return false
		}
		for _, i := range []struct {
			t    table
			want bool
			k    key
		}{
			{tDue, r.T.State == textback.Queued, key(nil).time(r.T.Due).num(r.T.ID)},
			{tOpen, r.T.State == textback.Submitting, key(nil).num(r.T.ID)},
			{tUncertain, r.T.State == textback.Unknown && !r.T.Resent, key(nil).time(r.Changed).num(r.T.ID)},
			{tTextsTime, true, key(nil).time(r.T.Created).num(r.T.ID)},
			{tTextsTo, true, key(nil).str(lastDigits(r.T.To)).num(r.T.ID)},
		} {
			if w.has(i.t, i.k) != i.want {
				err = fmt.Errorf("text %d is %s, its place in %s is wrong", r.T.ID, r.T.State, tableNames[i.t])
				return false
			}
			if i.want {
				n[i.t]++
			}
		}
		return true
	})
	if err = cmpErr(err, w.err); err != nil {
		return err
	}
	for _, t := range []table{tDue, tOpen, tUncertain, tTextsTime, tTextsTo} {
		have := 0
		w.scan(t, nil, func(_, _ []byte) bool { have++; return true })
		if have != n[t] {
			return fmt.Errorf("%s has %d entries for %d texts", tableNames[t], have, n[t])
		}
	}
	return w.err
}
