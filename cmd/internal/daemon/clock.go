package daemon

import (
	"context"
	"log/slog"
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
	began, last := time.Now(), d.now() // began keeps its monotonic reading
	for sleep(ctx, clockTick) {
		passed, now := time.Since(began), d.now()
		// Round(0) strips the monotonic reading, which a set clock does not move.
		by := now.Round(0).Sub(last.Round(0)) - passed
		began, last = time.Now(), now
		if by.Abs() < clockSlack {
			continue
		}
		for {
			moved, err := d.store.ClockStepped(ctx, by, now.Add(-passed), d.now())
			if err == nil {
				d.log.Warn("clock-stepped", "by", by.Round(time.Millisecond).String(), "texts_moved", moved)
				d.wake()
				break
			}
			d.sparingly(slog.LevelError, "store", "store-failed", "what", "clock", "error", err)
			if !sleep(ctx, clockTick) {
				return nil
			}
		}
	}
	return nil
}
