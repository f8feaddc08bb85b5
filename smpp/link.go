package smpp

import (
	"context"
	"errors"

	"textback"
)

// Link is one message centre: it binds, stays bound, and sends. Its methods may be called from any goroutine.
type Link struct {
	cfg Config
	on  Handlers
}

// NewLink makes a link; nothing happens before [Link.Run]. The configuration must pass [Config.Check].
func NewLink(cfg Config, on Handlers) *Link { return &Link{cfg: cfg.withDefaults(), on: on} }

// Name is the link's name in the configuration.
func (l *Link) Name() string { return l.cfg.Name }

// Config is what the link was made with, defaults filled in.
func (l *Link) Config() Config { return l.cfg }

// Run binds and stays bound until ctx ends; then it takes no more submits, waits up to Drain for answers, unbinds and
// returns nil. It is called once.
func (l *Link) Run(ctx context.Context) error { return errors.New("run: not built yet") }

// Up tells whether a submit could be written now.
func (l *Link) Up() bool { return false }

// Segments cuts a text into what goes out over this link, one submit_sm each.
func (l *Link) Segments(body string) []textback.Segment { return l.cfg.Segments(body) }

// Submit sends one segment and waits for the answer. It waits for its turn (rate, window), and tries again for a while
// when the message centre throttles. Answer.Sent is always set. The error is nil if the segment was accepted, a
// [*StatusError] if it was refused, [ErrUnanswered] if Answer.Sent is Uncertain, else it tells why it was not sent.
// If ctx ends after it was written the result is ErrUnanswered, and the answer goes to Handlers.Late.
func (l *Link) Submit(ctx context.Context, s Segment) (Answer, error) {
	return Answer{Link: l.cfg.Name, Token: s.Token, Sent: NotSent}, ErrDown
}

// Counters are the link's totals.
func (l *Link) Counters() Counters { return Counters{} }
