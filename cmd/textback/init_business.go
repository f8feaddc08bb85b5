package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"textback"
	"textback/cmd/internal/discover"
	"textback/configs"
)

// askBusiness asks who texts.
func (r *initRun) askBusiness(ctx context.Context) (err error) {
	s := &r.s
	r.ask.say("")
	if s.business, err = r.ask.ask(ctx, question{key: "business",
		text: "Name of the business, as its customers know it", must: true, check: func(n string) (string, error) {
			if len(n) > 60 || strings.Contains(n, "{{") {
				return "", errors.New("at most 60 letters, without {{")
			}
			return n, nil
		}}); err != nil {
		return err
	}
	if s.country, err = r.ask.ask(ctx, question{key: "country", text: "Country, two letters (US, CA, GB, DE, FR ...)",
		must: true, check: country}); err != nil {
		return err
	}
	if s.zone, err = r.ask.ask(ctx, question{key: "timezone", text: "Time zone", dflt: localZone(), must: true,
		check: func(z string) (string, error) {
			if _, err := time.LoadLocation(z); err != nil || z == "Local" || z == "UTC" || !strings.Contains(z, "/") {
				return "", errors.New("write it as America/New_York or Europe/Berlin")
			}
			return z, nil
		}}); err != nil {
		return err
	}
	hours, err := r.ask.ask(ctx, question{key: "hours",
		text: "Opening hours, e.g. Mon-Fri 08:00-17:30, Sat 09:00-12:00 (Enter: always open)"})
	s.hours = words(hours)
	return err
}

// country takes ISO 3166 codes that a numbering plan knows.
func country(s string) (string, error) {
	s = strings.ToUpper(s)
	if len(s) != 2 || strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
		return "", errors.New("two letters, as in US")
	}
	if s == "UK" {
		return "", errors.New("the United Kingdom is GB")
	}
	if !configs.IsRegion(s) {
		return "", fmt.Errorf("%s is no country that has telephone numbers", s)
	}
	return s, nil
}

// localZone is this machine's time zone, "" if it does not tell.
func localZone() string {
	if tz := os.Getenv("TZ"); strings.Contains(tz, "/") && !strings.HasPrefix(tz, ":") && !strings.HasPrefix(tz, "/") {
		return tz
	}
	if path, err := filepath.EvalSymlinks("/etc/localtime"); err == nil {
		if _, zone, ok := strings.Cut(path, "/zoneinfo/"); ok && strings.Contains(zone, "/") && !strings.HasPrefix(zone,
			"Etc/") {
			return zone
		}
	}
	return ""
}

// askLines asks for the numbers that callers dial; the ones found are offered.
func (r *initRun) askLines(ctx context.Context) error {
	numbers, odd := r.found.Numbers(r.s.country)
	if len(numbers) > 0 {
		r.ask.say("\nNumbers that were found: %s", strings.Join(numbers, ", "))
	}
	if len(odd) > 0 {
		r.ask.say("note: these are no numbers of %s, and were left out: %s", r.s.country,
			strings.Join(odd[:min(len(odd), 10)], ", "))
	}
	answer, err := r.ask.ask(ctx, question{key: "lines",
		text: "Lines: the numbers that callers dial and that text back", dflt: strings.Join(numbers[:min(len(numbers),
			30)], ", "), must: true, check: r.numbers})
	r.s.lines = words(answer)
	return err
}

// numbers reads one or several numbers as E.164.
func (r *initRun) numbers(list string) (string, error) {
	var all []string
	for _, w := range words(list) {
		n, err := textback.ParseNumber(w, r.s.country, nil, true)
		if err != nil || n.Kind == textback.KindShort {
			return "", fmt.Errorf("%q is not a number of %s: write it as +12025550100", w, r.s.country)
		}
		if !slices.Contains(all, n.E164) {
			all = append(all, n.E164)
		}
	}
	if len(all) == 0 {
		return "", errors.New("write at least one")
	}
	return strings.Join(all, ", "), nil
}

func (r *initRun) oneNumber(s string) (string, error) {
	n, err := r.numbers(s)
	if err == nil && strings.Contains(n, ",") {
		return "", errors.New("one number, please")
	}
	return n, err
}

// defaultMessage is the sentence between the name and the way out.
const defaultMessage = "sorry we missed your call! Reply here and a person answers."

// askWords asks what callers read.
func (r *initRun) askWords(ctx context.Context) (err error) {
	s := &r.s
	if s.callback, err = r.ask.ask(ctx, question{key: "callback",
		text: "Number that people may call back (in the answer to HELP)", dflt: s.lines[0], must: true, check: r.oneNumber}); err != nil {
		return err
	}
	s.message, err = r.ask.ask(ctx, question{key: "message", text: "The text", dflt: defaultMessage, must: true,
		check: r.checkMessage,
		help:  fmt.Sprintf("\nThe text begins with %q and ends with \"Reply STOP to opt out\".", s.business+": ")})
	if err != nil {
		return err
	}
	s.mobile, err = r.ask.ask(ctx, question{key: "mobile",
		text: "Your mobile: it is texted every time, for trying (Enter: none)", check: r.oneNumber})
	if err != nil {
		return err
	}
	s.staff, err = r.ask.ask(ctx, question{key: "staff",
		text: "Mobile of the person who answers replies (Enter: nobody is told, `textback threads` shows them)", check: r.oneNumber})
	return err
}

