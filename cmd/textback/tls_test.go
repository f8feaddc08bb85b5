package main

import (
	"crypto/tls"
	"fmt"
	"net"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// tap notes the first octet of each connection and everything that came, below TLS.
type tap struct {
	mu    sync.Mutex
	first []byte
	all   []byte
}

func (p *tap) connections() (first []byte, all string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]byte(nil), p.first...), string(p.all)
}

// tapped is a listener whose connections are tapped, with TLS above if there is a configuration.
type tapped struct {
	net.Listener
	tap  *tap
	conf *tls.Config
}

func (l *tapped) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	c = &tappedConn{Conn: c, tap: l.tap}
	if l.conf != nil {
		c = tls.Server(c, l.conf)
	}
	return c, nil
}

type tappedConn struct {
	net.Conn
	tap  *tap
	seen bool
}

func (c *tappedConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if n > 0 {
		c.tap.mu.Lock()
		if !c.seen {
			c.tap.first = append(c.tap.first, b[0])
			c.seen = true
		}
		c.tap.all = append(c.tap.all, b[:n]...)
		c.tap.mu.Unlock()
	}
	return n, err
}

// tlsCase is how the other side presents itself to a textback that trusts one authority and expects the name pbx.example.
type tlsCase struct {
	server func(ours, theirs *authority) *tls.Config // nil: the server speaks no TLS
	system bool                                      // no tls_ca: the system's authorities
	want   string                                    // in the error; "" is a connection
}

func certificate(of func(ours, theirs *authority) tls.Certificate) func(ours, theirs *authority) *tls.Config {
	return func(ours, theirs *authority) *tls.Config {
		return &tls.Config{Certificates: []tls.Certificate{of(ours, theirs)}}
	}
}

func tlsCases() map[string]tlsCase {
	good := func(ours, _ *authority) tls.Certificate { return ours.issue("pbx.example", time.Hour) }
	return map[string]tlsCase{
		"of the own authority": {server: certificate(good)},
		"of another authority": {want: "certificate signed by unknown authority",
			server: certificate(func(_, theirs *authority) tls.Certificate { return theirs.issue("pbx.example", time.Hour) })},
		"of an authority that the system does not know": {server: certificate(good), system: true,
			want: "certificate signed by unknown authority"},
		"for another name": {want: "certificate is valid for other.example, not pbx.example",
			server: certificate(func(ours, _ *authority) tls.Certificate { return ours.issue("other.example", time.Hour) })},
		"expired": {want: "certificate has expired",
			server: certificate(func(ours, _ *authority) tls.Certificate { return ours.issue("pbx.example", -time.Hour) })},
		"of a server that speaks TLS 1.1 at most": {want: "protocol version",
			server: func(ours, theirs *authority) *tls.Config {
				c := certificate(good)(ours, theirs)
				c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
				return c
			}},
		"none: a server without TLS": {want: "."},
	}
}

func TestEveryLinkVerifiesTheOtherSideAndNeverFallsBackToClearText(t *testing.T) {
	p := passwords{"ari-Zq7hR2mW", "esl-Vb4nK8xT", "sm-Pd93y"}
	for name, tc := range tlsCases() {
		t.Run("certificate "+name, func(t *testing.T) {
			t.Parallel()
			ours, theirs := newAuthority(t), newAuthority(t)
			seen := &tap{}
			s := newStand(t, p, func(l net.Listener) net.Listener {
				tl := &tapped{Listener: l, tap: seen}
				if tc.server != nil {
					tl.conf = tc.server(ours, theirs)
				}
				return tl
			})
			s.write("ca.pem", string(ours.pem), 0o644)
			trust := "tls_server_name = \"pbx.example\"\n"
			if !tc.system {
				trust += "tls_ca = \"ca.pem\"\n"
			}
			config := s.write("textback.toml", s.toml(keys{scheme: "https",
				top:        "[syslog]\nto = \"stderr\"\n[metrics]\nlisten = \"\"\n",
				asterisk:   trust + fmt.Sprintf("password = %q", p.ari),
				freeswitch: "tls = true\n" + trust + fmt.Sprintf("password = %q", p.esl),
				smpp:       "tls = true\nresponse_timeout = \"1s\"\n" + trust + fmt.Sprintf("password = %q", p.smpp)}), 0o600)
			d := s.start(nil, "textback", "run", "--config", config)
			if tc.want == "" {
				await(t, "the links", func() bool { return strings.Count(d.output(), "pbx-up") == 2 && s.smsc.Bound() == 1 })
			} else {
				for _, link := range []string{"smpp-down smpp=carrier", "pbx-(down|refused) pbx=hq", "pbx-down pbx=branch"} {
					line := regexp.MustCompile("(?m)^.*" + link + ".* error=.*" + tc.want)
					await(t, link, func() bool { return line.MatchString(d.output()) })
				}
				// Several tries of each, not only the first.
				await(t, "further tries", func() bool { first, _ := seen.connections(); return len(first) >= 6 })
				if s.smsc.Bound() != 0 || s.asterisk.Connected("textback") || len(s.freesw.Commands()) != 0 {
					t.Error("something was let in")
				}
			}
			d.stop(syscall.SIGTERM)
			first, all := seen.connections()
			if strings.Trim(string(first), "\x16") != "" { // handshake (RFC 8446, 5.1)
				t.Errorf("connections began with % x", first)
			}
			for _, secret := range []string{p.ari, p.esl, p.smpp, "textback", "bind"} {
				if strings.Contains(all, secret) {
					t.Errorf("%q crossed in clear", secret)
				}
			}
		})
	}
}

func TestTheLogOverTLSIsVerifiedAndNeverFallsBackToClearText(t *testing.T) {
	for name, tc := range tlsCases() {
		t.Run("certificate "+name, func(t *testing.T) {
			t.Parallel()
			ours, theirs := newAuthority(t), newAuthority(t)
			s := newStand(t, passwords{"a", "b", "c"}, nil)
			seen, taken := &tap{}, &logServer{}
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			server := &tapped{Listener: l, tap: seen}
			if tc.server != nil {
				server.conf = tc.server(ours, theirs)
			}
			t.Cleanup(func() { l.Close() })
			go taken.accept(server)
			s.write("ca.pem", string(ours.pem), 0o644)
			trust := "tls_server_name = \"pbx.example\"\n"
			if !tc.system {
				trust += "tls_ca = \"ca.pem\"\n"
			}
			config := s.write("textback.toml", s.toml(keys{top: fmt.Sprintf("[syslog]\nto = \"tls://%s\"\n%s[metrics]\nlisten = \"\"\n", l.Addr(), trust),
				asterisk: `password = "a"`, freeswitch: `password = "b"`, smpp: `password = "c"`}), 0o600)
			d := s.start(nil, "textback", "run", "--config", config)
			if tc.want == "" {
				await(t, "the log", func() bool { return strings.Contains(taken.String(), "start version=") })
			} else {
				line := regexp.MustCompile(tc.want)
				await(t, "a line on stderr that says why", func() bool { return tc.server == nil || line.MatchString(d.output()) })
				await(t, "a second try", func() bool { first, _ := seen.connections(); return len(first) >= 2 })
				if tc.server != nil && taken.String() != "" {
					t.Errorf("it was logged to somebody else: %.200s", taken)
				}
			}
			d.stop(syscall.SIGTERM)
			first, all := seen.connections()
			if strings.Trim(string(first), "\x16") != "" || strings.Contains(all, "version=") {
				t.Errorf("clear text: connections began with % x", first)
			}
		})
	}
}
