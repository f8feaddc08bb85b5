package esl

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"textback"
)

// TranslateOptions tell a [Translator] what it cannot see in the events.
type TranslateOptions struct {
	PBX     string
	Inbound []string // contexts in which calls from outside arrive; * and ? stand for any letters
	// Trunks are where they arrive from: a gateway ("gateway/carrier"), a profile ("sofia/external"), or the beginning of a
	// channel's name ("sofia/external/*"); empty: anywhere, but not from a phone that logged in.
	Trunks []string
	// LineFrom says where the dialled number stands: "exten" (Caller-Destination-Number when the call arrives), "to" (user of the To
	// header), or the name of a channel variable.
	LineFrom []string
	NoText   string // "VARIABLE=value": a caller whose channel has it is not to be texted
}

// Translator turns messages of the link into textback's events. It keeps nothing: each message is read by itself.
type Translator struct {
	o                TranslateOptions
	noText, noTextIs string
	keep             map[string]bool
}

// NewTranslator makes a translator for one PBX.
func NewTranslator(o TranslateOptions) *Translator {
	t := &Translator{o: o, keep: make(map[string]bool)}
	name, value, _ := strings.Cut(o.NoText, "=")
	t.noText, t.noTextIs = "variable_"+name, value
	for _, h := range headers {
		t.keep[h] = true
	}
	if name != "" {
		t.keep[t.noText] = true
	}
	for _, from := range o.LineFrom {
		t.keep["variable_"+from] = true
	}
	return t
}

// headers are the headers of events and dumps that are read.
var headers = []string{"Event-Name", "Event-Subclass", "Core-UUID", "Unique-ID", "Event-Date-Timestamp", "Event-Sequence",
	"Channel-Name", "Call-Direction", "Hangup-Cause", "Other-Type", "Other-Leg-Unique-ID", "Channel-Call-UUID",
	"Channel-Presence-ID", "Answer-State", "Bridge-A-Unique-ID", "Bridge-B-Unique-ID",
	"Caller-Context", "Caller-Destination-Number", "Caller-Caller-ID-Number", "Caller-Caller-ID-Name", "Caller-ANI",
	"Caller-Orig-Caller-ID-Number", "Caller-Orig-Caller-ID-Name", "Caller-Privacy-Hide-Number", "Caller-Callee-ID-Number",
	"Caller-Channel-Created-Time", "Caller-Channel-Answered-Time", "Caller-Channel-Progress-Time",
	"Caller-Channel-Progress-Media-Time", "Caller-Channel-Hangup-Time", "Caller-Channel-Bridged-Time", "Caller-Unique-ID",
	"CC-Action", "CC-Cause", "CC-Cancel-Reason", "CC-Agent-UUID", "CC-Member-Session-UUID", "FIFO-Action",
	"VM-Action", "VM-UUID", "Action", "Conference-Name", "Conference-Unique-ID", "Valet-Lot-Name",
	"variable_user_name", "variable_sip_auth_username", "variable_sip_gateway", "variable_sip_gateway_name",
	"variable_sofia_profile_name", "variable_sip_profile_name", "variable_dialed_user", "variable_sip_to_user",
	"variable_sip_req_user", "variable_sip_Privacy", "variable_sip_privacy", "variable_sip_verstat", "variable_sip_name_params",
	"variable_sip_from_user", "variable_sip_P-Asserted-Identity", "variable_sip_full_from",
	"variable_originator", "variable_originating_leg_uuid", "variable_other_loopback_leg_uuid",
	"variable_cc_side", "variable_cc_member_session_uuid", "variable_cc_cause", "variable_cc_cancel_reason",
	"variable_cc_agent_bridged", "variable_fifo_bridge_uuid", "variable_fifo_status", "variable_voicemail_message_len",
	"variable_last_bridge_to", "variable_bridge_uuid", "variable_bridge_channel", "variable_last_app", "variable_last_arg",
	"variable_originate_disposition", "variable_originate_failed_cause", "variable_endpoint_disposition",
	"variable_sip_hangup_disposition", "variable_hangup_cause_q850", "variable_sip_reason", "variable_sip_h_Reason",
	"variable_sip_rh_Reason", "variable_sip_bye_h_Reason", "variable_sip_cancel_reason", "variable_cancel_reason",
	"variable_transfer_source"}

