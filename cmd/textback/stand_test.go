package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"textback/ari/aritest"
	"textback/esl/esltest"
	"textback/smpp/smpptest"
)

// stand is what surrounds a textback that is a process of its own: a simulated Asterisk, FreeSWITCH and message centre on
// loopback, in this process.
type stand struct {
	t        *testing.T
	dir      string
	asterisk *aritest.Server
	freesw   *esltest.Server
	smsc     *smpptest.Server

	ari, esl, smpp string // addresses
}

// passwords are what the peers of a stand ask for.
type passwords struct{ ari, esl, smpp string }

// newStand starts the peers; wrap is put around their listeners, for TLS.
func newStand(t *testing.T, p passwords, wrap func(net.Listener) net.Listener) *stand {
	t.Helper()
	s := &stand{t: t, dir: t.TempDir()}
	s.asterisk = aritest.New(aritest.Options{Username: "textback", Password: p.ari, WriteTimeout: 5 * time.Second})
	s.freesw = esltest.New(esltest.Options{Password: p.esl})
	s.smsc = smpptest.New(smpptest.Options{SystemID: "acme", Password: p.smpp, ReceiptAfter: 20 * time.Millisecond, NoFates: true})
	s.ari = s.listen(wrap, func(l net.Listener) { _ = s.asterisk.Serve(l) })
	s.esl = s.listen(wrap, func(l net.Listener) { _ = s.freesw.Serve(l) })
	s.smpp = s.listen(wrap, func(l net.Listener) { _ = s.smsc.Serve(l) })
	t.Cleanup(func() { s.asterisk.Close(); s.freesw.Close(); s.smsc.Close() })
	return s
}

func (s *stand) listen(wrap func(net.Listener) net.Listener, serve func(net.Listener)) string {
	s.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.t.Fatal(err)
	}
	addr := l.Addr().String()
	if wrap != nil {
		l = wrap(l)
	}
	go serve(l)
	return addr
}

// keys are the lines of the configuration that a test sets itself.
type keys struct {
	top, asterisk, freeswitch, smpp, policy, tables string
	scheme                                          string // of ARI, "http" unless given
	state, control                                  string // in the stand's folder unless given
}

// toml is the configuration of a textback on this stand.
func (s *stand) toml(k keys) string {
	if k.scheme == "" {
		k.scheme = "http"
	}
	if k.state == "" {
		k.state = filepath.Join(s.dir, "state.db")
	}
	if k.control == "" {
		k.control = filepath.Join(s.dir, "control.sock")
	}
	_, port, err := net.SplitHostPort(s.ari)
	if err != nil {
		s.t.Fatal(err)
	}
	var lines strings.Builder
	for i := range 40 {
		fmt.Fprintf(&lines, "[[line]]\nnumber = \"+155501%02d\"\naliases = [\"55501%02d\", \"155501%02d\"]\nbusiness = \"acme\"\nfrom = \"+15550100\"\n", i, i, i)
	}
	return fmt.Sprintf(`state   = %q
control = %q
%s
[[pbx]]
name     = "hq"
kind     = "asterisk"
url      = "%s://127.0.0.1:%s/ari"
username = "textback"
%s
[[pbx]]
name     = "branch"
kind     = "freeswitch"
addr     = %q
%s
[[smpp]]
name      = "carrier"
addr      = %q
system_id = "acme"
rate      = 0.0
%s
[business.acme]
name     = "Acme Plumbing"
timezone = "America/New_York"
region   = "US"
[template]
open = "{{.Business}}: sorry we missed your call! Reply here. Reply STOP to opt out"
[policy]
validate_numbers = false
regions          = []
quiet            = ""
delay            = "0s"
min_ring         = "0s"
%s
%s
%s`, k.state, k.control, k.top, k.scheme, port, k.asterisk, s.esl, k.freeswitch, s.smpp, k.smpp, k.policy, k.tables, lines.String())
}

// write puts a file into the stand's folder.
func (s *stand) write(name, text string, mode os.FileMode) string {
	s.t.Helper()
	path := filepath.Join(s.dir, name)
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		s.t.Fatal(err)
	}
	return path
}

