package daemon

import (
	"syscall"
	"time"
)

// How long the next event of a backlog takes to come at most: in a process that runs, and in one that was stopped or starved, which is
// known by a timer that fires later than stallLeast.
const (
	backlogGrace = time.Millisecond
	stallGrace   = 10 * time.Millisecond
	stallLeast   = 5 * time.Millisecond
)

// backlogSpan is how much of a backlog may be left out: what is newer cannot be late news of a call that ended a settling time ago.
const backlogSpan = 50 * time.Millisecond

// timerSlack is how late a timer of Go's may be in a process that idles, because epoll_wait counts in whole milliseconds. So it is set
// earlier by that, and the rest is napped.
const timerSlack = time.Millisecond

// hearing is what is known of the events that were taken in.
type hearing struct {
	at   time.Time // when the last one was taken in,
	seen time.Time // and when it had come off the wire
}

// grace is how long the next event is still waited for at now before what was due is judged. Events are taken in in the order in which they
// come, and those of a backlog one upon the other: so one that came just before the due time, or silence before it, shows that there is no
// backlog, unless the process stood still.
func (h hearing) grace(due, now time.Time) time.Duration {
	switch {
	case now.Sub(due) > stallLeast:
		return stallGrace
	case due.Sub(h.seen) < backlogSpan:
		return 0
	default:
		return max(backlogGrace-due.Sub(h.at), 0)
	}
}

// nap sleeps for a millisecond at most, to a tenth of one. It may return early, and does in a test whose clock is not the kernel's.
func nap(d time.Duration) {
	if d = min(d, timerSlack); d > 0 {
		rest := syscall.NsecToTimespec(d.Nanoseconds())
		_ = syscall.Nanosleep(&rest, nil) // EINTR: early
	}
}
