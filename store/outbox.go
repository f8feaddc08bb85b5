package store

import (
	"time"

	"textback"
)

// NewText is a text to queue that answers no missed call: a help answer, a branch's answer, a booking confirmation, a
// note to staff. ID, State and Created are set by the store.
type NewText struct {
	Text       textback.Text
	SharedWith []string // other businesses on the same sender, for the opt-out check
	Incoming   uint64   // the incoming message that it answers, marked as handled in the same transaction; 0 if none
	Also       func(textback.Text) []Delivery
}

// Attempt is what is made durable before a text's parts are written to the wire.
type Attempt struct {
	ID         uint64
	Body       string // as rendered; on a further attempt "" keeps the stored one
	Template   string // "" keeps the stored one
	Variant    int
	Link       string   // [[smpp]] link that carries it
	Ref        byte     // concatenation reference; kept from the first attempt
	References []uint16 // user_message_reference of each part; its length is the number of parts. Kept from the first attempt.
	Only       []int    // mark these parts as submitting, from 0; nil = all that were never written
}

// PartResult is how the submission of one part ended.
type PartResult uint8

const (
	_ PartResult = iota
	// PartAccepted: submit_sm_resp with status 0.
	PartAccepted
	// PartRefused: refused for good. The text is failed.
	PartRefused
	// PartUncertain: written, but no answer came.
	PartUncertain
	// PartNotWritten: nothing of it left, or the message centre turned it away for now (throttled, queue full): it may be
	// written again. Defer the text next.
	PartNotWritten
)

// PartAnswer is what became of one part of a text on the wire.
type PartAnswer struct {
	ID        uint64
	Part      int // from 0
	Result    PartResult
	MessageID string // as it stood in submit_sm_resp
	Status    uint32 // command_status
	Error     string
	Number    bool // with PartRefused: it is the number's fault (counts for History.Undeliverable)
}

// Deferral puts a text back into the queue.
type Deferral struct {
	ID    uint64
	Until time.Time // its new due time
	// Held: it waits for the end of quiet hours. Text.Held is set, and Expires moves by the time from now to Until,
	// because give_up_after does not count holds.
	Held    bool
	Expires time.Time // if not zero: the new Expires
	Note    string
}

// Failure is why a text failed for good.
type Failure struct {
	ID     uint64
	Note   string
	Number bool // it is the number's fault (counts for History.Undeliverable)
}

// Applied is what a receipt did.
type Applied struct {
	Matched bool // it belongs to a text of ours
	Text    textback.Text
	Part    int    // from 0
	How     string // "id", "id in the other base", "reference", "addresses"
	Changed bool   // the part's state changed: false for duplicates
	Kept    bool   // not matched, and kept for a response that may bring its id
}
