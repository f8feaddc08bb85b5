package smpp

import (
	"encoding/binary"

	"github.com/fiorix/go-smpp/smpp/pdu/pdutlv"
)

// header is what matters of a user data header (3GPP TS 23.040, 9.2.3.24).
type header struct {
	concat  *Concat
	port    bool // addressed to an application: not for reading
	lengthy int  // octets of the header with its length octet
}

// Information element identifiers (3GPP TS 23.040, 9.2.3.24).
const (
	ieConcat8, ieConcat16, iePort8, iePort16 = 0x00, 0x08, 0x04, 0x05
)

// parseUDH reads a user data header at the front of a message. ok is false if the octets cannot be one.
func parseUDH(b []byte) (h header, ok bool) {
	if len(b) == 0 || int(b[0])+1 > len(b) || b[0] == 0 {
		return header{}, false
	}
	h.lengthy = int(b[0]) + 1
	for ie := b[1:h.lengthy]; len(ie) > 0; {
		if len(ie) < 2 || int(ie[1])+2 > len(ie) {
			return header{}, false
		}
		value := ie[2 : 2+int(ie[1])]
		switch {
		case ie[0] == ieConcat8 && len(value) == 3:
			h.concat = concat(uint16(value[0]), 8, int(value[1]), int(value[2]))
		case ie[0] == ieConcat16 && len(value) == 4:
			h.concat = concat(binary.BigEndian.Uint16(value), 16, int(value[2]), int(value[3]))
		case ie[0] == iePort8, ie[0] == iePort16:
			h.port = true
		}
		ie = ie[2+len(value):]
	}
	return h, true
}

// concat is the concatenation, or nil where the numbers say that there is none: such a part is read by itself.
func concat(ref uint16, bits, total, index int) *Concat {
	if total < 2 || index < 1 || index > total {
		return nil
	}
	return &Concat{Ref: ref, Bits: bits, Total: total, Index: index}
}

// sarConcat reads the concatenation out of the optional parameters (SMPP 3.4, 5.3.2.22 to 24).
func sarConcat(m pdutlv.Map) *Concat {
	ref, ok1 := tlvNumber(m, pdutlv.TagSarMsgRefNum)
	total, ok2 := tlvNumber(m, pdutlv.TagSarTotalSegments)
	index, ok3 := tlvNumber(m, pdutlv.TagSarSegmentSeqnum)
	if !ok1 || !ok2 || !ok3 || total > 255 {
		return nil
	}
	return concat(ref, 16, int(total), int(index))
}

// looksConcatenated tells a concatenation header whose esm_class bit got lost on the way. As text it would read "é@¥".
func looksConcatenated(b []byte) bool {
	return len(b) > 6 && b[0] == 5 && b[1] == ieConcat8 && b[2] == 3 && b[4] >= 2 && b[5] >= 1 && b[5] <= b[4]
}
