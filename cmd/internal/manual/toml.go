package manual

import (
	"fmt"
	"io"
	"strings"
)

// The parts of the reference configuration, in its order.
type (
	// group is what stands under a heading "# --- Title ---".
	group struct {
		title  string // empty for what stands before the first
		tables []tableText
	}
	// tableText is a table with the comment above it.
	tableText struct {
		name    string // with its brackets; empty for the top of the file
		comment string
		keys    []keyText
	}
	// keyText is a key with its value as it is written, and the comment beside it.
	keyText struct{ name, value, comment string }
)

// reference takes the commented reference configuration apart: the comment at its top, and the rest. It knows that file's
// style, not all of TOML: every value stands on its key's line, or is a list whose end is a line "]".
func reference(text string) (intro string, groups []group, err error) {
	intro, rest, ok := strings.Cut(text, "\n\n")
	if !ok || !strings.HasPrefix(intro, "#") {
		return "", nil, fmt.Errorf("the reference configuration does not begin with a comment")
	}
	intro = comment(intro)
	groups = []group{{tables: []tableText{{}}}}
	var above []string // comment lines that belong to what comes next
	var list *keyText  // whose lines go on
	for line := range strings.SplitSeq(rest, "\n") {
		g := &groups[len(groups)-1]
		switch {
		case list != nil:
			list.value += "\n" + line
			if line == "]" {
				list = nil
			}
		case strings.TrimSpace(line) == "":
		case strings.HasPrefix(line, "# --- "):
			title := strings.TrimRight(strings.TrimPrefix(line, "# --- "), "- ")
			groups, above = append(groups, group{title: title}), nil
		case strings.HasPrefix(line, "#"):
			above = append(above, line)
		case strings.HasPrefix(line, "["):
			name, beside := beside(line)
			said := comment(strings.Join(append(above, beside), "\n"))
			g.tables, above = append(g.tables, tableText{name: name, comment: said}), nil
		default:
			name, value, ok := strings.Cut(line, "=")
			if !ok || len(g.tables) == 0 {
				return "", nil, fmt.Errorf("%q in the reference configuration is not a key in a table", line)
			}
			value, beside := beside(strings.TrimSpace(value))
			t := &g.tables[len(g.tables)-1]
			said := comment(strings.Join(append(above, beside), "\n"))
			t.keys, above = append(t.keys, keyText{strings.TrimSpace(name), value, said}), nil
			if value == "[" {
				list = &t.keys[len(t.keys)-1]
			}
		}
	}
	return intro, groups, nil
}

// beside cuts a line before the comment at its end: the first # outside quotes.
func beside(line string) (value, after string) {
	quoted := false
	for i := 0; i < len(line); i++ {
		switch {
		case quoted && line[i] == '\\':
			i++
		case line[i] == '"':
			quoted = !quoted
		case !quoted && line[i] == '#':
			return strings.TrimSpace(line[:i]), line[i:]
		}
	}
	return strings.TrimSpace(line), ""
}

// comment takes the marks away; indented lines stay indented.
func comment(text string) string {
	var lines []string
	for line := range strings.SplitSeq(text, "\n") {
		lines = append(lines, strings.TrimPrefix(strings.TrimPrefix(line, "#"), " "))
	}
	return strings.Trim(strings.Join(lines, "\n"), "\n")
}

// need marks keys without a default in the reference configuration.
const need = "[need]"

// WriteConfiguration writes textback.toml(5) out of the reference configuration.
func WriteConfiguration(w io.Writer, text string, p Page) error {
	intro, groups, err := reference(text)
	if err != nil {
		return err
	}
	var r roff
	r.head("textback.toml", "5", "textback", p)
	r.section("NAME")
	r.WriteString("textback.toml \\- configuration of textback\n")
	r.section("SYNOPSIS")
	r.WriteString("\\fI/etc/textback/textback.toml\\fR\n")
	r.section("DESCRIPTION")
	r.paragraphs("The file is TOML 1.0. `textback check` says what is wrong with it, in which line, and what to write instead; a key that it does\n" +
		"not know is an error. `systemctl reload textback` puts a changed file in force; a wrong one changes nothing.\n\n" +
		"What follows is the reference configuration. It stands with this page in\n" +
		"`/usr/share/doc/textback/examples/reference.toml`.\n\n" + strings.ReplaceAll(intro, need, "(needed)"))
	seen := map[string]bool{}
	for _, g := range groups {
		if g.title == "" {
			g.title = "General"
		}
		r.section(g.title)
		for _, t := range g.tables {
			switch {
			case t.name == "":
			case seen[t.name]:
				r.subsection(t.name + ", another")
			default:
				r.subsection(t.name)
			}
			seen[t.name] = true
			if t.comment != "" {
				r.paragraphs(t.comment)
			}
			for _, k := range t.keys {
				r.key(k)
			}
		}
	}
	r.section("FILES")
	r.item(`\fI/etc/textback/textback.toml\fR`, "This file: owner root, group textback, mode 640.")
	r.item(`\fI/usr/share/doc/textback/examples\fR`, "This file with every key, and the shortest useful one.")
	r.section("SEE ALSO")
	r.WriteString("\\fBtextback\\fR(1)\n")
	_, err = io.WriteString(w, r.String())
	return err
}

// longest is the number of characters of a value that stand beside its key.
const longest = 60

func (r *roff) key(k keyText) {
	said, needed := k.comment, ""
	if s, ok := strings.CutPrefix(said, need); ok {
		said, needed = strings.TrimSpace(s), ` (needed)`
	}
	if len(k.value) <= longest {
		r.item(`\fB`+code(k.name)+`\fR = `+code(k.value)+needed, said)
		return
	}
	r.item(`\fB`+code(k.name)+`\fR`+needed, said)
	r.WriteString(".RS\n.EX\n")
	for line := range strings.SplitSeq(k.value, "\n") {
		r.WriteString(code(line) + "\n")
	}
	r.WriteString(".EE\n.RE\n")
}
