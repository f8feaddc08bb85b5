package ari

import (
	"os"
	"strings"
	"testing"
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
