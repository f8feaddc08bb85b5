package main

import (
	"encoding/json"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"textback/cmd/internal/daemon"
)

// exitCode is that of a command that was run.
func exitCode(err error) int {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode()
	}
	return 0
}

// TestStatusTellsHowItStandsAndWhatToMend for people, for programs, and by exit code for a monitoring system.
func TestStatusTellsHowItStandsAndWhatToMend(t *testing.T) {
	s, config, running := watchStand(t)
	s.miss("+12025550142")
	status := func(args ...string) (string, int) {
		t.Helper()
		out, err := s.run(nil, append([]string{"status", "--config", config}, args...)...)
		return out, exitCode(err)
	}
	await(t, "the receipt", func() bool { out, _ := status(); return strings.Contains(out, "texts on record: 1 delivered") })
	out, code := status()
	for _, want := range []string{
		`(?m)^textback \S+, running since .* \(\d+s\): all is well$`,
		`(?m)^hq +up since 20[0-9: -]+ +\d+ +20[0-9: -]+ +1 +0 +0$`,
		`(?m)^carrier +up since 20[0-9: -]+ +0 +1 +0 +0 +1$`,
		`(?m)^texts: 0 due, 0 later, 0 on the wire, 0 in doubt$`,
		`(?m)^last text accepted 20\S+ \S+, last receipt 20\S+ \S+$`,
		`(?m)^budget of acme: 1 of 200 this hour, 1 of 1000 today$`,
		`(?m)^missed calls 1, verdicts 1, opted out 0, open threads 0, hand-offs waiting 0$`,
		`(?m)^state file: [0-9.]+ KiB, of which [0-9.]+ \S+ free; .* are free on its disk$`,
		`(?m)^shadow mode: off$`,
	} {
		if !regexp.MustCompile(want).MatchString(out) {
			t.Errorf("status does not tell %s:\n%s", want, out)
		}
	}
	if code != 0 {
		t.Errorf("the exit code is %d", code)
	}
	// The form that the Monitoring Plugins Development Guidelines give: text, a bar, 'label'=value[UOM];[warn];[crit];[min].
	plugin := regexp.MustCompile(`^TEXTBACK (OK|WARNING|CRITICAL) - [^|\n]+ \|( [a-z_]+=[0-9.]+(s|B)?;;;0)+\n$`)
	if out, code := status("--check"); code != 0 || !plugin.MatchString(out) || !strings.HasPrefix(out, "TEXTBACK OK - 2 PBXs and 1 message centre up") {
		t.Errorf("--check: %d %s", code, out)
	}

	s.smsc.Close()
	await(t, "the lost link", func() bool { out, _ := status(); return strings.Contains(out, "carrier  DOWN since") })
	if out, code := status("--check"); code != 2 || !plugin.MatchString(out) || !strings.Contains(out, "message centre carrier is down since") {
		t.Errorf("--check without a message centre: %d %s", code, out)
	}
	out, code = status()
	if code != 0 || !regexp.MustCompile(`(?m): 1 thing to mend\n  CRITICAL: message centre carrier is down since \S+, no text can leave: .*\n    hint: look at the network`).MatchString(out) {
		t.Errorf("without a message centre: %d\n%s", code, out)
	}
	s.miss("+12025550177")
	await(t, "a text that is due", func() bool { out, _ := status(); return strings.Contains(out, "texts: 1 due, 0 later") })
	out, code = status("--json")
	var st daemon.Status
	if err := json.Unmarshal([]byte(out), &st); err != nil || code != 0 {
		t.Fatalf("%d %v\n%s", code, err, out)
	}
	if len(st.Troubles) != 1 || st.Troubles[0].Severity != daemon.Critical || st.SMPPs[0].Up || st.Queue.Due != 1 || st.Lines != 40 ||
		st.Disk == nil || st.Disk.Free == 0 || st.Receipt == nil || st.SMPPs[0].Since.Before(st.Started) {
		t.Errorf("as JSON: %s", out)
	}

	running.stop(syscall.SIGTERM)
	if out, code := status("--check"); code != 2 || !strings.HasPrefix(out, "TEXTBACK CRITICAL - textback is not running") {
		t.Errorf("--check without a daemon: %d %s", code, out)
	}
	if out, code := status(); code != 1 || !strings.Contains(out, "textback is not running") {
		t.Errorf("without a daemon: %d %s", code, out)
	}
	if out, err := s.run(nil, "status", "--check", "--config", s.dir+"/nowhere.toml"); exitCode(err) != 3 || !strings.HasPrefix(out, "TEXTBACK UNKNOWN - ") {
		t.Errorf("--check without a configuration: %v %s", err, out)
	}
	if _, code := status("--check", "--json"); code != 2 {
		t.Errorf("both ways at once: %d", code)
	}
}

func TestStatusDoesNotWaitForeverForADaemonThatHangs(t *testing.T) {
	dir, err := os.MkdirTemp("", "tb") // the path of a socket must be short
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	socket := filepath.Join(dir, "s")
	l, err := net.Listen("unix", socket) // it takes connections, and nobody reads them
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, c := range []struct {
		arg  string
		code int
		says string
	}{{"--check", checkCritical, "TEXTBACK CRITICAL - textback runs and does not answer within 50ms\n"}, {"--json", exitFailed, "does not answer within 50ms"}} {
		out, err := exec.Command("textback", "status", "--control", socket, "--timeout", "50ms", c.arg).CombinedOutput()
		if exitCode(err) != c.code || !strings.Contains(string(out), c.says) {
			t.Errorf("%s: %v, %q", c.arg, err, out)
		}
	}
}
