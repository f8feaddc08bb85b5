package esl

import (
	"maps"
	"strconv"
	"testing"
	"time"

	"textback"
)

// scene makes the events of a call by hand, with the headers that matter.
type scene struct {
	t  *testing.T
	ms []Message
}

var sceneBegin = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func (s *scene) add(ms int, name string, headers ...string) {
	at := sceneBegin.Add(time.Duration(ms) * time.Millisecond)
	h := map[string]string{"Event-Date-Timestamp": strconv.FormatInt(at.UnixMicro(), 10)}
	for i := 0; i+1 < len(headers); i += 2 {
		h[headers[i]] = headers[i+1]
	}
	s.ms = append(s.ms, Message{Kind: MessageEvent, Seen: at, Name: name, Subclass: h["Event-Subclass"], Headers: h})
}

func us(ms int) string {
	return strconv.FormatInt(sceneBegin.Add(time.Duration(ms)*time.Millisecond).UnixMicro(), 10)
}

func (s *scene) caller(more ...string) {
	s.add(0, "CHANNEL_CREATE", append([]string{"Unique-ID", "a", "Call-Direction", "inbound", "Caller-Context", "public",
		"Channel-Name", "sofia/external/+15552340101@127.0.0.2", "Caller-Caller-ID-Number", "+15552340101",
		"Caller-Destination-Number", "+15550100", "Caller-Channel-Created-Time", us(0)}, more...)...)
}

func (s *scene) leg(ms int, id, name, direction string, more ...string) {
	s.add(ms, "CHANNEL_CREATE", append([]string{"Unique-ID", id, "Call-Direction", direction, "Channel-Name", name,
		"Caller-Context", "default", "Caller-Channel-Created-Time", us(ms)}, more...)...)
}

func (s *scene) end(ms int, id, name, direction, cause string, more ...string) {
	s.add(ms, "CHANNEL_HANGUP_COMPLETE", append([]string{"Unique-ID", id, "Call-Direction", direction, "Channel-Name", name,
		"Caller-Context", "default", "Hangup-Cause", cause}, more...)...)
}

// over ends the caller's leg and gives the call.
func (s *scene) over(ms int, cause, disposition string, more ...string) textback.Call {
	s.t.Helper()
	s.add(ms, "CHANNEL_HANGUP_COMPLETE", append([]string{"Unique-ID", "a", "Call-Direction", "inbound", "Caller-Context", "public",
		"Channel-Name", "sofia/external/+15552340101@127.0.0.2", "Caller-Channel-Created-Time", us(0), "Hangup-Cause", cause,
		"variable_sip_hangup_disposition", disposition}, more...)...)
	ended, _ := judgedTrace(s.t, s.ms)
	for _, c := range ended {
		if c.ID == "branch/a" {
			return c
		}
	}
	s.t.Fatalf("the call did not end: %v", ended)
	return textback.Call{}
}

const phone1000 = "sofia/internal/1000@127.0.10.1:5070"

