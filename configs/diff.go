package configs

import (
	"fmt"
	"reflect"
	"slices"

	"textback"
)

// Change is what a reload has to do to get from one configuration to the next. The rules ([Config.Set]), hand-offs and
// intervals are simply taken over; they are not in it.
type Change struct {
	PBXs  LinkChange
	SMPPs LinkChange

	Syslog  bool // the log goes elsewhere or differently
	Metrics bool // the metrics listener moves
	HTTP    bool // the HTTP listener, or what it answers, is different

	// Restart is a sentence for each key that differs and is only read at start; the old value stays in force.
	Restart []string
}

// LinkChange sorts links by what happens to them, each list in the order of the new (removed: the old) file.
type LinkChange struct {
	Same    []string // stay up
	Changed []string // reconnect
	Added   []string
	Removed []string
	// Order: the links that both files have stand in another order, which for message centres is the order of failover.
	Order bool
}

// Any tells whether a link is touched.
func (l LinkChange) Any() bool {
	return len(l.Changed)+len(l.Added)+len(l.Removed) > 0 || l.Order
}

// Diff tells what is different in next.
func Diff(old, next *Config) Change {
	c := Change{
		PBXs: links(old.PBXs, next.PBXs, func(p PBX) string { return p.Name }, samePBX),
		SMPPs: links(old.SMPPs, next.SMPPs, func(l SMPP) string { return l.Name },
			func(a, b SMPP) bool { return a == b }),
		Syslog:  old.Syslog != next.Syslog,
		Metrics: old.Metrics != next.Metrics,
		HTTP:    !reflect.DeepEqual(old.HTTP, next.HTTP) || !sameBookings(old.Bookings, next.Bookings),
	}
	for _, k := range []struct{ key, was, is string }{
		{"state", old.State, next.State},
		{"control", old.Control, next.Control},
		{"control_group", old.ControlGroup, next.ControlGroup},
	} {
		if k.was != k.is {
			c.Restart = append(c.Restart,
				fmt.Sprintf("%s is now %q; %q stays in use until textback is restarted", k.key, k.is, k.was))
		}
	}
	return c
}

func links[T any](old, next []T, name func(T) string, same func(a, b T) bool) LinkChange {
	var c LinkChange
	var before, after []string
	for _, n := range next {
		i := slices.IndexFunc(old, func(o T) bool { return name(o) == name(n) })
		switch {
		case i < 0:
			c.Added = append(c.Added, name(n))
			continue
		case same(old[i], n):
			c.Same = append(c.Same, name(n))
		default:
			c.Changed = append(c.Changed, name(n))
		}
		after = append(after, name(n))
	}
	for _, o := range old {
		if !slices.ContainsFunc(next, func(n T) bool { return name(n) == name(o) }) {
			c.Removed = append(c.Removed, name(o))
			continue
		}
		before = append(before, name(o))
	}
	c.Order = !slices.Equal(before, after)
	return c
}

// samePBX compares rewrites by their text: two compiled expressions are never the same pointer.
func samePBX(a, b PBX) bool {
	sameRewrites := slices.EqualFunc(a.Rewrite, b.Rewrite, func(x, y textback.Rewrite) bool {
		return x.With == y.With && x.Match.String() == y.Match.String()
	})
	a.Rewrite, b.Rewrite = nil, nil
	return sameRewrites && reflect.DeepEqual(a, b)
}

func sameBookings(a, b []Booking) bool {
	return slices.EqualFunc(a, b, func(x, y Booking) bool {
		return x.Service == y.Service && x.Path == y.Path && x.Secret == y.Secret && x.Business == y.Business
	})
}
