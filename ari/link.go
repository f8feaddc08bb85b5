package ari

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"syscall"
	"time"

	v6 "github.com/CyCoreSystems/ari/v6"
)

// Run keeps a link to the PBX until ctx is done and hands on what comes, one message at a time, from one goroutine. It
// returns nil when ctx is done, or an error at once if the options are wrong. While handle works the link is read on:
// up to Options.Queue events wait; what comes beyond is dropped, counted, and made up for by a read-back.
func Run(ctx context.Context, o Options, handle func(Message)) error {
	o, u, err := o.withDefaults()
	if err != nil {
		return err
	}
	l := &link{ctx: ctx, o: o, url: u, handle: handle, client: newClient(o, u), notes: newNotifier(o.Notify), asked: make(asked)}
	defer l.client.close()
	if len(o.Types) > 0 {
		l.types = map[string]bool{"ApplicationReplaced": true}
		for _, t := range o.Types {
			l.types[t] = true
		}
	}
	for {
		began := time.Now()
		l.upSince = time.Time{}
		err := l.session(ctx)
		if ctx.Err() != nil {
			return nil
		}
		l.client.close() // connections from before the loss are of no use
		if l.pause(err, began) {
			return nil
		}
	}
}

// link is what lasts from one session to the next. Run's goroutine owns it.
type link struct {
	ctx    context.Context
	o      Options
	url    *url.URL
	handle func(Message)
	client *client
	notes  *notifier
	types  map[string]bool // empty: all
	asked  asked

	up      bool      // MessageUp was delivered and not yet MessageDown
	upSince time.Time // zero: not in this session
	tries   int       // sessions in a row that ended soon
	worst   StatusKind

	known     bool      // there was a snapshot
	startedAt time.Time // of the last snapshot
	booting   bool      // the PBX refused or answered 503 since the last snapshot
	lastMade  time.Time // of the youngest channel seen, with its serial number
	lastN     uint64
}

func (l *link) deliver(m Message) { l.handle(m) }

func (l *link) wanted(typ, variable []byte) bool {
	if len(l.types) > 0 && len(typ) > 0 && !l.types[string(typ)] {
		return false
	}
	return string(typ) != "ChannelVarset" || l.o.Variable == nil || l.o.Variable(string(variable))
}

// lookFor asks what to look up on account of a message, and leaves out what was asked for already.
func (l *link) lookFor(m Message) []Lookup {
	if l.o.Lookups == nil {
		return nil
	}
	var all []Lookup
	for _, want := range l.o.Lookups(m) {
		if fresh := l.asked.fresh(want); len(fresh.Variables) > 0 {
			all = append(all, fresh)
		}
	}
	return all
}

// restarted compares with the snapshot before. Where the PBX does not tell when it started, a connection refused in between, or a
// serial number of channels that begins again, tells as well.
func (l *link) restarted(started time.Time, channels []Channel) bool {
	if !l.known {
		return false
	}
	if !started.IsZero() && !l.startedAt.IsZero() {
		return !started.Equal(l.startedAt)
	}
	if l.booting {
		return true
	}
	for i := range channels {
		if made, n, ok := serial(channels[i].ID); ok && made.After(l.lastMade) && n < l.lastN {
			return true
		}
	}
	return false
}

func (l *link) remember(s *Snapshot) {
	if s.Restarted {
		l.lastMade, l.lastN = time.Time{}, 0
	}
	l.known, l.booting, l.startedAt = true, false, s.StartedAt
	l.asked.keep(s)
	for i := range s.Channels {
		l.count(s.Channels[i].ID)
	}
}

// note keeps the serial number of the youngest channel.
func (l *link) note(m Message) {
	if e, ok := m.Event.(*v6.ChannelCreated); ok {
		l.count(e.Channel.ID)
	}
}

func (l *link) count(id string) {
	if made, n, ok := serial(id); ok && n >= l.lastN {
		l.lastMade, l.lastN = made, n
	}
}

