package configs

import (
	"fmt"
	"path"
	"regexp"
	"strings"
	"time"

	"textback"
)

// readPBXs reads [[pbx]].
func readPBXs(root *section) []PBX {
	sections := root.tables("pbx")
	if !root.has("pbx") {
		root.fail(position{}, "", "there is no [[pbx]]: nothing to listen to",
			`write [[pbx]] with name, kind = "asterisk" or "freeswitch", and how to reach it`)
	}
	var all []PBX
	seen := names{}
	for _, s := range sections {
		s.name = s.named("pbx", s.str("name", ""))
		p := s.pbx()
		if seen.fresh(s, p.Name) {
			all = append(all, p)
		}
	}
	return all
}

// names refuses a name that is given twice, and remembers where the first stood.
type names map[string]position

func (n names) fresh(s *section, name string) bool {
	if name == "" {
		return false
	}
	if first, ok := n[name]; ok {
		s.bad("name", fmt.Sprintf("%q is already the name of another, in line %d", clip(name), first.line),
			"give each its own name")
		return false
	}
	n[name] = s.at("name")
	return true
}

// named is how errors call one of several tables.
func (s *section) named(what, name string) string {
	if name == "" {
		return s.name
	}
	return fmt.Sprintf("%s %q", what, clip(name))
}

// identifier reads a name that appears in logs, metrics and commands.
func (s *section) identifier(key, example string) string {
	name := s.need(key, example)
	if name != "" && !isIdentifier(name) {
		s.bad(key, fmt.Sprintf("%q is not a name", clip(name)), "write letters, digits, - and _, at most 40")
		return ""
	}
	return name
}

func isIdentifier(name string) bool {
	for _, r := range name {
		if !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_' || r == '.') {
			return false
		}
	}
	return name != "" && len(name) <= 40
}

func (s *section) pbx() PBX {
	p := PBX{
		Name: s.identifier("name", "hq"),
		Kind: s.choice("kind", "", Asterisk, FreeSWITCH),
	}
	switch p.Kind {
	case Asterisk:
		s.asterisk(&p)
	case FreeSWITCH:
		s.freeswitch(&p)
	default:
		s.skip("url", "username", "app", "addr", "tls", "tls_ca", "tls_server_name", "password", "password_file",
			"password_credential", "password_env", "inbound", "callback")
	}
	p.Trunks = s.patterns("trunks", nil)
	p.LineFrom = s.words("line_from", []string{"exten", "FROM_DID", "to"})
	if s.has("line_from") && len(p.LineFrom) == 0 {
		s.bad("line_from", "is empty: the dialled number would never be found", `write ["exten", "FROM_DID", "to"]`)
	}
	p.NoTextName, p.NoTextValue = s.noText()
	if code := s.str("region", ""); code != "" {
		p.Region, _ = s.region("region", code, s.at("region"))
	}
	p.Rewrite = s.rewrites()
	s.done()
	return p
}

// skip notes keys as known without looking at them, where an earlier mistake makes it pointless.
func (s *section) skip(keys ...string) {
	for _, key := range keys {
		s.asked[key] = true
	}
}

// only refuses keys that belong to the other kind. An empty string says nothing and may stay.
func (s *section) only(what string, keys ...string) {
	for _, key := range keys {
		if e := s.lookup(key); e != nil && (e.value.kind != kindString || e.value.text != "") {
			s.bad(key, "is not a key of "+what, "take it out")
		}
	}
}

func (s *section) asterisk(p *PBX) {
	p.URL = s.str("url", "http://127.0.0.1:8088/ari")
	if u, ok := s.webAddress("url", p.URL, false); ok {
		p.URL = strings.TrimRight(p.URL, "/")
		p.TLS = u.Scheme == "https"
		p.TLSCA, p.pem = s.authority("tls_ca")
		p.TLSServerName = s.str("tls_server_name", "")
		if !p.TLS {
			s.only("a PBX that is reached over http", "tls_ca", "tls_server_name")
			if host := u.Hostname(); !isLoopback(host+":1") && host != "localhost" {
				s.suspect("url", "the password and all calls cross the network unencrypted",
					"write https:// and set tls_ca if the certificate is your own")
			}
		}
	} else {
		s.skip("tls_ca", "tls_server_name")
	}
	p.Username = s.need("username", "textback")
	if strings.ContainsAny(p.Username, ": \t") {
		s.bad("username", fmt.Sprintf("%q is not the name of a user in ari.conf", clip(p.Username)),
			`write username = "textback"`)
	}
	p.Password = s.secret("password", true)
	p.App = s.str("app", "textback")
	if !isIdentifier(p.App) {
		s.bad("app", fmt.Sprintf("%q is not a name for an ARI application", clip(p.App)), `write app = "textback"`)
	}
	p.Inbound = s.patterns("inbound", []string{"from-trunk*", "from-pstn*", "from-external", "from-did-direct"})
	s.needInbound(p.Inbound)
	p.Callback = s.callback(Callback{Endpoint: "PJSIP/{extension}", Context: "from-internal"})
	s.only("an asterisk PBX", "addr", "tls")
}

