package daemon

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// Steps of the wall clock smaller than clockSlack are left alone: time servers slew by less, and due times are in seconds.
const (
	clockTick  = time.Second
	clockSlack = 2 * time.Second
)

// clock watches for a wall clock that is set: queued texts move with it, so that none leaves early, waits for ever or
// expires because somebody corrected the date.
func (d *Daemon) clock(ctx context.Context) error {
	for sleep(ctx, clockTick) {
		if _, err := d.steady(ctx); err != nil && ctx.Err() == nil {
			d.sparingly(slog.LevelError, "store", "store-failed", "what", "clock", "error", err)
		}
	}
	return nil
}

// wall is what the wall clock is held against.
type wall struct {
	mu    sync.Mutex
	began time.Time // keeps its monotonic reading
	last  time.Time // what the wall clock said then
}

// steady is the time for whoever takes texts from the queue: if the wall clock was set since somebody last looked, they have moved
// with it. If they could not be, nobody may go by it: the next look tries again.
func (d *Daemon) steady(ctx context.Context) (time.Time, error) {
	w := &d.wall
	w.mu.Lock()
	defer w.mu.Unlock()
	read := time.Now()
	now := d.now()
	for time.Since(read) > clockSlack/2 { // the process stood still between the two
		read, now = time.Now(), d.now()
	}
	if w.began.IsZero() {
		w.began, w.last = read, now
	}
	passed := read.Sub(w.began)
	// Round(0) strips the monotonic reading, which a set clock does not move.
	if by := now.Round(0).Sub(w.last.Round(0)) - passed; by.Abs() >= clockSlack {
		moved, err := d.store.ClockStepped(ctx, by, now.Add(-passed), now)
		if err != nil {
			return now, err
		}
		d.log.Warn("clock-stepped", "by", by.Round(time.Millisecond).String(), "texts_moved", moved)
		d.wake()
	}
	w.began, w.last = read, now
	return now, nil
}
