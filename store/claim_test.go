package store

import (
	"fmt"
	"testing"
	"time"

	"textback"
)

// always texts whatever the history; the claim counts at once.
func always(caller string, at time.Time) func(textback.History) textback.Decision {
	return func(textback.History) textback.Decision {
		return textback.Decision{Reason: textback.ReasonText, Business: acme, Line: line, Caller: caller, Due: at, From: line}
	}
}

func entries(t *testing.T, s *Store, tab table) (n int) {
	t.Helper()
	if err := s.view(t.Context(), t0, func(w *work) error {
		w.scan(tab, nil, func(_, _ []byte) bool { n++; return true })
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestOnlyTheNewestTextsToACallerAreRemembered(t *testing.T) {
	for name, c := range map[string]struct{ recall, texts, unreplied, left int }{
		"few asked for":  {3, 100, recallLeast, recallLeast},
		"many asked for": {40, 100, 40, 40},
		"not that many":  {40, 20, 20, 20},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, Options{})
			k := keys(alice)
			k.Recall = c.recall
			var at time.Time
			for i := range c.texts {
				at = t0.Add(time.Duration(i) * time.Hour)
				_, text, err := s.Decide(t.Context(), missed(fmt.Sprint("hq/", i), alice, at), k, at, always(alice, at))
				if err != nil {
					t.Fatal(err)
				}
				sent(t, s, text.ID, 1, at)
				answered(t, s, text.ID, 0, PartAccepted, fmt.Sprint(i), at)
			}
			decide(t, s, "other", bob, t0)
			h := history(t, s, alice, at)
			if h.Unreplied != c.unreplied || !h.LastText.Equal(at) || entries(t, s, tClaims) != c.left+1 {
				t.Errorf("%+v, %d claims; want %d without a reply, %d claims", h, entries(t, s, tClaims), c.unreplied, c.left+1)
			}
			verify(t, s)
		})
	}
}

func TestAClaimThatMayBeGivenBackIsNotForgotten(t *testing.T) {
	s := open(t, Options{})
	var texts []*textback.Text
	for i := range recallLeast + 5 {
		_, text, err := s.Decide(t.Context(), missed(fmt.Sprint("hq/", i), alice, t0), keys(alice), t0, always(alice, t0))
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, text)
	}
	for _, text := range texts {
		must[textback.Text](t)(s.Cancel(t.Context(), text.ID, "", t0))
	}
	if h := history(t, s, alice, t0); h != (textback.History{Missed: h.Missed}) {
		t.Errorf("after all were cancelled: %+v", h)
	}
	verify(t, s)
}

func TestTheHourOfALineEndsWithItsSlot(t *testing.T) {
	s := open(t, Options{})
	at := t0.Truncate(rateSlot).Add(3 * time.Second)
	for i := range 50 {
		caller := fmt.Sprintf("%s%04d", alice[:len(alice)-4], i)
		if _, _, err := s.Decide(t.Context(), missed(fmt.Sprint("hq/", i), caller, at), keys(caller), at, always(caller, at)); err != nil {
			t.Fatal(err)
		}
	}
	if n := entries(t, s, tRate); n != 50+2 {
		t.Errorf("%d entries, want one for each claim and two budgets", n)
	}
	for _, c := range []struct {
		later time.Duration
		want  int
	}{{0, 50}, {time.Hour, 50}, {time.Hour + 6*time.Second, 50}, {time.Hour + rateSlot, 0}} {
		if h := history(t, s, alice, at.Add(c.later)); h.LineHour != c.want || h.BlockHour != c.want {
			t.Errorf("%v later: %+v", c.later, h)
		}
	}
	must[Pruned](t)(s.Prune(t.Context(), Retention{}, at.Add(keepRate+rateSlot)))
	if n := entries(t, s, tRate); n != 2 {
		t.Errorf("%d entries after pruning, want the budgets only", n)
	}
}
