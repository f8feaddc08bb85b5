package configs

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Longest values of the bind's fields, without the closing NUL (SMPP 3.4, 4.1.1 and 4.4.1).
const (
	maxSystemID     = 15
	maxPassword     = 8
	maxSystemType   = 12
	maxAddressRange = 40
	maxServiceType  = 5

	longestPassword = 63 // some message centres take more than the specification has room for
)

// readSMPPs reads [[smpp]].
func readSMPPs(root *section) []SMPP {
	sections := root.tables("smpp")
	if !root.has("smpp") {
		root.fail(position{}, "", "there is no [[smpp]]: no way to send a text",
			"write [[smpp]] with name, addr, system_id and password_file")
	}
	var all []SMPP
	seen := names{}
	for _, s := range sections {
		s.name = s.named("smpp", s.str("name", ""))
		l := s.smpp()
		if seen.fresh(s, l.Name) {
			all = append(all, l)
		}
	}
	return all
}

func (s *section) smpp() SMPP {
	l := SMPP{
		Name:            s.identifier("name", "carrier"),
		SystemID:        s.atMost("system_id", s.need("system_id", "acme"), maxSystemID),
		Password:        s.secret("password", true),
		SystemType:      s.atMost("system_type", s.str("system_type", ""), maxSystemType),
		Bind:            s.choice("bind", "transceiver", "transceiver", "transmitter+receiver"),
		TLS:             s.boolean("tls", false),
		Window:          s.integer("window", 10, 1, 10000),
		Rate:            s.float("rate", 10, 0, 100000),
		EnquireLink:     s.duration("enquire_link", 30*time.Second, time.Second),
		ResponseTimeout: s.duration("response_timeout", 10*time.Second, time.Second),
		Receipts:        s.boolean("receipts", true),
		Source:          s.address("source", "auto"),
		Destination:     s.address("destination", "1/1"),
		Numbers:         s.choice("numbers", "digits", "digits", "e164", "national"),
		ServiceType:     s.atMost("service_type", s.str("service_type", ""), maxServiceType),
		AddressRange:    s.atMost("address_range", s.str("address_range", ""), maxAddressRange),
		Charset:         s.choice("charset", "gsm7", "gsm7", "latin1"),
		Long:            s.choice("long", "udh", "udh", "sar", "payload"),
		Reference:       s.boolean("reference", true),
		Validity:        s.choice("validity", "relative", "relative", "absolute", "none"),
		ResendUncertain: s.choice("resend_uncertain", "never", "never", "grace"),
		UncertainGrace:  s.duration("uncertain_grace", 10*time.Minute, time.Minute),
	}
	if addr := s.need("addr", "smsc.example.net:2775"); addr != "" {
		l.Addr = s.hostPort("addr", addr, "2775")
	}
	if strings.ContainsFunc(l.Password.value, func(r rune) bool { return r < ' ' || r > '~' }) {
		s.fail(s.place("password"), s.name, "the password has letters that SMPP cannot carry",
			"ask the provider for one of plain ASCII")
	} else if len(l.Password.value) > longestPassword {
		s.fail(s.place("password"), s.name,
			fmt.Sprintf("the password has %d characters, which no message centre takes",
				len(l.Password.value)), "is it the right file?")
	} else if len(l.Password.value) > maxPassword {
		s.warn(s.place("password"), s.name,
			fmt.Sprintf("the password has %d characters; SMPP 3.4 has room for %d", len(l.Password.value), maxPassword),
			"if the bind is refused with 0x0000000E, ask the provider for a shorter one")
	}
	if l.TLS {
		l.TLSCA, l.pem = s.authority("tls_ca")
		l.TLSServerName = s.str("tls_server_name", "")
	} else {
		s.only("a link without tls = true", "tls_ca", "tls_server_name")
		if l.Addr != "" && !isLoopback(l.Addr) {
			s.suspect("addr", "the password and all texts cross the network unencrypted",
				"write tls = true if the provider offers it (often port 3550 or 2776), or use a tunnel")
		}
	}
	if l.ResponseTimeout >= l.UncertainGrace && l.ResendUncertain == "grace" {
		s.bad("uncertain_grace", fmt.Sprintf("%q is not longer than response_timeout", short(l.UncertainGrace)),
			`write uncertain_grace = "10m"`)
	}
	s.done()
	return l
}

// atMost checks the length of a field that goes on the wire as ASCII.
func (s *section) atMost(key, text string, most int) string {
	for _, r := range text {
		if r < ' ' || r > '~' {
			s.bad(key, fmt.Sprintf("%q has letters that SMPP cannot carry here", clip(text)), "write plain ASCII")
			return ""
		}
	}
	if len(text) > most {
		s.bad(key, fmt.Sprintf("%q is longer than %d characters, the most that SMPP 3.4 has room for", clip(text),
			most), "write what the provider gave you, without spaces around it")
		return ""
	}
	return text
}

// address reads "ton/npi" or "auto" (SMPP 3.4, 5.2.5 and 5.2.6).
func (s *section) address(key, otherwise string) Address {
	text := s.str(key, otherwise)
	if text == "auto" {
		return Address{Auto: true}
	}
	const hint = `write "auto", or "ton/npi" like "1/1" for an international number`
	left, right, ok := strings.Cut(text, "/")
	ton, err1 := strconv.Atoi(left)
	npi, err2 := strconv.Atoi(right)
	switch {
	case !ok || err1 != nil || err2 != nil:
		s.bad(key, fmt.Sprintf("%q is not a type of number", clip(text)), hint)
	case ton < 0 || ton > 6:
		s.bad(key, fmt.Sprintf("%d is not a type of number (TON)", ton),
			"write a TON from 0 to 6: 0 unknown, 1 international, 2 national, 3 network, 5 alphanumeric")
	case npi < 0 || npi > 18:
		s.bad(key, fmt.Sprintf("%d is not a numbering plan (NPI)", npi),
			"write an NPI from 0 to 18: 0 unknown, 1 telephone (E.164), 8 national, 9 private")
	default:
		return Address{TON: uint8(ton), NPI: uint8(npi)}
	}
	return Address{}
}
