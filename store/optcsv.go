package store

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// ImportResult counts the rows of an import.
type ImportResult struct {
	Added   int // opt-outs that are new
	Known   int // rows whose opt-out stood already
	Cleared int // queued texts cancelled
}

// csvColumns are the columns of an opt-out file. Only number is needed to import; any order, others are ignored.
var csvColumns = []string{"number", "business", "at", "source", "line", "wording"}

// ExportOptOuts writes the standing opt-outs as CSV, and returns how many, and how many erased persons it had to
// leave out.
func (s *Store) ExportOptOuts(ctx context.Context, w io.Writer) (written, erased int, err error) {
	// Gathered first: a slow writer must not hold a snapshot, which keeps old pages from being used again.
	var rows []OptedOut
	err = s.OptOuts(ctx, func(o OptedOut) bool {
		if o.Number == "" {
			erased++
		} else {
			rows = append(rows, o)
		}
		return true
	})
	if err != nil {
		return 0, 0, fmt.Errorf("export opt-outs: %w", err)
	}
	out := csv.NewWriter(w)
	err = out.Write(csvColumns)
	for _, o := range rows {
		if err == nil {
			err = out.Write([]string{o.Number, o.Business, o.At.UTC().Format(time.RFC3339), defuse(o.Source), defuse(o.Line),
				defuse(o.Wording)})
		}
	}
	out.Flush()
	if err = cmpErr(err, out.Error()); err != nil {
		return 0, 0, fmt.Errorf("export opt-outs: %w", err)
	}
	return len(rows), erased, nil
}

// defuse keeps a spreadsheet from running what a hostile reply looks like: a cell that begins as a formula does gets an
// apostrophe before it. Plain +numbers pass.
func defuse(s string) string {
	if s != "" && (strings.ContainsRune("=-@\t\r'", rune(s[0])) || s[0] == '+' && digits(s) != s[1:]) {
		return "'" + s
	}
	return s
}

// fuse is defuse's way back.
func fuse(s string) string {
	if len(s) > 1 && s[0] == '\'' && defuse(s[1:]) == s {
		return s[1:]
	}
	return s
}

// ReadOptOuts reads the CSV that ExportOptOuts writes; number brings numbers into E.164 (nil takes +digits only), and a
// row without a business counts for all of businesses. Errors name the line.
func ReadOptOuts(r io.Reader, number func(string) (string, error), businesses []string) ([]OptedOut, error) {
	if number == nil {
		number = plainNumber
	}
	in := csv.NewReader(r)
	in.FieldsPerRecord = -1
	head, err := in.Read()
	if err != nil {
		return nil, fmt.Errorf("read the heading: %w", err)
	}
	at := map[string]int{}
	for i, name := range head {
		name = strings.ToLower(strings.TrimSpace(strings.TrimPrefix(name, "\ufeff")))
		if _, twice := at[name]; twice {
			return nil, fmt.Errorf("line 1: column %q stands there twice", name)
		}
		at[name] = i
	}
	if _, ok := at["number"]; !ok {
		return nil, errors.New(`line 1: there is no column "number"`)
	}
	var all []OptedOut
	for {
		row, err := in.Read()
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, err // csv.ParseError names the line
		}
		line, _ := in.FieldPos(0)
		o, err := readRow(func(name string) string {
			if i, ok := at[name]; ok && i < len(row) {
				return fuse(row[i])
			}
			return ""
		}, number)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", line, err)
		}
		for _, b := range rowBusinesses(o.Business, businesses) {
			o.Business = b
			all = append(all, o)
		}
	}
}

func readRow(cell func(string) string, number func(string) (string, error)) (o OptedOut, err error) {
	if o.Number, err = number(strings.TrimSpace(cell("number"))); err != nil {
		return o, err
	}
	if when := strings.TrimSpace(cell("at")); when != "" {
		if o.At, err = time.Parse(time.RFC3339, when); err != nil {
			return o, fmt.Errorf("time %q is not written as 2026-11-24T18:30:00Z", when)
		}
		if o.At.Year() < 1990 || o.At.Year() > 2200 {
			return o, fmt.Errorf("time %q cannot be right", when)
		}
	}
	o.Business, o.Source = strings.TrimSpace(cell("business")), cell("source")
	o.Line, o.Wording = cell("line"), cell("wording")
	return o, nil
}

func rowBusinesses(one string, all []string) []string {
	if one != "" {
		return []string{one}
	}
	return all
}

func plainNumber(s string) (string, error) {
	if d := digits(s); len(d) >= 5 && len(d) <= 15 && s == "+"+d {
		return s, nil
	}
	return "", fmt.Errorf("%q is not a number in international form", s)
}

// importBatch bounds how many rows share a transaction, so that an import does not hold up the calls.
const importBatch = 200

// ImportOptOuts adds opt-outs, as ReadOptOuts gives them.
func (s *Store) ImportOptOuts(ctx context.Context, rows []OptedOut, at time.Time) (res ImportResult, err error) {
	for len(rows) > 0 {
		batch := rows[:min(len(rows), importBatch)]
		rows = rows[len(batch):]
		var part ImportResult
		err := s.update(ctx, at, func(w *work) error {
			part = ImportResult{}
			for _, o := range batch {
				wording := o.Wording
				if !o.At.IsZero() || o.Source != "" {
					// When and how he said it first is evidence; the entry itself is of now.
					wording = strings.TrimSpace(fmt.Sprintf("%s [%s %s]", o.Wording, o.Source, o.At.UTC().Format(time.RFC3339)))
				}
				r, err := w.optChange(OptChange{Number: o.Number, Businesses: []string{o.Business}, Source: SourceImport, Line: o.Line,
					Wording: wording}, ActionOut)
				if err != nil {
					return err
				}
				part.Cleared += len(r.Cancelled)
				if r.Changed {
					part.Added++
				} else {
					part.Known++
				}
			}
			return nil
		})
		if err != nil {
			return res, fmt.Errorf("import opt-outs, %d done: %w", res.Added+res.Known, err)
		}
		res.Added, res.Known, res.Cleared = res.Added+part.Added, res.Known+part.Known, res.Cleared+part.Cleared
	}
	return res, nil
}
