package esl

import (
	"maps"
	"strconv"
	"strings"
	"time"

	"textback"
)

// hangup reads a CHANNEL_HANGUP_COMPLETE. It has every variable, so it alone is enough to judge by where the events before it
// were lost.
func (t *Translator) hangup(m *Message, h head, at time.Time) []textback.Event {
	id := h["Unique-ID"]
	over := first(h.at("Caller-Channel-Hangup-Time"), at)
	out := append(t.relations(m, h), t.known(m, h)...)
	e := func(kind textback.EventKind) textback.Event {
		return textback.Event{Kind: kind, At: over, Seen: m.Seen, Leg: id, Of: helper(h["Channel-Name"])}
	}
	stage := stageOf(h.v("last_app"), h.v("last_arg"))
	if stage == 0 && h.v("endpoint_disposition") == "EARLY MEDIA" {
		stage = textback.StageAnnouncement // something was played before the end, without answering
	}
	if stage != 0 {
		in := e(textback.StageEntered)
		in.Stage, in.Found = stage, true
		out = append(out, in)
	}
	ended := func(stage textback.Stage, result textback.Result) {
		if result != 0 {
			end := e(textback.StageEnded)
			end.Stage, end.Result, end.Found = stage, result, true
			out = append(out, end)
		}
	}
	if h.v("cc_cause") == "cancel" {
		ended(textback.StageQueue, queueResult(h.v("cc_cancel_reason")))
	}
	switch h.v("fifo_status") {
	case "ABORTED":
		ended(textback.StageQueue, textback.ResultAbandoned)
	case "TIMEOUT":
		ended(textback.StageQueue, textback.ResultTimeout)
	}
	if h.v("voicemail_message_len") != "" {
		ended(textback.StageVoicemail, textback.ResultMessage)
	}
	ended(textback.StageDial, dialResult(h))

	word := h["Hangup-Cause"]
	ask := e(textback.HangupRequested)
	switch disposition := h.v("sip_hangup_disposition"); {
	case strings.HasPrefix(disposition, "recv_"):
		ask.By = textback.EndedByCaller
	case strings.HasPrefix(disposition, "send_"):
		ask.By = textback.EndedByPBX
	case word == "ORIGINATOR_CANCEL":
		ask.By = textback.EndedByCaller
	}
	ask.Shutdown = word == "SYSTEM_SHUTDOWN"
	ask.Elsewhere = ask.By == textback.EndedByCaller && h.at("Caller-Channel-Answered-Time").IsZero() && elsewhere(h, word)
	end := e(textback.LegEnded)
	end.Cause = textback.Cause{Q850: q850(word, h.v("hangup_cause_q850")), Word: word}
	return append(out, ask, end)
}

// known gives what any full set of headers (HANGUP_COMPLETE, uuid_dump) tells about a leg's past.
func (t *Translator) known(m *Message, h head) []textback.Event {
	id := h["Unique-ID"]
	created := first(h.at("Caller-Channel-Created-Time"), h.at("Event-Date-Timestamp"), m.Seen)
	in := t.info(h, true)
	e := func(kind textback.EventKind, at time.Time) textback.Event {
		return textback.Event{Kind: kind, At: at, Seen: m.Seen, Leg: id, Of: helper(h["Channel-Name"])}
	}
	made := e(textback.LegCreated, created)
	made.Info, made.Found = in, true
	out := []textback.Event{made}
	if up := h.at("Caller-Channel-Answered-Time"); !up.IsZero() {
		answered := e(textback.LegAnswered, up)
		answered.Of = 0
		out = append(out, answered)
	}
	rang, media := h.at("Caller-Channel-Progress-Time"), h.at("Caller-Channel-Progress-Media-Time")
	if rang.IsZero() || !media.IsZero() && media.Before(rang) {
		rang = media
	}
	if !rang.IsZero() {
		out = append(out, e(textback.LegRinging, rang))
	}
	for i, other := range []string{h.v("last_bridge_to"), h.v("bridge_uuid")} {
		if other == "" || other == id || i > 0 && other == h.v("last_bridge_to") {
			continue
		}
		both := e(textback.LegLinked, time.Time{})
		both.Other, both.Found, both.Text = other, true, h.v("bridge_channel")
		// It may be all that is left of the other leg. Early media is a bridge as well, but then nobody answered this leg.
		both.On = in.Kind == textback.LegInbound && !strings.HasPrefix(h.v("bridge_channel"), "loopback/")
		out = append(out, both)
	}
	if in.Kind != textback.LegInbound {
		return out
	}
	fact := func(kind textback.FactKind) textback.Event {
		f := e(textback.LegFact, created)
		f.Fact, f.Found = kind, true
		return f
	}
	for i, from := range t.o.LineFrom {
		if from != "exten" && from != "to" && h.v(from) != "" {
			f := fact(textback.FactDialled)
			f.Index, f.Text = i, h.v(from)
			out = append(out, f)
		}
	}
	if value := h[t.noText]; value != "" {
		f := fact(textback.FactDeclined)
		f.On = strings.EqualFold(value, t.noTextIs)
		out = append(out, f)
	}
	if passed, told := verification(h); told {
		f := fact(textback.FactVerified)
		f.On = passed
		out = append(out, f)
	}
	return out
}

