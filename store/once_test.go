package store

import (
	"errors"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

func TestWhatRecursIsQueuedOnceForEachMark(t *testing.T) {
	path := filepath.Join(t.TempDir(), "textback.db")
	s := open(t, Options{Path: path})
	if m := must[time.Time](t)(s.Mark(t.Context(), "weekly")); !m.IsZero() {
		t.Fatalf("a new file has the mark %s", m)
	}
	monday := t0.AddDate(0, 0, -1)
	var wg sync.WaitGroup
	var mu sync.Mutex
	queued := 0
	for range 8 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			ok, err := s.EnqueueOnce(t.Context(), "weekly", monday, t0, Delivery{Kind: "email", Target: "ann"})
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			if ok {
				queued++
			}
		}()
	}
	wg.Wait()
	if queued != 1 {
		t.Errorf("queued %d times", queued)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, Options{Path: path})
	if ok := must[bool](t)(s.EnqueueOnce(t.Context(), "weekly", monday, t0, Delivery{Target: "ann"})); ok {
		t.Error("queued again after a restart")
	}
	if ok := must[bool](t)(s.EnqueueOnce(t.Context(), "weekly", monday.AddDate(0, 0, -7), t0, Delivery{Target: "ann"})); ok {
		t.Error("queued for an earlier mark")
	}
	if ok := must[bool](t)(s.EnqueueOnce(t.Context(), "monthly", monday, t0)); !ok {
		t.Error("another mark stands in the way")
	}
	if due := must[[]Delivery](t)(s.DueDeliveries(t.Context(), t0, 0)); len(due) != 1 {
		t.Errorf("%d hand-offs wait", len(due))
	}
	if m := must[time.Time](t)(s.Mark(t.Context(), "weekly")); !m.Equal(monday) {
		t.Errorf("the mark is %s", m)
	}
	verify(t, s)
}

func TestFailedCommitMovesNoMark(t *testing.T) {
	broken := true
	s := open(t, Options{BeforeCommit: func() error {
		if broken {
			return errors.New("no space left")
		}
		return nil
	}})
	if _, err := s.EnqueueOnce(t.Context(), "weekly", t0, t0, Delivery{Target: "ann"}); err == nil {
		t.Fatal("no error")
	}
	broken = false
	if ok := must[bool](t)(s.EnqueueOnce(t.Context(), "weekly", t0, t0, Delivery{Target: "ann"})); !ok {
		t.Error("the failed commit moved the mark")
	}
}
