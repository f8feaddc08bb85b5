package store

import (
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"
)

// apart gives a file the form of before: each table about people for itself, each token in its table.
func apart(t *testing.T, path string, schema int) {
	t.Helper()
	db, err := bolt.Open(path, 0o600, nil)
	noError(t, err)
	noError(t, db.Update(func(btx *bolt.Tx) error {
		old := &boltTx{tx: btx}
		for tab, kind := range aboutPeople {
			if kind == 0 {
				continue
			}
			if _, err := btx.CreateBucket([]byte(tableNames[tab])); err != nil {
				return err
			}
			if err := (people{old}).Scan(table(tab), nil, nil, false, func(k, v []byte) bool { return old.Put(table(tab), k, slices.Clone(v)) == nil }); err != nil {
				return err
			}
		}
		if err := btx.DeleteBucket([]byte(tableNames[tPeople])); err != nil {
			return err
		}
		return old.Put(tMeta, schemaKey, strconv.AppendInt(nil, int64(schema), 10))
	}))
	noError(t, db.Close())
}

// TestAFileOfBeforeIsTakenOver: opened for reading as it is, brought into the new form when it is opened for writing, with the
// same answers at each time.
func TestAFileOfBeforeIsTakenOver(t *testing.T) {
	for _, schema := range []int{schemaFirst, schemaListed} {
		path := filepath.Join(t.TempDir(), "textback.db")
		s := open(t, Options{Path: path})
		callers := []string{alice, "+12025559999", "+442071838750", "+13035559999", "anonymous", "+49151"}
		for i, num := range callers {
			at := t0.Add(time.Duration(i) * time.Minute)
			_, text := decide(t, s, "hq/"+strconv.Itoa(i), num, at)
			if text == nil {
				t.Fatalf("%s: no text", num)
			}
			if i%2 == 0 {
				sent(t, s, text.ID, 1, at)
				answered(t, s, text.ID, 0, PartRefused, "", at)
			}
		}
		_, err := s.Reached(t.Context(), Contact{Caller: callers[1], Business: acme}, t0.Add(time.Hour))
		noError(t, err)
		type answers struct {
			Explained []Explanation
			History   []any
			Entries   map[string]int
		}
		all := func(s *Store) (a answers) {
			a.Entries = map[string]int{}
			for _, num := range callers {
				a.Explained = append(a.Explained, must[Explanation](t)(s.Explain(t.Context(), num)))
				a.History = append(a.History, history(t, s, num, t0.Add(2*time.Hour)))
			}
			for tab, kind := range aboutPeople {
				if kind != 0 {
					a.Entries[tableNames[tab]] = entries(t, s, table(tab))
				}
			}
			noError(t, s.Verify(t.Context()))
			return a
		}
		want := all(s)
		if want.Entries["claims"] == 0 || want.Entries["callers"] != 1 || want.Entries["calls_party"] != len(callers) {
			t.Fatalf("%v", want.Entries)
		}
		noError(t, s.Close())
		apart(t, path, schema)
		for _, o := range []Options{{Path: path, ReadOnly: true}, {Path: path}, {Path: path}, {Path: path, ReadOnly: true}} {
			s := open(t, o)
			if got := all(s); !reflect.DeepEqual(got, want) {
				t.Errorf("schema %d, for reading only %t:\n%+v\nwant\n%+v", schema, o.ReadOnly, got, want)
			}
			if st := must[Stats](t)(s.Stats(t.Context())); !o.ReadOnly && st.Schema != schemaNewest {
				t.Errorf("schema %d was left", st.Schema)
			}
			noError(t, s.db.View(func(btx *bolt.Tx) error {
				if left := btx.Bucket([]byte("claims")); !o.ReadOnly && left != nil {
					t.Error("the old tables are still there")
				}
				return nil
			}))
			noError(t, s.Close())
		}
	}
}

// TestAMoveThatIsCutShortGoesOn: with more than fits in one transaction, and a stop between two.
func TestAMoveThatIsCutShortGoesOn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "textback.db")
	s := open(t, Options{Path: path})
	const n = 2*moveBatch + 10
	noError(t, s.update(t.Context(), t0, func(w *work) error {
		for i := range n {
			w.put(tMissed, key(nil).str(fmt.Sprintf("+1202%07d", i)).str(acme).time(t0).str("hq/1"), nil)
		}
		return nil
	}))
	_, text := decide(t, s, "hq/1", alice, t0)
	want := must[Explanation](t)(s.Explain(t.Context(), alice))
	noError(t, s.Close())
	apart(t, path, schemaFirst)

	db, err := bolt.Open(path, 0o600, nil)
	noError(t, err)
	noError(t, db.Update(func(btx *bolt.Tx) error {
		if _, err := btx.CreateBucket([]byte(tableNames[tPeople])); err != nil {
			return err
		}
		if more, err := moveSome(btx, tMissed); err != nil || !more {
			t.Errorf("more %t, %v", more, err)
		}
		return btx.Bucket([]byte(tableNames[tMeta])).Put(schemaKey, strconv.AppendInt(nil, schemaPeople, 10))
	}))
	noError(t, db.Close())
	if ro, err := Open(Options{Path: path, ReadOnly: true}); err == nil || !strings.Contains(err.Error(), "start the daemon") {
		t.Errorf("half a file was read: %v, %v", ro, err)
	}
	again := open(t, Options{Path: path})
	if got := entries(t, again, tMissed); got != n+1 {
		t.Errorf("%d entries, want %d", got, n+1)
	}
	if got := must[Explanation](t)(again.Explain(t.Context(), alice)); !reflect.DeepEqual(got, want) || len(got.Texts) != 1 || got.Texts[0].ID != text.ID {
		t.Errorf("%+v\nwant\n%+v", got, want)
	}
	noError(t, again.Verify(t.Context()))
}

