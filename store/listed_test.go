package store

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"textback"
)

// listOf is a list of n numbers of a business that begin with +1202555 or what lies beyond.
func listOf(business string, n int, step int) *OptOutList {
	l := &OptOutList{}
	for i := range n {
		l.Add(OptedOut{Number: fmt.Sprintf("+%d", 12025550000+i*step), Business: business, Source: "acme-sms", Wording: "STOP", At: t0.Add(-time.Duration(i) * time.Minute)})
	}
	return l
}

func TestALongListIsOneEntryForManyAndSuppressesEachOfThem(t *testing.T) {
	s := open(t, Options{})
	_, text := decide(t, s, "hq/1", alice, t0) // alice is +12025550142
	r := must[ImportResult](t)(s.ImportOptOuts(t.Context(), listOf(acme, 5000, 1), t0))
	if r != (ImportResult{Added: 5000, Cleared: 1}) {
		t.Fatalf("%+v", r)
	}
	if got := must[textback.Text](t)(s.Text(t.Context(), text.ID)); got.State != textback.Cancelled {
		t.Errorf("the waiting text is %s", got.State)
	}
	st := must[Stats](t)(s.Stats(t.Context()))
	if st.OptedOut != 5000 || st.Ledger != 3 || st.Schema != schemaPeople {
		t.Errorf("%+v", st)
	}
	for number, want := range map[string]bool{"+12025550000": true, "+12025554999": true, "+12025555000": false, "+12025549999": false, alice: true, "202": false, "+0": false} {
		if got := must[bool](t)(s.OptedOut(t.Context(), number, acme)); got != want {
			t.Errorf("%s: opted out %t", number, got)
		}
		if must[bool](t)(s.OptedOut(t.Context(), number, plumb)) {
			t.Errorf("%s is out of another business", number)
		}
	}
	if h := history(t, s, alice, t0); !h.OptedOut {
		t.Errorf("%+v", h)
	}
	x := must[Explanation](t)(s.Explain(t.Context(), alice))
	if len(x.Ledger) != 1 || x.Ledger[0].Action != ActionList || x.Ledger[0].Count != 2000 || x.Ledger[0].Wording != "STOP [acme-sms]" || !slices.Equal(x.Out, []string{acme}) {
		t.Errorf("%+v", x)
	}
	if r := must[OptResult](t)(s.OptOut(t.Context(), stop(alice, true), t0)); r.Changed || r.Confirmation != nil {
		t.Errorf("STOP of somebody listed: %+v", r)
	}
	if r := must[ImportResult](t)(s.ImportOptOuts(t.Context(), listOf(acme, 6000, 1), t0)); r != (ImportResult{Added: 1000, Known: 5000}) {
		t.Errorf("a longer list: %+v", r)
	}
	verify(t, s)
}

func TestWhoIsListedCanOptInAndOutAgain(t *testing.T) {
	s := open(t, Options{})
	must[ImportResult](t)(s.ImportOptOuts(t.Context(), listOf(acme, 1000, 1), t0))
	for i := range 1000 {
		number := fmt.Sprintf("+%d", 12025550000+i)
		if r := must[OptResult](t)(s.OptIn(t.Context(), stop(number, false), t0.Add(time.Minute))); !r.Changed {
			t.Fatalf("%s: %+v", number, r)
		}
		if must[bool](t)(s.OptedOut(t.Context(), number, acme)) {
			t.Fatalf("%s is still out", number)
		}
	}
	verify(t, s)
	if st := must[Stats](t)(s.Stats(t.Context())); st.OptedOut != 0 {
		t.Errorf("%+v", st)
	}
	must[OptResult](t)(s.OptOut(t.Context(), stop(alice, false), t0.Add(2*time.Minute)))
	verify(t, s)
	if r := must[ImportResult](t)(s.ImportOptOuts(t.Context(), listOf(acme, 1000, 1), t0.Add(3*time.Minute))); r != (ImportResult{Added: 999, Known: 1}) {
		t.Errorf("%+v", r)
	}
	must[OptResult](t)(s.OptIn(t.Context(), stop(bob, false), t0.Add(4*time.Minute)))
	verify(t, s)
	x := must[Explanation](t)(s.Explain(t.Context(), alice))
	var did []Action
	for _, e := range x.Ledger {
		did = append(did, e.Action)
	}
	if !slices.Equal(did, []Action{ActionList, ActionIn, ActionOut}) {
		t.Errorf("%v", did)
	}
}

