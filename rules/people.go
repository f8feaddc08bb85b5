package rules

import (
	"slices"
	"strings"
	"unicode"
)

// IsStaff tells whether a number (E.164) is a staff mobile of a business.
func (b *Business) IsStaff(number string) bool { return slices.Contains(b.Staff, number) }

// staffOf is the business whose staff mobile a number is, nil if it is none.
func (s *Set) staffOf(number string) *Business {
	for _, b := range s.Businesses {
		if b.IsStaff(number) {
			return b
		}
	}
	return nil
}

// IsStaff tells whether a number (E.164) is a staff mobile of any business.
func (s *Set) IsStaff(number string) bool { return s.staffOf(number) != nil }

const longestTag = 12

// ParseRelay takes a text by a member of staff apart: "#a3 we can come at five" goes to the thread with the tag "a3". The
// tag is lower case, "" if there is none; text is the rest.
func ParseRelay(body string) (tag, text string) {
	text = strings.TrimSpace(body)
	rest, ok := strings.CutPrefix(text, "#")
	if !ok {
		if rest, ok = strings.CutPrefix(text, "＃"); !ok { // a full-width number sign, as some keyboards give
			return "", text
		}
	}
	end := strings.IndexFunc(rest, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	if end < 0 {
		end = len(rest)
	}
	if end == 0 || end > longestTag {
		return "", text
	}
	return strings.ToLower(rest[:end]), strings.TrimSpace(strings.TrimLeft(rest[end:], ":,;.- \t\n"))
}
