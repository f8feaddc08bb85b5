package textback

import (
	"slices"
	"sort"
	"time"
)

// maxFacts bounds what is kept of one leg. A call of a large dialplan has some fifty; a caller who goes round in a menu for an
// hour has many, of which the oldest stages are let go.
const maxFacts = 400

// leg is what is known about one leg: a set of events, kept in the order of the PBX's clock. What is asked of it is read from
// the set, so that it cannot depend on the order in which the events came. The tracker's goroutine owns it.
type leg struct {
	id    string
	group *group
	facts []fact
	seen  time.Time // when the last event of it came
	gone  *gone     // it was known before a gap of the link and is not there after it
	swept bool
	// pruned: facts were let go; a stage may be missing.
	pruned bool
}

// gone is the end of a leg that was not seen.
type gone struct {
	at        time.Time // by the PBX's clock, as well as we can tell
	seen      time.Time
	restarted bool
}

// add puts an event into the set and tells whether it is new. outOfOrder: a later one had come already.
func (l *leg) add(e *Event) (fresh, outOfOrder bool) {
	f := newFact(e)
	i, found := l.place(&f)
	if found {
		return false, false
	}
	if len(l.facts) >= maxFacts && !l.prune() {
		return false, false
	} else if l.pruned {
		i, _ = l.place(&f)
	}
	outOfOrder = i < len(l.facts) && !e.At.IsZero()
	l.facts = slices.Insert(l.facts, i, f)
	return true, outOfOrder
}

// place is where a fact stands, or would stand.
func (l *leg) place(f *fact) (i int, found bool) {
	// Most come in order.
	if n := len(l.facts); n > 0 && l.facts[n-1].compare(f) < 0 {
		return n, false
	}
	return sort.Find(len(l.facts), func(i int) int { return f.compare(&l.facts[i]) })
}

// prune lets the oldest fact go that matters least: an announcement, a dial, then a stage, but never the last one, then a
// bridge. Beginning, answer and end are never let go.
func (l *leg) prune() bool {
	last := -1
	for i := range l.facts {
		if f := &l.facts[i]; f.Kind == StageEntered && f.Stage != StageAnnouncement {
			last = i
		}
	}
	for _, may := range []func(i int, f *fact) bool{
		func(_ int, f *fact) bool { return f.Kind == StageEntered && f.Stage == StageAnnouncement },
		func(_ int, f *fact) bool { return f.Kind == LegDialled || f.Kind == LegRinging },
		func(i int, f *fact) bool {
			return f.Kind == StageEntered && i != last || f.Kind == StageEnded && i < last
		},
		func(_ int, f *fact) bool { return f.Kind == LegFact },
		func(_ int, f *fact) bool {
			return f.Kind == LegLeft || f.Kind == LegJoined || f.Kind == LegLinked || f.Kind == dialledBy
		},
	} {
		for i := range l.facts {
			if may(i, &l.facts[i]) {
				l.facts = slices.Delete(l.facts, i, i+1)
				l.pruned = true
				return true
			}
		}
	}
	return false
}

// info is what was known about the leg when it came into being, or the best substitute.
func (l *leg) info() *LegInfo {
	var best *LegInfo
	for i := range l.facts {
		f := &l.facts[i]
		if f.Kind == LegCreated && f.Info != nil && (best == nil || f.Info.worth() > best.worth()) {
			best = f.Info
		}
	}
	return best
}

// worth compares what several readings of a leg tell: its beginning tells most, a later one the more the fuller it is.
func (in *LegInfo) worth() int {
	n := 0
	if !in.Found {
		n += 4
	}
	if in.Party.Number != "" {
		n += 2
	}
	if slices.ContainsFunc(in.Dialled, func(form string) bool { return form != "" }) {
		n++
	}
	return n
}

func (l *leg) kind() LegKind {
	if in := l.info(); in != nil {
		return in.Kind
	}
	for i := range l.facts {
		if of := l.facts[i].Of; of != LegUnknown {
			return of
		}
	}
	return LegUnknown
}

// awaitsAnswer tells whether the PBX was asked about the leg and has not answered yet.
func (l *leg) awaitsAnswer() bool {
	asked := false
	for i := range l.facts {
		switch f := &l.facts[i]; {
		case f.Kind == LegFact && f.Fact == FactRead:
			return false
		case f.Kind == LegCreated && f.Info != nil && f.Info.Asked:
			asked = true
		}
	}
	return asked
}

func (l *leg) name() string {
	if in := l.info(); in != nil && in.Name != "" {
		return in.Name
	}
	return l.id
}

