package configs

import (
	"encoding/base64"
	"fmt"
	"maps"
	"net/mail"
	"slices"
	"strings"
)

// notifies reads [[notify]].
func (b *builder) notifies(root *section) []Notify {
	var all []Notify
	seen := names{}
	for _, s := range root.tables("notify") {
		s.name = s.named("notify", s.str("name", ""))
		n := b.notify(s)
		if seen.fresh(s, n.Name) {
			all = append(all, n)
		}
	}
	return all
}

func (b *builder) notify(s *section) Notify {
	n := Notify{
		Name:       s.identifier("name", "front-desk"),
		Kind:       s.choice("kind", "", Webhook, Email, Staff),
		Events:     s.events("events", []string{"reply.received"}),
		Businesses: b.businessList(s, "business"),
	}
	webhook := []string{"url", "secret", "secret_file", "secret_credential", "secret_env", "allow_private"}
	email := []string{"server", "username", "password", "password_file", "password_credential", "password_env",
		"starttls"}
	switch n.Kind {
	case Webhook:
		s.webhook(&n)
		s.only("a webhook", slices.Concat(email, []string{"to", "from"})...)
	case Email:
		s.email(&n)
		s.only("an e-mail hand-off", webhook...)
	case Staff:
		b.staffText(s, &n)
		s.only("a text hand-off", slices.Concat(webhook, email, []string{"tls_ca"})...)
	default:
		s.skip(slices.Concat(webhook, email, []string{"to", "from", "tls_ca"})...)
	}
	s.done()
	return n
}

func (s *section) webhook(n *Notify) {
	n.AllowPrivate = s.boolean("allow_private", false)
	n.TLSCA, _ = s.authority("tls_ca")
	if link := s.need("url", "https://crm.example.net/hooks/textback"); link != "" {
		if u, ok := s.webAddress("url", link, true); ok {
			n.URL = link
			if u.Scheme == "http" && !n.AllowPrivate {
				s.suspect("url", "names and numbers of callers cross the network unencrypted", "write https://")
			}
			if isLoopback(u.Hostname()+":1") && !n.AllowPrivate {
				s.bad("url", fmt.Sprintf("%s is an address of this machine, which webhooks may not reach",
					u.Hostname()), "write allow_private = true if it is meant")
			}
		}
	}
	n.Secret = s.secret("secret", true)
	if n.Secret.IsSet() {
		raw, ok := strings.CutPrefix(n.Secret.value, "whsec_")
		key, err := base64.StdEncoding.DecodeString(raw)
		if !ok || err != nil || len(key) < 24 || len(key) > 64 {
			s.fail(s.place("secret"), s.label("secret"), "is not a Standard Webhooks secret",
				`write whsec_ and 24 to 64 random bytes in base64: echo "whsec_$(openssl rand -base64 32)"`)
		}
	}
}

// place is where one of the keys of a secret stands.
func (s *section) place(base string) position {
	for _, suffix := range []string{"", "_file", "_credential", "_env"} {
		if e := s.t.find(base + suffix); e != nil {
			return e.at
		}
	}
	return s.t.at
}

func (s *section) email(n *Notify) {
	n.To = s.mailboxes("to")
	n.From = s.need("from", "textback@example.net")
	if _, err := mail.ParseAddress(n.From); n.From != "" && err != nil {
		s.bad("from", fmt.Sprintf("%q is not an e-mail address", clip(n.From)), `write it like "textback@example.net"`)
	}
	n.StartTLS = s.choice("starttls", "always", "always", "try", "never", "implicit")
	if server := s.need("server", "smtp.example.net:587"); server != "" {
		n.Server = s.hostPort("server", server, "587")
	}
	n.Username = s.str("username", "")
	n.Password = s.secret("password", n.Username != "")
	n.TLSCA, _ = s.authority("tls_ca")
	if n.Username == "" && n.Password.IsSet() {
		s.bad("username", "is missing", "write the user name that the password belongs to")
	}
	if n.Server != "" && !isLoopback(n.Server) && (n.StartTLS == "never" || n.StartTLS == "try") {
		if n.Username != "" {
			s.bad("starttls", fmt.Sprintf("%q would send the password over the network unencrypted", n.StartTLS),
				`write starttls = "always", or "implicit" for port 465`)
		} else {
			s.suspect("starttls", fmt.Sprintf("%q lets what callers write cross the network unencrypted", n.StartTLS),
				`write starttls = "always"`)
		}
	}
}

