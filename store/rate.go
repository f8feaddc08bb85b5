package store

import (
	"slices"
	"sync"
	"time"

	bolt "go.etcd.io/bbolt"
)

// rateSlot is the precision of the hourly limits: texts are counted in slots of it, and a slot counts until all of it is
// older than the hour.
const rateSlot = 10 * time.Second

// rates are the claims of the last hours by block and by line. They are asked for at every call and counted in memory: on disk each call
// would write pages of its own for them. What they are made of, one entry of tRate for each claim in order of time, is read at the start.
type rates struct {
	mu  sync.Mutex
	all map[rateOf][]slot // in order of time
}

// rateOf is what is limited: a block or a line by its name.
type rateOf struct {
	kind byte
	name string
}

// slot is what was claimed in one slot of time.
type slot struct {
	at   int64 // Unix seconds of its begin
	n    int32
	dark int32 // in shadow mode, apart from n
}

// rated is a claim that was made (n is 1) or given back (-1).
type rated struct {
	claim *claim
	n     int32
}

func slotOf(at time.Time) int64 { return at.Truncate(rateSlot).Unix() }

// find tells where a slot stands, or would stand.
func find(list []slot, at int64) (int, bool) {
	return slices.BinarySearchFunc(list, at, func(s slot, at int64) int { return int(s.at - at) })
}

// note counts what was made and given back.
func (r *rates) note(list []rated) {
	if len(list) == 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, x := range list {
		r.add(rateOf{rateBlock, x.claim.Block}, slotOf(x.claim.Taken), x.n, x.claim.Shadow)
		r.add(rateOf{rateLine, x.claim.Line}, slotOf(x.claim.Taken), x.n, x.claim.Shadow)
	}
}

// add counts n more; the lock is held.
func (r *rates) add(of rateOf, at int64, n int32, shadow bool) {
	if of.name == "" {
		return
	}
	list := r.all[of]
	i, ok := find(list, at)
	if !ok {
		list = slices.Insert(list, i, slot{at: at})
	}
	if shadow {
		list[i].dark += n
	} else {
		list[i].n += n
	}
	r.all[of] = list
}

// since counts the claims since a time, with the whole slot that the time lies in.
func (r *rates) since(of rateOf, from time.Time, shadow bool) (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := r.all[of]
	first, _ := find(list, slotOf(from))
	for _, s := range list[first:] {
		if n += int(s.n); shadow {
			n += int(s.dark)
		}
	}
	return n
}

// forget drops the slots before a time.
func (r *rates) forget(before time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	first := slotOf(before)
	for of, list := range r.all {
		i, _ := find(list, first)
		if i == len(list) {
			delete(r.all, of)
		} else if i > 0 {
			r.all[of] = slices.Clone(list[i:])
		}
	}
}

// rate counts the claims of a block or line since a time, those of this group of operations with it.
func (w *work) rate(kind byte, name string, since time.Time, shadow bool) int {
	if name == "" {
		return 0
	}
	n := w.s.rates.since(rateOf{kind, name}, since, shadow)
	if w.rated == nil {
		return n
	}
	for _, x := range *w.rated {
		of := x.claim.Block
		if kind == rateLine {
			of = x.claim.Line
		}
		if of == name && (shadow || !x.claim.Shadow) && slotOf(x.claim.Taken) >= slotOf(since) {
			n += int(x.n)
		}
	}
	return n
}

// takeRate writes the entry of a claim; it counts for the others of its group at once, and for all when it is committed.
func (w *work) takeRate(c *claim) {
	v := key(nil).str(c.Block).str(c.Line)
	if c.Shadow {
		v = v.raw(shadowSlot)
	}
	w.enter(tRate, takenKey(c), v)
	*w.rated = append(*w.rated, rated{c, 1})
}

// giveRate takes the entry of a claim back.
func (w *work) giveRate(c *claim) {
	if k := takenKey(c); w.has(tRate, k) { // else it is older than anything that is limited
		w.del(tRate, k)
		*w.rated = append(*w.rated, rated{c, -1})
	}
}

func takenKey(c *claim) key { return key(nil).byt(rateTaken).time(c.Taken).num(c.ID) }

// readRates reads what was claimed. A file of a while ago has slots of blocks and lines instead, which end with their hour.
func readRates(btx *bolt.Tx) (*rates, error) {
	r := &rates{all: make(map[rateOf][]slot)}
	err := (&boltTx{tx: btx}).Scan(tRate, nil, nil, false, func(k, v []byte) bool {
		switch k[0] {
		case rateTaken:
			if len(k) < 9 {
				break // no key of ours
			}
			block, rest := field(v)
			line, rest := field(rest)
			r.note([]rated{{&claim{Block: block, Line: line, Taken: moment(number(k[1:9])), Shadow: len(rest) > 0}, 1}})
		case rateBlock, rateLine:
			name, rest := field(k[1:])
			if len(rest) >= 8 {
				r.add(rateOf{k[0], name}, slotOf(moment(number(rest[:8]))), int32(number(v)), len(rest) > 8)
			}
		}
		return true
	})
	return r, err
}
