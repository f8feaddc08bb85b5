package store

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/bits"
	"slices"
	"sort"
	"strconv"
	"time"
)

// A long list of opt-outs (the one of the provider that a business had before) lies in blocks: sorted numbers, eighteen octets
// each, some hundred to a value. One entry of the ledger stands for a part of the list, with how many numbers it has and a
// sum over their keyed hashes, so that a number that is missing, added or changed is found as it is with single entries. Who
// opts in again, or is erased, is taken out of his block and leaves his hash, which the sum goes on counting.

// listed is one number of a list.
type listed struct {
	number uint64 // its digits
	at     int64  // when he opted out by the list, Unix seconds; 0 if it does not say
	seq    uint64 // of the ledger's entry
}

const (
	listedSize = 8 + 5 + 5
	blockMost  = 100 // two blocks of it fill a page
)

// packNumber turns an E.164 number into its digits, false for whatever would not come back the same.
func packNumber(s string) (uint64, bool) {
	if len(s) < 2 || len(s) > 16 || s[0] != '+' || s[1] == '0' {
		return 0, false
	}
	n, err := strconv.ParseUint(s[1:], 10, 64)
	return n, err == nil && s[1] != '+'
}

func byNumber(a, b listed) int { return cmp.Compare(a.number, b.number) }

func unpackNumber(n uint64) string { return string(strconv.AppendUint([]byte{'+'}, n, 10)) }

func (l *listed) when() time.Time {
	if l.at == 0 {
		return time.Time{}
	}
	return time.Unix(l.at, 0).UTC()
}

func appendBlock(b []byte, rows []listed) []byte {
	b = append(b, recordVersion)
	for _, l := range rows {
		b = binary.BigEndian.AppendUint64(b, l.number)
		b = appendFive(appendFive(b, uint64(l.at)), l.seq)
	}
	return b
}

