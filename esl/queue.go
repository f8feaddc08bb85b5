package esl

import "sync"

// queue holds events between the reader of the wire, which must never wait, and the receiver, which may be slow. It is
// bounded in number and bytes. When it is full, that event and all that follow are counted as lost until the receiver has
// emptied the queue and taken the gap: what comes after the gap is then complete again, and a read-back can mend it.
type queue struct {
	maxItems, maxBytes int
	wake               chan struct{} // something to take

	mu    sync.Mutex
	items []queued // a ring
	head  int
	count int
	bytes int
	lost  uint64
	err   error // the session ended
}

type queued struct {
	message Message
	size    int
}

// taking is what take found.
type taking uint8

const (
	tookNothing taking = iota
	tookMessage
	tookGap // events are missing here
	tookEnd
)

func newQueue(items, bytes int) *queue {
	return &queue{maxItems: items, maxBytes: bytes, wake: make(chan struct{}, 1)}
}

func (q *queue) put(m Message, size int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.lost > 0 || q.count == q.maxItems || (q.count > 0 && q.bytes+size > q.maxBytes) {
		q.lost++
	} else {
		if q.count == len(q.items) {
			q.grow()
		}
		q.items[(q.head+q.count)%len(q.items)] = queued{m, size}
		q.count++
		q.bytes += size
	}
	q.signal()
}

func (q *queue) grow() {
	bigger := make([]queued, min(max(2*len(q.items), 64), q.maxItems))
	for i := range q.count {
		bigger[i] = q.items[(q.head+i)%len(q.items)]
	}
	q.items, q.head = bigger, 0
}

// miss counts an event that could not be read.
func (q *queue) miss() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.lost++
	q.signal()
}

// end tells the receiver, after all that waits, that nothing more will come.
func (q *queue) end(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.err = err
	q.signal()
}

func (q *queue) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

func (q *queue) take() (Message, taking, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.count > 0:
		slot := &q.items[q.head]
		m := slot.message
		q.bytes -= slot.size
		*slot = queued{}
		q.head = (q.head + 1) % len(q.items)
		q.count--
		return m, tookMessage, nil
	case q.err != nil: // before a gap: after a lost session a whole read-back follows anyway
		return Message{}, tookEnd, q.err
	case q.lost > 0:
		return Message{}, tookGap, nil
	}
	return Message{}, tookNothing, nil
}

// closeGap lets events in again and returns how many were lost.
func (q *queue) closeGap() uint64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := q.lost
	q.lost = 0
	return n
}
