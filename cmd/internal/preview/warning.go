package preview

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"

	"textback"
	"textback/configs"
	"textback/rules"
)

// Warning is something that is accepted and seldom meant, with the sentence that mends it.
type Warning struct {
	Key     string `json:"key"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

// String is the warning on one line, without its hint.
func (w Warning) String() string { return w.Key + ": " + w.Message }

// Figures are what is known of the last days, read from the daemon or its state file.
type Figures struct {
	Days    int            // so many days are known
	Calls   map[string]int // calls from outside by line, answered ones too
	Strange string         // a sentence on numbers dialled that are no line, "" if there is none
	Busiest map[string]int // most calls missed by a business in one day
}

// Look finds what the check of the file itself does not warn of. figures may be nil.
func Look(cfg *configs.Config, figures *Figures, now time.Time) []Warning {
	l := &looker{cfg: cfg, now: now}
	l.shadow()
	l.unreached()
	l.branches()
	for _, key := range slices.Sorted(maps.Keys(cfg.Set.Businesses)) {
		b := cfg.Set.Businesses[key]
		if line := l.lineOf(b); line != nil {
			l.business(b, line)
		}
	}
	l.bookings()
	l.alarms()
	if figures != nil {
		l.figures(figures)
	}
	return l.found
}

type looker struct {
	cfg   *configs.Config
	now   time.Time
	found []Warning
}

func (l *looker) say(key, hint, format string, args ...any) {
	w := Warning{Key: key, Message: fmt.Sprintf(format, args...), Hint: hint}
	_, what, _ := strings.Cut(key, ": ") // a line repeats what its business says already
	if !slices.ContainsFunc(l.found, func(o Warning) bool {
		_, same, _ := strings.Cut(o.Key, ": ")
		return o.Message == w.Message && same == what && (o.Key == key || strings.HasPrefix(key, "line ") && strings.HasPrefix(o.Key, "business "))
	}) {
		l.found = append(l.found, w)
	}
}

// lineOf is the first line of a business.
func (l *looker) lineOf(b *rules.Business) *rules.Line {
	for _, line := range l.cfg.Set.Lines {
		if line.Business == b {
			return line
		}
	}
	return nil
}

func (l *looker) shadow() {
	var lines []string
	for _, line := range l.cfg.Set.Lines {
		if line.Policy.Shadow {
			lines = append(lines, line.Number)
		}
	}
	const hint = "`textback report` tells what would have been sent; write shadow = false when it is right"
	switch n := len(lines); {
	case n == 0:
	case n == len(l.cfg.Set.Lines):
		l.say("policy: shadow", hint, "shadow mode is on: everything is decided and counted, and nothing is sent")
	default:
		l.say("policy: shadow", hint, "shadow mode is on for %s: nothing is sent there", some(lines))
	}
}

// unreached names rules and templates that no call can come to. Those that the check of the file names already are left out.
func (l *looker) unreached() {
	got := reach(l.cfg, l.now)
	all := map[string]bool{}
	caught := false
	for i := range l.cfg.Set.Rules {
		r := &l.cfg.Set.Rules[i]
		all[r.Name] = true
		if !got.rules[r.Name] && !caught {
			why, hint := l.whyUnreached(&r.Match)
			l.say(fmt.Sprintf("rule %q", r.Name), hint, "no call can come to it: %s", why)
		}
		caught = caught || len(r.Match.Lines)+len(r.Match.Businesses)+len(r.Match.PBX)+len(r.Match.Outcomes)+r.Match.Previous == 0 && r.Match.Hours == ""
	}
	linted := map[string]bool{}
	for _, f := range rules.Lint(l.cfg.Set) {
		if f.Message == "no rule uses it" {
			linted[f.Template] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(l.cfg.Set.Templates)) {
		if !got.templates[name] && !linted[name] {
			l.say("[template]: "+name, "take it out, or look at the rules and the hours that should lead to it", "no call gets it")
		}
	}
}

// whyUnreached says what keeps every call from a rule.
func (l *looker) whyUnreached(m *rules.Match) (why, hint string) {
	off, never := true, m.Hours == "closed"
	for _, line := range l.cfg.Set.Lines {
		if len(m.Lines) > 0 && !slices.Contains(m.Lines, line.Number) ||
			len(m.Businesses) > 0 && !slices.Contains(m.Businesses, line.Business.Key) {
			continue
		}
		off = off && len(m.Outcomes) > 0 && !slices.ContainsFunc(m.Outcomes, func(o textback.Outcome) bool { return line.Policy.Outcomes[o] })
		never = never && line.Business.Hours.Always()
	}
	switch {
	case off:
		return "the policy texts for none of its outcomes (outcome-off)", "add them to outcomes, or take the rule out"
	case never:
		return "its businesses have no hours and so are never closed", "write hours of the business"
	default:
		return "rules before it always match first", "move it up, or take it out"
	}
}

// branches names [[reply]] tables, or words of them, that no reply comes to.
func (l *looker) branches() {
	set := l.cfg.Set
	for i := range set.Branches {
		b := &set.Branches[i]
		key := fmt.Sprintf("reply %q", b.Name)
		if by, ok := shadowed(set, i); ok {
			l.say(key, "move it up, or take its words out of the other", "no reply comes to it: %q takes all its words before", by)
			continue
		}
		for _, m := range b.Match {
			switch in := rules.Classify(m); in.Kind {
			case rules.OptOut:
				l.say(key, "it still matches inside longer replies", "%q alone is an opt-out, and never comes here", m)
			case rules.Help:
				l.say(key, "write help of the business instead", "%q alone is answered with help, and never comes here", m)
			case rules.OptIn:
				l.say(key, "it still matches inside longer replies", "%q alone opts back in, and never comes here", m)
			default:
			}
		}
		if b.Template != nil {
			for _, line := range set.Lines {
				if len(b.Businesses) > 0 && !slices.Contains(b.Businesses, line.Business.Key) {
					continue
				}
				if line.Policy.MaxAutomatic == 0 {
					l.say(key, "write max_automatic = 3", "its answer is never sent by %s: max_automatic is 0", line.Number)
				}
			}
		}
	}
}

// widest are quiet hours that leave little of the day.
const widest = 14 * 60 // minutes

func (l *looker) business(b *rules.Business, line *rules.Line) {
	key := fmt.Sprintf("business %q", b.Key)
	if b.Hours.Always() {
		l.say(key, `write hours = ["Mon-Fri 08:00-17:30"], and a template "closed"`, "has no hours: it is open at any hour, and callers at night are told so")
	} else if n := len(b.Hours.Closed); n > 0 && !slices.ContainsFunc(slices.Collect(maps.Keys(b.Hours.Closed)), func(d rules.Date) bool {
		return time.Date(d.Year, d.Month, d.Day, 23, 59, 0, 0, b.Zone).After(l.now)
	}) {
		l.say(key+": closed", "write the closed days of this year and the next", "all %d closed days are over", n)
	}
	if !slices.ContainsFunc(l.cfg.Notify, func(n configs.Notify) bool { return n.Wants("reply.received", b.Key) }) {
		l.say(key, `write a [[notify]] with events = ["reply.received"]: kind "text" for a staff mobile, "email" or "webhook"`,
			"nobody is told of a reply: it waits in `textback threads` until somebody looks")
	}
	l.policy(key, b, &b.Policy)
	known := map[string]bool{policyMark(b.Policy): true}
	for _, own := range l.cfg.Set.Lines {
		if own.Business != b {
			continue
		}
		if mark := policyMark(own.Policy); !known[mark] {
			known[mark] = true
			l.policy(fmt.Sprintf("line %q", own.Number), b, &own.Policy)
		}
		if !own.Policy.Confirm && !tollFree(own) {
			l.say(fmt.Sprintf("line %q: policy: confirm", own.Number), "write confirm = true", "STOP is not confirmed, and %s is no toll-free number, where the network does it", own.From)
		}
	}
	l.answers(key, b, line)
}

func (l *looker) policy(key string, b *rules.Business, p *rules.Policy) {
	on := 0
	for _, o := range textback.MissedOutcomes() {
		if p.Outcomes[o] {
			on++
		}
	}
	if on == 0 {
		l.say(key+": policy: outcomes", `take outcomes = [] out`, "no missed call is texted at all")
	}
	if p.MinRing > 20*time.Second {
		l.say(key+": policy: min_ring", `write min_ring = "3s"`, "%s is long: most callers hang up sooner and get nothing", short(p.MinRing))
	}
	if p.ValidateNumbers && len(p.Regions) > 0 && !slices.Contains(p.Regions, b.Region) {
		l.say(key+": policy: regions", fmt.Sprintf("add %q to regions", b.Region), "%s, where the business is, is not among the regions that are texted", b.Region)
	}
	if len(p.TestNumbers) > 0 {
		l.say(key+": policy: test_numbers", "take them out when the tests are over", "%d numbers are texted at every missed call", len(p.TestNumbers))
	}
	if wide := quietMinutes(p.Quiet); wide > widest && p.QuietAction != rules.QuietSend {
		l.say(key+": policy: quiet", `write quiet = "21:00-08:00"`, "quiet hours of %d h %02d min leave little of the day", wide/60, wide%60)
	}
	if (p.QuietAction == rules.QuietHold || p.QuietAction == rules.QuietSkip) && !b.Hours.Always() {
		if at, ok := find(b, l.now, nil, func(t time.Time) bool { return b.Hours.OpenAt(t, b.Zone) && p.Quiet.At(t, b.Zone) }); ok {
			word := map[rules.QuietAction]string{rules.QuietHold: "waits", rules.QuietSkip: "is not sent"}[p.QuietAction]
			l.say(key+": policy: quiet", "let quiet hours end before the business opens", "quiet hours reach into opening hours: the text for a call on %s %s",
				at.Format("Monday at 15:04"), word)
		}
	}
}

func quietMinutes(q rules.Quiet) int {
	n := int(q.To - q.From)
	if n < 0 {
		n += 24 * 60
	}
	return n
}

// answers looks at what is sent beside the templates: the answers to HELP and STOP.
func (l *looker) answers(key string, b *rules.Business, line *rules.Line) {
	help := line.HelpAnswer()
	if !strings.Contains(strings.ToLower(help), strings.ToLower(b.Name)) {
		l.say(key+": help", fmt.Sprintf("begin it with %q", b.Name), "the answer to HELP does not name the business, which carriers ask for")
	}
	if digits := strings.Count(strings.Map(func(r rune) rune {
		if unicode.IsDigit(r) {
			return '0'
		}
		return r
	}, help), "0"); digits < 5 && !strings.Contains(help, "@") && !strings.Contains(help, "://") {
		l.say(key+": help", "add a telephone number or an e-mail address", "the answer to HELP tells no way to reach a person")
	}
	l.long(key+": help", "the answer to HELP", line, help)
	l.long(key+": name", "the confirmation of STOP", line, rules.OptOutAnswer(l.cfg.Languages[b.Key], b.Name))
}

// long warns of a text of more than one segment.
func (l *looker) long(key, what string, line *rules.Line, body string) {
	if t := measure(l.cfg, line, body); t.Segments > 1 {
		l.say(key, "shorten it, or take out what forces UCS-2", "%s is sent in %d segments (%s)", what, t.Segments, t.size())
	}
}

func tollFree(line *rules.Line) bool {
	n, err := textback.ParseNumber(line.From, line.Business.Region, nil, true)
	return err == nil && n.Kind == textback.KindTollFree
}

func (l *looker) bookings() {
	for _, b := range l.cfg.Bookings {
		if b.Confirm == nil {
			continue
		}
		for _, line := range l.cfg.Set.Lines {
			if b.Business != "" && b.Business != line.Business.Key {
				continue
			}
			for v := range b.Confirm.Variants {
				body, err := b.Confirm.Render(v, line.Fields("", l.now, l.now, token, ""))
				if err != nil {
					continue
				}
				if !strings.Contains(body, line.Business.Name) {
					l.say("booking "+b.Service+": confirm", "put {{.Business}} into it", "it does not say who writes")
				}
				l.long("booking "+b.Service+": confirm", "the confirmation of a booking", line, body)
			}
		}
	}
}

func (l *looker) alarms() {
	if len(l.cfg.Alarm.Notify) == 0 && !slices.ContainsFunc(l.cfg.Notify, func(n configs.Notify) bool {
		return slices.ContainsFunc(slices.Sorted(maps.Keys(l.cfg.Set.Businesses)), func(key string) bool { return n.Wants("alarm", key) })
	}) {
		l.say("[alarm]: notify", "name a [[notify]] there, or watch the log at warning and above", "alarms stand in the log only")
	}
}

// Thresholds of what figures are taken to prove.
const (
	daysThatProve  = 7
	callsThatProve = 20
)

func (l *looker) figures(f *Figures) {
	total := 0
	for _, n := range f.Calls {
		total += n
	}
	if f.Days >= daysThatProve && total >= callsThatProve {
		for _, line := range l.cfg.Set.Lines {
			if f.Calls[line.Number] == 0 {
				l.say(fmt.Sprintf("line %q", line.Number), "look at aliases and at line_from of the [[pbx]], or take the line out",
					"nobody dialled it in the last %d days, while %d calls came on others", f.Days, total)
			}
		}
	}
	if f.Strange != "" {
		l.say("[[line]]", "", "%s", f.Strange)
	}
	for _, key := range slices.Sorted(maps.Keys(f.Busiest)) {
		b := l.cfg.Set.Businesses[key]
		if b == nil {
			continue
		}
		if p := &b.Policy; p.PerDay > 0 && f.Busiest[key] > p.PerDay {
			l.say(fmt.Sprintf("business %q: policy: per_day", key), fmt.Sprintf("write per_day = %d if those calls were genuine", 2*f.Busiest[key]),
				"%d calls were missed on the busiest day, and %d texts a day are allowed", f.Busiest[key], p.PerDay)
		}
	}
}

// some lists words, the first few of many.
func some(list []string) string {
	const shown = 5
	if len(list) > shown {
		return strings.Join(list[:shown], ", ") + fmt.Sprintf(" and %d more", len(list)-shown)
	}
	return strings.Join(list, ", ")
}
