package main

import (
	"fmt"
	"strings"
	"unicode"

	"textback/cmd/internal/discover"
	"textback/cmd/internal/records"
	"textback/configs"
)

// setup is what init found out and was told.
type setup struct {
	kind          string // of discover.Kinds
	pbx           configs.PBX
	pbxSecret     string // path
	pbxHash       string // of a password that init made, for ari.conf
	smpp          configs.SMPP
	smppSecret    string
	business      string // name
	country, zone string
	hours         []string
	callback      string // E.164
	message       string
	lines         []string
	from          string
	mobile, staff string
	records       string
	recordsKind   string
	state         string
	control       string
}

// tomlString quotes a text as TOML 1.0 has it (basic string).
func tomlString(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case unicode.IsControl(r), unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp):
			fmt.Fprintf(&b, `\U%08X`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

func tomlList(list []string) string {
	quoted := make([]string, len(list))
	for i, s := range list {
		quoted[i] = tomlString(s)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

// toml is the configuration, commented for the one who opens it next.
func (s *setup) toml() string {
	var b strings.Builder
	p := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	p("# textback's configuration, written by `textback init` for %s. Every key: docs/configuration.md.",
		kindWord(s.kind))
	p("# After a change: textback check, then systemctl reload textback. `textback doctor` tries every link.")
	p("")
	if s.state != "" {
		p("state   = %s", tomlString(s.state))
	}
	if s.control != "" {
		p("control = %s", tomlString(s.control))
	}
	if s.state+s.control != "" {
		p("")
	}
	s.tomlPBX(p)
	p("# The message centre, as the carrier named it.")
	p("[[smpp]]")
	p("name          = \"carrier\"")
	p("addr          = %s", tomlString(s.smpp.Addr))
	p("system_id     = %s", tomlString(s.smpp.SystemID))
	p("password_file = %s", tomlString(s.smppSecret))
	if s.smpp.TLS {
		p("tls           = true")
	}
	p("")
	p("[business.main]")
	p("name     = %s", tomlString(s.business))
	p("timezone = %s", tomlString(s.zone))
	p("region   = %s    # how numbers without + are read", tomlString(s.country))
	if len(s.hours) > 0 {
		p("hours    = %s", tomlList(s.hours))
	} else {
		p("# hours = [\"Mon-Fri 08:00-17:30\"]    # without it always open")
	}
	p("help     = %s    # the answer to HELP", tomlString(fmt.Sprintf("%s: call %s. Reply STOP to opt out.", s.business,
		s.callback)))
	p("")
	p("# The numbers that callers dial.")
	for _, l := range s.lines {
		p("[[line]]")
		p("number   = %s", tomlString(l))
		p("business = \"main\"")
		if s.from != l {
			p("from     = %s    # sender of the texts", tomlString(s.from))
		}
		p("")
	}
	p("[policy]")
	p("shadow  = true    # everything is decided and counted, nothing is sent: take it out when `textback explain` shows what you expect")
	p("regions = %s  # where callers may be", tomlList([]string{s.country}))
	if s.mobile != "" {
		p("test_numbers = %s    # texted every time, for trying", tomlList([]string{s.mobile}))
	}
	p("")
	p("# The text. It must name the business and the word to opt out with.")
	p("[template]")
	p("open = %s", tomlString("{{.Business}}: "+s.message+" Reply STOP to opt out"))
	if s.staff != "" {
		p("")
		p("# Who is told of replies, and of alarms: staff answer by answering the text (docs/replies.md).")
		p("[[notify]]")
		p("name   = \"staff\"")
		p("kind   = \"text\"")
		p("events = [\"reply.received\", \"alarm\"]")
		p("to     = %s", tomlList([]string{s.staff}))
		p("")
		p("[alarm]")
		p("notify = [\"staff\"]")
	}
	// Of mod_json_cdr the daemon reads the folder; a file of its records put together is for now only.
	if s.records != "" && (s.recordsKind != records.JSONCDR || isFolder(s.records)) {
		p("")
		p("# Read after textback was away, for the calls that it did not see. The service's user must be able to read it (docs/records.md).")
		p("[[records]]")
		p("pbx  = %s", tomlString(s.pbx.Name))
		p("kind = %s", tomlString(s.recordsKind))
		p("path = %s", tomlString(s.records))
	}
	return b.String()
}

func (s *setup) tomlPBX(p func(string, ...any)) {
	p("[[pbx]]")
	p("name          = %s", tomlString(s.pbx.Name))
	p("kind          = %s", tomlString(s.pbx.Kind))
	if s.pbx.Kind == configs.Asterisk {
		p("url           = %s", tomlString(s.pbx.URL))
		p("username      = %s", tomlString(s.pbx.Username))
	} else {
		p("addr          = %s", tomlString(s.pbx.Addr))
	}
	p("password_file = %s", tomlString(s.pbxSecret))
	p("inbound       = %s    # contexts in which calls from outside arrive", tomlList(s.pbx.Inbound))
	if s.kind == discover.FusionPBX {
		p("# For a gateway that registers, calls arrive at gw+NAME: line_from = [\"to\", \"exten\"]")
	}
	p("")
}

func kindWord(kind string) string {
	return map[string]string{discover.FreePBX: "a FreePBX", discover.Asterisk: "a plain Asterisk",
		discover.FusionPBX:  "a FusionPBX",
		discover.FreeSWITCH: "a plain FreeSWITCH"}[kind]
}
