// Package heap sets when the garbage collector runs. A percentage alone, which is what Go has, makes it run every few megabytes while the
// heap is small, and lets a large one grow far: see https://go.dev/doc/gc-guide#GOGC.
package heap

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
)

// The heap grows to floor before the collector runs, and by percent between two collections where that is more: by half, so that 10,000
// calls in progress stay under 64 MiB of memory (docs/performance.md).
const (
	percent = 50
	floor   = 24 << 20
)

// least is the heap at which the collector first runs with 100 percent (GOGC in the documentation of package runtime).
const least = 4 << 20

// Keep holds to that until stop is called, which puts back what was. The environment's GOGC goes before it.
func Keep() (stop func()) {
	if os.Getenv("GOGC") != "" {
		return func() {}
	}
	was := debug.SetGCPercent(percent)
	k := &keeper{now: percent}
	k.watch()
	return func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		k.stopped = true
		debug.SetGCPercent(was)
	}
}

type keeper struct {
	mu      sync.Mutex
	now     int // the percentage that is set
	stopped bool
}

// watch tunes after the next collection, and so on: nothing holds the mark, so that each collection ends it.
func (k *keeper) watch() {
	mark := &struct{ self *keeper }{k}
	runtime.AddCleanup(mark, func(k *keeper) {
		if k.tune() {
			k.watch()
		}
	}, k)
}

// tune sets the percentage for the heap as the last collection left it; false when it was stopped.
func (k *keeper) tune() bool {
	read := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/gc/scan/stack:bytes"}, {Name: "/gc/scan/globals:bytes"}}
	metrics.Read(read)
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.stopped {
		return false
	}
	k.set(percentFor(read[0].Value.Uint64(), read[1].Value.Uint64()+read[2].Value.Uint64()))
	return true
}

// set changes the percentage if that is worth stopping the program for, some ten microseconds.
func (k *keeper) set(to int) {
	if d := to - k.now; d != 0 && (to == percent || 10*max(d, -d) >= k.now) {
		debug.SetGCPercent(to)
		k.now = to
	}
}

// percentFor is the percentage with which a heap that holds live bytes grows to the floor: Go takes it of what the stacks and globals
// hold, too.
func percentFor(live, roots uint64) int {
	if live >= floor {
		return percent
	}
	const most = floor * 100 / least // beyond this the floor would be passed
	return max(percent, int(min((floor-live)*100/max(live+roots, 1), most)))
}
