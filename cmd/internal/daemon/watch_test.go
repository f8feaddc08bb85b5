package daemon

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"textback/cmd/internal/control"
	"textback/cmd/internal/feed"
)

// watched is one line of the stream.
type watched struct {
	Seq  uint64
	Type string
	Data map[string]any
}

// watching reads the stream until it ends.
func (w *world) watching(ctx context.Context, args WatchArgs) (lines <-chan watched, ended <-chan error) {
	r, wr := io.Pipe()
	out, end := make(chan watched, 10_000), make(chan error, 1)
	go func() {
		err := control.NewClient(filepath.Join(w.dir, "control.sock")).Stream(ctx, "watch", args, wr)
		wr.Close()
		end <- err
	}()
	go func() {
		defer close(out)
		in := bufio.NewScanner(r)
		in.Buffer(nil, 1<<20)
		for in.Scan() {
			var x watched
			if err := json.Unmarshal(in.Bytes(), &x); err != nil {
				w.t.Errorf("%s: %v", in.Text(), err)
			}
			out <- x
		}
	}()
	return out, end
}

// until takes lines until one is of a type, and gives all of them.
func until(t *testing.T, lines <-chan watched, kind string) (all []watched) {
	t.Helper()
	bound := time.After(waitBound)
	for {
		select {
		case x, ok := <-lines:
			if !ok {
				t.Fatalf("the stream ended before %s: %v", kind, all)
			}
			if all = append(all, x); x.Type == kind {
				return all
			}
		case <-bound:
			t.Fatalf("%s did not come: %v", kind, all)
		}
	}
}

func kinds(all []watched) string {
	var list []string
	for _, x := range all {
		if x.Type != "state" && x.Type != "log" {
			list = append(list, x.Type)
		}
	}
	return strings.Join(list, " ")
}

// TestWhoWatchesSeesACallRingItsVerdictItsTextAndTheReply over the control socket, in the order in which they happen, and the end
// of the daemon ends the stream at once.
func TestWhoWatchesSeesACallRingItsVerdictItsTextAndTheReply(t *testing.T) {
	w := newWorld(t, fast, "")
	w.start()
	ctx, cancel := context.WithTimeout(context.Background(), waitBound)
	defer cancel()
	lines, ended := w.watching(ctx, WatchArgs{})
	if hello := until(t, lines, "hello"); hello[0].Data["started"] == nil {
		t.Errorf("%+v", hello)
	}
	w.played("03", "+15557000001")
	got := kinds(until(t, lines, "text.delivered"))
	if want := "call.ringing call.ended call.verdict text.queued text.submitting text.accepted text.delivered"; got != want {
		t.Errorf("told: %s", got)
	}
	w.write("+15557000001", "Can you come on Friday?")
	all := until(t, lines, "reply.received")
	if body := all[len(all)-1].Data["body"]; body != "Can you come on Friday?" {
		t.Errorf("reply: %v", body)
	}
	w.write("+15557000001", "STOP")
	all = until(t, lines, "reply.received")
	if flag := all[len(all)-1].Data["flag"]; flag != "opt-out" {
		t.Errorf("STOP: %v", all[len(all)-1])
	}
	last := all[len(all)-1].Seq
	var started time.Time
	if s := w.status(); s.Started.IsZero() {
		t.Error("no start")
	} else {
		started = s.Started
	}
	again, _ := w.watching(ctx, WatchArgs{History: 100, After: last - 1, Started: started})
	if all := until(t, again, "reply.received"); all[1].Seq != last {
		t.Errorf("who comes back is told %v first", all[1])
	}
	w.end()
	until(t, lines, "stopping")
	if err := <-ended; err != nil {
		t.Errorf("the stream ended with %v", err)
	}
}

