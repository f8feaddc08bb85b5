package store

import (
	"bytes"
	"fmt"

	bolt "go.etcd.io/bbolt"
)

// people is tx with the tables that a call writes about its caller in one: what is known about a number lies together, so that one
// page of the file is written for each call instead of one for each table. A key of it is the last digits of the number, one octet for
// the table, and the table's own key. Code above knows only the tables.
type people struct{ tx }

// aboutPeople are the tables whose keys begin with a number, by their octet.
var aboutPeople = [tables]byte{tCallsParty: 'p', tClaims: 'c', tCallers: 'k', tMissed: 'm', tFailed: 'f', tTextsTo: 't'}

// together is a table's key in tPeople.
func together(t table, k []byte) []byte {
	n := fieldLen(k)
	if n == 0 {
		return append(key(nil).str(string(k)).byt(aboutPeople[t]), k...) // no key of ours
	}
	return append(append(lastOf(k[:n], n+len(k)), aboutPeople[t]), k...)
}

// lastOf is what the keys of a number begin with in tPeople: its last digits as a string of a key, of which there is room for some more
// octets. The number is one, too.
func lastOf(number []byte, room int) key {
	var last [7]byte
	at := len(last)
	for i := len(number) - 3; i >= 0 && at > 0; i-- {
		if number[i] >= '0' && number[i] <= '9' {
			at--
			last[at] = number[i]
		}
	}
	all := make(key, 0, len(last)+3+room)
	if at == len(last) {
		return append(all, number...) // a sender by name, a withheld number's word
	}
	return append(append(all, last[at:]...), 0, 1)
}

// isStranger tells whether nothing is kept about a number in any of these tables: one look instead of one into each. Of another
// with the same last digits, and of a file where the tables are apart, it says no.
func (w *work) isStranger(number string) bool {
	if !w.s.together {
		return false
	}
	stranger := true
	w.scan(tPeople, lastOf(key(nil).str(number), 0), func(_, _ []byte) bool { stranger = false; return false })
	return stranger && w.err == nil
}

func (p people) Get(t table, k []byte) ([]byte, error) {
	if aboutPeople[t] != 0 {
		t, k = tPeople, together(t, k)
	}
	return p.tx.Get(t, k)
}

func (p people) Put(t table, k, v []byte) error {
	if aboutPeople[t] != 0 {
		t, k = tPeople, together(t, k)
	}
	return p.tx.Put(t, k, v)
}

func (p people) Delete(t table, k []byte) error {
	if aboutPeople[t] != 0 {
		t, k = tPeople, together(t, k)
	}
	return p.tx.Delete(t, k)
}

// Scan of keys of several numbers gives them in the order of the last digits, and walks over what other tables have of them.
func (p people) Scan(t table, from, to []byte, backward bool, fn func(k, v []byte) bool) error {
	kind := aboutPeople[t]
	if kind == 0 {
		return p.tx.Scan(t, from, to, backward, fn)
	}
	if n := fieldLen(from); n > 0 && sameField(from[:n], to) {
		first := together(t, from)
		cut := len(first) - len(from)
		end := append(first[:cut:cut], to...)
		return p.tx.Scan(tPeople, first, end, backward, func(k, v []byte) bool { return fn(k[cut:], v) })
	}
	return p.tx.Scan(tPeople, nil, nil, backward, func(k, v []byte) bool {
		n := fieldLen(k)
		own := k[n+1:]
		if k[n] != kind || bytes.Compare(own, from) < 0 || to != nil && bytes.Compare(own, to) >= 0 {
			return true
		}
		return fn(own, v)
	})
}

// fieldLen is the length of the string that a key begins with, its end included; 0 if it has no end.
func fieldLen(k []byte) int {
	for i := 0; i+1 < len(k); i++ {
		if k[i] == 0 {
			if k[i+1] == 1 {
				return i + 2
			}
			i++
		}
	}
	return 0
}

// sameField tells whether all keys from one that begins with field up to the key to begin with it.
func sameField(field, to []byte) bool {
	return bytes.HasPrefix(to, field) || bytes.Equal(to, after(field))
}

// moveBatch bounds how many entries are moved in one transaction, which lies in memory until its commit.
const moveBatch = 20_000

// bringTogether moves what an older textback kept in tables of their own. A move that is cut short goes on at the next opening.
func bringTogether(db *bolt.DB) error {
	for t, kind := range aboutPeople {
		for more := kind != 0; more; {
			if err := db.Update(func(btx *bolt.Tx) (err error) {
				more, err = moveSome(btx, table(t))
				return err
			}); err != nil {
				return fmt.Errorf("move table %s: %w", tableNames[t], err)
			}
		}
	}
	return nil
}

// moveSome moves a batch of a table, and tells whether there is more of it.
func moveSome(btx *bolt.Tx, t table) (more bool, err error) {
	name := []byte(tableNames[t])
	from := btx.Bucket(name)
	if from == nil {
		return false, nil
	}
	var keys [][]byte
	to, c := people{&boltTx{tx: btx}}, from.Cursor()
	k, v := c.First()
	for ; k != nil && len(keys) < moveBatch; k, v = c.Next() {
		if err := to.Put(t, k, bytes.Clone(v)); err != nil {
			return false, err
		}
		keys = append(keys, bytes.Clone(k))
	}
	if k == nil {
		return false, btx.DeleteBucket(name)
	}
	for _, k := range keys {
		if err := from.Delete(k); err != nil {
			return false, err
		}
	}
	return true, nil
}

// isApart tells whether a table of an older textback is still there.
func isApart(btx *bolt.Tx) bool {
	for t, kind := range aboutPeople {
		if kind != 0 && btx.Bucket([]byte(tableNames[t])) != nil {
			return true
		}
	}
	return false
}

// over is tx of a transaction of the file.
func (s *Store) over(btx *bolt.Tx) tx {
	if s.together {
		return people{&boltTx{tx: btx}}
	}
	return &boltTx{tx: btx}
}
