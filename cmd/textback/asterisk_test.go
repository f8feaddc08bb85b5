package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	v6 "github.com/CyCoreSystems/ari/v6"

	"textback/ari"
	"textback/ari/aritest"
	"textback/smpp/smpptest"
	"textback/store"
)

// labWorld is the binary between a real Asterisk and a simulated message centre.
type labWorld struct {
	lab    aritest.Lab
	smsc   *smpptest.Server
	binary string
	config string
	log    *os.File
}

// newLabWorld builds and starts it, and waits until both links stand. It skips the test unless a real Asterisk is there.
func newLabWorld(t *testing.T, change ...func(config string) string) *labWorld {
	t.Helper()
	program := os.Getenv("TEXTBACK_ASTERISK")
	if program == "" {
		t.Skip("TEXTBACK_ASTERISK is not set: run .ci/asterisk/suite, as root")
	}
	dir := t.TempDir()
	w := &labWorld{lab: aritest.Lab{Program: program}, smsc: smpptest.New(smpptest.Options{NoFates: true}),
		binary: filepath.Join(dir, "textback"), config: filepath.Join(dir, "textback.toml")}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- w.smsc.Serve(l) }()
	t.Cleanup(func() {
		w.smsc.Close()
		l.Close()
		<-served
	})
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", w.binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	config := labConfig(dir, l.Addr().String())
	for _, f := range change {
		config = f(config)
	}
	if err := os.WriteFile(w.config, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	if w.log, err = os.Create(filepath.Join(dir, "log")); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(w.binary, "run", "--config", w.config)
	cmd.Stdout, cmd.Stderr = w.log, w.log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		began := time.Now()
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Error(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("textback run: %v", err)
		}
		if took := time.Since(began); took > 6*time.Second {
			t.Errorf("took %v to stop", took)
		}
		if t.Failed() {
			t.Logf("log:\n%s", w.logged())
		}
	})
	w.until(t, time.Minute, "links", func() bool {
		return w.smsc.Bound() > 0 && bytes.Contains(w.logged(), []byte("pbx-up"))
	})
	return w
}

// labConfig is what an administrator of the lab's PBX would write.
func labConfig(dir, smsc string) string {
	var b strings.Builder
	fmt.Fprintf(&b, `state = %q
control = %q
[syslog]
to = "stderr"
level = "debug"
[metrics]
listen = ""
[[pbx]]
name = "lab"
kind = "asterisk"
url = %q
username = %q
password = %q
app = "textback-suite"
[[smpp]]
name = "carrier"
addr = %q
system_id = "lab"
password = "lab"
rate = 0.0
[business.acme]
name = "Acme Plumbing"
timezone = "America/New_York"
region = "US"
booking_url = "https://acme.example/book"
[policy]
delay = "0s"
min_ring = "0s"
validate_numbers = false
regions = []
quiet = ""
`, filepath.Join(dir, "state.db"), filepath.Join(dir, "control.sock"), aritest.LabURL, aritest.LabReader, aritest.LabReaderPassword, smsc)
	for n := range 35 {
		fmt.Fprintf(&b, "[[line]]\nnumber = \"+155501%02d\"\nbusiness = \"acme\"\n", n)
	}
	return b.String()
}

func (w *labWorld) logged() []byte {
	b, err := os.ReadFile(w.log.Name())
	if err != nil {
		return []byte(err.Error())
	}
	return b
}

// until waits for something that no one tells of.
func (w *labWorld) until(t *testing.T, bound time.Duration, what string, found func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), bound)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !found() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("no %s within %v", what, bound)
		}
	}
}

// texts are those that went to a caller.
func (w *labWorld) texts(caller string) []smpptest.Text {
	return slices.DeleteFunc(w.smsc.Texts(), func(x smpptest.Text) bool { return x.To != caller })
}

// explain asks the running daemon what happened to a caller.
func (w *labWorld) explain(t *testing.T, caller string) store.Explanation {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), w.binary, "explain", "--config", w.config, "--json", caller).Output()
	if err != nil {
		t.Fatalf("explain %s: %v", caller, err)
	}
	var x store.Explanation
	if err := json.Unmarshal(out, &x); err != nil {
		t.Fatalf("explain %s: %v\n%s", caller, err, out)
	}
	return x
}

