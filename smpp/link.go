package smpp

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fiorix/go-smpp/smpp/pdu"

	"textback"
)

// Link is one message centre: it binds, stays bound, and sends. Its methods may be called from any goroutine.
type Link struct {
	cfg     Config
	on      Handlers
	lanes   *lanes
	pacer   *pacer
	full    fullness
	caution *caution
	window  chan struct{} // a place for each submit_sm in flight
	turn    chan struct{} // held by the submit that is next, so that they leave in the order in which they came
	count   counters

	starting atomic.Int64 // submits between the question whether the link is bound and the queue

	ctx  context.Context // of the deliveries: it ends when the link is stopped
	stop context.CancelFunc

	mu       sync.Mutex
	tx       *session // bound for submits, nil if there is none
	draining chan struct{}
	drained  bool
	watchers []func()
}

type counters struct {
	submitted, accepted, refused, throttled, unanswered, late, delivered, receipts, deferred, broken, unknown, binds,
	failures atomic.Uint64
	inFlight atomic.Int64
}

// NewLink makes a link; nothing happens before [Link.Run]. The configuration must pass [Config.Check].
func NewLink(cfg Config, on Handlers) *Link {
	cfg = cfg.withDefaults()
	l := &Link{cfg: cfg, on: on, lanes: newLanes(), pacer: newPacer(cfg.Rate), caution: &caution{step: cfg.ResponseTimeout},
		window: make(chan struct{}, cfg.Window), turn: make(chan struct{}, 1), draining: make(chan struct{})}
	l.caution.notify = l.wake
	l.ctx, l.stop = context.WithCancel(context.Background())
	return l
}

// Name is the link's name in the configuration.
func (l *Link) Name() string { return l.cfg.Name }

// Config is what the link was made with, defaults filled in.
func (l *Link) Config() Config { return l.cfg }

// Segments cuts a text into what goes out over this link, one submit_sm each.
func (l *Link) Segments(body string) []textback.Segment { return l.cfg.Segments(body) }

// Up tells whether a submit could be written now: the link is bound, is not being stopped, and answers.
func (l *Link) Up() bool { return l.Bound() && l.caution.open(time.Now()) }

// Bound tells whether the link is bound for submits and not being stopped.
func (l *Link) Bound() bool {
	_, err := l.bound()
	return err == nil
}

// Rate is how many segments a second are let out now, 0 = no limit. It is below the configured rate while the message
// centre throttles.
func (l *Link) Rate() float64 { return l.pacer.current() }

// Counters are the link's totals.
func (l *Link) Counters() Counters {
	c := &l.count
	return Counters{Submitted: c.submitted.Load(), Accepted: c.accepted.Load(), Refused: c.refused.Load(),
		Throttled: c.throttled.Load(), Unanswered: c.unanswered.Load(), Late: c.late.Load(),
		Delivered: c.delivered.Load(), Receipts: c.receipts.Load(), Deferred: c.deferred.Load(),
		Broken: c.broken.Load(), Unknown: c.unknown.Load(), Binds: c.binds.Load(), Failures: c.failures.Load(),
		InFlight: int(c.inFlight.Load())}
}

// Run binds and stays bound until ctx ends; then it takes no more submits, waits up to Drain for answers, unbinds and
// returns nil. It is called once.
func (l *Link) Run(ctx context.Context) error {
	kinds := []string{bindTransceiver}
	if l.cfg.Bind == "transmitter+receiver" {
		kinds = []string{bindTransmitter, bindReceiver}
	}
	defer context.AfterFunc(ctx, l.drain)()
	var wg sync.WaitGroup
	for _, kind := range kinds {
		wg.Go(func() { l.keep(ctx, kind) })
	}
	wg.Wait()
	l.stop()
	l.lanes.close()
	return nil
}

// drain stops taking submits.
func (l *Link) drain() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.drained {
		l.drained = true
		close(l.draining)
	}
}

