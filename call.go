package textback

import "time"

// Direction tells who called whom, seen from the business.
type Direction uint8

const (
	_ Direction = iota
	// Inbound is a call from outside: the only kind that can be missed.
	Inbound
	// Outbound is a call by staff, or by a program for them, to a number outside.
	Outbound
)

// String is the direction's word.
func (d Direction) String() string {
	switch d {
	case Inbound:
		return "inbound"
	case Outbound:
		return "outbound"
	default:
		return "unknown"
	}
}

// Verification is what the carrier or the PBX says about the caller's number (STIR/SHAKEN, RFC 8224).
type Verification uint8

const (
	// Unverified: nothing was said, which is common and means nothing.
	Unverified Verification = iota
	// VerificationPassed: the signature was valid for this number.
	VerificationPassed
	// VerificationFailed: the number failed verification; it is likely spoofed.
	VerificationFailed
)

// String is the word of the verification result.
func (v Verification) String() string {
	switch v {
	case VerificationPassed:
		return "passed"
	case VerificationFailed:
		return "failed"
	default:
		return "none"
	}
}

// Party is who is at the outer end of a call, as the PBX showed it when the call arrived. Every field is hostile input.
type Party struct {
	Number       string       // as the PBX gave it, not yet read by a numbering plan; "" if there is none
	Name         string       // caller-id name
	Withheld     bool         // the number's presentation is prohibited: it may not be used although we may see it
	Verification Verification // result of caller-id verification
}

// Cause is why a leg ended.
type Cause struct {
	Q850 int    // ITU-T Q.850 cause value, 0 if the PBX gave none
	Word string // the PBX's own word, e.g. "Normal Clearing", "ORIGINATOR_CANCEL"
}

// Ender tells which side ended the call.
type Ender uint8

const (
	// EnderUnknown: nothing told who ended the call.
	EnderUnknown Ender = iota
	// EndedByCaller: the far end hung up or cancelled.
	EndedByCaller
	// EndedByPBX: the PBX ended the call (timeout, refusal, end of the dialplan, shutdown).
	EndedByPBX
)

// String is the ender's word.
func (e Ender) String() string {
	switch e {
	case EndedByCaller:
		return "caller"
	case EndedByPBX:
		return "pbx"
	default:
		return "unknown"
	}
}

// Side is the ender in words for people.
func (e Ender) Side() string {
	switch e {
	case EndedByCaller:
		return "the caller"
	case EndedByPBX:
		return "the PBX"
	default:
		return "nobody knows whom"
	}
}

// Evidence is one thing that led to an outcome, kept for `textback explain`.
type Evidence struct {
	At   time.Time // by the PBX's clock; zero if not tied to a moment
	What string    // one plain sentence; made of our own words and sanitised PBX data
}

// Call is all legs that belong to one call from outside (or one call by staff to the outside), from its first leg to its
// last. Times are the PBX's own.
type Call struct {
	ID        string // the PBX's name, a slash and the PBX's id of the outer leg: unique across PBXs and restarts
	PBX       string
	Direction Direction
	Party     Party    // the caller; for an outbound call the number called
	Dialled   []string // the dialled number in the forms in which the PBX showed it, in the order of line_from; taken when the call arrived

	Begin     time.Time     // the outer leg came into being
	Connected time.Time     // first connected to a person; zero if never
	End       time.Time     // the outer leg ended; zero while it lives
	Ring      time.Duration // from Begin until connected, or until the end if never connected

	Outcome  Outcome // zero while the call lives. An outbound call's is Answered or NoAnswer.
	EndedBy  Ender
	Cause    Cause // of the outer leg
	Unseen   bool  // its end fell into a gap of the link while the PBX lived on
	Declined bool  // the configured no_text channel variable was set
	Evidence []Evidence

	// Reconciled: found again in the PBX's records after the daemon was away, not seen on the link.
	Reconciled bool
}

// Missed tells whether this is an ended call from outside that no person answered.
func (c *Call) Missed() bool { return c.Direction == Inbound && c.Outcome.Missed() }
