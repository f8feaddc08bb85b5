package daemon

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"textback/ari"
)

// TestEveryMessageIdStandsInTheDocumentation holds the table in docs/log.md against the ids that the source logs.
func TestEveryMessageIdStandsInTheDocumentation(t *testing.T) {
	doc, err := os.ReadFile("../../../docs/log.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := make(map[string]bool)
	_, table, _ := strings.Cut(string(doc), "## Message ids")
	for line := range strings.Lines(table) {
		if cells := strings.Split(line, "|"); len(cells) > 4 && strings.Contains(cells[1], "`") {
			for _, id := range regexp.MustCompile("`([a-z-]+)`").FindAllStringSubmatch(cells[1], -1) {
				documented[id[1]] = true
			}
		}
	}
	logged := map[string]bool{"http-listen": true, "http-failed": true, "metrics-listen": true, "metrics-failed": true, "pbx-up": true}
	for k := ari.StatusConnected; k <= ari.StatusUnfiltered; k++ {
		switch k {
		case ari.StatusConnected, ari.StatusLost, ari.StatusUnreachable: // pbx-up and pbx-down
		default:
			logged["pbx-"+k.String()] = true
		}
	}
	calls := regexp.MustCompile(`(?:log\.(?:Debug|Info|Warn|Error)\(|log\.Log\([^,]+, [^,]+, |sparingly\([^,]+, [^,]+, |, id = [^,\n]+, |\bid = )"([a-z-]+)"`)
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range append(files, "../../textback/run.go") {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range calls.FindAllStringSubmatch(string(source), -1) {
			logged[m[1]] = true
		}
	}
	if len(logged) < 60 {
		t.Errorf("only %d ids were found in the source: the pattern is out of date", len(logged))
	}
	for id := range logged {
		if !documented[id] {
			t.Errorf("%s is logged and does not stand in docs/log.md", id)
		}
	}
	for id := range documented {
		if !logged[id] && !strings.HasPrefix(id, "log-") && id != "http-refused" {
			t.Errorf("%s stands in docs/log.md and is not logged", id)
		}
	}
}