// TestRowsOfTheCauseTable plays rows of the table of causes for which there is no recording.
func TestRowsOfTheCauseTable(t *testing.T) {
	ring := func(s *scene, id, name string) {
		s.leg(20, id, name, "outbound", "variable_originating_leg_uuid", "a", "variable_dialed_user", "1000")
	}
	up := func(s *scene, ms int, id string) { s.add(ms, "CHANNEL_ANSWER", "Unique-ID", id) }
	bridge := func(s *scene, ms int, a, b string) {
		s.add(ms, "CHANNEL_BRIDGE", "Unique-ID", a, "Bridge-A-Unique-ID", a, "Bridge-B-Unique-ID", b)
	}
	for _, tt := range []struct {
		name string
		want textback.Outcome
		play func(s *scene) textback.Call
	}{
		{"do not disturb: 480 at once", textback.Unreachable, func(s *scene) textback.Call {
			ring(s, "b", phone1000)
			s.end(200, "b", phone1000, "outbound", "NO_USER_RESPONSE", "variable_hangup_cause_q850", "18",
				"variable_sip_hangup_disposition", "recv_refuse")
			return s.over(220, "NORMAL_CLEARING", "send_refuse", "variable_last_app", "bridge", "variable_originate_disposition", "NO_USER_RESPONSE")
		}},
		{"gateway down", textback.Unreachable, func(s *scene) textback.Call {
			return s.over(20, "GATEWAY_DOWN", "send_refuse", "variable_last_app", "bridge", "variable_originate_disposition", "GATEWAY_DOWN")
		}},
		{"busy by the dialplan", textback.Busy, func(s *scene) textback.Call {
			return s.over(20, "USER_BUSY", "send_refuse", "variable_last_app", "hangup", "variable_hangup_cause_q850", "17")
		}},
		{"an announcement without answering", textback.Closed, func(s *scene) textback.Call {
			return s.over(5000, "NORMAL_CLEARING", "send_refuse", "variable_last_app", "hangup", "variable_endpoint_disposition", "EARLY MEDIA",
				"variable_hangup_cause_q850", "16")
		}},
		{"no route", textback.Unreachable, func(s *scene) textback.Call {
			return s.over(20, "NO_ROUTE_DESTINATION", "send_refuse", "variable_hangup_cause_q850", "3")
		}},
		{"no agent in the queue", textback.QueueTimeout, func(s *scene) textback.Call {
			up(s, 20, "a")
			return s.over(9000, "NORMAL_CLEARING", "send_bye", "variable_last_app", "playback", "variable_cc_cause", "cancel",
				"variable_cc_cancel_reason", "NO_AGENT_TIMEOUT", "Caller-Channel-Answered-Time", us(20))
		}},
		{"early media is bridged, nobody answers", textback.Abandoned, func(s *scene) textback.Call {
			ring(s, "b", phone1000)
			bridge(s, 100, "a", "b")
			s.end(6000, "b", phone1000, "outbound", "ORIGINATOR_CANCEL", "Caller-Channel-Progress-Media-Time", us(90))
			return s.over(6000, "ORIGINATOR_CANCEL", "recv_cancel", "variable_last_bridge_to", "b", "variable_originate_disposition", "SUCCESS")
		}},
		{"the phone answers as the caller cancels", textback.Abandoned, func(s *scene) textback.Call {
			ring(s, "b", phone1000)
			up(s, 5979, "b")
			s.end(6000, "b", phone1000, "outbound", "ORIGINATOR_CANCEL", "Caller-Channel-Answered-Time", us(5979))
			return s.over(6000, "ORIGINATOR_CANCEL", "recv_cancel", "variable_originate_disposition", "ORIGINATOR_CANCEL")
		}},
		{"group_confirm: a mobile's voicemail picks up and confirms nothing", textback.Abandoned, func(s *scene) textback.Call {
			ring(s, "b", phone1000)
			ring(s, "c", "sofia/external/15559990000")
			up(s, 3000, "c")
			s.end(9000, "c", "sofia/external/15559990000", "outbound", "ORIGINATOR_CANCEL", "Caller-Channel-Answered-Time", us(3000))
			return s.over(9000, "ORIGINATOR_CANCEL", "recv_cancel")
		}},
		{"picked up by another phone with a code", textback.Answered, func(s *scene) textback.Call {
			ring(s, "b", phone1000)
			s.leg(3000, "p", "sofia/internal/1002@127.0.0.1", "inbound", "variable_user_name", "1002")
			up(s, 3010, "p")
			bridge(s, 3020, "p", "a")
			s.end(3030, "b", phone1000, "outbound", "PICKED_OFF")
			return s.over(9000, "NORMAL_CLEARING", "recv_bye", "Caller-Caller-ID-Number", "1002", "variable_originate_disposition", "PICKED_OFF")
		}},
		{"a loopback voicemail takes a message", textback.Voicemail, func(s *scene) textback.Call {
			s.leg(20, "la", "loopback/voicemail-a", "outbound", "variable_originating_leg_uuid", "a", "variable_other_loopback_leg_uuid", "lb")
			s.leg(20, "lb", "loopback/voicemail-b", "inbound", "variable_other_loopback_leg_uuid", "la")
			bridge(s, 30, "a", "la")
			s.add(8990, "CUSTOM", "Event-Subclass", "vm::maintenance", "VM-Action", "leave-message", "VM-UUID", "lb")
			s.end(9000, "la", "loopback/voicemail-a", "outbound", "ORIGINATOR_CANCEL")
			s.end(9000, "lb", "loopback/voicemail-b", "inbound", "ORIGINATOR_CANCEL", "variable_last_app", "voicemail")
			return s.over(9000, "NORMAL_CLEARING", "recv_bye", "variable_last_app", "bridge", "variable_bridge_channel", "loopback/voicemail-a",
				"Caller-Channel-Answered-Time", us(20), "variable_originate_disposition", "SUCCESS", "variable_last_bridge_to", "la")
		}},
		{"killed by the administrator while it rings", textback.NoAnswer, func(s *scene) textback.Call {
			ring(s, "b", phone1000)
			s.end(5000, "b", phone1000, "outbound", "ORIGINATOR_CANCEL", "Caller-Channel-Progress-Time", us(100),
				"variable_hangup_cause_q850", "16")
			return s.over(5000, "NORMAL_CLEARING", "send_refuse", "variable_originate_disposition", "ORIGINATOR_CANCEL")
		}},
		{"answered elsewhere, by the CANCEL's Reason", textback.Answered, func(s *scene) textback.Call {
			ring(s, "b", phone1000)
			s.end(5000, "b", phone1000, "outbound", "ORIGINATOR_CANCEL", "Caller-Channel-Progress-Time", us(100))
			return s.over(5000, "ORIGINATOR_CANCEL", "recv_cancel", "variable_sip_reason", `SIP;cause=200;text="Call completed elsewhere"`)
		}},
		{"enterprise originate: nothing links the legs but the bridge", textback.Answered, func(s *scene) textback.Call {
			s.leg(20, "b", phone1000, "outbound", "variable_dialed_user", "1000")
			up(s, 3000, "b")
			bridge(s, 3020, "a", "b")
			return s.over(9000, "NORMAL_CLEARING", "recv_bye", "variable_originate_disposition", "success")
		}},
		{"fetched from the parking lot", textback.Answered, func(s *scene) textback.Call {
			up(s, 20, "a")
			s.add(100, "CUSTOM", "Event-Subclass", "valet_parking::info", "Action", "hold", "Unique-ID", "a")
			s.leg(5000, "p", "sofia/internal/1002@127.0.0.1", "inbound", "variable_user_name", "1002")
			up(s, 5010, "p")
			bridge(s, 5020, "p", "a")
			return s.over(9000, "NORMAL_CLEARING", "recv_bye", "variable_last_app", "valet_park")
		}},
		{"the other leg fell into a gap, the caller's own end remembers it", textback.Answered, func(s *scene) textback.Call {
			return s.over(9000, "NORMAL_CLEARING", "recv_bye", "variable_last_bridge_to", "gone", "variable_bridge_channel", phone1000,
				"Caller-Channel-Answered-Time", us(2000))
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := &scene{t: t}
			s.caller()
			c := tt.play(s)
			if c.Outcome != tt.want {
				t.Errorf("outcome %s, want %s\n%s", c.Outcome, tt.want, callsText([]textback.Call{c}))
			}
			if c.Party.Number != "+15552340101" || len(c.Dialled) == 0 || c.Dialled[0] != "+15550100" {
				t.Errorf("from %s to %v", c.Party.Number, c.Dialled)
			}
		})
	}
}

