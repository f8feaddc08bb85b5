package web

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// textLogger writes "id key=value" lines.
func textLogger(w io.Writer) *slog.Logger { return slog.New(lineHandler{w}) }

type lineHandler struct{ w io.Writer }

func (lineHandler) Enabled(context.Context, slog.Level) bool { return true }
func (h lineHandler) WithAttrs([]slog.Attr) slog.Handler     { return h }
func (h lineHandler) WithGroup(string) slog.Handler          { return h }
func (h lineHandler) Handle(_ context.Context, r slog.Record) error {
	line := r.Message
	r.Attrs(func(a slog.Attr) bool { line += " " + a.Key + "=" + a.Value.String(); return true })
	_, err := fmt.Fprintln(h.w, line)
	return err
}

const crmAuth = "Bearer token-of-the-crm-0123"

func TestAPersonAnswersThroughTheAPI(t *testing.T) {
	for name, tt := range map[string]struct {
		path, auth, body string
		fail             error
		code             int
		want             []Reply
	}{
		"named by the token": {"/threads/17/reply", crmAuth, `{"text":" On our way! "}`, nil, 202, []Reply{{17, "crm", "On our way!"}}},
		"named by the call":  {"/threads/17/reply", "bearer token-of-the-desk-4567", `{"text":"Hi","person":"Ann\u202e\n B"}`, nil, 202, []Reply{{17, "Ann B", "Hi"}}},
		"no thread":          {"/threads/18/reply", crmAuth, `{"text":"Hi"}`, fmt.Errorf("thread 18: %w", ErrNoThread), 404, []Reply{{18, "crm", "Hi"}}},
		"opted out":          {"/threads/18/reply", crmAuth, `{"text":"Hi"}`, fmt.Errorf("%w: the caller opted out", ErrRefused), 409, []Reply{{18, "crm", "Hi"}}},
		"store down":         {"/threads/18/reply", crmAuth, `{"text":"Hi"}`, errors.New("disk full"), 503, []Reply{{18, "crm", "Hi"}}},
		"empty":              {"/threads/17/reply", crmAuth, `{"text":"  "}`, nil, 400, nil},
		"not JSON":           {"/threads/17/reply", crmAuth, `text=Hi`, nil, 400, nil},
		"too long":           {"/threads/17/reply", crmAuth, `{"text":"` + strings.Repeat("é", 1601) + `"}`, nil, 400, nil},
		"far too long":       {"/threads/17/reply", crmAuth, strings.Repeat(" ", 17<<10), nil, 413, nil},
		"bad thread":         {"/threads/-1/reply", crmAuth, `{"text":"Hi"}`, nil, 404, nil},
	} {
		t.Run(name, func(t *testing.T) {
			l := newListener(t, nil)
			l.fail = tt.fail
			code := l.do("POST", tt.path, tt.body, "Authorization", tt.auth)
			if code != tt.code || fmt.Sprint(l.replies) != fmt.Sprint(tt.want) || l.log.Len() != 0 {
				t.Errorf("%d %v log %q; want %d %v", code, l.replies, l.log.String(), tt.code, tt.want)
			}
		})
	}
}

func TestAWrongTokenGets401AndOneLine(t *testing.T) {
	for _, auth := range []string{"", "Bearer", "Bearer ", "Bearer token-of-the-crm-012", "Bearer token-of-the-crm-01234",
		"Basic token-of-the-crm-0123", "token-of-the-crm-0123"} {
		refused := 0
		l := newListener(t, func(o *Options) { o.OnRefused = func() { refused++ } })
		code := l.do("POST", "/threads/17/reply", `{"text":"Hi"}`, "Authorization", auth)
		if want := "http-refused src=203.0.113.9 path=/threads/{id}/reply reason=token\n"; code != 401 || l.log.String() != want ||
			len(l.replies) != 0 || refused != 1 {
			t.Errorf("%q: %d, %q, %d replies, %d counted", auth, code, l.log.String(), len(l.replies), refused)
		}
	}
}

func TestACallRepeatedWithItsIdempotencyKeyAnswersOnce(t *testing.T) {
	l := newListener(t, nil)
	call := func(token, key string) int {
		return l.do("POST", "/threads/17/reply", `{"text":"Hi"}`, "Authorization", "Bearer "+token, "Idempotency-Key", key)
	}
	l.fail = errors.New("disk full")
	if code := call("token-of-the-crm-0123", "a"); code != 503 {
		t.Errorf("failed call: %d", code)
	}
	l.fail, l.replies = nil, nil
	for _, c := range [][2]string{{"token-of-the-crm-0123", "a"}, {"token-of-the-crm-0123", "a"}, {"token-of-the-crm-0123", "b"},
		{"token-of-the-desk-4567", "a"}} {
		if code := call(c[0], c[1]); code != 202 {
			t.Errorf("%v: %d", c, code)
		}
	}
	if len(l.replies) != 3 {
		t.Errorf("%d replies, want 3", len(l.replies))
	}
}

