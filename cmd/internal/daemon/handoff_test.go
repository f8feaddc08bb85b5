package daemon

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"textback/cmd/internal/handoff"
)

const hookSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// crm is a receiver of webhooks that verifies with the reference library.
type crm struct {
	mu     sync.Mutex
	events map[string][]json.RawMessage // data by type
	fail   int                          // so many calls are answered 503
	bad    []error
}

func (c *crm) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err == nil {
		var hook *standardwebhooks.Webhook
		if hook, err = standardwebhooks.NewWebhook(hookSecret); err == nil {
			err = hook.Verify(body, r.Header)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		c.bad = append(c.bad, err)
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	if c.fail > 0 {
		c.fail--
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	var e struct {
		Type string          `json:"type"`
		Data json.RawMessage `json:"data"`
	}
	if err := json.Unmarshal(body, &e); err != nil {
		c.bad = append(c.bad, err)
	}
	c.events[e.Type] = append(c.events[e.Type], e.Data)
}

func (c *crm) count(event string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.events[event])
}

// TestACRMLearnsOfTheLeadAndOfWhatBecameOfIt: the webhook is told of the call, the verdict, the text and the reply, each once,
// though the receiver fails at first.
func TestACRMLearnsOfTheLeadAndOfWhatBecameOfIt(t *testing.T) {
	c := &crm{events: make(map[string][]json.RawMessage), fail: 1}
	server := httptest.NewServer(c)
	defer server.Close()
	w := newWorld(t, fast, fmt.Sprintf("[[notify]]\nname = \"crm\"\nkind = \"webhook\"\nevents = [\"*\"]\nurl = %q\nsecret = %q\nallow_private = true\n",
		server.URL, hookSecret))
	w.start()
	const caller = "+15571240001"
	w.played("04", caller)
	w.await("the delivery of the text", func() bool { return c.count("text.delivered") == 1 })
	w.write(caller, "Can you call me?")
	w.await("the reply", func() bool { return c.count("reply.received") == 1 })
	w.await("the event that failed at first", func() bool {
		return c.count("call.missed") == 1 && c.count("call.verdict") == 1 && c.count("text.queued") == 1 && c.count("text.accepted") == 1
	})
	w.write(caller, "STOP")
	w.await("the opt-out", func() bool { return c.count("opt-out") == 1 })
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.bad) > 0 {
		t.Errorf("calls that do not verify: %v", c.bad)
	}
	var reply handoff.Reply
	if err := json.Unmarshal(c.events["reply.received"][0], &reply); err != nil || reply.Caller != caller || reply.Body != "Can you call me?" || reply.CallID == "" {
		t.Errorf("reply.received says %s", c.events["reply.received"][0])
	}
}

var tagPattern = regexp.MustCompile(`^#(\w+) `)

// TestAStaffMobileAnswersTheRightCaller: two conversations are open, the staff mobile is told of both, and its answers reach
// the callers that it means; its own STOP stops nobody else.
func TestAStaffMobileAnswersTheRightCaller(t *testing.T) {
	const staff, ann, bob = "+15571249999", "+15571240011", "+15571240012"
	w := newWorld(t, fast, fmt.Sprintf("[[notify]]\nname = \"mobile\"\nkind = \"text\"\nevents = [\"reply.received\"]\nto = [%q]\n", staff))
	w.start()
	for _, caller := range []string{ann, bob} {
		w.played("04", caller)
		w.await("the text", func() bool { return len(w.textsTo(caller)) == 1 })
	}
	w.write(ann, "My sink leaks")
	w.await("the first hand-off", func() bool { return len(w.textsTo(staff)) == 1 })
	first := tagPattern.FindStringSubmatch(w.textsTo(staff)[0].Body)
	if first == nil || !strings.Contains(w.textsTo(staff)[0].Body, "My sink leaks") {
		t.Fatalf("the staff mobile was told %q", w.textsTo(staff)[0].Body)
	}
	w.write(staff, "I come at five")
	w.await("the answer to Ann", func() bool { return len(w.textsTo(ann)) == 2 })
	w.write(bob, "What about Friday?")
	w.await("the second hand-off", func() bool { return len(w.textsTo(staff)) == 2 })
	w.write(staff, "No tag, whom do I mean?")
	w.await("the question back", func() bool { return len(w.textsTo(staff)) == 3 })
	if q := w.textsTo(staff)[2].Body; !strings.Contains(q, "#"+first[1]) || !strings.Contains(q, "Not sent") {
		t.Errorf("asked back: %q", q)
	}
	second := tagPattern.FindStringSubmatch(w.textsTo(staff)[1].Body)
	w.write(staff, "#"+second[1]+" Friday is fine")
	w.await("the answer to Bob", func() bool { return len(w.textsTo(bob)) == 2 })
	if got := w.textsTo(bob)[1].Body; got != "Friday is fine" {
		t.Errorf("Bob got %q", got)
	}
	w.write(staff, "STOP")
	w.await("the staff's own stop", func() bool { return w.log.count("msg=staff-opt-out") == 1 })
	w.write(bob, "Thanks")
	w.await("the reply", func() bool { return w.log.count("msg=reply ") == 3 })
	w.await("the hand-off that is not sent", func() bool { return w.log.count("msg=staff-opted-out") == 1 })
	if n := len(w.textsTo(ann)) + len(w.textsTo(bob)); n != 4 {
		t.Errorf("%d texts to the callers, want 4", n)
	}
	list := []any{}
	if err := w.call("optout-list", nil, &list); err != nil {
		t.Fatal(err)
	}
	if len(list) != 1 {
		t.Errorf("%d opt-outs, want the staff mobile's only: %v", len(list), list)
	}
}
