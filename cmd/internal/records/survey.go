package records

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"
)

// Arrival is a context with a number that was dialled in it, as the records of some time show it.
type Arrival struct {
	Context string
	Dialled string
	Caller  string // of the last call
	Channel string // of the last call
	Calls   int
	Last    time.Time
}

// mostArrivals bounds what a survey tells: who dials numbers at random makes many.
const mostArrivals = 10_000

// Survey reads an open record file and tells in which contexts which numbers were dialled since a time, the most frequent
// first. It judges nothing: calls inside and to the outside are among them. With s.Kind "" the content tells the kind,
// which kind is.
func Survey(ctx context.Context, s Source, r io.Reader, since time.Time) (all []Arrival, result Result, kind string,
	err error) {
	br := bufio.NewReaderSize(r, guessAhead)
	if s.Kind == "" {
		head, err := br.Peek(guessAhead)
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, Result{}, "", fmt.Errorf("read the records: %w", err)
		}
		if s.Kind = Guess(bytes.Clone(head)); s.Kind == "" {
			return nil, Result{}, "", errUnknown
		}
	}
	c := newCollector(s)
	c.result.Files = 1
	if s.Kind == JSONCDR {
		err = c.jsonStream(ctx, br)
	} else {
		err = c.text(ctx, br, true)
	}
	if err != nil && !errors.Is(err, ErrTooMany) { // what was read until then tells enough
		return nil, c.result, s.Kind, fmt.Errorf("read the records: %w", err)
	}
	return c.arrivals(since), c.result, s.Kind, nil
}

// SurveyFolder is Survey for a folder of mod_json_cdr, s.Path.
func SurveyFolder(ctx context.Context, s Source, since time.Time) (all []Arrival, result Result, err error) {
	s.Kind = JSONCDR
	c := newCollector(s)
	if err := readFolder(ctx, c, s, since); err != nil && !errors.Is(err, ErrTooMany) {
		return nil, c.result, err
	}
	return c.arrivals(since), c.result, nil
}

// arrivals counts the beginnings of calls.
func (c *collector) arrivals(since time.Time) []Arrival {
	found := make(map[[2]string]*Arrival)
	add := func(contextName, dialled, caller, channel string, at time.Time) {
		if contextName == "" || at.Before(since) {
			return
		}
		k := [2]string{contextName, dialled}
		a := found[k]
		if a == nil {
			if len(found) >= mostArrivals {
				return
			}
			a = &Arrival{Context: contextName, Dialled: dialled}
			found[k] = a
		}
		a.Calls++
		if !at.Before(a.Last) {
			a.Last, a.Caller, a.Channel = at, caller, channel
		}
	}
	seen := make(map[string]bool)
	for i := range c.cdrs {
		r := &c.cdrs[i]
		if seen[r.id] || r.linked != "" && r.linked != r.id {
			continue // a further record of the same call, or a leg of another
		}
		seen[r.id] = true
		add(r.context, cmp.Or(r.did, r.dialled), r.caller, r.channel, r.start)
	}
	for i := range c.cels {
		if e := &c.cels[i]; e.event == "CHAN_START" && e.id == e.linked {
			add(e.context, e.dialled, e.caller, e.channel, e.at)
		}
	}
	for i := range c.legs {
		r := &c.legs[i]
		if r.direction == "outbound" || r.side == "b" {
			continue
		}
		dialled := ""
		if len(r.dialled) > 0 {
			dialled = r.dialled[0]
		}
		add(r.context, dialled, r.caller, r.channel, r.start)
	}
	all := make([]Arrival, 0, len(found))
	for _, a := range found {
		all = append(all, *a)
	}
	slices.SortFunc(all, func(a, b Arrival) int {
		return cmp.Or(cmp.Compare(b.Calls, a.Calls), cmp.Compare(a.Context, b.Context), cmp.Compare(a.Dialled, b.Dialled))
	})
	return all
}
