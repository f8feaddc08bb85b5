package smpptest

import "time"

// IDForm is how the ids of submit_sm_resp and receipt look.
type IDForm uint8

const (
	// IDDecimal: the same decimal number in both.
	IDDecimal IDForm = iota
	// IDHexDecimal: hexadecimal in the response, decimal in the receipt.
	IDHexDecimal
	// IDUseless: the same words in every response, a number of its own in the receipt; only user_message_reference tells,
	// and only its low octet comes back (osmo-msc).
	IDUseless
	// IDTLV: the receipt has it in receipted_message_id and has no text.
	IDTLV
	// IDText: the receipt has it in the text and has no optional parameters.
	IDText
)

// Faults is how the message centre misbehaves; the zero value is good manners. Set it with [Server.SetFaults].
type Faults struct {
	RefuseBind    uint32        // command_status of every bind
	MuteBind      bool          // binds are not answered
	BindDelay     time.Duration // binds are answered late
	DropAfterBind bool          // the connection is closed behind the bind's answer

	StopReading bool // nothing is read any more: the client's writes fill the buffers and stall
	MuteEnquire bool // enquire_link is not answered

	Mute               bool          // submits are taken and never answered
	Deaf               bool          // submits are neither taken nor answered
	AnswerAfter        time.Duration // submits are answered late
	DropOnSubmit       bool          // the connection is closed instead of the answer; the submit is taken
	DuplicateResponses bool
	Throttle           bool                   // every submit gets 0x58
	QueueFull          bool                   // every submit gets 0x14
	MaxRate            int                    // submits over so many in a second get 0x58, 0 = no limit
	Refuse             func(to string) uint32 // command_status for a destination, 0 = take it

	NoReceipts        bool
	ReceiptFirst      bool // the receipt comes before the submit_sm_resp
	DuplicateReceipts bool
	ReceiptState      string // "DELIVRD" unless given
	IDs               IDForm

	HoldDeliveries bool // nothing is delivered to the client
}

// SetFaults changes how the message centre behaves from now on.
func (s *Server) SetFaults(f Faults) {
	s.mu.Lock()
	was := s.faults
	s.faults = f
	s.wakeReaders()
	s.mu.Unlock()
	if was.HoldDeliveries && !f.HoldDeliveries {
		s.pump()
	}
}

// Faults is how it behaves now.
func (s *Server) Faults() Faults {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.faults
}

// wakeReaders lets stopped readers look at the faults again. The lock is held.
func (s *Server) wakeReaders() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// Drop closes all connections as a crash would.
func (s *Server) Drop() {
	for _, c := range s.snapshot() {
		c.close()
	}
}

// Unbind ends all binds politely.
func (s *Server) Unbind() {
	for _, c := range s.snapshot() {
		c.send(frame{id: cmdUnbind, seq: c.nextSeq()})
	}
}

// Enquire sends enquire_link on all connections.
func (s *Server) Enquire() {
	for _, c := range s.snapshot() {
		c.send(frame{id: cmdEnquire, seq: c.nextSeq()})
	}
}

// Alert sends alert_notification on all connections, as osmo-msc does when a phone attaches.
func (s *Server) Alert() {
	body := append([]byte{1, 1}, "4915\x00"...)
	body = append(append(body, 1, 1), "1\x00"...)
	for _, c := range s.snapshot() {
		c.send(frame{id: cmdAlert, seq: c.nextSeq(), body: body})
	}
}

// Raw writes octets on all connections: garbage, or a PDU that no honest message centre would send.
func (s *Server) Raw(b []byte) {
	for _, c := range s.snapshot() {
		c.raw(b)
	}
}
