// Package feed tells whoever watches what happens in the daemon, as it happens: calls, verdicts, texts, replies and the lines
// of the log. Each watcher has a queue of its own and a bound; one that does not keep up is let go with a note, and what is
// told never waits for anybody. It keeps the last events, so that somebody who comes, or comes back, sees what was before.
package feed

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"textback/cmd/internal/handoff"
)

// Types of events. Verdicts, texts and replies have the types and payloads of the webhooks (docs/webhooks.md).
const (
	TypeHello     = "hello"          // the first of a stream: [Hello]
	TypeState     = "state"          // how things stand, when that has changed: [State]
	TypeRinging   = "call.ringing"   // a call began: [Call]
	TypeConnected = "call.connected" // it reached a person: [Call]
	TypeEnded     = "call.ended"     // it is over: [Call]
	TypeLog       = "log"            // a line of the log that no other event stands for: [Line]
	TypeSlow      = "slow"           // the watcher did not keep up; the stream ends: [Line]
	TypeStopping  = "stopping"       // the daemon stops; the stream ends: [Line]
)

// Event is one thing that happened.
type Event struct {
	Seq  uint64    `json:"seq"` // counts from 1 since the daemon's start; 0 for what is about the stream itself
	Type string    `json:"type"`
	At   time.Time `json:"timestamp"`
	Data any       `json:"data"`

	about string // number of the person it is about, so that it can be forgotten
}

// Hello tells whom one watches.
type Hello struct {
	Version string    `json:"version"`
	Started time.Time `json:"started"` // of the daemon: with Seq it names an event for ever
	Calls   []Call    `json:"calls"`   // in progress, oldest first
}

// Call is a call in progress, or its end.
type Call struct {
	ID        string     `json:"id"`
	PBX       string     `json:"pbx"`
	Direction string     `json:"direction"` // "inbound" or "outbound"
	Line      string     `json:"line,omitempty"`
	Number    string     `json:"number,omitempty"` // of who is outside; absent if withheld
	Name      string     `json:"name,omitempty"`   // caller-id name as it came: typed by a stranger
	Withheld  bool       `json:"withheld,omitempty"`
	Begin     time.Time  `json:"begin"`
	Connected *time.Time `json:"connected,omitempty"`
	Outcome   string     `json:"outcome,omitempty"` // with call.ended
	Ring      float64    `json:"ring_seconds,omitempty"`
}

// State is how things stand.
type State struct {
	Links    []Link            `json:"links"`
	Live     int               `json:"live_calls"`
	Queued   int64             `json:"queued"`
	InDoubt  int64             `json:"in_doubt"`
	Handoffs int64             `json:"handoffs"`
	Breakers map[string]string `json:"breakers_open,omitempty"`
	Shadow   int               `json:"shadow_lines,omitempty"`
	Problem  string            `json:"problem,omitempty"` // the state file cannot be written
}

// Link is one PBX or message centre.
type Link struct {
	Kind string `json:"kind"` // "pbx" or "smpp"
	Name string `json:"name"`
	Up   bool   `json:"up"`
}

// Line is a line of the log.
type Line struct {
	ID    string      `json:"id"`
	Level string      `json:"level"`
	Pairs [][2]string `json:"pairs,omitempty"` // key and value, in the order of the line
}

// Bounds of a feed.
const (
	queueSize = 1024 // events that may wait for one watcher
	keepLast  = 200  // events for who comes later
	maxWatch  = 8    // watchers at a time: each holds one of the control socket's calls
)

// Errors of watching.
var (
	ErrSlow    = errors.New("the watcher did not keep up")        // its queue was full
	ErrTooMany = errors.New("too many watch this daemon already") // maxWatch
)

// Feed hands events to watchers. Its zero value is ready to use; its methods may be called from any goroutine and never wait
// for a watcher.
type Feed struct {
	mu       sync.Mutex
	seq      uint64
	last     []Event         // up to twice keepLast, so that they need not be moved for each
	calls    map[string]Call // in progress, by id
	watchers map[*Watcher]struct{}
}

