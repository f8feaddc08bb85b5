package web

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"textback"
)

func TestEveryOutcomeReasonStateAndKindHasWordsForPeople(t *testing.T) {
	for _, o := range append(textback.MissedOutcomes(), textback.Answered) {
		if outcomeSentences[o] == "" {
			t.Errorf("outcome %v", o)
		}
	}
	for _, r := range textback.Reasons() {
		if reasonSentences[r] == "" {
			t.Errorf("reason %v", r)
		}
	}
	for s := textback.Queued; s <= textback.Unknown; s++ {
		if stateMarks[s].Word == "" {
			t.Errorf("state %v", s)
		}
	}
	for k := textback.MissedCallText; k <= textback.TestText; k++ {
		if kindWords[k] == "" {
			t.Errorf("kind %v", k)
		}
	}
}

func TestWhatIsSaidKeepsItsLinesAndLosesItsTricks(t *testing.T) {
	for in, want := range map[string]string{
		"Hi\r\nthere\n": "Hi\nthere", "a\u202eb\u2066c\u200fd": "abcd", "👨\u200d👩\u200d👧": "👨\u200d👩\u200d👧", "é\u0301\u0301\u0301\u0301\u0301\u0301": "é\u0301\u0301\u0301",
		"a\x1b[31mb\x00\x07": "a[31mb", "a\n\n\n\n\n\nb": "a\n\n\nb", "\xff": "�", "a\u2028b": "a b", "سلام": "سلام",
	} {
		if got := said(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
	if got := shown("Jane\n<Doe>\t" + strings.Repeat("x", 500)); !strings.HasPrefix(got, "Jane <Doe> xxx") || utf8.RuneCountInString(got) != maxShown+1 || !strings.HasSuffix(got, "…") {
		t.Errorf("%q", got)
	}
	if b := fold(strings.Repeat("x", 10_000)); len(b.Head) != longSaid || b.More != 10_000-longSaid {
		t.Errorf("%d + %d", len(b.Head), b.More)
	}
}

func TestTheCounterKnowsTheAlphabet(t *testing.T) {
	one, two := alphabet()
	if !strings.Contains(one, "\n") || !strings.Contains(one, "@£$¥èé") && !strings.Contains(one, "é") || !strings.Contains(one, "Ω") || strings.Contains(one, "€") {
		t.Errorf("one: %q", one)
	}
	for _, r := range "^{}[]~\\|€" {
		if !strings.ContainsRune(two, r) {
			t.Errorf("%c is not among those of two", r)
		}
	}
}

// FuzzSaid: whatever a stranger writes, what is shown of it is bounded, valid, and has nothing that turns the page around.
func FuzzSaid(f *testing.F) {
	for _, s := range []string{"Hi", "a\u202eb", "\xff\xfe", "👨\u200d👩", "e\u0301\u0301\u0301\u0301", "\n\n\n\n\n", hostile} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		b := fold(s)
		for what, out := range map[string]string{"said": b.Head + b.Rest, "shown": shown(s), "snippet": snippet(s)} {
			if !utf8.ValidString(out) || utf8.RuneCountInString(out) > maxSaid+1 || what != "said" && (utf8.RuneCountInString(out) > 141 || strings.Contains(out, "\n")) {
				t.Fatalf("%s: %q", what, out)
			}
			heap := 0
			for _, r := range out {
				if unicode.IsControl(r) && r != '\n' || unicode.Is(unicode.Cf, r) && r != '\u200d' && r != '\u200c' {
					t.Fatalf("%s: %U is left", what, r)
				}
				if heap++; !unicode.In(r, unicode.Mn, unicode.Me) {
					heap = 0
				}
				if heap > marks {
					t.Fatalf("%s: a heap of marks is left", what)
				}
			}
		}
	})
}

// FuzzNext: the log-in leads to no other site.
func FuzzNext(f *testing.F) {
	for _, s := range []string{"/ui/calls", "//evil.example", `/\evil`, "https://evil/ui/", "/ui/%2f%2fevil", "/ui/..//evil", "\t/ui/", "/ui/? ", "/ui%2f"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		to := next(s)
		if !strings.HasPrefix(to, uiRoot) || strings.ContainsAny(to, "\r\n\t\\ ") {
			t.Fatalf("%q leads to %q", s, to)
		}
	})
}

// FuzzPage: whatever somebody who is logged in asks for, the answer is one of ours, with its policy, and says back only words.
func FuzzPage(f *testing.F) {
	for _, s := range [][3]string{{"GET", "/ui/calls?day=2026-11-24&page=2", ""}, {"GET", "/ui/threads/17?before=1", ""}, {"GET", "/ui/story?what=<script>alert(9)</script>", ""},
		{"POST", "/ui/threads/17/reply", "text=Hi&once=1"}, {"POST", "/ui/login", "person=%00&password=x&next=//evil"}, {"HEAD", "/ui/report?since=yesteryear", ""}, {"PUT", "/ui/%zz", "a"}} {
		f.Add(s[0], s[1], s[2])
	}
	d := newDesk(f, fullDesk(), func(o *Options) { o.PerMinute = 1 << 40 })
	cookie := d.login(f, "Ann")
	f.Fuzz(func(t *testing.T, method, target, form string) {
		u, err := url.ParseRequestURI(target)
		if err != nil || !strings.HasPrefix(u.Path, uiRoot) || strings.Contains(u.RawQuery, "live") || u.Path == "/ui/logout" {
			return
		}
		r := httptest.NewRequest(http.MethodPost, "http://textback.example/", strings.NewReader(form))
		r.Method, r.URL, r.RemoteAddr = method, u, "203.0.113.9:4711"
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
		r.Header.Set("Cookie", cookie)
		w := httptest.NewRecorder()
		d.ServeHTTP(w, r)
		if w.Code >= 500 || w.Header().Get("Content-Security-Policy") != policy {
			t.Fatalf("%d %v", w.Code, w.Header())
		}
		if to := w.Header().Get("Location"); to != "" && !strings.HasPrefix(to, "/") || strings.HasPrefix(to, "//") {
			t.Fatalf("leads to %q", to)
		}
		if b := w.Body.String(); strings.Contains(b, "<script>") || strings.Contains(b, "alert(9)</script>") {
			t.Fatalf("%s", b)
		}
	})
}
