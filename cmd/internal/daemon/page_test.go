package daemon

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
	"time"

	"textback"
	"textback/cmd/internal/web"
)

// reader is a person at the web page.
type reader struct {
	w      *world
	base   string
	client *http.Client
}

const pagePassword = "correct horse battery"

// newPageWorld is a world whose daemon has a web page, with somebody who is logged in.
func newPageWorld(t *testing.T, policy, tables string) (*world, *reader) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	w := newWorld(t, policy, fmt.Sprintf("[http]\nlisten = %q\npage_password = %q\n", addr, pagePassword)+tables)
	w.start()
	w.await("the page", func() bool { return w.log.count("msg=http-listen") > 0 })
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	r := &reader{w, "http://" + addr, &http.Client{Jar: jar, Timeout: waitBound}}
	if body := r.post("/ui/login", url.Values{"person": {"Ann"}, "password": {pagePassword}}); !strings.Contains(body, `id="standing"`) {
		t.Fatalf("log-in: %s", body)
	}
	return w, r
}

func (r *reader) get(path string) string {
	r.w.t.Helper()
	return r.read(r.client.Get(r.base + path))
}

func (r *reader) post(path string, form url.Values) string {
	r.w.t.Helper()
	return r.read(r.client.PostForm(r.base+path, form))
}

func (r *reader) read(resp *http.Response, err error) string {
	r.w.t.Helper()
	if err != nil {
		r.w.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		r.w.t.Fatal(err)
	}
	return strings.ReplaceAll(string(b), "&#43;", "+")
}

// live follows the live form of a page until a line holds some words.
func (r *reader) live(path string, begun func(), words string) {
	r.w.t.Helper()
	ctx, cancel := context.WithTimeout(r.w.t.Context(), waitBound)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.base+path, nil)
	if err != nil {
		r.w.t.Fatal(err)
	}
	resp, err := (&http.Client{Jar: r.client.Jar}).Do(req)
	if err != nil {
		r.w.t.Fatal(err)
	}
	defer resp.Body.Close()
	in := bufio.NewReader(resp.Body)
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			r.w.t.Fatalf("the stream ended before %q: %v", words, err)
		}
		if strings.Contains(line, words) {
			return
		}
		if begun != nil && strings.HasPrefix(line, "data: ") {
			begun()
			begun = nil
		}
	}
}

func TestThePageShowsCallsWithTheirVerdictsAndWhy(t *testing.T) {
	w, r := newPageWorld(t, fast, "")
	if body := r.get("/ui/calls"); !strings.Contains(body, "No missed call yet today") {
		t.Errorf("%s", body)
	}
	w.played("03", "+12025550123")
	w.played("25", "")
	w.await("the text", func() bool { return len(w.textsTo("+12025550123")) == 1 })
	w.await("the page of it", func() bool {
		body := r.get("/ui/calls")
		return strings.Contains(body, "Text delivered") && strings.Contains(body, "<dt>Missed</dt><dd>2</dd>")
	})
	body := r.get("/ui/calls")
	for _, want := range []string{"+12025550123", "Rang, nobody answered", "No number to text", "hq</b> up", "branch</b> up", "carrier</b> up", "Times in America/New_York",
		`<dt>Missed</dt><dd>2</dd>`, `<dt>Texted</dt><dd>1</dd>`} {
		if !strings.Contains(body, want) {
			t.Errorf("no %q in\n%s", want, body)
		}
	}
	if body := r.get("/ui/calls?show=not"); strings.Contains(body, "+12025550123") || !strings.Contains(body, "No number to text") {
		t.Error("the choice does not choose")
	}
	if body := r.get("/ui/calls?day=2020-01-01"); !strings.Contains(body, "No missed call on this day") || !strings.Contains(body, "1 January 2020") {
		t.Error("another day")
	}
	for path, want := range map[string]string{"/ui/calls?day=tomorrow": "That is not a day", "/ui/calls?business=other": "There is no such business",
		"/ui/story?what=2025550123": "Everything about", "/ui/story?what=hello": "Nothing is known", "/ui/report?since=7d": "From missed call to booking", "/ui/report?since=soon": "is not a time"} {
		if body := r.get(path); !strings.Contains(body, want) {
			t.Errorf("%s: no %q in\n%s", path, want, body)
		}
	}
	if body := r.get("/ui/story?what=2025550123"); !strings.Contains(body, "PJSIP/100 rang for 20.0 s, nobody took it") || !strings.Contains(body, "sorry we missed you") {
		t.Errorf("the story lacks something:\n%s", body)
	}
}

