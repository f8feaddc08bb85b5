package report

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"textback"
)

// Thresholds of the advice: nothing is said on less.
const (
	fewCalls      = 3
	someReplies   = 10
	lowReplyRate  = 0.20
	lowBookRate   = 0.05
	badDelivery   = 0.10
	badRefusal    = 0.05
	highOptOut    = 0.05
	slowResponse  = time.Hour
	slowText      = 2 * time.Minute
	manyOfAll     = 0.20
	callsForPeak  = 40
	missedForPeak = 5
)

// advice says what to do about the figures, the most pressing first.
func (c *counter) advice() []Advice {
	a := adviser{c: c, f: &c.r.Figures, reason: c.reason[0], list: []Advice{}}
	a.configuration()
	a.delivery()
	a.wording()
	a.people()
	a.rest()
	order := []string{Act, Look, Note}
	slices.SortStableFunc(a.list, func(x, y Advice) int {
		return cmp.Compare(slices.Index(order, x.Level), slices.Index(order, y.Level))
	})
	return a.list
}

type adviser struct {
	c      *counter
	f      *Figures
	reason map[textback.Reason]int
	list   []Advice
}

func (a *adviser) say(level, id, format string, args ...any) {
	a.list = append(a.list, Advice{ID: id, Level: level, Text: fmt.Sprintf(format, args...)})
}

// share tells whether n are at least so large a part of all.
func share(n, all int, part float64) bool { return all > 0 && float64(n) >= part*float64(all) }

// configuration: calls that are not texted because of what the file says.
func (a *adviser) configuration() {
	missed := a.f.Missed
	if n := a.reason[textback.ReasonUnknownLine]; n >= fewCalls {
		a.say(Act, "unknown-line", "%d missed calls were to a number that is no [[line]]%s. Add a [[line]] for it, or an alias.", n, a.dialled())
	}
	if n := a.reason[textback.ReasonBudget]; n > 0 {
		a.say(Act, "breaker", "The breaker opened: %d %s not texted because a budget was spent. If the calls are genuine, raise per_hour or per_day; "+
			"if not, somebody floods you.", n, plural(n, "call was", "calls were"))
	}
	if n := a.reason[textback.ReasonUnseen]; n >= fewCalls {
		a.say(Act, "unseen", "%d calls ended while the link to the PBX was down, and nothing proves that they were unanswered. "+
			"Let textback read the PBX's call records: [[records]].", n)
	}
	if n := a.reason[textback.ReasonShadow]; n > 0 {
		a.say(Note, "shadow", "Shadow mode: %d %s been texted. Take shadow = true out to begin.", n, plural(n, "call would have", "calls would have"))
	}
	if n := a.reason[textback.ReasonOutcomeOff]; n >= someReplies && share(n, missed, manyOfAll) {
		a.say(Note, "outcome-off", "%d of %d missed calls ended in a way that the policy does not text for. See outcomes in [policy].", n, missed)
	}
	if n := a.reason[textback.ReasonNotTextable]; n >= someReplies && share(n, missed, manyOfAll) {
		a.say(Note, "not-textable", "%d of %d missed calls came from numbers that cannot be texted (fixed lines, service numbers).", n, missed)
	}
	if n := a.reason[textback.ReasonNoNumber]; n >= someReplies && share(n, missed, manyOfAll) {
		a.say(Note, "no-number", "%d of %d missed callers showed no number. If all do, the PBX does not pass it on.", n, missed)
	}
	if n := a.reason[textback.ReasonSpoofed] + a.reason[textback.ReasonRate] + a.reason[textback.ReasonUnansweredTexts]; n >= someReplies {
		a.say(Note, "abuse", "%d calls were held back as likely spoofed or as too many from one place.", n)
	}
}

// dialled names the numbers that were dialled most often and are no line; only what looks like a number is shown.
func (a *adviser) dialled() string {
	var list []string
	for _, n := range slices.Sorted(maps.Keys(a.c.asked)) {
		if n != "" && len(n) <= 20 && strings.Trim(n, "+*#0123456789") == "" {
			list = append(list, n)
		}
	}
	slices.SortStableFunc(list, func(x, y string) int { return cmp.Compare(a.c.asked[y], a.c.asked[x]) })
	if len(list) == 0 {
		return ""
	}
	const shown = 3
	more := ""
	if len(list) > shown {
		list, more = list[:shown], ", ..."
	}
	for i, n := range list {
		list[i] = fmt.Sprintf("%s (%d)", n, a.c.asked[n])
	}
	return ": " + strings.Join(list, ", ") + more
}

