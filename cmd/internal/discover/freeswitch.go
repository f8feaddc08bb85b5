package discover

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"textback/cmd/internal/daemon"
	"textback/configs"
	"textback/esl"
)

func freeSWITCHOptions(pbx *configs.PBX) (esl.Options, *Problem) {
	o := esl.Options{Addr: pbx.Addr, Password: pbx.Password.Reveal()}
	if pbx.TLS {
		t, err := daemon.ClientTLS(pbx.TLSCA, pbx.TLSServerName, pbx.Addr)
		if err != nil {
			return o, &Problem{What: "tls", Message: words(err),
				Hint: "tls_ca must name a PEM file with the authority's certificate", err: err}
		}
		o.TLS = t
	}
	return o, nil
}

// public asks for the dialplan in which calls from outside arrive, as far as it stands in files or comes by a binding.
const public = "xml_locate dialplan context name "

func askFreeSWITCH(ctx context.Context, kind string, pbx *configs.PBX) (*Found, error) {
	o, problem := freeSWITCHOptions(pbx)
	if problem != nil {
		return nil, problem
	}
	if p := Reach(ctx, "FreeSWITCH", pbx.Addr, o.TLS); p != nil {
		if p.What == "connect" && strings.Contains(p.Message, "refused") {
			p.Hint = "is FreeSWITCH running, and mod_event_socket loaded? event_socket.conf.xml: listen-ip, listen-port; `ss -ltn 'sport = :8021'` shows who listens"
		}
		return nil, p
	}
	answers, err := esl.Ask(ctx, o, "version", "sofia xmlstatus")
	if err != nil {
		return nil, eslProblem(kind, pbx, err)
	}
	f := &Found{Product: product(answers[0])}
	if err := f.channels(ctx, kind, o); err != nil {
		return nil, eslProblem(kind, pbx, err)
	}
	f.profiles(ctx, kind, o, answers[1])
	f.dialplan(ctx, kind, o)
	return f, nil
}

// product is "FreeSWITCH 1.10.12" out of "FreeSWITCH Version 1.10.12-release~64bit (...)".
func product(answer string) string {
	for line := range strings.Lines(answer) {
		if name, rest, ok := strings.Cut(line, " Version "); ok {
			version, _, _ := strings.Cut(strings.TrimSpace(rest), "~")
			version, _, _ = strings.Cut(version, " ")
			return Clean(name + " " + strings.TrimSuffix(version, "-release"))
		}
	}
	return "FreeSWITCH"
}

// eslProblem says what a refusal of the event socket means.
func eslProblem(kind string, pbx *configs.PBX, err error) *Problem {
	p := &Problem{err: err}
	addr := Clean(pbx.Addr)
	switch {
	case errors.Is(err, esl.ErrPassword):
		p.What, p.Message = "login", "the event socket on "+addr+" refuses the password"
		p.Hint = "compare the password in autoload_configs/event_socket.conf.xml (shipped: ClueCon); after a change there `fs_cli -x 'reload mod_event_socket'`"
		if kind == FusionPBX {
			p.Hint = "it is switch.event_socket.password of /etc/fusionpbx/config.conf and the password in autoload_configs/event_socket.conf.xml, the same in both; after a change `fs_cli -x 'reload mod_event_socket'`"
		}
	case errors.Is(err, esl.ErrACL):
		p.What, p.Message = "acl", "the event socket on "+addr+" turns this machine's address away (text/rude-rejection)"
		p.Hint = "put this machine's address into the list that apply-inbound-acl of event_socket.conf.xml names (acl.conf.xml), then `fs_cli -x reloadacl`"
	case errors.Is(err, esl.ErrTimeout), errors.Is(err, context.DeadlineExceeded):
		p.What, p.Message = "connect", addr+" takes the connection and says nothing"
		p.Hint = "FreeSWITCH hangs, or another program listens there: `ss -ltnp 'sport = :8021'`"
	case errors.Is(err, esl.ErrProtocol):
		p.What, p.Message = "protocol", "what answers on "+addr+" is not the event socket"
		p.Hint = "is this listen-port of event_socket.conf.xml (8021 unless changed)? SIP's 5060 and 5080 are others"
	case errors.Is(err, esl.ErrClosed), errors.Is(err, esl.ErrNotice):
		p.What, p.Message = "connect", addr+" ended the connection: "+words(err)
		p.Hint = "FreeSWITCH is going down, or a firewall is in between; see its log"
	default:
		p.What, p.Message, p.Hint = "connect", words(err), "see FreeSWITCH's log"
	}
	return p
}

