package preview

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// textWidth is the width to which sentences are broken.
const textWidth = 110

// WriteText writes a preview for a terminal.
func WriteText(w io.Writer, p *Preview) error {
	var b bytes.Buffer
	for i := range p.Businesses {
		writeBusiness(&b, &p.Businesses[i])
	}
	b.WriteString("Always\n")
	for _, s := range p.Always {
		wrap(&b, "  - ", "    ", s)
	}
	_, err := w.Write(b.Bytes())
	return err
}

func writeBusiness(b *bytes.Buffer, bus *Business) {
	fmt.Fprintf(b, "%s (%s)\n", bus.Name, bus.Key)
	for _, s := range bus.Facts {
		wrap(b, "  - ", "    ", s)
	}
	for i := range bus.Groups {
		g := &bus.Groups[i]
		lines := g.Lines
		const shown = 4
		more := ""
		if len(lines) > shown {
			more = fmt.Sprintf(" and %d more", len(lines)-shown)
			lines = lines[:shown]
		}
		word := "line"
		if len(g.Lines) > 1 {
			word = "lines"
		}
		fmt.Fprintf(b, "\n  On %s %s%s, a caller\n", word, strings.Join(lines, ", "), more)
		shownTexts := map[string]bool{}
		for j := range g.Cases {
			writeCase(b, &g.Cases[j], shownTexts)
		}
	}
	b.WriteString("\n")
}

// writeCase writes a made-up call. What a template says is not written twice.
func writeCase(b *bytes.Buffer, c *Case, shownTexts map[string]bool) {
	who := c.Who
	if len(c.Also) > 0 {
		who += " (the same: " + strings.Join(c.Also, ", ") + ")"
	}
	wrap(b, "    ", "    ", who)
	if c.Leaves == nil {
		wrap(b, "      gets nothing: ", "        ", c.Reason+": "+c.Detail)
		return
	}
	verb := "gets"
	if c.Shadow {
		verb = "would get, were it not for shadow mode"
	}
	when := c.Leaves.Format("Mon 15:04:05")
	if c.Held {
		when += ", held until then"
	}
	why := strings.TrimPrefix(c.Detail, "shadow mode: nothing is sent; else: ")
	said := c.Template
	for i := range c.Texts {
		said += "\x00" + c.Texts[i].Body
	}
	above := ""
	if shownTexts[said] {
		above = ", as above"
	}
	wrap(b, "      ", "        ", fmt.Sprintf("%s, %s: template %q%s (%s)", verb, when, c.Template, above, why))
	if shownTexts[said] {
		return
	}
	shownTexts[said] = true
	for i := range c.Texts {
		t := &c.Texts[i]
		wrap(b, "      > ", "        ", t.Body)
		of := ""
		if len(c.Texts) > 1 {
			of = fmt.Sprintf(", variant %d of %d", i+1, len(c.Texts))
		}
		fmt.Fprintf(b, "        [%s%s]\n", t.size(), of)
	}
}

// write writes the case alone.
func (c *Case) write(b *strings.Builder) {
	var buf bytes.Buffer
	writeCase(&buf, c, map[string]bool{})
	for line := range strings.Lines(buf.String()) {
		b.WriteString(strings.TrimPrefix(line, "    "))
	}
}

// wrap breaks a sentence at blanks.
func wrap(b *bytes.Buffer, first, rest, s string) {
	indent, used := first, 0
	b.WriteString(indent)
	used = utf8.RuneCountInString(indent)
	for i, word := range strings.Fields(s) {
		n := utf8.RuneCountInString(word)
		switch {
		case i == 0:
		case used+1+n > textWidth:
			b.WriteString("\n" + rest)
			used = utf8.RuneCountInString(rest)
		default:
			b.WriteByte(' ')
			used++
		}
		b.WriteString(word)
		used += n
	}
	b.WriteByte('\n')
}
