package textback

import (
	"cmp"
	"slices"
	"time"
)

const (
	maxHops     = 12   // pairs of virtual legs one behind the other
	maxContacts = 4096 // legs looked at for one call: a bound for very large conferences
)

// contact is a leg that another one hears, and when.
type contact struct {
	leg  *leg
	span span
}

// contacts are the legs that l heard directly: in one bridge with it, or linked with it. Their order is fixed.
func (t *Tracker) contacts(l *leg) []contact {
	var all []contact
	for bridge, stays := range l.stays() {
		for m := range t.bridges[bridge] {
			if m == l {
				continue
			}
			for _, theirs := range m.stays()[bridge] {
				for _, ours := range stays {
					if both, ok := ours.and(theirs); ok {
						all = append(all, contact{m, both})
					}
				}
			}
		}
	}
	for _, k := range l.links() {
		m := t.legs[k.other]
		if m == nil || m == l {
			continue
		}
		s := k.span
		for _, theirs := range m.links() {
			// The other leg went on to somebody else.
			if theirs.other == l.id && theirs.span.from.Equal(s.from) {
				s, _ = s.and(theirs.span)
			}
		}
		s = m.closed(s)
		if k.span.from.IsZero() {
			// All that is known is that they were linked, at some time while both were up.
			ours, up := l.openFrom()
			theirs, theyUp := m.openFrom()
			if !up || !theyUp {
				continue
			}
			s, _ = s.and(span{from: ours})
			s, _ = s.and(span{from: theirs})
		}
		if s.open() || !s.to.Before(s.from) {
			all = append(all, contact{m, s})
		}
	}
	slices.SortFunc(all, func(a, b contact) int {
		return cmp.Or(a.span.from.Compare(b.span.from), cmp.Compare(a.leg.id, b.leg.id), a.span.to.Compare(b.span.to))
	})
	return all
}

// openFrom is the earliest that a leg can have been linked: when it was picked up, but a virtual one need not be.
func (l *leg) openFrom() (at time.Time, ok bool) {
	if at, ok = l.answeredAt(); !ok && l.kind() == LegVirtual {
		return l.begin(), true
	}
	return at, ok
}

// linked is a direct link to another leg.
type linked struct {
	other string
	span  span
}

// links are the direct links of a leg. One ends when the leg is linked with another leg, or ends. Those without a time count
// only where no timed one with the same leg is known.
func (l *leg) links() []linked {
	var all []linked
	for i := range l.facts {
		f := &l.facts[i]
		if f.Kind != LegLinked {
			continue
		}
		if f.At.IsZero() {
			if !slices.ContainsFunc(l.facts, func(o fact) bool {
				return o.Kind == LegLinked && o.Other == f.Other && !o.At.IsZero()
			}) {
				all = append(all, linked{f.Other, l.closed(span{})})
			}
			continue
		}
		s := span{from: f.At}
		for j := i + 1; j < len(l.facts); j++ {
			if n := &l.facts[j]; n.Kind == LegLinked && n.Other != f.Other {
				s.to = n.At
				break
			}
		}
		all = append(all, linked{f.Other, l.closed(s)})
	}
	return all
}

// partner is the other half of a virtual leg.
func (t *Tracker) partner(l *leg) *leg {
	for _, id := range l.others(LegPaired) {
		if p := t.legs[id]; p != nil {
			return p
		}
	}
	return nil
}

// reach calls visit for every leg that l heard, directly or through virtual legs, with the time for which it did. For a virtual
// leg it also gives the far half, in which the dialplan goes on.
func (t *Tracker) reach(l *leg, visit func(m *leg, s span)) {
	left := maxContacts
	on := map[*leg]bool{l: true} // the way to here: no circles
	var walk func(l *leg, during span, hops int)
	walk = func(l *leg, during span, hops int) {
		for _, c := range t.contacts(l) {
			if left--; left < 0 {
				return
			}
			s, ok := during.and(c.span)
			if !ok || on[c.leg] {
				continue
			}
			visit(c.leg, s)
			if c.leg.kind() != LegVirtual || hops >= maxHops {
				continue
			}
			far := t.partner(c.leg)
			if far == nil || on[far] {
				continue
			}
			visit(far, s)
			on[c.leg], on[far] = true, true
			walk(far, s, hops+1)
			delete(on, c.leg)
			delete(on, far)
		}
	}
	walk(l, span{}, 0)
}

// talk is when the leg of a call was connected to a person of ours, and with whom it began. Somebody is a person of ours if it is
// a leg that was picked up and is neither virtual, nor a helper of the PBX, nor another caller from outside.
func (t *Tracker) talk(l *leg) (spans []span, with *leg) {
	inbound := l.kind() == LegInbound
	t.reach(l, func(m *leg, s span) {
		switch m.kind() {
		case LegInbound, LegVirtual, LegPseudo:
			return
		case LegUnknown, LegPhone, LegOutgoing:
		}
		up, ok := m.answeredAt()
		if !ok {
			return
		}
		if s, ok = s.and(span{from: up}); !ok {
			return
		}
		if !inbound {
			// Our own call out: the far end has to have picked up as well.
			if up, ok = l.answeredAt(); !ok {
				return
			}
			if s, ok = s.and(span{from: up}); !ok {
				return
			}
		}
		if with == nil || s.from.Before(spans[0].from) {
			with = m
			spans = slices.Insert(spans, 0, s)
		} else {
			spans = append(spans, s)
		}
	})
	slices.SortFunc(spans, func(a, b span) int { return cmp.Or(a.from.Compare(b.from), a.to.Compare(b.to)) })
	return merged(spans), with
}

// merged joins spans, ordered by their beginning, that touch.
func merged(spans []span) []span {
	var all []span
	for _, s := range spans {
		if n := len(all); n > 0 && (all[n-1].open() || !s.from.After(all[n-1].to)) {
			if last := &all[n-1]; !last.open() && (s.open() || s.to.After(last.to)) {
				last.to = s.to
			}
			continue
		}
		all = append(all, s)
	}
	return all
}

// long tells whether spans add up to at least d. An open one does.
func long(spans []span, d time.Duration) bool {
	var sum time.Duration
	for _, s := range spans {
		if s.open() {
			return true
		}
		sum += s.to.Sub(s.from)
	}
	return sum >= d
}
