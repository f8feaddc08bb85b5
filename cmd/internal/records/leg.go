package records

import (
	"slices"
	"strings"
	"time"

	"textback"
)

// leg is the record of one FreeSWITCH leg.
type leg struct {
	id, direction, side  string // side is "a" or "b" where that is told
	context, channel     string
	caller, name         string
	dialled              []string
	start, answer, end   time.Time
	talked               time.Duration
	cause, disposition   string // hangup_cause, sip_hangup_disposition
	app                  string // the last application
	bridge               string // the leg that it was bridged with, "" if none or not told
	bridgeName           string // that leg's channel
	queueCause           string // cc_cause
	queueCancel          string // cc_cancel_reason
	queueAnswered        bool
	conference, message  bool
	complete             bool // all of the leg's variables were read: what is not there did not happen
	dialStatus           string
	withheld             bool
	verification         textback.Verification
	messageTold, bridged bool
}

// parseLeg reads a row; false if it is none.
func parseLeg(get func(string) string, zone *time.Location) (r leg, ok bool) {
	r = leg{id: strings.ToLower(strings.TrimSpace(get("id"))), direction: get("direction"), side: get("leg"),
		context: get("context"), channel: get("channel"), caller: get("caller"), name: get("caller_name"),
		cause: get("cause"), disposition: get("disposition"), app: get("last_app"), bridge: get("bridge"),
		queueCause: get("queue_cause"), queueCancel: get("queue_cancel")}
	for _, form := range []string{get("did"), get("dialled")} {
		if form != "" && !slices.Contains(r.dialled, form) {
			r.dialled = append(r.dialled, form)
		}
	}
	if r.start, ok = readTime(get("start"), zone); !ok || !isUUID(r.id) {
		return r, false
	}
	r.answer, _ = readTime(get("answer"), zone)
	r.talked = seconds(get("billsec"))
	if r.end, ok = readTime(get("end"), zone); !ok || r.end.Before(r.start) {
		r.end = r.start.Add(seconds(get("duration")))
	}
	if r.app == "lua" && strings.Contains(get("last_data"), "voicemail") {
		r.app = "voicemail" // FusionPBX's mailbox is a script
	}
	_, r.queueAnswered = readTime(get("queue_answered"), zone)
	r.conference = get("conference") != ""
	switch strings.ToLower(get("voicemail")) {
	case "true", "t", "1":
		r.message, r.messageTold = true, true
	case "false", "f", "0":
		r.messageTold = true
	}
	return r, true
}

// isUUID keeps out rows whose columns have moved: mod_cdr_csv does not escape the quotes in a caller's name.
func isUUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case i == 8 || i == 13 || i == 18 || i == 23:
			if c != '-' {
				return false
			}
		case (c < '0' || c > '9') && (c < 'a' || c > 'f'):
			return false
		}
	}
	return true
}

// judgeLegs picks the callers' legs and judges each.
func judgeLegs(s *Source, legs []leg) []textback.Call {
	byID := make(map[string]*leg, len(legs))
	for i := range legs {
		byID[legs[i].id] = &legs[i]
	}
	var calls []textback.Call
	for i := range legs {
		if r := &legs[i]; r.outer(s) {
			calls = append(calls, r.judge(s, byID))
		}
	}
	return calls
}

// outer tells whether a leg is a caller's from outside. FusionPBX says so; FreeSWITCH itself calls every leg inbound that
// did not begin here, a phone's too: there the context in which it arrived tells.
func (r *leg) outer(s *Source) bool {
	if strings.HasPrefix(r.channel, "loopback/") || strings.EqualFold(r.side, "b") || !s.fromTrunk(r.channel) {
		return false
	}
	switch strings.ToLower(r.direction) {
	case "outbound", "local":
		return false
	case "inbound":
		return r.complete && textback.MatchAny(s.Inbound, r.context) || !r.complete
	default:
		return textback.MatchAny(s.Inbound, r.context)
	}
}

func (r *leg) judge(s *Source, byID map[string]*leg) textback.Call {
	f := &finding{call: textback.Call{ID: s.PBX + "/" + r.id, PBX: s.PBX, Begin: r.start, End: r.end, Dialled: r.dialled,
		Party: textback.Party{Number: r.caller, Name: r.name, Withheld: r.withheld, Verification: r.verification},
		Cause: textback.Cause{Q850: q850(r.cause), Word: printable(r.cause)}, EndedBy: r.ender()}}
	if r.answer.IsZero() && r.talked == 0 {
		if lostRace(r.cause) {
			f.doubt("it ended with %s: another may have answered it", r.cause)
		}
		f.note(r.end, "the caller's leg was never answered (%s)", r.cause)
		return f.finish(func() textback.Outcome { return r.unanswered() })
	}
	r.person(f, byID)
	if f.connect.IsZero() && len(f.doubts) == 0 {
		r.doubts(f)
	}
	return f.finish(func() textback.Outcome { return r.missed() })
}

// lostRace are the causes of a leg that ended because the call was answered elsewhere.
func lostRace(cause string) bool {
	return cause == "LOSE_RACE" || cause == "PICKED_OFF" || cause == "ATTENDED_TRANSFER" || cause == "BLIND_TRANSFER"
}

