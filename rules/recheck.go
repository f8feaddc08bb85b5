package rules

import (
	"time"

	"textback"
)

// Recheck looks at a text once more at the moment it is due, because hours may have gone by: opted out, excluded or
// talking meanwhile, shadow mode, quiet hours again. f holds the call that the text answers, the
// history of now, in which Missed must not count that call, and Now. Line and Caller may be left out: the text tells them.
//
// ReasonText means to send it with the decision's template, sender and link: after a hold the rules are asked again, so
// that what leaves in the morning is the open-hours text. If Due lies after Now the text waits until then. Any other
// reason takes the text back.
func (s *Set) Recheck(f Facts, text textback.Text) textback.Decision {
	f.complete(s, &text)
	if f.Line == nil {
		return refused(textback.Decision{Line: text.Line, Caller: text.To},
			objects(textback.ReasonUnknownLine, "the line %s is no longer configured", text.Line))
	}
	d := textback.Decision{Business: f.Line.business(), Line: f.Line.Number, Caller: text.To, From: f.Line.From,
		SMPP: f.Line.SMPP, Template: s.existing(text.Template), Due: f.Now, Held: text.Held, Expires: text.Expires}
	if f.Ended.IsZero() && !f.Call.Reconciled {
		f.Ended = text.Created
	}
	for _, g := range []guard{excluded, optedOut, talking} {
		if o := g(s, &f, &d); o.reason != 0 {
			return refused(d, o)
		}
	}
	if until, keep := f.quietUntil(f.Now, f.ended()); keep {
		if f.Line.Policy.QuietAction == QuietSkip {
			return refused(d, objects(textback.ReasonQuiet, "quiet hours %s have begun at the caller's place, and the policy is to skip",
				f.Line.Policy.Quiet))
		}
		d.Reason, d.Detail = textback.ReasonText, "quiet hours at the caller's place"
		d.Due, d.Held, d.Expires = until, true, until.Add(f.Line.Policy.GiveUpAfter)
		return d
	}
	d.Detail = "still to be sent"
	if text.Held {
		rule := s.pick(&f)
		d.Rule, d.Detail = rule.name, "after a hold: "+rule.why
		if !rule.send {
			return refused(d, objects(textback.ReasonRule, "after a hold rule %q says to send nothing", rule.name))
		}
		d.Template = rule.template
	}
	if d.Template == "" {
		return refused(d, objects(textback.ReasonRule, "there is no template to send"))
	}
	d.Reason = textback.ReasonText
	if f.Line.Policy.Shadow {
		d.Reason, d.Detail = textback.ReasonShadow, "shadow mode was switched on"
	}
	return d
}

// complete fills in what a text itself tells: its line as it is configured now, and the number that it goes to.
func (f *Facts) complete(s *Set, text *textback.Text) {
	if f.Line == nil {
		f.Line = s.LineByNumber(text.Line)
	}
	if f.Caller.E164 == "" {
		// A text was queued, so the number was good; off validation it is taken again as it was then.
		f.Caller, f.CallerErr = textback.ParseNumber(text.To, "", nil, false)
	}
}

// ValidityEnd is until when a message centre may go on trying to deliver a text: the end of give_up_after, and the start of
// the next quiet hours where these hold or skip texts, because it would else arrive at night from the message centre's own
// queue. It is zero for a text that never expires.
func (s *Set) ValidityEnd(f Facts, text textback.Text) time.Time {
	f.complete(s, &text)
	end := text.Expires
	if f.Line == nil || text.Kind != textback.MissedCallText {
		return end
	}
	switch f.Line.Policy.QuietAction {
	case QuietHold, QuietSkip:
	default:
		return end
	}
	zones, _ := f.zones()
	if begins := f.Line.Policy.Quiet.Begins(f.Now, zones...); begins.After(f.Now) && (end.IsZero() || begins.Before(end)) {
		return begins
	}
	return end
}
