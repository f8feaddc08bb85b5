package smpp

import (
	"bytes"
	"cmp"
	"slices"
	"time"
)

// Part is one part of a long message, in a form that can be stored: it is all that joining needs.
type Part struct {
	Link   string    `json:"link"`
	From   string    `json:"from"`
	To     string    `json:"to"`
	Concat Concat    `json:"concat"`
	Coding byte      `json:"coding"`           // data_coding
	Latin1 bool      `json:"latin1,omitempty"` // data_coding 0 means Latin-1 on this link
	Data   []byte    `json:"data"`             // without the header
	At     time.Time `json:"at"`
}

// Whole is a message joined from its parts.
type Whole struct {
	Link  string
	From  string
	To    string
	Body  string
	At    time.Time // when the first part came
	Gap   bool      // parts never came; Body has what did
	Parts []Part    // what it was joined from, in order: to be forgotten with it
}

// Reassembler joins the parts of long messages, in whatever order they come. It is pure: time comes in with the parts and
// with Expire. One goroutine owns it. The zero value is ready.
type Reassembler struct {
	Timeout time.Duration // how long a missing part is waited for, from the last part that came; default 1m
	Limit   int           // incomplete messages kept; when there are more the oldest is given up; default 1000

	open []*assembly // oldest first
}

type assembly struct {
	parts []Part // as they came
	last  time.Time
}

// Add takes a part and returns the messages that are done with it: the whole one, and those given up to make room. A
// part that came before is ignored. A part that contradicts what is there begins a new message and ends the old one.
func (r *Reassembler) Add(p Part) []Whole {
	var done []Whole
	i := slices.IndexFunc(r.open, func(a *assembly) bool { return a.accepts(p) })
	if i >= 0 {
		a := r.open[i]
		if old := a.find(p.Concat.Index); old != nil {
			if bytes.Equal(old.Data, p.Data) {
				return nil
			}
			done = append(done, r.take(i))
			i = -1
		}
	}
	if i < 0 {
		r.open = append(r.open, &assembly{})
		i = len(r.open) - 1
	}
	a := r.open[i]
	a.parts, a.last = append(a.parts, p), p.At
	if len(a.parts) >= p.Concat.Total {
		return append(done, r.take(i))
	}
	limit := cmp.Or(r.Limit, 1000)
	for len(r.open) > limit {
		done = append(done, r.take(0))
	}
	return done
}

// Expire returns the messages whose missing parts were waited for long enough.
func (r *Reassembler) Expire(now time.Time) []Whole {
	var done []Whole
	for i := 0; i < len(r.open); {
		if now.Before(r.open[i].last.Add(r.timeout())) {
			i++
			continue
		}
		done = append(done, r.take(i))
	}
	return done
}

// Next is when Expire has something to do, if nothing else comes.
func (r *Reassembler) Next() (time.Time, bool) {
	var next time.Time
	for _, a := range r.open {
		if at := a.last.Add(r.timeout()); next.IsZero() || at.Before(next) {
			next = at
		}
	}
	return next, !next.IsZero()
}

// Open is the number of incomplete messages.
func (r *Reassembler) Open() int { return len(r.open) }

func (r *Reassembler) timeout() time.Duration { return cmp.Or(r.Timeout, time.Minute) }

// take removes an assembly and joins it.
func (r *Reassembler) take(i int) Whole {
	a := r.open[i]
	r.open = slices.Delete(r.open, i, i+1)
	first := a.parts[0]
	slices.SortStableFunc(a.parts, func(x, y Part) int { return cmp.Compare(x.Concat.Index, y.Concat.Index) })
	w := Whole{Link: first.Link, From: first.From, To: first.To, At: first.At, Parts: a.parts,
		Gap: len(a.parts) < first.Concat.Total}
	// Octets are joined before they are decoded: senders split surrogate and escape pairs between parts.
	var run []byte
	var body string
	for k, p := range a.parts {
		run = append(run, p.Data...)
		last := k == len(a.parts)-1
		if last || a.parts[k+1].Coding != p.Coding || a.parts[k+1].Concat.Index != p.Concat.Index+1 {
			body += decodeText(run, p.Coding, p.Latin1)
			run = nil
			if !last && a.parts[k+1].Concat.Index != p.Concat.Index+1 {
				body += gapMark
			}
		}
	}
	w.Body = body
	return w
}

// gapMark stands where parts are missing in the middle, so that words do not run together.
const gapMark = " … "

func (a *assembly) accepts(p Part) bool {
	q := a.parts[0]
	return q.From == p.From && q.To == p.To && q.Concat.Ref == p.Concat.Ref && q.Concat.Bits == p.Concat.Bits &&
		q.Concat.Total == p.Concat.Total
}

func (a *assembly) find(index int) *Part {
	for i := range a.parts {
		if a.parts[i].Concat.Index == index {
			return &a.parts[i]
		}
	}
	return nil
}
