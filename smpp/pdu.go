package smpp

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/fiorix/go-smpp/smpp/pdu"
	"github.com/fiorix/go-smpp/smpp/pdu/pdufield"
	"github.com/fiorix/go-smpp/smpp/pdu/pdutlv"
)

const (
	headerLen = pdu.HeaderLen
	// maxPDU is the longest PDU that is read into memory. message_payload alone may have 64 KiB less its header.
	maxPDU = 64<<10 + 1024
	// maxSkip is the longest PDU that is read and thrown away to stay in step; a longer one is no PDU.
	maxSkip = 1 << 20

	responseBit = 0x80000000
)

// frame is a PDU as it came: the header's fields and the octets after it.
type frame struct {
	id     pdu.ID
	status uint32
	seq    uint32
	body   []byte
}

// frameError is a header that cannot be believed. The stream goes on behind it if InStep.
type frameError struct {
	frame  frame
	length uint32
	inStep bool
}

func (e *frameError) Error() string {
	return fmt.Sprintf("command_length %d of command 0x%08x is out of bounds", e.length, uint32(e.frame.id))
}

// readFrame reads one PDU. The length is checked before anything is allocated; what is too long but believable is skipped.
func readFrame(r io.Reader) (frame, error) {
	var head [headerLen]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return frame{}, err
	}
	length := binary.BigEndian.Uint32(head[0:4])
	f := frame{id: pdu.ID(binary.BigEndian.Uint32(head[4:8])), status: binary.BigEndian.Uint32(head[8:12]),
		seq: binary.BigEndian.Uint32(head[12:16])}
	switch {
	case length < headerLen || length > maxSkip:
		return f, &frameError{frame: f, length: length}
	case length > maxPDU:
		if _, err := io.CopyN(io.Discard, r, int64(length)-headerLen); err != nil {
			return f, err
		}
		return f, &frameError{frame: f, length: length, inStep: true}
	case length == headerLen:
		return f, nil
	}
	f.body = make([]byte, length-headerLen)
	_, err := io.ReadFull(r, f.body)
	return f, err
}

// appendPDU appends a PDU whose body is already octets.
func appendPDU(b []byte, id pdu.ID, status, seq uint32, body ...byte) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(headerLen+len(body)))
	b = binary.BigEndian.AppendUint32(b, uint32(id))
	b = binary.BigEndian.AppendUint32(b, status)
	b = binary.BigEndian.AppendUint32(b, seq)
	return append(b, body...)
}

// setSequence writes the sequence number into an encoded PDU. go-smpp numbers PDUs from one counter of the process.
func setSequence(b []byte, seq uint32) { binary.BigEndian.PutUint32(b[12:16], seq) }