// Keep tells whether a header is read, for Options.Keep. It is safe at any time.
func (t *Translator) Keep(header string) bool { return t.keep[header] }

// Translate gives the events that a message means, in no particular order.
func (t *Translator) Translate(m Message) []textback.Event {
	switch m.Kind {
	case MessageEvent:
		return t.event(&m)
	case MessageDown:
		return []textback.Event{{Kind: textback.LinkDown, At: m.Seen, Seen: m.Seen}}
	case MessageOverflow:
		down := textback.Event{Kind: textback.LinkDown, At: m.Seen, Seen: m.Seen}
		if m.Snapshot == nil {
			return []textback.Event{down}
		}
		return append([]textback.Event{down}, t.snapshot(&m)...)
	case MessageUp:
		return t.snapshot(&m)
	default:
		return nil
	}
}

// head are the headers of one event.
type head map[string]string

func (h head) v(name string) string { return h["variable_"+name] }

// at reads a time in microseconds; zero if there is none.
func (h head) at(name string) time.Time {
	us, err := strconv.ParseInt(h[name], 10, 64)
	if err != nil || us <= 0 || us > 1<<53 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}

// first is the first of several times that is known.
func first(times ...time.Time) time.Time {
	for _, t := range times {
		if !t.IsZero() {
			return t
		}
	}
	return time.Time{}
}

func (t *Translator) event(m *Message) []textback.Event {
	h := head(m.Headers)
	id := h["Unique-ID"]
	at := first(h.at("Event-Date-Timestamp"), m.Seen)
	e := func(kind textback.EventKind, leg string) textback.Event {
		return textback.Event{Kind: kind, At: at, Seen: m.Seen, Leg: leg}
	}
	switch m.Name {
	case "CHANNEL_CREATE":
		if id == "" {
			return nil
		}
		made := e(textback.LegCreated, id)
		made.At = first(h.at("Caller-Channel-Created-Time"), at)
		made.Info = t.info(h, false)
		return append(t.relations(m, h), made)
	case "CHANNEL_ANSWER":
		if id == "" {
			return nil
		}
		up := e(textback.LegAnswered, id)
		up.At = first(h.at("Caller-Channel-Answered-Time"), at)
		return append(t.relations(m, h), up)
	case "CHANNEL_BRIDGE":
		a, b := h["Bridge-A-Unique-ID"], h["Bridge-B-Unique-ID"]
		if a == "" || b == "" {
			return nil
		}
		if b < a { // either order means the same
			a, b = b, a
		}
		both := e(textback.LegLinked, a)
		both.Other = b
		return append(t.relations(m, h), both)
	case "CHANNEL_HANGUP_COMPLETE":
		if id == "" {
			return nil
		}
		return t.hangup(m, h, at)
	case "CUSTOM":
		return t.custom(m, h, e)
	default:
		return nil
	}
}

// custom reads what queues, voicemail, conferences and parking tell.
func (t *Translator) custom(m *Message, h head, e func(textback.EventKind, string) textback.Event) []textback.Event {
	id := h["Unique-ID"]
	enter := func(leg string, stage textback.Stage) []textback.Event {
		if leg == "" {
			return nil
		}
		in := e(textback.StageEntered, leg)
		in.Stage = stage
		return []textback.Event{in}
	}
	leave := func(leg string, stage textback.Stage, result textback.Result) []textback.Event {
		if leg == "" || result == 0 {
			return nil
		}
		out := e(textback.StageEnded, leg)
		out.Stage, out.Result = stage, result
		return []textback.Event{out}
	}
	subclass := m.Subclass
	if subclass == "" {
		subclass = h["Event-Subclass"]
	}
	switch subclass {
	case "callcenter::info":
		caller := h["CC-Member-Session-UUID"]
		switch h["CC-Action"] {
		case "member-queue-start":
			return enter(caller, textback.StageQueue)
		case "member-queue-end":
			if strings.EqualFold(h["CC-Cause"], "cancel") {
				return leave(caller, textback.StageQueue, queueResult(h["CC-Cancel-Reason"]))
			}
		case "bridge-agent-start":
			if agent := h["CC-Agent-UUID"]; caller != "" && agent != "" {
				d := e(textback.LegDialled, caller)
				d.Other, d.Stage = agent, textback.StageQueue
				return []textback.Event{d}
			}
		}
	case "fifo::info":
		switch h["FIFO-Action"] {
		case "push":
			return enter(id, textback.StageQueue)
		case "abort":
			return leave(id, textback.StageQueue, textback.ResultAbandoned)
		case "timeout":
			return leave(id, textback.StageQueue, textback.ResultTimeout)
		}
	case "vm::maintenance":
		if h["VM-Action"] == "leave-message" {
			leg := h["VM-UUID"]
			if leg == "" {
				leg = id
			}
			return leave(leg, textback.StageVoicemail, textback.ResultMessage)
		}
	case "valet_parking::info":
		if h["Action"] == "hold" {
			return enter(id, textback.StagePark)
		}
	case "conference::maintenance":
		room := h["Conference-Unique-ID"]
		if room == "" {
			room = h["Conference-Name"]
		}
		if id == "" || room == "" {
			return nil
		}
		switch h["Action"] {
		case "add-member":
			in := e(textback.LegJoined, id)
			in.Other = "conference/" + room
			return append(enter(id, textback.StageConference), in)
		case "del-member":
			out := e(textback.LegLeft, id)
			out.Other = "conference/" + room
			return []textback.Event{out}
		}
	}
	return nil
}

