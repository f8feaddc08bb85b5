package textback

import (
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// causeRow is one row of the table "What became of a phone" in docs/detection.md.
type causeRow struct {
	causes []int // none: any
	rang   func(d time.Duration, ringing bool) bool
	when   string
	fate   fate
	text   string
}

// fateWords are how the page calls the fates.
var fateWords = []struct {
	begins string
	fate   fate
}{{"sent the caller on", fateForward}, {"turned the call down", fateTurned}, {"was busy", fateBusy}, {"could not be rung", fateSilent},
	{"rang, nobody took it", fateRang}}

func causeTable(t *testing.T) []causeRow {
	t.Helper()
	page, err := os.ReadFile("docs/detection.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, ok := strings.Cut(string(page), "| cause | rang | if | the phone |\n")
	if !ok {
		t.Fatal("docs/detection.md has no table of causes")
	}
	var rows []causeRow
	for line := range strings.Lines(table) {
		if !strings.HasPrefix(line, "|") {
			break
		}
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if len(cells) != 4 || strings.Contains(line, "---") {
			continue
		}
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		r := causeRow{when: cells[2], text: line}
		if cells[0] != "any" {
			for _, w := range strings.Fields(cells[0]) {
				n, err := strconv.Atoi(w)
				if err != nil {
					t.Fatalf("%q is no cause", w)
				}
				r.causes = append(r.causes, n)
			}
		}
		words := strings.Fields(cells[1])
		bound := func(s string) time.Duration {
			f, err := strconv.ParseFloat(s, 64)
			if err != nil {
				t.Fatalf("%q is no number of seconds", s)
			}
			return time.Duration(f * float64(time.Second))
		}
		switch {
		case cells[1] == "any":
			r.rang = func(time.Duration, bool) bool { return true }
		case cells[1] == "never":
			r.rang = func(_ time.Duration, ringing bool) bool { return !ringing }
		case cells[1] == "some":
			r.rang = func(_ time.Duration, ringing bool) bool { return ringing }
		case words[0] == "under":
			limit := bound(words[1])
			r.rang = func(d time.Duration, ringing bool) bool { return ringing && d < limit }
		default: // "4 s or more"
			limit := bound(words[0])
			r.rang = func(d time.Duration, ringing bool) bool { return ringing && d >= limit }
		}
		for _, w := range fateWords {
			if strings.HasPrefix(cells[3], w.begins) {
				r.fate = w.fate
			}
		}
		if r.fate == 0 {
			t.Fatalf("%q is not something that becomes of a phone", cells[3])
		}
		rows = append(rows, r)
	}
	return rows
}

// TestTheTableOfCausesIsWhatTheCodeDoes holds the page against the code for every cause, ringing time and condition.
func TestTheTableOfCausesIsWhatTheCodeDoes(t *testing.T) {
	rows := causeTable(t)
	if len(rows) < 8 {
		t.Fatalf("%d rows", len(rows))
	}
	used := make([]bool, len(rows))
	start := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	for cause := range 128 {
		for _, rang := range []time.Duration{-1, 0, 499 * time.Millisecond, 500 * time.Millisecond, 3999 * time.Millisecond, 4 * time.Second, 30 * time.Second} {
			for _, refused := range []bool{false, true} {
				for _, outside := range []bool{false, true} {
					ringing := rang >= 0
					i := slices.IndexFunc(rows, func(r causeRow) bool {
						return (r.causes == nil || slices.Contains(r.causes, cause)) && r.rang(rang, ringing) &&
							(r.when == "" || r.when == "a phone of ours" && !outside || r.when == "the phone said so itself" && refused)
					})
					if i < 0 {
						t.Fatalf("cause %d, rang %v: no row fits", cause, rang)
					}
					used[i] = true
					end := start.Add(max(rang, 0))
					m := &leg{id: "phone"}
					add := func(e Event) { m.add(&e) }
					add(Event{Kind: LegCreated, At: start, Leg: "phone", Info: &LegInfo{Kind: LegOutgoing, Outside: outside}})
					if ringing {
						add(Event{Kind: LegRinging, At: start, Leg: "phone"})
					}
					if refused {
						add(Event{Kind: HangupRequested, At: end, Leg: "phone", By: EndedByCaller})
					}
					add(Event{Kind: LegEnded, At: end, Leg: "phone", Cause: Cause{Q850: cause}})
					tr := NewTracker(TrackerOptions{PBX: "hq"})
					if got := tr.attempt(m, &fact{Kind: LegDialled, At: start, detail: noDetail}).fate; got != rows[i].fate {
						t.Errorf("cause %d, rang %v, refused %v, outside %v: the code says %d, the page: %s", cause, rang, refused, outside, got, rows[i].text)
					}
				}
			}
		}
	}
	for i, ok := range used {
		if !ok {
			t.Errorf("no call comes to this row: %s", rows[i].text)
		}
	}
}

// TestEveryOutcomeStandsOnThePage holds the list of outcomes against the page.
func TestEveryOutcomeStandsOnThePage(t *testing.T) {
	page, err := os.ReadFile("docs/detection.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range MissedOutcomes() {
		if !strings.Contains(string(page), "`"+o.String()+"`") {
			t.Errorf("docs/detection.md does not tell of %s", o)
		}
	}
}
