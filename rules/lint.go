package rules

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"

	"textback"
)

// Level is how grave a finding is.
type Level uint8

const (
	_ Level = iota
	// Warn: the configuration is used, but somebody should look.
	Warn
	// Refuse: the configuration is not used.
	Refuse
)

// String is the level's word.
func (l Level) String() string {
	switch l {
	case Warn:
		return "warning"
	case Refuse:
		return "error"
	default:
		return "unknown"
	}
}

// Finding is one thing that the linter says.
type Finding struct {
	Level    Level
	Template string // name of the template, or of the [[reply]] with a leading "reply "; "" if it is about something else
	Message  string // a sentence, with what to do
}

// String is the finding on one line.
func (f Finding) String() string {
	if f.Template == "" {
		return fmt.Sprintf("%s: %s", f.Level, f.Message)
	}
	return fmt.Sprintf("%s: template %q: %s", f.Level, f.Template, f.Message)
}

// Longest values that a text can meet: what the linter measures with.
const (
	longToken = "abcdefgh27" // as long as the tokens of the store
	longName  = "Christopher"
)

// Lint looks at every template as the callers of every line may get it, with the longest real values and a booking token.
// It refuses a first text without the business's name or without the way out, and one that invites a reply to a sender
// that cannot receive; it warns of texts of several segments, names the characters that force UCS-2, and tells which
// businesses share a sender. Each thing is said once.
func Lint(s *Set) []Finding {
	var l linter
	used := s.usedTemplates()
	for _, name := range slices.Sorted(maps.Keys(s.Templates)) {
		t := s.Templates[name]
		lines := used[name]
		if len(lines) == 0 {
			l.add(Warn, name, "no rule uses it")
			lines = s.Lines
		}
		for variant := range t.Variants {
			for _, line := range lines {
				l.firstText(s, t, variant, line)
			}
		}
	}
	if len(s.Lines) > 0 && len(s.Templates) == 0 {
		l.add(Refuse, "", `there is no template: add open = "..." to [template]`)
	}
	for i := range s.Branches {
		l.branch(s, &s.Branches[i])
	}
	l.senders(s)
	return l.found
}

type linter struct {
	found []Finding
	said  map[Finding]bool
}

func (l *linter) add(level Level, name, format string, args ...any) {
	f := Finding{level, name, fmt.Sprintf(format, args...)}
	if l.said == nil {
		l.said = make(map[Finding]bool)
	}
	if !l.said[f] {
		l.said[f] = true
		l.found = append(l.found, f)
	}
}

// usedTemplates lists for each template the lines whose callers may get it.
func (s *Set) usedTemplates() map[string][]*Line {
	used := make(map[string][]*Line)
	for _, line := range s.Lines {
		add := func(name string) {
			if name = s.existing(name); name != "" && !slices.Contains(used[name], line) {
				used[name] = append(used[name], line)
			}
		}
		all := false
		for i := range s.Rules {
			r := &s.Rules[i]
			if len(r.Match.Lines) > 0 && !slices.Contains(r.Match.Lines, line.Number) ||
				len(r.Match.Businesses) > 0 && !slices.Contains(r.Match.Businesses, line.business()) {
				continue
			}
			if r.Send {
				add(r.Template)
			}
			if r.Match.all() {
				all = true
				break // nothing after it is ever asked
			}
		}
		if all {
			continue
		}
		add(TemplateOpen)
		add(TemplateRepeat)
		if line.Business != nil && !line.Business.Hours.Always() {
			add(TemplateClosed)
		}
	}
	return used
}

// all tells whether a match holds for every call of the lines and businesses that it names.
func (m *Match) all() bool {
	return len(m.PBX) == 0 && len(m.Outcomes) == 0 && m.Hours == "" && m.Previous <= 0
}