// queueResult reads cc_cancel_reason. A caller who hangs up is BREAK_OUT.
func queueResult(reason string) textback.Result {
	switch reason {
	case "TIMEOUT", "NO_AGENT_TIMEOUT":
		return textback.ResultTimeout
	case "BREAK_OUT":
		return textback.ResultAbandoned
	default: // EXIT_WITH_KEY goes on elsewhere
		return 0
	}
}

// info reads what a leg is. found: it was not read from the event of its beginning, and the caller's profile may have changed.
func (t *Translator) info(h head, found bool) *textback.LegInfo {
	name := h["Channel-Name"]
	in := &textback.LegInfo{Name: name, Found: found, Kind: helper(name)}
	if in.Kind != textback.LegUnknown {
		return in
	}
	if h["Call-Direction"] != "inbound" {
		in.Kind = textback.LegOutgoing
		in.Outside = h.v("sip_gateway_name") != "" || h.v("sip_profile_name") == "gateway" ||
			h.v("dialed_user") == "" && h["Channel-Presence-ID"] == "" && (strings.HasPrefix(name, "sofia/external/") || t.isTrunk(h, false))
		if in.Outside {
			in.Party.Number = h["Caller-Destination-Number"]
		}
		return in
	}
	arrived := textback.MatchAny(t.o.Inbound, h["Caller-Context"])
	if found && !arrived && h.v("transfer_source") != "" {
		// It was moved on, and its context with it. No phone's leg goes without a user.
		arrived = h.v("user_name") == "" && h.v("sip_auth_username") == ""
	}
	if !arrived || !t.isTrunk(h, true) {
		in.Kind = textback.LegPhone
		return in
	}
	in.Kind = textback.LegInbound
	in.Party = textback.Party{Number: h["Caller-Caller-ID-Number"], Name: h["Caller-Caller-ID-Name"]}
	if found {
		// After a pickup the caller id is the employee's. The ANI is the caller's to the end.
		if ani := h["Caller-ANI"]; ani != "" {
			in.Party.Number = ani
		}
		if orig := h["Caller-Orig-Caller-ID-Name"]; orig != "" {
			in.Party.Name = orig
		}
	}
	if strings.TrimPrefix(in.Party.Name, "+") == strings.TrimPrefix(in.Party.Number, "+") {
		in.Party.Name = "" // without a display name FreeSWITCH repeats the number
	}
	in.Party.Withheld = h["Caller-Privacy-Hide-Number"] == "true" || private(h.v("sip_Privacy")) || private(h.v("sip_privacy"))
	switch passed, told := verification(h); {
	case told && passed:
		in.Party.Verification = textback.VerificationPassed
	case told:
		in.Party.Verification = textback.VerificationFailed
	}
	in.Dialled = make([]string, len(t.o.LineFrom))
	for i, from := range t.o.LineFrom {
		switch from {
		case "exten":
			in.Dialled[i] = h["Caller-Destination-Number"]
			if strings.HasPrefix(in.Dialled[i], "gw+") {
				in.Dialled[i] = "" // the contact of a registered trunk, not a number
			}
			if found {
				in.Dialled[i] = dialledAtFirst(h)
			}
		case "to":
			in.Dialled[i] = h.v("sip_to_user")
		default:
			in.Dialled[i] = h.v(from)
		}
	}
	return in
}

