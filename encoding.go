package textback

import (
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// Coding is the alphabet in which a text goes over the air.
type Coding uint8

const (
	_ Coding = iota
	// GSM7 is the GSM 7-bit default alphabet with its extension table (3GPP TS 23.038, 6.2.1).
	GSM7
	// UCS2 is UTF-16, big endian (3GPP TS 23.038, 6.2.3; characters outside the basic plane as surrogate pairs).
	UCS2
)

// String is the coding's name.
func (c Coding) String() string {
	switch c {
	case GSM7:
		return "GSM-7"
	case UCS2:
		return "UCS-2"
	default:
		return "unknown"
	}
}

// Charset is what data_coding 0, "SMSC default alphabet" (SMPP 3.4, 5.2.19), means at a message centre.
type Charset uint8

const (
	_ Charset = iota
	// CharsetGSM7: one septet of the GSM alphabet in each octet.
	CharsetGSM7
	// CharsetLatin1: ISO 8859-1; the message centre converts to the GSM alphabet itself.
	CharsetLatin1
)

// The sizes of a short message in units of its coding: septets, or UTF-16 code units. A part of several gives up six
// octets to the concatenation header (3GPP TS 23.040, 9.2.3.24.1).
const (
	gsm7Single, gsm7Part = 160, 153
	ucs2Single, ucs2Part = 70, 67
)

// maxSegments is what the 8-bit count of the concatenation header can say.
const maxSegments = 255

// Segment is one short message of a text: the whole text, or one part of several.
type Segment struct {
	Coding Coding
	Text   string // what it says
	Data   []byte // as it stands in short_message, without header: an octet per septet, UTF-16 or Latin-1 octets
	Index  int    // from 1
	Total  int    // number of segments of the text
}

// CodingOf tells how a text has to be sent: in the GSM alphabet if that has all its characters, else in UCS-2.
func CodingOf(body string) Coding {
	for _, r := range body {
		if _, ok := septets(r); !ok {
			return UCS2
		}
	}
	return GSM7
}

// ForcesUCS2 lists the characters that the GSM alphabet lacks, each once, in the order in which they appear.
// The list is empty for a text that goes in the GSM alphabet.
func ForcesUCS2(body string) []rune {
	var list []rune
	seen := map[rune]bool{}
	for _, r := range body {
		if _, ok := septets(r); !ok && !seen[r] {
			seen[r] = true
			list = append(list, r)
		}
	}
	return list
}

// Segments cuts a text into the short messages in which it goes out where data_coding 0 is the GSM alphabet: 160 septets
// or 70 UTF-16 units in one, 153 or 67 in each of several. An escape pair and a surrogate pair are never split, nor a
// character and what is combined with it unless that alone is longer than a part. An empty text is one empty segment.
// A text of more than 255 parts is cut off there.
func Segments(body string) []Segment { return SegmentsIn(body, CharsetGSM7) }

// SegmentsIn is [Segments] for a message centre whose data_coding 0 has another meaning. In Latin-1 only what both
// alphabets have goes as data_coding 0, because the message centre converts it to the GSM alphabet; it is counted in
// septets all the same.
func SegmentsIn(body string, charset Charset) []Segment {
	coding := CodingOf(body)
	if coding == GSM7 && charset == CharsetLatin1 && !latin1(body) {
		coding = UCS2
	}
	single, part, cost := gsm7Single, gsm7Part, gsm7Cost
	if coding == UCS2 {
		single, part, cost = ucs2Single, ucs2Part, ucs2Cost
	}
	pieces := []string{body}
	if cost(body) > single {
		pieces = split(body, part, cost)
	}
	segments := make([]Segment, len(pieces))
	for i, piece := range pieces {
		segments[i] = Segment{Coding: coding, Text: piece, Data: encode(piece, coding, charset),
			Index: i + 1, Total: len(pieces)}
	}
	return segments
}

// split cuts a text into pieces of at most limit units, between clusters where it can.
func split(body string, limit int, cost func(string) int) []string {
	var pieces []string
	start, used := 0, 0
	for at := 0; at < len(body); {
		size := clusterLen(body[at:])
		if cost(body[at:at+size]) > limit {
			_, size = utf8.DecodeRuneInString(body[at:])
		}
		c := cost(body[at : at+size])
		if used+c > limit {
			pieces = append(pieces, body[start:at])
			start, used = at, 0
			if len(pieces) == maxSegments {
				return pieces
			}
		}
		at, used = at+size, used+c
	}
	return append(pieces, body[start:])
}

// clusterLen is the length in octets of the first user-perceived character, near enough to Unicode's grapheme cluster
// for cutting texts: marks, joiners, variation selectors and skin tones stay with what they follow, flags are pairs.
func clusterLen(s string) int {
	first, n := utf8.DecodeRuneInString(s)
	last, flags := first, 0
	if regional(first) {
		flags = 1
	}
	for n < len(s) {
		r, size := utf8.DecodeRuneInString(s[n:])
		switch {
		case unicode.In(r, unicode.Mn, unicode.Me, unicode.Mc), r == zeroWidthJoiner, r >= 0x1F3FB && r <= 0x1F3FF:
		case last == zeroWidthJoiner:
		case regional(r) && flags == 1:
			flags = 2
		default:
			return n
		}
		last = r
		n += size
	}
	return n
}

const zeroWidthJoiner = '\u200D'

func regional(r rune) bool { return r >= 0x1F1E6 && r <= 0x1F1FF }

func gsm7Cost(s string) int {
	n := 0
	for _, r := range s {
		c, _ := septets(r)
		n += c
	}
	return n
}

func ucs2Cost(s string) int {
	n := 0
	for _, r := range s {
		n += utf16.RuneLen(r) // U+FFFD for what is no character: ranging over a string gives nothing else
	}
	return n
}

func latin1(s string) bool {
	for _, r := range s {
		if r > 0xFF {
			return false
		}
	}
	return true
}

func encode(s string, coding Coding, charset Charset) []byte {
	switch {
	case coding == UCS2:
		return EncodeUCS2(s)
	case charset == CharsetLatin1:
		b := make([]byte, 0, len(s))
		for _, r := range s {
			b = append(b, byte(r))
		}
		return b
	default:
		b, _ := EncodeGSM7(s)
		return b
	}
}

// EncodeUCS2 writes a text as UTF-16, big endian, without a byte order mark.
func EncodeUCS2(s string) []byte {
	b := make([]byte, 0, 2*len(s))
	for _, u := range utf16.Encode([]rune(s)) {
		b = append(b, byte(u>>8), byte(u))
	}
	return b
}

// DecodeUCS2 reads UTF-16, big endian unless a byte order mark says otherwise. A lone surrogate becomes U+FFFD; an odd
// octet at the end, which cut-off messages have, is dropped.
func DecodeUCS2(b []byte) string {
	hi, lo := 0, 1
	if len(b) >= 2 {
		switch {
		case b[0] == 0xFE && b[1] == 0xFF:
			b = b[2:]
		case b[0] == 0xFF && b[1] == 0xFE:
			b, hi, lo = b[2:], 1, 0
		}
	}
	units := make([]uint16, 0, len(b)/2)
	for i := 0; i+1 < len(b); i += 2 {
		units = append(units, uint16(b[i+hi])<<8|uint16(b[i+lo]))
	}
	return string(utf16.Decode(units))
}
