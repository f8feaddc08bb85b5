package ari

import (
	"sync"
	"time"
)

// queueBytes bounds what waits, in bytes, whatever the number of events: 64 MiB.
const queueBytes = 64 << 20

// item is one event on its way from the reader to handle.
type item struct {
	raw  []byte
	typ  string
	seen time.Time
}

// queue stands between the reader, which never waits, and the goroutine that handles. When it is full everything is
// dropped and counted until what it holds has been taken: a gap has one place in the stream.
type queue struct {
	wake chan struct{} // holds one token when there is something to take

	mu    sync.Mutex
	items []item
	spare []item
	bytes int
	max   int
	gap   uint64
	err   error
}

func newQueue(size int) *queue { return &queue{wake: make(chan struct{}, 1), max: size} }

// put takes an event in, or drops it and gives false.
func (q *queue) put(it item) bool {
	q.mu.Lock()
	fits := q.gap == 0 && len(q.items) < q.max && q.bytes+len(it.raw) <= queueBytes
	if fits {
		q.items = append(q.items, it)
		q.bytes += len(it.raw)
	} else {
		q.gap++
	}
	q.mu.Unlock()
	q.signal()
	return fits
}

// end tells that nothing more comes, and why.
func (q *queue) end(err error) {
	q.mu.Lock()
	if q.err == nil {
		q.err = err
	}
	q.mu.Unlock()
	q.signal()
}

func (q *queue) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// take gives everything that waits, how many events were dropped after it, and why the stream ended if it did. The slice is good
// until the next take.
func (q *queue) take() (items []item, gap uint64, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	items, gap, err = q.items, q.gap, q.err
	clear(q.spare[:cap(q.spare)]) // let go of what the last take handed out
	q.items, q.spare = q.spare[:0], items
	q.bytes, q.gap = 0, 0
	return items, gap, err
}
