package rules

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"textback"
)

// acme is a set as a small business has it: two lines, one business, the default policy of the contract.
func acme(t testing.TB) *Set {
	t.Helper()
	return withPolicy(t, func(*Policy) {})
}

func withPolicy(t testing.TB, change func(*Policy)) *Set {
	t.Helper()
	p := Policy{Outcomes: map[textback.Outcome]bool{}, Delay: 5 * time.Second, Window: 24 * time.Hour, RepeatWithin: 720 * time.Hour,
		MinRing: 3 * time.Second, Regions: []string{"US", "CA"}, ValidateNumbers: true, GiveUpAfter: time.Hour,
		Quiet: Quiet{21 * 60, 8 * 60}, QuietAction: QuietImmediate, MaxUnreplied: 3, PerBlockHour: 20, PerLineHour: 100, PerHour: 200,
		PerDay: 1000, Exclude: []string{"+12025550199", "+1212*"}, TestNumbers: []string{"+12025550155", "+12125550156"},
		InThread: 12 * time.Hour, ReconcileWithin: 15 * time.Minute}
	for _, o := range textback.MissedOutcomes() {
		p.Outcomes[o] = true
	}
	change(&p)
	b := &Business{Key: "acme", Name: "Acme Plumbing", Zone: zone(t, "America/New_York"), Region: "US",
		BookingURL: "https://acme.example/book", Hours: hours(t, []string{"Mon-Fri 08:00-17:30"}), Staff: []string{"+12025550177"}, Policy: p}
	main := &Line{Number: "+12025550100", Aliases: []string{"5550100"}, Name: "Main", Business: b, From: "+12025550100", SMPP: "carrier", Policy: p}
	second := &Line{Number: "+12025550101", Name: "Sales", Business: b, From: "+12025550101", Policy: p}
	s := &Set{Businesses: map[string]*Business{"acme": b}, Lines: []*Line{main, second}, Templates: map[string]*Template{}}
	for name, source := range map[string]string{
		"open":   "{{.Business}}: sorry we missed you{{with .Name}}, {{.}}{{end}}! Book: {{.BookingURL}} Reply STOP to opt out",
		"closed": "{{.Business}}: sorry, we're closed. We'll text you first thing. Reply STOP to opt out",
		"repeat": "{{.Business}}: we missed you again {{.When}}, sorry! Reply STOP to opt out",
	} {
		tmpl, err := ParseTemplate(name, "", source)
		if err != nil {
			t.Fatal(err)
		}
		s.Templates[name] = tmpl
	}
	return s
}

// tuesday is a Tuesday at noon in New York.
var tuesday = time.Date(2026, 11, 24, 17, 0, 0, 0, time.UTC)

func missedCall(number string) textback.Call {
	return textback.Call{ID: "hq/1", PBX: "hq", Direction: textback.Inbound, Party: textback.Party{Number: number},
		Dialled: []string{"+12025550100"}, Begin: tuesday.Add(-20 * time.Second), End: tuesday, Ring: 20 * time.Second,
		Outcome: textback.Abandoned, EndedBy: textback.EndedByCaller}
}

func factsOf(s *Set, call textback.Call) Facts {
	f := s.Facts(call, "", nil)
	f.Now = tuesday
	return f
}

func TestAMissedCallIsTexted(t *testing.T) {
	s := acme(t)
	d := s.Decide(factsOf(s, missedCall("2025550123")))
	want := textback.Decision{Reason: textback.ReasonText, Detail: "the business is open", Business: "acme", Line: "+12025550100",
		Caller: "+12025550123", Rule: "default", Template: "open", Due: tuesday.Add(5 * time.Second),
		Expires: tuesday.Add(time.Hour + 5*time.Second), From: "+12025550100", SMPP: "carrier"}
	if d != want {
		t.Errorf("got  %+v\nwant %+v", d, want)
	}
}

// guardCase makes one guard object; the rest of the facts are good.
type guardCase struct {
	name   string
	reason textback.Reason
	policy func(*Policy)
	facts  func(*Facts)
	detail string
}

