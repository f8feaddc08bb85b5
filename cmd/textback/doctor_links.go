package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/smtp"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"textback"
	"textback/cmd/internal/daemon"
	"textback/cmd/internal/discover"
	"textback/cmd/internal/handoff"
	"textback/cmd/internal/records"
	"textback/configs"
)

// linkChecks are those of everything that is reached over a network, or by it.
func (d *doctor) linkChecks() (list []check) {
	add := func(name string, run func(context.Context) finding) { list = append(list, check{name, run}) }
	for i := range d.cfg.PBXs {
		p := &d.cfg.PBXs[i]
		add("pbx "+p.Name, func(ctx context.Context) finding { return d.pbx(ctx, p) })
	}
	for i := range d.cfg.SMPPs {
		c := &d.cfg.SMPPs[i]
		add("smpp "+c.Name, func(ctx context.Context) finding { return d.smpp(ctx, c) })
	}
	for i := range d.cfg.Records {
		r := d.cfg.Records[i]
		add("records "+r.PBX, func(ctx context.Context) finding { return d.records(ctx, r) })
	}
	for i := range d.cfg.Notify {
		n := &d.cfg.Notify[i]
		switch n.Kind {
		case configs.Webhook:
			add("webhook "+n.Name, func(ctx context.Context) finding { return webhookCheck(ctx, n) })
		case configs.Email:
			add("mail "+n.Name, func(ctx context.Context) finding { return mailCheck(ctx, n) })
		}
	}
	add("log", d.log)
	for _, l := range []struct{ name, addr string }{{"metrics", d.cfg.Metrics.Listen}, {"http", d.cfg.HTTP.Listen}} {
		if l.addr != "" {
			add(l.name, func(ctx context.Context) finding { return d.listener(ctx, l.name, l.addr) })
		}
	}
	return list
}

// problem makes a finding of what discover says.
func problem(err error) finding {
	var p *discover.Problem
	if errors.As(err, &p) {
		return failing(p.Hint, "%s", p.Message)
	}
	return failing("", "%v", err)
}

// pbxKind guesses the kind of installation, for the words of the hints only.
func pbxKind(p *configs.PBX) string {
	for path, kind := range map[string]string{"/etc/freepbx.conf": discover.FreePBX,
		"/etc/fusionpbx": discover.FusionPBX} {
		if _, err := os.Stat(path); err == nil && discover.Engine(kind) == p.Kind {
			return kind
		}
	}
	return p.Kind
}

// pbx connects beside the daemon, which does not disturb it, and compares with what the daemon says of its own link.
func (d *doctor) pbx(ctx context.Context, p *configs.PBX) finding {
	found, err := discover.Ask(ctx, pbxKind(p), p)
	if err != nil {
		return problem(err)
	}
	f := healthy("%s, logged in, events come, %d live channels", found.Product, found.Live)
	if p.Kind == configs.Asterisk {
		f.Detail += map[bool]string{true: ", the account reads only", false: ", the account may write"}[found.ReadOnly]
	}
	if i := slices.IndexFunc(d.statusPBXs(), func(s daemon.PBXStatus) bool { return s.Name == p.Name }); i >= 0 &&
		!d.status.PBXs[i].Up {
		return failing("the log tells why: journalctl -t textback -g pbx-. An app of the same name elsewhere throws it out (key app); after a change of the configuration: systemctl reload textback",
			"it can be read, but the daemon's own link is down")
	}
	switch {
	case !d.running && p.Kind == configs.Asterisk && discover.AppInUse(ctx, p):
		return doubtful("give this [[pbx]] another app, or stop the other program: two of one name throw each other out", "%s; but another program is connected as app %q", f.Detail, p.App)
	case p.Callback != nil && found.ReadOnly:
		return failing("read_only = no for ["+p.Username+"] in ari.conf, then module reload res_ari.so; or take [pbx.callback] out",
			"%s: the account reads only, and [pbx.callback] starts calls", found.Product)
	case found.Blind != "":
		return doubtful("FreeSWITCH must not run with -nosql, and mod_commands must be loaded", "%s", found.Blind)
	case !reaches(found, p.Inbound):
		var names []string
		for _, c := range found.Contexts {
			names = append(names, c.Name)
		}
		return doubtful(fmt.Sprintf("its endpoints arrive in: %s. Correct the key inbound, or there are trunks that it does not tell of", strings.Join(names[:min(len(names), 10)], ", ")),
			"%s; but no endpoint arrives in a context of inbound = %v", f.Detail, p.Inbound)
	}
	for _, n := range found.Notes {
		if strings.Contains(n, "older than") {
			return doubtful("update Asterisk", "%s", n)
		}
	}
	return f
}

func (d *doctor) statusPBXs() []daemon.PBXStatus {
	if d.status == nil {
		return nil
	}
	return d.status.PBXs
}

// reaches tells whether a context that the PBX told is one of those configured; true where it tells none.
func reaches(found *discover.Found, inbound []string) bool {
	return len(found.Contexts) == 0 || slices.ContainsFunc(found.Contexts,
		func(c discover.Context) bool { return textback.MatchAny(inbound, c.Name) })
}

