package handoff

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"fmt"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// smtpServer is a mail server of the test: one that can refuse, delay, hang and offer what it is told to.
type smtpServer struct {
	t        *testing.T
	addr     string
	starttls bool
	auth     string            // mechanisms offered
	implicit bool              // TLS from the first byte
	say      map[string]string // answer by the beginning of a command, e.g. "RCPT TO:<bob"
	hang     string            // a command that is never answered
	conf     *tls.Config
	roots    *x509.CertPool

	mu       sync.Mutex
	mails    []mailTaken
	commands []string
}

type mailTaken struct {
	from, data string
	to         []string
	encrypted  bool
	login      string
}

func startSMTP(t *testing.T, change func(*smtpServer)) *smtpServer {
	t.Helper()
	s := &smtpServer{t: t, starttls: true, say: map[string]string{}}
	s.certificate()
	if change != nil {
		change(s)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.addr = "localhost:" + fmt.Sprint(l.Addr().(*net.TCPAddr).Port)
	var wg sync.WaitGroup
	var open sync.Map
	t.Cleanup(func() {
		l.Close()
		open.Range(func(c, _ any) bool { c.(net.Conn).Close(); return true })
		wg.Wait()
	})
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			open.Store(c, nil)
			wg.Go(func() {
				defer c.Close()
				if s.implicit {
					s.serve(tls.Server(c, s.conf))
					return
				}
				s.serve(c)
			})
		}
	})
	return s
}

func (s *smtpServer) certificate() {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		s.t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "mail server of the test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"localhost"}}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		s.t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		s.t.Fatal(err)
	}
	s.roots = x509.NewCertPool()
	s.roots.AddCert(cert)
	s.conf = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
}

func (s *smtpServer) taken() []mailTaken { s.mu.Lock(); defer s.mu.Unlock(); return s.mails }

func (s *smtpServer) sawCommand(prefix string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.commands {
		if strings.HasPrefix(c, prefix) {
			return true
		}
	}
	return false
}

func (s *smtpServer) serve(c net.Conn) {
	r := bufio.NewReader(c)
	reply := func(format string, args ...any) { fmt.Fprintf(c, format+"\r\n", args...) }
	_, encrypted := c.(*tls.Conn)
	m := mailTaken{encrypted: encrypted}
	reply("220 localhost ESMTP test")
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimRight(line, "\r\n")
		s.mu.Lock()
		s.commands = append(s.commands, line)
		s.mu.Unlock()
		if s.hang != "" && strings.HasPrefix(line, s.hang) {
			continue
		}
		if answer := s.answer(line); answer != "" {
			reply("%s", answer)
			if strings.HasPrefix(answer, "421") {
				return
			}
			continue
		}
		switch verb, arg, _ := strings.Cut(line, " "); strings.ToUpper(verb) {
		case "EHLO":
			reply("250-localhost")
			if s.starttls && !m.encrypted {
				reply("250-STARTTLS")
			}
			if s.auth != "" {
				reply("250-AUTH %s", s.auth)
			}
			reply("250-SMTPUTF8")
			reply("250 8BITMIME")
		case "STARTTLS":
			reply("220 go ahead")
			c = tls.Server(c, s.conf)
			r = bufio.NewReader(c)
			m = mailTaken{encrypted: true}
		case "AUTH":
			b, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(arg, "PLAIN "))
			m.login = strings.ReplaceAll(string(b), "\x00", "|")
			reply("235 welcome")
		case "MAIL":
			m.from, m.to = arg, nil
			reply("250 ok")
		case "RCPT":
			m.to = append(m.to, arg)
			reply("250 ok")
		case "DATA":
			reply("354 go ahead")
			var b strings.Builder
			for {
				l, err := r.ReadString('\n')
				if err != nil {
					return
				}
				if l == ".\r\n" {
					break
				}
				b.WriteString(strings.TrimPrefix(l, "."))
			}
			if answer := s.answer("."); answer != "" {
				reply("%s", answer)
				continue
			}
			m.data = b.String()
			s.mu.Lock()
			s.mails = append(s.mails, m)
			s.mu.Unlock()
			reply("250 taken")
		case "RSET", "NOOP":
			reply("250 ok")
		case "QUIT":
			reply("221 bye")
			return
		default:
			reply("502 what")
		}
	}
}

func (s *smtpServer) answer(line string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	for prefix, a := range s.say {
		if strings.HasPrefix(line, prefix) {
			return a
		}
	}
	return ""
}

func (s *smtpServer) set(prefix, answer string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if answer == "" {
		delete(s.say, prefix)
		return
	}
	s.say[prefix] = answer
}
