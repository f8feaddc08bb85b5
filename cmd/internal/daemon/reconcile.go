package daemon

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"textback"
	"textback/cmd/internal/records"
	"textback/configs"
	"textback/store"
)

// Times of the stage reconcile.
const (
	reconcileTick = time.Second
	// settleRecords is how long after a link is up the PBX's records are read: they are written when a call ends.
	settleRecords = 5 * time.Second
	// markEvery is how often it is written down until when a PBX's calls were seen; a crash makes that much be read again.
	markEvery = 10 * time.Second
	// markLag is what the mark stays behind: a call that ended just now may wait for its verdict. It is also the margin for
	// records that tell whole seconds only.
	markLag = 2 * time.Second
	// longestGap bounds what is read back.
	longestGap = 7 * 24 * time.Hour
	// holdAtMost is how long a call whose end was not seen waits for records that cannot be read.
	holdAtMost = 10 * time.Minute
)

// readAgain are the further readings of a gap: a PBX may write its records in batches.
var readAgain = [...]time.Duration{time.Minute, 6 * time.Minute}

// gap is a time in which nobody listened to a PBX.
type gap struct {
	from, to time.Time
	passes   int           // readings that worked
	next     time.Time     // the next one
	wait     time.Duration // after one that failed
}

// reconciliation is what the stage knows about one PBX. The stage's goroutine owns it.
type reconciliation struct {
	up     bool
	marked time.Time
	gap    *gap
}

// aftermath holds what the links have told about calls that records tell about, too.
type aftermath struct {
	mu     sync.Mutex
	judged map[string]bool // ids of calls that a link told the end of
	order  []string
	held   map[string][]heldCall // by PBX: calls whose end nobody saw
}

type heldCall struct {
	call textback.Call
	at   time.Time
}

// maxJudged bounds the memory of calls: those of the last minutes before a gap are all that matter.
const maxJudged = 20_000

// saw notes that a link told the end of a call. It returns true if the call is to wait: nobody saw how it ended, and the
// PBX's records may tell.
func (a *aftermath) saw(pbx string, call *textback.Call, at time.Time, records bool) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.judged == nil {
		a.judged, a.held = make(map[string]bool), make(map[string][]heldCall)
	}
	if !a.judged[call.ID] {
		a.judged[call.ID] = true
		if a.order = append(a.order, call.ID); len(a.order) > maxJudged {
			delete(a.judged, a.order[0])
			a.order = a.order[1:]
		}
	}
	if !records || !call.Missed() || !call.Unseen {
		return false
	}
	a.held[pbx] = append(a.held[pbx], heldCall{*call, at})
	return true
}

func (a *aftermath) knows(id string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.judged[id]
}

// waiting are the calls of a PBX that wait.
func (a *aftermath) waiting(pbx string) []heldCall {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.held[pbx])
}

func (a *aftermath) release(pbx, id string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.held[pbx]) == 0 {
		return
	}
	a.held[pbx] = slices.DeleteFunc(a.held[pbx], func(h heldCall) bool { return h.call.ID == id })
}

// awaitsRecords is asked for each call that a link told the end of.
func (d *Daemon) awaitsRecords(p *pbx, call *textback.Call, at time.Time) bool {
	return d.aftermath.saw(p.name, call, at, len(recordsOf(d.conf.Load().cfg, p.name)) > 0)
}

// recordsOf are the record sources of a PBX.
func recordsOf(cfg *configs.Config, pbx string) (all []records.Source) {
	p, ok := cfg.PBX(pbx)
	if !ok {
		return nil
	}
	for i := range cfg.Records {
		if cfg.Records[i].PBX == pbx {
			all = append(all, records.NewSource(cfg.Records[i], &p))
		}
	}
	return all
}

// reconcile finds calls again that ended while nobody listened: it writes down until when each PBX's calls were seen, and
// when a link comes up it reads the PBX's own records from there on.
func (d *Daemon) reconcile(ctx context.Context) error {
	states := make(map[string]*reconciliation)
	for {
		select {
		case <-d.ctx.Done():
			d.lastMarks(ctx, states)
			close(d.settled)
			<-ctx.Done()
			return nil
		case <-time.After(reconcileTick):
		}
		for _, p := range d.allPBXs() {
			st := states[p.name]
			if st == nil {
				st = &reconciliation{}
				states[p.name] = st
			}
			if sources := recordsOf(d.conf.Load().cfg, p.name); len(sources) > 0 {
				d.reconcilePBX(ctx, p, st, sources)
			} else if held := d.aftermath.waiting(p.name); len(held) > 0 {
				d.giveUp(ctx, p, held) // the records were taken out of the configuration
			}
		}
	}
}

