package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/pelletier/go-toml/v2"
	"golang.org/x/sys/unix"

	"textback/ari/aritest"
	"textback/configs"
	"textback/esl/esltest"
	"textback/smpp/smpptest"
)

const (
	initPBXPassword  = "pbx-secret-of-init"
	initSMPPPassword = "smpp-sec"
)

// initStand is what init looks at: an Asterisk with a trunk and a phone, a FreeSWITCH with two numbers, and a message
// centre.
type initStand struct {
	*stand
	config string
}

func newInitStand(t *testing.T) *initStand {
	t.Helper()
	s := &initStand{stand: &stand{t: t, dir: shortDir(t)}}
	s.asterisk = aritest.New(aritest.Options{Username: "textback", Password: initPBXPassword, ReadOnly: true,
		NoInfo: true, WriteTimeout: 5 * time.Second, Resources: map[string]string{
			"/asterisk/info": `{"system":{"version":"22.10.1"},"status":{"startup_time":"2026-11-24T02:40:00.000+0000"}}`,
			"/endpoints":     `[{"technology":"PJSIP","resource":"carrier"},{"technology":"PJSIP","resource":"100"},{"technology":"PJSIP","resource":"x\u001b[31m"}]`,
			"/asterisk/config/dynamic/res_pjsip/endpoint/carrier":   `[{"attribute":"context","value":"from-trunk"}]`,
			"/asterisk/config/dynamic/res_pjsip/endpoint/100":       `[{"attribute":"context","value":"from-internal"},{"attribute":"auth","value":"100"}]`,
			"/asterisk/config/dynamic/res_pjsip/endpoint/x\x1b[31m": `[{"attribute":"context","value":"bad\u001b[2J\u202e"}]`,
		}})
	s.freesw = esltest.New(esltest.Options{Password: initPBXPassword, API: map[string]string{
		"sofia xmlstatus":                         `<profiles><profile><name>external</name><type>profile</type></profile></profiles>`,
		"sofia xmlstatus profile external":        `<profile><profile-info><context>public</context></profile-info></profile>`,
		"xml_locate dialplan context name public": `<context><condition field="destination_number" expression="^\+?1?(2025550100)$"/><condition field="destination_number" expression="^\+?1?(2025550101)$"/></context>`,
	}})
	s.smsc = smpptest.New(smpptest.Options{SystemID: "acme", Password: initSMPPPassword, NoFates: true})
	s.ari = s.listen(nil, func(l net.Listener) { _ = s.asterisk.Serve(l) })
	s.esl = s.listen(nil, func(l net.Listener) { _ = s.freesw.Serve(l) })
	s.smpp = s.listen(nil, func(l net.Listener) { _ = s.smsc.Serve(l) })
	t.Cleanup(func() { s.asterisk.Close(); s.freesw.Close(); s.smsc.Close() })
	s.config = filepath.Join(s.dir, "etc", "textback.toml")
	return s
}

// shortDir is a folder with a short name: the path of a socket has at most 107 bytes (unix(7)).
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "tb")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// answers are a file of them; change overrides and adds.
func (s *initStand) answers(change map[string]string) string {
	s.t.Helper()
	_, port, err := net.SplitHostPort(s.smpp)
	if err != nil {
		s.t.Fatal(err)
	}
	all := map[string]string{
		"pbx_kind": "asterisk", "pbx_address": "http://" + s.ari + "/ari", "pbx_password_file": s.write("pbx",
			initPBXPassword+"\n", 0o600),
		"business": `Acme "Best" Plumbing`, "country": "us", "timezone": "America/New_York", "hours": "Mon-Fri 08:00-17:30, Sat 09:00-12:00",
		"lines": "(202) 555-0100, +12025550101", "mobile": "+12025550177", "staff": "+12025550178",
		"smpp_host": "127.0.0.1", "smpp_port": port, "smpp_system_id": "acme", "smpp_password_file": s.write("smpp",
			initSMPPPassword+"\n", 0o600),
		"state": filepath.Join(s.dir, "state.db"), "control": filepath.Join(s.dir, "control.sock"),
	}
	for k, v := range change {
		all[k] = v
	}
	var b strings.Builder
	for k, v := range all {
		fmt.Fprintf(&b, "%s = %s\n", k, tomlString(v))
	}
	return s.write("answers.toml", b.String(), 0o600)
}

