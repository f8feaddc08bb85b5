package ari

import (
	"math/rand/v2"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"textback"
)

// shuffled gives the messages in another order in which they could have come: those of different channels up to 100 ms apart
// change places, within one channel the order is kept. Some come twice.
func shuffled(ms []Message, r *rand.Rand) []Message {
	var out []Message
	last := map[string]time.Time{} // by channel
	var barrier, latest time.Time
	for _, m := range ms {
		if m.Kind != MessageEvent {
			// Nothing of before the link was lost comes after it.
			if m.Seen.Before(latest) {
				m.Seen = latest
			}
			barrier, latest = m.Seen, m.Seen
			out = append(out, m)
			continue
		}
		m.Seen = m.Seen.Add(time.Duration(r.Int64N(int64(100 * time.Millisecond))))
		if m.Seen.Before(barrier) {
			m.Seen = barrier
		}
		ids := subjects(m.Raw)
		for _, id := range ids {
			if m.Seen.Before(last[id]) {
				m.Seen = last[id]
			}
		}
		for _, id := range ids {
			last[id] = m.Seen
		}
		if m.Seen.After(latest) {
			latest = m.Seen
		}
		out = append(out, m)
		if r.IntN(20) == 0 {
			again := m
			again.Seen = m.Seen.Add(time.Duration(r.Int64N(int64(50 * time.Millisecond))))
			if again.Seen.After(latest) {
				latest = again.Seen
			}
			out = append(out, again)
		}
	}
	slices.SortStableFunc(out, func(a, b Message) int { return a.Seen.Compare(b.Seen) })
	return out
}

// byID orders calls. The end of a call that was not seen is known by our clock only: it is left out.
func byID(calls []textback.Call) []textback.Call {
	out := slices.Clone(calls)
	slices.SortFunc(out, func(a, b textback.Call) int { return strings.Compare(a.ID, b.ID) })
	for i := range out {
		if out[i].Cause == (textback.Cause{}) {
			out[i].End = time.Time{}
			if out[i].Connected.IsZero() {
				out[i].Ring = 0
			}
			out[i].Evidence = nil
		}
	}
	return out
}

func TestTheOrderInWhichEventsComeChangesNothing(t *testing.T) {
	seeds := 3
	if testing.Short() {
		seeds = 1
	}
	for _, path := range recorded(t) {
		s := sidecar(t, strings.TrimSuffix(path, ".jsonl.gz")+".json.gz")
		ms := messages(t, path, s)
		want, _ := judged(t, s, ms)
		for seed := range seeds {
			got, all := judged(t, s, shuffled(ms, rand.New(rand.NewPCG(uint64(seed), 7))))
			checkOrder(t, all)
			if a, b := byID(want), byID(got); !reflect.DeepEqual(a, b) {
				t.Errorf("%s, seed %d:\n%s\nin another order:\n%s", filepath.Base(path), seed, describe(a), describe(b))
				break
			}
		}
	}
}

func describe(calls []textback.Call) string {
	var b strings.Builder
	for i := range calls {
		b.WriteString(listed(calls[i:i+1]) + "\n" + evidenceOf(&calls[i]))
	}
	return b.String()
}
