package main

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"textback/ari/aritest"
	"textback/configs"
	"textback/smpp/smpptest"
)

// labSetting changes a setting of the lab's Asterisk while a function runs: in its own file, with a reload before and
// after.
func labSetting(t *testing.T, lab aritest.Lab, file, from, to, reload string, during func()) {
	t.Helper()
	path := filepath.Join(cmp.Or(os.Getenv("LAB_WORK"), "/var/tmp/textback-asterisk"), "root22/etc/asterisk", file)
	was, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	set := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.CommandContext(t.Context(), lab.Program, append([]string{"cli"},
			strings.Fields(reload)...)...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", reload, err, out)
		}
	}
	changed := strings.Replace(string(was), from, to, 1)
	if changed == string(was) {
		t.Fatalf("%s has no %q", path, from)
	}
	set(changed)
	defer set(string(was))
	during()
}

// TestLabInitAndDoctorOnARealPBX: init finds the contexts of the real endpoints and of a real call, the daemon runs with
// what it wrote, doctor finds it well, and then names what is broken, one thing at a time.
func TestLabInitAndDoctorOnARealPBX(t *testing.T) {
	program := os.Getenv("TEXTBACK_ASTERISK")
	if program == "" {
		t.Skip("TEXTBACK_ASTERISK is not set: run .ci/asterisk/suite, as root")
	}
	lab := aritest.Lab{Program: program}
	s := &initStand{stand: &stand{t: t, dir: shortDir(t)}}
	s.smsc = smpptest.New(smpptest.Options{SystemID: "acme", Password: initSMPPPassword, NoFates: true})
	s.smpp = s.listen(nil, func(l net.Listener) { _ = s.smsc.Serve(l) })
	t.Cleanup(func() { s.smsc.Close() })
	s.config = filepath.Join(s.dir, "etc", "textback.toml")
	answers := s.answers(map[string]string{"pbx_address": aritest.LabURL, "pbx_username": aritest.LabReader,
		"pbx_password_file": s.write("reader", aritest.LabReaderPassword+"\n", 0o600)})

	// A call is placed while init watches.
	init := s.start(nil, "textback", "init", "--config", s.config, "--answers", answers, "--watch", "45s")
	await(t, "watching", func() bool { return strings.Contains(init.output(), "Call one of your lines") })
	if _, err := lab.Call(t.Context(), "04"); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- init.cmd.Wait() }()
	select {
	case err := <-ended:
		if err != nil {
			t.Fatalf("%v\n%s", err, init.output())
		}
	case <-time.After(90 * time.Second):
		t.Fatalf("init did not end:\n%s", init.output())
	}
	out := init.output()
	for _, want := range []string{"Connected: Asterisk 22.", "account reads only, which is enough", "from-trunk",
		"PJSIP/trunk", "from-internal", "PJSIP/100",
		"context from-trunk  dialled +155501", "(from outside)", "Bound as acme"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not told:\n%s", want, out)
		}
	}
	t.Logf("init:\n%s", out)

	// The lab's numbers are of no plan.
	text, err := os.ReadFile(s.config)
	if err != nil {
		t.Fatal(err)
	}
	config := topOf(string(text)) + "[metrics]\nlisten = \"\"\n[syslog]\nto = \"stderr\"\n" + tablesOf(string(text))
	config = strings.Replace(config, "[policy]\n", "[policy]\nvalidate_numbers = false\nmin_ring = \"0s\"\n", 1)
	config = strings.Replace(config, `"+12025550100"`+"\nbusiness", `"+15550100"`+"\nbusiness", 1)
	config = strings.Replace(config, `regions = ["US"]`, `regions = []`, 1)
	if err := os.WriteFile(s.config, []byte(config), 0o640); err != nil {
		t.Fatal(err)
	}
	check := func(when, name, state, detail, hint string) {
		t.Helper()
		by, err := s.findings()
		f := by[name]
		if f.State != state || !strings.Contains(f.Detail, detail) || !strings.Contains(f.Hint, hint) ||
			(err != nil) != (state == stateFailed) {
			t.Errorf("%s: %v: %+v", when, err, by)
		}
		t.Logf("%s: %s: %s -> %s", when, f.State, f.Detail, f.Hint)
	}
	check("before the daemon", "pbx hq", stateOK, "Asterisk 22.", "")
	check("before the daemon", "smpp carrier", stateOK, "bound as acme", "")
	daemon := s.start(nil, "textback", "run", "--config", s.config)
	await(t, "its links", func() bool {
		return strings.Contains(daemon.output(), "smpp-up") && strings.Contains(daemon.output(), "pbx-up")
	})
	check("with the daemon", "pbx hq", stateOK, "the account reads only", "")
	check("with the daemon", "smpp carrier", stateOK, "the daemon is bound", "")
	if strings.Contains(daemon.output(), "pbx-down") || strings.Contains(daemon.output(), "pbx-replaced") {
		t.Errorf("doctor disturbed the daemon:\n%s", daemon.output())
	}
	// The next steps that init names: a call, and what is said of it.
	calls, err := lab.Call(t.Context(), "04")
	if err != nil {
		t.Fatal(err)
	}
	await(t, "the verdict", func() bool { return strings.Contains(daemon.output(), "verdict call=") })
	if out, err := s.run(nil, "explain", "--config", s.config, calls[0].Caller); err != nil || !strings.Contains(out,
		"shadow") {
		t.Errorf("%v\n%s", err, out)
	}
	if out, err := s.run(nil, "test", "--config", s.config, "--to", "+12025550144"); err != nil ||
		!strings.Contains(out, "delivered") {
		t.Errorf("%v\n%s", err, out)
	} else {
		t.Logf("test:\n%s", out)
	}
	daemon.stop(syscall.SIGTERM)

	secret := filepath.Join(s.dir, "etc", "textback.secrets", "ari.password")
	change := func(path, text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o640); err != nil {
			t.Fatal(err)
		}
	}
	change(secret, "wrong\n")
	check("wrong password", "pbx hq", stateFailed, `refuses the user "reader"`, "ari show users")
	change(secret, aritest.LabReaderPassword+"\n")
	change(s.config, strings.Replace(config, "[[smpp]]", "[pbx.callback]\n\n[[smpp]]", 1))
	check("a read-only user and [pbx.callback]", "pbx hq", stateFailed, "reads only", "read_only = no")
	change(s.config, strings.Replace(config, "inbound       = [", "inbound = [\"elsewhere\"] #", 1))
	check("a context in which nothing arrives", "pbx hq", stateWarning, "no endpoint arrives", "from-trunk")
	change(s.config, config)
	// The hash of a password that init makes is one that Asterisk takes.
	user := &setup{pbx: configs.PBX{Username: "made"}, pbxHash: cryptSHA512("a-password-of-init", "0123456789abcdef")}
	labSetting(t, lab, "ari.conf", "[reader]", user.ariUser()+"[reader]", "module reload res_ari.so", func() {
		change(secret, "a-password-of-init\n")
		change(s.config, strings.Replace(config, `"reader"`, `"made"`, 1))
		check("a hash of init", "pbx hq", stateOK, "the account reads only", "")
		change(secret, aritest.LabReaderPassword+"\n")
		change(s.config, config)
	})
	labSetting(t, lab, "ari.conf", "enabled = yes", "enabled = no", "module reload res_ari.so", func() {
		check("ARI off", "pbx hq", stateFailed, "no ARI", "enabled = yes in [general]")
	})
	labSetting(t, lab, "http.conf", "enabled=yes", "enabled=no", "module reload http", func() {
		check("HTTP off", "pbx hq", stateFailed, "nobody listens", "http.conf: enabled = yes")
	})
	if err := lab.Freeze(t.Context()); err != nil {
		t.Fatal(err)
	}
	func() {
		defer func() {
			if err := lab.Thaw(context.WithoutCancel(t.Context())); err != nil {
				t.Error(err)
			}
		}()
		by, err := s.findings("--timeout", "5s")
		if err == nil || by["pbx hq"].State != stateFailed || !strings.Contains(by["pbx hq"].Hint, "Asterisk hangs") {
			t.Errorf("a frozen PBX: %v: %+v", err, by["pbx hq"])
		}
		t.Logf("frozen: %+v", by["pbx hq"])
	}()
	check("mended", "pbx hq", stateOK, "Asterisk 22.", "")
	fmt.Fprintln(t.Output(), "every break was named")
}
