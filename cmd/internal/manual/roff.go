package manual

import (
	"fmt"
	"io"
	"strings"
)

// Page is what stands in the head and foot of a manual page.
type Page struct {
	Version string
	Date    string // 2006-01-02
}

// roff collects a page in the man(7) macros.
type roff struct{ strings.Builder }

// escapes are the characters that troff would take for something else, or would print as a typographic relative; a reader
// copies commands out of the page. See groff_char(7).
var escapes = strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, "`", `\(ga`, "^", `\(ha`, "~", `\(ti`, `"`, `\(dq`)

// code escapes text that is to stand as it is.
func code(s string) string {
	s = escapes.Replace(s)
	if strings.HasPrefix(s, ".") {
		s = `\&` + s
	}
	return s
}

// prose escapes text in which `code` stands between backquotes.
func prose(s string) string {
	var b strings.Builder
	for i, part := range strings.Split(s, "`") {
		switch {
		case i%2 == 0 || part == "":
			b.WriteString(code(part))
		default:
			b.WriteString(`\fB` + code(part) + `\fR`)
		}
	}
	return b.String()
}

func (r *roff) head(name, section, manual string, p Page) {
	fmt.Fprintf(r, ".\\\" Made by textback/cmd/packaging: do not edit.\n.TH %s %s \"%s\" \"textback %s\" \"%s\"\n.nh\n.ad l\n", strings.ToUpper(name), section,
		code(p.Date), code(p.Version), code(manual))
}

// section begins a section; its name is a macro's argument.
func (r *roff) section(name string)    { fmt.Fprintf(r, ".SH \"%s\"\n", code(name)) }
func (r *roff) subsection(name string) { fmt.Fprintf(r, ".SS \"%s\"\n", code(name)) }

// paragraphs writes text: an empty line ends a paragraph, lines that begin with a space stand as they are.
func (r *roff) paragraphs(text string) {
	open, asIs := false, false
	for line := range strings.SplitSeq(strings.Trim(text, "\n"), "\n") {
		indented := strings.HasPrefix(line, " ") || strings.HasPrefix(line, "\t")
		if asIs && !indented {
			r.WriteString(".EE\n.RE\n")
			asIs, open = false, false
		}
		switch {
		case strings.TrimSpace(line) == "":
			open = false
			continue
		case indented && !asIs:
			r.WriteString(".RS 4\n.EX\n")
			asIs = true
		case !indented && !open:
			r.WriteString(".PP\n")
			open = true
		}
		if asIs {
			r.WriteString(code(strings.TrimPrefix(line, "  ")) + "\n")
		} else {
			r.WriteString(prose(line) + "\n")
		}
	}
	if asIs {
		r.WriteString(".EE\n.RE\n")
	}
}

// item writes a term with what it means; the term is roff already.
func (r *roff) item(term, text string) {
	fmt.Fprintf(r, ".TP\n%s\n", term)
	if text == "" {
		text = `\&`
	} else {
		text = prose(text)
	}
	r.WriteString(text + "\n")
}

// WriteCommands writes textback(1).
func (m *Manual) WriteCommands(w io.Writer, p Page) error {
	var r roff
	r.head("textback", "1", "textback", p)
	r.section("NAME")
	r.WriteString("textback \\- text back the callers that a business missed\n")
	r.section("SYNOPSIS")
	for i, v := range m.Verbs {
		if i > 0 {
			r.WriteString(".br\n")
		}
		r.WriteString(strings.TrimSpace(fmt.Sprintf(`\fBtextback %s\fR %s`, code(v.Name), code(v.Args))) + "\n")
	}
	r.section("DESCRIPTION")
	r.paragraphs(strings.TrimPrefix(description, "\n"))
	r.section("COMMANDS")
	for _, v := range m.Verbs {
		r.subsection(v.Name)
		fmt.Fprintf(&r, ".PP\n\\fBtextback %s\\fR %s\n", code(v.Name), code(v.Args))
		r.paragraphs(strings.ToUpper(v.Short[:1]) + v.Short[1:] + ".")
		r.paragraphs(v.Long)
		for _, f := range v.Flags {
			term := `\fB\-\-` + code(f.Name) + `\fR`
			if f.Arg != "" {
				term += ` \fI` + code(f.Arg) + `\fR`
			}
			r.item(term, f.Text)
		}
	}
	r.section("SIGNALS")
	r.item(`\fBSIGTERM\fR, \fBSIGINT\fR`, "`run` drains and stops within five seconds; what is queued leaves after the next start.")
	r.item(`\fBSIGHUP\fR`, "`run` reads the configuration again. A wrong one changes nothing, and the log says why.")
	r.section("EXIT STATUS")
	r.item("0", "Done.")
	r.item("1", "It failed; standard error tells why.")
	r.item("2", "The command line or the configuration is wrong.")
	r.item("78", "`run`: the configuration is wrong. The unit does not start it again after that.")
	r.section("FILES")
	r.item(`\fI/etc/textback/textback.toml\fR`, "The configuration, see textback.toml(5). Secrets lie beside it, each alone in a file.")
	r.item(`\fI/var/lib/textback/textback.db\fR`, "The state: verdicts, texts, conversations, the opt-out ledger.")
	r.item(`\fI/run/textback/control.sock\fR`, "The socket by which the commands ask the daemon.")
	r.item(`\fI/var/log/textback.log\fR`, "The log, where rsyslog is installed; else `journalctl -t textback`.")
	r.item(`\fI/usr/share/doc/textback\fR`, "The documentation, and examples for the PBX.")
	r.section("SEE ALSO")
	r.WriteString("\\fBtextback.toml\\fR(5), \\fBsystemctl\\fR(1), \\fBjournalctl\\fR(1)\n")
	_, err := io.WriteString(w, r.String())
	return err
}

// description is the one part of the page that the program does not print.
const description = `
textback is a daemon beside a PBX. It listens to the events of Asterisk (ARI) or FreeSWITCH (event socket), recognises that a call
from outside was missed, and within seconds texts the caller through an SMPP link to an SMS gateway. Replies reach a person, STOP
is obeyed, and every missed call ends in exactly one explained verdict.

The daemon is started by systemd as textback.service. The other commands ask it over its control socket, which its group may use;
those that only read open the state file themselves when no daemon runs. Flags and arguments may come in any order.

A first day:

  sudoedit /etc/textback/textback.toml
  sudo -u textback textback check
  sudo systemctl start textback
  sudo textback status
  sudo textback explain +12025550123
`
