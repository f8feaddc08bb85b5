package registration

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// titles are the forms as people call them.
func title(form string) string {
	switch form {
	case TenDLC:
		return "US 10DLC: brand and campaign (The Campaign Registry)"
	case TollFree:
		return "Toll-free verification (US and Canada)"
	default:
		return "General registration of a sender (other countries)"
	}
}

// WriteMarkdown writes one form for people: what is known, what is suggested, and what is to be filled in.
func WriteMarkdown(w io.Writer, p *Pack, form string) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "# %s: %s\n\n", inline(p.Name), title(form))
	fmt.Fprintf(&b, "Made by `textback pack` from the configuration on %s. %d fields are to be filled in; look for **TO FILL IN**.\n\n",
		p.Made.Format("2 January 2006"), p.Missing(form))
	b.WriteString("## Before you send it in\n\n")
	for _, s := range p.Before {
		fmt.Fprintf(&b, "- %s\n", inline(s))
	}
	b.WriteString("\n## The greeting that callers must hear\n\n")
	b.WriteString("Told, with a key to decline where the PBX has one (no_text):\n\n")
	quote(&b, p.Greeting[0])
	b.WriteString("Asked, which reviewers like better; then only who presses the key is texted (docs/compliance.md shows the dialplan of both):\n\n")
	quote(&b, p.Greeting[1])
	section := ""
	for i := range p.Fields {
		f := &p.Fields[i]
		if f.Form != form {
			continue
		}
		if f.Section != section {
			section = f.Section
			fmt.Fprintf(&b, "## %s\n\n", section)
		}
		fmt.Fprintf(&b, "**%s** (`%s`, %s)\n\n", inline(f.Label), f.Name, f.Origin)
		switch {
		case f.Origin == FillIn:
			fmt.Fprintf(&b, "> **TO FILL IN**\n\n")
		default:
			quote(&b, f.Value)
		}
		if s := f.Trouble(); s != "" {
			fmt.Fprintf(&b, "**Too long or too short**: %s.\n\n", s)
		}
		if f.Note != "" {
			fmt.Fprintf(&b, "%s.\n\n", inline(strings.TrimSuffix(f.Note, ".")))
		}
	}
	_, err := w.Write(b.Bytes())
	return err
}

// quote writes a value as it is to be copied.
func quote(b *bytes.Buffer, s string) {
	for _, line := range strings.Split(s, "\n") {
		fmt.Fprintf(b, "> %s\n", inline(line))
	}
	b.WriteString("\n")
}

// inline keeps a value from being read as HTML or code. More is not escaped, so that it can be copied as it stands.
func inline(s string) string {
	return strings.NewReplacer("<", "&lt;", "`", "'").Replace(s)
}

// WriteCSV writes the fields of all forms, or of one, as a table.
func WriteCSV(w io.Writer, packs []*Pack, form string) error {
	c := csv.NewWriter(w)
	rows := [][]string{{"business", "form", "section", "name", "label", "value", "origin", "note", "min_length", "max_length"}}
	for _, p := range packs {
		for _, f := range p.Fields {
			if form == "" || f.Form == form {
				rows = append(rows, []string{p.Business, f.Form, f.Section, f.Name, f.Label, cell(f.Value), f.Origin, f.Note, size(f.Min), size(f.Max)})
			}
		}
	}
	return c.WriteAll(rows)
}

// cell keeps a value from becoming a formula in a spreadsheet; a telephone number keeps its +.
func cell(s string) string {
	if s != "" && strings.ContainsRune("=-@\t", rune(s[0])) || strings.HasPrefix(s, "+") && strings.Trim(s, "+0123456789, ") != "" {
		return "'" + s
	}
	return s
}

func size(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

// WriteJSON writes packs with all their fields, or those of one form.
func WriteJSON(w io.Writer, packs []*Pack, form string) error {
	out := make([]Pack, 0, len(packs))
	for _, p := range packs {
		one := *p
		one.Fields = nil
		for _, f := range p.Fields {
			if form == "" || f.Form == form {
				one.Fields = append(one.Fields, f)
			}
		}
		out = append(out, one)
	}
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(out)
}
