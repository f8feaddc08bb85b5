package ari

import (
	"slices"
	"testing"
	"time"

	v6 "github.com/CyCoreSystems/ari/v6"

	"textback"
)

// TestACallerFoundInAMenuIsACaller: after a restart of ours the caller's channel stands in a context of its own, as a phone
// that listens to its voicemail does.
func TestACallerFoundInAMenuIsACaller(t *testing.T) {
	began := time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC)
	for _, tc := range []struct {
		name, channel, state, app string
		values                    map[string]string
		want                      textback.LegKind
	}{
		{"in a menu", "PJSIP/carrier-eu-0000002a", "Up", "BackGround",
			map[string]string{"PJSIP_ENDPOINT(carrier-eu,context)": "from-trunk", dialledFunction: "+15550105"}, textback.LegInbound},
		{"ringing in a ring group's context", "PJSIP/carrier-eu-0000002a", "Ring", "Dial",
			map[string]string{"PJSIP_ENDPOINT(carrier-eu,context)": "from-trunk"}, textback.LegInbound},
		{"between two applications", "PJSIP/carrier-eu-0000002a", "Up", "",
			map[string]string{"PJSIP_ENDPOINT(carrier-eu,context)": "from-trunk", dialledFunction: "+15550105"}, textback.LegInbound},
		{"a phone", "PJSIP/100-00000001", "Up", "VoiceMailMain",
			map[string]string{"PJSIP_ENDPOINT(100,context)": "from-internal", dialledFunction: "*97"}, textback.LegPhone},
		{"a call that the PBX made itself", "PJSIP/carrier-eu-0000002b", "Up", "Playback",
			map[string]string{"PJSIP_ENDPOINT(carrier-eu,context)": "from-trunk"}, textback.LegPhone},
		{"chan_sip", "SIP/carrier-0000002b", "Up", "Queue",
			map[string]string{"SIPPEER(carrier,context)": "from-trunk", dialledFunction: "5550105"}, textback.LegInbound},
		{"no answer", "PJSIP/carrier-eu-0000002a", "Up", "BackGround", nil, textback.LegPhone},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tr := NewTranslator(TranslateOptions{PBX: "hq", Inbound: []string{"from-trunk*"}, LineFrom: []string{"exten", "to"}})
			ch := Channel{ChannelData: v6.ChannelData{ID: "1.1", Name: tc.channel, State: tc.state,
				Caller: &v6.CallerID{Number: "+15551231901"}, Dialplan: &v6.DialplanCEP{Context: "ivr", Exten: "s", AppName: tc.app}}, Created: began}
			up := Message{Kind: MessageUp, Seen: began.Add(time.Second), Snapshot: &Snapshot{Channels: []Channel{ch}}}
			events := tr.Translate(up)
			asked := tr.Lookups(up)
			if len(asked) != 1 || !slices.Contains(asked[0].Variables, dialledFunction) {
				t.Fatalf("asked for %+v", asked)
			}
			events = append(events, tr.Translate(Message{Kind: MessageVariables, Seen: began.Add(2 * time.Second), Channel: "1.1", Values: tc.values})...)
			var kind textback.LegKind
			var dialled []string
			for _, e := range events {
				if e.Kind == textback.LegCreated {
					kind, dialled = e.Info.Kind, e.Info.Dialled
				}
			}
			if kind != tc.want {
				t.Errorf("it is a %v, want %v", kind, tc.want)
			}
			if tc.want == textback.LegInbound && tc.values[dialledFunction] != dialled[0] {
				t.Errorf("dialled %q", dialled)
			}
			if again := tr.Translate(Message{Kind: MessageVariables, Seen: began.Add(3 * time.Second), Channel: "1.1", Values: tc.values}); tc.want == textback.LegPhone && len(again) != 0 {
				t.Errorf("a late answer made %v", again)
			}
		})
	}
}