func TestAnAnswerOnThePageReachesThePhoneAndTheStreamTells(t *testing.T) {
	w, r := newPageWorld(t, fast, "")
	const jane = "+12025550123"
	w.played("03", jane)
	w.await("the text", func() bool { return len(w.textsTo(jane)) == 1 })
	r.live("/ui/threads?live=1", func() { w.write(jane, "Can you come today?") }, "Can you come today?")
	if body := r.get("/ui/threads"); !strings.Contains(body, "Waits for an answer") || !strings.Contains(body, `data-waiting="1"`) || !strings.Contains(body, "SMITH JOHN") {
		t.Errorf("%s", body)
	}
	if body := r.post("/ui/threads/1/reply", url.Values{"text": {"At five."}}); !strings.Contains(body, "At five.") || strings.Contains(body, "Waits for an answer") {
		t.Errorf("%s", body)
	}
	w.await("the answer", func() bool { list := w.textsTo(jane); return len(list) == 2 && list[1].Body == "At five." })
	var th textback.Thread
	if err := w.call("thread", ThreadArgs{Thread: "1"}, &th); err != nil || th.TakenBy != "Ann" {
		t.Errorf("%+v, %v", th, err)
	}
	r.live("/ui/threads/1?live=1", nil, "Delivered")
	w.write(jane, "STOP")
	w.await("the opt-out", func() bool { return strings.Contains(r.get("/ui/threads/1"), "has opted out of your texts") })
	if body := r.post("/ui/threads/1/reply", url.Values{"text": {"Why?"}}); !strings.Contains(body, "Not sent: the caller has opted out.") || !strings.Contains(body, "Why?</textarea>") {
		t.Errorf("%s", body)
	}
	if body := r.post("/ui/threads/1/close", nil); !strings.Contains(body, "No open conversation") {
		t.Errorf("%s", body)
	}
	if body := r.get("/ui/threads?all=1"); !strings.Contains(body, "Closed") {
		t.Errorf("%s", body)
	}
	if body := r.get("/ui/story?what=" + url.QueryEscape(jane)); !strings.Contains(body, "Opted out of") || !strings.Contains(body, "Acme Plumbing") {
		t.Errorf("%s", body)
	}
	w.await("the confirmation of STOP", func() bool { return len(w.textsTo(jane)) == 3 })
	for _, text := range w.textsTo(jane) {
		if text.Body == "Why?" {
			t.Error("who has opted out was answered")
		}
	}
}

func TestADayWithManyCallsComesInPages(t *testing.T) {
	w, r := newPageWorld(t, fast, "")
	for i := range perPage + 3 {
		w.played("04", fmt.Sprintf("+1202555%04d", 1000+i))
	}
	w.await("all of them", func() bool {
		return strings.Contains(r.get("/ui/calls"), fmt.Sprintf("<dt>Missed</dt><dd>%d</dd>", perPage+3))
	})
	first, second, beyond := r.get("/ui/calls"), r.get("/ui/calls?page=2"), r.get("/ui/calls?page=99")
	for name, tt := range map[string]struct {
		body string
		n    int
	}{"first": {first, perPage}, "second": {second, 3}, "beyond": {beyond, 3}} {
		if n := strings.Count(tt.body, `<li id="c-`); n != tt.n {
			t.Errorf("%s: %d calls", name, n)
		}
	}
	if !strings.Contains(first, "Page 1 of 2") || !strings.Contains(second, "page=1") {
		t.Error("the pages do not lead to each other")
	}
}

