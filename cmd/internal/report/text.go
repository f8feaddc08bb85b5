package report

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"
)

func itoa(n int) string { return strconv.Itoa(n) }

// textWidth is the width to which sentences are broken.
const textWidth = 100

// WriteText writes the report for a terminal: aligned, no wider than a hundred columns where names are of ordinary length.
func WriteText(w io.Writer, r *Report) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s: %s (%s)\n", r.title(), periodWords(r.Since, r.Until), r.Timezone)
	if r.Line != "" {
		fmt.Fprintf(&b, "Line %s only\n", Clean(r.Line))
	}
	if r.Before.Known {
		fmt.Fprintf(&b, "compared with %s\n", periodWords(r.Before.Since, r.Before.Until))
	}
	b.WriteString("\n")
	var t table
	for _, f := range append(r.figures(), r.further()...) {
		t.row(f.label, f.value, f.delta, f.hint)
	}
	t.write(&b, "lrrl")
	r.adviceText(&b)

	section(&b, "Missed calls by outcome")
	rowsText(&b, r, r.Outcomes)
	section(&b, "Missed calls by verdict")
	rowsText(&b, r, r.Verdicts)
	section(&b, "Texts by state")
	rowsText(&b, r, r.States)
	r.shadowText(&b)
	r.groupsText(&b)
	r.daysText(&b)
	r.hoursText(&b)
	_, err := w.Write(b.Bytes())
	return err
}

func section(b *bytes.Buffer, title string) { fmt.Fprintf(b, "\n%s\n", title) }

func (r *Report) adviceText(b *bytes.Buffer) {
	if len(r.Advice) == 0 {
		return
	}
	section(b, "What to do")
	for _, a := range r.Advice {
		mark := map[string]string{Act: "!", Look: "*", Note: "-"}[a.Level]
		for i, line := range wrapped(a.Text, textWidth-4) {
			if i > 0 {
				mark = " "
			}
			fmt.Fprintf(b, "  %s %s\n", mark, line)
		}
	}
}

func rowsText(b *bytes.Buffer, r *Report, rows []Row) {
	most := 0
	for _, row := range rows {
		most = max(most, row.N)
	}
	var t table
	for _, row := range rows {
		t.row(row.Word, itoa(row.N), r.delta(row.N, row.Before), bar(row.N, most, 30))
	}
	t.write(b, "lrrl")
}

// bar draws a share of the longest bar; what is not nothing is seen.
func bar(n, most, width int) string {
	if most == 0 || n == 0 {
		return ""
	}
	return strings.Repeat("#", max(n*width/most, 1))
}

func (r *Report) groupsText(b *bytes.Buffer) {
	section(b, "By line")
	t := table{heads: 1}
	t.row("LINE", "NAME", "MISSED", "TEXTED", "REPLIED", "BOOKED", "OPTED OUT")
	for _, g := range r.Lines {
		t.row(lineWord(g.Key), Clean(g.Name), itoa(g.Missed), itoa(g.Texted), with(g.Replied, g.ReplyRate), with(g.Booked, g.BookingRate), with(g.OptedOut, g.OptOutRate))
	}
	t.write(b, "llrrrrr")
	section(b, "By template")
	t = table{heads: 1}
	t.row("TEMPLATE", "TEXTED", "REPLIED", "BOOKED", "OPTED OUT")
	row := func(name string, g *Group) {
		t.row(name, itoa(g.Texted), with(g.Replied, g.ReplyRate), with(g.Booked, g.BookingRate), with(g.OptedOut, g.OptOutRate))
	}
	for _, g := range r.Templates {
		row(Clean(g.Key), &g)
		for _, v := range g.Variants {
			row("  variant "+v.Key, &v)
		}
	}
	t.write(b, "lrrrr")
	for _, g := range r.Templates {
		if g.Compared != "" {
			fmt.Fprintf(b, "  %s: %s\n", Clean(g.Key), g.Compared)
		}
	}
}

// with is a count with its share.
func with(n int, r Rate) string {
	if n == 0 || !r.Known() {
		return itoa(n)
	}
	return fmt.Sprintf("%d (%s)", n, Percent(r))
}

func lineWord(key string) string {
	if key == Otherwise {
		return "other numbers"
	}
	return Clean(key)
}

func (r *Report) daysText(b *bytes.Buffer) {
	section(b, "By "+map[bool]string{true: "day", false: "week"}[r.Step == 1])
	most := 0
	for _, d := range r.Days {
		most = max(most, d.Missed, d.MissedBefore)
	}
	t := table{}
	head := []string{"FROM", "MISSED", "TEXTED", "REPLIED", "BOOKED", "BEFORE", ""}
	if r.Step == 1 {
		head[0] = "DAY"
	}
	if !r.Before.Known {
		head[5] = ""
	}
	t.row(head...)
	for _, d := range r.Days {
		before := itoa(d.MissedBefore)
		if !r.Before.Known {
			before = ""
		}
		t.row(dayWords(d.Date), itoa(d.Missed), itoa(d.Texted), itoa(d.Replied), itoa(d.Booked), before, bar(d.Missed, most, 30))
	}
	t.write(b, "lrrrrrl")
}

// hoursText is the week as a map of figures: "." is none.
func (r *Report) hoursText(b *bytes.Buffer) {
	section(b, "Missed calls by hour of the week")
	t := table{}
	head := []string{""}
	for h := range 24 {
		head = append(head, fmt.Sprintf("%02d", h))
	}
	t.row(head...)
	for d, hours := range r.Hours {
		cells := []string{weekdays[d][:3]}
		for _, n := range hours {
			cells = append(cells, cmp.Or(strings.TrimPrefix(itoa(n), "0"), "."))
		}
		t.row(cells...)
	}
	t.gap = 1
	t.write(b, "l"+strings.Repeat("r", 24))
}

// table aligns columns by characters.
type table struct {
	rows [][]string
	gap  int // between columns, 2 unless set

	heads int // rows that are no rows by themselves
}

func (t *table) row(cells ...string) { t.rows = append(t.rows, cells) }

// write prints the rows, two spaces in; sides has l or r for each column. Empty columns are left out.
func (t *table) write(b *bytes.Buffer, sides string) {
	if len(t.rows) == t.heads {
		b.WriteString("  none\n")
		return
	}
	gap := cmp.Or(t.gap, 2)
	width := make([]int, len(sides))
	for _, row := range t.rows {
		for i, cell := range row {
			width[i] = max(width[i], utf8.RuneCountInString(cell))
		}
	}
	for _, row := range t.rows {
		line := strings.Repeat(" ", 2-gap)
		for i, cell := range row {
			if width[i] == 0 {
				continue
			}
			pad := strings.Repeat(" ", width[i]-utf8.RuneCountInString(cell))
			if sides[i] == 'r' {
				cell = pad + cell
			} else {
				cell += pad
			}
			line += strings.Repeat(" ", gap) + cell
		}
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
}

// wrapped breaks a sentence into lines.
func wrapped(s string, width int) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(s) {
		if line != "" && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > width {
			lines = append(lines, line)
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}