// channels makes the link that the daemon will make, and reads what lives.
func (f *Found) channels(ctx context.Context, kind string, o esl.Options) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var failed error
	up := false
	o.Notify = func(s esl.Status) {
		if s.Err != nil && s.Cause != esl.CauseReadBack && failed == nil {
			failed = s.Err
			stop()
		}
	}
	_ = esl.Run(ctx, o, func(m esl.Message) { // its error is that of the context
		if m.Kind != esl.MessageUp {
			return
		}
		up = true
		if m.Snapshot.Blind != nil {
			f.Blind = "FreeSWITCH does not list its live channels: calls that end while the link is away are not found again"
		}
		f.Live = len(m.Snapshot.Channels)
		for _, row := range m.Snapshot.Channels {
			if row["direction"] != "inbound" || strings.HasPrefix(row["name"], "loopback/") {
				continue
			}
			c := Call{Context: row["initial_context"], Dialled: row["initial_dest"], Caller: row["initial_cid_num"],
				Found: true}
			if c.Context == "" {
				c.Context, c.Dialled, c.Caller = row["context"], row["dest"], row["cid_num"]
			}
			if d := m.Snapshot.Dumps[row["uuid"]]; d != nil {
				c.Phone = phone(d)
			}
			f.Add(kind, c, "a call is there now")
		}
		stop()
	})
	switch {
	case up:
		return nil
	case failed != nil:
		return failed
	default:
		return esl.ErrTimeout
	}
}

// phone tells whether a leg is of a phone that logged in.
func phone(headers map[string]string) bool {
	return headers["variable_user_name"] != "" || headers["variable_sip_auth_username"] != ""
}

// sofia is `sofia xmlstatus` and `sofia xmlstatus profile NAME`.
type sofia struct {
	Profiles []struct {
		Name string `xml:"name"`
		Type string `xml:"type"`
	} `xml:"profile"`
	Info struct {
		Context string `xml:"context"`
	} `xml:"profile-info"`
}

// profiles asks for the context of each SIP profile: that of a leg which no user of the directory logged in for.
func (f *Found) profiles(ctx context.Context, kind string, o esl.Options, status string) {
	var all sofia
	if err := readXML(status, &all); err != nil || len(all.Profiles) == 0 {
		f.Notes = append(f.Notes,
			"the SIP profiles are not told (`sofia xmlstatus`): the contexts are to be seen from calls only")
		return
	}
	var names []string
	for _, p := range all.Profiles {
		if p.Type == "profile" && isWord(p.Name) && !slices.Contains(names, p.Name) && len(names) < 32 {
			names = append(names, p.Name)
		}
	}
	commands := make([]string, len(names))
	for i, n := range names {
		commands[i] = "sofia xmlstatus profile " + n
	}
	if len(commands) == 0 {
		return
	}
	answers, err := esl.Ask(ctx, o, commands...)
	if err != nil {
		f.Notes = append(f.Notes, "the contexts of the SIP profiles are not told: "+words(err))
		return
	}
	for i, a := range answers {
		var p sofia
		if readXML(a, &p) != nil {
			continue
		}
		name := Clean(p.Info.Context)
		if name == "" {
			continue
		}
		x := f.context(name)
		x.Endpoints = append(x.Endpoints, "sofia/"+names[i])
		if conventional(kind, name) {
			x.Outside, x.Why = true, "it is called so"
		} else if x.Why == "" {
			x.Why = "profile " + names[i]
		}
	}
}

// isWord tells whether a name can stand in a command.
func isWord(s string) bool {
	return s != "" && len(s) <= 64 && !strings.ContainsFunc(s, func(r rune) bool {
		return !(r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r == '-' || r == '_' || r == '.')
	})
}

// readXML reads what a command printed. FreeSWITCH writes its prologue as ISO-8859-1 and ASCII after it.
func readXML(text string, into any) error {
	d := xml.NewDecoder(strings.NewReader(text))
	d.Strict = false
	d.CharsetReader = func(_ string, in io.Reader) (io.Reader, error) { return in, nil }
	return d.Decode(into)
}

// dialplan reads the numbers out of the contexts in which calls from outside arrive.
func (f *Found) dialplan(ctx context.Context, kind string, o esl.Options) {
	var names []string
	for _, c := range f.Contexts {
		if c.Outside && isWord(c.Name) {
			names = append(names, c.Name)
		}
	}
	if !slices.Contains(names, "public") {
		names = append(names, "public")
	}
	for _, name := range names {
		answers, err := esl.Ask(ctx, o, public+name)
		if err != nil {
			f.Notes = append(f.Notes, "the dialplan is not told: "+words(err))
			return
		}
		numbers := Destinations(answers[0])
		if len(numbers) == 0 {
			continue
		}
		f.context(name).Outside = true
		if f.context(name).Why == "" {
			f.context(name).Why = "it has numbers"
		}
		for _, n := range numbers {
			f.line(n, name, "the dialplan has it")
		}
	}
	if len(f.Lines) == 0 {
		f.Notes = append(f.Notes,
			fmt.Sprintf("the dialplan of %s shows no plain number: the lines are to be seen from calls, from the call records, or to be typed",
				strings.Join(names, ", ")))
	}
}

