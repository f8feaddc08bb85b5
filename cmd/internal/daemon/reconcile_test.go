package daemon

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"textback"
	"textback/store"
)

// recorded is a world whose Asterisk has a CDR file.
type recorded struct {
	*world
	file   string
	n      int
	daemon *Daemon
}

func newRecorded(t *testing.T, policy string) *recorded {
	t.Helper()
	file := filepath.Join(t.TempDir(), "Master.csv")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, policy, fmt.Sprintf("[[records]]\npbx = \"hq\"\nkind = \"cdr-csv\"\npath = %q\ntimezone = \"UTC\"\n", file))
	return &recorded{world: w, file: file}
}

// start runs the daemon; it reads records soon after its links are up.
func (r *recorded) start() {
	r.t.Helper()
	r.world.start(func(o *Options) {
		o.SettleRecords = 100 * time.Millisecond
		ready := o.Ready
		o.Ready = func(d *Daemon) { r.daemon = d; ready(d) }
	})
}

// leg adds one record of a call to the file: what was dialled, and how it ended.
func (r *recorded) leg(id, caller, peer, app, disposition string, begin time.Time, talked time.Duration) {
	r.t.Helper()
	end, answer := begin.Add(8*time.Second), ""
	if disposition == "ANSWERED" {
		answer = end.Add(-talked).UTC().Format(time.DateTime)
	}
	f, err := os.OpenFile(r.file, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		r.t.Fatal(err)
	}
	defer f.Close()
	_, err = fmt.Fprintf(f, "\"\",%q,\"+15550101\",\"from-trunk\",\"\"\"\"\" <%s>\",\"PJSIP/trunk-%s\",%q,%q,\"\",%q,%q,%q,8,%d,%q,\"DOCUMENTATION\",%q\n",
		caller, caller, id, peer, app, begin.UTC().Format(time.DateTime), answer, end.UTC().Format(time.DateTime), int(talked.Seconds()), disposition, id)
	if err != nil {
		r.t.Fatal(err)
	}
}

// missed adds an unanswered call that ended so long ago.
func (r *recorded) missed(caller string, ago time.Duration) (call string) {
	r.n++
	begin := time.Now().Add(-ago - 8*time.Second)
	id := fmt.Sprintf("%d.%d", begin.Unix(), r.n)
	r.leg(id, caller, "PJSIP/100-1", "Dial", "NO ANSWER", begin, 0)
	return "hq/" + id
}

// away writes down that the daemon listened last so long ago.
func (r *recorded) away(ago time.Duration) {
	r.t.Helper()
	st, err := store.Open(store.Options{Path: filepath.Join(r.dir, "textback.db")})
	if err != nil {
		r.t.Fatal(err)
	}
	defer st.Close()
	if err := st.SetMark(context.Background(), markName("hq"), time.Now().Add(-ago)); err != nil {
		r.t.Fatal(err)
	}
}

func (r *recorded) explain(what string) store.Explanation {
	r.t.Helper()
	var x store.Explanation
	if err := r.call("explain", ExplainArgs{What: what}, &x); err != nil {
		r.t.Fatal(err)
	}
	return x
}

// verdict waits for the verdict on a call.
func (r *recorded) verdict(call string) textback.Verdict {
	r.t.Helper()
	var x store.Explanation
	r.await("the verdict on "+call, func() bool { x = r.explain(call); return len(x.Calls) > 0 })
	return x.Calls[0]
}

func TestACallThatEndedWhileTheDaemonWasDownIsTextedFromTheRecords(t *testing.T) {
	r := newRecorded(t, fast)
	r.away(10 * time.Minute)
	call := r.missed("+15552340001", time.Minute)
	r.start()
	v := r.verdict(call)
	if v.Decision.Reason != textback.ReasonText || !v.Call.Reconciled || v.Call.Outcome != textback.Abandoned || v.Call.Unseen {
		t.Errorf("the verdict is %v: %s; the call %+v", v.Decision.Reason, v.Decision.Detail, v.Call)
	}
	r.await("the text", func() bool { return len(r.textsTo("+15552340001")) == 1 })

	// The next start reads the same record again, and does nothing.
	r.end()
	r.away(10 * time.Minute)
	r.start()
	r.await("the second reading", func() bool { return r.log.count("msg=reconciled") >= 2 })
	if n := len(r.textsTo("+15552340001")); n != 1 {
		t.Errorf("the caller got %d texts", n)
	}
}

func TestACallThatIsFoundTooLateGetsAVerdictAndNoText(t *testing.T) {
	r := newRecorded(t, fast)
	r.away(2 * time.Hour)
	call := r.missed("+15552340002", 16*time.Minute)
	r.start()
	v := r.verdict(call)
	if v.Decision.Reason != textback.ReasonUnseen || !v.Call.Reconciled || v.Call.Unseen || v.TextID != 0 {
		t.Errorf("the verdict is %v: %s; the call %+v", v.Decision.Reason, v.Decision.Detail, v.Call)
	}
}

func TestAQueueThatAnsweredIsUnseenForTheRecordDoesNotTellOfAPerson(t *testing.T) {
	r := newRecorded(t, fast)
	r.away(10 * time.Minute)
	begin := time.Now().Add(-time.Minute)
	id := fmt.Sprintf("%d.77", begin.Unix())
	r.leg(id, "+15552340003", "", "Queue", "ANSWERED", begin, 8*time.Second)
	r.start()
	v := r.verdict("hq/" + id)
	if v.Decision.Reason != textback.ReasonUnseen || !v.Call.Reconciled || !v.Call.Unseen || v.TextID != 0 {
		t.Errorf("the verdict is %v: %s; the call %+v", v.Decision.Reason, v.Decision.Detail, v.Call)
	}
}

