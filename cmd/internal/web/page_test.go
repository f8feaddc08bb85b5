package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"textback"
)

var pagePaths = []string{"/ui/calls", "/ui/calls?day=2026-11-24&show=not&page=2", "/ui/story?what=%2B12025550123", "/ui/threads", "/ui/threads/17", "/ui/report"}

func TestThePageIsOffUnlessItHasAPassword(t *testing.T) {
	l := newListener(t, nil)
	for _, path := range append([]string{"/", "/ui", "/ui/", "/ui/login", "/ui/static/app.css"}, pagePaths...) {
		if code := l.do("GET", path, ""); code != http.StatusNotFound {
			t.Errorf("%s: %d", path, code)
		}
	}
	for name, p := range map[string]*Page{"a short password": {Password: "hunter2", Desk: &fakeDesk{}}, "nobody behind it": {Password: pagePassword}} {
		if _, err := Handler(Options{Page: p, OnReply: func(context.Context, Reply) error { return nil }}); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}

func TestNobodySeesAnythingWithoutLoggingIn(t *testing.T) {
	d := newDesk(t, fullDesk())
	for _, path := range pagePaths {
		w := d.ask("GET", path, nil)
		if want := "/ui/login?next=" + url.QueryEscape(path); w.Code != http.StatusSeeOther || w.Header().Get("Location") != want || w.Body.Len() > 200 {
			t.Errorf("%s: %d to %q", path, w.Code, w.Header().Get("Location"))
		}
		sep := "?"
		if strings.Contains(path, "?") {
			sep = "&"
		}
		if w := d.ask("GET", path+sep+"live=1", nil); w.Code != http.StatusUnauthorized || w.Body.Len() != 0 {
			t.Errorf("%s live: %d %q", path, w.Code, w.Body)
		}
	}
	for _, what := range []string{"reply", "take", "close"} {
		w := d.ask("POST", "/ui/threads/17/"+what, url.Values{"text": {"Hi"}})
		if w.Code != http.StatusUnauthorized || strings.Contains(w.Body.String(), "12025550123") {
			t.Errorf("%s: %d", what, w.Code)
		}
	}
	if len(d.replies) != 0 || len(d.took) != 0 {
		t.Errorf("%v %v", d.replies, d.took)
	}
	if w := d.ask("GET", "/ui/login", nil); strings.Contains(w.Body.String(), "hq") {
		t.Error("the log-in tells of links")
	}
}

func TestTheLogInIsByPasswordAndName(t *testing.T) {
	d := newDesk(t, fullDesk())
	for name, tt := range map[string]struct {
		person, password string
		code             int
		line             string
	}{
		"wrong":          {"Ann", "correct horse batterz", 401, "http-refused src=203.0.113.9 path=/ui/login reason=password\n"},
		"empty":          {"Ann", "", 401, "http-refused src=203.0.113.9 path=/ui/login reason=password\n"},
		"longer":         {"Ann", pagePassword + "x", 401, "http-refused src=203.0.113.9 path=/ui/login reason=password\n"},
		"no name":        {" \u202e ", pagePassword, 400, ""},
		"right":          {"Ann", pagePassword, 303, ""},
		"an odd name":    {"  Ann\u202e\n<b> ", pagePassword, 303, ""},
		"much too long":  {strings.Repeat("A", 40_000), pagePassword, 400, ""},
		"a binary thing": {"Ann", "\xff\x00", 401, "http-refused src=203.0.113.9 path=/ui/login reason=password\n"},
	} {
		d.log.Reset()
		d.now = d.now.Add(10 * time.Minute)
		w := d.ask("POST", "/ui/login", credentials(tt.person, tt.password))
		if w.Code != tt.code || d.log.String() != tt.line || (len(w.Result().Cookies()) == 1) != (tt.code == 303) {
			t.Errorf("%s: %d, log %q, cookies %v", name, w.Code, d.log.String(), w.Result().Cookies())
		}
		if strings.Contains(w.Body.String(), pagePassword) {
			t.Errorf("%s: the password comes back", name)
		}
	}
	slices.Sort(d.ins)
	if want := []string{"Ann <b> from 203.0.113.9", "Ann from 203.0.113.9"}; !slices.Equal(d.ins, want) {
		t.Errorf("%q", d.ins)
	}
}

func TestTheCookieIsForThisPageAlone(t *testing.T) {
	proxy := func(o *Options) { o.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("203.0.113.9/32")} }
	for name, tt := range map[string]struct {
		change  []func(*Options)
		headers []string
		secure  bool
	}{
		"plain":             {nil, nil, false},
		"a stranger's word": {nil, []string{"X-Forwarded-Proto", "https"}, false},
		"a proxy with TLS":  {[]func(*Options){proxy}, []string{"X-Forwarded-Proto", "https"}, true},
		"a proxy without":   {[]func(*Options){proxy}, []string{"X-Forwarded-Proto", "http"}, false},
	} {
		d := newDesk(t, fullDesk(), tt.change...)
		w := d.ask("POST", "/ui/login", credentials("Ann", pagePassword), tt.headers...)
		c := w.Result().Cookies()[0]
		if !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Path != "/" || c.Domain != "" || c.Secure != tt.secure ||
			strings.HasPrefix(c.Name, "__Host-") != tt.secure || len(c.Value) < 40 {
			t.Errorf("%s: %v", name, c)
		}
		if w := d.ask("GET", "/ui/calls", nil, append([]string{"Cookie", c.Name + "=" + c.Value}, tt.headers...)...); w.Code != http.StatusOK {
			t.Errorf("%s: %d with the cookie", name, w.Code)
		}
	}
}

