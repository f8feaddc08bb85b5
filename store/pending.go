package store

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"sort"

	bolt "go.etcd.io/bbolt"
)

// pending is tx for a group of operations: what they change is kept beside the database, in order, and written to it once,
// when all of them have run. A counter that each of them moves is put once so, the database's pages are taken apart and put
// together once, and an operation that fails is taken back without the database having known of it.
type pending struct {
	below  tx
	tables [tables]changes
	undo   []undo
	slab   []byte // keys and values are copied into it: who made one may go on to make another in the same array
}

// undo is what was pending for a key before it was changed.
type undo struct {
	t       table
	e       entry
	pending bool // false: nothing was
}

// changes are the changed keys of one table in order, in blocks, so that one more costs about the same however many there are.
type changes struct {
	blocks [][]entry
}

// entry is a changed key.
type entry struct {
	key   []byte
	value []byte // nil: it is deleted
}

const changesMost = 128

// place is where a changed key stands, or would stand.
type place struct {
	c        *changes
	block, i int
}

func (c *changes) find(k []byte) (p place, ok bool) {
	p.c = c
	p.block = max(0, sort.Search(len(c.blocks), func(b int) bool { return bytes.Compare(c.blocks[b][0].key, k) > 0 })-1)
	if len(c.blocks) == 0 {
		return p, false
	}
	all := c.blocks[p.block]
	p.i = sort.Search(len(all), func(i int) bool { return bytes.Compare(all[i].key, k) >= 0 })
	return p, p.i < len(all) && bytes.Equal(all[p.i].key, k)
}

// from is the first changed key at or after k.
func (c *changes) from(k []byte) place {
	p, _ := c.find(k)
	if p.block < len(c.blocks) && p.i == len(c.blocks[p.block]) {
		p.block, p.i = p.block+1, 0
	}
	return p
}

// before is the last changed key before k; nil is the end of the table.
func (c *changes) before(k []byte) place {
	p := place{c: c, block: len(c.blocks)}
	if k != nil {
		p, _ = c.find(k)
	}
	p.prev()
	return p
}

// at is the entry at a place; nil beyond the ends.
func (p *place) at() *entry {
	if p.block < 0 || p.block >= len(p.c.blocks) {
		return nil
	}
	return &p.c.blocks[p.block][p.i]
}

func (p *place) next() {
	if p.i++; p.i == len(p.c.blocks[p.block]) {
		p.block, p.i = p.block+1, 0
	}
}

func (p *place) prev() {
	if p.i--; p.i < 0 {
		if p.block--; p.block >= 0 {
			p.i = len(p.c.blocks[p.block]) - 1
		}
	}
}

func (p place) insert(e entry) {
	c := p.c
	if len(c.blocks) == 0 {
		c.blocks = append(c.blocks, nil)
	}
	all := slices.Insert(c.blocks[p.block], p.i, e)
	c.blocks[p.block] = all
	if len(all) > changesMost {
		half := len(all) / 2
		if p.i == len(all)-1 {
			half = p.i // keys that come in order fill their blocks
		}
		c.blocks = slices.Insert(c.blocks, p.block+1, slices.Clone(all[half:]))
		clear(all[half:])
		c.blocks[p.block] = all[:half]
	}
}

func (p place) remove() {
	c := p.c
	if c.blocks[p.block] = slices.Delete(c.blocks[p.block], p.i, p.i+1); len(c.blocks[p.block]) == 0 {
		c.blocks = slices.Delete(c.blocks, p.block, p.block+1)
	}
}

func (p *pending) Get(t table, k []byte) ([]byte, error) {
	if at, ok := p.tables[t].find(k); ok {
		return at.at().value, nil
	}
	return p.below.Get(t, k)
}

func (p *pending) Put(t table, k, v []byte) error {
	if v == nil {
		v = []byte{}
	}
	return p.set(t, k, v)
}

func (p *pending) Delete(t table, k []byte) error { return p.set(t, k, nil) }

func (p *pending) set(t table, k, v []byte) error {
	// What the database would refuse must not come to light when it would fail the whole group.
	if len(k) == 0 || len(k) > bolt.MaxKeySize || len(v) > bolt.MaxValueSize {
		return fmt.Errorf("a key of %d octets, a value of %d: %w", len(k), len(v), errSize)
	}
	at, ok := p.tables[t].find(k)
	if ok {
		e := at.at()
		p.undo = append(p.undo, undo{t, *e, true})
		e.value = p.own(v)
		return nil
	}
	e := entry{p.own(k), p.own(v)}
	p.undo = append(p.undo, undo{t, e, false})
	at.insert(e)
	return nil
}

var errSize = errors.New("the database takes no key or value of this size")

// own copies a key or a value. Nil and what is empty stay as they are.
func (p *pending) own(b []byte) []byte {
	const few, many = 4 << 10, 32 << 10
	if len(b) == 0 {
		return b
	}
	if cap(p.slab)-len(p.slab) < len(b) {
		size := many
		if p.slab == nil {
			size = few
		}
		p.slab = make([]byte, 0, max(size, len(b)))
	}
	from := len(p.slab)
	p.slab = append(p.slab, b...)
	return p.slab[from:len(p.slab):len(p.slab)]
}

// begin starts an operation: what those before it changed cannot be taken back any more.
func (p *pending) begin() { p.undo = p.undo[:0] }

// takeBack undoes what the operation changed.
func (p *pending) takeBack() {
	for i := len(p.undo) - 1; i >= 0; i-- {
		u := p.undo[i]
		at, _ := p.tables[u.t].find(u.e.key)
		if u.pending {
			*at.at() = u.e
		} else {
			at.remove()
		}
	}
	p.undo = p.undo[:0]
}

func (p *pending) Scan(t table, from, to []byte, backward bool, fn func(k, v []byte) bool) error {
	c := &p.tables[t]
	at := c.from(from)
	if e := at.at(); e == nil || to != nil && bytes.Compare(e.key, to) >= 0 {
		return p.below.Scan(t, from, to, backward, fn)
	}
	step, ahead := at.next, func(e *entry, k []byte) bool { return bytes.Compare(e.key, k) < 0 }
	end := func(e *entry) bool { return e == nil || to != nil && bytes.Compare(e.key, to) >= 0 }
	if backward {
		at = c.before(to)
		step, ahead = at.prev, func(e *entry, k []byte) bool { return bytes.Compare(e.key, k) > 0 }
		end = func(e *entry) bool { return e == nil || bytes.Compare(e.key, from) < 0 }
	}
	on := true
	give := func(e *entry) {
		step()
		on = e.value == nil || fn(e.key, e.value)
	}
	err := p.below.Scan(t, from, to, backward, func(k, v []byte) bool {
		e := at.at()
		for ; on && !end(e) && ahead(e, k); e = at.at() {
			give(e)
		}
		switch {
		case !on:
		case e != nil && bytes.Equal(e.key, k):
			give(e)
		default:
			on = fn(k, v)
		}
		return on
	})
	for e := at.at(); err == nil && on && !end(e); e = at.at() {
		give(e)
	}
	return err
}

// flush writes what is pending to the database, each table in the order of its keys.
func (p *pending) flush() error {
	for t := range p.tables {
		for _, block := range p.tables[t].blocks {
			for _, e := range block {
				var err error
				if e.value == nil {
					err = p.below.Delete(table(t), e.key)
				} else {
					err = p.below.Put(table(t), e.key, e.value)
				}
				if err != nil {
					return fmt.Errorf("write %s: %w", tableNames[t], err)
				}
			}
		}
	}
	return nil
}
