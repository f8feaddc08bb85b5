package smpp

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/korean"

	"textback"
)

// DecodeText reads the text of a message by its data_coding, as [Message.Body] is read: for the parts of a long message
// that were kept and are read together. It never fails: what cannot be read becomes U+FFFD.
func DecodeText(b []byte, coding byte) string { return decodeText(b, coding, false) }

// decodeText reads the text of an incoming message by its data_coding (SMPP 3.4, 5.2.19; values from 0x10 up are those of
// 3GPP TS 23.038, 4). It never fails: what cannot be read becomes U+FFFD. latin1 says that 0 means Latin-1 on this link.
func decodeText(b []byte, coding byte, latin1 bool) string {
	s := ""
	switch class := codingClass(coding); {
	case class == classUCS2:
		s = textback.DecodeUCS2(b)
	case class == classBinary:
		s = guessText(b)
	case coding == 0 && latin1:
		s = charsetText(charmap.Windows1252, b)
	case coding == 1:
		s = decodeIA5(b)
	case class == classDefault:
		s = decodeDefault(b)
	case coding == 3:
		s = charsetText(charmap.Windows1252, b) // Latin-1 with what phones put into its unused codes
	case coding == 5, coding == 13:
		s = charsetText(japanese.ShiftJIS, b)
	case coding == 6:
		s = charsetText(charmap.ISO8859_5, b)
	case coding == 7:
		s = charsetText(charmap.ISO8859_8, b)
	case coding == 10:
		s = charsetText(japanese.ISO2022JP, b)
	case coding == 14:
		s = charsetText(korean.EUCKR, b)
	default:
		s = guessText(b)
	}
	return strings.ToValidUTF8(strings.TrimRight(s, "\x00"), "\uFFFD")
}

type codingClassType uint8

const (
	classOther codingClassType = iota
	classDefault
	classBinary
	classUCS2
)

// codingClass sorts the data_coding values by what they are encoded in.
func codingClass(coding byte) codingClassType {
	switch {
	case coding == 0:
		return classDefault
	case coding == 2, coding == 4:
		return classBinary
	case coding == 8:
		return classUCS2
	case coding < 0x10:
		return classOther
	case coding < 0x80: // general data coding, bits 3 and 2
		switch coding >> 2 & 3 {
		case 0:
			return classDefault
		case 1:
			return classBinary
		case 2:
			return classUCS2
		}
		return classOther
	case coding >= 0xC0 && coding < 0xE0: // message waiting, GSM alphabet
		return classDefault
	case coding >= 0xE0 && coding < 0xF0: // message waiting, UCS-2
		return classUCS2
	case coding >= 0xF0: // data coding/message class, bit 2
		if coding&4 != 0 {
			return classBinary
		}
		return classDefault
	}
	return classOther
}

// decodeDefault reads the GSM alphabet, one septet an octet. An octet over 0x7F is no septet: such a message was not
// converted on its way, so it is UTF-8 or Latin-1.
func decodeDefault(b []byte) string {
	if bytes.ContainsFunc(b, func(r rune) bool { return r > 0x7F }) {
		return guessText(b)
	}
	return textback.DecodeGSM7(b)
}

// decodeIA5 reads data_coding 1. It says ASCII, but osmo-msc and node-smpp send the GSM alphabet under it. Codes that
// are control characters in ASCII, and letters with accents inside a word, tell the GSM alphabet.
func decodeIA5(b []byte) string {
	if bytes.ContainsFunc(b, func(r rune) bool { return r > 0x7F }) {
		return guessText(b)
	}
	brackets := bytes.ContainsAny(b, "[{") && bytes.ContainsAny(b, "]}")
	for i, c := range b {
		switch {
		case c < ' ' && c != '\n' && c != '\r' && c != '\t' && !(c == 0 && i == len(b)-1):
			return textback.DecodeGSM7(b)
		case !brackets && (c >= '[' && c <= '^' || c >= '{') && besideLetter(b, i):
			return textback.DecodeGSM7(b)
		}
	}
	return string(b)
}

func besideLetter(b []byte, i int) bool {
	letter := func(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }
	return i > 0 && letter(b[i-1]) || i+1 < len(b) && letter(b[i+1])
}

// guessText reads octets of no known alphabet: UTF-8 if they can be it, else Latin-1.
func guessText(b []byte) string {
	if utf8.Valid(b) {
		return string(b)
	}
	return charsetText(charmap.Windows1252, b)
}

func charsetText(e encoding.Encoding, b []byte) string {
	s, err := e.NewDecoder().Bytes(b)
	if err != nil {
		return strings.ToValidUTF8(string(b), "\uFFFD")
	}
	return string(s)
}
