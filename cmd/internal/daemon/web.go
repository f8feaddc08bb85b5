package daemon

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"textback"
	"textback/cmd/internal/handoff"
	"textback/cmd/internal/web"
	"textback/configs"
	"textback/store"
)

// kindListener is the kind of link that a listener is to the meters; "http" and "metrics" are the names.
const kindListener = "listener"

// listenWhile serves HTTP as the configuration says, and again when it says something else. It ends with ctx; trouble with
// a listener is logged and waits for the next reload: calls and texts matter more.
func (d *Daemon) listenWhile(ctx context.Context, what string, open func(*configs.Config) (net.Listener, http.Handler, string, error)) error {
	changed := d.subscribe()
	for ctx.Err() == nil {
		l, h, key, err := open(d.conf.Load().cfg)
		d.met.told(kindListener, what, err, "")
		if err != nil {
			d.log.Error(what+"-failed", "error", err)
		}
		serveCtx, stop := context.WithCancel(ctx)
		ended := make(chan error, 1)
		if l != nil {
			d.log.Info(what+"-listen", "on", l.Addr().String())
			go func() { ended <- web.Serve(serveCtx, l, h) }()
		} else {
			ended <- nil
		}
		for again := false; !again; {
			select {
			case <-ctx.Done():
				again = true
			case <-changed:
				// One that could not be opened is tried again by every reload.
				again = l == nil && err != nil || configKey(d.conf.Load().cfg, what) != key
			}
		}
		stop()
		if err := <-ended; err != nil {
			d.log.Error(what+"-failed", "error", err)
		}
	}
	return nil
}

// subscribe gives a channel that is signalled after each new configuration.
func (d *Daemon) subscribe() <-chan struct{} {
	c := make(chan struct{}, 1)
	d.mu.Lock()
	d.subscribers = append(d.subscribers, c)
	d.mu.Unlock()
	return c
}

// configKey is the same as long as a listener need not be opened anew.
func configKey(cfg *configs.Config, what string) string {
	if what == "metrics" {
		return cfg.Metrics.Listen
	}
	key := fmt.Sprintf("%+v %s %s", cfg.HTTP, cfg.HTTP.Token.Reveal(), cfg.HTTP.PagePassword.Reveal())
	for _, b := range cfg.Bookings {
		key += fmt.Sprintf(" %s %s %s %s", b.Service, b.Path, b.Business, b.Secret.Reveal())
	}
	return key
}

func (d *Daemon) metrics(ctx context.Context) error {
	return d.listenWhile(ctx, "metrics", func(cfg *configs.Config) (net.Listener, http.Handler, string, error) {
		key := configKey(cfg, "metrics")
		if cfg.Metrics.Listen == "" {
			return nil, nil, key, nil
		}
		l, err := net.Listen("tcp", cfg.Metrics.Listen)
		return l, d.met.Handler(), key, err
	})
}

// web takes bookings and replies by people over HTTP, and serves the page.
func (d *Daemon) web(ctx context.Context) error {
	return d.listenWhile(ctx, "http", func(cfg *configs.Config) (net.Listener, http.Handler, string, error) {
		key := configKey(cfg, "http")
		if cfg.HTTP.Listen == "" {
			return nil, nil, key, nil
		}
		h, err := web.Handler(d.webOptions(cfg))
		if err != nil {
			return nil, nil, key, err
		}
		l, err := net.Listen("tcp", cfg.HTTP.Listen)
		if err != nil || cfg.HTTP.TLSCert == "" {
			return l, h, key, err
		}
		cert, err := tls.LoadX509KeyPair(cfg.HTTP.TLSCert, cfg.HTTP.TLSKey)
		if err != nil {
			l.Close()
			return nil, nil, key, fmt.Errorf("tls_cert and tls_key: %w", err)
		}
		return tls.NewListener(l, &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{cert}}), h, key, nil
	})
}

func (d *Daemon) webOptions(cfg *configs.Config) web.Options {
	o := web.Options{Log: d.log, Now: d.now, PerMinute: cfg.HTTP.PerMinute,
		TrustedProxies: cfg.HTTP.TrustedProxies, Page: d.pageOptions(cfg), OnBooking: d.booking, OnRefused: d.met.HTTPRefused.Inc,
		OnReply: func(ctx context.Context, r web.Reply) error {
			_, err := d.answer(ctx, r.Thread, r.Person, r.Text, 0)
			switch {
			case errors.Is(err, store.ErrNotFound):
				return web.ErrNoThread
			case errors.Is(err, store.ErrOptedOut):
				return fmt.Errorf("%w: the caller has opted out", web.ErrRefused)
			case errors.Is(err, store.ErrState):
				return fmt.Errorf("%w: the caller has a newer conversation", web.ErrRefused)
			}
			return err
		},
		Health: func(ctx context.Context) error { _, _, err := d.store.NextDue(ctx); return err },
	}
	if cfg.HTTP.Token.IsSet() {
		o.Tokens = []web.Token{{Name: "http", Secret: cfg.HTTP.Token.Reveal()}}
	}
	for _, b := range cfg.Bookings {
		o.Bookings = append(o.Bookings, web.BookingSource{Service: b.Service, Path: b.Path, Secret: b.Secret.Reveal(), Business: b.Business})
	}
	return o
}

