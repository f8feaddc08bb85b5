package report

import (
	"cmp"
	"slices"
	"time"

	"textback"
	"textback/store"
)

// fate is what became of one text.
type fate struct {
	text    *textback.Text
	half    int // 0: of the period, 1: of the one before
	left    bool
	arrived bool
	replied bool
	booked  bool
	out     bool
}

// counter is one computation.
type counter struct {
	in     *Input
	r      *Report
	half   [2]Period
	cut    [2]time.Time // up to when what followed counts
	ended  map[string]time.Time
	fates  map[uint64]*fate
	order  []*fate
	reason [2]map[textback.Reason]int
	days   map[string]int // index in Days by date
	asked  map[string]int // numbers dialled that are no line
}

// Compute counts. It is pure: the same input gives the same report.
func Compute(in Input) *Report {
	q := &in.Query
	zone, before := q.zone(), q.before()
	r := &Report{Version: Version, Made: q.Now.In(zone), Since: q.Period.Since.In(zone), Until: q.Period.Until.In(zone),
		Timezone: zone.String(), Businesses: []string{}, Line: q.Line, Before: Before{Since: before.Since, Until: before.Until}}
	for _, key := range q.Businesses {
		r.Businesses = append(r.Businesses, cmp.Or(q.Known[key].Name, key))
	}
	if !in.Kept.IsZero() {
		r.Kept = in.Kept.In(zone)
		// A day's grace: a business need not have missed a call in its first hour.
		r.Before.Known = in.Kept.Before(before.Since.AddDate(0, 0, 1))
	}
	c := &counter{in: &in, r: r, half: [2]Period{q.Period, before}, ended: make(map[string]time.Time),
		fates: make(map[uint64]*fate), days: make(map[string]int), asked: make(map[string]int)}
	c.cut = [2]time.Time{q.cut(), before.Until.Add(q.cut().Sub(q.Period.Until))}
	c.makeDays()
	c.calls()
	c.texts()
	c.threads()
	c.bookings()
	c.opts()
	c.sum()
	c.states()
	r.Lines, r.Templates, r.Would = c.lines(), c.templates(), c.shadow()
	r.Advice = c.advice()
	return r
}

// figures are those of a half.
func (c *counter) figures(half int) *Figures {
	if half == 0 {
		return &c.r.Figures
	}
	return &c.r.Before.Figures
}

// halfOf tells in which period a moment lies.
func (c *counter) halfOf(t time.Time) (half int, ok bool) {
	for i, p := range c.half {
		if !t.Before(p.Since) && t.Before(p.Until) {
			return i, true
		}
	}
	return 0, false
}

// longTrend is how many days are shown one by one.
const longTrend = 62

func (c *counter) makeDays() {
	zone := c.in.zone()
	c.r.Step = 1
	last := c.in.Period.Until.Add(-1).In(zone)
	if c.in.Period.length() > longTrend {
		c.r.Step = 7
	}
	n := 0
	for d := midnight(c.in.Period.Since.In(zone)); !d.After(last); d = d.AddDate(0, 0, 1) {
		if n%c.r.Step == 0 {
			c.r.Days = append(c.r.Days, Day{Date: d.Format(time.DateOnly)})
		}
		c.days[d.Format(time.DateOnly)] = len(c.r.Days) - 1
		n++
	}
}

// day is the step of the trend in which a moment lies; those of the period before are moved forward.
func (c *counter) day(t time.Time, half int) *Day {
	t = t.In(c.in.zone())
	if half == 1 {
		t = t.AddDate(0, 0, c.in.Period.shift())
	}
	if i, ok := c.days[t.Format(time.DateOnly)]; ok {
		return &c.r.Days[i]
	}
	return &Day{}
}

