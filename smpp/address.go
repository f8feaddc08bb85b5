package smpp

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/nyaruka/phonenumbers"
)

// address is an address as it stands in a PDU (SMPP 3.4, 5.2.5 to 5.2.9).
type address struct {
	ton, npi byte
	digits   string
}

// Types of number and numbering plans (SMPP 3.4, 5.2.5 and 5.2.6).
const (
	tonUnknown, tonInternational, tonNational, tonNetwork, tonAlphanumeric = 0, 1, 2, 3, 5

	npiUnknown, npiISDN = 0, 1
)

const (
	// maxAddress is what source_addr and destination_addr hold without the NUL (SMPP 3.4, 4.4.1).
	maxAddress = 20
	// maxShort is the longest number that is read as a short code and not as a subscriber's.
	maxShort = 6
	// maxLetters is the longest sender of letters that fits into the address field of the air interface.
	maxLetters = 11
)

// source is the sender's address in the form that the carrier wants.
func (c *Config) source(from string) (address, error) {
	return c.address("source", c.Source, from)
}

// destination is the receiver's address in the form that the carrier wants.
func (c *Config) destination(to string) (address, error) {
	return c.address("destination", c.Destination, to)
}

func (c *Config) address(what, form, number string) (address, error) {
	a := address{digits: number}
	international := strings.HasPrefix(number, "+")
	digits := strings.TrimPrefix(number, "+")
	numeric := digits != "" && strings.Trim(digits, "0123456789") == ""
	switch {
	case number == "":
		return a, fmt.Errorf("%s address is empty", what)
	case strings.ContainsFunc(number, func(r rune) bool { return r < ' ' || r > '~' }):
		return a, fmt.Errorf("%s address %q has characters that SMPP cannot carry", what, number)
	case !numeric && what == "source" && len(number) > maxLetters:
		return a, fmt.Errorf("source address %q is longer than %d letters", number, maxLetters)
	case !numeric:
		a.ton, a.npi = tonAlphanumeric, npiUnknown
	case !international && len(digits) <= maxShort:
		a.ton, a.npi = tonNetwork, npiUnknown
	case !international:
		a.ton, a.npi = tonUnknown, npiISDN
	default:
		a.ton, a.npi = tonInternational, npiISDN
		switch c.Numbers {
		case "e164":
		case "national":
			if national, ok := nationalDigits(number); ok {
				a.digits, a.ton = national, tonNational
			} else {
				a.digits = digits
			}
		default:
			a.digits = digits
		}
	}
	if ton, npi, ok := parseTONNPI(form); ok {
		a.ton, a.npi = ton, npi
	}
	if len(a.digits) > maxAddress {
		return a, fmt.Errorf("%s address of %d characters is too long", what, len(a.digits))
	}
	return a, nil
}

// nationalDigits is the national significant number: without country code and without trunk prefix.
func nationalDigits(e164 string) (string, bool) {
	n, err := phonenumbers.Parse(e164, "")
	if err != nil {
		return "", false
	}
	return phonenumbers.GetNationalSignificantNumber(n), true
}

// plainAddress is an address that came in: + and digits if it is international, else as it came. Nothing that is not
// printable passes.
func plainAddress(ton byte, addr string) string {
	addr = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return -1
		}
		return r
	}, addr)
	addr = strings.TrimSpace(addr)
	if len(addr) > maxIncomingAddress {
		addr = addr[:maxIncomingAddress]
	}
	if ton == tonInternational && addr != "" && strings.Trim(addr, "0123456789") == "" {
		return "+" + addr
	}
	return addr
}

// maxIncomingAddress bounds what is kept of an address: data_sm has room for 64 (SMPP 3.4, 4.7.1).
const maxIncomingAddress = 64

// parseTONNPI reads "ton/npi".
func parseTONNPI(s string) (ton, npi byte, ok bool) {
	a, b, found := strings.Cut(s, "/")
	t, err1 := strconv.ParseUint(strings.TrimSpace(a), 10, 8)
	n, err2 := strconv.ParseUint(strings.TrimSpace(b), 10, 8)
	return byte(t), byte(n), found && err1 == nil && err2 == nil
}

func isContext(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}