// dialledAtFirst is the number that was dialled when the call arrived, read from a later event: transfers and menus change
// Caller-Destination-Number, and a registered trunk is called at gw+NAME.
func dialledAtFirst(h head) string {
	for _, user := range []string{h.v("sip_req_user"), h.v("sip_to_user")} {
		if user != "" && !strings.HasPrefix(user, "gw+") {
			return user
		}
	}
	return h["Caller-Destination-Number"]
}

// isTrunk tells whether a leg is of a trunk. Without a list, any leg is that is not of a phone that logged in.
// sip_authorized says nothing: a trunk that an ACL lets in on an authenticating profile has it too.
func (t *Translator) isTrunk(h head, inbound bool) bool {
	if len(t.o.Trunks) == 0 {
		return inbound && h.v("user_name") == "" && h.v("sip_auth_username") == ""
	}
	gateway := h.v("sip_gateway")
	if gateway == "" {
		gateway = h.v("sip_gateway_name")
	}
	names := []string{h["Channel-Name"]}
	if gateway != "" {
		names = append(names, gateway, "gateway/"+gateway, "sofia/gateway/"+gateway)
	}
	if profile := h.v("sofia_profile_name"); profile != "" {
		names = append(names, profile, "sofia/"+profile)
	}
	return slices.ContainsFunc(names, func(name string) bool { return textback.MatchAny(t.o.Trunks, name) })
}

// helper tells loopback legs and those behind which nobody sits.
func helper(name string) textback.LegKind {
	tech, _, _ := strings.Cut(name, "/")
	switch tech {
	case "loopback":
		return textback.LegVirtual
	case "null", "pickup", "error", "tone_stream", "rtp", "msrp":
		return textback.LegPseudo
	}
	return textback.LegUnknown
}

// private reads a Privacy header (RFC 3323, RFC 3325): anything but "none" asks to hide the number.
func private(privacy string) bool {
	return privacy != "" && !strings.EqualFold(privacy, "none")
}

// verification reads the provider's verdict on the caller's number (verstat, 3GPP TS 24.229), or FreeSWITCH's own.
func verification(h head) (passed, told bool) {
	for _, name := range []string{"sip_verstat", "sip_name_params", "sip_from_user", "sip_P-Asserted-Identity", "sip_full_from"} {
		v := h.v(name)
		if strings.Contains(v, "TN-Validation-Failed") {
			return false, true
		}
		passed = passed || strings.Contains(v, "TN-Validation-Passed")
	}
	return passed, passed
}

// relations gives who dialled a leg, and which is the other half of a loopback leg. Every event of a leg tells it again; it
// bears the time of the leg's beginning, so that it is one and the same.
func (t *Translator) relations(m *Message, h head) []textback.Event {
	id := h["Unique-ID"]
	if id == "" {
		return nil
	}
	at := first(h.at("Caller-Channel-Created-Time"), h.at("Event-Date-Timestamp"), m.Seen)
	var out []textback.Event
	if other := h.v("other_loopback_leg_uuid"); other != "" && helper(h["Channel-Name"]) == textback.LegVirtual {
		out = append(out, textback.Event{Kind: textback.LegPaired, At: at, Seen: m.Seen, Leg: id, Other: other,
			Of: textback.LegVirtual})
	}
	if h["Call-Direction"] != "outbound" {
		return out
	}
	dialled := func(by string, stage textback.Stage) {
		out = append(out, textback.Event{Kind: textback.LegDialled, At: at, Seen: m.Seen, Leg: by, Other: id, Stage: stage})
	}
	switch {
	case h.v("cc_side") == "agent" && h.v("cc_member_session_uuid") != "":
		dialled(h.v("cc_member_session_uuid"), textback.StageQueue)
	case h.v("fifo_bridge_uuid") != "":
		dialled(h.v("fifo_bridge_uuid"), textback.StageQueue)
	case h.v("originating_leg_uuid") != "":
		dialled(h.v("originating_leg_uuid"), textback.StageDial)
	case h["Other-Type"] == "originator" && h["Other-Leg-Unique-ID"] != "":
		dialled(h["Other-Leg-Unique-ID"], textback.StageDial)
	case h.v("originator") != "":
		dialled(h.v("originator"), textback.StageDial)
	}
	return out
}
