package esl

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

// disordered gives the messages in another order in which they could have come: any within 10 ms of each other change places, those of
// different legs within 100 ms. Some come twice.
func disordered(ms []Message, r *rand.Rand) []Message {
	late := map[string]time.Duration{} // by leg
	var out []Message
	var barrier, latest time.Time
	for _, m := range ms {
		if m.Kind != MessageEvent {
			if m.Seen.Before(latest) {
				m.Seen = latest
			}
			barrier, latest = m.Seen, m.Seen
			out = append(out, m)
			continue
		}
		id := m.Headers["Unique-ID"]
		if _, ok := late[id]; !ok {
			late[id] = time.Duration(r.Int64N(int64(90 * time.Millisecond)))
		}
		m.Seen = m.Seen.Add(late[id] + time.Duration(r.Int64N(int64(10*time.Millisecond))))
		times := 1
		if r.IntN(20) == 0 {
			times = 2
		}
		for range times {
			if m.Seen.Before(barrier) {
				m.Seen = barrier
			}
			if m.Seen.After(latest) {
				latest = m.Seen
			}
			out = append(out, m)
			m.Seen = m.Seen.Add(time.Duration(r.Int64N(int64(50 * time.Millisecond))))
		}
	}
	slices.SortStableFunc(out, func(a, b Message) int { return a.Seen.Compare(b.Seen) })
	return out
}

// sameCalls orders calls. The end of a call that was not seen is known by our clock only: it is left out.
func sameCalls(calls []textback.Call) []textback.Call {
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
	seeds := 4
	if testing.Short() {
		seeds = 1
	}
	for _, path := range traceFiles(t) {
		s := traceTruth(t, path)
		ms := traceMessages(t, path, s)
		want, _ := judgedTrace(t, ms)
		for seed := range seeds {
			got, all := judgedTrace(t, disordered(ms, rand.New(rand.NewPCG(uint64(seed), 7))))
			checkChanges(t, all)
			if a, b := sameCalls(want), sameCalls(got); !reflect.DeepEqual(a, b) {
				t.Errorf("%s, seed %d:\n%s\nin another order:\n%s", filepath.Base(path), seed, callsText(a), callsText(b))
				break
			}
		}
	}
}

// TestHangupCompleteAloneIsEnough plays nothing but the ends of legs, as after an overflow in which all else was lost.
func TestHangupCompleteAloneIsEnough(t *testing.T) {
	for _, path := range traceFiles(t) {
		s := traceTruth(t, path)
		if len(s.Connections) > 0 || strings.HasPrefix(s.Scenario, "45-") {
			continue // ends that were never sent; a conference, which no end tells of
		}
		t.Run(s.Scenario, func(t *testing.T) {
			ms := slices.DeleteFunc(traceMessages(t, path, s), func(m Message) bool {
				return m.Kind == MessageEvent && m.Name != "CHANNEL_HANGUP_COMPLETE"
			})
			ended, all := judgedTrace(t, ms)
			checkTrace(t, s, ended)
			checkChanges(t, all)
		})
	}
}
