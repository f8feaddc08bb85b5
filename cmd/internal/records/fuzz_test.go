package records

import (
	"context"
	"strings"
	"testing"
	"time"
)

// FuzzRecords reads anything as any kind of record file: nothing may crash, and what comes out holds together.
func FuzzRecords(f *testing.F) {
	for _, seed := range []struct{ dir, file string }{{"asterisk-22", "cdr.csv.gz"}, {"asterisk-22", "cel.csv.gz"},
		{"freeswitch-1.10", "cdr.csv.gz"}, {"freeswitch-1.10", "json-cdr.jsonl.gz"}} {
		text := unpack(f, seed.dir, seed.file)
		n := 0
		for line := range strings.Lines(text) {
			if n++; n%9 == 1 && n < 120 {
				f.Add([]byte(line))
			}
		}
		f.Add([]byte(text[:min(len(text), 6000)]))
	}
	f.Add([]byte("\"a\"\"b,\",\n\"\x00\",\"\n"))
	kinds := []string{"", CDRCSV, CELCSV, FreeSWITCHCSV, JSONCDR}
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, kind := range kinds {
			s := asterisk(kind)
			s.Inbound = []string{"from-trunk*", "public"}
			r, err := ReadStream(context.Background(), s, strings.NewReader(string(b)), time.Time{}, time.Time{})
			if err != nil && kind != "" {
				t.Fatalf("%s: %v", kind, err)
			}
			seen := make(map[string]bool)
			for _, c := range r.Calls {
				if c.ID == "" || seen[c.ID] || c.Outcome == 0 || c.End.Before(c.Begin) || c.Ring < 0 || !c.Reconciled ||
					c.Unseen != (len(c.Evidence) > 0 && strings.Contains(sentences(c), "undecided")) && !c.Unseen {
					t.Fatalf("%s: %+v", kind, c)
				}
				seen[c.ID] = true
			}
		}
	})
}

// FuzzTime holds the reader of moments to its bounds.
func FuzzTime(f *testing.F) {
	for _, s := range []string{"2026-11-24 19:35:50", "1795548950.083229", "1795487220710769", "2026-11-24 19:35:50.123+00", "0", "-1", "9223372036854775807"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if at, ok := readTime(s, time.UTC); ok && at.IsZero() {
			t.Fatalf("%q is a moment, and zero", s)
		}
	})
}
