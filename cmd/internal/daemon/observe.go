package daemon

import (
	"cmp"
	"context"
	"log/slog"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"textback"
	"textback/configs"
	"textback/rules"
	"textback/store"
)

// source is one PBX's link with its translation: it hands on events until ctx is done.
type source interface {
	run(ctx context.Context, emit func([]textback.Event)) error
	callBack(ctx context.Context, c callback) error
	state() linkState
}

// pbx is one PBX as the daemon sees it. The tracker outlives a link that is made anew by a reload, so no call is lost.
type pbx struct {
	name    string
	conf    atomic.Pointer[configs.PBX]
	src     atomic.Pointer[source]
	events  chan []textback.Event
	queue   *changes
	stop    context.CancelFunc            // ends the link
	removed bool                          // by a reload; under Daemon.mu, as stop is
	linkEnd atomic.Pointer[chan struct{}] // closed when the link has ended
	tracked chan struct{}                 // closed when the tracker has ended: nobody takes events any more
	done    chan struct{}                 // closed when the judge has ended
	last    atomic.Int64                  // Unix nanoseconds of the last event
	calls   atomic.Uint64                 // ended
	stats   atomic.Pointer[textback.TrackerStats]
}

// settleTime is how long an ended call waits for late facts. FreeSWITCH tells of a queue 101 ms after the end of the
// caller's leg, an Asterisk's legs are up to 100 ms out of order; in no recording does an event that changes what is told of a call
// come later than 25 ms (docs/performance.md).
const settleTime = 250 * time.Millisecond

// linkEndTime is how long a link may take to end when the daemon stops; what it takes off the wire meanwhile still counts.
const linkEndTime = time.Second

func ptr[T any](v T) *T { return &v }

// changes is the queue between tracking and judging. It grows, because the store may be away for a while and calls must
// be tracked all the same; beyond maxChanges the oldest are given up, loudly.
type changes struct {
	mu     sync.Mutex
	list   []change
	taken  int // by a judge who has not done with them
	closed bool
	ready  chan struct{}
}

// change is what the tracker gave out, and when by our own clock: the store may not be ready for it until later.
type change struct {
	textback.Change
	at time.Time
}

const maxChanges = 200_000

func newChanges() *changes { return &changes{ready: make(chan struct{}, 1)} }

// put adds changes but those that call for nothing, and returns what it had to give up.
func (q *changes) put(list []textback.Change, at time.Time) (dropped []change) {
	q.mu.Lock()
	for _, c := range list {
		if c.Kind != textback.CallBegan {
			q.list = append(q.list, change{c, at})
		}
	}
	if over := len(q.list) - maxChanges; over > 0 {
		dropped, q.list = q.list[:over:over], q.list[over:]
	}
	q.mu.Unlock()
	q.signal()
	return dropped
}

func (q *changes) close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.signal()
}

func (q *changes) signal() {
	select {
	case q.ready <- struct{}{}:
	default:
	}
}

// take waits for the next change; false when the queue is closed and empty, or ctx is done.
func (q *changes) take(ctx context.Context) (change, bool) {
	for {
		q.mu.Lock()
		if len(q.list) > 0 {
			c := q.list[0]
			q.list[0] = change{}
			q.list = q.list[1:]
			q.taken++
			q.mu.Unlock()
			return c, true
		}
		closed := q.closed
		q.mu.Unlock()
		if closed {
			return change{}, false
		}
		select {
		case <-q.ready:
		case <-ctx.Done():
			return change{}, false
		}
	}
}

// done tells that a change that was taken is dealt with.
func (q *changes) done() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.taken--
}

// len is how many changes are not dealt with yet.
func (q *changes) len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.list) + q.taken
}

// track owns one PBX's tracker: events in, changes of calls out. It ends when observing ends, after every event that the
// link has taken off the wire was observed and every call that has ended was given out.
func (d *Daemon) track(ctx context.Context, p *pbx) {
	settle := cmp.Or(d.o.Settle, settleTime)
	// The links stamp Seen with time.Now, whose monotonic reading a set clock does not move: a call must not wait for hours
	// to be judged because the date was corrected.
	tracker := textback.NewTracker(textback.TrackerOptions{PBX: p.name, Settle: settle})
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	defer p.queue.close()
	defer close(p.tracked)
	var heard hearing
	observe := func(events []textback.Event) (out []textback.Change) {
		for _, ev := range events {
			out = append(out, tracker.Observe(ev)...)
			if !ev.Found { // what was asked for does not stand in line
				heard.seen = ev.Seen
			}
		}
		heard.at = time.Now()
		return out
	}
	stop := ctx.Done()
	var ended <-chan struct{}  // the link's end, once observing is to end,
	var bound <-chan time.Time // and how long it is waited for
	for {
		next, ok := tracker.Next()
		if ok {
			timer.Reset(max(time.Until(next)-timerSlack, 0))
		} else {
			timer.Reset(time.Hour)
		}
		var out []textback.Change
		select {
		case events := <-p.events:
			out = observe(events)
		case <-timer.C:
			nap(time.Until(next))
			// A call must not be judged while events wait that came before.
			select {
			case events := <-p.events:
				out = observe(events)
			case <-time.After(max(time.Until(next), 0) + heard.grace(next, time.Now())):
				out = tracker.Settle(time.Now())
			}
		case <-stop:
			stop, ended, bound = nil, *p.linkEnd.Load(), time.After(linkEndTime)
			continue
		case <-ended:
			d.give(p, tracker.Settle(time.Now().Add(settle))) // what has ended is judged now: there will be no later
			return
		case <-bound:
			d.give(p, tracker.Settle(time.Now().Add(settle)))
			return
		}
		p.stats.Store(ptr(tracker.Stats()))
		d.give(p, out)
	}
}

