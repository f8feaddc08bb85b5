package esltest

import (
	"cmp"
	"crypto/rand"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// template is a recorded event, its ids and times marked so that it can be played again as another call at another time.
type template struct {
	headers []templateHeader
	body    string
}

type templateHeader struct {
	name  string
	value string  // as recorded
	parts []piece // nil: nothing in it but text
}

// piece is a part of a value.
type piece struct {
	kind pieceKind
	text string // as recorded
}

type pieceKind uint8

const (
	_        pieceKind = iota
	literal            // as it is, but for renamed numbers
	id                 // a UUID
	seconds            // Unix time
	micros             // Unix time in microseconds
	stamp              // 2006-01-02 15:04:05
	httpDate           // Mon, 02 Jan 2006 15:04:05 GMT
)

const (
	stampLayout = time.DateTime
	dateLayout  = "Mon, 02 Jan 2006 15:04:05 MST"
)

var variable = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}` +
	`|[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT|\d{4}-\d\d-\d\d \d\d:\d\d:\d\d|\d{10,}`)

// newTemplate finds the ids and times in an event. A number is a time if it lies within a day of the recording.
func newTemplate(e *Event, began time.Time) *template {
	t := &template{headers: make([]templateHeader, len(e.Headers)), body: e.Body}
	for i, h := range e.Headers {
		t.headers[i] = templateHeader{name: h.Name, value: h.Value, parts: split(h.Value, began)}
	}
	return t
}

func split(value string, began time.Time) []piece {
	if len(value) < 10 {
		return nil
	}
	var parts []piece
	done := 0
	for _, at := range variable.FindAllStringIndex(value, -1) {
		text := value[at[0]:at[1]]
		kind := kindOf(text, began)
		if kind == literal {
			continue
		}
		if at[0] > done {
			parts = append(parts, piece{literal, value[done:at[0]]})
		}
		parts = append(parts, piece{kind, text})
		done = at[1]
	}
	if done > 0 && done < len(value) {
		parts = append(parts, piece{literal, value[done:]})
	}
	return parts
}

func kindOf(text string, began time.Time) pieceKind {
	const day = 24 * time.Hour
	near := func(t time.Time) bool { d := t.Sub(began); return d > -day && d < day }
	switch {
	case len(text) == 36 && text[8] == '-':
		return id
	case len(text) == 29:
		return httpDate
	case len(text) == 19 && text[4] == '-':
		return stamp
	}
	n, err := strconv.ParseInt(text, 10, 64)
	switch {
	case err != nil:
		return literal
	case len(text) == 10 && near(time.Unix(n, 0)):
		return seconds
	case len(text) == 16 && near(time.UnixMicro(n)):
		return micros
	}
	return literal
}

func (t *template) get(name string) string {
	for i := range t.headers {
		if t.headers[i].name == name {
			return t.headers[i].value
		}
	}
	return ""
}

// rewriter makes one copy of a recording: other ids, other numbers, another time. All times move by the same whole number
// of seconds, so that durations stay what they were.
type rewriter struct {
	shift   time.Duration
	ids     map[string]string // recorded to played; nil: as recorded
	numbers *strings.Replacer // nil: as recorded
	seq     int64             // added to Event-Sequence
	core    string            // of the server
}

func (w *rewriter) event(t *template) *Event {
	e := &Event{Headers: make([]Header, len(t.headers)), Body: w.text(t.body)}
	for i := range t.headers {
		h := &t.headers[i]
		value := h.value
		switch {
		case h.name == "Core-UUID":
			value = w.core
		case h.name == "Event-Sequence":
			if n, err := strconv.ParseInt(value, 10, 64); err == nil {
				value = strconv.FormatInt(n+w.seq, 10)
			}
		default:
			value = w.value(h)
		}
		e.Headers[i] = Header{h.name, value}
	}
	return e
}

func (w *rewriter) value(h *templateHeader) string {
	if h.parts == nil {
		return w.text(h.value)
	}
	var b strings.Builder
	b.Grow(len(h.value) + 8)
	for _, p := range h.parts {
		switch p.kind {
		case literal:
			b.WriteString(w.text(p.text))
		case id:
			b.WriteString(w.id(p.text))
		case seconds, micros:
			n, _ := strconv.ParseInt(p.text, 10, 64)
			by := int64(w.shift / time.Second)
			if p.kind == micros {
				by = w.shift.Microseconds()
			}
			b.WriteString(strconv.FormatInt(n+by, 10))
		case stamp:
			b.WriteString(w.date(p.text, stampLayout))
		case httpDate:
			b.WriteString(w.date(p.text, dateLayout))
		}
	}
	return b.String()
}

func (w *rewriter) date(text, layout string) string {
	at, err := time.Parse(layout, text)
	if err != nil {
		return text
	}
	return at.Add(w.shift).UTC().Format(strings.Replace(layout, "MST", "GMT", 1))
}

// id is the played id of a recorded one.
func (w *rewriter) id(recorded string) string {
	if w.ids == nil {
		return recorded
	}
	played, ok := w.ids[recorded]
	if !ok {
		played = NewUUID()
		w.ids[recorded] = played
	}
	return played
}

func (w *rewriter) text(s string) string {
	if w.numbers == nil || len(s) < 4 {
		return s
	}
	return w.numbers.Replace(s)
}

// renamer replaces numbers in each form in which they stand in events: with +, without, and without the leading 1.
func renamer(numbers map[string]string) *strings.Replacer {
	if len(numbers) == 0 {
		return nil
	}
	type pair struct{ from, to string }
	var pairs []pair
	for from, to := range numbers {
		p := pair{strings.TrimPrefix(from, "+"), strings.TrimPrefix(to, "+")}
		pairs = append(pairs, p)
		if len(p.from) == 11 && len(p.to) == 11 && p.from[0] == '1' && p.to[0] == '1' {
			pairs = append(pairs, pair{p.from[1:], p.to[1:]})
		}
	}
	// The replacer tries them in this order: a number before another that it begins with.
	slices.SortFunc(pairs, func(a, b pair) int {
		return cmp.Or(cmp.Compare(len(b.from), len(a.from)), cmp.Compare(a.from, b.from))
	})
	var flat []string
	for _, p := range pairs {
		flat = append(flat, p.from, p.to)
	}
	return strings.NewReplacer(flat...)
}

// NewUUID is a random UUID.
func NewUUID() string {
	var b [16]byte
	rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
