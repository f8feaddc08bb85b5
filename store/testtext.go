package store

import (
	"context"
	"fmt"
	"time"

	"textback"
)

// QueueTest queues a text that tries the way, in one transaction with the questions whether it may go: ErrOptedOut if the
// person has opted out, and limits is asked with the history of its line and business. It counts in their limits and
// budgets, for good, but holds no claim: the window of its receiver stays as it is. Keys.Caller is the receiver.
func (s *Store) QueueTest(ctx context.Context, x textback.Text, k Keys, limits func(textback.History) error,
	at time.Time) (t textback.Text, err error) {
	err = s.update(ctx, at, func(w *work) error {
		t = textback.Text{}
		h := w.history(k)
		if h.OptedOut {
			return ErrOptedOut
		}
		if err := limits(h); err != nil {
			return err
		}
		x.Kind = textback.TestText
		t = w.newText(x).T
		c := claim{Business: x.Business, Line: x.Line, Block: k.Block, Taken: w.at}
		c.Hour, c.Day = hourAndDay(w.at, k.Zone)
		w.count(c, 1)
		return nil
	})
	if err != nil {
		return textback.Text{}, fmt.Errorf("queue a test: %w", err)
	}
	return t, nil
}
