package report

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"flag"
	"io"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestMonthInARealStoreGivesExactlyItsFigures(t *testing.T) {
	f := newFixture(t)
	r := f.report(f.query())
	for half, got := range []Figures{r.Figures, r.Before.Figures} {
		want := f.figures(half)
		g, w := reflect.ValueOf(got), reflect.ValueOf(want)
		for i := range g.NumField() {
			if !reflect.DeepEqual(g.Field(i).Interface(), w.Field(i).Interface()) {
				t.Errorf("half %d: %s is %v, in truth %v", half, g.Type().Field(i).Name, g.Field(i), w.Field(i))
			}
			if g.Field(i).IsZero() {
				t.Errorf("half %d: %s is zero: the fixture does not try it", half, g.Type().Field(i).Name)
			}
		}
	}
	for _, x := range []struct {
		name string
		rows []Row
		of   func(*truth) map[string]int
	}{
		{"outcomes", r.Outcomes, func(x *truth) map[string]int { return x.outcomes }},
		{"verdicts", r.Verdicts, func(x *truth) map[string]int { return x.verdicts }},
		{"states", r.States, func(x *truth) map[string]int { return x.states }},
	} {
		now, before := map[string]int{}, map[string]int{}
		for _, row := range x.rows {
			if row.N > 0 {
				now[row.Word] = row.N
			}
			if row.Before > 0 {
				before[row.Word] = row.Before
			}
		}
		if want := x.of(&f.truth[0]); !maps.Equal(now, want) {
			t.Errorf("%s: %v, in truth %v", x.name, now, want)
		}
		if want := x.of(&f.truth[1]); !maps.Equal(before, want) {
			t.Errorf("%s before: %v, in truth %v", x.name, before, want)
		}
	}
	if r.Hours != f.truth[0].hours {
		t.Errorf("hours: %v, in truth %v", r.Hours, f.truth[0].hours)
	}
	checkDays(t, f, r)
	checkGroups(t, f, r)
	if sum := rowSum(r.Verdicts); sum != r.Figures.Missed || rowSum(r.Outcomes) != sum {
		t.Errorf("%d verdicts, %d outcomes, %d missed calls", sum, rowSum(r.Outcomes), r.Figures.Missed)
	}
}

func checkDays(t *testing.T, f *fixture, r *Report) {
	t.Helper()
	if len(r.Days) != 31 || r.Step != 1 {
		t.Fatalf("%d steps of %d days", len(r.Days), r.Step)
	}
	for i, d := range r.Days {
		before := f.period.Since.AddDate(0, 0, i-35).Format(time.DateOnly)
		if d.Missed != f.truth[0].days[d.Date] || d.MissedBefore != f.truth[1].days[before] {
			t.Errorf("%s: %+v, in truth %d and before %d", d.Date, d, f.truth[0].days[d.Date], f.truth[1].days[before])
		}
	}
}

func checkGroups(t *testing.T, f *fixture, r *Report) {
	t.Helper()
	got := map[string]Group{}
	for _, g := range r.Templates {
		got[g.Key] = g
		for _, v := range g.Variants {
			got[g.Key+"/"+v.Key] = v
		}
	}
	for _, g := range r.Lines {
		got[g.Key] = g
	}
	want := maps.Clone(f.truth[0].lines)
	maps.Copy(want, f.truth[0].templates)
	delete(want, "closed/1") // it has no other variant to be compared with
	for key, w := range want {
		g := got[key]
		g.Name, g.Variants, g.Compared = "", nil, ""
		w.Key = g.Key
		w.ReplyRate, w.BookingRate, w.OptOutRate = Rate{w.Replied, w.Arrived}, Rate{w.Booked, w.Arrived}, Rate{w.OptedOut, w.Arrived}
		if !reflect.DeepEqual(g, *w) {
			t.Errorf("%s: %+v, in truth %+v", key, g, *w)
		}
	}
	if len(got) != len(want) {
		t.Errorf("groups %v, in truth %v", slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)))
	}
}

func rowSum(rows []Row) (n int) {
	for _, r := range rows {
		n += r.N
	}
	return n
}

