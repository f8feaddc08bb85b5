package configs

import (
	"fmt"
	"strings"

	"github.com/nyaruka/phonenumbers"

	"textback"
)

// IsRegion tells whether a word is a region code of the numbering plans (ISO 3166-1 alpha-2), like "US".
func IsRegion(code string) bool { return phonenumbers.GetSupportedRegions()[code] }

// region reads a region key; "" is left to the caller.
func (s *section) region(key, code string, at position) (string, bool) {
	if IsRegion(code) {
		return code, true
	}
	hint := `write the two capital letters of a country, like "US" or "GB"`
	if up := strings.ToUpper(strings.TrimSpace(code)); IsRegion(up) {
		hint = fmt.Sprintf("write %q", up)
	} else if up == "UK" {
		hint = `write "GB"`
	}
	s.badAt(at, key, fmt.Sprintf("%q is not a region", clip(code)), hint)
	return "", false
}

// e164 reads a telephone number that an administrator wrote: +country number, or a national one of a region.
func e164(raw, region string, check bool) (string, error) {
	n, err := textback.ParseNumber(raw, region, nil, check)
	if err != nil {
		return "", fmt.Errorf("%q is not a telephone number: %s", clip(raw),
			strings.TrimPrefix(err.Error(), "no number: "))
	}
	return n.E164, nil
}

func onlyDigits(text string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, text)
}

// senderKind is what an address can be as the sender of a text.
type senderKind uint8

const (
	notSender     senderKind = iota
	senderLetters            // alphanumeric, 3GPP TS 23.040, 9.1.2.5: at most 11 characters; it cannot receive
	senderShort              // a short code
	senderNumber             // a telephone number
)

// classifySender tells what a sender address is.
func classifySender(from string) senderKind {
	digits := strings.TrimPrefix(from, "+")
	if digits != "" && onlyDigits(digits) == digits {
		switch {
		case len(digits) >= 9 && len(digits) <= 15, strings.HasPrefix(from, "+") && len(digits) >= 7 && len(digits) <= 15:
			return senderNumber
		case !strings.HasPrefix(from, "+") && len(digits) >= 3 && len(digits) <= 8:
			return senderShort
		}
		return notSender
	}
	if len(from) == 0 || len(from) > 11 || strings.TrimSpace(from) != from {
		return notSender
	}
	letters := false
	for _, r := range from {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z':
			letters = true
		case r >= '0' && r <= '9', strings.ContainsRune(" -_.&+'!", r):
		default:
			return notSender
		}
	}
	if !letters {
		return notSender
	}
	return senderLetters
}