// give hands changes to the judge.
func (d *Daemon) give(p *pbx, out []textback.Change) {
	if len(out) == 0 {
		return
	}
	// Who is on the phone is known at once, not only when the store has time.
	for i := range out {
		d.noteLive(p, &out[i])
	}
	dropped := p.queue.put(out, d.now())
	for _, c := range dropped {
		if c.Kind == textback.CallEnded {
			d.live.ended(c.Call.ID)
		}
	}
	if len(dropped) > 0 {
		d.sparingly(slog.LevelError, "calls-dropped "+p.name, "calls-dropped", "pbx", p.name, "changes", len(dropped),
			"reason", "the state file could not be written for too long")
	}
}

// noteLive keeps the register of live calls.
func (d *Daemon) noteLive(p *pbx, c *textback.Change) {
	if c.Kind == textback.CallEnded {
		d.tellEnd(&c.Call)
		return
	}
	f := d.facts(p, &c.Call)
	d.tellCall(c, &f)
	switch c.Kind {
	case textback.CallBegan:
		d.log.Debug("call", "pbx", p.name, "call", c.Call.ID, "direction", c.Call.Direction.String())
		d.live.began(f.CallerKey(), c.Call.ID)
	case textback.CallConnected:
		d.live.connected(f.CallerKey(), c.Call.ID)
	}
}

// facts starts the facts of a call by the PBX's way to write numbers.
func (d *Daemon) facts(p *pbx, call *textback.Call) rules.Facts {
	cfg := d.conf.Load().cfg
	conf := p.conf.Load()
	region := conf.Region
	if call.Direction == textback.Outbound && region == "" {
		region = homeRegion(cfg)
	}
	return cfg.Set.Facts(*call, region, conf.Rewrite)
}

// homeRegion is how a dialled number without + is read when neither the PBX nor a line tells.
func homeRegion(cfg *configs.Config) string {
	for _, key := range businesses(cfg) {
		if r := cfg.Set.Businesses[key].Region; r != "" {
			return r
		}
	}
	return ""
}

// judgeAtOnce is how many calls of one PBX are judged at the same time: they share commits, and none waits for the disk's answer
// to another's.
const judgeAtOnce = 64

// judge gives each ended call its verdict, those of one caller in order. What cannot be stored is tried again until it can:
// calls are tracked meanwhile.
func (d *Daemon) judge(ctx context.Context, p *pbx) {
	defer close(p.done)
	var wg sync.WaitGroup
	var lost atomic.Int64
	defer func() {
		wg.Wait()
		if n := int(lost.Load()) + p.queue.len(); n > 0 {
			d.log.Error("calls-dropped", "pbx", p.name, "changes", n, "reason", "the state file could not be written before the stop")
		}
	}()
	places := make(chan struct{}, judgeAtOnce)
	last := make(map[string]chan struct{}) // closed when the last change of a caller is dealt with
	for {
		c, ok := p.queue.take(ctx)
		if !ok {
			return
		}
		if c.Kind == textback.CallEnded {
			p.calls.Add(1) // once, however often it has to be stored
			d.met.outcome(c.Call)
		}
		places <- struct{}{} // whoever has one is never behind somebody who has none
		if len(last) > 2*judgeAtOnce {
			maps.DeleteFunc(last, func(_ string, done chan struct{}) bool {
				select {
				case <-done:
					return true
				default:
					return false
				}
			})
		}
		f := d.facts(p, &c.Call)
		who := ending(cmp.Or(f.CallerKey(), c.Call.Party.Number, c.Call.ID))
		before, done := last[who], make(chan struct{})
		last[who] = done
		wg.Go(func() {
			defer func() {
				p.queue.done()
				close(done)
				<-places
			}()
			if before != nil {
				<-before
			}
			if !d.judgeOne(ctx, p, c, f) {
				lost.Add(1)
			}
		})
	}
}

// ending is what all readings of a number have in common, also those of two configurations: one may lack the country or a prefix.
func ending(number string) string { return number[max(0, len(number)-7):] }