// smpp looks at the daemon's bind, or binds once where no daemon runs.
func (d *doctor) smpp(ctx context.Context, c *configs.SMPP) finding {
	if d.running {
		if d.status == nil {
			return doubtful("sudo textback doctor", "a daemon runs that does not answer us: its bind is left alone")
		}
		i := slices.IndexFunc(d.status.SMPPs, func(s daemon.SMPPStatus) bool { return s.Name == c.Name })
		switch {
		case i < 0:
			return doubtful("systemctl reload textback", "the running daemon does not know it yet")
		case d.status.SMPPs[i].Up:
			s := d.status.SMPPs[i]
			return healthy("the daemon is bound as %s: %d accepted, %d refused, %d unanswered", c.SystemID, s.Accepted,
				s.Refused, s.InDoubt)
		}
		// Why, as far as it can be told without a bind.
		var secure *tls.Config
		var err error
		if c.TLS {
			if secure, err = daemon.ClientTLS(c.TLSCA, c.TLSServerName, c.Addr); err != nil {
				return failing("tls_ca must name a PEM file", "%v", err)
			}
		}
		if p := discover.Reach(ctx, "the message centre", c.Addr, secure); p != nil {
			return problem(p)
		}
		if s := d.status.SMPPs[i]; s.Why != "" {
			return failing(cmp.Or(s.Hint, "the log tells more: journalctl -t textback -g smpp-"),
				"the daemon's bind at %s is down, though the address answers: %s", c.Addr, plain(s.Why))
		}
		return failing("the log tells the answer: journalctl -t textback -g smpp-",
			"the daemon's bind at %s is down, though the address answers: the account is refused, or another program is bound with it", c.Addr)
	}
	peer, err := discover.Bind(ctx, c)
	if err != nil {
		return problem(err)
	}
	f := healthy("bound as %s (%s) and unbound", c.SystemID, c.Bind)
	if peer != "" {
		f.Detail += ", it calls itself " + peer
	}
	return f
}

// records reads the last hour.
func (d *doctor) records(ctx context.Context, r configs.Records) finding {
	p, _ := d.cfg.PBX(r.PBX)
	now := time.Now()
	result, err := records.Read(ctx, records.NewSource(r, &p), now.Add(-time.Hour), now)
	if err != nil {
		hint := "docs/records.md; for a file: is it there, and written by this PBX?"
		if errors.Is(err, os.ErrPermission) {
			hint = "sudo textback doctor"
		}
		return failing(hint, "%v", err)
	}
	if r.Path != "" {
		if why := d.user.may(r.Path, reading); why != "" {
			return failing(fmt.Sprintf("add the service's user to the group that may: systemctl edit textback, [Service] SupplementaryGroups=%s", cmp.Or(groupOfFile(r.Path), "asterisk")),
				"the daemon's user %s cannot read %s: %s", d.user.name, r.Path, why)
		}
	}
	f := healthy("%s: %d records read, %d calls from outside in the last hour", r.Kind, result.Rows, len(result.Calls))
	if result.Skipped > 0 {
		return doubtful("is kind right, and are columns those of this PBX? docs/records.md",
			"%s: %d of %d records cannot be read", r.Kind, result.Skipped, result.Rows)
	}
	return f
}

// webhookCheck opens a connection, with TLS for https, and sends nothing.
func webhookCheck(ctx context.Context, n *configs.Notify) finding {
	u, err := url.Parse(n.URL)
	if err != nil {
		return failing("write https://host/path", "the URL cannot be read")
	}
	port := cmp.Or(u.Port(), map[string]string{"https": "443", "http": "80"}[u.Scheme])
	addr := net.JoinHostPort(u.Hostname(), port)
	if !n.AllowPrivate {
		ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", u.Hostname())
		if err != nil {
			return failing("is it spelled right, and does this machine's DNS work?", "the name in %s is not known", addr)
		}
		if slices.ContainsFunc(ips, private) {
			return failing("allow_private = true if it is meant",
				"%s has a private address: the daemon refuses to send there", addr)
		}
	}
	var secure *tls.Config
	if u.Scheme == "https" {
		if secure, err = daemon.ClientTLS(n.TLSCA, "", addr); err != nil {
			return failing("tls_ca must name a PEM file", "%v", err)
		}
	}
	if p := discover.Reach(ctx, "the receiver", addr, secure); p != nil {
		return problem(p)
	}
	return healthy("%s can be reached; no event was sent", addr)
}

func private(a netip.Addr) bool {
	a = a.Unmap()
	return a.IsLoopback() || a.IsPrivate() || a.IsLinkLocalUnicast() || a.IsUnspecified()
}

