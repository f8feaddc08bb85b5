package heap

import (
	"runtime"
	"runtime/metrics"
	"testing"
	"time"
)

func TestPercentFor(t *testing.T) {
	const mb = 1 << 20
	for _, c := range []struct {
		live, roots uint64
		want        int
	}{
		{0, 0, 600},
		{1 * mb, 0, 600}, // the smallest heap that Go collects with it is the floor
		{4 * mb, 0, 500},
		{4 * mb, 1 * mb, 400},
		{12 * mb, 0, 100},
		{16 * mb, 0, 50},
		{20 * mb, 1 * mb, 50}, // half of it is more
		{24 * mb, 0, 50},
		{100 * mb, 5 * mb, 50},
	} {
		if got := percentFor(c.live, c.roots); got != c.want {
			t.Errorf("%d MiB live, %d of roots: %d percent, want %d", c.live/mb, c.roots/mb, got, c.want)
		}
	}
}

// goal is the heap at which the collector runs next, and the percentage that says so.
func goal() (bytes, percent uint64) {
	s := []metrics.Sample{{Name: "/gc/heap/goal:bytes"}, {Name: "/gc/gogc:percent"}}
	metrics.Read(s)
	return s[0].Value.Uint64(), s[1].Value.Uint64()
}

// waitFor collects until the percentage is as it should be: it is set after a collection, by a goroutine of the runtime.
func waitFor(t *testing.T, what string, ok func(percent uint64) bool) {
	t.Helper()
	for until := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		runtime.GC()
		if _, p := goal(); ok(p) {
			return
		}
		if time.Now().After(until) {
			_, p := goal()
			t.Fatalf("%s: the percentage is %d", what, p)
		}
	}
}

func TestKeep(t *testing.T) {
	t.Setenv("GOGC", "")
	_, before := goal()
	stop := Keep()
	waitFor(t, "a small heap", func(p uint64) bool { return p > 2*percent })
	if g, _ := goal(); g < floor*3/4 || g > floor*5/4 {
		t.Errorf("a small heap is collected at %d bytes, not some %d", g, floor)
	}
	large := make([]byte, 64<<20)
	waitFor(t, "a large heap", func(p uint64) bool { return p == percent })
	runtime.KeepAlive(large)
	waitFor(t, "a small heap again", func(p uint64) bool { return p > 2*percent })
	stop()
	waitFor(t, "after the stop", func(p uint64) bool { return p == before })
	for range 3 {
		runtime.GC()
		time.Sleep(time.Millisecond)
	}
	if _, p := goal(); p != before {
		t.Errorf("the percentage was set to %d after the stop", p)
	}
}

func TestEnvironmentGoesBefore(t *testing.T) {
	t.Setenv("GOGC", "77")
	_, before := goal()
	stop := Keep()
	defer stop()
	for range 3 {
		runtime.GC()
		time.Sleep(time.Millisecond)
		if _, p := goal(); p != before {
			t.Errorf("the percentage was set to %d", p)
		}
	}
}
