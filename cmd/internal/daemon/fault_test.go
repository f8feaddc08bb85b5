package daemon

import (
	"sync/atomic"
	"testing"
	"time"
)

// TestACallIsJudgedAlthoughTheClockWasSetBack: the last call before a quiet time has no later event that would settle it.
func TestACallIsJudgedAlthoughTheClockWasSetBack(t *testing.T) {
	w := newWorld(t, fast, "")
	var offset atomic.Int64
	w.start(func(o *Options) {
		o.Now = func() time.Time { return time.Now().Round(0).Add(time.Duration(offset.Load())) }
	})
	offset.Store(int64(-6 * time.Hour))
	const caller = "+15571230010"
	w.played("04", caller)
	w.await("the text", func() bool { return len(w.textsTo(caller)) == 1 })
}
