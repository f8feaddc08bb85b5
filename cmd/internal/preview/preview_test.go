package preview

import (
	"bytes"
	"io/fs"
	"strings"
	"testing"
	"time"

	"textback/configs"
)

// now is a Friday evening in New York.
var now = time.Date(2026, 11, 20, 18, 0, 0, 0, time.UTC)

// base is a configuration with hours, a closed day ahead and two templates. %HEAD%, %BUSINESS%, %LINE% and %POLICY% are filled in.
const base = `
[[pbx]]
name = "hq"
kind = "asterisk"
username = "textback"
password = "x"
[[smpp]]
name = "carrier"
addr = "127.0.0.1:2775"
system_id = "acme"
password = "x"
[business.acme]
name = "Acme Plumbing"
timezone = "America/New_York"
region = "US"
%BUSINESS%
[[line]]
number = "+12025550100"
business = "acme"
%LINE%
[policy]
%POLICY%
[template]
open = "{{.Business}}: sorry we missed you! Reply STOP to opt out"
closed = "{{.Business}}: we are closed, sorry. You called {{.When}}. Reply STOP to opt out"
repeat = "{{.Business}}: we missed you again, sorry! Reply STOP to opt out"
%HEAD%
`

const hours = `hours = ["Mon-Fri 08:00-17:30"]
closed = ["2026-12-25"]`

