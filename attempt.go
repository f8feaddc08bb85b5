package textback

import (
	"fmt"
	"strings"
	"time"
)

// attempt is one phone, or number outside, that the PBX called for a caller.
type attempt struct {
	leg  *leg
	at   time.Time
	rang time.Duration
	fate fate
	word string
}

// fate is what became of an attempt.
type fate uint8

const (
	_           fate = iota
	fateRang         // it rang, nobody took it
	fateBusy         // busy at once
	fateTurned       // turned down by hand, or by the phone's setting
	fateSilent       // it could not be rung
	fateForward      // it sent the caller on to another number
)

const (
	// A 486 after so much ringing is a person who pressed a key: nobody does so sooner, and a busy phone does not ring.
	turnedDownAfter = 500 * time.Millisecond
	// A phone that says "unavailable" after so much ringing has rung out by its own timer.
	rangOutAfter = 4 * time.Second
)

// attempts counts fates.
type attempts struct{ rang, busy, turned, silent int }

func (a *attempts) add(one attempt) {
	switch one.fate {
	case fateRang:
		a.rang++
	case fateBusy:
		a.busy++
	case fateTurned:
		a.turned++
	case fateSilent:
		a.silent++
	case fateForward:
	}
}

// dialled is the outcome of phones that were rung in vain until the PBX gave up.
func dialled(a attempts, last *step) Outcome {
	switch {
	case a.rang > 0:
		return NoAnswer
	case a.turned > 0:
		return Rejected
	case a.busy > 0:
		return Busy
	case a.silent > 0:
		return Unreachable
	}
	switch last.result { // no leg was seen: what the PBX says about the dial
	case ResultTimeout:
		return NoAnswer
	case ResultBusy:
		return Busy
	case ResultRejected:
		return Rejected
	default:
		return Unreachable
	}
}

// attemptsOf are the legs that the PBX dialled for a leg, directly or through virtual legs.
func (t *Tracker) attemptsOf(l *leg) []attempt {
	var all []attempt
	seen := map[*leg]bool{l: true}
	var down func(l *leg)
	down = func(l *leg) {
		for i := range l.facts {
			f := &l.facts[i]
			if f.Kind != LegDialled {
				continue
			}
			m := t.legs[f.Other]
			if m == nil || seen[m] || len(seen) > 4*foldAbove {
				continue
			}
			seen[m] = true
			switch m.kind() {
			case LegVirtual:
				if far := t.partner(m); far != nil && !seen[far] {
					seen[far] = true
					down(far)
				}
			case LegOutgoing, LegUnknown:
				all = append(all, t.attempt(m, f))
			case LegInbound, LegPhone, LegPseudo:
			}
		}
	}
	down(l)
	return all
}

// attempt reads the fate of a dialled leg.
func (t *Tracker) attempt(m *leg, dial *fact) attempt {
	a := attempt{leg: m, at: dial.At}
	end := m.end()
	rang, ringing := m.rangAt()
	if at, ok := m.endAt(); ok && ringing {
		a.rang = max(0, at.Sub(rang))
	}
	if end == nil {
		a.fate = fateSilent
		if ringing {
			a.fate = fateRang
		}
		return a
	}
	a.word = end.Cause.Word
	refused := false // the far end said so, not the PBX
	for i := range m.facts {
		if f := &m.facts[i]; f.Kind == HangupRequested && f.By == EndedByCaller {
			refused = true
		}
	}
	in := m.info()
	switch q := end.Cause.Q850; {
	case q == 23: // redirected
		a.fate = fateForward
	case q == 17 && ringing && a.rang >= turnedDownAfter:
		a.fate = fateTurned
	case q == 17:
		a.fate = fateBusy
	case q == 21 && (ringing || in == nil || !in.Outside):
		a.fate = fateTurned
	case !ringing:
		a.fate = fateSilent
	case (q == 18 || q == 19 || q == 20) && refused && a.rang < rangOutAfter:
		a.fate = fateSilent
	case q == 0 || q == 18 || q == 19 || q == 16 || q == 26 || q == 31 || q == 127 || q == 102 || a.rang >= rangOutAfter:
		a.fate = fateRang
	default:
		a.fate = fateSilent
	}
	return a
}

// sentence tells of an attempt.
func (a *attempt) sentence() string {
	name := channel(a.leg.name())
	switch a.fate {
	case fateRang:
		return fmt.Sprintf("%s rang for %s, nobody took it", name, seconds(a.rang))
	case fateBusy:
		return name + " was busy"
	case fateTurned:
		return fmt.Sprintf("%s turned the call down after %s", name, seconds(a.rang))
	case fateForward:
		return name + " sent the caller on"
	default:
		if a.word != "" {
			return fmt.Sprintf("%s could not be rung (%s)", name, printable(a.word))
		}
		return name + " could not be rung"
	}
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }

// channel makes the PBX's name of a leg fit for a sentence. Numbers from outside are in it, so it is cut short and cleaned.
func channel(name string) string {
	if i := strings.LastIndexByte(name, '-'); i > 0 && strings.HasPrefix(name, "PJSIP/") {
		name = name[:i] // the rest counts channels
	}
	return printable(name)
}

// printable keeps plain ASCII of what comes from outside, and little of it.
func printable(s string) string {
	const most = 60
	var b strings.Builder
	for _, r := range s {
		if r < ' ' || r > '~' {
			r = '?'
		}
		b.WriteRune(r)
		if b.Len() >= most {
			b.WriteString("...")
			break
		}
	}
	return b.String()
}
