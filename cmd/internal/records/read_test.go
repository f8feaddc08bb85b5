package records

import (
	"compress/gzip"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestTheOrderOfTheRowsDoesNotMatter(t *testing.T) {
	for _, kind := range []string{CDRCSV, CELCSV} {
		text := unpack(t, "asterisk-22", map[string]string{CDRCSV: "cdr.csv.gz", CELCSV: "cel.csv.gz"}[kind])
		want := readString(t, asterisk(kind), text).Calls
		rows := strings.SplitAfter(text, "\n")
		random := rand.New(rand.NewPCG(1, 2))
		for range 5 {
			random.Shuffle(len(rows), func(i, j int) { rows[i], rows[j] = rows[j], rows[i] })
			got := readString(t, asterisk(kind), strings.Join(rows, "")).Calls
			for i := range want {
				if i >= len(got) || got[i].ID != want[i].ID || got[i].Unseen != want[i].Unseen || got[i].Missed() != want[i].Missed() {
					t.Fatalf("%s: call %d is another", kind, i)
				}
			}
		}
	}
}

func TestTheContentTellsTheKind(t *testing.T) {
	for _, x := range []struct{ dir, file, kind string }{{"asterisk-22", "cdr.csv.gz", CDRCSV}, {"asterisk-22", "cel.csv.gz", CELCSV},
		{"freeswitch-1.10", "cdr.csv.gz", FreeSWITCHCSV}, {"freeswitch-1.10", "json-cdr.jsonl.gz", JSONCDR}} {
		if got := Guess([]byte(unpack(t, x.dir, x.file))); got != x.kind {
			t.Errorf("%s/%s is taken for %q", x.dir, x.file, got)
		}
	}
	if got := Guess([]byte("name,number\nJane,5550100\n")); got != "" {
		t.Errorf("an address book is taken for %q", got)
	}
}

func TestTheCallIDIsTheOneOfTheLink(t *testing.T) {
	r := readString(t, asterisk(CDRCSV), unpack(t, "asterisk-22", "cdr.csv.gz"))
	if id := r.Calls[0].ID; id != "hq/labpbx-1795548950.0" {
		t.Errorf("the first call is %s", id)
	}
}

// row is one record of an unanswered call in a Master.csv.
func row(begin time.Time, n int, zone *time.Location) string {
	at, end := begin.In(zone).Format(time.DateTime), begin.Add(8*time.Second).In(zone).Format(time.DateTime)
	return fmt.Sprintf("\"\",\"+15552340001\",\"+15550100\",\"from-trunk\",\"\"\"\"\" <+15552340001>\",\"PJSIP/trunk-%08x\",\"PJSIP/100-%08x\","+
		"\"Dial\",\"\",%q,,%q,8,0,\"NO ANSWER\",\"DOCUMENTATION\",\"%d.%d\"\n", n, n, at, end, begin.Unix(), n)
}

func TestAGrowingAndRotatedFileIsReadFromWhereItMatters(t *testing.T) {
	now := time.Date(2026, 11, 24, 20, 0, 0, 0, time.UTC)
	path := filepath.Join(t.TempDir(), "Master.csv")
	var old, young strings.Builder
	for i := range 30_000 { // some megabytes, of the days before
		old.WriteString(row(now.Add(-96*time.Hour+time.Duration(i)*10*time.Second), i, time.UTC))
	}
	for i := range 5 {
		young.WriteString(row(now.Add(-time.Duration(50-10*i)*time.Minute), 40_000+i, time.UTC))
	}
	half := row(now.Add(-time.Minute), 50_000, time.UTC)
	if err := os.WriteFile(path, []byte(old.String()+young.String()+half[:len(half)-20]), 0o600); err != nil {
		t.Fatal(err)
	}
	s := asterisk(CDRCSV)
	s.Path = path
	read := func() Result {
		t.Helper()
		r, err := Read(context.Background(), s, now.Add(-time.Hour), now)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	r := read()
	if len(r.Calls) != 5 {
		t.Errorf("%d calls of the last hour, half a record not counted", len(r.Calls))
	}
	if r.Rows > 20_000 {
		t.Errorf("%d of 30005 records were read for the last hour", r.Rows)
	}
	// The file is rotated away, and packed.
	var packed strings.Builder
	z := gzip.NewWriter(&packed)
	_, _ = z.Write([]byte(young.String()))
	_ = z.Close()
	if err := os.WriteFile(path+"-20261124.gz", []byte(packed.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(path+"-20261124.gz", now, now); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(half), 0o600); err != nil {
		t.Fatal(err)
	}
	if r := read(); len(r.Calls) != 6 || r.Files != 2 {
		t.Errorf("%d calls in %d files after the rotation", len(r.Calls), r.Files)
	}
}

func TestATimeZoneThatIsNotThePBXsIsFoundOutByTheUniqueID(t *testing.T) {
	zone, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	// 01:30 in the night in which the clock is put back: the file shows it twice.
	for _, begin := range []time.Time{time.Date(2026, 11, 1, 5, 30, 0, 0, time.UTC), time.Date(2026, 11, 1, 6, 30, 0, 0, time.UTC),
		time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)} {
		for _, configured := range []*time.Location{zone, time.UTC} {
			s := asterisk(CDRCSV)
			s.Timezone = configured
			r := readString(t, s, row(begin, 1, zone))
			if len(r.Calls) != 1 || !r.Calls[0].Begin.Equal(begin) || !r.Calls[0].End.Equal(begin.Add(8*time.Second)) {
				t.Errorf("a call of %v, read in %v: %+v", begin, configured, r.Calls)
			}
		}
	}
}

func TestANameThatForgesColumnsIsNotBelieved(t *testing.T) {
	line := `"Eve","+15552340666","+15550100","public","2026-11-24 02:26:56","","2026-11-24 02:27:06","10","0","NO_ANSWER",` +
		`"5b2e14e0-997c-4daf-bc1e-dcc795f9dc31","","","PCMU","PCMU"` + "\n"
	if r := readString(t, freeswitch(FreeSWITCHCSV), line); len(r.Calls) != 1 {
		t.Fatalf("the plain row gives %d calls", len(r.Calls))
	}
	forged := `"` + strings.TrimSuffix(line[1:], "\n") + `","+15550000000","+15550100","public","2026-11-24 02:26:56","","2026-11-24 02:27:06",` +
		`"10","0","NO_ANSWER","6b2e14e0-997c-4daf-bc1e-dcc795f9dc31","","","PCMU","PCMU"` + "\n"
	if r := readString(t, freeswitch(FreeSWITCHCSV), forged); len(r.Calls) != 0 || r.Skipped != 1 {
		t.Errorf("%d calls, %d skipped", len(r.Calls), r.Skipped)
	}
	quotes := strings.Replace(line, "Eve", `Eve "the, cat" O"Neill`, 1)
	if r := readString(t, freeswitch(FreeSWITCHCSV), quotes); len(r.Calls) != 1 || r.Calls[0].Party.Name != `Eve "the, cat" O"Neill` {
		t.Errorf("a name with quotes: %+v", r)
	}
}

func TestRecordsOfAnyLengthAreBounded(t *testing.T) {
	long := strings.Repeat("x", 1<<20)
	good := row(time.Date(2026, 11, 24, 20, 0, 0, 0, time.UTC), 1, time.UTC)
	r := readString(t, asterisk(CDRCSV), "\""+long+"\n"+good+long)
	if len(r.Calls) != 1 || r.Skipped != 2 {
		t.Errorf("%d calls, %d skipped", len(r.Calls), r.Skipped)
	}
}

func TestConfiguredColumnsAreUsed(t *testing.T) {
	s := asterisk(CDRCSV)
	s.Columns = map[string]string{"caller_name": "0", "caller": "1", "dialled": "2", "context": "3", "channel": "4", "peer": "5",
		"last_app": "6", "start": "8", "answer": "9", "end": "10", "duration": "11", "billsec": "12", "disposition": "13", "id": "16",
		"linked_id": "18"}
	full := readString(t, s, unpack(t, "asterisk-22", "cdr-full.csv.gz"))
	plain := readString(t, asterisk(CDRCSV), unpack(t, "asterisk-22", "cdr.csv.gz"))
	for i := range plain.Calls {
		if !reflect.DeepEqual(plain.Calls[i].Outcome, full.Calls[i].Outcome) || plain.Calls[i].ID != full.Calls[i].ID {
			t.Errorf("call %d is %v, by its default columns %v", i, full.Calls[i], plain.Calls[i])
		}
	}
}

// TestWithNamedTrunksCallsAreFoundThatLeftTheContextInWhichTheyArrived: a menu moves a call on, and a plain CDR then tells
// only where it was last.
func TestWithNamedTrunksCallsAreFoundThatLeftTheContextInWhichTheyArrived(t *testing.T) {
	s := asterisk(CDRCSV)
	s.Trunks = []string{"PJSIP/trunk"}
	r := readString(t, s, unpack(t, "asterisk-22", "cdr.csv.gz"))
	got := check(t, r.Calls, readTruth(t, "asterisk-22"))
	if plain := readString(t, asterisk(CDRCSV), unpack(t, "asterisk-22", "cdr.csv.gz")); len(r.Calls) <= len(plain.Calls) {
		t.Errorf("%d calls with trunks, %d without", len(r.Calls), len(plain.Calls))
	}
	if got.absent > 3 {
		t.Errorf("%d calls were not found", got.absent)
	}
}

func TestEvidenceIsFitForATerminal(t *testing.T) {
	line := strings.ReplaceAll(row(time.Date(2026, 11, 24, 20, 0, 0, 0, time.UTC), 1, time.UTC), "Dial", "Di\x1b[31mal")
	for _, c := range readString(t, asterisk(CDRCSV), line).Calls {
		if strings.ContainsRune(sentences(c), 0x1b) {
			t.Errorf("%q", sentences(c))
		}
	}
}
