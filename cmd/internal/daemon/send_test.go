package daemon

import (
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"textback"
	"textback/smpp"
	"textback/smpp/smpptest"
	"textback/store"
)

// still is a daemon with a store and a link that is never run: nothing leaves.
func still(t *testing.T) *Daemon {
	t.Helper()
	w := newWorld(t, fast, "")
	cfg, err := w.parse()
	if err != nil {
		t.Fatal(err)
	}
	d := &Daemon{store: fresh(t, store.Options{}), now: time.Now, log: slog.New(slog.DiscardHandler), live: newLiveCalls(), met: newMeters("test"),
		dealt: make(map[string]uint64), kick: make(chan struct{}, 1), work: t.Context(), ctx: t.Context(), box: newOutbox()}
	d.desk = newDesk(d)
	sc, err := d.smppConfig(&cfg.SMPPs[0])
	if err != nil {
		t.Fatal(err)
	}
	d.conf.Store(&running{cfg: cfg, pool: smpp.NewPool(smpp.NewLink(sc, smpp.Handlers{}))})
	return d
}

func fresh(t *testing.T, o store.Options) *store.Store {
	t.Helper()
	o.Path = filepath.Join(t.TempDir(), "still.db")
	st, err := store.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	return st
}

func queue(t *testing.T, d *Daemon, to string, due time.Time) textback.Text {
	t.Helper()
	text, err := d.store.QueueText(t.Context(), store.NewText{Text: textback.Text{Kind: textback.HelpText, Business: "acme", To: to,
		From: "+15550100", Body: "hello", Due: due, Expires: due.Add(time.Hour)}}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestTextsThatWaitForALinkCostTheSenderNothing(t *testing.T) {
	d, box := still(t), newOutbox()
	for i := range 3 * lookahead {
		queue(t, d, fmt.Sprintf("+1557%07d", i), time.Now().Add(-time.Minute))
	}
	for range 5 {
		wait, err := d.launch(t.Context(), box)
		if err != nil {
			t.Fatal(err)
		}
		if wait < waitPause/2 || wait > 2*waitPause {
			t.Errorf("it looks again after %s, want about %s", wait, waitPause)
		}
		if len(box.flying) > 0 {
			t.Error("a text was taken up without a link")
		}
	}
}

func TestATextOnItsWayDoesNotDelayTheNext(t *testing.T) {
	d, box := still(t), newOutbox()
	first := queue(t, d, "+15570000001", time.Now().Add(-time.Second))
	queue(t, d, "+15570000002", time.Now().Add(5*time.Second))
	box.start(first.ID)
	wait, err := d.launch(t.Context(), box)
	if err != nil || wait > 5*time.Second {
		t.Errorf("the next text is due in 5 s, it looks again after %s (%v)", wait, err)
	}
}

func TestATextExpiresAlsoWhileEveryLinkIsDown(t *testing.T) {
	d, box := still(t), newOutbox()
	text := queue(t, d, "+15570000001", time.Now().Add(-2*time.Hour))
	if _, err := d.launch(t.Context(), box); err != nil {
		t.Fatal(err)
	}
	box.wg.Wait()
	got, err := d.store.Text(t.Context(), text.ID)
	if err != nil || got.State != textback.Expired {
		t.Errorf("it is %s, %v; want expired", got.State, err)
	}
}

// TestWhoTakesTextsMovesThemWithTheClockFirst: he may come to look between the step and the watch's next tick.
func TestWhoTakesTextsMovesThemWithTheClockFirst(t *testing.T) {
	for name, step := range map[string]time.Duration{"forward": 5 * time.Hour, "back": -5 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			var offset time.Duration
			d, box := still(t), newOutbox()
			var broken error
			d.store = fresh(t, store.Options{BeforeCommit: func() error { return broken }})
			d.now = func() time.Time { return time.Now().Round(0).Add(offset) }
			text := queue(t, d, "+15570000001", time.Now().Add(time.Minute))
			if _, err := d.launch(t.Context(), box); err != nil {
				t.Fatal(err)
			}
			offset, broken = step, errors.New("no space left on device")
			for range 2 {
				if _, err := d.launch(t.Context(), box); !errors.Is(err, broken) {
					t.Errorf("texts that could not be moved are looked at: %v", err)
				}
			}
			broken = nil
			wait, err := d.launch(t.Context(), box)
			if err != nil || wait < 50*time.Second {
				t.Errorf("the text is due in a minute, it looks again after %s (%v)", wait, err)
			}
			box.wg.Wait()
			got, err := d.store.Text(t.Context(), text.ID)
			if err != nil || got.State != textback.Queued || got.Due.Sub(text.Due.Add(step)).Abs() > time.Second {
				t.Errorf("it is %s, due %s, %v; want queued, due %s", got.State, got.Due, err, text.Due.Add(step))
			}
		})
	}
}

