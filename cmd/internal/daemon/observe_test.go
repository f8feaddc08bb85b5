package daemon

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"textback"
	"textback/ari/aritest"
	"textback/smpp/smpptest"
)

// TestACallThatWaitedForTheDiskIsNoImmediateAnswerAnyMore: a text within five minutes of the call's end may leave in quiet
// hours; a call that could not be stored for ten does not become a fresh one by that.
func TestACallThatWaitedForTheDiskIsNoImmediateAnswerAnyMore(t *testing.T) {
	w := newWorld(t, fast, "")
	newYork, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now().In(newYork)
	quiet := fmt.Sprintf("quiet = \"%s-%s\"", now.Add(-2*time.Hour).Format("15:04"), now.Add(3*time.Hour).Format("15:04"))
	w.config = strings.Replace(w.config, `quiet            = ""`, quiet, 1)
	var broken faultyDisk
	var offset atomic.Int64
	w.start(func(o *Options) {
		o.BeforeCommit = broken.commit
		o.Now = func() time.Time { return time.Now().Add(time.Duration(offset.Load())) }
	})
	w.smsc.SetFaults(smpptest.Faults{NoReceipts: true})
	w.played("04", "+15571230051")
	w.await("the immediate text", func() bool { return w.log.count("state=accepted") == 1 })
	broken.set(true)
	w.played("04", "+15571230052")
	w.await("the trouble", func() bool { return w.log.count("what=verdict") == 1 })
	offset.Store(int64(10 * time.Minute))
	broken.set(false)
	w.await("the verdict", func() bool { return w.log.count("msg=verdict") == 2 })
	if w.log.count("held=true") != 1 {
		t.Errorf("the second text is not held:\n%s", w.log.tail())
	}
}

func TestACallIsCountedOnceHoweverOftenItHasToBeStored(t *testing.T) {
	w := newWorld(t, fast, "")
	var broken faultyDisk
	w.start(func(o *Options) { o.BeforeCommit = broken.commit })
	broken.set(true)
	w.played("04", "+15571230053")
	w.await("some attempts", func() bool { return w.status().PBXs[0].Waiting == 1 && w.log.count("what=verdict") == 1 })
	broken.set(false)
	w.await("the verdict", func() bool { return w.log.count("msg=verdict") == 1 })
	if n := w.status().PBXs[0].Calls; n != 1 {
		t.Errorf("%d calls were counted, want 1", n)
	}
}

// TestCallsOfAPBXThatIsTakenAwayEnd: nobody would ever tell of their end, and their callers would look as if they were on
// the phone for a day.
func TestCallsOfAPBXThatIsTakenAwayEnd(t *testing.T) {
	w := newWorld(t, fast, "")
	w.start()
	names, err := aritest.Names(aritest.Recorded())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if strings.HasPrefix(name, "04-") {
			trace, err := aritest.LoadTrace(aritest.Recorded(), name)
			if err != nil {
				t.Fatal(err)
			}
			go func() { // in real time: it rings when the PBX is taken away
				_, _ = w.asterisk.Play(t.Context(), aritest.Play{Trace: trace, Speed: 0.2, Caller: func(string) string { return "+15571230054" }})
			}()
		}
	}
	w.await("the call", func() bool { return w.status().OnPhone == 1 })
	from := strings.Index(w.config, "[[pbx]]\nname     = \"hq\"")
	to := strings.Index(w.config, "[[pbx]]\nname     = \"branch\"")
	w.config = w.config[:from] + w.config[to:]
	w.reload <- syscall.SIGHUP
	w.await("the end of the call", func() bool { return w.status().OnPhone == 0 })
	w.await("its verdict", func() bool { return w.log.count("reason=unseen") == 1 })
}

func TestARecoveredVerdictIsTold(t *testing.T) {
	var mu sync.Mutex
	var got []string
	hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		got = append(got, string(b))
	}))
	defer hook.Close()
	w := newWorld(t, strings.Replace(fast, `delay = "0s"`, `delay = "1h"`, 1), fmt.Sprintf(
		"[[notify]]\nname = \"crm\"\nkind = \"webhook\"\nurl = %q\nsecret = \"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\"\nallow_private = true\nevents = [\"call.verdict\"]\n", hook.URL))
	w.start()
	const caller = "+15571230055"
	w.played("04", caller)
	w.await("the verdict", func() bool { return w.log.count("msg=verdict") == 1 })
	w.played("01", caller)
	w.await("both verdicts", func() bool {
		mu.Lock()
		defer mu.Unlock()
		all := strings.Join(got, "\n")
		return strings.Contains(all, `"reason":"text"`) && strings.Contains(all, `"reason":"recovered"`) && strings.Contains(all, `"was":"text"`)
	})
}

func TestAFullQueueLetsGoOfTheCallsThatItGivesUp(t *testing.T) {
	d := still(t)
	p := &pbx{name: "hq", queue: newChanges()}
	p.conf.Store(&d.conf.Load().cfg.PBXs[0])
	call := func(kind textback.ChangeKind, n int) textback.Change {
		return textback.Change{Kind: kind, Call: textback.Call{ID: fmt.Sprint("hq/", n), Direction: textback.Inbound,
			Party: textback.Party{Number: fmt.Sprintf("+1557%07d", n)}}}
	}
	for n := range maxChanges + 1 {
		d.live.began(fmt.Sprintf("+1557%07d", n), fmt.Sprint("hq/", n))
		p.queue.put([]textback.Change{call(textback.CallBegan, n)}, time.Now())
		d.give(p, []textback.Change{call(textback.CallEnded, n)})
	}
	if n := p.queue.len(); n != maxChanges || d.live.count() != maxChanges {
		t.Errorf("%d changes wait and %d calls live, want %d each", n, d.live.count(), maxChanges)
	}
}
