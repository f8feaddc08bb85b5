package main

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"textback/configs"
	"textback/smpp"
	"textback/smpp/smpptest"
)

// doctorStand is a stand with a configuration that init wrote; change edits it.
func doctorStand(t *testing.T, change func(s *initStand, config string) string) *initStand {
	t.Helper()
	s := newInitStand(t)
	if out, err := s.run(nil, "init", "--config", s.config, "--answers", s.answers(nil)); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	text, err := os.ReadFile(s.config)
	if err != nil {
		t.Fatal(err)
	}
	config := "[metrics]\nlisten = \"\"\n[syslog]\nto = \"stderr\"\n" + tablesOf(string(text))
	if change != nil {
		config = change(s, config)
	}
	config = topOf(string(text)) + config
	if err := os.WriteFile(s.config, []byte(config), 0o640); err != nil {
		t.Fatal(err)
	}
	return s
}

// topOf and tablesOf part a configuration before its first table.
func topOf(config string) string    { return config[:strings.Index(config, "\n[")+1] }
func tablesOf(config string) string { return config[strings.Index(config, "\n[")+1:] }

// findings are what doctor says as JSON, by check.
func (s *initStand) findings(args ...string) (map[string]finding, error) {
	s.t.Helper()
	out, err := s.run(nil, append([]string{"doctor", "--json", "--config", s.config}, args...)...)
	var all struct {
		Checks []finding `json:"checks"`
	}
	if jerr := json.Unmarshal([]byte(out), &all); jerr != nil {
		s.t.Fatalf("%v, %v:\n%s", err, jerr, out)
	}
	if strings.Contains(out, initPBXPassword) || strings.Contains(out, initSMPPPassword) || strings.Contains(out,
		"secret-of-mail") {
		s.t.Errorf("a secret is shown:\n%s", out)
	}
	by := make(map[string]finding)
	for _, f := range all.Checks {
		by[f.Check] = f
	}
	return by, err
}

func TestDoctorFindsAWholeInstallationWell(t *testing.T) {
	s := doctorStand(t, nil)
	by, err := s.findings()
	for _, name := range []string{"configuration", "pbx hq", "smpp carrier", "log", "secrets", "state",
		"control socket"} {
		if by[name].State != stateOK {
			t.Errorf("%s: %+v", name, by[name])
		}
	}
	if err != nil || by["daemon"].State != stateWarning || !strings.Contains(by["daemon"].Hint, "systemctl start") {
		t.Errorf("%v: %+v", err, by["daemon"])
	}
	if bound := s.smsc.Bound(); bound != 0 {
		t.Errorf("%d binds are left", bound)
	}

	// While the daemon runs there is no second bind.
	daemon := s.start(nil, "textback", "run", "--config", s.config)
	await(t, "its links", func() bool {
		return strings.Contains(daemon.output(), "smpp-up") && strings.Contains(daemon.output(), "pbx-up")
	})
	by, err = s.findings()
	if err != nil || by["daemon"].State != stateOK || !strings.Contains(by["smpp carrier"].Detail,
		"the daemon is bound as acme") || by["pbx hq"].State != stateOK {
		t.Errorf("%v: %+v", err, by)
	}
	if n := strings.Count(daemon.output(), "pbx-down") + strings.Count(daemon.output(), "pbx-replaced"); n > 0 {
		t.Errorf("the daemon was disturbed:\n%s", daemon.output())
	}
	// Seen by another textback, its name is taken.
	other := s.write("other.toml", strings.ReplaceAll(read(t, s.config), "control.sock", "other.sock"), 0o600)
	if out, err := s.run(nil, "doctor", "--config", other); err != nil || !strings.Contains(out,
		`another program is connected as app "textback"`) {
		t.Errorf("%v\n%s", err, out)
	}
	out, err := s.run(nil, "doctor", "--config", s.config)
	if err != nil || !strings.Contains(out, "ok       pbx hq") || !strings.Contains(out, "0 failed") {
		t.Errorf("%v\n%s", err, out)
	}

	// The link goes, and doctor tells which.
	s.smsc.SetFaults(smpptest.Faults{RefuseBind: smpp.StatusInvPassword})
	s.smsc.Close()
	await(t, "the loss", func() bool { return strings.Contains(daemon.output(), "smpp-down") })
	if by, err = s.findings(); err == nil || by["smpp carrier"].State != stateFailed {
		t.Errorf("%v: %+v", err, by["smpp carrier"])
	}
	daemon.stop(syscall.SIGTERM)
}

