package store

import (
	"slices"
	"testing"
	"time"
)

// TestWhatWasDeletedJustNowHidesNothingFromAWalkBackwards: a page whose keys one operation deletes is empty until the commit that
// it shares with those after it. bbolt's Last would never return, and its Prev would end there.
func TestWhatWasDeletedJustNowHidesNothingFromAWalkBackwards(t *testing.T) {
	const keys = 400 // many pages
	name := func(i int) key { return key(nil).str("person").num(uint64(i)) }
	for what, deleted := range map[string]func(i int) bool{
		"all":        func(int) bool { return true },
		"none":       func(int) bool { return false },
		"the first":  func(i int) bool { return i < 200 },
		"the middle": func(i int) bool { return i >= 100 && i < 300 },
		"the last":   func(i int) bool { return i >= 200 },
		"all but 0":  func(i int) bool { return i > 0 },
	} {
		t.Run(what, func(t *testing.T) {
			s := open(t, Options{})
			err := s.update(t.Context(), time.Now(), func(w *work) error {
				for i := range keys {
					w.put(tClaims, name(i), make([]byte, 100))
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			err = s.update(t.Context(), time.Now(), func(w *work) error {
				var want []uint64
				for i := range keys {
					if deleted(i) {
						w.del(tClaims, name(i))
					} else {
						want = append(want, uint64(i))
					}
				}
				slices.Reverse(want)
				for _, prefix := range []key{nil, key(nil).str("person")} {
					var got []uint64
					w.back(tClaims, prefix, func(k, _ []byte) bool { got = append(got, tail(k)); return true })
					if !slices.Equal(got, want) {
						t.Errorf("prefix %q: walked over %d keys, want %d", prefix, len(got), len(want))
					}
				}
				w.back(tClaims, key(nil).str("someone else"), func(k, _ []byte) bool { t.Errorf("%q is not hers", k); return true })
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		})
	}
}
