package rules

import (
	"strings"
	"testing"
	"time"
)

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func hours(t testing.TB, entries []string, closed ...string) Hours {
	t.Helper()
	h, err := ParseHours(entries, closed)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// local reads "2026-11-24 21:30" by the clock of a zone.
func local(t testing.TB, s string, z *time.Location) time.Time {
	t.Helper()
	at, err := time.ParseInLocation("2006-01-02 15:04", s, z)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func TestOpenAndClosed(t *testing.T) {
	ny := zone(t, "America/New_York")
	office := hours(t, []string{"Mon-Fri 08:00-12:00 13:00-17:30", "Sat 09:00-12:00"}, "2026-12-25")
	bar := hours(t, []string{"Fri-Sat 18:00-02:00", "Sunday 12:00 - 24:00"}, "2026-11-28")
	round := hours(t, []string{"daily 00:00-24:00"}, "2026-12-25")
	for _, c := range []struct {
		name string
		h    Hours
		at   string
		want bool
	}{
		{"a Tuesday morning", office, "2026-11-24 08:00", true},
		{"a minute before opening", office, "2026-11-24 07:59", false},
		{"lunch", office, "2026-11-24 12:00", false},
		{"after lunch", office, "2026-11-24 13:00", true},
		{"the last minute", office, "2026-11-24 17:29", true},
		{"closing time", office, "2026-11-24 17:30", false},
		{"Saturday", office, "2026-11-28 11:59", true},
		{"Sunday", office, "2026-11-29 10:00", false},
		{"Christmas, a Friday", office, "2026-12-25 10:00", false},
		{"Friday night", bar, "2026-11-27 23:59", true},
		{"after Friday's midnight, Saturday being closed", bar, "2026-11-28 01:59", true},
		{"after Friday's end", bar, "2026-11-28 02:00", false},
		{"the closed Saturday evening", bar, "2026-11-28 19:00", false},
		{"the night after the closed Saturday", bar, "2026-11-29 01:00", false},
		{"Sunday's last minute", bar, "2026-11-29 23:59", true},
		{"Monday", bar, "2026-11-30 00:00", false},
		{"round the clock", round, "2026-11-24 03:00", true},
		{"round the clock, but closed", round, "2026-12-25 03:00", false},
		{"no hours at all", Hours{}, "2026-11-24 03:00", true},
	} {
		if got := c.h.OpenAt(local(t, c.at, ny), ny); got != c.want {
			t.Errorf("%s: open %t, want %t", c.name, got, c.want)
		}
	}
}

func TestNextOpening(t *testing.T) {
	ny := zone(t, "America/New_York")
	office := hours(t, []string{"Mon-Fri 08:00-12:00 13:00-17:30"}, "2026-12-25")
	for at, want := range map[string]string{
		"2026-11-24 09:00": "2026-11-24 09:00",
		"2026-11-24 12:30": "2026-11-24 13:00",
		"2026-11-24 18:00": "2026-11-25 08:00",
		"2026-12-24 18:00": "2026-12-28 08:00", // Christmas, Saturday, Sunday
		"2026-03-07 23:00": "2026-03-09 08:00", // over the night without 02:00
	} {
		if got := office.NextOpen(local(t, at, ny), ny); !got.Equal(local(t, want, ny)) {
			t.Errorf("after %s: %s, want %s", at, got, want)
		}
	}
	never := Hours{Days: [7][]Span{1: {{480, 500}}}, Closed: map[Date]bool{}}
	for d := (Date{2026, 1, 1}); d.Year < 2030; d = tomorrow(d) {
		never.Closed[d] = true
	}
	if got := never.NextOpen(local(t, "2026-11-24 09:00", ny), ny); !got.IsZero() {
		t.Errorf("a business that never opens opens at %s", got)
	}
}

func TestOpeningTimesThatTheClockSkips(t *testing.T) {
	ny := zone(t, "America/New_York")
	h := hours(t, []string{"Sun 02:30-05:00"})
	// 2026-03-08: 02:00 becomes 03:00, so the first instant with the clock past 02:30 is 03:00.
	if got := h.NextOpen(local(t, "2026-03-08 00:00", ny), ny); !got.Equal(local(t, "2026-03-08 03:00", ny)) {
		t.Errorf("opens at %s", got)
	}
	// 2026-11-01: 02:00 becomes 01:00, 01:30 comes twice and the first counts.
	twice := hours(t, []string{"Sun 01:30-05:00"})
	if got := twice.NextOpen(local(t, "2026-11-01 00:00", ny), ny).UTC().Format("15:04"); got != "05:30" {
		t.Errorf("opens at %s UTC", got)
	}
}

func TestQuietHours(t *testing.T) {
	ny, la, berlin := zone(t, "America/New_York"), zone(t, "America/Los_Angeles"), zone(t, "Europe/Berlin")
	night := Quiet{21 * 60, 8 * 60}
	for _, c := range []struct {
		name  string
		q     Quiet
		at    string
		in    *time.Location
		zones []*time.Location
		want  string
	}{
		{"by day", night, "2026-11-24 12:00", ny, []*time.Location{ny}, "2026-11-24 12:00"},
		{"in the evening", night, "2026-11-24 21:00", ny, []*time.Location{ny}, "2026-11-25 08:00"},
		{"after midnight", night, "2026-11-25 03:10", ny, []*time.Location{ny}, "2026-11-25 08:00"},
		{"at the end", night, "2026-11-25 08:00", ny, []*time.Location{ny}, "2026-11-25 08:00"},
		{"two zones: the western one is still asleep", night, "2026-11-25 08:00", ny, []*time.Location{ny, la}, "2026-11-25 11:00"},
		{"two zones: the eastern one is asleep already", night, "2026-11-24 21:30", ny, []*time.Location{ny, la}, "2026-11-25 11:00"},
		{"over the night without 02:00", night, "2026-03-07 22:00", ny, []*time.Location{ny}, "2026-03-08 08:00"},
		{"over the night with 01:00 twice", night, "2026-10-31 22:00", ny, []*time.Location{ny}, "2026-11-01 08:00"},
		{"an end that the clock skips", Quiet{22 * 60, 2*60 + 30}, "2026-03-08 01:00", ny, []*time.Location{ny}, "2026-03-08 03:00"},
		{"at midday only", Quiet{12 * 60, 14 * 60}, "2026-11-24 13:00", berlin, []*time.Location{berlin}, "2026-11-24 14:00"},
		{"none", Quiet{}, "2026-11-24 03:00", ny, []*time.Location{ny}, "2026-11-24 03:00"},
	} {
		got, ok := c.q.Next(local(t, c.at, c.in), c.zones...)
		if !ok || !got.Equal(local(t, c.want, c.in)) {
			t.Errorf("%s: %s %t, want %s", c.name, got.In(c.in), ok, c.want)
		}
	}
	auckland := zone(t, "Pacific/Auckland")
	if _, ok := (Quiet{8 * 60, 7 * 60}).Next(local(t, "2026-11-24 12:00", ny), ny, auckland); ok {
		t.Error("two zones without a common hour have one")
	}
}

// The end of quiet hours is checked minute by minute against the clock on the wall, through both changes of the clock.
func TestQuietHoursEndAtTheFirstMinuteThatIsNotQuiet(t *testing.T) {
	for _, name := range []string{"America/New_York", "Europe/London", "Australia/Lord_Howe", "Asia/Kolkata"} {
		z := zone(t, name)
		for _, q := range []Quiet{{21 * 60, 8 * 60}, {22 * 60, 90}, {0, 150}, {90, 4 * 60}} {
			for _, day := range []string{"2026-03-07", "2026-03-28", "2026-04-04", "2026-10-03", "2026-10-24", "2026-10-31"} {
				start := local(t, day+" 12:00", z)
				for m := 0; m < 36*60; m += 61 {
					at := start.Add(time.Duration(m) * time.Minute)
					want := at
					for q.At(want, z) {
						want = want.Add(time.Minute)
					}
					if got, ok := q.Next(at, z); !ok || !got.Equal(want) {
						t.Fatalf("%s, quiet %s: from %s until %s, want %s", name, q, at, got, want)
					}
				}
			}
		}
	}
}

func TestQuietHoursBegin(t *testing.T) {
	ny, la := zone(t, "America/New_York"), zone(t, "America/Los_Angeles")
	q := Quiet{21 * 60, 8 * 60}
	if got := q.Begins(local(t, "2026-11-24 20:00", ny), la, ny); !got.Equal(local(t, "2026-11-24 21:00", ny)) {
		t.Errorf("begin at %s", got)
	}
	if got := q.Begins(local(t, "2026-11-24 23:00", ny), ny); !got.Equal(local(t, "2026-11-24 23:00", ny)) {
		t.Errorf("begin at %s though it is quiet", got)
	}
	if got := (Quiet{}).Begins(local(t, "2026-11-24 23:00", ny), ny); !got.IsZero() {
		t.Errorf("no quiet hours begin at %s", got)
	}
}

func TestBadHoursSayWhatToWrite(t *testing.T) {
	for entry, want := range map[string]string{
		"":                          `write it like "Mon-Fri 08:00-17:30"`,
		"Mon":                       "no range of times",
		"08:00-17:00":               "no day before",
		"Mon 8-17":                  `"8" is not a time of day`,
		"Mon 08:00":                 "is not a range of times",
		"Mon 08:00-25:00":           `"25:00" is not a time of day`,
		"Mon 08:60-17:00":           `"08:60" is not a time of day`,
		"Mon 08:00-08:00":           "is empty",
		"Mon 24:00-08:00":           "cannot begin at 24:00",
		"Mo-Fri 08:00-17:00":        `"Mo" is not a day of the week`,
		"Mon-Fry 08:00-17:00":       `"Fry" is not a day of the week`,
		"Mon-Wed-Fri 08:00-17:00":   "is not a range of days",
		"Mon 08:00-17:00 Tue 09-10": "give it an entry of its own",
		"Mon 08:00-17:00 closed":    "give it an entry of its own",
		"closed":                    "stands alone after the days",
		"Mon closed":                "no time at which the business is open",
	} {
		if _, err := ParseHours([]string{entry}, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", entry, err, want)
		}
	}
	if _, err := ParseHours(nil, []string{"25.12.2026"}); err == nil || !strings.Contains(err.Error(), `write it like "2026-12-25"`) {
		t.Errorf("closed date: %v", err)
	}
	for s, want := range map[string]string{"21:00": "write them like", "21-8": `"21" is not a time of day`, "25:00-08:00": `"25:00"`,
		"00:00-24:00": "quiet all day"} {
		if _, err := ParseQuiet(s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("quiet %q: %v, want %q", s, err, want)
		}
	}
}

func TestOverlappingRangesAreMerged(t *testing.T) {
	h := hours(t, []string{"Mon 08:00-12:00, 11:00-14:00", "Mon-Tue 14:00-15:00"})
	if got := h.Days[time.Monday]; len(got) != 1 || got[0] != (Span{8 * 60, 15 * 60}) {
		t.Errorf("Monday is %v", got)
	}
	if got := h.Days[time.Tuesday]; len(got) != 1 {
		t.Errorf("Tuesday is %v", got)
	}
}

func FuzzParseHours(f *testing.F) {
	for _, s := range []string{"Mon-Fri 08:00-17:30", "Sat 09:00-12:00, 13:00-14:00", "Fri 18:00-02:00", "daily 00:00-24:00", "Sun closed",
		"Mon–Fri 8:00 – 17:00", "21:00-08:00"} {
		f.Add(s, "2026-12-25")
	}
	ny := zone(f, "America/New_York")
	f.Fuzz(func(t *testing.T, entry, closed string) {
		at := time.Date(2026, 3, 7, 22, 0, 0, 0, ny)
		if h, err := ParseHours([]string{entry}, []string{closed}); err == nil {
			for range 20 {
				next := h.NextOpen(at, ny)
				if next.IsZero() || !h.OpenAt(next, ny) || next.Before(at) {
					t.Fatalf("%q: after %s the next opening is %s", entry, at, next)
				}
				at = next.Add(7 * time.Hour)
			}
		}
		if q, err := ParseQuiet(entry); err == nil {
			if next, ok := q.Next(at, ny); !ok || q.At(next, ny) {
				t.Fatalf("%q: quiet until %s, %t", entry, next, ok)
			}
			if again, err := ParseQuiet(q.String()); err != nil || again != q {
				t.Fatalf("%q: %v, %v", q, again, err)
			}
		}
	})
}

func TestQuietHoursThatEndWhenTheyBeginAreRefused(t *testing.T) {
	for _, s := range []string{"1:00-1:00", "00:00-24:00", "24:00-00:00", "00:00-00:00"} {
		if q, err := ParseQuiet(s); err == nil {
			t.Errorf("%q is taken as %q", s, q)
		}
	}
}
