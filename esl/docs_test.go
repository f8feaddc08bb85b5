package esl

import (
	"fmt"
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

// quotedIn gives the words in quotes between two marks of a source file: what a switch knows.
func quotedIn(t *testing.T, file, from, to string) []string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(b), from)
	part, _, ok2 := strings.Cut(rest, to)
	if !ok || !ok2 {
		t.Fatalf("%s has no part from %q to %q", file, from, to)
	}
	var words []string
	for line := range strings.Lines(part) {
		if !strings.Contains(line, "case ") && !strings.HasPrefix(strings.TrimSpace(line), `"`) || strings.Contains(line, "strings.Contains") {
			continue
		}
		for i, w := range strings.Split(line, `"`) {
			if i%2 == 1 && w != "" {
				words = append(words, w)
			}
		}
	}
	return words
}

func TestTheTablesOfTheDocumentationAreThoseOfTheCode(t *testing.T) {
	told := map[string]bool{}
	for _, row := range pageTable(t, "| last application | is |") {
		for _, app := range strings.Fields(row[0]) {
			told[app] = true
			if stage := stageOf(app, ""); stage == 0 || stage.String() != row[1] {
				t.Errorf("%s: the page says %q, the code %q", app, row[1], stage)
			}
		}
	}
	for _, row := range pageTable(t, "| header | value | is |") {
		for _, value := range strings.Fields(row[1]) {
			told[value] = true
			got := queueResult(value)
			if row[0] == "originate_failed_cause" {
				got = dialResult(head{"variable_originate_failed_cause": value})
			}
			if got == 0 || got.String() != row[2] {
				t.Errorf("%s %s: the page says %q, the code %q", row[0], value, row[2], got)
			}
		}
	}
	for _, row := range pageTable(t, "| hangup cause | Q.850 |") {
		for _, word := range strings.Fields(row[0]) {
			told[word] = true
			if got := fmt.Sprint(q850(word, "16")); got != row[1] {
				t.Errorf("%s: the page says %s, the code %s", word, row[1], got)
			}
		}
	}
	known := quotedIn(t, "translate_hangup.go", "func stageOf(", "\tdefault:")
	known = append(known, quotedIn(t, "translate_hangup.go", "func q850(", "strconv.Atoi")...)
	known = append(known, quotedIn(t, "translate.go", "func queueResult(", "\tdefault:")...)
	if len(known) < 40 {
		t.Fatalf("only %d words were found in the source", len(known))
	}
	for _, w := range known {
		if !told[w] {
			t.Errorf("the code knows %s, the page does not", w)
		}
	}
}
