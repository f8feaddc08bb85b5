package rules

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"textback"
)

// immediateWithin is how long after the end of a call a text is still its immediate answer (product rule of quiet hours).
const immediateWithin = 5 * time.Minute

// failuresThatTell is how many texts must fail for good within 30 days until a number counts as not textable.
const failuresThatTell = 2

// objection is a guard's answer: a reason and the sentence that explains it, or none.
type objection struct {
	reason textback.Reason
	detail string
}

func objects(reason textback.Reason, format string, args ...any) objection {
	return objection{reason, fmt.Sprintf(format, args...)}
}

// guard looks at one thing and objects, or lets the call pass. It may rely on what the guards before it have ruled out.
type guard func(s *Set, f *Facts, d *textback.Decision) objection

// guards are all guards in the order of the decision table.
func guards() []guard {
	return []guard{outcomeOff, unseen, noNumber, ownNumber, excluded, declined, notTextable, region, spoofed, tooShort,
		optedOut, talking, window, unansweredTexts, rate, budget, quiet}
}

// Decide says what to do about one missed call. The guards are asked in the order of the decision table and the first that
// objects gives the reason; else the rules name the template. Due is the end of the call plus the delay, or the end of the
// quiet hours if it must be held.
func (s *Set) Decide(f Facts) textback.Decision {
	if f.Line == nil {
		return s.unknownLine(&f)
	}
	p := &f.Line.Policy
	d := textback.Decision{Business: f.Line.business(), Line: f.Line.Number, Caller: f.callerShown(), From: f.Line.From,
		SMPP: f.Line.SMPP}
	due := f.ended().Add(p.Delay)
	if due.Before(f.Now) {
		due = f.Now
	}
	d.Due, d.Expires = due, due.Add(p.GiveUpAfter)
	for _, g := range guards() {
		if o := g(s, &f, &d); o.reason != 0 {
			return refused(d, o)
		}
	}
	// Expires counts from when the text was due, and a hold is not part of it.
	d.Expires = d.Due.Add(p.GiveUpAfter)
	rule := s.pick(&f)
	d.Rule = rule.name
	if !rule.send {
		return refused(d, objects(textback.ReasonRule, "rule %q says to send nothing", rule.name))
	}
	d.Template = rule.template
	if d.Template == "" {
		return refused(d, objects(textback.ReasonRule, "there is no template to send"))
	}
	d.Reason, d.Detail = textback.ReasonText, textDetail(&f, d, rule)
	if p.Shadow {
		d.Reason, d.Detail = textback.ReasonShadow, "shadow mode: nothing is sent; else: "+d.Detail
	}
	return d
}

func refused(d textback.Decision, o objection) textback.Decision {
	d.Reason, d.Detail = o.reason, o.detail
	d.Due, d.Expires, d.Held, d.Template = time.Time{}, time.Time{}, false, ""
	return d
}

func (s *Set) unknownLine(f *Facts) textback.Decision {
	d := textback.Decision{Reason: textback.ReasonUnknownLine, Caller: f.callerShown(),
		Detail: "the PBX showed no dialled number"}
	if len(f.Call.Dialled) > 0 {
		d.Line = printable(f.Call.Dialled[0])
		forms := make([]string, 0, len(f.Call.Dialled))
		for _, form := range f.Call.Dialled {
			forms = append(forms, fmt.Sprintf("%q", printable(form)))
		}
		d.Detail = fmt.Sprintf("%s: no [[line]] has this number or alias", strings.Join(forms, ", "))
	}
	return d
}

// callerShown is the caller for the verdict: her number, or what the PBX showed instead. A withheld number is not kept.
func (f *Facts) callerShown() string {
	switch {
	case f.Call.Party.Withheld:
		return ""
	case f.CallerErr != nil:
		return printable(f.Call.Party.Number)
	default:
		return f.Caller.E164
	}
}

