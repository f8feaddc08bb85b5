package syslog

import (
	"bytes"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Bounds of what is written. With an ordinary host name they stay under the 2048 octets that every RFC 5424 receiver
// should take (section 6.1), whatever the values are.
const (
	maxValue = 300 // of one value, escaped
	maxLine  = 900 // of the key=value line
	maxData  = 800 // of the structured data
	maxKey   = 32  // RFC 5424, 6.3.3
	maxID    = 32  // MSGID, RFC 5424, 6.2.7
)

// sdID names our structured data. 32473 is the enterprise number that RFC 5612 sets aside for documentation: we own none.
const sdID = "textback@32473"

// format writes one message for the target, without the framing of a stream.
func (t *target) format(at time.Time, l slog.Level, msg string, attrs []slog.Attr) []byte {
	id, attrs := messageID(msg, attrs)
	if at.IsZero() {
		at = time.Now()
	}
	b := make([]byte, 0, 256)
	switch t.network {
	case "stderr":
		return append(t.stderrLine(b, at, l, id, attrs), '\n')
	case "unixgram":
		return t.traditional(b, at, l, id, attrs)
	default:
		return t.rfc5424(b, at, l, id, attrs)
	}
}

// traditional is RFC 3164 as syslog(3) writes it to the local socket: without the host name, which the receiver knows.
func (t *target) traditional(b []byte, at time.Time, l slog.Level, id string, attrs []slog.Attr) []byte {
	b = t.priority(b, l)
	b = at.In(t.Location).AppendFormat(b, time.Stamp)
	b = append(b, ' ')
	b = append(b, header(t.Tag, 32)...)
	b = append(b, '[')
	b = strconv.AppendInt(b, int64(t.PID), 10)
	b = append(b, "]: "...)
	return line(b, id, attrs)
}

// rfc5424 is RFC 5424, section 6: the attributes once as structured data, for machines, and once as text, because most
// receivers file only that.
func (t *target) rfc5424(b []byte, at time.Time, l slog.Level, id string, attrs []slog.Attr) []byte {
	b = t.priority(b, l)
	b = append(b, "1 "...)
	b = at.AppendFormat(b, "2006-01-02T15:04:05.000000Z07:00")
	b = append(b, ' ')
	b = append(b, header(t.Hostname, 255)...)
	b = append(b, ' ')
	b = append(b, header(t.Tag, 48)...)
	b = append(b, ' ')
	b = strconv.AppendInt(b, int64(t.PID), 10)
	b = append(b, ' ')
	b = append(b, header(id, maxID)...)
	b = append(b, ' ')
	b = data(b, attrs)
	b = append(b, ' ')
	return line(b, id, attrs)
}

// stderrLine is for eyes, or with a <severity> prefix for journald (sd-daemon(3)), which stamps the time itself.
func (t *target) stderrLine(b []byte, at time.Time, l slog.Level, id string, attrs []slog.Attr) []byte {
	if t.Journal {
		b = append(b, '<', byte('0'+severity(l)), '>')
		return line(b, id, attrs)
	}
	b = at.In(t.Location).AppendFormat(b, "2006-01-02T15:04:05.000Z07:00")
	b = append(b, ' ')
	b = append(b, LevelWord(l)...)
	b = append(b, ' ')
	return line(b, id, attrs)
}

// forStderr turns a message meant for the local socket into a line for stderr, which stands in when the socket is missing.
func (t *target) forStderr(msg []byte) []byte {
	pri, rest, _ := bytes.Cut(msg, []byte(">"))
	if t.Journal {
		n, _ := strconv.Atoi(string(bytes.TrimPrefix(pri, []byte("<"))))
		_, rest, _ = bytes.Cut(rest, []byte("]: "))
		rest = append([]byte{'<', byte('0' + n%8), '>'}, rest...)
	}
	return append(rest[:len(rest):len(rest)], '\n')
}

func (t *target) priority(b []byte, l slog.Level) []byte {
	b = append(b, '<')
	b = strconv.AppendInt(b, int64(t.facility*8+severity(l)), 10)
	return append(b, '>')
}

// messageID splits a record's message from its attributes. One that is no stable word (a sentence of a library) becomes
// the attribute msg, so that a line always reads the same way.
func messageID(msg string, attrs []slog.Attr) (string, []slog.Attr) {
	ok := msg != "" && len(msg) <= maxID
	for i := 0; i < len(msg) && ok; i++ {
		c := msg[i]
		ok = 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '.' || c == '_'
	}
	if ok {
		return msg, attrs
	}
	return "", append([]slog.Attr{slog.String("msg", msg)}, attrs...)
}

// line appends "id key=value key=value". What would make it too long is left out, and cut=true says so.
func line(b []byte, id string, attrs []slog.Attr) []byte {
	limit := len(b) + maxLine
	b = append(b, id...)
	for i, a := range attrs {
		mark := len(b)
		if i > 0 || id != "" {
			b = append(b, ' ')
		}
		b = append(b, keyWord(a.Key)...)
		b = append(b, '=')
		b = appendText(b, text(a.Value))
		if len(b) > limit {
			return append(b[:mark], " cut=true"...)
		}
	}
	return b
}

// data appends the structured data (RFC 5424, 6.3), "-" if there is none.
func data(b []byte, attrs []slog.Attr) []byte {
	if len(attrs) == 0 {
		return append(b, '-')
	}
	limit := len(b) + maxData
	b = append(b, '[')
	b = append(b, sdID...)
	for _, a := range attrs {
		mark := len(b)
		b = append(b, ' ')
		b = append(b, keyWord(a.Key)...)
		b = append(b, '=', '"')
		// Our own escapes first, then the three characters of 6.3.3.
		for _, c := range escape(text(a.Value)) {
			if c == '"' || c == '\\' || c == ']' {
				b = append(b, '\\')
			}
			b = utf8.AppendRune(b, c)
		}
		b = append(b, '"')
		if len(b) > limit {
			b = append(b[:mark], ` cut="true"`...)
			break
		}
	}
	return append(b, ']')
}

// text is a value's text before any escaping.
func text(v slog.Value) string {
	switch v.Kind() {
	case slog.KindTime:
		return v.Time().Format("2006-01-02T15:04:05.000Z07:00")
	case slog.KindFloat64:
		return strconv.FormatFloat(v.Float64(), 'g', 6, 64)
	case slog.KindAny:
		return anyText(v)
	default:
		return v.String()
	}
}

// anyText keeps a value whose String or Error panics (a nil pointer, mostly) from taking the daemon along.
func anyText(v slog.Value) (s string) {
	defer func() {
		if recover() != nil {
			s = "!panic"
		}
	}()
	if err, ok := v.Any().(error); ok {
		return err.Error()
	}
	return v.String()
}

// appendText appends a value of the line, in quotes unless it is one plain word.
func appendText(b []byte, s string) []byte {
	esc := escape(s)
	if esc != "" && esc == s && !strings.ContainsAny(s, " \"=") {
		return append(b, s...)
	}
	b = append(b, '"')
	for i := 0; i < len(esc); i++ {
		if esc[i] == '"' {
			b = append(b, '\\')
		}
		b = append(b, esc[i])
	}
	return append(b, '"')
}

// escape makes hostile text harmless: everything that does not print as itself - control characters, line and paragraph
// separators, bidi marks, zero-width and combining characters, broken UTF-8 - becomes an escape of Go's (\n, \u202e, \xff), and a
// backslash is doubled so that escapes cannot be forged. The result is bounded; a cut is marked by "...".
func escape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); {
		if b.Len() > maxValue {
			b.WriteString("...")
			break
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case r == '\\':
			b.WriteString(`\\`)
		case r == ' ' || unicode.IsPrint(r) && !unicode.Is(unicode.Mn, r):
			b.WriteRune(r)
		default:
			q := strconv.QuoteRuneToASCII(r)
			b.WriteString(q[1 : len(q)-1])
		}
		i += n
	}
	return b.String()
}

// keyWord makes a key that neither the line nor RFC 5424's SD-NAME can misread.
func keyWord(s string) string {
	if s == "" {
		return "_"
	}
	s = s[:min(len(s), maxKey)]
	return strings.Map(func(r rune) rune {
		if r <= ' ' || r >= 0x7f || r == '=' || r == ']' || r == '"' {
			return '_'
		}
		return r
	}, s)
}

// header makes a field of the header: printable ASCII without space, "-" if empty (RFC 5424, NILVALUE).
func header(s string, limit int) string {
	if s == "" {
		return "-"
	}
	return strings.Map(func(r rune) rune {
		if r <= ' ' || r >= 0x7f {
			return '_'
		}
		return r
	}, s[:min(len(s), limit)])
}
