package smpptest

import (
	"context"
	"slices"
	"strings"
	"time"

	"textback"
)

// Message is a message from a phone. It goes out in the GSM alphabet if that has all its characters, else in UCS-2, in
// parts where it is long, and is kept until the client has taken it.
type Message struct {
	From, To string
	Body     string

	Payload bool   // in message_payload, whole
	SAR     bool   // parts by sar_ parameters instead of a header
	Ref16   bool   // parts with a 16-bit reference
	DataSM  bool   // as data_sm
	Order   []int  // the parts in this order, from 1; a part that is not named never comes
	Raw     []byte // these octets instead of Body, with Coding and ESM
	Coding  byte
	ESM     byte
	Seq     *uint32 // sequence number of the (first) deliver_sm instead of the server's own
}

// delivery is a deliver_sm or data_sm on its way.
type delivery struct {
	id      uint64
	command uint32
	body    []byte
	receipt bool
	from    string
	text    string
	seq     *uint32
	done    chan uint32 // the final status; has room for one
}

// Send queues a message and returns the ids of its deliveries, by which [Server.Acks] names them.
func (s *Server) Send(m Message) []uint64 {
	var ids []uint64
	for _, d := range s.deliveries(m) {
		ids = append(ids, s.enqueue(d))
	}
	return ids
}

// Deliver queues a message and waits until the client has taken or refused each part of it.
func (s *Server) Deliver(ctx context.Context, m Message) (statuses []uint32, err error) {
	list := s.deliveries(m)
	for _, d := range list {
		d.done = make(chan uint32, 1)
		s.enqueue(d)
	}
	for _, d := range list {
		select {
		case status := <-d.done:
			statuses = append(statuses, status)
		case <-ctx.Done():
			return statuses, ctx.Err()
		}
	}
	return statuses, nil
}

func (s *Server) deliveries(m Message) []*delivery {
	base := short{from: strings.TrimPrefix(m.From, "+"), to: strings.TrimPrefix(m.To, "+"), esm: m.ESM}
	base.fromTON, base.toTON, base.fromNPI, base.toNPI = ton(m.From), ton(m.To), 1, 1
	build := func(sm short, text string) *delivery {
		d := &delivery{command: cmdDeliver, from: m.From, text: text}
		if m.DataSM {
			d.command = cmdData
			if sm.tlv == nil {
				sm.tlv = map[uint16][]byte{}
			}
			sm.tlv[tlvPayload] = sm.text
			d.body = sm.encodeData()
			return d
		}
		d.body = sm.encode()
		return d
	}
	if m.Raw != nil {
		base.coding, base.text = m.Coding, m.Raw
		d := build(base, string(m.Raw))
		d.seq = m.Seq
		return []*delivery{d}
	}
	segments := textback.Segments(m.Body)
	if segments[0].Coding == textback.UCS2 {
		base.coding = 8
	}
	if m.Payload {
		var whole []byte
		for _, g := range segments {
			whole = append(whole, g.Data...)
		}
		base.tlv = map[uint16][]byte{tlvPayload: whole}
		d := build(base, m.Body)
		d.seq = m.Seq
		return []*delivery{d}
	}
	s.mu.Lock()
	s.nextID++
	ref := byte(s.nextID)
	s.mu.Unlock()
	var list []*delivery
	for _, g := range segments {
		sm := base
		sm.text = g.Data
		n, i := byte(g.Total), byte(g.Index)
		switch {
		case g.Total == 1:
		case m.SAR:
			sm.tlv = map[uint16][]byte{tlvSarRef: {0, ref}, tlvSarTotal: {n}, tlvSarIndex: {i}}
		case m.Ref16:
			sm.esm |= 0x40
			sm.text = append([]byte{6, 8, 4, 0x12, ref, n, i}, g.Data...)
		default:
			sm.esm |= 0x40
			sm.text = append([]byte{5, 0, 3, ref, n, i}, g.Data...)
		}
		list = append(list, build(sm, g.Text))
	}
	list[0].seq = m.Seq
	if m.Order == nil {
		return list
	}
	var ordered []*delivery
	for _, i := range m.Order {
		if i >= 1 && i <= len(list) {
			again := *list[i-1] // a part may be named twice
			ordered = append(ordered, &again)
		}
	}
	return ordered
}

func ton(number string) byte {
	if strings.HasPrefix(number, "+") {
		return 1
	}
	return 0
}

func (s *Server) enqueue(d *delivery) uint64 {
	s.mu.Lock()
	s.nextID++
	d.id = s.nextID
	s.waiting = append(s.waiting, d)
	s.mu.Unlock()
	s.pump()
	return d.id
}

// pump delivers what waits to a client that can receive.
func (s *Server) pump() {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.conns, func(c *conn) bool { return c.bound == cmdBindRx || c.bound == cmdBindTrx })
	if i < 0 || s.faults.HoldDeliveries || s.closed {
		return
	}
	c := s.conns[i]
	for _, d := range s.waiting {
		seq := c.nextSeq()
		if d.seq != nil {
			seq = *d.seq
		}
		c.flying[seq] = d
		c.send(frame{id: d.command, seq: seq, body: d.body})
	}
	s.waiting = nil
}

// Waiting is the number of deliveries that the client has not taken yet.
func (s *Server) Waiting() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.waiting)
	for _, c := range s.conns {
		n += len(c.flying)
	}
	return n
}

// acknowledged settles a delivery: what the client asks to have again comes again.
func (s *Server) acknowledged(c *conn, f frame) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := c.flying[f.seq]
	if d == nil {
		return
	}
	delete(c.flying, f.seq)
	if !s.opt.NoLedger {
		s.ledger.acks = append(s.ledger.acks, Ack{At: time.Now(), ID: d.id, Receipt: d.receipt, From: d.from, Body: d.text,
			Status: f.status})
	}
	s.wakeReaders()
	switch f.status {
	case 0x64, 0x58, 0x14, 0x08:
		s.later(d)
		return
	}
	if d.done != nil {
		d.done <- f.status
	}
}

// later puts a delivery back after the pause. The lock is held.
func (s *Server) later(d *delivery) {
	time.AfterFunc(s.opt.Redeliver, func() {
		s.mu.Lock()
		s.waiting = append(s.waiting, d)
		s.mu.Unlock()
		s.pump()
	})
}
