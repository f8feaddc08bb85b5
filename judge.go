package textback

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// sketch is what is known about a call while it lives.
func (t *Tracker) sketch(c *tracked) Call {
	call := Call{ID: t.opts.PBX + "/" + c.leg.id, PBX: t.opts.PBX, Direction: c.direction, Begin: c.leg.begin()}
	in := c.leg.info()
	if in == nil {
		in = new(LegInfo)
	}
	call.Party = in.Party
	dialled, number := slices.Clone(in.Dialled), 0
	for i := range c.leg.facts {
		f := &c.leg.facts[i]
		switch {
		case f.Kind == LegCreated && f.Info != nil:
			// A later reading may know what the first one did not.
			for i, form := range f.Info.Dialled {
				if i < len(dialled) && dialled[i] == "" {
					dialled[i] = form
				}
			}
		case f.Kind != LegFact:
		case f.Fact == FactWithheld:
			call.Party.Withheld = call.Party.Withheld || f.On
		case f.Fact == FactVerified:
			// A failure weighs more than a pass: two checks that disagree are no proof.
			if !f.On {
				call.Party.Verification = VerificationFailed
			} else if call.Party.Verification == Unverified {
				call.Party.Verification = VerificationPassed
			}
		case f.Fact == FactDeclined:
			call.Declined = f.On
		case f.Fact == FactNumber:
			// What was dialled is surer than what the PBX shows as connected.
			if call.Party.Number == "" || f.Index < number {
				call.Party.Number, number = f.Text, f.Index
			}
		case f.Fact == FactDialled && f.Index >= 0 && f.Index < maxForms:
			for len(dialled) <= f.Index {
				dialled = append(dialled, "")
			}
			if dialled[f.Index] == "" { // the first one counts: it changes later on
				dialled[f.Index] = f.Text
			}
		}
	}
	for _, form := range dialled {
		if form != "" && !slices.Contains(call.Dialled, form) {
			call.Dialled = append(call.Dialled, form)
		}
	}
	return call
}

// maxForms bounds the forms of the dialled number.
const maxForms = 32

// judge says how a call ended, from all that is known about its legs.
func (t *Tracker) judge(c *tracked) Call {
	j := &judgement{t: t, c: c, leg: c.leg, Call: t.sketch(c)}
	j.End, _ = c.leg.endAt()
	if end := c.leg.end(); end != nil {
		j.Cause = end.Cause
	}
	j.readHangup()
	j.EndedBy = j.by
	connected := j.connected()
	switch {
	case c.direction == Outbound:
		j.Outcome = NoAnswer
		if connected {
			j.Outcome = Answered
		}
	case connected:
		j.Outcome = Answered
	case j.elsewhere:
		j.note(j.hangupAt, "the caller's side says that the call was answered elsewhere")
		j.Outcome = Answered
	case j.shutdown:
		j.note(j.hangupAt, "the PBX was shut down while nobody had answered")
		j.Outcome = Lost
	case c.leg.end() == nil:
		j.lost()
	default:
		j.Outcome = j.missed()
	}
	until := j.End
	if !j.Connected.IsZero() {
		until = j.Connected
	}
	j.Ring = max(0, until.Sub(j.Begin))
	j.finish()
	return j.Call
}

// judgement is one call being judged.
type judgement struct {
	Call
	t   *Tracker
	c   *tracked
	leg *leg

	by        Ender
	hangupAt  time.Time
	elsewhere bool
	shutdown  bool
	steps     []step
	message   bool // a voicemail message was left
}

// readHangup finds out who ended the call.
func (j *judgement) readHangup() {
	for i := range j.leg.facts {
		f := &j.leg.facts[i]
		if f.Kind != HangupRequested {
			continue
		}
		if f.Shutdown {
			j.shutdown = true
		}
		if f.Elsewhere && !j.stale(f.Cause.Q850, f.At) {
			j.elsewhere = true
		}
		if j.by == EnderUnknown && f.By != EnderUnknown {
			// The first one ends the call; the PBX adds one of its own after that of the far end.
			j.by, j.hangupAt = f.By, f.At
		}
	}
	if end := j.leg.end(); end != nil {
		if end.Elsewhere && j.by != EndedByPBX && !j.stale(end.Cause.Q850, j.hangupAt) {
			j.elsewhere = true
		}
		if end.Shutdown {
			j.shutdown = true
		}
		if j.by == EnderUnknown {
			j.by = end.By
		}
		if j.hangupAt.IsZero() {
			j.hangupAt = end.At
		}
	}
	if j.hangupAt.IsZero() {
		j.hangupAt = j.End
	}
	// A refusal on the channel (Busy, Congestion) makes the caller's side hang up at once: the PBX ended that call.
	for i := range j.leg.facts {
		f := &j.leg.facts[i]
		if f.Kind == StageEntered && f.Stage == StageRefused && !f.At.After(j.hangupAt) && j.by == EndedByCaller {
			if _, up := j.leg.answeredAt(); !up {
				j.by = EndedByPBX
			}
		}
	}
}

