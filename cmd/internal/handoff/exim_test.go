package handoff

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

const eximConf = `
local_interfaces = 127.0.0.1
daemon_smtp_ports = PORT
keep_environment =
primary_hostname = mail.acme.example
spool_directory = DIR/spool
log_file_path = DIR/%slog
pid_file_path = DIR/pid
tls_advertise_hosts = *
tls_certificate = DIR/cert.pem
tls_privatekey = DIR/key.pem
acl_smtp_rcpt = rcpt
acl_smtp_data = accept
begin acl
rcpt:
  deny message = no such user
    local_parts = gone
  defer message = come back later
    local_parts = later
  deny message = log in first
    !authenticated = *
  accept domains = acme.example
  deny message = no relaying
begin routers
mailbox:
  driver = accept
  transport = mailbox
begin transports
mailbox:
  driver = appendfile
  file = DIR/mail/box
  envelope_to_add
  user = USER
begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_advertise_condition = ${if def:tls_in_cipher}
  server_condition = ${if and{{eq{$auth2}{tb}}{eq{$auth3}{topsecret}}}}
  server_set_id = $auth2
`

// startExim runs a real mail server that files what it takes under DIR/mail.
func startExim(t *testing.T) (addr, dir string, roots *x509.CertPool) {
	t.Helper()
	if os.Getenv("TEXTBACK_MAIL") == "" {
		t.Skip("set TEXTBACK_MAIL=1 to run against a real exim4 (.ci/mail/install.sh)")
	}
	dir, err := os.MkdirTemp("", "tb-exim")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	u, err := user.Lookup("Debian-exim")
	if err != nil {
		t.Fatal(err)
	}
	uid, _ := strconv.Atoi(u.Uid)
	gid, _ := strconv.Atoi(u.Gid)
	// The certificate of the small server serves here too.
	small := &smtpServer{t: t}
	small.certificate()
	cert := small.conf.Certificates[0]
	key, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{
		"cert.pem": string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Certificate[0]})),
		"key.pem":  string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})),
		"conf":     strings.NewReplacer("DIR", dir, "PORT", fmt.Sprint(port), "USER", u.Username).Replace(eximConf),
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, d := range []string{"spool", "mail"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o750); err != nil {
			t.Fatal(err)
		}
	}
	err = filepath.Walk(dir, func(path string, _ os.FileInfo, err error) error {
		if err != nil || strings.HasSuffix(path, "conf") { // exim trusts a configuration of root's only
			return err
		}
		return os.Chown(path, uid, gid)
	})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("exim4", "-C", dir+"/conf", "-bdf")
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
		if t.Failed() {
			b, _ := os.ReadFile(dir + "/mainlog")
			t.Logf("exim's log:\n%s", b)
		}
	})
	addr = fmt.Sprintf("localhost:%d", port)
	waitFor(t, "exim listens", func() bool {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	return addr, dir, small.roots
}

// waitFor waits for something that another process does.
func waitFor(t *testing.T, what string, done func() bool) {
	t.Helper()
	for range 600 {
		if done() {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("not within 30 s: %s", what)
}

func TestEximDeliversTheConversation(t *testing.T) {
	addr, dir, roots := startExim(t)
	options := MailOptions{Server: addr, TLS: &tls.Config{RootCAs: roots}, From: "textback@pbx.example",
		To: []string{"ann@acme.example", "gone@acme.example"}, Username: "tb", Password: "topsecret"}
	m, err := NewMail(options)
	if err != nil {
		t.Fatal(err)
	}
	mailbox := func() string {
		b, _ := os.ReadFile(dir + "/mail/box")
		return string(b)
	}
	for i := range 2 {
		d := testReply(t)
		d.ID, d.Thread, d.Lead = fmt.Sprintf("msg_%d", i), testThread(), "Grüße\n.\nFrom here: 北 🎉"
		res, err := m.Send(t.Context(), d)
		if err != nil || !res.Delivered || !strings.HasPrefix(res.Note, "refused for gone@acme.example: ") {
			t.Fatalf("%+v, %v", res, err)
		}
	}
	waitFor(t, "two mails in the mailbox", func() bool { return strings.Count(mailbox(), "Message-ID: <msg_") == 2 })
	_, first, _ := strings.Cut(mailbox(), "\n")
	first, _, _ = strings.Cut(first, "\nFrom textback@pbx.example ")
	h, body := parseMail(t, strings.ReplaceAll(first, "\n>From ", "\nFrom ")) // as every reader of an mbox undoes it
	if !strings.HasPrefix(body, "Grüße\n.\nFrom here: 北 🎉\n\nThe conversation:\n") || !strings.Contains(body, "> My sink leaks\n") ||
		h.Get("References") != "<textback-thread-17-acme@pbx.example>" || h.Get("Envelope-To") != "ann@acme.example" ||
		!strings.Contains(h.Get("Received"), "(TLS1.") || !strings.Contains(h.Get("Received"), " with esmtpsa ") {
		t.Errorf("headers %v\nbody:\n%s", h, body)
	}

	for name, tt := range map[string]struct {
		change    func(*MailOptions)
		permanent bool
		words     string
	}{
		"nobody there":   {func(o *MailOptions) { o.To = []string{"gone@acme.example"} }, true, `550 "no such user"`},
		"later":          {func(o *MailOptions) { o.To = []string{"later@acme.example"} }, false, `451 "come back later"`},
		"wrong password": {func(o *MailOptions) { o.Password = "wrongsecret" }, false, "535"},
		"no log-in":      {func(o *MailOptions) { o.Username = "" }, true, `550 "log in first"`},
		"in the clear":   {func(o *MailOptions) { o.StartTLS = StartTLSNever }, false, "AUTH"},
		"not our CA":     {func(o *MailOptions) { o.TLS = nil }, false, "certificate"},
		"nobody listens": {func(o *MailOptions) { o.Server = "localhost:1" }, false, "refused"},
	} {
		o := options
		tt.change(&o)
		m, err := NewMail(o)
		if err != nil {
			t.Fatal(err)
		}
		res, err := m.Send(t.Context(), testReply(t))
		if err == nil || res.Delivered || res.Permanent != tt.permanent || !strings.Contains(err.Error(), tt.words) ||
			strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %+v, %v; want %q", name, res, err, tt.words)
		}
	}
	if n := strings.Count(mailbox(), "Message-ID: <msg_"); n != 2 {
		t.Errorf("%d mails in the end", n)
	}
}
