package ari

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"textback"
)

// made makes the message of an event about one channel.
func made(t *testing.T, ms int, typ, channel string, more ...string) Message {
	t.Helper()
	at := epoch.Add(time.Duration(ms) * time.Millisecond)
	e := map[string]json.RawMessage{"type": json.RawMessage(fmt.Sprintf("%q", typ)),
		"timestamp": json.RawMessage(at.Format(`"2006-01-02T15:04:05.000-0700"`)), "channel": json.RawMessage(channel)}
	for i := 0; i+1 < len(more); i += 2 {
		e[more[i]] = json.RawMessage(more[i+1])
	}
	raw, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	m := Message{Kind: MessageEvent, Seen: at, Type: typ, Raw: raw}
	if m.Event, m.Err = decodeEvent(raw); m.Err != nil {
		t.Fatalf("%s: %v", raw, m.Err)
	}
	return m
}

func chanJSON(id, name, state, context, app, vars string) string {
	return fmt.Sprintf(`{"id":%q,"name":%q,"state":%q,"caller":{"name":"","number":"+15551230001"},"connected":{"name":"","number":""},
		"dialplan":{"context":%q,"exten":"+15550100","priority":1,"app_name":%q,"app_data":""},
		"creationtime":"2026-11-24T12:00:00.000+0000","channelvars":%s}`, id, name, state, context, app, vars)
}

func TestWhatAChannelIs(t *testing.T) {
	for _, tt := range []struct {
		name, state, context string
		trunks               []string
		want                 textback.LegKind
		outside              bool
	}{
		{"PJSIP/trunk-00000001", "Ring", "from-trunk", nil, textback.LegInbound, false},
		{"PJSIP/trunk-00000001", "Ring", "from-trunk-sip-carrier", nil, textback.LegInbound, false},
		{"PJSIP/trunk-00000001", "Ring", "from-trunk", []string{"PJSIP/trunk"}, textback.LegInbound, false},
		{"PJSIP/trunk-00000001", "Ring", "from-trunk", []string{"PJSIP/other*"}, textback.LegPhone, false},
		{"PJSIP/carrier-a-00000001", "Ring", "from-trunk", []string{"PJSIP/carrier-*"}, textback.LegInbound, false},
		{"DAHDI/i1/5551230001-1", "Ring", "from-pstn", nil, textback.LegInbound, false},
		{"PJSIP/100-00000001", "Ring", "from-internal", nil, textback.LegPhone, false},
		{"PJSIP/trunk-00000001", "Down", "from-trunk", nil, textback.LegOutgoing, true},
		{"PJSIP/100-00000001", "Down", "from-internal", nil, textback.LegOutgoing, false},
		{"Local/100@from-trunk-00000001;2", "Ring", "from-trunk", nil, textback.LegVirtual, false},
		{"Message/ast_msg_queue", "Up", "from-trunk", nil, textback.LegPseudo, false},
		{"CBAnn/1-00000001;1", "Up", "from-trunk", nil, textback.LegPseudo, false},
		{"UnicastRTP/127.0.0.1:9-0x7f", "Down", "from-trunk", nil, textback.LegPseudo, false},
	} {
		o := testOptions()
		o.Trunks = tt.trunks
		ch, err := DecodeChannel([]byte(chanJSON("1", tt.name, tt.state, tt.context, "", "{}")))
		if err != nil {
			t.Fatal(err)
		}
		if in := NewTranslator(o).info(&ch.ChannelData, false); in.Kind != tt.want || in.Outside != tt.outside {
			t.Errorf("%s %s in %s: %s, outside %v", tt.name, tt.state, tt.context, in.Kind, in.Outside)
		}
	}
}

func TestVariablesAreAskedForOnceAndOnlyIfNotThere(t *testing.T) {
	tr := NewTranslator(testOptions())
	m := made(t, 0, "ChannelCreated", chanJSON("1", "PJSIP/trunk-1", "Ring", "from-trunk", "", "{}"))
	tr.Translate(m)
	got := tr.Lookups(m)
	if len(got) != 1 || got[0].Channel != "1" || !slices.Equal(got[0].Variables, []string{presFunction, toHeader, verifyResult}) {
		t.Errorf("%+v", got)
	}
	m = made(t, 0, "ChannelCreated", chanJSON("2", "PJSIP/trunk-2", "Ring", "from-trunk", "",
		`{"CALLERID(pres)":"allowed","STIR_SHAKEN(0,verify_result)":""}`))
	tr.Translate(m)
	if got := tr.Lookups(m); len(got) != 1 || !slices.Equal(got[0].Variables, []string{toHeader}) {
		t.Errorf("%+v", got)
	}
	m = made(t, 0, "ChannelCreated", chanJSON("3", "PJSIP/100-3", "Ring", "from-internal", "", "{}"))
	tr.Translate(m)
	if got := tr.Lookups(m); got != nil {
		t.Errorf("a phone: %+v", got)
	}
}

