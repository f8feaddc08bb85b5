package handoff

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"textback"
)

func at() time.Time { return time.Date(2026, 11, 24, 15, 0, 0, 0, time.UTC) }

func testThread() *textback.Thread {
	return &textback.Thread{ID: 17, Tag: "b4", Business: "acme", Line: "+12025550100", Caller: "+12025550123", Name: "Jane",
		CallID: "hq/17.4", Messages: []textback.Message{
			{At: at().Add(-2 * time.Minute), Kind: textback.MissedCallText, Body: "Acme: sorry we missed you!"},
			{At: at(), In: true, Body: "My sink leaks\ncan you come?", Flag: "may ask to stop"},
			{At: at().Add(time.Minute), Kind: textback.PersonText, Person: "Ann", Body: "At 5?"},
		}}
}

func testReply(t testing.TB) Delivery {
	t.Helper()
	d, err := New("msg_1", TypeReply, at(), ReplyOf(testThread(), textback.Reply{Body: "My sink leaks"}, "", true))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestTheScheduleIsThatOfStandardWebhooks(t *testing.T) {
	want := []time.Duration{0, 5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour, 10 * time.Hour,
		14 * time.Hour, 20 * time.Hour, 24 * time.Hour}
	for made, w := range want {
		if got, ok := Retry(made, 0.5, 0); !ok || got != w {
			t.Errorf("after %d attempts: %v, %v; want %v", made, got, ok, w)
		}
		low, _ := Retry(made, 0, 0)
		high, _ := Retry(made, 1, 0)
		if low < w*9/10-1 || low > w || high > w*11/10+1 || high < w {
			t.Errorf("jitter after %d: %v to %v around %v", made, low, high, w)
		}
	}
	for _, made := range []int{-1, 10, 1000} {
		if _, ok := Retry(made, 0.5, 0); ok {
			t.Errorf("there is another attempt after %d", made)
		}
	}
	for _, tt := range []struct{ after, want time.Duration }{{time.Second, 5 * time.Second}, {time.Hour, time.Hour}, {90 * time.Hour, MaxAfter}} {
		if got, _ := Retry(1, 0.5, tt.after); got != tt.want {
			t.Errorf("Retry-After %v: %v, want %v", tt.after, got, tt.want)
		}
	}
}

func TestPayloadsAreTheJSONOfTheDocumentation(t *testing.T) {
	call := textback.Call{ID: "hq/17.4", PBX: "hq", Direction: textback.Inbound, Party: textback.Party{Number: "2025550123", Name: "JANE"},
		Dialled: []string{"5550100"}, Begin: at(), End: at().Add(12 * time.Second), Ring: 12 * time.Second, Outcome: textback.NoAnswer,
		EndedBy: textback.EndedByPBX, Cause: textback.Cause{Q850: 19, Word: "No Answer"}}
	withheld := call
	withheld.Party.Withheld = true
	verdict := textback.Verdict{Call: call, At: at().Add(13 * time.Second), TextID: 9, Decision: textback.Decision{Reason: textback.ReasonText,
		Detail: "rule everyone else", Business: "acme", Line: "+12025550100", Caller: "+12025550123", Rule: "everyone else", Template: "open",
		Due: at().Add(18 * time.Second)}}
	text := textback.Text{ID: 9, Kind: textback.MissedCallText, State: textback.Delivered, Business: "acme", Line: "+12025550100",
		CallID: "hq/17.4", To: "+12025550123", From: "+12025550100", Template: "open", Body: "Acme: sorry", Due: at(),
		Submitted: at().Add(time.Second), Parts: make([]textback.Part, 1)}
	booking := textback.Booking{ID: "u1", Service: "cal.com", State: "created", Start: at(), Title: "30min", Token: "tok1"}
	const callJSON = `{"id":"hq/17.4","pbx":"hq","business":"acme","line":"+12025550100","caller":"+12025550123","name":"JANE",` +
		`"outcome":"no-answer","begin":"2026-11-24T15:00:00Z","end":"2026-11-24T15:00:12Z","ring_seconds":12,"ended_by":"pbx",` +
		`"cause":19,"cause_word":"No Answer"}`
	for _, tt := range []struct {
		name    string
		payload any
		want    string
	}{
		{TypeMissed, CallOf(&call, "acme", "+12025550100", "+12025550123"), callJSON},
		{TypeMissed, CallOf(&withheld, "", "", "+12025550123"), `{"id":"hq/17.4","pbx":"hq","line":"5550100","withheld":true,` +
			`"outcome":"no-answer","begin":"2026-11-24T15:00:00Z","end":"2026-11-24T15:00:12Z","ring_seconds":12,"ended_by":"pbx",` +
			`"cause":19,"cause_word":"No Answer"}`},
		{TypeVerdict, VerdictOf(&verdict), `{"call":` + callJSON + `,"reason":"text","detail":"rule everyone else","rule":"everyone else",` +
			`"template":"open","text_id":9,"due":"2026-11-24T15:00:18Z","decided":"2026-11-24T15:00:13Z"}`},
		{"text.delivered", TextOf(&text), `{"id":9,"kind":"missed-call","state":"delivered","business":"acme","line":"+12025550100",` +
			`"call_id":"hq/17.4","to":"+12025550123","from":"+12025550100","template":"open","body":"Acme: sorry","segments":1,` +
			`"due":"2026-11-24T15:00:00Z","submitted":"2026-11-24T15:00:01Z"}`},
		{TypeReply, ReplyOf(testThread(), textback.Reply{Body: "Hi", Gap: true}, "may ask to stop", true), `{"thread_id":17,"tag":"b4",` +
			`"business":"acme","line":"+12025550100","call_id":"hq/17.4","caller":"+12025550123","name":"Jane","body":"Hi",` +
			`"flag":"may ask to stop","gap":true,"first":true}`},
		{TypeSent, AnswerOf(testThread(), "Ann", "At 5?"), `{"thread_id":17,"business":"acme","caller":"+12025550123","person":"Ann","body":"At 5?"}`},
		{TypeOptOut, Opt{Business: "acme", Number: "+12025550123", Source: "sms", Words: "STOP"}, `{"business":"acme","number":"+12025550123","source":"sms","words":"STOP"}`},
		{TypeCreated, BookingOf(booking, "", testThread()), `{"id":"u1","service":"cal.com","state":"created","business":"acme","thread_id":17,` +
			`"call_id":"hq/17.4","caller":"+12025550123","start":"2026-11-24T15:00:00Z","title":"30min","matched":"token"}`},
		{TypeCreated, BookingOf(booking, "acme", nil), `{"id":"u1","service":"cal.com","state":"created","business":"acme","start":"2026-11-24T15:00:00Z","title":"30min"}`},
		{TypeAlarm, Alarm{ID: "pbx-silent", Message: "no event from hq for 10m", PBX: "hq"}, `{"id":"pbx-silent","message":"no event from hq for 10m","pbx":"hq"}`},
	} {
		d, err := New("msg_1", tt.name, at(), tt.payload)
		if err != nil {
			t.Fatal(err)
		}
		if string(d.Data) != tt.want {
			t.Errorf("%s:\n got %s\nwant %s", tt.name, d.Data, tt.want)
		}
		if d.Subject == "" || d.Subject == tt.name || d.Lead == "" {
			t.Errorf("%s has no words for people: %q, %q", tt.name, d.Subject, d.Lead)
		}
		// What waits in a queue is the same when it comes out.
		d.Thread = testThread()
		stored, err := json.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		var back Delivery
		if err := json.Unmarshal(stored, &back); err != nil || fmt.Sprintf("%+v %+v", back, *back.Thread) != strings.ReplaceAll(
			fmt.Sprintf("%+v %+v", d, *d.Thread), fmt.Sprintf("%p", d.Thread), fmt.Sprintf("%p", back.Thread)) {
			t.Errorf("%s out of the queue: %+v, %v", tt.name, back, err)
		}
	}
}

func TestEveryStateButSubmittingIsAnEvent(t *testing.T) {
	var got []string
	for s := range textback.Unknown + 2 {
		if name, ok := TextType(s); ok {
			got = append(got, name)
		}
	}
	want := []string{"text.queued", "text.accepted", "text.delivered", "text.undelivered", "text.failed", "text.expired", "text.cancelled", "text.unknown"}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
