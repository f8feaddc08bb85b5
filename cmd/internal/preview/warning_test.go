package preview

import (
	"io/fs"
	"strings"
	"testing"

	"textback/configs"
)

func warned(t *testing.T, f *Figures, parts ...string) string {
	t.Helper()
	var b strings.Builder
	for _, w := range Look(load(t, parts...), f, now) {
		b.WriteString(w.String() + " | " + w.Hint + "\n")
	}
	return b.String()
}

// handOff is somebody who is told of replies and alarms.
const handOff = "[[notify]]\nname = \"desk\"\nkind = \"text\"\nto = [\"+12025550177\"]\nevents = [\"reply.received\", \"alarm\"]\n"

func TestAGoodFileIsNotWarnedOf(t *testing.T) {
	if got := warned(t, nil, "BUSINESS", hours, "HEAD", handOff); got != "" {
		t.Errorf("warned of:\n%s", got)
	}
}

func TestWhatIsSeldomMeantIsWarnedOf(t *testing.T) {
	rule := func(name, match, send string) string {
		return "[[rule]]\nname = \"" + name + "\"\n" + match + "\nsend = " + send + "\n"
	}
	for name, tc := range map[string]struct{ place, text, want string }{
		"shadow mode":             {"POLICY", "shadow = true", "shadow mode is on: everything is decided and counted, and nothing is sent"},
		"shadow mode of a line":   {"LINE", "policy = { shadow = true }\n[[line]]\nnumber = \"+12025550101\"\nbusiness = \"acme\"", "shadow mode is on for +12025550100: nothing"},
		"replies to nobody":       {"HEAD", "", `nobody is told of a reply`},
		"no hours":                {"POLICY", "", "has no hours: it is open at any hour"},
		"closed days of the past": {"BUSINESS", `closed = ["2025-12-25"]`, "all 1 closed days are over"},
		"no outcome":              {"POLICY", "outcomes = []", "no missed call is texted at all"},
		"a long min_ring":         {"POLICY", `min_ring = "30s"`, "30s is long"},
		"another region":          {"POLICY", `regions = ["CA"]`, "US, where the business is, is not among the regions"},
		"test numbers":            {"POLICY", `test_numbers = ["+12025550123"]`, "1 numbers are texted at every missed call"},
		"wide quiet hours":        {"POLICY", `quiet = "17:00-09:00"`, "quiet hours of 16 h 00 min leave little of the day"},
		"quiet while open":        {"BUSINESS", "hours = [\"Mon-Fri 07:00-17:30\"]\npolicy = { quiet_action = \"hold\" }", "quiet hours reach into opening hours: the text for a call on Tuesday at 07:00 waits"},
		"help without the name":   {"BUSINESS", `help = "Call +1 202 555 0100. Reply STOP to opt out"`, "the answer to HELP does not name the business"},
		"help without a way":      {"BUSINESS", `help = "Acme Plumbing helps you. Reply STOP to opt out"`, "tells no way to reach a person"},
		"a long help":             {"BUSINESS", `help = "Acme Plumbing: 202 555 0100 ` + strings.Repeat("again ", 30) + `"`, "the answer to HELP is sent in 2 segments (GSM-7"},
		"a help of quotes":        {"BUSINESS", `help = "Acme Plumbing: 202 555 0100 we’re here ` + strings.Repeat("again ", 8) + `"`, "because of ’"},
		"STOP unconfirmed":        {"POLICY", "confirm = false", "STOP is not confirmed, and +12025550100 is no toll-free number"},
		"a rule off by policy":    {"POLICY", "outcomes = [\"no-answer\"]\n" + rule("vm", `match = { outcome = ["voicemail"] }`, "false"), `rule "vm": no call can come to it: the policy texts for none of its outcomes`},
		"a rule of closed hours":  {"HEAD", rule("night", `match = { hours = "closed" }`, `"closed"`), "have no hours and so are never closed"},
		"a rule behind others": {"HEAD", rule("a", `match = { previous = 1 }`, `"repeat"`) + rule("b", `match = { previous = 3 }`, `"open"`),
			`rule "b": no call can come to it: rules before it always match first`},
		"a template of no rule": {"HEAD", rule("a", `match = { hours = "open" }`, `"open"`) + rule("b", `match = { hours = "closed" }`, `"closed"`), "[template]: repeat: no call gets it"},
		"a branch behind others": {"HEAD", "[[reply]]\nname = \"a\"\nmatch = [\"price*\"]\nsend = \"x\"\n[[reply]]\nname = \"b\"\nmatch = [\"prices\", \"price list\"]\nsend = \"y\"",
			`reply "b": no reply comes to it: "a" takes all its words before`},
		"a word that stops":  {"HEAD", "[[reply]]\nname = \"a\"\nmatch = [\"cancel\"]\nsend = \"x\"", `"cancel" alone is an opt-out, and never comes here`},
		"a word that helps":  {"HEAD", "[[reply]]\nname = \"a\"\nmatch = [\"info\"]\nsend = \"x\"", `"info" alone is answered with help`},
		"an answer never":    {"HEAD", "[[reply]]\nname = \"a\"\nmatch = [\"price\"]\nsend = \"x\"\n[[line]]\nnumber = \"+12025550105\"\nbusiness = \"acme\"\npolicy = { max_automatic = 0 }", "its answer is never sent by +12025550105"},
		"a line of its own":  {"LINE", "policy = { min_ring = \"40s\" }", `line "+12025550100": policy: min_ring: 40s is long`},
		"a line unconfirmed": {"LINE", "policy = { confirm = false }", `line "+12025550100": policy: confirm: STOP is not confirmed`},
		"alarms to nobody":   {"POLICY", "", "alarms stand in the log only"},
	} {
		if got := warned(t, nil, tc.place, tc.text); !strings.Contains(got, tc.want) {
			t.Errorf("%s: no %q in\n%s", name, tc.want, got)
		}
	}
}

