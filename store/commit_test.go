package store

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"textback"
)

// TestWhoWantsToKnowIsToldOfWhatIsOnTheDiskAndOfNothingElse: a change that was taken back, and one whose commit failed, are
// not told as having happened.
func TestWhoWantsToKnowIsToldOfWhatIsOnTheDiskAndOfNothingElse(t *testing.T) {
	var mu sync.Mutex
	var states []string
	var failed, writes int
	disk := errors.New("no space left on device")
	broken := false
	s := open(t, Options{
		BeforeCommit: func() error {
			mu.Lock()
			defer mu.Unlock()
			if broken {
				return disk
			}
			return nil
		},
		Committed: func(c Commit) {
			mu.Lock()
			defer mu.Unlock()
			if c.Err != nil {
				failed++
				if len(c.Texts) > 0 {
					t.Errorf("a failed commit tells of %v", c.Texts)
				}
				return
			}
			writes += c.Writes
			for _, x := range c.Texts {
				states = append(states, x.State.String())
			}
		},
	})
	_, text := decide(t, s, "hq/1", alice, t0)
	mu.Lock()
	broken = true
	mu.Unlock()
	if _, err := s.Cancel(t.Context(), text.ID, "a test", t0); !errors.Is(err, disk) {
		t.Fatalf("a broken disk gives %v", err)
	}
	mu.Lock()
	broken = false
	mu.Unlock()
	sent(t, s, text.ID, 1, t0)
	if _, err := s.Cancel(t.Context(), text.ID, "too late", t0); !errors.Is(err, ErrState) {
		t.Fatalf("cancelling what is on its way gives %v", err)
	}
	answered(t, s, text.ID, 0, PartAccepted, "A", t0)
	mu.Lock()
	defer mu.Unlock()
	want := []string{textback.Queued.String(), textback.Submitting.String(), textback.Accepted.String()}
	if !slices.Equal(states, want) || failed != 1 || writes < 3 {
		t.Errorf("told of %v in %d changes, %d failures; want %v and one failure", states, writes, failed, want)
	}
}

// TestAGroupIsBoundedAsAsked: with a bound of one, each change has a commit of its own, however many wait.
func TestAGroupIsBoundedAsAsked(t *testing.T) {
	s := open(t, Options{GroupMost: 1})
	var all sync.WaitGroup
	for i := range 50 {
		all.Go(func() {
			if err := s.SetMark(t.Context(), fmt.Sprint(i), t0); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if st := must[Stats](t)(s.Stats(t.Context())); st.Commits != 50 || st.Writes != 50 {
		t.Errorf("%d changes in %d commits", st.Writes, st.Commits)
	}
}
