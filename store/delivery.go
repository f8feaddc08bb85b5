package store

import (
	"context"
	"fmt"
	"time"
)

// Delivery is one hand-off that waits to be made: a webhook call, a mail. It stays until Delivered or Drop.
type Delivery struct {
	ID       uint64 // set by the store
	Kind     string // "webhook", "mail"
	Target   string // name of the endpoint in the configuration
	Event    string // event type, e.g. "reply.received"
	Payload  []byte
	Person   string // E.164 of whom it is about, so that Forget finds it; "" if nobody
	Created  time.Time
	Due      time.Time // zero when queued: at once
	Attempts int
	Note     string // why the last attempt failed
}

// Target is the standing of an endpoint.
type Target struct {
	Name     string
	Disabled bool
	At       time.Time
	Note     string
	Dropped  uint64 // hand-offs dropped because it is disabled
}

func deliveryKey(id uint64) []byte { return key(nil).num(id) }

// enqueue queues hand-offs in the transaction. What goes to a disabled endpoint is dropped and counted.
func (w *work) enqueue(all ...Delivery) {
	for _, d := range all {
		if t, ok := load[Target](w, tTargets, key(nil).str(d.Target)); ok && t.Disabled {
			t.Dropped++
			w.save(tTargets, key(nil).str(d.Target), &t)
			continue
		}
		d.ID, d.Created, d.Attempts = w.next("delivery"), w.at, 0
		if d.Due.IsZero() {
			d.Due = w.at
		}
		w.save(tDeliveries, deliveryKey(d.ID), &d)
		w.put(tDeliveriesDue, key(nil).time(d.Due).num(d.ID), nil)
		w.standing(nowDeliveries, "", 1)
	}
}

func (w *work) removeDelivery(id uint64) bool {
	d, ok := load[Delivery](w, tDeliveries, deliveryKey(id))
	if !ok {
		return false
	}
	w.del(tDeliveries, deliveryKey(id))
	w.del(tDeliveriesDue, key(nil).time(d.Due).num(id))
	w.standing(nowDeliveries, "", -1)
	return true
}

// Enqueue queues hand-offs.
func (s *Store) Enqueue(ctx context.Context, at time.Time, d ...Delivery) error {
	err := s.update(ctx, at, func(w *work) error { w.enqueue(d...); return nil })
	if err != nil {
		return fmt.Errorf("queue a hand-off: %w", err)
	}
	return nil
}

// DueDeliveries returns hand-offs whose time has come, in order of due time.
func (s *Store) DueDeliveries(ctx context.Context, at time.Time, limit int) (all []Delivery, err error) {
	err = s.view(ctx, at, func(w *work) error {
		w.walk(tDeliveriesDue, nil, key(nil).num(stamp(at)).num(1<<64-1), false, func(k, _ []byte) bool {
			if d, ok := load[Delivery](w, tDeliveries, deliveryKey(tail(k))); ok {
				all = append(all, d)
			}
			return limit <= 0 || len(all) < limit
		})
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read due hand-offs: %w", err)
	}
	return all, nil
}

// NextDelivery is the earliest due time of a hand-off; false if none waits.
func (s *Store) NextDelivery(ctx context.Context) (time.Time, bool, error) {
	return s.first(ctx, tDeliveriesDue)
}

// Delivered removes a hand-off that was made. One that is not there is no error: it may have been dropped meanwhile.
func (s *Store) Delivered(ctx context.Context, id uint64, at time.Time) error {
	err := s.update(ctx, at, func(w *work) error {
		if d, ok := load[Delivery](w, tDeliveries, deliveryKey(id)); ok {
			w.keepMade(d, "")
			w.removeDelivery(id)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("settle hand-off %d: %w", id, err)
	}
	return nil
}

// RetryDelivery counts a failed attempt and sets the next.
func (s *Store) RetryDelivery(ctx context.Context, id uint64, next time.Time, note string) error {
	err := s.update(ctx, next, func(w *work) error {
		d, ok := load[Delivery](w, tDeliveries, deliveryKey(id))
		if !ok {
			return cmpErr(w.err, ErrNotFound)
		}
		w.del(tDeliveriesDue, key(nil).time(d.Due).num(id))
		d.Due, d.Note = next, note
		d.Attempts++
		w.save(tDeliveries, deliveryKey(id), &d)
		w.put(tDeliveriesDue, key(nil).time(d.Due).num(id), nil)
		return nil
	})
	if err != nil {
		return fmt.Errorf("retry hand-off %d: %w", id, err)
	}
	return nil
}

// DropDelivery gives a hand-off up. The note is kept with its endpoint.
func (s *Store) DropDelivery(ctx context.Context, id uint64, note string, at time.Time) error {
	err := s.update(ctx, at, func(w *work) error {
		d, ok := load[Delivery](w, tDeliveries, deliveryKey(id))
		if !ok {
			return cmpErr(w.err, ErrNotFound)
		}
		w.keepMade(d, note)
		w.removeDelivery(id)
		t, _ := load[Target](w, tTargets, key(nil).str(d.Target))
		t.Name, t.Note, t.Dropped = d.Target, note, t.Dropped+1
		if t.At.IsZero() || !t.Disabled {
			t.At = at
		}
		w.save(tTargets, key(nil).str(d.Target), &t)
		return nil
	})
	if err != nil {
		return fmt.Errorf("drop hand-off %d: %w", id, err)
	}
	return nil
}

// DisableTarget drops what waits for an endpoint, and what comes for it from now on (HTTP 410).
func (s *Store) DisableTarget(ctx context.Context, target, note string, at time.Time) error {
	err := s.update(ctx, at, func(w *work) error {
		t, _ := load[Target](w, tTargets, key(nil).str(target))
		t.Name, t.Disabled, t.At, t.Note = target, true, at, note
		var ids []uint64
		eachRecord(w, tDeliveries, func(_ []byte, d Delivery) {
			if d.Target == target {
				ids = append(ids, d.ID)
			}
		})
		for _, id := range ids {
			w.removeDelivery(id)
			t.Dropped++
		}
		w.save(tTargets, key(nil).str(target), &t)
		return nil
	})
	if err != nil {
		return fmt.Errorf("disable endpoint %q: %w", target, err)
	}
	return nil
}

// EnableTarget takes DisableTarget back.
func (s *Store) EnableTarget(ctx context.Context, target string) error {
	err := s.update(ctx, time.Time{}, func(w *work) error {
		t, ok := load[Target](w, tTargets, key(nil).str(target))
		if !ok {
			return w.err
		}
		t.Disabled = false
		w.save(tTargets, key(nil).str(target), &t)
		return nil
	})
	if err != nil {
		return fmt.Errorf("enable endpoint %q: %w", target, err)
	}
	return nil
}

// Targets lists the endpoints that are or were disabled, or for which hand-offs were dropped.
func (s *Store) Targets(ctx context.Context) (all []Target, err error) {
	err = s.view(ctx, time.Time{}, func(w *work) error {
		eachRecord(w, tTargets, func(_ []byte, t Target) { all = append(all, t) })
		return nil
	})
	return all, err
}
