package web

import (
	"fmt"
	"strings"
	"time"
	"unicode"

	"textback"
)

// Limits on what is shown of what strangers wrote, in characters.
const (
	maxShown = 80
	maxSaid  = 20_000
	longSaid = 900 // beyond, the rest is folded away
	marks    = 3   // combining marks on one character
)

// shown makes a name or a word of a stranger fit for one line: no control, bidi or invisible characters, bounded.
func shown(s string) string {
	if short := clip(strip(s, false), maxShown+1); len([]rune(short)) > maxShown {
		return clip(short, maxShown) + "…"
	} else {
		return short
	}
}

// said makes what somebody wrote fit to be shown as it was meant: line breaks and emoji stay, what turns the page around does not.
func said(s string) string {
	s = strip(s, true)
	if r := []rune(s); len(r) > maxSaid {
		s = string(r[:maxSaid]) + "…"
	}
	return s
}

// strip takes out control characters, bidi marks and other invisible ones, and heaps of combining marks. With lines, line breaks
// and the joiners of emoji and of scripts that need them stay.
func strip(s string, lines bool) string {
	var b strings.Builder
	heap, breaks := 0, 0
	for _, r := range strings.ToValidUTF8(strings.ReplaceAll(s, "\r\n", "\n"), "�") {
		switch {
		case lines && r == '\n':
			if breaks++; breaks > 3 {
				continue
			}
			heap = 0
			b.WriteRune(r)
			continue
		case lines && (r == '\u200d' || r == '\u200c'):
		case r == '\t', r == '\n', r == '\r', unicode.Is(unicode.Zs, r), unicode.Is(unicode.Zl, r), unicode.Is(unicode.Zp, r):
			r = ' '
		case unicode.IsControl(r), unicode.In(r, unicode.Cf, unicode.Co, unicode.Cs):
			continue
		}
		breaks = 0
		if unicode.In(r, unicode.Mn, unicode.Me) {
			if heap++; heap > marks {
				continue
			}
		} else {
			heap = 0
		}
		b.WriteRune(r)
	}
	return strings.TrimSpace(b.String())
}

// body is a text in two pieces: what is shown at once, and the rest of a long one.
type body struct {
	Head, Rest string
	More       int // characters of Rest
}

func fold(s string) body {
	s = said(s)
	r := []rune(s)
	if len(r) <= longSaid+200 {
		return body{Head: s}
	}
	return body{string(r[:longSaid]), string(r[longSaid:]), len(r) - longSaid}
}

// snippet is the beginning of a text on one line.
func snippet(s string) string {
	s = clip(strip(s, false), 141)
	if r := []rune(s); len(r) > 140 {
		return string(r[:140]) + "…"
	}
	return s
}

// telephone tells whether a number is one that can be called: the PBX may have shown anything.
func telephone(s string) bool {
	digits, ok := strings.CutPrefix(s, "+")
	return ok && len(digits) >= 3 && len(digits) <= 15 && strings.Trim(digits, "0123456789") == ""
}

// caller is how a caller is called: the number, or words if there is none. Where a number belongs, PBXs show words such as
// "anonymous" as well.
func caller(number string) string {
	if n := shown(number); strings.ContainsAny(n, "0123456789") {
		return n
	}
	return "No number"
}

var outcomeSentences = map[textback.Outcome]string{
	textback.NoAnswer: "Rang, nobody answered", textback.Abandoned: "Hung up before anybody answered", textback.Busy: "All phones were busy",
	textback.Rejected: "Turned down", textback.Unreachable: "No phone could be reached", textback.QueueAbandoned: "Hung up while waiting in a queue",
	textback.QueueTimeout: "Waited in a queue until it gave up", textback.MenuAbandoned: "Hung up in a menu", textback.Voicemail: "Left a message",
	textback.VoicemailHangup: "Reached voicemail, left no message", textback.Closed: "Heard that you are closed", textback.Lost: "Cut off: the PBX or its link went down",
	textback.Answered: "Answered by a person",
}

// outcome is how a call ended, in words for people.
func outcome(o textback.Outcome) string {
	if s, ok := outcomeSentences[o]; ok {
		return s
	}
	return o.String()
}

var reasonSentences = map[textback.Reason]string{
	textback.ReasonText: "A text goes out", textback.ReasonUnknownLine: "Not one of your lines was dialled",
	textback.ReasonOutcomeOff: "Calls that end so are not texted", textback.ReasonUnseen: "The end of the call was not seen",
	textback.ReasonNoNumber: "No number to text", textback.ReasonOwnNumber: "Called from one of your own lines",
	textback.ReasonExcluded: "On the exclude list", textback.ReasonDeclined: "The caller wanted no text",
	textback.ReasonNotTextable: "Such a number cannot be texted", textback.ReasonRegion: "Outside the allowed regions",
	textback.ReasonSpoofed: "The carrier says that the number is forged", textback.ReasonTooShort: "Hung up at once",
	textback.ReasonOptedOut: "The caller has opted out", textback.ReasonTalking: "Already in touch with a person",
	textback.ReasonWindow: "Was texted a short while ago", textback.ReasonUnansweredTexts: "Never answered the last texts",
	textback.ReasonRate: "Too many texts to such numbers, or from this line", textback.ReasonBudget: "The budget for texts is spent",
	textback.ReasonQuiet: "Quiet hours at the caller's place", textback.ReasonRule: "A rule says not to text",
	textback.ReasonShadow: "Would be texted (shadow mode)", textback.ReasonRecovered: "Reached a person before the text left",
}