func TestWhoIsListedCanBeErasedAndStaysSuppressed(t *testing.T) {
	s := open(t, Options{})
	must[ImportResult](t)(s.ImportOptOuts(t.Context(), listOf(acme, 1000, 1), t0))
	must[ImportResult](t)(s.ImportOptOuts(t.Context(), listOf(plumb, 1000, 1), t0))
	f := must[Forgotten](t)(s.Forget(t.Context(), alice, t0.Add(time.Hour)))
	if !slices.Equal(f.StillOut, []string{acme, plumb}) {
		t.Errorf("%+v", f)
	}
	n, _ := packNumber(alice)
	bytes := string(key(nil).num(n))
	_ = s.view(t.Context(), t0, func(w *work) error {
		for tab := range tables {
			w.scan(tab, nil, func(k, v []byte) bool {
				if all := string(k) + "|" + string(v); strings.Contains(all, alice[1:]) || strings.Contains(all, bytes) {
					t.Errorf("%s still has the number: %q %q", tableNames[tab], k, v)
				}
				return true
			})
		}
		return nil
	})
	if !must[bool](t)(s.OptedOut(t.Context(), alice, acme)) || !must[bool](t)(s.OptedOut(t.Context(), alice, plumb)) {
		t.Error("not suppressed any more")
	}
	if st := must[Stats](t)(s.Stats(t.Context())); st.OptedOut != 2000 {
		t.Errorf("%+v", st)
	}
	verify(t, s)
	if r := must[ImportResult](t)(s.ImportOptOuts(t.Context(), listOf(acme, 1000, 1), t0)); r != (ImportResult{Known: 1000}) {
		t.Errorf("the list again: %+v", r)
	}
	if n, erased, err := s.ExportOptOuts(t.Context(), &strings.Builder{}); n != 1998 || erased != 2 || err != nil {
		t.Error(n, erased, err)
	}
	must[OptResult](t)(s.OptIn(t.Context(), stop(alice, false, acme, plumb), t0.Add(2*time.Hour)))
	if must[bool](t)(s.OptedOut(t.Context(), alice, acme, plumb)) {
		t.Error("cannot opt in again")
	}
	verify(t, s)
}

func TestAListThatWasTamperedWithIsNoticed(t *testing.T) {
	change := func(fn func(rows []listed) []listed) func(*work) {
		return func(w *work) {
			k, b := w.blockOf(acme, 12025557500) // there only every third number is listed
			k = slices.Clone(k)
			rows := fn(b.all())
			w.del(tListed, k)
			w.putBlock(acme, rows)
		}
	}
	for name, spoil := range map[string]func(w *work){
		"one removed":      change(func(rows []listed) []listed { return slices.Delete(rows, 3, 4) }),
		"one changed":      change(func(rows []listed) []listed { rows[3].number = rows[2].number + 1; return rows }),
		"time changed":     change(func(rows []listed) []listed { rows[3].at++; return rows }),
		"moved to another": change(func(rows []listed) []listed { rows[3].seq = 1; return rows }),
		"unknown entry":    change(func(rows []listed) []listed { rows[3].seq = 99; return rows }),
		"block removed":    func(w *work) { k, _ := w.blockOf(acme, 12025550142); w.del(tListed, slices.Clone(k)) },
		"count":            func(w *work) { edit(w, 1, func(e *LedgerEntry) { e.Count-- }) },
		"sum":              func(w *work) { edit(w, 1, func(e *LedgerEntry) { e.Sum = strings.Repeat("0", 64) }) },
		"hash removed":     func(w *work) { w.del(tDelisted, delistedKey(w.s.hash("number", bob), 1, acme)) },
		"opted in, and listed": func(w *work) {
			n, _ := packNumber(bob)
			w.del(tDelisted, delistedKey(w.s.hash("number", bob), 1, acme))
			w.enlist(acme, []listed{{number: n, at: w.at.Unix(), seq: 1}})
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, Options{})
			must[ImportResult](t)(s.ImportOptOuts(t.Context(), listOf(acme, 3000, 3), t0))
			must[ImportResult](t)(s.ImportOptOuts(t.Context(), func() *OptOutList {
				l := listOf(acme, 1000, 1)
				l.Add(OptedOut{Number: bob, Business: acme, Source: "acme-sms", Wording: "STOP", At: t0})
				return l
			}(), t0))
			must[OptResult](t)(s.OptIn(t.Context(), stop(bob, false), t0.Add(time.Minute)))
			verify(t, s)
			if err := s.update(t.Context(), t0, func(w *work) error { spoil(w); return nil }); err != nil {
				t.Fatal(err)
			}
			if err := s.Verify(t.Context()); err == nil {
				t.Error("not noticed")
			}
		})
	}
}

