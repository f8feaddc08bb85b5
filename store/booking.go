package store

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"textback"
)

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

func bookingKey(service, id, event string) []byte { return key(nil).str(service).str(id).str(event) }

// RecordBooking records a booking on the thread of its token, else of its phone; a thread is opened if there is
// none. The same (service, id, event) again changes nothing.
func (s *Store) RecordBooking(ctx context.Context, n NewBooking, at time.Time) (res BookingResult, err error) {
	if n.Booking.ID == "" || n.Event == "" {
		return res, fmt.Errorf("record a booking: no id or no event: %w", ErrNotFound)
	}
	err = s.update(ctx, at, func(w *work) error {
		res = BookingResult{}
		k := bookingKey(n.Booking.Service, n.Booking.ID, n.Event)
		if old, ok := load[BookingRecord](w, tBookings, k); ok {
			res.Duplicate = true
			if r, ok := w.thread(old.ThreadID); ok {
				res.Matched, res.Thread = true, w.full(r)
			}
			if t, ok := w.text(old.TextID); ok {
				res.Text = &t.T
			}
			return nil
		}
		b := BookingRecord{Booking: n.Booking, Event: n.Event, Caller: n.Phone}
		b.Booking.At = at
		t, byToken := w.bookedText(n)
		if t != nil {
			b.TextID, b.Business, b.Caller = t.T.ID, t.T.Business, t.T.To
			res.Text = &t.T
		}
		if !byToken {
			b.Booking.Token = ""
		}
		if r, ok := w.bookedThread(b, n); ok {
			b.ThreadID, b.Business = r.T.ID, r.T.Business
			r.T.Booking = &b.Booking
			r.T.Last = later(r.T.Last, at)
			w.saveThread(r)
			res.Matched, res.Thread = true, w.full(r)
			res.OptedOut = w.optedOut(r.T.Caller, r.T.Business)
		}
		w.save(tBookings, k, &b)
		w.put(tBookingsTime, key(nil).time(at).raw(k), nil)
		w.tally(at, CountBooking, b.Booking.State, b.Business, "", 1)
		if n.Also != nil {
			w.enqueue(n.Also(res)...)
		}
		return nil
	})
	if err != nil {
		return BookingResult{}, fmt.Errorf("record a booking: %w", err)
	}
	return res, nil
}

// bookedText is the text by which the booking came: that of its token, else the last one to the phone.
func (w *work) bookedText(n NewBooking) (r *textRecord, byToken bool) {
	if token := strings.ToLower(n.Booking.Token); token != "" {
		id := number(w.get(tTokens, key(nil).str(token))) // where an older textback kept it
		if id == 0 {
			id = w.s.tokens.text(token)
		}
		if r, ok := w.text(id); ok && r.T.Token == token {
			return r, true
		}
	}
	if n.Phone == "" {
		return nil, false
	}
	var last *textRecord
	for _, id := range w.claimed(n.Phone, "") {
		r, ok := w.text(id)
		if ok && (len(n.Businesses) == 0 || slices.Contains(n.Businesses, r.T.Business)) && (last == nil || id > last.T.ID) {
			last = r
		}
	}
	return last, false
}

// bookedThread is the thread that a booking belongs to.
func (w *work) bookedThread(b BookingRecord, n NewBooking) (*threadRecord, bool) {
	if b.TextID != 0 {
		if r, ok := w.openThread(b.Caller, b.Business); ok {
			return r, true
		}
		if t, ok := w.text(b.TextID); ok && t.T.ThreadID != 0 {
			if r, ok := w.thread(t.T.ThreadID); ok {
				return r, true
			}
		}
		return w.newThread(b.Caller, b.Business, ""), true
	}
	if n.Phone == "" {
		return nil, false
	}
	for _, r := range w.openThreads(n.Phone, "") {
		if len(n.Businesses) == 0 || slices.Contains(n.Businesses, r.T.Business) {
			return r, true
		}
	}
	return nil, false
}

// Bookings walks the bookings recorded in [since, until); as Calls.
func (s *Store) Bookings(ctx context.Context, since, until time.Time, fn func(BookingRecord) bool) error {
	return s.view(ctx, since, func(w *work) error {
		w.walk(tBookingsTime, key(nil).time(since), key(nil).time(until), false, func(k, _ []byte) bool {
			b, ok := load[BookingRecord](w, tBookings, k[8:])
			return !ok || fn(b)
		})
		return nil
	})
}
