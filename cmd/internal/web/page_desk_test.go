package web

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"textback"
)

const pagePassword = "correct horse battery"

// hostile is what somebody may write who means no good.
const hostile = `<script>alert(1)</script>"><img src=x onerror=alert(2)>` + "\u202eevil\u202c\x1b[31m\x00\u200b" + `{{.}} javascript:alert(3)`

// fakeDesk answers the page with what a test gave it.
type fakeDesk struct {
	mu       sync.Mutex
	standing Standing
	calls    []Call
	live     []LiveCall
	thread   Conversation
	story    Story
	report   string
	broken   error
	took     []string
	watchers []chan struct{}
}

func (d *fakeDesk) Standing(context.Context) (Standing, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.standing, nil
}

func (d *fakeDesk) Calls(_ context.Context, q CallQuery) (CallDay, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return CallDay{Day: testNow().Truncate(24 * time.Hour), Today: q.Day == "", Calls: slices.Clone(d.calls), Found: len(d.calls), Page: max(q.Page, 1), Pages: 3,
		Missed: len(d.calls), Live: d.live}, d.broken
}

func (d *fakeDesk) Story(context.Context, string) (Story, error) { return d.story, d.broken }

func (d *fakeDesk) Threads(_ context.Context, q ThreadQuery) (ThreadList, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	l := ThreadList{Page: 1, Pages: 1}
	if d.thread.ID != 0 {
		l.Rows = []ThreadRow{{Thread: d.thread.Thread, Alias: d.thread.Alias, Place: d.thread.Place, Said: d.thread.Messages[0].Body, SaidIn: true, Waits: true, Flag: hostile}}
	}
	return l, d.broken
}

func (d *fakeDesk) Thread(_ context.Context, id uint64) (Conversation, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if id != d.thread.ID {
		return Conversation{}, fmt.Errorf("thread %d: %w", id, ErrNoThread)
	}
	return d.thread, d.broken
}

func (d *fakeDesk) Take(_ context.Context, id uint64, person string) error {
	d.took = append(d.took, fmt.Sprintf("%d taken by %s", id, person))
	return d.broken
}

func (d *fakeDesk) Close(_ context.Context, id uint64) error {
	d.took = append(d.took, fmt.Sprintf("%d closed", id))
	return d.broken
}

func (d *fakeDesk) Report(_ context.Context, q ReportQuery) (ReportPart, error) {
	if q.Since == "yesteryear" {
		return ReportPart{}, &Ask{`"yesteryear" is not a time.`}
	}
	return ReportPart{Body: d.report}, d.broken
}

func (d *fakeDesk) Places() Places {
	return Places{Businesses: []Choice{{"acme", hostile}, {"beta", "Beta"}}, Lines: []Choice{{"+12025550100", hostile}, {"+12025550101", "x"}}, Zone: time.UTC}
}

func (d *fakeDesk) Watch() (<-chan struct{}, func()) {
	c := make(chan struct{}, 1)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.watchers = append(d.watchers, c)
	return c, func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.watchers = slices.DeleteFunc(d.watchers, func(w chan struct{}) bool { return w == c })
	}
}

// changed changes something and tells whoever watches.
func (d *fakeDesk) changed(f func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f()
	for _, c := range d.watchers {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}

func (d *fakeDesk) watched() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.watchers)
}