// The figures in the golden files are those that the test above has proved; here their form is kept.
func TestFormatsAreAsTheirGoldenFiles(t *testing.T) {
	f := newFixture(t)
	r := f.report(f.query())
	for name, write := range map[string]func(io.Writer, *Report) error{"month.txt": WriteText, "month.csv": WriteCSV, "month.json": WriteJSON} {
		var b bytes.Buffer
		if err := write(&b, r); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join("testdata", name)
		if *update {
			if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(b.Bytes(), want) {
			t.Errorf("%s differs from %s (go test -update writes it anew):\n%s", name, path, b.String())
		}
	}
}

func TestReportSurvivesItsJSON(t *testing.T) {
	f := newFixture(t)
	r := f.report(f.query())
	var b bytes.Buffer
	if err := WriteJSON(&b, r); err != nil {
		t.Fatal(err)
	}
	var back Report
	if err := json.Unmarshal(b.Bytes(), &back); err != nil {
		t.Fatal(err)
	}
	for name, write := range map[string]func(io.Writer, *Report) error{"text": WriteText, "csv": WriteCSV, "json": WriteJSON, "html": WriteHTML} {
		var one, two bytes.Buffer
		if err := write(&one, r); err != nil {
			t.Fatal(err)
		}
		if err := write(&two, &back); err != nil {
			t.Fatal(err)
		}
		if one.String() != two.String() {
			t.Errorf("%s is another one after JSON:\n%s\n%s", name, one.String(), two.String())
		}
	}
}

func TestCSVIsTidyAndNoCellIsAFormula(t *testing.T) {
	f := newFixture(t)
	r := f.report(f.query())
	r.Lines = append(r.Lines, Group{Key: `=cmd|' /C calc'!A0`, Missed: 1}, Group{Key: "+1+1", Missed: 1}, Group{Key: "@x\n\r,\"y"})
	var b bytes.Buffer
	if err := WriteCSV(&b, r); err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(&b).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(rows[0], []string{"section", "key", "metric", "value"}) {
		t.Errorf("head: %q", rows[0])
	}
	seen := map[string]bool{}
	for _, row := range rows[1:] {
		if k := strings.Join(row[:3], "\x00"); seen[k] && row[0] != "advice" {
			t.Errorf("twice: %q", row)
		} else {
			seen[k] = true
		}
		for _, cell := range row {
			if cell != "" && strings.ContainsRune("=@-+", rune(cell[0])) && strings.Trim(cell, "+0123456789-") != "" || strings.ContainsAny(cell, "\r\n\t") {
				t.Errorf("a cell that a spreadsheet may run: %q", cell)
			}
		}
	}
	if !seen["lines\x00'+1+1\x00missed"] {
		t.Error("the defused cell is not there")
	}
}

func TestOneBusinessOrOneLineCountsOnlyItsOwn(t *testing.T) {
	f := newFixture(t)
	all := f.report(f.query())
	q := f.query()
	q.Businesses = []string{bistro}
	b := f.report(q)
	q = f.query()
	q.Line = salesLine
	s := f.report(q)
	find := func(r *Report, key string) (g Group) {
		for _, x := range r.Lines {
			if x.Key == key {
				g = x
			}
		}
		return g
	}
	for name, x := range map[string]struct {
		r   *Report
		key string
	}{"business": {b, bistroLine}, "line": {s, salesLine}} {
		want := find(all, x.key)
		if len(x.r.Lines) != 1 || !reflect.DeepEqual(x.r.Lines[0], want) || want.Missed == 0 {
			t.Errorf("%s: lines %+v, want %+v", name, x.r.Lines, want)
		}
		f := x.r.Figures
		if f.Missed != want.Missed || f.Texted != want.Texted || f.Replied != want.Replied || f.Booked != want.Booked || f.OptedOut != want.OptedOut {
			t.Errorf("%s: figures %+v, want those of %+v", name, f, want)
		}
		if f.Answered != 0 {
			t.Errorf("%s: %d answered calls of others", name, f.Answered)
		}
	}
	if !slices.Equal(b.Businesses, []string{"Bistro <Chez Nous>"}) || s.Figures.OptOuts != s.Figures.OptedOut {
		t.Errorf("%v, %d opt-outs of %d", b.Businesses, s.Figures.OptOuts, s.Figures.OptedOut)
	}
}

func TestReportOnNothingSaysSo(t *testing.T) {
	r := Compute(Input{Query: Query{Now: at("2026-11-24 10:00"), Period: Period{at("2026-11-17 00:00"), at("2026-11-24 00:00")}}})
	for name, write := range map[string]func(io.Writer, *Report) error{"text": WriteText, "csv": WriteCSV, "json": WriteJSON, "html": WriteHTML} {
		var b bytes.Buffer
		if err := write(&b, r); err != nil {
			t.Fatal(err)
		}
		if s := b.String(); strings.Contains(s, "NaN") || strings.Contains(s, "Inf") || strings.Contains(s, "%!") {
			t.Errorf("%s: %s", name, s)
		}
	}
	if len(r.Advice) != 0 || r.Before.Known {
		t.Errorf("advice on nothing: %v, compared with nothing: %v", r.Advice, r.Before.Known)
	}
}

func at(s string) time.Time {
	t, err := time.Parse(shownTime, s)
	if err != nil {
		panic(err)
	}
	return t
}
