package report

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"textback"
	"textback/store"
)

// week is an input that single tests fill.
type week struct {
	in Input
	n  int
}

func newWeek() *week {
	return &week{in: Input{Query: Query{Now: at("2026-11-23 08:00"), Period: Period{at("2026-11-16 00:00"), at("2026-11-23 00:00")},
		Known: map[string]Place{acme: {Name: "Acme", Zone: time.UTC, Booking: true}}}}}
}

// miss adds missed calls with a verdict, five minutes apart; a text one goes with ReasonText.
func (w *week) miss(n int, reason textback.Reason, fate func(i int, t *textback.Text, th *textback.Thread)) {
	for i := range n {
		w.n++
		end := at("2026-11-16 00:00").Add(time.Duration(w.n) * 25 * time.Minute)
		v := textback.Verdict{Call: textback.Call{ID: fmt.Sprint(w.n), Direction: textback.Inbound, Outcome: textback.NoAnswer, Begin: end.Add(-time.Minute), End: end},
			Decision: textback.Decision{Reason: reason, Business: acme, Line: frontDesk}, At: end}
		if reason == textback.ReasonText {
			v.TextID = uint64(w.n)
			t := textback.Text{ID: v.TextID, Kind: textback.MissedCallText, CallID: v.Call.ID, Business: acme, Line: frontDesk, To: fmt.Sprintf("+1917%07d", w.n),
				Template: "open", State: textback.Delivered, Created: end, Submitted: end.Add(10 * time.Second)}
			th := textback.Thread{ID: v.TextID, Business: acme, Line: frontDesk, Messages: []textback.Message{{At: t.Submitted, Kind: t.Kind, TextID: t.ID}}}
			if fate != nil {
				fate(i, &t, &th)
			}
			w.in.Texts, w.in.Threads = append(w.in.Texts, t), append(w.in.Threads, th)
		}
		w.in.Calls = append(w.in.Calls, v)
	}
}

// replied lets the caller write a minute after the text, and a person after the wait; 0 for never.
func replied(t *textback.Text, th *textback.Thread, person time.Duration) {
	m := textback.Message{At: t.Submitted.Add(time.Minute), In: true}
	th.Messages = append(th.Messages, m)
	if person > 0 {
		th.FirstPerson = m.At.Add(person)
	}
}

