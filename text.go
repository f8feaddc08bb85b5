package textback

import (
	"fmt"
	"time"
)

// TextState is where a text stands: queued → submitting → accepted → delivered, or one of the ends.
type TextState uint8

const (
	_ TextState = iota
	// Queued: durable, not yet on the wire.
	Queued
	// Submitting: the attempt is recorded; parts may be on the wire.
	Submitting
	// Accepted: the message centre took every part.
	Accepted
	// Delivered: receipts say that every part arrived.
	Delivered
	// Undelivered: a receipt says that a part did not arrive.
	Undelivered
	// Failed: the message centre refused it for good.
	Failed
	// Expired: could not be sent in time.
	Expired
	// Cancelled: taken back before it left.
	Cancelled
	// Unknown: written to the wire, no answer; a late response or a receipt settles it.
	Unknown
)

var textStateWords = [...]string{Queued: "queued", Submitting: "submitting", Accepted: "accepted", Delivered: "delivered",
	Undelivered: "undelivered", Failed: "failed", Expired: "expired", Cancelled: "cancelled", Unknown: "unknown"}

// String is the state's word.
func (s TextState) String() string {
	if s == 0 || int(s) >= len(textStateWords) {
		return fmt.Sprintf("TextState(%d)", uint8(s))
	}
	return textStateWords[s]
}

// ParseTextState reads the word for a state.
func ParseTextState(word string) (TextState, error) {
	for s, w := range textStateWords {
		if s != 0 && w == word {
			return TextState(s), nil
		}
	}
	return 0, fmt.Errorf("%q is not a state of a text", word)
}

// MarshalText writes the state's word, nothing for none: a zero field must come back from JSON as it went in.
func (s TextState) MarshalText() ([]byte, error) {
	if s == 0 {
		return nil, nil
	}
	return []byte(s.String()), nil
}

// UnmarshalText reads the state's word.
func (s *TextState) UnmarshalText(b []byte) (err error) {
	if len(b) == 0 {
		*s = 0
		return nil
	}
	*s, err = ParseTextState(string(b))
	return err
}

// TextKind is what a text is for.
type TextKind uint8

const (
	_ TextKind = iota
	// MissedCallText answers a missed call: the only kind that holds a claim.
	MissedCallText
	// ConfirmationText confirms an opt-out or an opt-in.
	ConfirmationText
	// HelpText answers HELP or INFO.
	HelpText
	// BranchText is an automatic answer of a [[reply]] branch.
	BranchText
	// PersonText is what a person wrote in a thread.
	PersonText
	// StaffText goes to a staff mobile: a hand-off, or a note about one.
	StaffText
	// BookingText confirms a booking.
	BookingText
	// TestText is one that an administrator sent to try the way (`textback test`): it answers no call and no report counts it.
	TestText
)

var textKindWords = [...]string{MissedCallText: "missed-call", ConfirmationText: "confirmation", HelpText: "help",
	BranchText: "branch", PersonText: "person", StaffText: "staff", BookingText: "booking", TestText: "test"}

// String is the kind's word.
func (k TextKind) String() string {
	if k == 0 || int(k) >= len(textKindWords) {
		return fmt.Sprintf("TextKind(%d)", uint8(k))
	}
	return textKindWords[k]
}

// Automatic tells whether no person wrote the text.
func (k TextKind) Automatic() bool { return k != PersonText }

// MarshalText writes the kind's word, nothing for none: a zero field must come back from JSON as it went in.
func (k TextKind) MarshalText() ([]byte, error) {
	if k == 0 {
		return nil, nil
	}
	return []byte(k.String()), nil
}

// UnmarshalText reads the kind's word.
func (k *TextKind) UnmarshalText(b []byte) error {
	if len(b) == 0 {
		*k = 0
		return nil
	}
	for i, w := range textKindWords {
		if i != 0 && w == string(b) {
			*k = TextKind(i)
			return nil
		}
	}
	return fmt.Errorf("%q is not a kind of text", b)
}

// Part is one segment of a text on its way, with what became of it.
type Part struct {
	State     TextState // Queued (never written), Submitting, Accepted, Delivered, Undelivered, Failed, Unknown
	MessageID string    // the message centre's id, as it stood in submit_sm_resp
	Reference uint16    // user_message_reference sent with it (SMPP 3.4, 5.3.2.17)
	Status    uint32    // command_status of the answer
	Error     string    // network error or stat of the receipt
	At        time.Time // last change
}

// Text is one message to one person. It is rendered when it leaves, not when it is queued.
type Text struct {
	ID       uint64
	Kind     TextKind
	CallID   string // the missed call that it answers, "" if none
	ThreadID uint64 // the thread that it belongs to, 0 if none
	Business string
	Line     string // E.164 of the line
	To       string // E.164
	From     string // sender address
	SMPP     string // link it must use, "" for any
	Template string
	Variant  int    // which variant of the template, from 0
	Token    string // booking token
	Body     string // "" until rendered

	State     TextState
	Created   time.Time
	Due       time.Time
	Held      bool      // Due was moved out of quiet hours
	Expires   time.Time // not sent after this
	Submitted time.Time // first part written; zero if never
	Settled   time.Time // reached its present final state
	Link      string    // the [[smpp]] link that carried it
	Ref       byte      // concatenation reference (3GPP TS 23.040, 9.2.3.24.1)
	Parts     []Part
	Attempts  int
	Resent    bool   // sent once more after uncertain_grace
	Note      string // why it failed, expired or was cancelled
}

// Receipt is a delivery report of the message centre for one part of a text (SMPP 3.4, appendix B).
type Receipt struct {
	MessageID string    // id out of the TLV or the text, as it stood
	Reference uint16    // user_message_reference, 0 if none
	HasRef    bool      // Reference was there
	From, To  string    // source and destination address of the deliver_sm, digits with + where international
	State     TextState // Delivered, Undelivered, Accepted (intermediate), Unknown
	Stat      string    // the report's own word, e.g. DELIVRD
	Error     string    // network error code
	At        time.Time // when it came
	Link      string    // [[smpp]] link it came on
}
