package rules

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// fold brings text to the form in which words are compared: compatibility forms unified (full width, ligatures, styled
// letters), accents and invisible characters taken away, lower case, plain quotes and dashes.
func fold(s string) string {
	var b strings.Builder
	b.Grow(len(s))
	for _, r := range norm.NFKD.String(s) {
		switch {
		case unicode.Is(unicode.Mn, r), hidden(r):
		case strings.ContainsRune("‘’‛′ʼ`´", r):
			b.WriteByte('\'')
		case strings.ContainsRune("“”„‟″«»", r):
			b.WriteByte('"')
		case unicode.Is(unicode.Pd, r), r == '−':
			b.WriteByte('-')
		case r == 'ß' || r == 'ẞ':
			b.WriteString("ss")
		case r == 'ı':
			b.WriteByte('i')
		default:
			b.WriteRune(unicode.ToLower(r))
		}
	}
	return b.String()
}

// hidden tells whether a character shows nothing: format characters (bidi marks, joiners, soft hyphens), variation
// selectors, tags, private use.
func hidden(r rune) bool {
	return unicode.In(r, unicode.Cf, unicode.Co, unicode.Cs, unicode.Variation_Selector) || r == 0x034F || r == 0x115F ||
		r == 0x1160 || r == 0x3164 || r == 0xFFA0 || r == 0x2800
}

// tokens are the words of folded text. Apostrophes inside a word vanish ("don't" is "dont"); digits count as letters.
func tokens(folded string) []string {
	var out []string
	var b strings.Builder
	flush := func() {
		if b.Len() > 0 {
			out = append(out, b.String())
			b.Reset()
		}
	}
	for _, r := range folded {
		switch {
		case unicode.IsLetter(r), unicode.IsDigit(r):
			b.WriteRune(r)
		case r == '\'':
		default:
			flush()
		}
	}
	flush()
	return out
}
