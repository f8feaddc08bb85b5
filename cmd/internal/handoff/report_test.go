package handoff

import (
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	netmail "net/mail"
	"os"
	"strings"
	"testing"
)

func TestAReportIsMailedAsTextAsHTMLAndAsAFile(t *testing.T) {
	srv := startSMTP(t, nil)
	m := newTestMail(t, srv, nil)
	d, err := New("msg_9", TypeReport, at(), struct{}{})
	if err != nil {
		t.Fatal(err)
	}
	page := "<!DOCTYPE html><p>Änderung & more</p>" + strings.Repeat("<rect x=\"1\"/>", 500)
	d.Subject, d.Lead, d.HTML = "Missed calls, week of 16 Nov", "Missed calls  12\n", "<pre>Missed calls  12</pre>"
	d.Files = []File{{Name: "report 2026-11-16.html\r\nBcc: x@evil.example", Type: "text/html; charset=utf-8", Data: []byte(page)}}
	queued, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	var back Delivery
	if err := json.Unmarshal(queued, &back); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Send(t.Context(), back); err != nil {
		t.Fatal(err)
	}
	msg, err := netmail.ReadMessage(strings.NewReader(srv.taken()[0].data))
	if err != nil {
		t.Fatal(err)
	}
	if msg.Header.Get("Bcc") != "" || msg.Header.Get("Subject") != d.Subject {
		t.Errorf("%v", msg.Header)
	}
	parts := leaves(t, msg.Header.Get("Content-Type"), msg.Body)
	if len(parts) != 3 || !strings.HasPrefix(parts[0].kind, "text/plain") || parts[0].body != "Missed calls  12\n\n" ||
		!strings.HasPrefix(parts[1].kind, "text/html") || parts[1].body != d.HTML || !strings.HasPrefix(parts[2].kind, "text/html") || parts[2].body != page {
		t.Errorf("%+v", parts)
	}
	if !strings.HasPrefix(parts[2].file, "report 2026-11-16.html") || strings.ContainsAny(parts[2].file, "\r\n") {
		t.Errorf("the file is named %q", parts[2].file)
	}
}

type leaf struct{ kind, file, body string }

// leaves are the parts of a message that have no parts, in order.
func leaves(t *testing.T, kind string, body io.Reader) (all []leaf) {
	t.Helper()
	media, params, err := mime.ParseMediaType(kind)
	if err != nil {
		t.Fatalf("%q: %v", kind, err)
	}
	if !strings.HasPrefix(media, "multipart/") {
		t.Fatalf("a part of %s", media)
	}
	r := multipart.NewReader(body, params["boundary"])
	for {
		p, err := r.NextRawPart()
		if err == io.EOF {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		if k := p.Header.Get("Content-Type"); strings.HasPrefix(k, "multipart/") {
			all = append(all, leaves(t, k, p)...)
			continue
		}
		var in io.Reader = p
		switch p.Header.Get("Content-Transfer-Encoding") {
		case "quoted-printable":
			in = quotedprintable.NewReader(p)
		case "base64":
			in = base64.NewDecoder(base64.StdEncoding, p)
		}
		b, err := io.ReadAll(in)
		if err != nil {
			t.Fatal(err)
		}
		name := p.FileName()
		if word, err := new(mime.WordDecoder).DecodeHeader(name); err == nil {
			name = word
		}
		all = append(all, leaf{p.Header.Get("Content-Type"), name, strings.ReplaceAll(string(b), "\r\n", "\n")})
	}
}

func TestAReportWithItsFileGoesThroughARealExim(t *testing.T) {
	addr, dir, roots := startExim(t)
	m, err := NewMail(MailOptions{Server: addr, TLS: &tls.Config{RootCAs: roots}, From: "textback@pbx.example", To: []string{"ann@acme.example"},
		Username: "tb", Password: "topsecret"})
	if err != nil {
		t.Fatal(err)
	}
	d, err := New("msg_10", TypeReport, at(), struct{}{})
	if err != nil {
		t.Fatal(err)
	}
	page := strings.Repeat("<rect x=\"1\" y=\"2\"/>\nFrom here on 北 🎉\n.\n", 2000)
	d.Subject, d.Lead, d.HTML = "Missed calls", "Missed calls  12", "<pre>Missed calls  12</pre>"
	d.Files = []File{{Name: "textback-2026-11-16.html", Type: "text/html; charset=utf-8", Data: []byte(page)}}
	if res, err := m.Send(t.Context(), d); err != nil || !res.Delivered {
		t.Fatalf("%+v, %v", res, err)
	}
	var box []byte
	waitFor(t, "the mail in the mailbox", func() bool {
		box, _ = os.ReadFile(dir + "/mail/box") // not there before the first mail
		return strings.HasSuffix(string(box), "--\n\n")
	})
	_, mail, _ := strings.Cut(string(box), "\n")
	msg, err := netmail.ReadMessage(strings.NewReader(mail))
	if err != nil {
		t.Fatal(err)
	}
	parts := leaves(t, msg.Header.Get("Content-Type"), msg.Body)
	if len(parts) != 3 || parts[2].body != page || parts[2].file != d.Files[0].Name || parts[1].body != d.HTML {
		t.Errorf("%d parts, the file has %d bytes, want %d", len(parts), len(parts[len(parts)-1].body), len(page))
	}
}