// booking records what a booking service tells, on the thread that it belongs to, and confirms it by text where wanted.
func (d *Daemon) booking(ctx context.Context, b web.Booking) error {
	cfg := d.conf.Load().cfg
	nb := store.NewBooking{Booking: b.Booking, Event: b.State, Phone: bookingPhone(cfg, b)}
	if b.Business != "" {
		nb.Businesses = []string{b.Business}
	}
	if err := d.movedFrom(ctx, &nb, b.Previous); err != nil {
		return err
	}
	nb.Also = func(r store.BookingResult) []store.Delivery {
		if r.Duplicate {
			return nil
		}
		business, person := b.Business, nb.Phone
		var th *textback.Thread
		if r.Matched {
			th = &r.Thread
			business, person = th.Business, th.Caller
		}
		return hand(cfg, handoff.BookingType(b.State), business, person, d.now(), handoff.BookingOf(b.Booking, business, th), nil)
	}
	result, err := d.store.RecordBooking(ctx, nb, d.now())
	if err != nil {
		return err
	}
	d.log.Info("booking", "service", b.Service, "state", b.State, "matched", result.Matched, "duplicate", result.Duplicate, "thread", result.Thread.ID)
	if result.Duplicate || !result.Matched || result.OptedOut || b.State != "created" {
		return nil
	}
	return d.confirmBooking(ctx, cfg, b, result)
}

// movedFrom gives a booking that replaces another the token and the number of that other, where it brings none of its own.
func (d *Daemon) movedFrom(ctx context.Context, nb *store.NewBooking, previous string) error {
	if previous == "" || nb.Booking.Token != "" {
		return nil
	}
	const asFarBack = 365 * 24 * time.Hour
	return d.store.Bookings(ctx, d.now().Add(-asFarBack), d.now().Add(time.Minute), func(r store.BookingRecord) bool {
		if r.Booking.ID == previous && r.Booking.Service == nb.Booking.Service {
			nb.Booking.Token = cmp.Or(r.Booking.Token, nb.Booking.Token)
			nb.Phone = cmp.Or(nb.Phone, r.Caller)
		}
		return true
	})
}

func (d *Daemon) confirmBooking(ctx context.Context, cfg *configs.Config, b web.Booking, r store.BookingResult) error {
	line := cfg.Set.LineByNumber(r.Thread.Line)
	for _, conf := range cfg.Bookings {
		if conf.Service != b.Service || conf.Confirm == nil || line == nil || conf.Business != "" && conf.Business != r.Thread.Business {
			continue
		}
		now := d.now()
		body, err := conf.Confirm.Render(0, line.Fields(r.Thread.Name, r.Thread.Opened, now, "", conf.Confirm.Language))
		if err != nil {
			return err
		}
		_, err = d.store.QueueText(ctx, store.NewText{Text: textback.Text{Kind: textback.BookingText, ThreadID: r.Thread.ID,
			Business: r.Thread.Business, Line: line.Number, To: r.Thread.Caller, From: line.From, SMPP: line.SMPP, Body: body,
			Due: now, Expires: now.Add(answerWithin(textback.BookingText))}, SharedWith: cfg.Set.SharedWith(r.Thread.Business)}, now)
		if err != nil && !errors.Is(err, store.ErrOptedOut) {
			d.sparingly(slog.LevelError, "store", "store-failed", "what", "booking confirmation", "error", err)
		}
		return nil
	}
	return nil
}

// bookingPhone is the first of the numbers that the attendee typed which can be read.
func bookingPhone(cfg *configs.Config, b web.Booking) string {
	region, validate := homeRegion(cfg), true
	if biz := cfg.Set.Businesses[b.Business]; biz != nil {
		region, validate = biz.Region, biz.Policy.ValidateNumbers
	}
	for _, p := range b.Phones {
		if n, err := textback.ParseNumber(p, region, nil, validate); err == nil {
			return n.E164
		}
	}
	return ""
}
