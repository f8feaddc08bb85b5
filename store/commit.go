package store

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"time"

	bolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

// groupMax is how many operations share one commit at most, if nothing else is asked for, so that the first of them does not wait for
// ever.
const groupMax = 512

// request is an operation that waits for its commit.
type request struct {
	ctx      context.Context
	at       time.Time
	fn       func(*work) error
	err      error
	panicked any
	work     *work
	done     chan struct{}
}

// update runs fn in a transaction that it shares with whatever else is waiting, and returns when that is on the
// disk. fn may run a second time in the rare case that another operation of its group panicked: it sets its results
// anew each time.
func (s *Store) update(ctx context.Context, at time.Time, fn func(*work) error) error {
	if s.opts.ReadOnly {
		return ErrReadOnly
	}
	r := &request{ctx: ctx, at: at, fn: fn, done: make(chan struct{})}
	select {
	case s.requests <- r:
	case <-ctx.Done():
		return ctx.Err()
	case <-s.quit:
		return ErrClosed
	}
	<-r.done
	if r.panicked != nil {
		panic(r.panicked) // in the goroutine whose function it was
	}
	return r.err
}

// view runs fn on a snapshot.
func (s *Store) view(ctx context.Context, at time.Time, fn func(*work) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	err := s.db.View(func(btx *bolt.Tx) error {
		w := &work{tx: s.over(btx), s: s, at: at}
		if err := fn(w); err != nil {
			return err
		}
		return w.err
	})
	if errors.Is(err, berrors.ErrDatabaseNotOpen) {
		return ErrClosed
	}
	return err
}

// commitLoop commits in groups: the first that comes, and all who wait by then. No timer: a lone operation is committed
// at once, and while a commit waits for the disk the next group gathers.
func (s *Store) commitLoop() {
	defer close(s.done)
	for {
		select {
		case <-s.quit:
			return
		case r := <-s.requests:
			group := s.gather([]*request{r})
			if len(group) == 1 {
				runtime.Gosched() // those whom the last commit woke get the chance to come along
				group = s.gather(group)
			}
			for waiting := group; len(waiting) > 0; {
				waiting = s.commit(waiting)
			}
			for _, r := range group {
				close(r.done)
			}
		}
	}
}

// gather adds all who wait.
func (s *Store) gather(group []*request) []*request {
	for len(group) < s.opts.GroupMost {
		select {
		case r := <-s.requests:
			group = append(group, r)
		default:
			return group
		}
	}
	return group
}

// commit runs a group in one transaction. It returns those to run again: all but the one that panicked.
func (s *Store) commit(group []*request) (again []*request) {
	tx, err := s.db.Begin(true)
	if err != nil {
		finish(group, fmt.Errorf("begin: %w", err))
		return nil
	}
	all, changed := &pending{below: &boltTx{tx: tx}}, false
	var claims []rated
	for i, r := range group {
		if r.err = r.ctx.Err(); r.err != nil {
			continue
		}
		all.begin()
		before := len(claims)
		r.work = &work{tx: people{all}, s: s, at: r.at, rated: &claims}
		r.run()
		if r.panicked != nil {
			// Whatever it was in the middle of, what is pending cannot be trusted.
			_ = tx.Rollback()
			return append(append([]*request{}, group[:i]...), group[i+1:]...)
		}
		if r.err != nil {
			all.takeBack()
			claims = claims[:before]
			continue
		}
		changed = changed || len(all.undo) > 0
	}
	if !changed {
		_ = tx.Rollback() // nothing to write: reads answer without the disk
		return nil
	}
	began := time.Now()
	if s.opts.BeforeCommit != nil {
		err = s.opts.BeforeCommit()
	}
	if err == nil {
		err = all.flush()
	}
	if err != nil {
		err = errors.Join(err, tx.Rollback())
	} else {
		err = tx.Commit()
	}
	if err != nil {
		err = writeError(err)
		finish(group, err)
		s.count(0, err)
		s.committed(nil, time.Since(began), err)
		return nil
	}
	s.rates.note(claims)
	s.count(len(group), nil)
	s.committed(group, time.Since(began), nil)
	s.wake(group)
	return nil
}

// committed tells who wants to know of a commit.
func (s *Store) committed(group []*request, took time.Duration, err error) {
	if s.opts.Committed == nil {
		return
	}
	c := Commit{Took: took, Err: err}
	for _, r := range group {
		if r.err == nil && r.work != nil {
			c.Writes++
			c.Verdicts = append(c.Verdicts, r.work.verdicts...)
			c.Texts = append(c.Texts, r.work.moved...)
		}
	}
	s.opts.Committed(c)
}

// run calls the operation and catches its panic for its caller.
func (r *request) run() {
	defer func() {
		if p := recover(); p != nil {
			r.panicked = fmt.Sprintf("%v\n%s", p, debug.Stack())
		}
	}()
	if r.err = r.fn(r.work); r.err == nil {
		r.err = r.work.err
	}
}

// finish gives an error to those who have none of their own.
func finish(group []*request, err error) {
	for _, r := range group {
		if r.err == nil {
			r.err = err
		}
	}
}

func (s *Store) count(writes int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.failed++
		s.lastErr = err.Error()
		return
	}
	s.commits++
	s.writes += uint64(writes)
	s.lastErr = ""
}

// wake signals what the group queued.
func (s *Store) wake(group []*request) {
	for _, r := range group {
		if r.work == nil || r.err != nil {
			continue
		}
		if r.work.texts {
			signal(s.textsChanged)
		}
		if r.work.deliveries {
			signal(s.deliveriesChanged)
		}
	}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
