package configs

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// FuzzParse holds that no file makes the reader panic, that a refusal is always Errors with a message and a place inside
// the file, and that what is accepted can be used without further checking. The seeds are long: fuzz with
// -fuzzminimizetime 10x, or the fuzzer spends its time on making them shorter.
func FuzzParse(f *testing.F) {
	f.Add(Reference)
	f.Add(Minimal)
	paths, err := filepath.Glob("testdata/bad/*.toml")
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range append(paths, "testdata/contract.toml") {
		data, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := Parse("/etc/textback/textback.toml", data,
			Options{ReadFile: badFiles, Getenv: func(string) string { return "value" }})
		if err != nil {
			var es Errors
			if !errors.As(err, &es) || len(es) == 0 || len(es) > maxErrors+1 {
				t.Fatalf("not a list of mistakes: %v", err)
			}
			for _, e := range es {
				if e.Message == "" || e.Line < 0 || e.File == "/etc/textback/textback.toml" && e.Line > len(data)+1 {
					t.Fatalf("%+v", e)
				}
			}
			return
		}
		if len(c.PBXs) == 0 || len(c.SMPPs) == 0 || len(c.Set.Lines) == 0 || c.Set.Templates["open"] == nil {
			t.Fatalf("accepted, but incomplete: %+v", c)
		}
		for _, l := range c.Set.Lines {
			if l.Business == nil || l.Number == "" || l.From == "" || l.Business.Zone == nil ||
				l.Policy.QuietAction == 0 {
				t.Fatalf("line %+v", l)
			}
		}
		for _, r := range c.Set.Rules {
			if r.Send && c.Set.Templates[r.Template] == nil {
				t.Fatalf("rule %+v", r)
			}
		}
		if ch := Diff(c, c); ch.PBXs.Any() || ch.SMPPs.Any() || len(ch.Restart) > 0 || ch.Syslog || ch.Metrics ||
			ch.HTTP {
			t.Fatalf("differs from itself: %+v", ch)
		}
	})
}
