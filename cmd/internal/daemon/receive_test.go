package daemon

import (
	"context"
	"slices"
	"testing"
	"time"

	"textback"
	"textback/store"
)

// TestAnUnderstoodOptOutIsObeyedAndReadByAPerson: only its confirmation is sent, and the thread holds it with its flag.
func TestAnUnderstoodOptOutIsObeyedAndReadByAPerson(t *testing.T) {
	w := newWorld(t, fast, "")
	w.start()
	const caller = "+15571230081"
	w.played("04", caller)
	w.await("the text", func() bool { return len(w.textsTo(caller)) == 1 })
	w.write(caller, "please stop texting me")
	w.await("the confirmation", func() bool { return len(w.textsTo(caller)) == 2 })
	var x store.Explanation
	if err := w.call("explain", ExplainArgs{What: caller}, &x); err != nil {
		t.Fatal(err)
	}
	if len(x.Out) != 1 || len(x.Threads) != 1 {
		t.Fatalf("out of %v, %d threads", x.Out, len(x.Threads))
	}
	if !slices.ContainsFunc(x.Threads[0].Messages, func(m textback.Message) bool { return m.In && m.Flag != "" }) {
		t.Errorf("the thread does not hold the wording with a flag: %+v", x.Threads[0].Messages)
	}
}

// TestTheSameMessageIsDealtWithOnce: the sweep for what a crash left may meet a message that is being dealt with.
func TestTheSameMessageIsDealtWithOnce(t *testing.T) {
	w := newWorld(t, fast, "")
	var d *Daemon
	w.start(func(o *Options) {
		ready := o.Ready
		o.Ready = func(x *Daemon) { d = x; ready(x) }
	})
	saved, err := d.store.SaveIncoming(t.Context(), store.Incoming{Link: "carrier", From: "+15571230082", To: "+15550100", Body: "Hello?"}, time.Minute, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := d.reply(context.Background(), saved); err != nil {
			t.Fatal(err)
		}
	}
	if n := w.log.count("msg=reply "); n != 1 {
		t.Errorf("it was dealt with %d times", n)
	}
}

func TestTheSameWordsAreNewsAfterAQuestion(t *testing.T) {
	at := time.Now()
	said := func(in bool, person string, after time.Duration) textback.Message {
		return textback.Message{In: in, Person: person, At: at.Add(after), Body: "yes"}
	}
	for name, c := range map[string]struct {
		messages []textback.Message
		want     bool
	}{
		"at once":             {[]textback.Message{said(true, "", 0), said(true, "", time.Second)}, true},
		"after our automatic": {[]textback.Message{said(true, "", 0), said(false, "", 1), said(true, "", time.Second)}, true},
		"after a person":      {[]textback.Message{said(true, "", 0), said(false, "ann", 1), said(true, "", time.Second)}, false},
		"after hours":         {[]textback.Message{said(true, "", 0), said(true, "", 3*time.Hour)}, false},
		"the first":           {[]textback.Message{said(true, "", 0)}, false},
	} {
		if got := saidJustNow(textback.Thread{Messages: c.messages}); got != c.want {
			t.Errorf("%s: %t, want %t", name, got, c.want)
		}
	}
}

func TestTheHourlyLimitsEndWithTheHour(t *testing.T) {
	var l staffLog
	now := time.Now()
	for i, want := range []bool{true, true, false} {
		if got := l.allow("callback hq", 2, now.Add(time.Duration(i)*time.Minute)); got != want {
			t.Errorf("%d: %t, want %t", i, got, want)
		}
	}
	if !l.allow("callback hq", 2, now.Add(61*time.Minute)) || !l.allow("callback branch", 2, now) {
		t.Error("a new hour, or another PBX, was refused")
	}
}
