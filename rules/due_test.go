package rules

import (
	"strings"
	"testing"
	"time"

	"textback"
)

// night is 22:00 of that Tuesday in New York.
var night = tuesday.Add(10 * time.Hour)

func TestWhenATextIsDue(t *testing.T) {
	morning := time.Date(2026, 11, 25, 13, 0, 0, 0, time.UTC) // 08:00 in New York
	for _, c := range []struct {
		name   string
		policy func(*Policy)
		facts  func(*Facts)
		due    time.Time
		held   bool
	}{
		{"by day", nil, nil, tuesday.Add(5 * time.Second), false},
		{"the store was not ready for a minute", nil, func(f *Facts) { f.Ended = tuesday.Add(-time.Minute) }, tuesday, false},
		{"the call ended in the future", nil, func(f *Facts) { f.Ended = tuesday.Add(time.Hour) }, tuesday.Add(5 * time.Second), false},
		{"the PBX's clock is a day off", nil, func(f *Facts) { f.Call.End = tuesday.Add(-24 * time.Hour) }, tuesday.Add(5 * time.Second), false},
		{"found in the records", nil, func(f *Facts) { f.Call.Reconciled, f.Call.End = true, tuesday.Add(-10*time.Minute) }, tuesday, false},
		{"at night, at once", nil, func(f *Facts) { f.Now = night }, night.Add(5 * time.Second), false},
		{"at night, four minutes late", nil, func(f *Facts) { f.Now, f.Ended = night, night.Add(-4*time.Minute) }, night, false},
		{"at night, six minutes late", nil, func(f *Facts) { f.Now, f.Ended = night, night.Add(-6*time.Minute) }, morning, true},
		{"at night with a delay of ten minutes", func(p *Policy) { p.Delay = 10 * time.Minute }, func(f *Facts) { f.Now = night }, morning, true},
		{"at night, held", func(p *Policy) { p.QuietAction = QuietHold }, func(f *Facts) { f.Now = night }, morning, true},
		{"the delay runs into quiet hours", func(p *Policy) { p.QuietAction, p.Delay = QuietHold, time.Hour }, func(f *Facts) { f.Now = night.Add(-90 * time.Minute) }, morning, true},
		{"at night, sent", func(p *Policy) { p.QuietAction = QuietSend }, func(f *Facts) { f.Now, f.Ended = night, night.Add(-time.Hour) }, night, false},
		{"no quiet hours", func(p *Policy) { p.QuietAction, p.Quiet = QuietHold, Quiet{} }, func(f *Facts) { f.Now = night }, night.Add(5 * time.Second), false},
		{"at the caller's place it is 19:00", func(p *Policy) { p.QuietAction = QuietHold },
			func(f *Facts) { caller("+12135550123")(f); f.Now = night }, night.Add(5 * time.Second), false},
		{"at the caller's place it is 05:00", func(p *Policy) { p.QuietAction = QuietHold },
			func(f *Facts) { caller("+12135550123")(f); f.Now = morning }, morning.Add(3 * time.Hour), true},
		{"the caller may be in two zones", func(p *Policy) { p.QuietAction = QuietHold },
			func(f *Facts) { caller("+12085550123")(f); f.Now = morning.Add(time.Hour) }, morning.Add(3 * time.Hour), true},
	} {
		change := c.policy
		if change == nil {
			change = func(*Policy) {}
		}
		s := withPolicy(t, change)
		f := factsOf(s, missedCall("+12025550123"))
		if c.facts != nil {
			c.facts(&f)
		}
		d := s.Decide(f)
		if d.Reason != textback.ReasonText || !d.Due.Equal(c.due) || d.Held != c.held {
			t.Errorf("%s: %s, due %s, held %t; want %s, %t (%s)", c.name, d.Reason, d.Due, d.Held, c.due, c.held, d.Detail)
		}
		if want := d.Due.Add(time.Hour); !d.Expires.Equal(want) {
			t.Errorf("%s: expires %s, want %s", c.name, d.Expires, want)
		}
		if d.Held != strings.Contains(d.Detail, "held until") {
			t.Errorf("%s: held %t, but %q", c.name, d.Held, d.Detail)
		}
	}
}

