package syslog

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// message is what a receiver makes of one syslog message. The parsers follow the grammars of the RFCs, not our writer.
type message struct {
	facility, severity int
	at                 time.Time
	host, tag, pid, id string
	params             map[string]string
	order              []string
	text               string
}

// parse5424 follows the ABNF of RFC 5424, section 6.
func parse5424(s string) (m message, err error) {
	if !utf8.ValidString(s) {
		return m, errors.New("not UTF-8")
	}
	pri, rest, err := priority(s)
	if err != nil {
		return m, err
	}
	m.facility, m.severity = pri/8, pri%8
	f := strings.SplitN(rest, " ", 7)
	if len(f) != 7 || f[0] != "1" {
		return m, fmt.Errorf("header %q", rest)
	}
	if m.at, err = time.Parse(time.RFC3339Nano, f[1]); err != nil {
		return m, err
	}
	m.host, m.tag, m.pid, m.id = f[2], f[3], f[4], f[5]
	for i, limit := range []int{255, 48, 128, 32} {
		field := f[2+i]
		if field == "" || len(field) > limit || strings.ContainsFunc(field, func(r rune) bool { return r <= 32 || r >= 127 }) {
			return m, fmt.Errorf("header field %q", field)
		}
	}
	sd := f[6]
	if after, ok := strings.CutPrefix(sd, "- "); ok {
		m.text = after
		return m, nil
	}
	return parseData(m, sd)
}

var paramName = regexp.MustCompile(`^[!#-<>-\\^-~]{1,32}$`)

func parseData(m message, sd string) (message, error) {
	name, rest, ok := strings.Cut(sd, " ")
	if !ok || name != "["+sdID {
		return m, fmt.Errorf("structured data %q", sd)
	}
	m.params = make(map[string]string)
	for {
		key, after, ok := strings.Cut(rest, `="`)
		if !ok || !paramName.MatchString(key) {
			return m, fmt.Errorf("parameter name %q", key)
		}
		var value strings.Builder
		i := 0
		for ; i < len(after) && after[i] != '"'; i++ {
			if after[i] == ']' {
				return m, fmt.Errorf("bare ] in %q", after)
			}
			if after[i] == '\\' && i+1 < len(after) && strings.ContainsRune(`"\]`, rune(after[i+1])) {
				i++
			}
			value.WriteByte(after[i])
		}
		if i+1 >= len(after) {
			return m, fmt.Errorf("value without end: %q", after)
		}
		m.params[key] = value.String()
		m.order = append(m.order, key)
		if after[i+1] == ']' {
			if !strings.HasPrefix(after[i+2:], " ") {
				return m, fmt.Errorf("after the data: %q", after[i+2:])
			}
			m.text = after[i+3:]
			return m, nil
		}
		if after[i+1] != ' ' {
			return m, fmt.Errorf("after a parameter: %q", after[i+1:])
		}
		rest = after[i+2:]
	}
}

var traditional = regexp.MustCompile(`^([A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d) ([^\s\[:]{1,32})\[(\d+)\]: (.*)$`)

// parse3164 reads the traditional form as it comes on /dev/log: no host name.
func parse3164(s string, zone *time.Location) (m message, err error) {
	pri, rest, err := priority(s)
	if err != nil {
		return m, err
	}
	m.facility, m.severity = pri/8, pri%8
	f := traditional.FindStringSubmatch(rest)
	if f == nil {
		return m, fmt.Errorf("not the traditional form: %q", rest)
	}
	if m.at, err = time.ParseInLocation(time.Stamp, f[1], zone); err != nil {
		return m, err
	}
	m.tag, m.pid, m.text = f[2], f[3], f[4]
	m.id, _, _ = strings.Cut(m.text, " ")
	m.params, err = parseLine(m.text)
	return m, err
}

func priority(s string) (int, string, error) {
	num, rest, ok := strings.Cut(strings.TrimPrefix(s, "<"), ">")
	pri, err := strconv.Atoi(num)
	if !ok || err != nil || !strings.HasPrefix(s, "<") || pri > 191 || num != strconv.Itoa(pri) {
		return 0, "", fmt.Errorf("priority of %q", s)
	}
	return pri, rest, nil
}

// parseLine reads "id key=value key="quoted value"" back to what was logged.
func parseLine(s string) (map[string]string, error) {
	out := make(map[string]string)
	_, rest, ok := strings.Cut(s, " ")
	if !strings.Contains(strings.SplitN(s, " ", 2)[0], "=") && !ok {
		return out, nil
	}
	if strings.Contains(strings.SplitN(s, " ", 2)[0], "=") {
		rest = s
	}
	for rest != "" {
		key, after, ok := strings.Cut(rest, "=")
		if !ok || !paramName.MatchString(key) {
			return nil, fmt.Errorf("key %q in %q", key, s)
		}
		if !strings.HasPrefix(after, `"`) {
			value, next, _ := strings.Cut(after, " ")
			if strings.ContainsAny(value, `"=`) || value == "" {
				return nil, fmt.Errorf("value %q in %q", value, s)
			}
			out[key], rest = value, next
			continue
		}
		quoted, err := strconv.QuotedPrefix(after)
		if err != nil {
			return nil, fmt.Errorf("value of %s in %q: %w", key, s, err)
		}
		if out[key], err = strconv.Unquote(quoted); err != nil {
			return nil, err
		}
		rest = strings.TrimPrefix(after[len(quoted):], " ")
	}
	return out, nil
}

func TestTheParsersOfTheTestRefuseWhatIsWrong(t *testing.T) {
	for _, s := range []string{"", "<200>1 - h t 1 i - x", "<13>1 2026-11-24T15:00:00Z h t 1 i [textback@32473 a=\"]\"] x",
		"<13>1 2026-11-24T15:00:00Z h t 1 i [textback@32473 a=\"x\" x", "<13>1 2026-11-24T15:00:00Z h t 1 i [a@1 a=\"x\"] x",
		"<13>1 2026-11-24T15:00:00Z h h t 1 i [textback@32473 a=\"x\"] x"} {
		if m, err := parse5424(s); err == nil {
			t.Errorf("%q read as %+v", s, m)
		}
	}
}
