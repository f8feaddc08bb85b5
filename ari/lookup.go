package ari

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
)

const (
	lookupDeadline = 8 * time.Second // from being asked to the answer, whatever the PBX does
	lookupWaiting  = 2048            // lookups that may wait; more are answered empty at once
	mostAsked      = 65536           // channels remembered
)

var (
	errLookupBusy = errors.New("too many variables are being asked for already")
	errLookupDown = errors.New("the link was lost before the answer")
)

// asked remembers what was asked for of the channels that live: a variable of a channel is read once. One goroutine owns it.
type asked map[string]map[string]bool

// fresh leaves of a lookup what was not asked for yet, and remembers it.
func (a asked) fresh(l Lookup) Lookup {
	if len(a) > mostAsked {
		clear(a) // ends of channels do not come: to ask twice is better than to grow for ever
	}
	var names []string
	for _, name := range l.Variables {
		if a[l.Channel][name] {
			continue
		}
		if a[l.Channel] == nil {
			a[strings.Clone(l.Channel)] = make(map[string]bool)
		}
		a[l.Channel][name] = true
		names = append(names, name)
	}
	return Lookup{Channel: l.Channel, Variables: names}
}

func (a asked) forget(channel string) { delete(a, channel) }

// keep forgets all channels but those of a snapshot.
func (a asked) keep(s *Snapshot) {
	alive := make(map[string]bool, len(s.Channels))
	for i := range s.Channels {
		alive[s.Channels[i].ID] = true
	}
	for id := range a {
		if !alive[id] {
			delete(a, id)
		}
	}
}

// lookups reads variables by REST, a few at a time. The session's goroutine owns it; the workers only ever send answers.
type lookups struct {
	ctx     context.Context
	link    *link
	answers chan answer

	waiting []job
	flying  map[*job]struct{}
	wg      sync.WaitGroup
}

type job struct {
	Lookup
	due time.Time
}

type answer struct {
	job     *job
	message Message
}

func newLookups(ctx context.Context, l *link) *lookups {
	return &lookups{ctx: ctx, link: l, answers: make(chan answer), flying: make(map[*job]struct{})}
}

// ask starts lookups, or puts them in line.
func (q *lookups) ask(ls []Lookup) {
	for _, l := range ls {
		q.link.o.Counters.Lookups.Add(uint64(len(l.Variables)))
		if len(q.waiting) >= lookupWaiting {
			q.link.asked.forget(l.Channel)
			q.link.deliver(q.empty(l, errLookupBusy))
			continue
		}
		q.waiting = append(q.waiting, job{Lookup: l, due: time.Now().Add(lookupDeadline)})
	}
	q.start()
}

func (q *lookups) start() {
	for len(q.waiting) > 0 && len(q.flying) < q.link.o.Parallel {
		j := q.waiting[0]
		q.waiting = q.waiting[1:]
		q.flying[&j] = struct{}{}
		q.wg.Go(func() {
			a := answer{&j, q.read(&j)}
			select {
			case q.answers <- a:
			case <-q.ctx.Done():
			}
		})
	}
}

// done takes note of an answer and lets the next in line go.
func (q *lookups) done(a answer) {
	delete(q.flying, a.job)
	if a.message.Err != nil {
		q.link.asked.forget(a.job.Channel)
	}
	q.start()
}

// read asks for the variables of one lookup, one after the other. After the first failure it asks no more: a PBX that does not
// answer one will not answer the next.
func (q *lookups) read(j *job) Message {
	ctx, cancel := context.WithDeadline(q.ctx, j.due)
	defer cancel()
	values := make(map[string]string, len(j.Variables))
	var failed error
	for _, name := range j.Variables {
		values[name] = ""
		if failed == nil {
			values[name], failed = q.link.client.variable(ctx, j.Channel, name)
		}
		if failed != nil {
			q.link.o.Counters.LookupFails.Add(1)
		}
	}
	if failed != nil && q.ctx.Err() == nil {
		q.link.notes.tell(Status{Kind: StatusLookup, Err: fmt.Errorf("channel %s: %w", printable(j.Channel, 60), failed)})
	}
	return Message{Kind: MessageVariables, Seen: time.Now(), Channel: j.Channel, Values: values, Err: failed}
}

func (q *lookups) empty(l Lookup, err error) Message {
	values := make(map[string]string, len(l.Variables))
	for _, name := range l.Variables {
		values[name] = ""
	}
	q.link.o.Counters.LookupFails.Add(uint64(len(values)))
	return Message{Kind: MessageVariables, Seen: time.Now(), Channel: l.Channel, Values: values, Err: err}
}

// abandon ends the lookups with their session and gives an empty answer for each that has none. Its context is done.
func (q *lookups) abandon() []Message {
	q.wg.Wait()
	var all []Message
	for j := range q.flying {
		all = append(all, q.empty(j.Lookup, errLookupDown))
	}
	for _, j := range q.waiting {
		all = append(all, q.empty(j.Lookup, errLookupDown))
	}
	for _, m := range all {
		q.link.asked.forget(m.Channel)
	}
	clear(q.flying)
	q.waiting = nil
	return all
}