// TestEveryMetricOfARunningDaemonIsDocumented, and what is documented is there; /healthz and /readyz tell how it is.
func TestEveryMetricOfARunningDaemonIsDocumented(t *testing.T) {
	w := newWorld(t, fast, "")
	var d *Daemon
	disk := &faultyDisk{}
	w.start(func(o *Options) {
		ready := o.Ready
		o.Ready = func(x *Daemon) { d = x; ready(x) }
		o.LogDropped = func() uint64 { return 0 }
		o.BeforeCommit = disk.commit
	})
	get := func(path string) (int, string) {
		rec := httptest.NewRecorder()
		d.met.Handler().ServeHTTP(rec, httptest.NewRequest(http.MethodGet, path, nil))
		return rec.Code, rec.Body.String()
	}
	page, err := os.ReadFile("../../../docs/monitoring.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(page), "| metric | labels |")
	table, _, _ = strings.Cut(table, "\n\n")
	documented := make(map[string]bool)
	for _, m := range regexp.MustCompile("`(textback_[a-z_0-9]+)`").FindAllStringSubmatch(table, -1) {
		documented[m[1]] = true
	}
	for _, r := range readings() {
		if !documented["textback_"+r.Name] {
			t.Errorf("textback_%s is not in docs/monitoring.md", r.Name)
		}
	}
	w.played("03", "+15557000002")
	w.await("the receipt", func() bool {
		_, body := get("/metrics")
		return strings.Contains(body, "textback_receipts_total{link=\"carrier\",state=\"delivered\"} 1\n")
	})
	code, body := get("/metrics")
	if code != http.StatusOK || strings.Contains(body, "5557000002") {
		t.Errorf("%d, or it names a caller", code)
	}
	for _, want := range []string{`textback_link_up{kind="pbx",name="hq"} 1`, `textback_link_up{kind="smpp",name="carrier"} 1`,
		`textback_calls_total{outcome="no-answer",pbx="hq"} 1`, `textback_verdicts_total{business="acme",reason="text"} 1`,
		`textback_texts_total{kind="missed-call",state="delivered"} 1`, `textback_receipts_total{link="carrier",state="delivered"} 1`,
		`textback_submits_total{link="carrier",result="accepted"} 1`, `textback_budget_used{business="acme",period="hour"} 1`,
		`textback_store_failing 0`, `textback_stored_verdicts_total 1`, `textback_reload_good 1`} {
		if !strings.Contains(body, want+"\n") {
			t.Errorf("%s is missing", want)
		}
	}
	if code, body := get("/readyz"); code != http.StatusOK || body != "ready\n" {
		t.Errorf("/readyz: %d %s", code, body)
	}
	if code, body := get("/healthz"); code != http.StatusOK || body != "ok\n" {
		t.Errorf("/healthz: %d %s", code, body)
	}
	disk.set(true)
	d.prober.at = time.Time{} // nobody else asks
	if code, body := get("/readyz"); code != http.StatusServiceUnavailable || body != "the state file cannot be written\n" {
		t.Errorf("/readyz with a broken disk: %d %s", code, body)
	}
	if s := w.status(); len(s.Troubles) == 0 || s.Troubles[0].Severity != Critical {
		t.Errorf("status with a broken disk: %+v", s.Troubles)
	}
	disk.set(false)
	if code, _ := get("/readyz"); code != http.StatusOK {
		t.Errorf("/readyz once the disk is well: %d", code)
	}
	if s := w.status(); len(s.Troubles) != 0 || s.Receipt == nil || s.Accepted == nil || s.Budgets[0].Hour != 1 || s.PBXs[0].Since.IsZero() {
		t.Errorf("status once all is well: %+v", s)
	}
	w.smsc.Close()
	w.await("a link that is down", func() bool { code, body := get("/readyz"); return code == 503 && body == "smpp carrier is down\n" })
}

// TestAWatcherWhoReadsNothingIsLetGo, the daemon goes on meanwhile, and he is told so once he reads again.
func TestAWatcherWhoReadsNothingIsLetGo(t *testing.T) {
	w := newWorld(t, fast, "")
	var d *Daemon
	w.start(func(o *Options) {
		ready := o.Ready
		o.Ready = func(x *Daemon) { d = x; ready(x) }
	})
	ctx, cancel := context.WithTimeout(context.Background(), waitBound)
	defer cancel()
	r, wr := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		ended <- control.NewClient(filepath.Join(w.dir, "control.sock")).Stream(ctx, "watch", WatchArgs{}, wr)
		wr.Close()
	}()
	w.await("the watcher", func() bool { return d.feed.Watching() == 1 })
	long := strings.Repeat("x", 1000)
	w.await("the end of his patience", func() bool {
		for range 200 {
			d.feed.Tell("log", d.now(), "", feed.Line{ID: "flood", Pairs: [][2]string{{"x", long}}})
		}
		return d.feed.Watching() == 0
	})
	w.played("03", "+15557000003")
	w.await("the text", func() bool { return len(w.textsTo("+15557000003")) == 1 })
	last := ""
	in := bufio.NewScanner(r)
	for in.Scan() {
		last = in.Text()
	}
	if !strings.Contains(last, `"slow"`) {
		t.Errorf("the last that he reads is %.200s", last)
	}
	if err := <-ended; err != nil {
		t.Errorf("the stream ended with %v", err)
	}
}
