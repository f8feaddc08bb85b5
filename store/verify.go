package store

import (
	"fmt"
	"slices"
)

// ledgerCheck is what a walk over the ledger knows by its end.
type ledgerCheck struct {
	out   map[string]uint64   // standing opt-outs that have a record of their own, by key → entry
	in    map[string]uint64   // by key → the last entry that opted in
	gone  map[uint64][]string // entry of a list → keys of those who were taken out of it
	lists map[uint64]*listSum // entry of a list → what is counted of it
	count map[uint64]int
}

func (w *work) verifyLedger() error {
	c := ledgerCheck{out: map[string]uint64{}, in: map[string]uint64{}, gone: map[uint64][]string{}, lists: map[uint64]*listSum{}, count: map[uint64]int{}}
	w.scan(tDelisted, nil, func(k, v []byte) bool {
		who, rest := field(k)
		business, _ := field(rest[min(8, len(rest)):])
		seq := number(rest[:min(8, len(rest))])
		c.gone[seq] = append(c.gone[seq], string(outKey(who, business)))
		c.member(seq, who, int64(number(v)))
		return true
	})
	lists, err := w.verifyChain(&c)
	if err := cmpErr(err, w.err); err != nil {
		return err
	}
	if err := cmpErr(w.verifyStanding(&c), w.err); err != nil {
		return err
	}
	if err := cmpErr(w.verifyLists(&c), w.err); err != nil {
		return err
	}
	for _, e := range lists {
		switch sum := c.lists[e.Seq]; {
		case c.count[e.Seq] != e.Count:
			return fmt.Errorf("the list of entry %d has %d numbers, %d were entered", e.Seq, c.count[e.Seq], e.Count)
		case sum == nil || sum.String() != e.Sum:
			return fmt.Errorf("the list of entry %d was changed", e.Seq)
		}
		delete(c.count, e.Seq)
	}
	for seq := range c.count {
		return fmt.Errorf("numbers stand in a list (entry %d) that the ledger does not have", seq)
	}
	return nil
}

// member counts somebody who stands, or stood, in a list.
func (c *ledgerCheck) member(seq uint64, who string, at int64) {
	if c.lists[seq] == nil {
		c.lists[seq] = new(listSum)
	}
	c.lists[seq].add(who, at)
	c.count[seq]++
}

// verifyChain walks the ledger, and gives the entries of lists.
func (w *work) verifyChain(c *ledgerCheck) (lists []LedgerEntry, err error) {
	var prev LedgerEntry
	w.scan(tLedger, nil, func(k, v []byte) bool {
		var e LedgerEntry
		if err = decode(v, &e); err != nil {
			return false
		}
		switch {
		case e.Seq != prev.Seq+1 || e.Seq != number(k):
			err = fmt.Errorf("entry %d follows %d", e.Seq, prev.Seq)
		case e.Prev != prev.Hash:
			err = fmt.Errorf("entry %d does not continue the chain", e.Seq)
		case e.Hash != e.sum():
			err = fmt.Errorf("entry %d was changed", e.Seq)
		case e.Number != "" && w.s.hash("number", e.Number) != e.Who:
			err = fmt.Errorf("the number of entry %d was changed", e.Seq)
		case e.Wording != "" && w.s.hash("wording", e.Wording) != e.Said:
			err = fmt.Errorf("the wording of entry %d was changed", e.Seq)
		}
		if e.Action == ActionList {
			lists = append(lists, e)
			for _, k := range c.gone[e.Seq] {
				c.stood(k, e.Seq)
			}
		}
		for _, b := range e.Businesses {
			k := string(outKey(e.Who, b))
			switch e.Action {
			case ActionOut:
				c.stood(k, e.Seq)
			case ActionIn:
				delete(c.out, k)
				c.in[k] = e.Seq
			}
		}
		prev = e
		return err == nil
	})
	if err != nil || w.err != nil {
		return lists, err
	}
	if n := number(w.get(tMeta, []byte("seq/ledger"))); n != prev.Seq {
		return lists, fmt.Errorf("it ends with entry %d, %d were written", prev.Seq, n)
	}
	return lists, nil
}

// stood notes an opt-out: the first one is the evidence.
func (c *ledgerCheck) stood(k string, seq uint64) {
	if _, stands := c.out[k]; !stands {
		c.out[k] = seq
	}
}

// verifyStanding holds the opt-outs that have a record of their own against the ledger.
func (w *work) verifyStanding(c *ledgerCheck) (err error) {
	w.scan(tOut, nil, func(k, v []byte) bool {
		var r outRecord
		if err = decode(v, &r); err != nil {
			return false
		}
		seq, ok := c.out[string(k)]
		if !ok || seq != r.Seq {
			err = fmt.Errorf("an opt-out stands (entry %d) that the ledger does not have", r.Seq)
			return false
		}
		delete(c.out, string(k))
		return true
	})
	if err != nil || w.err != nil || len(c.out) == 0 {
		return err
	}
	seqs := make([]uint64, 0, len(c.out))
	for _, seq := range c.out {
		seqs = append(seqs, seq)
	}
	return fmt.Errorf("the opt-out of entry %d does not stand", slices.Min(seqs))
}

// verifyLists counts who stands in the lists: sorted, in the block where he is looked for, and not opted in since.
func (w *work) verifyLists(c *ledgerCheck) (err error) {
	var last listed
	of := ""
	w.scan(tListed, nil, func(k, v []byte) bool {
		business, _ := field(k)
		b, bad := readBlock(v)
		if err = bad; err != nil {
			return false
		}
		if business != of {
			last, of = listed{}, business
		}
		if tail(k) != b.number(0) {
			err = fmt.Errorf("a block of the list of %s stands at the wrong place", business)
		}
		for i := range b.len() {
			l := b.at(i)
			who := w.s.hash("number", unpackNumber(l.number))
			switch {
			case l.number <= last.number:
				err = fmt.Errorf("the list of %s is out of order", business)
			case c.in[string(outKey(who, business))] > l.seq:
				err = fmt.Errorf("the list of entry %d has somebody who has opted in since", l.seq)
			}
			if err != nil {
				return false
			}
			c.member(l.seq, who, l.at)
			last = l
		}
		return true
	})
	return err
}