func (c *counter) calls() {
	outcomes := [2]map[textback.Outcome]int{{}, {}}
	c.reason = [2]map[textback.Reason]int{{}, {}}
	for i := range c.in.Calls {
		v := &c.in.Calls[i]
		at := callTime(v)
		half, ok := c.halfOf(at)
		if !ok {
			continue
		}
		c.ended[v.Call.ID] = at
		c.figures(half).Missed++
		outcomes[half][v.Call.Outcome]++
		c.reason[half][v.Decision.Reason]++
		if v.Decision.Reason == textback.ReasonRecovered {
			c.figures(half).Recovered++
		}
		if half == 1 {
			c.day(at, half).MissedBefore++
			continue
		}
		c.day(at, half).Missed++
		if v.Decision.Reason == textback.ReasonUnknownLine {
			c.asked[v.Decision.Line]++
		}
		begin := v.Call.Begin
		if begin.IsZero() {
			begin = at
		}
		zone := c.in.zone()
		if z := c.in.Known[v.Decision.Business].Zone; z != nil {
			zone = z
		}
		begin = begin.In(zone)
		c.r.Hours[(int(begin.Weekday())+6)%7][begin.Hour()]++
	}
	c.r.Outcomes = rows(outcomes, textback.MissedOutcomes())
	c.r.Verdicts = rows(c.reason, textback.Reasons())
}

// rows lists the counted words, the most frequent first, those that were never counted left out.
func rows[W interface {
	comparable
	String() string
}](n [2]map[W]int, order []W) []Row {
	list := []Row{}
	for _, w := range order {
		if n[0][w]+n[1][w] > 0 {
			list = append(list, Row{Word: w.String(), N: n[0][w], Before: n[1][w]})
		}
	}
	slices.SortStableFunc(list, func(a, b Row) int { return cmp.Compare(b.N, a.N) })
	return list
}

func (c *counter) texts() {
	for i := range c.in.Texts {
		t := &c.in.Texts[i]
		half, ok := c.halfOf(t.Created)
		if !ok || t.Kind != textback.MissedCallText {
			continue
		}
		f := &fate{text: t, half: half}
		switch t.State {
		case textback.Accepted, textback.Delivered, textback.Unknown:
			f.left, f.arrived = true, true
		case textback.Undelivered:
			f.left = true
		default: // on its way, or it never left
		}
		c.fates[t.ID] = f
		c.order = append(c.order, f)
	}
}

// threads puts what callers wrote down to the text that they had before, and looks how soon a person answered.
func (c *counter) threads() {
	var waits [2][]float64
	opts := make(map[said]bool)
	for i := range c.in.Opts {
		e := &c.in.Opts[i]
		opts[asSaid(e.Number, e.At)] = true
	}
	for i := range c.in.Threads {
		th := &c.in.Threads[i]
		var last *fate
		var first time.Time
		for _, m := range th.Messages {
			switch {
			case m.Kind == textback.MissedCallText && m.TextID != 0:
				last = c.fates[m.TextID]
			case m.In && !optMessage(m) && !opts[asSaid(th.Caller, m.At)]:
				if first.IsZero() {
					first = m.At
				}
				if last != nil && c.follows(last, m.At) {
					// Whoever answers has got it, whatever a receipt said.
					last.replied, last.arrived, last.left = true, true, true
				}
			}
		}
		half, ok := c.halfOf(first)
		if first.IsZero() || !ok {
			continue
		}
		f := c.figures(half)
		f.Conversations.Of++
		if p := th.FirstPerson; !p.IsZero() && p.Before(c.cut[half]) {
			f.Conversations.N++
			waits[half] = append(waits[half], max(p.Sub(first), 0).Seconds())
		}
	}
	for half := range waits {
		c.figures(half).FirstResponse = span(waits[half])
	}
}

// said is something that a person said at a moment. An opt-out that is filed under a thread has its entry in the ledger at
// the same moment.
type said struct {
	number string
	at     int64
}

func asSaid(number string, at time.Time) said { return said{number, at.UnixNano()} }

// optMessage tells whether a message is the wish to be left alone, or to be texted again: no answer to the text. The store
// files these with this flag, also where the wish was known already.
func optMessage(m textback.Message) bool {
	return m.Flag == "opted "+string(store.ActionOut) || m.Flag == "opted "+string(store.ActionIn)
}

// follows tells whether something that happened at a moment is put down to a text.
func (c *counter) follows(f *fate, at time.Time) bool {
	sent := f.text.Submitted
	return !sent.IsZero() && !at.Before(sent) && at.Sub(sent) < followUp && at.Before(c.cut[f.half])
}

func (c *counter) bookings() {
	for i := range c.in.Bookings {
		b := &c.in.Bookings[i]
		f := c.fates[b.TextID]
		if f == nil && (c.in.Line != "" || !c.in.wants(b.Business, "")) {
			continue
		}
		cancelled := b.Booking.State == "cancelled"
		if f != nil && !cancelled && c.follows(f, b.Booking.At) {
			f.booked, f.arrived, f.left = true, true, true
		}
		half, ok := c.halfOf(b.Booking.At)
		switch {
		case !ok:
		case cancelled:
			c.figures(half).Cancelled++
		case b.Booking.State == "created":
			c.figures(half).Bookings++
		}
	}
}