// reason is what was decided, in words for people.
func reason(r textback.Reason) string {
	if s, ok := reasonSentences[r]; ok {
		return s
	}
	return r.String()
}

// standing of a text or a verdict: its word, and its tone, by which it is coloured: good, wait, bad or none.
type mark struct{ Word, Tone string }

var stateMarks = map[textback.TextState]mark{
	textback.Queued: {"Waits to leave", "wait"}, textback.Submitting: {"Being sent", "wait"}, textback.Accepted: {"Sent", "wait"},
	textback.Delivered: {"Delivered", "good"}, textback.Undelivered: {"Not delivered", "bad"}, textback.Failed: {"Refused by the carrier", "bad"},
	textback.Expired: {"Not sent in time", "bad"}, textback.Cancelled: {"Taken back", "none"}, textback.Unknown: {"No answer from the carrier", "bad"},
}

// markOf is where a text stands.
func markOf(t *textback.Text) mark {
	if t == nil || t.State == 0 {
		return mark{}
	}
	m, ok := stateMarks[t.State]
	if !ok {
		return mark{t.State.String(), "none"}
	}
	if t.State == textback.Queued && t.Held {
		m.Word = "Held in quiet hours"
	}
	return m
}

// verdictMark is what was decided about a call and what became of it, in as few words.
func verdictMark(c Call) mark {
	switch {
	case c.Decision.Reason == textback.ReasonText && c.Text != nil:
		m := markOf(c.Text)
		switch c.Text.State {
		case textback.Delivered:
			m.Word = "Text delivered"
		case textback.Accepted:
			m.Word = "Text sent"
		case textback.Undelivered, textback.Unknown:
			m.Word = "Text: " + strings.ToLower(m.Word[:1]) + m.Word[1:]
		default:
		}
		return m
	case c.Decision.Reason == textback.ReasonText:
		return mark{"Texted", "good"}
	case c.Decision.Reason == textback.ReasonRecovered:
		return mark{"Reached a person", "good"}
	case c.Decision.Reason == textback.ReasonShadow:
		return mark{"Shadow: not sent", "none"}
	case c.Decision.Reason == textback.ReasonBudget:
		return mark{"Not texted: budget", "bad"}
	default:
		return mark{"Not texted", "none"}
	}
}

// why is the sentence behind a verdict.
func why(c Call) string {
	d := &c.Decision
	if d.Reason == textback.ReasonText {
		var list []string
		if d.Held {
			list = append(list, "held in quiet hours")
		}
		if d.Template != "" {
			list = append(list, "template "+shown(d.Template))
		}
		if d.Rule != "" {
			list = append(list, "rule "+shown(d.Rule))
		}
		if c.Text != nil && c.Text.Note != "" {
			list = append(list, shown(c.Text.Note))
		}
		return strings.Join(list, ", ")
	}
	return reason(d.Reason)
}

// guards are those that a call passed, in the order in which they are asked, and the one that objected, "" if none did.
type guards struct {
	Passed  []string
	Objects string
}

func guardsOf(v textback.Verdict) guards {
	last, out := v.Decision.Reason, guards{}
	if last == textback.ReasonRecovered && v.Was != 0 {
		last = v.Was
	}
	for _, r := range textback.Reasons() {
		switch r {
		case textback.ReasonText, textback.ReasonRecovered: // no guards
		case last:
			out.Objects = r.String()
			return out
		default:
			out.Passed = append(out.Passed, r.String())
		}
	}
	return out
}

var kindWords = map[textback.TextKind]string{
	textback.MissedCallText: "after the missed call", textback.ConfirmationText: "confirmation", textback.HelpText: "answer to HELP",
	textback.BranchText: "automatic answer", textback.StaffText: "to staff", textback.BookingText: "booking confirmation", textback.PersonText: "by a person",
	textback.TestText: "a test",
}

// kind is what a text was for.
func kind(k textback.TextKind) string {
	if s, ok := kindWords[k]; ok {
		return s
	}
	return k.String()
}

// lasted writes a short time: "0 s", "12 s", "1:05 min".
func lasted(d time.Duration) string {
	s := int(d.Round(time.Second).Seconds())
	if s < 60 {
		return fmt.Sprintf("%d s", s)
	}
	return fmt.Sprintf("%d:%02d min", s/60, s%60)
}

// Alphabet of the counter in the reply box: characters of one septet and of two (3GPP TS 23.038, 6.2.1).
func alphabet() (one, two string) {
	var a, b strings.Builder
	for r := rune('\n'); r <= '€'; r++ {
		switch code, ok := textback.EncodeGSM7(string(r)); {
		case !ok:
		case len(code) == 1:
			a.WriteRune(r)
		default:
			b.WriteRune(r)
		}
	}
	return a.String(), b.String()
}
