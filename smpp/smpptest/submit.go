package smpptest

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// submit takes one submit_sm and tells whether the connection goes on.
func (c *conn) submit(f frame) bool {
	s := c.server
	respond := func(status uint32, id string) {
		c.send(frame{id: cmdSubmit | cmdResponse, status: status, seq: f.seq, body: append([]byte(id), 0)})
	}
	m, err := parseShort(f.body)
	e := entry(f, &m)
	s.mu.Lock()
	faults := s.faults
	status := uint32(0)
	switch {
	case err != nil:
		status = 0x01
	case c.bound == 0 || c.bound == cmdBindRx:
		status = 0x04
	default:
		status = s.verdict(&faults, e.To)
	}
	s.nextID++
	n := s.nextID
	fate := s.fate(e.To)
	e.Status, e.MessageID = status, messageID(faults.IDs, n)
	e.Taken = status == 0 && !faults.Deaf && fate != "000"
	e.Answered = !faults.Deaf && !faults.Mute && !faults.DropOnSubmit && fate != "000"
	if status != 0 {
		e.MessageID = ""
	}
	if !s.opt.NoLedger {
		s.ledger.submits = append(s.ledger.submits, e)
		s.wakeReaders()
	}
	s.mu.Unlock()
	if status != 0 && e.Answered {
		s.after(faults.AnswerAfter, func() { respond(status, "") })
		return true
	}
	if e.Taken {
		s.follow(&faults, &m, e, n, fate)
	}
	if faults.DropOnSubmit {
		return false
	}
	if e.Answered {
		delay := faults.AnswerAfter
		if faults.ReceiptFirst {
			delay += s.opt.ReceiptAfter
		}
		s.after(delay, func() {
			respond(0, e.MessageID)
			if faults.DuplicateResponses {
				respond(0, e.MessageID)
			}
		})
	}
	return true
}

// verdict is the status of a submit to this number. The lock is held.
func (s *Server) verdict(faults *Faults, to string) uint32 {
	switch {
	case faults.Throttle:
		return 0x58
	case faults.QueueFull:
		return 0x14
	}
	if faults.Refuse != nil {
		if status := faults.Refuse(to); status != 0 {
			return status
		}
	}
	if faults.MaxRate > 0 {
		if now := time.Now().Unix(); now != s.second {
			s.second, s.count = now, 0
		}
		if s.count++; s.count > faults.MaxRate {
			return 0x58
		}
	}
	switch s.fate(to) {
	case "058":
		if !s.once[to] {
			s.once[to] = true
			return 0x58
		}
	case "011":
		return 0x0B
	}
	return 0
}

// fate is the digits that decide.
func (s *Server) fate(to string) string {
	if s.opt.NoFates || len(to) < 3 {
		return ""
	}
	return to[len(to)-3:]
}

func messageID(form IDForm, n uint64) string {
	switch form {
	case IDHexDecimal:
		return strings.ToUpper(strconv.FormatUint(n, 16))
	case IDUseless:
		return "msg_id_not_implemented"
	}
	return strconv.FormatUint(n, 10)
}

// follow does what comes after a submit was taken: the receipt, and the reply of the numbers that reply.
func (s *Server) follow(faults *Faults, m *short, e Submit, n uint64, fate string) {
	if m.registered&3 == 1 && !faults.NoReceipts {
		delay := s.opt.ReceiptAfter
		if faults.ReceiptFirst {
			delay = 0
		}
		s.after(delay, func() {
			d := receipt(faults, m, &e, n)
			s.enqueue(d)
			if faults.DuplicateReceipts {
				again := *d
				s.enqueue(&again)
			}
		})
	}
	if e.Index == e.Total && (fate == "777" || fate == "778") {
		body := "STOP"
		if fate == "778" {
			body = s.opt.Question
		}
		s.after(2*s.opt.ReceiptAfter, func() { s.Send(Message{From: e.To, To: e.From, Body: body}) })
	}
}

// receipt is the delivery report for a submit (SMPP 3.4, appendix B).
func receipt(faults *Faults, m *short, e *Submit, n uint64) *delivery {
	state := faults.ReceiptState
	if state == "" {
		state = "DELIVRD"
	}
	dlvrd := "000"
	if state == "DELIVRD" {
		dlvrd = "001"
	}
	id := strconv.FormatUint(n, 10)
	stamp := e.At.UTC().Format("0601021504")
	text := fmt.Sprintf("id:%s sub:001 dlvrd:%s submit date:%s done date:%s stat:%s err:000 text:%.20s", id, dlvrd, stamp,
		stamp, state, e.Body)
	r := short{fromTON: m.toTON, fromNPI: m.toNPI, from: m.to, toTON: m.fromTON, toNPI: m.fromNPI, to: m.from, esm: 4,
		text: []byte(text), tlv: map[uint16][]byte{}}
	if ref := m.tlv[tlvReference]; len(ref) == 2 {
		r.tlv[tlvReference] = ref
	}
	switch faults.IDs {
	case IDUseless:
		r.text = fmt.Appendf(nil, "id:%08d sub:000 dlvrd:000 submit date:YYMMDDhhmm done date:YYMMDDhhmm stat:%s err:000 text:",
			n&0xFFFF, state)
		r.coding = 2
		if ref := m.tlv[tlvReference]; len(ref) == 2 {
			r.tlv[tlvReference] = []byte{0, ref[1]}
		} else {
			r.tlv[tlvReference] = []byte{0, 0}
		}
	case IDText:
		clear(r.tlv)
	case IDTLV:
		r.text = nil
		fallthrough
	default:
		r.tlv[tlvReceiptedID] = append([]byte(id), 0)
		r.tlv[tlvMessageState] = []byte{messageState(state)}
	}
	return &delivery{command: cmdDeliver, body: r.encode(), receipt: true, from: plain(m.toTON, m.to), text: string(r.text)}
}

func messageState(word string) byte {
	switch word {
	case "ENROUTE":
		return 1
	case "DELIVRD":
		return 2
	case "EXPIRED":
		return 3
	case "DELETED":
		return 4
	case "UNDELIV":
		return 5
	case "ACCEPTD":
		return 6
	case "REJECTD":
		return 8
	}
	return 7
}