// Back-off between attempts to connect, and how long a bind must have lasted for the next attempt to be the first again.
const (
	retryFirst, retryMax           = time.Second, time.Minute
	refusedFirst, refusedMax       = time.Minute, 5 * time.Minute
	stableAfter                    = 30 * time.Second
	unbindWait                     = time.Second
	farEndWait, farEndWaitInFlight = 100 * time.Millisecond, time.Second
)

// keep holds one bind of the link up until ctx ends.
func (l *Link) keep(ctx context.Context, kind string) {
	failures := 0
	for ctx.Err() == nil {
		l.status(Status{Bind: kind, State: Connecting, Tries: failures})
		began := time.Now()
		bound, err := l.connect(ctx, kind)
		if ctx.Err() != nil {
			break
		}
		l.count.failures.Add(1)
		if bound && time.Since(began) >= stableAfter {
			failures = 0
		}
		failures++
		st := Status{Bind: kind, State: Down, Err: err, Tries: failures, Retry: backoff(failures, retryFirst, retryMax)}
		if credentials(err) {
			st.State, st.Retry = Refused, backoff(failures, refusedFirst, refusedMax)
		}
		l.status(st)
		timer := time.NewTimer(st.Retry)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
		}
	}
	l.status(Status{Bind: kind, State: Stopped})
}

// backoff doubles with each failure, less up to a half by chance so that links do not come back together.
func backoff(failures int, first, most time.Duration) time.Duration {
	d := most
	if failures < 16 {
		d = min(first<<(failures-1), most)
	}
	return d - rand.N(d/2)
}

// credentials tells whether an error will not mend itself.
func credentials(err error) bool {
	var refused *StatusError
	return errors.As(err, &refused) && (refused.Status == StatusInvPassword || refused.Status == StatusInvSystemID)
}

// connect makes one connection and returns when it is over, and whether it was bound.
func (l *Link) connect(ctx context.Context, kind string) (bound bool, err error) {
	conn, err := l.dial(ctx)
	if err != nil {
		return false, fmt.Errorf("connect to %s: %w", l.cfg.Addr, err)
	}
	s := newSession(&l.cfg, kind, conn, sessionHooks{incoming: l.incoming, late: l.lateAnswer, fault: l.fault,
		broken: func() { l.count.broken.Add(1) }, unknown: func() { l.count.unknown.Add(1) }})
	var wg sync.WaitGroup
	wg.Go(s.run)
	defer wg.Wait()
	defer s.fail(errors.New("the link was closed"))
	peer, err := s.bind(ctx)
	if err != nil {
		return false, fmt.Errorf("bind to %s as %q: %w", l.cfg.Addr, l.cfg.SystemID, err)
	}
	l.count.binds.Add(1)
	if kind != bindReceiver {
		l.setBound(s)
		defer l.setBound(nil)
	}
	l.status(Status{Bind: kind, State: Bound, Peer: peer})
	select {
	case <-s.done:
		return true, s.err
	case <-s.farEnd:
		if kind != bindReceiver {
			l.setBound(nil)
		}
		s.settle(farEndWaitInFlight, l.busy)
		s.flush(farEndWait)
		return true, errors.New("the message centre ended the bind (unbind)")
	case <-ctx.Done():
		l.drain()
		s.settle(l.cfg.Drain, l.busy)
		s.unbind()
		return true, nil
	}
}

func (l *Link) busy() bool { return l.starting.Load() > 0 }

// dial opens the connection, with TLS if it is configured, in bounded time.
func (l *Link) dial(ctx context.Context) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, l.cfg.ResponseTimeout)
	defer cancel()
	dial := l.cfg.Dial
	if dial == nil {
		dial = (&net.Dialer{}).DialContext
	}
	conn, err := dial(ctx, "tcp", l.cfg.Addr)
	if err != nil || l.cfg.TLS == nil {
		return conn, err
	}
	cfg := l.cfg.TLS.Clone()
	if cfg.ServerName == "" {
		cfg.ServerName, _, _ = net.SplitHostPort(l.cfg.Addr)
	}
	secured := tls.Client(conn, cfg)
	if err := secured.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("TLS: %w", err)
	}
	return secured, nil
}

