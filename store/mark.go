package store

import (
	"context"
	"fmt"
	"time"
)

// SetMark remembers a moment under a name, e.g. until when a PBX's calls have all been seen. The last one set counts, also
// if it is earlier: a clock may have been put back.
func (s *Store) SetMark(ctx context.Context, name string, at time.Time) error {
	err := s.update(ctx, at, func(w *work) error {
		w.put(tMeta, markKey(name), key(nil).time(at))
		return nil
	})
	if err != nil {
		return fmt.Errorf("set the mark %s: %w", name, err)
	}
	return nil
}

// Mark is the moment that was set under a name; zero if none was.
func (s *Store) Mark(ctx context.Context, name string) (at time.Time, err error) {
	err = s.view(ctx, time.Time{}, func(w *work) error {
		at = moment(number(w.get(tMeta, markKey(name))))
		return w.err
	})
	if err != nil {
		return time.Time{}, fmt.Errorf("read the mark %s: %w", name, err)
	}
	return at, nil
}

func markKey(name string) []byte { return key([]byte("mark/")).str(name) }
