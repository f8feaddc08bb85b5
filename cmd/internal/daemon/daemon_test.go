package daemon

import (
	"context"
	"fmt"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"textback"
	"textback/ari/aritest"
	"textback/esl/esltest"
	"textback/store"
)

// TestEveryRecordedCallIsTextedAsItsTruthAsks plays every recording of a real PBX over the real wires into a daemon, and
// holds what the message centre got against the truth beside the recording.
func TestEveryRecordedCallIsTextedAsItsTruthAsks(t *testing.T) {
	w := newWorld(t, fast, "")
	w.start()
	type expected struct {
		name, caller string
		text         *bool
	}
	var want []expected
	n := 0
	names, err := aritest.Names(aritest.Recorded())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		trace, err := aritest.LoadTrace(aritest.Recorded(), name)
		if err != nil {
			t.Fatal(err)
		}
		renamed := map[string]string{}
		if pace(name) != 0 {
			w.quiet()
		}
		calls, err := w.asterisk.Play(context.Background(), aritest.Play{Trace: trace, Losses: true, Speed: pace(name), Caller: func(old string) string {
			if renamed[old] == "" {
				n++
				renamed[old] = fmt.Sprintf("+1557%07d", n)
			}
			return renamed[old]
		}})
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range calls {
			if strings.HasPrefix(c.Caller, "+1557") && (c.Direction == "" || c.Direction == "in") {
				want = append(want, expected{name, c.Caller, c.Text})
			}
		}
		if strings.Contains(name, "37") {
			w.await("the link after "+name, func() bool { return w.asterisk.Connected("textback") })
		}
	}
	recordings, err := esltest.LoadRecordings(os.DirFS("../../../esl/testdata/traces"))
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range recordings {
		if pace(r.Name) != 0 {
			w.quiet()
		}
		calls, err := w.freesw.Play(context.Background(), r, esltest.PlayOptions{Await: true, Speed: pace(r.Name), Numbers: r.Callers(fmt.Sprintf("+1558%07d", 100*(i+1)))})
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range calls {
			if strings.HasPrefix(c.Truth.Caller, "+1558") && c.Truth.Outcome != "outbound" && c.Truth.Outcome != "internal" {
				want = append(want, expected{r.Name, c.Truth.Caller, c.Truth.Text})
			}
		}
	}
	sure := map[string]*bool{} // a caller with two calls gets a text if one of them asks for it
	for _, x := range want {
		switch old, ok := sure[x.caller]; {
		case !ok || x.text != nil && *x.text:
			sure[x.caller] = x.text
		case old != nil && !*old:
			sure[x.caller] = x.text
		}
	}
	w.await("the texts", func() bool {
		for caller, text := range sure {
			if text != nil && *text && len(w.textsTo(caller)) == 0 {
				return false
			}
		}
		return true
	})
	w.end()
	for caller, text := range sure {
		got := len(w.textsTo(caller))
		if got > 1 || text != nil && (got == 1) != *text {
			name := ""
			for _, x := range want {
				if x.caller == caller {
					name = x.name
				}
			}
			t.Errorf("%s: caller %s got %d texts; the log of these callers:\n%s", name, caller, got, w.log.lines("caller=…"+caller[len(caller)-3:]))
		}
	}
	if len(want) < 70 {
		t.Errorf("only %d calls were looked at", len(want))
	}
}

// pace is how fast a recording is played: as fast as it goes, but where the time between several calls of one caller or a
// lost link matters.
func pace(name string) float64 {
	for _, slow := range []string{"32", "33", "37"} {
		if strings.HasPrefix(name, slow) {
			return 6
		}
	}
	return 0
}

