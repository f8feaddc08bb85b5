package configs

import (
	"fmt"
	"net/netip"
	"strings"
)

// minToken is the shortest bearer token that is taken: 16 characters of base64 are 96 bits.
const minToken = 16

// minPassword is the shortest password of the web page that is taken: people type it, and guesses are rare (docs/web.md).
const minPassword = 12

// readHTTP reads [http].
func readHTTP(root *section, metrics string) HTTP {
	s := root.table("http")
	if s == nil {
		return HTTP{PerMinute: 60}
	}
	s.name = "[http]"
	h := HTTP{
		Listen: s.listen("listen", ""),
		Token:  s.secret("token", false),

		PagePassword: s.secret("page_password", false),

		PerMinute: s.integer("per_minute", 60, 1, 100_000),
	}
	h.TLSCert, h.TLSKey, h.pem = s.keyPair("tls_cert", "tls_key")
	if h.Token.IsSet() && len(h.Token.value) < minToken {
		s.fail(s.place("token"), s.label("token"),
			fmt.Sprintf("has %d characters, which can be guessed",
				len(h.Token.value)), "make one: openssl rand -base64 32")
	}
	if n := len(h.PagePassword.value); h.PagePassword.IsSet() && n < minPassword {
		s.fail(s.place("page_password"), s.label("page_password"), fmt.Sprintf("has %d characters, which can be guessed", n),
			"make one: openssl rand -base64 12")
	}
	if h.PagePassword.IsSet() && h.Listen == "" {
		s.suspect("page_password", "is set and nothing listens: the web page is off", `write listen = "127.0.0.1:9642"`)
	}
	if h.Listen != "" && h.Listen == metrics {
		s.suspect("listen", h.Listen+" is that of [metrics] as well: one of the two will not open", `write another port, like "127.0.0.1:9642"`)
	}
	items, _ := s.list("trusted_proxies")
	for _, it := range items {
		prefix, err := netip.ParsePrefix(it.text)
		if addr, aerr := netip.ParseAddr(it.text); aerr == nil {
			prefix, err = netip.PrefixFrom(addr, addr.BitLen()), nil
		}
		switch {
		case err != nil:
			s.badAt(it.at, "trusted_proxies", fmt.Sprintf("%q is not an address or network", clip(it.text)),
				`write it like "127.0.0.1" or "10.0.0.0/8"`)
		case prefix.Bits() == 0:
			s.badAt(it.at, "trusted_proxies",
				fmt.Sprintf("%q trusts everybody: any caller could invent an address",
					it.text), "write the addresses of your proxies")
		default:
			h.TrustedProxies = append(h.TrustedProxies, prefix.Masked())
		}
	}
	if h.Listen != "" && !isLoopback(h.Listen) && h.TLSCert == "" {
		s.suspect("listen", "is open to the network without TLS",
			"write tls_cert and tls_key, or listen on 127.0.0.1 behind a proxy that has them")
	}
	s.done()
	return h
}

// bookings reads [[booking]].
func (b *builder) bookings(root *section) []Booking {
	var all []Booking
	paths := map[string]int{}
	for _, s := range root.tables("booking") {
		service := s.choice("service", "", "cal.com", "calendly")
		s.name = s.named("booking", service)
		k := Booking{
			Service: service,
			Path:    s.str("path", "/hooks/"+service),
			Secret:  s.secret("secret", true),
		}
		if k.Business = s.str("business", ""); k.Business != "" {
			s.oneOf("business", k.Business, "[business.…] with key", sortedKeys(b.set.Businesses))
		}
		if !strings.HasPrefix(k.Path, "/") || strings.ContainsAny(k.Path, " ?#%{}\\") ||
			strings.Contains(k.Path, "//") || len(k.Path) < 2 {
			s.bad("path", fmt.Sprintf("%q is not a path", clip(k.Path)), `write it like "/hooks/cal.com"`)
		} else if reserved(k.Path) {
			s.bad("path", fmt.Sprintf("%q is textback's own", clip(k.Path)), `write it like "/hooks/cal.com"`)
		} else if first, ok := paths[k.Path]; ok {
			s.bad("path", fmt.Sprintf("%q is already the path of the [[booking]] in line %d", clip(k.Path), first),
				"give each its own path")
		}
		paths[k.Path] = s.t.at.line
		if k.Secret.value == "no-secret-provided" {
			s.fail(s.place("secret"), s.label("secret"), "is what Cal.com sends when no secret is set",
				"set a secret in the service and here: openssl rand -base64 32")
		}
		if source := s.str("confirm", ""); source != "" {
			k.Confirm = b.compile(s, "confirm", "booking "+service, b.commonLanguage(), []item{{source, s.at("confirm")}})
		}
		s.done()
		all = append(all, k)
	}
	if len(all) > 0 && b.config.HTTP.Listen == "" {
		b.fail(root.at("booking"), "[[booking]]", "nothing listens for it: [http] listen is not set",
			`write [http] listen = "127.0.0.1:9642"`)
	}
	return all
}

// reserved tells whether a path is one of the listener's own.
func reserved(path string) bool {
	for _, own := range []string{"/healthz", "/metrics", "/api", "/threads", "/ui", "/v1"} {
		if path == own || strings.HasPrefix(path, own+"/") {
			return true
		}
	}
	return false
}