func TestDoctorNamesWhatIsBroken(t *testing.T) {
	secret := func(s *initStand, name, text string) {
		if err := os.WriteFile(filepath.Join(s.dir, "etc", "textback.secrets", name), []byte(text), 0o640); err != nil {
			t.Fatal(err)
		}
	}
	nobody, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone := nobody.Addr().String()
	nobody.Close()
	for name, x := range map[string]struct {
		change func(s *initStand, config string) string
		check  string
		state  string
		detail string
		hint   string
	}{
		"wrong PBX password": {func(s *initStand, c string) string { secret(s, "ari.password", "wrong\n"); return c },
			"pbx hq", stateFailed, "refuses the user", "ari show users"},
		"HTTP off": {func(s *initStand, c string) string { return strings.Replace(c, s.ari, gone, 1) },
			"pbx hq", stateFailed, "nobody listens", "http.conf"},
		"ARI off": {func(s *initStand, c string) string { s.asterisk.Refuse(404); return c }, "pbx hq",
			stateFailed, "no ARI", "ari.conf"},
		"a user that may not call back": {func(_ *initStand, c string) string {
			return strings.Replace(c, "[[smpp]]", "[pbx.callback]\n\n[[smpp]]", 1)
		},
			"pbx hq", stateFailed, "reads only", "read_only = no"},
		"a context that nothing arrives in": {func(_ *initStand, c string) string {
			i := strings.Index(c, "inbound")
			return c[:i] + "inbound = [\"elsewhere\"] # " + c[i:]
		}, "pbx hq", stateWarning, "no endpoint arrives", "from-trunk"},
		"wrong SMPP password": {func(s *initStand, c string) string { secret(s, "smpp.password", "wrong\n"); return c },
			"smpp carrier", stateFailed, "ESME_RINVPASWD", "8 characters"},
		"no message centre": {func(s *initStand, c string) string { return strings.Replace(c, s.smpp, gone, 1) },
			"smpp carrier", stateFailed, "nobody listens", "running"},
		"a secret for all": {func(s *initStand, c string) string {
			chmod(t, filepath.Join(s.dir, "etc/textback.secrets/ari.password"), 0o644)
			return c
		}, "secrets", stateFailed, "everybody", "chmod 640"},
		"a log server that is gone": {func(_ *initStand, c string) string {
			return strings.Replace(c, `to = "stderr"`, fmt.Sprintf("to = %q", "tcp://"+gone), 1)
		}, "log", stateFailed, "nobody listens", ""},
		"no log": {func(_ *initStand, c string) string { return strings.Replace(c, `"stderr"`, `"none"`, 1) }, "log",
			stateWarning, "nothing is logged", "local"},
		"a metrics port in use": {func(s *initStand, c string) string {
			return strings.Replace(c, `listen = ""`, fmt.Sprintf("listen = %q", s.smpp), 1)
		}, "metrics", stateFailed, "cannot be listened on", "ss -ltnp"},
		"a receiver that is gone": {func(_ *initStand, c string) string {
			return c + webhook("http://"+gone+"/x",
				"allow_private = true")
		}, "webhook crm", stateFailed,
			"nobody listens", "receiver"},
		"a receiver": {func(s *initStand, c string) string {
			return c + webhook("http://"+s.ari+"/x",
				"allow_private = true")
		}, "webhook crm", stateOK, "no event was sent", ""},
		"a mail server that is none": {func(s *initStand, c string) string {
			return c + mailTo(speaking(t, "hello\x1b[2J there\r\n"), "never", "")
		}, "mail desk", stateFailed,
			"does not greet as a mail server", "587"},
		"a mail server without STARTTLS": {func(_ *initStand, c string) string {
			return c + mailTo(mailServer(t),
				"always", "")
		}, "mail desk", stateFailed, "offers no STARTTLS", "implicit"},
		"a mail server": {func(_ *initStand, c string) string {
			return c + mailTo(mailServer(t),
				"never", "")
		}, "mail desk", stateOK, "no mail was sent", ""},
		"a wrong mail password": {func(s *initStand, c string) string {
			return c + mailTo(mailServer(t), "try", s.write("mail.password", "secret-of-mail", 0o600))
		}, "mail desk", stateFailed, "refuses the log-in", "username"},
		"records that are not there": {func(s *initStand, c string) string {
			return c + "\n[[records]]\npbx = \"hq\"\nkind = \"cdr-csv\"\npath = \"/nowhere/Master.csv\"\n"
		}, "records hq",
			stateFailed, "/nowhere", "docs/records.md"},
		"a credential without systemd": {func(_ *initStand, c string) string {
			i := strings.Index(c, "password_file")
			return c[:i] + "password_credential = \"textback.ari\" # " + c[i:]
		}, "configuration", stateFailed, "credential", "CREDENTIALS_DIRECTORY"},
		"a configuration that is none": {func(_ *initStand, c string) string { return c + "\n[nonsense]\n" },
			"configuration", stateFailed, "nonsense", ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := doctorStand(t, x.change)
			by, err := s.findings("--timeout", "15s")
			f := by[x.check]
			if f.State != x.state || !strings.Contains(f.Detail, x.detail) || !strings.Contains(f.Hint, x.hint) ||
				(err != nil) != (x.state == stateFailed) {
				t.Errorf("%v: %+v of %+v", err, f, by)
			}
			for name, other := range by {
				if name != x.check && other.State == stateFailed {
					t.Errorf("%s failed as well: %+v", name, other)
				}
			}
		})
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func chmod(t *testing.T, path string, mode os.FileMode) {
	t.Helper()
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

func webhook(url, more string) string {
	return fmt.Sprintf("\n[[notify]]\nname = \"crm\"\nkind = \"webhook\"\nurl = %q\nsecret = \"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\"\n%s\n", url, more)
}

func mailTo(server, starttls, password string) string {
	login := ""
	if password != "" {
		login = fmt.Sprintf("username = \"desk\"\npassword_file = %q\n", password)
	}
	return fmt.Sprintf("\n[[notify]]\nname = \"desk\"\nkind = \"email\"\nserver = %q\nstarttls = %q\nto = [\"a@acme.example\"]\nfrom = \"b@acme.example\"\n%s", server, starttls, login)
}

// speaking is a server that says one thing.
func speaking(t *testing.T, words string) string {
	return serving(t, func(c net.Conn) {
		_, _ = c.Write([]byte(words))
		_, _ = c.Read(make([]byte, 100))
	})
}

// mailServer takes greetings, refuses every password, and repeats what it was given.
func mailServer(t *testing.T) string {
	return serving(t, func(c net.Conn) {
		_, _ = c.Write([]byte("220 mail.example ESMTP\r\n"))
		b := make([]byte, 1000)
		for {
			n, err := c.Read(b)
			if err != nil {
				return
			}
			answer := "250 ok\r\n"
			switch line := string(b[:n]); {
			case strings.HasPrefix(line, "EHLO"):
				answer = "250-mail.example\r\n250 AUTH PLAIN\r\n"
			case strings.HasPrefix(line, "AUTH"):
				answer = "535 5.7.8 no: secret-of-mail \x1b[2J\r\n"
			case strings.HasPrefix(line, "QUIT"):
				answer = "221 bye\r\n"
			}
			_, _ = c.Write([]byte(answer))
		}
	})
}

func serving(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
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
				_ = c.SetDeadline(time.Now().Add(20 * time.Second))
				serve(c)
			}()
		}
	}()
	return l.Addr().String()
}

