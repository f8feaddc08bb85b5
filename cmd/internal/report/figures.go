package report

// figure is one number with its words: what the terminal and the page show, in this order.
type figure struct {
	id    string
	label string
	value string
	delta string // against the period before, "" if there is nothing to compare with
	hint  string // the counts or the spread behind it
	tone  string // "good" or "bad": what the change means, "" if nothing
}

// figures are the numbers that matter, the main ones first.
func (r *Report) figures() []figure {
	f, b := &r.Figures, &r.Before.Figures
	return []figure{
		{"missed", "Missed calls", itoa(f.Missed), r.delta(f.Missed, b.Missed), ofAll(f.MissedRate, "of calls from outside"), r.tone(-f.Missed, -b.Missed)},
		{"texted", "Texted", itoa(f.Texted), r.delta(f.Texted, b.Texted), count(f.Delivered, "reported delivered"), ""},
		{"reply_rate", "Reply rate", Percent(f.ReplyRate), r.deltaRate(f.ReplyRate, b.ReplyRate), counts(f.ReplyRate, "texts answered"),
			r.toneRate(f.ReplyRate, b.ReplyRate, 1)},
		{"booked", "Booked", itoa(f.Booked), r.delta(f.Booked, b.Booked), ofAll(f.BookingRate, "of texts"), r.tone(f.Booked, b.Booked)},
		{"time_to_text", "Time to text", span1(f.TimeToText), r.deltaSpan(f.TimeToText, b.TimeToText), p90(f.TimeToText),
			r.toneSpan(f.TimeToText, b.TimeToText)},
		{"first_response", "First answer", span1(f.FirstResponse), r.deltaSpan(f.FirstResponse, b.FirstResponse), p90(f.FirstResponse),
			r.toneSpan(f.FirstResponse, b.FirstResponse)},
	}
}

// further are the other numbers.
func (r *Report) further() []figure {
	f, b := &r.Figures, &r.Before.Figures
	return []figure{
		{"answered", "Answered calls", itoa(f.Answered), r.delta(f.Answered, b.Answered), "", ""},
		{"recovered", "Recovered", itoa(f.Recovered), r.delta(f.Recovered, b.Recovered), "reached a person before the text left", ""},
		{"deliver_rate", "Delivered", Percent(f.DeliverRate), r.deltaRate(f.DeliverRate, b.DeliverRate), counts(f.DeliverRate, "texts with a receipt"),
			r.toneRate(f.DeliverRate, b.DeliverRate, 1)},
		{"held", "Held in quiet hours", itoa(f.Held), r.delta(f.Held, b.Held), "left when these were over", ""},
		{"reply_to_booking_rate", "Reply to booking", Percent(f.ReplyToBook), r.deltaRate(f.ReplyToBook, b.ReplyToBook),
			counts(f.ReplyToBook, "who answered"), r.toneRate(f.ReplyToBook, b.ReplyToBook, 1)},
		{"booking_rate", "Booking rate", Percent(f.BookingRate), r.deltaRate(f.BookingRate, b.BookingRate), counts(f.BookingRate, "texts"),
			r.toneRate(f.BookingRate, b.BookingRate, 1)},
		{"bookings", "Bookings made", itoa(f.Bookings), r.delta(f.Bookings, b.Bookings), count(f.Cancelled, "cancelled"), r.tone(f.Bookings, b.Bookings)},
		{"conversations", "Answered by a person", Percent(f.Conversations), r.deltaRate(f.Conversations, b.Conversations),
			counts(f.Conversations, "conversations"), r.toneRate(f.Conversations, b.Conversations, 1)},
		{"opt_out_rate", "Opt-out rate", Percent(f.OptOutRate), r.deltaRate(f.OptOutRate, b.OptOutRate), counts(f.OptOutRate, "texts"),
			r.toneRate(f.OptOutRate, b.OptOutRate, -1)},
		{"opt_outs", "Opt-outs, however made", itoa(f.OptOuts), r.delta(f.OptOuts, b.OptOuts), count(f.OptIns, "opted in"), ""},
	}
}

func count(n int, words string) string { return itoa(n) + " " + words }

func counts(r Rate, words string) string {
	if !r.Known() {
		return ""
	}
	return itoa(r.N) + " of " + itoa(r.Of) + " " + words
}

func ofAll(r Rate, words string) string {
	if !r.Known() {
		return ""
	}
	return Percent(r) + " " + words
}

func span1(s Span) string {
	if s.N == 0 {
		return "-"
	}
	return Duration(s.Median)
}

func p90(s Span) string {
	if s.N == 0 {
		return ""
	}
	return "median; 9 of 10 within " + Duration(s.P90)
}

// tone says what a change of a count means where more is better.
func (r *Report) tone(now, before int) string {
	switch {
	case !r.Before.Known || now == before:
		return ""
	case now > before:
		return "good"
	default:
		return "bad"
	}
}

// toneRate is tone for shares; sign -1 where less is better. Shares that stand on little mean nothing.
func (r *Report) toneRate(now, before Rate, sign float64) string {
	d := sign * (now.Value() - before.Value())
	switch {
	case !r.Before.Known || now.Of < enough || before.Of < enough, d > -0.0005 && d < 0.0005:
		return ""
	case d > 0:
		return "good"
	default:
		return "bad"
	}
}

// toneSpan is tone for times, where less is better.
func (r *Report) toneSpan(now, before Span) string {
	if now.N < someReplies || before.N < someReplies {
		return ""
	}
	return r.tone(int(-now.Median), int(-before.Median))
}
