package configs

import (
	"errors"
	"io/fs"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// parsePackaged reads the package's configuration where the files named in secrets are there.
func parsePackaged(text string, secrets map[string]bool) (*Config, error) {
	return Parse("/etc/textback/textback.toml", []byte(text), Options{
		ReadFile: func(path string) ([]byte, fs.FileMode, error) {
			if secrets[path] {
				return []byte("a secret of many letters\n"), 0o640, nil
			}
			return nil, 0, fs.ErrNotExist
		}, Getenv: func(string) string { return "" }})
}

// followHints does what the hints of a check say, as an administrator would; it gives the lines that were complained of.
func followHints(t *testing.T, text string) (filled string, secrets map[string]bool, lines []int) {
	t.Helper()
	secrets = map[string]bool{}
	_, err := parsePackaged(text, secrets)
	var list Errors
	if !errors.As(err, &list) {
		t.Fatalf("the file as it is shipped: %v", err)
	}
	create := regexp.MustCompile(`^create it: install -m 640 -g textback /dev/stdin (\S+)$`)
	write := regexp.MustCompile(`^write (\w+) = (".*")$`)
	rows := strings.Split(text, "\n")
	for _, e := range list {
		lines = append(lines, e.Line)
		if m := create.FindStringSubmatch(e.Hint); m != nil {
			secrets[m[1]] = true
		} else if m := write.FindStringSubmatch(e.Hint); m != nil {
			row := &rows[e.Line-1]
			if key, _, _ := strings.Cut(*row, " "); key != m[1] {
				t.Errorf("line %d is %q, and the hint is of %s", e.Line, *row, m[1])
			}
			*row = strings.Replace(*row, `""`, m[2], 1)
		} else {
			t.Errorf("line %d: nobody can follow %q", e.Line, e.Hint)
		}
	}
	return strings.Join(rows, "\n"), secrets, lines
}

func TestThePackagedFileAsksForExactlyWhatItMarks(t *testing.T) {
	text := readFile(t, "debian/textback.toml")
	var marked []int
	for i, line := range strings.Split(text, "\n") {
		if !strings.HasPrefix(line, "#") && strings.Contains(line, "FILL IN") {
			marked = append(marked, i+1)
		}
	}
	_, _, lines := followHints(t, text)
	slices.Sort(lines)
	if !slices.Equal(lines, marked) {
		t.Errorf("the check complains of lines %v, marked are %v", lines, marked)
	}
}

func TestWhoFollowsTheHintsHasAConfigurationInShadow(t *testing.T) {
	text, secrets, _ := followHints(t, readFile(t, "debian/textback.toml"))
	c, err := parsePackaged(text, secrets)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Set.Lines) == 0 {
		t.Fatal("no line")
	}
	for _, l := range c.Set.Lines {
		if !l.Policy.Shadow {
			t.Errorf("line %s is not in shadow", l.Number)
		}
	}
}

func TestTheExamplesInThePackagedFileAreRight(t *testing.T) {
	text, secrets, _ := followHints(t, readFile(t, "debian/textback.toml"))
	all := regexp.MustCompile(`(?m)^#([\[a-z])`)
	if n := len(all.FindAllString(text, -1)); n < 20 {
		t.Errorf("only %d examples", n)
	}
	secrets["/etc/textback/esl.password"], secrets["/etc/textback/page.password"] = true, true
	c, err := parsePackaged(all.ReplaceAllString(text, "$1"), secrets)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.PBXs) != 2 || len(c.Notify) != 1 || len(c.Report.Notify) != 1 {
		t.Errorf("%d PBXs, %d hand-offs", len(c.PBXs), len(c.Notify))
	}
}

// TestThePackageAgreesOnItsPaths holds what stands in several files against each other.
func TestThePackageAgreesOnItsPaths(t *testing.T) {
	unit, nfpm := readFile(t, "textback.service"), readFile(t, "nfpm.yaml")
	const config = "/etc/textback/textback.toml"
	for name, want := range map[string]string{
		"textback.service":       "ExecStart=/usr/bin/textback run --config " + config + "\n",
		"nfpm.yaml":              "dst: " + config + "\n",
		"debian/postinst":        "config=" + config + "\n",
		"textback.sysusers":      "u textback ",
		"textback.tmpfiles":      "d /etc/textback ",
		"logrotate.conf":         "\n/var/log/textback.log\n",
		"rsyslog.conf":           `file="/var/log/textback.log"`,
		"fail2ban/jail.conf":     "\nlogpath   = /var/log/textback.log\n",
		"debian/postrm":          "rm -f /var/log/textback.log /var/log/textback.log.*",
		"fail2ban/filter.conf":   "_daemon   = textback\n",
		"../cmd/textback/run.go": `const defaultConfig = "` + config + `"`,
	} {
		if !strings.Contains(readFile(t, name), want) {
			t.Errorf("%s lacks %q", name, want)
		}
	}
	for _, user := range []string{"User=textback", "Group=textback"} {
		if !strings.Contains(unit, "\n"+user+"\n") {
			t.Errorf("the unit lacks %s", user)
		}
	}
	sources := regexp.MustCompile(`src: ([^ ,\n}]+)`).FindAllStringSubmatch(nfpm, -1)
	if len(sources) < 10 {
		t.Errorf("only %d files in nfpm.yaml", len(sources))
	}
	for _, m := range sources {
		if strings.HasPrefix(m[1], "build/") {
			continue
		}
		readFile(t, filepath.Join("..", m[1]))
	}
}

func TestTheMaintainerScriptsAreShell(t *testing.T) {
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("there is no sh")
	}
	for _, name := range []string{"postinst", "prerm", "postrm"} {
		if out, err := exec.Command(sh, "-n", "debian/"+name).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
		if !strings.HasPrefix(readFile(t, "debian/"+name), "#!/bin/sh\n") || !strings.Contains(readFile(t, "debian/"+name), "\nset -e\n") {
			t.Errorf("%s does not begin as such a script has to", name)
		}
	}
}

// TestTheRestartStopsAtAWrongConfiguration holds the unit and the exit status of the program together.
func TestTheRestartStopsAtAWrongConfiguration(t *testing.T) {
	m := regexp.MustCompile(`exitConfig = (\d+)`).FindStringSubmatch(readFile(t, "../cmd/textback/main.go"))
	if m == nil {
		t.Fatal("no exitConfig in main.go")
	}
	if code, err := strconv.Atoi(m[1]); err != nil || !strings.Contains(readFile(t, "textback.service"), "\nRestartPreventExitStatus="+strconv.Itoa(code)+"\n") {
		t.Errorf("the unit restarts after status %s", m[1])
	}
}