// pause tells why a session ended and waits before the next. It gives true if ctx is done.
func (l *link) pause(err error, began time.Time) bool {
	kind, words := l.classify(err)
	if kind == StatusUnreachable && isBooting(err) {
		l.booting = true
	}
	l.notes.tell(Status{Kind: kind, Err: words})
	if kind != l.worst || !l.upSince.IsZero() && time.Since(l.upSince) >= steady(kind) {
		l.tries = 0
	}
	l.worst = kind
	l.tries++
	t := time.NewTimer(wait(kind, l.tries))
	defer t.Stop()
	select {
	case <-l.ctx.Done():
		return true
	case <-t.C:
		return false
	}
}

// steady is how long a link must have stood for the next trouble to count as new.
func steady(kind StatusKind) time.Duration {
	if kind == StatusReplaced {
		return 10 * time.Minute // two programs of one name throw each other out in turn
	}
	return 10 * time.Second
}

// wait is the pause before the next try: it doubles, up to a bound, with a fifth of jitter. A refusal that will not mend itself
// is tried again slowly; one that may is tried again soon, because every second without a link is one of calls not seen.
func wait(kind StatusKind, tries int) time.Duration {
	first, most := 200*time.Millisecond, 5*time.Second
	switch kind {
	case StatusCredentials, StatusRefused, StatusReplaced:
		first, most = 5*time.Second, time.Minute
	}
	d := most
	if tries < 16 {
		d = min(most, first<<(tries-1))
	}
	return time.Duration(float64(d) * (0.8 + 0.4*rand.Float64()))
}

// classify says what kind of trouble an error is, and puts it into words for the operator.
func (l *link) classify(err error) (StatusKind, error) {
	var rb *readBackError
	readBack := errors.As(err, &rb)
	switch status := httpStatus(err); {
	case errors.Is(err, errReplaced):
		return StatusReplaced, fmt.Errorf("another program has connected with app %q and taken its events: "+
			"give each its own name with the key app", l.o.App)
	case status == http.StatusUnauthorized:
		return StatusCredentials, fmt.Errorf("wrong username or password for ARI user %q (HTTP 401): "+
			"compare ari.conf with the keys username and password_file", l.o.Username)
	case readBack:
		return StatusReadBack, err
	case !l.upSince.IsZero():
		return StatusLost, err
	case status == http.StatusServiceUnavailable:
		return StatusUnreachable, fmt.Errorf("%w: the PBX is still starting", err)
	case status == http.StatusNotFound:
		return StatusUnreachable, fmt.Errorf("%w: the PBX is still starting, or ARI is not enabled in ari.conf, "+
			"or url does not end in /ari", err)
	case status == http.StatusForbidden:
		return StatusRefused, fmt.Errorf("%w: the user may not do this, or an access list is in the way", err)
	case status != 0 && status != http.StatusSwitchingProtocols, isHandshake(err):
		return StatusRefused, fmt.Errorf("%w: is this the address of ARI (http.conf, prefix and port)?", err)
	case isCertificate(err):
		return StatusRefused, err
	default:
		return StatusUnreachable, err
	}
}

func httpStatus(err error) int {
	var he *handshakeError
	if errors.As(err, &he) {
		return he.status
	}
	var re *RESTError
	if errors.As(err, &re) {
		return re.Status
	}
	return 0
}

// isHandshake: what answered spoke, but not as ARI does. An end of the connection does not count as speaking.
func isHandshake(err error) bool {
	var he *handshakeError
	return errors.As(err, &he) && !isNetwork(he.err)
}

func isCertificate(err error) bool {
	var unknown x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	var name x509.HostnameError
	var record tls.RecordHeaderError
	return errors.As(err, &unknown) || errors.As(err, &invalid) || errors.As(err, &name) || errors.As(err, &record)
}

// isBooting tells a PBX that is not there from a network that is not: only the first means a restart.
func isBooting(err error) bool {
	return errors.Is(err, syscall.ECONNREFUSED) || httpStatus(err) == http.StatusServiceUnavailable
}