func guardCases() []guardCase {
	last := func(ago time.Duration) func(*Facts) {
		return func(f *Facts) { f.History.LastText = f.Now.Add(-ago) }
	}
	return []guardCase{
		{"an outcome that is switched off", textback.ReasonOutcomeOff,
			func(p *Policy) { p.Outcomes = map[textback.Outcome]bool{textback.Busy: true} }, nil, "sends no text for abandoned"},
		{"an end in a gap of the link", textback.ReasonUnseen, nil, func(f *Facts) { f.Call.Unseen = true }, "link to hq was down"},
		{"found in the records too late", textback.ReasonUnseen, nil,
			func(f *Facts) { f.Call.Reconciled, f.Call.End = true, f.Now.Add(-40*time.Minute) }, "40m after its end; only those younger than 15m"},
		{"a withheld number that the PBX shows all the same", textback.ReasonNoNumber, nil,
			func(f *Facts) { f.Call.Party.Withheld = true }, "withheld"},
		{"a word for a number", textback.ReasonNoNumber, nil, caller("Anonymous"), "something else"},
		{"a number of no plan", textback.ReasonNoNumber, nil, caller("+15552340101"), "no such number"},
		{"no number", textback.ReasonNoNumber, nil, caller(""), "empty"},
		{"a loop", textback.ReasonOwnNumber, nil, caller("+12025550101"), "our own line +12025550101"},
		{"an excluded number", textback.ReasonExcluded, nil, caller("2025550199"), "exclude list as +12025550199"},
		{"an excluded prefix", textback.ReasonExcluded, nil, caller("+12125550123"), "exclude list as +1212*"},
		{"a staff mobile", textback.ReasonExcluded, nil, caller("+12025550177"), "staff mobile of acme"},
		{"a spam label", textback.ReasonExcluded, nil, func(f *Facts) { f.Call.Party.Name = "SPAM? JOE" }, `label "SPAM"`},
		{"no text, please", textback.ReasonDeclined, nil, func(f *Facts) { f.Call.Declined = true }, "no_text"},
		{"a toll-free number", textback.ReasonNotTextable, nil, caller("+18005551234"), "toll-free"},
		{"a premium number", textback.ReasonNotTextable, nil, caller("+19005551234"), "premium"},
		{"a fixed line where the plan tells", textback.ReasonNotTextable, nil, caller("+442071838750"), "a fixed number"},
		{"a short code", textback.ReasonNotTextable, nil, caller("911"), "a short number"},
		{"two failures", textback.ReasonNotTextable, nil, func(f *Facts) { f.History.Undeliverable = 2 }, "2 texts to this number failed"},
		{"Jamaica, which is +1", textback.ReasonRegion, nil, caller("+18762345678"), "a number of JM; allowed are US, CA"},
		{"a German mobile", textback.ReasonRegion, nil, caller("+4915112345678"), "a number of DE"},
		{"a failed verification", textback.ReasonSpoofed, nil,
			func(f *Facts) { f.Call.Party.Verification = textback.VerificationFailed }, "STIR/SHAKEN"},
		{"a ring of a second", textback.ReasonTooShort, nil, func(f *Facts) { f.Call.Ring = time.Second }, "hung up after 1s; min_ring is 3s"},
		{"a short ring, its end untold", textback.ReasonTooShort, nil,
			func(f *Facts) { f.Call.Ring, f.Call.EndedBy = time.Second, textback.EnderUnknown }, "min_ring"},
		{"an opt-out", textback.ReasonOptedOut, nil, func(f *Facts) { f.History.OptedOut = true }, "opted out"},
		{"a talk on another line", textback.ReasonTalking, nil, func(f *Facts) { f.TalkingNow = true }, "another call"},
		{"a thread with a person", textback.ReasonTalking, nil, func(f *Facts) { f.History.Thread = true }, "less than 12h ago"},
		{"a text of yesterday", textback.ReasonWindow, nil, last(23*time.Hour + 59*time.Minute), "23h59m ago; the window is 24h"},
		{"a text that is still to leave", textback.ReasonWindow, nil, last(-3 * time.Hour), "due in 3h already"},
		{"three texts without a reply", textback.ReasonUnansweredTexts, nil, func(f *Facts) { f.History.Unreplied = 3 },
			"3 texts of the last 30 days had no reply; max_unreplied is 3"},
		{"a number block", textback.ReasonRate, nil, func(f *Facts) { f.History.BlockHour = 20 }, "number block +1202555XXXX in an hour; per_block_hour is 20"},
		{"a busy line", textback.ReasonRate, nil, func(f *Facts) { f.History.LineHour = 100 }, "per_line_hour is 100"},
		{"the hour's budget", textback.ReasonBudget, nil, func(f *Facts) { f.History.BusinessHour = 200 }, "per_hour is 200"},
		{"the day's budget", textback.ReasonBudget, nil, func(f *Facts) { f.History.BusinessDay = 1000 }, "per_day is 1000"},
		{"quiet hours to skip", textback.ReasonQuiet, func(p *Policy) { p.QuietAction = QuietSkip },
			func(f *Facts) { f.Now = tuesday.Add(10 * time.Hour) }, "it is 22:00 at the caller's place (America/New_York, from the number); quiet hours are 21:00-08:00"},
	}
}

