package records

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"textback"
	"textback/configs"
)

// truth is what really happened to a recorded call: what the caller and the phones were told to do.
type truth struct {
	Scenario string   `json:"scenario"`
	ID       string   `json:"id"` // of the caller's leg, where it is known
	Caller   string   `json:"caller"`
	Line     string   `json:"line"`
	Outcome  string   `json:"outcome"`
	Text     *bool    `json:"text_back_expected"`
	Also     []string `json:"also"`
}

func (tr *truth) missed() bool {
	o, err := textback.ParseOutcome(tr.Outcome)
	return err == nil && o.Missed()
}

func readTruth(t testing.TB, dir string) []truth {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", dir, "truth.json"))
	if err != nil {
		t.Fatal(err)
	}
	var all []truth
	if err := json.Unmarshal(b, &all); err != nil {
		t.Fatal(err)
	}
	return all
}

func unpack(t testing.TB, path ...string) string {
	t.Helper()
	f, err := os.Open(filepath.Join(append([]string{"testdata"}, path...)...))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// score holds the calls that were read against what really happened.
type score struct {
	found, decided, right, unseen, wrong, absent int
}

// check compares calls with the truth by caller, in order of time. No call that a person answered may be called missed
// without being unseen, and no missed call answered.
func check(t *testing.T, calls []textback.Call, truths []truth) (s score) {
	t.Helper()
	left := slices.Clone(calls)
	slices.SortStableFunc(left, func(a, b textback.Call) int { return a.Begin.Compare(b.Begin) })
	for _, tr := range truths {
		from := func(c textback.Call) bool { return c.Party.Number == tr.Caller }
		if tr.Outcome == "outbound" || tr.Outcome == "internal" {
			if slices.ContainsFunc(left, from) {
				t.Errorf("%s: a call from outside was made of an %s call", tr.Scenario, tr.Outcome)
			}
			continue
		}
		i := slices.IndexFunc(left, func(c textback.Call) bool { return from(c) && slices.Contains(c.Dialled, tr.Line) })
		switch {
		case tr.ID != "":
			i = slices.IndexFunc(left, func(c textback.Call) bool { return strings.HasSuffix(c.ID, "/"+tr.ID) })
		case i < 0:
			i = slices.IndexFunc(left, from)
		}
		if i < 0 {
			s.absent++
			t.Logf("%-36s %s %-17s not in the records", tr.Scenario, tr.Caller, tr.Outcome)
			continue
		}
		c := left[i]
		left = slices.Delete(left, i, i+1)
		s.found++
		word := c.Outcome.String()
		switch {
		case c.Unseen:
			s.unseen++
			word = "unseen"
		case c.Missed() != tr.missed():
			s.wrong++
			t.Errorf("%s, from %s to %s: judged %s, was %s: %+v", tr.Scenario, tr.Caller, tr.Line, c.Outcome, tr.Outcome, c.Evidence)
		default:
			s.decided++
			if word == tr.Outcome || slices.Contains(tr.Also, word) {
				s.right++
			}
		}
		t.Logf("%-36s %s %-17s %-17s %v", tr.Scenario, tr.Caller, tr.Outcome, word, sentences(c))
	}
	for _, c := range left {
		t.Errorf("a call that nobody made: %s from %s, %s", c.ID, c.Party.Number, c.Outcome)
	}
	t.Logf("found %d, decided %d (%d with the very outcome), unseen %d, wrong %d, absent %d", s.found, s.decided, s.right, s.unseen,
		s.wrong, s.absent)
	return s
}

func sentences(c textback.Call) string {
	var all []string
	for _, e := range c.Evidence {
		all = append(all, e.What)
	}
	return strings.Join(all[min(1, len(all)):], "; ")
}

func asterisk(kind string) Source {
	return Source{Records: configs.Records{PBX: "hq", Kind: kind, Timezone: time.UTC}, Inbound: []string{"from-trunk*"}}
}

func readString(t testing.TB, s Source, text string) Result {
	t.Helper()
	r, err := ReadStream(context.Background(), s, strings.NewReader(text), time.Time{}, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	return r
}