// checkMessage keeps the text plain and to one segment, if it can be.
func (r *initRun) checkMessage(m string) (string, error) {
	if strings.Contains(m, "{{") {
		return "", errors.New("no {{ here: templates are for later (docs/rules.md)")
	}
	segments := textback.SegmentsIn(r.s.business+": "+m+" Reply STOP to opt out", textback.CharsetGSM7)
	if n := len(segments); n > 3 {
		return "", fmt.Errorf("that is %d texts long", n)
	} else if n > 1 {
		r.ask.say("  note: that is %d segments, each is paid for", n)
	}
	return m, nil
}

// askSMPP asks for the message centre and tries it.
func (r *initRun) askSMPP(ctx context.Context) (err error) {
	s := &r.s
	r.ask.say("\nThe message centre, as the carrier named it.")
	if err := r.untilReached(ctx, r.askCarrier, r.tryBind); err != nil {
		return err
	}
	if s.from, err = r.ask.ask(ctx, question{key: "sender", text: "Sender of the texts", dflt: s.lines[0], must: true,
		help: "A number of yours that the carrier lets you send from.", check: func(f string) (string, error) {
			if n, err := r.oneNumber(f); err == nil {
				return n, nil
			}
			if len(f) <= 15 && strings.Trim(f, "0123456789") == "" {
				return f, nil // a short code
			}
			return "", errors.New("write a number or a short code: a sender of letters cannot receive STOP")
		}}); err != nil {
		return err
	}
	for key, into := range map[string]*string{"state": &s.state, "control": &s.control} {
		if !r.ask.person() && r.ask.answers[key] != "" {
			*into = r.ask.answers[key]
		}
	}
	return nil
}

func (r *initRun) askCarrier(ctx context.Context) (err error) {
	c := &r.s.smpp
	host, port, _ := net.SplitHostPort(c.Addr)
	if host, err = r.ask.ask(ctx, question{key: "smpp_host", text: "SMPP host", dflt: host, must: true,
		check: func(h string) (string, error) {
			if strings.ContainsAny(h, " /") {
				return "", errors.New("a host name or an address, without a port")
			}
			return strings.Trim(h, "[]"), nil
		}}); err != nil {
		return err
	}
	if c.TLS, err = r.ask.yes(ctx, "smpp_tls", "With TLS", c.TLS); err != nil {
		return err
	}
	if port, err = r.ask.ask(ctx, question{key: "smpp_port", text: "SMPP port", dflt: cmp.Or(port,
		map[bool]string{true: "3550", false: "2775"}[c.TLS]), must: true, check: func(p string) (string, error) {
		if len(p) > 5 || strings.Trim(p, "0123456789") != "" {
			return "", errors.New("a number, as in 2775")
		}
		return p, nil
	}}); err != nil {
		return err
	}
	c.Addr = net.JoinHostPort(host, port)
	if c.SystemID, err = r.ask.ask(ctx, question{key: "smpp_system_id", text: "system_id (the account's name)",
		dflt: c.SystemID, must: true, check: func(id string) (string, error) {
			if len(id) > 15 {
				return "", errors.New("at most 15 characters (SMPP 3.4)")
			}
			return id, nil
		}}); err != nil {
		return err
	}
	r.smppPassword, err = r.password(ctx, "smpp_password_file", "Its password (not shown)")
	c.Name, c.Bind, c.ResponseTimeout, c.Password = "carrier", "transceiver", 10*time.Second, configs.NewSecret(r.smppPassword)
	r.s.smppSecret = filepath.Join(r.flags.secrets, "smpp.password")
	return err
}

// tryBind binds once and unbinds.
func (r *initRun) tryBind(ctx context.Context) (again bool, err error) {
	for {
		r.ask.say("\nTrying %s ...", r.s.smpp.Addr)
		within, cancel := context.WithTimeout(ctx, tryWithin)
		peer, err := discover.Bind(within, &r.s.smpp)
		cancel()
		if err == nil {
			r.ask.say("Bound as %s and unbound again%s.", r.s.smpp.SystemID,
				map[bool]string{true: "; it calls itself " + peer, false: ""}[peer != ""])
			return false, nil
		}
		if ctx.Err() != nil {
			return false, ctx.Err()
		}
		var p *discover.Problem
		if !r.ask.person() || !errors.As(err, &p) {
			return false, err
		}
		r.ask.say("It does not work: %s\n  %s", p.Message, p.Hint)
		next, err := r.ask.ask(ctx, question{key: "retry_smpp",
			text: "1 retry   2 change the answers   3 go on without it", dflt: "retry", must: true, words: []string{"retry", "change", "go on"}})
		switch {
		case err != nil:
			return false, err
		case next == "change":
			return true, nil
		case next == "go on":
			return false, nil
		}
	}
}
