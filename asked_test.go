package textback

import (
	"testing"
	"time"
)

// TestACallIsNotJudgedBeforeItsCallersPresentationIsKnown: the answer of the PBX comes after the end of a very short call.
func TestACallIsNotJudgedBeforeItsCallersPresentationIsKnown(t *testing.T) {
	start := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	at := func(ms int) time.Time { return start.Add(time.Duration(ms) * time.Millisecond) }
	for name, answered := range map[string]bool{"answered late": true, "never answered": false} {
		t.Run(name, func(t *testing.T) {
			tr := NewTracker(TrackerOptions{PBX: "hq", Settle: 400 * time.Millisecond})
			see := func(ms int, e Event) []Change {
				e.At, e.Seen, e.Leg = at(ms), at(ms), "a"
				return tr.Observe(e)
			}
			see(0, Event{Kind: LegCreated, Info: &LegInfo{Kind: LegInbound, Party: Party{Number: "+12025550123"}, Dialled: []string{"+12025550100"}, Asked: true}})
			see(300, Event{Kind: LegEnded, Cause: Cause{Q850: 127}})
			if got := tr.Settle(at(1500)); len(got) != 0 {
				t.Fatalf("judged before the PBX answered: %v", got)
			}
			if !answered {
				if got := tr.Settle(at(3300)); len(got) != 1 || got[0].Kind != CallEnded {
					t.Fatalf("after the bound: %v", got)
				}
				return
			}
			see(1600, Event{Kind: LegFact, Fact: FactWithheld, On: true, Found: true})
			see(1600, Event{Kind: LegFact, Fact: FactRead, Found: true})
			next, ok := tr.Next()
			if !ok || next.After(at(2000)) {
				t.Errorf("the next look is at %v, want within the settling time", next)
			}
			got := tr.Settle(at(2000))
			if len(got) != 1 || got[0].Kind != CallEnded || !got[0].Call.Party.Withheld {
				t.Fatalf("after the answer: %+v", got)
			}
		})
	}
}