func TestWhoeverReachedAPersonMeanwhileIsNotTextedAnyMore(t *testing.T) {
	r := newRecorded(t, "delay = \"1h\"\nmin_ring = \"0s\"\ngive_up_after = \"2h\"\n")
	r.away(10 * time.Minute)
	missed := r.missed("+15552340004", 3*time.Minute)
	begin := time.Now().Add(-time.Minute)
	r.leg(fmt.Sprintf("%d.78", begin.Unix()), "+15552340004", "PJSIP/100-2", "Dial", "ANSWERED", begin, 6*time.Second)
	r.start()
	r.await("the recovery", func() bool { return r.verdict(missed).Decision.Reason == textback.ReasonRecovered })
}

func TestTheFirstStartLeavesTheRecordsOfThePastAlone(t *testing.T) {
	r := newRecorded(t, fast)
	call := r.missed("+15552340005", time.Minute)
	r.start()
	began := time.Now()
	r.await("the stage to have looked", func() bool { return time.Since(began) > 3*reconcileTick })
	if x := r.explain(call); len(x.Calls) > 0 {
		t.Errorf("a call of before the first start got the verdict %v", x.Calls[0].Decision.Reason)
	}
	if at, err := r.mark(); err != nil || at.Before(began.Add(-time.Minute)) {
		t.Errorf("the next start would read from %v on, %v", at, err)
	}
}

// mark reads until when calls were seen, after the daemon has ended.
func (r *recorded) mark() (time.Time, error) {
	r.end()
	st, err := store.Open(store.Options{Path: filepath.Join(r.dir, "textback.db"), ReadOnly: true})
	if err != nil {
		return time.Time{}, err
	}
	defer st.Close()
	return st.Mark(context.Background(), markName("hq"))
}

func TestRecordsThatCannotBeReadAreToldOnceAndReadLater(t *testing.T) {
	r := newRecorded(t, fast)
	r.away(10 * time.Minute)
	call := r.missed("+15552340006", time.Minute)
	if err := os.Rename(r.file, r.file+".hidden"); err != nil {
		t.Fatal(err)
	}
	r.start()
	r.await("the complaint", func() bool { return r.log.count("msg=reconcile-failed") == 1 })
	if err := os.Rename(r.file+".hidden", r.file); err != nil {
		t.Fatal(err)
	}
	if v := r.verdict(call); v.Decision.Reason != textback.ReasonText {
		t.Errorf("the verdict is %v: %s", v.Decision.Reason, v.Decision.Detail)
	}
}

// cut lets a call ring, and cuts the link so that its end is not seen. It returns the call's id.
func (r *recorded) cut(caller string, begin time.Time) (id string) {
	r.n++
	id = fmt.Sprintf("%d.%d", begin.Unix(), 9000+r.n)
	r.daemon.mu.Lock()
	p := r.daemon.pbxs["hq"]
	r.daemon.mu.Unlock()
	p.events <- []textback.Event{
		{Kind: textback.LegCreated, At: begin, Seen: begin, Leg: id, Info: &textback.LegInfo{Kind: textback.LegInbound, Name: "PJSIP/trunk-1",
			Party: textback.Party{Number: caller}, Dialled: []string{"+15550101"}}},
		{Kind: textback.LinkDown, Seen: begin.Add(5 * time.Second)}, {Kind: textback.LinkUp, Seen: time.Now()},
	}
	return id
}

func TestACallWhoseEndFellIntoAGapWaitsForTheRecords(t *testing.T) {
	r := newRecorded(t, fast)
	r.away(time.Second)
	r.start()
	begin := time.Now().Add(-20 * time.Second)
	missed := r.cut("+15552340007", begin)
	r.leg(missed, "+15552340007", "PJSIP/100-3", "Dial", "NO ANSWER", begin, 0)
	answered := r.cut("+15552340008", begin)
	r.leg(answered, "+15552340008", "PJSIP/100-4", "Dial", "ANSWERED", begin, 6*time.Second)
	unknown := r.cut("+15552340009", begin)
	if v := r.verdict("hq/" + missed); v.Decision.Reason != textback.ReasonText || v.Call.Unseen || !v.Call.Reconciled {
		t.Errorf("unanswered by the records: %v, %+v", v.Decision.Reason, v.Call)
	}
	if v := r.verdict("hq/" + unknown); v.Decision.Reason != textback.ReasonUnseen || !v.Call.Unseen || v.Call.Reconciled {
		t.Errorf("not in the records: %v, %+v", v.Decision.Reason, v.Call)
	}
	if x := r.explain("hq/" + answered); len(x.Calls) > 0 {
		t.Errorf("answered by the records: %v", x.Calls[0].Decision.Reason)
	}
	r.await("that nobody waits", func() bool { return len(r.daemon.aftermath.waiting("hq")) == 0 })
}

func TestACallThatWaitsForRecordsGetsItsVerdictBeforeTheDaemonStops(t *testing.T) {
	r := newRecorded(t, fast)
	r.away(time.Second)
	r.start()
	if err := os.Remove(r.file); err != nil { // the records cannot be read
		t.Fatal(err)
	}
	id := r.cut("+15552340010", time.Now().Add(-20*time.Second))
	r.await("that the call waits", func() bool { return len(r.daemon.aftermath.waiting("hq")) == 1 })
	r.end()
	st, err := store.Open(store.Options{Path: filepath.Join(r.dir, "textback.db"), ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	if v, err := st.Verdict(context.Background(), "hq/"+id); err != nil || v.Decision.Reason != textback.ReasonUnseen {
		t.Errorf("the verdict is %v, %v", v.Decision.Reason, err)
	}
}