func TestWhatIsKnownOfTheCaller(t *testing.T) {
	for _, tt := range []struct {
		name   string
		more   []string
		in     bool
		party  textback.Party
		forced []string // trunks
	}{
		{"plain", nil, true, textback.Party{Number: "+15552340101"}, nil},
		{"withheld", []string{"Caller-Privacy-Hide-Number", "true"}, true, textback.Party{Number: "+15552340101", Withheld: true}, nil},
		{"Privacy: id", []string{"variable_sip_Privacy", "id"}, true, textback.Party{Number: "+15552340101", Withheld: true}, nil},
		{"failed verification", []string{"variable_sip_from_user", "+15552340101;verstat=TN-Validation-Failed"}, true,
			textback.Party{Number: "+15552340101", Verification: textback.VerificationFailed}, nil},
		{"a trunk that an ACL lets in", []string{"variable_sip_authorized", "true", "Channel-Presence-ID", "x@y"}, true,
			textback.Party{Number: "+15552340101"}, nil},
		{"a phone", []string{"variable_user_name", "1000"}, false, textback.Party{}, nil},
		{"another context", []string{"Caller-Context", "default"}, false, textback.Party{}, nil},
		{"a gateway that logs in as a user", []string{"variable_user_name", "gw", "variable_sip_gateway", "carrier"}, true,
			textback.Party{Number: "+15552340101"}, []string{"gateway/carrier"}},
		{"another gateway", []string{"variable_sip_gateway", "other"}, false, textback.Party{}, []string{"gateway/carrier"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := &scene{t: t}
			s.caller(tt.more...)
			o := traceOptions()
			o.Trunks = tt.forced
			for _, e := range NewTranslator(o).Translate(s.ms[0]) {
				if e.Kind != textback.LegCreated {
					continue
				}
				if in := e.Info.Kind == textback.LegInbound; in != tt.in || in && e.Info.Party != tt.party {
					t.Errorf("%+v", e.Info)
				}
			}
		})
	}
}

func TestACallThatTalksWhenTheLinkComesUpIsAnswered(t *testing.T) {
	dump := map[string]string{"Unique-ID": "a", "Call-Direction": "inbound", "Channel-Name": "sofia/external/x", "Caller-Context": "default",
		"Caller-Caller-ID-Number": "+15552340101", "variable_sip_to_user": "+15550100", "Caller-Channel-Created-Time": us(-60000)}
	row := map[string]string{"uuid": "a", "direction": "inbound", "name": "sofia/external/x", "callstate": "ACTIVE",
		"initial_context": "public", "initial_dest": "+15550100"}
	other := map[string]string{"uuid": "b", "direction": "outbound", "name": phone1000, "callstate": "ACTIVE", "call_uuid": "a",
		"presence_id": "1000@x"}
	for _, dumps := range []map[string]map[string]string{{"a": maps.Clone(dump)}, nil} {
		s := &scene{t: t, ms: []Message{{Kind: MessageUp, Seen: sceneBegin, Snapshot: &Snapshot{
			Channels: []map[string]string{row, other}, Calls: []map[string]string{{"uuid": "a", "b_uuid": "b"}}, Dumps: dumps}}}}
		c := s.over(9000, "NORMAL_CLEARING", "recv_bye")
		if c.Outcome != textback.Answered || c.Dialled[0] != "+15550100" {
			t.Errorf("dump %v: %s", dumps != nil, callsText([]textback.Call{c}))
		}
	}
}
