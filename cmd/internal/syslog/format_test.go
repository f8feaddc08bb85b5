package syslog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode"
)

// buffer is a writer that the test can read while the handler writes.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) { b.mu.Lock(); defer b.mu.Unlock(); return b.b.Write(p) }
func (b *buffer) String() string              { b.mu.Lock(); defer b.mu.Unlock(); return b.b.String() }

func testTarget(t testing.TB, to string) *target {
	t.Helper()
	tg, err := Options{To: to, Hostname: "pbx1.example.net", PID: 4711, Location: time.UTC, Stderr: &buffer{}}.check()
	if err != nil {
		t.Fatal(err)
	}
	return tg
}

func testTime() time.Time {
	return time.Date(2026, 11, 4, 7, 8, 9, 123456000, time.FixedZone("", 3600))
}

func attrs() []slog.Attr {
	return []slog.Attr{slog.String("call", "hq/17.4"), slog.Duration("ring", 12*time.Second), slog.Int("texts", 0),
		slog.String("rule", "after hours"), slog.Bool("held", true), slog.Any("err", errors.New(`open "x": no`))}
}

func TestALocalLineIsTheTraditionalFormOfSyslog3(t *testing.T) {
	got := string(testTarget(t, "local").format(testTime(), LevelNotice, "verdict", attrs()))
	want := `<133>Nov  4 06:08:09 textback[4711]: verdict call=hq/17.4 ring=12s texts=0 rule="after hours" held=true err="open \"x\": no"`
	if got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
	m, err := parse3164(got, time.UTC)
	if err != nil || m.facility != 16 || m.severity != 5 || m.tag != "textback" || m.pid != "4711" || m.id != "verdict" ||
		m.params["rule"] != "after hours" {
		t.Errorf("%+v, %v", m, err)
	}
}

func TestARemoteLineIsRFC5424WithStructuredData(t *testing.T) {
	got := string(testTarget(t, "udp://log.example.net").format(testTime(), slog.LevelError, "verdict", attrs()))
	want := `<131>1 2026-11-04T07:08:09.123456+01:00 pbx1.example.net textback 4711 verdict ` +
		`[textback@32473 call="hq/17.4" ring="12s" texts="0" rule="after hours" held="true" err="open \"x\": no"] ` +
		`verdict call=hq/17.4 ring=12s texts=0 rule="after hours" held=true err="open \"x\": no"`
	if got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
	m, err := parse5424(got)
	if err != nil || m.params["err"] != `open "x": no` || m.params["rule"] != "after hours" || m.id != "verdict" || !m.at.Equal(testTime()) {
		t.Errorf("%+v, %v", m, err)
	}
	bare := string(testTarget(t, "udp://h").format(testTime(), slog.LevelDebug, "started", nil))
	if m, err := parse5424(bare); err != nil || m.params != nil || m.text != "started" || m.severity != 7 {
		t.Errorf("%q: %+v, %v", bare, m, err)
	}
}

func TestOnStderrALineIsForEyesOrForTheJournal(t *testing.T) {
	tg := testTarget(t, "stderr")
	if got, want := string(tg.format(testTime(), slog.LevelWarn, "link-down", attrs()[:1])),
		"2026-11-04T06:08:09.123Z warning link-down call=hq/17.4\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	tg.Journal = true
	if got, want := string(tg.format(testTime(), slog.LevelWarn, "link-down", attrs()[:1])), "<4>link-down call=hq/17.4\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestAMessageThatIsNoStableWordBecomesAnAttribute(t *testing.T) {
	got := string(testTarget(t, "udp://h").format(testTime(), slog.LevelInfo, "http: TLS handshake error\nfrom x", nil))
	m, err := parse5424(got)
	if err != nil || m.id != "-" || m.params["msg"] != `http: TLS handshake error\nfrom x` || m.text != `msg="http: TLS handshake error\nfrom x"` {
		t.Errorf("%q: %+v, %v", got, m, err)
	}
}

type broken struct{ s *string }

func (b broken) Error() string { return *b.s }

// hostile values, and what a reader of the key=value line gets back.
func hostile() map[string]string {
	return map[string]string{
		"plain":                    "plain",
		"":                         "",
		"two words":                "two words",
		`quote " back \ ] =`:       `quote " back \ ] =`,
		"line\nfeed\r\x00\x1b[31m": "line\nfeed\r\x00\x1b[31m",
		"\u202eoverride\u2066":     "\u202eoverride\u2066",
		"sep\u2028\u2029\u0085":    "sep\u2028\u2029\u0085",
		`forged \n escape`:         `forged \n escape`,
		"Müller 北 🎉":               "Müller 北 🎉",
		"\xff\xfe broken":          "\xff\xfe broken",
		"x\" severity=\"info":      "x\" severity=\"info",
	}
}