// reconcilePBX does what is due for one PBX.
func (d *Daemon) reconcilePBX(ctx context.Context, p *pbx, st *reconciliation, sources []records.Source) {
	now := d.now()
	up := p.linkUp()
	if up && !st.up {
		mark, err := d.store.Mark(ctx, markName(p.name))
		switch {
		case err != nil:
			d.sparingly(slog.LevelError, "store", "store-failed", "what", "mark", "error", err)
			return
		case mark.IsZero():
			// The first start: there is no gap.
		default:
			st.open(latestOf(mark, now.Add(-longestGap)), now, cmp.Or(d.o.SettleRecords, settleRecords))
		}
	}
	st.up = up
	held := d.aftermath.waiting(p.name)
	if len(held) > 0 && up {
		from := now
		for _, h := range held {
			if h.call.End.Before(from) {
				from = h.call.End
			}
		}
		from = latestOf(from, now.Add(-longestGap))
		switch {
		case st.gap == nil || st.gap.passes > 0:
			st.open(from, now, cmp.Or(d.o.SettleRecords, settleRecords))
		case from.Before(st.gap.from):
			st.gap.from = from
		}
	}
	if g := st.gap; g != nil && up && !now.Before(g.next) {
		d.readGap(ctx, p, st, sources, held)
	}
	if len(held) > 0 && now.Sub(held[0].at) > holdAtMost {
		d.giveUp(ctx, p, held)
	}
	// What has not been read yet must be found again after a crash: the mark stays.
	if up && (st.gap == nil || st.gap.passes > 0) && len(d.aftermath.waiting(p.name)) == 0 && p.queue.len() == 0 &&
		(now.Sub(st.marked) >= markEvery || now.Before(st.marked)) {
		d.mark(ctx, p.name, now.Add(-markLag))
		st.marked = now
	}
}