// attempted is a text whose only part is on the wire.
func attempted(t *testing.T, d *Daemon) textback.Text {
	t.Helper()
	text := queue(t, d, "+15570000001", time.Now())
	text, err := d.store.Attempt(t.Context(), store.Attempt{ID: text.ID, Link: "carrier", References: []uint16{7}}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestAClockThatIsSetEndsNobodysGrace: a text in doubt would go out a second time too soon.
func TestAClockThatIsSetEndsNobodysGrace(t *testing.T) {
	var offset time.Duration
	d := still(t)
	d.now = func() time.Time { return time.Now().Round(0).Add(offset) }
	text := attempted(t, d)
	if _, err := d.store.PartAnswered(t.Context(), store.PartAnswer{ID: text.ID, Result: store.PartUncertain}, d.now()); err != nil {
		t.Fatal(err)
	}
	conf := d.conf.Load().cfg.SMPPs[0]
	conf.UncertainGrace = time.Hour
	state := func() textback.TextState {
		got, err := d.store.Text(t.Context(), text.ID)
		if err != nil {
			t.Fatal(err)
		}
		return got.State
	}
	for _, step := range []time.Duration{0, 5 * time.Hour} {
		offset = step
		if d.resend(t.Context(), &conf); state() != textback.Unknown {
			t.Errorf("after a step by %s it is %s, want unknown", step, state())
		}
	}
	conf.UncertainGrace = -time.Second
	if d.resend(t.Context(), &conf); state() != textback.Queued {
		t.Errorf("after its grace it is %s, want queued", state())
	}
}

func TestALateAnswerSettlesAText(t *testing.T) {
	for _, c := range []struct {
		status uint32
		want   textback.TextState
	}{
		{smpp.StatusOK, textback.Accepted},
		{smpp.StatusThrottled, textback.Queued},
		{smpp.StatusSystemError, textback.Queued},
		{smpp.StatusInvDest, textback.Failed},
	} {
		t.Run(smpp.StatusName(c.status), func(t *testing.T) {
			d := still(t)
			text := attempted(t, d)
			if err := d.answered(store.PartAnswer{ID: text.ID, Result: store.PartUncertain, Error: "no answer"}); err != nil {
				t.Fatal(err)
			}
			d.late(smpp.Answer{Token: token{text.ID, 0}, MessageID: "1", Status: c.status, Sent: smpp.Answered})
			if got, err := d.store.Text(t.Context(), text.ID); err != nil || got.State != c.want {
				t.Errorf("it is %s, %v; want %s", got.State, err, c.want)
			}
		})
	}
}

func TestATextThatCannotBeWrittenFails(t *testing.T) {
	w := newWorld(t, fast, "")
	var d *Daemon
	w.start(func(o *Options) {
		ready := o.Ready
		o.Ready = func(x *Daemon) { d = x; ready(x) }
	})
	text := queue(t, d, "+1557"+strings.Repeat("1", 40), time.Now())
	w.await("the failure", func() bool {
		got, err := d.store.Text(t.Context(), text.ID)
		return err == nil && got.State == textback.Failed
	})
}

func TestAnAnswerIsNotLostToADiskThatFails(t *testing.T) {
	w := newWorld(t, fast, "")
	var broken faultyDisk
	w.start(func(o *Options) { o.BeforeCommit = broken.commit })
	w.smsc.SetFaults(smpptest.Faults{AnswerAfter: 300 * time.Millisecond, NoReceipts: true})
	w.played("04", "+15571230041")
	w.await("the submit", func() bool { return len(w.smsc.Submits()) == 1 })
	broken.set(true)
	w.await("the trouble", func() bool { return w.log.count("what=answer") == 1 })
	broken.set(false)
	w.await("the acceptance", func() bool { return w.log.count("state=accepted") == 1 })
}

// TestAnOptOutStopsWhatIsOnItsWay: a text that the message centre turned away for now is neither tried again by the link nor
// by the sender once its person has opted out.
func TestAnOptOutStopsWhatIsOnItsWay(t *testing.T) {
	w := newWorld(t, fast, "")
	w.start()
	const caller = "+15571230042"
	w.played("04", caller)
	w.await("the text", func() bool { return len(w.textsTo(caller)) == 1 })
	w.write(caller, "Could you come on Friday?")
	var threads []textback.Thread
	if err := w.call("threads", ThreadArgs{}, &threads); err != nil || len(threads) != 1 {
		t.Fatalf("threads: %v, %v", threads, err)
	}
	w.smsc.SetFaults(smpptest.Faults{Throttle: true})
	var text textback.Text
	if err := w.call("thread-reply", ThreadArgs{Thread: threads[0].Tag, Person: "ann", Text: "Yes, at nine."}, &text); err != nil {
		t.Fatal(err)
	}
	w.await("the throttling", func() bool { return w.log.count("throttled") > 0 })
	w.write(caller, "STOP")
	w.smsc.SetFaults(smpptest.Faults{})
	state := func() textback.TextState {
		var x store.Explanation
		if err := w.call("explain", ExplainArgs{What: caller}, &x); err != nil {
			t.Fatal(err)
		}
		for _, got := range x.Texts {
			if got.ID == text.ID {
				return got.State
			}
		}
		return 0
	}
	w.await("the end of Ann's text", func() bool { return state() == textback.Cancelled })
	w.await("the confirmation", func() bool { return len(w.textsTo(caller)) == 2 })
	for _, got := range w.textsTo(caller) {
		if strings.Contains(got.Body, "at nine") {
			t.Error("Ann's text left after the STOP was acknowledged")
		}
	}
}

func TestRetryableStatusesAreRetriedMoreAndMoreSlowly(t *testing.T) {
	d := still(t)
	text := attempted(t, d)
	link := d.conf.Load().pool.Links()[0]
	for attempts, want := range map[int]time.Duration{1: retryPause, 3: 4 * retryPause, 50: retryMost} {
		text.Attempts = attempts
		err := &smpp.StatusError{Command: "submit_sm", Status: smpp.StatusSystemError}
		if err := d.putBack(link, text, 0, smpp.Answer{Sent: smpp.Answered, Status: err.Status}, err); err != nil && !errors.Is(err, store.ErrState) {
			t.Fatal(err)
		}
		got, _ := d.store.Text(t.Context(), text.ID)
		if pause := time.Until(got.Due); pause > want || pause < want-want/4 {
			t.Errorf("after %d attempts it waits %s, want %s", attempts, pause, want)
		}
	}
}

func TestWhatIsInDoubtGoesOutOnceMoreButNoConfirmation(t *testing.T) {
	d := still(t)
	conf := d.conf.Load().cfg.SMPPs[0]
	conf.ResendUncertain, conf.UncertainGrace = "grace", time.Minute
	states := func(at time.Time) (all []string) {
		d.now = func() time.Time { return at }
		d.resend(t.Context(), &conf)
		for id := range uint64(2) {
			x, err := d.store.Text(t.Context(), id+1)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, fmt.Sprint(x.Kind, " ", x.State))
		}
		return all
	}
	now := time.Now()
	for i, kind := range []textback.TextKind{textback.HelpText, textback.ConfirmationText} {
		text, err := d.store.QueueText(t.Context(), store.NewText{Text: textback.Text{Kind: kind, Business: "acme", To: fmt.Sprintf("+1557000000%d", i),
			From: "+15550100", Body: "hello", Due: now, Expires: now.Add(time.Hour)}}, now)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := d.store.Attempt(t.Context(), store.Attempt{ID: text.ID, Body: "hello", Link: conf.Name, References: []uint16{uint16(i + 1)}}, now); err != nil {
			t.Fatal(err)
		}
		if _, err := d.store.PartAnswered(t.Context(), store.PartAnswer{ID: text.ID, Result: store.PartUncertain}, now); err != nil {
			t.Fatal(err)
		}
	}
	if got := states(now.Add(59 * time.Second)); !slices.Equal(got, []string{"help unknown", "confirmation unknown"}) {
		t.Errorf("before the grace is over: %q", got)
	}
	if got := states(now.Add(61 * time.Second)); !slices.Equal(got, []string{"help queued", "confirmation unknown"}) {
		t.Errorf("after it: %q", got)
	}
}