func caller(raw string) func(*Facts) {
	return func(f *Facts) {
		f.Call.Party.Number = raw
		f.Caller, f.CallerErr = textback.ParseNumber(raw, "US", nil, true)
	}
}

func TestEachGuardObjects(t *testing.T) {
	for _, c := range guardCases() {
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
		if d.Reason != c.reason || !strings.Contains(d.Detail, c.detail) {
			t.Errorf("%s: %s, %q; want %s, %q", c.name, d.Reason, d.Detail, c.reason, c.detail)
		}
		if !d.Due.IsZero() || !d.Expires.IsZero() || d.Template != "" || d.Held {
			t.Errorf("%s: a refusal says when to send: %+v", c.name, d)
		}
	}
}

// Where two guards object the one that comes first in the decision table gives the reason.
func TestTheFirstGuardThatObjectsGivesTheReason(t *testing.T) {
	cases, plain := guardCases(), acme(t)
	for i, a := range cases {
		for _, b := range cases[i+1:] {
			if a.reason == b.reason || overwrites(a, b) {
				continue
			}
			s := plain
			if a.policy != nil || b.policy != nil {
				s = withPolicy(t, func(p *Policy) {
					for _, c := range []guardCase{b, a} {
						if c.policy != nil {
							c.policy(p)
						}
					}
				})
			}
			f := factsOf(s, missedCall("+12025550123"))
			for _, c := range []guardCase{b, a} {
				if c.facts != nil {
					c.facts(&f)
				}
			}
			if d := s.Decide(f); d.Reason != a.reason {
				t.Errorf("%s and %s: %s, want %s", a.name, b.name, d.Reason, a.reason)
			}
		}
	}
}

// overwrites tells whether two cases cannot be had at once: both set the caller or the moment.
func overwrites(a, b guardCase) bool {
	touches := func(c guardCase) (what []string) {
		var f Facts
		f.Now = tuesday
		if c.facts != nil {
			c.facts(&f)
		}
		if f.Call.Party.Number != "" || f.CallerErr != nil || f.Caller.E164 != "" {
			what = append(what, "caller")
		}
		if f.Call.Reconciled || !f.History.LastText.IsZero() || !f.Now.Equal(tuesday) {
			what = append(what, "moment")
		}
		return what
	}
	for _, w := range touches(a) {
		if slices.Contains(touches(b), w) {
			return true
		}
	}
	return false
}

func TestTheGuardsStandInTheOrderOfTheTable(t *testing.T) {
	var order []textback.Reason
	for _, c := range guardCases() {
		if len(order) == 0 || order[len(order)-1] != c.reason {
			order = append(order, c.reason)
		}
	}
	if !slices.IsSorted(order) {
		t.Errorf("the cases stand in the order %v", order)
	}
	for _, r := range textback.Reasons() {
		special := r == textback.ReasonText || r == textback.ReasonUnknownLine || r == textback.ReasonRule || r == textback.ReasonShadow || r == textback.ReasonRecovered
		if !special && !slices.Contains(order, r) {
			t.Errorf("no case for %s", r)
		}
	}
}

func TestAtItsLimitEachGuardLetsPass(t *testing.T) {
	for name, change := range map[string]func(*Facts){
		"the window is over":      func(f *Facts) { f.History.LastText = f.Now.Add(-24 * time.Hour) },
		"two unanswered texts":    func(f *Facts) { f.History.Unreplied = 2 },
		"nineteen to the block":   func(f *Facts) { f.History.BlockHour = 19 },
		"one failure":             func(f *Facts) { f.History.Undeliverable = 1 },
		"three seconds":           func(f *Facts) { f.Call.Ring = 3 * time.Second },
		"the PBX ended it":        func(f *Facts) { f.Call.Ring, f.Call.EndedBy = 0, textback.EndedByPBX },
		"lost with the PBX":       func(f *Facts) { f.Call.Ring, f.Call.EndedBy, f.Call.Outcome = 0, textback.EnderUnknown, textback.Lost },
		"verified":                func(f *Facts) { f.Call.Party.Verification = textback.VerificationPassed },
		"Canada":                  caller("+14165550123"),
		"reconciled in time":      func(f *Facts) { f.Call.Reconciled, f.Call.End = true, f.Now.Add(-14*time.Minute) },
		"a name like a spam word": func(f *Facts) { f.Call.Party.Name = "SPAMPINATO, ROSA" },
	} {
		s := acme(t)
		f := factsOf(s, missedCall("+12025550123"))
		change(&f)
		if d := s.Decide(f); d.Reason != textback.ReasonText {
			t.Errorf("%s: %s, %s", name, d.Reason, d.Detail)
		}
	}
}

