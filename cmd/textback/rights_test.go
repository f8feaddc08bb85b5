package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// The socket is opened by other users of the machine, as the kernel sees them.
func TestTheControlSocketIsForItsGroup(t *testing.T) {
	if os.Getuid() != 0 {
		if os.Getenv("TEXTBACK_SYSTEMD") != "" {
			t.Fatal("this needs root")
		}
		t.Skip("not root, so nobody else can be played")
	}
	setpriv, err := exec.LookPath("setpriv")
	if err != nil {
		t.Skip("setpriv is not installed")
	}
	// Users that need no name: the daemon, a member of the group, a member of another group, an owner's namesake group.
	const daemon, member, stranger, group, other = 23001, 23002, 23003, 23101, 23102
	s := newStand(t, passwords{"ari-secret-1", "esl-secret-1", "smppsec1"}, nil)
	// The folders above are the test's alone.
	for dir := s.dir; len(dir) > len(os.TempDir()); dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	run := filepath.Join(s.dir, "run")
	if err := os.Mkdir(run, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(run, daemon, daemon); err != nil {
		t.Fatal(err)
	}
	own, err := exec.LookPath("textback")
	if err != nil {
		t.Fatal(err)
	}
	binary := filepath.Join(s.dir, "textback")
	if out, err := exec.Command("install", "-m", "755", own, binary).CombinedOutput(); err != nil {
		t.Fatalf("install: %v\n%s", err, out)
	}
	socket := filepath.Join(run, "control.sock")
	as := func(uid, gid int, groups string, args ...string) []string {
		list := []string{"--reuid=" + strconv.Itoa(uid), "--regid=" + strconv.Itoa(gid)}
		if groups == "" {
			list = append(list, "--clear-groups")
		} else {
			list = append(list, "--groups="+groups)
		}
		return append(append(list, "--", binary), args...)
	}
	for name, tc := range map[string]struct {
		group string // control_group
		gid   int    // that the socket gets
	}{
		"a group of its own":       {strconv.Itoa(group), group},
		"none: that of the daemon": {"", daemon},
	} {
		t.Run(name, func(t *testing.T) {
			config := s.write("textback.toml", s.toml(keys{state: filepath.Join(run, "state.db"), control: socket,
				top:      "control_group = \"" + tc.group + "\"\n[syslog]\nto = \"stderr\"\n[metrics]\nlisten = \"\"\n[backup]\nevery = \"0s\"",
				asterisk: `password = "ari-secret-1"`, freeswitch: `password = "esl-secret-1"`, smpp: `password = "smppsec1"`}), 0o644)
			p := s.start(nil, setpriv, as(daemon, daemon, strconv.Itoa(group), "run", "--config", config)...)
			await(t, "the socket", func() bool { _, err := os.Stat(socket); return err == nil })
			info, err := os.Stat(socket)
			if err != nil {
				t.Fatal(err)
			}
			st := info.Sys().(*syscall.Stat_t)
			if info.Mode().Perm() != 0o660 || st.Uid != daemon || int(st.Gid) != tc.gid {
				t.Errorf("the socket is %v of %d:%d", info.Mode(), st.Uid, st.Gid)
			}
			for who, c := range map[string]struct {
				uid, gid int
				groups   string
				in       bool
			}{
				"a member of the group":    {member, member, strconv.Itoa(tc.gid), true},
				"whose first group it is":  {member, tc.gid, "", true},
				"the daemon's own user":    {daemon, daemon, "", true},
				"a stranger":               {stranger, stranger, "", false},
				"a member of other groups": {stranger, stranger, strconv.Itoa(other), false},
				"nobody":                   {65534, 65534, "", false},
			} {
				for _, args := range [][]string{{"status"}, {"optout", "add", "+12025550123"}, {"backup", filepath.Join(run, "copy.db")}} {
					cmd := exec.Command(setpriv, as(c.uid, c.gid, c.groups, append(args, "--config", config)...)...)
					out, err := cmd.CombinedOutput()
					switch {
					case c.in && err != nil:
						t.Errorf("%s, %v: %v %s", who, args, err, out)
					case !c.in && (err == nil || !strings.Contains(string(out), "permission denied")):
						t.Errorf("%s, %v: %v %s", who, args, err, out)
					}
				}
			}
			if strings.Count(p.output(), "opt-out from=") != 3 {
				t.Errorf("not three opt-outs by command:\n%s", p.output())
			}
			// The state file, the lock and the copies are the daemon's alone.
			files, err := filepath.Glob(filepath.Join(run, "*.db*"))
			if err != nil || len(files) < 2 {
				t.Fatalf("%v %v", files, err)
			}
			for _, f := range files {
				if info, err := os.Stat(f); err != nil || info.Mode().Perm()&0o077 != 0 {
					t.Errorf("%s is %v (%v)", f, info.Mode(), err)
				}
			}
			p.stop(syscall.SIGTERM)
			if _, err := os.Lstat(socket); err == nil {
				t.Error("the socket is left behind")
			}
			for _, f := range files {
				os.Remove(f)
			}
		})
	}
}