// load fills base in and reads it. parts are pairs of a place and what stands there.
func load(t testing.TB, parts ...string) *configs.Config {
	t.Helper()
	text := base
	for i := 0; i+1 < len(parts); i += 2 {
		text = strings.ReplaceAll(text, "%"+parts[i]+"%", parts[i+1])
	}
	for _, p := range []string{"HEAD", "BUSINESS", "LINE", "POLICY"} {
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

// written is the preview as the terminal shows it, each sentence on one line.
func written(t *testing.T, c *configs.Config) string {
	t.Helper()
	var b bytes.Buffer
	if err := WriteText(&b, Make(c, now)); err != nil {
		t.Fatal(err)
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

func TestWhatCallersGetIsToldAsTheRulesDecideIt(t *testing.T) {
	plain := []string{"BUSINESS", hours}
	for name, tc := range map[string]struct {
		parts []string
		want  []string
	}{
		"in hours": {plain, []string{
			"who rings 20s and hangs up, on Tuesday 24 November at 10:00, in opening hours",
			`gets, Tue 10:00:05: template "open" (the business is open) > Acme Plumbing: sorry we missed you! Reply STOP to opt out [GSM-7, 57 characters, 1 segment]`}},
		"out of hours": {plain, []string{`on Tuesday 24 November at 19:00, out of hours`, `gets, Tue 19:00:05: template "closed" (the business is closed)`,
			"You called this evening."}},
		"at night, at once": {plain, []string{"on Tuesday 24 November at 23:00, in quiet hours",
			`gets, Tue 23:00:05: template "closed" (the business is closed; in quiet hours, as the immediate answer`}},
		"on a closed day":     {plain, []string{`on Friday 25 December at 11:00, a closed day`}},
		"every kind of call":  {plain, []string{"(the same: no-answer, busy, rejected, unreachable, queue-abandoned, queue-timeout, menu-abandoned, voicemail, voicemail-hangup, closed, lost)"}},
		"a short ring":        {plain, []string{"who hangs up after 1s gets nothing: too-short: the caller hung up after 1s; min_ring is 3s"}},
		"withheld":            {plain, []string{"who withholds the number gets nothing: no-number"}},
		"a repeat caller":     {plain, []string{`who was missed and texted 48h ago, and calls again gets, Tue 10:00:05: template "repeat"`}},
		"within the window":   {plain, []string{"who was texted an hour ago, and calls again gets nothing: window: a text went to this caller 1h ago; the window is 24h"}},
		"opted out":           {plain, []string{"who opted out gets nothing: opted-out"}},
		"from another place":  {plain, []string{"from Los Angeles, where it is 05:30 then"}},
		"from abroad":         {plain, []string{"who calls from Jamaica (+1 876) gets nothing: region: a number of JM; allowed are US, CA"}},
		"no answer, ever":     {plain, []string{"who never answered the last 3 texts gets nothing: unanswered-texts"}},
		"a spent budget":      {plain, []string{"who comes after 200 texts in the hour gets nothing: budget"}},
		"hours in words":      {plain, []string{"Open Mon-Fri 08:00-17:30, closed on 2026-12-25 (America/New_York)."}},
		"the answer to STOP":  {plain, []string{`It is confirmed once: "Acme Plumbing: you are opted out`}},
		"nobody for replies":  {plain, []string{"Any other reply waits in `textback threads`: nobody is told of it."}},
		"some outcomes":       {[]string{"POLICY", `outcomes = ["voicemail"]`}, []string{"gets nothing: outcome-off: the policy of +12025550100 sends no text for abandoned", "who leaves a voicemail message, on"}},
		"shadow mode":         {[]string{"POLICY", `shadow = true`}, []string{`would get, were it not for shadow mode, Tue 10:00:05: template "open" (the business is open)`}},
		"a hold at night":     {append([]string{"POLICY", `quiet_action = "hold"`}, plain...), []string{"Wed 08:00:00, held until then", "every text waits until they are over"}},
		"night is skipped":    {append([]string{"POLICY", `quiet_action = "skip"`}, plain...), []string{"gets nothing: quiet:"}},
		"a rule of voicemail": {[]string{"HEAD", "[[rule]]\nname = \"vm\"\nmatch = { outcome = [\"voicemail\"] }\nsend = false"}, []string{`who leaves a voicemail message, on Tuesday 24 November at 10:00 gets nothing: rule: rule "vm" says to send nothing`}},
		"a branch":            {[]string{"HEAD", "[[reply]]\nname = \"prices\"\nmatch = [\"price*\"]\nsend = \"From $89.\""}, []string{`A reply with "price*" (prices) is answered with: "From $89." (GSM-7, 9 characters, 1 segment).`}},
		"a hand-off": {[]string{"HEAD", "[[notify]]\nname = \"desk\"\nkind = \"text\"\nto = [\"+12025550177\"]"},
			[]string{"Any other reply is handed to desk (text)"}},
		"UCS-2": {[]string{"BUSINESS", `help = "Acme Plumbing: we’re on 202 555 0100"`}, []string{"(UCS-2, 36 units, 1 segment because of ’ (U+2019))"}},
		"its own time zone": {[]string{"LINE", "[business.west]\nname = \"Acme West\"\ntimezone = \"America/Los_Angeles\"\nregion = \"US\"\n[[line]]\nnumber = \"+12135550100\"\nbusiness = \"west\""},
			[]string{"Acme West (west) - Open at any hour (America/Los_Angeles).", "On line +12135550100, a caller who rings 20s and hangs up, on Tuesday 24 November at 10:00 "}},
	} {
		got := written(t, load(t, tc.parts...))
		for _, want := range tc.want {
			if !strings.Contains(got, want) {
				t.Errorf("%s: no %q in\n%s", name, want, got)
			}
		}
	}
}

func TestAHeldTextIsTheOneThatLeavesInTheMorning(t *testing.T) {
	p := Make(load(t, "BUSINESS", hours, "POLICY", `quiet_action = "hold"`), now)
	for _, c := range p.Businesses[0].Groups[0].Cases {
		if !strings.Contains(c.Who, "in quiet hours") {
			continue
		}
		if !c.Held || c.Template != "open" || c.Leaves.Format("Mon 15:04") != "Wed 08:00" {
			t.Errorf("%+v", c)
		}
		return
	}
	t.Error("no call at night was made up")
}

func TestLinesWhoseCallersAreTreatedAlikeAreToldOnce(t *testing.T) {
	more := "name = \"Main\"\n[[line]]\nnumber = \"+12025550101\"\nbusiness = \"acme\"\nname = \"Second\"\n" +
		"[[line]]\nnumber = \"+12025550102\"\nbusiness = \"acme\"\npolicy = { window = \"48h\" }"
	g := Make(load(t, "LINE", more), now).Businesses[0].Groups
	if len(g) != 2 || len(g[0].Lines) != 2 || g[0].Lines[1] != "+12025550101 (Second)" || g[1].Lines[0] != "+12025550102" {
		t.Errorf("%d groups: %+v", len(g), g)
	}
}

// TestEveryRegionHasACaller: whatever the numbering plan, the caller in hours gets a text.
func TestEveryRegionHasACaller(t *testing.T) {
	for _, x := range []struct{ region, zone, number string }{{"GB", "Europe/London", "+442079460100"}, {"DE", "Europe/Berlin", "+493012345678"},
		{"FR", "Europe/Paris", "+33142345678"}, {"AU", "Australia/Sydney", "+61255501234"}, {"IN", "Asia/Kolkata", "+911123456789"}} {
		text := strings.NewReplacer(`region = "US"`, `region = "`+x.region+`"`, "America/New_York", x.zone, "+12025550100", x.number).Replace(base)
		text = strings.NewReplacer("%POLICY%", `regions = ["`+x.region+`"]`, "%HEAD%", "", "%BUSINESS%", "", "%LINE%", "").Replace(text)
		c, err := configs.Parse("/etc/textback/textback.toml", []byte(text), configs.Options{Mode: 0o600})
		if err != nil {
			t.Fatal(x.region, err)
		}
		if got := Make(c, now).Businesses[0].Groups[0].Cases[0]; got.Reason != "text" {
			t.Errorf("%s: %+v", x.region, got)
		}
	}
}

func TestTheMinimalFileHasAPreview(t *testing.T) {
	c, err := configs.Parse("/etc/textback/textback.toml", configs.Minimal, configs.Options{ReadFile: func(string) ([]byte, fs.FileMode, error) {
		return []byte("x\n"), 0o640, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	if got := written(t, c); !strings.Contains(got, "were it not for shadow mode") {
		t.Error(got)
	}
	for _, w := range Look(c, nil, now) {
		if w.Message == "" || w.Key == "" || w.Hint == "" {
			t.Errorf("%+v", w)
		}
	}
}
