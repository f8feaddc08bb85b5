package textback

import (
	"container/heap"
	"slices"
	"strings"
	"time"
)

// TrackerOptions set up a [Tracker].
type TrackerOptions struct {
	PBX string // the PBX's name: the first part of each call's ID

	// Settle is how long after its end a call is judged, so that what is told late still counts: 1 s unless given. Events of different
	// legs of an Asterisk come up to 100 ms out of order, a FreeSWITCH tells of a queue 101 ms after the end.
	Settle time.Duration
	// AskWait is how long after its end a call waits for what the PBX was asked about its caller: 3 s unless given.
	AskWait time.Duration
	// MinTalk is the shortest connection with a person that counts as answered, by the PBX's clock: 80 ms unless given. When a caller's
	// CANCEL crosses the answer a bridge exists for 0 to 2 ms; the shortest real talk recorded is 200 ms.
	MinTalk time.Duration
	// LegTTL is how long a leg is kept of which nothing is heard: 24 h unless given. Then it is swept, and its call, if it
	// was not answered, ends as lost and unseen.
	LegTTL time.Duration
}

// ChangeKind tells what a [Change] says about a call.
type ChangeKind uint8

const (
	_ ChangeKind = iota
	// CallBegan: a call arrived, or went out.
	CallBegan
	// CallConnected: it is connected with a person now.
	CallConnected
	// CallEnded: it is over and judged.
	CallEnded
)

// String is the kind's word.
func (k ChangeKind) String() string {
	switch k {
	case CallBegan:
		return "began"
	case CallConnected:
		return "connected"
	case CallEnded:
		return "ended"
	default:
		return "unknown"
	}
}

// Change is something that happened to a call. For each call there is one CallBegan, at most one CallConnected, and one
// CallEnded, in this order.
type Change struct {
	Kind ChangeKind
	Call Call // the outcome is set with CallEnded
}

// TrackerStats are a tracker's counters.
type TrackerStats struct {
	Legs       int    // known now
	Calls      int    // live now
	Events     uint64 // observed, duplicates included
	Duplicates uint64 // events that told nothing new
	OutOfOrder uint64 // events that came after a later one of the same leg
	Late       uint64 // events that came for a call that had been judged
	Swept      uint64 // legs that never ended
	Folded     uint64 // legs of very large calls that were let go early
	Ended      uint64 // calls judged
}

const (
	// classify is how long a new outgoing leg waits to be told apart: who dialled it may come later. A connection must have been
	// seen as long before it is told: it may be over already.
	classify = 150 * time.Millisecond
	// foldAbove is how many legs a call may have before the oldest are summed up and let go.
	foldAbove = 256
	// maxTombs bounds the memory of calls that were judged, so that a straggler does not begin them anew.
	maxTombs = 20000
)

// Tracker turns the events of one PBX into calls. It keeps a set of facts for each leg and judges a call by that set when the
// call is over and settled; so the result does not depend on the order in which the events come, nor on whether some
// come twice. It reads no clock. One goroutine owns it.
type Tracker struct {
	opts    TrackerOptions
	legs    map[string]*leg
	bridges map[string]map[*leg]struct{} // who was seen in a bridge in which people hear each other
	groups  groupHeap
	tombs   tombs
	stats   TrackerStats
	live    int // calls begun and not yet judged

	lastAt time.Time     // the latest instant seen, by the PBX's clock
	skew   time.Duration // our clock minus the PBX's, the smallest seen since the link came up
	skewed bool          // skew is known
	downAt time.Time     // when the link was lost, by the PBX's clock
}

// NewTracker makes a tracker for one PBX.
func NewTracker(o TrackerOptions) *Tracker {
	if o.Settle <= 0 {
		o.Settle = time.Second
	}
	if o.AskWait <= 0 {
		o.AskWait = 3 * time.Second
	}
	if o.MinTalk <= 0 {
		o.MinTalk = 80 * time.Millisecond
	}
	if o.LegTTL <= 0 {
		o.LegTTL = 24 * time.Hour
	}
	return &Tracker{opts: o, legs: make(map[string]*leg), bridges: make(map[string]map[*leg]struct{})}
}