func latestOf(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// open notes a gap; one that is still being read grows.
func (st *reconciliation) open(from, now time.Time, settle time.Duration) {
	if st.gap != nil && st.gap.from.Before(from) {
		from = st.gap.from
	}
	st.gap = &gap{from: from, to: now, next: now.Add(settle)}
}

// linkUp tells whether the PBX's link is up.
func (p *pbx) linkUp() bool {
	src := p.src.Load()
	return src != nil && *src != nil && (*src).state().Up
}

func markName(pbx string) string { return "seen/" + pbx }

func (d *Daemon) mark(ctx context.Context, pbx string, at time.Time) {
	if err := d.store.SetMark(ctx, markName(pbx), at); err != nil && ctx.Err() == nil {
		d.sparingly(slog.LevelError, "store", "store-failed", "what", "mark", "error", err)
	}
}

// lastMarks is the end: calls that wait get their verdicts, and the next start reads from here on.
func (d *Daemon) lastMarks(ctx context.Context, states map[string]*reconciliation) {
	at := d.now()
	for _, p := range d.allPBXs() {
		select {
		case <-p.done:
		case <-ctx.Done():
			return
		}
		d.giveUp(ctx, p, d.aftermath.waiting(p.name))
		if st := states[p.name]; st != nil && st.up && (st.gap == nil || st.gap.passes > 0) {
			d.mark(ctx, p.name, at)
		}
	}
}

// giveUp gives calls that waited for records the verdict that they would have had at once.
func (d *Daemon) giveUp(ctx context.Context, p *pbx, held []heldCall) {
	for _, h := range held {
		f := d.facts(p, &h.call)
		f.Ended = h.at
		if err := d.decide(ctx, f); err != nil {
			d.sparingly(slog.LevelError, "store", "store-failed", "what", "verdict", "call", h.call.ID, "error", err)
			return
		}
		d.aftermath.release(p.name, h.call.ID)
	}
}

// readGap reads the records of a gap and gives the calls in them their verdicts.
func (d *Daemon) readGap(ctx context.Context, p *pbx, st *reconciliation, sources []records.Source, held []heldCall) {
	g := st.gap
	n, err := d.readRecords(ctx, p, g, sources, held)
	now := d.now()
	if err != nil {
		if ctx.Err() != nil {
			return
		}
		g.wait = min(max(2*g.wait, 10*time.Second), 5*time.Minute)
		g.next = now.Add(g.wait)
		d.sparingly(slog.LevelError, "reconcile "+p.name+err.Error(), "reconcile-failed", "pbx", p.name, "error", err,
			"retry", g.wait.String(), "since", g.from.Format(time.RFC3339))
		return
	}
	if g.passes == 0 || n.missed+n.answered+n.unseen > 0 {
		d.log.Info("reconciled", "pbx", p.name, "since", g.from.Format(time.RFC3339), "until", g.to.Format(time.RFC3339),
			"missed", n.missed, "unseen", n.unseen, "answered", n.answered, "records", n.rows, "unreadable", n.skipped)
	}
	g.wait = 0
	if g.passes++; g.passes > len(readAgain) {
		st.gap = nil
		return
	}
	g.next = g.to.Add(readAgain[g.passes-1])
}

// found counts what the records of a gap held that was not known.
type found struct{ missed, unseen, answered, rows, skipped int }

func (d *Daemon) readRecords(ctx context.Context, p *pbx, g *gap, sources []records.Source, held []heldCall) (n found, err error) {
	calls := make(map[string]textback.Call)
	for _, s := range sources {
		r, readErr := records.Read(ctx, s, g.from.Add(-markLag), g.to.Add(markLag))
		if readErr != nil {
			err = errors.Join(err, fmt.Errorf("%s: %w", s.Kind, readErr))
			continue
		}
		n.rows, n.skipped = n.rows+r.Rows, n.skipped+r.Skipped
		for _, c := range r.Calls {
			// Of two sources the one counts that is sure.
			if old, ok := calls[c.ID]; !ok || old.Unseen && !c.Unseen {
				calls[c.ID] = c
			}
		}
	}
	for _, h := range held {
		if c, ok := calls[h.call.ID]; ok && !c.Unseen {
			calls[h.call.ID] = told(h.call, c)
		} else if err == nil {
			calls[h.call.ID] = h.call
		}
	}
	list := make([]textback.Call, 0, len(calls))
	for _, c := range calls {
		if !c.Unseen || err == nil { // another source may be sure, once it can be read
			list = append(list, c)
		}
	}
	slices.SortFunc(list, func(a, b textback.Call) int { return cmp.Or(a.End.Compare(b.End), cmp.Compare(a.ID, b.ID)) })
	for _, c := range list {
		waits := slices.ContainsFunc(held, func(h heldCall) bool { return h.call.ID == c.ID })
		if d.live.has(c.ID) || !waits && d.aftermath.knows(c.ID) {
			continue // the link tells, or told
		}
		fresh, storeErr := d.foundAgain(ctx, p, c)
		if storeErr != nil {
			return n, errors.Join(err, storeErr)
		}
		d.aftermath.release(p.name, c.ID)
		d.aftermath.saw(p.name, &c, g.to, false)
		switch {
		case !fresh:
		case c.Outcome == textback.Answered:
			n.answered++
		case c.Unseen:
			n.unseen++
		default:
			n.missed++
		}
	}
	return n, err
}

// told is a call whose beginning the link saw and whose end the records tell.
func told(seen, record textback.Call) textback.Call {
	c := seen
	c.Outcome, c.Unseen, c.Reconciled = record.Outcome, false, true
	c.Connected, c.End, c.Cause, c.EndedBy = record.Connected, record.End, record.Cause, record.EndedBy
	if c.End.Before(c.Begin) {
		c.End = c.Begin // records may tell whole seconds only
	}
	until := c.End
	if !c.Connected.IsZero() {
		until = c.Connected
	}
	c.Ring = max(0, until.Sub(c.Begin))
	c.Evidence = append(slices.Clone(seen.Evidence), record.Evidence...)
	return c
}

// foundAgain gives a call out of the records its verdict, or notes that a person was reached. It returns whether that
// was news: a verdict is final.
func (d *Daemon) foundAgain(ctx context.Context, p *pbx, call textback.Call) (fresh bool, err error) {
	f := d.facts(p, &call)
	if call.Missed() {
		switch _, err := d.store.Verdict(ctx, call.ID); {
		case err == nil:
			return false, nil
		case !errors.Is(err, store.ErrNotFound):
			return false, err
		}
		d.met.outcome(call)
		return true, d.decide(ctx, f)
	}
	if call.Outcome != textback.Answered {
		return false, nil
	}
	d.met.outcome(call)
	if f.CallerKey() == "" {
		return true, nil
	}
	x, err := d.store.Explain(ctx, f.CallerKey())
	if err != nil {
		return false, err
	}
	if slices.ContainsFunc(x.Calls, func(v textback.Verdict) bool { return v.Call.End.After(call.End) }) {
		return true, nil // missed again afterwards: what is due for that is not taken back
	}
	contact := store.Contact{Caller: f.CallerKey(), Call: &call, Count: true}
	if f.Line != nil {
		contact.Business, contact.Line = f.Line.Business.Key, f.Line.Number
	}
	cancelled, err := d.store.Reached(ctx, contact, call.End)
	for _, t := range cancelled {
		d.log.Info("recovered", "call", t.CallID, "text", t.ID, "by", call.ID, "direction", call.Direction.String(),
			"caller", textback.Short(t.To))
	}
	return err == nil, err
}

// has tells whether a call is live.
func (l *liveCalls) has(id string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, ok := l.byID[id]
	return ok
}