func TestWhatIsNotOursIsNotFoundAndNotLogged(t *testing.T) {
	l := newListener(t, nil)
	for _, tt := range []struct {
		method, path string
		code         int
	}{
		{"GET", "/", 404}, {"POST", "/wp-login.php", 404}, {"GET", "/hooks/cal", 405}, {"PUT", "/threads/1/reply", 405},
		{"POST", "/hooks/cal/", 404}, {"POST", "/threads//reply", 404}, {"GET", "/healthz", 200}, {"POST", "/healthz", 405},
	} {
		if code := l.do(tt.method, tt.path, ""); code != tt.code {
			t.Errorf("%s %s: %d, want %d", tt.method, tt.path, code, tt.code)
		}
	}
	if l.log.Len() != 0 {
		t.Errorf("log: %s", l.log.String())
	}
	sick := newListener(t, func(o *Options) {
		o.Health = func(context.Context) error { return errors.New("the store is read-only") }
	})
	if code := sick.do("GET", "/healthz", ""); code != 503 {
		t.Errorf("unwell: %d", code)
	}
}

func TestOneAddressIsLimitedAndOthersAreNot(t *testing.T) {
	now := testNow()
	l := newListener(t, func(o *Options) { o.PerMinute = 10; o.Now = func() time.Time { return now } })
	count := func(from string, n int) (served int) {
		for range n {
			r := httptest.NewRequest("POST", "/hooks/cal", strings.NewReader("x"))
			r.RemoteAddr = from
			w := httptest.NewRecorder()
			l.ServeHTTP(w, r)
			if w.Code != http.StatusTooManyRequests {
				served++
			}
		}
		return served
	}
	if n := count("198.51.100.1:1", 100); n != 10 {
		t.Errorf("served %d of 100, want 10", n)
	}
	if lines := strings.Count(l.log.String(), "\n"); lines != 10 {
		t.Errorf("%d lines for 10 refusals", lines)
	}
	if n := count("198.51.100.2:1", 5); n != 5 {
		t.Errorf("another address: served %d of 5", n)
	}
	if n := count("[2001:db8::1]:1", 6) + count("[2001:db8::ffff:2]:1", 6); n != 10 {
		t.Errorf("two addresses of one /64: served %d of 12, want 10", n)
	}
	now = now.Add(30 * time.Second)
	if n := count("198.51.100.1:1", 100); n != 5 {
		t.Errorf("half a minute later: served %d, want 5", n)
	}
	now = now.Add(-time.Hour)
	if n := count("198.51.100.1:1", 100); n != 0 {
		t.Errorf("after the clock stepped back: served %d", n)
	}
}

func TestTheLimitersMemoryIsBounded(t *testing.T) {
	l := newLimits(10)
	now := testNow()
	served := 0
	for i := range 3 * maxAddresses {
		if l.allow(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), now) {
			served++
		}
	}
	if len(l.buckets) > maxAddresses+1 || served != maxAddresses+10 {
		t.Errorf("%d buckets, %d served", len(l.buckets), served)
	}
	l.allow(netip.MustParseAddr("192.0.2.1"), now.Add(2*time.Minute))
	if len(l.buckets) > 2 {
		t.Errorf("%d buckets after two minutes", len(l.buckets))
	}
	s := newSeen()
	for i := range 3 * maxSeen {
		s.reserve(fmt.Sprint(i))
	}
	if len(s.keys) != maxSeen || s.reserve(fmt.Sprint(3*maxSeen-1)) || !s.reserve("0") {
		t.Errorf("%d keys remembered", len(s.keys))
	}
}

func TestForwardedAddressesAreBelievedFromTrustedProxiesOnly(t *testing.T) {
	h := &handler{Options: Options{TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("10.0.0.0/8")}}}
	for _, tt := range []struct{ remote, forwarded, want string }{
		{"203.0.113.9:1", "1.2.3.4", "203.0.113.9"},
		{"127.0.0.1:1", "1.2.3.4", "1.2.3.4"},
		{"127.0.0.1:1", "6.6.6.6, 1.2.3.4, 10.0.0.7", "1.2.3.4"},
		{"127.0.0.1:1", "6.6.6.6, nonsense", "127.0.0.1"},
		{"127.0.0.1:1", "", "127.0.0.1"},
		{"[::ffff:127.0.0.1]:1", "2001:db8::9", "2001:db8::9"},
		{"@", "1.2.3.4", "invalid IP"},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = tt.remote
		if tt.forwarded != "" {
			r.Header.Set("X-Forwarded-For", tt.forwarded)
		}
		if got := h.client(r).String(); got != tt.want {
			t.Errorf("%s, %q: %s, want %s", tt.remote, tt.forwarded, got, tt.want)
		}
	}
}

