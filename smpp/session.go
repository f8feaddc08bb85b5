package smpp

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fiorix/go-smpp/smpp/pdu"
)

// The kinds of bind.
const (
	bindTransceiver, bindTransmitter, bindReceiver = "transceiver", "transmitter", "receiver"
)

const maxSequence = 0x7FFFFFFF // SMPP 3.4, 3.2

// session is one connection to a message centre. One goroutine reads it, one writes it, one watches that it lives.
type session struct {
	cfg  *Config
	kind string
	conn net.Conn
	out  chan *request // to the writer, in order
	on   sessionHooks

	done    chan struct{} // closed when the session is over; err says why
	err     error
	ending  sync.Once
	heard   atomic.Int64 // when the last PDU came, nanoseconds since start
	start   time.Time
	taking  atomic.Int64  // deliveries whose answer is not yet queued
	farEnd  chan struct{} // closed when the message centre unbinds
	farOnce sync.Once

	mu      sync.Mutex
	seq     uint32
	pending map[uint32]*request // written or about to be, waiting for an answer
	late    map[uint32]*request // given up, but the answer may come yet
	over    bool                // nothing is written or answered any more
}

// sessionHooks are called on the reading goroutine: they must not wait.
type sessionHooks struct {
	incoming func(*session, frame)
	late     func(*request, frame)
	fault    func(word string, err error)
	broken   func()
	unknown  func()
}

// request is a PDU on its way out. An answer is expected if reply is not nil.
type request struct {
	id    pdu.ID
	seq   uint32
	bytes []byte
	token any
	probe bool

	stage   atomic.Int32
	written time.Time     // set before stage becomes stageWritten
	reply   chan frame    // the answer; closed if the session ends without one
	flushed chan struct{} // closed when it, and so everything queued before it, is written
}

// The stages of a request. It may be taken back only while it is queued.
const (
	stageQueued int32 = iota
	stageTaken        // the writer has it: part of it may leave
	stageWritten
	stageUnsent // not one octet left
)

// maxLate bounds how many given-up requests are remembered.
const maxLate = 10000

func newSession(cfg *Config, kind string, conn net.Conn, on sessionHooks) *session {
	s := &session{cfg: cfg, kind: kind, conn: conn, on: on, out: make(chan *request, 1024), done: make(chan struct{}),
		farEnd: make(chan struct{}), start: time.Now(), pending: map[uint32]*request{}, late: map[uint32]*request{}}
	return s
}

// fail ends the session: the connection is closed and whoever waits is told. Only the first reason is kept.
func (s *session) fail(err error) {
	s.ending.Do(func() {
		s.err = err
		close(s.done) // publishes err
		_ = s.conn.Close()
	})
}

// run reads, writes and watches until the session is over.
func (s *session) run() {
	var wg sync.WaitGroup
	wg.Go(s.write)
	wg.Go(s.watch)
	s.read()
	wg.Wait()
	// Nothing is written any more: every request is settled, whoever waits is woken.
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over = true
	for seq, r := range s.pending {
		r.stage.CompareAndSwap(stageQueued, stageUnsent)
		close(r.reply)
		delete(s.pending, seq)
	}
}

// read takes PDUs off the connection until it ends.
func (s *session) read() {
	r := bufio.NewReaderSize(s.conn, 16<<10)
	for {
		f, err := readFrame(r)
		s.heard.Store(int64(time.Since(s.start)))
		var bad *frameError
		switch {
		case errors.As(err, &bad):
			s.on.broken()
			s.on.fault("broken-pdu", err)
			if bad.frame.id&responseBit == 0 {
				s.send(appendPDU(nil, pdu.GenericNACKID, StatusInvCmdLen, bad.frame.seq))
			}
			if !bad.inStep {
				s.flush(time.Second)
				s.fail(err)
				return
			}
		case errors.Is(err, io.EOF):
			s.fail(errors.New("the message centre closed the connection"))
			return
		case err != nil:
			s.fail(fmt.Errorf("read: %w", err))
			return
		default:
			s.dispatch(f)
		}
	}
}

// dispatch decides what a PDU is by its command before its sequence number is looked at: the two sides count on their own,
// so a deliver_sm may well have the number of a submit_sm in flight.
func (s *session) dispatch(f frame) {
	if f.id&responseBit != 0 {
		s.answer(f)
		return
	}
	switch f.id {
	case pdu.DeliverSMID, pdu.DataSMID:
		s.on.incoming(s, f)
	case pdu.EnquireLinkID:
		s.send(appendPDU(nil, pdu.EnquireLinkRespID, StatusOK, f.seq))
	case pdu.UnbindID:
		s.send(appendPDU(nil, pdu.UnbindRespID, StatusOK, f.seq))
		s.farOnce.Do(func() { close(s.farEnd) })
	case pdu.AlertNotificationID, pdu.OutbindID:
		// Neither has an answer (SMPP 3.4, 4.12 and 4.1.7), and neither says anything to us.
	default:
		s.on.unknown()
		s.on.fault("unknown-pdu", fmt.Errorf("command 0x%08x", uint32(f.id)))
		s.send(appendPDU(nil, pdu.GenericNACKID, StatusInvCmdID, f.seq))
	}
}

