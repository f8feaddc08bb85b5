package store

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"
)

// plainTx is a table in memory, in the simplest way.
type plainTx map[string][]byte

func (p plainTx) Get(_ table, k []byte) ([]byte, error) { return p[string(k)], nil }

func (p plainTx) Put(_ table, k, v []byte) error { p[string(k)] = append([]byte{}, v...); return nil }

func (p plainTx) Delete(_ table, k []byte) error { delete(p, string(k)); return nil }

func (p plainTx) Scan(_ table, from, to []byte, backward bool, fn func(k, v []byte) bool) error {
	keys := slices.Sorted(maps.Keys(p))
	if backward {
		slices.Reverse(keys)
	}
	for _, k := range keys {
		if k >= string(from) && (to == nil || k < string(to)) && !fn([]byte(k), p[k]) {
			break
		}
	}
	return nil
}

// FuzzPendingChangesReadAsIfTheyWereWritten runs operations drawn from the octets twice: on pending changes, and on a table that
// is changed at once. Every read must give the same, also after operations that were taken back, and so must the table in the end.
func FuzzPendingChangesReadAsIfTheyWereWritten(f *testing.F) {
	f.Add([]byte("puts, deletes and scans"))
	f.Add(bytes.Repeat([]byte{0, 1, 2, 3, 4, 5, 6, 7, 9, 11, 13, 250, 31, 77}, 40))
	ordered := make([]byte, 0, 1200)
	for i := range 400 {
		ordered = append(ordered, 0, byte(i>>5), byte(i)) // keys over many blocks
	}
	f.Add(append(ordered, 6, 1, 200, 7, 4, 0, 7, 5, 9, 6, 4, 4))
	f.Fuzz(func(t *testing.T, script []byte) {
		want, got := plainTx{}, plainTx{}
		for range 2 { // the second time over what the first wrote
			p := &pending{below: got}
			for rest := script; len(rest) >= 3; rest = rest[3:] {
				replay(t, want, p, rest[0], rest[1], rest[2])
			}
			noError(t, p.flush())
			if a, b := walked(t, want, nil, nil, false, 0), walked(t, got, nil, nil, false, 0); a != b {
				t.Fatalf("the tables differ:\n%s\n%s", a, b)
			}
		}
	})
}

func replay(t *testing.T, plain plainTx, p *pending, what, a, b byte) {
	t.Helper()
	k := []byte{'k', a, b}
	switch what % 8 {
	case 0, 1, 2:
		noError(t, plain.Put(tCalls, k, []byte{what, b}))
		noError(t, p.Put(tCalls, k, []byte{what, b}))
	case 3:
		noError(t, plain.Delete(tCalls, k))
		noError(t, p.Delete(tCalls, k))
	case 4: // an operation that fails leaves nothing behind
		p.begin()
		for i := range b % 5 {
			noError(t, p.Put(tCalls, []byte{'k', a, b + i}, []byte("taken back")))
			noError(t, p.Delete(tCalls, []byte{'k', a + i, b}))
		}
		p.takeBack()
	case 5:
		x, _ := plain.Get(tCalls, k)
		y, err := p.Get(tCalls, k)
		if err != nil || !bytes.Equal(x, y) || (x == nil) != (y == nil) {
			t.Fatalf("get %q: %q, want %q (%v)", k, y, x, err)
		}
	default:
		var from, to []byte
		if a%4 > 0 {
			from = []byte{'k', min(a, b)}
		}
		if b%4 > 0 {
			to = []byte{'k', max(a, b)}
		}
		most := int(b) % 9 // 0: all
		x, y := walked(t, plain, from, to, what%8 == 7, most), walked(t, p, from, to, what%8 == 7, most)
		if x != y {
			t.Fatalf("scan %q to %q, backward %t, at most %d:\n%s\nwant\n%s", from, to, what%8 == 7, most, y, x)
		}
	}
}

func noError(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func walked(t *testing.T, x tx, from, to []byte, backward bool, most int) string {
	t.Helper()
	var out strings.Builder
	n := 0
	noError(t, x.Scan(tCalls, from, to, backward, func(k, v []byte) bool {
		fmt.Fprintf(&out, "%x=%x ", k, v)
		n++
		return n != most
	}))
	return out.String()
}

// TestAKeyTooLargeFailsItsOwnOperation, not those that share its commit.
func TestAKeyTooLargeFailsItsOwnOperation(t *testing.T) {
	s := open(t, Options{})
	for name, k := range map[string][]byte{"none": {}, "too large": make([]byte, bolt.MaxKeySize+1)} {
		if err := s.update(t.Context(), time.Now(), func(w *work) error { w.put(tCalls, k, nil); return nil }); err == nil {
			t.Errorf("a key that is %s was taken", name)
		}
	}
	noError(t, s.update(t.Context(), time.Now(), func(w *work) error { w.put(tCalls, []byte("k"), nil); return nil }))
}

// TestAKeyMayBeBuiltOnInTheArrayOfTheLast: what is pending must not change with it.
func TestAKeyMayBeBuiltOnInTheArrayOfTheLast(t *testing.T) {
	s := open(t, Options{})
	noError(t, s.update(t.Context(), time.Now(), func(w *work) error {
		person := key(nil).str("a")
		for i := range uint64(100) {
			w.put(tClaims, person.num(i), nil)
		}
		return nil
	}))
	if n := entries(t, s, tClaims); n != 100 {
		t.Errorf("%d entries, want 100", n)
	}
}
