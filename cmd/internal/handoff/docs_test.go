package handoff

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"textback"
	"textback/configs"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

func page(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("../../../docs/webhooks.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// payloads are the structs of the events, by the first name in the heading of the documentation.
func payloads() map[string]func() any {
	return map[string]func() any{
		TypeMissed:    func() any { return new(Call) },
		TypeVerdict:   func() any { return new(Verdict) },
		"text.queued": func() any { return new(Text) },
		TypeReply:     func() any { return new(Reply) },
		TypeSent:      func() any { return new(Answer) },
		TypeOptOut:    func() any { return new(Opt) },
		TypeCreated:   func() any { return new(Booking) },
		TypeAlarm:     func() any { return new(Alarm) },
	}
}

func TestTheDocumentedPayloadsAreTheRealOnesFieldByField(t *testing.T) {
	sections := regexp.MustCompile("(?ms)^### ([^\n]+)\n.*?^```json\n(.*?)^```").FindAllStringSubmatch(page(t), -1)
	var named []string
	for _, s := range sections {
		names := strings.Split(s[1], ", ")
		named = append(named, names...)
		empty, ok := payloads()[names[0]]
		if !ok {
			t.Errorf("%s is no event", names[0])
			continue
		}
		v := empty()
		d := json.NewDecoder(strings.NewReader(s[2]))
		d.DisallowUnknownFields()
		if err := d.Decode(v); err != nil {
			t.Errorf("%s: %v", names[0], err)
		}
		var shown map[string]json.RawMessage
		if err := json.Unmarshal([]byte(s[2]), &shown); err != nil {
			t.Fatal(err)
		}
		for field := range fields(v) {
			if _, ok := shown[field]; !ok {
				t.Errorf("%s: %s is not documented", names[0], field)
			}
		}
	}
	if want := configs.Events(); !slices.Equal(named, want) {
		t.Errorf("documented %q, configured %q", named, want)
	}
}

// fields are the JSON names of a struct, also of those that are left out when empty.
func fields(v any) map[string]bool {
	out := make(map[string]bool)
	for f := range reflect.TypeOf(v).Elem().Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		out[name] = true
	}
	return out
}

func TestTheDocumentedCallVerifies(t *testing.T) {
	text := page(t)
	block := regexp.MustCompile("(?s)```\nPOST [^\n]+\n(.*?)\n\n(\\{.*?\\})\n```").FindStringSubmatch(text)
	secret := regexp.MustCompile("`(whsec_[A-Za-z0-9+/=]+)`").FindStringSubmatch(text)
	if block == nil || secret == nil {
		t.Fatal("there is no example")
	}
	h := http.Header{}
	for line := range strings.SplitSeq(block[1], "\n") {
		k, v, _ := strings.Cut(line, ": ")
		h.Set(k, v)
	}
	verifier, err := standardwebhooks.NewWebhook(secret[1])
	if err != nil {
		t.Fatal(err)
	}
	if err := verifier.VerifyIgnoringTimestamp([]byte(block[2]), h); err != nil {
		t.Errorf("%v\n%v\n%s", err, h, block[2])
	}
	// And it is what we would send.
	d, err := New(h.Get("Webhook-Id"), TypeOptOut, at(), Opt{Business: "acme", Number: "+12025550123", Source: "sms", Words: "STOP"})
	if err != nil {
		t.Fatal(err)
	}
	if b, err := body(d); err != nil || !bytes.Equal(b, []byte(block[2])) {
		t.Errorf("we send %s, %v", b, err)
	}
}

func TestEveryConfigurableEventIsOneOfOurs(t *testing.T) {
	ours := []string{TypeMissed, TypeVerdict, TypeReply, TypeSent, TypeTaken, TypeOptOut, TypeOptIn, TypeCreated, TypeRescheduled,
		TypeCancelled, TypeAlarm}
	for s := range textback.Unknown + 1 {
		if name, ok := TextType(s); ok {
			ours = append(ours, name)
		}
	}
	want := configs.Events()
	slices.Sort(ours)
	slices.Sort(want)
	if !slices.Equal(ours, want) {
		t.Errorf("ours %q, configurable %q", ours, want)
	}
}