// miss plays one recorded missed call of the Asterisk with its caller renamed.
func (s *stand) miss(caller string) {
	s.t.Helper()
	names, err := aritest.Names(aritest.Recorded())
	if err != nil {
		s.t.Fatal(err)
	}
	for _, name := range names {
		if !strings.HasPrefix(name, "03-") {
			continue
		}
		trace, err := aritest.LoadTrace(aritest.Recorded(), name)
		if err != nil {
			s.t.Fatal(err)
		}
		if _, err := s.asterisk.Play(context.Background(), aritest.Play{Trace: trace, Caller: func(string) string { return caller }}); err != nil {
			s.t.Fatal(err)
		}
		return
	}
	s.t.Fatal("there is no recording 03")
}

// texted tells how many texts a phone got.
func (s *stand) texted(number string) int {
	n := 0
	for _, t := range s.smsc.Texts() {
		if strings.TrimPrefix(t.To, "+") == strings.TrimPrefix(number, "+") {
			n++
		}
	}
	return n
}

// process is a textback that runs.
type process struct {
	t   *testing.T
	cmd *exec.Cmd
	out string // file of stdout and stderr
}

// start runs the binary with arguments in an environment of its own.
func (s *stand) start(env []string, name string, args ...string) *process {
	s.t.Helper()
	out, err := os.CreateTemp(s.dir, "output")
	if err != nil {
		s.t.Fatal(err)
	}
	defer out.Close()
	p := &process{t: s.t, cmd: exec.Command(name, args...), out: out.Name()}
	p.cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "TZ=UTC"}, env...)
	p.cmd.Stdout, p.cmd.Stderr = out, out
	if err := p.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		if p.cmd.ProcessState == nil {
			_ = p.cmd.Process.Kill()
			_ = p.cmd.Wait()
		}
		if s.t.Failed() {
			s.t.Logf("%s:\n%s", strings.Join(p.cmd.Args, " "), tail(p.output(), 4000))
		}
	})
	return p
}

// run runs the binary to its end and gives what it wrote.
func (s *stand) run(env []string, args ...string) (string, error) {
	cmd := exec.Command("textback", args...)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "TZ=UTC"}, env...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (p *process) output() string {
	b, err := os.ReadFile(p.out)
	if err != nil {
		p.t.Fatal(err)
	}
	return string(b)
}

// stop ends the process with a signal and waits for it.
func (p *process) stop(sig syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(sig); err != nil {
		p.t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { _ = p.cmd.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(standBound):
		p.t.Fatal("it did not end")
	}
}

const standBound = 60 * time.Second

// await waits for something that another process does in its own time.
func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(standBound)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited too long for %s", what)
		}
	}
}

func tail(s string, n int) string { return s[max(0, len(s)-n):] }

// authority is a certificate authority of the test's own.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t}
	a.key = a.newKey()
	now := time.Now()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority of the test"},
		NotBefore: now.Add(-48 * time.Hour), NotAfter: now.Add(48 * time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &a.key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	a.pem = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return a
}

func (a *authority) newKey() *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	return key
}

// issue makes a certificate for a DNS name or an address that is good for so long from now; less than nothing is expired.
func (a *authority) issue(host string, good time.Duration) tls.Certificate {
	a.t.Helper()
	now := time.Now()
	template := &x509.Certificate{SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: host},
		NotBefore: now.Add(-24 * time.Hour), NotAfter: now.Add(good), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	if ip := net.ParseIP(host); ip != nil {
		template.IPAddresses = []net.IP{ip}
	} else {
		template.DNSNames = []string{host}
	}
	key := a.newKey()
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// contains tells which of the words stand in some bytes, also in base64 and in hexadecimal.
func contains(b []byte, forms map[string][]string) []string {
	var found []string
	for name, list := range forms {
		for _, f := range list {
			if bytes.Contains(b, []byte(f)) {
				found = append(found, name)
				break
			}
		}
	}
	return found
}