func TestAdviceIsGivenWhereTheFiguresAskForIt(t *testing.T) {
	text := textback.ReasonText
	good := func(i int, tx *textback.Text, th *textback.Thread) {
		if i%3 == 0 {
			replied(tx, th, time.Minute)
		}
	}
	cases := map[string]struct {
		fill func(*week)
		want string // ids in order
		says string
	}{
		"all is well":     {func(w *week) { w.miss(36, text, good); w.book(2) }, "", ""},
		"too few to tell": {func(w *week) { w.miss(enough-1, text, nil) }, "", ""},
		"few replies": {func(w *week) {
			w.miss(40, text, func(i int, tx *textback.Text, th *textback.Thread) {
				if i < 7 {
					replied(tx, th, time.Minute)
				}
			})
		}, "reply-rate", "Only 18 % of the texts are answered (7 of 40). It is the wording"},
		"replies without bookings": {func(w *week) { w.miss(36, text, good) }, "no-bookings", "12 callers answered and nobody booked. It is the link or the offer"},
		"no way to book":           {func(w *week) { w.miss(36, text, good); w.in.Known = nil }, "", ""},
		"few bookings": {func(w *week) {
			w.miss(100, text, func(i int, tx *textback.Text, th *textback.Thread) {
				if i%2 == 0 {
					replied(tx, th, time.Minute)
				}
			})
			w.book(1)
		}, "few-bookings", "Of 50 callers who answered, 1 booked"},
		"missing line": {func(w *week) {
			w.miss(4, textback.ReasonUnknownLine, nil)
			for i := range w.in.Calls {
				w.in.Calls[i].Decision.Line = []string{"+12025550199", "+12025550199", "100", "<b>"}[i]
			}
		}, "unknown-line", "4 missed calls were to a number that is no [[line]]: +12025550199 (2), 100 (1). Add"},
		"breaker":  {func(w *week) { w.miss(36, text, good); w.book(2); w.miss(1, textback.ReasonBudget, nil) }, "breaker", "1 call was not texted"},
		"unseen":   {func(w *week) { w.miss(36, text, good); w.book(2); w.miss(3, textback.ReasonUnseen, nil) }, "unseen", "[[records]]"},
		"shadow":   {func(w *week) { w.miss(9, textback.ReasonShadow, nil) }, "shadow", "9 calls would have been texted"},
		"no texts": {func(w *week) { w.miss(6, textback.ReasonQuiet, nil) }, "no-texts", `The commonest verdict is "quiet"`},
		"undelivered": {func(w *week) {
			w.miss(40, text, func(i int, tx *textback.Text, th *textback.Thread) {
				if i < 4 {
					tx.State = textback.Undelivered
				} else {
					good(i, tx, th)
				}
			})
			w.book(2)
		}, "undelivered", "4 of 40 texts were reported undelivered"},
		"refused, late, in doubt": {func(w *week) {
			w.miss(40, text, func(i int, tx *textback.Text, th *textback.Thread) {
				switch {
				case i < 3:
					tx.State = textback.Failed
				case i < 6:
					tx.State = textback.Expired
				case i < 9:
					tx.State = textback.Unknown
				default:
					good(i, tx, th)
				}
			})
			w.book(2)
		}, "failed expired unknown", "refused 3 of 40"},
		"slow texts": {func(w *week) {
			w.miss(36, text, func(i int, tx *textback.Text, th *textback.Thread) {
				tx.Submitted = tx.Created.Add(5 * time.Minute)
				good(i, tx, th)
			})
			w.book(2)
		}, "slow-texts", "later than 5:00 min"},
		"opt-outs": {func(w *week) { w.miss(36, text, good); w.book(2); w.stop(34, 35, 36) }, "opt-outs", "8.3 % of those texted opted out (3 of 36)"},
		"nobody answers": {func(w *week) {
			w.miss(36, text, func(i int, tx *textback.Text, th *textback.Thread) {
				if i%3 == 0 {
					replied(tx, th, time.Duration(i%2)*time.Minute)
				}
			})
			w.book(2)
		}, "unanswered", "6 of 12 callers who wrote back"},
		"late answers": {func(w *week) {
			w.miss(36, text, func(i int, tx *textback.Text, th *textback.Thread) {
				if i%3 == 0 {
					replied(tx, th, 3*time.Hour)
				}
			})
			w.book(2)
		}, "slow-response", "longer than 3:00 h"},
		"a variant wins": {func(w *week) {
			w.miss(120, text, func(i int, tx *textback.Text, th *textback.Thread) {
				if tx.Variant = i % 2; i%2 == 1 || i%8 == 0 {
					replied(tx, th, time.Minute)
				}
			})
			w.book(10)
		}, "variant", "Variant 2 gets more replies than variant 1: 100 % against 25 %"},
		"many may not be texted": {func(w *week) {
			w.miss(36, text, good)
			w.book(2)
			w.miss(30, textback.ReasonNotTextable, nil)
			w.miss(30, textback.ReasonNoNumber, nil)
			w.miss(30, textback.ReasonOutcomeOff, nil)
			w.miss(10, textback.ReasonRate, nil)
		}, "outcome-off not-textable no-number abuse", "30 of 136 missed calls ended"},
		"a bad hour": {func(w *week) {
			w.miss(40, text, good)
			w.book(2)
			for i := range 6 {
				w.in.Calls[i].Call.Begin = at("2026-11-18 12:30")
			}
		}, "peak", "Wednesdays between 12:00 and 13:00 (6 of 40)"},
		"younger than the period": {func(w *week) { w.miss(2, text, nil); w.in.Kept = at("2026-11-18 09:00") }, "kept", "2026-11-18 09:00"},
	}
	for name, x := range cases {
		w := newWeek()
		x.fill(w)
		r := Compute(w.in)
		var ids, words []string
		for _, a := range r.Advice {
			ids, words = append(ids, a.ID), append(words, a.Text)
		}
		if got := strings.Join(ids, " "); got != x.want || !strings.Contains(strings.Join(words, "\n"), x.says) {
			t.Errorf("%s: %s, want %s with %q\n%s", name, got, x.want, x.says, strings.Join(words, "\n"))
		}
	}
}

// book lets the first callers book, each by his text.
func (w *week) book(n int) {
	for i := range n {
		tx := w.in.Texts[i*3%len(w.in.Texts)] // every third replies
		w.in.Bookings = append(w.in.Bookings, store.BookingRecord{Booking: textback.Booking{ID: fmt.Sprint(i), State: "created", At: tx.Submitted.Add(time.Hour)},
			Business: acme, TextID: tx.ID})
	}
}

func (w *week) stop(ids ...uint64) {
	for _, tx := range w.in.Texts {
		if slices.Contains(ids, tx.ID) {
			w.in.Opts = append(w.in.Opts, store.LedgerEntry{Action: store.ActionOut, Source: store.SourceSMS, Number: tx.To, Businesses: []string{acme},
				At: tx.Submitted.Add(time.Hour)})
		}
	}
}

