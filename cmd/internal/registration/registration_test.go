package registration

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"io/fs"
	"strings"
	"testing"
	"time"

	"textback/configs"
)

var now = time.Date(2026, 11, 20, 18, 0, 0, 0, time.UTC)

const base = `
[[pbx]]
name = "hq"
kind = "asterisk"
username = "textback"
password = "x"
%PBX%
[[smpp]]
name = "carrier"
addr = "127.0.0.1:2775"
system_id = "acme"
password = "x"
[business.acme]
name = "Acme Plumbing"
timezone = "America/New_York"
region = "US"
hours = ["Mon-Fri 08:00-17:30"]
%BUSINESS%
[[line]]
number = "+12025550100"
business = "acme"
%LINE%
[template]
open = "{{.Business}}: sorry we missed you! Book: https://acme.example/b_1*2 Reply STOP to opt out"
closed = "{{.Business}}: we are closed, sorry. Reply STOP to opt out"
%HEAD%
`

func load(t *testing.T, parts ...string) *configs.Config {
	t.Helper()
	text := base
	for i := 0; i+1 < len(parts); i += 2 {
		text = strings.ReplaceAll(text, "%"+parts[i]+"%", parts[i+1])
	}
	for _, p := range []string{"HEAD", "BUSINESS", "LINE", "PBX"} {
		text = strings.ReplaceAll(text, "%"+p+"%", "")
	}
	c, err := configs.Parse("/etc/textback/textback.toml", []byte(text), configs.Options{Mode: 0o600,
		ReadFile: func(path string) ([]byte, fs.FileMode, error) {
			return nil, 0, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
		}})
	if err != nil {
		t.Fatalf("refused: %s", strings.Join(configs.Lines(err), "\n"))
	}
	return c
}

