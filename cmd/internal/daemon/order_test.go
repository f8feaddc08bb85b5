package daemon

import (
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestTextsLeaveInTheOrderInWhichTheyWereTakenUp prepares texts in times that differ, the first the longest.
func TestTextsLeaveInTheOrderInWhichTheyWereTakenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var o order
		var mu sync.Mutex
		var left []int
		for i := range 5 {
			p := o.join()
			go func() {
				defer p.leave()
				time.Sleep(time.Duration(5-i) * time.Second)
				if i == 2 {
					return // cancelled meanwhile: it never leaves
				}
				p.wait(t.Context(), "carrier")
				mu.Lock()
				left = append(left, i)
				mu.Unlock()
			}()
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if want := []int{0, 1, 3, 4}; !slices.Equal(left, want) {
			t.Errorf("left in the order %v, want %v", left, want)
		}
	})
}

// TestAStandingLinkHoldsNobodyBackOnAnother: the first text's link takes nothing.
func TestAStandingLinkHoldsNobodyBackOnAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var o order
		first, second, third := o.join(), o.join(), o.join()
		first.wait(t.Context(), "full")
		behind := make(chan struct{})
		go func() { third.wait(t.Context(), "full"); close(behind) }()
		second.wait(t.Context(), "idle")
		synctest.Wait()
		select {
		case <-behind:
			t.Error("overtook on the same link")
		default:
		}
		first.leave()
		<-behind
		first.wait(t.Context(), "full") // the second part of a long text waits for nobody
	})
}
