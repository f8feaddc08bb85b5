package handoff

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"mime"
	"mime/quotedprintable"
	netmail "net/mail"
	"strings"
	"testing"
	"time"

	"textback"
)

func newTestMail(t testing.TB, s *smtpServer, change func(*MailOptions)) *Mail {
	t.Helper()
	o := MailOptions{From: "textback <textback@pbx.example>", To: []string{"ann@acme.example"}, HELO: "pbx.example", Now: at,
		Timeout: 10 * time.Second}
	if s != nil {
		o.Server, o.TLS = s.addr, &tls.Config{RootCAs: s.roots}
	}
	if change != nil {
		change(&o)
	}
	m, err := NewMail(o)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// parseMail reads a mail as a mail program would.
func parseMail(t testing.TB, data string) (h netmail.Header, body string) {
	t.Helper()
	m, err := netmail.ReadMessage(strings.NewReader(data))
	if err != nil {
		t.Fatalf("%v in\n%s", err, data)
	}
	b, err := io.ReadAll(quotedprintable.NewReader(m.Body))
	if err != nil {
		t.Fatal(err)
	}
	return m.Header, strings.ReplaceAll(string(b), "\r\n", "\n")
}

func subjectOf(t testing.TB, h netmail.Header) string {
	t.Helper()
	s, err := new(mime.WordDecoder).DecodeHeader(h.Get("Subject"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestAReplyIsMailedWithItsConversation(t *testing.T) {
	srv := startSMTP(t, nil)
	m := newTestMail(t, srv, nil)
	d := testReply(t)
	d.Thread = testThread()
	res, err := m.Send(t.Context(), d)
	if err != nil || !res.Delivered {
		t.Fatalf("%+v, %v", res, err)
	}
	mails := srv.taken()
	if len(mails) != 1 || !mails[0].encrypted || !strings.HasPrefix(mails[0].from, "FROM:<textback@pbx.example>") ||
		fmt.Sprint(mails[0].to) != "[TO:<ann@acme.example>]" {
		t.Fatalf("%+v", mails)
	}
	if strings.Contains(mails[0].from, "SMTPUTF8") {
		t.Errorf("asks for SMTPUTF8: %s", mails[0].from)
	}
	h, body := parseMail(t, mails[0].data)
	for name, want := range map[string]string{
		"From": `"textback" <textback@pbx.example>`, "To": "<ann@acme.example>", "Date": "Tue, 24 Nov 2026 15:00:00 +0000",
		"Message-Id": "<msg_1@pbx.example>", "References": "<textback-thread-17-acme@pbx.example>",
		"In-Reply-To": "<textback-thread-17-acme@pbx.example>", "Auto-Submitted": "auto-generated",
		"Content-Type": "text/plain; charset=UTF-8",
	} {
		if got := h.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if got := subjectOf(t, h); got != "Texts with Jane (+12025550123)" {
		t.Errorf("subject %q", got)
	}
	want := `Jane (+12025550123) wrote:

My sink leaks

The conversation:

> Tue, 24 Nov 2026 14:58:00 UTC, us (automatic):
> Acme: sorry we missed you!

> Tue, 24 Nov 2026 15:00:00 UTC, caller:
> My sink leaks
> can you come?
> [may ask to stop]

> Tue, 24 Nov 2026 15:01:00 UTC, Ann:
> At 5?

An answer to this mail does not reach the caller. Answer with:

    textback threads reply 17 "your text"
`
	want = strings.ReplaceAll(want, " UTC,", " +0000,")
	if strings.TrimRight(body, "\n") != strings.TrimRight(want, "\n") {
		t.Errorf("body:\n%s\nwant:\n%s", body, want)
	}
}

func TestNothingThatAStrangerWritesBecomesAHeader(t *testing.T) {
	m := newTestMail(t, nil, func(o *MailOptions) { o.Server = "localhost" })
	for _, evil := range []string{"x\r\nBcc: victim@example.org\r\n\r\nSpam", "x\nSubject: y", "x\rTo: z", "x\u2028Bcc: v@e.org", "\u202edaeh", "\x00\x01",
		strings.Repeat("long ", 500), "=?utf-8?q?=E2=80=AEBcc:?=", ".\r\n.\r\nQUIT"} {
		th := testThread()
		th.Business, th.Name = evil, evil
		th.Messages = append(th.Messages, textback.Message{In: true, Body: evil, Flag: evil, At: at()})
		d, err := New(evil, TypeReply, at(), ReplyOf(th, textback.Reply{Body: evil}, evil, true))
		if err != nil {
			t.Fatal(err)
		}
		d.Thread = th
		checkHeaders(t, m, d)
	}
}

// checkHeaders: the headers are those that we write, each once, in ASCII.
func checkHeaders(t testing.TB, m *Mail, d Delivery) {
	t.Helper()
	msg, err := m.compose(d, m.to[0])
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if _, err := msg.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	h, body := parseMail(t, b.String())
	allowed := " Date Mime-Version Message-Id Subject User-Agent X-Mailer From To Content-Type Content-Transfer-Encoding In-Reply-To " +
		"References Auto-Submitted X-Auto-Response-Suppress "
	for name, values := range h {
		if !strings.Contains(allowed, " "+name+" ") || len(values) != 1 {
			t.Errorf("header %s: %q", name, values)
		}
	}
	head, _, _ := strings.Cut(b.String(), "\r\n\r\n")
	for _, c := range head {
		if c != '\r' && c != '\n' && c != '\t' && (c < ' ' || c > '~') {
			t.Errorf("%U in the header", c)
		}
	}
	if h.Get("To") != "<ann@acme.example>" || len([]rune(subjectOf(t, h))) > maxSubject || strings.ContainsAny(body+subjectOf(t, h), "\x00\u202e") {
		t.Errorf("to %q, subject %q", h.Get("To"), subjectOf(t, h))
	}
}

func FuzzMail(f *testing.F) {
	f.Add("Jane", "My sink leaks", "msg_1")
	f.Add("x\r\nBcc: v@example.org", ".\r\n.", "a\nb")
	f.Add("\u202e=?utf-8?b?QmNjOg==?=", "\xff\x00", "<>@")
	m := newTestMail(f, nil, func(o *MailOptions) { o.Server = "localhost" })
	f.Fuzz(func(t *testing.T, name, body, id string) {
		th := testThread()
		th.Name = name
		th.Messages = append(th.Messages, textback.Message{In: true, Body: body, At: at()})
		d, err := New(id, TypeReply, at(), ReplyOf(th, textback.Reply{Body: body}, name, true))
		if err != nil {
			t.Fatal(err)
		}
		d.Thread = th
		checkHeaders(t, m, d)
	})
}

func TestTheConnectionIsAsSafeAsWasAskedFor(t *testing.T) {
	login := func(mode string) func(*MailOptions) {
		return func(o *MailOptions) { o.StartTLS, o.Username, o.Password = mode, "tb", "topsecret" }
	}
	for name, tt := range map[string]struct {
		server    func(*smtpServer)
		options   func(*MailOptions)
		delivered bool
		encrypted bool
		login     string
		words     string
	}{
		"always":                     {nil, nil, true, true, "", ""},
		"always, not offered":        {func(s *smtpServer) { s.starttls = false }, nil, false, false, "", "STARTTLS"},
		"always, unknown authority":  {nil, func(o *MailOptions) { o.TLS = nil }, false, false, "", "certificate"},
		"try":                        {nil, func(o *MailOptions) { o.StartTLS = "try" }, true, true, "", ""},
		"try, not offered":           {func(s *smtpServer) { s.starttls = false }, func(o *MailOptions) { o.StartTLS = "try" }, true, false, "", ""},
		"never":                      {nil, func(o *MailOptions) { o.StartTLS = "never" }, true, false, "", ""},
		"implicit":                   {func(s *smtpServer) { s.implicit = true }, func(o *MailOptions) { o.StartTLS = "implicit" }, true, true, "", ""},
		"log-in":                     {func(s *smtpServer) { s.auth = "PLAIN LOGIN" }, login("always"), true, true, "|tb|topsecret", ""},
		"log-in, implicit":           {func(s *smtpServer) { s.auth, s.implicit = "PLAIN", true }, login("implicit"), true, true, "|tb|topsecret", ""},
		"log-in, try":                {func(s *smtpServer) { s.auth = "PLAIN LOGIN" }, login("try"), true, true, "|tb|topsecret", ""},
		"no password in the clear":   {func(s *smtpServer) { s.auth, s.starttls = "PLAIN LOGIN", false }, login("try"), false, false, "", ""},
		"no password in the clear 2": {func(s *smtpServer) { s.auth = "PLAIN LOGIN" }, login("never"), false, false, "", ""},
		"log-in refused":             {func(s *smtpServer) { s.auth = "PLAIN"; s.say["AUTH"] = "535 5.7.8 bad credentials" }, login("always"), false, false, "", "535"},
	} {
		t.Run(name, func(t *testing.T) {
			srv := startSMTP(t, tt.server)
			m := newTestMail(t, srv, tt.options)
			res, err := m.Send(t.Context(), testReply(t))
			mails := srv.taken()
			if res.Delivered != tt.delivered || (err == nil) != tt.delivered || (len(mails) == 1) != tt.delivered || res.Permanent {
				t.Fatalf("%+v, %v, %d mails", res, err, len(mails))
			}
			if tt.delivered && (mails[0].encrypted != tt.encrypted || mails[0].login != tt.login) {
				t.Errorf("%+v", mails[0])
			}
			if !tt.delivered {
				if strings.Contains(err.Error()+res.Note, "topsecret") || !strings.Contains(err.Error(), tt.words) {
					t.Errorf("error %v, note %q, want %q", err, res.Note, tt.words)
				}
				if name != "log-in refused" && srv.sawCommand("AUTH") {
					t.Error("a log-in was tried")
				}
			}
		})
	}
}

func TestRefusalsArePermanentOnlyWhereTryingAgainIsUseless(t *testing.T) {
	for name, tt := range map[string]struct {
		command, answer string
		permanent       bool
	}{
		"no such recipient": {"RCPT", "550 5.1.1 no such user", true},
		"full mailbox":      {"RCPT", "452 4.2.2 mailbox full", false},
		"content refused":   {".", "554 5.7.1 looks like spam", true},
		"greylisted":        {"RCPT", "450 4.7.1 come back later", false},
		"sender refused":    {"MAIL", "550 5.7.1 not you", false},
		"log-in wanted":     {"RCPT", "530 5.7.0 authentication required", false},
		"shutting down":     {"MAIL", "421 4.3.2 shutting down", false},
		"disk full":         {".", "451 4.3.0 disk full", false},
	} {
		t.Run(name, func(t *testing.T) {
			srv := startSMTP(t, func(s *smtpServer) { s.say[tt.command] = tt.answer })
			m := newTestMail(t, srv, nil)
			res, err := m.Send(t.Context(), testReply(t))
			if err == nil || res.Delivered || res.Permanent != tt.permanent || !strings.Contains(err.Error(), tt.answer[:3]) {
				t.Errorf("%+v, %v", res, err)
			}
			srv.set(tt.command, "")
			if res, err := m.Send(t.Context(), testReply(t)); err != nil || !res.Delivered || len(srv.taken()) != 1 {
				t.Errorf("mended: %+v, %v", res, err)
			}
		})
	}
}

func TestAnotherAttemptGoesOnlyToThoseWhoDoNotHaveItYet(t *testing.T) {
	srv := startSMTP(t, func(s *smtpServer) { s.say["RCPT TO:<bob"] = "450 later"; s.say["RCPT TO:<gone"] = "550 no such user" })
	m := newTestMail(t, srv, func(o *MailOptions) { o.To = []string{"ann@a.example", "bob@a.example", "gone@a.example"} })
	if res, err := m.Send(t.Context(), testReply(t)); err == nil || res.Delivered || res.Permanent {
		t.Errorf("while bob is told later: %+v, %v", res, err)
	}
	srv.set("RCPT TO:<bob", "")
	res, err := m.Send(t.Context(), testReply(t))
	if err != nil || !res.Delivered || !strings.HasPrefix(res.Note, "refused for gone@a.example: ") {
		t.Errorf("%+v, %v", res, err)
	}
	var to []string
	for _, mail := range srv.taken() {
		to = append(to, mail.to...)
	}
	if fmt.Sprint(to) != "[TO:<ann@a.example> TO:<bob@a.example>]" {
		t.Errorf("mails to %v", to)
	}
	if len(m.done) != 0 {
		t.Errorf("remembered: %v", m.done)
	}
}

func TestWhatTheServerTookIsDeliveredWhateverComesAfter(t *testing.T) {
	for _, command := range []string{"RSET", "QUIT"} {
		srv := startSMTP(t, func(s *smtpServer) { s.say[command] = "421 4.3.2 sorry" })
		m := newTestMail(t, srv, nil)
		if res, err := m.Send(t.Context(), testReply(t)); err != nil || !res.Delivered || len(srv.taken()) != 1 {
			t.Errorf("%s fails: %+v, %v", command, res, err)
		}
	}
}

func TestAServerThatHangsIsGivenUpInTime(t *testing.T) {
	for _, command := range []string{"EHLO", "MAIL", "DATA"} {
		srv := startSMTP(t, func(s *smtpServer) { s.hang = command })
		m := newTestMail(t, srv, func(o *MailOptions) { o.Timeout = 100 * time.Millisecond })
		if res, err := m.Send(t.Context(), testReply(t)); err == nil || res.Delivered || res.Permanent {
			t.Errorf("%s: %+v, %v", command, res, err)
		}
		m = newTestMail(t, srv, func(o *MailOptions) { o.Timeout = time.Hour })
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		if res, err := m.Send(ctx, testReply(t)); err == nil || res.Delivered {
			t.Errorf("%s, stopped: %+v, %v", command, res, err)
		}
		cancel()
	}
}

func TestMailThatCannotWorkIsRefused(t *testing.T) {
	for name, o := range map[string]MailOptions{
		"no server": {From: "a@b.example", To: []string{"c@d.example"}},
		"port":      {Server: "mail:smtp", From: "a@b.example", To: []string{"c@d.example"}},
		"from":      {Server: "mail", From: "nobody", To: []string{"c@d.example"}},
		"no to":     {Server: "mail", From: "a@b.example"},
		"to":        {Server: "mail", From: "a@b.example", To: []string{"c@d.example\r\nRCPT TO:<x@y>"}},
		"starttls":  {Server: "mail", From: "a@b.example", To: []string{"c@d.example"}, StartTLS: "maybe"},
	} {
		if m, err := NewMail(o); err == nil {
			t.Errorf("%s: %v", name, m)
		}
	}
	m, err := NewMail(MailOptions{Server: "mail.acme.example", From: "a@b.example", To: []string{"c@d.example"}})
	if err != nil || m.String() != "mail mail.acme.example:587" {
		t.Errorf("%v, %v", m, err)
	}
}
