package ari

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	v6 "github.com/CyCoreSystems/ari/v6"

	"textback/ari/aritest"
)

func channelData(id string) v6.ChannelData { return v6.ChannelData{ID: id} }

func TestThePeekFindsTheOutermostType(t *testing.T) {
	for raw, want := range map[string][2]string{
		`{"type":"Dial"}`: {"Dial", ""},
		`{"variable":"X","value":"a\"type\":\"b","type":"ChannelVarset"}`:                                  {"ChannelVarset", "X"},
		`{"type":"ChannelVarset","variable":"X"}`:                                                          {"ChannelVarset", "X"},
		`{"userevent":{"type":"Fake","x":[1,{"type":"F"}]},"type":"Real"}`:                                 {"Real", ""},
		"{\n  \"a\": [\"}\", {\"type\": \"no\"}],\n  \"n\": -1.5e3, \"t\": true,\n  \"type\" : \"Yes\"\n}": {"Yes", ""},
		`{"type":7}`:    {"", ""},
		`{"type":"Di`:   {"", ""},
		`["type","x"]`:  {"", ""},
		``:              {"", ""},
		`{"a":"\`:       {"", ""},
		`{"a":{"b":[}}`: {"", ""},
	} {
		typ, variable := peek([]byte(raw))
		if typ != want[0] || variable != want[1] {
			t.Errorf("%s: %q %q", raw, typ, variable)
		}
	}
}

func TestThePeekAgreesWithTheDecoderOnEveryRecording(t *testing.T) {
	n := 0
	for _, tr := range traces(t) {
		for _, e := range tr.Events {
			var full struct{ Type, Variable string }
			if err := json.Unmarshal(e.Raw, &full); err != nil {
				t.Fatal(err)
			}
			if typ, variable := peek(e.Raw); typ != full.Type || full.Type == "ChannelVarset" && variable != full.Variable {
				t.Fatalf("%s: %q %q", e.Raw, typ, variable)
			}
			ev, err := decodeEvent(e.Raw)
			// ari/v6 takes a message's variables for a list; the rest of the event must come all the same.
			if ev == nil || ev.GetType() != full.Type || err != nil && full.Type != "TextMessageReceived" {
				t.Fatalf("%s: %v", e.Raw, err)
			}
			n++
		}
	}
	if n < 3000 {
		t.Errorf("only %d events", n)
	}
}

func traces(t testing.TB) []*aritest.Trace {
	t.Helper()
	names, err := aritest.Names(aritest.Recorded())
	if err != nil {
		t.Fatal(err)
	}
	var all []*aritest.Trace
	for _, name := range names {
		tr, err := aritest.LoadTrace(aritest.Recorded(), name)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, tr)
	}
	return all
}

func TestAChannelIsReadDespiteABadField(t *testing.T) {
	ch, err := DecodeChannel([]byte(`{"id":"a.1","name":"PJSIP/x-1","state":"Ring","caller":{"number":"+1"},"dialplan":{"exten":"2"},"channelvars":{"A":"b","C":null,"D":7},"creationtime":"2026-11-24T03:14:37.249+0000","caller_rdnis":"+3"}`))
	if err == nil {
		t.Error("no error for a number among the variables")
	}
	if ch.ID != "a.1" || ch.Caller.GetNumber() != "+1" || ch.Dialplan.GetExten() != "2" || ch.ChannelVars["A"] != "b" || ch.CallerRDNIS != "+3" || ch.Created.IsZero() {
		t.Errorf("%+v", ch)
	}
}

func TestAnUnknownTypeIsToldFromABrokenEvent(t *testing.T) {
	if _, err := decodeEvent([]byte(`{"type":"ChannelToneDetected"}`)); !errors.Is(err, errUnknownType) {
		t.Error(err)
	}
	if _, err := decodeEvent([]byte(`{"type":"Dial"`)); err == nil || errors.Is(err, errUnknownType) {
		t.Error(err)
	}
}

// FuzzFrame feeds what a websocket frame may hold to everything that reads it.
func FuzzFrame(f *testing.F) {
	for _, tr := range traces(f)[:6] {
		for i, e := range tr.Events {
			if i%9 == 0 {
				f.Add(e.Raw)
			}
		}
	}
	for _, s := range []string{"", "null", `{"type":"Dial","peer":null}`, `{"type":"ChannelVarset","variable":"\u0041"}`, "{\"type\":\"\\"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		typ, variable := peek(raw)
		if len(typ) > len(raw) || len(variable) > len(raw) {
			t.Error("found more than there is")
		}
		ev, err := decodeEvent(raw)
		if ev == nil && err == nil {
			t.Error("neither event nor error")
		}
		if err != nil && strings.ContainsAny(err.Error(), "\n\x1b") {
			t.Errorf("%q could harm a log", err)
		}
		// Where the JSON is sound and names its type once, both readers agree.
		var keys map[string]json.RawMessage
		var name string
		if json.Unmarshal(raw, &keys) == nil && json.Unmarshal(keys["type"], &name) == nil &&
			strings.Count(strings.ToLower(string(raw)), "type") == 1 && !strings.Contains(string(raw), `\`) &&
			utf8.Valid(raw) && typ != name {
			t.Errorf("type %q, want %q", typ, name)
		}
		subjects(raw)
	})
}

// FuzzREST feeds bodies of REST answers to their readers.
func FuzzREST(f *testing.F) {
	for _, s := range []string{`[]`, `[{"id":"a-1.1","channelvars":{"X":"y"}}]`, `{"value":"prohib"}`, `{"message":"no"}`,
		`{"status":{"startup_time":"2026-11-24T03:14:37.249+0000"}}`, `[{"id":7,"channels":[1]}]`, `null`, `[null,7,"x"]`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		channels, bad, err := decodeList(body, DecodeChannel)
		if err == nil && bad > len(channels) {
			t.Error("more bad entries than entries")
		}
		for i := range channels {
			serial(channels[i].ID)
		}
		_, _, _ = decodeList(body, decodeBridge)
		_, _ = decodeVariable(body)
		_, _ = decodeStartedAt(body)
		if strings.ContainsAny(errorMessage(body), "\n\x1b\u202e") {
			t.Error("a message that could harm a log")
		}
	})
}
