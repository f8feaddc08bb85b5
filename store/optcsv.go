package store

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// csvColumns are the columns of an opt-out file. Only number is needed to import; any order, others are ignored.
var csvColumns = []string{"number", "business", "at", "source", "line", "wording"}

// exportPage bounds how many rows are gathered at a time: a slow writer must not hold a snapshot, which keeps old pages from
// being used again.
const exportPage = 10_000

// ExportOptOuts writes the standing opt-outs as CSV, and returns how many, and how many erased persons it had to
// leave out. Those that came by list come first: who opts in and out again meanwhile leaves the list, and is found later.
func (s *Store) ExportOptOuts(ctx context.Context, w io.Writer) (written, erased int, err error) {
	out := csv.NewWriter(w)
	write := func(page []OptedOut) error {
		for _, o := range page {
			if err := out.Write([]string{o.Number, o.Business, o.At.UTC().Format(time.RFC3339), defuse(o.Source), defuse(o.Line),
				defuse(o.Wording)}); err != nil {
				return err
			}
		}
		written += len(page)
		out.Flush()
		return out.Error()
	}
	err = out.Write(csvColumns)
	for _, read := range []func(context.Context, func([]OptedOut) error) error{s.listedPages, s.outPages} {
		if err == nil {
			err = read(ctx, write)
		}
	}
	if err == nil {
		err = s.view(ctx, time.Time{}, func(w *work) error {
			eachRecord(w, tOut, func(_ []byte, r outRecord) {
				if r.Number == "" {
					erased++
				}
			})
			return nil
		})
	}
	out.Flush()
	if err = cmpErr(err, out.Error()); err != nil {
		return 0, 0, fmt.Errorf("export opt-outs: %w", err)
	}
	return written, erased, nil
}

// listedPages reads the opt-outs that stand in lists.
func (s *Store) listedPages(ctx context.Context, write func([]OptedOut) error) error {
	entries := make(map[uint64]LedgerEntry)
	var businesses []string
	if err := s.view(ctx, time.Time{}, func(w *work) error { businesses = w.listedBusinesses(); return nil }); err != nil {
		return err
	}
	for _, business := range businesses {
		last := uint64(0)
		err := s.pages(ctx, write, func(w *work) (page []OptedOut) {
			from, _ := w.blockOf(business, last)
			if from == nil {
				from = key(nil).str(business)
			}
			w.eachListed(from, after(key(nil).str(business)), func(_ string, l listed) bool {
				if l.number > last {
					page, last = append(page, w.listedOut(business, l, entries)), l.number
				}
				return len(page) < exportPage
			})
			return page
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// outPages reads the opt-outs that have a record of their own and a number.
func (s *Store) outPages(ctx context.Context, write func([]OptedOut) error) error {
	from := []byte{}
	return s.pages(ctx, write, func(w *work) (page []OptedOut) {
		w.walk(tOutNumber, from, nil, false, func(k, _ []byte) bool {
			if o, ok := w.outOf(k); ok {
				page = append(page, o)
			}
			from = append(bytes.Clone(k), 0)
			return len(page) < exportPage
		})
		return page
	})
}

// pages reads and writes in turn, until a page is not full.
func (s *Store) pages(ctx context.Context, write func([]OptedOut) error, read func(*work) []OptedOut) error {
	for {
		var page []OptedOut
		err := s.view(ctx, time.Time{}, func(w *work) error { page = read(w); return nil })
		if err == nil && len(page) > 0 {
			err = write(page)
		}
		if err != nil || len(page) < exportPage {
			return err
		}
	}
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

// importMost bounds what an import may hold in memory.
const importMost = 12_000_000

// ReadOptOuts reads the CSV that ExportOptOuts writes; number brings numbers into E.164 (nil takes +digits only), and a
// row without a business counts for all of businesses. Errors name the line.
func ReadOptOuts(r io.Reader, number func(string) (string, error), businesses []string) (*OptOutList, error) {
	if number == nil {
		number = plainNumber
	}
	in := csv.NewReader(r)
	in.FieldsPerRecord, in.ReuseRecord = -1, true
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
	all, rows := &OptOutList{}, 0
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
			all.Add(o)
			if rows++; rows > importMost {
				return nil, fmt.Errorf("line %d: over %d rows, where one for all businesses counts for each: import the list in parts", line, importMost)
			}
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
