package esl

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// alwaysKept are the headers that the link itself, or any reader of events, cannot do without.
var alwaysKept = [...]string{"Event-Name", "Event-Subclass", "Core-UUID", "Unique-ID", "Event-Date-Timestamp",
	"Event-Sequence", "Job-UUID", "_body"}

// maxKeys bounds the names that a flattener remembers: a SIP header makes a variable, so a caller can invent names.
const maxKeys = 4096

type header struct {
	name string
	keep bool
}

// flattener turns the JSON of FreeSWITCH (one object, values strings or arrays of strings; switch_event_serialize_json)
// into a map. It remembers names, so that the thousandth event costs no allocation for them. One goroutine owns it.
//
// It is several times cheaper than encoding/json into a map[string]any: a HANGUP_COMPLETE has 9 KB in 250 headers, of
// which a few dozen are kept.
type flattener struct {
	keep func(string) bool
	keys map[string]header
	size int // headers of the last object, a hint for the next
}

func newFlattener(keep func(string) bool) *flattener {
	f := &flattener{keep: keep, keys: make(map[string]header, 256)}
	for _, name := range alwaysKept {
		f.keys[name] = header{name, true}
	}
	return f
}

// flatten reads one JSON object. Strings are taken as they are, numbers and words as they are written, null is "". An
// array is the one value that it has, or FreeSWITCH's "ARRAY::a|:b" of several. An object inside is kept as JSON. Of a
// name that comes twice the first value counts.
func (f *flattener) flatten(data []byte) (map[string]string, error) {
	s := jsonScanner{b: data}
	if !s.eat('{') {
		return nil, s.unexpected("an object")
	}
	out := make(map[string]string, f.size)
	for first := true; !s.eat('}'); first = false {
		if !first && !s.eat(',') {
			return nil, s.unexpected("a comma")
		}
		raw, plain, err := s.str()
		if err != nil {
			return nil, err
		}
		h := f.header(raw, plain)
		if !s.eat(':') {
			return nil, s.unexpected("a colon")
		}
		value, err := s.value(h.keep)
		if err != nil {
			return nil, err
		}
		if !h.keep {
			continue
		}
		if _, twice := out[h.name]; !twice {
			out[h.name] = value
		}
	}
	if s.space(); s.i < len(s.b) {
		return nil, s.unexpected("the end")
	}
	f.size = len(out)
	return out, nil
}

func (f *flattener) header(raw []byte, plain bool) header {
	if plain {
		if h, ok := f.keys[string(raw[1:len(raw)-1])]; ok {
			return h
		}
	}
	name := text(raw, plain)
	h, known := f.keys[name] // the same name may be written with escapes
	if !known {
		h = header{name, f.keep == nil || f.keep(name)}
		if plain && len(f.keys) < maxKeys {
			f.keys[name] = h
		}
	}
	return h
}

// text is the string in a literal that the scanner has passed.
func text(raw []byte, plain bool) string {
	if plain {
		return string(raw[1 : len(raw)-1])
	}
	var out string
	// The scanner has seen the quotes match, not that each \u is followed by four digits: what is wrong stays as it is.
	if json.Unmarshal(raw, &out) != nil {
		return string(bytes.ToValidUTF8(raw[1:len(raw)-1], []byte("\uFFFD")))
	}
	return out
}

// jsonScanner steps through JSON without recursion, so that nesting costs no stack.
type jsonScanner struct {
	b []byte
	i int
}

var errJSON = errors.New("not the JSON of an event")

func (s *jsonScanner) unexpected(want string) error {
	return fmt.Errorf("%w: no %s at byte %d of %d", errJSON, want, s.i, len(s.b))
}

func (s *jsonScanner) space() {
	for s.i < len(s.b) {
		switch s.b[s.i] {
		case ' ', '\t', '\r', '\n':
			s.i++
		default:
			return
		}
	}
}

func (s *jsonScanner) eat(c byte) bool {
	s.space()
	if s.i < len(s.b) && s.b[s.i] == c {
		s.i++
		return true
	}
	return false
}

// str passes a string literal; plain means that the bytes between its quotes are the string.
func (s *jsonScanner) str() (raw []byte, plain bool, err error) {
	if !s.eat('"') {
		return nil, false, s.unexpected("a string")
	}
	start := s.i - 1
	plain, ascii := true, true
	for s.i < len(s.b) {
		switch c := s.b[s.i]; {
		case c == '"':
			s.i++
			raw = s.b[start:s.i]
			return raw, plain && (ascii || utf8.Valid(raw)), nil
		case c == '\\':
			plain = false
			s.i++
		case c < ' ':
			return nil, false, s.unexpected("printable byte")
		case c >= utf8.RuneSelf:
			ascii = false
		}
		s.i++
	}
	return nil, false, s.unexpected("closing quote")
}

// value passes a value and returns its text if that is wanted.
func (s *jsonScanner) value(want bool) (string, error) {
	s.space()
	if s.i >= len(s.b) {
		return "", s.unexpected("a value")
	}
	switch s.b[s.i] {
	case '"':
		raw, plain, err := s.str()
		if err != nil || !want {
			return "", err
		}
		return text(raw, plain), nil
	case '[':
		return s.array(want)
	case '{':
		raw, err := s.nested()
		return string(raw), err
	default:
		return s.word()
	}
}

// word passes a number, true, false or null.
func (s *jsonScanner) word() (string, error) {
	start := s.i
	for s.i < len(s.b) && !bytes.ContainsRune([]byte(",]} \t\r\n"), rune(s.b[s.i])) {
		s.i++
	}
	raw := s.b[start:s.i]
	if !json.Valid(raw) {
		s.i = start
		return "", s.unexpected("a value")
	}
	if string(raw) == "null" {
		return "", nil
	}
	return string(raw), nil
}

func (s *jsonScanner) array(want bool) (string, error) {
	s.i++ // the bracket
	var (
		values int
		one    string
		many   strings.Builder
	)
	for ; !s.eat(']'); values++ {
		if values > 0 && !s.eat(',') {
			return "", s.unexpected("a comma")
		}
		if s.space(); s.i < len(s.b) && s.b[s.i] == '[' {
			if _, err := s.nested(); err != nil {
				return "", err
			}
			continue // an array of arrays is nothing that FreeSWITCH writes
		}
		value, err := s.value(want)
		switch {
		case err != nil:
			return "", err
		case !want:
			continue
		case values == 0:
			one = value
			continue
		case many.Len() == 0:
			many.WriteString("ARRAY::")
			many.WriteString(one)
		}
		many.WriteString("|:")
		many.WriteString(value)
	}
	if many.Len() > 0 {
		return many.String(), nil
	}
	return one, nil
}

// nested passes an object or array with all that is in it.
func (s *jsonScanner) nested() ([]byte, error) {
	start := s.i
	for depth := 0; s.i < len(s.b); {
		switch s.b[s.i] {
		case '"':
			if _, _, err := s.str(); err != nil {
				return nil, err
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		}
		s.i++
		if depth == 0 {
			raw := s.b[start:s.i]
			if !json.Valid(raw) { // stops at 10,000 levels
				s.i = start
				return nil, s.unexpected("a well-formed value")
			}
			return raw, nil
		}
	}
	return nil, s.unexpected("closing bracket")
}
