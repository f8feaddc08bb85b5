// Package esltest is a FreeSWITCH that is none: it speaks the event socket on any net.Listener, or on a pipe, with the
// words of the real one (FreeSWITCH 1.10.12), and plays recorded calls to whoever subscribed, with other ids, numbers and
// times, at any speed and many at once. It keeps the live channels for a read-back, remembers what it played, and can
// behave badly in all the ways in which a PBX, or the network before it, does.
//
//	pbx := esltest.New(esltest.Options{Password: "secret"})
//	defer pbx.Close()
//	go pbx.Serve(listener)                       // or give pbx.Dial to esl.Options.Dial
//	rec, err := esltest.LoadRecording("testdata/traces/03-direct-no-answer.esl.gz")
//	calls, err := pbx.Play(ctx, rec, esltest.PlayOptions{Speed: 10, Await: true})
//
// It is used by tests, by `textback demo`, and by the fault campaigns.
package esltest

import (
	"context"
	"errors"
	"net"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Options are a server's settings; the zero value is a FreeSWITCH as it is installed.
type Options struct {
	Password  string        // "ClueCon" unless given
	Heartbeat time.Duration // 20 s unless given; negative: none
	// Originate answers an originate command, "+OK UUID" or "-ERR CAUSE"; nil accepts each. It may block.
	Originate func(arguments string) string
	// API are the outputs of further api commands, by the whole command.
	API map[string]string
}

// Server is a simulated FreeSWITCH. All methods may be called from any goroutine.
type Server struct {
	opts Options
	stop chan struct{}
	work sync.WaitGroup

	mu        sync.Mutex
	closed    bool
	listeners map[net.Listener]struct{}
	conns     map[*conn]struct{}
	changed   chan struct{} // closed and renewed when a subscription or a connection changes
	core      string
	seq       int64
	state     state
	ledger    []*Played
	commands  []string
	accepted  int

	// Faults.
	down, acl, mute bool
	nosql, hideCore bool
	frozen          chan struct{} // closed when it thaws; nil when it runs
}

// New starts a server without a listener.
func New(opts Options) *Server {
	if opts.Password == "" {
		opts.Password = "ClueCon"
	}
	if opts.Heartbeat == 0 {
		opts.Heartbeat = 20 * time.Second
	}
	s := &Server{opts: opts, stop: make(chan struct{}), listeners: map[net.Listener]struct{}{},
		conns: map[*conn]struct{}{}, changed: make(chan struct{}), core: NewUUID(), state: newState()}
	if opts.Heartbeat > 0 {
		s.work.Go(s.heartbeats)
	}
	return s
}

// Serve accepts connections until Close; it returns nil then.
func (s *Server) Serve(l net.Listener) error {
	s.mu.Lock()
	s.listeners[l] = struct{}{}
	closed := s.closed
	s.mu.Unlock()
	if closed {
		l.Close()
	}
	for {
		c, err := l.Accept()
		if err != nil {
			s.mu.Lock()
			defer s.mu.Unlock()
			if s.closed {
				return nil
			}
			return err
		}
		s.start(c)
	}
}

// Dial is a connection in memory, for esl.Options.Dial. It is refused as a port is while the server is down.
func (s *Server) Dial(_ context.Context, _, _ string) (net.Conn, error) {
	s.mu.Lock()
	down := s.down || s.closed
	s.mu.Unlock()
	if down {
		return nil, syscall.ECONNREFUSED
	}
	ours, theirs := net.Pipe()
	s.start(ours)
	return theirs, nil
}

// Close ends all connections and waits for the server's goroutines. Plays under way end with an error.
func (s *Server) Close() {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return
	}
	s.closed = true
	close(s.stop)
	s.thaw()
	for l := range s.listeners {
		l.Close()
	}
	s.cut()
	s.mu.Unlock()
	s.work.Wait()
}

func (s *Server) start(nc net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down || s.closed {
		if tcp, ok := nc.(*net.TCPConn); ok {
			tcp.SetLinger(0) // a reset: the nearest to "connection refused" that an open listener has
		}
		nc.Close()
		return
	}
	s.accepted++
	c := newConn(s, nc)
	s.conns[c] = struct{}{}
	s.work.Go(c.write)
	s.work.Go(c.read)
}

