package syslog

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// rsyslog is a real rsyslogd that takes all four transports and files each into its own file.
type rsyslog struct {
	t             *testing.T
	dir, socket   string
	udp, tcp, tls string // addresses
	roots         *x509.CertPool
	cmd           *exec.Cmd
}

func startRsyslog(t *testing.T) *rsyslog {
	t.Helper()
	if os.Getenv("TEXTBACK_RSYSLOG") == "" {
		t.Skip("set TEXTBACK_RSYSLOG=1 to run against a real rsyslogd (.ci/rsyslog/install.sh)")
	}
	// A unix socket's path has little room, which t.TempDir of a long name uses up.
	dir, err := os.MkdirTemp("", "tb-rsyslog")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	r := &rsyslog{t: t, dir: dir, socket: dir + "/log", udp: freePort(t, "udp"), tcp: freePort(t, "tcp"), tls: freePort(t, "tcp")}
	r.certificate()
	port := func(addr string) string { _, p, _ := net.SplitHostPort(addr); return p }
	conf := strings.NewReplacer("DIR", dir, "UDPPORT", port(r.udp), "TCPPORT", port(r.tcp), "TLSPORT", port(r.tls)).Replace(`
global(workDirectory="DIR" defaultNetstreamDriverCAFile="DIR/ca.pem"
  defaultNetstreamDriverCertFile="DIR/cert.pem" defaultNetstreamDriverKeyFile="DIR/key.pem")
template(name="fields" type="string" string="%pri%|%hostname%|%app-name%|%procid%|%msgid%|%structured-data%|%msg%\n")
module(load="imuxsock" SysSock.Use="off")
module(load="imudp")
module(load="imptcp")
module(load="imtcp" StreamDriver.Name="gtls" StreamDriver.Mode="1" StreamDriver.AuthMode="anon")
ruleset(name="local") { action(type="omfile" file="DIR/local.log" template="fields") }
ruleset(name="udp") { action(type="omfile" file="DIR/udp.log" template="fields") }
ruleset(name="tcp") { action(type="omfile" file="DIR/tcp.log" template="fields") }
ruleset(name="tls") { action(type="omfile" file="DIR/tls.log" template="fields") }
input(type="imuxsock" Socket="DIR/log" ruleset="local" RateLimit.Interval="0")
input(type="imudp" address="127.0.0.1" port="UDPPORT" ruleset="udp")
input(type="imptcp" address="127.0.0.1" port="TCPPORT" ruleset="tcp")
input(type="imtcp" address="127.0.0.1" port="TLSPORT" ruleset="tls")
`)
	if err := os.WriteFile(dir+"/rsyslog.conf", []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	r.start()
	t.Cleanup(r.stop)
	return r
}

func freePort(t *testing.T, network string) string {
	t.Helper()
	if network == "udp" {
		c, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		return c.LocalAddr().String()
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// certificate makes an authority of our own and the server's certificate.
func (r *rsyslog) certificate() {
	r.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		r.t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "rsyslog of the test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"localhost"},
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		r.t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		r.t.Fatal(err)
	}
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	for name, b := range map[string][]byte{"ca.pem": cert, "cert.pem": cert,
		"key.pem": pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})} {
		if err := os.WriteFile(filepath.Join(r.dir, name), b, 0o600); err != nil {
			r.t.Fatal(err)
		}
	}
	r.roots = x509.NewCertPool()
	r.roots.AppendCertsFromPEM(cert)
}

func (r *rsyslog) start() {
	r.t.Helper()
	os.Remove(r.socket)
	r.cmd = exec.Command("rsyslogd", "-n", "-f", r.dir+"/rsyslog.conf", "-i", r.dir+"/pid")
	r.cmd.Stderr = os.Stderr
	if err := r.cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	r.until("rsyslogd listens", func() bool {
		if _, err := os.Stat(r.socket); err != nil {
			return false
		}
		for _, addr := range []string{r.tcp, r.tls} {
			c, err := net.Dial("tcp", addr)
			if err != nil {
				return false
			}
			c.Close()
		}
		return true
	})
}

func (r *rsyslog) stop() {
	_ = r.cmd.Process.Signal(syscall.SIGCONT)
	_ = r.cmd.Process.Signal(syscall.SIGTERM)
	_ = r.cmd.Wait()
}

