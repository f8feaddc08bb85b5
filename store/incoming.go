package store

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"textback"
)

// Concat is the concatenation header of one part (3GPP TS 23.040, 9.2.3.24.1 and .8, or the sar_ TLVs).
type Concat struct {
	Ref   uint16
	Total int // 2 to 255
	Seq   int // from 1
}

// Incoming is one deliver_sm that is no receipt.
type Incoming struct {
	Link     string
	From, To string // E.164 of who wrote, sender address of ours
	Body     string // decoded on its own
	Raw      []byte // user data without header, for Options.Join; may be nil
	Coding   byte   // data_coding
	Ref      uint16 // user_message_reference, 0 if none: tells a repeat from the same words said twice
	Concat   *Concat
}

// Saved is what SaveIncoming did.
type Saved struct {
	ID        uint64 // of the incoming message; 0 while parts are missing
	Duplicate bool   // the message centre sent it again
	Handled   bool   // a duplicate that has been dealt with
	Complete  bool   // Reply is the whole message (or what there is of it, with Gap)
	Reply     textback.Reply
}

// incomingRecord is a message that is to be handled. It is deleted when it is: what is worth keeping is in its thread.
type incomingRecord struct{ Reply textback.Reply }

// seenRecord remembers a deliver_sm, so that its repeat is recognised.
type seenRecord struct {
	ID uint64 // of the message that it became; 0 while parts are missing
	At time.Time
}

// partSet are the parts of a long message that came so far.
type partSet struct {
	Link, From, To string
	Last           time.Time
	Pieces         []piece // in order
}

type piece struct {
	Seq    int
	Body   string
	Raw    []byte
	Coding byte
	Seen   []byte // fingerprint
}

// fingerprint recognises a deliver_sm that is sent again.
func (in *Incoming) fingerprint() []byte {
	h := sha256.New()
	part := func(b []byte) {
		h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(b))))
		h.Write(b)
	}
	for _, s := range []string{in.Link, in.From, in.To, in.Body} {
		part([]byte(s))
	}
	part(in.Raw)
	h.Write([]byte{in.Coding, byte(in.Ref >> 8), byte(in.Ref)})
	if c := in.Concat; c != nil {
		h.Write([]byte{byte(c.Ref >> 8), byte(c.Ref), byte(c.Total), byte(c.Seq)})
	}
	return h.Sum(nil)
}

// SaveIncoming makes an incoming message durable, before it is acknowledged. A repeat of the same message within
// the time given is recognised. Parts of a long message are kept until it is complete.
func (s *Store) SaveIncoming(ctx context.Context, in Incoming, within time.Duration, at time.Time) (
	saved Saved, err error,
) {
	if in.From == "" {
		return Saved{}, errors.New("save an incoming message: it has no sender")
	}
	err = s.update(ctx, at, func(w *work) error {
		saved = w.saveIncoming(in, within)
		return nil
	})
	if err != nil {
		return Saved{}, fmt.Errorf("save an incoming message: %w", err)
	}
	return saved, nil
}

func (w *work) saveIncoming(in Incoming, within time.Duration) Saved {
	seen := in.fingerprint()
	if old, ok := load[seenRecord](w, tSeen, seen); ok {
		if w.at.Sub(old.At).Abs() <= within {
			r, open := load[incomingRecord](w, tIncoming, key(nil).num(old.ID))
			return Saved{ID: old.ID, Duplicate: true, Handled: old.ID != 0 && !open, Complete: open, Reply: r.Reply}
		}
		w.del(tSeenTime, key(nil).time(old.At).raw(seen))
	}
	if c := in.Concat; c == nil || c.Total < 2 || c.Total > 255 || c.Seq < 1 || c.Seq > c.Total {
		r := textback.Reply{From: in.From, To: in.To, Body: in.Body, At: w.at, Link: in.Link}
		return w.received(r, [][]byte{seen})
	}
	w.see(seen, 0)
	k := key(nil).str(in.Link).str(in.From).str(in.To).num(uint64(in.Concat.Ref)<<8 | uint64(in.Concat.Total))
	set, ok := load[partSet](w, tParts, k)
	if ok {
		w.del(tPartsTime, key(nil).time(set.Last).raw(k))
	}
	set.Link, set.From, set.To, set.Last = in.Link, in.From, in.To, w.at
	p := piece{Seq: in.Concat.Seq, Body: in.Body, Raw: in.Raw, Coding: in.Coding, Seen: seen}
	i, have := slices.BinarySearchFunc(set.Pieces, p, func(a, b piece) int { return cmp.Compare(a.Seq, b.Seq) })
	if have {
		set.Pieces[i] = p // the reference was used again: the newer part counts
	} else {
		set.Pieces = slices.Insert(set.Pieces, i, p)
	}
	if len(set.Pieces) == in.Concat.Total {
		w.del(tParts, k)
		return w.join(set, false)
	}
	w.save(tParts, k, &set)
	w.put(tPartsTime, key(nil).time(set.Last).raw(k), nil)
	return Saved{}
}

