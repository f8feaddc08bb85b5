package preview

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"textback"
	"textback/configs"
	"textback/rules"
)

// Questions tells how a question about a call is written.
const Questions = `an outcome, a time, and what else is known, with commas between: "abandoned after 5 s, Tue 19:00"; ` +
	`then any of "to +12025550100", "from +12025550142", "on PBX", "missed 2 before", "texted 3 h ago", "8 texts this hour", "opted out"`

// Ask puts the call of a question through the rules: "abandoned after 5 s, Tue 19:00, from +12025550142". The time is by the
// clock of the line's business, in the week after now, or a date like 2026-12-25 11:00.
func Ask(cfg *configs.Config, question string, now time.Time) (Case, error) {
	parts := strings.Split(question, ",")
	for i := range parts {
		parts[i] = strings.Join(strings.Fields(parts[i]), " ")
	}
	if len(parts) < 2 {
		return Case{}, errors.New("the time is missing")
	}
	if len(cfg.Set.Lines) == 0 {
		return Case{}, errors.New("there is no line")
	}
	word, after, hasRing := strings.Cut(parts[0], " after ")
	outcome, err := textback.ParseOutcome(word)
	if err != nil {
		return Case{}, err
	}
	if !outcome.Missed() {
		return Case{Who: question, Reason: word, Detail: "a person answered: nothing is sent"}, nil
	}
	line := cfg.Set.Lines[0]
	var (
		h      textback.History
		from   string
		pbx    string
		texted time.Duration
	)
	for _, p := range parts[2:] {
		var n int
		switch {
		case strings.HasPrefix(p, "to "):
			if line = cfg.Set.FindLine([]string{p[3:]}, "", nil); line == nil {
				return Case{}, fmt.Errorf("there is no [[line]] %s", p[3:])
			}
		case strings.HasPrefix(p, "from "):
			from = p[5:]
		case strings.HasPrefix(p, "on "):
			pbx = p[3:]
		case p == "opted out":
			h.OptedOut = true
		case scan(p, "missed %d before", &n):
			h.Missed = n
		case scan(p, "texted %d h ago", &n):
			texted = time.Duration(n) * time.Hour
		case scan(p, "%d texts this hour", &n):
			h.BusinessHour, h.LineHour = n, n
		default:
			return Case{}, fmt.Errorf("%q is not understood", p)
		}
	}
	at, err := askedTime(line.Business, parts[1], now)
	if err != nil {
		return Case{}, err
	}
	if texted > 0 {
		h.LastText = at.Add(-texted)
	}
	s := newScene(cfg, line, now)
	if pbx != "" {
		i := slices.IndexFunc(cfg.PBXs, func(p configs.PBX) bool { return p.Name == pbx })
		if i < 0 {
			return Case{}, fmt.Errorf("there is no [[pbx]] %q", pbx)
		}
		s.pbx = &cfg.PBXs[i]
	}
	ring := s.rings()
	if hasRing {
		if ring, err = time.ParseDuration(strings.ReplaceAll(after, " ", "")); err != nil || ring < 0 {
			return Case{}, fmt.Errorf("%q is not how long it rang; write \"after 5 s\"", after)
		}
	}
	c := s.call(outcome, ring, at)
	if from != "" {
		c.Party.Number = from
		if n, err := textback.ParseNumber(from, line.Business.Region, nil, line.Policy.ValidateNumbers); err == nil {
			s.caller = n
		}
	}
	out := s.run(c, h)
	out.Who = question
	return out, nil
}

func scan(s, format string, n *int) bool {
	got, err := fmt.Sscanf(s, format, n)
	return err == nil && got == 1 && *n >= 0 && fmt.Sprintf(format, *n) == s
}

// askedTime reads "Tue 10:00", or "2026-12-25 11:00", by the clock of a business.
func askedTime(b *rules.Business, s string, now time.Time) (time.Time, error) {
	if at, err := time.ParseInLocation("2006-01-02 15:04", s, b.Zone); err == nil {
		return at, nil
	}
	for ahead := 1; ahead <= 7; ahead++ {
		d := now.In(b.Zone).AddDate(0, 0, ahead)
		if clock, ok := strings.CutPrefix(s, d.Format("Mon ")); ok {
			c, err := rules.ParseClock(clock)
			return time.Date(d.Year(), d.Month(), d.Day(), int(c)/60, int(c)%60, 0, 0, b.Zone), err
		}
	}
	return time.Time{}, fmt.Errorf("%s is not a time; write \"Tue 19:00\" or \"2026-12-25 11:00\"", strconv.Quote(s))
}

// AskReply tells what would be done with a reply to a line of a business, in a few words.
func AskReply(cfg *configs.Config, body string, line *rules.Line) string {
	switch in := rules.Classify(body); in.Kind {
	case rules.OptOut:
		return "an opt-out"
	case rules.OptIn:
		return "an opt-in"
	case rules.Help:
		return "answered with help"
	case rules.Automatic:
		return "a machine's: nothing answers it"
	default:
	}
	if b := cfg.Set.MatchBranch(body, line.Business.Key); b != nil {
		if b.Template == nil {
			return "taken by `" + b.Name + "`"
		}
		return "answered by `" + b.Name + "`"
	}
	return "for a person"
}

// String is the case as the terminal shows it.
func (c *Case) String() string {
	var b strings.Builder
	c.write(&b)
	return b.String()
}
