package smpp

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/fiorix/go-smpp/smpp/pdu"
	"github.com/fiorix/go-smpp/smpp/pdu/pdufield"
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

// encodeSubmit writes a submit_sm without its sequence number. now is for the validity period.
func encodeSubmit(cfg *Config, s *Segment, now time.Time) ([]byte, error) {
	from, err := cfg.source(s.From)
	if err != nil {
		return nil, err
	}
	to, err := cfg.destination(s.To)
	if err != nil {
		return nil, err
	}
	var registered, coding, esm uint8
	if cfg.Receipts && !s.NoReceipt {
		registered = 1 // final outcome, success or failure (SMPP 3.4, 5.2.17)
	}
	if s.Part.Coding == textback.UCS2 {
		coding = codingUCS2
	}
	tlv := pdutlv.Fields{}
	if cfg.Reference && s.Reference != 0 {
		tlv[pdutlv.TagUserMessageReference] = binary.BigEndian.AppendUint16(nil, s.Reference)
	}
	text := s.Part.Data
	switch {
	case cfg.Long == "payload" && len(text) > payloadFrom(s.Part.Coding):
		if len(text) > maxPayload {
			return nil, errNoSpace
		}
		tlv[pdutlv.TagMessagePayload], text = text, nil
	case s.Part.Total < 2:
	case s.Part.Total > 255 || s.Part.Index < 1 || s.Part.Index > s.Part.Total:
		return nil, fmt.Errorf("part %d of %d cannot be written", s.Part.Index, s.Part.Total)
	case cfg.Long == "sar":
		tlv[pdutlv.TagSarMsgRefNum] = []byte{0, s.Concat}
		tlv[pdutlv.TagSarTotalSegments] = []byte{byte(s.Part.Total)}
		tlv[pdutlv.TagSarSegmentSeqnum] = []byte{byte(s.Part.Index)}
	default:
		// The 8-bit reference: osmo-msc fills the septets after a 16-bit one wrongly, opensmppbox does not join its parts.
		esm = esmUDHI
		text = append([]byte{5, 0, 3, s.Concat, byte(s.Part.Total), byte(s.Part.Index)}, text...)
	}
	if len(text) > maxShortMessage {
		return nil, errNoSpace
	}
	p := pdu.NewSubmitSM(tlv)
	err = setFields(p.Fields(), []field{{pdufield.ServiceType, cfg.ServiceType},
		{pdufield.SourceAddrTON, from.ton}, {pdufield.SourceAddrNPI, from.npi}, {pdufield.SourceAddr, from.digits},
		{pdufield.DestAddrTON, to.ton}, {pdufield.DestAddrNPI, to.npi}, {pdufield.DestinationAddr, to.digits},
		{pdufield.ESMClass, esm}, {pdufield.ValidityPeriod, cfg.validity(s.Validity, now)},
		{pdufield.RegisteredDelivery, registered}, {pdufield.DataCoding, coding}, {pdufield.ShortMessage, text}})
	if err != nil {
		return nil, err
	}
	return encode(p)
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