// Stats gives the counters.
func (t *Tracker) Stats() TrackerStats {
	s := t.stats
	s.Legs = len(t.legs)
	s.Calls = t.Live()
	return s
}

// Live is how many calls live: begun and not yet judged.
func (t *Tracker) Live() int { return t.live }

// Calls are the calls that live, in the order in which they began.
func (t *Tracker) Calls() []Call {
	var all []Call
	for _, g := range t.groups {
		for _, c := range g.calls {
			if c.began && !c.done {
				all = append(all, t.sketch(c))
			}
		}
	}
	slices.SortFunc(all, func(a, b Call) int { return a.Begin.Compare(b.Begin) })
	return all
}

// Next is when [Tracker.Settle] should be called next, by our clock; false if nothing waits.
func (t *Tracker) Next() (time.Time, bool) {
	if len(t.groups) == 0 {
		return time.Time{}, false
	}
	return t.groups[0].due, true
}

// Settle does what is due at now, by our clock. Call it when no event waits to be observed: an event that has come but was
// not observed cannot count.
func (t *Tracker) Settle(now time.Time) []Change {
	var all []Change
	for len(t.groups) > 0 && !t.groups[0].due.After(now) {
		all = append(all, t.review(t.groups[0], now)...)
	}
	return all
}

// Observe takes an event, and settles what was due before it came.
func (t *Tracker) Observe(e Event) []Change {
	all := t.Settle(e.Seen)
	t.stats.Events++
	switch e.Kind {
	case LinkDown:
		t.down(&e)
		return all
	case LinkUp:
		t.up(&e)
		return all
	default:
	}
	if e.Leg == "" || e.Kind == 0 || e.Kind >= dialledBy {
		return all
	}
	if t.tombs.has(e.Leg) && t.legs[e.Leg] == nil {
		t.stats.Late++
		return all
	}
	if e.At.IsZero() && e.Found && e.Kind != LegLinked {
		e.At = t.pbxTime(e.Seen) // read back: it is so now
	}
	t.clock(&e)
	l := t.leg(e.Leg, e.Seen)
	if m := t.legs[e.Other]; m != nil {
		e.Other = m.id // one string for all that mention it
	} else {
		e.Other = strings.Clone(e.Other)
	}
	fresh, outOfOrder := l.add(&e)
	if !fresh {
		t.stats.Duplicates++
		return all
	}
	if outOfOrder {
		t.stats.OutOfOrder++
	}
	if e.Seen.After(l.seen) {
		l.seen = e.Seen
	}
	t.relate(l, &e)
	g := l.group
	switch e.Kind {
	case LegCreated:
		all = append(all, t.begin(l, &e)...)
	case LegEnded:
		t.wake(g, e.Seen.Add(t.opts.Settle))
	case LegJoined, LegLinked, LegPaired, LegAnswered, LegDialled:
		if e.Seen.After(g.met) {
			g.met = e.Seen
		}
		t.wake(g, e.Seen.Add(classify))
	case LegFact:
		if e.Fact == FactRead {
			t.wake(g, e.Seen.Add(t.opts.Settle))
		}
	default:
	}
	for _, c := range g.calls {
		if c.done && c.leg == l {
			t.stats.Late++
		}
	}
	return all
}

// clock keeps the relation between the PBX's clock and ours.
func (t *Tracker) clock(e *Event) {
	if e.At.IsZero() || e.Found {
		return
	}
	if e.At.After(t.lastAt) {
		t.lastAt = e.At
	}
	if d := e.Seen.Sub(e.At); !t.skewed || d < t.skew {
		t.skew, t.skewed = d, true
	}
}

