package store

import (
	"context"
	"fmt"
	"time"

	"textback"
)

// Sendable returns up to limit queued texts whose time has come, in order of due time, without those that skip names by
// their id: a large backlog of texts that cannot leave costs no more than its keys. next is the earliest due time after
// at of a queued text, zero if none is queued for later.
func (s *Store) Sendable(ctx context.Context, at time.Time, limit int, skip func(id uint64) bool) (
	due []textback.Text, next time.Time, err error,
) {
	err = s.view(ctx, at, func(w *work) error {
		now := key(nil).num(stamp(at)).num(1<<64 - 1)
		w.walk(tDue, nil, now, false, func(k, _ []byte) bool {
			if id := tail(k); !skip(id) {
				if r, ok := w.text(id); ok {
					due = append(due, r.T)
				}
			}
			return len(due) < limit
		})
		w.walk(tDue, now, nil, false, func(k, _ []byte) bool {
			next = moment(number(k[:8]))
			return false
		})
		return nil
	})
	if err != nil {
		return nil, time.Time{}, fmt.Errorf("read due texts: %w", err)
	}
	return due, next, nil
}

// DeliveriesFor returns the hand-offs whose time has come for the targets that want tells, in order of due time and at
// most each for one target. next is the earliest due time of a hand-off after at, zero if none.
func (s *Store) DeliveriesFor(ctx context.Context, at time.Time, each int, want func(target string) bool) (
	due map[string][]Delivery, next time.Time, err error,
) {
	due = make(map[string][]Delivery)
	err = s.view(ctx, at, func(w *work) error {
		now := key(nil).num(stamp(at)).num(1<<64 - 1)
		w.walk(tDeliveriesDue, nil, now, false, func(k, _ []byte) bool {
			d, ok := load[Delivery](w, tDeliveries, deliveryKey(tail(k)))
			if ok && len(due[d.Target]) < each && want(d.Target) {
				due[d.Target] = append(due[d.Target], d)
			}
			return true
		})
		w.walk(tDeliveriesDue, now, nil, false, func(k, _ []byte) bool {
			next = moment(number(k[:8]))
			return false
		})
		return nil
	})
	if err != nil {
		return nil, time.Time{}, fmt.Errorf("read due hand-offs: %w", err)
	}
	return due, next, nil
}
