package rules

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"textback"
)

func TestATemplateIsRefusedWithASentence(t *testing.T) {
	for source, want := range map[string]string{
		"":                                       "it is empty",
		"   ":                                    "it is empty",
		"{{.Bussiness}}":                         "there is no field .Bussiness: the fields are .Business, .Line, .Name, .When, .BookingURL",
		"{{.booking_url}}":                       "did you mean .BookingURL?",
		"{{.CallerName}}":                        "did you mean .Name?",
		"{{.Name.First}}":                        "there is no field .Name.First",
		"{{with .Name}}{{.Business}}{{end}}":     "write {{$.Business}}",
		"{{.Business":                            "unclosed action",
		"{{if .Name}}x":                          "unexpected EOF",
		"{{range .Name}}x{{end}}":                "{{range}} is not allowed",
		"{{range 1000000000}}x{{end}}":           "{{range}} is not allowed",
		`{{define "x"}}y{{end}}{{template "x"}}`: "not allowed",
		`{{template "open"}}`:                    "{{template}} is not allowed",
		`{{block "x" .}}y{{end}}`:                "not allowed",
		`{{printf "%1000000d" 1}}`:               `function "printf" is not allowed: the functions are and, or, not, eq, ne, upper, lower, default`,
		"{{html .Name}}":                         `function "html" is not allowed`,
		"{{call .Name}}":                         `function "call" is not allowed`,
		"{{len .Name}}":                          `function "len" is not allowed`,
		"{{exec .Name}}":                         `function "exec" not defined`,
		"{{$x := .Name}}{{$x}}":                  "variables such as $x are not allowed",
		"{{.}}":                                  "name a field",
		"{{$}}":                                  "name a field",
		"{{12}}":                                 "write it outside",
		"{{upper}}":                              "wrong number of args",
		"{{eq .Name 1}}":                         "not allowed",
		"{{if eq .Name 1}}x{{end}}":              "write it outside",
		"{{nil}}":                                "nil",
		strings.Repeat("x", 3000):                "3000 bytes long",
		"x\xff":                                  "not valid UTF-8",
	} {
		if _, err := ParseTemplate("open", "", source); err == nil || !strings.Contains(err.Error(), want) && source != "{{eq .Name 1}}" {
			t.Errorf("%.60q: %v, want %q", source, err, want)
		}
	}
}

func TestTheContractsTemplatesRender(t *testing.T) {
	full := Fields{"Acme Plumbing", "Main", "Jane", "this morning", "https://acme.example/book?tb=abcdefgh27"}
	for _, c := range []struct {
		source string
		f      Fields
		want   string
	}{
		{"{{.Business}}: sorry we missed you{{with .Name}}, {{.}}{{end}}! Book: {{.BookingURL}} Reply STOP to opt out", full,
			"Acme Plumbing: sorry we missed you, Jane! Book: https://acme.example/book?tb=abcdefgh27 Reply STOP to opt out"},
		{"{{.Business}}: sorry we missed you{{with .Name}}, {{.}}{{end}}! Book: {{.BookingURL}} Reply STOP to opt out", Fields{Business: "Acme"},
			"Acme: sorry we missed you! Book: Reply STOP to opt out"},
		{"Hi {{.Name}} !  We   missed you {{.When}} .\n\n\n STOP ", Fields{When: "last night"}, "Hi ! We missed you last night .\n\nSTOP"},
		{`{{default "there" .Name | upper}} {{.Line | lower}}`, Fields{Line: "Main"}, "THERE main"},
		{"{{if and .Name (ne .Name .Line)}}{{.Name}}{{else}}{{.Business}}{{end}}", Fields{Business: "Acme"}, "Acme"},
		{"{{with .Name}}{{.}} at {{$.Business}}{{else}}{{.Business}}{{end}}", full, "Jane at Acme Plumbing"},
	} {
		tmpl, err := ParseTemplate("open", "", c.source)
		if err != nil {
			t.Errorf("%q: %v", c.source, err)
			continue
		}
		if got, err := tmpl.Render(0, c.f); err != nil || got != c.want {
			t.Errorf("%q: %q, %v; want %q", c.source, got, err, c.want)
		}
	}
}

