package daemon

import (
	"context"
	"slices"
	"sync"

	"textback/smpp"
)

// order lets texts that are prepared at the same time leave in the order in which they were taken up, link by link.
type order struct {
	mu   sync.Mutex
	line []*place // oldest first
}

// place is one text's place in the line, until its first part was handed to a link.
type place struct {
	of   *order
	link string        // on which it is to leave; "" while that is not decided
	free chan struct{} // closed when it is its turn
	open bool          // free is closed
}

// join takes a place at the end of the line.
func (o *order) join() *place {
	p := &place{of: o, free: make(chan struct{})}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.line = append(o.line, p)
	return p
}

// wait waits until nobody who stands before may still leave on the same link. A place that was left waits for nothing.
func (p *place) wait(ctx context.Context, link string) {
	p.of.mu.Lock()
	p.link = link
	p.of.walk()
	p.of.mu.Unlock()
	select {
	case <-p.free:
	case <-ctx.Done():
	}
}

// leave gives the place up, once or again.
func (p *place) leave() {
	p.of.mu.Lock()
	defer p.of.mu.Unlock()
	p.of.line = slices.DeleteFunc(p.of.line, func(x *place) bool { return x == p })
	p.let()
	p.of.walk()
}

// walk lets those go who are the first on their link. The lock is held.
func (o *order) walk() {
	first := make(map[string]bool)
	for _, p := range o.line {
		if p.link == "" {
			return // it may be for any link
		}
		if !first[p.link] {
			first[p.link] = true
			p.let()
		}
	}
}

func (p *place) let() {
	if !p.open {
		p.open = true
		close(p.free)
	}
}

// hand gives a segment to a link when it is the text's turn, and waits for the answer.
func (p *place) hand(ctx context.Context, link *smpp.Link, s smpp.Segment) (smpp.Answer, error) {
	p.wait(ctx, link.Name())
	pending, err := link.Start(ctx, s)
	p.leave()
	if err != nil {
		return smpp.Answer{Link: link.Name(), Token: s.Token, Sent: smpp.NotSent}, err
	}
	return pending.Wait()
}
