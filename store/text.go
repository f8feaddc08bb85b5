package store

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"time"

	"textback"
)

// textRecord is a text as it is kept. The unexported fields are how it was when it was read: its indexes stand
// under them.
type textRecord struct {
	T       textback.Text
	Changed time.Time
	Message uint64   // its place in its thread, 0 if none
	Links   []string // links that carried it before Text.Link
	Aliases []alias  // ids by which receipts called its parts, other than the response's

	was        textback.TextState // zero for a new text
	wasDue     time.Time
	wasChanged time.Time
	wasResent  bool
}

// alias is a message id that only a receipt knew.
type alias struct {
	Link, ID string
	Part     int
}

func textKey(id uint64) []byte { return key(nil).num(id) }

// text reads a text.
func (w *work) text(id uint64) (*textRecord, bool) {
	if id == 0 {
		return nil, false
	}
	r, ok := load[textRecord](w, tTexts, textKey(id))
	if !ok {
		return nil, false
	}
	r.remember()
	return &r, true
}

func (r *textRecord) remember() {
	r.was, r.wasDue, r.wasChanged, r.wasResent = r.T.State, r.T.Due, r.Changed, r.T.Resent
}

// newText queues a text.
func (w *work) newText(t textback.Text) *textRecord {
	t.ID, t.State, t.Created = w.next("text"), textback.Queued, w.at
	if t.Kind == textback.MissedCallText {
		var random [4]byte
		_, _ = rand.Read(random[:]) // it cannot fail
		t.Token = w.s.tokens.of(t.ID, binary.BigEndian.Uint32(random[:]))
	}
	t.Submitted, t.Settled, t.Parts, t.Attempts = time.Time{}, time.Time{}, nil, 0
	if t.Due.IsZero() {
		t.Due = w.at
	}
	r := &textRecord{T: t}
	w.enter(tTextsTime, key(nil).time(t.Created).num(t.ID), nil)
	w.enter(tTextsTo, key(nil).str(lastDigits(t.To)).num(t.ID), nil)
	w.saveText(r)
	return r
}

// saveText writes a text back, moves its indexes, and tells of a change of its state.
func (w *work) saveText(r *textRecord) {
	if w.err != nil {
		return
	}
	t := &r.T
	moved := t.State != r.was
	if moved {
		t.Settled = time.Time{}
		if final(t.State) {
			t.Settled = w.at
		}
		w.standing(nowTexts, t.State.String(), 1)
		if r.was != 0 {
			w.standing(nowTexts, r.was.String(), -1)
		}
		w.tally(w.at, CountText, t.State.String(), t.Business, t.Line, 1)
	}
	r.Changed = w.at
	w.reindex(r)
	if !t.Settled.IsZero() && t.State != textback.Delivered && t.State != textback.Undelivered && !r.written() {
		w.giveBack(*t)
	}
	if r.was == 0 {
		w.saveNew(tTexts, textKey(t.ID), r)
	} else {
		w.save(tTexts, textKey(t.ID), r)
	}
	r.remember()
	if moved && w.s.opts.Committed != nil {
		w.moved = append(w.moved, *t)
	}
	if moved && w.s.opts.TextChanged != nil {
		w.enqueue(w.s.opts.TextChanged(*t)...)
	}
}

// reindex moves the entries by which texts are found that something waits for.
func (w *work) reindex(r *textRecord) {
	t := r.T
	move := func(tab table, was, is bool, old, now key) {
		if was && is && bytes.Equal(old, now) {
			return
		}
		if was {
			w.del(tab, old)
		}
		if is {
			w.enter(tab, now, nil)
		}
	}
	move(tDue, r.was == textback.Queued, t.State == textback.Queued,
		key(nil).time(r.wasDue).num(t.ID), key(nil).time(t.Due).num(t.ID))
	move(tOpen, r.was == textback.Submitting, t.State == textback.Submitting, key(nil).num(t.ID), key(nil).num(t.ID))
	move(tUncertain, r.was == textback.Unknown && !r.wasResent, t.State == textback.Unknown && !t.Resent,
		key(nil).time(r.wasChanged).num(t.ID), key(nil).time(r.Changed).num(t.ID))
}

