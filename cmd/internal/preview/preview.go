// Package preview tells in plain words what a configuration will do, before it does it: made-up calls are put through the
// rules that the daemon uses (rules.Decide, rules.Recheck, the templates), and what comes out is said with the text, its
// alphabet, its segments and the moment at which it would leave. It also looks for what is accepted and seldom meant. It is
// pure: a configuration, a moment and perhaps the figures of the last month in, words out.
package preview

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"

	"textback"
	"textback/configs"
	"textback/rules"
)

// Preview is what a configuration will do. Its JSON form is documented in docs/configuration.md.
type Preview struct {
	From       time.Time  `json:"from"` // the made-up calls are of the days after it
	Always     []string   `json:"always"`
	Businesses []Business `json:"businesses"`
}

// Business is what a business does, and what its callers get.
type Business struct {
	Key    string   `json:"key"`
	Name   string   `json:"name"`
	Facts  []string `json:"facts"`  // hours, limits, answers: one sentence each
	Groups []Group  `json:"groups"` // lines whose callers are treated alike
}

// Group are lines of a business whose callers are treated alike, with what they get.
type Group struct {
	Lines []string `json:"lines"` // number and name
	Cases []Case   `json:"cases"`
}

// Case is one made-up call and what comes of it.
type Case struct {
	Who      string     `json:"who"`              // a clause: "who rings 20 s and hangs up, on Tuesday 1 December at 10:00"
	Also     []string   `json:"also,omitempty"`   // outcomes of a call at that moment that come to the same
	Reason   string     `json:"reason"`           // of the verdict
	Detail   string     `json:"detail"`           // the sentence of the verdict
	Rule     string     `json:"rule,omitempty"`   // that chose
	Leaves   *time.Time `json:"leaves,omitempty"` // when the text leaves, by the business's clock
	Held     bool       `json:"held,omitempty"`   // only after quiet hours
	Texts    []Text     `json:"texts,omitempty"`  // one for each variant of the template
	Template string     `json:"template,omitempty"`
	Shadow   bool       `json:"shadow,omitempty"` // decided and counted, not sent
}

// Text is one text with its size on the air (3GPP TS 23.038).
type Text struct {
	Body     string   `json:"body"`
	Encoding string   `json:"encoding"`
	Units    int      `json:"units"` // septets, or UTF-16 units
	Segments int      `json:"segments"`
	Forces   []string `json:"forces_ucs2,omitempty"` // the characters that the GSM alphabet lacks
}

// Make puts the made-up calls of the days after now through the rules of a configuration.
func Make(cfg *configs.Config, now time.Time) *Preview {
	p := &Preview{From: now, Always: always(), Businesses: []Business{}}
	for _, key := range slices.Sorted(maps.Keys(cfg.Set.Businesses)) {
		b := cfg.Set.Businesses[key]
		out := Business{Key: key, Name: b.Name, Groups: []Group{}}
		alike, same := map[string]int{}, map[string]int{}
		for _, l := range cfg.Set.Lines {
			if l.Business != b {
				continue
			}
			if out.Facts == nil {
				out.Facts = facts(cfg, l)
			}
			inputs := lineMark(cfg, l)
			if i, ok := same[inputs]; ok { // a few thousand lines are seldom of more than a few kinds
				out.Groups[i].Lines = append(out.Groups[i].Lines, lineWords(l))
				continue
			}
			s := newScene(cfg, l, now)
			cases := s.cases()
			mark := s.mark(cases)
			if i, ok := alike[mark]; ok {
				same[inputs] = i
				out.Groups[i].Lines = append(out.Groups[i].Lines, lineWords(l))
				continue
			}
			alike[mark], same[inputs] = len(out.Groups), len(out.Groups)
			out.Groups = append(out.Groups, Group{Lines: []string{lineWords(l)}, Cases: cases})
		}
		p.Businesses = append(p.Businesses, out)
	}
	return p
}

func always() []string {
	return []string{
		"A caller whom a person answers gets nothing. Neither do calls out, and calls between phones of the house.",
		"A caller who reaches a person, in or out, before the text has left gets nothing: the text is taken back.",
		"A call to a number that is no [[line]] gets nothing: unknown-line.",
	}
}

func lineWords(l *rules.Line) string {
	if l.Name == "" {
		return l.Number
	}
	return l.Number + " (" + l.Name + ")"
}

// measure is a text with its size, as the message centres of a line send it.
func measure(cfg *configs.Config, l *rules.Line, body string) Text {
	segments := textback.SegmentsIn(body, charset(cfg, l))
	t := Text{Body: body, Encoding: segments[0].Coding.String(), Segments: len(segments)}
	for _, s := range segments {
		if s.Coding == textback.UCS2 {
			t.Units += len(s.Data) / 2
		} else {
			b, _ := textback.EncodeGSM7(s.Text)
			t.Units += len(b)
		}
	}
	for _, r := range textback.ForcesUCS2(body) {
		name := fmt.Sprintf("U+%04X", r)
		if unicode.IsGraphic(r) && !unicode.IsSpace(r) && !unicode.Is(unicode.Mn, r) {
			name = fmt.Sprintf("%c (%s)", r, name)
		}
		t.Forces = append(t.Forces, name)
	}
	return t
}

// charset is what data_coding 0 means at the message centre that a line uses first.
func charset(cfg *configs.Config, l *rules.Line) textback.Charset {
	for _, s := range cfg.SMPPs {
		if l.SMPP == "" || l.SMPP == s.Name {
			if s.Charset == "latin1" {
				return textback.CharsetLatin1
			}
			break
		}
	}
	return textback.CharsetGSM7
}

// mark is equal for lines whose callers are treated alike, whatever the lines are called.
func (s *scene) mark(cases []Case) string {
	var b strings.Builder
	for _, c := range cases {
		b.WriteString(strings.Join([]string{c.Who, strings.Join(c.Also, ","), c.Reason, c.Detail, c.Rule, c.Template}, "\x00"))
		if c.Leaves != nil {
			b.WriteString(c.Leaves.String())
		}
		for _, t := range c.Texts {
			b.WriteString("\x00" + t.Body)
		}
	}
	mark := strings.ReplaceAll(b.String(), s.line.Number, "{number}")
	if name := cmp.Or(s.line.Name, s.line.Number); len(name) > 2 {
		mark = strings.ReplaceAll(mark, name, "{name}")
	}
	return mark
}