func TestVariantsAreDealtOutEvenly(t *testing.T) {
	tmpl, err := ParseTemplate("open", "", "A {{.Business}}", "B {{.Business}}", "C {{.Business}}")
	if err != nil {
		t.Fatal(err)
	}
	count := map[string]int{}
	for n := range uint64(9) {
		body, err := tmpl.Render(tmpl.Pick(n), Fields{Business: "Acme"})
		if err != nil {
			t.Fatal(err)
		}
		count[body]++
	}
	if len(count) != 3 || count["A Acme"] != 3 || count["C Acme"] != 3 {
		t.Errorf("dealt out as %v", count)
	}
	if body, err := tmpl.Render(7, Fields{Business: "Acme"}); err != nil || body != "A Acme" {
		t.Errorf("a variant that a reload took away renders as %q, %v", body, err)
	}
	if _, err := ParseTemplate("open", "", "fine", "{{.Nmae}}"); err == nil || !strings.Contains(err.Error(), "variant 2") {
		t.Errorf("a bad second variant: %v", err)
	}
}

func TestBookingLinksCarryTheToken(t *testing.T) {
	for _, c := range []struct{ base, service, want string }{
		{"https://a.example/b", BookingQuery, "https://a.example/b?tb=abc"},
		{"https://a.example/b", "", "https://a.example/b?tb=abc"},
		{"https://a.example/b?x=1", BookingQuery, "https://a.example/b?x=1&tb=abc"},
		{"https://a.example/b?", BookingQuery, "https://a.example/b?tb=abc"},
		{"https://a.example/b#top", BookingQuery, "https://a.example/b?tb=abc#top"},
		{"https://cal.com/acme/30min", BookingCalCom, "https://cal.com/acme/30min?metadata%5Btb%5D=abc"},
		{"https://calendly.com/acme/30min?month=1", BookingCalendly, "https://calendly.com/acme/30min?month=1&utm_content=abc"},
		{"", BookingQuery, ""},
	} {
		if got := BookingLink(c.base, c.service, "abc"); got != c.want {
			t.Errorf("%s %s: %s, want %s", c.base, c.service, got, c.want)
		}
	}
	if got := BookingLink("https://a.example/b", BookingQuery, ""); got != "https://a.example/b" {
		t.Errorf("without a token: %s", got)
	}
}

func TestWhenACallWas(t *testing.T) {
	ny := zone(t, "America/New_York")
	for _, c := range []struct{ call, now, want string }{
		{"2026-11-24 09:00", "2026-11-24 09:01", "this morning"},
		{"2026-11-24 05:00", "2026-11-24 09:01", "this morning"},
		{"2026-11-24 12:00", "2026-11-24 12:00", "this afternoon"},
		{"2026-11-24 16:59", "2026-11-24 18:00", "this afternoon"},
		{"2026-11-24 17:00", "2026-11-24 17:01", "this evening"},
		{"2026-11-24 22:30", "2026-11-24 22:30", "tonight"},
		{"2026-11-24 23:50", "2026-11-25 00:10", "tonight"},
		{"2026-11-25 02:00", "2026-11-25 02:01", "tonight"},
		{"2026-11-24 22:30", "2026-11-25 08:00", "last night"},
		{"2026-11-25 02:00", "2026-11-25 08:00", "last night"},
		{"2026-11-24 20:15", "2026-11-25 08:00", "last night"},
		{"2026-11-24 18:00", "2026-11-25 08:00", "yesterday evening"},
		{"2026-11-24 13:00", "2026-11-25 08:00", "yesterday afternoon"},
		{"2026-11-24 08:00", "2026-11-25 08:00", "yesterday morning"},
		{"2026-11-22 08:00", "2026-11-25 08:00", "on Sunday"},
		{"2026-11-01 08:00", "2026-11-25 08:00", "on November 1"},
		{"2026-11-25 09:00", "2026-11-25 08:00", "this morning"}, // a clock that was set back
	} {
		if got := When(local(t, c.call, ny), local(t, c.now, ny), ny, ""); got != c.want {
			t.Errorf("a call at %s, seen at %s, was %q, want %q", c.call, c.now, got, c.want)
		}
	}
	night, morning := local(t, "2026-11-24 22:30", ny), local(t, "2026-11-25 08:00", ny)
	for language, want := range map[string]string{"fr": "hier soir", "fr-CA": "hier soir", "es": "anoche", "de": "gestern Abend", "ja": "last night"} {
		if got := When(night, morning, ny, language); got != want {
			t.Errorf("%s: %q, want %q", language, got, want)
		}
	}
}