func TestWrongPasswordsAreLimitedAndOthersAreNot(t *testing.T) {
	d := newDesk(t, fullDesk())
	cookie := d.login(t, "Ann")
	for i := range guessesAtOnce {
		if w := d.ask("POST", "/ui/login", credentials("Eve", fmt.Sprint("guess number ", i))); w.Code != http.StatusUnauthorized {
			t.Fatalf("guess %d: %d", i, w.Code)
		}
	}
	if w := d.ask("POST", "/ui/login", credentials("Eve", pagePassword)); w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") != "60" {
		t.Errorf("after %d guesses: %d", guessesAtOnce, w.Code)
	}
	if w := d.ask("POST", "/ui/login", credentials("Ben", pagePassword), "Remote", "198.51.100.7:1"); w.Code != http.StatusSeeOther {
		t.Errorf("another address: %d", w.Code)
	}
	if w := d.ask("GET", "/ui/calls", nil, "Cookie", cookie); w.Code != http.StatusOK {
		t.Errorf("who is logged in: %d", w.Code)
	}
	d.now = d.now.Add(61 * time.Second)
	if w := d.ask("POST", "/ui/login", credentials("Eve", "one more guess")); w.Code != http.StatusUnauthorized {
		t.Errorf("a minute later: %d", w.Code)
	}
	if w := d.ask("POST", "/ui/login", credentials("Eve", "and another one")); w.Code != http.StatusTooManyRequests {
		t.Errorf("and at once again: %d", w.Code)
	}
	d.now = d.now.Add(10 * time.Minute)
	for i := range 30 {
		if w := d.ask("POST", "/ui/login", credentials("Ann", pagePassword)); w.Code != http.StatusSeeOther {
			t.Fatalf("right for the %d. time: %d", i+1, w.Code)
		}
	}
}

