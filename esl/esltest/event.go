package esltest

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"
)

// Header is one header of an event. Its value is plain text, not url-encoded; a list is FreeSWITCH's "ARRAY::a|:b".
type Header struct{ Name, Value string }

// Event is one event in FreeSWITCH's order of headers.
type Event struct {
	Headers []Header
	Body    string
}

// NewEvent makes an event from names and values in turn: NewEvent("Event-Name", "HEARTBEAT", ...).
func NewEvent(namesAndValues ...string) *Event {
	e := &Event{}
	for i := 0; i+1 < len(namesAndValues); i += 2 {
		e.Headers = append(e.Headers, Header{namesAndValues[i], namesAndValues[i+1]})
	}
	return e
}

// Get returns the first header of that name, or "".
func (e *Event) Get(name string) string {
	for i := range e.Headers {
		if e.Headers[i].Name == name {
			return e.Headers[i].Value
		}
	}
	return ""
}

// Set replaces a header or adds it.
func (e *Event) Set(name, value string) {
	for i := range e.Headers {
		if e.Headers[i].Name == name {
			e.Headers[i].Value = value
			return
		}
	}
	e.Headers = append(e.Headers, Header{name, value})
}

// JSON is the event as `event json` sends it (switch_event_serialize_json): strings, arrays for lists, the body as _body.
func (e *Event) JSON() []byte {
	b := make([]byte, 0, 8192)
	b = append(b, '{')
	for i, h := range e.Headers {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendJSON(b, h.Name), ':')
		list, isList := strings.CutPrefix(h.Value, "ARRAY::")
		if !isList {
			b = appendJSON(b, h.Value)
			continue
		}
		b = append(b, '[')
		for j, value := range strings.Split(list, "|:") {
			if j > 0 {
				b = append(b, ',')
			}
			b = appendJSON(b, value)
		}
		b = append(b, ']')
	}
	if e.Body != "" {
		b = append(b, `,"Content-Length":"`...)
		b = strconv.AppendInt(b, int64(len(e.Body)), 10)
		b = appendJSON(append(b, `","_body":`...), e.Body)
	}
	return append(b, '}')
}

// appendJSON writes a string as cJSON does: bytes from 0x80 up are left alone.
func appendJSON(b []byte, s string) []byte {
	b = append(b, '"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"', c == '\\':
			b = append(b, '\\', c)
		case c == '\n':
			b = append(b, '\\', 'n')
		case c == '\r':
			b = append(b, '\\', 'r')
		case c == '\t':
			b = append(b, '\\', 't')
		case c < ' ':
			b = fmt.Appendf(b, `\u%04x`, c)
		default:
			b = append(b, c)
		}
	}
	return append(b, '"')
}

// Plain is the event as `event plain` sends it (switch_event_serialize): url-encoded values, a blank line, the body.
func (e *Event) Plain() []byte {
	var b bytes.Buffer
	for _, h := range e.Headers {
		b.WriteString(h.Name)
		b.WriteString(": ")
		encode(&b, h.Value)
		b.WriteByte('\n')
	}
	if e.Body != "" {
		fmt.Fprintf(&b, "Content-Length: %d\n\n%s", len(e.Body), e.Body)
		return b.Bytes()
	}
	b.WriteByte('\n')
	return b.Bytes()
}

// unsafeBytes are the characters that switch_url_encode escapes besides everything outside printable ASCII.
const unsafeBytes = "\r\n \"#%&+:;<=>?@[\\]^`{|}"

func encode(b *bytes.Buffer, s string) {
	for i := range len(s) {
		c := s[i]
		if c < ' ' || c > '~' || strings.IndexByte(unsafeBytes, c) >= 0 {
			fmt.Fprintf(b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
}

// parsePlain reads the body of a text/event-plain frame.
func parsePlain(body []byte) (*Event, error) {
	e := &Event{}
	for {
		line, rest, _ := bytes.Cut(body, []byte("\n"))
		body = rest
		if len(line) == 0 {
			break
		}
		name, value, colon := strings.Cut(string(line), ": ")
		if !colon {
			return nil, fmt.Errorf("event header without a colon: %q", line)
		}
		if plain, err := url.PathUnescape(value); err == nil {
			value = plain
		}
		e.Headers = append(e.Headers, Header{name, value})
	}
	if last := len(e.Headers) - 1; last >= 0 && e.Headers[last].Name == "Content-Length" && len(body) > 0 {
		e.Headers = e.Headers[:last]
		e.Body = string(body)
	}
	return e, nil
}

// wireFrame is one frame of a recording.
type wireFrame struct {
	kind, reply string
	body        []byte
}

func readFrame(r *bufio.Reader) (wireFrame, error) {
	var f wireFrame
	length := 0
	for lines := 0; ; {
		line, err := r.ReadString('\n')
		if err != nil {
			if err == io.EOF && (line != "" || lines > 0) {
				err = io.ErrUnexpectedEOF
			}
			return f, err
		}
		line = strings.TrimRight(line, "\r\n")
		if line == "" {
			if lines == 0 {
				continue
			}
			break
		}
		lines++
		name, value, _ := strings.Cut(line, ": ")
		switch name {
		case "Content-Type":
			f.kind = value
		case "Reply-Text":
			f.reply = value
		case "Content-Length":
			if length, err = strconv.Atoi(value); err != nil || length < 0 || length > 64<<20 {
				return f, fmt.Errorf("content-length %q", value)
			}
		}
	}
	f.body = make([]byte, length)
	if _, err := io.ReadFull(r, f.body); err != nil {
		return f, err
	}
	return f, nil
}
