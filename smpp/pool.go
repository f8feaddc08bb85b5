package smpp

import (
	"context"
	"fmt"
	"sync"
)

// Pool is the links in the order of the configuration.
type Pool struct {
	links []*Link

	mu      sync.Mutex
	changed chan struct{} // closed and replaced when a link comes up or goes down
}

// NewPool makes a pool of links, before they run. Who runs the links is the caller's affair.
func NewPool(links ...*Link) *Pool {
	p := &Pool{links: links, changed: make(chan struct{})}
	for _, l := range links {
		l.watch(p.wake)
	}
	return p
}

func (p *Pool) wake() {
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.changed)
	p.changed = make(chan struct{})
}

// Links are the pool's links in order.
func (p *Pool) Links() []*Link { return p.links }

// Pick is the link for a text: the one of this name, or the first that is up if the name is "". The error is [ErrDown]
// if there is none, [ErrUnknownLink] if the name is unknown. All parts of a text should go over the same link, and a submit
// in doubt never over a second one.
func (p *Pool) Pick(name string) (*Link, error) {
	for _, l := range p.links {
		switch {
		case (name == "" || name == l.Name()) && l.Up():
			return l, nil
		case name == l.Name():
			return nil, fmt.Errorf("link %q: %w", name, ErrDown)
		}
	}
	if name == "" {
		return nil, ErrDown
	}
	return nil, fmt.Errorf("link %q: %w", name, ErrUnknownLink)
}

// Wait waits until [Pool.Pick] finds a link for this name, or ctx ends, or no link has the name.
func (p *Pool) Wait(ctx context.Context, name string) (*Link, error) {
	for {
		p.mu.Lock()
		changed := p.changed
		p.mu.Unlock()
		l, err := p.Pick(name)
		if err == nil || !Retryable(err) {
			return l, err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}