// first is the first fact of a kind, nil if there is none.
func (l *leg) first(k EventKind) *fact {
	for i := range l.facts {
		if l.facts[i].Kind == k {
			return &l.facts[i]
		}
	}
	return nil
}

// begin is when the leg came into being; if that was not seen, the first thing that was.
func (l *leg) begin() time.Time {
	var found time.Time
	for i := range l.facts {
		f := &l.facts[i]
		if f.Kind != LegCreated || f.At.IsZero() {
			continue
		}
		if f.Info == nil || !f.Info.Found {
			return f.At
		}
		if found.IsZero() || f.At.Before(found) {
			found = f.At
		}
	}
	if found.IsZero() {
		for i := range l.facts {
			if !l.facts[i].At.IsZero() {
				return l.facts[i].At
			}
		}
	}
	return found
}

// end is the event of the leg's end, nil while it lives or if its end was not seen.
func (l *leg) end() *fact { return l.first(LegEnded) }

// ended tells whether the leg is over, seen or not.
func (l *leg) ended() bool { return l.gone != nil || l.swept || l.end() != nil }

// endAt is when the leg ended by the PBX's clock; ok is false while it lives.
func (l *leg) endAt() (at time.Time, ok bool) {
	if e := l.end(); e != nil {
		return e.At, true
	}
	if l.gone != nil {
		return l.gone.at, true
	}
	if l.swept {
		return l.lastAt(), true
	}
	return time.Time{}, false
}

// lastAt is the time of the last fact by the PBX's clock.
func (l *leg) lastAt() time.Time {
	if len(l.facts) == 0 {
		return time.Time{}
	}
	return l.facts[len(l.facts)-1].At
}

// answeredAt is when the leg was picked up; ok is false if it never was.
func (l *leg) answeredAt() (at time.Time, ok bool) {
	if f := l.first(LegAnswered); f != nil {
		return f.At, true
	}
	return time.Time{}, false
}

// rangAt is when the leg began to ring.
func (l *leg) rangAt() (at time.Time, ok bool) {
	if f := l.first(LegRinging); f != nil {
		return f.At, true
	}
	return time.Time{}, false
}

// others are the ids of the legs that stand in a relation to this one, in a fixed order.
func (l *leg) others(k EventKind) []string {
	var ids []string
	for i := range l.facts {
		if l.facts[i].Kind == k && !slices.Contains(ids, l.facts[i].Other) {
			ids = append(ids, l.facts[i].Other)
		}
	}
	return ids
}

// span is a time between two instants of the PBX's clock; a zero to is open.
type span struct{ from, to time.Time }

func (s span) open() bool { return s.to.IsZero() }

// and is what two spans have in common; ok is false if they do not touch.
func (s span) and(o span) (both span, ok bool) {
	both = s
	if o.from.After(both.from) {
		both.from = o.from
	}
	if both.open() || !o.open() && o.to.Before(both.to) {
		both.to = o.to
	}
	return both, both.open() || !both.to.Before(both.from)
}

// closed ends a span with the end of its leg. A span stays open, and so counts as long, where its end is not known: the leg's end
// was not seen, or lies before the span's beginning because the PBX's clock went back.
func (l *leg) closed(s span) span {
	end := l.end()
	if end == nil || end.At.Before(s.from) {
		return s
	}
	if s.open() || end.At.Before(s.to) {
		s.to = end.At
	}
	return s
}

// stays are the times that the leg spent in each bridge in which people hear each other.
func (l *leg) stays() map[string][]span {
	var all map[string][]span
	type state struct {
		depth int
		from  time.Time
	}
	in := make(map[string]*state)
	for i := range l.facts {
		f := &l.facts[i]
		switch f.Kind {
		case LegJoined:
			if f.Holding {
				continue
			}
			s := in[f.Other]
			if s == nil {
				s = new(state)
				in[f.Other] = s
			}
			if s.depth == 0 {
				s.from = f.At
			} else if f.Found {
				continue // read back while inside: no second stay
			}
			s.depth++
		case LegLeft:
			s := in[f.Other]
			if s == nil || s.depth == 0 {
				continue
			}
			if s.depth--; s.depth == 0 {
				if all == nil {
					all = make(map[string][]span)
				}
				all[f.Other] = append(all[f.Other], l.closed(span{s.from, f.At}))
			}
		}
	}
	for b, s := range in {
		if s.depth > 0 {
			if all == nil {
				all = make(map[string][]span)
			}
			all[b] = append(all[b], l.closed(span{from: s.from}))
		}
	}
	return all
}
