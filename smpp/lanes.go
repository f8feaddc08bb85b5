package smpp

import (
	"hash/maphash"
	"sync"
)

// lanes run jobs beside the reader of a connection: jobs of one key in order, different keys at the same time.
type lanes struct {
	seed maphash.Seed
	wg   sync.WaitGroup
	mu   sync.Mutex
	lane [laneCount]lane
	held int // jobs that wait, in all lanes
	shut bool
}

type lane struct {
	jobs []func()
	runs bool
}

const (
	// laneCount is how many handlers may run at once: a store with group commit takes many at the price of one.
	laneCount = 64
	// laneDepth bounds what waits in one lane; beyond it the message centre is asked to keep the message.
	laneDepth = 64
	// laneTotal bounds what waits in all lanes, and so the memory that a message centre can take.
	laneTotal = 1024
)

func newLanes() *lanes { return &lanes{seed: maphash.MakeSeed()} }

// do queues a job and never waits. It is false, and the job is not run, if there is no room and must is false.
func (l *lanes) do(key string, must bool, job func()) bool {
	n := &l.lane[maphash.String(l.seed, key)%laneCount]
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.shut || !must && (len(n.jobs) >= laneDepth || l.held >= laneTotal) {
		return false
	}
	n.jobs = append(n.jobs, job)
	l.held++
	if !n.runs {
		n.runs = true
		l.wg.Go(func() { l.run(n) })
	}
	return true
}

func (l *lanes) run(n *lane) {
	for {
		l.mu.Lock()
		if len(n.jobs) == 0 {
			n.runs, n.jobs = false, nil
			l.mu.Unlock()
			return
		}
		job := n.jobs[0]
		n.jobs = n.jobs[1:]
		l.held--
		l.mu.Unlock()
		job()
	}
}

// close takes no more jobs and waits for those that are queued.
func (l *lanes) close() {
	l.mu.Lock()
	l.shut = true
	l.mu.Unlock()
	l.wg.Wait()
}
