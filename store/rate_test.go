package store

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"textback"
)

// sameRates holds what is counted in memory to what the next start would read.
func sameRates(t testing.TB, s *Store) {
	t.Helper()
	var want *rates
	if err := s.db.View(func(btx *bolt.Tx) (err error) { want, err = readRates(btx); return err }); err != nil {
		t.Fatal(err)
	}
	for _, r := range []*rates{s.rates, want} {
		for of, list := range r.all {
			if r.all[of] = slices.DeleteFunc(list, func(x slot) bool { return x.n == 0 && x.dark == 0 }); len(r.all[of]) == 0 {
				delete(r.all, of)
			}
		}
	}
	if !maps.EqualFunc(s.rates.all, want.all, slices.Equal) {
		t.Errorf("counted %v, on disk %v", s.rates.all, want.all)
	}
}

// decideOn decides a call for a text, and tells which history was seen.
func decideOn(t *testing.T, s *Store, id, caller string, at time.Time, seen *textback.History) (*textback.Text, error) {
	t.Helper()
	k := keys(caller)
	k.Block = textback.Block(caller)
	_, text, err := s.Decide(t.Context(), missed(id, caller, at), k, at, func(h textback.History) textback.Decision {
		if seen != nil {
			*seen = h
		}
		return always(caller, at)(h)
	})
	return text, err
}

func TestLimitsAreCountedWithinAGroupAndAcrossAStart(t *testing.T) {
	s := open(t, Options{})
	const n = 100
	seen := make([]textback.History, n)
	var wg sync.WaitGroup
	for i := range n { // many share a commit: each must see those before it
		wg.Go(func() {
			if _, err := decideOn(t, s, fmt.Sprint("hq/", i), fmt.Sprintf("%s%04d", alice[:len(alice)-4], i), t0, &seen[i]); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	met := make(map[int]bool)
	for _, h := range seen {
		if h.LineHour != h.BlockHour {
			t.Errorf("%+v", h)
		}
		met[h.LineHour] = true
	}
	if len(met) != n || !met[0] || !met[n-1] {
		t.Errorf("the line's hour was met in %d states, want each of 0 to %d once", len(met), n-1)
	}
	verify(t, s)
	path := s.opts.Path
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, Options{Path: path})
	if h := history(t, s, alice, t0.Add(time.Minute)); h.LineHour != n || h.BlockHour != n {
		t.Errorf("after a start: %+v", h)
	}
}

func TestWhatFailsOrIsGivenBackIsNotCounted(t *testing.T) {
	var fail error
	s := open(t, Options{BeforeCommit: func() error { return fail }})
	text, err := decideOn(t, s, "hq/1", alice, t0, nil)
	if err != nil {
		t.Fatal(err)
	}
	fail = errors.New("disk full")
	if _, err := decideOn(t, s, "hq/2", alice, t0, nil); !errors.Is(err, fail) {
		t.Fatal(err)
	}
	fail = nil
	if h := history(t, s, alice, t0); h.LineHour != 1 || h.BlockHour != 1 {
		t.Errorf("after a failed commit: %+v", h)
	}
	must[textback.Text](t)(s.Cancel(t.Context(), text.ID, "", t0))
	if h := history(t, s, alice, t0); h.LineHour != 0 || h.BlockHour != 0 {
		t.Errorf("after it was given back: %+v", h)
	}
	verify(t, s)
}

// Until November 2026 a block and a line had an entry for each slot of ten seconds.
func TestSlotsOfAnOlderFileCount(t *testing.T) {
	s := open(t, Options{})
	path := s.opts.Path
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	db, err := bolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Update(func(btx *bolt.Tx) error {
		b := btx.Bucket([]byte("rate"))
		at := t0.Truncate(rateSlot)
		return errors.Join(b.Put(key(nil).byt('l').str(line).time(at), key(nil).num(7)), b.Put(key(nil).byt('l').str(line).time(at).raw(shadowSlot), key(nil).num(2)),
			b.Put(key(nil).byt('b').str(textback.Block(alice)).time(at), key(nil).num(3)))
	}); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, Options{Path: path})
	if h := history(t, s, alice, t0); h.LineHour != 7 || h.BlockHour != 3 {
		t.Errorf("%+v", h)
	}
	if _, err := decideOn(t, s, "hq/1", alice, t0, nil); err != nil {
		t.Fatal(err)
	}
	if h := history(t, s, alice, t0); h.LineHour != 8 || h.BlockHour != 4 {
		t.Errorf("with one more: %+v", h)
	}
	must[Pruned](t)(s.Prune(t.Context(), Retention{}, t0.Add(keepRate+2*rateSlot)))
	if n := entries(t, s, tRate); n != 2 {
		t.Errorf("%d entries after pruning, want the budgets only", n)
	}
	verify(t, s)
}