// left are the files that there are under the folder that init writes into.
func (s *initStand) left() (files []string) {
	_ = filepath.Walk(filepath.Dir(s.config), func(path string, info os.FileInfo, err error) error {
		if err == nil && !info.IsDir() {
			files = append(files, strings.TrimPrefix(path, filepath.Dir(s.config)))
		}
		return nil
	})
	return files
}

func TestInitWritesAConfigurationThatTheDaemonRunsWith(t *testing.T) {
	s := newInitStand(t)
	out, err := s.run(nil, "init", "--config", s.config, "--answers", s.answers(nil))
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{"Connected: Asterisk 22.10.1", "account reads only, which is enough", "from-trunk",
		"Bound as acme", "/etc/asterisk/ari.conf", "[textback]", "bindport", "shadow mode"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not told:\n%s", want, out)
		}
	}
	if strings.Contains(out, initPBXPassword) || strings.Contains(out, initSMPPPassword) || strings.ContainsAny(out,
		"\x1b\u202e") {
		t.Errorf("a secret, or what moves a cursor, is shown:\n%q", out)
	}
	cfg, err := configs.Load(s.config)
	if err != nil {
		t.Fatal(strings.Join(configs.Lines(err), "\n"))
	}
	if len(cfg.Set.Lines) != 2 || cfg.Set.Lines[0].Number != "+12025550100" || !cfg.Set.Lines[0].Policy.Shadow ||
		cfg.PBXs[0].Password.Reveal() != initPBXPassword ||
		cfg.Set.Businesses["main"].Name != `Acme "Best" Plumbing` || !strings.Contains(strings.Join(cfg.PBXs[0].Inbound,
		" "), "from-trunk") {
		t.Errorf("%+v", cfg.PBXs[0])
	}
	for _, f := range []string{"textback.toml", "textback.secrets/ari.password", "textback.secrets/smpp.password"} {
		info, err := os.Stat(filepath.Join(filepath.Dir(s.config), f))
		if err != nil {
			t.Fatal(err)
		}
		want := os.FileMode(0o600) // only root, and members of the daemon's group, can let that group read
		if _, ok := daemonGroup(); ok || os.Getuid() == 0 {
			want = 0o640
		}
		if got := info.Mode().Perm(); got&^want != 0 || os.Getuid() == 0 && got != want {
			t.Errorf("%s: mode %o, want %o", f, got, want)
		}
	}
	if text, err := os.ReadFile(s.config); err != nil || strings.Contains(string(text), initPBXPassword) ||
		strings.Contains(string(text), initSMPPPassword) {
		t.Errorf("the configuration holds a secret, or is not there: %v", err)
	}
	if out, err := s.run(nil, "check", s.config); err != nil || !strings.Contains(out, "ok: 1 pbx") {
		t.Errorf("check: %v\n%s", err, out)
	}
	daemon := s.start(nil, "textback", "run", "--config", s.config)
	await(t, "its links", func() bool {
		out, _ := s.run(nil, "status", "--config", s.config)
		return strings.Count(out, " up ") == 2
	})
	daemon.stop(syscall.SIGTERM)

	// A second time it replaces nothing, and asks for nothing before it says so.
	out, err = s.run(nil, "init", "--config", s.config, "--answers", s.answers(map[string]string{"business": "Other"}))
	if err == nil || !strings.Contains(out, "exists already") || !strings.Contains(out, "--force") ||
		strings.Contains(out, "Trying") {
		t.Errorf("%v\n%s", err, out)
	}
	if out, err = s.run(nil, "init", "--force", "--config", s.config, "--answers",
		s.answers(map[string]string{"business": "Other"})); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	if text, _ := os.ReadFile(s.config); !strings.Contains(string(text), `"Other"`) {
		t.Errorf("--force replaced nothing:\n%s", text)
	}
	if text, err := os.ReadFile(s.config + ".old"); err != nil || !strings.Contains(string(text),
		`"Acme \"Best\" Plumbing"`) {
		t.Errorf("the old one was not kept: %v\n%s", err, text)
	}
	if cfg, err := configs.Load(s.config); err != nil || cfg.Set.Businesses["main"].Name != "Other" {
		t.Errorf("%v", err)
	}

	// A person is asked, before anything else.
	x := newTerminal(t, "init", "--config", s.config)
	x.answer("Replace it", "\n")
	if err := x.wait(); err == nil || !strings.Contains(x.shown(), "exists already") {
		t.Errorf("%v\n%s", err, x.shown())
	}
}

