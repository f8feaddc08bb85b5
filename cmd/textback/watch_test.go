package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"textback/ari/aritest"
	"textback/smpp/smpptest"
)

// console is a terminal with a program on it: a pseudo-terminal, and a picture of what a person would see, made by the few
// sequences that are allowed. Any other sequence is a finding: only what a stranger wrote could have brought it.
type console struct {
	t      *testing.T
	master *os.File
	slave  *os.File // kept open, so that the settings can be read after the program has ended
	cmd    *exec.Cmd

	mu        sync.Mutex
	cells     [][]rune
	row, col  int
	alternate bool
	hiddenCur bool
	noWrap    bool
	coloured  bool
	foreign   []string
	beyond    int // characters beyond the right edge; just after a resize a picture of the old size may still come
	pending   []byte
}

func newConsole(t *testing.T, cols, rows int) *console {
	t.Helper()
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Skipf("there are no pseudo-terminals here: %v", err)
	}
	master := os.NewFile(uintptr(fd), "/dev/ptmx")
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("the pseudo-terminal cannot be opened: %v", err)
	}
	c := &console{t: t, master: master, slave: slave}
	c.resize(cols, rows)
	t.Cleanup(func() { master.Close(); slave.Close() })
	return c
}

func (c *console) resize(cols, rows int) {
	c.t.Helper()
	c.mu.Lock()
	c.cells = make([][]rune, rows)
	for i := range c.cells {
		c.cells[i] = []rune(strings.Repeat(" ", cols))
	}
	c.row, c.col = 0, 0
	c.mu.Unlock()
	raw, err := c.master.SyscallConn()
	if err != nil {
		c.t.Fatal(err)
	}
	if err := raw.Control(func(fd uintptr) {
		err := unix.IoctlSetWinsize(int(fd), unix.TIOCSWINSZ, &unix.Winsize{Row: uint16(rows), Col: uint16(cols)})
		if err != nil {
			c.t.Error(err)
		}
	}); err != nil {
		c.t.Fatal(err)
	}
}

// run starts a program on the terminal.
func (c *console) run(env []string, name string, args ...string) {
	c.t.Helper()
	c.cmd = exec.Command(name, args...)
	c.cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "TZ=UTC", "TERM=xterm"}, env...)
	c.cmd.Stdin, c.cmd.Stdout, c.cmd.Stderr = c.slave, c.slave, c.slave
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 0}
	if err := c.cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() {
		if c.cmd.ProcessState == nil {
			_ = c.cmd.Process.Kill()
			_ = c.cmd.Wait()
		}
	})
	go func() {
		buf := make([]byte, 1<<16)
		for {
			n, err := c.master.Read(buf)
			c.feed(buf[:n])
			if err != nil {
				return
			}
		}
	}()
}

// feed draws what the program wrote.
func (c *console) feed(b []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	b = append(c.pending, b...)
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		switch {
		case r == utf8.RuneError && !utf8.FullRune(b):
			c.pending = bytes.Clone(b)
			return
		case r == 0x1b:
			if n = c.sequence(b); n == 0 {
				c.pending = bytes.Clone(b)
				return
			}
		case r == '\r':
			c.col = 0
		case r == '\n':
			c.row = min(c.row+1, len(c.cells)-1)
		case hidden(r) && r != leftToRightMark: // which is ours
			c.foreign = append(c.foreign, fmt.Sprintf("%U", r))
		default:
			c.put(r)
		}
		b = b[n:]
	}
	c.pending = nil
}

func (c *console) put(r rune) {
	switch w := cells(r); {
	case w == 0:
	case c.col+w > len(c.cells[c.row]):
		c.beyond++
	default:
		c.cells[c.row][c.col] = r
		c.col += w
	}
}

