package store

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

func TestTextsThatCannotLeaveDoNotHideThoseBehindThem(t *testing.T) {
	s := open(t, Options{})
	for i := range 6 {
		_, text := decide(t, s, fmt.Sprint("hq/", i), fmt.Sprintf("+1202555%04d", i), t0)
		if _, err := s.Defer(t.Context(), Deferral{ID: text.ID, Until: t0.Add(time.Duration(i) * time.Second)}, t0); err != nil {
			t.Fatal(err)
		}
	}
	due, next, err := s.Sendable(t.Context(), t0.Add(4*time.Second), 2, func(id uint64) bool { return id <= 2 })
	var ids []uint64
	for _, x := range due {
		ids = append(ids, x.ID)
	}
	if err != nil || !slices.Equal(ids, []uint64{3, 4}) || !next.Equal(t0.Add(5*time.Second)) {
		t.Errorf("texts %v, next %v, %v", ids, next, err)
	}
	if _, next, err = s.Sendable(t.Context(), t0.Add(time.Hour), 2, func(uint64) bool { return true }); err != nil || !next.IsZero() {
		t.Errorf("next %v, %v; want none", next, err)
	}
}

func TestHandOffsAreReadForEachTargetThatIsWanted(t *testing.T) {
	s := open(t, Options{})
	for i := range 6 {
		target := []string{"slow", "slow", "slow", "slow", "crm", "mail"}[i]
		if err := s.Enqueue(t.Context(), t0, Delivery{Target: target, Event: fmt.Sprint(i)}); err != nil {
			t.Fatal(err)
		}
	}
	due, _, err := s.DeliveriesFor(t.Context(), t0, 2, func(target string) bool { return target != "mail" })
	if err != nil || len(due["slow"]) != 2 || len(due["crm"]) != 1 || len(due["mail"]) != 0 || due["slow"][0].Event != "0" {
		t.Errorf("due %v, %v", due, err)
	}
}
