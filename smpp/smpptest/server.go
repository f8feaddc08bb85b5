package smpptest

import (
	"bufio"
	"cmp"
	"context"
	"maps"
	"net"
	"slices"
	"sync"
	"time"
)

// Options make a message centre. The zero value takes any bind and sends receipts after 50 ms.
type Options struct {
	SystemID     string // "" = any
	Password     string // checked if SystemID is given
	ReceiptAfter time.Duration
	Redeliver    time.Duration // until a delivery that was not taken is tried again, default 1s
	NoFates      bool          // the digits of a destination mean nothing
	NoLedger     bool          // nothing is kept: for measuring
	Question     string        // what 778 replies, "How much is it?" unless given
	Log          func(format string, args ...any)
}

// Server is a simulated message centre. Make it with [New].
type Server struct {
	opt Options

	wg      sync.WaitGroup
	mu      sync.Mutex
	faults  Faults
	changed chan struct{} // closed and replaced when faults or the ledger change
	conns   []*conn
	lns     []net.Listener
	closed  bool
	nextID  uint64
	ledger  ledger
	waiting []*delivery     // to be delivered, in order
	once    map[string]bool // destinations that were throttled once
	second  int64
	count   int
}

// New makes a message centre.
func New(opt Options) *Server {
	if opt.ReceiptAfter == 0 {
		opt.ReceiptAfter = 50 * time.Millisecond
	}
	if opt.Redeliver == 0 {
		opt.Redeliver = time.Second
	}
	if opt.Question == "" {
		opt.Question = "How much is it?"
	}
	if opt.Log == nil {
		opt.Log = func(string, ...any) {}
	}
	return &Server{opt: opt, changed: make(chan struct{}), once: map[string]bool{}, nextID: 0x1A2B3C}
}

// Serve takes connections until the listener or the server is closed.
func (s *Server) Serve(l net.Listener) error {
	s.mu.Lock()
	s.lns = append(s.lns, l)
	closed := s.closed
	s.mu.Unlock()
	if closed {
		return l.Close()
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
		s.ServeConn(c)
	}
}

// ServeConn serves one connection in the background.
func (s *Server) ServeConn(nc net.Conn) {
	c := &conn{server: s, nc: nc, quit: make(chan struct{}), ready: make(chan struct{}, 1),
		flying: map[uint32]*delivery{}}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		_ = nc.Close()
		return
	}
	s.conns = append(s.conns, c)
	s.wg.Go(c.write)
	s.wg.Go(c.read)
}

// Dial connects to the server through memory: it fits smpp.Config.Dial.
func (s *Server) Dial(ctx context.Context, _, _ string) (net.Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	near, far := net.Pipe()
	s.ServeConn(far)
	return near, nil
}

// Close ends all connections and waits for what runs.
func (s *Server) Close() {
	s.mu.Lock()
	s.closed = true
	lns, conns := s.lns, slices.Clone(s.conns)
	s.wakeReaders()
	s.mu.Unlock()
	for _, l := range lns {
		_ = l.Close()
	}
	for _, c := range conns {
		c.close()
	}
	s.wg.Wait()
}

// Bound is the number of connections that are bound.
func (s *Server) Bound() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, c := range s.conns {
		if c.bound != 0 {
			n++
		}
	}
	return n
}