func (s *section) mailboxes(key string) []string {
	items, set := s.list(key)
	if !set || len(items) == 0 {
		s.bad(key, "is missing", `write to = ["front-desk@example.net"]`)
	}
	var out []string
	for _, it := range items {
		if _, err := mail.ParseAddress(it.text); err != nil {
			s.badAt(it.at, key, fmt.Sprintf("%q is not an e-mail address", clip(it.text)),
				`write it like "front-desk@example.net"`)
			continue
		}
		out = append(out, it.text)
	}
	return out
}

// staffText reads the numbers of staff mobiles in the region of the businesses that the hand-off is for.
func (b *builder) staffText(s *section, n *Notify) {
	region, check := b.someRegion(n.Businesses)
	items, set := s.list("to")
	if !set || len(items) == 0 {
		s.bad("to", "is missing", `write to = ["+12025550123"], the mobile numbers of your people`)
	}
	for _, it := range items {
		number, err := e164(it.text, region, check)
		if err != nil {
			s.badAt(it.at, "to", err.Error(), `write +country number, like "+12025550123"`)
			continue
		}
		for _, l := range b.set.Lines {
			if l.Number == number {
				s.badAt(it.at, "to", fmt.Sprintf("%s is one of the lines: textback would text itself", number),
					"write a mobile number")
			}
		}
		n.To = append(n.To, number)
	}
	n.From = s.sender("from", "")
	if n.From != "" && classifySender(n.From) == senderLetters {
		s.suspect("from", fmt.Sprintf("%q cannot receive: staff could not answer the text", n.From),
			"write a number, or leave the key out for the line's")
	}
}

// someRegion is the region that the businesses (none given = all) share, "" if they do not.
func (b *builder) someRegion(keys []string) (region string, check bool) {
	check = b.global.ValidateNumbers
	for _, key := range slices.Sorted(maps.Keys(b.set.Businesses)) {
		if !matchesBusiness(keys, key) {
			continue
		}
		business := b.set.Businesses[key]
		check = check && business.Policy.ValidateNumbers
		if region != "" && region != business.Region {
			return "", check
		}
		region = business.Region
	}
	return region, check
}

// businessList reads a filter: keys of businesses, none = all.
func (b *builder) businessList(s *section, key string) []string {
	known := slices.Sorted(maps.Keys(b.set.Businesses))
	items, _ := s.list(key)
	var out []string
	for _, it := range items {
		if s.oneOfAt(it.at, key, it.text, "[business.…] with key", known) && !slices.Contains(out, it.text) {
			out = append(out, it.text)
		}
	}
	return out
}

// events reads names of events, of their families, or "*".
func (s *section) events(key string, otherwise []string) []string {
	known := []string{"*"}
	for _, e := range Events() {
		family, _, _ := strings.Cut(e, ".")
		if !slices.Contains(known, family) {
			known = append(known, family)
		}
		if family != e {
			known = append(known, e)
		}
	}
	return s.choices(key, otherwise, "an event", known)
}

// notifyList reads names of [[notify]] tables.
func (b *builder) notifyList(s *section, key string) []string {
	known := make([]string, len(b.config.Notify))
	for i, n := range b.config.Notify {
		known[i] = n.Name
	}
	items, _ := s.list(key)
	var out []string
	for _, it := range items {
		if s.oneOfAt(it.at, key, it.text, "[[notify]]", known) && !slices.Contains(out, it.text) {
			out = append(out, it.text)
		}
	}
	return out
}