// delivery: texts that do not get there.
func (a *adviser) delivery() {
	state := make(map[string]int)
	for _, row := range a.c.r.States {
		state[row.Word] = row.N
	}
	if a.f.Missed >= 2*fewCalls && a.f.Queued == 0 && a.reason[textback.ReasonShadow] == 0 {
		a.say(Act, "no-texts", "%d calls were missed and nobody was texted. The commonest verdict is %q; `textback explain` tells why for each call.",
			a.f.Missed, a.c.r.Verdicts[0].Word)
	}
	if r := a.f.DeliverRate; r.Of >= enough && float64(r.Of-r.N) >= badDelivery*float64(r.Of) {
		a.say(Act, "undelivered", "%d of %d texts were reported undelivered. Ask the gateway about the error codes that `textback explain` shows; "+
			"an unregistered sender is the usual cause.", r.Of-r.N, r.Of)
	}
	if n := state[textback.Failed.String()]; n >= fewCalls && share(n, a.f.Queued, badRefusal) {
		a.say(Act, "failed", "The message centre refused %d of %d texts. The log tells its status for each (text-failed).", n, a.f.Queued)
	}
	if n := state[textback.Expired.String()]; n >= fewCalls {
		a.say(Act, "expired", "%d texts could not be sent in time. Look for smpp-down in the log; a second [[smpp]] would have carried them.", n)
	}
	if n := state[textback.Unknown.String()]; n >= fewCalls && share(n, a.f.Queued, badRefusal) {
		a.say(Act, "unknown", "%d texts got no answer from the message centre and may or may not have arrived. See resend_uncertain in docs/smpp.md.", n)
	}
	if s := a.f.TimeToText; s.N >= someReplies && s.Median > slowText.Seconds() {
		a.say(Look, "slow-texts", "Half of the texts left later than %s after the call. Lower delay, or look at the link's rate and window.", Duration(s.Median))
	}
}

// wording: what the texts bring.
func (a *adviser) wording() {
	if r := a.f.ReplyRate; r.Of >= enough && r.Value() < lowReplyRate {
		a.say(Look, "reply-rate", "Only %s of the texts are answered (%d of %d). It is the wording: say who you are, ask one question that "+
			"can be answered in a word, and compare it as a second variant.", Percent(r), r.N, r.Of)
	}
	if a.bookable() && a.f.Replied >= someReplies {
		if r := a.f.ReplyToBook; r.N == 0 && a.f.Booked == 0 {
			a.say(Look, "no-bookings", "%d callers answered and nobody booked. It is the link or the offer: open the link on a phone, and look at the free times.", r.Of)
		} else if r.Of >= enough && r.Value() < lowBookRate {
			a.say(Look, "few-bookings", "Of %d callers who answered, %d booked. Look at the link and the offer.", r.Of, r.N)
		}
	}
	if r := a.f.OptOutRate; r.Of >= enough && r.N >= fewCalls && r.Value() > highOptOut {
		a.say(Look, "opt-outs", "%s of those texted opted out (%d of %d). Text less often (window, max_unreplied), and only for calls where help is "+
			"wanted (outcomes, min_ring).", Percent(r), r.N, r.Of)
	}
	for _, t := range a.c.r.Templates {
		if len(t.Variants) < 2 {
			continue
		}
		if sentence, won := compare(t.Variants); won {
			a.say(Look, "variant", "Template %s: %s Keep the better one.", Clean(t.Key), sentence)
		}
	}
}

// bookable tells whether there is a way to book.
func (a *adviser) bookable() bool {
	if a.f.Bookings+a.c.r.Before.Figures.Bookings > 0 {
		return true
	}
	for key, p := range a.c.in.Known {
		if p.Booking && a.c.in.wants(key, a.c.in.Line) {
			return true
		}
	}
	return false
}

// people: how soon a person answers.
func (a *adviser) people() {
	r := a.f.Conversations
	if open := r.Of - r.N; open >= fewCalls && share(open, r.Of, manyOfAll) {
		a.say(Act, "unanswered", "%d of %d callers who wrote back got no answer from a person. `textback threads` lists them; see [[notify]] for who is told.", open, r.Of)
	}
	if s := a.f.FirstResponse; s.N >= 2*fewCalls && s.Median > slowResponse.Seconds() {
		a.say(Look, "slow-response", "Half of the callers who wrote back waited longer than %s for a person. Hand replies to a mobile as well "+
			"([[notify]] kind = \"text\").", Duration(s.Median))
	}
}

// rest: what is good to know.
func (a *adviser) rest() {
	peak, day, hour := a.c.r.peak()
	if peak >= missedForPeak && a.f.Missed >= callsForPeak {
		a.say(Note, "peak", "Most calls are missed on %ss between %d:00 and %d:00 (%d of %d): one more person on the phone then helps more than any text.",
			weekdays[day], hour, hour+1, peak, a.f.Missed)
	}
	if kept := a.c.r.Kept; !kept.IsZero() && kept.After(a.c.r.Since.AddDate(0, 0, 1)) {
		a.say(Note, "kept", "The oldest call that is kept is of %s: what was before is not in here.", kept.Format(shownTime))
	}
}

func plural(n int, single, many string) string {
	if n == 1 {
		return single
	}
	return many
}

// peak is the hour of the week in which most calls are missed, and how many.
func (r *Report) peak() (most, day, hour int) {
	for d, hours := range r.Hours {
		for h, n := range hours {
			if n > most {
				most, day, hour = n, d, h
			}
		}
	}
	return most, day, hour
}