// setBound makes a session the one that submits are written to.
func (l *Link) setBound(s *session) {
	l.mu.Lock()
	l.tx = s
	l.mu.Unlock()
	l.wake()
}

// wake tells who watches that Up may have changed.
func (l *Link) wake() {
	l.mu.Lock()
	watchers := l.watchers
	l.mu.Unlock()
	for _, w := range watchers {
		w()
	}
}

// bound is the session that submits are written to.
func (l *Link) bound() (*session, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.drained:
		return nil, ErrDraining
	case l.tx == nil:
		return nil, ErrDown
	}
	return l.tx, nil
}

// watch calls f after each change of Up. It is called before Run.
func (l *Link) watch(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.watchers = append(l.watchers, f)
}

func (l *Link) status(s Status) {
	if l.on.Status != nil {
		s.Link = l.cfg.Name
		l.on.Status(s)
	}
}

// fault tells of something wrong, beside the reader. When too many come at once some are not told; the counters have all.
func (l *Link) fault(word string, err error) {
	if l.on.Fault != nil {
		f := Fault{Link: l.cfg.Name, Word: word, Err: err}
		l.lanes.do("fault", false, func() { l.on.Fault(f) })
	}
}

// incoming takes a deliver_sm or data_sm off the reader. Its answer is sent when the handler has returned; a message that
// cannot be read is answered at once, and one that finds no room is left with the message centre for now.
func (l *Link) incoming(s *session, f frame) {
	respond := func(status uint32) { s.send(appendPDU(nil, f.id|responseBit, status, f.seq, 0)) }
	in, err := decodeIncoming(f)
	if err != nil {
		l.count.broken.Add(1)
		l.fault("broken-pdu", err)
		status := StatusInvMsgLen
		var bad *errBody
		if errors.As(err, &bad) {
			status = bad.status
		}
		respond(status)
		return
	}
	d := interpret(&l.cfg, &in, time.Now())
	from := ""
	if d.Message != nil {
		from = d.Message.From
	} else {
		from = d.Receipt.From + d.Receipt.To
		l.count.receipts.Add(1)
	}
	l.count.delivered.Add(1)
	s.taking.Add(1)
	taken := l.lanes.do(from, false, func() {
		defer s.taking.Add(-1)
		status := l.on.Deliver(l.ctx, d)
		if status != StatusOK {
			l.count.deferred.Add(1)
		}
		respond(status)
	})
	if !taken {
		s.taking.Add(-1)
		l.count.deferred.Add(1)
		l.fault("overflow", fmt.Errorf("%s from %s put off: too many wait", in.command, short(from)))
		respond(StatusTryAgain)
	}
}

// short is a number as it may stand in a log.
func short(number string) string { return "…" + number[max(0, len(number)-3):] }

// lateAnswer tells of an answer to a submit that was given up.
func (l *Link) lateAnswer(r *request, f frame) {
	if r.id != pdu.SubmitSMID {
		return
	}
	l.caution.answered()
	l.count.late.Add(1)
	l.fault("late-answer", fmt.Errorf("submit_sm answered after it was given up: %s", StatusName(f.status)))
	if l.on.Late == nil {
		return
	}
	a := Answer{Link: l.cfg.Name, Token: r.token, Sent: Answered, Status: f.status, MessageID: cString(f.body),
		Written: r.written, At: time.Now(), Late: true}
	if f.id == pdu.GenericNACKID {
		a.MessageID, a.Status = "", cmp.Or(f.status, StatusUnknown)
	}
	l.lanes.do("late", true, func() { l.on.Late(a) })
}