// stageOf reads the last application that a leg ran. What only sets or tests is no stage.
func stageOf(app, arg string) textback.Stage {
	switch strings.ToLower(app) {
	case "bridge":
		return textback.StageDial
	case "callcenter", "fifo":
		return textback.StageQueue
	case "voicemail":
		if strings.HasPrefix(arg, "check") {
			return textback.StageMenu
		}
		return textback.StageVoicemail
	case "play_and_get_digits", "ivr", "read", "play_and_detect_speech", "detect_speech", "directory":
		return textback.StageMenu
	case "conference":
		return textback.StageConference
	case "valet_park", "park":
		return textback.StagePark
	case "playback", "endless_playback", "loop_playback", "speak", "say", "phrase", "gentones", "displace_session":
		return textback.StageAnnouncement
	case "lua", "javascript", "python", "python3", "perl", "socket", "httapi", "managed", "v8":
		// FusionPBX does most of its work in Lua; the script's name tells which.
		switch arg = strings.ToLower(arg); {
		case strings.Contains(arg, "voicemail"):
			return textback.StageVoicemail
		case strings.Contains(arg, "ring_group"), strings.Contains(arg, "follow_me"), strings.Contains(arg, "failure_handler"):
			return textback.StageDial
		case strings.Contains(arg, "conference"):
			return textback.StageConference
		case strings.Contains(arg, "ivr"), strings.Contains(arg, "menu"), strings.Contains(arg, "directory"):
			return textback.StageMenu
		case strings.Contains(arg, "streamfile"), strings.Contains(arg, "announce"):
			return textback.StageAnnouncement
		}
		return textback.StageProgram
	default:
		return 0
	}
}

// dialResult says how the last dial of a leg ended.
func dialResult(h head) textback.Result {
	cause := h.v("originate_failed_cause")
	if cause == "" {
		cause = h.v("originate_disposition")
	}
	switch strings.ToUpper(cause) {
	case "", "SUCCESS", "PICKED_OFF", "NONE":
		return 0
	case "NO_ANSWER", "ALLOTTED_TIMEOUT":
		return textback.ResultTimeout
	case "USER_BUSY":
		return textback.ResultBusy
	case "CALL_REJECTED":
		return textback.ResultRejected
	case "ORIGINATOR_CANCEL":
		return textback.ResultAbandoned
	default:
		return textback.ResultUnavailable
	}
}

// elsewhere tells whether the caller's side ended the call because it was answered elsewhere: by the cause that FreeSWITCH makes
// of the CANCEL's Reason header, or by the header itself.
func elsewhere(h head, word string) bool {
	switch word {
	case "LOSE_RACE", "PICKED_OFF", "ANSWERED_ELSEWHERE":
		return true
	}
	for _, name := range []string{"sip_reason", "sip_h_Reason", "sip_rh_Reason", "sip_bye_h_Reason", "sip_cancel_reason",
		"cancel_reason"} {
		reason := strings.ToLower(strings.ReplaceAll(h.v(name), " ", ""))
		if strings.Contains(reason, "completedelsewhere") || strings.Contains(reason, "sip;cause=200") ||
			strings.Contains(reason, "q.850;cause=26") {
			return true
		}
	}
	return false
}