func (s *section) freeswitch(p *PBX) {
	p.Addr = s.hostPort("addr", s.str("addr", "127.0.0.1:8021"), "8021")
	p.Password = s.secret("password", true)
	p.Inbound = s.patterns("inbound", []string{"public"})
	s.needInbound(p.Inbound)
	p.Callback = s.callback(Callback{Endpoint: "user/{extension}", Context: "default"})
	s.only("a freeswitch PBX", "url", "username", "app")
	if p.TLS = s.boolean("tls", false); p.TLS {
		p.TLSCA, p.pem = s.authority("tls_ca")
		p.TLSServerName = s.str("tls_server_name", "")
		return
	}
	s.only("an event socket without tls = true", "tls_ca", "tls_server_name")
	if p.Addr != "" && !isLoopback(p.Addr) {
		s.suspect("addr", "the event socket has no encryption: the password crosses the network in clear",
			"run textback beside FreeSWITCH, or put a TLS tunnel (stunnel) before the port and write tls = true")
	}
}

func (s *section) needInbound(inbound []string) {
	if s.has("inbound") && len(inbound) == 0 {
		s.bad("inbound", "is empty: no call would count as one from outside",
			"write the contexts in which calls from outside arrive")
	}
}

// patterns reads names with * as wild card.
func (s *section) patterns(key string, otherwise []string) []string {
	out := s.words(key, otherwise)
	for _, p := range out {
		if _, err := path.Match(p, ""); err != nil {
			s.bad(key, fmt.Sprintf("%q is not a pattern", clip(p)), "write a name, with * for any letters")
		}
	}
	return out
}

func (s *section) noText() (name, value string) {
	text := s.str("no_text", "TEXTBACK=no")
	if text == "" {
		return "", ""
	}
	name, value, ok := strings.Cut(text, "=")
	if !ok || name == "" || strings.TrimSpace(name) != name || strings.ContainsAny(name, " \t") {
		s.bad("no_text", fmt.Sprintf("%q is not VARIABLE=value", clip(text)),
			`write no_text = "TEXTBACK=no", or "" for none`)
		return "", ""
	}
	return name, value
}

func (s *section) rewrites() []textback.Rewrite {
	var all []textback.Rewrite
	for _, r := range s.tables("rewrite") {
		match := r.need("match", "^011")
		with := r.str("with", "")
		if !r.has("with") {
			r.bad("with", "is missing", `write what takes its place: with = "+", or with = "" to cut it off`)
		}
		re, err := regexp.Compile(match)
		switch {
		case err != nil:
			r.bad("match", fmt.Sprintf("%q is not a regular expression: %s", clip(match), regexpCause(err)),
				`write RE2 syntax, like "^011" or "^00([1-9])"`)
		case match != "" && re.MatchString("") && strings.Trim(match, "^$") != "":
			r.bad("match", fmt.Sprintf("%q matches everything, even nothing", clip(match)),
				`say what it has to begin with, like "^011"`)
		case match != "":
			all = append(all, textback.Rewrite{Match: re, With: with})
		}
		r.done()
	}
	return all
}

func regexpCause(err error) string {
	return strings.TrimPrefix(err.Error(), "error parsing regexp: ")
}

// callback reads callback = { ... }; without it this PBX makes no calls back.
func (s *section) callback(otherwise Callback) *Callback {
	t := s.table("callback")
	if t == nil {
		return nil
	}
	c := Callback{
		Endpoint: t.str("endpoint", otherwise.Endpoint),
		Context:  t.str("context", otherwise.Context),
		Dial:     t.str("dial", "{number}"),
		CallerID: t.str("caller_id", ""),
		Timeout:  t.duration("timeout", 30*time.Second, 5*time.Second),
		PerHour:  t.integer("per_hour", 20, 1, 10000),
	}
	if !strings.Contains(c.Endpoint, "{extension}") {
		t.bad("endpoint", fmt.Sprintf("%q does not say where the extension goes", clip(c.Endpoint)),
			fmt.Sprintf("write %q", otherwise.Endpoint))
	}
	if strings.ContainsAny(c.Endpoint, " ,'\"|&;") {
		t.bad("endpoint", fmt.Sprintf("%q is not one endpoint", clip(c.Endpoint)),
			fmt.Sprintf("write %q", otherwise.Endpoint))
	}
	if !strings.Contains(c.Dial, "{number}") && !strings.Contains(c.Dial, "{digits}") {
		t.bad("dial", fmt.Sprintf("%q does not say where the number goes", clip(c.Dial)),
			`write "{number}" (with +), or "9{digits}"`)
	}
	if !isIdentifier(c.Context) {
		t.bad("context", fmt.Sprintf("%q is not a dialplan context", clip(c.Context)),
			fmt.Sprintf("write %q", otherwise.Context))
	}
	if c.CallerID != "" && strings.Trim(c.CallerID, "+0123456789") != "" {
		t.bad("caller_id", fmt.Sprintf("%q is not a number", clip(c.CallerID)),
			"write the number to show, or leave the key out for the line's")
	}
	t.done()
	return &c
}