// person finds out whether a person answered.
func (r *leg) person(f *finding, byID map[string]*leg) {
	switch {
	case r.queueAnswered || strings.EqualFold(r.queueCause, "answered"):
		f.connected(r.answer, "an agent of the queue")
	case r.bridge == "" && !r.bridged:
		return
	case isVoicemailLeg(r.app) && r.bridge != "" && !r.complete:
		f.doubt("it was bridged, and came to voicemail: which was last the record does not tell")
	default:
		b := byID[strings.ToLower(r.bridge)]
		switch {
		case strings.HasPrefix(r.bridgeName, "loopback/") || b != nil && strings.HasPrefix(b.channel, "loopback/"):
			// A loopback leg may end at a phone or in a mailbox.
			f.doubt("it was bridged with a loopback leg, and what answered there the record does not tell")
		case b != nil && b.answer.IsZero() && b.talked == 0:
			f.doubt("it was bridged with a leg that nobody answered")
		default:
			f.connected(r.answer, or(r.bridgeName, "another leg"))
		}
	}
}

func or(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// doubts finds out what is missing for the proof that nobody answered, where the PBX answered the caller.
func (r *leg) doubts(f *finding) {
	switch {
	case r.conference || strings.HasPrefix(r.app, "conference"):
		f.doubt("the caller was in a conference; whether a person was there the record does not tell")
	case strings.EqualFold(r.queueCause, "cancel"):
		f.note(r.end, "the queue ended with %s", or(r.queueCancel, "cancel"))
	case isVoicemailLeg(r.app):
		f.note(r.end, "came to voicemail")
	case r.complete:
		f.note(r.end, "was never bridged; the last application was %s", or(r.app, "none"))
	default:
		f.doubt("the PBX answered, and with whom the caller was the record does not tell")
	}
}

func isVoicemailLeg(app string) bool { return app == "voicemail" }

// ender tells who ended the call (sip_hangup_disposition, and the cause of a caller who gives up).
func (r *leg) ender() textback.Ender {
	switch {
	case strings.HasPrefix(r.disposition, "recv_"):
		return textback.EndedByCaller
	case strings.HasPrefix(r.disposition, "send_"):
		return textback.EndedByPBX
	case r.cause == "ORIGINATOR_CANCEL":
		return textback.EndedByCaller
	default:
		return textback.EnderUnknown
	}
}

// unanswered says how a call was missed that the PBX never answered.
func (r *leg) unanswered() textback.Outcome {
	if r.app == "fifo" || r.app == "callcenter" {
		return r.queue()
	}
	switch r.cause {
	case "ORIGINATOR_CANCEL":
		return textback.Abandoned
	case "SYSTEM_SHUTDOWN":
		return textback.Lost
	case "NORMAL_CLEARING":
		switch {
		case r.ender() == textback.EndedByCaller:
			return textback.Abandoned
		case r.dialStatus != "":
			return dialOutcome(r.dialStatus)
		case r.end.Sub(r.start) < 2*time.Second:
			return textback.Unreachable // nothing can have rung
		default:
			return textback.NoAnswer
		}
	default:
		return dialOutcome(r.cause)
	}
}

func dialOutcome(cause string) textback.Outcome {
	switch cause {
	case "NO_ANSWER", "ALLOTTED_TIMEOUT", "ORIGINATOR_CANCEL", "NO_USER_RESPONSE", "PROGRESS_TIMEOUT", "MEDIA_TIMEOUT":
		return textback.NoAnswer
	case "USER_BUSY":
		return textback.Busy
	case "CALL_REJECTED":
		return textback.Rejected
	default:
		return textback.Unreachable
	}
}

// missed says how a call was missed that the PBX answered and no person did.
func (r *leg) missed() textback.Outcome {
	byCaller := r.ender() == textback.EndedByCaller
	switch {
	case r.message:
		return textback.Voicemail
	case isVoicemailLeg(r.app) && r.messageTold:
		return textback.VoicemailHangup
	case isVoicemailLeg(r.app):
		return textback.Voicemail
	case r.queueCause != "" || r.app == "fifo" || r.app == "callcenter":
		return r.queue()
	case r.app == "ivr" || r.app == "play_and_get_digits" || r.app == "read":
		return textback.MenuAbandoned
	case r.dialStatus != "" && byCaller && r.app == "bridge":
		return textback.Abandoned
	case r.dialStatus != "":
		return dialOutcome(r.dialStatus)
	case byCaller:
		return textback.Abandoned
	case r.ender() == textback.EnderUnknown && r.cause != "NORMAL_CLEARING":
		return dialOutcome(r.cause)
	default:
		return textback.Closed
	}
}

func (r *leg) queue() textback.Outcome {
	switch {
	case r.queueCancel == "TIMEOUT" || r.queueCancel == "NO_AGENT_TIMEOUT":
		return textback.QueueTimeout
	case r.queueCancel == "EXIT_WITH_KEY" || r.ender() != textback.EndedByPBX:
		return textback.QueueAbandoned
	default:
		return textback.QueueTimeout
	}
}

// q850 are the Q.850 values of FreeSWITCH's causes (switch_types.h, switch_call_cause_t); 0 for the others.
func q850(cause string) int {
	switch cause {
	case "UNALLOCATED_NUMBER":
		return 1
	case "NORMAL_CLEARING":
		return 16
	case "USER_BUSY":
		return 17
	case "NO_USER_RESPONSE":
		return 18
	case "NO_ANSWER":
		return 19
	case "SUBSCRIBER_ABSENT":
		return 20
	case "CALL_REJECTED":
		return 21
	case "DESTINATION_OUT_OF_ORDER":
		return 27
	case "NORMAL_UNSPECIFIED":
		return 31
	case "NORMAL_CIRCUIT_CONGESTION":
		return 34
	case "NORMAL_TEMPORARY_FAILURE":
		return 41
	case "RECOVERY_ON_TIMER_EXPIRE":
		return 102
	default:
		return 0
	}
}
