package esl

import (
	"fmt"
	"time"
)

// MessageKind tells what a [Message] is about.
type MessageKind uint8

const (
	_ MessageKind = iota
	// MessageUp: the link is up and subscribed; Snapshot is what lives on the PBX now. Events follow.
	MessageUp
	// MessageDown: the link was lost after it had been up; Err says why. What happens on the PBX now is not seen.
	MessageDown
	// MessageEvent: one event.
	MessageEvent
	// MessageOverflow: events were lost although the link stayed up (the receiver was too slow, or an event could not
	// be read); Err says how many, Snapshot is what lives on the PBX now.
	MessageOverflow
)

// String is the kind's word.
func (k MessageKind) String() string {
	switch k {
	case MessageUp:
		return "up"
	case MessageDown:
		return "down"
	case MessageEvent:
		return "event"
	case MessageOverflow:
		return "overflow"
	default:
		return fmt.Sprintf("MessageKind(%d)", uint8(k))
	}
}

// Message is one thing that the link tells, in the order in which it happened on the wire. Which fields are set depends
// on Kind. The maps belong to the receiver.
type Message struct {
	Kind MessageKind
	Seen time.Time // when it came off the wire, by our clock

	// Of an event: Event-Name, Event-Subclass ("" unless Name is CUSTOM), and all headers by FreeSWITCH's names
	// ("Unique-ID", "variable_sip_to_user"), values as they are, not url-encoded. A header with several values has
	// FreeSWITCH's own form "ARRAY::a|:b"; the body of an event is under "_body". Names are unique; of a header that
	// came twice the first is kept, as switch_event_get_header does.
	Name     string
	Subclass string
	Headers  map[string]string

	Snapshot *Snapshot // MessageUp and MessageOverflow
	Err      error     // MessageDown and MessageOverflow
}

// Snapshot is what lives on the PBX at one moment, read back after subscribing: what began in a gap is in it, and what
// was known before and is not in it ended in the gap.
type Snapshot struct {
	CoreUUID  string // FreeSWITCH's own id, new with each start
	Restarted bool   // CoreUUID is not the one that this link saw before: every call known before is gone

	// Blind says why the live channels could not be listed; nil if they could. The lists are empty then, and mean nothing.
	Blind error

	// Channels are the rows of `show channels as json`: uuid, direction, created_epoch, name, state, callstate, cid_name,
	// cid_num, dest, context, call_uuid, initial_cid_num, initial_dest, initial_context and more.
	Channels []map[string]string
	// Calls are the rows of `show calls as json`: for bridged pairs also b_uuid, b_callstate and so on.
	Calls []map[string]string
	// Dumps are the answers of `uuid_dump UUID json` for inbound legs, by uuid: the same names as in an event. A leg
	// that ended in the meantime has none (its end is told after the snapshot), nor have those beyond Options.MaxDumps
	// (the youngest legs come first). Legs that FreeSWITCH still lists but does not know any more are left out of all.
	Dumps map[string]map[string]string
}