// mailCheck logs in at the mail server as a delivery does, and leaves without a message.
func mailCheck(ctx context.Context, n *configs.Notify) finding {
	host, _, err := net.SplitHostPort(n.Server)
	if err != nil {
		return failing("write server = \"host:port\"", "server %q is not host:port", n.Server)
	}
	secure, err := daemon.ClientTLS(n.TLSCA, "", n.Server)
	if err != nil {
		return failing("tls_ca must name a PEM file", "%v", err)
	}
	implicit := n.StartTLS == handoff.StartTLSImplicit
	var first *tls.Config
	if implicit {
		first = secure
	}
	if p := discover.Reach(ctx, "the mail server", n.Server, first); p != nil {
		return problem(p)
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", n.Server)
	if err != nil {
		return failing("", "no connection to %s: %v", n.Server, err)
	}
	defer conn.Close()
	if deadline, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(deadline) // a connection that takes none is bounded by the check
	}
	if implicit {
		conn = tls.Client(conn, secure)
	}
	c, err := smtp.NewClient(conn, host)
	if err != nil {
		return failing("is it the port of a mail server (587, 465 with starttls = \"implicit\", 25)?",
			"%s does not greet as a mail server: %s", n.Server, discover.Clean(err.Error()))
	}
	defer c.Close()
	if name, err := os.Hostname(); err == nil && !strings.ContainsAny(name, "\r\n ") {
		if err := c.Hello(name); err != nil {
			return failing("the mail server's log tells why", "%s refuses our greeting: %s", n.Server,
				discover.Clean(err.Error()))
		}
	}
	offered, _ := c.Extension("STARTTLS")
	switch {
	case implicit || n.StartTLS == handoff.StartTLSNever || !offered && n.StartTLS == handoff.StartTLSTry:
	case !offered:
		return failing("starttls = \"implicit\" for port 465; \"try\" or \"never\" only on this machine",
			"%s offers no STARTTLS", n.Server)
	default:
		if err := c.StartTLS(secure); err != nil {
			return failing("name the authority in tls_ca if the certificate is your own", "no STARTTLS with %s: %s",
				n.Server, discover.Clean(err.Error()))
		}
	}
	if n.Username != "" {
		if err := c.Auth(smtp.PlainAuth("", n.Username, n.Password.Reveal(), host)); err != nil {
			words := strings.ReplaceAll(discover.Clean(err.Error()), n.Password.Reveal(), "[password]")
			return failing("compare username and password_file with the account", "%s refuses the log-in as %s: %s",
				n.Server, n.Username, words)
		}
	}
	if err := c.Quit(); err != nil {
		return doubtful("", "%s lets us in and ends oddly: %s", n.Server, discover.Clean(err.Error()))
	}
	return healthy("%s lets us in; no mail was sent", n.Server)
}

// log looks whether the log server can be reached.
func (d *doctor) log(ctx context.Context) finding {
	s := d.cfg.Syslog
	switch s.To {
	case "none":
		return doubtful("write [syslog] to = \"local\"", "nothing is logged: no alarm and no trouble will be seen")
	case "stderr":
		return healthy("stderr, which systemd gives to the journal")
	case "local":
		for _, network := range []string{"unixgram", "unix"} {
			if c, err := (&net.Dialer{}).DialContext(ctx, network, "/dev/log"); err == nil {
				c.Close()
				return healthy("/dev/log takes our lines")
			}
		}
		return doubtful("start rsyslog, syslog-ng or systemd-journald; until then lines go to stderr",
			"nobody listens on /dev/log")
	case "udp":
		host, _, _ := net.SplitHostPort(s.Addr)
		if _, err := net.DefaultResolver.LookupHost(ctx, host); err != nil {
			return failing("is it spelled right, and does this machine's DNS work?",
				"the log server's name in %s is not known", s.Addr)
		}
		return healthy("%s by UDP, which never says whether a line arrives", s.Addr)
	default:
		var secure *tls.Config
		var err error
		if s.To == "tls" {
			if secure, err = daemon.ClientTLS(s.TLSCA, s.TLSServerName, s.Addr); err != nil {
				return failing("tls_ca must name a PEM file", "%v", err)
			}
		}
		if p := discover.Reach(ctx, "the log server", s.Addr, secure); p != nil {
			return problem(p)
		}
		return healthy("%s can be reached by %s", s.Addr, s.To)
	}
}

// listener looks whether the daemon listens, or could.
func (d *doctor) listener(ctx context.Context, name, addr string) finding {
	if d.running {
		if d.status != nil && d.status.Shut[name] != "" { // whoever answers there, it is not the daemon
			return failing("`ss -ltnp` shows who has the port; systemctl reload textback tries again", "the daemon does not listen: %s",
				d.status.Shut[name])
		}
		if p := discover.Reach(ctx, "textback", addr, nil); p != nil {
			return failing("the log tells why: journalctl -t textback -g listen; is the port taken? `ss -ltnp`",
				"the daemon does not listen: %s", p.Message)
		}
		return healthy("the daemon listens on %s", addr)
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err != nil {
		return failing("`ss -ltnp` shows who has it; write another port", "%s cannot be listened on: %v", addr,
			errors.Unwrap(err))
	}
	l.Close()
	return healthy("%s is free", addr)
}