func pack(t *testing.T, v Volume, parts ...string) *Pack {
	t.Helper()
	p, err := Make(load(t, parts...), "acme", v, Told, now)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// value is what a field of a form says.
func (p *Pack) value(t *testing.T, form, name string) Field {
	t.Helper()
	for _, f := range p.Fields {
		if f.Form == form && f.Name == name {
			return f
		}
	}
	t.Fatalf("form %s has no field %s", form, name)
	return Field{}
}

func TestEveryFieldThatACampaignNeedsIsThere(t *testing.T) {
	p := pack(t, Volume{Month: 300, Day: 20, How: "counted", Known: true})
	for form, names := range map[string]string{
		TenDLC: "companyName displayName ein entityType vertical address website phone email usecase description messageFlow sample1 sample2 optinKeywords " +
			"optinMessage optoutKeywords optoutMessage helpKeywords helpMessage subscriberOptin subscriberOptout subscriberHelp embeddedLink embeddedPhone numberPool " +
			"directLending ageGated affiliateMarketing phoneNumbers privacyPolicyLink termsAndConditionsLink",
		TollFree: "companyName businessRegistrationType country address website contact phoneNumbers useCase useCaseSummary sample1 messageVolume optInWorkflow " +
			"optInWorkflowImageURLs helpMessage privacyPolicyLink termsAndConditionsLink additionalInformation",
		General: "companyName senders destinations trafficType description consent sample1 monthlyVolume quietHours optoutKeywords helpMessage retention",
	} {
		for _, name := range strings.Fields(names) {
			f := p.value(t, form, name)
			if s := f.Trouble(); s != "" {
				t.Errorf("%s %s: %s", form, name, s)
			}
			if f.Value == "" && f.Origin != FillIn {
				t.Errorf("%s %s is empty and not marked", form, name)
			}
		}
	}
}

func TestWhatIsSentIsWhatIsRegistered(t *testing.T) {
	p := pack(t, Volume{}, "BUSINESS", `help = "Acme Plumbing: call 202 555 0100"`)
	for name, want := range map[string]string{
		"sample1":        "Acme Plumbing: sorry we missed you! Book: https://acme.example/b_1*2 Reply STOP to opt out",
		"sample2":        "Acme Plumbing: we are closed, sorry. Reply STOP to opt out",
		"helpMessage":    "Acme Plumbing: call 202 555 0100",
		"optoutMessage":  "Acme Plumbing: you are opted out and will get no more texts from us. Reply START to opt back in.",
		"embeddedLink":   "yes",
		"embeddedPhone":  "no",
		"phoneNumbers":   "+12025550100",
		"helpKeywords":   "HELP, INFO",
		"optinKeywords":  "START, UNSTOP",
		"directLending":  "no",
		"displayName":    "Acme Plumbing",
		"companyName":    "",
		"numberPool":     "no",
		"subscriberHelp": "yes",
	} {
		if got := p.value(t, TenDLC, name); got.Value != want {
			t.Errorf("%s is %q, want %q", name, got.Value, want)
		}
	}
	if f := p.value(t, TenDLC, "companyName"); f.Origin != FillIn {
		t.Errorf("%+v", f)
	}
	if f := p.value(t, TenDLC, "directLending"); f.Origin != Suggested {
		t.Errorf("%+v: the configuration does not know", f)
	}
}

func TestWhatStandsInTheWayIsSaid(t *testing.T) {
	all := func(p *Pack) string { return strings.Join(p.Before, "\n") }
	for name, tc := range map[string]struct {
		parts []string
		want  string
	}{
		"nobody answers replies": {nil, "no [[notify]] is told of them"},
		"no figures":             {nil, "concluded from the limits"},
		"shadow mode":            {[]string{"LINE", "policy = { shadow = true }"}, "Shadow mode is on"},
		"a nameless help":        {[]string{"BUSINESS", `help = "call 202 555 0100"`}, "The answer to HELP does not name the business"},
		"a key to decline":       {nil, "The greeting offers a key for no text"},
	} {
		if got := all(pack(t, Volume{}, tc.parts...)); !strings.Contains(got, tc.want) {
			t.Errorf("%s: no %q in\n%s", name, tc.want, got)
		}
	}
	p := pack(t, Volume{Known: true}, "PBX", `no_text = ""`)
	if got := all(p) + strings.Join(p.Greeting, ""); strings.Contains(got, "press 9") || strings.Contains(got, "a key for no text") {
		t.Errorf("a key is offered that does nothing: %s", got)
	}
}

func TestTheGreetingIsInTheLanguageOfTheBusiness(t *testing.T) {
	for language, want := range map[string]string{"en": "Thank you for calling Acme Plumbing.", "fr": "Vous êtes bien chez Acme Plumbing.",
		"es": "Gracias por llamar a Acme Plumbing.", "de-AT": "Guten Tag, hier ist Acme Plumbing."} {
		p := pack(t, Volume{}, "BUSINESS", "language = \""+language+"\"")
		if !strings.HasPrefix(p.Greeting[0], want) || !strings.Contains(p.Greeting[0], "9") || !strings.Contains(p.Greeting[0], "STOP") {
			t.Errorf("%s: %q", language, p.Greeting[0])
		}
		if f := p.value(t, TenDLC, "messageFlow"); !strings.Contains(f.Value, p.Greeting[0]) {
			t.Errorf("%s: the story of the opt-in quotes another greeting", language)
		}
	}
}

func TestTheStoryOfTheOptInIsTheOneThatWasChosen(t *testing.T) {
	for _, tc := range []struct {
		noText  string
		consent Consent
		want    string
		before  string
	}{{"", Told, "presses the key is not texted", "offers a key for no text"}, {"", Asked, "Only a customer who presses the key is texted", "asks for a key: let the dialplan begin"},
		{`no_text = ""`, Asked, "Only a customer who presses the key is texted", "write no_text first"}} {
		p, err := Make(load(t, "PBX", tc.noText), "acme", Volume{}, tc.consent, now)
		if err != nil {
			t.Fatal(err)
		}
		f := p.value(t, TenDLC, "messageFlow")
		if !strings.Contains(f.Value, tc.want) || f.Trouble() != "" {
			t.Errorf("%v: %s (%s)", tc.consent, f.Value, f.Trouble())
		}
		if !strings.Contains(strings.Join(p.Before, "\n"), tc.before) {
			t.Errorf("%v: no %q in %q", tc.consent, tc.before, p.Before)
		}
	}
}

func TestATollFreeLineIsTold(t *testing.T) {
	if f := pack(t, Volume{}).value(t, TollFree, "phoneNumbers"); !strings.HasPrefix(f.Value, "none") {
		t.Errorf("%+v", f)
	}
	p := pack(t, Volume{Month: 1200, Known: true, How: "counted"}, "LINE", `from = "+18005550100"`)
	if f := p.value(t, TollFree, "phoneNumbers"); f.Value != "+18005550100" {
		t.Errorf("%+v", f)
	}
	if f := p.value(t, TollFree, "messageVolume"); f.Value != "10000" || f.Origin != FromFigures {
		t.Errorf("%+v", f)
	}
	for _, from := range []string{"+18005550100", "+442079460100"} {
		if f := pack(t, Volume{}, "LINE", `from = "`+from+`"`).value(t, TenDLC, "phoneNumbers"); !strings.HasPrefix(f.Value, "none") {
			t.Errorf("%+v", f)
		}
	}
}

func TestAValueOfTheWrongLengthIsSaid(t *testing.T) {
	p := pack(t, Volume{}, "BUSINESS", `help = "Acme Plumbing: `+strings.Repeat("call us ", 45)+`"`)
	var b bytes.Buffer
	if err := WriteMarkdown(&b, p, TenDLC); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(b.String(), "**Too long or too short**: 375 characters; at most 320 are taken.") && !strings.Contains(b.String(), "at most 320 are taken") {
		t.Error(b.String())
	}
}

func TestTheTablesHoldEveryFieldAndNoFormula(t *testing.T) {
	p := pack(t, Volume{}, "BUSINESS", `help = "=cmd() Acme Plumbing"`)
	var b bytes.Buffer
	if err := WriteCSV(&b, []*Pack{p}, ""); err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(&b).ReadAll()
	if err != nil || len(rows) != len(p.Fields)+1 {
		t.Fatalf("%d rows of %d fields: %v", len(rows), len(p.Fields), err)
	}
	for _, r := range rows {
		for _, c := range r {
			if strings.HasPrefix(c, "=") {
				t.Errorf("%q would be a formula", c)
			}
		}
	}
	b.Reset()
	if err := WriteJSON(&b, []*Pack{p}, General); err != nil {
		t.Fatal(err)
	}
	var out []Pack
	if err := json.Unmarshal(b.Bytes(), &out); err != nil || len(out) != 1 || out[0].Fields[0].Form != General {
		t.Fatalf("%v: %+v", err, out)
	}
}

func TestABusinessWithoutALineHasNothingToRegister(t *testing.T) {
	c := load(t, "HEAD", "[business.other]\nname = \"Other\"\ntimezone = \"UTC\"\nregion = \"US\"")
	if _, err := Make(c, "other", Volume{}, Told, now); err == nil || !strings.Contains(err.Error(), "has no line") {
		t.Error(err)
	}
	if _, err := Make(c, "nobody", Volume{}, Told, now); err == nil {
		t.Error("nobody was registered")
	}
}
