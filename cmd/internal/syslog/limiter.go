package syslog

import (
	"sync"
	"time"
)

// maxCauses bounds the memory of a Limiter: causes may be made of what strangers send.
const maxCauses = 1024

// Limiter lets one line per cause and interval through and counts the rest. The zero value is ready to use.
type Limiter struct {
	Every time.Duration // one minute unless given

	mu     sync.Mutex
	causes map[string]*cause
	swept  time.Time
}

type cause struct {
	last       time.Time
	suppressed int
}

// Allow tells whether a line about a cause may be written now, and how many were held back since the last one that was.
// Beyond a thousand causes within one interval the further ones share one.
func (l *Limiter) Allow(name string, now time.Time) (ok bool, suppressed int) {
	every := l.Every
	if every <= 0 {
		every = time.Minute
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.causes[name]
	if c == nil && len(l.causes) >= maxCauses {
		l.sweep(now, every)
		if len(l.causes) >= maxCauses {
			name = ""
			c = l.causes[name]
		}
	}
	if c == nil {
		if l.causes == nil {
			l.causes = make(map[string]*cause)
		}
		l.causes[name] = &cause{last: now}
		return true, 0
	}
	// A clock that stepped back must not silence a cause for hours.
	if d := now.Sub(c.last); d < every && d >= 0 {
		c.suppressed++
		return false, c.suppressed
	}
	suppressed = c.suppressed
	c.last, c.suppressed = now, 0
	return true, suppressed
}

// sweep forgets causes whose interval is over; once a second at most, because it looks at all.
func (l *Limiter) sweep(now time.Time, every time.Duration) {
	if d := now.Sub(l.swept); d >= 0 && d < time.Second {
		return
	}
	l.swept = now
	for k, c := range l.causes {
		if d := now.Sub(c.last); d >= every || d < 0 {
			delete(l.causes, k)
		}
	}
}
