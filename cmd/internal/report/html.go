package report

import (
	"bytes"
	_ "embed" // the page is a file of its own, so that it can be looked at
	"fmt"
	"html/template"
	"io"
	"strconv"
	"strings"
)

//go:embed page.html
var pageSource string

// WriteHTML writes one self-contained page: its style and its plots are inside, it has no script and loads nothing. Widths
// are shares of the page, so that it fits a phone and paper alike, while letters keep their size.
func WriteHTML(w io.Writer, r *Report) error { return write(w, r, "page") }

// WriteBody writes what stands in the page's main part, to be part of another page. [Style] is its style sheet.
func WriteBody(w io.Writer, r *Report) error { return write(w, r, "body") }

// Style is the style sheet of the page, to be scoped by whoever puts the body into another page. Its colours are custom
// properties of :root, which that page gives.
func Style() string {
	_, after, _ := strings.Cut(pageSource, "<style>")
	style, _, _ := strings.Cut(after, "</style>")
	return style
}

func write(w io.Writer, r *Report, name string) error {
	t, err := template.New("page").Parse(pageSource)
	if err != nil {
		return fmt.Errorf("read the page of the report: %w", err)
	}
	var b bytes.Buffer
	if err := t.ExecuteTemplate(&b, name, r.page()); err != nil {
		return fmt.Errorf("write the page of the report: %w", err)
	}
	_, err = w.Write(b.Bytes())
	return err
}

// page is what the template shows.
type page struct {
	Title, Period, Compared, Line, Zone, Made, Peak string

	Cards, More                        []shown
	Advice                             []advised
	Funnel, Outcomes, Verdicts, States []barRow
	Trend                              trend
	Heat                               heat
	Lines, Templates                   []groupRow
	Would                              []Would
	Comparisons                        []string
}

type shown struct {
	Label, Value, Hint string
	Delta              *change
}

// change is a delta: Way is "up", "down" or "", Tone "good", "bad" or "".
type change struct{ Text, Way, Tone string }

type advised struct{ Level, Word, Text string }

// barRow is one bar with its word and number; Now and Was are per cent of the width, "" for none.
type barRow struct{ Word, N, Note, Now, Was, Hint string }

type groupRow struct {
	Word, Name                                string
	Variant                                   bool
	Missed, Texted, Replied, Booked, OptedOut int
	ReplyShare, BookShare, OutShare           string
}

// label is a word in a plot; X is in per cent.
type label struct {
	X      string
	Y      int
	Text   string
	Below  string // a second line
	Anchor string
	Level  int
}

func (r *Report) page() *page {
	p := &page{Title: r.title(), Period: periodWords(r.Since, r.Until), Line: Clean(r.Line), Zone: r.Timezone,
		Made: r.Made.Format("2 January 2006, 15:04"), Trend: r.trend(), Heat: r.heat()}
	if r.Before.Known {
		p.Compared = periodWords(r.Before.Since, r.Before.Until)
	}
	p.Cards, p.More = shownOf(r.figures()), shownOf(r.further())
	for _, a := range r.Advice {
		p.Advice = append(p.Advice, advised{a.Level, map[string]string{Act: "Act", Look: "Improve", Note: "Note"}[a.Level], a.Text})
	}
	if n, day, hour := r.peak(); n >= missedForPeak {
		p.Peak = fmt.Sprintf("Most on %ss between %d:00 and %d:00: %d.", weekdays[day], hour, hour+1, n)
	}
	p.Funnel = r.funnel()
	p.Outcomes, p.Verdicts, p.States = r.bars(r.Outcomes), r.bars(r.Verdicts), r.bars(r.States)
	for i := range r.Lines {
		g := rowOf(&r.Lines[i])
		g.Word, g.Name = lineWord(r.Lines[i].Key), Clean(r.Lines[i].Name)
		p.Lines = append(p.Lines, g)
	}
	for _, w := range r.Would {
		w.Line, w.Template = lineWord(w.Line), Clean(w.Template)
		p.Would = append(p.Would, w)
	}
	for i := range r.Templates {
		t := &r.Templates[i]
		p.Templates = append(p.Templates, rowOf(t))
		for j := range t.Variants {
			v := rowOf(&t.Variants[j])
			v.Word, v.Variant = "variant "+v.Word, true
			p.Templates = append(p.Templates, v)
		}
		if t.Compared != "" {
			p.Comparisons = append(p.Comparisons, "Template "+Clean(t.Key)+": "+t.Compared)
		}
	}
	return p
}

