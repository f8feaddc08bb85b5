package smpp

import (
	"sync"
	"time"
)

// pacer says when a segment may be written. It keeps the configured rate, slows down when the message centre throttles,
// and finds its way back.
type pacer struct {
	limit float64 // segments a second as configured, 0 = none

	mu        sync.Mutex
	rate      float64   // segments a second now, 0 = none
	next      time.Time // when the next segment may go
	pause     time.Time // nothing goes before this
	throttled time.Time // last time the rate was cut
	raised    time.Time // last time it was raised
	second    time.Time // begin of the second that count counts
	count     int       // segments in it
	before    int       // segments in the second before
}

const (
	// burst is how far a pacer may run ahead: enough to hide the coarseness of timers at high rates, and less than one
	// segment at the usual ones.
	burst = 20 * time.Millisecond
	// throttlePause is how long nothing is sent after throttling: message centres count by the second.
	throttlePause = time.Second
	minRate       = 0.2
	// raiseBy is the gain of each second in which the message centre did not throttle.
	raiseBy = 1.25
	// throttleMemory is how long an unlimited link stays limited after the last throttling.
	throttleMemory = time.Minute
)

func newPacer(limit float64) *pacer { return &pacer{limit: limit, rate: limit} }

// take asks whether n segments may go now. If not it says how long to wait before asking again. One caller at a time asks,
// so that nobody sleeps on a promise made before the message centre throttled.
func (p *pacer) take(now time.Time, n int) (wait time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if wait := p.pause.Sub(now); wait > 0 {
		return wait
	}
	if p.rate > 0 {
		if wait := p.next.Sub(now); wait > 0 {
			return wait
		}
		if earliest := now.Add(-burst); p.next.Before(earliest) {
			p.next = earliest
		}
		p.next = p.next.Add(time.Duration(float64(n) / p.rate * float64(time.Second)))
	}
	if now.Sub(p.second) >= time.Second {
		p.before, p.count, p.second = p.count, 0, now
	}
	p.count += n
	return 0
}

// slow is called for each answer that throttles. The answers of one window count once.
func (p *pacer) slow(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if now.Sub(p.throttled) < throttlePause {
		return
	}
	p.throttled, p.raised = now, now
	rate := p.rate
	if rate == 0 {
		rate = float64(max(p.before, p.count, 1))
	}
	p.rate = max(rate/2, minRate)
	p.pause = now.Add(throttlePause)
	p.next = p.pause
}

// good is called for each answer that does not throttle.
func (p *pacer) good(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.rate == p.limit || now.Sub(p.raised) < time.Second {
		return
	}
	p.raised = now
	p.rate *= raiseBy
	if p.limit > 0 && p.rate > p.limit || p.limit == 0 && now.Sub(p.throttled) > throttleMemory {
		p.rate = p.limit
	}
}

// fullness tells a full message centre from a full mailbox: both say ESME_RMSGQFUL, and one phone that takes nothing must
// not slow the texts to all others.
type fullness struct {
	mu sync.Mutex
	to string // who was refused since the last text was accepted
}

// refused is called for each ESME_RMSGQFUL and tells whether it is the message centre that is full: two receivers in a row.
func (f *fullness) refused(to string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	other := f.to != "" && f.to != to
	f.to = to
	return other
}

func (f *fullness) accepted() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.to = ""
}

// current is the rate now, 0 = no limit.
func (p *pacer) current() float64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.rate
}
