package rules

import (
	"fmt"
	"slices"
	"time"
)

// The templates that are used where no [[rule]] matches.
const (
	TemplateOpen   = "open"
	TemplateClosed = "closed"
	TemplateRepeat = "repeat"
)

// DefaultRule is the name that a verdict gives for the rule when no [[rule]] matched.
const DefaultRule = "default"

// picked is what the rules chose.
type picked struct {
	name     string
	send     bool
	template string
	why      string
}

// pick asks the rules in order; the first that matches wins. Where none does: closed hours give "closed", a repeat caller
// "repeat", anyone else "open". A template that is missing falls back to "open".
func (s *Set) pick(f *Facts) picked {
	now := f.Now
	for i := range s.Rules {
		r := &s.Rules[i]
		if !r.Match.matches(f, now) {
			continue
		}
		p := picked{name: r.Name, send: r.Send, why: fmt.Sprintf("rule %q", r.Name)}
		if r.Send {
			p.template = s.existing(r.Template)
		}
		return p
	}
	p := picked{name: DefaultRule, send: true, template: TemplateOpen, why: "the business is open"}
	switch {
	case !f.Line.open(now):
		p.template, p.why = TemplateClosed, "the business is closed"
	case f.History.Missed >= 1:
		p.template = TemplateRepeat
		p.why = fmt.Sprintf("a repeat caller: %d missed before within %s", f.History.Missed, short(f.Line.Policy.RepeatWithin))
	}
	p.template = s.existing(p.template)
	return p
}

// existing is the template, or "open" if it is missing, or "" if that is missing as well.
func (s *Set) existing(name string) string {
	if s.Templates[name] != nil {
		return name
	}
	if s.Templates[TemplateOpen] != nil {
		return TemplateOpen
	}
	return ""
}

func (l *Line) open(t time.Time) bool {
	return l.Business == nil || l.Business.Hours.OpenAt(t, l.zone())
}

func (m *Match) matches(f *Facts, now time.Time) bool {
	if len(m.Lines) > 0 && !slices.Contains(m.Lines, f.Line.Number) ||
		len(m.Businesses) > 0 && !slices.Contains(m.Businesses, f.Line.business()) ||
		len(m.PBX) > 0 && !slices.Contains(m.PBX, f.Call.PBX) ||
		len(m.Outcomes) > 0 && !slices.Contains(m.Outcomes, f.Call.Outcome) ||
		f.History.Missed < m.Previous {
		return false
	}
	return m.Hours == "" || (m.Hours == "open") == f.Line.open(now)
}
