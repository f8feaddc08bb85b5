package esl

import (
	"context"
	"crypto/tls"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/percipia/eslgo"
)

const (
	defaultPort   = "8021"
	readBackPause = time.Second      // between two read-backs of one session
	steady        = 30 * time.Second // a session that lived this long starts the pauses anew
	tellAgain     = time.Minute      // a cause that goes on
	tellAgainSlow = time.Hour        // a lasting cause that goes on
)

func (o Options) withDefaults() Options {
	if _, _, err := net.SplitHostPort(o.Addr); err != nil {
		o.Addr = net.JoinHostPort(strings.Trim(o.Addr, "[]"), defaultPort)
	}
	if o.Events == nil {
		o.Events = DefaultEvents()
	}
	if o.Subclasses == nil {
		o.Subclasses = DefaultSubclasses()
	}
	if o.Dial == nil {
		o.Dial = new(net.Dialer).DialContext
	}
	if o.Notify == nil {
		o.Notify = func(Status) {}
	}
	for _, d := range []struct {
		field *time.Duration
		value time.Duration
	}{
		{&o.DialTimeout, 10 * time.Second}, {&o.LoginTimeout, 10 * time.Second}, {&o.CmdTimeout, 10 * time.Second},
		{&o.Idle, 60 * time.Second}, {&o.RetryMin, 500 * time.Millisecond}, {&o.RetryMax, 30 * time.Second},
		{&o.RetrySlow, 60 * time.Second},
	} {
		if *d.field <= 0 {
			*d.field = d.value
		}
	}
	for _, n := range []struct {
		field *int
		value int
	}{{&o.Queue, 8192}, {&o.QueueBytes, 64 << 20}, {&o.MaxFrame, 16 << 20}, {&o.MaxDumps, 1000}} {
		if *n.field <= 0 {
			*n.field = n.value
		}
	}
	return o
}

// listen is the list of the event command. Native names must come first: all that stands after CUSTOM is a subclass.
func (o *Options) listen() []string {
	list := slices.Clone(o.Events)
	if !slices.Contains(list, "HEARTBEAT") {
		list = append(list, "HEARTBEAT")
	}
	if len(o.Subclasses) > 0 {
		list = append(append(list, "CUSTOM"), o.Subclasses...)
	}
	return list
}

// Run keeps the link up and gives everything that it tells to handle, one message at a time, until ctx is done; then it
// returns ctx's error. handle may be slow: reading goes on meanwhile, and beyond Options.Queue events are lost, counted
// and mended by a read-back. What had come off the wire before the end is still handed over.
func (l *Link) Run(ctx context.Context, handle func(Message)) error {
	r := runner{link: l, handle: handle, told: map[Cause]*telling{}}
	for ctx.Err() == nil {
		began := time.Now()
		up, err := r.session(ctx)
		if ctx.Err() != nil {
			break
		}
		if up && time.Since(began) >= steady {
			r.failures = 0
		}
		r.failures++
		pause := l.opts.pause(causeOf(err), r.failures)
		if up {
			r.handle(Message{Kind: MessageDown, Seen: time.Now(), Err: err})
		}
		r.tell(Status{Cause: causeOf(err), Err: err, Retry: pause, Failures: r.failures})
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
		}
	}
	return ctx.Err()
}

// pause is how long to wait before the next attempt: doubled each time, and never the same for two daemons that lost the
// same PBX at the same moment.
func (o *Options) pause(cause Cause, failures int) time.Duration {
	if cause.Lasting() {
		return jitter(o.RetrySlow)
	}
	pause := o.RetryMin
	for range failures - 1 {
		if pause *= 2; pause >= o.RetryMax {
			pause = o.RetryMax
			break
		}
	}
	return jitter(pause)
}

// jitter is d, less up to a half of it.
func jitter(d time.Duration) time.Duration { return d - rand.N(d/2+1) }

// runner is what Run's goroutine keeps from one session to the next.
type runner struct {
	link     *Link
	handle   func(Message)
	cores    map[string]bool // Core-UUIDs of the last session that was up
	failures int
	told     map[Cause]*telling
	down     bool // the last status told was a failure
}

type telling struct {
	at       time.Time
	withheld int
}