func appendFive(b []byte, n uint64) []byte {
	return append(b, byte(n>>32), byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
}

func five(b []byte) uint64 {
	return uint64(b[0])<<32 | uint64(binary.BigEndian.Uint32(b[1:]))
}

// block is an encoded block without its version.
type block []byte

func (b block) len() int            { return len(b) / listedSize }
func (b block) number(i int) uint64 { return binary.BigEndian.Uint64(b[i*listedSize:]) }

func (b block) at(i int) listed {
	e := b[i*listedSize:]
	return listed{number: b.number(i), at: int64(five(e[8:])), seq: five(e[13:])}
}

func (b block) all() []listed {
	rows := make([]listed, b.len())
	for i := range rows {
		rows[i] = b.at(i)
	}
	return rows
}

// find is where a number stands, or would.
func (b block) find(n uint64) (i int, ok bool) {
	i = sort.Search(b.len(), func(i int) bool { return b.number(i) >= n })
	return i, i < b.len() && b.number(i) == n
}

// readBlock looks at a stored value before it is trusted.
func readBlock(v []byte) (block, error) {
	if len(v) < 1+listedSize || v[0] != recordVersion || (len(v)-1)%listedSize != 0 {
		return nil, fmt.Errorf("a block of %d octets: %w", len(v), ErrCorrupt)
	}
	return block(v[1:]), nil
}

func listedKey(business string, n uint64) []byte { return key(nil).str(business).num(n) }

// blockOf is the block of a business in which a number stands, or would; nil if the number comes before all blocks. What it
// returns is valid until the next change.
func (w *work) blockOf(business string, n uint64) (k []byte, b block) {
	w.walk(tListed, key(nil).str(business), listedKey(business, n+1), true, func(found, v []byte) bool {
		var err error
		if b, err = readBlock(v); err != nil {
			w.fail("read a record of", tListed, err)
			return false
		}
		k = found
		return false
	})
	return k, b
}

// seek finds a number in the lists of a business: its block with the block's key, and where in it.
func (w *work) seek(number, business string) (k []byte, b block, i int, ok bool) {
	n, ok := packNumber(number)
	if !ok {
		return nil, nil, 0, false
	}
	k, b = w.blockOf(business, n)
	i, ok = b.find(n)
	return k, b, i, ok
}

// listedAs is how a number stands in the lists of a business.
func (w *work) listedAs(number, business string) (l listed, ok bool) {
	_, b, i, ok := w.seek(number, business)
	if !ok {
		return l, false
	}
	return b.at(i), true
}

// enlist puts numbers, sorted and none of them listed, into the blocks of a business.
func (w *work) enlist(business string, rows []listed) {
	for len(rows) > 0 && w.err == nil {
		k, b := w.blockOf(business, rows[0].number)
		mine := len(rows) // those that come before the next block
		w.walk(tListed, listedKey(business, rows[0].number+1), after(key(nil).str(business)), false, func(next, _ []byte) bool {
			mine, _ = slices.BinarySearchFunc(rows, tail(next), func(l listed, n uint64) int { return cmp.Compare(l.number, n) })
			return false
		})
		merged := append(b.all(), rows[:mine]...)
		slices.SortFunc(merged, byNumber)
		if k != nil && tail(k) != merged[0].number {
			w.del(tListed, bytes.Clone(k))
		}
		pieces := (len(merged) + blockMost - 1) / blockMost
		for i := range pieces {
			w.putBlock(business, merged[i*len(merged)/pieces:(i+1)*len(merged)/pieces])
		}
		rows = rows[mine:]
	}
}

func (w *work) putBlock(business string, rows []listed) {
	w.put(tListed, listedKey(business, rows[0].number), appendBlock(make([]byte, 0, 1+len(rows)*listedSize), rows))
}

// delist takes a number out of the lists of a business, and leaves its hash for the sum of the ledger's entry.
func (w *work) delist(number, business string) (l listed, ok bool) {
	k, b, i, ok := w.seek(number, business)
	if !ok {
		return l, false
	}
	l = b.at(i)
	rows := slices.Delete(b.all(), i, i+1)
	if i == 0 {
		w.del(tListed, bytes.Clone(k)) // its key is its first number
	}
	if len(rows) > 0 {
		w.putBlock(business, rows)
	}
	w.put(tDelisted, delistedKey(w.s.hash("number", number), l.seq, business), key(nil).num(uint64(l.at)))
	return l, true
}

func delistedKey(who string, seq uint64, business string) []byte {
	return key(nil).str(who).num(seq).str(business)
}

// eachListed walks the numbers in the blocks of [from, to), by business and number. fn returns false to stop.
func (w *work) eachListed(from, to []byte, fn func(business string, l listed) bool) {
	w.walk(tListed, from, to, false, func(k, v []byte) bool {
		business, _ := field(k)
		b, err := readBlock(v)
		if err != nil {
			w.fail("read a record of", tListed, err)
			return false
		}
		for i := range b.len() {
			if !fn(business, b.at(i)) {
				return false
			}
		}
		return true
	})
}

// listedBusinesses are the businesses that have a list.
func (w *work) listedBusinesses() (all []string) {
	for from := []byte{}; from != nil && w.err == nil; {
		more := false
		w.walk(tListed, from, nil, false, func(k, _ []byte) bool {
			business, _ := field(k)
			all, more = append(all, business), true
			return false
		})
		if !more {
			break
		}
		from = after(key(nil).str(all[len(all)-1]))
	}
	return all
}

// listSum is a sum over the members of a part of a list, whatever their order: SHA-256 of each one's keyed hash and time, added
// up modulo 2^256.
type listSum [4]uint64

func (s *listSum) add(who string, at int64) {
	sum := sha256.Sum256(binary.BigEndian.AppendUint64([]byte("textback list 1"+who), uint64(at)))
	var carry uint64
	for i := 3; i >= 0; i-- {
		s[i], carry = bits.Add64(s[i], binary.BigEndian.Uint64(sum[8*i:]), carry)
	}
}

func (s *listSum) String() string {
	var b []byte
	for _, n := range s {
		b = binary.BigEndian.AppendUint64(b, n)
	}
	return hex.EncodeToString(b)
}
