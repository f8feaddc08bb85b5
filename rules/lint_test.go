package rules

import (
	"strings"
	"testing"
	"text/template"
)

// lintOf puts one template on acme's lines and returns what the linter says, one finding a line.
func lintOf(t *testing.T, language, source string, change func(*Set)) string {
	t.Helper()
	s := acme(t)
	tmpl, err := ParseTemplate("open", language, source)
	if err != nil {
		t.Fatal(err)
	}
	s.Templates = map[string]*Template{"open": tmpl}
	if change != nil {
		change(s)
	}
	var lines []string
	for _, f := range Lint(s) {
		lines = append(lines, f.String())
	}
	return strings.Join(lines, "\n")
}

func TestGoodTemplatesPass(t *testing.T) {
	if got := Lint(acme(t)); len(got) != 0 {
		t.Errorf("the contract's templates: %v", got)
	}
	for _, c := range []struct{ language, source string }{
		{"", "{{.Business}}: sorry we missed you. Reply STOP to opt out"},
		{"", "Acme Plumbing here, sorry! STOP ends this"},
		{"en", "{{.Business}}: sorry! Text UNSUBSCRIBE to end"},
		{"fr", "{{.Business}}: désolé! ARRET pour ne plus recevoir"},
		{"fr-CA", "{{.Business}}: désolé! STOP pour ne plus recevoir"},
		{"es", "{{.Business}}: perdone. BAJA para no recibir"},
		{"de", "{{.Business}}: Verpasst! ABMELDEN stoppt das"},
	} {
		if got := lintOf(t, c.language, c.source, nil); got != "" {
			t.Errorf("%s %q: %s", c.language, c.source, got)
		}
	}
}

func TestBadFirstTextsAreRefused(t *testing.T) {
	alpha := func(s *Set) {
		for _, l := range s.Lines {
			l.From = "AcmePlumb"
		}
	}
	for _, c := range []struct {
		language, source string
		change           func(*Set)
		want             string
	}{
		{"", "Sorry we missed you. Reply STOP to opt out", nil, `error: template "open": it does not say who writes`},
		{"", "{{.Business}}: sorry we missed you", nil, `error: template "open": it does not say how to stop: add "Reply STOP to opt out"`},
		{"", "{{.Business}}: reply stop to opt out", nil, "how to stop"},
		{"", "{{.Business}}: STOPPING by? NONSTOP", nil, "how to stop"},
		{"de", "{{.Business}}: Antwort BAJA", nil, "Antworten Sie STOPP"},
		{"fr", "{{.Business}}: envoyez ABMELDEN", nil, "Répondez ARRÊT"},
		// A word that only the business's name brings is no way out.
		{"", "{{.Business}}: sorry we missed you", func(s *Set) { s.Businesses["acme"].Name = "STOP & SHOP" }, "how to stop"},
		{"", "{{with .Name}}Hi {{.}}, {{$.Business}} here, STOP to end{{else}}Sorry, STOP to end{{end}}", nil, "who writes"},
		{"", "{{.Business}}: sorry! Reply STOP to opt out", alpha, `its sender "AcmePlumb" has letters and cannot receive`},
		{"", "{{.Business}}: sorry! Text us back. Call 202 555 0100 to STOP", alpha, "cannot receive"},
		{"", "{{with .Name}}{{.}}{{end}}", nil, "without a caller's name"},
	} {
		if got := lintOf(t, c.language, c.source, c.change); !strings.Contains(got, c.want) || !strings.Contains(got, "error: ") {
			t.Errorf("%q: %q, want %q", c.source, got, c.want)
		}
	}
	if got := lintOf(t, "", "{{.Business}}: sorry! To STOP these call 202 555 0100", alpha); strings.Contains(got, "error") {
		t.Errorf("a text that invites no reply: %s", got)
	}
}

func TestLongTextsAndOddCharactersAreNamed(t *testing.T) {
	long := "{{.Business}}: " + strings.Repeat("very ", 30) + "sorry. Reply STOP to opt out"
	for _, c := range []struct {
		source string
		change func(*Set)
		want   string
	}{
		{long, nil, `warning: template "open": it takes 2 segments for acme with the longest values (193 characters of 160)`},
		{"{{.Business}}: we’re sorry. Reply STOP to opt out", nil, "’ (U+2019) force UCS-2 and make it 1 segment for acme"},
		{"{{.Business}}: we’re sorry – really, really, really sorry. Reply STOP to opt out", nil,
			"’ (U+2019), – (U+2013) force UCS-2 and make it 2 segments for acme; transliterate = true would make it 1"},
		{"{{.Business}}: sorry. Book {{.BookingURL}} STOP", func(s *Set) { s.Businesses["acme"].BookingURL = "" }, "acme has no booking_url"},
		{"{{.Business}}: sorry. STOP", func(s *Set) { s.Businesses["acme"].Name = "Žluťoučký" }, "Ž (U+017D)"},
		{"{{.Business}}: sorry. STOP", func(s *Set) { s.Rules = []Rule{{Name: "none"}} }, `warning: template "open": no rule uses it`},
	} {
		if got := lintOf(t, "", c.source, c.change); !strings.Contains(got, c.want) || strings.Contains(got, "error: ") {
			t.Errorf("%q: %q, want %q", c.source, got, c.want)
		}
	}
	// The token counts: without it this text is one segment.
	fixed := "Acme Plumbing: book https://acme.example/book Reply STOP to opt out"
	s := "{{.Business}}: book {{.BookingURL}} Reply STOP to opt out" + strings.Repeat("!", 160-len(fixed))
	if got := lintOf(t, "", s, nil); !strings.Contains(got, "2 segments") {
		t.Errorf("the token does not count: %q", got)
	}
	if got := lintOf(t, "", "{{.Business}}: we’re sorry. Reply STOP to opt out", func(s *Set) {
		for _, l := range s.Lines {
			l.Policy.Transliterate = true
		}
	}); got != "" {
		t.Errorf("with transliteration: %q", got)
	}
}

func TestSharedSendersAndBranchesAreLookedAt(t *testing.T) {
	source := "{{.Business}}: sorry. Reply STOP to opt out"
	got := lintOf(t, "", source, func(s *Set) {
		s.Lines = append(s.Lines, &Line{Number: "+12025550102", Business: &Business{Key: "beta", Name: "Beta"}, From: "+12025550100"})
	})
	if !strings.Contains(got, "warning: acme, beta share the sender +12025550100: STOP to it counts for all of them") {
		t.Errorf("shared sender: %q", got)
	}
	got = lintOf(t, "", source, func(s *Set) {
		s.Branches = []Branch{{Name: "prices", Match: []string{"price"}, Template: template.Must(template.New("x").Parse(strings.Repeat("long ", 40)))}}
	})
	if !strings.Contains(got, `warning: template "reply prices": it takes 2 segments`) || strings.Contains(got, "error") {
		t.Errorf("branch: %q", got)
	}
	if got := lintOf(t, "", source, func(s *Set) { s.Templates = nil }); !strings.Contains(got, "there is no template") {
		t.Errorf("no template: %q", got)
	}
}
