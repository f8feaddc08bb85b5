package textback

import (
	"slices"
	"strings"
)

// escape announces a character of the extension table (3GPP TS 23.038, 6.2.1.1).
const escape = 0x1B

// gsm7Basic is the default alphabet in the order of its codes (3GPP TS 23.038, 6.2.1). The escape has no character.
var gsm7Basic = []rune("@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?" +
	"¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà")

// gsm7Extended is the extension table: what follows the escape, and what it means (3GPP TS 23.038, 6.2.1.1).
var gsm7Extended = []struct {
	code byte
	char rune
}{
	{0x0A, '\f'}, {0x14, '^'}, {0x28, '{'}, {0x29, '}'}, {0x2F, '\\'}, {0x3C, '['}, {0x3D, '~'}, {0x3E, ']'}, {0x40, '|'},
	{0x65, '€'},
}

// septets is what a character takes in the GSM alphabet, and whether the alphabet has it.
func septets(r rune) (int, bool) {
	if _, ok := gsm7Code(r); ok {
		return 1, true
	}
	if _, ok := gsm7Extension(r); ok {
		return 2, true
	}
	return 0, false
}

// gsm7Code is the code of a character in the default alphabet.
func gsm7Code(r rune) (byte, bool) {
	switch {
	case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '%' && r <= '?', r >= ' ' && r <= '#', r == '\n', r == '\r':
		return byte(r), true // the same code as in ASCII
	case r == escape:
		return 0, false
	}
	i := slices.Index(gsm7Basic, r)
	return byte(i), i >= 0
}

// gsm7Extension is the code that follows the escape for a character of the extension table.
func gsm7Extension(r rune) (byte, bool) {
	for _, e := range gsm7Extended {
		if e.char == r {
			return e.code, true
		}
	}
	return 0, false
}

// gsm7ExtensionChar is the character of the extension table for the code after an escape.
func gsm7ExtensionChar(code byte) (rune, bool) {
	for _, e := range gsm7Extended {
		if e.code == code {
			return e.char, true
		}
	}
	return 0, false
}

// EncodeGSM7 writes a text in the GSM alphabet, one septet in each octet as SMPP carries it. It tells whether the alphabet
// has every character; what it lacks is written as "?".
func EncodeGSM7(s string) ([]byte, bool) {
	b, all := make([]byte, 0, len(s)), true
	for _, r := range s {
		if c, ok := gsm7Code(r); ok {
			b = append(b, c)
		} else if c, ok := gsm7Extension(r); ok {
			b = append(b, escape, c)
		} else {
			b, all = append(b, '?'), false
		}
	}
	return b, all
}

// DecodeGSM7 reads a text in the GSM alphabet, one septet in each octet. After an escape a code that the extension table
// lacks means its character of the default alphabet, and a lone escape a space, as 3GPP TS 23.038, 6.2.1.1, asks; an octet
// over 0x7F is no septet and becomes U+FFFD.
func DecodeGSM7(b []byte) string {
	var s strings.Builder
	s.Grow(len(b))
	for i := 0; i < len(b); i++ {
		c := b[i]
		if c == escape {
			if i+1 == len(b) || b[i+1] == escape {
				s.WriteByte(' ')
				continue
			}
			i++
			if r, ok := gsm7ExtensionChar(b[i]); ok {
				s.WriteRune(r)
				continue
			}
			c = b[i]
		}
		if c > 0x7F {
			s.WriteRune('\uFFFD')
			continue
		}
		s.WriteRune(gsm7Basic[c])
	}
	return s.String()
}
