package store

import "textback"

// NewReply is a reply to file under the thread of its writer and business.
type NewReply struct {
	Reply    textback.Reply
	Business string
	Line     string
	Name     string // as the PBX last showed it, cleaned; "" keeps what there is
	Flag     string // why a person should look twice
	Incoming uint64 // marked as handled in the same transaction; 0 if none

	// Answer, if set, is asked inside the transaction for an automatic answer, with the facts as they stand with the reply
	// filed; nil for none. The answer is queued in the same transaction, unless the person has opted out of the business or of one in SharedWith.
	Answer     func(ThreadFacts) *textback.Text
	SharedWith []string
	Also       func(ThreadFacts) []Delivery
}

// ThreadFacts are a thread and what the limits on automatic answers need to know about it.
type ThreadFacts struct {
	Thread         textback.Thread // with its messages
	New            bool            // opened by this reply
	AutomaticToday int             // automatic texts on this UTC day, the missed-call text not counted
	LastAutomatic  string          // body of the last automatic text, the missed-call text included; "" if none
	LastIncoming   string          // body of the reply before this one
	Answer         *textback.Text  // automatic answer that was queued
	OptedOut       bool            // the person has opted out of the business or of one in SharedWith
}

// PersonMessage is what a person wrote to the caller of a thread.
type PersonMessage struct {
	ThreadID   uint64
	Person     string // who wrote
	Body       string
	From, SMPP string // sender and link; "" takes those of the last text to the caller
	Incoming   uint64 // if it came as a text from a staff mobile: marked as handled; 0 if none
	SharedWith []string
	Also       func(textback.Thread, textback.Text) []Delivery
}

// ThreadFilter selects threads; the zero value is all open ones.
type ThreadFilter struct {
	Business string
	Caller   string
	Closed   bool // closed ones too
	Limit    int  // 0 = 100; newest first
}

// NewBooking is a booking that a service told us of.
type NewBooking struct {
	Booking    textback.Booking
	Event      string   // the service's word for what happened; with Booking.ID the key that recognises repeats
	Phone      string   // E.164 of who booked, "" if unknown: used if the token matches nothing
	Businesses []string // with Phone: the businesses that it can belong to, all if empty
	Also       func(BookingResult) []Delivery
}

// BookingResult is what RecordBooking found.
type BookingResult struct {
	Duplicate bool
	Matched   bool // the booking belongs to a thread
	Thread    textback.Thread
	Text      *textback.Text // the text whose token it carried, or the last one to the phone
	OptedOut  bool
}

// BookingRecord is one recorded booking event.
type BookingRecord struct {
	Booking  textback.Booking
	Event    string
	Business string
	Caller   string
	ThreadID uint64
	TextID   uint64
}
