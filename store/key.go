package store

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"strings"
	"time"
)

// key builds an ordered key from fields: the order of keys is the order of their fields.
type key []byte

// longKey bounds a string in a key: what comes from outside may be of any length, a key may not.
const longKey = 256

// str adds a string: zero bytes are escaped and the end is marked, so that a prefix of fields is a prefix of bytes.
func (k key) str(s string) key {
	if len(s) > longKey {
		sum := sha256.Sum256([]byte(s))
		s = s[:longKey-2*len(sum)] + hex.EncodeToString(sum[:])
	}
	if k == nil {
		k = newKey()
	}
	for {
		zero := strings.IndexByte(s, 0)
		if zero < 0 {
			return append(append(k, s...), 0, 1)
		}
		k = append(append(k, s[:zero]...), 0, 0xff)
		s = s[zero+1:]
	}
}

// newKey has room for the fields of most keys.
func newKey() key { return make(key, 0, 64) }

// num adds a number.
func (k key) num(n uint64) key {
	if k == nil {
		k = newKey()
	}
	return binary.BigEndian.AppendUint64(k, n)
}

// byt adds a byte.
func (k key) byt(b byte) key {
	if k == nil {
		k = newKey()
	}
	return append(k, b)
}

// time adds a moment with the nanosecond; the zero time comes first of all.
func (k key) time(t time.Time) key { return k.num(stamp(t)) }

// raw adds bytes as they are: only as the last field.
func (k key) raw(b []byte) key { return append(k, b...) }

// stamp maps moments to ordered numbers. Those beyond what nanoseconds in 64 bits can tell (1678 to 2262) are its ends.
func stamp(t time.Time) uint64 {
	switch {
	case t.Year() < 1679:
		return 0
	case t.Year() > 2261:
		return 1<<64 - 1
	}
	return uint64(t.UnixNano()) ^ 1<<63
}

// moment is stamp's way back.
func moment(n uint64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(0, int64(n^1<<63)).UTC()
}

// after is the first key beyond all that begin with prefix; nil is the end of the table.
func after(prefix []byte) []byte {
	for i := len(prefix) - 1; i >= 0; i-- {
		if prefix[i] != 0xff {
			end := append([]byte{}, prefix[:i+1]...)
			end[i]++
			return end
		}
	}
	return nil
}

// number reads what num wrote; 0 for anything else.
func number(b []byte) uint64 {
	if len(b) != 8 {
		return 0
	}
	return binary.BigEndian.Uint64(b)
}

// tail is the number that ends a key.
func tail(k []byte) uint64 {
	if len(k) < 8 {
		return 0
	}
	return number(k[len(k)-8:])
}

// field splits the first string off a key.
func field(k []byte) (string, []byte) {
	var b strings.Builder
	for i := 0; i < len(k); i++ {
		if k[i] != 0 {
			b.WriteByte(k[i])
			continue
		}
		if i+1 < len(k) && k[i+1] == 0xff {
			b.WriteByte(0)
			i++
			continue
		}
		return b.String(), k[min(i+2, len(k)):]
	}
	return b.String(), nil
}

// lastDigits is what two spellings of one number have in common: national, with or without + and prefix.
func lastDigits(s string) string {
	d := digits(s)
	if d == "" {
		return s // letters: a sender by name
	}
	if len(d) > 7 {
		d = d[len(d)-7:]
	}
	return d
}

func digits(s string) string {
	d := make([]byte, 0, len(s))
	for i := range len(s) {
		if s[i] >= '0' && s[i] <= '9' {
			d = append(d, s[i])
		}
	}
	return string(d)
}

// sameAddress tells whether two addresses may be spellings of one: equal, or one ends with the other's digits, a
// national prefix 0 left out.
func sameAddress(a, b string) bool {
	if a == b {
		return true
	}
	x, y := strings.TrimLeft(digits(a), "0"), strings.TrimLeft(digits(b), "0")
	if x == "" || y == "" {
		return false
	}
	return x == y || min(len(x), len(y)) >= 7 && (strings.HasSuffix(x, y) || strings.HasSuffix(y, x))
}
