package store

import (
	"context"
	"fmt"
	"time"
)

// Where totals and standing numbers are kept among the hours.
const (
	countTotal = 0 // since the file was made
	countNow   = 1 // as it stands
)

// Names of standing numbers.
const (
	nowTexts      = "texts" // by state
	nowThreads    = "threads"
	nowOptedOut   = "opted-out"
	nowDeliveries = "deliveries"
	nowUnhandled  = "unhandled"
)

// tally counts n more of something in its hour and in total.
func (w *work) tally(at time.Time, kind, word, business, line string, n int64) {
	w.add(key(nil).num(countTotal).str(kind).str(word), n)
	w.add(key(nil).time(at.Truncate(time.Hour)).str(kind).str(word).str(business).str(line), n)
}

// standing moves a number that tells how things stand.
func (w *work) standing(name, word string, n int64) {
	w.add(key(nil).num(countNow).str(name).str(word), n)
}

func (w *work) stands(name, word string) int64 {
	return int64(number(w.get(tCounts, key(nil).num(countNow).str(name).str(word))))
}

func (w *work) total(kind string) (n int64) {
	w.scan(tCounts, key(nil).num(countTotal).str(kind), func(_, v []byte) bool { n += int64(number(v)); return true })
	return n
}

func (w *work) add(k []byte, n int64) {
	w.enterNumber(tCounts, k, uint64(int64(number(w.get(tCounts, k)))+n))
}

// Counts sums what was counted in the clock hours (UTC) that [since, until) touches, by business and line; two zero
// times give the totals since the file was made, without business and line.
func (s *Store) Counts(ctx context.Context, since, until time.Time) (all []Count, err error) {
	err = s.view(ctx, time.Time{}, func(w *work) error {
		from, to := key(nil).num(countTotal), key(nil).num(countNow)
		if !since.IsZero() || !until.IsZero() {
			from = key(nil).num(max(stamp(since.Truncate(time.Hour)), countNow+1))
			to = key(nil).time(until)
		}
		at := map[Count]int{}
		w.walk(tCounts, from, to, false, func(k, v []byte) bool {
			var c Count
			rest := k[8:]
			c.Kind, rest = field(rest)
			c.Word, rest = field(rest)
			c.Business, rest = field(rest)
			c.Line, _ = field(rest)
			i, ok := at[c]
			if !ok {
				i = len(all)
				at[c] = i
				all = append(all, c)
			}
			all[i].N += int64(number(v))
			return true
		})
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the counts: %w", err)
	}
	return all, nil
}