func TestListsGoRoundThroughCSV(t *testing.T) {
	s := open(t, Options{})
	must[ImportResult](t)(s.ImportOptOuts(t.Context(), listOf(acme, 25_000, 7), t0))
	must[ImportResult](t)(s.ImportOptOuts(t.Context(), listOf(plumb, 1000, 1), t0))
	must[OptResult](t)(s.OptOut(t.Context(), stop("+441632960001", false), t0))
	var file strings.Builder
	n, erased, err := s.ExportOptOuts(t.Context(), &file)
	if n != 26_001 || erased != 0 || err != nil {
		t.Fatal(n, erased, err)
	}
	to := open(t, Options{})
	list := must[*OptOutList](t)(ReadOptOuts(strings.NewReader(file.String()), nil, nil))
	if r := must[ImportResult](t)(to.ImportOptOuts(t.Context(), list, t0)); r.Added != 26_001 || r.Known != 0 {
		t.Errorf("%+v", r)
	}
	at := make(map[string]time.Time)
	if err := to.OptOuts(t.Context(), func(o OptedOut) bool { at[o.Business+o.Number] = o.At; return true }); err != nil {
		t.Fatal(err)
	}
	if want := t0.Add(-42 * time.Minute).Truncate(time.Second); len(at) != 26_001 || !at[acme+"+12025550294"].Equal(want) {
		t.Errorf("%d rows, %v", len(at), at[acme+"+12025550294"])
	}
	verify(t, to)
}

// TestBlocksAgreeWithAMap does at random what happens to a list, and compares with a plain map.
func TestBlocksAgreeWithAMap(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	s := open(t, Options{})
	model := map[uint64]listed{}
	few := func(n int) (rows []listed) {
		for range n {
			l := listed{number: uint64(10_000 + random.IntN(4000)), at: int64(random.IntN(100)), seq: uint64(1 + random.IntN(9))}
			if _, known := model[l.number]; !known && !slices.ContainsFunc(rows, func(r listed) bool { return r.number == l.number }) {
				rows = append(rows, l)
			}
		}
		slices.SortFunc(rows, byNumber)
		return rows
	}
	for range 300 {
		rows, many := few(1+random.IntN(80)), random.IntN(60)
		err := s.update(t.Context(), t0, func(w *work) error {
			w.enlist(acme, rows)
			for _, l := range rows {
				model[l.number] = l
			}
			for _, n := range slices.Sorted(maps.Keys(model))[:min(many, len(model))] {
				l, ok := w.delist(unpackNumber(n), acme)
				if !ok || l != model[n] {
					return fmt.Errorf("delist %d: %+v %t", n, l, ok)
				}
				delete(model, n)
			}
			var all []listed
			w.eachListed(nil, nil, func(b string, l listed) bool { all = append(all, l); return true })
			if len(all) != len(model) || !slices.IsSortedFunc(all, byNumber) {
				return fmt.Errorf("%d stand, %d should", len(all), len(model))
			}
			for _, l := range all {
				if model[l.number] != l {
					return fmt.Errorf("%+v stands, %+v should", l, model[l.number])
				}
			}
			for range 50 {
				n := uint64(9990 + random.IntN(4020))
				if l, ok := w.listedAs(unpackNumber(n), acme); l != model[n] || ok != (l.number != 0) {
					return fmt.Errorf("%d: %+v %t", n, l, ok)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestADamagedBlockIsAnErrorAndNoPanic(t *testing.T) {
	for _, v := range [][]byte{{}, {1}, {2, 0}, make([]byte, 20), append([]byte{2}, make([]byte, 18)...)} {
		s := open(t, Options{})
		if err := s.update(t.Context(), t0, func(w *work) error { w.put(tListed, listedKey(acme, 12025550000), v); return nil }); err != nil {
			t.Fatal(err)
		}
		if _, err := s.OptedOut(t.Context(), alice, acme); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%v: %v", v, err)
		}
	}
}

func TestAFileFromBeforeThereWereListsIsReadAsItIs(t *testing.T) {
	s := open(t, Options{})
	must[OptResult](t)(s.OptOut(t.Context(), stop(alice, false), t0))
	_ = s.Close()
	db, err := bolt.Open(s.opts.Path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bolt.Tx) error {
		return errors.Join(tx.DeleteBucket([]byte("listed")), tx.DeleteBucket([]byte("delisted")))
	})
	if err = errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	old, err := Open(Options{Path: s.opts.Path, ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer old.Close()
	if !must[bool](t)(old.OptedOut(t.Context(), alice, acme)) || must[bool](t)(old.OptedOut(t.Context(), bob, acme)) {
		t.Error("the opt-outs are not as they were")
	}
	if x := must[Explanation](t)(old.Explain(t.Context(), alice)); len(x.Ledger) != 1 || len(x.Out) != 1 {
		t.Errorf("%+v", x)
	}
	verify(t, old)
}
