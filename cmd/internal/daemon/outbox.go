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
	waiting map[uint64]waiting
	freed   chan struct{} // signalled when the queue is to be looked at again
	open    bool          // texts are being sent
	looking bool          // the queue is being looked at
	behind  bool          // due texts may wait for room or for their link
	queued  uint64        // how often a text was sent into the queue because of that
	order   order
	wg      sync.WaitGroup
}

// waiting is why a text is left alone.
type waiting struct {
	until time.Time
	link  bool // for its link; else for its caller, or for the store
}

func newOutbox() *outbox {
	return &outbox{flying: make(map[uint64]bool), waiting: make(map[uint64]waiting), freed: make(chan struct{}, 1)}
}

// enter takes up a text that goes straight on from its verdict, at the end of the line; nil if there is no room, or if others that are due
// wait: then it has to go into the queue behind them. What entered has to exit.
func (b *outbox) enter(id uint64, room int) *place {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.open || b.behind || len(b.flying) >= room {
		b.behind = true
		b.queued++
		return nil
	}
	b.flying[id] = true
	b.wg.Add(1)
	return b.order.join()
}

// exit puts down what entered.
func (b *outbox) exit(id uint64) {
	b.end(id)
	b.wg.Done()
}

// look begins a look at the queue, whose end tells what it saw.
func (b *outbox) look() (before uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.looking = true
	return b.queued
}

// looked notes whether due texts were left without room; what came into the queue since the look began may have been missed.
func (b *outbox) looked(before uint64, left bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.looking = false
	b.behind = left || b.queued != before
	for _, w := range b.waiting {
		b.behind = b.behind || w.link
	}
}

// begin lets texts go straight on.
func (b *outbox) begin() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.open = true
}

// close lets no more go straight on, and waits for the texts that are under way.
func (b *outbox) close() {
	b.mu.Lock()
	b.open = false
	b.mu.Unlock()
	b.wg.Wait()
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

// end puts a text down again. Who waits for its room is told.
func (b *outbox) end(id uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.flying, id)
	if b.looking || b.behind {
		b.signal()
	}
}

func (b *outbox) signal() {
	select {
	case b.freed <- struct{}{}:
	default:
	}
}

// leave puts a text down again and leaves it alone for a while.
func (b *outbox) leave(id uint64, w waiting) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.flying, id)
	b.waiting[id] = w
}

// due ends the waiting whose time has come, and tells how many are on their way and when the next waiting ends.
func (b *outbox) due(now time.Time) (flying int, next time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for id, w := range b.waiting {
		switch until := w.until; {
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
	box := d.box
	box.begin()
	defer box.close()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		next, err := d.launch(ctx, box)
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
		case <-box.freed:
		case <-d.kick:
			box.wake()
		}
	}
}

// launch starts what is due and may start, and says when to look again at the latest: when the next text is due, or when
// one that waits is to be looked at again (its link may be up, it may expire). What happens before wakes the sender.
func (d *Daemon) launch(ctx context.Context, box *outbox) (time.Duration, error) {
	r := d.conf.Load()
	now, err := d.steady(ctx)
	if err != nil {
		return 0, err
	}
	room := r.texts()
	before, all := box.look(), false
	defer func() { box.looked(before, !all) }()
	flying, wake := box.due(now)
	for limit := room - flying; flying < room; limit = max(room-flying, lookahead) {
		due, next, err := d.store.Sendable(ctx, now, limit, box.busy)
		if err != nil {
			return 0, err
		}
		if !next.IsZero() && (wake.IsZero() || next.Before(wake)) {
			wake = next
		}
		if all = len(due) < limit; len(due) == 0 {
			break
		}
		for _, t := range due {
			if flying >= room {
				all = false
				break
			}
			if !box.start(t.ID) {
				continue
			}
			if d.noLink(r, &t, now) {
				// Not worth a goroutine, nor a look at its caller: thousands of them may wait for one link.
				until := now.Add(waitPause)
				box.leave(t.ID, waiting{until, true})
				if wake.IsZero() || until.Before(wake) {
					wake = until
				}
				continue
			}
			flying++
			p := box.order.join()
			box.wg.Go(func() {
				defer p.leave()
				if d.sendText(ctx, t, p, now) {
					box.leave(t.ID, waiting{until: d.now().Add(waitPause)})
					box.signal()
				} else {
					box.end(t.ID)
				}
			})
		}
		if _, err := r.pool.Pick(""); err != nil {
			all = false
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
func (d *Daemon) sendText(ctx context.Context, t textback.Text, p *place, now time.Time) (wait bool) {
	wait, err := d.trySend(ctx, t, p, now)
	return d.unsent(ctx, t.ID, err) || wait
}

// unsent tells of an error that kept a text from going on; false if there is none, or if it was cancelled or settled meanwhile
// ([store.ErrState]), which is normal.
func (d *Daemon) unsent(ctx context.Context, id uint64, err error) bool {
	if err == nil || errors.Is(err, store.ErrState) || ctx.Err() != nil {
		return false
	}
	d.sparingly(slog.LevelError, "store", "store-failed", "what", "text", "text", id, "error", err)
	return true
}