// TestTheUnitIsHeldAgainstTheConfiguration: the unit's own words, and those of a drop-in.
func TestTheUnitIsHeldAgainstTheConfiguration(t *testing.T) {
	root := t.TempDir()
	write := func(path, text string) {
		path = filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if findUnit(root) != nil {
		t.Error("a unit out of nothing")
	}
	shipped, err := os.ReadFile("../../configs/textback.service")
	if err != nil {
		t.Fatal(err)
	}
	write("usr/lib/systemd/system/textback.service", string(shipped))
	u := findUnit(root)
	if u.value("User") != "textback" || !u.writes("/var/lib/textback/backup") || !u.writes("/run/textback") ||
		u.writes("/srv/backup") || !u.makes("/var/lib/textback") {
		t.Errorf("%+v", u)
	}
	if !u.hides("/home/ann/secret") || !u.hides("/tmp/x") || u.hides("/etc/textback/ari.password") ||
		u.hides("/var/log/asterisk/cdr-csv/Master.csv") {
		t.Errorf("%+v", u)
	}
	write("etc/systemd/system/textback.service.d/override.conf",
		"[Unit]\nUser=nonsense\n[Service]\nReadWritePaths=/srv/backup \\\n  -/mnt/more\nUser=\nUser=other\n# User=comment\n")
	u = findUnit(root)
	if !u.writes("/srv/backup/textback") || u.writes("/srv/backups") || u.value("User") != "other" ||
		!u.writes("/mnt/more") {
		t.Errorf("%+v", u)
	}
	d := &doctor{cfg: &configs.Config{State: "/var/lib/textback/textback.db", Control: "/run/textback/control.sock"}, unit: u,
		path: filepath.Join(root, "textback.toml")}
	write("textback.toml", "[[pbx]]\npassword_file = \"/etc/textback/ari.password\"\n")
	for _, x := range []struct{ user, detail string }{{"other", "user other: state, control and backup"}, {"root", "does not exist"}} {
		d.user.name = x.user
		u.values["ExecStart"], u.values["PrivateTmp"], u.values["ProtectHome"] = nil, nil, nil // the test's own folder
		if f := d.unitCheck(t.Context()); !strings.Contains(f.Detail, x.detail) {
			t.Errorf("%s: %+v", x.user, f)
		}
	}
	d.user.name, d.cfg.Backup.Dir = "other", "/srv/elsewhere"
	if f := d.unitCheck(t.Context()); f.State != stateFailed || !strings.Contains(f.Hint, "ReadWritePaths=/srv/elsewhere") {
		t.Errorf("%+v", f)
	}
	d.cfg.Backup.Dir, u.values["ProtectHome"] = "", []string{"yes"}
	u.values["ReadWritePaths"] = append(u.values["ReadWritePaths"], "/home/ann")
	d.cfg.State = "/home/ann/textback.db"
	if f := d.unitCheck(t.Context()); f.State != stateFailed || !strings.Contains(f.Detail, "hides") {
		t.Errorf("%+v", f)
	}
	var none *unit
	if none.value("User") != "" || none.makes("/var/lib/textback") {
		t.Error("no unit has settings")
	}
}

// TestRightsAreThoseOfTheDaemonsUser: by owner, group and others, with the folders before.
func TestRightsAreThoseOfTheDaemonsUser(t *testing.T) {
	dir := t.TempDir()
	for d := dir; strings.HasPrefix(d, os.TempDir()) && d != os.TempDir(); d = filepath.Dir(d) {
		chmod(t, d, 0o755) // the test's folder is for its user only
	}
	file := filepath.Join(dir, "in", "file")
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, nil, 0o640); err != nil {
		t.Fatal(err)
	}
	me := account{name: "me", uid: uint32(os.Geteuid()), gids: []uint32{uint32(os.Getegid())}}
	other := account{name: "other", uid: me.uid + 12345, gids: []uint32{me.gids[0] + 12345}}
	group := account{name: "group", uid: other.uid, gids: me.gids}
	for _, x := range []struct {
		who   account
		right os.FileMode
		may   bool
	}{{me, reading, true}, {me, writing, true}, {group, reading, true}, {group, writing, false}, {other, reading,
		false}, {account{any: true}, writing, true}} {
		if why := x.who.may(file, x.right); (why == "") != x.may {
			t.Errorf("%s, %o: %q", x.who.name, x.right, why)
		}
	}
	chmod(t, filepath.Dir(file), 0o700)
	if why := group.may(file, reading); why == "" || other.may(filepath.Join(dir, "nothing"), reading) == "" {
		t.Error("a folder that is closed lets nobody through, and what is not there cannot be read")
	}
}

func TestDoctorTellsOfADamagedStateFile(t *testing.T) {
	s := doctorStand(t, nil)
	_, state, err := configs.Paths(s.config)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(state, s.dir) {
		t.Skipf("the state file %s is not the test's own", state)
	}
	if err := os.MkdirAll(filepath.Dir(state), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(state, make([]byte, 1<<15), 0o600); err != nil {
		t.Fatal(err)
	}
	if by, err := s.findings(); err == nil || by["state"].State != stateFailed || !strings.Contains(by["state"].Detail, "is damaged") {
		t.Errorf("%v: %+v", err, by["state"])
	}
}
