package report

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"textback"
	"textback/store"
)

// Query says what to report on.
type Query struct {
	Period     Period
	Now        time.Time
	Zone       *time.Location    // of the days, and of calls that belong to no business; nil is UTC
	Businesses []string          // keys; empty = all
	Line       string            // E.164; "" = all
	Known      map[string]Place  // businesses by key
	Lines      map[string]string // names of the lines by number
}

// Place is what the report must know of a business.
type Place struct {
	Name    string
	Zone    *time.Location
	Booking bool // its texts carry a booking link
}

// Input is what [Compute] counts: the records of the period and of the one before, in any order.
type Input struct {
	Query
	Calls    []textback.Verdict
	Texts    []textback.Text
	Threads  []textback.Thread
	Bookings []store.BookingRecord
	Opts     []store.LedgerEntry
	Answered [2]int // calls from outside that a person answered: in the period, in the one before
	Kept     time.Time
}

// Gather reads the records from the store. What the figures do not need (bodies, evidence) is left out.
func Gather(ctx context.Context, st *store.Store, q Query) (Input, error) {
	in := Input{Query: q}
	before, cut := q.before(), q.cut()
	err := errors.Join(
		st.Calls(ctx, time.Time{}, cut, func(v textback.Verdict) bool {
			in.Kept = callTime(&v)
			return false
		}),
		st.Calls(ctx, before.Since, q.Period.Until, func(v textback.Verdict) bool {
			if q.wants(v.Decision.Business, v.Decision.Line) {
				v.Call.Evidence, v.Call.Party, v.Decision.Detail = nil, textback.Party{}, ""
				in.Calls = append(in.Calls, v)
			}
			return true
		}),
		st.Texts(ctx, before.Since, q.Period.Until, func(t textback.Text) bool {
			if t.Kind == textback.MissedCallText && q.wants(t.Business, t.Line) {
				t.Body, t.Parts = "", nil
				in.Texts = append(in.Texts, t)
			}
			return true
		}),
		// A conversation may be older than the period, and what is said in it lately still counts.
		st.ThreadsBetween(ctx, time.Time{}, cut, func(t textback.Thread) bool {
			if !t.Last.Before(before.Since) && q.wants(t.Business, t.Line) {
				for i := range t.Messages {
					t.Messages[i].Body = ""
				}
				in.Threads = append(in.Threads, t)
			}
			return true
		}),
		st.Bookings(ctx, before.Since, cut, func(b store.BookingRecord) bool {
			in.Bookings = append(in.Bookings, b)
			return true
		}),
		st.Ledger(ctx, 0, func(e store.LedgerEntry) bool {
			if !e.At.Before(before.Since) && e.At.Before(cut) {
				in.Opts = append(in.Opts, e)
			}
			return true
		}),
	)
	for i, p := range []Period{q.Period, before} {
		counts, countErr := st.Counts(ctx, p.Since, p.Until)
		err = errors.Join(err, countErr)
		for _, c := range counts {
			if c.Kind == store.CountAnswered && c.Word == textback.Inbound.String() && q.wants(c.Business, c.Line) {
				in.Answered[i] += int(c.N)
			}
		}
	}
	if err != nil {
		return Input{}, fmt.Errorf("read the records for the report: %w", err)
	}
	return in, nil
}

// wants tells whether something of a business and a line is asked for.
func (q *Query) wants(business, line string) bool {
	return (len(q.Businesses) == 0 || slices.Contains(q.Businesses, business)) && (q.Line == "" || q.Line == line)
}

// followUp is how long after a text a reply, a booking or an opt-out is put down to it.
const followUp = 7 * 24 * time.Hour

// cut is the moment up to which what followed the texts of the period counts.
func (q *Query) cut() time.Time {
	if end := q.Period.Until.Add(followUp); end.Before(q.Now) {
		return end
	}
	if q.Now.Before(q.Period.Until) {
		return q.Period.Until
	}
	return q.Now
}

func (q *Query) zone() *time.Location {
	if q.Zone == nil {
		return time.UTC
	}
	return q.Zone
}

// before is the same stretch of the period before, on the same days of the week where the length allows.
func (q *Query) before() Period { return q.Period.before(q.zone()) }

// callTime is when a call ended, as reports sort it.
func callTime(v *textback.Verdict) time.Time {
	if v.Call.End.IsZero() {
		return v.At
	}
	return v.Call.End
}