// tell passes a status on unless the like was told a moment ago.
func (r *runner) tell(s Status) {
	s.At = time.Now()
	if s.Cause == CauseNone {
		for cause := range r.told { // mended: if it breaks again, that is news
			if cause.Lasting() && cause != CauseReadBack {
				delete(r.told, cause)
			}
		}
		if r.down || r.told[CauseNone] == nil {
			r.told[CauseNone] = &telling{at: s.At}
			r.down = false
			r.link.opts.Notify(s)
		}
		return
	}
	again := tellAgain
	if s.Cause.Lasting() {
		again = tellAgainSlow
	}
	t := r.told[s.Cause]
	if t != nil && s.At.Sub(t.at) < again {
		t.withheld++
		return
	}
	if t != nil {
		s.Withheld = t.withheld
	}
	r.told[s.Cause] = &telling{at: s.At}
	if s.Cause != CauseOverflow {
		r.down = true
	}
	r.link.opts.Notify(s)
}

// session is one connection from dial to end. up tells whether MessageUp was given out.
func (r *runner) session(ctx context.Context) (up bool, err error) {
	conn, err := r.link.opts.connect(ctx)
	if err != nil {
		return false, err
	}
	s := newSession(conn, &r.link.opts)
	stop := context.AfterFunc(ctx, func() { s.fail(errEnded) })
	defer func() {
		stop()
		s.close()
		r.link.set(nil)
	}()
	if err := s.login(ctx); err != nil {
		return false, err
	}
	snap, err := s.readBack(ctx)
	if err != nil {
		return false, err
	}
	snap.Restarted = len(r.cores) > 0 && snap.CoreUUID != "" && !r.cores[snap.CoreUUID]
	if snap.Blind != nil {
		r.tell(Status{Cause: CauseReadBack, Err: snap.Blind})
	}
	r.link.set(s)
	r.tell(Status{CoreUUID: snap.CoreUUID, Live: len(snap.Channels)})
	r.handle(Message{Kind: MessageUp, Seen: time.Now(), Snapshot: snap})
	err = r.deliver(ctx, s)
	s.close()
	if len(s.cores) > 0 { // its reader has ended: nobody else looks at it
		r.cores = s.cores
	}
	return true, err
}

// deliver gives out what the queue holds until the session has ended and the queue is empty.
func (r *runner) deliver(ctx context.Context, s *session) error {
	readBack := time.Now()
	for {
		m, took, err := s.queue.take()
		switch took {
		case tookMessage:
			r.handle(m)
		case tookEnd:
			return err
		case tookNothing:
			<-s.queue.wake // the session's end wakes it too
		case tookGap:
			wait := time.NewTimer(readBackPause - time.Since(readBack))
			select {
			case <-wait.C:
			case <-s.done:
				wait.Stop()
				continue
			}
			if err := r.mend(ctx, s); err != nil {
				return err
			}
			readBack = time.Now()
		}
	}
}

// mend closes a gap in the events: first they may come in again, then what is live is read back.
func (r *runner) mend(ctx context.Context, s *session) error {
	lost := s.queue.closeGap()
	snap, err := s.readBack(ctx)
	if err != nil {
		return err
	}
	err = fmt.Errorf("%w: %d", ErrOverflow, lost)
	r.tell(Status{Cause: CauseOverflow, Err: err, Lost: lost})
	r.handle(Message{Kind: MessageOverflow, Seen: time.Now(), Snapshot: snap, Err: err})
	return nil
}

// connect dials, and shakes hands if TLS is configured.
func (o *Options) connect(ctx context.Context) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, o.DialTimeout)
	defer cancel()
	conn, err := o.Dial(ctx, eslgo.DefaultInboundOptions.Network, o.Addr)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", o.Addr, err)
	}
	if o.TLS == nil {
		return conn, nil
	}
	config := o.TLS
	if config.ServerName == "" && !config.InsecureSkipVerify {
		config = config.Clone()
		config.ServerName, _, _ = net.SplitHostPort(o.Addr)
	}
	secure := tls.Client(conn, config)
	if err := secure.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, fmt.Errorf("connect to %s: tls: %w", o.Addr, err)
	}
	return secure, nil
}

func (l *Link) set(s *session) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.live = s
}

func (l *Link) session() (*session, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.live == nil {
		return nil, ErrDown
	}
	return l.live, nil
}
