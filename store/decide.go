package store

import (
	"time"

	"textback"
)

// TokenLength is the length in characters of a booking token. Tokens are made by the store from crypto/rand, one for each
// missed-call text: lower-case letters and the digits 2 to 7, 50 bits.
const TokenLength = 10

// Keys tell Decide whose history to read. Business, Line and Caller must be those of the Decision that follows.
type Keys struct {
	Business     string         // "" if the line is unknown: the history is then empty
	Line         string         // E.164 as configured
	Caller       string         // E.164; "" if there is no number: the history then holds the counters of line and business only
	Block        string         // the caller's number without its last four digits
	Zone         *time.Location // for the business's clock hour and day; nil is UTC
	RepeatWithin time.Duration
	InThread     time.Duration
	SharedWith   []string // other businesses that text from the same sender: their opt-outs count
	Shadow       bool     // shadow mode: claims and counters of shadow verdicts are read too

	// Also, if set, is called inside the transaction with what was decided (text is nil if none); the hand-offs that it
	// returns are queued in the same transaction. It is not called when the call was decided before.
	Also func(v textback.Verdict, text *textback.Text) []Delivery
}

// Contact is an answered call with someone outside, in or out: a person was reached.
type Contact struct {
	Caller   string // E.164 of the person outside
	Business string // "" = all businesses: an outbound call, or one on a line that is not configured
	Line     string // for the count, "" if unknown
	Call     *textback.Call
	Count    bool // count it as an answered call (once for each call, when it is over)

	// Also, if set, is called inside the transaction with the texts that were cancelled.
	Also func(cancelled []textback.Text) []Delivery
}
