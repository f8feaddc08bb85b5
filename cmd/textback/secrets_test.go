package main

import (
	"bufio"
	"crypto/tls"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// secretKey is one secret of the configuration: where it stands, and what it is.
type secretKey struct {
	name  string // of the file, credential and environment variable
	key   string // in its table
	value string
}

// The secrets of a configuration that has every kind. They are long and odd, so that finding one is no accident.
func everySecret() []secretKey {
	return []secretKey{
		{"ari", "password", "ari-Zq7hR2mW&x/9+%"},
		{"esl", "password", "esl-Vb4nK8xT;~q#"},
		{"smpp", "password", "sm-Pd93y"},
		{"webhook", "secret", "whsec_" + base64.StdEncoding.EncodeToString([]byte("webhook-secret-Gt5vLq8sWm"))},
		{"mail", "password", "mail-Hn6wQz3k"},
		{"token", "token", "token-Jf2rXc7pYb9d"},
		{"page", "page_password", "page-Ht6yWp3sRk"},
		{"booking", "secret", "booking-Ks8tMv4n"},
		{"dsn", "dsn", "records:db-Lw3uNb6q@tcp(127.0.0.1:1)/asteriskcdrdb"},
	}
}

// forms are the ways in which a secret could be written.
func forms(s string) []string {
	return []string{s, url.QueryEscape(s), url.PathEscape(s), base64.StdEncoding.EncodeToString([]byte(s)),
		strings.TrimRight(base64.StdEncoding.EncodeToString([]byte(s)), "="), hex.EncodeToString([]byte(s)), fmt.Sprintf("%q", s)}
}

// leaks tells which secrets stand in some bytes.
func leaks(b string, secrets []secretKey) []string {
	all := map[string][]string{
		// Parts that tell as much as the whole, and what secrets are joined into.
		"dsn's password":  forms("db-Lw3uNb6q"),
		"webhook's bytes": forms("webhook-secret-Gt5vLq8sWm"),
		"webhook's path":  {"path-Qm4xRt7w"},
		"ari, basic":      {base64.StdEncoding.EncodeToString([]byte("textback:ari-Zq7hR2mW&x/9+%"))},
		"mail, plain":     {base64.StdEncoding.EncodeToString([]byte("\x00acme\x00mail-Hn6wQz3k"))},
	}
	for _, s := range secrets {
		all[s.name] = forms(s.value)
	}
	found := contains([]byte(b), all)
	slices.Sort(found)
	return found
}

func TestLeaksAreFound(t *testing.T) {
	for _, s := range everySecret() {
		for _, f := range forms(s.value) {
			if !slices.Contains(leaks("pre"+f+"post", everySecret()), s.name) {
				t.Errorf("%s is overlooked as %s", s.name, f)
			}
		}
	}
	if got := leaks("nothing here", everySecret()); len(got) != 0 {
		t.Errorf("found %v", got)
	}
}

// hostileMail is a mail server that refuses every log-in, and says what it was given, as a careless one might.
func hostileMail(t *testing.T, cert tls.Certificate, tried *atomic.Int64) string {
	t.Helper()
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{cert}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				fmt.Fprint(c, "220 mail\r\n")
				for in := bufio.NewScanner(c); in.Scan(); {
					switch line := in.Text(); strings.ToUpper(strings.Fields(line + " x")[0]) {
					case "EHLO":
						fmt.Fprint(c, "250-mail\r\n250 AUTH PLAIN\r\n")
					case "AUTH":
						tried.Add(1)
						fmt.Fprintf(c, "535 5.7.8 no such user: %s\r\n", line)
					case "QUIT":
						fmt.Fprint(c, "221 bye\r\n")
						return
					default:
						fmt.Fprint(c, "530 log in first\r\n")
					}
				}
			}()
		}
	}()
	return l.Addr().String()
}

// logServer takes syslog over TCP.
type logServer struct {
	mu   sync.Mutex
	text strings.Builder
}

func (s *logServer) serve(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go s.accept(l)
	return l.Addr().String()
}

// accept keeps what comes on all connections.
func (s *logServer) accept(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() { _, _ = io.Copy(s, c); c.Close() }()
	}
}

func (s *logServer) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(b)
}

func (s *logServer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// Every kind of secret, handed over in every way, with peers that take it and peers that refuse it: it is nowhere but
// where it belongs.
func TestASecretIsNowhereButWhereItBelongs(t *testing.T) {
	for _, way := range []string{"inline", "file", "credential", "env"} {
		for _, right := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, accepted=%t", way, right), func(t *testing.T) { lookForSecrets(t, way, right) })
		}
	}
}