// sequence obeys one escape sequence and gives its length, 0 if it is not whole yet.
func (c *console) sequence(b []byte) int {
	end := bytes.IndexFunc(b[1:], func(r rune) bool { return r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' })
	if end < 0 {
		return 0
	}
	s := string(b[1 : end+2])
	switch {
	case s == "[?1049h", s == "[?1049l":
		c.alternate = s == "[?1049h"
	case s == "[?25l", s == "[?25h":
		c.hiddenCur = s == "[?25l"
	case s == "[?7l", s == "[?7h":
		c.noWrap = s == "[?7l"
	case s == "[H":
		c.row, c.col = 0, 0
	case s == "[2J":
	case strings.HasSuffix(s, "m") && strings.Trim(s[1:], "0123456789;m") == "":
		c.coloured = c.coloured || s != "[0m"
	default:
		c.foreign = append(c.foreign, fmt.Sprintf("%q", s))
	}
	return end + 2
}

// settled tells how many characters were beyond the right edge, and begins to count anew.
func (c *console) settled() (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n, c.beyond = c.beyond, 0
	return n
}

func (c *console) picture() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var b strings.Builder
	for _, row := range c.cells {
		b.WriteString(strings.TrimRight(string(row), " ") + "\n")
	}
	return b.String()
}

func (c *console) shows(what ...string) func() bool {
	return func() bool {
		p := c.picture()
		for _, w := range what {
			if !strings.Contains(p, w) {
				return false
			}
		}
		return true
	}
}

// await waits for a picture.
func (c *console) await(what ...string) {
	c.t.Helper()
	deadline := time.After(standBound)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !c.shows(what...)() {
		select {
		case <-tick.C:
		case <-deadline:
			c.t.Fatalf("waited too long for %q on:\n%s", what, c.picture())
		}
	}
}

func (c *console) typed(s string) {
	c.t.Helper()
	if _, err := c.master.Write([]byte(s)); err != nil {
		c.t.Fatal(err)
	}
}

func (c *console) settings() unix.Termios {
	c.t.Helper()
	s, err := unix.IoctlGetTermios(int(c.slave.Fd()), unix.TCGETS)
	if err != nil {
		c.t.Fatal(err)
	}
	return *s
}

// wait waits for the program's end.
func (c *console) wait() error {
	done := make(chan error, 1)
	go func() { done <- c.cmd.Wait() }()
	select {
	case err := <-done:
		return err
	case <-time.After(standBound):
		c.t.Fatalf("it did not end:\n%s", c.picture())
		return nil
	}
}

// hostile plays a recorded missed call whose caller has a name of the test's own.
func (s *stand) hostile(caller, name string, speed float64) {
	s.t.Helper()
	const number, recorded = "15551230301", "SMITH JOHN" // as they stand in the recording
	trace, err := aritest.LoadTrace(aritest.Recorded(), "03-direct-no-answer-dial-timeout")
	if err != nil {
		s.t.Fatal(err)
	}
	encoded, err := json.Marshal(name)
	if err != nil {
		s.t.Fatal(err)
	}
	var edited bytes.Buffer
	for _, ev := range trace.Events {
		raw := bytes.ReplaceAll(ev.Raw, []byte(recorded), encoded[1:len(encoded)-1])
		raw = bytes.ReplaceAll(raw, []byte(number), []byte(strings.TrimPrefix(caller, "+")))
		fmt.Fprintf(&edited, "{\"t_ms\":%d,\"event\":%s}\n", ev.At.Milliseconds(), raw)
	}
	if trace, err = aritest.ReadTrace(&edited); err == nil {
		_, err = s.asterisk.Play(context.Background(), aritest.Play{Trace: trace, Speed: speed})
	}
	if err != nil {
		s.t.Error(err)
	}
}

// watchStand is a textback that runs, for somebody to watch.
func watchStand(t *testing.T) (s *stand, config string, daemon *process) {
	t.Helper()
	s = newStand(t, passwords{"ari-secret", "esl-secret", "smpp-pw"}, nil)
	config = s.write("textback.toml", s.toml(keys{
		top:      "[syslog]\nto = \"stderr\"\n[metrics]\nlisten = \"\"\n[backup]\nevery = \"0s\"\n",
		asterisk: "password = \"ari-secret\"", freeswitch: "password = \"esl-secret\"", smpp: "password = \"smpp-pw\""}), 0o600)
	return s, config, s.startUp(config)
}

// startUp starts the daemon and waits for its links.
func (s *stand) startUp(config string) *process {
	s.t.Helper()
	p := s.start(nil, "textback", "run", "--config", config)
	await(s.t, "the links", func() bool {
		out := p.output()
		return strings.Count(out, " pbx-up ") >= 2 && strings.Contains(out, " smpp-up ")
	})
	return p
}

const hostileName = "EVE\x1b]0;owned\a\x1b[2J\u202eevil\u2028\u009b31m"

// TestWatchOnATerminal: the screen shows a call ring, its verdict, its text and the reply; it follows the window's size and a
// daemon that is started anew; nothing that a stranger wrote acts on the terminal; Ctrl-C leaves it as it was.
func TestWatchOnATerminal(t *testing.T) {
	s, config, daemon := watchStand(t)
	c := newConsole(t, 130, 30)
	before := c.settings()
	c.run(nil, "textback", "watch", "--config", config)
	c.await("hq up | branch up | carrier up", "calls in progress: 0", "smpp-up")
	if now := c.settings(); now.Lflag&(unix.ECHO|unix.ICANON) != 0 || now.Lflag&unix.ISIG == 0 {
		t.Errorf("while it shows, the terminal's flags are %o", now.Lflag)
	}
	played := make(chan struct{})
	go func() { defer close(played); s.hostile("+12025550142", hostileName, 8) }()
	c.await("calls in progress: 1", "ringing    0:", `+12025550142 "EVE]0;owned[2Jevil 31m"`)
	<-played
	c.await("calls in progress: 0", `no-answer        +12025550142 "EVE]0;owned[2Jevil 31m" to +15550100 after 20s: text 1`, "text 1           delivered (missed-call) to +12025550142")
	if _, err := s.smsc.Deliver(t.Context(), smpptest.Message{From: "12025550142", To: "15550100", Body: "Friday\x1b[31m? \u202eevil"}); err != nil {
		t.Fatal(err)
	}
	c.await("reply            +12025550142", `"Friday[31m? evil"`)

	if n := c.settled(); n != 0 {
		t.Errorf("%d characters are beyond the right edge", n)
	}
	c.resize(60, 10)
	c.await("calls in progress: 0", "reply            +12025550142")
	if p := c.picture(); strings.Count(p, "\n") != 10 {
		t.Errorf("after the window shrank:\n%s", p)
	}
	c.resize(130, 30)
	daemon.stop(syscall.SIGTERM)
	c.await("NOT RUNNING, waiting for it", "textback has stopped; waiting for it")
	c.settled()
	s.startUp(config)
	c.await("hq up | branch up | carrier up")
	s.miss("+12025550177")
	c.await("no-answer        +12025550177", "text 2           delivered")

	c.typed("\x03") // Ctrl-C
	if err := c.wait(); err != nil {
		t.Errorf("it ended with %v", err)
	}
	if after := c.settings(); after != before {
		t.Errorf("the terminal was left as\n%+v, and was\n%+v", after, before)
	}
	await(t, "the last of its output", func() bool { c.mu.Lock(); defer c.mu.Unlock(); return !c.alternate })
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.hiddenCur || c.noWrap || !c.coloured || len(c.foreign) > 0 || c.beyond > 0 {
		t.Errorf("cursor hidden %v, no wrap %v, coloured %v, beyond the edge %d, not ours: %v", c.hiddenCur, c.noWrap, c.coloured, c.beyond, c.foreign)
	}
}

// TestWatchIsSuspendedAndEndsByAKey: Ctrl-Z gives the shell its terminal, and q ends it. NO_COLOR keeps it free of colours.
func TestWatchIsSuspendedAndEndsByAKey(t *testing.T) {
	_, config, _ := watchStand(t)
	c := newConsole(t, 100, 20)
	before := c.settings()
	c.run([]string{"NO_COLOR=1"}, "textback", "watch", "--config", config)
	c.await("calls in progress: 0")
	c.typed("\x1a") // Ctrl-Z
	var ws syscall.WaitStatus
	await(t, "the stop", func() bool {
		pid, err := syscall.Wait4(c.cmd.Process.Pid, &ws, syscall.WUNTRACED|syscall.WNOHANG, nil)
		return err == nil && pid == c.cmd.Process.Pid && ws.Stopped()
	})
	if now := c.settings(); now != before {
		t.Errorf("the shell would get its terminal as\n%+v, and it was\n%+v", now, before)
	}
	await(t, "the screen of the shell", func() bool { c.mu.Lock(); defer c.mu.Unlock(); return !c.alternate && !c.hiddenCur })
	if err := c.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	await(t, "the screen again", func() bool { c.mu.Lock(); defer c.mu.Unlock(); return c.alternate })
	c.typed("q")
	if err := c.wait(); err != nil {
		t.Errorf("it ended with %v", err)
	}
	if now := c.settings(); now != before {
		t.Error("the terminal was not left as it was")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.coloured || len(c.foreign) > 0 || c.beyond > 0 {
		t.Errorf("coloured %v, beyond the edge %d, not ours: %v", c.coloured, c.beyond, c.foreign)
	}
}

// TestWatchInAPipe prints lines, or JSON of which each line stands for itself; neither can act on a terminal.
func TestWatchInAPipe(t *testing.T) {
	s, config, daemon := watchStand(t)
	plainly := s.start(nil, "textback", "watch", "--config", config)
	objects := s.start(nil, "textback", "watch", "--json", "--config", config)
	await(t, "the beginnings", func() bool {
		return strings.Contains(plainly.output(), "watching") && strings.Contains(objects.output(), `"hello"`)
	})
	s.hostile("+12025550142", hostileName, 0)
	await(t, "the text", func() bool {
		return strings.Contains(plainly.output(), "text 1           delivered") && strings.Contains(objects.output(), `"text.delivered"`)
	})
	daemon.stop(syscall.SIGTERM)
	await(t, "the daemon's end", func() bool { return strings.Contains(plainly.output(), "textback has stopped; waiting for it") })
	plainly.stop(syscall.SIGINT)
	objects.stop(syscall.SIGTERM)
	for what, out := range map[string]string{"lines": plainly.output(), "objects": objects.output()} {
		for _, r := range out {
			if r != '\n' && r != leftToRightMark && hidden(r) {
				t.Errorf("%s have %U in them", what, r)
			}
		}
	}
	kinds := make(map[string]bool)
	for line := range strings.Lines(objects.output()) {
		var ev struct {
			Type string
			Data struct{ Name string }
		}
		if err := json.Unmarshal([]byte(line), &ev); err != nil {
			t.Errorf("%s: %v", line, err)
		}
		if kinds[ev.Type] = true; ev.Type == "call.ringing" && ev.Data.Name != hostileName {
			t.Errorf("the name is given as %q", ev.Data.Name)
		}
	}
	for _, kind := range []string{"hello", "state", "call.ringing", "call.ended", "call.verdict", "text.queued", "text.submitting",
		"text.accepted", "text.delivered", "stopping", "away"} {
		if !kinds[kind] {
			t.Errorf("there is no %s", kind)
		}
	}
	if code := plainly.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("Ctrl-C gives the exit code %d", code)
	}
	if out, err := s.run(nil, "watch", "--config", config); err == nil || !strings.Contains(out, "textback is not running") || !strings.Contains(out, "hint: ") {
		t.Errorf("without a daemon: %v\n%s", err, out)
	}
}

func TestWhatIsShownIsCutToTheCellsThatThereAre(t *testing.T) {
	for _, tc := range []struct {
		in   string
		n    int
		want string
	}{
		{"abc", 5, "abc  "}, {"abcdef", 4, "abc…"}, {"abcd", 4, "abcd"}, {"日本語", 6, "日本語"}, {"日本語", 5, "日本…"}, {"日本語", 4, "日… "},
		{"e\u0301\u0301\u0301\u0301x", 3, "e\u0301\u0301x "}, {"\u0301ab", 2, "ab"}, {"a", 1, "a"}, {"ab", 1, "…"}, {"", 2, "  "}, {"x", 0, ""},
	} {
		if got := fit(tc.in, tc.n); got != tc.want {
			t.Errorf("fit(%q, %d) = %q, want %q", tc.in, tc.n, got, tc.want)
		}
	}
}

func TestANameFromRightToLeftKeepsItsPlace(t *testing.T) {
	for name, want := range map[string]string{"": "", "JOHN": ` "JOHN"`, "שלום": " \"שלום\"\u200e", "سلام": " \"سلام\"\u200e", "\u202eevil": ` "evil"`} {
		if got := named(name); got != want {
			t.Errorf("named(%q) = %q, want %q", name, got, want)
		}
	}
}

func FuzzInertJSON(f *testing.F) {
	for _, s := range []string{hostileName, "日本語", "\U000e0041tag", "\x7f", `\"`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		b, err := json.Marshal(map[string]string{"x": s})
		if err != nil {
			t.Skip()
		}
		out := inert(b)
		for _, r := range string(out) {
			if hidden(r) {
				t.Errorf("%q has %U in it", out, r)
			}
		}
		var had, has map[string]string
		if json.Unmarshal(b, &had) != nil || json.Unmarshal(out, &has) != nil || had["x"] != has["x"] {
			t.Errorf("%q became %q", had["x"], has["x"])
		}
	})
}