// condition is what a dialplan asks of the dialled number.
type condition struct {
	Field      string `xml:"field,attr"`
	Expression string `xml:"expression,attr"`
}

// mostDestinations bounds how many numbers one dialplan may give.
const mostDestinations = 2000

// Destinations are the plain numbers that a dialplan's conditions on destination_number ask for, in their order:
// "^\+?1?(2025550100)$" is
// 12025550100 or shorter. Patterns for many numbers give none.
func Destinations(dialplan string) []string {
	d := xml.NewDecoder(strings.NewReader(dialplan))
	d.Strict = false
	d.CharsetReader = func(_ string, in io.Reader) (io.Reader, error) { return in, nil }
	var all []string
	for len(all) < mostDestinations {
		token, err := d.Token()
		if err != nil {
			return all
		}
		start, ok := token.(xml.StartElement)
		if !ok || start.Name.Local != "condition" {
			continue
		}
		var c condition
		for _, a := range start.Attr {
			switch a.Name.Local {
			case "field":
				c.Field = a.Value
			case "expression":
				c.Expression = a.Value
			}
		}
		if c.Field != "destination_number" && c.Field != "${destination_number}" {
			continue
		}
		for _, n := range plainNumbers(c.Expression) {
			if !slices.Contains(all, n) {
				all = append(all, n)
			}
		}
	}
	return all
}

// alternatives is an expression that is a list of plain numbers, with what may stand before them: +, 1, 00.
var alternatives = regexp.MustCompile(`^(?:\\\+|\+)?([0-9]{7,15})$`)

// optional are the pieces before a number that may be there or not.
var optional = regexp.MustCompile(`^(?:\(\?:)?\(?(?:\\\+|\+|\[\+\])?\??([0-9]{0,3})\)?\??\)?\??$`)

// plainNumbers reads an expression for one number, or for a few.
func plainNumbers(expression string) []string {
	if len(expression) > 400 {
		return nil
	}
	e := strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(expression), "^"), "$")
	var all []string
	for part := range strings.SplitSeq(strings.TrimSuffix(strings.TrimPrefix(e, "("), ")"), "|") {
		part = strings.TrimSuffix(strings.TrimPrefix(part, "^"), "$")
		if m := alternatives.FindStringSubmatch(strings.Trim(part, "()")); m != nil {
			plus := ""
			if strings.Contains(part, "+") {
				plus = "+"
			}
			all = append(all, plus+m[1])
			continue
		}
		// Something optional, then the number.
		at := strings.LastIndexFunc(strings.TrimRight(part, ")"), func(r rune) bool { return r < '0' || r > '9' })
		digits := strings.TrimRight(part[at+1:], ")")
		if at < 0 || !optional.MatchString(strings.TrimSuffix(part[:at+1], "(")) || !isNumber(digits) {
			return nil
		}
		all = append(all, digits)
	}
	return all
}

func watchFreeSWITCH(ctx context.Context, pbx *configs.PBX, up func(), seen func(Call)) error {
	o, problem := freeSWITCHOptions(pbx)
	if problem != nil {
		return problem
	}
	o.Events, o.Subclasses = []string{"CHANNEL_CREATE"}, []string{}
	first := true
	err := esl.Run(ctx, o, func(m esl.Message) {
		switch {
		case m.Kind == esl.MessageUp && first:
			first = false
			up()
		case m.Kind == esl.MessageEvent && m.Headers["Call-Direction"] == "inbound" &&
			!strings.HasPrefix(m.Headers["Channel-Name"], "loopback/"):
			c := Call{Context: m.Headers["Caller-Context"], Dialled: m.Headers["Caller-Destination-Number"],
				Caller:   m.Headers["Caller-Caller-ID-Number"],
				Endpoint: Clean(m.Headers["Channel-Name"]), Phone: phone(m.Headers)}
			if to := m.Headers["variable_sip_to_user"]; !isNumber(c.Dialled) && isNumber(to) {
				c.Dialled = to
			}
			seen(c)
		}
	})
	if ctx.Err() != nil {
		return nil
	}
	return err
}
