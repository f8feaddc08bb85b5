package configs

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"textback"
	"textback/rules"
)

// webhookSecret is the example of the Standard Webhooks specification.
const webhookSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// files serves the files that a test's configuration names; every *.password and *.token exists.
func files(extra map[string]string) func(string) ([]byte, fs.FileMode, error) {
	return func(path string) ([]byte, fs.FileMode, error) {
		if text, ok := extra[filepath.Base(path)]; ok {
			return []byte(text), 0o640, nil
		}
		switch name := filepath.Base(path); {
		case name == "page.password":
			return []byte("correct-horse\n"), 0o640, nil
		case name == "crm.secret":
			return []byte(webhookSecret + "\n"), 0o640, nil
		case strings.HasSuffix(name, ".password"):
			return []byte("hunter2\n"), 0o640, nil
		case strings.HasSuffix(name, ".token"), strings.HasSuffix(name, ".secret"), strings.HasSuffix(name, ".dsn"):
			return []byte("0123456789abcdef0123\n"), 0o640, nil
		}
		return nil, 0, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
	}
}

func parse(t *testing.T, text string, extra map[string]string) (*Config, error) {
	t.Helper()
	return Parse("/etc/textback/textback.toml", []byte(text),
		Options{ReadFile: files(extra), Getenv: func(string) string { return "" }})
}

func mustParse(t *testing.T, text string) *Config {
	t.Helper()
	c, err := parse(t, text, nil)
	if err != nil {
		t.Fatalf("refused:\n%s", strings.Join(Lines(err), "\n"))
	}
	return c
}

func TestTheContractFileLoadsAsItStands(t *testing.T) {
	data, err := os.ReadFile("testdata/contract.toml")
	if err != nil {
		t.Fatal(err)
	}
	c := mustParse(t, string(data))

	if c.State != "/var/lib/textback/textback.db" || c.Control != "/run/textback/control.sock" {
		t.Errorf("state %q, control %q", c.State, c.Control)
	}
	if c.Syslog != (Syslog{To: "local", Facility: "local0", FacilityCode: 16, Level: "info"}) {
		t.Errorf("syslog %+v", c.Syslog)
	}
	if len(c.PBXs) != 2 || c.PBXs[0].Kind != Asterisk || c.PBXs[1].Kind != FreeSWITCH {
		t.Fatalf("PBXs %+v", c.PBXs)
	}
	hq := c.PBXs[0]
	if hq.URL != "http://127.0.0.1:8088/ari" || hq.Password.Reveal() != "hunter2" || hq.NoTextName != "TEXTBACK" ||
		hq.NoTextValue != "no" {
		t.Errorf("hq %+v", hq)
	}
	if len(hq.Rewrite) != 1 || hq.Rewrite[0].Match.ReplaceAllString("01144123", hq.Rewrite[0].With) != "+44123" {
		t.Errorf("rewrite %+v", hq.Rewrite)
	}
	if branch := c.PBXs[1]; branch.Addr != "127.0.0.1:8021" || !slices.Equal(branch.Inbound, []string{"public"}) {
		t.Errorf("branch %+v", branch)
	}
	if l := c.SMPPs[0]; l.Rate != 10 || l.Window != 10 || !l.Source.Auto || l.Destination != (Address{TON: 1, NPI: 1}) ||
		l.EnquireLink != 30*time.Second || l.UncertainGrace != 10*time.Minute || !l.Receipts || !l.Reference {
		t.Errorf("smpp %+v", l)
	}

	acme := c.Set.Businesses["acme"]
	if acme == nil || acme.Name != "Acme Plumbing" || acme.Zone.String() != "America/New_York" ||
		acme.Region != "US" || acme.Booking != "query" {
		t.Fatalf("business %+v", acme)
	}
	if len(acme.Hours.Days[time.Saturday]) != 1 || !acme.Hours.Closed[rules.Date{Year: 2026, Month: 12, Day: 25}] {
		t.Errorf("hours %+v", acme.Hours)
	}
	line := c.Set.Lines[0]
	if line.Number != "+12025550100" || line.Business != acme || line.From != "+12025550100" ||
		!slices.Equal(line.Aliases, []string{"5550100"}) {
		t.Errorf("line %+v", line)
	}
	p := line.Policy
	want := defaultPolicy().Policy
	if len(p.Outcomes) != len(textback.MissedOutcomes()) || p.Delay != want.Delay || p.Window != want.Window ||
		p.Quiet != want.Quiet ||
		p.QuietAction != rules.QuietImmediate || p.PerDay != 1000 || p.MaxUnreplied != 3 || p.Shadow || !p.Confirm ||
		p.InThread != 24*time.Hour || p.MaxAutomatic != 3 || p.ReconcileWithin != 15*time.Minute {
		t.Errorf("policy %+v", p)
	}
	if len(c.Set.Templates) != 3 || len(c.Set.Rules) != 4 {
		t.Fatalf("%d templates, %d rules", len(c.Set.Templates), len(c.Set.Rules))
	}
	if r := c.Set.Rules[0]; r.Send || !slices.Equal(r.Match.Lines, []string{"+12025550100"}) ||
		!slices.Equal(r.Match.Outcomes, []textback.Outcome{textback.Voicemail}) {
		t.Errorf("first rule %+v", r)
	}
	if r := c.Set.Rules[2]; !r.Send || r.Template != "repeat" || r.Match.Previous != 1 {
		t.Errorf("third rule %+v", r)
	}
	if c.HTTP.Listen != "" || len(c.Notify) != 0 || c.Retention.Threads != 2160*time.Hour ||
		c.Alarm.Silence != time.Hour {
		t.Errorf("what the file does not name: %+v %+v %+v %+v", c.HTTP, c.Notify, c.Retention, c.Alarm)
	}
}