// FuzzWatchLine: whatever a daemon tells, a line is one line, of the width asked for, and acts on no terminal.
func FuzzWatchLine(f *testing.F) {
	f.Add("call.ringing", []byte(`{"number":"+1","name":"\u001b[2J\u202e","line":"x\ny"}`), 80)
	f.Add("call.verdict", []byte(`{"call":{"outcome":"lost","name":"日本"},"reason":"text","held":true}`), 20)
	f.Add("text.unknown", []byte(`{"id":1,"state":"unknown","note":"\u2028"}`), 10)
	f.Add("reply.received", []byte(`{"body":"\u009b31m","tag":"\u0007"}`), 33)
	f.Add("log", []byte(`{"id":"x","pairs":[["k","a b"],["\u001b","=\""]]}`), 50)
	f.Add("away", []byte(`{"id":"away"}`), 50)
	f.Fuzz(func(t *testing.T, kind string, data []byte, n int) {
		ev := watchEvent{Type: kind, Data: data}
		l, ok := lineOf(&ev)
		if !ok {
			return
		}
		n = min(max(n, 1), 300)
		s, used := l.paint(false, n), 0
		for _, r := range s {
			if hidden(r) && r != leftToRightMark {
				t.Errorf("%q has %U in it", s, r)
			}
			used += cells(r)
		}
		if used != n {
			t.Errorf("%q takes %d cells of %d", s, used, n)
		}
	})
}

// TestWatchOnATerminalThatKnowsNothing prints lines: TERM is dumb, or not set.
func TestWatchOnATerminalThatKnowsNothing(t *testing.T) {
	_, config, _ := watchStand(t)
	for _, env := range [][]string{{"TERM=dumb"}, {"TERM="}} {
		c := newConsole(t, 100, 20)
		c.run(env, "textback", "watch", "--config", config)
		c.await("watching         textback", "smpp-up          smpp=carrier")
		c.typed("\x03")
		if err := c.wait(); err != nil {
			t.Errorf("%v: it ended with %v", env, err)
		}
		c.mu.Lock()
		if c.coloured || c.alternate || len(c.foreign) > 0 {
			t.Errorf("%v: coloured %v, a screen %v, not ours: %v", env, c.coloured, c.alternate, c.foreign)
		}
		c.mu.Unlock()
	}
}