func (l *linter) firstText(s *Set, t *Template, variant int, line *Line) {
	f := longest(line, t.Language)
	body, err := t.Render(variant, f)
	if err != nil {
		l.add(Refuse, t.Name, "%v", err)
		return
	}
	which := ""
	if len(t.Variants) > 1 {
		which = fmt.Sprintf("variant %d: ", variant+1)
	}
	// The name of the caller is often missing, so it must not carry the text.
	f.Name = ""
	plain, err := t.Render(variant, f)
	if err != nil {
		l.add(Refuse, t.Name, "%swithout a caller's name: %v", which, err)
		return
	}
	if f.Business != "" && !strings.Contains(fold(plain), fold(f.Business)) {
		l.add(Refuse, t.Name, "%sit does not say who writes: put {{.Business}} into it", which)
	}
	own := plain
	for _, v := range []string{f.Business, f.Line, f.BookingURL} {
		if v != "" {
			own = strings.ReplaceAll(own, v, " ")
		}
	}
	if !tellsWayOut(own, t.Language) {
		l.add(Refuse, t.Name, "%sit does not say how to stop: add %q", which, wayOut(t.Language))
	}
	if hasLetters(line.From) && invitesReply(own) {
		l.add(Refuse, t.Name, "%sit invites a reply, but its sender %q has letters and cannot receive: send from a number, or "+
			"tell another way (a telephone number to call, to STOP as well)", which, line.From)
	}
	if f.BookingURL == "" && t.Uses(variant, "BookingURL") {
		l.add(Warn, t.Name, "%sit uses .BookingURL, but %s has no booking_url", which, line.business())
	}
	l.length(t.Name, which, body, line)
}

// longest are the longest real values of a line.
func longest(line *Line, language string) Fields {
	zone := line.zone()
	f := line.Fields("", time.Time{}, time.Time{}, longToken, language)
	f.Name = longName
	now := time.Date(2026, 9, 30, 12, 0, 0, 0, zone)
	for hours := range 9 * 24 {
		if w := When(now.Add(-time.Duration(hours)*time.Hour), now, zone, language); len(w) > len(f.When) {
			f.When = w
		}
	}
	return f
}

// length warns of more than one segment, and says what makes it so.
func (l *linter) length(name, which, body string, line *Line) {
	if line != nil && line.Policy.Transliterate {
		body = Transliterate(body)
	}
	segments := len(textback.Segments(body))
	odd := textback.ForcesUCS2(body)
	if segments < 2 && len(odd) == 0 {
		return
	}
	who := ""
	if line != nil && line.Business != nil {
		who = fmt.Sprintf(" for %s", line.Business.Key)
	}
	if len(odd) == 0 {
		l.add(Warn, name, "%sit takes %d segments%s with the longest values (%d characters of 160)", which, segments, who, charCount(body))
		return
	}
	gsm := len(textback.Segments(Transliterate(body)))
	hint := ""
	if left := textback.ForcesUCS2(Transliterate(body)); len(left) == 0 && gsm < segments {
		hint = fmt.Sprintf("; transliterate = true would make it %d", gsm)
	}
	l.add(Warn, name, "%s%s force UCS-2 and make it %d %s%s%s", which, named(odd), segments, plural(segments, "segment"), who, hint)
}

// charCount counts septets: the characters of the extension table are two (3GPP TS 23.038, 6.2.1.1).
func charCount(body string) int {
	b, _ := textback.EncodeGSM7(body)
	return len(b)
}

func plural(n int, word string) string {
	if n == 1 {
		return word
	}
	return word + "s"
}

// named names characters so that they can be found: “”” (U+201D).
func named(odd []rune) string {
	names := make([]string, 0, len(odd))
	for i, r := range odd {
		if i == 8 {
			names = append(names, fmt.Sprintf("%d more", len(odd)-i))
			break
		}
		if unicode.IsGraphic(r) && !unicode.IsSpace(r) && !unicode.Is(unicode.Mn, r) {
			names = append(names, fmt.Sprintf("%c (U+%04X)", r, r))
		} else {
			names = append(names, fmt.Sprintf("U+%04X", r))
		}
	}
	return strings.Join(names, ", ")
}