func TestReplyIsPutDownToTheLastTextWithinAWeek(t *testing.T) {
	w := newWeek()
	w.miss(2, textback.ReasonText, nil)
	first, second := w.in.Texts[0], w.in.Texts[1]
	msg := func(tx textback.Text) textback.Message {
		return textback.Message{At: tx.Submitted, Kind: tx.Kind, TextID: tx.ID}
	}
	in := func(after time.Duration, flag string) textback.Message {
		return textback.Message{At: second.Submitted.Add(after), In: true, Flag: flag}
	}
	for name, x := range map[string]struct {
		messages []textback.Message
		now      string
		replied  int
	}{
		"after both":            {[]textback.Message{msg(first), msg(second), in(time.Minute, "")}, "2026-12-23 08:00", 1},
		"after each":            {[]textback.Message{msg(first), in(-time.Minute, ""), msg(second), in(time.Minute, "")}, "2026-12-23 08:00", 2},
		"twice":                 {[]textback.Message{msg(first), in(time.Minute, ""), in(time.Hour, "")}, "2026-12-23 08:00", 1},
		"eight days later":      {[]textback.Message{msg(second), in(8*24*time.Hour, "")}, "2026-12-23 08:00", 0},
		"only a wish to stop":   {[]textback.Message{msg(second), in(time.Minute, "opted out")}, "2026-12-23 08:00", 0},
		"understood as stop":    {[]textback.Message{msg(second), in(30*time.Minute, "understood as a wish to stop")}, "2026-12-23 08:00", 0},
		"flagged for a person":  {[]textback.Message{msg(second), in(time.Minute, "may ask to stop")}, "2026-12-23 08:00", 1},
		"later than the report": {[]textback.Message{msg(second), in(6*24*time.Hour+20*time.Hour, "")}, "2026-11-22 08:00", 0},
	} {
		in := w.in
		in.Now = at(x.now)
		if in.Now.Before(in.Period.Until) {
			in.Period.Until = in.Now
		}
		in.Threads = []textback.Thread{{ID: 1, Business: acme, Caller: second.To, Messages: x.messages}}
		in.Opts = []store.LedgerEntry{{Action: store.ActionOut, Number: second.To, Source: store.SourceSMS, At: second.Submitted.Add(30 * time.Minute),
			Businesses: []string{acme}}}
		if r := Compute(in); r.Figures.Replied != x.replied {
			t.Errorf("%s: %d replied, want %d", name, r.Figures.Replied, x.replied)
		}
	}
}

// A period that ended yesterday and the one before must be equally ripe, or every report would say that things got worse.
func TestBothPeriodsAreGivenTheSameTimeForReplies(t *testing.T) {
	w := newWeek()
	w.miss(1, textback.ReasonText, nil)
	old := w.in.Texts[0]
	old.ID, old.Created, old.Submitted = 99, at("2026-11-15 23:00"), at("2026-11-15 23:00")
	w.in.Texts = append(w.in.Texts, old)
	reply := func(after time.Duration) []textback.Thread {
		return []textback.Thread{{ID: 9, Business: acme, Messages: []textback.Message{{At: old.Submitted, Kind: old.Kind, TextID: old.ID},
			{At: old.Submitted.Add(after), In: true}}}}
	}
	// The report is made eight hours after the end of its period: so long after its own end the one before counts too.
	w.in.Threads = reply(8 * time.Hour)
	if n := Compute(w.in).Before.Figures.Replied; n != 1 {
		t.Errorf("%d replied, want 1", n)
	}
	w.in.Threads = reply(10 * time.Hour)
	if n := Compute(w.in).Before.Figures.Replied; n != 0 {
		t.Errorf("%d replied, want 0", n)
	}
}

func TestVariantsAreComparedOnlyOnEnoughTexts(t *testing.T) {
	g := func(key string, n, of int) Group { return Group{Key: key, Arrived: of, ReplyRate: Rate{n, of}} }
	for _, x := range []struct {
		v    []Group
		won  bool
		says string
	}{
		{[]Group{g("1", 29, 29), g("2", 0, 500)}, false, "Too few to compare: variant 1 has 29 of the 30"},
		{[]Group{g("1", 6, 30), g("2", 9, 30)}, false, "No difference"},
		{[]Group{g("1", 0, 30), g("2", 0, 30)}, false, "No difference"},
		{[]Group{g("1", 30, 30), g("2", 30, 30)}, false, "No difference"},
		{[]Group{g("1", 12, 100), g("2", 24, 100)}, true, "Variant 2 gets more replies than variant 1: 24 % against 12 %"}, // p = 0.027
		{[]Group{g("1", 12, 100), g("2", 24, 100), g("3", 18, 100)}, false, "No difference"},                               // one of three pairs: 0.08
		{[]Group{g("1", 10, 100), g("2", 30, 100), g("3", 18, 100)}, true, "Variant 2 gets more replies than variant 1"},
	} {
		if s, won := compare(x.v); won != x.won || !strings.Contains(s, x.says) {
			t.Errorf("%v: %v %q", x.v, won, s)
		}
	}
}

func TestSpansAreNearestRank(t *testing.T) {
	for _, x := range []struct {
		s    []float64
		want Span
	}{
		{nil, Span{}}, {[]float64{5}, Span{1, 5, 5}}, {[]float64{3, 1}, Span{2, 2, 3}}, {[]float64{9, 1, 2, 3, 4, 5, 6, 7, 8, 10}, Span{10, 5.5, 9}},
		{[]float64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}, Span{11, 6, 10}},
	} {
		if got := span(slices.Clone(x.s)); got != x.want {
			t.Errorf("%v: %v, want %v", x.s, got, x.want)
		}
	}
}