// printable makes hostile input fit for a record: bounded, and nothing but visible characters.
func printable(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7F || hidden(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
	return clip(s)
}

func (f *Facts) isTest() bool { return slices.Contains(f.Line.Policy.TestNumbers, f.Caller.E164) }

func outcomeOff(_ *Set, f *Facts, _ *textback.Decision) objection {
	if f.Line.Policy.Outcomes[f.Call.Outcome] {
		return objection{}
	}
	return objects(textback.ReasonOutcomeOff, "the policy of %s sends no text for %s", f.Line.Number, f.Call.Outcome)
}

func unseen(_ *Set, f *Facts, _ *textback.Decision) objection {
	if f.Call.Unseen {
		return objects(textback.ReasonUnseen,
			"the call ended while the link to %s was down, and nothing proves that nobody answered", f.Call.PBX)
	}
	if limit := f.Line.Policy.ReconcileWithin; f.Call.Reconciled {
		if age := f.Now.Sub(f.ended()); age > limit {
			return objects(textback.ReasonUnseen,
				"found in the PBX's records %s after its end; only those younger than %s are texted", short(age), short(limit))
		}
	}
	return objection{}
}

func noNumber(_ *Set, f *Facts, _ *textback.Decision) objection {
	switch {
	case f.Call.Party.Withheld:
		return objects(textback.ReasonNoNumber, "the caller withheld the number")
	case f.CallerErr != nil:
		return objects(textback.ReasonNoNumber, "%v", f.CallerErr)
	case f.Caller.E164 == "":
		return objects(textback.ReasonNoNumber, "the PBX showed no number")
	default:
		return objection{}
	}
}

func ownNumber(s *Set, f *Facts, _ *textback.Decision) objection {
	if l := s.OwnLine(f.Caller.E164); l != nil {
		return objects(textback.ReasonOwnNumber, "the caller is our own line %s", l.Number)
	}
	return objection{}
}

func excluded(s *Set, f *Facts, _ *textback.Decision) objection {
	if f.isTest() {
		return objection{}
	}
	if entry, ok := listed(f.Line.Policy.Exclude, f.Caller.E164); ok {
		return objects(textback.ReasonExcluded, "on the exclude list as %s", entry)
	}
	if b := s.staffOf(f.Caller.E164); b != nil {
		return objects(textback.ReasonExcluded, "a staff mobile of %s", b.Key)
	}
	if label, ok := SpamLabel(f.Call.Party.Name); ok {
		return objects(textback.ReasonExcluded, "the caller's name carries the spam label %q", label)
	}
	return objection{}
}

// listed looks a number up in a list of numbers and prefixes ending in *; entries may lack the +.
func listed(list []string, e164 string) (entry string, ok bool) {
	digits := strings.TrimPrefix(e164, "+")
	for _, entry := range list {
		want := strings.TrimPrefix(entry, "+")
		if prefix, star := strings.CutSuffix(want, "*"); star && strings.HasPrefix(digits, prefix) || want == digits {
			return entry, true
		}
	}
	return "", false
}

func declined(_ *Set, f *Facts, _ *textback.Decision) objection {
	if f.Call.Declined {
		return objects(textback.ReasonDeclined, "the no_text variable was set: the caller asked for no text in a menu")
	}
	return objection{}
}

func notTextable(_ *Set, f *Facts, _ *textback.Decision) objection {
	if f.Line.Policy.ValidateNumbers && !f.Caller.Kind.Textable() {
		return objects(textback.ReasonNotTextable, "a %s number by its numbering plan", f.Caller.Kind)
	}
	if n := f.History.Undeliverable; n >= failuresThatTell {
		return objects(textback.ReasonNotTextable, "%d texts to this number failed for good in the last 30 days", n)
	}
	return objection{}
}

func region(_ *Set, f *Facts, _ *textback.Decision) objection {
	p := &f.Line.Policy
	if !p.ValidateNumbers || len(p.Regions) == 0 || slices.Contains(p.Regions, f.Caller.Region) {
		return objection{}
	}
	return objects(textback.ReasonRegion, "a number of %s; allowed are %s", f.Caller.Region, strings.Join(p.Regions, ", "))
}

func spoofed(_ *Set, f *Facts, _ *textback.Decision) objection {
	if f.Call.Party.Verification == textback.VerificationFailed {
		return objects(textback.ReasonSpoofed, "the carrier says that the caller id failed verification (STIR/SHAKEN)")
	}
	return objection{}
}

func tooShort(_ *Set, f *Facts, _ *textback.Decision) objection {
	if limit := f.Line.Policy.MinRing; f.Call.Ring < limit && callerHungUp(&f.Call) && !f.isTest() {
		return objects(textback.ReasonTooShort, "the caller hung up after %s; min_ring is %s", short(f.Call.Ring), short(limit))
	}
	return objection{}
}

// callerHungUp tells whether the caller ended the call. Where nothing told, the outcomes that mean just that do.
func callerHungUp(c *textback.Call) bool {
	switch c.EndedBy {
	case textback.EndedByCaller:
		return true
	case textback.EndedByPBX:
		return false
	case textback.EnderUnknown:
	}
	switch c.Outcome {
	case textback.Abandoned, textback.QueueAbandoned, textback.MenuAbandoned, textback.VoicemailHangup:
		return true
	default:
		return false
	}
}

func optedOut(_ *Set, f *Facts, _ *textback.Decision) objection {
	if f.History.OptedOut {
		return objects(textback.ReasonOptedOut, "the caller opted out")
	}
	return objection{}
}

func talking(_ *Set, f *Facts, _ *textback.Decision) objection {
	switch {
	case f.TalkingNow:
		return objects(textback.ReasonTalking, "the caller is connected with us on another call")
	case f.History.Thread:
		return objects(textback.ReasonTalking, "a person answered in the caller's thread less than %s ago",
			short(f.Line.Policy.InThread))
	default:
		return objection{}
	}
}

func window(_ *Set, f *Facts, _ *textback.Decision) objection {
	last, limit := f.History.LastText, f.Line.Policy.Window
	if last.IsZero() || limit <= 0 || f.isTest() || !f.Now.Before(last.Add(limit)) {
		return objection{}
	}
	if last.After(f.Now) {
		return objects(textback.ReasonWindow, "a text to this caller is due in %s already; the window is %s",
			short(last.Sub(f.Now)), short(limit))
	}
	return objects(textback.ReasonWindow, "a text went to this caller %s ago; the window is %s",
		short(f.Now.Sub(last)), short(limit))
}

func unansweredTexts(_ *Set, f *Facts, _ *textback.Decision) objection {
	if limit := f.Line.Policy.MaxUnreplied; limit > 0 && f.History.Unreplied >= limit && !f.isTest() {
		return objects(textback.ReasonUnansweredTexts,
			"%d texts of the last 30 days had no reply; max_unreplied is %d", f.History.Unreplied, limit)
	}
	return objection{}
}

func rate(_ *Set, f *Facts, _ *textback.Decision) objection {
	p := &f.Line.Policy
	switch {
	case p.PerBlockHour > 0 && f.History.BlockHour >= p.PerBlockHour:
		return objects(textback.ReasonRate, "%d texts to the number block %sXXXX in an hour; per_block_hour is %d",
			f.History.BlockHour, textback.Block(f.Caller.E164), p.PerBlockHour)
	case p.PerLineHour > 0 && f.History.LineHour >= p.PerLineHour:
		return objects(textback.ReasonRate, "%d texts from this line in an hour; per_line_hour is %d",
			f.History.LineHour, p.PerLineHour)
	default:
		return objection{}
	}
}

func budget(_ *Set, f *Facts, _ *textback.Decision) objection {
	p := &f.Line.Policy
	switch {
	case p.PerHour > 0 && f.History.BusinessHour >= p.PerHour:
		return objects(textback.ReasonBudget, "%d texts of %s in this clock hour; per_hour is %d",
			f.History.BusinessHour, f.Line.business(), p.PerHour)
	case p.PerDay > 0 && f.History.BusinessDay >= p.PerDay:
		return objects(textback.ReasonBudget, "%d texts of %s today; per_day is %d",
			f.History.BusinessDay, f.Line.business(), p.PerDay)
	default:
		return objection{}
	}
}

// quiet is the last guard that looks at the caller, and the only one that moves Due.
func quiet(_ *Set, f *Facts, d *textback.Decision) objection {
	at, quietNow := f.quietUntil(d.Due, f.ended())
	if !quietNow {
		return objection{}
	}
	if f.Line.Policy.QuietAction == QuietSkip {
		return objects(textback.ReasonQuiet, "it is %s; quiet hours are %s and the policy is to skip", f.place(d.Due, "15:04"),
			f.Line.Policy.Quiet)
	}
	d.Due, d.Held = at, true
	return objection{}
}

// quietUntil tells whether quiet hours keep a text back at an instant, and when it may go. ended is the end of the call,
// by our clock, whose immediate answer the text may be.
func (f *Facts) quietUntil(at, ended time.Time) (until time.Time, keep bool) {
	p := &f.Line.Policy
	switch p.QuietAction {
	case QuietSend:
		return at, false
	case QuietImmediate:
		if at.Sub(ended) <= immediateWithin {
			return at, false
		}
	case QuietHold, QuietSkip:
	default:
	}
	zones, _ := f.zones()
	until, ok := p.Quiet.Next(at, zones...)
	if !ok {
		// The number's zones together leave no time of the day: the business's own clock decides alone.
		until, _ = p.Quiet.Next(at, f.Line.zone())
	}
	return until, !until.Equal(at)
}

// textDetail is the sentence of a verdict that texts. Where quiet hours matter it tells the time at the caller's place and
// where that is known from.
func textDetail(f *Facts, d textback.Decision, r picked) string {
	_, quietThen := f.quietZone(d.Due)
	switch {
	case d.Held:
		return r.why + "; held until " + f.place(d.Due, "Mon 15:04")
	case quietThen && f.Line.Policy.QuietAction == QuietSend:
		return r.why + "; quiet hours are ignored: it is " + f.place(d.Due, "15:04")
	case quietThen:
		return r.why + "; in quiet hours, as the immediate answer: it is " + f.place(d.Due, "15:04")
	default:
		return r.why
	}
}

// place tells a time by the clock of the caller's place: "22:00 at the caller's place (America/New_York, from the number)".
// Of several zones it is one in which it is quiet, if there is one.
func (f *Facts) place(at time.Time, layout string) string {
	z, _ := f.quietZone(at)
	_, from := f.zones()
	return fmt.Sprintf("%s at the caller's place (%s, %s)", at.In(z).Format(layout), z, from)
}

// quietZone is the first of the caller's zones in which it is quiet, else the first.
func (f *Facts) quietZone(at time.Time) (z *time.Location, quiet bool) {
	zones, _ := f.zones()
	for _, z := range zones {
		if f.Line.Policy.Quiet.At(at, z) {
			return z, true
		}
	}
	return zones[0], false
}

// short writes a duration without noise: "4h12m", "3s", "250ms".
func short(d time.Duration) string {
	switch {
	case d >= time.Minute:
		d = d.Round(time.Minute)
		if d%time.Hour == 0 {
			return fmt.Sprintf("%dh", d/time.Hour)
		}
		s := d.String() // 4h12m0s
		return strings.TrimSuffix(s, "0s")
	case d >= time.Second:
		return d.Round(100 * time.Millisecond).String()
	default:
		return d.Round(time.Millisecond).String()
	}
}
