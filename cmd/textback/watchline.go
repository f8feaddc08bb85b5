package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"textback/cmd/internal/feed"
	"textback/cmd/internal/handoff"
)

// shownLine is one event as people read it: when, a word, and a sentence.
type shownLine struct {
	at    time.Time
	word  string
	text  string // already safe for a terminal
	style style
}

// style is how a line is coloured: the parameters of the escape sequence "select graphic rendition" (ECMA-48, 8.3.117).
type style string

const (
	styleNone   style = ""
	styleGood   style = "32"   // green
	styleBad    style = "31"   // red
	styleRings  style = "33"   // yellow
	styleTalks  style = "36"   // cyan
	styleReply  style = "1;35" // bold magenta
	styleFaint  style = "2"
	styleHeader style = "7" // reversed
)

// paint gives the line as it is printed, cut to a width in cells; 0 is no width.
func (l *shownLine) paint(colours bool, cells int) string {
	s := fmt.Sprintf("%s  %-16s %s", l.at.Local().Format("15:04:05"), l.word, l.text)
	if cells > 0 {
		s = fit(s, cells)
	}
	return l.style.paint(s, colours)
}

func (st style) paint(s string, colours bool) string {
	if !colours || st == styleNone {
		return s
	}
	return "\x1b[" + string(st) + "m" + s + "\x1b[0m"
}

// lineOf gives the line of an event; ok is false for what is no news of its own.
func lineOf(ev *watchEvent) (l shownLine, ok bool) {
	l.at = ev.At
	decode := func(to any) bool { return json.Unmarshal(ev.Data, to) == nil }
	switch {
	case ev.Type == feed.TypeHello:
		var h feed.Hello
		ok = decode(&h)
		l.word, l.style = "watching", styleFaint
		l.text = fmt.Sprintf("textback %s, running since %s", plain(h.Version), clock(h.Started))
	case ev.Type == feed.TypeRinging, ev.Type == feed.TypeConnected, ev.Type == feed.TypeEnded:
		var c feed.Call
		ok = decode(&c) && l.ofCall(ev.Type, &c)
	case ev.Type == handoff.TypeVerdict:
		var v feed.Verdict
		ok = decode(&v)
		l.ofVerdict(&v)
	case strings.HasPrefix(ev.Type, handoff.TypeText):
		var t feed.Text
		ok = decode(&t) && l.ofText(&t)
	case ev.Type == handoff.TypeReply:
		var r feed.Reply
		ok = decode(&r)
		l.word, l.style = "reply", styleReply
		l.text = fmt.Sprintf("%s%s to %s%s: %s", plain(r.Caller), named(r.Name), plain(r.Business), tagged(r.Tag, r.ThreadID), inQuotes(r.Body))
		if r.Flag != "" {
			l.text += " [" + plain(r.Flag) + "]"
		}
	case ev.Type == handoff.TypeSent:
		var a feed.Answer
		ok = decode(&a)
		l.word, l.style = "answer", styleReply
		l.text = fmt.Sprintf("%s to %s%s: %s", plain(a.Person), plain(a.Caller), tagged("", a.ThreadID), inQuotes(a.Body))
	case ev.Type == feed.TypeLog, ev.Type == feed.TypeSlow, ev.Type == feed.TypeStopping, ev.Type == typeAway:
		var line feed.Line
		ok = decode(&line)
		l.ofLog(&line)
	}
	return l, ok
}

// ofCall tells of a call. The end of a missed one is told by its verdict.
func (l *shownLine) ofCall(kind string, c *feed.Call) bool {
	switch kind {
	case feed.TypeRinging:
		l.word, l.style = "ringing", styleRings
		l.text = fmt.Sprintf("%s calls %s (%s)", outside(c), plain(or(c.Line, "an unknown line")), plain(c.PBX))
		if c.Direction == "outbound" {
			l.word, l.style = "calling", styleNone
			l.text = fmt.Sprintf("%s is called (%s)", outside(c), plain(c.PBX))
		}
	case feed.TypeConnected:
		l.word, l.style = "talking", styleTalks
		l.text = fmt.Sprintf("%s with a person (%s)", outside(c), plain(c.PBX))
	default:
		if c.Outcome != "answered" && c.Direction != "outbound" {
			return false
		}
		l.word = "ended"
		l.text = fmt.Sprintf("%s: %s (%s)", outside(c), plain(c.Outcome), plain(c.PBX))
	}
	return true
}

