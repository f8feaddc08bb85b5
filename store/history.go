package store

import (
	"time"

	"textback"
)

// Explanation is everything that is known about a number or a call.
type Explanation struct {
	Calls   []textback.Verdict // oldest first
	Texts   []textback.Text    // oldest first
	Threads []textback.Thread
	Ledger  []LedgerEntry
	Out     []string // businesses that the person has opted out of
}

// Count is one counted thing.
type Count struct {
	Kind     string // CountMissed, CountVerdict, ...
	Word     string // the outcome, reason or state
	Business string
	Line     string
	N        int64
}

// Kinds of counts.
const (
	CountMissed   = "missed"   // missed calls taken in, by outcome
	CountVerdict  = "verdict"  // verdicts, by reason ("recovered" moves one from its old reason)
	CountAnswered = "answered" // answered calls, by direction
	CountText     = "text"     // changes of texts into a state, by state
	CountReply    = "reply"    // replies
	CountOptOut   = "opt"      // opt-outs and opt-ins, by action
	CountBooking  = "booking"  // bookings, by state
)

// Retention says for how long to keep what has ended. Opt-outs and their ledger are kept for ever.
type Retention struct {
	Records time.Duration // verdicts, texts, threads, bookings; 90 days if zero
	Claims  time.Duration // at least the longest window; never less than 30 days
	Counts  time.Duration // hourly counts; 400 days if zero
}

// Pruned counts what Prune removed.
type Pruned struct{ Calls, Texts, Threads, Claims, Incoming, Receipts, Other int }

// Stats are figures about the file.
type Stats struct {
	Path       string
	Size       int64 // bytes
	Free       int64 // bytes in free pages
	Commits    uint64
	Writes     uint64 // transactions; Writes/Commits is the mean size of a group
	Failed     uint64 // commits that failed
	LastError  string // of the last failed commit; "" after a good one
	Schema     int
	Texts      map[textback.TextState]int64 // as they stand now
	Missed     int64                        // missed calls taken in since the file was made
	Verdicts   int64                        // verdicts given since then: equal to Missed at any moment
	Threads    int64                        // open
	OptedOut   int64                        // standing opt-outs
	Ledger     uint64                       // entries
	Deliveries int64                        // waiting
	Unhandled  int64                        // incoming messages saved and not yet handled
}