func lookForSecrets(t *testing.T, way string, right bool) {
	secrets := everySecret()
	p := passwords{secrets[0].value, secrets[1].value, secrets[2].value}
	if !right {
		p = passwords{"another-1", "another-2", "another3"}
	}
	s := newStand(t, p, nil)
	ca := newAuthority(t)
	s.write("ca.pem", string(ca.pem), 0o644)
	var mails, hooks atomic.Int64
	mail := hostileMail(t, ca.issue("127.0.0.1", time.Hour), &mails)
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		hooks.Add(1)
		if !right {
			http.Error(w, "wrong signature", http.StatusUnauthorized)
		}
	}))
	t.Cleanup(hook.Close)
	var remote logServer
	syslogAt := remote.serve(t)
	listens := [2]string{freePort(t), freePort(t)}

	// The keys of each secret, and what the process gets beside its configuration.
	var env []string
	lines := map[string]string{}
	for _, x := range secrets {
		lines[x.name] = fmt.Sprintf("%s = %q", x.key, x.value)
		switch way {
		case "file":
			s.write(x.name+".secret", x.value+"\n", 0o600)
			lines[x.name] = fmt.Sprintf("%s_file = %q", x.key, x.name+".secret")
		case "credential":
			s.write("textback."+x.name, x.value, 0o400)
			lines[x.name] = fmt.Sprintf("%s_credential = %q", x.key, "textback."+x.name)
		case "env":
			env = append(env, "TB_"+strings.ToUpper(x.name)+"="+x.value)
			lines[x.name] = fmt.Sprintf("%s_env = %q", x.key, "TB_"+strings.ToUpper(x.name))
		}
	}
	if way == "credential" {
		env = append(env, "CREDENTIALS_DIRECTORY="+s.dir)
	}
	config := s.write("textback.toml", s.toml(keys{
		top:      fmt.Sprintf("[syslog]\nto = \"tcp://%s\"\nlevel = \"debug\"\n[metrics]\nlisten = %q\n", syslogAt, listens[0]),
		asterisk: lines["ari"], freeswitch: lines["esl"], smpp: lines["smpp"],
		tables: fmt.Sprintf(`[[notify]]
name = "crm"
kind = "webhook"
events = ["*"]
url = "%s/path-Qm4xRt7w"
allow_private = true
%s
[[notify]]
name = "desk"
kind = "email"
events = ["*"]
to = ["desk@acme.example"]
from = "textback@acme.example"
server = %q
starttls = "implicit"
username = "acme"
tls_ca = "ca.pem"
%s
[http]
listen = %q
%s
%s
[[booking]]
service = "cal.com"
%s
[[records]]
pbx = "hq"
kind = "mysql"
%s
`, hook.URL, lines["webhook"], mail, lines["mail"], listens[1], lines["token"], lines["page"], lines["booking"], lines["dsn"])}), 0o600)

	check, err := s.run(env, "check", "--config", config)
	if err != nil {
		t.Fatalf("check: %v\n%s", err, check)
	}
	seen := map[string]string{"check": check}
	daemon := s.start(env, "textback", "run", "--config", config)
	pid := daemon.cmd.Process.Pid
	client := func(args ...string) {
		out, err := s.run(nil, append(args, "--config", config)...)
		if way == "inline" || way == "file" {
			if err != nil {
				t.Errorf("%v: %v %s", args, err, out)
			}
		}
		seen[strings.Join(args, " ")] = out
	}
	control := filepath.Join(s.dir, "control.sock")
	verb := func(verb, args string) { seen["socket "+verb] = ask(t, control, verb, args) }
	if right {
		await(t, "the links", func() bool { return s.asterisk.Connected("textback") && s.smsc.Bound() > 0 })
		await(t, "the read-back", func() bool { return strings.Count(remote.String(), "pbx-up") >= 2 })
		s.miss("+12025550123")
		await(t, "a text, a webhook and a mail", func() bool { return s.texted("+12025550123") == 1 && hooks.Load() > 0 && mails.Load() > 0 })
	} else {
		for _, id := range []string{"smpp-refused", "pbx-credentials pbx=hq", "pbx-credentials pbx=branch"} {
			await(t, id, func() bool { return strings.Contains(remote.String(), id) })
		}
		verb("optout-add", `{"number": "+12025550123"}`) // an event for the hand-offs
		await(t, "a webhook and a mail", func() bool { return hooks.Load() > 0 && mails.Load() > 0 })
		for _, path := range []string{"/hooks/cal.com", "/threads/1/reply"} {
			resp, err := http.Post("http://"+listens[1]+path, "application/json", strings.NewReader("{}"))
			if err != nil {
				t.Fatal(err)
			}
			body, _ := io.ReadAll(resp.Body)
			resp.Body.Close()
			if resp.StatusCode != http.StatusUnauthorized {
				t.Errorf("%s: %d", path, resp.StatusCode)
			}
			seen["answer of "+path] = fmt.Sprint(resp.Header, string(body))
		}
	}
	await(t, "what came of the hand-offs", func() bool { return strings.Contains(remote.String(), "535") })

	for _, v := range [][2]string{{"status", "null"}, {"explain", `{"what": "+12025550123"}`}, {"optout-list", "null"}, {"threads", "{}"},
		{"verify", "null"}, {"nonsense", "{}"}, {"explain", `{"whot": 1}`}, {"optout-export", "null"}, {"reload", "null"}, {"copy", "null"}} {
		verb(v[0], v[1])
	}
	client("status")
	client("status", "--json")
	client("check", "--json")
	client("pack")
	client("pack", "--json")
	backup := filepath.Join(s.dir, "copy.db")
	verb("backup", fmt.Sprintf(`{"path": %q}`, backup))
	for _, f := range []string{backup, filepath.Join(s.dir, "state.db")} {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		seen[f] = string(b)
	}
	resp, err := http.Get("http://" + listens[0] + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	metrics, _ := io.ReadAll(resp.Body)
	resp.Body.Close()
	if !strings.Contains(string(metrics), "textback_build_info") {
		t.Errorf("no metrics: %.200s", metrics)
	}
	seen["metrics"] = string(metrics)
	for _, x := range secrets {
		// Each secret but one is a wrong password of the page, which it must not say back either.
		resp, err := http.PostForm("http://"+listens[1]+"/ui/login", url.Values{"person": {"Ann"}, "password": {x.value}})
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		seen["log-in with "+x.name] = fmt.Sprint(resp.Header, string(body))
	}
	for _, f := range []string{"cmdline", "comm", "status", "environ"} {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, f))
		if err != nil {
			t.Fatal(err)
		}
		if f == "environ" && way == "env" {
			// There it stands for as long as the process runs: the kernel shows it to the same user and to root alone.
			info, err := os.Stat(fmt.Sprintf("/proc/%d/environ", pid))
			if err != nil || info.Mode().Perm()&0o077 != 0 {
				t.Errorf("the environment is %v (%v)", info.Mode(), err)
			}
			continue
		}
		seen["/proc "+f] = string(b)
	}
	// A broken secret at reload, and the dump of all goroutines.
	s.write("textback.toml", strings.Replace(readBack(t, config), "[[booking]]\nservice = \"cal.com\"\n", "[[booking]]\nservice = \"cal.com\"\nsecret_file = \"textback.toml\"\n", 1), 0o600)
	if err := daemon.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	await(t, "the reload to fail", func() bool { return strings.Contains(remote.String(), "reload-failed") })
	daemon.stop(syscall.SIGQUIT)
	seen["stderr"] = daemon.output()
	seen["log"] = remote.String()
	if !strings.Contains(seen["stderr"], "goroutine 1") {
		t.Errorf("no dump: %.300s", seen["stderr"])
	}
	for where, text := range seen {
		if text == "" && where != "stderr" {
			t.Errorf("%s: nothing was looked at", where)
		}
		if found := leaks(text, secrets); len(found) > 0 {
			t.Errorf("%s shows %v", where, found)
		}
	}
}