// outside is who is at the outer end of a call.
func outside(c *feed.Call) string {
	if c.Withheld {
		return "a withheld number"
	}
	return plain(or(c.Number, "no number")) + named(c.Name)
}

func (l *shownLine) ofVerdict(v *feed.Verdict) {
	l.word = plain(v.Call.Outcome)
	who := plain(or(v.Call.Caller, "a caller without a number")) + named(v.Call.Name)
	line := plain(or(v.Call.Line, "an unknown line"))
	ring := time.Duration(v.Call.RingSeconds * float64(time.Second)).Round(100 * time.Millisecond)
	if v.Reason == "text" {
		l.style = styleGood
		l.text = fmt.Sprintf("%s to %s after %s: text %d", who, line, ring, v.TextID)
		if v.Held && v.Due != nil {
			l.text += ", held until " + clock(*v.Due)
		}
	} else {
		l.text = fmt.Sprintf("%s to %s after %s: no text, %s", who, line, ring, plain(v.Reason))
	}
	if v.Detail != "" {
		l.text += " (" + plain(v.Detail) + ")"
	}
}

// ofText tells of a text's state. What is over in an instant, or told by the line before, is not.
func (l *shownLine) ofText(t *feed.Text) bool {
	switch t.State {
	case "queued", "submitting":
		return false
	case "delivered":
		l.style = styleGood
	case "undelivered", "failed", "expired", "unknown":
		l.style = styleBad
	}
	l.word = fmt.Sprintf("text %d", t.ID)
	state := plain(t.State)
	if t.State == "unknown" {
		state = "in doubt"
	}
	l.text = fmt.Sprintf("%s (%s) to %s", state, plain(t.Kind), plain(t.To))
	if t.Note != "" {
		l.text += ": " + plain(t.Note)
	}
	return true
}

func (l *shownLine) ofLog(line *feed.Line) {
	l.word = plain(line.ID)
	switch line.Level {
	case "error", "warning":
		l.style = styleBad
	default:
		l.style = styleFaint
	}
	if line.ID == typeAway && len(line.Pairs) > 0 {
		l.text = plain(line.Pairs[0][1])
		return
	}
	if line.ID == feed.TypeSlow {
		l.text = "this terminal did not keep up; what was missed follows, as far as the daemon has it"
		return
	}
	pairs := make([]string, 0, len(line.Pairs))
	for _, p := range line.Pairs {
		pairs = append(pairs, plain(p[0])+"="+quoteIfNeeded(plain(p[1])))
	}
	l.text = strings.Join(pairs, " ")
}

func quoteIfNeeded(s string) string {
	if s == "" || strings.ContainsAny(s, " \"=") {
		return fmt.Sprintf("%q", s)
	}
	return s
}

// longestName and longestBody bound what strangers wrote, in cells.
const (
	longestName = 30
	longestBody = 160
)

// named is a caller-id name as it is shown behind a number.
func named(name string) string {
	if name = clip(plain(name), longestName); name == "" {
		return ""
	}
	return " " + leftToRight(fmt.Sprintf("%q", name))
}

func inQuotes(body string) string {
	return leftToRight(fmt.Sprintf("%q", clip(plain(body), longestBody)))
}

// tagged names a conversation.
func tagged(tag string, id uint64) string {
	switch {
	case tag != "":
		return " #" + plain(tag)
	case id != 0:
		return fmt.Sprintf(" in thread %d", id)
	}
	return ""
}