func shownOf(list []figure) []shown {
	out := make([]shown, 0, len(list))
	for _, f := range list {
		s := shown{Label: f.label, Value: f.value, Hint: f.hint}
		if f.delta != "" {
			s.Delta = &change{f.delta, map[byte]string{'+': "up", '-': "down"}[f.delta[0]], f.tone}
		}
		out = append(out, s)
	}
	return out
}

func rowOf(g *Group) groupRow {
	share := func(n int, r Rate) string {
		if n == 0 || !r.Known() {
			return ""
		}
		return Percent(r)
	}
	return groupRow{Word: Clean(g.Key), Missed: g.Missed, Texted: g.Texted, Replied: g.Replied, Booked: g.Booked, OptedOut: g.OptedOut,
		ReplyShare: share(g.Replied, g.ReplyRate), BookShare: share(g.Booked, g.BookingRate), OutShare: share(g.OptedOut, g.OptOutRate)}
}

// percent is a length in per cent of the longest, "" for nothing; what is not nothing is seen.
func percent(n, most int) string {
	if n == 0 || most == 0 {
		return ""
	}
	return number(max(100*float64(n)/float64(most), 0.8))
}

func number(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }

// bars are the rows of a list; the bar of the period before stands behind.
func (r *Report) bars(rows []Row) []barRow {
	most := 0
	for _, row := range rows {
		most = max(most, row.N)
		if r.Before.Known {
			most = max(most, row.Before)
		}
	}
	var out []barRow
	for _, row := range rows {
		b := barRow{Word: row.Word, N: itoa(row.N), Now: percent(row.N, most), Hint: row.Word + ": " + itoa(row.N)}
		if r.Before.Known {
			b.Was = percent(row.Before, most)
			b.Hint += ", before " + itoa(row.Before)
		}
		out = append(out, b)
	}
	return out
}

// funnel is the way from the call to the booking, each step as a share of the one before.
func (r *Report) funnel() []barRow {
	f, was := &r.Figures, &r.Before.Figures
	steps := []struct {
		word   string
		n, old int
		note   string
	}{
		{"missed", f.Missed, was.Missed, ""},
		{"texted", f.Texted, was.Texted, shareOf(f.Texted, f.Missed, "of missed")},
		{"arrived", f.Arrived, was.Arrived, shareOf(f.Arrived, f.Texted, "of texted")},
		{"replied", f.Replied, was.Replied, shareOf(f.Replied, f.Arrived, "of arrived")},
		{"booked", f.Booked, was.Booked, shareOf(f.Booked, f.Arrived, "of arrived")},
	}
	if steps[0].n == 0 {
		return nil
	}
	most := 0
	for _, s := range steps {
		most = max(most, s.n)
		if r.Before.Known {
			most = max(most, s.old)
		}
	}
	var out []barRow
	for _, s := range steps {
		b := barRow{Word: s.word, N: itoa(s.n), Note: s.note, Now: percent(s.n, most), Hint: s.word + ": " + itoa(s.n)}
		if r.Before.Known {
			b.Was = percent(s.old, most)
			b.Hint += ", before " + itoa(s.old)
		}
		out = append(out, b)
	}
	return out
}

func shareOf(n, of int, words string) string { return ofAll(Rate{n, of}, words) }
