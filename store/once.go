package store

import (
	"context"
	"fmt"
	"time"
)

// EnqueueOnce moves a mark forward (see SetMark) and queues hand-offs, in one transaction: what recurs (a weekly report) is
// queued once for each mark, whatever crashes. It returns false, and does nothing, if the mark stood there or later.
func (s *Store) EnqueueOnce(ctx context.Context, name string, mark, at time.Time, d ...Delivery) (queued bool, err error) {
	err = s.update(ctx, at, func(w *work) error {
		queued = false
		if number(w.get(tMeta, markKey(name))) >= stamp(mark) {
			return nil
		}
		w.put(tMeta, markKey(name), key(nil).time(mark))
		w.enqueue(d...)
		queued = true
		return nil
	})
	if err != nil {
		return false, fmt.Errorf("queue %s: %w", name, err)
	}
	return queued, nil
}
