package textback

import (
	"fmt"
	"time"
)

// Reason is why a missed call got its verdict. The guards stand in the order in which they are asked.
type Reason uint8

const (
	_          Reason = iota
	ReasonText        // the verdict is to text
	ReasonUnknownLine
	ReasonOutcomeOff
	ReasonUnseen
	ReasonNoNumber
	ReasonOwnNumber
	ReasonExcluded
	ReasonDeclined
	ReasonNotTextable
	ReasonRegion
	ReasonSpoofed
	ReasonTooShort
	ReasonOptedOut
	ReasonTalking
	ReasonWindow
	ReasonUnansweredTexts
	ReasonRate
	ReasonBudget
	ReasonQuiet
	ReasonRule
	ReasonShadow
	ReasonRecovered // was to be texted, but reached a person before the text left
)

var reasonWords = [...]string{
	ReasonText: "text", ReasonUnknownLine: "unknown-line", ReasonOutcomeOff: "outcome-off", ReasonUnseen: "unseen",
	ReasonNoNumber: "no-number", ReasonOwnNumber: "own-number", ReasonExcluded: "excluded", ReasonDeclined: "declined",
	ReasonNotTextable: "not-textable", ReasonRegion: "region", ReasonSpoofed: "spoofed", ReasonTooShort: "too-short",
	ReasonOptedOut: "opted-out", ReasonTalking: "talking", ReasonWindow: "window",
	ReasonUnansweredTexts: "unanswered-texts", ReasonRate: "rate", ReasonBudget: "budget", ReasonQuiet: "quiet",
	ReasonRule: "rule", ReasonShadow: "shadow", ReasonRecovered: "recovered",
}

// Reasons lists every reason in the order of the decision table.
func Reasons() []Reason {
	all := make([]Reason, 0, len(reasonWords)-1)
	for r := range reasonWords {
		if r != 0 {
			all = append(all, Reason(r))
		}
	}
	return all
}

// String is the reason's word in logs, metrics and `textback explain`.
func (r Reason) String() string {
	if r == 0 || int(r) >= len(reasonWords) {
		return fmt.Sprintf("Reason(%d)", uint8(r))
	}
	return reasonWords[r]
}

// ParseReason reads the word for a reason.
func ParseReason(word string) (Reason, error) {
	for r, w := range reasonWords {
		if r != 0 && w == word {
			return Reason(r), nil
		}
	}
	return 0, fmt.Errorf("%q is not a reason", word)
}

// MarshalText writes the reason's word, nothing for none: a zero field must come back from JSON as it went in.
func (r Reason) MarshalText() ([]byte, error) {
	if r == 0 {
		return nil, nil
	}
	return []byte(r.String()), nil
}

// UnmarshalText reads the reason's word.
func (r *Reason) UnmarshalText(b []byte) (err error) {
	if len(b) == 0 {
		*r = 0
		return nil
	}
	*r, err = ParseReason(string(b))
	return err
}

// History is what the store knows about a caller and a business at the moment of a decision, read in the transaction
// that will record it.
type History struct {
	OptedOut      bool      // the caller opted out of this business
	Thread        bool      // a live thread in which a person has answered within in_thread
	LastText      time.Time // submit time of the text that holds the claim on (business, caller); due time if not yet submitted; zero if none
	Unreplied     int       // texts of the last 30 days since the caller last wrote to us
	Missed        int       // earlier missed calls within repeat_within since the caller last reached a person or wrote
	Undeliverable int       // texts to this number that failed permanently in the last 30 days
	BlockHour     int       // texts of the last hour to the number block (all but the last four digits), any business
	LineHour      int       // texts of the last hour from this line
	BusinessHour  int       // texts claimed in the current clock hour by this business
	BusinessDay   int       // texts claimed on the current day (business's zone)
}

// Decision is what the rules say about one missed call, and why.
type Decision struct {
	Reason   Reason
	Detail   string    // a sentence for explain: the figure, limit or entry that decided
	Business string    // key of the business, "" if the line is unknown
	Line     string    // the line in E.164 as configured, or the raw dialled number if unknown
	Caller   string    // E.164, or the raw number if it is not one
	Rule     string    // name of the rule that matched
	Template string    // name of the template, if Reason is ReasonText or ReasonShadow
	Due      time.Time // when the text may leave
	Held     bool      // Due was moved out of quiet hours
	Expires  time.Time // after this the text is not sent any more (give_up_after)
	From     string    // sender address
	SMPP     string    // name of the [[smpp]] link, "" for any
}

// Verdict is what textback decided about a missed call: exactly one for each.
type Verdict struct {
	Call     Call
	Decision Decision
	At       time.Time // when it was decided
	TextID   uint64    // the text that it queued, 0 if none
	Was      Reason    // for ReasonRecovered: the reason it had before
}