func TestHostileValuesStayInTheirPlace(t *testing.T) {
	for value, want := range hostile() {
		as := []slog.Attr{slog.String("name", value), slog.String("after", "yes")}
		local := string(testTarget(t, "local").format(testTime(), slog.LevelInfo, "call", as))
		m, err := parse3164(local, time.UTC)
		if err != nil || m.params["name"] != want || m.params["after"] != "yes" || len(m.params) != 2 {
			t.Errorf("%q, locally %q: %q, %v", value, local, m.params, err)
		}
		remote := string(testTarget(t, "udp://h").format(testTime(), slog.LevelInfo, "call", as))
		r, err := parse5424(remote)
		if err != nil || r.params["after"] != "yes" || len(r.order) != 2 || r.text != m.text || r.params["name"] != escape(value) {
			t.Errorf("%q, remotely %q: %q, %v", value, remote, r.params, err)
		}
		for _, c := range local + remote {
			if !unicode.IsPrint(c) {
				t.Errorf("%q: %U in the line", value, c)
			}
		}
	}
	bad := string(testTarget(t, "udp://h").format(testTime(), slog.LevelInfo, "call",
		[]slog.Attr{slog.String(`k="] x`, "v"), slog.String(strings.Repeat("é", 40), "w"), slog.Any("err", broken{}), slog.Any("nil", nil)}))
	if m, err := parse5424(bad); err != nil || m.params["k____x"] != "v" || m.params["err"] != "!panic" || len(m.order) != 4 {
		t.Errorf("%q: %q, %v", bad, m.params, err)
	}
}

func TestALineIsBoundedWhateverItsValuesAre(t *testing.T) {
	var as []slog.Attr
	for i := range 100 {
		as = append(as, slog.String(fmt.Sprint("key", i), strings.Repeat("\u202e", 5000)))
	}
	got := string(testTarget(t, "udp://h").format(testTime(), slog.LevelInfo, "call", as))
	m, err := parse5424(got)
	if err != nil || len(got) > 2048 || m.params["cut"] != "true" || !strings.HasSuffix(m.text, " cut=true") ||
		!strings.HasSuffix(m.params["key0"], "...") {
		t.Errorf("%d bytes, %v: %s", len(got), err, got)
	}
}

func TestGroupsAndAttributesOfTheLoggerAreKept(t *testing.T) {
	var out buffer
	h, err := New(Options{To: "stderr", Stderr: &out, Location: time.UTC})
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(h).With("pbx", "hq", slog.Group("", slog.Int("a", 1))).WithGroup("sms").With("to", "…058").WithGroup("")
	log.Log(context.Background(), LevelNotice, "text", "state", "queued", slog.Group("part", "n", 1), slog.Attr{})
	log.Debug("unseen")
	h.Close(context.Background())
	_, got, _ := strings.Cut(out.String(), " ")
	if want := "notice text pbx=hq a=1 sms.to=…058 sms.state=queued sms.part.n=1\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestOptionsThatCannotWorkAreRefused(t *testing.T) {
	for _, tt := range []struct{ to, facility, want string }{
		{"", "", "not a syslog target"}, {"remote", "", "not a syslog target"}, {"udp://", "", "not a syslog target"},
		{"http://h", "", `"http" is not a transport`}, {"tcp://h/x", "", "not a syslog target"},
		{"tcp://:514", "", "names no host"}, {"local", "local8", `"local8" is not a syslog facility`},
	} {
		err := Check(Options{To: tt.to, Facility: tt.facility})
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q, %q: %v, want %q", tt.to, tt.facility, err, tt.want)
		}
	}
	for to, want := range map[string][2]string{"udp://h": {"udp", "h:514"}, "tcp://h:10514": {"tcp", "h:10514"},
		"tls://[2001:db8::1]": {"tcp", "[2001:db8::1]:6514"}, "local": {"unixgram", "/dev/log"}} {
		tg, err := Options{To: to}.check()
		if err != nil || [2]string{tg.network, tg.addr} != want {
			t.Errorf("%s: %v, %v", to, tg, err)
		}
	}
}

func TestLevelsAreSeverities(t *testing.T) {
	var got []int
	for _, word := range []string{"debug", "info", "notice", "warning", "error"} {
		l, err := ParseLevel(word)
		if err != nil || LevelWord(l) != word {
			t.Errorf("%s: %v, %v", word, l, err)
		}
		got = append(got, severity(l))
	}
	if want := []int{7, 6, 5, 4, 3}; !reflect.DeepEqual(got, want) {
		t.Errorf("severities %v, want %v", got, want)
	}
	if _, err := ParseLevel("warn"); err == nil {
		t.Error("warn is a level")
	}
}

func FuzzFormat(f *testing.F) {
	for v := range hostile() {
		f.Add("verdict", "name", v)
		f.Add(v, v, "x")
	}
	f.Fuzz(func(t *testing.T, msg, key, value string) {
		as := []slog.Attr{slog.String(key, value), slog.String("after", "yes")}
		remote := string(testTarget(t, "udp://h").format(testTime(), slog.LevelInfo, msg, as))
		m, err := parse5424(remote)
		if err != nil || len(remote) > 2048 || m.params["after"] != "yes" {
			t.Errorf("%q: %v", remote, err)
		}
		local := string(testTarget(t, "local").format(testTime(), slog.LevelInfo, msg, as))
		if p, err := parse3164(local, time.UTC); err != nil || p.params["after"] != "yes" {
			t.Errorf("%q: %v", local, err)
		}
	})
}
