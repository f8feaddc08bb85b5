package report

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Period is a stretch of time: [Since, Until).
type Period struct{ Since, Until time.Time }

// before is the period to compare with: the same days of the week, as many whole weeks earlier as this one needs not to
// overlap. A Monday is compared with a Monday, a month with 31 days of the same kinds.
func (p Period) before(zone *time.Location) Period {
	n := p.shift()
	return Period{p.Since.In(zone).AddDate(0, 0, -n), p.Until.In(zone).AddDate(0, 0, -n)}
}

// shift is how many days earlier the period before lies.
func (p Period) shift() int { return (p.length() + 6) / 7 * 7 }

// length is the period's length in days, rounded up; days with a change of clocks are days.
func (p Period) length() int {
	const day, change = 24 * time.Hour, 2 * time.Hour
	return max(int((p.Until.Sub(p.Since)-change+day-1)/day), 1)
}

func midnight(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, t.Location())
}

// WeekBefore is the period of a weekly report: the seven whole days before the day on which it is made.
func WeekBefore(made time.Time, zone *time.Location) Period {
	end := midnight(made.In(zone))
	return Period{end.AddDate(0, 0, -7), end}
}

// LastDue is the last moment up to and including now at which a weekly report was due; minute is the minute of the day.
func LastDue(day time.Weekday, minute int, zone *time.Location, now time.Time) time.Time {
	l := now.In(zone)
	back := (int(l.Weekday()) - int(day) + 7) % 7
	at := func(back int) time.Time {
		return time.Date(l.Year(), l.Month(), l.Day()-back, minute/60, minute%60, 0, 0, zone)
	}
	if due := at(back); !due.After(now) {
		return due
	}
	return at(back + 7)
}

// ParsePeriod reads the two ends as they are typed; "" takes the default, which is the last seven days up to now. An end is
// a date (2026-11-16; as the later end the whole day is meant), a month (2026-11), a date with a time, a moment with its zone
// (RFC 3339), or how long ago ("36h", "7d", "4w").
func ParsePeriod(since, until string, now time.Time, zone *time.Location) (Period, error) {
	p := Period{Until: now}
	var err error
	if until != "" {
		if p.Until, err = parseEnd(until, now, zone, true); err != nil {
			return Period{}, fmt.Errorf("--until: %w", err)
		}
	}
	if since == "" {
		// Six days before the last one, so that seven are seen.
		p.Since = midnight(p.Until.Add(-1).In(zone)).AddDate(0, 0, -6)
	} else if p.Since, err = parseEnd(since, now, zone, false); err != nil {
		return Period{}, fmt.Errorf("--since: %w", err)
	}
	if !p.Since.Before(p.Until) {
		return Period{}, fmt.Errorf("--since (%s) is not before --until (%s)", p.Since.In(zone).Format(shownTime), p.Until.In(zone).Format(shownTime))
	}
	if p.Until.Sub(p.Since) > longest {
		return Period{}, fmt.Errorf("the period is longer than %d days", int(longest.Hours()/24))
	}
	return p, nil
}

const (
	shownTime = "2006-01-02 15:04"
	longest   = 3 * 366 * 24 * time.Hour
)

func parseEnd(text string, now time.Time, zone *time.Location, end bool) (time.Time, error) {
	text = strings.TrimSpace(text)
	if t, err := time.ParseInLocation(time.DateOnly, text, zone); err == nil {
		if end {
			t = t.AddDate(0, 0, 1)
		}
		return t, nil
	}
	if t, err := time.ParseInLocation("2006-01", text, zone); err == nil {
		if end {
			t = t.AddDate(0, 1, 0)
		}
		return t, nil
	}
	for _, layout := range []string{shownTime, "2006-01-02T15:04", time.DateTime} {
		if t, err := time.ParseInLocation(layout, text, zone); err == nil {
			return t, nil
		}
	}
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t, nil
	}
	if ago, ok := parseAgo(text); ok {
		return now.Add(-ago), nil
	}
	return time.Time{}, fmt.Errorf(`%q is not a time (write it like 2026-11-16, 2026-11, "2026-11-16 08:00", 7d or 36h)`, clipped(text))
}

// parseAgo reads "36h", "7d" or "4w".
func parseAgo(text string) (time.Duration, bool) {
	for unit, long := range map[string]time.Duration{"d": 24 * time.Hour, "w": 7 * 24 * time.Hour} {
		if digits, ok := strings.CutSuffix(text, unit); ok {
			n, err := strconv.ParseUint(digits, 10, 16)
			return time.Duration(n) * long, err == nil
		}
	}
	d, err := time.ParseDuration(text)
	return d, err == nil && d >= 0
}

func clipped(s string) string {
	if r := []rune(s); len(r) > 40 {
		return string(r[:40]) + "..."
	}
	return s
}
