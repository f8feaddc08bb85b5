package syslog

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

const (
	maxBackoff   = time.Minute
	writeTimeout = 5 * time.Second
	// noticeEvery limits what is said on stderr about a target that comes and goes.
	noticeEvery = time.Minute
)

// sink is the queue and the one goroutine that writes from it.
type sink struct {
	target  *target
	queue   chan []byte
	dropped atomic.Uint64 // not yet told
	lost    atomic.Uint64 // in all
	written atomic.Uint64
	up      atomic.Bool
	closed  atomic.Bool

	stop   chan struct{}   // closed: write what waits, then end
	ctx    context.Context // done: end now
	cancel context.CancelFunc
	done   chan struct{} // closed when the writer has ended
	once   sync.Once

	// The writer's own.
	conn     net.Conn
	unhook   func() bool
	gone     chan struct{} // closed when the receiver closed conn
	since    time.Time     // conn is up since
	backoff  time.Duration
	noticed  time.Time
	fallback bool // local socket missing: stderr takes its lines
	retry    time.Time
}

func startSink(t *target) *sink {
	s := &sink{target: t, queue: make(chan []byte, t.Queue), stop: make(chan struct{}), done: make(chan struct{})}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.up.Store(true)
	if t.network == "none" {
		close(s.done)
		return s
	}
	go s.run()
	return s
}

func (s *sink) put(line []byte) {
	if s.target.network == "none" {
		return
	}
	if !s.closed.Load() {
		select {
		case s.queue <- line:
			return
		default:
		}
	}
	s.drop()
}

func (s *sink) full() bool { return s.target.network != "none" && len(s.queue) == cap(s.queue) }

func (s *sink) drop() {
	s.dropped.Add(1)
	s.lost.Add(1)
}

// close ends the writer and returns how many lines were dropped and never told.
func (s *sink) close(ctx context.Context) uint64 {
	s.closed.Store(true)
	s.once.Do(func() { close(s.stop) })
	select {
	case <-s.done:
	case <-ctx.Done():
		s.cancel()
		// The writer may sit in a write to stderr that nobody reads: it is left behind rather than waited for.
		select {
		case <-s.done:
		case <-time.After(100 * time.Millisecond):
		}
	}
	s.cancel()
	return s.dropped.Load() + uint64(len(s.queue))
}

func (s *sink) run() {
	defer close(s.done)
	defer s.hangUp()
	for {
		select {
		case line := <-s.queue:
			if !s.deliver(line) {
				return
			}
		case <-s.stop:
			for {
				select {
				case line := <-s.queue:
					if !s.deliver(line) {
						return
					}
				default:
					return
				}
			}
		}
	}
}

// deliver writes one line, however long that takes, and then the count of those that found no room meanwhile. It returns
// false when the sink is to end at once.
func (s *sink) deliver(line []byte) bool {
	if !s.insist(line) {
		return false
	}
	s.written.Add(1)
	if n := s.dropped.Swap(0); n > 0 {
		note := s.target.format(time.Now(), slog.LevelWarn, "log-dropped", []slog.Attr{slog.Uint64("lines", n)})
		return s.insist(note)
	}
	return true
}

func (s *sink) insist(line []byte) bool {
	for {
		err := s.write(line)
		if err == nil {
			s.up.Store(!s.fallback)
			return true
		}
		if s.ctx.Err() != nil {
			return false
		}
		s.trouble(err)
		if s.target.network == "unixgram" {
			// The fallback takes the line now; the socket is tried again by and by.
			s.fallback, s.retry = true, time.Now().Add(s.wait())
			continue
		}
		timer := time.NewTimer(s.wait())
		select {
		case <-timer.C:
		case <-s.ctx.Done():
			timer.Stop()
			return false
		}
	}
}

// write sends one line by the connection that stands, or a new one.
func (s *sink) write(line []byte) error {
	t := s.target
	if t.network == "stderr" || s.fallback && time.Now().Before(s.retry) {
		return s.writeStderr(line)
	}
	if err := s.connect(); err != nil {
		return err
	}
	frame := line
	if t.stream() {
		frame = append(strconv.AppendInt(make([]byte, 0, len(line)+6), int64(len(line)), 10), ' ')
		frame = append(frame, line...)
	}
	err := s.conn.SetWriteDeadline(time.Now().Add(writeTimeout))
	if err == nil {
		_, err = s.conn.Write(frame)
	}
	if err != nil {
		s.hangUp()
		return fmt.Errorf("write to syslog at %s: %w", t.addr, err)
	}
	if s.backoff > 0 && time.Since(s.since) > s.backoff {
		// Only a connection that lasted clears the back-off: a UDP port without a listener, or a server that takes
		// connections to close them, looks well for a moment each time.
		s.backoff = 0
	}
	s.fallback = false
	return nil
}

func (s *sink) writeStderr(line []byte) error {
	if s.target.network == "unixgram" {
		line = s.target.forStderr(line)
	}
	// Nowhere to report a stderr that fails; the line is gone.
	_, _ = s.target.Stderr.Write(line)
	return nil
}

func (s *sink) connect() error {
	if s.conn != nil {
		select {
		case <-s.gone:
			s.hangUp()
			// No trouble yet: a server that restarts is usually back at once.
		default:
			return nil
		}
	}
	t := s.target
	ctx, cancel := context.WithTimeout(s.ctx, 15*time.Second)
	defer cancel()
	conn, err := t.Dial(ctx, t.network, t.addr)
	if err != nil {
		return fmt.Errorf("connect to syslog at %s: %w", t.addr, err)
	}
	if t.tls != nil {
		secure := tls.Client(conn, t.tls)
		if err := secure.HandshakeContext(ctx); err != nil {
			conn.Close()
			return fmt.Errorf("start TLS with syslog at %s: %w", t.addr, err)
		}
		conn = secure
	}
	s.conn, s.gone, s.since = conn, make(chan struct{}), time.Now()
	// The end of the sink is not held up by a write in progress.
	s.unhook = context.AfterFunc(s.ctx, func() { conn.Close() })
	if t.stream() {
		go watch(conn, s.gone)
	}
	return nil
}

// watch reads what a syslog server never sends, to learn at once that it closed: the first write after that would
// succeed and be lost.
func watch(conn net.Conn, gone chan<- struct{}) {
	defer close(gone)
	var b [64]byte
	for {
		if _, err := conn.Read(b[:]); err != nil {
			return
		}
	}
}

func (s *sink) hangUp() {
	if s.conn != nil {
		s.unhook()
		s.conn.Close()
		if s.target.stream() {
			<-s.gone
		}
		s.conn = nil
	}
}

// wait is the next step of the back-off, with jitter so that a site's hosts do not return together.
func (s *sink) wait() time.Duration {
	s.backoff = min(max(2*s.backoff, s.target.MinBackoff), maxBackoff)
	return s.backoff/2 + rand.N(s.backoff/2+1)
}

// trouble says on stderr, where syslog is not needed, that the log has stopped: once a minute at most.
func (s *sink) trouble(err error) {
	s.up.Store(false)
	if now := time.Now(); s.noticed.IsZero() || now.Sub(s.noticed) >= noticeEvery {
		s.noticed = now
		b := s.target.stderrLine(nil, now, slog.LevelWarn, "log-target-down", []slog.Attr{slog.Any("error", err)})
		_, _ = s.target.Stderr.Write(append(b, '\n'))
	}
}