// until waits for something that another process does.
func (r *rsyslog) until(what string, done func() bool) {
	r.t.Helper()
	for range 600 {
		if done() {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	r.t.Fatalf("not within 30 s: %s", what)
}

// lines waits until the transport's file has n lines.
func (r *rsyslog) lines(transport string, n int) (out []string) {
	r.t.Helper()
	r.until(fmt.Sprintf("%d lines in %s.log", n, transport), func() bool {
		b, err := os.ReadFile(filepath.Join(r.dir, transport+".log"))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			r.t.Fatal(err)
		}
		out = strings.Split(strings.TrimSuffix(string(b), "\n"), "\n")
		return len(out) >= n
	})
	return out
}

func (r *rsyslog) options(transport string) Options {
	o := Options{Hostname: "pbx1.example.net", PID: 4711, Stderr: os.Stderr, MinBackoff: 50 * time.Millisecond}
	switch transport {
	case "local":
		o.To, o.Socket = "local", r.socket
	case "udp":
		o.To = "udp://" + r.udp
	case "tcp":
		o.To = "tcp://" + r.tcp
	case "tls":
		_, port, _ := net.SplitHostPort(r.tls)
		o.To, o.TLS = "tls://localhost:"+port, &tls.Config{RootCAs: r.roots}
	}
	return o
}

func TestRsyslogFilesWhatWasLogged(t *testing.T) {
	r := startRsyslog(t)
	host, _ := os.Hostname()
	for _, transport := range []string{"local", "udp", "tcp", "tls"} {
		t.Run(transport, func(t *testing.T) {
			h, err := New(r.options(transport))
			if err != nil {
				t.Fatal(err)
			}
			log := slog.New(h)
			log.Log(t.Context(), LevelNotice, "verdict", "call", "hq/17.4", "from", "…058", "reason", "window", "rule", "after hours")
			log.Error("store-failed", "err", "disk \"full\" [x]\nat\u202e once")
			for i := range 200 {
				log.Info("event", "n", i)
			}
			h.Close(t.Context())
			got := r.lines(transport, 202)
			var want []string
			if transport == "local" {
				want = []string{
					`133|` + host + `|textback|4711|-|-| verdict call=hq/17.4 from=…058 reason=window rule="after hours"`,
					`131|` + host + `|textback|4711|-|-| store-failed err="disk \"full\" [x]\nat\u202e once"`,
					`134|` + host + `|textback|4711|-|-| event n=0`}
			} else {
				want = []string{
					`133|pbx1.example.net|textback|4711|verdict|[textback@32473 call="hq/17.4" from="…058" reason="window" rule="after hours"]|verdict call=hq/17.4 from=…058 reason=window rule="after hours"`,
					`131|pbx1.example.net|textback|4711|store-failed|[textback@32473 err="disk \"full\" [x\]\\nat\\u202e once"]|store-failed err="disk \"full\" [x]\nat\u202e once"`,
					`134|pbx1.example.net|textback|4711|event|[textback@32473 n="0"]|event n=0`}
			}
			for i, w := range want {
				if got[i] != w {
					t.Errorf("line %d:\n got %s\nwant %s", i, got[i], w)
				}
			}
			if n := len(got); n != 202 || !strings.HasSuffix(got[201], "event n=199") {
				t.Errorf("%d lines, the last %s", n, got[n-1])
			}
		})
	}
}

func TestRsyslogWithACertificateOfNobodyWeTrustGetsNothing(t *testing.T) {
	r := startRsyslog(t)
	o := r.options("tls")
	o.TLS = nil
	var stderr buffer
	o.Stderr = &stderr
	h, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	slog.New(h).Info("secret")
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	h.Close(ctx)
	if !strings.Contains(stderr.String(), "certificate signed by unknown authority") || h.Stats().Written != 0 {
		t.Errorf("%+v, stderr %q", h.Stats(), stderr.String())
	}
}

func TestRsyslogFrozenDelaysNothingAndGetsTheRestLater(t *testing.T) {
	r := startRsyslog(t)
	for _, transport := range []string{"local", "tcp", "tls"} {
		t.Run(transport, func(t *testing.T) {
			o := r.options(transport)
			o.Queue, o.Stderr = 1000, io.Discard
			h, err := New(o)
			if err != nil {
				t.Fatal(err)
			}
			log := slog.New(h)
			log.Info("before")
			r.lines(transport, 1)
			if err := r.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
				t.Fatal(err)
			}
			// Far more than the socket's buffers and the queue hold.
			long := strings.Repeat("x", 250)
			begin := time.Now()
			for i := range 20_000 {
				log.Info("event", "n", i, "a", long, "b", long)
			}
			took := time.Since(begin)
			st := h.Stats()
			t.Logf("20,000 lines to a frozen %s target: %v, %+v", transport, took, st)
			if st.Dropped == 0 || st.Waiting > 1000 {
				t.Errorf("%+v", st)
			}
			if err := r.cmd.Process.Signal(syscall.SIGCONT); err != nil {
				t.Fatal(err)
			}
			r.until("the loss is told", func() bool {
				b, err := os.ReadFile(filepath.Join(r.dir, transport+".log"))
				log.Info("poke")
				return err == nil && strings.Contains(string(b), "log-dropped lines=")
			})
			h.Close(t.Context())
		})
	}
}

func TestRsyslogRestartedGetsTheLogAgain(t *testing.T) {
	r := startRsyslog(t)
	for _, transport := range []string{"local", "udp", "tcp", "tls"} {
		o := r.options(transport)
		o.Stderr = io.Discard
		h, err := New(o)
		if err != nil {
			t.Fatal(err)
		}
		log := slog.New(h)
		log.Info("before")
		r.lines(transport, 1)
		r.stop()
		log.Info("meanwhile")
		r.start()
		n := 0
		r.until("a line after the restart of rsyslogd over "+transport, func() bool {
			n++
			log.Info("after", "n", n)
			b, _ := os.ReadFile(filepath.Join(r.dir, transport+".log"))
			return strings.Contains(string(b), "after n=")
		})
		b, _ := os.ReadFile(filepath.Join(r.dir, transport+".log"))
		if (transport == "tcp" || transport == "tls") && !strings.Contains(string(b), "meanwhile") {
			t.Errorf("%s: the line written while rsyslogd was away is lost:\n%s", transport, b)
		}
		h.Close(t.Context())
	}
}