func TestWhatIsLearntOfACaller(t *testing.T) {
	ch := func(state, vars string) string { return chanJSON("1", "PJSIP/trunk-1", state, "from-trunk", "", vars) }
	ms := []Message{
		made(t, 0, "ChannelCreated", ch("Ring", "{}")),
		{Kind: MessageVariables, Seen: epoch.Add(time.Millisecond), Channel: "1",
			Values: map[string]string{toHeader: `"x" <sip:5550100;isub=1@10.0.0.1>;tag=1`}},
		made(t, 2, "ChannelVarset", ch("Ring", `{"CALLERID(pres)":"prohib_passed_screen","STIR_SHAKEN(0,verify_result)":"signature_validation"}`),
			"variable", `"__FROM_DID"`, "value", `"5550100x"`),
		made(t, 3, "ChannelVarset", ch("Ring", "{}"), "variable", `"TEXTBACK"`, "value", `"no"`),
		made(t, 5000, "ChannelHangupRequest", ch("Ring", "{}"), "cause", "127"),
		made(t, 5001, "ChannelDestroyed", ch("Ring", "{}"), "cause", "127", "cause_txt", `"Interworking, unspecified"`),
	}
	ended, _ := judged(t, truth{}, ms)
	if len(ended) != 1 {
		t.Fatal(ended)
	}
	c := ended[0]
	if !c.Party.Withheld || c.Party.Verification != textback.VerificationFailed || !c.Declined || c.Outcome != textback.Abandoned ||
		!slices.Equal(c.Dialled, []string{"+15550100", "5550100x", "5550100"}) {
		t.Errorf("%+v", c)
	}
}

func TestACallThatTalksWhenTheLinkComesUpIsAnswered(t *testing.T) {
	decode := func(s string) Channel {
		ch, err := DecodeChannel([]byte(s))
		if err != nil {
			t.Fatal(err)
		}
		return ch
	}
	var bridge Bridge
	if err := json.Unmarshal([]byte(`{"id":"x","bridge_class":"basic","bridge_type":"mixing","technology":"simple_bridge","channels":["1","2"]}`),
		&bridge.BridgeData); err != nil {
		t.Fatal(err)
	}
	a := chanJSON("1", "PJSIP/trunk-1", "Up", "from-trunk", "Dial", "{}")
	b := chanJSON("2", "PJSIP/trunk-2", "Up", "from-trunk", "AppDial", "{}") // a mobile
	up := Message{Kind: MessageUp, Seen: epoch.Add(time.Minute), Snapshot: &Snapshot{Channels: []Channel{decode(a), decode(b)},
		Bridges: []Bridge{bridge}}}
	ended, _ := judged(t, truth{}, []Message{up,
		made(t, 90000, "ChannelHangupRequest", a, "cause", "16"),
		made(t, 90001, "ChannelDestroyed", b, "cause", "16", "cause_txt", `"Normal Clearing"`),
		made(t, 90001, "ChannelDestroyed", a, "cause", "16", "cause_txt", `"Normal Clearing"`)})
	calls := inboundOf(ended)
	if len(calls) != 1 || calls[0].Outcome != textback.Answered || calls[0].ID != "hq/1" {
		t.Errorf("%s", listed(ended))
	}
}

func TestUserOfAHeader(t *testing.T) {
	for header, want := range map[string]string{
		`<sip:+15550100@10.0.0.1>`: "+15550100", `"n" <sips:100@x;user=phone>;tag=1`: "100", `sip:100;p=1@x`: "100",
		`<tel:+1555;phone-context=x>`: "+1555", `<sip:10.0.0.1>`: "", ``: "", `<sip:>`: "",
	} {
		if got := user(header); got != want {
			t.Errorf("%s: %q, want %q", header, got, want)
		}
	}
}

func TestNumberOfADialString(t *testing.T) {
	for s, want := range map[string]string{
		"15557770144@trunk": "15557770144", "trunk/sip:+1555@10.0.0.1": "+1555", "100": "", "PJSIP/100": "100", "g0/1555": "1555", "": "",
	} {
		if got := dialledNumber(s); got != want {
			t.Errorf("%s: %q, want %q", s, got, want)
		}
	}
}