// answer gives a response to who waits for it. An answer to nothing is counted, never answered.
func (s *session) answer(f frame) {
	s.mu.Lock()
	r, late := s.pending[f.seq], false
	if r == nil {
		r, late = s.late[f.seq], true
	}
	if r == nil || !answers(f.id, r.id) {
		s.mu.Unlock()
		s.on.unknown()
		return
	}
	delete(s.pending, f.seq)
	delete(s.late, f.seq)
	s.mu.Unlock()
	if late {
		s.on.late(r, f)
		return
	}
	r.reply <- f // has room for one, and only one is ever given
}

// answers tells whether a response belongs to a request. osmo-msc answers bind_receiver with bind_transmitter_resp.
func answers(response, request pdu.ID) bool {
	switch {
	case response == pdu.GenericNACKID, response == request|responseBit:
		return true
	}
	return isBind(request) && isBind(response&^responseBit)
}

func isBind(id pdu.ID) bool {
	return id == pdu.BindTransceiverID || id == pdu.BindTransmitterID || id == pdu.BindReceiverID
}

// register gives a request its number and puts it into the books. It is false if the session is over.
func (s *session) register(r *request) bool {
	r.reply = make(chan frame, 1)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return false
	}
	for {
		s.seq = s.seq%maxSequence + 1
		if s.pending[s.seq] == nil && s.late[s.seq] == nil {
			break
		}
	}
	r.seq = s.seq
	setSequence(r.bytes, r.seq)
	s.pending[r.seq] = r
	return true
}

// ask queues a request. The answer comes on its reply channel. If there is an error nothing was written.
func (s *session) ask(ctx context.Context, r *request) error {
	if !s.register(r) {
		return ErrDown
	}
	select {
	case s.out <- r:
		return nil
	case <-ctx.Done():
		s.forget(r)
		return ctx.Err()
	case <-s.done:
		s.forget(r)
		return ErrDown
	}
}

// forget takes a request out of the books.
func (s *session) forget(r *request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pending[r.seq] == r {
		delete(s.pending, r.seq)
	}
}

// giveUp stops waiting for an answer. It is false if the answer is already there. Its answer, if it comes, is a late one.
func (s *session) giveUp(r *request) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pending[r.seq] != r {
		return false
	}
	delete(s.pending, r.seq)
	if len(s.late) >= maxLate {
		for seq := range s.late {
			delete(s.late, seq)
			break
		}
	}
	s.late[r.seq] = r
	return true
}

// inFlight is the number of submit_sm that wait for an answer.
func (s *session) inFlight() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, r := range s.pending {
		if r.id == pdu.SubmitSMID {
			n++
		}
	}
	return n
}

// send queues a PDU that has no answer.
func (s *session) send(b []byte) {
	select {
	case s.out <- &request{bytes: b}:
	case <-s.done:
	}
}

// flush waits until everything that is queued is written, but not longer than limit.
func (s *session) flush(limit time.Duration) {
	mark := &request{flushed: make(chan struct{})}
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case s.out <- mark:
	case <-s.done:
		return
	case <-timer.C:
		return
	}
	select {
	case <-mark.flushed:
	case <-s.done:
	case <-timer.C:
	}
}

// watch probes the connection when nothing was heard for a while, and ends it when the probe is not answered by anything.
func (s *session) watch() {
	timer := time.NewTimer(s.cfg.EnquireLink)
	defer timer.Stop()
	var probe *request       // the one that is out
	var probed time.Duration // when it went, since start
	for {
		select {
		case <-s.done:
			return
		case <-timer.C:
		}
		now, heard := time.Since(s.start), time.Duration(s.heard.Load())
		if probe != nil {
			if heard < probed {
				s.fail(fmt.Errorf("no answer to enquire_link in %v", s.cfg.ResponseTimeout))
				return
			}
			s.forget(probe) // any PDU is a sign of life
			probe = nil
		}
		if quiet := now - heard; quiet < s.cfg.EnquireLink {
			timer.Reset(s.cfg.EnquireLink - quiet)
			continue
		}
		probe, probed = &request{id: pdu.EnquireLinkID, bytes: appendPDU(nil, pdu.EnquireLinkID, StatusOK, 0)}, now
		s.register(probe)
		select {
		case s.out <- probe:
		default: // the writer is stuck: the silence will tell
		}
		timer.Reset(s.cfg.ResponseTimeout)
	}
}