func (s *Server) heartbeats() {
	tick := time.NewTicker(s.opts.Heartbeat)
	defer tick.Stop()
	began := time.Now()
	for {
		select {
		case <-s.stop:
			return
		case now := <-tick.C:
			s.mu.Lock()
			sessions := strconv.Itoa(len(s.state.legs))
			s.mu.Unlock()
			s.Emit(NewEvent("Event-Name", "HEARTBEAT", "Event-Info", "System Ready", "FreeSWITCH-Version",
				"1.10.12-release~64bit", "Uptime-msec", strconv.FormatInt(now.Sub(began).Milliseconds(), 10),
				"Session-Count", sessions, "Max-Sessions", "1000", "Session-Per-Sec", "30", "Idle-CPU", "90.000000"))
		}
	}
}

// Emit sends an event to all who subscribed to it. What FreeSWITCH puts into each event is added where it is missing:
// Core-UUID, the times and Event-Sequence.
func (s *Server) Emit(e *Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	s.seq++
	for _, h := range []Header{{"Core-UUID", s.core}, {"FreeSWITCH-Hostname", "esltest"},
		{"Event-Date-Local", now.Format(time.DateTime)}, {"Event-Date-GMT", now.UTC().Format(dateLayout)},
		{"Event-Date-Timestamp", strconv.FormatInt(now.UnixMicro(), 10)}, {"Event-Sequence", strconv.FormatInt(s.seq, 10)}} {
		if e.Get(h.Name) == "" {
			e.Headers = append(e.Headers, h)
		}
	}
	s.emit(e, nil)
}

// emit sends an event; written is called for each subscriber that it was written to. The lock is held.
func (s *Server) emit(e *Event, written func()) (subscribers int) {
	s.state.observe(e)
	var json, plain []byte
	for c := range s.conns {
		if !c.wants(e) {
			continue
		}
		subscribers++
		if c.json {
			if json == nil {
				json = eventFrame("text/event-json", e.JSON())
			}
			c.sendEvent(json, written)
			continue
		}
		if plain == nil {
			plain = eventFrame("text/event-plain", e.Plain())
		}
		c.sendEvent(plain, written)
	}
	return subscribers
}

func eventFrame(kind string, body []byte) []byte {
	head := "Content-Length: " + strconv.Itoa(len(body)) + "\nContent-Type: " + kind + "\n\n"
	return append([]byte(head), body...)
}

// note wakes those who wait for a change. The lock is held.
func (s *Server) note() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// AwaitSubscriber waits until somebody is subscribed to CHANNEL_HANGUP_COMPLETE.
func (s *Server) AwaitSubscriber(ctx context.Context) error {
	return s.await(ctx, func() bool {
		for c := range s.conns {
			if c.events["ALL"] || c.events["CHANNEL_HANGUP_COMPLETE"] {
				return true
			}
		}
		return false
	})
}

func (s *Server) await(ctx context.Context, ok func() bool) error {
	for {
		s.mu.Lock()
		done, changed, closed := ok(), s.changed, s.closed
		s.mu.Unlock()
		if done {
			return nil
		}
		if closed {
			return errors.New("the simulated FreeSWITCH is closed")
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		case <-s.stop:
		}
	}
}

// CoreUUID is the id of the FreeSWITCH that runs now.
func (s *Server) CoreUUID() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.core
}

// Live are the ids of the live channels.
func (s *Server) Live() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var ids []string
	for _, l := range s.state.ordered() {
		ids = append(ids, l.uuid)
	}
	return ids
}

// Commands are the commands that came in, the last 10,000 at least, without auth and its password.
func (s *Server) Commands() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.commands...)
}

// Originated are the arguments of the originate commands that came in.
func (s *Server) Originated() []string {
	var all []string
	for _, c := range s.Commands() {
		_, verb, _ := strings.Cut(c, "api ") // api or bgapi
		if arguments, ok := strings.CutPrefix(verb, "originate "); ok {
			all = append(all, arguments)
		}
	}
	return all
}

// Accepted counts the connections that were let in, Connections those that are open.
func (s *Server) Accepted() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.accepted
}

// Connections counts the open connections.
func (s *Server) Connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}