func TestQuietHoursThatLeaveNoCommonTimeFollowTheBusiness(t *testing.T) {
	s := withPolicy(t, func(p *Policy) { p.QuietAction, p.Quiet = QuietHold, Quiet{9 * 60, 8 * 60} })
	f := factsOf(s, missedCall("+12025550123"))
	f.Caller.Zones = []*time.Location{zone(t, "America/New_York"), zone(t, "America/Los_Angeles")}
	if d := s.Decide(f); d.Reason != textback.ReasonText || d.Due.In(f.Line.zone()).Format("15:04") != "08:00" {
		t.Errorf("%s, due %s", d.Reason, d.Due)
	}
}

// queued is the text that Decide's answer was turned into.
func queued(d textback.Decision, created time.Time) textback.Text {
	return textback.Text{ID: 1, Kind: textback.MissedCallText, Business: d.Business, Line: d.Line, To: d.Caller, From: d.From,
		Template: d.Template, State: textback.Queued, Created: created, Due: d.Due, Held: d.Held, Expires: d.Expires}
}

func TestATextIsLookedAtAgainWhenItIsDue(t *testing.T) {
	for _, c := range []struct {
		name   string
		policy func(*Policy)
		facts  func(*Facts)
		reason textback.Reason
	}{
		{"nothing happened", nil, nil, textback.ReasonText},
		{"opted out", nil, func(f *Facts) { f.History.OptedOut = true }, textback.ReasonOptedOut},
		{"on the phone with us", nil, func(f *Facts) { f.TalkingNow = true }, textback.ReasonTalking},
		{"a person took the thread", nil, func(f *Facts) { f.History.Thread = true }, textback.ReasonTalking},
		{"its own claim is no window", nil, func(f *Facts) { f.History.LastText = f.Now }, textback.ReasonText},
		{"shadow mode was switched on", func(p *Policy) { p.Shadow = true }, nil, textback.ReasonShadow},
		{"excluded meanwhile", func(p *Policy) { p.Exclude = []string{"+12025550123"} }, nil, textback.ReasonExcluded},
		{"the line is gone", nil, func(f *Facts) { f.Line = nil }, textback.ReasonUnknownLine},
	} {
		s := acme(t)
		text := queued(s.Decide(factsOf(s, missedCall("+12025550123"))), tuesday)
		if c.policy != nil {
			s = withPolicy(t, c.policy)
		}
		f := factsOf(s, missedCall("+12025550123"))
		f.Now = text.Due
		if c.facts != nil {
			c.facts(&f)
		}
		if f.Line == nil {
			text.Line = "+12025550999"
		}
		if d := s.Recheck(f, text); d.Reason != c.reason {
			t.Errorf("%s: %s, %s; want %s", c.name, d.Reason, d.Detail, c.reason)
		}
	}
}

func TestTheTextItselfTellsLineAndCaller(t *testing.T) {
	s := acme(t)
	text := queued(s.Decide(factsOf(s, missedCall("+12025550123"))), tuesday)
	d := s.Recheck(Facts{Now: text.Due}, text)
	if d.Reason != textback.ReasonText || d.Template != "open" || d.From != "+12025550100" || d.SMPP != "carrier" || d.Caller != "+12025550123" {
		t.Errorf("%+v", d)
	}
}

func TestAfterANightsHoldItIsTheOpenHoursText(t *testing.T) {
	s := withPolicy(t, func(p *Policy) { p.QuietAction = QuietHold })
	f := factsOf(s, missedCall("+12025550123"))
	f.Now = night
	d := s.Decide(f)
	if d.Template != "closed" || !d.Held {
		t.Fatalf("at night: %+v", d)
	}
	text := queued(d, night)
	again := s.Recheck(Facts{Now: text.Due}, text)
	if again.Reason != textback.ReasonText || again.Template != "open" || again.Due.After(text.Due) || !again.Expires.Equal(text.Expires) {
		t.Errorf("in the morning: %+v", again)
	}
	if when := When(night, text.Due, s.Lines[0].zone(), ""); when != "last night" {
		t.Errorf("in the morning the call was %q", when)
	}
}