// TestATokenOfBeforeStillFindsItsText: it stands in a table.
func TestATokenOfBeforeStillFindsItsText(t *testing.T) {
	s := open(t, Options{})
	_, text := decide(t, s, "hq/1", alice, t0)
	noError(t, s.update(t.Context(), t0, func(w *work) error {
		r, _ := w.text(text.ID)
		r.T.Token = "oldoldold2"
		w.save(tTexts, textKey(r.T.ID), r)
		w.put(tTokens, key(nil).str(r.T.Token), key(nil).num(r.T.ID))
		return nil
	}))
	for token, want := range map[string]bool{"oldoldold2": true, "OLDOLDOLD2": true, text.Token: false} {
		_ = s.view(t.Context(), t0, func(w *work) error {
			n := NewBooking{}
			n.Booking.Token = token
			if r, ok := w.bookedText(n); ok != want || ok && r.T.ID != text.ID {
				t.Errorf("%s: found %t", token, ok)
			}
			return nil
		})
	}
}

// FuzzWhatIsKeptTogetherReadsAsTables: keys of any form, by themselves and in walks over a number's.
func FuzzWhatIsKeptTogetherReadsAsTables(f *testing.F) {
	f.Add("+12025550142", "+442025550142", uint64(1))
	f.Add("anonymous", "", uint64(0))
	f.Add("1\x002", "\x00\x01", uint64(1<<63))
	f.Fuzz(func(t *testing.T, a, b string, n uint64) {
		p := people{plainTx{}}
		count := map[string]int{}
		for _, num := range []string{a, b} {
			for i := range uint64(3) {
				k := key(nil).str(num).num(n + i)
				if v, _ := p.Get(tClaims, k); v == nil {
					count[num]++
				}
				noError(t, p.Put(tClaims, k, []byte(num)))
				noError(t, p.Put(tMissed, k, []byte("another table")))
				if v, err := p.Get(tClaims, k); err != nil || string(v) != num {
					t.Fatalf("%q: %q, %v", k, v, err)
				}
			}
		}
		w := &work{tx: p}
		for _, num := range []string{a, b} {
			for _, walk := range []func(table, []byte, func(k, v []byte) bool){w.scan, w.back} {
				got := 0
				walk(tClaims, key(nil).str(num), func(k, v []byte) bool {
					if f, rest := field(k); string(v) != num && f != num || len(rest) != 8 {
						t.Errorf("%q of %q", k, num)
					}
					got++
					return true
				})
				if got != 3 && num == a || got == 0 {
					t.Errorf("%d entries of %q", got, num)
				}
			}
		}
		all := 0
		w.scan(tClaims, nil, func(_, v []byte) bool { all++; return string(v) != "another table" })
		if all != count[a]+count[b] && a != b {
			t.Errorf("%d entries in all, want %d", all, count[a]+count[b])
		}
		for _, num := range []string{a, b} {
			for i := range uint64(3) {
				noError(t, p.Delete(tClaims, key(nil).str(num).num(n+i)))
			}
		}
		w.scan(tClaims, nil, func(k, _ []byte) bool { t.Errorf("%q is left", k); return true })
	})
}

// TestIsStranger: whatever table knows a number, he is none; nor is another with the same last digits, for whom the tables are asked.
func TestIsStranger(t *testing.T) {
	const same, other, word = "+442075550142", "+12025550143", "anonymous"
	is := func(w *work, number string, want bool) {
		t.Helper()
		if got := w.isStranger(number); got != want {
			t.Errorf("%s is a stranger: %v, want %v", number, got, want)
		}
	}
	for tab, kind := range aboutPeople {
		if kind == 0 {
			continue
		}
		s := open(t, Options{})
		known := alice
		if table(tab) == tTextsTo {
			known = lastDigits(alice)
		}
		k := key(nil).str(known).num(1)
		noError(t, s.update(t.Context(), t0, func(w *work) error {
			is(w, alice, true)
			w.put(table(tab), k, nil)
			is(w, alice, false) // pending is looked into as well
			w.put(table(tab), key(nil).str(word), nil)
			return nil
		}))
		noError(t, s.view(t.Context(), t0, func(w *work) error {
			for number, want := range map[string]bool{alice: false, same: false, word: false, other: true, "+1": true, "withheld": true} {
				is(w, number, want)
			}
			return nil
		}))
		noError(t, s.update(t.Context(), t0, func(w *work) error {
			w.del(table(tab), k)
			is(w, alice, true)
			return nil
		}))
		if t.Failed() {
			t.Fatalf("in table %s", tableNames[tab])
		}
	}
}
