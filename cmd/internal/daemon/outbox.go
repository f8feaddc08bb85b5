package daemon

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"textback"
	"textback/smpp"
	"textback/store"
)

const (
	// waitPause is how long a text that cannot leave now (its link is down, its caller is on the phone) is left alone,
	// unless the sender is woken before.
	waitPause = time.Second
	// lookahead is how many due texts are looked at together once some were set aside because their link is down.
	lookahead = 250
	// personWithin is how long an answer by a person, which has no end of its own, is worth sending.
	personWithin = 24 * time.Hour
)

// outbox is what the sender knows beside the store: which texts are on their way, and which are left alone and until when.
type outbox struct {
	mu      sync.Mutex
	flying  map[uint64]bool
	waiting map[uint64]time.Time
	order   order
	wg      sync.WaitGroup
}

func newOutbox() *outbox {
	return &outbox{flying: make(map[uint64]bool), waiting: make(map[uint64]time.Time)}
}

// start takes a text up, unless it is under way or left alone.
func (b *outbox) start(id uint64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, left := b.waiting[id]; left || b.flying[id] {
		return false
	}
	b.flying[id] = true
	return true
}

// end puts a text down again; one that waits is left alone until then.
func (b *outbox) end(id uint64, wait bool, until time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.flying, id)
	if wait {
		b.waiting[id] = until
	}
}

// due ends the waiting whose time has come, and tells how many are on their way and when the next waiting ends.
func (b *outbox) due(now time.Time) (flying int, next time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for id, until := range b.waiting {
		switch {
		case !until.After(now) || until.Sub(now) > 2*waitPause: // the clock was set back
			delete(b.waiting, id)
		case next.IsZero() || until.Before(next):
			next = until
		}
	}
	return len(b.flying), next
}

// busy tells whether a text is under way or left alone.
func (b *outbox) busy(id uint64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	_, left := b.waiting[id]
	return left || b.flying[id]
}

// wake ends all waiting.
func (b *outbox) wake() {
	b.mu.Lock()
	defer b.mu.Unlock()
	clear(b.waiting)
}

// send takes due texts in order of their due time and carries each to its end.
func (d *Daemon) send(ctx context.Context) error {
	box := newOutbox()
	defer box.wg.Wait()
	timer := time.NewTimer(0)
	defer timer.Stop()
	done := make(chan struct{}, 1)
	for {
		next, err := d.launch(ctx, box, done)
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			d.sparingly(slog.LevelError, "store", "store-failed", "what", "outbox", "error", err)
			next = time.Second
		}
		timer.Reset(next)
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		case <-d.store.TextsChanged():
		case <-done:
		case <-d.kick:
			box.wake()
		}
	}
}

// launch starts what is due and may start, and says when to look again at the latest: when the next text is due, or when
// one that waits is to be looked at again (its link may be up, it may expire). What happens before wakes the sender.
func (d *Daemon) launch(ctx context.Context, box *outbox, done chan<- struct{}) (time.Duration, error) {
	r, now := d.conf.Load(), d.now()
	room := r.texts()
	flying, wake := box.due(now)
	for limit := room - flying; flying < room; limit = max(room-flying, lookahead) {
		due, next, err := d.store.Sendable(ctx, now, limit, box.busy)
		if err != nil {
			return 0, err
		}
		if !next.IsZero() && (wake.IsZero() || next.Before(wake)) {
			wake = next
		}
		if len(due) == 0 {
			break
		}
		for _, t := range due {
			if flying >= room {
				break
			}
			if !box.start(t.ID) {
				continue
			}
			if d.noLink(r, &t, now) {
				// Not worth a goroutine, nor a look at its caller: thousands of them may wait for one link.
				until := now.Add(waitPause)
				box.end(t.ID, true, until)
				if wake.IsZero() || until.Before(wake) {
					wake = until
				}
				continue
			}
			flying++
			p := box.order.join()
			box.wg.Go(func() {
				defer p.leave()
				wait := d.sendText(ctx, t, p)
				box.end(t.ID, wait, d.now().Add(waitPause))
				select {
				case done <- struct{}{}:
				default:
				}
			})
		}
		if _, err := r.pool.Pick(""); err != nil {
			break // everything waits: there is no sense in going through all of it
		}
	}
	if wake.IsZero() {
		return time.Minute, nil
	}
	return min(max(wake.Sub(now), 10*time.Millisecond), time.Minute), nil
}

// noLink tells whether a text must wait because the link that it needs is down. One that expires meanwhile does not.
func (d *Daemon) noLink(r *running, t *textback.Text, now time.Time) bool {
	if now.After(expires(t)) {
		return false
	}
	need := t.SMPP
	if t.Link != "" && written(t) {
		need = t.Link
	}
	_, err := r.pool.Pick(need)
	if errors.Is(err, smpp.ErrUnknownLink) {
		d.sparingly(slog.LevelError, "unknown-link "+need, "text-waits", "text", t.ID, "error", err)
	}
	return err != nil
}

// expires is when a text is not worth sending any more.
func expires(t *textback.Text) time.Time {
	if t.Expires.IsZero() {
		return t.Created.Add(personWithin)
	}
	return t.Expires
}

// texts is how many texts may be on their way at once: enough to keep every window full.
func (r *running) texts() int {
	n := 1
	for _, l := range r.pool.Links() {
		n += l.Config().Window
	}
	return n
}

// sendText carries one due text as far as it goes now. It returns true when the text must wait for something that wakes
// the sender.
func (d *Daemon) sendText(ctx context.Context, t textback.Text, p *place) (wait bool) {
	wait, err := d.trySend(ctx, t, p)
	switch {
	case err == nil, errors.Is(err, store.ErrState), ctx.Err() != nil:
		// ErrState: it was cancelled or settled meanwhile, which is normal.
	default:
		d.sparingly(slog.LevelError, "store", "store-failed", "what", "text", "text", t.ID, "error", err)
		return true
	}
	return wait
}
