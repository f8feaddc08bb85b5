package store

import (
	"time"

	"textback"
)

// Where an opt-out or opt-in came from. Other words are kept as they are.
const (
	SourceSMS       = "sms"
	SourceCommand   = "command"
	SourceImport    = "import"
	SourceVoicemail = "voicemail"
)

// Action is what an entry of the ledger did.
type Action string

const (
	ActionOut    Action = "out"
	ActionIn     Action = "in"
	ActionForget Action = "forget" // the person's data was erased; what he had opted out of goes on suppressing
)

// OptChange is somebody's wish to hear nothing more, or to be texted again.
type OptChange struct {
	Number     string   // E.164
	Businesses []string // all businesses that it counts for
	Source     string   // SourceSMS, SourceCommand, ...
	Line       string   // sender or line that it came in on
	Wording    string   // what was said
	Incoming   uint64   // incoming message, marked as handled in the same transaction; 0 if none

	// Confirm, if set, is the confirmation text to queue, rendered. It is queued only if the change changes something and
	// no confirmation was queued for this person and these businesses within the last five minutes.
	Confirm *textback.Text
	Also    func(OptResult) []Delivery
}

// OptResult is what an OptOut or OptIn did.
type OptResult struct {
	Changed      bool            // false: the person had opted out (in) before
	Entry        LedgerEntry     // the entry appended; zero if none was
	Cancelled    []textback.Text // queued texts that were cancelled
	Confirmation *textback.Text  // the confirmation queued, nil if none
}

// LedgerEntry is one line of the append-only ledger of opt-outs. Hash is SHA-256 over Prev and the entry's canonical
// bytes. These hold the keyed hashes of number and wording, not the words themselves, so that the chain still verifies
// after a person was erased.
type LedgerEntry struct {
	Seq        uint64
	At         time.Time
	Action     Action
	Number     string   // E.164; "" after erasing
	Who        string   // keyed hash of the number, hex
	Businesses []string // sorted
	Source     string
	Line       string
	Wording    string // "" after erasing
	Said       string // keyed hash of the wording, hex; "" if there was none
	Prev       string // hash of the entry before, hex
	Hash       string // hex
}

// OptedOut is one person's standing opt-out of one business.
type OptedOut struct {
	Number   string // "" for an erased person
	Who      string // keyed hash of the number, hex
	Business string
	At       time.Time
	Source   string
	Line     string
	Wording  string
}

// Forgotten says what was removed of a person.
type Forgotten struct {
	Calls, Texts, Threads, Messages, Bookings, Deliveries int
	Ledger                                                int      // entries from which number and wording were removed
	StillOut                                              []string // businesses that go on being suppressed by the keyed hash
}

// ImportResult counts the rows of an import.
type ImportResult struct {
	Added   int // opt-outs that are new
	Known   int // rows whose opt-out stood already
	Cleared int // queued texts cancelled
}
