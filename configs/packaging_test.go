package configs

import (
	"encoding/xml"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// mostExposed is the highest exposure that the unit may have by `systemd-analyze security`.
const mostExposed = 2.0

func TestTheUnitIsHardened(t *testing.T) {
	skip := t.Skipf
	if os.Getenv("TEXTBACK_SYSTEMD") != "" {
		skip = t.Fatalf
	}
	tool, err := exec.LookPath("systemd-analyze")
	if err != nil {
		skip("systemd-analyze is not installed")
	}
	unit, err := filepath.Abs("textback.service")
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(tool, "security", "--offline=true", "--no-pager", unit).CombinedOutput()
	if err != nil {
		skip("systemd-analyze cannot work offline here: %v\n%s", err, out)
	}
	m := regexp.MustCompile(`Overall exposure level for textback\.service: ([0-9.]+)`).FindSubmatch(out)
	if m == nil {
		t.Fatalf("no rating in\n%s", out)
	}
	exposure, err := strconv.ParseFloat(string(m[1]), 64)
	if err != nil || exposure > mostExposed {
		t.Errorf("exposure %s, more than %.1f\n%s", m[1], mostExposed, out)
	}
	t.Logf("exposure %.1f", exposure)
}

func TestTheUnitProvidesTheDefaultPaths(t *testing.T) {
	unit := readFile(t, "textback.service")
	c := mustParse(t, string(Minimal))
	for setting, path := range map[string]string{
		"StateDirectory=textback":   filepath.Dir(c.State),
		"RuntimeDirectory=textback": filepath.Dir(c.Control),
	} {
		if !strings.Contains(unit, "\n"+setting+"\n") || filepath.Base(path) != "textback" {
			t.Errorf("%s does not make %s", setting, path)
		}
	}
	if !strings.HasPrefix(c.Backup.Dir, filepath.Dir(c.State)+"/") {
		t.Errorf("backups go to %s, where the unit may not write", c.Backup.Dir)
	}
	for _, line := range []string{"User=textback", "CapabilityBoundingSet=", "ProtectSystem=strict",
		"NoNewPrivileges=yes",
		"RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX", "SystemCallFilter=@system-service"} {
		if !strings.Contains(unit, "\n"+line+"\n") {
			t.Errorf("the unit lacks %s", line)
		}
	}
}

func TestTheFreeSWITCHSnippetsAreXML(t *testing.T) {
	for _, name := range []string{"freeswitch/event_socket.conf.xml", "freeswitch/dialplan.xml"} {
		d := xml.NewDecoder(strings.NewReader(readFile(t, name)))
		for {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Errorf("%s: %v", name, err)
				break
			}
		}
	}
}

func TestTheSnippetsFitTheDefaults(t *testing.T) {
	c := mustParse(t, string(Reference))
	asterisk, freeswitch := c.PBXs[0], c.PBXs[1]
	if ari := readFile(t, "asterisk/ari.conf"); !strings.Contains(ari, "\n["+asterisk.Username+"]\n") {
		t.Errorf("ari.conf has no user %q", asterisk.Username)
	}
	if http := readFile(t, "asterisk/http.conf"); !strings.Contains(http, "bindport = 8088") ||
		!strings.Contains(asterisk.URL, ":8088/") {
		t.Errorf("http.conf does not listen where %s points to", asterisk.URL)
	}
	if es := readFile(t, "freeswitch/event_socket.conf.xml"); !strings.Contains(es, `"listen-port" value="8021"`) ||
		!strings.HasSuffix(freeswitch.Addr, ":8021") {
		t.Errorf("event_socket.conf.xml does not listen at %s", freeswitch.Addr)
	}
	for _, name := range []string{"asterisk/extensions.conf", "freeswitch/dialplan.xml"} {
		if !strings.Contains(readFile(t, name), asterisk.NoTextName+"="+asterisk.NoTextValue) {
			t.Errorf("%s does not set %s=%s", name, asterisk.NoTextName, asterisk.NoTextValue)
		}
	}
	if !strings.Contains(readFile(t, "rsyslog.conf"), "'"+c.Syslog.Facility+"'") {
		t.Errorf("rsyslog.conf does not look for %s", c.Syslog.Facility)
	}
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