func TestLabEveryMissedCallOfARealPBXIsTextedWithinTenSeconds(t *testing.T) {
	w := newLabWorld(t)
	var answered []string
	for _, scenario := range []string{
		"03", // nobody answers
		"04", // abandoned while ringing
		"01", // answered
		"05", // busy
		"08", // ring group, one answers
		"10", // ring group, abandoned
		"14", // queue, abandoned
		"13", // queue, answered
		"17", // voicemail, a message is left
		"18", // voicemail, none is left
		"60", // two at once
		"32", // one caller on two lines at once, answered on one
		"23", // a call out
		"24", // a call inside
	} {
		calls, err := w.lab.Call(t.Context(), scenario)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range calls {
			name := scenario + " " + c.Outcome
			if c.Text == nil || !*c.Text {
				answered = append(answered, c.Caller)
				continue
			}
			if c.Ended.IsZero() {
				t.Errorf("%s: the caller never hung up", name)
				continue
			}
			w.until(t, 10*time.Second, "text for "+name, func() bool { return len(w.texts(c.Caller)) > 0 })
			text := w.texts(c.Caller)[0]
			if late := text.At.Sub(c.Ended); late > 10*time.Second {
				t.Errorf("%s: the text left %v after the hangup", name, late)
			} else {
				t.Logf("%s: text after %v", name, late.Round(time.Millisecond))
			}
			if text.From != c.Line || !strings.Contains(text.Body, "Acme Plumbing") || !strings.Contains(text.Body, "STOP") {
				t.Errorf("%s: from %s: %q", name, text.From, text.Body)
			}
			x := w.explain(t, c.Caller)
			if len(x.Calls) != 1 {
				t.Errorf("%s: %d calls in the books", name, len(x.Calls))
				continue
			}
			if got := x.Calls[0].Call.Outcome.String(); got != c.Outcome && !slices.Contains(c.Also, got) {
				t.Errorf("%s: outcome %s", name, got)
			}
		}
	}
	// The last answered call is over: what was going to be sent wrongly has been.
	calls, err := w.lab.Call(t.Context(), "26")
	if err != nil {
		t.Fatal(err)
	}
	w.until(t, 10*time.Second, "last text", func() bool { return len(w.texts(calls[0].Caller)) > 0 })
	perCaller := make(map[string]int)
	for _, x := range w.smsc.Texts() {
		if perCaller[x.To]++; perCaller[x.To] > 1 {
			t.Errorf("%s got %d texts", x.To, perCaller[x.To])
		}
	}
	for _, caller := range answered {
		if n := perCaller[caller]; n > 0 {
			t.Errorf("%s was helped, or is not a caller from outside, and got %d texts", caller, n)
		}
	}
}

func TestLabACallThatDiesWithThePBXIsTextedAfterTheRestart(t *testing.T) {
	w := newLabWorld(t)
	// One call talks and one rings when Asterisk is killed; three seconds later it is started again, and a third is abandoned.
	calls, err := w.lab.Call(t.Context(), "37")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range calls {
		if c.Text != nil && *c.Text {
			w.until(t, 10*time.Second, "text for "+c.Caller, func() bool { return len(w.texts(c.Caller)) == 1 })
		} else if n := len(w.texts(c.Caller)); n > 0 {
			t.Errorf("%s (%s) got %d texts", c.Caller, c.Outcome, n)
		}
		for _, v := range w.explain(t, c.Caller).Calls {
			if v.Call.Outcome.String() != c.Outcome {
				t.Errorf("%s: outcome %s, want %s", c.Caller, v.Call.Outcome, c.Outcome)
			}
		}
	}
}

// TestLabAReplyMakesThePBXCallBack: the caller's reply makes the PBX ring an extension that answers, and then the caller.
func TestLabAReplyMakesThePBXCallBack(t *testing.T) {
	w := newLabWorld(t, func(config string) string {
		config = strings.Replace(config, fmt.Sprintf("username = %q\npassword = %q\n", aritest.LabReader, aritest.LabReaderPassword),
			fmt.Sprintf("username = %q\npassword = %q\n", aritest.LabUser, aritest.LabPassword), 1)
		return strings.Replace(config, "[[smpp]]\n", `[pbx.callback]
endpoint = "Local/{extension}@from-trunk/n"
context  = "outbound"
dial     = "{digits}"
[[reply]]
name      = "call me"
match     = ["call me"]
callback  = true
extension = "+15550115"
[[smpp]]
`, 1)
	})
	calls, err := w.lab.Call(t.Context(), "04")
	if err != nil {
		t.Fatal(err)
	}
	caller, line := calls[0].Caller, calls[0].Line
	w.until(t, 10*time.Second, "text", func() bool { return len(w.texts(caller)) == 1 })

	var dialled atomic.Bool
	watching := make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		_ = ari.Run(ctx, ari.Options{URL: aritest.LabURL, Username: aritest.LabUser, Password: aritest.LabPassword, App: "watcher"}, func(m ari.Message) {
			switch e := m.Event.(type) {
			case nil:
				if m.Kind == ari.MessageUp {
					close(watching)
				}
			case *v6.Dial:
				if strings.Contains(e.Dialstring, strings.TrimPrefix(caller, "+")) {
					dialled.Store(true)
				}
			}
		})
	}()
	select {
	case <-watching:
	case <-time.After(20 * time.Second):
		t.Fatal("the watcher's link did not come up")
	}
	if statuses, err := w.smsc.Deliver(t.Context(), smpptest.Message{From: caller, To: line, Body: "Please call me!"}); err != nil || statuses[0] != 0 {
		t.Fatalf("the reply: %v, %v", statuses, err)
	}
	w.until(t, 20*time.Second, "callback in the log", func() bool { return bytes.Contains(w.logged(), []byte(" callback ")) })
	w.until(t, 20*time.Second, "call to the caller", dialled.Load)
}
