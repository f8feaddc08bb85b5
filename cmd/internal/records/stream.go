package records

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"textback/configs"
)

// errUnknown: nothing in the file tells what it is.
var errUnknown = errors.New("this does not look like call records that are known: say which with --kind")

// guessAhead is how much of a file is looked at to find out what it is.
const guessAhead = 64 << 10

// ReadStream reads the calls that ended in [since, until) from an open record file; zero bounds are none. With s.Kind ""
// the content tells the kind. JSON records may stand one after another.
func ReadStream(ctx context.Context, s Source, r io.Reader, since, until time.Time) (Result, error) {
	br := bufio.NewReaderSize(r, guessAhead)
	head, err := br.Peek(guessAhead)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, bufio.ErrBufferFull) {
		return Result{}, fmt.Errorf("read the records: %w", err)
	}
	if s.Kind == "" {
		if s.Kind = Guess(head); s.Kind == "" {
			return Result{}, errUnknown
		}
	}
	c := newCollector(s)
	c.result.Files = 1
	if s.Kind == JSONCDR {
		err = c.jsonStream(ctx, br)
	} else {
		err = c.text(ctx, br, true)
	}
	if err != nil {
		return c.result, fmt.Errorf("read the records: %w", err)
	}
	c.result.Calls = between(c.judge(), since, until)
	return c.result, nil
}

// jsonStream reads JSON records that stand one after another, one a line or not.
func (c *collector) jsonStream(ctx context.Context, r io.Reader) error {
	var b bytes.Buffer
	depth, quoted, escaped, long := 0, false, false, false
	br := bufio.NewReader(r)
	for n := 0; ; n++ {
		if n%(1<<16) == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		ch, err := br.ReadByte()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		switch {
		case escaped:
			escaped = false
		case quoted && ch == '\\':
			escaped = true
		case ch == '"':
			quoted = !quoted && depth > 0
		case !quoted && ch == '{':
			depth++
		case !quoted && ch == '}' && depth > 0:
			depth--
			if depth == 0 {
				b.WriteByte(ch)
				if long {
					c.result.Rows++
					c.result.Skipped++
				} else if err := c.jsonRow(b.Bytes()); err != nil {
					return err
				}
				b.Reset()
				long = false
				continue
			}
		}
		if depth > 0 && !long {
			b.WriteByte(ch)
			if b.Len() > maxJSON {
				long = true
				b.Reset()
			}
		}
	}
}

// Guess finds out what a record file is by its beginning; "" if nothing tells.
func Guess(head []byte) string {
	if t := bytes.TrimSpace(head); len(t) > 0 && t[0] == '{' {
		return JSONCDR
	}
	votes := make(map[string]int)
	n := 0
	for line := range strings.Lines(string(head)) {
		if n++; n > 50 {
			break
		}
		if row := fields(strings.TrimRight(line, "\r\n")); len(row) > 1 {
			votes[guessRow(row)]++
		}
	}
	best := ""
	for _, kind := range []string{CDRCSV, CELCSV, FreeSWITCHCSV} {
		if votes[kind] > votes[best] && votes[kind] > 0 || best == "" && votes[kind] > 0 {
			best = kind
		}
	}
	return best
}

func guessRow(row []string) string {
	for _, kind := range []string{CELCSV, CDRCSV, FreeSWITCHCSV} {
		l := layoutOf(Source{})
		switch kind {
		case CDRCSV:
			l = layout{form: formCDR, columns: cdrColumns}
		case CELCSV:
			l = layout{form: formCEL, columns: celColumns}
		}
		get, ok := l.getter(row), false
		switch l.form {
		case formCDR:
			_, ok = parseCDR(get, time.UTC)
		case formCEL:
			_, ok = parseCEL(get, time.UTC)
		case formLeg:
			_, ok = parseLeg(get, time.UTC)
		}
		if ok {
			return kind
		}
	}
	return ""
}

// GuessStream finds out what an open record file is; rest reads it from its beginning.
func GuessStream(r io.Reader) (kind string, rest io.Reader, err error) {
	br := bufio.NewReaderSize(r, guessAhead)
	head, err := br.Peek(guessAhead)
	if err != nil && !errors.Is(err, io.EOF) {
		return "", br, fmt.Errorf("read the records: %w", err)
	}
	if kind = Guess(head); kind == "" {
		return "", br, errUnknown
	}
	return kind, br, nil
}

// PBXKind is the kind of PBX that writes records of a kind.
func PBXKind(kind string) string {
	switch kind {
	case FreeSWITCHCSV, JSONCDR, Postgres:
		return configs.FreeSWITCH
	default:
		return configs.Asterisk
	}
}