// q850 is the Q.850 value of a hangup cause. FreeSWITCH's own causes are beyond its range and come as 16; those that say why a
// phone could not be rung must not.
func q850(word, given string) int {
	switch word {
	case "USER_NOT_REGISTERED":
		return 20
	case "GATEWAY_DOWN", "INVALID_GATEWAY", "INVALID_PROFILE", "INVALID_URL", "PROGRESS_TIMEOUT", "MEDIA_TIMEOUT", "CRASH",
		"SYSTEM_SHUTDOWN":
		return 38
	case "ALLOTTED_TIMEOUT", "NO_ANSWER":
		return 19
	case "LOSE_RACE", "PICKED_OFF":
		return 26
	case "NO_PICKUP":
		return 20
	case "BUSY_EVERYWHERE":
		return 17
	case "DECLINE":
		return 21
	}
	n, err := strconv.Atoi(given)
	if err != nil || n < 0 || n > 127 {
		return 0
	}
	return n
}

// snapshot reads what lives after a connect or an overflow.
func (t *Translator) snapshot(m *Message) []textback.Event {
	up := textback.Event{Kind: textback.LinkUp, At: m.Seen, Seen: m.Seen}
	if m.Snapshot == nil {
		return []textback.Event{up}
	}
	if m.Snapshot.Blind != nil && !m.Snapshot.Restarted {
		return nil // the lists mean nothing: what was known before may live on, and tells of its end itself
	}
	up.Restarted = m.Snapshot.Restarted
	var out []textback.Event
	for _, row := range m.Snapshot.Channels {
		id := row["uuid"]
		if id == "" {
			continue
		}
		up.Live = append(up.Live, id)
		h := head(maps.Clone(m.Snapshot.Dumps[id]))
		if h["Unique-ID"] != id {
			h = headOf(row)
		} else if initial := row["initial_context"]; initial != "" {
			h["Caller-Context"] = initial
		}
		out = append(out, t.relations(m, h)...)
		for _, e := range t.known(m, h) {
			if initial := row["initial_dest"]; e.Info != nil && e.Info.Kind == textback.LegInbound && initial != "" {
				for i, from := range t.o.LineFrom {
					if from == "exten" {
						e.Info.Dialled[i] = initial
					}
				}
			}
			out = append(out, e)
		}
		found := textback.Event{Seen: m.Seen, Leg: id, Found: true}
		switch row["callstate"] {
		case "ACTIVE", "HELD", "UNHELD":
			found.Kind = textback.LegAnswered
		case "RINGING", "EARLY":
			found.Kind = textback.LegRinging
		}
		if found.Kind != 0 {
			out = append(out, found)
		}
		if a := row["call_uuid"]; a != "" && a != id && row["direction"] == "outbound" && helper(row["name"]) != textback.LegVirtual {
			out = append(out, textback.Event{Kind: textback.LegDialled, Seen: m.Seen, Leg: a, Other: id, Found: true,
				Stage: textback.StageDial})
		}
		if stage := stageOf(row["application"], row["application_data"]); stage != 0 && stage != textback.StageDial {
			out = append(out, textback.Event{Kind: textback.StageEntered, Seen: m.Seen, Leg: id, Stage: stage, Found: true})
		}
	}
	for _, row := range m.Snapshot.Calls {
		if a, b := row["uuid"], row["b_uuid"]; a != "" && b != "" {
			out = append(out, textback.Event{Kind: textback.LegLinked, Seen: m.Seen, Leg: a, Other: b, Found: true})
		}
	}
	return append([]textback.Event{up}, out...)
}

// headOf makes headers of a row of `show channels`, for a leg without a dump. The initial values are those of its beginning.
func headOf(row map[string]string) head {
	pick := func(names ...string) string {
		for _, name := range names {
			if row[name] != "" {
				return row[name]
			}
		}
		return ""
	}
	h := head{"Unique-ID": row["uuid"], "Channel-Name": row["name"], "Call-Direction": row["direction"],
		"Channel-Presence-ID": row["presence_id"], "Caller-Context": pick("initial_context", "context"),
		"Caller-Destination-Number": pick("initial_dest", "dest"), "Caller-Caller-ID-Number": pick("initial_cid_num", "cid_num"),
		"Caller-Caller-ID-Name": pick("initial_cid_name", "cid_name")}
	if epoch, err := strconv.ParseInt(row["created_epoch"], 10, 64); err == nil && epoch > 0 && epoch < 1<<40 {
		h["Caller-Channel-Created-Time"] = strconv.FormatInt(epoch*1e6, 10)
	}
	return h
}