// opts counts who opted out, and puts it down to the last text before it if it came by text.
func (c *counter) opts() {
	last := make(map[[2]string][]*fate) // by person and business, in order
	for _, f := range c.order {
		k := [2]string{f.text.To, f.text.Business}
		last[k] = append(last[k], f)
	}
	for i := range c.in.Opts {
		e := &c.in.Opts[i]
		half, inside := c.halfOf(e.At)
		ours := c.in.Line == "" && slices.ContainsFunc(e.Businesses, func(b string) bool { return c.in.wants(b, "") })
		switch {
		case e.Action == store.ActionIn && inside && ours:
			c.figures(half).OptIns++
		case e.Action != store.ActionOut:
			continue
		case inside && ours:
			c.figures(half).OptOuts++
		}
		if e.Action != store.ActionOut || e.Source != store.SourceSMS || e.Number == "" {
			continue
		}
		var best *fate
		for _, b := range e.Businesses {
			for _, f := range last[[2]string{e.Number, b}] {
				if c.follows(f, e.At) && (best == nil || f.text.Submitted.After(best.text.Submitted)) {
					best = f
				}
			}
		}
		if best != nil {
			best.out, best.arrived, best.left = true, true, true
			if c.in.Line != "" && inside {
				c.figures(half).OptOuts++
			}
		}
	}
}

// sum makes the figures of the fates.
func (c *counter) sum() {
	var prompt, all [2][]float64
	for _, f := range c.order {
		n := c.figures(f.half)
		n.Queued++
		if f.left {
			n.Texted++
		}
		if f.half == 0 {
			d := c.day(f.text.Created, 0)
			d.Texted += one(f.left)
			d.Replied += one(f.replied)
			d.Booked += one(f.booked)
		}
		n.Arrived += one(f.arrived)
		n.Delivered += one(f.text.State == textback.Delivered)
		n.Undelivered += one(f.text.State == textback.Undelivered)
		n.Held += one(f.left && f.text.Held)
		n.Replied += one(f.replied)
		n.Booked += one(f.booked)
		n.RepliedThen += one(f.replied && f.booked)
		n.OptedOut += one(f.out)
		if end, ok := c.ended[f.text.CallID]; ok && f.left && !f.text.Submitted.IsZero() {
			wait := max(f.text.Submitted.Sub(end), 0).Seconds()
			all[f.half] = append(all[f.half], wait)
			if !f.text.Held {
				prompt[f.half] = append(prompt[f.half], wait)
			}
		}
	}
	for half := range 2 {
		n := c.figures(half)
		n.Answered = c.in.Answered[half]
		n.TimeToText, n.TimeToTextAll = span(prompt[half]), span(all[half])
		n.MissedRate = Rate{n.Missed, n.Missed + n.Answered}
		n.DeliverRate = Rate{n.Delivered, n.Delivered + n.Undelivered}
		n.ReplyRate = Rate{n.Replied, n.Arrived}
		n.ReplyToBook = Rate{n.RepliedThen, n.Replied}
		n.BookingRate = Rate{n.Booked, n.Arrived}
		n.OptOutRate = Rate{n.OptedOut, n.Arrived}
	}
}

func (c *counter) states() {
	n := [2]map[textback.TextState]int{{}, {}}
	for _, f := range c.order {
		n[f.half][f.text.State]++
	}
	var order []textback.TextState
	for s := textback.Queued; s <= textback.Unknown; s++ {
		order = append(order, s)
	}
	c.r.States = rows(n, order)
}

func one(b bool) int {
	if b {
		return 1
	}
	return 0
}

// span is the median and the ninth decile. The decile is the smallest value that nine of ten do not exceed (nearest rank);
// the median of an even number of values is the mean of the middle two.
func span(s []float64) Span {
	n := len(s)
	if n == 0 {
		return Span{}
	}
	slices.Sort(s)
	return Span{N: n, Median: round((s[(n-1)/2] + s[n/2]) / 2), P90: round(s[(n*9+9)/10-1])}
}

// round keeps milliseconds.
func round(f float64) float64 { return float64(int64(f*1000+0.5)) / 1000 }
