package ari

import (
	"fmt"
	"time"

	v6 "github.com/CyCoreSystems/ari/v6"
)

// MessageKind tells what a [Message] is about.
type MessageKind uint8

const (
	_ MessageKind = iota
	// MessageUp: the link stands and Snapshot has what lives on the PBX. It comes after each connect, and after each
	// MessageOverflow without the link having been down. What is not in the snapshot is gone.
	MessageUp
	// MessageDown: a link that was up is lost; Err tells why. Events are missing from here to the next MessageUp.
	MessageDown
	// MessageEvent: an event of the PBX.
	MessageEvent
	// MessageVariables: the answer to a [Lookup]: Channel and Values. Each Lookup gets exactly one.
	MessageVariables
	// MessageOverflow: events were dropped because handle was too slow. A read-back follows (MessageUp), or MessageDown.
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
	case MessageVariables:
		return "variables"
	case MessageOverflow:
		return "overflow"
	default:
		return fmt.Sprintf("MessageKind(%d)", uint8(k))
	}
}

// Message is one thing that [Run] hands on.
//
// Between a connect and its MessageUp only events come that the read-back already includes: those up to the end of a
// channel that the snapshot does not list any more, so that a call which ended in this moment still gets its true end.
// All other events of that time follow MessageUp.
type Message struct {
	Kind MessageKind
	Seen time.Time // when it was taken off the wire, by our clock

	Type  string   // MessageEvent: the event's type, e.g. "ChannelCreated"
	Raw   []byte   // MessageEvent: the JSON as it came; not to be changed
	Event v6.Event // MessageEvent: decoded; nil if ari/v6 has no such type or nothing could be decoded

	Snapshot *Snapshot // MessageUp

	Channel string            // MessageVariables: the channel's id
	Values  map[string]string // MessageVariables: by the names asked for; "" where the PBX gave none

	// Err: MessageDown: why. MessageEvent: what could not be decoded; Event has the rest. MessageVariables: why values
	// are missing.
	Err error

	quick bool // Event was decoded by decodeQuick, which found tech_cause too
	tech  int
}

// Snapshot is what a read-back found.
type Snapshot struct {
	Channels []Channel
	Bridges  []Bridge
	// Restarted: the PBX was started anew since the snapshot before. Nothing that lived then lives now.
	Restarted bool
	// StartedAt is when the PBX started, by its clock. Zero where it does not tell.
	StartedAt time.Time
}

// Channel is a channel as GET /channels lists it, or as an event shows it.
type Channel struct {
	v6.ChannelData
	CallerRDNIS string    // number of the diversion (caller_rdnis); absent while the channel is new
	Created     time.Time // creationtime, by the PBX's clock
	Raw         []byte    // the JSON as it came
}

// Bridge is a bridge as GET /bridges lists it.
type Bridge struct {
	v6.BridgeData
	Raw []byte // the JSON as it came
}

// Lookup asks for variables of a channel, dialplan functions included, e.g. "CALLERID(pres)".
type Lookup struct {
	Channel   string // id
	Variables []string
}