func TestInitFindsTheNumbersOfAFreeSWITCHInItsDialplan(t *testing.T) {
	for kind, want := range map[string]string{"freeswitch": "event_socket.conf.xml",
		"fusionpbx": "/etc/fusionpbx/config.conf"} {
		s := newInitStand(t)
		out, err := s.run(nil, "init", "--print", "--config", s.config, "--answers",
			s.answers(map[string]string{"pbx_kind": kind, "pbx_address": s.esl, "lines": ""}))
		if err != nil || !strings.Contains(out, "Connected: FreeSWITCH 1.10.12") || !strings.Contains(out,
			`number   = "+12025550101"`) || !strings.Contains(out, want) {
			t.Errorf("%s: %v\n%s", kind, err, out)
		}
		if len(s.left()) > 0 {
			t.Errorf("--print wrote %v", s.left())
		}
	}
}

func TestInitSaysWhatIsWrongAndWritesNothing(t *testing.T) {
	for name, x := range map[string]struct {
		change map[string]string
		want   string
	}{
		"a wrong password":            {map[string]string{"pbx_password_file": "/dev/null"}, "this is needed"},
		"a wrong user":                {map[string]string{"pbx_username": "nobody"}, "ari show users"},
		"a PBX that is not there":     {map[string]string{"pbx_address": "http://127.0.0.1:1"}, "nobody listens"},
		"a wrong carrier's account":   {map[string]string{"smpp_system_id": "other"}, "refuses the bind"},
		"a country that is none":      {map[string]string{"country": "England"}, "two letters"},
		"the United Kingdom":          {map[string]string{"country": "UK"}, "GB"},
		"a country of no numbers":     {map[string]string{"country": "XX"}, "XX is no country that has telephone numbers"},
		"a time zone that is none":    {map[string]string{"timezone": "EST"}, "America/New_York"},
		"a line that is no number":    {map[string]string{"lines": "100"}, `"100" is not a number of US`},
		"a name with a control":       {map[string]string{"business": "Acme\x1b[2J"}, "control character"},
		"a name with a template":      {map[string]string{"business": "{{.Secret}}"}, "without {{"},
		"a question that nobody asks": {map[string]string{"pbx_adress": "x"}, "there is no question pbx_adress"},
		"hours that are none":         {map[string]string{"hours": "always"}, "nothing was written"},
		"a kind that is none":         {map[string]string{"pbx_kind": "3cx"}, "freepbx, asterisk"},
		"records of another kind":     {map[string]string{"records": "/etc/hostname"}, "does not look like call records"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newInitStand(t)
			out, err := s.run(nil, "init", "--config", s.config, "--answers", s.answers(x.change))
			if err == nil || !strings.Contains(out, x.want) {
				t.Errorf("%v\n%s", err, out)
			}
			if strings.Contains(out, initPBXPassword) || len(s.left()) > 0 {
				t.Errorf("left behind: %v\n%s", s.left(), out)
			}
		})
	}
}

