package web

import (
	"net/netip"
	"sync"
	"time"
)

const maxAddresses = 4096

// limits is a token bucket per address. Memory is bounded: when there are too many addresses at once, those that are new
// share one bucket.
type limits struct {
	perMinute float64
	mu        sync.Mutex
	buckets   map[netip.Addr]*bucket
	swept     time.Time
}

type bucket struct {
	left float64
	last time.Time
}

func newLimits(perMinute int) *limits {
	return &limits{perMinute: float64(perMinute), buckets: make(map[netip.Addr]*bucket)}
}

func (l *limits) allow(from netip.Addr, now time.Time) bool {
	if from.Is6() {
		// A customer of any provider has a /64 at least.
		if p, err := from.Prefix(64); err == nil {
			from = p.Addr()
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.buckets[from]
	if b == nil && len(l.buckets) >= maxAddresses {
		l.sweep(now)
		if len(l.buckets) >= maxAddresses {
			from = netip.Addr{}
			b = l.buckets[from]
		}
	}
	if b == nil {
		b = &bucket{left: l.perMinute, last: now}
		l.buckets[from] = b
	}
	// A clock that steps back refills nothing, and one that steps forward no more than the bucket holds.
	b.left = min(l.perMinute, b.left+max(0, now.Sub(b.last).Minutes())*l.perMinute)
	b.last = now
	if b.left < 1 {
		return false
	}
	b.left--
	return true
}

// sweep forgets addresses whose bucket is full again; once a second at most, because it looks at all.
func (l *limits) sweep(now time.Time) {
	if d := now.Sub(l.swept); d >= 0 && d < time.Second {
		return
	}
	l.swept = now
	for a, b := range l.buckets {
		if d := now.Sub(b.last); d >= time.Minute || d < 0 {
			delete(l.buckets, a)
		}
	}
}

const maxSeen = 10_000

// seen remembers the keys of what was handled, the latest ten thousand.
type seen struct {
	mu   sync.Mutex
	keys map[string]bool
	ring []string
	next int
}

func newSeen() *seen { return &seen{keys: make(map[string]bool), ring: make([]string, maxSeen)} }

// reserve tells whether the key is new, and takes it.
func (s *seen) reserve(key string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.keys[key] {
		return false
	}
	if old := s.ring[s.next]; old != "" {
		delete(s.keys, old)
	}
	s.ring[s.next] = key
	s.next = (s.next + 1) % len(s.ring)
	s.keys[key] = true
	return true
}

// release gives a key back whose handling failed. Its place in the ring is given up when it comes round.
func (s *seen) release(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, k := range s.ring {
		if k == key {
			s.ring[i] = ""
		}
	}
	delete(s.keys, key)
}
