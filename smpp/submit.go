package smpp

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/fiorix/go-smpp/smpp/pdu"
	"github.com/fiorix/go-smpp/smpp/pdu/pdutlv"

	"textback"
)

const (
	esmUDHI = 0x40 // esm_class: short_message begins with a user data header (SMPP 3.4, 5.2.12)

	codingDefault, codingUCS2 = 0x00, 0x08 // data_coding (SMPP 3.4, 5.2.19)

	// maxShortMessage is what short_message holds (SMPP 3.4, 4.4.1). go-smpp cuts the length to an octet in silence.
	maxShortMessage = 254
	maxPayload      = 64<<10 - 1
)

// submitSM is what a submit_sm of ours says (SMPP 3.4, 4.4.1).
type submitSM struct {
	serviceType          string
	from, to             address
	esmClass             byte
	validity             string
	registered           byte
	coding               byte
	text                 []byte
	reference            []byte // user_message_reference, nil for none; the other optional parameters likewise
	sarRef, sarTotal     []byte
	sarSequence, payload []byte
}

// encodeSubmit writes a submit_sm without its sequence number. now is for the validity period.
func encodeSubmit(cfg *Config, s *Segment, now time.Time) ([]byte, error) {
	p, err := newSubmit(cfg, s, now)
	if err != nil {
		return nil, err
	}
	return p.encode(), nil
}

func newSubmit(cfg *Config, s *Segment, now time.Time) (p submitSM, err error) {
	p.serviceType, p.text, p.validity = cfg.ServiceType, s.Part.Data, cfg.validity(s.Validity, now)
	if p.from, err = cfg.source(s.From); err != nil {
		return p, err
	}
	if p.to, err = cfg.destination(s.To); err != nil {
		return p, err
	}
	if cfg.Receipts && !s.NoReceipt {
		p.registered = 1 // final outcome, success or failure (SMPP 3.4, 5.2.17)
	}
	if s.Part.Coding == textback.UCS2 {
		p.coding = codingUCS2
	}
	if cfg.Reference && s.Reference != 0 {
		p.reference = binary.BigEndian.AppendUint16(nil, s.Reference)
	}
	switch {
	case cfg.Long == "payload" && len(p.text) > payloadFrom(s.Part.Coding):
		if len(p.text) > maxPayload {
			return p, errNoSpace
		}
		p.payload, p.text = p.text, nil
	case s.Part.Total < 2:
	case s.Part.Total > 255 || s.Part.Index < 1 || s.Part.Index > s.Part.Total:
		return p, fmt.Errorf("part %d of %d cannot be written", s.Part.Index, s.Part.Total)
	case cfg.Long == "sar":
		p.sarRef, p.sarTotal, p.sarSequence = []byte{0, s.Concat}, []byte{byte(s.Part.Total)}, []byte{byte(s.Part.Index)}
	default:
		// The 8-bit reference: osmo-msc fills the septets after a 16-bit one wrongly, opensmppbox does not join its parts.
		p.esmClass = esmUDHI
		p.text = append([]byte{5, 0, 3, s.Concat, byte(s.Part.Total), byte(s.Part.Index)}, p.text...)
	}
	if len(p.text) > maxShortMessage {
		return p, errNoSpace
	}
	return p, nil
}

// encode writes the octets. go-smpp would write the same, from maps that cost more than all else a text costs here
// (TestASubmitIsWrittenAsTheLibraryWritesIt).
func (p *submitSM) encode() []byte {
	size := headerLen + 64 + len(p.serviceType) + len(p.from.digits) + len(p.to.digits) + len(p.validity) + len(p.text) + len(p.payload)
	b := appendPDU(make([]byte, 0, size), pdu.SubmitSMID, StatusOK, 0)
	cString := func(s string) { b = append(append(b, s...), 0) }
	cString(p.serviceType)
	b = append(b, p.from.ton, p.from.npi)
	cString(p.from.digits)
	b = append(b, p.to.ton, p.to.npi)
	cString(p.to.digits)
	b = append(b, p.esmClass, 0, 0) // protocol_id, priority_flag
	cString("")                     // schedule_delivery_time
	cString(p.validity)
	b = append(b, p.registered, 0, p.coding, 0, byte(len(p.text))) // replace_if_present_flag, sm_default_msg_id
	b = append(b, p.text...)
	for _, t := range []struct {
		tag   pdutlv.Tag
		value []byte
	}{
		{pdutlv.TagUserMessageReference, p.reference}, {pdutlv.TagSarMsgRefNum, p.sarRef}, {pdutlv.TagSarTotalSegments, p.sarTotal},
		{pdutlv.TagSarSegmentSeqnum, p.sarSequence}, {pdutlv.TagMessagePayload, p.payload},
	} {
		if t.value != nil {
			b = binary.BigEndian.AppendUint16(b, uint16(t.tag))
			b = binary.BigEndian.AppendUint16(b, uint16(len(t.value)))
			b = append(b, t.value...)
		}
	}
	binary.BigEndian.PutUint32(b, uint32(len(b)))
	return b
}

// payloadFrom is the size in octets over which long = "payload" uses message_payload: what one short message holds.
func payloadFrom(c textback.Coding) int {
	if c == textback.UCS2 {
		return 140
	}
	return 160
}

// maxRelative bounds a relative validity period: its days have two digits and must not spill into months.
const maxRelative = 30 * 24 * time.Hour

// validity is the validity_period for a text that is of no use after until (SMPP 3.4, 7.1.1).
func (c *Config) validity(until, now time.Time) string {
	if until.IsZero() || c.Validity == "none" {
		return ""
	}
	if c.Validity == "absolute" {
		return until.UTC().Format("060102150405") + "000+"
	}
	left := min(max(until.Sub(now), time.Second), maxRelative)
	s := int(left / time.Second)
	return fmt.Sprintf("0000%02d%02d%02d%02d000R", s/86400, s/3600%24, s/60%60, s%60)
}

// weight is how many segments on the air a submit_sm is: more than one only for message_payload.
func weight(p *textback.Segment) int {
	n, single, part := len(p.Data), 160, 153
	if p.Coding == textback.UCS2 {
		n, single, part = n/2, 70, 67
	}
	if n <= single {
		return 1
	}
	return (n + part - 1) / part
}