// join makes one message of the parts that came.
func (w *work) join(set partSet, gap bool) Saved {
	r := textback.Reply{From: set.From, To: set.To, At: w.at, Link: set.Link, Gap: gap}
	var raw [][]byte
	var seen [][]byte
	together := w.s.opts.Join != nil
	for _, p := range set.Pieces {
		r.Body += p.Body
		raw, seen = append(raw, p.Raw), append(seen, p.Seen)
		together = together && len(p.Raw) > 0 && p.Coding == set.Pieces[0].Coding
	}
	if together {
		r.Body = w.s.opts.Join(set.Pieces[0].Coding, raw)
	}
	return w.received(r, seen)
}

// received keeps a whole message to be handled.
func (w *work) received(r textback.Reply, seen [][]byte) Saved {
	id := w.next("incoming")
	w.save(tIncoming, key(nil).num(id), incomingRecord{r})
	w.put(tUnhandled, key(nil).num(id), nil)
	w.standing(nowUnhandled, "", 1)
	for _, fp := range seen {
		w.see(fp, id)
	}
	return Saved{ID: id, Complete: true, Reply: r}
}

func (w *work) see(fp []byte, id uint64) {
	if old, ok := load[seenRecord](w, tSeen, fp); ok {
		w.del(tSeenTime, key(nil).time(old.At).raw(fp))
	}
	w.save(tSeen, fp, seenRecord{ID: id, At: w.at})
	w.put(tSeenTime, key(nil).time(w.at).raw(fp), nil)
}

// PartsTimedOut completes, with Gap, the long messages whose last part came before a time.
func (s *Store) PartsTimedOut(ctx context.Context, before, at time.Time) (all []Saved, err error) {
	err = s.update(ctx, at, func(w *work) error {
		all = nil
		for _, tk := range w.keys(tPartsTime, nil, key(nil).time(before), groupMax) {
			set, ok := load[partSet](w, tParts, tk[8:])
			w.dropParts(tk[8:])
			w.del(tPartsTime, tk)
			if ok {
				all = append(all, w.join(set, true))
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("complete long messages: %w", err)
	}
	return all, nil
}

func (w *work) dropParts(k []byte) {
	if set, ok := load[partSet](w, tParts, k); ok {
		w.del(tPartsTime, key(nil).time(set.Last).raw(k))
		w.del(tParts, k)
	}
}

// OldestPart is when the longest-waiting incomplete message last got a part; false if none waits.
func (s *Store) OldestPart(ctx context.Context) (time.Time, bool, error) {
	return s.first(ctx, tPartsTime)
}

// Unhandled lists incoming messages that were saved and not handled, oldest first: after a crash they go on.
func (s *Store) Unhandled(ctx context.Context) (all []Saved, err error) {
	err = s.view(ctx, time.Time{}, func(w *work) error {
		w.scan(tUnhandled, nil, func(k, _ []byte) bool {
			if r, ok := load[incomingRecord](w, tIncoming, k); ok {
				all = append(all, Saved{ID: number(k), Complete: true, Reply: r.Reply})
			}
			return true
		})
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read unhandled messages: %w", err)
	}
	return all, nil
}

// Handled marks an incoming message as dealt with, where no other operation does.
func (s *Store) Handled(ctx context.Context, id uint64, at time.Time) error {
	return s.update(ctx, at, func(w *work) error { w.handled(id); return nil })
}

// handled marks an incoming message as dealt with, and tells whether it was still to be.
func (w *work) handled(id uint64) bool {
	k := key(nil).num(id)
	if id == 0 || !w.has(tUnhandled, k) {
		return false
	}
	w.del(tUnhandled, k)
	w.del(tIncoming, k)
	w.standing(nowUnhandled, "", -1)
	return true
}