func TestACallerGetsOneTextHoweverOftenSheCalls(t *testing.T) {
	w := newWorld(t, fast, "")
	w.start()
	const caller = "+15571230001"
	done := make(chan struct{})
	for range 2 {
		go func() { w.played("04", caller); done <- struct{}{} }()
	}
	<-done
	<-done
	w.await("two verdicts", func() bool { return w.log.count("msg=verdict") == 2 })
	w.await("delivery", func() bool { return w.log.count("state=delivered") == 1 })
	if n := len(w.textsTo(caller)); n != 1 {
		t.Errorf("%d texts, want 1", n)
	}
	if s := w.status(); s.Store.Missed != 2 || s.Store.Verdicts != 2 {
		t.Errorf("%d missed calls and %d verdicts, want 2 and 2", s.Store.Missed, s.Store.Verdicts)
	}
	var x store.Explanation
	if err := w.call("explain", ExplainArgs{What: caller}, &x); err != nil {
		t.Fatal(err)
	}
	if len(x.Calls) != 2 || len(x.Texts) != 1 || len(x.Calls[0].Call.Evidence) == 0 {
		t.Errorf("explain tells of %d calls and %d texts, with evidence %v", len(x.Calls), len(x.Texts), x.Calls[0].Call.Evidence)
	}
}

func TestACallerWhoIsReachedBeforeTheTextLeavesGetsNone(t *testing.T) {
	w := newWorld(t, strings.Replace(fast, `delay = "0s"`, `delay = "1h"`, 1), "")
	w.start()
	const caller = "+15571230002"
	w.played("04", caller)
	w.await("the verdict", func() bool { return w.log.count("msg=verdict") == 1 })
	w.played("01", caller)
	w.await("the recovery", func() bool { return w.log.count("msg=recovered") == 1 })
	var x store.Explanation
	if err := w.call("explain", ExplainArgs{What: caller}, &x); err != nil {
		t.Fatal(err)
	}
	if x.Calls[0].Decision.Reason != textback.ReasonRecovered || x.Texts[0].State != textback.Cancelled {
		t.Errorf("verdict %v, text %v; want recovered and cancelled", x.Calls[0].Decision.Reason, x.Texts[0].State)
	}
}

func TestStopIsObeyedOnceAndForGood(t *testing.T) {
	w := newWorld(t, fast, "")
	w.start()
	const caller = "+15571230003"
	w.played("04", caller)
	w.await("the text", func() bool { return len(w.textsTo(caller)) == 1 })
	for range 2 {
		for _, s := range w.write(caller, "STOP") {
			if s != 0 {
				t.Errorf("STOP was answered with status 0x%x", s)
			}
		}
	}
	w.await("the confirmation", func() bool { return len(w.textsTo(caller)) == 2 })
	w.played("04", caller)
	w.await("the second verdict", func() bool { return w.log.count("msg=verdict") == 2 })
	if w.log.count("reason=opted-out") != 1 {
		t.Errorf("the second call's verdict is not opted-out:\n%s", w.log.tail())
	}
	w.write(caller, "START")
	w.await("the opt-in", func() bool { return len(w.textsTo(caller)) == 3 })
	if n := len(w.textsTo(caller)); n != 3 {
		t.Errorf("%d texts, want the first, one confirmation, and the one of the opt-in", n)
	}
	if err := w.call("verify", nil, nil); err != nil {
		t.Errorf("verify: %v", err)
	}
}

func TestAPersonAnswersAndAutomationStandsDown(t *testing.T) {
	w := newWorld(t, fast, "[[reply]]\nname = \"price\"\nmatch = [\"price\", \"quote*\"]\nsend = \"A visit costs 90 dollars.\"\n")
	w.start()
	const caller = "+15571230004"
	w.played("04", caller)
	w.await("the text", func() bool { return len(w.textsTo(caller)) == 1 })
	w.write(caller, "What is the price?")
	w.await("the branch's answer", func() bool { return len(w.textsTo(caller)) == 2 })
	var threads []textback.Thread
	if err := w.call("threads", ThreadArgs{}, &threads); err != nil || len(threads) != 1 {
		t.Fatalf("threads: %v, %v", threads, err)
	}
	if err := w.call("thread-reply", ThreadArgs{Thread: threads[0].Tag, Person: "ann", Text: "I am Ann. Shall we come at five?"}, nil); err != nil {
		t.Fatal(err)
	}
	w.await("Ann's answer", func() bool { return len(w.textsTo(caller)) == 3 })
	w.write(caller, "And the price of a quote?")
	w.await("the reply", func() bool { return w.log.count("msg=reply ") == 2 })
	var th textback.Thread
	if err := w.call("thread", ThreadArgs{Thread: threads[0].Tag}, &th); err != nil {
		t.Fatal(err)
	}
	if n := len(w.textsTo(caller)); n != 3 || th.TakenBy != "ann" {
		t.Errorf("%d texts, taken by %q; want 3 and ann", n, th.TakenBy)
	}
}

