package ari

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// StatusKind tells what a [Status] is about.
type StatusKind uint8

const (
	_ StatusKind = iota
	// StatusConnected: the link stands, the read-back is done.
	StatusConnected
	// StatusLost: a link that stood is lost; it is tried again at once.
	StatusLost
	// StatusUnreachable: no connection, a silent peer, or a PBX that is still starting (503); tried again.
	StatusUnreachable
	// StatusCredentials: wrong username or password (401). Somebody has to do something; tried again slowly.
	StatusCredentials
	// StatusRefused: the PBX answers but does not let us in for another reason than the password (403, 404, ...), or what
	// answers is not ARI.
	StatusRefused
	// StatusReplaced: another client has taken over our application's name.
	StatusReplaced
	// StatusRestarted: the PBX was started anew since the link was last up.
	StatusRestarted
	// StatusOverflow: events were dropped because they came faster than they were handled; a read-back follows.
	StatusOverflow
	// StatusReadBack: the live channels could not be read back; the link is made anew.
	StatusReadBack
	// StatusUndecodable: an event could not be decoded, or only in part.
	StatusUndecodable
	// StatusUnknownType: an event without a type, or of a type that this program was told to want and ari/v6 does not know.
	StatusUnknownType
	// StatusLookup: a channel variable could not be read.
	StatusLookup
	// StatusUnfiltered: the PBX does not let this user set an event filter; all events come, which is fine.
	StatusUnfiltered
)

var statusWords = [...]string{
	StatusConnected: "connected", StatusLost: "lost", StatusUnreachable: "unreachable",
	StatusCredentials: "credentials", StatusRefused: "refused", StatusReplaced: "replaced", StatusRestarted: "restarted",
	StatusOverflow: "overflow", StatusReadBack: "read-back", StatusUndecodable: "undecodable",
	StatusUnknownType: "unknown-type", StatusLookup: "lookup", StatusUnfiltered: "unfiltered",
}

// String is the kind's word in logs.
func (k StatusKind) String() string {
	if k == 0 || int(k) >= len(statusWords) {
		return fmt.Sprintf("StatusKind(%d)", uint8(k))
	}
	return statusWords[k]
}

// Status is something that an operator should know about the link. The same trouble is told at once, and then only now
// and then, with Count telling how often it happened meanwhile.
type Status struct {
	Kind  StatusKind
	At    time.Time
	Err   error  // what happened, in words for the operator; nil for good news
	Count uint64 // how often since it was last told, this time included
	// Snapshot in short, with StatusConnected.
	Channels, Bridges int
	StartedAt         time.Time
}

// Counters count what a link does, from the start of the program. They may be read at any time.
type Counters struct {
	Events      atomic.Uint64 // events handed on
	Unwanted    atomic.Uint64 // dropped by type or variable name
	Unknown     atomic.Uint64 // handed on without being decoded: no type, or one that ari/v6 does not know
	Undecodable atomic.Uint64 // decoded in part or not at all
	Dropped     atomic.Uint64 // lost to a full queue: gaps
	Connects    atomic.Uint64 // links that came up
	ReadBacks   atomic.Uint64 // snapshots delivered
	Lookups     atomic.Uint64 // variables asked for
	LookupFails atomic.Uint64 // variables not got
	LastEvent   atomic.Int64  // when the last event of any type came, Unix nanoseconds; 0: never
	Up          atomic.Bool   // the link is up now
}

// notifier thins out statuses: each kind at once, then again after its interval.
type notifier struct {
	notify func(Status)

	mu       sync.Mutex
	kinds    map[StatusKind]*repeats
	reported bool // the last word on the link was StatusConnected
}

type repeats struct {
	told  time.Time
	count uint64
}

func newNotifier(notify func(Status)) *notifier {
	return &notifier{notify: notify, kinds: make(map[StatusKind]*repeats)}
}

// every is how often a kind of trouble is told again while it lasts.
func (k StatusKind) every() time.Duration {
	switch k {
	case StatusConnected, StatusRestarted:
		return 0 // good news: told once after each trouble that was told
	case StatusLost, StatusReplaced, StatusOverflow, StatusUndecodable, StatusUnknownType, StatusLookup:
		return time.Minute
	case StatusUnfiltered:
		return 24 * time.Hour
	case StatusUnreachable, StatusCredentials, StatusRefused, StatusReadBack:
		return 15 * time.Minute
	default:
		return time.Minute
	}
}

// tell passes s on unless its kind was told too recently.
func (n *notifier) tell(s Status) {
	s.At = time.Now()
	n.mu.Lock()
	if s.Kind == StatusConnected {
		if n.reported {
			n.mu.Unlock()
			return
		}
		n.reported = true
	}
	r := n.kinds[s.Kind]
	if r == nil {
		r = new(repeats)
		n.kinds[s.Kind] = r
	}
	r.count++
	if !r.told.IsZero() && s.At.Sub(r.told) < s.Kind.every() {
		n.mu.Unlock()
		return
	}
	s.Count, r.count, r.told = r.count, 0, s.At
	switch s.Kind {
	case StatusLost, StatusUnreachable, StatusCredentials, StatusRefused, StatusReplaced, StatusReadBack:
		n.reported = false
	}
	n.mu.Unlock()
	n.notify(s)
}

// over forgets troubles that have ended, so that they are told at once when they come again.
func (n *notifier) over(kinds ...StatusKind) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, k := range kinds {
		delete(n.kinds, k)
	}
}
