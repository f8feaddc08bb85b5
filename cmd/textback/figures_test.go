package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestCheckHoldsTheCallsOfThePBXsRecordsAgainstTheFile: before the daemon has run, the PBX's own records tell which lines are
// dialled, and which numbers are that are no line.
func TestCheckHoldsTheCallsOfThePBXsRecordsAgainstTheFile(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	var csv strings.Builder
	now := time.Now().UTC()
	row := func(n int, dialled string, at time.Time) {
		fmt.Fprintf(&csv, "\"\",\"+1202555%04d\",\"%s\",\"from-trunk\",\"\"\"X\"\" <+1202555%04d>\",\"PJSIP/trunk-%08d\",\"PJSIP/100-%08d\",\"Dial\",\"PJSIP/100,20\","+
			"\"%s\",,\"%s\",10,0,\"NO ANSWER\",\"DOCUMENTATION\",\"%d.%d\"\n", n, dialled, n, n, n, at.Format(time.DateTime), at.Add(10*time.Second).Format(time.DateTime), at.Unix(), n)
	}
	n := 1000
	for day := 20; day > 0; day-- {
		for range 2 {
			n++
			row(n, "+12025550100", now.AddDate(0, 0, -day))
		}
		if day%4 == 0 {
			n++
			row(n, "5550177", now.AddDate(0, 0, -day))
		}
	}
	write("Master.csv", csv.String())
	config := write("textback.toml", `
state = "state.db"
control = "control.sock"
[[pbx]]
name = "hq"
kind = "asterisk"
username = "textback"
password = "hidden8"
[[smpp]]
name = "carrier"
addr = "127.0.0.1:2775"
system_id = "acme"
password = "hidden8"
[business.acme]
name = "Acme Plumbing"
timezone = "UTC"
region = "US"
policy = { per_day = 1, per_hour = 1 }
[[line]]
number = "+12025550100"
business = "acme"
[[line]]
number = "+12025550101"
business = "acme"
[[records]]
pbx = "hq"
kind = "cdr-csv"
path = "Master.csv"
timezone = "UTC"
`)
	check := func(args ...string) string {
		t.Helper()
		out, err := (&stand{t: t}).run(nil, append([]string{"check", "--quiet", "--config", config}, args...)...)
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return out
	}
	out := check()
	for _, want := range []string{`line "+12025550101": nobody dialled it in the last `, "40 calls came on others",
		"5 missed calls were to a number that is no [[line]]: 5550177 (5)", "2 calls were missed on the busiest day, and 1 texts a day are allowed"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	if strings.Contains(out, `line "+12025550100"`) {
		t.Errorf("a line that is dialled is warned of:\n%s", out)
	}
	if out := check("--offline"); strings.Contains(out, "nobody dialled") {
		t.Errorf("--offline looked at the records:\n%s", out)
	}
	if err := os.Remove(filepath.Join(dir, "Master.csv")); err != nil {
		t.Fatal(err)
	}
	if out := check(); !strings.Contains(out, `records "hq": the calls of the last days cannot be read: `) {
		t.Errorf("records that are not there are not told of:\n%s", out)
	}
}