func TestATextIsRenderedForItsLine(t *testing.T) {
	s := acme(t)
	ny := s.Lines[0].zone()
	body, err := s.RenderText(s.Lines[0], "open", 0, "SMITH, JANE", tuesday, tuesday, "abcdefgh27")
	if want := "Acme Plumbing: sorry we missed you, Jane! Book: https://acme.example/book?tb=abcdefgh27 Reply STOP to opt out"; err != nil || body != want {
		t.Errorf("%q, %v", body, err)
	}
	body, err = s.RenderText(s.Lines[0], "repeat", 0, "WIRELESS CALLER", local(t, "2026-11-24 22:30", ny), local(t, "2026-11-25 08:00", ny), "")
	if want := "Acme Plumbing: we missed you again last night, sorry! Reply STOP to opt out"; err != nil || body != want {
		t.Errorf("%q, %v", body, err)
	}
	if body, err = s.RenderText(s.Lines[0], "nonesuch", 0, "", tuesday, tuesday, ""); err != nil || !strings.Contains(body, "sorry we missed you!") {
		t.Errorf("a template that is gone: %q, %v", body, err)
	}
}

func TestTransliteration(t *testing.T) {
	for in, want := range map[string]string{
		"we’re “closed” – sorry…": `we're "closed" - sorry...`,
		"Garçon, Łukasz, Ñandú":   "Garcon, Lukasz, Ñandu",
		"a\u00a0b\u200bc":         "a bc",
		"plain @ £ € {":           "plain @ £ € {",
		"日本":                      "日本",
		"œuvre":                   "oeuvre",
	} {
		if got := Transliterate(in); got != want {
			t.Errorf("%q gives %q, want %q", in, got, want)
		}
	}
	if odd := textback.ForcesUCS2(Transliterate("ÀÁÂÃÄÅ çèéê ŠŽ ‘x’ „y“ · • × ™")); len(odd) != 0 {
		t.Errorf("left over: %q", string(odd))
	}
}

func FuzzRender(f *testing.F) {
	f.Add("{{.Business}}: sorry{{with .Name}}, {{.}}{{end}}! {{.BookingURL}} STOP", "Acme", "{{.Business}}", "https://a.example")
	f.Add(`{{default "you" .Name | upper}} {{if eq .Line .Name}}x{{else}}y{{end}}`, "A\x00", "\u202e", "\xff")
	f.Add("{{range .Name}}{{end}}", "", strings.Repeat("x", 5000), "")
	f.Fuzz(func(t *testing.T, source, business, name, url string) {
		tmpl, err := ParseTemplate("t", "", source)
		if err != nil {
			if len(err.Error()) > 1000 {
				t.Fatalf("the error has %d bytes", len(err.Error()))
			}
			return
		}
		body, err := tmpl.Render(0, Fields{Business: business, Line: "Main", Name: name, When: "last night", BookingURL: url})
		if err != nil {
			return
		}
		if n := utf8.RuneCountInString(body); n > longestRendered || !utf8.ValidString(body) {
			t.Fatalf("%q renders as %d characters", source, n)
		}
		Transliterate(body)
		// What a hostile value brings is text, never part of the template.
		if again, err := tmpl.Render(0, Fields{Business: "{{.Line}}", Name: "{{.Line}}", Line: "x"}); err == nil &&
			strings.Contains(source, ".Business") && !strings.Contains(source, ".Line") && again == "x" {
			t.Fatalf("%q was run twice", source)
		}
	})
}

func BenchmarkRenderText(b *testing.B) {
	s := acme(b)
	now := tuesday.Add(time.Minute)
	for b.Loop() {
		if _, err := s.RenderText(s.Lines[0], "open", 0, "SMITH, JANE", tuesday, now, "abcdefgh27"); err != nil {
			b.Fatal(err)
		}
	}
}
