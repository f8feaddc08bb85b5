package smpptest

import (
	"fmt"
	"slices"
	"time"

	"textback"
)

// Submit is one submit_sm as it came.
type Submit struct {
	At         time.Time
	Seq        uint32
	From, To   string // + before international numbers
	FromTON    byte
	ToTON      byte
	Service    string
	ESM        byte
	Coding     byte
	Validity   string
	Registered byte
	Reference  int // user_message_reference, -1 if there was none
	Ref        int // concatenation reference, -1 if there was none
	Index      int
	Total      int
	Data       []byte // without header
	Body       string
	Taken      bool // the message centre has it
	Answered   bool
	Status     uint32
	MessageID  string // as the response had it
}

// Text is a text as it reached the phone: joined from its parts.
type Text struct {
	At       time.Time // first part
	Done     time.Time // last part
	From, To string
	Body     string
	Parts    int // that came
	Total    int
}

type ledger struct {
	submits []Submit
	acks    []Ack
}

// Submits are all submit_sm so far, refused ones too.
func (s *Server) Submits() []Submit {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.ledger.submits)
}

// Texts are the texts that the message centre has taken, joined, in the order of their first parts. A part that was
// taken twice makes a second text: that is what the phone shows.
func (s *Server) Texts() []Text {
	var texts []Text
	assemblies := map[string]*assembly{}
	for _, sub := range s.Submits() {
		if !sub.Taken {
			continue
		}
		if sub.Total < 2 {
			texts = append(texts, Text{At: sub.At, Done: sub.At, From: sub.From, To: sub.To, Body: sub.Body, Parts: 1, Total: 1})
			continue
		}
		key := fmt.Sprint(sub.From, sub.To, sub.Ref, sub.Total)
		a := assemblies[key]
		if a == nil || a.has(sub.Index) {
			a = &assembly{text: len(texts), parts: map[int]string{}}
			assemblies[key] = a
			texts = append(texts, Text{At: sub.At, From: sub.From, To: sub.To, Total: sub.Total})
		}
		a.parts[sub.Index] = sub.Body
		t := &texts[a.text]
		t.Done, t.Parts, t.Body = sub.At, len(a.parts), ""
		for i := range sub.Total {
			t.Body += a.parts[i+1]
		}
		if len(a.parts) == sub.Total {
			delete(assemblies, key)
		}
	}
	return texts
}

type assembly struct {
	text  int // its place in the list
	parts map[int]string
}

func (a *assembly) has(index int) bool {
	_, ok := a.parts[index]
	return ok
}

// Ack is what a client answered to a delivery.
type Ack struct {
	At      time.Time
	ID      uint64 // of the delivery
	Receipt bool
	From    string
	Body    string
	Status  uint32
}

// Acks are all answers to deliveries so far.
func (s *Server) Acks() []Ack {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.ledger.acks)
}

// entry is a submit_sm for the ledger.
func entry(f frame, m *short) Submit {
	e := Submit{At: time.Now(), Seq: f.seq, From: plain(m.fromTON, m.from), To: plain(m.toTON, m.to), FromTON: m.fromTON,
		ToTON: m.toTON, Service: m.service, ESM: m.esm, Coding: m.coding, Validity: m.validity, Registered: m.registered,
		Reference: -1, Ref: -1, Index: 1, Total: 1, Data: m.text}
	if r := m.tlv[tlvReference]; len(r) == 2 {
		e.Reference = int(r[0])<<8 | int(r[1])
	}
	if d := m.text; m.esm&0x40 != 0 && len(d) >= 6 && d[0] == 5 && d[1] == 0 && d[2] == 3 {
		e.Ref, e.Total, e.Index, e.Data = int(d[3]), int(d[4]), int(d[5]), d[6:]
	}
	if r, t, i := m.tlv[tlvSarRef], m.tlv[tlvSarTotal], m.tlv[tlvSarIndex]; len(r) == 2 && len(t) == 1 && len(i) == 1 {
		e.Ref, e.Total, e.Index = int(r[0])<<8|int(r[1]), int(t[0]), int(i[0])
	}
	e.Body = decode(e.Data, m.coding)
	return e
}

func decode(b []byte, coding byte) string {
	switch coding {
	case 8:
		return textback.DecodeUCS2(b)
	case 0:
		return textback.DecodeGSM7(b)
	}
	return string(b)
}

func plain(ton byte, addr string) string {
	if ton == 1 && addr != "" && addr[0] != '+' {
		return "+" + addr
	}
	return addr
}
