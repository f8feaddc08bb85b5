package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"textback/smpp/smpptest"
)

// TestExplainTellsTheWholeStoryOfACall: legs with their causes, the outcome with its evidence, the guards, the rule, the text on
// its way with its receipt, the reply, a person's answer, the hand-offs and the booking, by number and by call, and without a
// daemon. What the message centre refuses, and a hand-off that waits, are told as well.
func TestExplainTellsTheWholeStoryOfACall(t *testing.T) {
	var broken atomic.Bool
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if broken.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer hook.Close()
	s := newStand(t, passwords{"ari-secret", "esl-secret", "smpp-pw"}, nil)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listen := l.Addr().String()
	l.Close()
	const bookingSecret = "booking-secret-of-the-test"
	toml := s.toml(keys{
		top:      "[syslog]\nto = \"stderr\"\n[metrics]\nlisten = \"\"\n[backup]\nevery = \"0s\"\n",
		asterisk: "password = \"ari-secret\"", freeswitch: "password = \"esl-secret\"", smpp: "password = \"smpp-pw\"",
		tables: fmt.Sprintf("[[notify]]\nname = \"crm\"\nkind = \"webhook\"\nevents = [\"call.verdict\", \"reply.received\", \"booking.created\"]\nurl = %q\n"+
			"allow_private = true\nsecret = \"whsec_%s\"\n[http]\nlisten = %q\n[[booking]]\nservice = \"cal.com\"\npath = \"/hooks/cal\"\nbusiness = \"acme\"\nsecret = %q\n",
			hook.URL+"/crm", base64.StdEncoding.EncodeToString([]byte("webhook-secret-of-the-test")), listen, bookingSecret)})
	config := s.write("textback.toml", strings.NewReplacer("Reply here. Reply STOP", "Book: {{.BookingURL}} Reply STOP",
		"region   = \"US\"", "region   = \"US\"\nbooking_url = \"https://acme.example/book\"\nbooking = \"cal.com\"").Replace(toml), 0o600)
	daemon := s.startUp(config)

	const caller = "+12025550142"
	s.miss(caller)
	var text smpptest.Text
	await(t, "the text", func() bool {
		for _, x := range s.smsc.Texts() {
			if strings.TrimPrefix(x.To, "+") == caller[1:] {
				text = x
			}
		}
		return text.Body != ""
	})
	explain := func(what string) string {
		t.Helper()
		out, err := s.run(nil, "explain", "--config", config, what)
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return out
	}
	await(t, "the receipt and the hand-off", func() bool {
		out := explain(caller)
		return strings.Contains(out, "delivered, message id") && strings.Contains(out, "hand-off of call.verdict to crm: made")
	})
	if _, err := s.smsc.Deliver(t.Context(), smpptest.Message{From: caller[1:], To: "15550100", Body: "Can you come on Friday?"}); err != nil {
		t.Fatal(err)
	}
	if out, err := s.run(nil, "threads", "reply", "1", "Yes, at ten.", "--person", "Ann", "--config", config); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	broken.Store(true)
	token := regexp.MustCompile(`[?&]metadata(?:\[|%5B)tb(?:\]|%5D)=([A-Za-z0-9_-]+)`).FindStringSubmatch(text.Body)
	if token == nil {
		t.Fatalf("there is no token in %q", text.Body)
	}
	start := time.Now().Add(48 * time.Hour).UTC().Truncate(time.Second)
	payload := fmt.Sprintf(`{"triggerEvent":"BOOKING_CREATED","createdAt":%q,"payload":{"uid":"bk-1","title":"Leaking tap","startTime":%q,"metadata":{"tb":%q}}}`,
		time.Now().UTC().Format(time.RFC3339), start.Format(time.RFC3339), token[1])
	mac := hmac.New(sha256.New, []byte(bookingSecret))
	mac.Write([]byte(payload))
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+listen+"/hooks/cal", strings.NewReader(payload))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Cal-Signature-256", hex.EncodeToString(mac.Sum(nil)))
	if resp, err := http.DefaultClient.Do(req); err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("the booking: %v %v", resp, err)
	}
	await(t, "the hand-off that fails", func() bool { return strings.Contains(explain(caller), "1 attempt so far") })

	call := regexp.MustCompile(`(?m)^call (\S+)$`).FindStringSubmatch(explain(caller))
	if call == nil {
		t.Fatal("there is no call")
	}
	for _, what := range []string{caller, call[1]} {
		out := explain(what)
		for _, want := range []string{
			`(?m)^  \+12025550142 "SMITH JOHN" called \+15550100 of acme on 20`,
			`(?m)^  rang 20s, ended by the PBX at [0-9:]+, cause 16 Normal Clearing$`,
			`(?m)^  outcome: no-answer\n    [0-9:.]+ came to the ringing of phones\n    [0-9:.]+ PJSIP/\d+ rang for `,
			`(?m)^  guards: all 20 passed:\n    unknown-line, outcome-off, unseen, .*\n    .*quiet, rule, shadow$`,
			`(?m)^  verdict: text: the business is open\n  rule: default$`,
			`(?m)^  text 1 \(missed-call\) to \+12025550142 from \+15550100: delivered\n    template open, due .*, submitted [0-9:.]+ by carrier, delivered [0-9:.]+$`,
			`(?m)^    "Acme Plumbing: sorry we missed your call! Book: .*"\n    part 1 of \d: delivered, message id \S+, `,
			`(?m)^text \d \(person\) to \+12025550142 from \+15550100: `,
			`(?m)^thread 1 #\S+: \+12025550142 and acme, opened .*, taken by Ann$`,
			`(?m)^  .*  them: Can you come on Friday\?$`, `(?m)^  .*  Ann: Yes, at ten\.$`, `(?m)^  booking bk-1 by cal.com: created, `,
			`(?m)^hand-off of reply.received to crm: made `,
			`(?m)^hand-off of booking.created to crm: waits, next .*, 1 attempt so far, the last: .*503`,
		} {
			if !regexp.MustCompile(want).MatchString(out) {
				t.Errorf("explain %s does not tell %s:\n%s", what, want, out)
			}
		}
	}
	if out := explain(call[1]); testing.Verbose() {
		t.Logf("\n%s", out)
	}

	s.miss(caller) // within the window
	await(t, "the second verdict", func() bool {
		return strings.Contains(explain(caller), "verdict: ") && strings.Count(explain(caller), "\n  verdict: ") == 2
	})
	if out := explain(caller); !regexp.MustCompile(`(?m)^  guards: talking objects; 12 passed before it:\n    unknown-line, .*\n    .*opted-out$`).MatchString(out) {
		t.Errorf("the guards of the second call:\n%s", out)
	}
	if out, err := s.run(nil, "explain", "--config", config, "+12025550199"); err == nil || !strings.Contains(out, "nothing is known about +12025550199") || !strings.Contains(out, "hint: ") {
		t.Errorf("of a stranger: %v\n%s", err, out)
	}
	var asJSON struct {
		Calls   []struct{ TextID uint64 }
		Made    []struct{ Target string }
		Waiting []struct{ Target string }
	}
	out, err := s.run(nil, "explain", "--json", "--config", config, caller)
	if err == nil {
		err = json.Unmarshal([]byte(out), &asJSON)
	}
	if err != nil || len(asJSON.Calls) != 2 || len(asJSON.Made) < 2 || len(asJSON.Waiting) < 1 {
		t.Errorf("as JSON: %v %+v", err, asJSON)
	}
	daemon.stop(syscall.SIGTERM)
	if out := explain(call[1]); !strings.Contains(out, "booking bk-1") || !strings.Contains(out, "waits, next") {
		t.Errorf("without a daemon:\n%s", out)
	}
}