func TestANumberThatIsNoLineHasAVerdictToo(t *testing.T) {
	s := acme(t)
	call := missedCall("+12025550123")
	call.Dialled = []string{"s", "+12025550000\x1b[31m"}
	d := s.Decide(factsOf(s, call))
	if d.Reason != textback.ReasonUnknownLine || d.Line != "s" || d.Business != "" || !strings.Contains(d.Detail, `"+12025550000[31m"`) {
		t.Errorf("%+v", d)
	}
	call.Dialled = nil
	if d := s.Decide(factsOf(s, call)); d.Reason != textback.ReasonUnknownLine || d.Detail != "the PBX showed no dialled number" {
		t.Errorf("%+v", d)
	}
}

func TestTestNumbersAreTextedEveryTime(t *testing.T) {
	s := acme(t)
	f := factsOf(s, missedCall("+12125550156")) // also on the exclude list
	f.Call.Ring, f.Call.Party.Name = 0, "SPAM?"
	f.History.LastText, f.History.Unreplied = f.Now.Add(-time.Minute), 40
	if d := s.Decide(f); d.Reason != textback.ReasonText {
		t.Errorf("%s: %s", d.Reason, d.Detail)
	}
	f.History.OptedOut = true
	if d := s.Decide(f); d.Reason != textback.ReasonOptedOut {
		t.Errorf("an opted-out test number: %s", d.Reason)
	}
}

func TestLinesAreFoundByEveryForm(t *testing.T) {
	s := acme(t)
	for _, c := range []struct {
		dialled []string
		want    string
	}{
		{[]string{"+12025550100"}, "+12025550100"},
		{[]string{"2025550100"}, "+12025550100"},
		{[]string{"12025550101"}, "+12025550101"},
		{[]string{"5550100"}, "+12025550100"},
		{[]string{"s", "", "sip:+12025550101@pbx.example"}, "+12025550101"},
		{[]string{"+12025550101", "+12025550100"}, "+12025550101"},
		{[]string{"0000", "unknown"}, ""},
		{nil, ""},
	} {
		got := ""
		if l := s.FindLine(c.dialled, "", nil); l != nil {
			got = l.Number
		}
		if got != c.want {
			t.Errorf("%q names %q, want %q", c.dialled, got, c.want)
		}
	}
}

// The recordings of the laboratory use numbers of no numbering plan.
func TestTestNumbersOfTheLaboratoryWorkWithoutValidation(t *testing.T) {
	s := withPolicy(t, func(p *Policy) { p.ValidateNumbers = false })
	s.Lines[0].Number, s.Lines[0].Aliases = "+15550100", []string{"5550100"}
	for _, dialled := range []string{"+15550100", "5550100", "15550100"} {
		for from, want := range map[string]string{"+15551230401": "+15551230401", "15552340102": "+15552340102", "5552340101": "+15552340101"} {
			call := missedCall(from)
			call.Dialled = []string{dialled}
			d := s.Decide(factsOf(s, call))
			if d.Reason != textback.ReasonText || d.Line != "+15550100" || d.Caller != want {
				t.Errorf("%s to %s: %s %s %s (%s)", from, dialled, d.Reason, d.Line, d.Caller, d.Detail)
			}
		}
		for _, from := range []string{"anonymous", "Unavailable", "Restricted", ""} {
			call := missedCall(from)
			call.Dialled = []string{dialled}
			if d := s.Decide(factsOf(s, call)); d.Reason != textback.ReasonNoNumber {
				t.Errorf("%q: %s", from, d.Reason)
			}
		}
	}
}

