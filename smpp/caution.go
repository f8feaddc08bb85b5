package smpp

import (
	"sync"
	"time"
)

// caution keeps a link that does not answer from swallowing texts. After several submits in a row without an answer only
// one at a time is written, further and further apart, until one is answered.
type caution struct {
	step   time.Duration // first pause, doubled each time
	notify func()        // called, without the lock, when passing may have become possible or impossible

	mu      sync.Mutex
	silent  int // submits in a row without an answer
	trials  int
	until   time.Time // no trial before this
	probing bool      // a trial is out
}

const (
	// cautionAfter is how many submits in a row must be unanswered: one or two may be the fault of their numbers.
	cautionAfter = 3
	cautionMax   = 5 * time.Minute
)

// open tells whether a submit could pass now.
func (c *caution) open(now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.silent < cautionAfter || !c.probing && !now.Before(c.until)
}

// pass lets a submit through, as a trial if the link is silent, or not.
func (c *caution) pass(now time.Time) (probe, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.silent < cautionAfter:
		return false, true
	case c.probing || now.Before(c.until):
		return false, false
	}
	c.probing = true
	return true, true
}

// answered is called for each answer.
func (c *caution) answered() {
	c.mu.Lock()
	was := c.silent
	c.silent, c.trials, c.probing, c.until = 0, 0, false, time.Time{}
	c.mu.Unlock()
	if was >= cautionAfter {
		c.notify()
	}
}

// unanswered is called for each submit that got no answer; probe says that it was a trial.
func (c *caution) unanswered(now time.Time, probe bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.silent++
	if probe {
		c.probing = false
	}
	if c.silent < cautionAfter || c.trials > 0 && !probe {
		return
	}
	pause := cautionMax
	if c.trials < 16 {
		pause = min(c.step<<c.trials, cautionMax)
	}
	c.trials++
	c.until = now.Add(pause)
	time.AfterFunc(pause, c.notify)
}

// release gives a trial back that was not written.
func (c *caution) release() {
	c.mu.Lock()
	c.probing = false
	c.mu.Unlock()
	c.notify()
}
