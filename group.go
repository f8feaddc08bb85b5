package textback

import (
	"container/heap"
	"slices"
	"time"
)

// group is all legs that have to do with each other, and the calls among them. The tracker's goroutine owns it.
type group struct {
	legs  []*leg
	calls []*tracked
	met   time.Time // when two of them were last seen to meet, by our clock
	due   time.Time // when it is to be looked at again, by our clock
	index int       // in the heap
}

// tracked is a call that is being followed.
type tracked struct {
	leg       *leg
	direction Direction
	began     bool      // CallBegan was told
	connected bool      // CallConnected was told
	done      bool      // CallEnded was told, or it turned out not to be a call of its own
	since     time.Time // Outbound: when its leg was first seen
	talking   time.Time // when a connection that lasts was first noticed, by our clock

	folded fold
}

// fold sums up legs that were let go.
type fold struct {
	connected time.Time // first connected with a person
	with      string
	attempts  attempts
}

// groupHeap orders groups by when they are due.
type groupHeap []*group

func (h groupHeap) Len() int           { return len(h) }
func (h groupHeap) Less(i, j int) bool { return h[i].due.Before(h[j].due) }
func (h groupHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

// Push is for container/heap.
func (h *groupHeap) Push(x any) {
	g := x.(*group)
	g.index = len(*h)
	*h = append(*h, g)
}

// Pop is for container/heap.
func (h *groupHeap) Pop() any {
	old := *h
	g := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return g
}

// wake brings the next look at a group forward.
func (t *Tracker) wake(g *group, at time.Time) {
	if at.Before(g.due) {
		g.due = at
		heap.Fix(&t.groups, g.index)
	}
}

// merge makes two groups one.
func (t *Tracker) merge(a, b *group) {
	if a == b {
		return
	}
	if len(a.legs) < len(b.legs) {
		a, b = b, a
	}
	for _, l := range b.legs {
		l.group = a
	}
	a.legs = append(a.legs, b.legs...)
	a.calls = append(a.calls, b.calls...)
	if b.met.After(a.met) {
		a.met = b.met
	}
	heap.Remove(&t.groups, b.index)
	t.wake(a, b.due)
}

// review looks at a group: tells what changed, judges the calls that have settled, and lets go what is over.
func (t *Tracker) review(g *group, now time.Time) []Change {
	next := now.Add(t.opts.LegTTL)
	sooner := func(at time.Time) {
		if at.Before(next) {
			next = at
		}
	}
	for _, l := range g.legs {
		switch {
		case l.ended():
		case !l.seen.Add(t.opts.LegTTL).After(now):
			l.swept = true
			t.stats.Swept++
		default:
			sooner(l.seen.Add(t.opts.LegTTL))
		}
	}
	// Calls are taken in a fixed order, so that what is told does not depend on how the group grew.
	slices.SortFunc(g.calls, func(a, b *tracked) int {
		if c := a.leg.begin().Compare(b.leg.begin()); c != 0 {
			return c
		}
		if a.leg.id < b.leg.id {
			return -1
		}
		return 1
	})
	var all []Change
	for _, c := range g.calls {
		changes, again := t.reviewCall(c, now)
		all = append(all, changes...)
		if !again.IsZero() {
			sooner(again)
		}
	}
	if len(g.legs) > foldAbove {
		t.foldOldest(g, now)
	}
	over, quiet := true, time.Time{}
	for _, l := range g.legs {
		if !l.ended() {
			over = false
		}
		if l.seen.After(quiet) {
			quiet = l.seen
		}
		if l.gone != nil && l.gone.seen.After(quiet) {
			quiet = l.gone.seen
		}
	}
	for _, c := range g.calls {
		if !c.done {
			over = false
		}
	}
	if over {
		quiet = quiet.Add(2 * t.opts.Settle)
		if swept := slices.ContainsFunc(g.legs, func(l *leg) bool { return l.swept }); swept || !quiet.After(now) {
			t.drop(g)
			return all
		}
		sooner(quiet)
	}
	if !next.After(now) {
		next = now.Add(classify)
	}
	g.due = next
	heap.Fix(&t.groups, g.index)
	return all
}

// reviewCall looks at one call and says when to look again; zero: when something happens.
func (t *Tracker) reviewCall(c *tracked, now time.Time) (all []Change, again time.Time) {
	if c.done {
		return nil, time.Time{}
	}
	if c.direction == Outbound && !c.began {
		if at := c.since.Add(classify); at.After(now) {
			return nil, at
		}
		if t.belongsToCaller(c.leg) {
			if c.leg.ended() {
				c.done = true
			}
			return nil, time.Time{}
		}
		c.began = true
		t.live++
		all = append(all, Change{CallBegan, t.sketch(c)})
	}
	if !c.connected {
		spans, _ := t.talk(c.leg)
		switch open := len(spans) > 0 && spans[len(spans)-1].open(); {
		case !long(spans, t.opts.MinTalk):
			c.talking = time.Time{}
		case open && c.talking.IsZero() && c.leg.group.met.Add(classify).After(now):
			c.talking = now // it may be over already: its end may be on the way
			again = now.Add(classify)
		case open && !c.talking.IsZero() && c.talking.Add(classify).After(now):
			again = c.talking.Add(classify)
		default:
			c.connected = true
			call := t.sketch(c)
			call.Connected = spans[0].from
			call.Ring = max(0, call.Connected.Sub(call.Begin))
			all = append(all, Change{CallConnected, call})
		}
	}
	if !c.leg.ended() {
		return all, again
	}
	settled := c.leg.seen
	if c.leg.gone != nil {
		settled = c.leg.gone.seen
	}
	wait := t.opts.Settle
	if c.leg.awaitsAnswer() {
		wait = max(wait, t.opts.AskWait)
	}
	if settled = settled.Add(wait); settled.After(now) && !c.leg.swept {
		if again.IsZero() || settled.Before(again) {
			again = settled
		}
		return all, again
	}
	c.done = true
	t.live--
	t.stats.Ended++
	t.tombs.add(c.leg.id)
	call := t.judge(c)
	if call.Outcome == Answered && !c.connected && !call.Connected.IsZero() {
		c.connected = true
		live := call
		live.Outcome, live.End, live.EndedBy, live.Cause, live.Unseen, live.Evidence = 0, time.Time{}, 0, Cause{}, false, nil
		all = append(all, Change{CallConnected, live})
	}
	return append(all, Change{CallEnded, call}), time.Time{}
}

// belongsToCaller tells whether an outgoing leg was dialled for a caller from outside: then it is no call of its own.
func (t *Tracker) belongsToCaller(l *leg) bool {
	if slices.ContainsFunc(t.roots(l), func(r *leg) bool { return r.kind() == LegInbound }) {
		return true
	}
	// Nobody is known to have dialled it: then whom it was connected with tells.
	if len(l.others(dialledBy)) > 0 {
		return false
	}
	caller, ours := false, false
	t.reach(l, func(m *leg, _ span) {
		switch m.kind() {
		case LegInbound:
			caller = true
		case LegPhone:
			ours = true
		default:
		}
	})
	return caller && !ours
}

// roots are the legs on whose behalf a leg was dialled, followed back through virtual legs.
func (t *Tracker) roots(l *leg) []*leg {
	var all []*leg
	seen := map[*leg]bool{}
	var up func(l *leg)
	up = func(l *leg) {
		if seen[l] || len(seen) > foldAbove {
			return
		}
		seen[l] = true
		by := l.others(dialledBy)
		if l.kind() == LegVirtual {
			if p := t.partner(l); p != nil {
				by = append(by, p.others(dialledBy)...)
			}
		}
		if len(by) == 0 {
			all = append(all, l)
		}
		for _, id := range by {
			if m := t.legs[id]; m != nil {
				up(m)
			}
		}
	}
	up(l)
	return all
}

// drop lets a whole group go.
func (t *Tracker) drop(g *group) {
	heap.Remove(&t.groups, g.index)
	for _, l := range g.legs {
		t.forget(l)
	}
}

// forget lets a leg go.
func (t *Tracker) forget(l *leg) {
	if t.legs[l.id] == l {
		delete(t.legs, l.id)
	}
	// A straggler must not bring a leg back: it would begin a call of its own, or be kept as one that never ends.
	t.tombs.add(l.id)
	for i := range l.facts {
		if l.facts[i].Kind == LegJoined {
			in := t.bridges[l.facts[i].Other]
			delete(in, l)
			if len(in) == 0 {
				delete(t.bridges, l.facts[i].Other)
			}
		}
	}
}

// foldOldest sums up the legs of a very large group that ended longest ago, until it is of a fair size again.
func (t *Tracker) foldOldest(g *group, now time.Time) {
	var old []*leg
	for _, l := range g.legs {
		ofCall := slices.ContainsFunc(g.calls, func(c *tracked) bool { return c.leg == l && !c.done })
		if l.ended() && !ofCall && l.seen.Add(2*t.opts.Settle).Before(now) {
			old = append(old, l)
		}
	}
	slices.SortFunc(old, func(a, b *leg) int { return a.seen.Compare(b.seen) })
	if most := len(g.legs) - foldAbove/2; len(old) > most {
		old = old[:most]
	}
	if len(old) == 0 {
		return
	}
	for _, c := range g.calls {
		if c.done || c.direction != Inbound {
			continue
		}
		if spans, with := t.talk(c.leg); c.folded.connected.IsZero() && long(spans, t.opts.MinTalk) {
			c.folded.connected, c.folded.with = spans[0].from, with.name()
		}
		for _, a := range t.attemptsOf(c.leg) {
			if slices.Contains(old, a.leg) {
				c.folded.attempts.add(a)
			}
		}
	}
	for _, l := range old {
		t.forget(l)
		t.stats.Folded++
	}
	g.legs = slices.DeleteFunc(g.legs, func(l *leg) bool { return slices.Contains(old, l) })
	g.calls = slices.DeleteFunc(g.calls, func(c *tracked) bool { return c.done && slices.Contains(old, c.leg) })
}

// tombs remembers the ids of legs that are over, the latest ones.
type tombs struct {
	ids  map[string]struct{}
	ring []string
	next int
}

func (b *tombs) has(id string) bool {
	_, ok := b.ids[id]
	return ok
}

func (b *tombs) add(id string) {
	if b.has(id) {
		return
	}
	if b.ids == nil {
		b.ids = make(map[string]struct{})
	}
	if len(b.ring) < maxTombs {
		b.ring = append(b.ring, id)
	} else {
		delete(b.ids, b.ring[b.next])
		b.ring[b.next] = id
		b.next = (b.next + 1) % maxTombs
	}
	b.ids[id] = struct{}{}
}