func TestATextWaitsThroughARestartAndLeavesOnce(t *testing.T) {
	w := newWorld(t, strings.Replace(fast, `delay = "0s"`, `delay = "2s"`, 1), "")
	w.start()
	const caller = "+15571230005"
	w.played("04", caller)
	w.await("the verdict", func() bool { return w.log.count("msg=verdict") == 1 })
	w.end()
	if n := len(w.textsTo(caller)); n != 0 {
		t.Fatalf("%d texts left before they were due", n)
	}
	w.log = &logBook{}
	w.start()
	w.await("the text", func() bool { return len(w.textsTo(caller)) == 1 })
	w.await("delivery", func() bool { return w.log.count("state=delivered") == 1 })
}

func TestABadReloadChangesNothingAndAGoodOneKeepsTheLinksUp(t *testing.T) {
	w := newWorld(t, fast, "")
	w.start()
	good := w.config
	w.config = strings.Replace(good, `kind     = "asterisk"`, `kind     = "asterix"`, 1)
	w.reload <- syscall.SIGHUP
	w.await("the refusal", func() bool { return w.log.count("msg=reload-failed") > 0 })
	w.config = strings.Replace(good, `outcomes`, `outcomes`, 1) + "[[rule]]\nname = \"never\"\nsend = false\n"
	w.reload <- syscall.SIGHUP
	w.await("the reload", func() bool { return w.log.count("msg=reload ") == 1 })
	if n := w.log.count("msg=pbx-up"); n != 2 {
		t.Errorf("links came up %d times, want 2: unchanged links stay up", n)
	}
	w.played("04", "+15571230006")
	w.await("the verdict", func() bool { return w.log.count("reason=rule") == 1 })
	w.config = strings.Replace(w.config, `url      = "http://`, `app      = "other"
url      = "http://`, 1)
	w.reload <- syscall.SIGHUP
	w.await("the changed link", func() bool { return w.asterisk.Connected("other") })
}

func TestAStateFileThatIsNamedAnewStaysTheOldOneInEveryReload(t *testing.T) {
	w := newWorld(t, fast, "")
	w.start()
	good := w.config
	w.config = strings.Replace(good, "textback.db", "other.db", 1)
	for i := range 2 {
		w.reload <- syscall.SIGHUP
		w.await("the reload", func() bool { return w.log.count("msg=reload ") == i+1 })
		if n := w.log.count("msg=reload-restart"); n != i+1 {
			t.Errorf("after %d reloads %d lines say that a restart is needed", i+1, n)
		}
	}
	w.config = good
	w.reload <- syscall.SIGHUP
	w.await("the reload back", func() bool { return w.log.count("msg=reload ") == 3 })
	if n := w.log.count("msg=reload-restart"); n != 2 {
		t.Errorf("%d lines say that a restart is needed, want 2: back at the old name nothing is different", n)
	}
}

func TestTheStatusTellsWhatMendsAWrongPassword(t *testing.T) {
	w := newWorld(t, fast, "")
	w.start()
	w.config = strings.Replace(w.config, `username = "textback"`, `username = "wrong"`, 1)
	w.reload <- syscall.SIGHUP
	w.await("the refusals", func() bool { return w.log.count("msg=pbx-credentials") > 0 })
	var do []string
	for _, x := range w.status().Troubles {
		do = append(do, x.Do)
	}
	if all := strings.Join(do, "; "); !strings.Contains(all, "against ari.conf") {
		t.Errorf("the status says what to do: %q", all)
	}
}

func TestSecretsNeverReachTheLog(t *testing.T) {
	w := newWorld(t, fast, "")
	w.freesw.SetPassword("another")
	w.config = strings.Replace(w.config, `username = "textback"`, `username = "wrong"`, 1)
	cfg, err := w.parse()
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- Run(ctx, Options{Config: cfg, Log: newLog(w.log)}) }()
	w.await("both refusals", func() bool { return w.log.count("msg=pbx-credentials") == 2 })
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if w.log.count(secret) > 0 {
		t.Error("a password is in the log")
	}
}

