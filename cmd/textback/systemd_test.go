package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"textback/smpp/smpptest"
)

// booted is a systemd of its own that runs the unit; see .ci/security/boot.
type booted struct {
	t   *testing.T
	pid string
}

// inside runs a command where the unit runs, as root, outside the unit's sandbox.
func (b *booted) inside(args ...string) (string, error) {
	out, err := exec.Command("nsenter", append([]string{"--target", b.pid, "--mount", "--pid", "--cgroup", "--ipc", "--uts",
		"--"}, args...)...).CombinedOutput()
	return string(out), err
}

func (b *booted) must(args ...string) string {
	b.t.Helper()
	out, err := b.inside(args...)
	if err != nil {
		b.t.Fatalf("%s: %v\n%s\n%s", strings.Join(args, " "), err, out, b.journal())
	}
	return out
}

func (b *booted) journal() string {
	out, _ := b.inside("journalctl", "--no-pager", "--output=cat", "--unit=textback", "--unit=probe", "--unit=control")
	return tail(out, 6000)
}

// property is one of the unit's, as systemd knows it.
func (b *booted) property(name string) string {
	return strings.TrimSpace(b.must("systemctl", "show", "--value", "--property="+name, "textback"))
}

// boot lays files over the root of an own systemd and starts it. The test is skipped unless it is asked for.
func boot(t *testing.T, files map[string]string) *booted {
	t.Helper()
	if os.Getenv("TEXTBACK_SYSTEMD") == "" {
		t.Skip("TEXTBACK_SYSTEMD is not set: run .ci/security/suite, as root")
	}
	stage := t.TempDir()
	for name, text := range files {
		path := filepath.Join(stage, "root", name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		mode := os.FileMode(0o644)
		if strings.HasPrefix(name, "etc/credstore/") {
			mode = 0o600
		}
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
	own, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	copyInto(t, own, filepath.Join(stage, "root/usr/bin/sandboxprobe"))
	build := exec.Command("go", "build", "-o", filepath.Join(stage, "root/usr/bin/textback"), ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	for unit, of := range map[string]string{"textback.service": "etc/systemd/system", "textback.sysusers": "usr/lib/sysusers.d"} {
		name := unit
		if strings.HasSuffix(unit, ".sysusers") {
			name = "textback.conf"
		}
		copyInto(t, filepath.Join("../../configs", unit), filepath.Join(stage, "root", of, name))
	}
	cmd := exec.Command("../../.ci/security/boot", stage, "textback.service")
	console, err := os.Create(filepath.Join(stage, "console"))
	if err != nil {
		t.Fatal(err)
	}
	defer console.Close()
	cmd.Stdout, cmd.Stderr = console, console
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	b := &booted{t: t}
	t.Cleanup(func() {
		if t.Failed() {
			text, _ := os.ReadFile(console.Name())
			status, _ := b.inside("systemctl", "--no-pager", "status", "textback")
			t.Logf("console:\n%s\nstatus:\n%s\njournal:\n%s", tail(string(text), 4000), status, b.journal())
		}
		_ = cmd.Process.Kill() // unshare; its child, and with it the whole PID namespace, goes with it
		_ = cmd.Wait()
		group, err := os.ReadFile(filepath.Join(stage, "cgroup"))
		if err != nil {
			return
		}
		removeGroup(strings.TrimSpace(string(group)))
	})
	await(t, "systemd", func() bool {
		children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", cmd.Process.Pid, cmd.Process.Pid))
		if err != nil || len(strings.Fields(string(children))) == 0 {
			return false
		}
		b.pid = strings.Fields(string(children))[0]
		_, err = b.inside("systemctl", "--version")
		_, running := os.Stat("/proc/" + b.pid + "/root/run/systemd/private")
		return err == nil && running == nil
	})
	return b
}

func copyInto(t *testing.T, from, to string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("cp", from, to).CombinedOutput(); err != nil {
		t.Fatalf("cp: %v\n%s", err, out)
	}
}

// removeGroup removes a control group and those below it, once the kernel has let go of what ran there.
func removeGroup(group string) {
	_ = filepath.WalkDir(group, func(path string, d os.DirEntry, err error) error {
		if err == nil && d.IsDir() && path != group {
			removeGroup(path)
			return filepath.SkipDir
		}
		return nil
	})
	for range 50 {
		if err := os.Remove(group); err == nil || errors.Is(err, os.ErrNotExist) {
			return
		}
		_ = exec.Command("sleep", "0.1").Run()
	}
}

// probeUnit runs the probe inside the same restrictions as the unit, or as the same user without them.
func probeUnit(t *testing.T, sandboxed bool) string {
	t.Helper()
	if !sandboxed {
		return "[Service]\nType=oneshot\nUser=textback\nExecStart=/usr/bin/sandboxprobe\n"
	}
	text, err := os.ReadFile("../../configs/textback.service")
	if err != nil {
		t.Fatal(err)
	}
	unit := regexp.MustCompile(`(?m)^(Restart|WatchdogSec|ExecReload|ExecStart|Type).*$`).ReplaceAllString(string(text), "")
	return strings.Replace(unit, "[Service]", "[Service]\nType=oneshot\nExecStart=/usr/bin/sandboxprobe", 1)
}

// strict ends the daemon at once when it asks the kernel for anything outside the unit's filter, where in service it would
// get an error: that the daemon lives means that it never did.
const strict = "[Service]\nSystemCallErrorNumber=kill\nWatchdogSec=4s\n"

// The unit as it is shipped, under a real systemd: the whole way of a call, and nothing that is denied is needed.
func TestTheDaemonDoesItsWorkInsideItsUnit(t *testing.T) {
	const ari, esl, smpp = "ari-Zq7hR2mW", "esl-Vb4nK8xT", "sm-Pd93y"
	s := newStand(t, passwords{ari, esl, smpp}, nil)
	credential := func(name string) string { return fmt.Sprintf("password_credential = %q", name) }
	config := s.toml(keys{state: "/var/lib/textback/textback.db", control: "/run/textback/control.sock",
		asterisk: credential("textback.ari"), freeswitch: credential("textback.esl"), smpp: credential("textback.smpp")})
	b := boot(t, map[string]string{
		"etc/textback/textback.toml":                     config,
		"etc/credstore/textback.ari":                     ari + "\n",
		"etc/credstore/textback.esl":                     esl + "\n",
		"etc/credstore/textback.smpp":                    smpp + "\n",
		"etc/systemd/system/textback.service.d/ci.conf":  strict,
		"etc/systemd/system/probe.service":               probeUnit(t, true),
		"etc/systemd/system/control.service":             probeUnit(t, false),
		"etc/systemd/system/probe.service.d/output.conf": "[Service]\nStandardOutput=journal\n",
	})
	await(t, "READY=1, which makes the unit active", func() bool {
		out, _ := b.inside("systemctl", "is-active", "textback")
		return strings.TrimSpace(out) == "active"
	})
	await(t, "the links", func() bool { return s.asterisk.Connected("textback") && s.smsc.Bound() > 0 })
	ctx, cancel := context.WithTimeout(t.Context(), standBound)
	defer cancel()
	if err := s.freesw.AwaitSubscriber(ctx); err != nil {
		t.Fatal(err)
	}

	// A call, its text and receipt, a reply, an opt-out, the commands, a backup, a reload.
	s.miss("+12025550123")
	await(t, "the text", func() bool { return s.texted("+12025550123") == 1 })
	await(t, "the receipt", func() bool {
		out, _ := b.inside("textback", "explain", "+12025550123")
		return strings.Contains(out, "delivered")
	})
	if _, err := s.smsc.Deliver(ctx, smpptest.Message{From: "+12025550123", To: "+15550100", Body: "STOP"}); err != nil {
		t.Fatal(err)
	}
	if out := b.must("textback", "optout", "list"); !strings.Contains(out, "+12025550123") {
		t.Errorf("the opt-out is not there: %s", out)
	}
	b.must("textback", "backup", "/var/lib/textback/copy.db")
	b.must("systemctl", "reload", "textback")
	await(t, "lines in the journal, by /dev/log", func() bool {
		out, _ := b.inside("journalctl", "--no-pager", "--output=cat", "_TRANSPORT=syslog", "SYSLOG_IDENTIFIER=textback")
		return strings.Contains(out, "verdict call=") && strings.Contains(out, "\nreload ") && strings.Contains(out, "\nbackup ")
	})

	// What the kernel says of it.
	pid := b.property("MainPID")
	status := b.must("cat", "/proc/"+pid+"/status")
	for _, want := range []string{"CapEff:\t0000000000000000", "CapBnd:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2"} {
		if !strings.Contains(status, want+"\n") {
			t.Errorf("/proc/%s/status lacks %q", pid, want)
		}
	}
	if regexp.MustCompile(`(?m)^Uid:.*\b0\b`).MatchString(status) {
		t.Error("it runs as root")
	}
	if out := b.must("stat", "-c", "%a %U %G", "/run/textback/control.sock", "/var/lib/textback"); out != "660 textback textback\n700 textback textback\n" {
		t.Errorf("modes and owners:\n%s", out)
	}
	if out, err := b.inside("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "textback", "status"); err == nil || !strings.Contains(out, "permission denied") {
		t.Errorf("a stranger may use the control socket: %v %s", err, out)
	}
	out := b.must("systemd-analyze", "security", "--no-pager", "textback.service")
	if m := regexp.MustCompile(`exposure level for textback.service: ([0-9.]+)`).FindStringSubmatch(out); m == nil {
		t.Errorf("no rating of the running unit:\n%s", out)
	} else if f, err := strconv.ParseFloat(m[1], 64); err != nil || f > 2 {
		t.Errorf("exposure of the running unit: %s", m[1])
	} else {
		t.Logf("exposure of the running unit: %s", m[1])
	}

	// Frozen, it is found out by the watchdog; killed, it is started again; what it knew it still knows.
	for _, how := range []syscall.Signal{syscall.SIGSTOP, syscall.SIGKILL} {
		before := b.property("MainPID")
		b.must("kill", fmt.Sprintf("-%d", how), before)
		await(t, fmt.Sprintf("a new start after %v", how), func() bool {
			now := b.property("MainPID")
			return now != before && now != "0" && b.property("ActiveState") == "active"
		})
	}
	if restarts := b.property("NRestarts"); restarts != "2" {
		t.Errorf("%s restarts, so something else ended it\n%s", restarts, b.journal())
	}
	if out := b.must("textback", "optout", "list"); !strings.Contains(out, "+12025550123") {
		t.Errorf("the opt-out is gone: %s", out)
	}
	b.must("systemctl", "stop", "textback")
	if result := b.property("Result"); result != "success" {
		t.Errorf("stopped with %s", result)
	}
	probeBoth(b)
}

// probeBoth tries the same from inside the unit's restrictions and, to see that trying tells anything, without them.
func probeBoth(b *booted) {
	need := map[string]bool{"write-state": true, "write-runtime": true, "write-tmp": true, "socket-inet": true,
		"socket-inet6": true, "socket-unix": true, "read-configuration": true}
	got := map[string]map[string]string{}
	for _, unit := range []string{"control", "probe"} {
		b.must("systemctl", "start", unit)
		got[unit] = map[string]string{}
		lines := bufio.NewScanner(strings.NewReader(b.must("journalctl", "--no-pager", "--output=cat", "--unit="+unit)))
		for lines.Scan() {
			if f := strings.SplitN(lines.Text(), " ", 4); len(f) == 4 && f[0] == "probe" {
				got[unit][f[1]] = f[2]
				b.t.Logf("%s: %s", unit, lines.Text())
			}
		}
	}
	differ := 0
	for _, p := range probes() {
		want := "denied"
		if need[p.name] {
			want = "allowed"
		}
		if got["probe"][p.name] != want {
			b.t.Errorf("%s inside the unit: %q, want %q", p.name, got["probe"][p.name], want)
		}
		if got["control"][p.name] == "allowed" && want == "denied" {
			differ++
		}
	}
	if differ < 8 {
		b.t.Errorf("the unit denies only %d of the things that its user may do without it", differ)
	}
}