// Watcher is one who watches.
type Watcher struct {
	feed  *Feed
	queue chan Event
	gone  error // why the queue was closed; read it after the queue is closed
}

// Tell hands an event to every watcher. about is the number of the person it is about, "" if nobody.
func (f *Feed) Tell(kind string, at time.Time, about string, data any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.tell(Event{Type: kind, At: at, Data: data, about: about})
}

// Call tells of a call's beginning, connection or end, and keeps the register of those in progress.
func (f *Feed) Call(kind string, at time.Time, c Call) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case kind != TypeEnded:
		if f.calls == nil {
			f.calls = make(map[string]Call)
		}
		f.calls[c.ID] = c
	default:
		delete(f.calls, c.ID)
	}
	f.tell(Event{Type: kind, At: at, Data: c, about: c.Number})
}

func (f *Feed) tell(e Event) {
	f.seq++
	e.Seq = f.seq
	if len(f.last) >= 2*keepLast {
		f.last = slices.Delete(f.last, 0, keepLast)
	}
	f.last = append(f.last, e)
	for w := range f.watchers {
		select {
		case w.queue <- e:
		default:
			w.end(ErrSlow)
		}
	}
}

// Forget takes what is about a number out of what is kept.
func (f *Feed) Forget(number string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.last = slices.DeleteFunc(f.last, func(e Event) bool { return e.about == number })
}

// InProgress is a call in progress by its id.
func (f *Feed) InProgress(id string) (Call, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	c, ok := f.calls[id]
	return c, ok
}

// Watching is how many watch.
func (f *Feed) Watching() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.watchers)
}

// Watch begins to watch: it gives the calls in progress, the kept events after a Seq (at most so many of the last), and the
// watcher to which everything after that goes. Close it.
func (f *Feed) Watch(after uint64, most int) (calls []Call, before []Event, w *Watcher, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.watchers) >= maxWatch {
		return nil, nil, nil, ErrTooMany
	}
	calls = f.inProgress()
	for _, e := range f.last[max(len(f.last)-keepLast, 0):] {
		if e.Seq > after {
			before = append(before, e)
		}
	}
	before = slices.Clone(before[max(len(before)-max(most, 0), 0):])
	w = &Watcher{feed: f, queue: make(chan Event, queueSize)}
	if f.watchers == nil {
		f.watchers = make(map[*Watcher]struct{})
	}
	f.watchers[w] = struct{}{}
	return calls, before, w, nil
}

// Calls are the calls in progress, oldest first.
func (f *Feed) Calls() []Call {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.inProgress()
}

func (f *Feed) inProgress() []Call {
	calls := make([]Call, 0, len(f.calls))
	for _, c := range f.calls {
		calls = append(calls, c)
	}
	slices.SortFunc(calls, func(a, b Call) int { return a.Begin.Compare(b.Begin) })
	return calls
}

// end lets a watcher go; what waits for it can still be read. The feed's lock is held.
func (w *Watcher) end(why error) {
	if _, there := w.feed.watchers[w]; !there {
		return
	}
	delete(w.feed.watchers, w)
	w.gone = why
	close(w.queue)
}

// Close ends watching.
func (w *Watcher) Close() {
	w.feed.mu.Lock()
	defer w.feed.mu.Unlock()
	w.end(context.Canceled)
}

// Events is what happens. It is closed when the watcher is let go: then [Watcher.Err] tells why.
func (w *Watcher) Events() <-chan Event { return w.queue }

// Err is why the events ended, nil while they go on.
func (w *Watcher) Err() error {
	w.feed.mu.Lock()
	defer w.feed.mu.Unlock()
	return w.gone
}

// Payloads of the webhooks that the feed tells as well; the names are for who decodes them.
type (
	// Verdict is the payload of call.verdict.
	Verdict = handoff.Verdict
	// Text is the payload of text.*.
	Text = handoff.Text
	// Reply is the payload of reply.received.
	Reply = handoff.Reply
	// Answer is the payload of reply.sent.
	Answer = handoff.Answer
)
