package store

import (
	"context"
	"fmt"
	"time"
)

// Made is what became of a hand-off about a person: it was made, or given up.
type Made struct {
	Target   string // name of the endpoint in the configuration
	Event    string // event type, e.g. "reply.received"
	Queued   time.Time
	At       time.Time // when it was over
	Attempts int       // made for it
	Error    string    // why it was given up, "" if it was made
}

// madeMost is how many are kept of one person: the newest.
const madeMost = 32

// keepMade remembers how a hand-off ended, for Explain.
func (w *work) keepMade(d Delivery, why string) {
	if d.Person == "" {
		return
	}
	person := key(nil).str(d.Person)
	w.save(tMade, append(person[:len(person):len(person)], key(nil).time(w.at).num(d.ID)...),
		Made{Target: d.Target, Event: d.Event, Queued: d.Created, At: w.at, Attempts: d.Attempts + 1, Error: why})
	all := w.keys(tMade, person, after(person), 0)
	for _, k := range all[:max(len(all)-madeMost, 0)] {
		w.del(tMade, k)
	}
}

// madeFor are the hand-offs about a person that are over, oldest first.
func (w *work) madeFor(person string) (all []Made) {
	w.scan(tMade, key(nil).str(person), func(_, v []byte) bool {
		var m Made
		if err := decode(v, &m); err != nil {
			w.fail("decode a record of", tMade, err)
			return false
		}
		all = append(all, m)
		return true
	})
	return all
}

// timeInMade is when the hand-off of a key was over.
func timeInMade(k []byte) time.Time {
	if _, rest := field(k); len(rest) >= 8 {
		return moment(number(rest[:8]))
	}
	return time.Time{}
}

// WaitingFor are the hand-offs about a person that wait, oldest first, without their payload. It looks at every hand-off that
// waits: for a person who asks, not for a loop.
func (s *Store) WaitingFor(ctx context.Context, person string) (all []Delivery, err error) {
	err = s.view(ctx, time.Time{}, func(w *work) error {
		eachRecord(w, tDeliveries, func(_ []byte, d Delivery) {
			if d.Person == person {
				d.Payload = nil
				all = append(all, d)
			}
		})
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the hand-offs about a person: %w", err)
	}
	return all, nil
}