func TestTheContractFileLoadsFromDiskWithItsSecrets(t *testing.T) {
	data, err := os.ReadFile("testdata/contract.toml")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, name := range []string{"ari", "esl", "smpp"} {
		if err := os.WriteFile(filepath.Join(dir, name+".password"), []byte(name+"-pw\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(dir, "textback.toml")
	data = bytes.ReplaceAll(data, []byte("/etc/textback/"), []byte(dir+"/"))
	if err := os.WriteFile(path, data, 0o640); err != nil {
		t.Fatal(err)
	}
	c, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if c.PBXs[0].Password.Reveal() != "ari-pw" || c.SMPPs[0].Password.Reveal() != "smpp-pw" {
		t.Error("secrets are not those of the files")
	}
}

func TestTheReferenceFileIsAWorkingExample(t *testing.T) {
	c := mustParse(t, string(Reference))
	if len(c.PBXs) != 2 || c.PBXs[0].Callback == nil || c.PBXs[0].Callback.PerHour != 20 || c.PBXs[1].Callback != nil {
		t.Errorf("PBXs %+v", c.PBXs)
	}
	if len(c.Notify) != 3 || len(c.Bookings) != 1 || len(c.Records) != 2 || len(c.Set.Branches) != 2 || !c.Report.Weekly {
		t.Errorf("%d notify, %d booking, %d records, %d branches, report %+v", len(c.Notify), len(c.Bookings),
			len(c.Records), len(c.Set.Branches), c.Report)
	}
	if len(c.Set.Templates["closed"].Variants) != 2 {
		t.Errorf("closed has %d variants", len(c.Set.Templates["closed"].Variants))
	}
	if p := c.Set.Businesses["acme"].Policy; p.Window != 48*time.Hour || p.Delay != 5*time.Second {
		t.Errorf("business policy %+v", p)
	}
	if p := c.Set.Lines[0].Policy; p.Window != 48*time.Hour || len(p.Outcomes) != 3 {
		t.Errorf("line policy %+v", p)
	}
}

// Every default that the reference file states must be the one that a file without the key gets.
func TestTheReferenceFileStatesTheRealDefaults(t *testing.T) {
	ref, min := mustParse(t, string(Reference)), mustParse(t, string(Minimal))
	if ref.State != min.State || ref.Control != min.Control || ref.ControlGroup != min.ControlGroup ||
		ref.Syslog != min.Syslog || ref.Metrics != min.Metrics {
		t.Error("state, control, syslog or metrics differ")
	}
	a, b := ref.PBXs[0], min.PBXs[0]
	a.Callback, a.Rewrite = nil, nil
	if !samePBX(a, b) {
		t.Errorf("pbx\n%+v\n%+v", a, b)
	}
	if ref.SMPPs[0] != min.SMPPs[0] {
		t.Errorf("smpp\n%+v\n%+v", ref.SMPPs[0], min.SMPPs[0])
	}
	if ref.Retention != min.Retention || ref.Backup != min.Backup || ref.Alarm.Silence != min.Alarm.Silence ||
		ref.Alarm.NoTexts != min.Alarm.NoTexts {
		t.Error("retention, backup or alarm differ")
	}
	// [policy]: the global layer of the reference file, seen through a business and line that override nothing.
	text := strings.NewReplacer(`policy      = { window = "48h" }`, "",
		`policy   = { outcomes = ["no-answer", "abandoned", "voicemail"] }`, "").Replace(string(Reference))
	p, q := mustParse(t, text).Set.Lines[0].Policy, min.Set.Lines[0].Policy
	q.Shadow = false
	if got, want := policyText(p), policyText(q); got != want {
		t.Errorf("policy\n%s\n%s", got, want)
	}
}

func TestTheMinimalFileIsEnough(t *testing.T) {
	c := mustParse(t, string(Minimal))
	if c.Set.Lines[0].From != "+12025550100" || !c.Set.Lines[0].Policy.Shadow || c.Set.Templates["open"] == nil {
		t.Errorf("%+v", c.Set.Lines[0])
	}
	for _, w := range c.Warnings {
		if !strings.Contains(w.Message, "unencrypted") {
			t.Errorf("unexpected warning: %v", w)
		}
	}
}

func TestEveryKeyOfTheReferenceFileIsKnownByName(t *testing.T) {
	// A key that is misspelt by one letter must be refused with the right one: nothing is read by accident.
	for _, key := range []string{"no_text", "line_from", "enquire_link", "repeat_within", "quiet_action",
		"trusted_proxies", "booking_url"} {
		text := strings.Replace(string(Reference), "\n"+key, "\n"+key+"x", 1)
		if text == string(Reference) {
			t.Fatalf("%s does not stand at the start of a line", key)
		}
		_, err := parse(t, text, nil)
		if err == nil || !strings.Contains(strings.Join(Lines(err), "\n"), `did you mean "`+key+`"?`) {
			t.Errorf("%sx: %v", key, err)
		}
	}
}

func TestPolicyIsInheritedKeyByKey(t *testing.T) {
	text := strings.NewReplacer(
		`region = "US"`, "region = \"US\"\n[business.acme.policy]\nwindow = \"48h\"\nquiet = \"22:00-07:00\"",
		`business = "acme"`, "business = \"acme\"\npolicy = { quiet_action = \"hold\", window = \"12h\" }",
		"shadow = true", "delay = \"1s\"\nquiet_action = \"skip\"",
	).Replace(string(Minimal))
	c := mustParse(t, text)
	b, l := c.Set.Businesses["acme"].Policy, c.Set.Lines[0].Policy
	if b.Window != 48*time.Hour || b.QuietAction != rules.QuietSkip || b.Delay != time.Second ||
		b.Quiet.String() != "22:00-07:00" {
		t.Errorf("business %+v", b)
	}
	if l.Window != 12*time.Hour || l.QuietAction != rules.QuietHold || l.Delay != time.Second ||
		l.Quiet.String() != "22:00-07:00" {
		t.Errorf("line %+v", l)
	}
}

func TestALineUsesTheLinkOfItsBusinessUnlessItNamesAnother(t *testing.T) {
	second := "[[smpp]]\nname = \"backup\"\naddr = \"127.0.0.1:2775\"\nsystem_id = \"b\"\npassword_file = \"/etc/textback/smpp.password\"\n\n"
	for own, want := range map[string]string{"": "backup", `smpp = "carrier"`: "carrier", `smpp = ""`: ""} {
		text := strings.NewReplacer("[business", second+"[business", `region = "US"`, "region = \"US\"\nsmpp = \"backup\"",
			`business = "acme"`, "business = \"acme\"\n"+own).Replace(string(Minimal))
		if got := mustParse(t, text).Set.Lines[0].SMPP; got != want {
			t.Errorf("%q: link %q, want %q", own, got, want)
		}
	}
}

func TestExcludedAndTestNumbersAreReadInTheRegionOfTheBusiness(t *testing.T) {
	text := strings.Replace(string(Minimal), "shadow = true",
		"exclude_file = \"exclude\"\ntest_numbers = [\"202 555 0123\"]", 1)
	c, err := parse(t, text, map[string]string{"exclude": "# staff\n(202) 555-0199 # Jim\n+1900*\n\n"})
	if err != nil {
		t.Fatal(err)
	}
	p := c.Set.Lines[0].Policy
	if !slices.Equal(p.Exclude, []string{"+12025550199", "+1900*"}) ||
		!slices.Equal(p.TestNumbers, []string{"+12025550123"}) {
		t.Errorf("exclude %q, test %q", p.Exclude, p.TestNumbers)
	}
}

func TestAMistakeInTheExcludeFileNamesThatFile(t *testing.T) {
	text := strings.Replace(string(Minimal), "shadow = true", "exclude_file = \"exclude\"", 1)
	_, err := parse(t, text, map[string]string{"exclude": "+12025550199\nJim\n"})
	var e *Error
	if !errors.As(err, &e) || e.File != "/etc/textback/exclude" || e.Line != 2 {
		t.Fatalf("got %v", err)
	}
}

func TestSeveralMistakesAreAllReportedInTheOrderOfTheFile(t *testing.T) {
	text := strings.NewReplacer(`username = "textback"`, `usrname = "textback"`, `region = "US"`, `region = "USA"`,
		"shadow = true", "per_day = -1").Replace(string(Minimal))
	_, err := parse(t, text, nil)
	var es Errors
	if !errors.As(err, &es) || len(es) != 4 {
		t.Fatalf("got %v", err)
	}
	if !slices.IsSortedFunc(es, func(a, b *Error) int { return a.Line - b.Line }) {
		t.Errorf("not in order: %v", err)
	}
	var one *Error
	if !errors.As(err, &one) {
		t.Error("errors.As does not reach a single mistake")
	}
}

func TestAFloodOfMistakesIsBounded(t *testing.T) {
	var b strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&b, "key%d = 1\n", i)
	}
	_, err := parse(t, b.String(), nil)
	var es Errors
	if !errors.As(err, &es) || len(es) != maxErrors+1 {
		t.Fatalf("%d errors", len(es))
	}
	if _, err := parse(t, strings.Repeat("#\n", maxFile), nil); err == nil || !strings.Contains(err.Error(), "at most") {
		t.Errorf("a huge file: %v", err)
	}
	if _, err := parse(t, "x = "+strings.Repeat("[", 9000)+strings.Repeat("]", 9000), nil); err == nil ||
		!strings.Contains(err.Error(), "levels") {
		t.Errorf("deep nesting: %v", err)
	}
}

func TestAMissingFileIsAnErrorOfTheSystem(t *testing.T) {
	if _, err := Load(filepath.Join(t.TempDir(), "none.toml")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

// policyText writes a policy with its maps in order, for comparing.
func policyText(p rules.Policy) string {
	var b strings.Builder
	for _, o := range textback.MissedOutcomes() {
		if p.Outcomes[o] {
			b.WriteString(o.String() + " ")
		}
	}
	p.Outcomes = nil
	fmt.Fprintf(&b, "%+v", p)
	return b.String()
}
