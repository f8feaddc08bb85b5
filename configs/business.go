package configs

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"textback/rules"
)

// businesses reads [business.KEY].
func (b *builder) businesses(root *section) {
	b.layers = map[string]policy{}
	b.links = map[string]string{}
	all := root.table("business")
	if all == nil {
		if !root.has("business") {
			b.fail(position{}, "", "there is no [business.…]: nobody to answer for",
				"write [business.acme] with name, timezone and region")
		}
		return
	}
	seen := names{}
	for _, e := range all.t.keys {
		all.asked[e.key] = true
		if e.value.kind != kindTable {
			b.fail(e.at, "business", fmt.Sprintf("%q stands where the key of a business belongs", clip(e.key)),
				fmt.Sprintf("write [business.acme] and under it %s = ...", clip(e.key)))
			continue
		}
		name := fmt.Sprintf("business %q", clip(e.key))
		if !isIdentifier(e.key) || strings.Contains(e.key, ".") {
			b.fail(e.at, name, "is not a key", "write letters, digits, - and _, like [business.acme]")
		}
		s := b.section(e.value.table, name)
		business := b.business(s, e.key)
		b.set.Businesses[e.key] = business
		if business.Name != "" {
			if first, ok := seen[business.Name]; ok {
				s.suspect("name", fmt.Sprintf("%q is also the name of the business in line %d", business.Name,
					first.line), "callers cannot tell the two apart: write the place into the name")
			}
			seen[business.Name] = s.at("name")
		}
	}
}

func (b *builder) business(s *section, key string) *rules.Business {
	out := &rules.Business{
		Key:     key,
		Name:    s.need("name", "Acme Plumbing"),
		Zone:    s.zone("timezone", "America/New_York"),
		Booking: s.choice("booking", "query", "query", "cal.com", "calendly"),
		Help:    s.str("help", ""),
	}
	if strings.ContainsFunc(out.Name, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		s.bad("name", "has control characters", "write the name in one line")
	}
	if code := s.need("region", "US"); code != "" {
		out.Region, _ = s.region("region", code, s.at("region"))
	}
	if link := s.str("booking_url", ""); link != "" {
		if u, ok := s.webAddress("booking_url", link, true); ok {
			out.BookingURL = link
			if u.Scheme == "http" {
				s.suspect("booking_url", "is not https, which phones warn of", "write https://")
			}
		}
	} else if s.has("booking") {
		s.bad("booking", "there is no booking_url to put the token on", "write booking_url, or take booking out")
	}
	if tag, ok := s.language("language"); ok {
		b.config.Languages[key] = tag
	}
	out.Hours = s.hours()
	if link := s.str("smpp", ""); link != "" && s.oneOf("smpp", link, "[[smpp]]", smppNames(b.config.SMPPs)) {
		b.links[key] = link
	}
	p := b.global
	if t := s.table("policy"); t != nil {
		p = b.policy(t, b.global)
	}
	b.layers[key] = p
	if out.Region != "" || !s.has("region") {
		out.Policy = b.settle(p, out.Region)
	} else {
		out.Policy = p.Policy
	}
	items, _ := s.list("staff")
	for _, it := range items {
		number, err := e164(it.text, out.Region, p.ValidateNumbers)
		if err != nil {
			s.badAt(it.at, "staff", err.Error(), `write the mobile numbers of your people, like ["+12025550123"]`)
			continue
		}
		out.Staff = append(out.Staff, number)
	}
	s.done()
	return out
}

// zone reads a name of the time zone database.
func (s *section) zone(key, example string) *time.Location {
	name := s.need(key, example)
	if name == "" {
		return time.UTC
	}
	zone, err := time.LoadLocation(name)
	if err != nil || name == "Local" {
		s.bad(key, fmt.Sprintf("%q is not a time zone", clip(name)), zoneHint(name, example))
		return time.UTC
	}
	return zone
}

// zoneHint knows the abbreviations that people write.
func zoneHint(name, example string) string {
	known := map[string]string{"EST": "America/New_York", "EDT": "America/New_York", "CST": "America/Chicago",
		"CDT": "America/Chicago",
		"MST": "America/Denver", "MDT": "America/Denver", "PST": "America/Los_Angeles", "PDT": "America/Los_Angeles",
		"BST": "Europe/London", "CEST": "Europe/Berlin", "AEST": "Australia/Sydney"}
	if zone, ok := known[strings.ToUpper(name)]; ok {
		return fmt.Sprintf("write %q", zone)
	}
	return fmt.Sprintf("write a place of the time zone database, like %q", example)
}

// hours reads hours and closed.
func (s *section) hours() rules.Hours {
	entries, _ := s.list("hours")
	closed, _ := s.list("closed")
	var spans, dates []string
	good := true
	for _, it := range entries {
		spans = append(spans, it.text)
		// Beside a day that is open, so that "Sun closed" is right by itself.
		if _, err := rules.ParseHours([]string{"Mon-Sun 00:00-24:00", it.text}, nil); err != nil {
			good = false
			message, hint := splitHint(err)
			s.badAt(it.at, "hours", strings.TrimPrefix(message, "hours "), hint)
		}
	}
	for _, it := range closed {
		dates = append(dates, it.text)
		if _, err := rules.ParseDate(strings.TrimSpace(it.text)); err != nil {
			good = false
			message, hint := splitHint(err)
			s.badAt(it.at, "closed", message, hint)
		}
	}
	h, err := rules.ParseHours(spans, dates)
	if err != nil && good {
		message, hint := splitHint(err)
		s.bad("hours", message, hint)
	}
	return h
}

