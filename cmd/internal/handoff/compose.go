package handoff

import (
	"bytes"
	"fmt"
	netmail "net/mail"
	"strings"
	"time"
	"unicode"

	"github.com/wneessen/go-mail"

	"textback"
)

const (
	maxSubject = 120 // runes
	maxQuoted  = 50  // messages of a thread
)

// compose writes the message for one recipient.
func (m *Mail) compose(d Delivery, to *netmail.Address) (*mail.Msg, error) {
	_, domain, _ := strings.Cut(m.from.Address, "@")
	msg := mail.NewMsg(mail.WithCharset(mail.CharsetUTF8), mail.WithEncoding(mail.EncodingQP))
	msg.FromMailAddress(m.from)
	msg.ToMailAddress(to)
	subject := d.Subject
	if subject == "" {
		subject = d.Type
	}
	msg.Subject(headerText(subject))
	msg.SetDateWithValue(m.opts.Now())
	msg.SetMessageIDWithValue(idPart(d.ID) + "@" + domain)
	if d.Thread != nil {
		// All mails of a conversation refer to the same id, which no mail bears: mail programs then show them as one,
		// and nothing need be remembered from mail to mail.
		root := fmt.Sprintf("<textback-thread-%d-%s@%s>", d.Thread.ID, idPart(d.Thread.Business), domain)
		msg.SetGenHeader(mail.HeaderInReplyTo, root)
		msg.SetGenHeader(mail.HeaderReferences, root)
	}
	// RFC 3834: no vacation notice comes back.
	msg.SetGenHeader("Auto-Submitted", "auto-generated")
	msg.SetGenHeader(mail.HeaderXAutoResponseSuppress, "All")
	msg.SetUserAgent("textback")
	msg.SetBodyString(mail.TypeTextPlain, text(d))
	if d.HTML != "" {
		msg.AddAlternativeString(mail.TypeTextHTML, d.HTML)
	}
	for _, f := range d.Files {
		if err := msg.AttachReader(headerText(f.Name), bytes.NewReader(f.Data), mail.WithFileContentType(mail.ContentType(f.Type))); err != nil {
			return nil, fmt.Errorf("attach %s: %w", headerText(f.Name), err)
		}
	}
	return msg, nil
}

// text is the body: what happened, what was said before, and how to answer.
func text(d Delivery) string {
	var b strings.Builder
	b.WriteString(bodyText(d.Lead))
	b.WriteString("\n")
	if th := d.Thread; th != nil {
		quote(&b, th)
		fmt.Fprintf(&b, "\nAn answer to this mail does not reach the caller. Answer with:\n\n"+
			"    textback threads reply %d \"your text\"\n", th.ID)
	}
	return b.String()
}

func quote(b *strings.Builder, th *textback.Thread) {
	msgs := th.Messages
	if len(msgs) == 0 {
		return
	}
	b.WriteString("\nThe conversation:\n")
	if skip := len(msgs) - maxQuoted; skip > 0 {
		fmt.Fprintf(b, "\n> (%d earlier messages are not shown)\n", skip)
		msgs = msgs[skip:]
	}
	for _, m := range msgs {
		from := "us (automatic)"
		switch {
		case m.In:
			from = "caller"
		case m.Person != "":
			from = m.Person
		}
		fmt.Fprintf(b, "\n> %s, %s:\n", m.At.Format(time.RFC1123Z), oneLine(from))
		for line := range strings.SplitSeq(bodyText(m.Body), "\n") {
			b.WriteString("> " + line + "\n")
		}
		if m.Flag != "" {
			b.WriteString("> [" + oneLine(m.Flag) + "]\n")
		}
	}
}

// bodyText keeps what prints, tabs and line ends; everything else of a stranger's text (control and bidi characters,
// which could make a line read as something else) is left out.
func bodyText(s string) string {
	s = strings.ToValidUTF8(strings.ReplaceAll(s, "\r\n", "\n"), "?")
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\r', r == '\u2028', r == '\u2029':
			return '\n'
		case r == '\n', r == '\t', r == '\u200d', unicode.IsGraphic(r): // zero-width joiner: part of emoji
			return r
		}
		return -1
	}, s)
}

// oneLine is bodyText without line ends.
func oneLine(s string) string { return strings.Join(strings.Fields(bodyText(s)), " ") }

// headerText makes a header's text of anything: one line, printable, bounded. A line break in it could start a header of
// a stranger's choice, and a ready-made encoded word (RFC 2047) bring back what was left out.
func headerText(s string) string {
	s = strings.ReplaceAll(oneLine(s), "=?", "= ?")
	if r := []rune(s); len(r) > maxSubject {
		s = string(r[:maxSubject-1]) + "…"
	}
	return s
}

// idPart makes the left side of a message id: dot-atom characters only (RFC 5322, 3.2.3).
func idPart(s string) string {
	s = strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_' {
			return r
		}
		return '-'
	}, s)
	return s[:min(len(s), 64)]
}