// removeText deletes a text with all its indexes but its claim.
func (w *work) removeText(r *textRecord) {
	t := r.T
	w.del(tDue, key(nil).time(t.Due).num(t.ID))
	w.del(tOpen, key(nil).num(t.ID))
	w.del(tUncertain, key(nil).time(r.Changed).num(t.ID))
	w.del(tTextsTime, key(nil).time(t.Created).num(t.ID))
	w.del(tTextsTo, key(nil).str(lastDigits(t.To)).num(t.ID))
	if t.Token != "" {
		w.del(tTokens, key(nil).str(t.Token))
	}
	for _, k := range r.indexed() {
		w.del(k.t, k.key)
	}
	w.standing(nowTexts, t.State.String(), -1)
	w.del(tTexts, textKey(t.ID))
}

// tableKey is a key of a table.
type tableKey struct {
	t   table
	key []byte
}

// indexed are the keys under which receipts find a text's parts.
func (r *textRecord) indexed() (all []tableKey) {
	for _, link := range append([]string{r.T.Link}, r.Links...) {
		for i, p := range r.T.Parts {
			for _, f := range forms(p.MessageID) {
				all = append(all, tableKey{tIDs, idKey(link, f, r.T.ID, i)})
			}
			if p.Reference != 0 {
				all = append(all, tableKey{tRefs, refKey(link, byte(p.Reference), r.T.ID, i)})
			}
		}
	}
	for _, a := range r.Aliases {
		for _, f := range forms(a.ID) {
			all = append(all, tableKey{tIDs, idKey(a.Link, f, r.T.ID, a.Part)})
		}
	}
	return all
}

// touched tells whether anything of the text was, or may have been, written.
func (r *textRecord) touched() bool {
	if r.T.Resent {
		return true
	}
	for _, p := range r.T.Parts {
		if p.State != textback.Queued {
			return true
		}
	}
	return false
}

// written tells whether a part was, or may have been, accepted: then the claim stays. A text that is sent again was in
// doubt before.
func (r *textRecord) written() bool {
	if r.T.Resent {
		return true
	}
	for _, p := range r.T.Parts {
		if p.State != textback.Queued && p.State != textback.Failed {
			return true
		}
	}
	return false
}

// waiting tells whether a part is still to be written.
func (r *textRecord) waiting() bool {
	for _, p := range r.T.Parts {
		if p.State == textback.Queued {
			return true
		}
	}
	return len(r.T.Parts) == 0
}

// settle derives the text's state from its parts.
func (r *textRecord) settle() {
	t := &r.T
	if t.State == textback.Cancelled || t.State == textback.Expired || len(t.Parts) == 0 {
		return // its end stands whatever comes in late
	}
	var n [textback.Unknown + 1]int
	for _, p := range t.Parts {
		n[p.State]++
	}
	all := len(t.Parts)
	switch {
	case n[textback.Failed] > 0 || t.State == textback.Failed:
		t.State = textback.Failed
	case n[textback.Undelivered] > 0:
		t.State = textback.Undelivered
	case n[textback.Delivered] == all:
		t.State = textback.Delivered
	case n[textback.Delivered]+n[textback.Accepted] == all:
		t.State = textback.Accepted
	case t.State == textback.Queued && n[textback.Queued] > 0:
		// parts are still to be written: it waits
	case n[textback.Unknown] > 0 && n[textback.Submitting] == 0:
		t.State = textback.Unknown
	default:
		t.State = textback.Submitting // the rest is on the wire, or comes back into the queue by Defer
	}
}

func final(s textback.TextState) bool {
	switch s {
	case textback.Delivered, textback.Undelivered, textback.Failed, textback.Expired, textback.Cancelled:
		return true
	default:
		return false
	}
}

// end puts a text into a final state.
func (w *work) end(r *textRecord, s textback.TextState, note string) {
	r.T.State = s
	if note != "" {
		r.T.Note = note
	}
	w.saveText(r)
}

// numberFailed counts a permanent failure against the number.
func (w *work) numberFailed(t textback.Text) {
	w.put(tFailed, key(nil).str(t.To).time(w.at).num(t.ID), nil)
}

// Text returns one text; ErrNotFound.
func (s *Store) Text(ctx context.Context, id uint64) (t textback.Text, err error) {
	err = s.view(ctx, time.Time{}, func(w *work) error {
		r, ok := w.text(id)
		if !ok {
			return cmpErr(w.err, ErrNotFound)
		}
		t = r.T
		return nil
	})
	if err != nil {
		return t, fmt.Errorf("read text %d: %w", id, err)
	}
	return t, nil
}

// cmpErr is the first error that is one.
func cmpErr(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