// Wait waits until what tells so, looking again after each change, or until ctx ends.
func (s *Server) Wait(ctx context.Context, what func() bool) error {
	for {
		s.mu.Lock()
		changed := s.changed
		s.mu.Unlock()
		if what() {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (s *Server) snapshot() []*conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.conns)
}

// after runs f later, unless the server is closed by then.
func (s *Server) after(d time.Duration, f func()) {
	if d <= 0 {
		f()
		return
	}
	time.AfterFunc(d, func() {
		s.mu.Lock()
		closed := s.closed
		s.mu.Unlock()
		if !closed {
			f()
		}
	})
}

// conn is one connection of a client.
type conn struct {
	server *Server
	nc     net.Conn
	once   sync.Once
	quit   chan struct{}
	ready  chan struct{} // something is queued

	bound uint32 // the bind command, 0 if not bound; under the server's lock

	flying map[uint32]*delivery // delivered and not acknowledged, by sequence number; under the server's lock

	mu  sync.Mutex
	out []byte
	seq uint32
}

func (c *conn) close() {
	c.once.Do(func() {
		close(c.quit)
		_ = c.nc.Close()
	})
}

func (c *conn) nextSeq() uint32 {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seq++
	return c.seq
}

func (c *conn) send(f frame) { c.raw(appendFrame(nil, f)) }

func (c *conn) raw(b []byte) {
	c.mu.Lock()
	c.out = append(c.out, b...)
	c.mu.Unlock()
	select {
	case c.ready <- struct{}{}:
	default:
	}
}

func (c *conn) write() {
	for {
		select {
		case <-c.ready:
		case <-c.quit:
			return
		}
		c.mu.Lock()
		b := c.out
		c.out = nil
		c.mu.Unlock()
		if len(b) == 0 {
			continue
		}
		if _, err := c.nc.Write(b); err != nil {
			c.close()
			return
		}
	}
}

func (c *conn) read() {
	defer c.gone()
	r := bufio.NewReaderSize(c.nc, 32<<10)
	for {
		for {
			c.server.mu.Lock()
			stopped, changed := c.server.faults.StopReading && !c.server.closed, c.server.changed
			c.server.mu.Unlock()
			if !stopped {
				break
			}
			select {
			case <-changed:
			case <-c.quit:
				return
			}
		}
		f, err := readFrame(r)
		if err != nil {
			return
		}
		if !c.handle(f) {
			return
		}
	}
}

// gone takes the connection out of the books. What it had not acknowledged is delivered again to the next one.
func (c *conn) gone() {
	c.close()
	s := c.server
	s.mu.Lock()
	s.conns = slices.DeleteFunc(s.conns, func(x *conn) bool { return x == c })
	c.bound = 0
	back := slices.SortedFunc(maps.Values(c.flying), func(a, b *delivery) int { return cmp.Compare(a.id, b.id) })
	s.waiting = append(back, s.waiting...)
	clear(c.flying)
	s.wakeReaders()
	s.mu.Unlock()
	s.pump()
}

// handle answers one PDU and tells whether to go on.
func (c *conn) handle(f frame) bool {
	switch f.id {
	case cmdBindRx, cmdBindTx, cmdBindTrx:
		return c.bind(f)
	case cmdSubmit:
		return c.submit(f)
	case cmdEnquire:
		if !c.server.Faults().MuteEnquire {
			c.send(frame{id: cmdEnquire | cmdResponse, seq: f.seq})
		}
	case cmdUnbind:
		c.send(frame{id: cmdUnbind | cmdResponse, seq: f.seq})
		c.server.mu.Lock()
		c.bound = 0
		c.server.mu.Unlock()
	case cmdDeliver | cmdResponse, cmdData | cmdResponse, cmdNack:
		c.server.acknowledged(c, f)
	case cmdUnbind | cmdResponse:
		return false
	case cmdEnquire | cmdResponse:
	default:
		if f.id&cmdResponse == 0 {
			c.send(frame{id: cmdNack, status: 3, seq: f.seq})
		}
	}
	return true
}

func (c *conn) bind(f frame) bool {
	s := c.server
	faults := s.Faults()
	b := &cursor{b: f.body}
	systemID, password := b.text(), b.text()
	b.text() // system_type
	b.octet()
	c.log("bind", "command", f.id, "system_id", systemID)
	status := faults.RefuseBind
	if s.opt.SystemID != "" {
		switch {
		case systemID != s.opt.SystemID:
			status = 0x0F
		case password != s.opt.Password:
			status = 0x0E
		}
	}
	if b.err != nil {
		status = 0x02
	}
	switch {
	case faults.MuteBind:
		return true
	case status != 0:
		c.send(frame{id: f.id | cmdResponse, status: status, seq: f.seq})
		return true
	}
	s.after(faults.BindDelay, func() {
		c.send(frame{id: f.id | cmdResponse, seq: f.seq, body: []byte("SMPPTEST\x00")})
		s.mu.Lock()
		if slices.Contains(s.conns, c) {
			c.bound = f.id
		}
		s.wakeReaders()
		s.mu.Unlock()
		if faults.DropAfterBind {
			s.after(time.Millisecond, c.close)
			return
		}
		s.pump()
	})
	return true
}

func (c *conn) log(what string, args ...any) {
	c.server.opt.Log("%s %v", what, args)
}