// TestAFailingDiskIsSurvived: calls are tracked, the message centre is asked to repeat, and nothing is lost when it heals.
func TestAFailingDiskIsSurvived(t *testing.T) {
	w := newWorld(t, fast, "")
	var broken faultyDisk
	w.start(func(o *Options) { o.BeforeCommit = broken.commit })
	const caller = "+15571230007"
	w.played("04", caller)
	w.await("the text", func() bool { return w.log.count("state=delivered") == 1 })
	broken.set(true)
	w.played("04", "+15571230008")
	w.await("the alarm", func() bool { return w.log.count("msg=store-failed") > 0 })
	statuses := make(chan []uint32, 1)
	go func() { statuses <- w.write(caller, "STOP") }()
	w.await("the refused STOP", func() bool {
		for _, a := range w.smsc.Acks() {
			if a.Status == 0x64 {
				return true
			}
		}
		return false
	})
	broken.set(false)
	<-statuses
	w.await("the verdict", func() bool { return w.log.count("msg=verdict") == 2 })
	w.await("the opt-out", func() bool { return w.log.count("msg=opt-out") == 1 })
	w.await("the text", func() bool { return len(w.textsTo("+15571230008")) == 1 })
}

func TestACallThatCouldNotBeStoredBeforeTheStopIsSaid(t *testing.T) {
	w := newWorld(t, fast, "")
	var broken faultyDisk
	w.start(func(o *Options) { o.BeforeCommit = broken.commit })
	broken.set(true)
	w.played("04", "+15571230009")
	w.await("the alarm", func() bool { return w.log.count("msg=store-failed") > 0 })
	w.end()
	if w.log.count("msg=calls-dropped") != 1 {
		t.Errorf("the log does not tell that a call was given up:\n%s", w.log.tail())
	}
}

func TestTheDaemonStopsWithinItsBound(t *testing.T) {
	w := newWorld(t, fast, "")
	w.start()
	began := time.Now()
	w.end()
	t.Logf("stopped in %s", time.Since(began))
}

// TestAClockThatIsSetNeitherHurriesNorHoldsAText sets the wall clock forward and back by hours while a text waits.
func TestAClockThatIsSetNeitherHurriesNorHoldsAText(t *testing.T) {
	for name, step := range map[string]time.Duration{"forward": 5 * time.Hour, "back": -5 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, strings.Replace(fast, `delay = "0s"`, `delay = "4s"`, 1), "")
			var offset atomic.Int64
			w.start(func(o *Options) {
				o.Now = func() time.Time { return time.Now().Round(0).Add(time.Duration(offset.Load())) }
			})
			const caller = "+15571230009"
			began := time.Now()
			w.played("04", caller)
			w.await("the verdict", func() bool { return w.log.count("msg=verdict") == 1 })
			offset.Store(int64(step))
			w.await("the step", func() bool { return w.log.count("msg=clock-stepped") == 1 })
			w.await("the text", func() bool { return len(w.textsTo(caller)) == 1 })
			if after := time.Since(began); after < 3*time.Second {
				t.Errorf("the text left after %s, 4 s were asked for", after)
			}
			w.await("delivery", func() bool { return w.log.count("state=delivered") == 1 })
			if n := len(w.textsTo(caller)); n != 1 {
				t.Errorf("%d texts", n)
			}
		})
	}
}

func TestAListenerWhosePortIsTakenIsATroubleUntilAReloadOpensIt(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	w := newWorld(t, fast, fmt.Sprintf("[http]\nlisten = %q\n", l.Addr().String()))
	w.start()
	w.await("the failure", func() bool { return w.log.count("msg=http-failed") > 0 })
	s := w.status()
	if s.Shut["http"] == "" || len(s.Troubles) != 1 || !strings.Contains(s.Troubles[0].What, "the listener of [http] is not open") {
		t.Errorf("the status tells of %q and %+v", s.Shut, s.Troubles)
	}
	l.Close()
	w.reload <- syscall.SIGHUP
	w.await("the listener", func() bool { return w.log.count("msg=http-listen") > 0 })
	if s := w.status(); len(s.Shut) > 0 || len(s.Troubles) > 0 {
		t.Errorf("the status still tells of %q and %+v", s.Shut, s.Troubles)
	}
}