// terminal runs textback at a terminal of its own.
type terminal struct {
	t      *testing.T
	master *os.File
	cmd    *exec.Cmd
	ended  chan error
	from   int // what was seen up to the last answer

	mu   sync.Mutex
	seen strings.Builder
}

func newTerminal(t *testing.T, args ...string) *terminal {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("there are no pseudo-terminals here: %v", err)
	}
	t.Cleanup(func() { master.Close() })
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Skipf("there are no pseudo-terminals here: %v", err)
	}
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("there are no pseudo-terminals here: %v", err)
	}
	defer slave.Close()
	x := &terminal{t: t, master: master, cmd: exec.Command("textback", args...), ended: make(chan error, 1)}
	x.cmd.Stdin, x.cmd.Stdout, x.cmd.Stderr = slave, slave, slave
	x.cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "TZ=America/New_York"}
	x.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := x.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		b := make([]byte, 4096)
		for {
			n, err := master.Read(b)
			x.mu.Lock()
			x.seen.Write(b[:n])
			x.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	go func() { x.ended <- x.cmd.Wait() }()
	t.Cleanup(func() { _ = x.cmd.Process.Kill() })
	return x
}

func (x *terminal) shown() string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.seen.String()
}

// answer waits for a question and types the answer to it.
func (x *terminal) answer(question, typed string) {
	x.t.Helper()
	deadline := time.After(standBound)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		s := x.shown()
		if i := strings.LastIndex(s, question); i >= x.from && strings.HasSuffix(s, ": ") {
			x.from = len(s)
			break
		}
		select {
		case <-tick.C:
		case err := <-x.ended:
			x.t.Fatalf("it ended (%v) before %q was asked:\n%s", err, question, x.shown())
		case <-deadline:
			x.t.Fatalf("%q was not asked:\n%s", question, x.shown())
		}
	}
	if _, err := io.WriteString(x.master, typed); err != nil {
		x.t.Fatal(err)
	}
}

func (x *terminal) wait() error {
	x.t.Helper()
	select {
	case err := <-x.ended:
		return err
	case <-time.After(standBound):
		x.t.Fatalf("it did not end:\n%s", x.shown())
		return nil
	}
}

