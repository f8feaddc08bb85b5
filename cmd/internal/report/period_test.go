package report

import (
	"strings"
	"testing"
	"time"
)

func TestEndsOfAPeriodAreReadAsPeopleWriteThem(t *testing.T) {
	ny := zone(t, "America/New_York")
	now := time.Date(2026, 11, 24, 15, 30, 0, 0, ny)
	for _, x := range []struct{ since, until, from, to string }{
		{"", "", "2026-11-18 00:00", "2026-11-24 15:30"},
		{"2026-11-01", "2026-11-23", "2026-11-01 00:00", "2026-11-24 00:00"},
		{"2026-10", "2026-10", "2026-10-01 00:00", "2026-11-01 00:00"},
		{"2026-11-23 08:00", "2026-11-23T17:15", "2026-11-23 08:00", "2026-11-23 17:15"},
		{"2026-11-23T13:00:00Z", "", "2026-11-23 08:00", "2026-11-24 15:30"},
		{"7d", "36h", "2026-11-17 15:30", "2026-11-23 03:30"},
		{"4w", "", "2026-10-27 16:30", "2026-11-24 15:30"}, // 672 hours, one of them the extra hour of 1 November
		{"", "2026-11-08", "2026-11-02 00:00", "2026-11-09 00:00"},
	} {
		p, err := ParsePeriod(x.since, x.until, now, ny)
		if err != nil {
			t.Errorf("%q to %q: %v", x.since, x.until, err)
			continue
		}
		if from, to := p.Since.In(ny).Format(shownTime), p.Until.In(ny).Format(shownTime); from != x.from || to != x.to {
			t.Errorf("%q to %q is %s to %s, want %s to %s", x.since, x.until, from, to, x.from, x.to)
		}
	}
	for _, x := range []struct{ since, until, want string }{
		{"yesterday", "", `--since: "yesterday" is not a time`}, {"", "2026-13-01", `--until: "2026-13-01" is not a time`},
		{"2026-11-20", "2026-11-10", "is not before --until"}, {"2001-01-01", "", "longer than"}, {"-3h", "", "is not a time"},
		{"99999999999d", "", "is not a time"}, {strings.Repeat("9", 1000), "", "is not a time"},
	} {
		if _, err := ParsePeriod(x.since, x.until, now, ny); err == nil || !strings.Contains(err.Error(), x.want) {
			t.Errorf("%.40q to %q: %v, want %q", x.since, x.until, err, x.want)
		}
	}
}

func TestPeriodBeforeHasTheSameDaysOfTheWeek(t *testing.T) {
	ny := zone(t, "America/New_York")
	for _, x := range []struct{ since, until, from, to string }{
		{"2026-11-16 00:00", "2026-11-23 00:00", "2026-11-09 00:00", "2026-11-16 00:00"},
		{"2026-11-18 00:00", "2026-11-24 15:30", "2026-11-11 00:00", "2026-11-17 15:30"},
		{"2026-11-23 00:00", "2026-11-24 00:00", "2026-11-16 00:00", "2026-11-17 00:00"},
		{"2026-10-01 00:00", "2026-11-01 00:00", "2026-08-27 00:00", "2026-09-27 00:00"},
		{"2026-10-26 00:00", "2026-11-02 00:00", "2026-10-19 00:00", "2026-10-26 00:00"}, // a week of 169 hours
		{"2026-03-02 00:00", "2026-03-09 00:00", "2026-02-23 00:00", "2026-03-02 00:00"}, // one of 167
	} {
		p := Period{mustTime(t, x.since, ny), mustTime(t, x.until, ny)}.before(ny)
		if from, to := p.Since.Format(shownTime), p.Until.Format(shownTime); from != x.from || to != x.to {
			t.Errorf("before %s to %s is %s to %s, want %s to %s", x.since, x.until, from, to, x.from, x.to)
		}
	}
}

func TestWeeklyReportIsDueByTheClockOfItsZone(t *testing.T) {
	ny := zone(t, "America/New_York")
	for _, x := range []struct {
		day       time.Weekday
		minute    int
		now, want string
	}{
		{time.Monday, 480, "2026-11-23 08:00", "2026-11-23 08:00"},
		{time.Monday, 480, "2026-11-23 07:59", "2026-11-16 08:00"},
		{time.Monday, 480, "2026-11-29 23:59", "2026-11-23 08:00"},
		{time.Sunday, 0, "2026-11-24 12:00", "2026-11-22 00:00"},
		{time.Sunday, 150, "2026-03-08 12:00", "2026-03-08 01:30 or 03:30"}, // 02:30 does not exist on that day
		{time.Monday, 480, "2026-11-02 08:00", "2026-11-02 08:00"},          // the day after clocks went back
	} {
		got := LastDue(x.day, x.minute, ny, mustTime(t, x.now, ny))
		if s := got.Format(shownTime); !strings.HasPrefix(x.want, s[:10]) || !strings.Contains(x.want, s[11:]) {
			t.Errorf("%s %d at %s: %s, want %s", x.day, x.minute, x.now, s, x.want)
		}
	}
	p := WeekBefore(mustTime(t, "2026-11-23 08:00", ny), ny)
	if s := periodWords(p.Since, p.Until); s != "Mon 16 Nov 2026 to Sun 22 Nov 2026" {
		t.Error(s)
	}
}

func mustTime(t *testing.T, s string, zone *time.Location) time.Time {
	t.Helper()
	at, err := time.ParseInLocation(shownTime, s, zone)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func FuzzParsePeriod(f *testing.F) {
	for _, s := range []string{"", "2026-11", "2026-11-24", "7d", "36h", "2026-11-23T13:00:00Z", "1e9h", "0d"} {
		f.Add(s, s)
	}
	now := time.Date(2026, 11, 24, 15, 30, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, since, until string) {
		p, err := ParsePeriod(since, until, now, time.UTC)
		if err == nil && (!p.Since.Before(p.Until) || p.Until.Sub(p.Since) > longest) {
			t.Errorf("%q to %q is %v", since, until, p)
		}
	})
}