// lines reads [[line]].
func (b *builder) lines(root *section) {
	if !root.has("line") {
		b.fail(position{}, "", "there is no [[line]]: every call would be for an unknown line",
			`write [[line]] with number and business`)
	}
	for _, s := range root.tables("line") {
		number := s.str("number", "")
		s.name = s.named("line", number)
		b.line(s)
	}
	b.aliases()
	for _, key := range slices.Sorted(maps.Keys(b.set.Businesses)) {
		if !slices.ContainsFunc(b.set.Lines,
			func(l *rules.Line) bool { return l.Business == b.set.Businesses[key] }) && len(b.errs) == 0 {
			b.warn(position{}, fmt.Sprintf("business %q", key), "has no line",
				fmt.Sprintf("write [[line]] with business = %q", key))
		}
	}
}

func (b *builder) line(s *section) {
	l := &rules.Line{Name: s.str("name", ""), Aliases: s.words("aliases", nil)}
	raw := s.need("number", "+12025550100")
	key := s.str("business", "")
	layer := b.global
	business, known := b.set.Businesses[key]
	switch {
	case key == "" && len(b.set.Businesses) == 1 && !s.has("business"):
		for only := range b.set.Businesses {
			s.bad("business", "is missing", fmt.Sprintf("write business = %q", only))
		}
	case key == "":
		s.bad("business", "is missing",
			"write business = and the key of one: "+suggest("", slices.Sorted(maps.Keys(b.set.Businesses))))
	case len(b.set.Businesses) == 0: // said already
	case !known:
		s.bad("business", fmt.Sprintf("there is no [business.%s]", clip(key)),
			suggest(key, slices.Sorted(maps.Keys(b.set.Businesses))))
	default:
		l.Business, layer = business, b.layers[key]
	}
	own := s.table("policy")
	if own != nil {
		layer = b.policy(own, layer)
	}
	region := ""
	if business != nil {
		region = business.Region
		l.Policy = business.Policy
		if own != nil {
			l.Policy = b.settle(layer, region)
		}
	}
	if raw != "" && known {
		number, err := e164(raw, region, layer.ValidateNumbers)
		if err != nil {
			hint := `write +country number, like "+12025550100"`
			if layer.ValidateNumbers {
				hint += ", or validate_numbers = false for a private plan"
			}
			s.bad("number", err.Error(), hint)
		}
		l.Number = number
	}
	l.From = s.sender("from", l.Number)
	l.SMPP = s.str("smpp", b.links[key])
	if l.SMPP != "" {
		s.oneOf("smpp", l.SMPP, "[[smpp]]", smppNames(b.config.SMPPs))
	}
	s.done()
	if l.Number == "" || l.Business == nil {
		return
	}
	for _, other := range b.set.Lines {
		if other.Number == l.Number {
			s.bad("number", fmt.Sprintf("%s is already a line", l.Number),
				"give each number one [[line]]; other forms of it are aliases")
			return
		}
		if l.Name != "" && other.Name == l.Name {
			s.bad("name", fmt.Sprintf("%q is already the name of line %s", l.Name, other.Number),
				"give each line its own name")
			return
		}
	}
	b.set.Lines = append(b.set.Lines, l)
	b.linePlaces = append(b.linePlaces, s)
}

// sender reads the address that a text comes from; without one it is the line's number.
func (s *section) sender(key, otherwise string) string {
	from := s.str(key, otherwise)
	if from == "" {
		from = otherwise
	}
	if from == "" {
		return ""
	}
	if classifySender(from) == notSender {
		hint := `write a number like "+12025550100", a short code like "12345", or a name of at most 11 letters`
		if !s.has(key) {
			s.bad("number", fmt.Sprintf("%q cannot be the sender of a text", clip(from)),
				"write from = and the number that texts come from")
			return ""
		}
		s.bad(key, fmt.Sprintf("%q cannot be the sender of a text", clip(from)), hint)
		return ""
	}
	return from
}

// oneOf refuses a word that is not one of the names given elsewhere.
func (s *section) oneOf(key, word, what string, known []string) bool {
	return s.oneOfAt(s.at(key), key, word, what, known)
}

func (s *section) oneOfAt(at position, key, word, what string, known []string) bool {
	if slices.Contains(known, word) {
		return true
	}
	s.badAt(at, key, fmt.Sprintf("there is no %s %q", what, clip(word)), suggest(word, known))
	return false
}

func smppNames(links []SMPP) []string {
	out := make([]string, len(links))
	for i, l := range links {
		out[i] = l.Name
	}
	return out
}

func pbxNames(pbxs []PBX) []string {
	out := make([]string, len(pbxs))
	for i, p := range pbxs {
		out[i] = p.Name
	}
	return out
}

// aliases refuses an alias that is another line's number or alias.
func (b *builder) aliases() {
	owner := map[string]*rules.Line{}
	for _, l := range b.set.Lines {
		owner[l.Number] = l
		owner[strings.TrimPrefix(l.Number, "+")] = l
	}
	for i, l := range b.set.Lines {
		s := b.linePlaces[i]
		items, _ := s.list("aliases")
		for _, it := range items {
			form := strings.TrimSpace(it.text)
			other, taken := owner[form]
			if !taken {
				if n, err := e164(form, l.Business.Region, true); err == nil {
					other, taken = owner[n]
				}
			}
			if taken && other != l {
				s.badAt(it.at, "aliases", fmt.Sprintf("%q is line %s already", clip(form), other.Number),
					"take it out of one of the two: a call can be for one line only")
				continue
			}
			owner[form] = l
		}
	}
}
