package smpp

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"textback"
)

// Config is one [[smpp]] of the configuration. The strings have the words of the configuration; [Config.Check] says
// what is wrong with them. A zero duration, window or word stands for its default.
type Config struct {
	Name       string
	Addr       string // host:port
	SystemID   string
	Password   string
	SystemType string
	Bind       string      // "transceiver" | "transmitter+receiver"
	TLS        *tls.Config // nil: plain TCP. ServerName is taken from Addr if it is empty.

	Window          int           // submit_sm in flight, default 10
	Rate            float64       // segments a second, 0 = as fast as the window lets
	EnquireLink     time.Duration // silence after which the link is probed, default 30s
	ResponseTimeout time.Duration // for an answer, the bind and a write, default 10s
	Drain           time.Duration // how long answers are waited for at the end, default 3s

	Receipts     bool   // ask for a receipt on every segment
	Source       string // type of number of the sender: "auto" | "ton/npi"
	Destination  string // "ton/npi", default "1/1", or "auto"
	Numbers      string // "digits" (default) | "e164" | "national"
	ServiceType  string
	AddressRange string
	Charset      string // what data_coding 0 means: "gsm7" (default) | "latin1"
	Long         string // "udh" (default) | "sar" | "payload"
	Reference    bool   // send user_message_reference
	Validity     string // form of validity_period: "relative" (default) | "absolute" | "none"

	// Dial replaces the dialling of the TCP connection (tests, source addresses). nil: net.Dialer.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
}

// withDefaults fills in what was left out.
func (c Config) withDefaults() Config {
	word := func(s *string, def string) {
		if *s == "" {
			*s = def
		}
	}
	word(&c.Bind, "transceiver")
	word(&c.Source, "auto")
	word(&c.Destination, "1/1")
	word(&c.Numbers, "digits")
	word(&c.Charset, "gsm7")
	word(&c.Long, "udh")
	word(&c.Validity, "relative")
	if c.Window == 0 {
		c.Window = 10
	}
	span := func(d *time.Duration, def time.Duration) {
		if *d == 0 {
			*d = def
		}
	}
	span(&c.EnquireLink, 30*time.Second)
	span(&c.ResponseTimeout, 10*time.Second)
	span(&c.Drain, 3*time.Second)
	return c
}

// FieldError is a value of the configuration that cannot be used.
type FieldError struct {
	Key  string // the key of [[smpp]]
	Want string // what to write instead
	Got  string // the value, never a secret
}

// Error names the key, the value and what to write instead.
func (e *FieldError) Error() string { return fmt.Sprintf("%s: %s: write %s", e.Key, e.Got, e.Want) }

// The limits of the bind's fields without the closing NUL (SMPP 3.4, 4.1.1 and 5.2).
const (
	maxSystemID, maxPassword, maxSystemType, maxAddressRange, maxServiceType = 15, 8, 12, 40, 5
)

// Check tells the first value that cannot be used, as a [*FieldError].
func (c Config) Check() error {
	c = c.withDefaults()
	bad := func(key, got, want string) error { return &FieldError{Key: key, Got: got, Want: want} }
	if host, port, err := net.SplitHostPort(c.Addr); err != nil || host == "" || port == "" {
		return bad("addr", strconv.Quote(c.Addr), `"host:port", e.g. "smsc.example.net:2775"`)
	}
	for _, f := range []struct {
		key, value string
		limit      int
		secret     bool
	}{
		{"system_id", c.SystemID, maxSystemID, false}, {"password", c.Password, maxPassword, true},
		{"system_type", c.SystemType, maxSystemType, false}, {"address_range", c.AddressRange, maxAddressRange, false},
		{"service_type", c.ServiceType, maxServiceType, false},
	} {
		got := strconv.Quote(f.value)
		if f.secret {
			got = fmt.Sprintf("%d characters", len(f.value))
		}
		if len(f.value) > f.limit && !(f.secret && len(f.value) <= maxLongPassword) {
			return bad(f.key, got, fmt.Sprintf("at most %d characters", f.limit))
		}
		if strings.ContainsFunc(f.value, func(r rune) bool { return r < ' ' || r > '~' }) {
			return bad(f.key, got, "printable ASCII")
		}
	}
	for _, f := range []struct {
		key, value string
		words      []string
	}{
		{"bind", c.Bind, []string{"transceiver", "transmitter+receiver"}},
		{"numbers", c.Numbers, []string{"digits", "e164", "national"}},
		{"charset", c.Charset, []string{"gsm7", "latin1"}},
		{"long", c.Long, []string{"udh", "sar", "payload"}},
		{"validity", c.Validity, []string{"relative", "absolute", "none"}},
	} {
		if !slices.Contains(f.words, f.value) {
			return bad(f.key, strconv.Quote(f.value), `"`+strings.Join(f.words, `" or "`)+`"`)
		}
	}
	for _, f := range []struct{ key, value string }{{"source", c.Source}, {"destination", c.Destination}} {
		if _, _, ok := parseTONNPI(f.value); !ok && f.value != "auto" {
			return bad(f.key, strconv.Quote(f.value), `"auto" or type and plan of the number, e.g. "1/1"`)
		}
	}
	switch {
	case c.Window < 1 || c.Window > maxWindow:
		return bad("window", strconv.Itoa(c.Window), fmt.Sprintf("1 to %d", maxWindow))
	case !(c.Rate >= 0 && c.Rate <= maxRate):
		return bad("rate", strconv.FormatFloat(c.Rate, 'g', -1, 64), "segments a second, 0 for no limit")
	case c.EnquireLink < time.Second:
		return bad("enquire_link", c.EnquireLink.String(), `a second or more, e.g. "30s"`)
	case c.ResponseTimeout < time.Second:
		return bad("response_timeout", c.ResponseTimeout.String(), `a second or more, e.g. "10s"`)
	}
	return nil
}

const (
	maxWindow = 10000
	maxRate   = 100000
	// maxLongPassword: the standard says 8, several carriers hand out longer ones and take them.
	maxLongPassword = 63
)

// Charset is what data_coding 0 means at this message centre.
func (c Config) charset() textback.Charset {
	if c.Charset == "latin1" {
		return textback.CharsetLatin1
	}
	return textback.CharsetGSM7
}

// Segments cuts a text into what goes out over this link, one submit_sm each: with long = "payload" the whole text is one.
func (c Config) Segments(body string) []textback.Segment {
	segments := textback.SegmentsIn(body, c.charset())
	if c.Long != "payload" || len(segments) == 1 {
		return segments
	}
	whole := textback.Segment{Coding: segments[0].Coding, Text: body, Index: 1, Total: 1}
	for _, s := range segments {
		whole.Data = append(whole.Data, s.Data...)
	}
	return []textback.Segment{whole}
}