func TestARuleThatSomeCallComesToIsNotWarnedOf(t *testing.T) {
	head := handOff + `
[[rule]]
name = "evening voicemail of a repeat caller"
match = { hours = "closed", outcome = ["voicemail"], previous = 5 }
send = false
[[rule]]
name = "rest"
send = "open"
`
	got := warned(t, nil, "BUSINESS", hours, "HEAD", head)
	if strings.Contains(got, "no call can come to it") {
		t.Error(got)
	}
}

// TestHoursOfMinutesAndHolidaysOfWeeksLeaveNothingUnreached: a rule is called unreached only if it is.
func TestHoursOfMinutesAndHolidaysOfWeeksLeaveNothingUnreached(t *testing.T) {
	head := handOff + "[[rule]]\nname = \"a\"\nmatch = { hours = \"closed\" }\nsend = \"closed\"\n[[rule]]\nname = \"b\"\nmatch = { hours = \"open\" }\nsend = \"open\"\n"
	var dates []string
	for day := range 40 {
		dates = append(dates, now.AddDate(0, 0, day).Format("\"2006-01-02\""))
	}
	for name, business := range map[string]string{
		"closed for ten minutes a day": `hours = ["Mon-Sun 00:00-23:50"]`,
		"open for ten minutes a week":  `hours = ["Sun 13:05-13:15"]`,
		"over midnight":                `hours = ["Mon-Sun 18:10-18:00"]`,
		"forty days of holidays":       "hours = [\"Mon-Fri 08:00-17:30\"]\nclosed = [" + strings.Join(dates, ", ") + "]",
	} {
		if got := warned(t, nil, "BUSINESS", business, "HEAD", head); strings.Contains(got, "no call can come to it") || strings.Contains(got, "open: no call gets it") {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func TestTheFiguresOfTheLastDaysAreHeldAgainstTheFile(t *testing.T) {
	second := "[[line]]\nnumber = \"+12025550101\"\nbusiness = \"acme\"\n"
	f := &Figures{Days: 20, Calls: map[string]int{"+12025550100": 60}, Strange: "9 missed calls were to a number that is no [[line]].",
		Busiest: map[string]int{"acme": 40}}
	got := warned(t, f, "LINE", second, "POLICY", "per_day = 30")
	for _, want := range []string{`line "+12025550101": nobody dialled it in the last 20 days, while 60 calls came on others`, "9 missed calls were to",
		"40 calls were missed on the busiest day, and 30 texts a day are allowed"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	if strings.Contains(got, `line "+12025550100"`) {
		t.Error("a line that is dialled is warned of")
	}
	f.Days = 2
	if got := warned(t, f, "LINE", second); strings.Contains(got, "nobody dialled") {
		t.Error("two days prove nothing")
	}
}

// TestTheReferenceFileHasNothingThatNoCallComesTo: people copy from it.
func TestTheReferenceFileHasNothingThatNoCallComesTo(t *testing.T) {
	c, err := configs.Parse("/etc/textback/textback.toml", configs.Reference, configs.Options{Mode: 0o640, Getenv: func(string) string { return "" },
		ReadFile: func(path string) ([]byte, fs.FileMode, error) {
			if strings.HasSuffix(path, "crm.secret") {
				return []byte("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n"), 0o640, nil
			}
			return []byte("0123456789abcdef0123\n"), 0o640, nil
		}})
	if err != nil {
		t.Fatal(strings.Join(configs.Lines(err), "\n"))
	}
	for _, w := range Look(c, nil, now) {
		t.Errorf("the reference file is warned of: %s", w)
	}
}