func TestTheFirstRuleThatMatchesWins(t *testing.T) {
	s := acme(t)
	s.Rules = []Rule{
		{Name: "no texts for voicemail on the main line", Match: Match{Lines: []string{"+12025550100"}, Outcomes: []textback.Outcome{textback.Voicemail}}},
		{Name: "after hours", Match: Match{Hours: "closed"}, Send: true, Template: "closed"},
		{Name: "called before", Match: Match{Previous: 2}, Send: true, Template: "repeat"},
		{Name: "branch", Match: Match{PBX: []string{"branch"}}, Send: true, Template: "missing"},
	}
	for _, c := range []struct {
		name     string
		change   func(*Facts)
		rule     string
		template string
		reason   textback.Reason
	}{
		{"voicemail on the main line", func(f *Facts) { f.Call.Outcome = textback.Voicemail }, "no texts for voicemail on the main line", "", textback.ReasonRule},
		{"voicemail on the other line", func(f *Facts) { f.Call.Outcome, f.Line = textback.Voicemail, s.Lines[1] }, DefaultRule, "open", textback.ReasonText},
		{"in the evening", func(f *Facts) { f.Now = f.Now.Add(8 * time.Hour) }, "after hours", "closed", textback.ReasonText},
		{"in the evening again", func(f *Facts) { f.Now, f.History.Missed = f.Now.Add(8*time.Hour), 3 }, "after hours", "closed", textback.ReasonText},
		{"third time", func(f *Facts) { f.History.Missed = 2 }, "called before", "repeat", textback.ReasonText},
		{"second time, by the default rule", func(f *Facts) { f.History.Missed = 1 }, DefaultRule, "repeat", textback.ReasonText},
		{"a template that is missing", func(f *Facts) { f.Call.PBX = "branch" }, "branch", "open", textback.ReasonText},
		{"anyone else", func(*Facts) {}, DefaultRule, "open", textback.ReasonText},
	} {
		f := factsOf(s, missedCall("+12025550123"))
		c.change(&f)
		if d := s.Decide(f); d.Rule != c.rule || d.Template != c.template || d.Reason != c.reason {
			t.Errorf("%s: %s %q %q, want %s %q %q", c.name, d.Reason, d.Rule, d.Template, c.reason, c.rule, c.template)
		}
	}
}

func TestWithoutRulesHoursAndHistoryNameTheTemplate(t *testing.T) {
	s := acme(t)
	f := factsOf(s, missedCall("+12025550123"))
	for _, c := range []struct {
		hours    time.Duration
		missed   int
		template string
	}{{0, 0, "open"}, {0, 1, "repeat"}, {8 * time.Hour, 0, "closed"}, {8 * time.Hour, 1, "closed"}} {
		f.Now, f.History.Missed = tuesday.Add(c.hours), c.missed
		if d := s.Decide(f); d.Template != c.template {
			t.Errorf("after %s, %d missed: %q, want %q", c.hours, c.missed, d.Template, c.template)
		}
	}
	delete(s.Templates, "closed")
	delete(s.Templates, "repeat")
	if d := s.Decide(f); d.Template != "open" {
		t.Errorf("without the other templates: %q", d.Template)
	}
	delete(s.Templates, "open")
	if d := s.Decide(f); d.Reason != textback.ReasonRule {
		t.Errorf("without any template: %s", d.Reason)
	}
}

func TestShadowModeDecidesEverythingAndSendsNothing(t *testing.T) {
	s := withPolicy(t, func(p *Policy) { p.Shadow = true })
	d := s.Decide(factsOf(s, missedCall("+12025550123")))
	if d.Reason != textback.ReasonShadow || d.Template != "open" || d.Due.IsZero() || !strings.Contains(d.Detail, "nothing is sent") {
		t.Errorf("%+v", d)
	}
	f := factsOf(s, missedCall("+12025550123"))
	f.History.OptedOut = true
	if d := s.Decide(f); d.Reason != textback.ReasonOptedOut {
		t.Errorf("shadow mode hides %s", d.Reason)
	}
}

func ExampleSet_Decide() {
	b := &Business{Key: "acme", Name: "Acme Plumbing", Region: "US"}
	line := &Line{Number: "+12025550100", Business: b, From: "+12025550100", Policy: Policy{
		Outcomes: map[textback.Outcome]bool{textback.NoAnswer: true}, Window: 24 * time.Hour, ValidateNumbers: true, Regions: []string{"US"}}}
	s := &Set{Lines: []*Line{line}}
	f := s.Facts(textback.Call{Party: textback.Party{Number: "8762345678"}, Dialled: []string{"2025550100"}, Outcome: textback.NoAnswer}, "", nil)
	d := s.Decide(f)
	fmt.Println(d.Reason, "-", d.Detail)
	// Output: region - a number of JM; allowed are US
}

func BenchmarkDecide(b *testing.B) {
	s := acme(b)
	f := factsOf(s, missedCall("+12025550123"))
	f.History.Missed = 1
	for b.Loop() {
		if d := s.Decide(f); d.Reason != textback.ReasonText {
			b.Fatal(d.Reason)
		}
	}
}

func BenchmarkFacts(b *testing.B) {
	s := acme(b)
	call := missedCall("2025550123")
	for b.Loop() {
		if f := s.Facts(call, "", nil); f.Line == nil {
			b.Fatal("no line")
		}
	}
}
