package ari

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"
)

// Options describe one link. URL, Username, Password and App are required; everything else has a default.
type Options struct {
	URL      string // of ARI, e.g. "http://127.0.0.1:8088/ari"; https is verified
	Username string // of ari.conf; a user with read_only=yes is enough, but for [Originate]
	Password string
	App      string // name of the Stasis application: one of its own for each program, or they throw each other out

	// Types are the events wanted; all if empty. Others are left out by Asterisk where the user may set a filter, else
	// dropped here before they are decoded.
	Types []string
	// Variable tells which variables' ChannelVarset events are wanted; all if nil. It runs on the reader: be quick.
	Variable func(name string) bool
	// Lookups tells which variables to read by REST on account of a message. It is called after handle, by the same
	// goroutine. A variable of a channel is asked for once. Nil: none.
	Lookups func(Message) []Lookup
	// Notify gets what an operator should know, already thinned out. It may be called from several goroutines and must not block.
	Notify func(Status)
	// Counters are counted up as long as Run runs. Nil: nobody looks.
	Counters *Counters

	TLS  *tls.Config // for https; nil is the default configuration. Verification is on unless it says otherwise.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)

	HandshakeTimeout time.Duration // connect, TLS and the websocket's handshake together; 10 s
	RequestTimeout   time.Duration // one REST call; 10 s
	Ping             time.Duration // between pings; 10 s
	Idle             time.Duration // nothing read for so long, not even a pong, and the link counts as dead; 30 s
	Queue            int           // events that may wait for handle; 16384
	Parallel         int           // lookups in flight; 4
}

// withDefaults checks the options and fills the gaps.
func (o Options) withDefaults() (Options, *url.URL, error) {
	u, err := url.Parse(o.URL)
	switch {
	case err != nil:
		// The text of a URL that cannot be parsed may hold a password: do not repeat it.
		return o, nil, errors.New("url: not a URL; write it as \"http://127.0.0.1:8088/ari\"")
	case u.Scheme != "http" && u.Scheme != "https", u.Host == "":
		return o, nil, errors.New("url: must start with http:// or https:// and a host, as in \"http://127.0.0.1:8088/ari\"")
	case u.User != nil, u.RawQuery != "":
		return o, nil, errors.New("url: write the username and the password in their own keys, not in the url")
	case o.Username == "" || strings.Contains(o.Username, ":"):
		return o, nil, errors.New("username: must be the name of a user in ari.conf, without a colon")
	case o.App == "" || strings.ContainsAny(o.App, ",/?&#% "):
		return o, nil, fmt.Errorf("app: %q is not a name for a Stasis application; use letters, digits and -", o.App)
	}
	u.Path = strings.TrimRight(u.Path, "/")
	u.Fragment = ""
	if o.Dial == nil {
		o.Dial = (&net.Dialer{KeepAlive: 15 * time.Second}).DialContext
	}
	if o.Notify == nil {
		o.Notify = func(Status) {}
	}
	if o.Counters == nil {
		o.Counters = new(Counters)
	}
	for _, d := range []struct {
		value *time.Duration
		or    time.Duration
	}{
		{&o.HandshakeTimeout, 10 * time.Second}, {&o.RequestTimeout, 10 * time.Second},
		{&o.Ping, 10 * time.Second}, {&o.Idle, 30 * time.Second},
	} {
		if *d.value <= 0 {
			*d.value = d.or
		}
	}
	if o.Queue <= 0 {
		o.Queue = 16384
	}
	if o.Parallel <= 0 {
		o.Parallel = 4
	}
	return o, u, nil
}
