package preview

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"textback/configs"
	"textback/rules"
)

// facts are the sentences about a business that hold for all its callers. Limits and answers are those of one line of it.
func facts(cfg *configs.Config, l *rules.Line) []string {
	b, p := l.Business, &l.Policy
	out := []string{hoursWords(b)}
	out = append(out, quietWords(p))
	out = append(out, limitWords(p))
	if len(p.Regions) > 0 && p.ValidateNumbers {
		out = append(out, "Only callers of "+strings.Join(p.Regions, ", ")+" are texted.")
	}
	out = append(out, stopWords(cfg, l), "HELP or INFO is answered with: "+sized(measure(cfg, l, l.HelpAnswer())))
	for i := range cfg.Set.Branches {
		if s := branchWords(cfg, l, &cfg.Set.Branches[i]); s != "" {
			out = append(out, s)
		}
	}
	return append(out, replyWords(cfg, b.Key))
}

func hoursWords(b *rules.Business) string {
	var days []string
	for i := range 7 {
		d := time.Weekday((i + 1) % 7)
		spans := make([]string, 0, 2)
		for _, s := range b.Hours.Days[d] {
			to := s.To
			if to > rules.Midnight {
				to -= rules.Midnight
			}
			spans = append(spans, s.From.String()+"-"+to.String())
		}
		if len(spans) > 0 {
			days = append(days, strings.Join(spans, " "))
		} else {
			days = append(days, "")
		}
	}
	names := []string{"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"}
	var parts []string
	for i := 0; i < 7; {
		j := i
		for j+1 < 7 && days[j+1] == days[i] {
			j++
		}
		if days[i] != "" {
			name := names[i]
			if j > i {
				name += "-" + names[j]
			}
			parts = append(parts, name+" "+days[i])
		}
		i = j + 1
	}
	s := "Open at any hour"
	if len(parts) > 0 {
		s = "Open " + strings.Join(parts, ", ")
	}
	if n := len(b.Hours.Closed); n > 0 {
		dates := make([]string, 0, n)
		for d := range maps.Keys(b.Hours.Closed) {
			dates = append(dates, d.String())
		}
		slices.Sort(dates)
		const shown = 4
		if len(dates) > shown {
			dates = append(dates[:shown], fmt.Sprintf("%d more days", len(dates)-shown))
		}
		s += ", closed on " + strings.Join(dates, ", ")
	}
	return s + " (" + b.Zone.String() + ")."
}

func quietWords(p *rules.Policy) string {
	if p.Quiet.None() {
		return "There are no quiet hours: a text leaves at any hour."
	}
	s := "Quiet hours are " + p.Quiet.String() + " at the caller's place: "
	switch p.QuietAction {
	case rules.QuietImmediate:
		return s + "the immediate answer to a call goes all the same, everything later waits until they are over."
	case rules.QuietHold:
		return s + "every text waits until they are over."
	case rules.QuietSkip:
		return s + "no text is sent for a call in them."
	default:
		return s + "they are ignored (quiet_action = \"send\")."
	}
}

func limitWords(p *rules.Policy) string {
	var parts []string
	if p.Window > 0 {
		parts = append(parts, "one to a caller in "+short(p.Window))
	}
	for _, l := range []struct {
		n    int
		what string
	}{{p.MaxUnreplied, "in 30 days to one who never answers"}, {p.PerBlockHour, "an hour to one number block"}, {p.PerLineHour, "an hour from one line"},
		{p.PerHour, "an hour"}, {p.PerDay, "a day from the business"}} {
		if l.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", l.n, l.what))
		}
	}
	if len(parts) == 0 {
		return "There is no limit on the number of texts."
	}
	return "At most so many texts: " + strings.Join(parts, ", ") + "."
}

func stopWords(cfg *configs.Config, l *rules.Line) string {
	b := l.Business
	who := b.Name
	if shared := cfg.Set.SharedWith(b.Key); len(shared) > 0 {
		who += " and " + strings.Join(shared, ", ") + ", which text from the same sender"
	}
	s := "STOP, in any wording, ends all automatic texts of " + who
	if !l.Policy.Confirm {
		return s + "; no text confirms it (confirm = false)."
	}
	return s + ". It is confirmed once: " + sized(measure(cfg, l, rules.OptOutAnswer(cfg.Languages[b.Key], b.Name)))
}

func branchWords(cfg *configs.Config, l *rules.Line, r *rules.Branch) string {
	b := l.Business
	if len(r.Businesses) > 0 && !slices.Contains(r.Businesses, b.Key) {
		return ""
	}
	quoted := make([]string, len(r.Match))
	for i, m := range r.Match {
		quoted[i] = fmt.Sprintf("%q", m)
	}
	s := "A reply with " + strings.Join(quoted, " or ") + " (" + r.Name + ")"
	var does []string
	if r.Template != nil {
		if body, err := r.RenderText(l.Fields("", time.Time{}, time.Time{}, "", cfg.Languages[b.Key])); err == nil {
			does = append(does, "is answered with: "+sized(measure(cfg, l, body)))
		}
	}
	if len(r.Notify) > 0 {
		does = append(does, "is told to "+strings.Join(r.Notify, ", "))
	}
	if r.Callback {
		does = append(does, "makes the PBX ring extension "+r.Extension+" and then the caller")
	}
	return s + " " + strings.Join(does, "; ") + "."
}

// replyWords tell who hears of a reply.
func replyWords(cfg *configs.Config, business string) string {
	var who []string
	for i := range cfg.Notify {
		if n := &cfg.Notify[i]; n.Wants("reply.received", business) {
			who = append(who, fmt.Sprintf("%s (%s)", n.Name, n.Kind))
		}
	}
	if len(who) == 0 {
		return "Any other reply waits in `textback threads`: nobody is told of it."
	}
	return "Any other reply is handed to " + strings.Join(who, ", ") + " and waits in `textback threads`."
}

// sized quotes a text with its size.
func sized(t Text) string {
	return fmt.Sprintf("%q (%s)", t.Body, t.size())
}

// size is the alphabet, the length and the number of segments of a text.
func (t *Text) size() string {
	unit := "characters"
	if t.Encoding == "UCS-2" {
		unit = "units"
	}
	s := fmt.Sprintf("%s, %d %s, %d segment", t.Encoding, t.Units, unit, t.Segments)
	if t.Segments != 1 {
		s += "s"
	}
	if len(t.Forces) > 0 {
		s += " because of " + strings.Join(t.Forces, ", ")
	}
	return s
}
