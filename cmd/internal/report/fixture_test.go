package report

import (
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"textback"
	"textback/store"
)

// The fixture: a month and the one before in a real store, made through its public API by simple rules on a running number,
// with the truth counted where each thing happens.

const (
	acme, bistro = "acme", "bistro"
	frontDesk    = "+12025550100"
	salesLine    = "+12025550101"
	bistroLine   = "+13125550100"
)

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

// truth is what happened in one of the two months.
type truth struct {
	Figures
	outcomes, verdicts, states map[string]int
	prompt, all, answers       []float64
	hours                      [7][24]int
	days                       map[string]int
	lines, templates           map[string]*Group
}

// fixture makes the months and knows the truth.
type fixture struct {
	t      testing.TB
	st     *store.Store
	ny     *time.Location
	chi    *time.Location
	period Period
	now    time.Time

	mu    sync.Mutex
	truth [3]truth // of the month, of the one before, and of the days between, which count for neither
}

func newFixture(t testing.TB) *fixture {
	t.Helper()
	ny := zone(t, "America/New_York")
	f := &fixture{t: t, ny: ny, chi: zone(t, "America/Chicago"), now: time.Date(2026, 11, 2, 8, 0, 0, 0, ny)}
	f.period = Period{time.Date(2026, 10, 1, 0, 0, 0, 0, ny), time.Date(2026, 11, 1, 0, 0, 0, 0, ny)}
	for i := range f.truth {
		f.truth[i] = truth{outcomes: map[string]int{}, verdicts: map[string]int{}, states: map[string]int{}, days: map[string]int{},
			lines: map[string]*Group{}, templates: map[string]*Group{}}
	}
	st, err := store.Open(store.Options{Path: filepath.Join(t.TempDir(), "state.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	f.st = st
	f.fill()
	return f
}

func (f *fixture) query() Query {
	return Query{Period: f.period, Now: f.now, Zone: f.ny, Lines: map[string]string{frontDesk: "Front desk", salesLine: "Sales", bistroLine: "Bistro"},
		Known: map[string]Place{acme: {Name: "Acme Plumbing", Zone: f.ny, Booking: true}, bistro: {Name: "Bistro <Chez Nous>", Zone: f.chi}}}
}

func (f *fixture) report(q Query) *Report {
	f.t.Helper()
	in, err := Gather(f.t.Context(), f.st, q)
	if err != nil {
		f.t.Fatal(err)
	}
	return Compute(in)
}

// halfOf is the month in which a moment lies.
func (f *fixture) halfOf(at time.Time) int {
	before := f.period.before(f.ny)
	switch {
	case !at.Before(f.period.Since) && at.Before(f.period.Until):
		return 0
	case !at.Before(before.Since) && at.Before(before.Until):
		return 1
	default:
		return 2
	}
}

// fill makes the month before, five weeks earlier, the days between, and the month. The calls of a day run at once: they share commits.
func (f *fixture) fill() {
	n := 0
	for day := -35; day < 31; day++ {
		calls := []int{1, 9, 7, 8, 7, 8, 4}
		if day < 0 {
			calls = []int{1, 7, 7, 6, 6, 5, 3}
		}
		midnight := time.Date(2026, 10, 1+day, 0, 0, 0, 0, f.ny)
		half := f.halfOf(midnight)
		var wg sync.WaitGroup
		for range calls[midnight.Weekday()] {
			n++
			wg.Add(1)
			go func(n int) { defer wg.Done(); f.call(n, half, midnight) }(n)
		}
		for i := range 20 + day%7 {
			wg.Add(1)
			go func(n int) { defer wg.Done(); f.answered(n, half, midnight) }(n*100 + i)
		}
		wg.Wait()
	}
}

func (f *fixture) must(err error) {
	if err != nil {
		f.t.Error(err)
	}
}

// count changes the truth.
func (f *fixture) count(half int, fn func(*truth)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	fn(&f.truth[half])
}

func (f *fixture) answered(n, half int, midnight time.Time) {
	at := midnight.Add(10*time.Hour + time.Duration(n%600)*time.Second)
	call := textback.Call{ID: fmt.Sprintf("hq/a%d", n), Direction: textback.Inbound}
	_, err := f.st.Reached(f.t.Context(), store.Contact{Caller: fmt.Sprintf("+1646%07d", n), Business: acme, Line: frontDesk, Call: &call, Count: true}, at)
	f.must(err)
	f.count(half, func(x *truth) { x.Answered++ })
}

// call makes the n-th missed call and all that follows from it.
func (f *fixture) call(n, half int, midnight time.Time) {
	ctx := f.t.Context()
	hour := []int{9, 10, 12, 12, 13, 16, 17, 20, 22, 12, 11}[n%11]
	begin := midnight.Add(time.Duration(hour)*time.Hour + time.Duration(n%59)*time.Minute)
	end := begin.Add(time.Duration(15+n%30) * time.Second)
	outcomes := []textback.Outcome{textback.NoAnswer, textback.Abandoned, textback.NoAnswer, textback.QueueAbandoned, textback.Busy,
		textback.NoAnswer, textback.Voicemail, textback.Closed, textback.Abandoned, textback.NoAnswer}
	d := textback.Decision{Business: acme, Line: []string{frontDesk, frontDesk, salesLine, bistroLine}[n%4], Caller: fmt.Sprintf("+1917%07d", n),
		Template: []string{"closed", "open", "open"}[n%3], Due: end.Add(time.Duration(5+n%20) * time.Second), From: frontDesk}
	d.Reason = textback.ReasonText
	switch {
	case n%17 == 0:
		d.Reason, d.Business, d.Line = textback.ReasonUnknownLine, "", []string{"+12025550177", "<script>alert(1)</script>", "+12025550177"}[n%3]
	case n%13 == 0:
		d.Reason = textback.ReasonWindow
	case n%19 == 0:
		d.Reason, d.Caller = textback.ReasonNoNumber, ""
	case n%23 == 0:
		d.Reason = textback.ReasonTooShort
	case n%29 == 0:
		d.Reason = textback.ReasonBudget
	case n%12 == 0:
		d.Held, d.Due = true, midnight.Add(32*time.Hour)
	}
	local := f.ny
	if d.Line == bistroLine {
		d.Business, local = bistro, f.chi
	}
	d.Expires = d.Due.Add(time.Hour)
	call := textback.Call{ID: fmt.Sprintf("hq/%d", n), PBX: "hq", Direction: textback.Inbound, Party: textback.Party{Number: d.Caller, Name: "Jane Roe"},
		Begin: begin, End: end, Ring: end.Sub(begin), Outcome: outcomes[n%10]}
	keys := store.Keys{Business: d.Business, Line: d.Line, Caller: d.Caller, Zone: local, RepeatWithin: time.Hour}
	_, text, err := f.st.Decide(ctx, call, keys, end.Add(time.Second), func(textback.History) textback.Decision { return d })
	f.must(err)
	lineKey := d.Line
	if d.Business == "" {
		lineKey = Otherwise
	}
	f.count(half, func(x *truth) {
		x.Missed++
		x.outcomes[call.Outcome.String()]++
		x.days[begin.In(f.ny).Format(time.DateOnly)]++
		l := begin.In(local)
		x.hours[(int(l.Weekday())+6)%7][l.Hour()]++
		group(x.lines, lineKey).Missed++
		if text == nil {
			x.verdicts[d.Reason.String()]++
		} else {
			x.Queued++
		}
	})
	if text != nil {
		f.text(n, half, text, end)
	}
}

func group(m map[string]*Group, key string) *Group {
	if m[key] == nil {
		m[key] = &Group{Key: key}
	}
	return m[key]
}

// text lets the n-th call's text go its way.
func (f *fixture) text(n, half int, t *textback.Text, end time.Time) {
	ctx := f.t.Context()
	verdict, state, left := textback.ReasonText, textback.Delivered, true
	if n%31 == 0 {
		_, err := f.st.Reached(ctx, store.Contact{Caller: t.To, Business: t.Business}, end.Add(3*time.Second))
		f.must(err)
		verdict, state, left = textback.ReasonRecovered, textback.Cancelled, false
	} else if n%37 == 0 {
		_, err := f.st.Expire(ctx, t.ID, "too late", t.Expires)
		f.must(err)
		state, left = textback.Expired, false
	}
	var groups []*Group
	f.count(half, func(x *truth) {
		x.verdicts[verdict.String()]++
		if verdict == textback.ReasonRecovered {
			x.Recovered++
		}
		groups = []*Group{group(x.lines, t.Line), group(x.templates, t.Template), group(x.templates, fmt.Sprintf("%s/%d", t.Template, f.variant(n)+1))}
	})
	if !left {
		f.count(half, func(x *truth) { x.states[state.String()]++ })
		return
	}
	sent := t.Due.Add(time.Duration(n%3) * time.Second)
	_, err := f.st.Attempt(ctx, store.Attempt{ID: t.ID, Body: fmt.Sprintf("Acme: sorry we missed you (%d)", n), Variant: f.variant(n), Link: "carrier",
		References: []uint16{uint16(n)}}, sent)
	f.must(err)
	answer := store.PartAnswer{ID: t.ID, Result: store.PartAccepted, MessageID: fmt.Sprintf("m%d", n)}
	switch {
	case n%14 == 1:
		answer.Result, state, left = store.PartRefused, textback.Failed, false
	case n%41 == 0:
		answer.Result, state = store.PartUncertain, textback.Unknown
	}
	_, err = f.st.PartAnswered(ctx, answer, sent.Add(time.Second))
	f.must(err)
	if state == textback.Delivered {
		switch {
		case n%10 == 3:
			state = textback.Undelivered
		case n%16 == 2:
			state = textback.Accepted // no receipt ever came
		}
		if state != textback.Accepted {
			_, err = f.st.ApplyReceipt(ctx, textback.Receipt{MessageID: answer.MessageID, From: t.From, To: t.To, State: state, Stat: "X", At: sent.Add(4 * time.Second), Link: "carrier"})
			f.must(err)
		}
	}
	arrived := left && state != textback.Undelivered
	f.count(half, func(x *truth) {
		x.states[state.String()]++
		if !left {
			return
		}
		x.Texted++
		x.Arrived += one(arrived)
		x.Delivered += one(state == textback.Delivered)
		x.Undelivered += one(state == textback.Undelivered)
		wait := sent.Sub(end).Seconds()
		x.all = append(x.all, wait)
		if t.Held {
			x.Held++
		} else {
			x.prompt = append(x.prompt, wait)
		}
		for _, g := range groups {
			g.Texted++
			g.Arrived += one(arrived)
			g.Delivered += one(state == textback.Delivered)
			g.Undelivered += one(state == textback.Undelivered)
		}
	})
	if arrived {
		f.aftermath(n, half, t, sent, groups)
	}
}

func (f *fixture) variant(n int) int {
	if n%3 == 0 {
		return 0 // "closed" has one
	}
	return n / 3 % 2
}

// aftermath is what the n-th caller does with the text.
func (f *fixture) aftermath(n, half int, t *textback.Text, sent time.Time, groups []*Group) {
	ctx := f.t.Context()
	each := func(fn func(*Group)) {
		for _, g := range groups {
			fn(g)
		}
	}
	replies := n%7 == 0 || f.variant(n) == 1 && n%5 < 2
	booked := replies && n%4 == 1 || !replies && n%25 == 4
	stops := !replies && n%21 == 5
	if replies {
		at := sent.Add(time.Duration(2+n%50) * time.Minute)
		facts, err := f.st.AddReply(ctx, store.NewReply{Reply: textback.Reply{From: t.To, To: t.From, Body: "yes please", At: at}, Business: t.Business,
			Line: t.Line, Name: "Jane"}, at)
		f.must(err)
		answered := n%6 != 0
		wait := time.Duration(1+n%40) * time.Minute
		if answered {
			_, _, err = f.st.AddPersonMessage(ctx, store.PersonMessage{ThreadID: facts.Thread.ID, Person: "Ana", Body: "On our way"}, at.Add(wait))
			f.must(err)
		}
		f.count(half, func(x *truth) {
			x.Replied++
			x.RepliedThen += one(booked)
			each(func(g *Group) { g.Replied++ })
		})
		f.count(f.halfOf(at), func(x *truth) { // who was called in the last evening may write on the next day
			x.Conversations.Of++
			x.Conversations.N += one(answered)
			if answered {
				x.answers = append(x.answers, wait.Seconds())
			}
		})
	}
	if booked {
		at := sent.Add(90 * time.Minute)
		_, err := f.st.RecordBooking(ctx, store.NewBooking{Booking: textback.Booking{ID: fmt.Sprintf("b%d", n), Service: "cal.com", State: "created", Token: t.Token},
			Event: "BOOKING_CREATED"}, at)
		f.must(err)
		cancelled := n%3 == 0
		if cancelled {
			_, err = f.st.RecordBooking(ctx, store.NewBooking{Booking: textback.Booking{ID: fmt.Sprintf("b%d", n), Service: "cal.com", State: "cancelled", Token: t.Token},
				Event: "BOOKING_CANCELLED"}, at.Add(time.Hour))
			f.must(err)
		}
		f.count(half, func(x *truth) {
			x.Booked++
			each(func(g *Group) { g.Booked++ })
		})
		f.count(f.halfOf(at), func(x *truth) { x.Bookings++ })
		f.count(f.halfOf(at.Add(time.Hour)), func(x *truth) { x.Cancelled += one(cancelled) })
	}
	if stops {
		at := sent.Add(20 * time.Minute)
		_, err := f.st.OptOut(ctx, store.OptChange{Number: t.To, Businesses: []string{acme, bistro}, Source: store.SourceSMS, Wording: "STOP"}, at)
		f.must(err)
		back := n%2 == 0
		if back {
			_, err = f.st.OptIn(ctx, store.OptChange{Number: t.To, Businesses: []string{acme, bistro}, Source: store.SourceSMS, Wording: "START"}, at.Add(time.Hour))
			f.must(err)
		}
		f.count(half, func(x *truth) {
			x.OptedOut++
			each(func(g *Group) { g.OptedOut++ })
		})
		f.count(f.halfOf(at), func(x *truth) { x.OptOuts++ })
		f.count(f.halfOf(at.Add(time.Hour)), func(x *truth) { x.OptIns += one(back) })
	}
}

// figures are the true ones of a half, the rates and times worked out from the counts by hand.
func (f *fixture) figures(half int) Figures {
	x := &f.truth[half]
	out := x.Figures
	out.MissedRate = Rate{x.Missed, x.Missed + x.Answered}
	out.DeliverRate = Rate{x.Delivered, x.Delivered + x.Undelivered}
	out.ReplyRate, out.ReplyToBook = Rate{x.Replied, x.Arrived}, Rate{x.RepliedThen, x.Replied}
	out.BookingRate, out.OptOutRate = Rate{x.Booked, x.Arrived}, Rate{x.OptedOut, x.Arrived}
	out.TimeToText, out.TimeToTextAll, out.FirstResponse = trueSpan(x.prompt), trueSpan(x.all), trueSpan(x.answers)
	return out
}

// trueSpan finds the median and the ninth decile by counting, not by place.
func trueSpan(s []float64) Span {
	slices.Sort(s)
	out := Span{N: len(s)}
	for _, v := range slices.Backward(s) {
		upTo := 0
		for _, w := range s {
			if w <= v {
				upTo++
			}
		}
		if upTo*10 >= len(s)*9 {
			out.P90 = v
		}
	}
	if n := len(s); n > 0 {
		out.Median = s[n/2]
		if n%2 == 0 {
			out.Median = (s[n/2-1] + s[n/2]) / 2
		}
	}
	return out
}