// pbxTime is an instant of our clock by the PBX's, as well as we can tell.
func (t *Tracker) pbxTime(seen time.Time) time.Time {
	at := t.lastAt
	if t.skewed {
		if by := seen.Add(-t.skew); by.After(at) {
			at = by
		}
	}
	if at.IsZero() {
		at = seen
	}
	return at.UTC()
}

// leg finds a leg, or makes one with a group of its own.
func (t *Tracker) leg(id string, seen time.Time) *leg {
	l := t.legs[id]
	if l == nil {
		l = &leg{id: strings.Clone(id), seen: seen} // an id may be a part of a whole event
		g := &group{legs: []*leg{l}, due: seen.Add(t.opts.LegTTL)}
		l.group = g
		t.legs[l.id] = l
		heap.Push(&t.groups, g)
	}
	return l
}

// relate notes what an event says about two legs in both, and brings their groups together.
func (t *Tracker) relate(l *leg, e *Event) {
	switch e.Kind {
	case LegPaired, LegDialled, LegLinked:
		if e.Other == "" || e.Other == l.id || t.tombs.has(e.Other) && t.legs[e.Other] == nil {
			return
		}
		m := t.leg(e.Other, e.Seen)
		mirror := Event{Kind: e.Kind, At: e.At, Seen: e.Seen, Leg: m.id, Other: l.id, Stage: e.Stage, Found: e.Found}
		if e.Kind == LegDialled {
			mirror.Kind = dialledBy
		}
		m.add(&mirror)
		t.merge(l.group, m.group)
	case LegJoined:
		if e.Holding {
			return
		}
		in := t.bridges[e.Other]
		if in == nil {
			in = make(map[*leg]struct{})
			t.bridges[e.Other] = in
		}
		in[l] = struct{}{}
		for m := range in {
			t.merge(l.group, m.group)
		}
	default:
	}
}

// begin starts the call of a caller's leg. Whether an outgoing leg is a call of its own is found out later.
func (t *Tracker) begin(l *leg, e *Event) []Change {
	switch {
	case e.Info == nil:
		return nil
	case e.Info.Kind == LegInbound:
		if slices.ContainsFunc(l.group.calls, func(c *tracked) bool { return c.leg == l }) {
			return nil
		}
		c := &tracked{leg: l, direction: Inbound, began: true}
		l.group.calls = append(l.group.calls, c)
		t.live++
		return []Change{{CallBegan, t.sketch(c)}}
	case e.Info.Kind == LegOutgoing && e.Info.Outside:
		if slices.ContainsFunc(l.group.calls, func(c *tracked) bool { return c.leg == l }) {
			return nil
		}
		l.group.calls = append(l.group.calls, &tracked{leg: l, direction: Outbound, since: e.Seen})
		t.wake(l.group, e.Seen.Add(classify))
	}
	return nil
}

// down notes that the link is lost.
func (t *Tracker) down(e *Event) {
	if t.downAt.IsZero() {
		t.downAt = t.pbxTime(e.Seen)
	}
}

// up ends the legs that did not survive a gap.
func (t *Tracker) up(e *Event) {
	live := make(map[string]bool, len(e.Live))
	for _, id := range e.Live {
		live[id] = true
	}
	at := t.downAt
	if at.IsZero() {
		at = t.lastAt
	}
	for id, l := range t.legs {
		if l.ended() || live[id] && !e.Restarted {
			if live[id] && e.Seen.After(l.seen) {
				l.seen = e.Seen
			}
			continue
		}
		l.gone = &gone{at: at, seen: e.Seen, restarted: e.Restarted}
		if last := l.lastAt(); last.After(at) {
			l.gone.at = last
		}
		t.wake(l.group, e.Seen.Add(t.opts.Settle))
	}
	t.downAt = time.Time{}
	if e.Restarted {
		t.lastAt, t.skewed = time.Time{}, false
	}
}