func TestAtATerminalPasswordsAreNotEchoedAndMistakesAreAskedAgain(t *testing.T) {
	s := newInitStand(t)
	_, port, err := net.SplitHostPort(s.smpp)
	if err != nil {
		t.Fatal(err)
	}
	x := newTerminal(t, "init", "--config", s.config)
	x.answer("Kind of PBX", "3cx\n")
	x.answer("write one of: freepbx", "2\n")
	x.answer("A name for it", "\n")
	x.answer("URL of ARI", "http://"+s.ari+"\n")
	x.answer("User of ari.conf", "\n")
	x.answer("Its password", "wrong-"+initPBXPassword+"\n")
	x.answer("1 retry   2 change", "2\n")
	x.answer("URL of ARI", "\n")
	x.answer("User of ari.conf", "\n")
	x.answer("Its password", initPBXPassword+"\n")
	x.answer("Watch for a call", "y\n")
	await(t, "watching", func() bool { return strings.Contains(x.shown(), "Call one of your lines") })
	s.miss("+12025550144")
	await(t, "the call", func() bool { return strings.Contains(x.shown(), "context from-trunk  dialled +15550100") })
	if _, err := io.WriteString(x.master, "\n"); err != nil {
		t.Fatal(err)
	}
	x.answer("Call records file", "\n")
	x.answer("Contexts in which", "\n")
	x.answer("Name of the business", "Acme Plumbing\n")
	x.answer("Country", "US\n")
	x.answer("Time zone [America/New_York]", "\n")
	x.answer("Opening hours", "\n")
	x.answer("Lines:", "12\n")
	x.answer("is not a number of US", "2025550100\n")
	x.answer("call back", "\n")
	x.answer("The text", "\n")
	x.answer("Your mobile", "+12025550177\n")
	x.answer("who answers replies", "\n")
	x.answer("SMPP host", "127.0.0.1\n")
	x.answer("With TLS", "\n")
	x.answer("SMPP port", port+"\n")
	x.answer("system_id", "acme\n")
	x.answer("Its password", initSMPPPassword+"\n")
	x.answer("Sender of the texts", "\n")
	x.answer("Write them", "\n")
	if err := x.wait(); err != nil {
		t.Fatalf("%v\n%s", err, x.shown())
	}
	if shown := x.shown(); strings.Contains(shown, initPBXPassword) || strings.Contains(shown, initSMPPPassword) ||
		!strings.Contains(shown, "refuses the user") {
		t.Errorf("a password was shown, or the wrong one not told:\n%s", shown)
	}
	if out, err := s.run(nil, "check", s.config); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestAnInterruptedInitLeavesNothing(t *testing.T) {
	for name, last := range map[string]string{"Ctrl-C": "\x03", "Ctrl-D": "\x04"} {
		s := newInitStand(t)
		x := newTerminal(t, "init", "--config", s.config)
		x.answer("Kind of PBX", "2\n")
		x.answer("A name for it", "\n")
		x.answer("URL of ARI", "http://"+s.ari+"\n")
		x.answer("User of ari.conf", "\n")
		x.answer("Its password", last)
		if err := x.wait(); err == nil {
			t.Errorf("%s: it ended well", name)
		}
		await(t, "the last words", func() bool { return strings.Contains(x.shown(), "nothing was written") })
		if len(s.left()) > 0 {
			t.Errorf("%s left %v", name, s.left())
		}
		flags, err := unix.IoctlGetTermios(int(x.master.Fd()), unix.TCGETS)
		if err != nil || flags.Lflag&unix.ECHO == 0 {
			t.Errorf("%s: the terminal's echo is off: %v", name, err)
		}
	}
}

// TestAPasswordThatInitMadeIsShownAsItsHashOnly: Enter makes one; the PBX gets the hash, the file the password.
func TestAPasswordThatInitMadeIsShownAsItsHashOnly(t *testing.T) {
	s := newInitStand(t)
	x := newTerminal(t, "init", "--config", s.config, "--no-connect")
	for _, a := range [][2]string{{"Kind of PBX", "1"}, {"A name for it", ""}, {"URL of ARI", ""}, {"User of ari.conf",
		""}, {"Its password", ""}, {"Enter when it is there", ""},
		{"Call records file", ""}, {"Contexts in which", ""}, {"Name of the business", "Acme"}, {"Country",
			"US"}, {"Time zone", ""}, {"Opening hours", ""}, {"Lines:", "2025550100"},
		{"call back", ""}, {"The text", ""}, {"Your mobile", ""}, {"who answers replies", ""}, {"SMPP host",
			"smsc.example.net"}, {"With TLS", "y"}, {"SMPP port", ""}, {"system_id", "acme"},
		{"Its password", initSMPPPassword}, {"Sender of the texts", ""}, {"Write them", ""}} {
		x.answer(a[0], a[1]+"\n")
	}
	if err := x.wait(); err != nil {
		t.Fatalf("%v\n%s", err, x.shown())
	}
	made := strings.TrimSpace(read(t, filepath.Join(filepath.Dir(s.config), "textback.secrets", "ari.password")))
	hash := regexp.MustCompile(`password = (\$6\$[./0-9A-Za-z]{16}\$[./0-9A-Za-z]{86})`).FindStringSubmatch(x.shown())
	if len(made) != 26 || hash == nil || strings.Contains(x.shown(), made) {
		t.Fatalf("%d characters, hash %v\n%s", len(made), hash, x.shown())
	}
	if cryptSHA512(made, strings.Split(hash[1], "$")[2]) != hash[1] {
		t.Error("the hash is of another password")
	}
	if text := read(t, s.config); !strings.Contains(text, "tls           = true") || !strings.Contains(text,
		`smsc.example.net:3550`) {
		t.Error(text)
	}
}

// TestHashesAreThoseOfCrypt: computed by `openssl passwd -6`.
func TestHashesAreThoseOfCrypt(t *testing.T) {
	for _, x := range []struct{ password, salt, want string }{
		{"Hello world!", "saltstring",
			"svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1"},
		{"x", "saltstring", "nk7Qohr7tOmwY2mX639VRP.Lyvj3uhcgpatqHuLC867qfSHKq1LDuKa/h7Es9Nv0aL08pbF.cnQlRqhaoKT/D."},
		{"a-long-password-of-more-than-sixty-four-bytes-so-that-the-digest-is-repeated-0123456789", "saltstring",
			"1AlicuW3S6Se6wtuNzU88OfAo6NTJUcufilQWM9B47mt6sJuBmZ8MRgmw.Bneejj2ijSgAGJpeTBKb4joGa5G/"},
		{"pä", "0123456789abcdef",
			"9f.eqiQ36TTVkt6eISj4i7MptSmRnLS.wyUw.iwMrheMX1Oszyf9100Se/n9UPj1owPjlwu2f0zlsobx24hS0."},
	} {
		if got := cryptSHA512(x.password, x.salt); got != "$6$"+x.salt+"$"+x.want {
			t.Errorf("%q: %s", x.password, got)
		}
	}
}

func TestFilesAreWrittenWholeOrNotAtAll(t *testing.T) {
	dir := t.TempDir()
	a, b := filepath.Join(dir, "secrets", "a"), filepath.Join(dir, "b")
	if err := os.WriteFile(b, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := writeAll([]newFile{{a, "one"}, {b, "two"}}, false); err == nil || !strings.Contains(err.Error(),
		"--force") {
		t.Errorf("%v", err)
	}
	if text, err := os.ReadFile(b); err != nil || string(text) != "mine" {
		t.Errorf("%q, %v", text, err)
	}
	left, err := filepath.Glob(filepath.Join(dir, "secrets", "*"))
	if hidden, _ := filepath.Glob(filepath.Join(dir, ".textback*")); err != nil || len(left)+len(hidden) > 0 {
		t.Errorf("left %v %v", left, hidden)
	}
	if err := writeAll([]newFile{{a, "one"}, {b, "two"}}, true); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(b); err != nil || string(text) != "two" {
		t.Errorf("%q, %v", text, err)
	}
}

func FuzzTOMLString(f *testing.F) {
	f.Add(`Acme "Best" \ Plumbing`)
	f.Add("a\u202eb\x00\x1b\u2028")
	f.Fuzz(func(t *testing.T, s string) {
		s = strings.ToValidUTF8(s, "")
		var got struct{ K string }
		if err := unmarshalTOML("K = "+tomlString(s), &got); err != nil || got.K != s {
			t.Errorf("%q became %q: %v", s, got.K, err)
		}
	})
}

func unmarshalTOML(text string, into any) error { return toml.Unmarshal([]byte(text), into) }

// TestTheRecordsTellNumbersAndWhatWouldHaveBeenTexted: two calls of yesterday from outside, one answered, and one call
// between phones.
func TestTheRecordsTellNumbersAndWhatWouldHaveBeenTexted(t *testing.T) {
	s := newInitStand(t)
	row := func(caller, dialled, where, channel, peer, answer, billsec, disposition, id string) string {
		day := time.Now().Add(-24 * time.Hour).UTC().Format(time.DateOnly)
		if answer != "" {
			answer = day + " " + answer
		}
		return fmt.Sprintf(`"","%s","%s","%s","""X"" <%s>","%s","%s","Dial","PJSIP/100,20","%s 15:00:00","%s","%s 15:00:20",20,%s,"%s","DOCUMENTATION","%s"`+"\n",
			caller, dialled, where, caller, channel, peer, day, answer, day, billsec, disposition, id)
	}
	records := s.write("Master.csv", row("+12025550144", "+12025550100", "from-trunk", "PJSIP/carrier-00000000",
		"PJSIP/100-00000001", "", "0", "NO ANSWER", "1.1")+
		row("+12025550145", "+12025550101", "from-trunk", "PJSIP/carrier-00000002", "PJSIP/100-00000003", "15:00:05",
			"15", "ANSWERED", "2.1")+
		row("101", "100", "from-internal", "PJSIP/101-00000004", "PJSIP/100-00000005", "", "0", "NO ANSWER",
			"3.1"), 0o600)
	out, err := s.run(nil, "init", "--config", s.config, "--answers", s.answers(map[string]string{"records": records,
		"lines": ""}))
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{"Numbers that were found: +12025550100, +12025550101",
		"2 calls from outside on hq: 1 answered, 1 missed", "1 would have been texted"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not told:\n%s", want, out)
		}
	}
	if strings.Contains(out, "\"100\"") {
		t.Errorf("a phone is a line:\n%s", out)
	}
}

// TestAFolderOfJSONRecordsIsReadAsTheDaemonWill: one file a leg, as mod_json_cdr writes them; the folder becomes [[records]].
func TestAFolderOfJSONRecordsIsReadAsTheDaemonWill(t *testing.T) {
	s := newInitStand(t)
	folder := filepath.Join(s.dir, "json_cdr")
	if err := os.Mkdir(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	begin := time.Now().Add(-24 * time.Hour)
	leg := fmt.Sprintf(`{"channel_data":{"direction":"inbound"},"variables":{"uuid":"5b2e14e0-997c-4daf-bc1e-dcc795f9dc31","start_epoch":"%d",
		"end_epoch":"%d","duration":"20","billsec":"0","hangup_cause":"NO_ANSWER","sip_hangup_disposition":"recv_cancel"},
		"callflow":[{"caller_profile":{"context":"public","destination_number":"12025550107","caller_id_number":"+12025550144",
		"chan_name":"sofia/external/x"},"times":{}}]}`, begin.Unix(), begin.Unix()+20)
	if err := os.WriteFile(filepath.Join(folder, "a_5b2e14e0.cdr.json"), []byte(leg), 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := s.run(nil, "init", "--config", s.config, "--answers", s.answers(map[string]string{"pbx_kind": "freeswitch",
		"pbx_address": s.esl, "records": folder, "lines": ""}))
	if err != nil || !strings.Contains(out, "+12025550107") || !strings.Contains(out, "1 calls from outside on hq") {
		t.Errorf("%v\n%s", err, out)
	}
	if text := read(t, s.config); !strings.Contains(text, `kind = "json-cdr"`) || !strings.Contains(text, folder) {
		t.Error(text)
	}
	empty := filepath.Join(s.dir, "empty")
	if err := os.Mkdir(empty, 0o755); err != nil {
		t.Fatal(err)
	}
	out, err = s.run(nil, "init", "--print", "--config", s.config, "--answers", s.answers(map[string]string{"records": empty}))
	if err == nil || !strings.Contains(out, "no records of mod_json_cdr") {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestInitDoesNotTakeAFolderForAConfiguration(t *testing.T) {
	s := newInitStand(t)
	folder := filepath.Join(s.dir, "folder")
	if err := os.Mkdir(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	out, err := s.run(nil, "init", "--force", "--config", folder, "--answers", s.answers(nil))
	if exitCode(err) != exitUsage || !strings.Contains(out, "is a folder") {
		t.Errorf("%v\n%s", err, out)
	}
	if _, err := os.Lstat(folder + ".secrets"); err == nil {
		t.Error("the passwords were written all the same")
	}
}
