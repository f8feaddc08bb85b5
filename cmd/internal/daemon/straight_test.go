package daemon

import (
	"testing"
	"time"

	"textback"
	"textback/rules"
)

// missed are the facts of a missed call of a mobile on the configured line.
func missed(t *testing.T, d *Daemon, id, caller string) rules.Facts {
	t.Helper()
	cfg := d.conf.Load().cfg
	now := time.Now()
	call := textback.Call{ID: id, PBX: "hq", Direction: textback.Inbound, Outcome: textback.NoAnswer, Begin: now.Add(-20 * time.Second), End: now,
		Ring: 20 * time.Second, Dialled: []string{cfg.Set.Lines[0].Number}, Party: textback.Party{Number: caller}}
	f := cfg.Set.Facts(call, "", nil)
	if f.CallerKey() == "" || f.Line == nil {
		t.Fatalf("caller %q, line %v", f.CallerKey(), f.Line)
	}
	f.Ended = now
	return f
}

func TestATextThatMayNotLeaveAtOnceGoesThroughTheQueue(t *testing.T) {
	for _, c := range []struct {
		name string
		set  func(*Daemon)
	}{
		{"the link is down", func(*Daemon) {}},
		{"nothing is sent any more", func(d *Daemon) { d.box.open = false }},
		{"others wait", func(d *Daemon) { d.box.behind = true }},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := still(t)
			d.box.begin()
			c.set(d)
			if err := d.decide(t.Context(), missed(t, d, "hq/1", "+15571230077")); err != nil {
				t.Fatal(err)
			}
			due, err := d.store.Due(t.Context(), time.Now(), 0)
			if err != nil || len(due) != 1 || len(due[0].Parts) > 0 {
				t.Errorf("queued: %+v, %v; want one text of which nothing was attempted", due, err)
			}
			if len(d.box.flying) > 0 || len(d.box.order.line) > 0 || len(d.flights.recs) > 0 {
				t.Errorf("left behind: %v, %v, %v", d.box.flying, d.box.order.line, d.flights.recs)
			}
		})
	}
}

// TestNobodyOvertakesWhoWaitsForRoom: what was sent into the queue for want of room goes first when there is some.
func TestNobodyOvertakesWhoWaitsForRoom(t *testing.T) {
	b := newOutbox()
	b.begin()
	first := b.enter(1, 1)
	if first == nil || b.enter(2, 1) != nil {
		t.Fatal("one text has room, and no second")
	}
	first.leave()
	b.exit(1)
	select {
	case <-b.freed:
	default:
		t.Error("the sender was not told of the room")
	}
	if b.enter(3, 1) != nil {
		t.Error("the third overtook the second")
	}
	before := b.look()
	b.looked(before, true)
	if b.enter(4, 1) != nil {
		t.Error("the fourth overtook what was left in the queue")
	}
	before = b.look()
	if b.enter(5, 1) != nil {
		t.Error("the fifth overtook what is being taken up")
	}
	b.looked(before, false)
	if b.enter(6, 1) != nil {
		t.Error("the sixth overtook the fifth, which came after the look")
	}
	b.looked(b.look(), false)
	if b.enter(7, 1) == nil {
		t.Error("nobody waits, and there is room")
	}
}

func TestAVerdictThatCannotBeStoredLeavesNothingUnderWay(t *testing.T) {
	w := newWorld(t, fast, "")
	var broken faultyDisk
	var d *Daemon
	w.start(func(o *Options) {
		o.BeforeCommit = broken.commit
		ready := o.Ready
		o.Ready = func(x *Daemon) { d = x; ready(x) }
	})
	broken.set(true)
	const caller = "+15571230078"
	w.played("04", caller)
	w.await("the trouble", func() bool { return w.log.count("what=verdict") > 0 })
	d.box.mu.Lock()
	flying := len(d.box.flying)
	d.box.mu.Unlock()
	d.box.order.mu.Lock()
	line := len(d.box.order.line)
	d.box.order.mu.Unlock()
	if flying+line > 0 || len(w.smsc.Submits()) > 0 {
		t.Errorf("%d texts are under way, %d stand in line, %d left: none has a verdict on record", flying, line, len(w.smsc.Submits()))
	}
	broken.set(false)
	w.await("the text", func() bool { return len(w.textsTo(caller)) == 1 })
}

// TestATextIsOnRecordAsAttemptedBeforeItLeaves: one commit holds the verdict and the attempt.
func TestATextIsOnRecordAsAttemptedBeforeItLeaves(t *testing.T) {
	w := newWorld(t, fast, "")
	var d *Daemon
	w.start(func(o *Options) {
		ready := o.Ready
		o.Ready = func(x *Daemon) { d = x; ready(x) }
	})
	w.await("the link", func() bool { return d.conf.Load().pool.Links()[0].Up() })
	f := missed(t, d, "hq/straight", "+15571230079")
	f.Now = time.Now()
	s := d.straightOn(t.Context(), d.conf.Load(), f)
	keys := d.keys(d.conf.Load().cfg, f)
	keys.Attempt = s.attempt
	_, text, err := d.store.Decide(t.Context(), f.Call, keys, f.Now, func(h textback.History) textback.Decision {
		f.History = h
		return d.conf.Load().cfg.Set.Decide(f)
	})
	if err != nil || text == nil {
		t.Fatal(text, err)
	}
	got, err := d.store.Text(t.Context(), text.ID)
	if err != nil || got.State != textback.Submitting || got.Body == "" || len(got.Parts) != 1 || got.Attempts != 1 {
		t.Errorf("on record %+v, %v; want it attempted and rendered", got, err)
	}
	if len(w.textsTo(f.CallerKey())) > 0 {
		t.Error("it left before its attempt was on record")
	}
	s.carry(text)
	w.await("the text", func() bool { return len(w.textsTo(f.CallerKey())) == 1 })
	w.await("the end", func() bool {
		d.box.mu.Lock()
		defer d.box.mu.Unlock()
		return len(d.box.flying) == 0
	})
}

// TestAnOptOutCallsBackATextThatGoesStraightOn: it comes between the verdict and the wire.
func TestAnOptOutCallsBackATextThatGoesStraightOn(t *testing.T) {
	d := still(t)
	f := missed(t, d, "hq/2", "+15571230080")
	s := d.straightOn(t.Context(), d.conf.Load(), f)
	d.flights.recall(f.CallerKey())
	if s.flight.Err() == nil {
		t.Error("it goes on")
	}
	if s.leave(); len(d.flights.recs) > 0 {
		t.Error("it is still registered")
	}
}
