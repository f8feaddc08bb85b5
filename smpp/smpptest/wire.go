package smpptest

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
)

// Commands of SMPP 3.4, 5.1.2.1.
const (
	cmdNack         = 0x80000000
	cmdBindRx       = 0x00000001
	cmdBindTx       = 0x00000002
	cmdSubmit       = 0x00000004
	cmdDeliver      = 0x00000005
	cmdUnbind       = 0x00000006
	cmdBindTrx      = 0x00000009
	cmdEnquire      = 0x00000015
	cmdAlert        = 0x00000102
	cmdData         = 0x00000103
	cmdResponse     = 0x80000000
	maxFrame        = 1 << 17
	tlvReceiptedID  = 0x001E
	tlvReference    = 0x0204
	tlvSarRef       = 0x020C
	tlvSarTotal     = 0x020E
	tlvSarIndex     = 0x020F
	tlvPayload      = 0x0424
	tlvMessageState = 0x0427
)

type frame struct {
	id, status, seq uint32
	body            []byte
}

func readFrame(r io.Reader) (frame, error) {
	var h [16]byte
	if _, err := io.ReadFull(r, h[:]); err != nil {
		return frame{}, err
	}
	n := binary.BigEndian.Uint32(h[:])
	f := frame{id: binary.BigEndian.Uint32(h[4:]), status: binary.BigEndian.Uint32(h[8:]), seq: binary.BigEndian.Uint32(h[12:])}
	if n < 16 || n > maxFrame {
		return f, fmt.Errorf("command_length %d", n)
	}
	f.body = make([]byte, n-16)
	_, err := io.ReadFull(r, f.body)
	return f, err
}

func appendFrame(b []byte, f frame) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(16+len(f.body)))
	b = binary.BigEndian.AppendUint32(b, f.id)
	b = binary.BigEndian.AppendUint32(b, f.status)
	b = binary.BigEndian.AppendUint32(b, f.seq)
	return append(b, f.body...)
}

// cursor reads the fields of a body. After the first error everything is empty.
type cursor struct {
	b   []byte
	err error
}

func (c *cursor) octet() byte {
	if len(c.b) == 0 {
		c.err = io.ErrUnexpectedEOF
		return 0
	}
	o := c.b[0]
	c.b = c.b[1:]
	return o
}

func (c *cursor) text() string {
	i := bytes.IndexByte(c.b, 0)
	if i < 0 {
		c.b, c.err = nil, io.ErrUnexpectedEOF
		return ""
	}
	s := string(c.b[:i])
	c.b = c.b[i+1:]
	return s
}

func (c *cursor) take(n int) []byte {
	if len(c.b) < n {
		c.b, c.err = nil, io.ErrUnexpectedEOF
		return nil
	}
	b := c.b[:n]
	c.b = c.b[n:]
	return b
}

func (c *cursor) tlvs() map[uint16][]byte {
	m := map[uint16][]byte{}
	for len(c.b) > 0 && c.err == nil {
		head := c.take(4)
		if c.err != nil {
			break
		}
		m[binary.BigEndian.Uint16(head)] = c.take(int(binary.BigEndian.Uint16(head[2:])))
	}
	return m
}

// short is a submit_sm or deliver_sm in its fields (SMPP 3.4, 4.4.1 and 4.6.1).
type short struct {
	service          string
	fromTON, fromNPI byte
	from             string
	toTON, toNPI     byte
	to               string
	esm              byte
	validity         string
	registered       byte
	coding           byte
	text             []byte
	tlv              map[uint16][]byte
}

func parseShort(b []byte) (short, error) {
	c := &cursor{b: b}
	var s short
	s.service = c.text()
	s.fromTON, s.fromNPI, s.from = c.octet(), c.octet(), c.text()
	s.toTON, s.toNPI, s.to = c.octet(), c.octet(), c.text()
	s.esm = c.octet()
	c.octet() // protocol_id
	c.octet() // priority_flag
	c.text()  // schedule_delivery_time
	s.validity = c.text()
	s.registered = c.octet()
	c.octet() // replace_if_present_flag
	s.coding = c.octet()
	c.octet() // sm_default_msg_id
	s.text = c.take(int(c.octet()))
	s.tlv = c.tlvs()
	if p, ok := s.tlv[tlvPayload]; ok && len(s.text) == 0 {
		s.text = p
	}
	return s, c.err
}

func (s *short) encode() []byte {
	b := append([]byte(s.service), 0, s.fromTON, s.fromNPI)
	b = append(append(b, s.from...), 0, s.toTON, s.toNPI)
	b = append(append(b, s.to...), 0, s.esm, 0, 0, 0, 0, s.registered, 0, s.coding, 0, byte(len(s.text)))
	b = append(b, s.text...)
	return s.appendTLV(b)
}

// encodeData writes it as a data_sm (SMPP 3.4, 4.7.1); the text must stand in message_payload.
func (s *short) encodeData() []byte {
	b := append([]byte(s.service), 0, s.fromTON, s.fromNPI)
	b = append(append(b, s.from...), 0, s.toTON, s.toNPI)
	b = append(append(b, s.to...), 0, s.esm, s.registered, s.coding)
	return s.appendTLV(b)
}

func (s *short) appendTLV(b []byte) []byte {
	for tag, v := range s.tlv {
		b = binary.BigEndian.AppendUint16(b, tag)
		b = binary.BigEndian.AppendUint16(b, uint16(len(v)))
		b = append(b, v...)
	}
	return b
}