// stale tells whether a cause was on the leg already when its end was asked for: a dialled leg that ended with it leaves it there.
// A bare CANCEL after a Local channel that rang out shows that channel's 16.
func (j *judgement) stale(q850 int, at time.Time) bool {
	return q850 != 0 && slices.ContainsFunc(j.leg.others(LegDialled), func(id string) bool {
		m := j.t.legs[id]
		if m == nil {
			return false
		}
		end := m.end()
		return end != nil && end.Cause.Q850 == q850 && end.At.Before(at)
	})
}

// connected finds out whether the caller was connected with a person, and since when.
func (j *judgement) connected() bool {
	spans, with := j.t.talk(j.leg)
	if long(spans, j.t.opts.MinTalk) {
		j.Connected = spans[0].from
		j.note(j.Connected, "connected with "+channel(with.name()))
	} else if len(spans) > 0 {
		j.note(spans[0].from, fmt.Sprintf("a bridge with %s existed for %v only: no connection", channel(with.name()),
			spans[0].to.Sub(spans[0].from)))
	}
	if f := j.c.folded.connected; !f.IsZero() && (j.Connected.IsZero() || f.Before(j.Connected)) {
		j.Connected = f
		j.note(f, "connected with "+channel(j.c.folded.with))
	}
	if !j.Connected.IsZero() {
		return true
	}
	for i := range j.leg.facts {
		// The PBX says with whom the leg was connected, but the other leg was never seen: it fell into a gap.
		if f := &j.leg.facts[i]; f.Kind == LegLinked && f.On && !j.t.wasSeen(f.Other) {
			if up, ok := j.leg.answeredAt(); ok {
				j.Connected = up
				j.note(up, "the PBX says that it was connected with "+channel(f.Text))
				return true
			}
		}
	}
	return false
}

// wasSeen tells whether anything but what another leg said is known about a leg.
func (t *Tracker) wasSeen(id string) bool {
	l := t.legs[id]
	return l != nil && (l.info() != nil || l.first(LegAnswered) != nil || l.end() != nil)
}

// lost judges a call whose end was not seen.
func (j *judgement) lost() {
	j.Outcome = Lost
	switch g := j.leg.gone; {
	case g != nil && g.restarted:
		j.note(j.End, "the PBX was started anew; nobody had answered")
	case g != nil:
		j.Unseen = true
		j.note(j.End, "ended while the link to the PBX was down")
	default:
		j.Unseen = true
		j.note(j.End, fmt.Sprintf("nothing was heard of it for %v; its end was not seen", j.t.opts.LegTTL))
	}
}

// step is a stage that the caller came to.
type step struct {
	at     time.Time
	was    time.Time // at, but for a virtual leg when the leg came to it, maybe before the caller was connected with it
	stage  Stage
	cause  Cause
	leg    *leg
	weak   bool      // concluded afterwards
	result Result    // 0 if not told
	ended  time.Time // when the result was told
}

// missed says how a call was missed: the last stage that the caller came to decides.
func (j *judgement) missed() Outcome {
	j.collect()
	attempts := j.c.folded.attempts
	for _, a := range j.t.attemptsOf(j.leg) {
		attempts.add(a)
		j.note(a.at, a.sentence())
	}
	var last, refusal *step
	announced := false
	for i := range j.steps {
		s := &j.steps[i]
		switch s.stage {
		case StageAnnouncement:
			announced = true
		case StageRefused:
			refusal = s
		case StageDial, StageQueue, StageMenu, StageVoicemail, StageConference, StagePark, StageProgram:
			last = s
		}
	}
	byCaller := j.by == EndedByCaller
	if j.message {
		return Voicemail
	}
	switch {
	case last == nil && refusal != nil:
		return refused(refusal.cause)
	case last == nil && byCaller:
		return Abandoned
	case last == nil:
		return j.turnedAway(announced)
	case refusal != nil && last.stage == StageMenu && refusal.at.After(last.at):
		return refused(refusal.cause)
	}
	switch last.stage {
	case StageVoicemail:
		return VoicemailHangup
	case StageQueue:
		return j.queue(last)
	case StageMenu, StageProgram:
		return MenuAbandoned
	case StageConference, StagePark:
		if byCaller || j.by == EnderUnknown {
			return Abandoned
		}
		return NoAnswer
	case StageDial:
		over := last.result != 0 && last.result != ResultAbandoned && last.ended.Before(j.hangupAt)
		if byCaller && !over && !j.rangOut() {
			return Abandoned
		}
		return dialled(attempts, last)
	default:
		return Abandoned
	}
}

// rangOut tells whether all phones had long been given up when the caller hung up.
func (j *judgement) rangOut() bool {
	all := j.t.attemptsOf(j.leg)
	for _, a := range all {
		if end, ok := a.leg.endAt(); !ok || end.Add(givenUp).After(j.hangupAt) {
			return false
		}
	}
	return len(all) > 0
}