func (l *linter) branch(s *Set, b *Branch) {
	if b.Template == nil {
		return
	}
	name := "reply " + b.Name
	for _, line := range s.Lines {
		if len(b.Businesses) > 0 && !slices.Contains(b.Businesses, line.business()) {
			continue
		}
		body, err := renderOne(b.Template, longest(line, ""))
		if err != nil {
			l.add(Refuse, name, "%v", err)
			return
		}
		l.length(name, "", body, line)
	}
}

// senders tells where an opt-out of one business holds for others too.
func (l *linter) senders(s *Set) {
	businesses := make(map[string][]string)
	var order []string
	for _, line := range s.Lines {
		b := line.business()
		if len(businesses[line.From]) == 0 {
			order = append(order, line.From)
		}
		if !slices.Contains(businesses[line.From], b) {
			businesses[line.From] = append(businesses[line.From], b)
		}
	}
	for _, from := range order {
		if list := businesses[from]; len(list) > 1 {
			l.add(Warn, "", "%s share the sender %s: STOP to it counts for all of them", strings.Join(list, ", "), from)
		}
	}
}

func hasLetters(sender string) bool { return strings.ContainsFunc(sender, unicode.IsLetter) }

// wayOutWords are the opt-out words that a text in a language may name; STOP is good in any.
func wayOutWords(language string) []string {
	base, _, _ := strings.Cut(strings.ToLower(language), "-")
	english := []string{"STOP", "STOPALL", "UNSUBSCRIBE", "QUIT", "OPTOUT", "OPT-OUT", "OPT OUT"}
	switch base {
	case "fr":
		return []string{"STOP", "ARRET", "ARRÊT"}
	case "es":
		return []string{"STOP", "PARAR", "ALTO", "BAJA"}
	case "pt":
		return []string{"STOP", "PARAR"}
	case "de":
		return []string{"STOP", "STOPP", "ABMELDEN"}
	case "":
		return append(english, "ARRET", "ARRÊT", "PARAR", "ALTO", "BAJA", "STOPP", "ABMELDEN")
	default:
		return english
	}
}

func wayOut(language string) string {
	switch base, _, _ := strings.Cut(strings.ToLower(language), "-"); base {
	case "fr":
		return "Répondez ARRÊT pour ne plus recevoir de SMS"
	case "es":
		return "Responda BAJA para no recibir más"
	case "de":
		return "Antworten Sie STOPP, um keine SMS mehr zu bekommen"
	default:
		return "Reply STOP to opt out"
	}
}

// tellsWayOut tells whether one of the words stands by itself in capitals.
func tellsWayOut(body, language string) bool {
	for _, w := range wayOutWords(language) {
		for rest := body; ; {
			i := strings.Index(rest, w)
			if i < 0 {
				break
			}
			before, after := rest[:i], rest[i+len(w):]
			if !endsInWord(before) && !beginsInWord(after) {
				return true
			}
			rest = after
		}
	}
	return false
}

func endsInWord(s string) bool {
	for _, r := range reverse(s, 1) {
		return unicode.IsLetter(r) || unicode.IsDigit(r)
	}
	return false
}

func beginsInWord(s string) bool {
	for _, r := range s {
		return unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.Is(unicode.Mn, r)
	}
	return false
}

func reverse(s string, n int) []rune {
	r := []rune(s)
	slices.Reverse(r)
	return r[:min(n, len(r))]
}

// invitation matches what asks for an answer by text.
var invitation = regexp.MustCompile(`\b(reply|replies|respond|text (us|me|back|stop)|(send|write|txt) (us|back|stop)|text back|message us|` +
	`(answer|write|tell us|let us know) here|antworten|antworte|schreiben sie uns|repondez|reponds|ecrivez|responda|responde|conteste|escribanos|escriba)\b`)

func invitesReply(body string) bool { return invitation.MatchString(fold(body)) }
