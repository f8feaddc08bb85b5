package store

import (
	"bytes"
	"fmt"
	"time"

	"textback"
)

// work is one operation inside a transaction. It keeps the first error of the transaction, as bufio.Writer does:
// after it everything reads as absent and nothing is written, and the operation ends with it.
type work struct {
	tx         tx
	s          *Store
	at         time.Time
	err        error
	texts      bool               // a text was queued or got another due time
	deliveries bool               // a hand-off was queued
	rated      *[]rated           // what this group claimed and gave back; nil in a snapshot
	stranger   bool               // nothing was kept of the caller whose history was read
	verdicts   []textback.Verdict // that were made, for Options.Committed
	moved      []textback.Text    // texts whose state changed, likewise
}

func (w *work) get(t table, k []byte) []byte {
	if w.err != nil {
		return nil
	}
	v, err := w.tx.Get(t, k)
	w.fail("read", t, err)
	return v
}

func (w *work) has(t table, k []byte) bool { return w.get(t, k) != nil }

// put writes a key. If it has this value already, nothing is changed.
func (w *work) put(t table, k, v []byte) {
	if old := w.get(t, k); old == nil || !bytes.Equal(old, v) {
		w.enter(t, k, v)
	}
}

// enter writes a key that is not there yet, or has another value: it does not look.
func (w *work) enter(t table, k, v []byte) {
	if w.err != nil {
		return
	}
	w.fail("write", t, w.tx.Put(t, k, v))
	switch t {
	case tDue:
		w.texts = true
	case tDeliveriesDue:
		w.deliveries = true
	}
}

func (w *work) del(t table, k []byte) {
	if w.has(t, k) {
		w.fail("delete", t, w.tx.Delete(t, k))
	}
}

func (w *work) fail(what string, t table, err error) {
	if err != nil && w.err == nil {
		w.err = fmt.Errorf("%s %s: %w", what, tableNames[t], err)
	}
}

// scan walks all keys that begin with prefix.
func (w *work) scan(t table, prefix []byte, fn func(k, v []byte) bool) {
	w.walk(t, prefix, after(prefix), false, fn)
}

// back walks all keys that begin with prefix from the last to the first.
func (w *work) back(t table, prefix []byte, fn func(k, v []byte) bool) {
	w.walk(t, prefix, after(prefix), true, fn)
}

func (w *work) walk(t table, from, to []byte, backward bool, fn func(k, v []byte) bool) {
	if w.err != nil {
		return
	}
	w.fail("scan", t, w.tx.Scan(t, from, to, backward, func(k, v []byte) bool { return fn(k, v) && w.err == nil }))
}

// keys collects up to limit keys (0 = all) in [from, to), so that they can be changed.
func (w *work) keys(t table, from, to []byte, limit int) [][]byte {
	var all [][]byte
	w.walk(t, from, to, false, func(k, _ []byte) bool {
		all = append(all, bytes.Clone(k))
		return limit == 0 || len(all) < limit
	})
	return all
}

// load reads a record.
func load[T any](w *work, t table, k []byte) (T, bool) {
	b := w.get(t, k)
	if b == nil {
		var zero T
		return zero, false
	}
	v := new(T) // only now: most look-ups for a call find nothing
	if err := decode(b, v); err != nil {
		w.fail("decode a record of", t, err)
		return *v, false
	}
	return *v, true
}

// save writes a record, which is best given by a pointer.
func (w *work) save(t table, k []byte, v any) { w.write(t, k, v, w.put) }

// saveNew writes a record whose key is not there yet.
func (w *work) saveNew(t table, k []byte, v any) { w.write(t, k, v, w.enter) }

func (w *work) write(t table, k []byte, v any, put func(t table, k, v []byte)) {
	b, err := encode(w.s.scratch[:0], v)
	if err != nil {
		w.fail("encode a record of", t, err)
		return
	}
	w.s.scratch = b
	put(t, k, b)
}

// enterNumber writes a number, as enter.
func (w *work) enterNumber(t table, k []byte, n uint64) {
	w.s.scratch = key(w.s.scratch[:0]).num(n)
	w.enter(t, k, w.s.scratch)
}

// next gives the next number of a sequence, from 1.
func (w *work) next(sequence string) uint64 {
	k := []byte("seq/" + sequence)
	n := number(w.get(tMeta, k)) + 1
	w.enterNumber(tMeta, k, n)
	return n
}
