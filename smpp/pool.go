package smpp

import (
	"context"
	"fmt"
)

// Pool is the links in the order of the configuration.
type Pool struct {
	links []*Link
}

// NewPool makes a pool of links. Who runs the links is the caller's affair.
func NewPool(links ...*Link) *Pool {
	return &Pool{links: links}
}

// Links are the pool's links in order.
func (p *Pool) Links() []*Link { return p.links }

// Pick is the link for a text: the one of this name, or the first that is up if the name is "". The error is [ErrDown]
// if there is none, [ErrUnknownLink] if the name is unknown. All parts of a text should go over the same link.
func (p *Pool) Pick(name string) (*Link, error) {
	for _, l := range p.links {
		switch {
		case name == "" && l.Up(), name == l.Name() && l.Up():
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

// Wait waits until [Pool.Pick] would find a link for this name.
func (p *Pool) Wait(ctx context.Context, name string) (*Link, error) {
	return p.Pick(name)
}