func TestOptionsThatCannotBeMeantAreRefused(t *testing.T) {
	ok := func(context.Context, Booking) error { return nil }
	for name, o := range map[string]Options{
		"no secret":    {OnBooking: ok, Bookings: []BookingSource{{Service: CalCom, Path: "/a"}}},
		"service":      {OnBooking: ok, Bookings: []BookingSource{{Service: "doodle", Path: "/a", Secret: "x"}}},
		"path":         {OnBooking: ok, Bookings: []BookingSource{{Service: CalCom, Path: "a", Secret: "x"}}},
		"our path":     {OnBooking: ok, Bookings: []BookingSource{{Service: CalCom, Path: "/healthz", Secret: "x"}}},
		"twice":        {OnBooking: ok, Bookings: []BookingSource{{CalCom, "/a", "x", ""}, {Calendly, "/a", "y", ""}}},
		"short token":  {OnReply: func(context.Context, Reply) error { return nil }, Tokens: []Token{{"a", "short"}}},
		"nobody takes": {Bookings: []BookingSource{{CalCom, "/a", "x", ""}}},
	} {
		if _, err := Handler(o); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

func TestServeAnswersOnTheWireAndStopsWithItsContext(t *testing.T) {
	l := newListener(t, nil)
	sock, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- Serve(ctx, sock, l) }()
	if resp := post1(t, "http://"+sock.Addr().String()+"/hooks/cal", "{}"); resp.StatusCode != 401 {
		t.Errorf("%s", resp.Status)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if !strings.Contains(l.log.String(), "src=127.0.0.1 ") {
		t.Errorf("log: %s", l.log.String())
	}
}

func TestMetricsAreReadByTheirNames(t *testing.T) {
	m := NewMetrics("1.2.3")
	m.Verdicts.WithLabelValues("acme", "window").Inc()
	m.Read([]Reading{{Name: "link_up", Help: "Whether it is up.", Labels: []string{"kind", "name"}}},
		func(set func(string, float64, ...string)) { set("link_up", 1, "smpp", "carrier") })
	m.TimeToText.Observe(1.5)
	m.Watch("log_dropped_total", "Lines dropped.", func() float64 { return 3 })
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	for _, want := range []string{`textback_verdicts_total{business="acme",reason="window"} 1`, `textback_link_up{kind="smpp",name="carrier"} 1`,
		`textback_time_to_text_seconds_count 1`, "textback_log_dropped_total 3", `textback_build_info{version="1.2.3"} 1`, "go_goroutines"} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s is missing", want)
		}
	}
}

func TestEveryMetricIsDocumented(t *testing.T) {
	page, err := os.ReadFile("../../../docs/monitoring.md")
	if err != nil {
		t.Fatal(err)
	}
	descriptions := make(chan *prometheus.Desc, 1000)
	NewMetrics("1").registry.Describe(descriptions)
	close(descriptions)
	n := 0
	for d := range descriptions {
		name := regexp.MustCompile(`fqName: "(textback_[a-z_]+)"`).FindStringSubmatch(d.String())
		if name == nil {
			continue // of the Go run time or the process
		}
		n++
		if !strings.Contains(string(page), "`"+name[1]+"`") {
			t.Errorf("%s is not in docs/monitoring.md", name[1])
		}
	}
	if n < 15 {
		t.Errorf("%d metrics looked at", n)
	}
}

func TestTheFail2banFilterFindsEveryRefusal(t *testing.T) {
	conf, err := os.ReadFile("../../../configs/fail2ban/filter.conf")
	if err != nil {
		t.Fatal(err)
	}
	line := regexp.MustCompile(`(?m)^failregex = (.+)$`).FindSubmatch(conf)
	if line == nil {
		t.Fatal("there is no failregex in configs/fail2ban/filter.conf")
	}
	filter := regexp.MustCompile(strings.NewReplacer("<ADDR>", "(?P<host>[0-9a-fA-F.:]+)", "%(__prefix_line)s", "").Replace(string(line[1])))
	l := newListener(t, func(o *Options) { o.Page = &Page{Password: pagePassword, Desk: &fakeDesk{}} })
	l.do("POST", "/hooks/cal", "{}")
	l.do("POST", "/hooks/calendly", "{}")
	l.do("POST", "/threads/17/reply", "{}")
	l.do("POST", "/ui/login", "person=Eve&password=x", "Content-Type", "application/x-www-form-urlencoded")
	lines := strings.Split(strings.TrimSpace(l.log.String()), "\n")
	if len(lines) != 4 {
		t.Errorf("%q", lines)
	}
	for _, s := range lines {
		if m := filter.FindStringSubmatch(s); m == nil || m[1] != "203.0.113.9" {
			t.Errorf("%q: %q", s, m)
		}
	}
}
