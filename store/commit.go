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
// disk. fn may run again in the rare case that another operation of its group panicked, or that the commit before failed: it sets its
// results anew each time.
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

// batch is a group of operations that share a commit.
type batch struct {
	ops     []*request
	pending *pending
	changed bool
}

// commitLoop runs the operations as they come, and has a goroutine commit them in groups. While a group is written, the next one
// gathers and is run on what the first will leave; it is written when the first is on the disk, or run again if that failed. No timer: a
// lone operation is committed at once.
func (s *Store) commitLoop() {
	defer close(s.done)
	file := &snapshot{}
	next, writing := newBatch(file), (*batch)(nil) // nothing is written
	written := make(chan error, 1)
	quit := s.quit
	for quit != nil || writing != nil || len(next.ops) > 0 {
		requests := s.requests
		if quit == nil || len(next.ops) >= s.opts.GroupMost {
			requests = nil
		}
		select {
		case <-quit:
			quit = nil
		case err := <-written:
			writing = nil
			next.pending.below = file
			if err != nil && len(next.ops) > 0 {
				next = s.again(file, next.ops)
			}
		case r := <-requests:
			next = s.add(file, next, r)
		}
		if writing == nil {
			runtime.Gosched() // those whom the last commit woke get the chance to come along
		}
	drain:
		for writing == nil && len(next.ops) < s.opts.GroupMost {
			select {
			case r := <-requests:
				next = s.add(file, next, r)
			default:
				break drain
			}
		}
		switch {
		case writing != nil || len(next.ops) == 0:
		case !next.changed:
			next.end() // nothing to write: reads answer without the disk
			next = newBatch(file)
		default:
			writing, next = next, newBatch(next.pending)
			go func(b *batch) { written <- s.write(b) }(writing)
		}
	}
}

func newBatch(below tx) *batch { return &batch{pending: &pending{below: below}} }

// end answers all who wait.
func (b *batch) end() {
	for _, r := range b.ops {
		close(r.done)
	}
}

// add runs an operation in a group. If it panics, those before it are run again without it: whatever it was in the middle of,
// what is pending cannot be trusted.
func (s *Store) add(file *snapshot, b *batch, r *request) *batch {
	if s.run(file, b, r); r.panicked == nil {
		return b
	}
	close(r.done)
	fresh := newBatch(b.pending.below)
	for _, r := range b.ops {
		fresh = s.add(file, fresh, r)
	}
	return fresh
}

// again runs operations on the file as it is, because what they were run on did not come about.
func (s *Store) again(file *snapshot, ops []*request) *batch {
	b := newBatch(file)
	for _, r := range ops {
		b = s.add(file, b, r)
	}
	return b
}

// snapshot is the file as it stands while an operation runs.
type snapshot struct{ tx }

// run runs an operation on what is pending in its group, and below that in the group that is being written, over the file. Whether that group is
// in the file already makes no difference: its changes read the same. The file is held only meanwhile, because the database waits for its
// readers where it has to map a larger file.
func (s *Store) run(file *snapshot, b *batch, r *request) {
	r.work, r.panicked = nil, nil
	if r.err = r.ctx.Err(); r.err != nil {
		b.ops = append(b.ops, r)
		return
	}
	btx, err := s.db.Begin(false)
	if err != nil {
		r.err = fmt.Errorf("begin: %w", err)
		b.ops = append(b.ops, r)
		return
	}
	file.tx = &boltTx{tx: btx}
	b.pending.begin()
	r.work = &work{tx: people{b.pending}, s: s, at: r.at}
	r.run()
	file.tx = nil
	_ = btx.Rollback() // it was for reading
	if r.panicked != nil {
		return
	}
	b.ops = append(b.ops, r)
	if r.err != nil {
		b.pending.takeBack()
		return
	}
	b.changed = b.changed || len(b.pending.undo) > 0
}

// write writes a group in one transaction and answers those who wait for it.
func (s *Store) write(b *batch) error {
	defer b.end()
	began := time.Now()
	err := s.writeFile(b)
	if err != nil {
		finish(b.ops, err)
		s.count(0, err)
		s.committed(nil, time.Since(began), err)
		return err
	}
	s.count(len(b.ops), nil)
	s.committed(b.ops, time.Since(began), nil)
	s.wake(b.ops)
	return nil
}

func (s *Store) writeFile(b *batch) error {
	if s.opts.BeforeCommit != nil {
		if err := s.opts.BeforeCommit(); err != nil {
			return writeError(err)
		}
	}
	btx, err := s.db.Begin(true)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	if err := b.pending.flush(&boltTx{tx: btx}); err != nil {
		return writeError(errors.Join(err, btx.Rollback()))
	}
	if err := btx.Commit(); err != nil {
		return writeError(err)
	}
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
