package store

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// OptOutList is what an import brings: rows gathered by what they have in common, sixteen octets for each. The zero value is empty.
type OptOutList struct {
	groups map[listGroup][]listed
	odd    []OptedOut // numbers that are not written as + and digits
}

// listGroup is what the rows of a list have in common.
type listGroup struct{ business, source, line, wording string }

// Add adds a row; Who is not looked at.
func (l *OptOutList) Add(o OptedOut) {
	n, ok := packNumber(o.Number)
	if !ok {
		l.odd = append(l.odd, o)
		return
	}
	row := listed{number: n}
	if !o.At.IsZero() {
		row.at = max(o.At.Unix(), 1)
	}
	g := listGroup{o.Business, o.Source, o.Line, o.Wording}
	if _, known := l.groups[g]; !known {
		// A row of a CSV is one string in memory, and would be kept whole for its field.
		g = listGroup{strings.Clone(g.business), strings.Clone(g.source), strings.Clone(g.line), strings.Clone(g.wording)}
	}
	if l.groups == nil {
		l.groups = make(map[listGroup][]listed)
	}
	l.groups[g] = append(l.groups[g], row)
}

func (g *listGroup) row(r listed) OptedOut {
	return OptedOut{Number: unpackNumber(r.number), Business: g.business, At: r.when(), Source: g.source, Line: g.line, Wording: g.wording}
}

// sorted brings the rows into order, and lists what they have in common.
func (l *OptOutList) sorted() []listGroup {
	for _, rows := range l.groups {
		slices.SortStableFunc(rows, byNumber)
	}
	return slices.SortedFunc(maps.Keys(l.groups), func(a, b listGroup) int {
		return cmp.Or(cmp.Compare(a.business, b.business), cmp.Compare(a.source, b.source), cmp.Compare(a.line, b.line), cmp.Compare(a.wording, b.wording))
	})
}

// ImportResult counts the rows of an import.
type ImportResult struct {
	Added   int // opt-outs that are new
	Known   int // rows whose opt-out stood already
	Cleared int // queued texts cancelled
}

func (r *ImportResult) add(part ImportResult) {
	r.Added, r.Known, r.Cleared = r.Added+part.Added, r.Known+part.Known, r.Cleared+part.Cleared
}

const (
	// importBatch bounds how many rows share a transaction, so that an import does not hold up the calls; listBatch, where they
	// cost less.
	importBatch = 200
	listBatch   = 2000
	// listLeast is how many rows that have everything but number and time in common are kept as a list, with one entry of the
	// ledger for many. Fewer get an entry each.
	listLeast = 1000
)

// ImportOptOuts adds the opt-outs of a list. Each batch of rows is durable by itself: after an error the import can be run again.
func (s *Store) ImportOptOuts(ctx context.Context, l *OptOutList, at time.Time) (res ImportResult, err error) {
	single := l.odd
	for _, g := range l.sorted() {
		rows := l.groups[g]
		if len(rows) < listLeast {
			for _, r := range rows {
				single = append(single, g.row(r))
			}
			continue
		}
		for batch := range slices.Chunk(rows, listBatch) {
			if err := s.importPart(ctx, at, &res, func(w *work, part *ImportResult) error { w.importList(g, batch, part); return nil }); err != nil {
				return res, err
			}
		}
	}
	for batch := range slices.Chunk(single, importBatch) {
		if err := s.importPart(ctx, at, &res, func(w *work, part *ImportResult) error { return w.importRows(batch, part) }); err != nil {
			return res, err
		}
	}
	return res, nil
}

// importPart runs a batch, and adds what became of it.
func (s *Store) importPart(ctx context.Context, at time.Time, res *ImportResult, fn func(*work, *ImportResult) error) error {
	var part ImportResult
	err := s.update(ctx, at, func(w *work) error {
		part = ImportResult{}
		return fn(w, &part)
	})
	if err != nil {
		return fmt.Errorf("import opt-outs, %d done: %w", res.Added+res.Known, err)
	}
	res.add(part)
	return nil
}

// importRows gives each row an entry of its own.
func (w *work) importRows(rows []OptedOut, part *ImportResult) error {
	for _, o := range rows {
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
}

// importList gives the rows that are new one entry together. They are sorted.
func (w *work) importList(g listGroup, rows []listed, part *ImportResult) {
	fresh := make([]listed, 0, len(rows))
	var sum listSum
	for i, r := range rows {
		number := unpackNumber(r.number)
		who := w.s.hash("number", number)
		if i > 0 && rows[i-1].number == r.number || w.isOut(who, number, g.business) {
			part.Known++
		} else {
			fresh = append(fresh, r)
			sum.add(who, r.at)
		}
		part.Cleared += len(w.cancelFor(number, []string{g.business}, ActionOut))
	}
	if len(fresh) == 0 {
		return
	}
	wording := g.wording
	if g.source != "" {
		wording = strings.TrimSpace(fmt.Sprintf("%s [%s]", g.wording, g.source))
	}
	e := w.appendLedger(LedgerEntry{At: w.at, Action: ActionList, Businesses: []string{g.business}, Source: SourceImport, Line: g.line,
		Wording: wording, Count: len(fresh), Sum: sum.String()})
	for i := range fresh {
		fresh[i].seq = e.Seq
	}
	w.enlist(g.business, fresh)
	w.standing(nowOptedOut, "", int64(len(fresh)))
	w.tally(w.at, CountOptOut, string(ActionOut), g.business, g.line, int64(len(fresh)))
	part.Added += len(fresh)
}