func TestASessionEnds(t *testing.T) {
	d := newDesk(t, fullDesk())
	ok := func(cookie string) bool {
		return d.ask("GET", "/ui/calls", nil, "Cookie", cookie).Code == http.StatusOK
	}
	idle := d.login(t, "Ann")
	d.now = d.now.Add(sessionIdle - time.Minute)
	if !ok(idle) {
		t.Error("it ended too soon")
	}
	d.now = d.now.Add(sessionIdle + time.Minute)
	if ok(idle) {
		t.Error("it did not end although nobody was there")
	}
	busy := d.login(t, "Ann")
	for range 14 {
		d.now = d.now.Add(sessionIdle - time.Minute)
		ok(busy)
	}
	if d.now = d.now.Add(time.Hour); ok(busy) {
		t.Error("it did not end after a week")
	}
	out := d.login(t, "Ann")
	if w := d.ask("POST", "/ui/logout", url.Values{}, "Cookie", out); w.Code != http.StatusSeeOther || w.Result().Cookies()[0].MaxAge >= 0 {
		t.Errorf("log-out: %d %v", w.Code, w.Result().Cookies())
	}
	if ok(out) {
		t.Error("it did not end by the log-out")
	}
	if ok("textback=") || ok("textback=AAAA") || ok("other=x") {
		t.Error("an invented cookie was taken")
	}
	first := d.login(t, "Ann")
	for range maxSessions {
		d.now = d.now.Add(time.Second)
		d.login(t, "Ben")
	}
	if len(d.listener.Handler.(*handler).ui.sessions.all) > maxSessions || ok(first) {
		t.Error("there are too many sessions")
	}
}

func TestTheLogInGoesOnToOurOwnPagesOnly(t *testing.T) {
	for typed, want := range map[string]string{
		"": "/ui/calls", "/ui/threads/17": "/ui/threads/17", "/ui/calls?day=2026-11-24": "/ui/calls?day=2026-11-24", "https://evil.example/ui/": "/ui/calls",
		"//evil.example/ui/calls": "/ui/calls", `/\evil.example/ui/`: "/ui/calls", "/hooks/cal": "/ui/calls", "javascript:alert(1)": "/ui/calls", "/ui/login": "/ui/calls",
		"/ui/logout": "/ui/calls", "/ui/\r\nSet-Cookie: x=y": "/ui/calls", "http:/ui/calls": "/ui/calls", "/ui": "/ui/calls", "%zz": "/ui/calls",
	} {
		if got := next(typed); got != want {
			t.Errorf("%q: %q, want %q", typed, got, want)
		}
	}
}

// A mail's link does not bring the cookie along: the page is asked for once more by itself, and then the browser sends it.
func TestALinkFromElsewhereOpensThePageOfWhoIsLoggedIn(t *testing.T) {
	d := newDesk(t, fullDesk())
	w := d.ask("GET", "/ui/threads/17", nil, "Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate")
	if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), `<meta http-equiv="refresh" content="0; url=/ui/threads/17">`) {
		t.Errorf("%d\n%s", w.Code, w.Body)
	}
	cookie := d.login(t, "Ann")
	if w := d.ask("GET", "/ui/threads/17", nil, "Cookie", cookie); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "12025550123") {
		t.Errorf("%d", w.Code)
	}
}

func TestAFormThatAnotherSiteSendsIsRefused(t *testing.T) {
	d := newDesk(t, fullDesk())
	cookie := d.login(t, "Ann")
	d.log.Reset()
	for name, headers := range map[string][]string{
		"another site":            {"Sec-Fetch-Site", "cross-site"},
		"a site beside ours":      {"Sec-Fetch-Site", "same-site"},
		"an older browser":        {"Sec-Fetch-Site", "", "Origin", "https://evil.example"},
		"a sandboxed frame":       {"Sec-Fetch-Site", "", "Origin", "null"},
		"another port of ours":    {"Sec-Fetch-Site", "", "Origin", "http://textback.example:8080"},
		"TLS beside our own host": {"Sec-Fetch-Site", "cross-site", "Origin", "http://textback.example"},
	} {
		for path, form := range map[string]url.Values{"/ui/threads/17/reply": {"text": {"Hi"}}, "/ui/threads/17/take": {}, "/ui/threads/17/close": {}, "/ui/logout": {},
			"/ui/login": credentials("Eve", pagePassword)} {
			if w := d.ask("POST", path, form, append(headers, "Cookie", cookie)...); w.Code != http.StatusForbidden || len(w.Result().Cookies()) != 0 {
				t.Errorf("%s, %s: %d", name, path, w.Code)
			}
		}
	}
	if len(d.replies)+len(d.took) != 0 || d.log.Len() != 0 {
		t.Errorf("%v %v %q", d.replies, d.took, d.log.String())
	}
	if w := d.ask("POST", "/ui/threads/17/take", url.Values{}, "Cookie", cookie, "Sec-Fetch-Site", "", "Origin", "http://textback.example"); w.Code != http.StatusSeeOther {
		t.Errorf("our own form from an older browser: %d", w.Code)
	}
}

