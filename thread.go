package textback

import "time"

// Reply is what a person (or a machine) sent to one of our senders.
type Reply struct {
	From string    // E.164 of who wrote
	To   string    // the sender address of ours that it went to
	Body string    // decoded, parts joined; hostile input
	At   time.Time // when it came
	Link string    // [[smpp]] link it came on
	// Gap: parts of a concatenated message never came; Body has what did.
	Gap bool
}

// Message is one line of a thread.
type Message struct {
	At     time.Time
	In     bool   // from the caller
	Person string // who wrote it on our side, "" if automatic or from the caller
	Kind   TextKind
	TextID uint64 // 0 for incoming
	Body   string
	Flag   string // why a person should look twice, e.g. "may ask to stop"
}

// Thread is the conversation between one caller and one business.
type Thread struct {
	ID          uint64
	Tag         string // short, for staff mobiles
	Business    string
	Line        string
	Caller      string // E.164
	Name        string // as the PBX last showed it, cleaned
	CallID      string // the missed call that it came from
	Opened      time.Time
	Last        time.Time // last message either way
	TakenBy     string    // the person who answered first, "" if none
	TakenAt     time.Time // last time a person answered
	FirstPerson time.Time // first human response: text, answered call in or out
	Automatic   int       // automatic answers given in this thread
	Closed      bool
	Booking     *Booking
	Messages    []Message
}

// Booking is an appointment made through the booking link.
type Booking struct {
	ID      string // the service's id
	Service string // "cal.com", "calendly"
	State   string // "created", "rescheduled", "cancelled"
	Start   time.Time
	Title   string
	At      time.Time
	Token   string // booking token that it came back with, "" if matched by number
}