// encode writes a PDU of go-smpp.
func encode(p pdu.Body) ([]byte, error) {
	var b bytes.Buffer
	if err := p.SerializeTo(&b); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// encodeBind writes a bind of the given kind (SMPP 3.4, 4.1).
func encodeBind(cfg *Config, kind string) ([]byte, error) {
	var p pdu.Body
	switch kind {
	case bindTransmitter:
		p = pdu.NewBindTransmitter()
	case bindReceiver:
		p = pdu.NewBindReceiver()
	default:
		p = pdu.NewBindTransceiver()
	}
	err := setFields(p.Fields(), []field{{pdufield.SystemID, cfg.SystemID}, {pdufield.Password, cfg.Password},
		{pdufield.SystemType, cfg.SystemType}, {pdufield.InterfaceVersion, 0x34}, // osmo-msc refuses any other
		{pdufield.AddressRange, cfg.AddressRange}})
	if err != nil {
		return nil, err
	}
	return encode(p)
}

type field struct {
	name  pdufield.Name
	value any
}

func setFields(m pdufield.Map, fields []field) error {
	for _, f := range fields {
		if err := m.Set(f.name, f.value); err != nil {
			return err
		}
	}
	return nil
}

// The mandatory fields of deliver_sm and data_sm. go-smpp's own list for deliver_sm takes the user data header apart,
// fails on a header that stands in message_payload, and spoils the text when it is written out again; data_sm it lacks.
// Here the header stays in short_message and is read by parseUDH.
func deliverFields() pdufield.List {
	return pdufield.List{pdufield.ServiceType, pdufield.SourceAddrTON, pdufield.SourceAddrNPI, pdufield.SourceAddr,
		pdufield.DestAddrTON, pdufield.DestAddrNPI, pdufield.DestinationAddr, pdufield.ESMClass, pdufield.ProtocolID,
		pdufield.PriorityFlag, pdufield.ScheduleDeliveryTime, pdufield.ValidityPeriod, pdufield.RegisteredDelivery,
		pdufield.ReplaceIfPresentFlag, pdufield.DataCoding, pdufield.SMDefaultMsgID, pdufield.SMLength,
		pdufield.ShortMessage}
}

func dataFields() pdufield.List {
	return pdufield.List{pdufield.ServiceType, pdufield.SourceAddrTON, pdufield.SourceAddrNPI, pdufield.SourceAddr,
		pdufield.DestAddrTON, pdufield.DestAddrNPI, pdufield.DestinationAddr, pdufield.ESMClass,
		pdufield.RegisteredDelivery, pdufield.DataCoding}
}

// errBody is a PDU whose header is right and whose body is not, with the status that says so to its sender.
type errBody struct {
	status uint32
	err    error
}

func (e *errBody) Error() string { return e.err.Error() }
func (e *errBody) Unwrap() error { return e.err }

// incoming is a deliver_sm or data_sm, its fields read and nothing interpreted.
type incoming struct {
	command        string
	fromTON, toTON byte
	from, to       string
	esmClass       byte
	coding         byte
	text           []byte // short_message, or message_payload if that is empty
	tlv            pdutlv.Map
}

// decodeIncoming reads a deliver_sm or data_sm. The error is an *errBody.
func decodeIncoming(f frame) (incoming, error) {
	list, command := deliverFields(), "deliver_sm"
	if f.id == pdu.DataSMID {
		list, command = dataFields(), "data_sm"
	}
	buf := bytes.NewBuffer(f.body)
	fields, err := list.Decode(buf)
	if err != nil {
		return incoming{}, &errBody{StatusInvMsgLen, fmt.Errorf("read %s: %w", command, err)}
	}
	// go-smpp stops at the end of the octets without saying so.
	for _, name := range list {
		if fields[name] == nil {
			return incoming{}, &errBody{StatusInvCmdLen, fmt.Errorf("read %s: it ends before %s", command, name)}
		}
	}
	tlv, err := pdutlv.DecodeTLV(buf)
	if err != nil {
		return incoming{}, &errBody{StatusInvOptional, fmt.Errorf("read %s: %w", command, err)}
	}
	in := incoming{command: command, tlv: tlv,
		fromTON: octet(fields, pdufield.SourceAddrTON), from: fields[pdufield.SourceAddr].String(),
		toTON: octet(fields, pdufield.DestAddrTON), to: fields[pdufield.DestinationAddr].String(),
		esmClass: octet(fields, pdufield.ESMClass), coding: octet(fields, pdufield.DataCoding)}
	if sm := fields[pdufield.ShortMessage]; sm != nil {
		in.text = sm.Bytes()
	}
	if payload := tlv[pdutlv.TagMessagePayload]; payload != nil && len(in.text) == 0 {
		in.text = payload.Bytes()
	}
	return in, nil
}

func octet(m pdufield.Map, name pdufield.Name) byte {
	if f, ok := m[name].(*pdufield.Fixed); ok {
		return f.Data
	}
	return 0
}

// tlvBytes is the value of an optional parameter, and whether it is there.
func tlvBytes(m pdutlv.Map, tag pdutlv.Tag) ([]byte, bool) {
	f := m[tag]
	if f == nil {
		return nil, false
	}
	return f.Bytes(), true
}

// tlvNumber reads an optional parameter as a number of one or two octets, whichever it has: senders mix them up.
func tlvNumber(m pdutlv.Map, tag pdutlv.Tag) (uint16, bool) {
	b, ok := tlvBytes(m, tag)
	switch {
	case !ok:
		return 0, false
	case len(b) == 1:
		return uint16(b[0]), true
	case len(b) >= 2:
		return binary.BigEndian.Uint16(b), true
	}
	return 0, false
}

// cString reads a NUL-terminated string from the front of a body. The NUL may be missing: error responses and some
// message centres leave it, or the whole body, out.
func cString(b []byte) string {
	if i := bytes.IndexByte(b, 0); i >= 0 {
		b = b[:i]
	}
	return string(b)
}

var errNoSpace = errors.New("text is too long for one PDU")