// harmless tells whether an element can do nothing but show words and lead to our own pages.
func harmless(n html.Token, at string) error {
	for _, a := range n.Attr {
		switch {
		case strings.HasPrefix(a.Key, "on"), a.Key == "style", a.Key == "srcdoc":
			return fmt.Errorf("<%s %s=%q>", n.Data, a.Key, a.Val)
		case a.Key == "href" || a.Key == "src" || a.Key == "action":
			if !strings.HasPrefix(a.Val, "/ui/") && !strings.HasPrefix(a.Val, "tel:+") && a.Val != "#main" {
				return fmt.Errorf("<%s %s=%q>", n.Data, a.Key, a.Val)
			}
		}
	}
	switch n.Data {
	case "img", "iframe", "object", "embed", "base", "style":
		return fmt.Errorf("a <%s> at %s", n.Data, at)
	}
	return nil
}

func TestWhateverStrangersWriteIsOnlyWords(t *testing.T) {
	d := newDesk(t, fullDesk())
	cookie := d.login(t, "Ann")
	for _, path := range pagePaths {
		w := d.ask("GET", path, nil, "Cookie", cookie)
		body := w.Body.String()
		if w.Code != http.StatusOK {
			t.Errorf("%s: %d\n%.500s", path, w.Code, body)
			continue
		}
		scripts, z := 0, html.NewTokenizer(strings.NewReader(body))
		for kind := z.Next(); kind != html.ErrorToken; kind = z.Next() {
			tok := z.Token()
			if kind != html.StartTagToken && kind != html.SelfClosingTagToken {
				continue
			}
			if err := harmless(tok, path); err != nil {
				t.Errorf("%s: %v", path, err)
			}
			if tok.Data == "script" {
				scripts++
			}
		}
		if scripts != 1 {
			t.Errorf("%s: %d scripts", path, scripts)
		}
		if i := strings.IndexAny(body, "\u202e\u202c\u200b\x1b\x00"); i >= 0 {
			t.Errorf("%s: %q", path, body[max(0, i-40):i+10])
		}
		if !strings.Contains(body, "&lt;script&gt;alert(1)") && path != "/ui/report" {
			t.Errorf("%s does not show it at all", path)
		}
	}
}

