package smpp

import (
	"context"
	"time"

	"textback"
)

// Segment is one submit_sm to be sent.
type Segment struct {
	To   string           // E.164, or what the line's numbering has
	From string           // the sender: E.164, a short number, or up to eleven letters
	Part textback.Segment // out of [Link.Segments]

	Concat    byte      // concatenation reference, the same for all parts of a text; not used for a text of one part
	Reference uint16    // user_message_reference, sent if the link's reference is on and it is not 0
	Validity  time.Time // the message centre shall not try after this; zero: its own default
	NoReceipt bool      // no receipt even though the link asks for them
	Token     any       // the caller's own; comes back in the Answer
}

// Sent tells how far a submit_sm got. It is what decides whether it may be sent again.
type Sent uint8

const (
	_ Sent = iota
	// NotSent: not one octet of it was written.
	NotSent
	// Uncertain: it was written, or part of it, and there is no answer.
	Uncertain
	// Answered: the message centre answered; Status says what.
	Answered
)

// String is the word for it.
func (s Sent) String() string {
	switch s {
	case NotSent:
		return "not sent"
	case Uncertain:
		return "uncertain"
	case Answered:
		return "answered"
	default:
		return "unknown"
	}
}

// Answer is what became of one submit_sm.
type Answer struct {
	Link      string // name of the link
	Token     any    // of the Segment
	Sent      Sent
	MessageID string    // as it stood in submit_sm_resp; may be empty or useless
	Status    uint32    // command_status, if Answered
	Written   time.Time // when it was handed to the connection; zero if NotSent
	At        time.Time // when this was known
	Late      bool      // the answer came after ErrUnanswered had been reported
}

// Concat says that a message is one part of several (3GPP TS 23.040, 9.2.3.24.1 and .8, or the sar_ TLVs of SMPP 3.4).
type Concat struct {
	Ref   uint16
	Bits  int // 8 or 16: width of the reference
	Total int
	Index int // from 1
}

// Delivery is what the message centre delivered: a receipt or a message, never both.
type Delivery struct {
	Receipt *textback.Receipt
	Message *Message
}

// Message is a message from a phone, or one part of one. Everything in it is hostile input.
type Message struct {
	From string // + and digits where international, else as it came
	To   string // the sender address of ours that it went to
	Body string // decoded; of a part: what that part says if it is read alone
	At   time.Time
	Link string
	// Binary: data_coding or a port address says that it is not for reading. Body is a guess.
	Binary bool
	// Part is set if the message is one part of several: give it to a Reassembler.
	Part *Part
}

// State is where one bind of a link stands.
type State uint8

const (
	_ State = iota
	// Connecting: dialling and binding.
	Connecting
	// Bound: the message centre took the bind.
	Bound
	// Down: the connection failed or ended; it is tried again after Retry.
	Down
	// Refused: the message centre refuses the credentials; it is tried again, slowly.
	Refused
	// Stopped: the link was told to stop.
	Stopped
)

// String is the state's word in the log.
func (s State) String() string {
	switch s {
	case Connecting:
		return "connecting"
	case Bound:
		return "bound"
	case Down:
		return "down"
	case Refused:
		return "refused"
	case Stopped:
		return "stopped"
	default:
		return "unknown"
	}
}

// Status is told when a bind of a link changes its state.
type Status struct {
	Link  string
	Bind  string // "transceiver", "transmitter" or "receiver"
	State State
	Err   error         // why, for Down and Refused
	Retry time.Duration // until the next attempt, for Down and Refused
	Tries int           // how often in a row it failed: log the first
	Peer  string        // system_id of the message centre, if Bound
}

// Fault is something that is wrong but does not end the link. It is to be logged sparingly: once per link, word and minute.
type Fault struct {
	Link string
	Word string // "broken-pdu", "unknown-pdu", "throttled", "unanswered", "late-answer", "overflow"
	Err  error
}

// Handlers are told of what happens on a link. Any may be nil except Deliver. None is called on the goroutine that reads
// the connection. Deliver is called concurrently, but for one sender in the order in which the messages came.
type Handlers struct {
	// Deliver takes a receipt or message and returns the command_status of the deliver_sm_resp, which is sent then and
	// not before: 0 when it is durable, StatusTryAgain when it could not be stored. ctx ends when the link is stopped.
	Deliver func(ctx context.Context, d Delivery) (status uint32)
	// Late tells of the answer to a submit_sm that was reported as Uncertain by a timeout or a context that ended.
	Late   func(Answer)
	Status func(Status)
	Fault  func(Fault)
}

// Counters are totals since the link was made.
type Counters struct {
	Submitted  uint64 // submit_sm written
	Accepted   uint64 // answered with ESME_ROK
	Refused    uint64 // answered with another status, throttling not counted
	Throttled  uint64 // answered with ESME_RTHROTTLED or ESME_RMSGQFUL
	Unanswered uint64 // reported as Uncertain
	Late       uint64 // answered after that
	Delivered  uint64 // deliver_sm and data_sm taken
	Receipts   uint64 // of these, receipts
	Deferred   uint64 // of these, answered with a status that is not ESME_ROK
	Broken     uint64 // PDUs that could not be read
	Unknown    uint64 // PDUs with an unknown command or that answer nothing
	Binds      uint64 // successful binds
	Failures   uint64 // connections that failed or ended
	InFlight   int    // now waiting for an answer
}