func TestThePageSaysWhatIsWrong(t *testing.T) {
	w, r := newPageWorld(t, strings.Replace(fast, "per_hour = 10000", "per_hour = 1", 1), "")
	w.played("03", "+12025550123")
	w.played("03", "+12025550124")
	w.await("the breaker", func() bool { return strings.Contains(r.get("/ui/calls"), "No more texts for now.") })
	if body := r.get("/ui/calls"); !strings.Contains(body, "Not texted: budget") {
		t.Errorf("%s", body)
	}
	w.smsc.Close()
	w.await("the link", func() bool { return strings.Contains(r.get("/ui/calls"), "SMS link carrier is not connected.") })
}

func TestANewPasswordLogsEverybodyOutAndNoneSwitchesThePageOff(t *testing.T) {
	w, r := newPageWorld(t, fast, "")
	old := w.config
	w.config = strings.Replace(old, pagePassword, "another horse battery", 1)
	if err := w.call("reload", nil, nil); err != nil {
		t.Fatal(err)
	}
	w.await("the log-in", func() bool { return r.alive() && strings.Contains(r.get("/ui/calls"), "Log in to textback") })
	if body := r.post("/ui/login", url.Values{"person": {"Ann"}, "password": {pagePassword}}); !strings.Contains(body, "The password is wrong.") {
		t.Errorf("%s", body)
	}
	w.config = strings.Replace(old, fmt.Sprintf("page_password = %q", pagePassword), "", 1)
	if err := w.call("reload", nil, nil); err != nil {
		t.Fatal(err)
	}
	w.await("no page", func() bool { return r.alive() && r.get("/ui/login") == "" })
}

// alive tells whether the listener is there: a reload opens it anew.
func (r *reader) alive() bool {
	resp, err := r.client.Get(r.base + "/healthz")
	if err != nil {
		return false
	}
	resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

func TestWatchingADeskNeverHoldsUpTheStore(t *testing.T) {
	k := newDesk(nil)
	var stops []func()
	for range 100 {
		_, stop := k.Watch() // nobody reads
		stops = append(stops, stop)
	}
	for range 10_000 {
		k.changed()
	}
	for _, stop := range stops {
		stop()
		stop()
	}
	if k.version() != 10_000 || len(k.watchers) != 0 {
		t.Errorf("%d changes, %d watchers", k.version(), len(k.watchers))
	}
}

func TestAThreadWaitsUntilAPersonHasAnswered(t *testing.T) {
	at := func(m int) time.Time { return time.Date(2026, 11, 24, 8, m, 0, 0, time.UTC) }
	in := func(m int, flag string) textback.Message { return textback.Message{At: at(m), In: true, Flag: flag} }
	for name, tt := range map[string]struct {
		th    textback.Thread
		waits bool
		flag  string
	}{
		"nothing said":          {textback.Thread{}, false, ""},
		"only ours":             {textback.Thread{Messages: []textback.Message{{At: at(1)}}}, false, ""},
		"the caller":            {textback.Thread{Messages: []textback.Message{{At: at(1)}, in(2, "")}}, true, ""},
		"answered by a machine": {textback.Thread{Messages: []textback.Message{in(1, "look"), in(2, ""), {At: at(3), Kind: textback.BranchText}}}, true, "look"},
		"answered by a person":  {textback.Thread{TakenAt: at(3), Messages: []textback.Message{in(1, "look"), {At: at(3), Person: "Ann"}}}, false, ""},
		"and again":             {textback.Thread{TakenAt: at(3), Messages: []textback.Message{in(1, "old"), {At: at(3), Person: "Ann"}, in(4, "new")}}, true, "new"},
		"closed":                {textback.Thread{Closed: true, Messages: []textback.Message{in(1, "")}}, false, ""},
	} {
		if waits, flag := waits(&tt.th); waits != tt.waits || flag != tt.flag {
			t.Errorf("%s: %v %q", name, waits, flag)
		}
	}
}

var _ web.Desk = (*desk)(nil)