// judgeOne settles a change, whatever it takes; false if it had to be given up because the daemon stops.
func (d *Daemon) judgeOne(ctx context.Context, p *pbx, c change, f rules.Facts) bool {
	const first = 100 * time.Millisecond
	wait, stopping := first, (<-chan struct{})(p.tracked) // closed when the daemon stops: then a long wait would be the last
	for {
		err := d.settle(ctx, p, c, f)
		if err == nil {
			return true
		}
		d.sparingly(slog.LevelError, "store", "store-failed", "what", "verdict", "call", c.Call.ID, "error", err,
			"waiting", p.queue.len())
		d.met.StoreErrors.Inc()
		if stopping == nil { // there is little time left
			wait = first
		}
		t := time.NewTimer(wait)
		select {
		case <-t.C:
		case <-stopping:
			stopping = nil
		case <-ctx.Done():
			return false
		}
		wait = min(2*wait, 10*time.Second)
		f = d.facts(p, &c.Call) // there may be another configuration by now
	}
}

// settle carries one change of a call into the store.
func (d *Daemon) settle(ctx context.Context, p *pbx, c change, f rules.Facts) error {
	switch c.Kind {
	case textback.CallConnected:
		return d.reached(ctx, c, f, false)
	case textback.CallEnded:
		err := d.ended(ctx, p, c, f)
		if err == nil {
			d.live.ended(c.Call.ID)
			d.wake() // a text may have waited for the end of this call
		}
		return err
	default:
		return nil
	}
}

func (d *Daemon) ended(ctx context.Context, p *pbx, c change, f rules.Facts) error {
	if d.awaitsRecords(p, &c.Call, c.at) {
		return nil
	}
	if !c.Call.Missed() {
		if c.Call.Outcome == textback.Answered {
			return d.reached(ctx, c, f, true)
		}
		return nil
	}
	f.Ended = c.at
	return d.decide(ctx, f)
}

// decide gives a missed call its verdict: claim, text and verdict are one durable transaction.
func (d *Daemon) decide(ctx context.Context, f rules.Facts) error {
	r, now := d.conf.Load(), d.now()
	cfg := r.cfg
	f.Now = now
	calls, talking := d.live.onPhone(f.CallerKey(), f.Call.ID)
	f.TalkingNow = talking
	keys := d.keys(cfg, f)
	s := d.straightOn(ctx, r, f)
	if calls == 0 {
		keys.Attempt = s.attempt
	}
	keys.Also = func(v textback.Verdict, _ *textback.Text) []store.Delivery { return d.callDeliveries(cfg, v) }
	v, text, err := d.store.Decide(ctx, f.Call, keys, now, func(h textback.History) textback.Decision {
		s.drop() // the transaction may be run again, and decide otherwise
		f.History = h
		return cfg.Set.Decide(f)
	})
	if err != nil {
		s.leave()
		return err
	}
	s.carry(text)
	d.logVerdict(v, text)
	d.met.verdict(v)
	d.breakers.note(d, v, func(business string) bool { return d.hasBudget(ctx, cfg, business, now) })
	return nil
}

// keys are what the store needs to read the history of a caller and a line.
func (d *Daemon) keys(cfg *configs.Config, f rules.Facts) store.Keys {
	k := store.Keys{Caller: f.CallerKey()}
	k.Block = textback.Block(k.Caller)
	if f.Line == nil {
		return k
	}
	b := f.Line.Business
	k.Business, k.Line, k.Zone = b.Key, f.Line.Number, b.Zone
	k.RepeatWithin, k.InThread = f.Line.Policy.RepeatWithin, f.Line.Policy.InThread
	for _, l := range cfg.Set.Lines { // the guard counts the texts of all lines
		k.Recall = max(k.Recall, l.Policy.MaxUnreplied)
	}
	k.SharedWith = cfg.Set.SharedWith(b.Key)
	k.Shadow = f.Line.Policy.Shadow
	return k
}

// reached notes that someone outside was talked to: what waits for him is taken back.
func (d *Daemon) reached(ctx context.Context, c change, f rules.Facts, count bool) error {
	call := &c.Call
	if f.CallerKey() == "" {
		return nil
	}
	cfg := d.conf.Load().cfg
	contact := store.Contact{Caller: f.CallerKey(), Call: call, Count: count}
	if call.Direction == textback.Inbound && f.Line != nil {
		contact.Business, contact.Line = f.Line.Business.Key, f.Line.Number
	}
	contact.Recovered = func(v textback.Verdict) []store.Delivery { return d.verdictDeliveries(cfg, v) }
	cancelled, err := d.store.Reached(ctx, contact, c.at)
	if err != nil {
		return err
	}
	for _, t := range cancelled {
		d.log.Info("recovered", "call", t.CallID, "text", t.ID, "by", call.ID, "direction", call.Direction.String(),
			"caller", textback.Short(t.To))
	}
	return nil
}

// sleep waits, or returns false when ctx is done.
func sleep(ctx context.Context, wait time.Duration) bool {
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
