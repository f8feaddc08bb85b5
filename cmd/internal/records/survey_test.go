package records

import (
	"compress/gzip"
	"os"
	"strings"
	"testing"
	"time"
)

// TestASurveyTellsTheContextsAndNumbersOfRealRecords: calls from outside of the labs all arrived in one context, for
// +155501NN.
func TestASurveyTellsTheContextsAndNumbersOfRealRecords(t *testing.T) {
	for file, want := range map[string]struct{ kind, context, other string }{
		"asterisk-22/cel.csv.gz":            {CELCSV, "from-trunk", "from-internal"},
		"asterisk-22/cdr.csv.gz":            {CDRCSV, "from-trunk", "from-internal"},
		"freeswitch-1.10/cdr.csv.gz":        {FreeSWITCHCSV, "public", ""},
		"freeswitch-1.10/json-cdr.jsonl.gz": {JSONCDR, "public", ""},
	} {
		f, err := os.Open("testdata/" + file)
		if err != nil {
			t.Fatal(err)
		}
		z, err := gzip.NewReader(f)
		if err != nil {
			t.Fatal(err)
		}
		all, result, kind, err := Survey(t.Context(), Source{}, z, time.Time{})
		if err != nil || kind != want.kind || result.Rows == 0 {
			t.Errorf("%s: kind %q, %d rows, %v", file, kind, result.Rows, err)
		}
		lines, other := 0, false
		for _, a := range all {
			if a.Context == want.context && strings.Contains(a.Dialled, "55501") {
				lines++
			}
			other = other || a.Context == want.other
		}
		if lines < 5 || want.other != "" && !other {
			t.Errorf("%s: %d lines in %s, %v in %q: %+v", file, lines, want.context, other, want.other, all)
		}
		f.Close()
	}
	if _, _, _, err := Survey(t.Context(), Source{}, strings.NewReader("what is this\n"), time.Time{}); err == nil {
		t.Error("a file that is none was read")
	}
}
