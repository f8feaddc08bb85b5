package esltest

import (
	"fmt"
	"strings"
)

// nativeEvents are the names that the event command knows (switch_types.h); an unknown one is passed over.
var nativeEvents = func() map[string]bool {
	known := map[string]bool{}
	for name := range strings.FieldsSeq(`CLONE CHANNEL_CREATE CHANNEL_DESTROY CHANNEL_STATE CHANNEL_CALLSTATE CHANNEL_ANSWER
		CHANNEL_HANGUP CHANNEL_HANGUP_COMPLETE CHANNEL_EXECUTE CHANNEL_EXECUTE_COMPLETE CHANNEL_HOLD CHANNEL_UNHOLD
		CHANNEL_BRIDGE CHANNEL_UNBRIDGE CHANNEL_PROGRESS CHANNEL_PROGRESS_MEDIA CHANNEL_OUTGOING CHANNEL_PARK
		CHANNEL_UNPARK CHANNEL_APPLICATION CHANNEL_ORIGINATE CHANNEL_UUID API LOG INBOUND_CHAN OUTBOUND_CHAN STARTUP
		SHUTDOWN PUBLISH UNPUBLISH TALK NOTALK SESSION_CRASH MODULE_LOAD MODULE_UNLOAD DTMF MESSAGE PRESENCE_IN
		NOTIFY_IN PRESENCE_OUT PRESENCE_PROBE MESSAGE_WAITING MESSAGE_QUERY ROSTER CODEC BACKGROUND_JOB DETECTED_SPEECH
		DETECTED_TONE PRIVATE_COMMAND HEARTBEAT TRAP ADD_SCHEDULE DEL_SCHEDULE EXE_SCHEDULE RE_SCHEDULE RELOADXML NOTIFY
		PHONE_FEATURE PHONE_FEATURE_SUBSCRIBE SEND_MESSAGE RECV_MESSAGE REQUEST_PARAMS CHANNEL_DATA GENERAL COMMAND
		SESSION_HEARTBEAT CLIENT_DISCONNECTED SERVER_DISCONNECTED SEND_INFO RECV_INFO RECV_RTCP_MESSAGE SEND_RTCP_MESSAGE
		CALL_SECURE NAT RECORD_START RECORD_STOP PLAYBACK_START PLAYBACK_STOP CALL_UPDATE FAILURE SOCKET_DATA
		MEDIA_BUG_START MEDIA_BUG_STOP CONFERENCE_DATA_QUERY CONFERENCE_DATA CALL_SETUP_REQ CALL_SETUP_RESULT CALL_DETAIL
		DEVICE_STATE TEXT SHUTDOWN_REQUESTED`) {
		known[name] = true
	}
	return known
}()

// api runs an API command and returns its output.
func (s *Server) api(line string) string {
	name, arguments, _ := strings.Cut(line, " ")
	if out, ok := s.opts.API[line]; ok {
		return out
	}
	switch name {
	case "originate":
		return s.originate(arguments)
	case "status":
		s.mu.Lock()
		defer s.mu.Unlock()
		return fmt.Sprintf("UP 0 years, 0 days, 0 hours, 1 minute, 0 seconds, 0 milliseconds, 0 microseconds\n"+
			"FreeSWITCH (Version 1.10.12-release  64bit) is ready\n%d session(s) since startup\n", s.state.created)
	case "version":
		return "FreeSWITCH Version 1.10.12-release~64bit (-release 64bit)\n"
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case name == "show" && s.nosql:
		return "-ERR SQL Disabled, no data available!\n"
	case line == "show channels as json":
		return s.state.channels()
	case line == "show calls as json":
		return s.state.calls()
	case line == "global_getvar core_uuid" && s.hideCore:
		return ""
	case line == "global_getvar core_uuid":
		return s.core
	case name == "uuid_dump":
		uuid, format, _ := strings.Cut(arguments, " ")
		dump, ok := s.state.dump(uuid)
		if !ok {
			return "-ERR No such channel!\n"
		}
		if format == "json" {
			return string(dump.JSON())
		}
		return string(dump.Plain())
	}
	return fmt.Sprintf("-ERR %s Command not found!\n", name)
}

func (s *Server) originate(arguments string) string {
	if s.opts.Originate != nil {
		return s.opts.Originate(arguments)
	}
	_, uuid, ok := strings.Cut(arguments, "origination_uuid=")
	if uuid, _, _ = strings.Cut(uuid, ","); !ok || len(uuid) < 36 {
		uuid = NewUUID()
	}
	return "+OK " + strings.TrimRight(uuid[:36], "}") + "\n"
}

// background runs a command as a job: the reply names it, a BACKGROUND_JOB event brings the result.
func (c *conn) background(line, job string) {
	if job == "" {
		job = NewUUID()
	}
	c.reply("+OK Job-UUID: "+job, "Job-UUID: "+job)
	c.server.work.Go(func() {
		name, arguments, _ := strings.Cut(line, " ")
		e := NewEvent("Event-Name", "BACKGROUND_JOB", "Job-UUID", job, "Job-Command", name, "Job-Command-Arg", arguments)
		e.Body = c.server.api(line)
		c.server.Emit(e)
	})
}
