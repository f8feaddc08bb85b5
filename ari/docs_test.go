package ari

import (
	"os"
	"strings"
	"testing"
	"time"

	"textback"
)

// pageTable gives the rows of a table of docs/detection.md that begins with a head.
func pageTable(t *testing.T, head string) [][]string {
	t.Helper()
	page, err := os.ReadFile("../docs/detection.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, ok := strings.Cut(string(page), head+"\n")
	if !ok {
		t.Fatalf("docs/detection.md has no table %q", head)
	}
	var rows [][]string
	for line := range strings.Lines(table) {
		if !strings.HasPrefix(line, "|") {
			break
		}
		if cells := strings.Split(strings.Trim(strings.TrimSpace(line), "| "), " | "); !strings.Contains(line, "---") {
			rows = append(rows, cells)
		}
	}
	return rows
}

// TestTheTablesOfTheDocumentationAreThoseOfTheCode: every application and result that is read, and no other.
func TestTheTablesOfTheDocumentationAreThoseOfTheCode(t *testing.T) {
	apps := 0
	for _, row := range pageTable(t, "| application of the dialplan | is |") {
		for _, app := range strings.Fields(row[0]) {
			apps++
			if stage := stages[strings.ToLower(app)]; stage == 0 || stage.String() != row[1] {
				t.Errorf("%s: the page says %q, the code %q", app, row[1], stage)
			}
		}
	}
	if apps != len(stages) {
		t.Errorf("the page has %d applications, the code %d", apps, len(stages))
	}
	results := 0
	for _, row := range pageTable(t, "| variable | value | is |") {
		known := dialResults
		switch row[0] {
		case "QUEUESTATUS":
			known = queueResults
		case "VMSTATUS":
			known = voicemailResults
		}
		for _, value := range strings.Fields(row[1]) {
			results++
			if r := known[value]; r == 0 || r.String() != row[2] {
				t.Errorf("%s %s: the page says %q, the code %q", row[0], value, row[2], r)
			}
		}
	}
	if want := len(dialResults) + len(queueResults) + len(voicemailResults); results != want {
		t.Errorf("the page has %d results, the code %d", results, want)
	}
}

// TestOnlyWhoPressesTheKeyIsTexted is the dialplan of docs/compliance.md that asks: it begins with no, and a key makes it yes.
func TestOnlyWhoPressesTheKeyIsTexted(t *testing.T) {
	for name, tc := range map[string]struct {
		values   []string
		declined bool
	}{"nothing set": {nil, false}, "asked, no key": {[]string{"no"}, true}, "asked, key pressed": {[]string{"no", "yes"}, false}} {
		tr := NewTranslator(testOptions())
		tracker := textback.NewTracker(textback.TrackerOptions{PBX: "hq"})
		var ended []textback.Call
		observe := func(m Message) {
			for _, e := range tr.Translate(m) {
				for _, c := range tracker.Observe(e) {
					if c.Kind == textback.CallEnded {
						ended = append(ended, c.Call)
					}
				}
			}
		}
		ring, up := chanJSON("1", "PJSIP/carrier-1", "Ring", "from-trunk", "Dial", "{}"), chanJSON("1", "PJSIP/carrier-1", "Up", "from-trunk", "BackGround", "{}")
		observe(made(t, 0, "ChannelCreated", ring))
		for i, v := range tc.values {
			observe(made(t, 1000*(i+1), "ChannelVarset", up, "variable", `"TEXTBACK"`, "value", `"`+v+`"`))
		}
		observe(made(t, 9000, "ChannelDestroyed", up, "cause", "16", "cause_txt", `"Normal Clearing"`))
		for _, c := range tracker.Settle(epoch.Add(time.Hour)) {
			if c.Kind == textback.CallEnded {
				ended = append(ended, c.Call)
			}
		}
		if len(ended) != 1 || ended[0].Declined != tc.declined {
			t.Errorf("%s: %+v", name, ended)
		}
	}
}
