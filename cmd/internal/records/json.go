package records

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"textback"
)

// maxJSON bounds one JSON record in bytes.
const maxJSON = 4 << 20

// jsonCDR is what is read of a record of mod_json_cdr (switch_ivr_generate_json_cdr).
type jsonCDR struct {
	Channel struct {
		Direction string `json:"direction"`
	} `json:"channel_data"`
	Variables map[string]any `json:"variables"`
	Callflow  []struct {
		Profile struct {
			Number  string `json:"caller_id_number"`
			Name    string `json:"caller_id_name"`
			Dialled string `json:"destination_number"`
			UUID    string `json:"uuid"`
			Context string `json:"context"`
			Channel string `json:"chan_name"`
		} `json:"caller_profile"`
		Times struct {
			Created  string `json:"created_time"`
			Answered string `json:"answered_time"`
			Bridged  string `json:"bridged_time"`
			Hangup   string `json:"hangup_time"`
		} `json:"times"`
	} `json:"callflow"`
}

// parseJSON reads one record of mod_json_cdr.
func parseJSON(b []byte) (leg, error) {
	var j jsonCDR
	if err := json.Unmarshal(b, &j); err != nil {
		return leg{}, fmt.Errorf("read a json record: %w", err)
	}
	// mod_json_cdr writes variables in URL encoding unless encode-values is off.
	v := func(name string) string {
		s, _ := j.Variables[name].(string)
		if u, err := url.PathUnescape(s); err == nil {
			return u
		}
		return s
	}
	r := leg{complete: true, messageTold: true, id: strings.ToLower(v("uuid")), direction: or(j.Channel.Direction, v("direction")),
		channel: v("channel_name"), caller: v("caller_id_number"), name: v("caller_id_name"), cause: v("hangup_cause"),
		disposition: v("sip_hangup_disposition"), app: or(v("last_app"), v("current_application")), dialStatus: v("originate_disposition"),
		bridge: or(v("bridge_uuid"), v("last_bridge_to")), bridgeName: v("bridge_channel"),
		queueCause: v("cc_cause"), queueCancel: v("cc_cancel_reason")}
	if strings.HasPrefix(r.direction, "out") {
		r.direction = "outbound"
	}
	dial := func(form string) {
		if form != "" && !slices.Contains(r.dialled, form) && len(r.dialled) < 8 {
			r.dialled = append(r.dialled, form)
		}
	}
	// The callflow stands from the last profile to the first: the first is the call as it arrived.
	for i := len(j.Callflow) - 1; i >= 0; i-- {
		p, t := &j.Callflow[i].Profile, &j.Callflow[i].Times
		if r.context == "" {
			r.context = p.Context
			r.caller, r.name = or(p.Number, r.caller), or(p.Name, r.name)
		}
		r.id, r.channel = or(r.id, strings.ToLower(p.UUID)), or(r.channel, p.Channel)
		dial(p.Dialled)
		if at, ok := readTime(t.Bridged, time.UTC); ok {
			r.bridged = true
			r.answer = at // better than the leg's own: the PBX may have answered long before
		}
	}
	dial(v("sip_to_user"))
	dial(v("destination_number"))
	if r.context == "" {
		r.context = v("user_context")
	}
	var ok bool
	if r.start, ok = readTime(or(v("start_uepoch"), v("start_epoch")), time.UTC); !ok || !isUUID(r.id) {
		return r, fmt.Errorf("read a json record: it has no uuid or no start_epoch")
	}
	if at, ok := readTime(or(v("answer_uepoch"), v("answer_epoch")), time.UTC); ok && r.answer.IsZero() {
		r.answer = at
	}
	if r.end, ok = readTime(or(v("end_uepoch"), v("end_epoch")), time.UTC); !ok || r.end.Before(r.start) {
		r.end = r.start.Add(seconds(v("duration")))
	}
	r.talked = seconds(v("billsec"))
	_, r.queueAnswered = readTime(v("cc_queue_answered_epoch"), time.UTC)
	r.conference = v("conference_uuid") != "" || v("conference_name") != ""
	r.message = v("voicemail_message_len") != "" && v("voicemail_message_len") != "0"
	r.withheld = private(v("sip_Privacy")) || private(v("sip_privacy")) || v("privacy_hide_number") == "true"
	switch verstat := v("sip_verstat"); {
	case strings.HasPrefix(verstat, "TN-Validation-Failed"):
		r.verification = textback.VerificationFailed
	case strings.HasPrefix(verstat, "TN-Validation-Passed"):
		r.verification = textback.VerificationPassed
	}
	return r, nil
}

// private reads a Privacy header (RFC 3323).
func private(header string) bool { return header != "" && !strings.EqualFold(header, "none") }