// fullDesk has something hostile in every field that a stranger can write, and something in every field.
func fullDesk() *fakeDesk {
	now := testNow()
	text := textback.Text{ID: 5, Kind: textback.MissedCallText, State: textback.Delivered, To: "+12025550123", From: hostile, Body: hostile, Template: hostile,
		Due: now, Submitted: now, Settled: now, Link: "carrier", Note: hostile, Parts: []textback.Part{{State: textback.Delivered, MessageID: hostile}}}
	call := Call{Verdict: textback.Verdict{At: now, Call: textback.Call{ID: "hq/17.1", PBX: "hq", Party: textback.Party{Name: hostile, Number: hostile}, End: now,
		Ring: 12 * time.Second, Outcome: textback.NoAnswer, EndedBy: textback.EndedByPBX, Cause: textback.Cause{Q850: 16, Word: hostile},
		Evidence: []textback.Evidence{{At: now, What: hostile}, {What: hostile}}},
		Decision: textback.Decision{Reason: textback.ReasonText, Detail: hostile, Line: "+12025550100", Caller: "+12025550123", Rule: hostile, Template: hostile}},
		Business: hostile, Line: hostile, Text: &text, Thread: 17}
	odd := call
	odd.Decision.Caller, odd.Decision.Reason, odd.Text, odd.Call.ID = hostile, textback.ReasonNoNumber, nil, `hq/"><b>x`
	th := textback.Thread{ID: 17, Tag: "a3", Business: "acme", Line: "+12025550100", Caller: "+12025550123", Name: hostile, CallID: call.Call.ID, Opened: now,
		Last: now, TakenBy: hostile, Booking: &textback.Booking{ID: hostile, Service: hostile, State: hostile, Title: hostile, Start: now},
		Messages: []textback.Message{{At: now, In: true, Body: hostile, Flag: hostile}, {At: now, Kind: textback.MissedCallText, TextID: 5, Body: hostile},
			{At: now, Person: hostile, Kind: textback.PersonText, TextID: 6, Body: strings.Repeat(hostile, 80)}}}
	return &fakeDesk{
		standing: Standing{Links: []LinkState{{Name: "hq", Kind: "PBX", Up: true, Note: "since 8:00"}, {Name: hostile, Kind: "SMS link"}}, Queued: 3, Sending: 1,
			Doubt: 2, OnPhone: 1, Breakers: []string{hostile}, ShadowLines: 1, Lines: 2, StoreError: hostile, Waiting: 1},
		calls:  []Call{call, odd},
		live:   []LiveCall{{ID: "hq/18.1", Number: hostile, Name: hostile, Line: hostile, Begin: now}, {ID: hostile, Number: "+12025550123", Begin: now, Connected: true}},
		thread: Conversation{Thread: th, Place: hostile, LineName: hostile, Alias: hostile, Waits: true, Texts: map[uint64]textback.Text{5: text}},
		story: Story{Number: hostile, Calls: []Call{call, odd}, Texts: []textback.Text{text}, Threads: []ThreadRow{{Thread: th, Alias: hostile, Place: hostile, Said: hostile}},
			Ledger: []LedgerLine{{At: now, Out: true, Businesses: []string{hostile}, Source: hostile, Wording: hostile}}, Out: []string{hostile},
			Handoffs: []HandoffLine{{Event: "reply.received", Target: hostile, At: now, Attempts: 3, Note: hostile}, {Event: hostile, Target: "mail", At: now, Waits: true}}},
		report: "<h1>Report</h1>",
	}
}

// desk is a listener with a page.
type desk struct {
	*listener
	*fakeDesk
	now time.Time
	ins []string
}

func newDesk(t testing.TB, f *fakeDesk, change ...func(*Options)) *desk {
	t.Helper()
	d := &desk{fakeDesk: f, now: testNow()}
	d.listener = newListener(t, func(o *Options) {
		o.Now = func() time.Time { return d.now }
		o.Page = &Page{Password: pagePassword, Desk: f, ReportStyle: "td { padding: 1px }",
			OnLogin: func(person string, from netip.Addr) { d.ins = append(d.ins, person+" from "+from.String()) }}
		for _, c := range change {
			c(o)
		}
	})
	return d
}

// ask sends a request as a browser does that is on our page. Headers may take that back.
func (d *desk) ask(method, path string, form url.Values, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "http://textback.example"+path, strings.NewReader(form.Encode()))
	r.RemoteAddr = "203.0.113.9:4711"
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
		if headers[i] == "Remote" {
			r.RemoteAddr = headers[i+1]
		}
	}
	w := httptest.NewRecorder()
	d.ServeHTTP(w, r)
	return w
}

func credentials(person, password string) url.Values {
	return url.Values{"person": {person}, "password": {password}}
}

// login logs a person in and gives the cookie as a header.
func (d *desk) login(t testing.TB, person string) string {
	t.Helper()
	w := d.ask("POST", "/ui/login", credentials(person, pagePassword))
	if w.Code != http.StatusSeeOther || len(w.Result().Cookies()) != 1 {
		t.Fatalf("log-in: %d\n%s", w.Code, w.Body)
	}
	c := w.Result().Cookies()[0]
	return c.Name + "=" + c.Value
}
