package ari

import (
	"strconv"
	"strings"

	v6 "github.com/CyCoreSystems/ari/v6"

	"textback"
)

// stages are the applications of the dialplan that tell where a caller is. Those that only set, test or wait are not here, nor
// AGI: FreePBX uses it at every corner.
var stages = map[string]textback.Stage{
	"dial": textback.StageDial, "retrydial": textback.StageDial, "followme": textback.StageDial, "page": textback.StageDial,
	"queue": textback.StageQueue, "agentrequest": textback.StageQueue,
	"voicemail": textback.StageVoicemail, "minivmrecord": textback.StageVoicemail, "minivmgreet": textback.StageVoicemail,
	"background": textback.StageMenu, "backgrounddetect": textback.StageMenu, "waitexten": textback.StageMenu,
	"read": textback.StageMenu, "readexten": textback.StageMenu, "directory": textback.StageMenu,
	"voicemailmain": textback.StageMenu, "speechbackground": textback.StageMenu, "authenticate": textback.StageMenu,
	"disa": textback.StageMenu, "vmauthenticate": textback.StageMenu, "externalivr": textback.StageMenu,
	"confbridge": textback.StageConference, "meetme": textback.StageConference, "jack": textback.StageConference,
	"park": textback.StagePark, "parkandannounce": textback.StagePark,
	"playback": textback.StageAnnouncement, "controlplayback": textback.StageAnnouncement,
	"playtones": textback.StageAnnouncement, "zapateller": textback.StageAnnouncement, "festival": textback.StageAnnouncement,
	"sayunixtime": textback.StageAnnouncement, "saydigits": textback.StageAnnouncement,
	"saynumber": textback.StageAnnouncement, "sayalpha": textback.StageAnnouncement, "sayphonetic": textback.StageAnnouncement,
	"mp3player": textback.StageAnnouncement, "morsecode": textback.StageAnnouncement,
	"stasis": textback.StageProgram,
	"busy":   textback.StageRefused, "congestion": textback.StageRefused, "hangup": textback.StageRefused,
}

// dialplan reads the stage to which a channel came.
func (t *Translator) dialplan(m *Message, e *v6.ChannelDialplan) []textback.Event {
	if e.Channel.Dialplan.GetExten() == "h" {
		return nil // cleaning up after the end
	}
	app := strings.ToLower(e.DialplanApp)
	stage, ok := stages[app]
	if !ok {
		return nil
	}
	in := pbxEvent(m, e.Timestamp, textback.StageEntered, e.Channel.ID)
	in.Stage, in.Of = stage, helper(e.Channel.Name)
	switch app {
	case "busy":
		in.Cause = textback.Cause{Q850: 17, Word: "Busy"}
	case "congestion":
		in.Cause = textback.Cause{Q850: 34, Word: "Congestion"}
	case "hangup":
		// Without a cause it is just the end of the dialplan.
		cause, err := strconv.Atoi(strings.TrimSpace(e.DialplanAppData))
		if err != nil || cause <= 0 || cause == 16 {
			return nil
		}
		in.Cause = textback.Cause{Q850: cause, Word: "Hangup(" + strconv.Itoa(cause) + ")"}
	}
	return []textback.Event{in}
}

// dialResults are the values of DIALSTATUS. It belongs to one Dial, not to the call.
var dialResults = map[string]textback.Result{
	"NOANSWER": textback.ResultTimeout, "BUSY": textback.ResultBusy, "CHANUNAVAIL": textback.ResultUnavailable,
	"CONGESTION": textback.ResultUnavailable, "CANCEL": textback.ResultAbandoned, "DONTCALL": textback.ResultRejected,
	"TORTURE": textback.ResultRejected, "INVALIDARGS": textback.ResultUnavailable,
}

// queueResults are the values of QUEUESTATUS; it is not set when the caller hangs up or is answered.
var queueResults = map[string]textback.Result{
	"TIMEOUT": textback.ResultTimeout, "LEAVEEMPTY": textback.ResultTimeout, "LEAVEUNAVAIL": textback.ResultTimeout,
	"WITHDRAW": textback.ResultTimeout, "JOINEMPTY": textback.ResultUnavailable, "JOINUNAVAIL": textback.ResultUnavailable,
	"FULL": textback.ResultUnavailable,
}

// voicemailResults are the values of VMSTATUS.
var voicemailResults = map[string]textback.Result{
	"SUCCESS": textback.ResultMessage, "FAILED": textback.ResultNoMessage, "USEREXIT": textback.ResultNoMessage,
}
