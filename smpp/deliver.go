package smpp

import (
	"time"

	"textback"
)

// The message type in esm_class of a deliver_sm (SMPP 3.4, 5.2.12, bits 5 to 2).
const (
	esmTypeMask     = 0x3C
	esmReceipt      = 0x04
	esmDeliveryAck  = 0x08 // from the phone itself
	esmIntermediate = 0x20
)

// interpret says what a deliver_sm or data_sm is: a receipt or a message.
func interpret(cfg *Config, in *incoming, at time.Time) Delivery {
	from, to := plainAddress(in.fromTON, in.from), plainAddress(in.toTON, in.to)
	if r, ok := parseReceipt(in); ok {
		r.From, r.To, r.At, r.Link = from, to, at, cfg.Name
		return Delivery{Receipt: r}
	}
	latin1 := cfg.charset() == textback.CharsetLatin1
	m := &Message{From: from, To: to, At: at, Link: cfg.Name, Binary: codingClass(in.coding) == classBinary}
	text, joined := in.text, sarConcat(in.tlv)
	if in.esmClass&esmUDHI != 0 || looksConcatenated(text) {
		if h, ok := parseUDH(text); ok {
			text = text[h.lengthy:]
			m.Binary = m.Binary || h.port
			if h.concat != nil {
				joined = h.concat
			}
		}
	}
	m.Body = decodeText(text, in.coding, latin1)
	if joined != nil {
		m.Part = &Part{Link: cfg.Name, From: from, To: to, Concat: *joined, Coding: in.coding, Latin1: latin1,
			Data: append([]byte(nil), text...), At: at}
	}
	return Delivery{Message: m}
}