func readBack(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// ask sends a request to the control socket and gives the whole answer as it is on the wire.
func ask(t *testing.T, socket, verb, args string) string {
	t.Helper()
	c, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprintf(c, "POST /v1/%s HTTP/1.1\r\nHost: textback\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s", verb, len(args), args)
	b, err := io.ReadAll(c)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// freePort is an address on loopback where nobody listened a moment ago.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// Mistakes with secrets are told without the secret.
func TestAWrongSecretIsNotShownByTheErrorAboutIt(t *testing.T) {
	const value = "hunter2-Xy7zQw9v"
	s := newStand(t, passwords{"a", "b", "c"}, nil)
	for name, line := range map[string]string{
		"a number":            "password = 72718293001",
		"not closed":          `password = "` + value,
		"an unknown escape":   `password = "` + value + `\q"`,
		"a list":              `password = ["` + value + `"]`,
		"twice":               "password = \"" + value + "\"\npassword = \"" + value + "\"",
		"two keys":            "password = \"" + value + "\"\npassword_file = \"x\"",
		"letters":             `password = "` + value + `é"`,
		"too long":            `password = "` + strings.Repeat(value, 5) + `"`,
		"the key is misspelt": `pasword = "` + value + `"`,
		"no quotes":           "password = " + value,
		"in password_env":     `password_env = "` + value + `"`,
		"a control character": "password = \"" + value + "\x01\"",
	} {
		config := s.write("textback.toml", s.toml(keys{asterisk: `password = "x"`, freeswitch: `password = "x"`, smpp: line}), 0o600)
		for _, verb := range []string{"check", "run"} {
			out, err := s.run(nil, verb, "--config", config)
			if err == nil || !strings.Contains(out, "textback.toml:") {
				t.Errorf("%s: not refused with its place: %v %s", name, err, out)
			}
			if strings.Contains(out, value) || strings.Contains(out, "72718293001") {
				t.Errorf("%s: %s shows it:\n%s", name, verb, out)
			}
		}
	}
}
