package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	bolt "go.etcd.io/bbolt"

	"textback"
)

// Stats are figures about the file.
type Stats struct {
	Path       string
	Size       int64 // bytes
	Free       int64 // bytes in free pages
	Commits    uint64
	Writes     uint64 // transactions; Writes/Commits is the mean size of a group
	Failed     uint64 // commits that failed
	LastError  string // of the last failed commit; "" after a good one
	Schema     int
	Texts      map[textback.TextState]int64 // as they stand now
	Missed     int64                        // missed calls taken in since the file was made
	Verdicts   int64                        // verdicts given since then: equal to Missed at any moment
	Threads    int64                        // open
	OptedOut   int64                        // standing opt-outs
	Ledger     uint64                       // entries
	Deliveries int64                        // waiting
	Unhandled  int64                        // incoming messages saved and not yet handled
}

// Backup writes a checked copy of the file to path (mode 0600, by way of a temporary file beside it), while the
// store is in use. The copy is a state file: to go back, stop the daemon and put it in place.
func (s *Store) Backup(ctx context.Context, path string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := s.backup(path); err != nil {
		return fmt.Errorf("back up to %s: %w", path, err)
	}
	return nil
}

func (s *Store) backup(path string) (err error) {
	tmp := path + ".tmp"
	f, err := os.OpenFile(tmp, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(tmp) // the error that matters is the one before
		}
	}()
	_, err = s.WriteTo(f)
	if err = errors.Join(err, f.Chmod(0o600), f.Sync(), f.Close()); err != nil {
		return err
	}
	if err = preflight(tmp); err != nil {
		return err
	}
	if err = checkFile(tmp); err != nil {
		return err
	}
	return errors.Join(os.Rename(tmp, path), syncDir(path))
}

// WriteTo writes a copy of the file as it stands to w. A slow w keeps pages that are freed meanwhile from being
// used again.
func (s *Store) WriteTo(w io.Writer) (n int64, err error) {
	err = s.db.View(func(tx *bolt.Tx) error {
		n, err = tx.WriteTo(w)
		return err
	})
	return n, err
}

// Stats returns figures about the file.
func (s *Store) Stats(ctx context.Context) (st Stats, err error) {
	st = Stats{Path: s.opts.Path, Texts: map[textback.TextState]int64{}}
	err = s.view(ctx, time.Time{}, func(w *work) error {
		for state := textback.Queued; state <= textback.Unknown; state++ {
			st.Texts[state] = w.stands(nowTexts, state.String())
		}
		st.Missed, st.Verdicts = w.total(CountMissed), w.total(CountVerdict)
		st.Threads, st.OptedOut = w.stands(nowThreads, ""), w.stands(nowOptedOut, "")
		st.Deliveries, st.Unhandled = w.stands(nowDeliveries, ""), w.stands(nowUnhandled, "")
		st.Ledger = number(w.get(tMeta, []byte("seq/ledger")))
		st.Schema, _ = strconv.Atoi(string(w.get(tMeta, schemaKey))) // Open has read it before
		return nil
	})
	if err != nil {
		return Stats{}, fmt.Errorf("read the figures: %w", err)
	}
	st.Size, st.Free = usage(s.db)
	s.mu.Lock()
	defer s.mu.Unlock()
	st.Commits, st.Writes, st.Failed, st.LastError = s.commits, s.writes, s.failed, s.lastErr
	return st, nil
}
