package records

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
)

// maxLine bounds a record of a text file in bytes; a longer one is skipped.
const maxLine = 64 << 10

// maxJoined bounds the lines of one record: Asterisk writes line ends inside quotes as they are.
const maxJoined = 16

// lines calls fn for each record of a text file. tail says whether what stands after the last line end counts: it does
// not in a file that is being written. joined says that quotes inside a field are doubled, so that an open quote at the
// end of a line means that the record goes on in the next.
func lines(ctx context.Context, r io.Reader, tail, joined bool, fn func(line string) error) (skipped int, err error) {
	br := bufio.NewReaderSize(r, maxLine)
	var held strings.Builder
	heldLines, n := 0, 0
	flush := func() error {
		if held.Len() == 0 {
			return nil
		}
		line := held.String()
		held.Reset()
		heldLines = 0
		return fn(line)
	}
	for {
		if n++; n%1024 == 0 && ctx.Err() != nil {
			return skipped, ctx.Err()
		}
		b, err := br.ReadSlice('\n')
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			skipped++
			held.Reset()
			heldLines = 0
			if err := skipLine(br); err != nil {
				return skipped, ignoreEOF(err)
			}
			continue
		case err != nil && !errors.Is(err, io.EOF):
			return skipped, err
		case err != nil && (len(b) == 0 || !tail):
			return skipped, flush()
		}
		line := string(bytes.TrimRight(b, "\r\n"))
		switch {
		case heldLines > 0 && heldLines < maxJoined && held.Len()+len(line) < maxLine:
			held.WriteString("\n" + line)
			heldLines++
		default:
			if err := flush(); err != nil {
				return skipped, err
			}
			held.WriteString(line)
			heldLines = 1
		}
		if !joined || strings.Count(held.String(), `"`)%2 == 0 {
			if err := flush(); err != nil {
				return skipped, err
			}
		}
		if err != nil {
			return skipped, flush()
		}
	}
}

func skipLine(br *bufio.Reader) error {
	for {
		_, err := br.ReadSlice('\n')
		if err == nil || !errors.Is(err, bufio.ErrBufferFull) {
			return err
		}
	}
}

func ignoreEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// maxFields bounds the columns of a record.
const maxFields = 256

// fields splits a record of a CSV file. It takes what PBXs write: Asterisk doubles a quote inside a field, FreeSWITCH
// leaves it as it is, so that a quote ends a field only if a comma or the end of the record follows.
func fields(line string) []string {
	var all []string
	for i := 0; len(all) < maxFields; {
		var field string
		if i < len(line) && line[i] == '"' {
			field, i = quoted(line, i+1)
		} else {
			end := strings.IndexByte(line[i:], ',')
			if end < 0 {
				end = len(line) - i
			}
			field, i = line[i:i+end], i+end
		}
		all = append(all, field)
		if i >= len(line) {
			return all
		}
		i++ // the comma
	}
	return all
}

// quoted reads a quoted field from behind its opening quote; next is the comma that ends it, or the end.
func quoted(line string, from int) (field string, next int) {
	var b strings.Builder
	for i := from; i < len(line); i++ {
		switch {
		case line[i] != '"':
			b.WriteByte(line[i])
		case i+1 == len(line):
			return b.String(), i + 1
		case line[i+1] == ',':
			return b.String(), i + 1
		case line[i+1] == '"':
			b.WriteByte('"')
			i++
		default:
			b.WriteByte('"')
		}
	}
	return b.String(), len(line)
}
