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

// gate is a disk that waits to be told how a commit ends.
type gate struct{ came, goes chan error }

func newGate() gate { return gate{make(chan error), make(chan error)} }

func (g gate) commit() error { g.came <- nil; return <-g.goes }

// TestWhatWasRunOnAFailedCommitIsRunAgainWithoutIt: while a group is written, the next one is run on what it will leave.
func TestWhatWasRunOnAFailedCommitIsRunAgainWithoutIt(t *testing.T) {
	for what, broken := range map[string]error{"fails": errors.New("no space left on device"), "succeeds": nil} {
		t.Run(what, func(t *testing.T) {
			disk := newGate()
			s := open(t, Options{BeforeCommit: disk.commit})
			k := []byte("k")
			first, second, third := make(chan error, 1), make(chan error, 1), make(chan error, 1)
			go func() {
				first <- s.update(t.Context(), t0, func(w *work) error { w.put(tCalls, k, []byte("1")); return nil })
			}()
			<-disk.came
			var seen []string
			run := make(chan bool, 2)
			go func() {
				second <- s.update(t.Context(), t0, func(w *work) error {
					seen = append(seen, string(w.get(tCalls, k)))
					w.put(tCalls, k, []byte("2"))
					run <- true
					return nil
				})
			}()
			<-run
			go func() { // only reads, and must not tell what is not on the disk
				third <- s.update(t.Context(), t0, func(w *work) error { w.get(tCalls, k); return nil })
			}()
			select {
			case err := <-third:
				t.Errorf("answered before the disk did: %v", err)
			default:
			}
			disk.goes <- broken
			if err := <-first; !errors.Is(err, broken) {
				t.Errorf("the first: %v, want %v", err, broken)
			}
			<-disk.came
			disk.goes <- nil
			if err := errors.Join(<-second, <-third); err != nil {
				t.Error(err)
			}
			want := []string{"1"}
			if broken != nil {
				want = []string{"1", ""}
			}
			if !slices.Equal(seen, want) {
				t.Errorf("the second saw %q, want %q", seen, want)
			}
		})
	}
}

// TestAPanicWhileAGroupIsWrittenHarmsNobodyElse: neither the group on its way to the disk nor those who gather meanwhile.
func TestAPanicWhileAGroupIsWrittenHarmsNobodyElse(t *testing.T) {
	disk := newGate()
	s := open(t, Options{BeforeCommit: disk.commit})
	add := func(to chan error) {
		to <- s.update(t.Context(), t0, func(w *work) error { w.add([]byte("sum"), 1); return nil })
	}
	first, second := make(chan error, 1), make(chan error, 1)
	go add(first)
	<-disk.came
	ran := make(chan any)
	go func() {
		defer func() { ran <- recover() }()
		_ = s.update(t.Context(), t0, func(w *work) error { w.add([]byte("sum"), 100); panic("a test") })
	}()
	go add(second)
	if p := <-ran; p == nil {
		t.Error("the panic did not reach its caller")
	}
	disk.goes <- nil
	if err := <-first; err != nil {
		t.Error(err)
	}
	<-disk.came
	disk.goes <- nil
	if err := <-second; err != nil {
		t.Error(err)
	}
	_ = s.view(t.Context(), t0, func(w *work) error {
		if n := number(w.get(tCounts, []byte("sum"))); n != 2 {
			t.Errorf("the sum is %d, want 2", n)
		}
		return nil
	})
}

// TestClosingWaitsForWhatWasTaken: who is in a group when the store is closed gets the disk's answer.
func TestClosingWaitsForWhatWasTaken(t *testing.T) {
	disk := newGate()
	s := open(t, Options{BeforeCommit: disk.commit})
	first, second, closed := make(chan error, 1), make(chan error, 1), make(chan error, 1)
	go func() { first <- s.SetMark(t.Context(), "first", t0) }()
	<-disk.came
	run := make(chan bool, 1)
	go func() {
		second <- s.update(t.Context(), t0, func(w *work) error { w.put(tCalls, []byte("k"), nil); run <- true; return nil })
	}()
	<-run
	go func() { closed <- s.Close() }()
	disk.goes <- nil
	<-disk.came
	disk.goes <- nil
	if err := errors.Join(<-first, <-second, <-closed); err != nil {
		t.Error(err)
	}
	if err := s.SetMark(t.Context(), "late", t0); !errors.Is(err, ErrClosed) {
		t.Errorf("a closed store gives %v", err)
	}
}
