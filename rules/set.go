// Package rules decides what to do about a missed call and about a reply. It is pure: facts in, a decision with its
// reason out. It reads no clock, no store and no network.
package rules

import (
	"text/template"
	"time"

	"textback"
)

// Set is everything that decisions need, checked: what the configuration says, in the form in which the rules use it.
// It is never changed after it was built; a reload builds a new one.
type Set struct {
	Businesses map[string]*Business // by key
	Lines      []*Line
	Templates  map[string]*Template // by name
	Rules      []Rule               // in order, first match wins
	Branches   []Branch             // [[reply]], in order

	index lineIndex
}

// Business is one business: a name, a time zone and a region that lines belong to.
type Business struct {
	Key        string
	Name       string
	Zone       *time.Location
	Region     string // ISO 3166-1 alpha-2: how numbers without + are read
	BookingURL string
	Booking    string   // how a token rides on BookingURL: "query" (?tb=), "cal.com", "calendly"
	Help       string   // answer to HELP and INFO
	Hours      Hours    // opening hours; the zero value is always open
	Staff      []string // staff mobiles in E.164
	Policy     Policy   // the effective policy of the business
}

// Line is a number of the business that callers dial (DID).
type Line struct {
	Number   string   // E.164, or as configured where validate_numbers is off
	Aliases  []string // other forms in which a PBX shows this number
	Name     string
	Business *Business
	From     string // sender of the texts
	SMPP     string // name of the [[smpp]] link, "" for any
	Policy   Policy // the effective policy: global, overridden by the business, overridden by the line
}

// Policy is the [policy] table, checked.
type Policy struct {
	Outcomes        map[textback.Outcome]bool
	Delay           time.Duration
	Window          time.Duration
	RepeatWithin    time.Duration
	MinRing         time.Duration
	Regions         []string // empty = any
	ValidateNumbers bool
	Exclude         []string // E.164 numbers, or prefixes ending in *
	TestNumbers     []string // E.164: texted every time
	Transliterate   bool     // characters that force UCS-2 are replaced by their nearest in the GSM alphabet
	GiveUpAfter     time.Duration
	Quiet           Quiet
	QuietAction     QuietAction
	MaxUnreplied    int // this and the four limits below: 0 = no limit
	PerBlockHour    int
	PerLineHour     int
	PerHour         int
	PerDay          int
	Shadow          bool
	Confirm         bool          // confirm an opt-out by text (off where the network itself answers STOP)
	InThread        time.Duration // automation stands down for so long after a person's answer
	MaxAutomatic    int           // automatic texts per thread and day
	ReconcileWithin time.Duration // a call found again in the PBX's records is texted only if younger
}

// QuietAction is what is done in quiet hours.
type QuietAction uint8

const (
	_ QuietAction = iota
	// QuietImmediate lets a text go as the immediate answer to the caller's own call, and holds everything later.
	QuietImmediate
	// QuietHold holds always.
	QuietHold
	// QuietSkip sends nothing.
	QuietSkip
	// QuietSend ignores quiet hours.
	QuietSend
)

// Rule is one [[rule]].
type Rule struct {
	Name     string
	Match    Match
	Send     bool
	Template string // if Send
}

// Match is what a rule looks at; an empty field matches everything.
type Match struct {
	Lines      []string // E.164 as configured
	Businesses []string
	PBX        []string
	Outcomes   []textback.Outcome
	Hours      string // "open", "closed" or ""
	Previous   int    // at least so many missed calls within repeat_within
}

// Template is one named template with its variants, dealt out evenly.
type Template struct {
	Name     string
	Language string // of its opt-out word, "" if any
	Variants []*template.Template
	Source   []string
}

// Branch is one [[reply]]: what is answered to a reply that matches, and who is told.
type Branch struct {
	Name       string
	Match      []string // words and phrases, * as wild card, without case and accents
	Businesses []string // empty = any
	Send       string   // template source, "" for none
	Template   *template.Template
	Notify     []string // names of hand-offs, beside the usual ones
	Callback   bool     // ring the extension, then the caller
	Extension  string
}
