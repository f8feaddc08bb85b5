package rules

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"textback"
)

// Transliterate replaces characters that the GSM alphabet lacks by what comes nearest: curly quotes, dashes, dots, blanks,
// and letters whose accent it does not have. What has no near one stays, and the text goes as UCS-2.
func Transliterate(s string) string {
	if len(textback.ForcesUCS2(s)) == 0 {
		return s
	}
	var b strings.Builder
	for _, r := range norm.NFC.String(s) {
		c := string(r)
		if len(textback.ForcesUCS2(c)) == 0 {
			b.WriteString(c)
			continue
		}
		b.WriteString(nearest(r))
	}
	return b.String()
}

func nearest(r rune) string {
	switch r {
	case '‘', '’', '‚', '‛', '′', 'ʼ', '´', '`':
		return "'"
	case '“', '”', '„', '″', '«', '»':
		return `"`
	case '–', '—', '‐', '‑', '‒', '―', '−':
		return "-"
	case '…':
		return "..."
	case '•', '·':
		return "-"
	case '×':
		return "x"
	case '©':
		return "(c)"
	case '®':
		return "(R)"
	case '™':
		return "(TM)"
	case 'ł':
		return "l"
	case 'Ł':
		return "L"
	case 'œ':
		return "oe"
	case 'Œ':
		return "OE"
	case 'đ':
		return "d"
	case 'ı':
		return "i"
	case 'ẞ':
		return "SS"
	}
	if unicode.IsSpace(r) || unicode.Is(unicode.Zs, r) {
		return " "
	}
	if hidden(r) {
		return ""
	}
	// A letter without its accent, if that is left.
	plain := strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Mn, r) {
			return -1
		}
		return r
	}, norm.NFKD.String(string(r)))
	if plain != "" && len(textback.ForcesUCS2(plain)) == 0 {
		return plain
	}
	return string(r)
}