func TestEveryAnswerHasAStrictPolicyAndIsNotKept(t *testing.T) {
	d := newDesk(t, fullDesk())
	cookie := d.login(t, "Ann")
	for _, path := range append([]string{"/ui/login", "/ui/threads/99", "/ui/nothing"}, pagePaths...) {
		h := d.ask("GET", path, nil, "Cookie", cookie).Header()
		csp := h.Get("Content-Security-Policy")
		if !strings.HasPrefix(csp, "default-src 'none'; script-src 'self'; style-src 'self';") || strings.Contains(csp, "unsafe") ||
			!strings.Contains(csp, "frame-ancestors 'none'") || h.Get("X-Frame-Options") != "DENY" || h.Get("X-Content-Type-Options") != "nosniff" ||
			h.Get("Cache-Control") != "no-store" || h.Get("Referrer-Policy") != "same-origin" {
			t.Errorf("%s: %v", path, h)
		}
	}
	for name, hashed := range d.listener.Handler.(*handler).ui.views.hashed {
		w := d.ask("GET", "/ui/static/"+hashed, nil)
		if w.Code != http.StatusOK || !strings.Contains(w.Header().Get("Cache-Control"), "immutable") || w.Body.Len() == 0 ||
			!strings.Contains(w.Header().Get("Content-Type"), map[string]string{"app.js": "javascript", "app.css": "css", "report.css": "css", "icon.svg": "svg"}[name]) {
			t.Errorf("%s: %d %v", name, w.Code, w.Header())
		}
	}
	for _, path := range []string{"/ui/static/app.css", "/ui/static/..%2fcalls.html", "/ui/static/"} {
		if w := d.ask("GET", path, nil); w.Code != http.StatusNotFound {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
}

func TestAPersonAnswersOnThePage(t *testing.T) {
	d := newDesk(t, fullDesk())
	cookie := d.login(t, "Ann")
	send := func(text, once string) *httptest.ResponseRecorder {
		return d.ask("POST", "/ui/threads/17/reply", url.Values{"text": {text}, "once": {once}}, "Cookie", cookie)
	}
	if w := send(" We can come\r\nat 5. ", "a"); w.Code != http.StatusSeeOther || w.Header().Get("Location") != "/ui/threads/17#end" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	send(" We can come\r\nat 5. ", "a") // a double click
	send("And I bring the part.", "a")
	d.fail = fmt.Errorf("%w: the caller has opted out", ErrRefused)
	w := send("You <b>there?", "b")
	if w.Code != http.StatusConflict || !strings.Contains(w.Body.String(), "Not sent: the caller has opted out.") || !strings.Contains(w.Body.String(), "You &lt;b&gt;there?</textarea>") {
		t.Errorf("%d: the reason or the words are lost\n%s", w.Code, w.Body)
	}
	d.fail = errors.New("disk full: /var/lib/textback")
	if w := send("Again", "c"); w.Code != http.StatusServiceUnavailable || strings.Contains(w.Body.String(), "/var/lib") || !strings.Contains(w.Body.String(), "Again</textarea>") {
		t.Errorf("%d\n%s", w.Code, w.Body)
	}
	d.fail = nil
	send("Again", "c")
	for text, code := range map[string]int{" \r\n ": 400, strings.Repeat("é", 1601): 400, strings.Repeat("é", 9000): 400, strings.Repeat("é", 1600): 303} {
		if w := send(text, "d"); w.Code != code {
			t.Errorf("%d characters: %d", len(text)/2, w.Code)
		}
	}
	want := []Reply{{17, "Ann", "We can come\nat 5."}, {17, "Ann", "And I bring the part."}, {17, "Ann", "You <b>there?"}, {17, "Ann", "Again"}, {17, "Ann", "Again"},
		{17, "Ann", strings.Repeat("é", 1600)}}
	if fmt.Sprint(d.replies) != fmt.Sprint(want) {
		t.Errorf("%v", d.replies)
	}
}

func TestAPersonTakesAndClosesAThread(t *testing.T) {
	d := newDesk(t, fullDesk())
	cookie := d.login(t, "Ann")
	for _, what := range []string{"take", "close"} {
		if w := d.ask("POST", "/ui/threads/17/"+what, url.Values{}, "Cookie", cookie); w.Code != http.StatusSeeOther {
			t.Errorf("%s: %d", what, w.Code)
		}
		if w := d.ask("GET", "/ui/threads/17/"+what, nil, "Cookie", cookie); w.Code == http.StatusOK || w.Code == http.StatusSeeOther {
			t.Errorf("%s by a link: %d", what, w.Code)
		}
	}
	if want := []string{"17 taken by Ann", "17 closed"}; !slices.Equal(d.took, want) {
		t.Errorf("%q", d.took)
	}
}

func TestWhoIsLoggedInIsNotCountedOthersAre(t *testing.T) {
	d := newDesk(t, fullDesk(), func(o *Options) { o.PerMinute = 20 })
	cookie := d.login(t, "Ann")
	for i := range 200 {
		if w := d.ask("GET", "/ui/calls", nil, "Cookie", cookie); w.Code != http.StatusOK {
			t.Fatalf("request %d: %d", i, w.Code)
		}
	}
	codes := map[int]int{}
	for range 100 {
		codes[d.ask("GET", "/ui/calls", nil, "Cookie", "textback=invented").Code]++
	}
	if codes[http.StatusSeeOther] != 19 || codes[http.StatusTooManyRequests] != 81 {
		t.Errorf("%v", codes)
	}
}

func TestWhatCannotBeShownIsSaidInPlainWords(t *testing.T) {
	d := newDesk(t, fullDesk())
	cookie := d.login(t, "Ann")
	for path, want := range map[string]struct {
		code  int
		words string
	}{
		"/ui/threads/99":               {404, "no such conversation"},
		"/ui/threads/x":                {404, "no such conversation"},
		"/ui/story?what=":              {400, "Write a telephone number"},
		"/ui/report?since=yesteryear":  {200, "is not a time."},
		"/ui/calls?page=-1&day=&show=": {200, "Missed"},
		"/ui/nothing":                  {404, ""},
	} {
		w := d.ask("GET", path, nil, "Cookie", cookie)
		if w.Code != want.code || !strings.Contains(w.Body.String(), want.words) {
			t.Errorf("%s: %d\n%.2000s", path, w.Code, w.Body)
		}
	}
	d.broken = errors.New("read /var/lib/textback.db: input/output error")
	var told []string
	d.listener.Handler.(*handler).ui.OnFailure = func(page string, err error) { told = append(told, page+": "+err.Error()) }
	if w := d.ask("GET", "/ui/calls", nil, "Cookie", cookie); w.Code != http.StatusServiceUnavailable || strings.Contains(w.Body.String(), "/var/lib") ||
		len(told) != 1 || !strings.Contains(told[0], "input/output") {
		t.Errorf("%d %q", w.Code, told)
	}
}

func TestWithNothingThereThePageSaysWhatToDo(t *testing.T) {
	d := newDesk(t, &fakeDesk{})
	cookie := d.login(t, "Ann")
	for path, words := range map[string]string{"/ui/calls": "Call one of your lines from outside", "/ui/threads": "answers one of your texts", "/ui/story?what=x": "Nothing is known"} {
		if w := d.ask("GET", path, nil, "Cookie", cookie); !strings.Contains(w.Body.String(), words) {
			t.Errorf("%s:\n%s", path, w.Body)
		}
	}
}

func TestALongConversationComesInPages(t *testing.T) {
	f := fullDesk()
	f.thread.Messages = nil
	for i := range 250 {
		f.thread.Messages = append(f.thread.Messages, textback.Message{At: testNow(), In: true, Body: fmt.Sprintf("message %d.", i)})
	}
	d := newDesk(t, f)
	cookie := d.login(t, "Ann")
	for path, want := range map[string][4]bool{ // messages 0, 100, 249, and the reply box
		"/ui/threads/17": {false, false, true, true}, "/ui/threads/17?before=150": {false, true, false, false}, "/ui/threads/17?before=50": {true, false, false, false},
		"/ui/threads/17?before=9999": {false, false, true, true}, "/ui/threads/17?before=x": {false, false, true, true},
	} {
		body := d.ask("GET", path, nil, "Cookie", cookie).Body.String()
		got := [4]bool{strings.Contains(body, "message 0."), strings.Contains(body, "message 100."), strings.Contains(body, "message 249."), strings.Contains(body, "<textarea")}
		if got != want {
			t.Errorf("%s: %v, want %v", path, got, want)
		}
	}
}