func TestWhatIsLateAtNightWaitsForTheMorning(t *testing.T) {
	s := acme(t)
	f := factsOf(s, missedCall("+12025550123"))
	f.Now = night
	text := queued(s.Decide(f), night)
	if text.Held {
		t.Fatal("the immediate answer is held")
	}
	if d := s.Recheck(Facts{Now: night.Add(4 * time.Minute)}, text); d.Reason != textback.ReasonText || d.Due.After(night.Add(4*time.Minute)) {
		t.Errorf("after four minutes: %+v", d)
	}
	d := s.Recheck(Facts{Now: night.Add(6 * time.Minute)}, text)
	morning := time.Date(2026, 11, 25, 13, 0, 0, 0, time.UTC)
	if d.Reason != textback.ReasonText || !d.Due.Equal(morning) || !d.Held || !d.Expires.Equal(morning.Add(time.Hour)) {
		t.Errorf("after six minutes: %+v", d)
	}
	skip := withPolicy(t, func(p *Policy) { p.QuietAction = QuietSkip })
	if d := skip.Recheck(Facts{Now: night}, text); d.Reason != textback.ReasonQuiet {
		t.Errorf("with skip: %+v", d)
	}
}

func TestValidityEndsBeforeTheNextQuietHours(t *testing.T) {
	evening := tuesday.Add(8*time.Hour + 30*time.Minute) // 20:30 in New York
	for _, c := range []struct {
		action QuietAction
		now    time.Time
		kind   textback.TextKind
		want   time.Time
	}{
		{QuietHold, evening, textback.MissedCallText, evening.Add(30 * time.Minute)},
		{QuietSkip, evening, textback.MissedCallText, evening.Add(30 * time.Minute)},
		{QuietImmediate, evening, textback.MissedCallText, evening.Add(time.Hour)},
		{QuietSend, evening, textback.MissedCallText, evening.Add(time.Hour)},
		{QuietHold, tuesday, textback.MissedCallText, tuesday.Add(time.Hour)},
		{QuietHold, evening, textback.ConfirmationText, evening.Add(time.Hour)},
	} {
		s := withPolicy(t, func(p *Policy) { p.QuietAction = c.action })
		text := textback.Text{Kind: c.kind, Line: "+12025550100", To: "+12025550123", Expires: c.now.Add(time.Hour)}
		if got := s.ValidityEnd(Facts{Now: c.now}, text); !got.Equal(c.want) {
			t.Errorf("%v %s at %s: %s, want %s", c.action, c.kind, c.now, got, c.want)
		}
	}
}

func TestSharedSenders(t *testing.T) {
	s := acme(t)
	other := &Business{Key: "beta", Name: "Beta"}
	s.Businesses["beta"] = other
	s.Lines = append(s.Lines, &Line{Number: "+12025550102", Business: other, From: "+12025550101"})
	if got := s.SharedWith("acme"); len(got) != 1 || got[0] != "beta" {
		t.Errorf("acme shares with %v", got)
	}
	if got := s.SharedWith("beta"); len(got) != 1 || got[0] != "acme" {
		t.Errorf("beta shares with %v", got)
	}
	if l := s.LineBySender("12025550100"); l == nil || l.Number != "+12025550100" {
		t.Errorf("the sender belongs to %v", l)
	}
}

func TestTheVerdictTellsTheTimeAtTheCallersPlace(t *testing.T) {
	for _, c := range []struct {
		name   string
		action QuietAction
		facts  func(*Facts)
		want   string
	}{
		{"by day", QuietHold, func(*Facts) {}, "the business is open"},
		{"an immediate answer", QuietImmediate, func(f *Facts) { f.Now = night },
			"the business is closed; in quiet hours, as the immediate answer: it is 22:00 at the caller's place (America/New_York, from the number)"},
		{"quiet hours ignored", QuietSend, func(f *Facts) { f.Now = night },
			"the business is closed; quiet hours are ignored: it is 22:00 at the caller's place (America/New_York, from the number)"},
		{"a hold", QuietHold, func(f *Facts) { f.Now = night },
			"the business is closed; held until Wed 08:00 at the caller's place (America/New_York, from the number)"},
		{"two zones", QuietImmediate, func(f *Facts) { caller("+12085550123")(f); f.Now = night.Add(-time.Hour + time.Minute) },
			"the business is closed"},
		{"a number without a place", QuietHold, func(f *Facts) { f.Caller.Zones, f.Caller.CountryWide, f.Now = nil, true, night },
			"the business is closed; held until Wed 08:00 at the caller's place (America/New_York, the business's, the number is good for a whole country)"},
	} {
		s := withPolicy(t, func(p *Policy) { p.QuietAction = c.action })
		f := factsOf(s, missedCall("+12025550123"))
		c.facts(&f)
		if d := s.Decide(f); d.Detail != c.want {
			t.Errorf("%s: %q, want %q", c.name, d.Detail, c.want)
		}
	}
}
