// Package web is the HTTP listener: booking webhooks of Cal.com and Calendly, replies of staff by an authenticated call,
// the web page for people, a health page, and the metrics for Prometheus. It checks, parses and hands over; it never reads the store.
package web

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"time"

	"textback"
)

// Services that bookings come from, as configured.
const (
	CalCom   = "cal.com"
	Calendly = "calendly"
)

// BookingSource is one booking service that may call a path here.
type BookingSource struct {
	Service  string // CalCom or Calendly
	Path     string // e.g. "/hooks/calcom"; unique
	Secret   string // the service's signing secret; must not be empty
	Business string // key of the business that the bookings belong to, "" if the token or the number tells
}

// Token lets a program answer threads.
type Token struct {
	Name   string // who it is, shown as the person who answered
	Secret string // at least 16 characters
}

// Booking is one event of a booking service, checked and read. Everything in it but Service, State, At and Business was
// typed by a stranger.
type Booking struct {
	textback.Booking
	Business string   // of the source
	Previous string   // id of the booking that this one replaces, "" if none
	Phones   []string // numbers of the attendees as they typed them, the likeliest first; not yet read by a numbering plan
	Name     string   // the attendee's name
	Key      string   // the same for a repetition of the same event: service, id and event
}

// Errors by which OnReply chooses the answer's status; any other is a temporary failure (503).
var (
	ErrNoThread = errors.New("there is no such thread")
	// ErrRefused is wrapped by an error whose words the caller may read: opted out, thread closed.
	ErrRefused = errors.New("refused")
)

// Reply is what a person answers through the API.
type Reply struct {
	Thread uint64
	Person string // who answers: the request's "person", or the token's name
	Text   string
}

// Options are the listener's settings and what it hands over to.
type Options struct {
	Bookings []BookingSource
	Tokens   []Token
	Page     *Page // nil: there is no page for people

	// OnBooking makes a booking durable; an error lets the service try again. It may see the same Key again after a
	// restart and must then do nothing.
	OnBooking func(ctx context.Context, b Booking) error
	// OnReply queues the answer. Its error decides the status: see [ErrNoThread] and [ErrRefused].
	OnReply func(ctx context.Context, r Reply) error
	// OnRefused counts requests with a wrong signature or token; may be nil.
	OnRefused func()
	// Health is asked by /healthz; nil is healthy.
	Health func(ctx context.Context) error

	Log            *slog.Logger     // one line "http-refused" per request with a wrong signature or token; nil logs nothing
	Now            func() time.Time // time.Now unless given
	TrustedProxies []netip.Prefix   // whose X-Forwarded-For is believed
	PerMinute      int              // requests per address and minute; 60 unless given
}