// queue says how a call was missed that ended in a queue, or after it without another stage.
func (j *judgement) queue(s *step) Outcome {
	switch s.result {
	case ResultUnavailable:
		return Unreachable
	case ResultTimeout:
		return QueueTimeout
	default:
		if j.by == EndedByPBX && s.result != ResultAbandoned {
			return QueueTimeout
		}
		return QueueAbandoned
	}
}

// turnedAway says how a call was missed that the PBX ended without having rung anybody.
func (j *judgement) turnedAway(announced bool) Outcome {
	switch q := j.Cause.Q850; {
	case q == 17 || q == 21 || q != 0 && !ordinary(q):
		return refused(j.Cause)
	case announced:
		return Closed
	}
	if _, up := j.leg.answeredAt(); up {
		return Closed
	}
	return Unreachable
}

// givenUp is how long before the caller's hangup a phone stops ringing if it is not the hangup that stops it, nor the step
// from one phone to the next.
const givenUp = time.Second

// ordinary are the causes that say nothing: normal clearing, no answer, normal unspecified, interworking.
func ordinary(q850 int) bool { return q850 == 16 || q850 == 19 || q850 == 31 || q850 == 127 }

// refused is the outcome of a call that was turned away with a cause (ITU-T Q.850).
func refused(c Cause) Outcome {
	switch c.Q850 {
	case 17:
		return Busy
	case 21:
		return Rejected
	default:
		return Unreachable
	}
}

// collect reads the stages that the caller came to, on the own leg and on the virtual legs that it was connected with.
func (j *judgement) collect() {
	dials := len(j.leg.others(LegDialled)) > 0
	j.stages(j.leg, span{}, dials)
	type through struct {
		leg  *leg
		span span
	}
	var halves []through
	j.t.reach(j.leg, func(m *leg, s span) {
		if m.kind() == LegVirtual {
			halves = append(halves, through{m, s})
		}
	})
	for _, h := range halves {
		j.stages(h.leg, h.span, len(h.leg.others(LegDialled)) > 0)
	}
	slices.SortStableFunc(j.steps, func(a, b step) int {
		if c := a.at.Compare(b.at); c != 0 {
			return c
		}
		if c := cmpBool(b.weak, a.weak); c != 0 { // concluded ones first: a real one of the same time is later
			return c
		}
		if c := a.was.Compare(b.was); c != 0 {
			return c
		}
		if c := int(a.stage) - int(b.stage); c != 0 {
			return c
		}
		return strings.Compare(a.leg.id, b.leg.id)
	})
	for _, s := range j.steps {
		j.note(s.at, "came to "+s.stage.String())
		if s.result != 0 {
			j.note(s.ended, s.stage.String()+": "+s.result.String())
		}
	}
}

// stages adds the stages of one leg; of a virtual one only those of the time in which the caller was connected with it.
func (j *judgement) stages(l *leg, during span, dials bool) {
	var mine []step
	current := Stage(0) // the stage in which the leg is, announcements apart
	for i := range l.facts {
		f := &l.facts[i]
		switch f.Kind {
		case StageEntered:
			if (f.Stage == StageDial || f.Stage == StageProgram) && f.Found && dials {
				continue // the legs that were dialled tell more
			}
			if l == j.leg && !f.Found && f.At.After(j.hangupAt) {
				continue // the dialplan cleans up after the end
			}
			mine = append(mine, step{at: f.At, stage: f.Stage, cause: f.Cause, leg: l, weak: f.Found})
			if f.Stage != StageAnnouncement {
				current = f.Stage
			}
		case LegDialled:
			if f.Stage == StageQueue && current != StageQueue || f.Stage == StageDial && current != StageDial && current != StageQueue {
				mine = append(mine, step{at: f.At, stage: f.Stage, leg: l})
				current = f.Stage
			}
			if f.Stage == 0 && current == 0 {
				mine = append(mine, step{at: f.At, stage: StageDial, leg: l})
				current = StageDial
			}
		case StageEnded:
			if f.Stage == StageVoicemail && f.Result == ResultMessage {
				j.message = j.message || l == j.leg || !during.from.IsZero()
			}
			for k := len(mine) - 1; k >= 0; k-- {
				if mine[k].stage != f.Stage {
					continue
				}
				if mine[k].result == 0 { // the PBX repeats it at the end
					mine[k].result, mine[k].ended = f.Result, f.At
				}
				break
			}
		default:
		}
	}
	// A result of which the stage was not seen makes one.
	for i := range l.facts {
		f := &l.facts[i]
		if f.Kind == StageEnded && !slices.ContainsFunc(mine, func(s step) bool { return s.stage == f.Stage }) {
			mine = append(mine, step{at: f.At, stage: f.Stage, cause: f.Cause, leg: l, weak: true, result: f.Result, ended: f.At})
		}
	}
	for _, s := range mine {
		s.was = s.at
		if l != j.leg {
			if !during.open() && s.at.After(during.to) {
				continue
			}
			if s.at.Before(during.from) {
				s.at = during.from
			}
		}
		j.steps = append(j.steps, s)
	}
}
