package daemon

import (
	"testing"
	"time"
)

func TestACallIsJudgedOnceNoBacklogCanWait(t *testing.T) {
	due := time.Now()
	for _, c := range []struct {
		name      string
		old       time.Duration // when the last event had come off the wire, before the due time
		taken     time.Duration // when it was taken in, likewise
		timerLate time.Duration
		want      time.Duration
	}{
		{"nothing came for long", time.Second, time.Second, 0, 0},
		{"nothing ever came", due.Sub(time.Time{}), due.Sub(time.Time{}), 0, 0},
		{"nothing came for as long as a backlog takes", time.Second, backlogGrace, 100 * time.Microsecond, 0},
		{"the last one was fresh", time.Millisecond, 0, time.Millisecond, 0},
		{"the last one, just taken in, had waited", backlogSpan, 0, 0, backlogGrace},
		{"one that had waited was taken in a moment before", time.Second, backlogGrace / 4, time.Millisecond, 3 * backlogGrace / 4},
		{"those that had waited were taken in until after it", time.Second, -time.Millisecond, time.Millisecond, backlogGrace + time.Millisecond},
		{"the process stood still", time.Second, time.Second, time.Second, stallGrace},
		{"the process stood still just after an event", time.Millisecond, 0, time.Second, stallGrace},
	} {
		h := hearing{at: due.Add(-c.taken), seen: due.Add(-c.old)}
		if got := h.grace(due, due.Add(c.timerLate)); got != c.want {
			t.Errorf("%s: it waits %s, want %s", c.name, got, c.want)
		}
	}
}
