// Package report counts what became of missed calls: texts, replies, bookings, opt-outs, how fast it all went, and what to do
// about it. [Gather] reads the store, [Compute] is pure, and the Write functions put the figures on a terminal, into CSV, into
// JSON and onto one self-contained HTML page. No number of a caller gets beyond Compute.
package report

import (
	"encoding/json"
	"time"
)

// Version is the version of the JSON form: it grows when a field changes its meaning or goes; new fields leave it as it is.
const Version = 1

// Report is everything that is known about a period. Its JSON form is documented in docs/reports.md and stable.
type Report struct {
	Version    int       `json:"version"`
	Made       time.Time `json:"made"`
	Since      time.Time `json:"since"`
	Until      time.Time `json:"until"` // exclusive
	Timezone   string    `json:"timezone"`
	Businesses []string  `json:"businesses"`     // names; empty = all
	Line       string    `json:"line,omitempty"` // only this one
	Kept       time.Time `json:"kept"`           // the oldest call that is still kept; zero if there is none

	Figures Figures `json:"figures"`
	Before  Before  `json:"before"` // the period before, for comparison

	Outcomes  []Row      `json:"outcomes"`             // missed calls by how they ended
	Verdicts  []Row      `json:"verdicts"`             // missed calls by what was decided
	States    []Row      `json:"states"`               // texts to them by where they stand
	Days      []Day      `json:"days"`                 // in order; weeks if the period is long
	Step      int        `json:"step"`                 // days in each of Days: 1 or 7
	Hours     [7][24]int `json:"hours"`                // missed calls by weekday, Monday first, and hour, by the clock of their business
	Lines     []Group    `json:"lines"`                // most missed calls first
	Templates []Group    `json:"templates"`            // most texts first
	Would     []Would    `json:"would_send,omitempty"` // by shadow mode, most first
	Advice    []Advice   `json:"advice"`               // most pressing first
}

// Before is the period before: the same days of the weeks before.
type Before struct {
	Since   time.Time `json:"since"`
	Until   time.Time `json:"until"`
	Known   bool      `json:"known"` // its records are still kept, so that it can be compared with
	Figures Figures   `json:"figures"`
}

// Figures are the numbers of a period. Those about texts are about the texts to its missed calls.
type Figures struct {
	Answered  int `json:"answered"`  // calls from outside that a person answered
	Missed    int `json:"missed"`    // missed calls
	Recovered int `json:"recovered"` // reached a person before the text left
	Queued    int `json:"queued"`    // texts queued, whatever became of them

	Texted      int `json:"texted"`      // texts that left
	Arrived     int `json:"arrived"`     // of these: not reported undelivered, or answered
	Delivered   int `json:"delivered"`   // of these: a receipt says so
	Undelivered int `json:"undelivered"` // a receipt says that it did not arrive
	Held        int `json:"held"`        // left only after quiet hours
	Replied     int `json:"replied"`     // texts that were answered, opting out not counted
	Booked      int `json:"booked"`      // texts that led to a booking
	RepliedThen int `json:"replied_booked"`
	OptedOut    int `json:"opted_out"` // texts after which the person opted out by text

	MissedRate  Rate `json:"missed_rate"`  // missed of all calls from outside
	DeliverRate Rate `json:"deliver_rate"` // delivered of those of which receipts tell
	ReplyRate   Rate `json:"reply_rate"`   // answered of arrived
	ReplyToBook Rate `json:"reply_to_booking_rate"`
	BookingRate Rate `json:"booking_rate"` // booked of arrived
	OptOutRate  Rate `json:"opt_out_rate"` // opted out of arrived

	Bookings  int `json:"bookings"`           // bookings made in the period, however they came
	Cancelled int `json:"bookings_cancelled"` // bookings cancelled in the period
	OptOuts   int `json:"opt_outs"`           // people who opted out in the period, however
	OptIns    int `json:"opt_ins"`

	TimeToText    Span `json:"time_to_text"`     // from the end of the call until the text left, those held in quiet hours left out
	TimeToTextAll Span `json:"time_to_text_all"` // the same with those
	Conversations Rate `json:"conversations"`    // conversations begun in which a person has answered, of all
	FirstResponse Span `json:"first_response"`   // from the first reply to the first answer of a person
}

// Rate is a share, with the counts behind it.
type Rate struct{ N, Of int }

// Known tells whether there is anything to divide by.
func (r Rate) Known() bool { return r.Of > 0 }

// Value is the share, 0 if there is nothing to divide by.
func (r Rate) Value() float64 {
	if r.Of == 0 {
		return 0
	}
	return float64(r.N) / float64(r.Of)
}

type rateJSON struct {
	N    int      `json:"n"`
	Of   int      `json:"of"`
	Rate *float64 `json:"rate"`
}

// MarshalJSON writes the counts and their quotient, null if there is nothing to divide by.
func (r Rate) MarshalJSON() ([]byte, error) {
	out := rateJSON{N: r.N, Of: r.Of}
	if r.Known() {
		v := float64(int64(r.Value()*10000+0.5)) / 10000
		out.Rate = &v
	}
	return json.Marshal(out)
}

// UnmarshalJSON reads the counts; the quotient follows from them.
func (r *Rate) UnmarshalJSON(b []byte) error {
	var in rateJSON
	if err := json.Unmarshal(b, &in); err != nil {
		return err
	}
	r.N, r.Of = in.N, in.Of
	return nil
}

// Span tells how long something took: of N cases the median and the time within which nine of ten were done, in seconds.
type Span struct {
	N      int     `json:"n"`
	Median float64 `json:"median_s"`
	P90    float64 `json:"p90_s"`
}

// Row is one word with its counts.
type Row struct {
	Word   string `json:"word"`
	N      int    `json:"n"`
	Before int    `json:"before"`
}

// Day is one step of the trend.
type Day struct {
	Date         string `json:"date"` // its first day
	Missed       int    `json:"missed"`
	Texted       int    `json:"texted"`
	Replied      int    `json:"replied"`
	Booked       int    `json:"booked"`
	MissedBefore int    `json:"missed_before"` // of the same day in the period before
}

// Group is a line, a template or a variant of one.
type Group struct {
	Key         string  `json:"key"` // number of the line, name of the template, number of the variant from 1
	Name        string  `json:"name,omitempty"`
	Missed      int     `json:"missed,omitempty"`
	Texted      int     `json:"texted"`
	Arrived     int     `json:"arrived"`
	Delivered   int     `json:"delivered"`
	Undelivered int     `json:"undelivered"`
	Replied     int     `json:"replied"`
	Booked      int     `json:"booked"`
	OptedOut    int     `json:"opted_out"`
	ReplyRate   Rate    `json:"reply_rate"`
	BookingRate Rate    `json:"booking_rate"`
	OptOutRate  Rate    `json:"opt_out_rate"`
	Variants    []Group `json:"variants,omitempty"`
	Compared    string  `json:"compared,omitempty"` // what the comparison of the variants says
}

// Levels of advice.
const (
	Act  = "act"  // something is wrong
	Look = "look" // could be better
	Note = "note" // good to know
)

// Advice is what to do about a figure.
type Advice struct {
	ID    string `json:"id"`
	Level string `json:"level"`
	Text  string `json:"text"`
}
