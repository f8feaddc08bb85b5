package rules

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Clock is a time of day in minutes after midnight, 0 to 1440.
type Clock int

// String is the clock as "17:30"; minutes past 24:00 belong to the next day.
func (c Clock) String() string { return fmt.Sprintf("%02d:%02d", int(c)/60, int(c)%60) }

// Midnight is the end of a day.
const Midnight Clock = 24 * 60

// Span is a part of a day, From included, To not. To may be 1440; over that the span runs over midnight into the next day
// and belongs to the day on which it began.
type Span struct{ From, To Clock }

// Date is a calendar day.
type Date struct {
	Year  int
	Month time.Month
	Day   int
}

// String is the date as in the configuration, "2026-12-25".
func (d Date) String() string { return fmt.Sprintf("%04d-%02d-%02d", d.Year, int(d.Month), d.Day) }

// Hours are opening hours by weekday with closed dates. The zero value is always open.
type Hours struct {
	Days   [7][]Span // by time.Weekday; a business without hours has none anywhere and is always open
	Closed map[Date]bool
}

// Quiet are quiet hours; From after To runs over midnight; From equal to To means none.
type Quiet struct{ From, To Clock }

// String is the quiet hours as in the configuration; "" if there are none.
func (q Quiet) String() string {
	if q.None() {
		return ""
	}
	return q.From.String() + "-" + q.To.String()
}

// ParseClock reads a time of day, "8:00" to "24:00".
func ParseClock(s string) (Clock, error) {
	hours, minutes, ok := strings.Cut(s, ":")
	h, okH := twoDigits(hours)
	m, okM := twoDigits(minutes)
	if !ok || !okH || !okM || len(minutes) != 2 || m > 59 || h > 24 || h == 24 && m != 0 {
		return 0, fmt.Errorf("%q is not a time of day (write it like \"17:30\")", clip(s))
	}
	return Clock(h*60 + m), nil
}

func twoDigits(s string) (n int, ok bool) {
	if len(s) == 0 || len(s) > 2 {
		return 0, false
	}
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int(c-'0')
	}
	return n, true
}

// ParseDate reads a calendar day, "2026-12-25".
func ParseDate(s string) (Date, error) {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		return Date{}, fmt.Errorf("%q is not a date (write it like \"2026-12-25\")", clip(s))
	}
	return Date{t.Year(), t.Month(), t.Day()}, nil
}

// ParseQuiet reads quiet hours, "21:00-08:00"; "" is none.
func ParseQuiet(s string) (Quiet, error) {
	if strings.TrimSpace(s) == "" {
		return Quiet{}, nil
	}
	from, to, ok := cutRange(s)
	if !ok {
		return Quiet{}, fmt.Errorf("%q are not quiet hours (write them like \"21:00-08:00\", or \"\" for none)", clip(s))
	}
	f, err := ParseClock(from)
	if err != nil {
		return Quiet{}, err
	}
	t, err := ParseClock(to)
	if err != nil {
		return Quiet{}, err
	}
	if f%Midnight == t%Midnight {
		// Whether it means all day or never is anybody's guess, and the wrong one texts people at night.
		return Quiet{}, fmt.Errorf("%q would be quiet all day; use a rule to send nothing, or \"\" for no quiet hours", clip(s))
	}
	return Quiet{f % Midnight, t % Midnight}, nil
}

// ParseHours reads opening hours: each entry names days and then ranges, "Mon-Fri 08:00-12:00 13:00-17:30" or
// "Mon,Wed,Sat 09:00-12:00, 14:00-18:00"; "Fri 18:00-02:00" runs over midnight; "Sun closed" says it in words. Ranges of
// the same day are merged. closed are dates like "2026-12-25".
func ParseHours(entries, closed []string) (Hours, error) {
	var h Hours
	for _, entry := range entries {
		if err := h.add(entry); err != nil {
			return Hours{}, fmt.Errorf("hours %q: %w", clip(entry), err)
		}
	}
	for day := range h.Days {
		h.Days[day] = merge(h.Days[day])
	}
	if len(entries) > 0 && !h.anyDay() {
		return Hours{}, fmt.Errorf("hours leave no time at which the business is open")
	}
	for _, s := range closed {
		d, err := ParseDate(strings.TrimSpace(s))
		if err != nil {
			return Hours{}, fmt.Errorf("closed: %w", err)
		}
		if h.Closed == nil {
			h.Closed = make(map[Date]bool)
		}
		h.Closed[d] = true
	}
	return h, nil
}

func (h *Hours) add(entry string) error {
	fields := strings.FieldsFunc(spacedRanges(entry), func(r rune) bool { return r == ' ' || r == '\t' || r == ',' || r == ';' })
	var days []time.Weekday
	spans := 0
	for i, f := range fields {
		from, to, isRange := cutRange(f)
		switch {
		case f[0] >= '0' && f[0] <= '9':
			if i == 0 {
				return fmt.Errorf("no day before %q (write it like \"Mon-Fri 08:00-17:30\")", f)
			}
			if !isRange {
				return fmt.Errorf("%q is not a range of times (write it like \"08:00-17:30\")", clip(f))
			}
			span, err := parseSpan(from, to)
			if err != nil {
				return err
			}
			for _, d := range days {
				h.Days[d] = append(h.Days[d], span)
			}
			spans++
		case spans > 0:
			return fmt.Errorf("%q stands after a time: give it an entry of its own", clip(f))
		case strings.EqualFold(f, "closed"):
			if i == 0 || i != len(fields)-1 {
				return fmt.Errorf("\"closed\" stands alone after the days")
			}
			return nil
		default:
			ds, err := parseDays(f)
			if err != nil {
				return err
			}
			days = append(days, ds...)
		}
	}
	if spans == 0 {
		return fmt.Errorf("no range of times (write it like \"Mon-Fri 08:00-17:30\")")
	}
	return nil
}

// spacedRanges takes the blanks around dashes away, and reads an en dash as one.
func spacedRanges(s string) string {
	s = strings.ReplaceAll(s, "–", "-")
	for strings.Contains(s, " -") || strings.Contains(s, "- ") {
		s = strings.ReplaceAll(strings.ReplaceAll(s, " -", "-"), "- ", "-")
	}
	return s
}

func cutRange(s string) (from, to string, ok bool) {
	from, to, ok = strings.Cut(spacedRanges(strings.TrimSpace(s)), "-")
	return from, to, ok && !strings.Contains(to, "-")
}

func parseSpan(from, to string) (Span, error) {
	f, err := ParseClock(from)
	if err != nil {
		return Span{}, err
	}
	t, err := ParseClock(to)
	if err != nil {
		return Span{}, err
	}
	switch {
	case f == t:
		return Span{}, fmt.Errorf("%s-%s is empty (write \"00:00-24:00\" for the whole day)", f, t)
	case f == Midnight:
		return Span{}, fmt.Errorf("a range cannot begin at 24:00")
	case t < f:
		t += Midnight
	}
	return Span{f, t}, nil
}

// parseDays reads "Mon", "Monday", "Mon-Fri", "Sat-Tue" or "daily".
func parseDays(s string) ([]time.Weekday, error) {
	if strings.EqualFold(s, "daily") {
		return []time.Weekday{0, 1, 2, 3, 4, 5, 6}, nil
	}
	from, to, isRange := cutRange(s)
	first, ok := weekday(from)
	if !ok {
		return nil, fmt.Errorf("%q is not a day of the week (Mon, Tue, Wed, Thu, Fri, Sat, Sun)", clip(from))
	}
	if !isRange {
		if from != s {
			return nil, fmt.Errorf("%q is not a range of days (write it like \"Mon-Fri\")", clip(s))
		}
		return []time.Weekday{first}, nil
	}
	last, ok := weekday(to)
	if !ok {
		return nil, fmt.Errorf("%q is not a day of the week (Mon, Tue, Wed, Thu, Fri, Sat, Sun)", clip(to))
	}
	days := []time.Weekday{first}
	for d := first; d != last; {
		d = (d + 1) % 7
		days = append(days, d)
	}
	return days, nil
}

func weekday(s string) (time.Weekday, bool) {
	for d := time.Sunday; d <= time.Saturday; d++ {
		name := d.String()
		if strings.EqualFold(s, name) || strings.EqualFold(s, name[:3]) || len(s) == 4 && len(name) > 4 && strings.EqualFold(s, name[:4]) {
			return d, true
		}
	}
	return 0, false
}

func merge(spans []Span) []Span {
	slices.SortFunc(spans, func(a, b Span) int { return int(a.From - b.From) })
	out := spans[:0]
	for _, s := range spans {
		if n := len(out); n > 0 && s.From <= out[n-1].To {
			out[n-1].To = max(out[n-1].To, s.To)
			continue
		}
		out = append(out, s)
	}
	return out
}

func (h Hours) anyDay() bool {
	return slices.ContainsFunc(h.Days[:], func(s []Span) bool { return len(s) > 0 })
}

// Always tells whether there are no hours and no closed dates.
func (h Hours) Always() bool { return !h.anyDay() && len(h.Closed) == 0 }

// OpenAt tells whether the business is open at an instant, by the clock of its zone. A span over midnight belongs to the
// day on which it began, so a closed date takes away its own evening and not the end of the evening before.
func (h Hours) OpenAt(t time.Time, zone *time.Location) bool {
	local := t.In(zone)
	today := dateOf(local)
	now := clockOf(local)
	if !h.anyDay() {
		return !h.Closed[today]
	}
	if !h.Closed[today] && within(h.Days[local.Weekday()], now) {
		return true
	}
	before := yesterday(today)
	return !h.Closed[before] && within(h.Days[(local.Weekday()+6)%7], now+Midnight)
}

func within(spans []Span, c Clock) bool {
	return slices.ContainsFunc(spans, func(s Span) bool { return s.From <= c && c < s.To })
}

// longestClosure is how far [Hours.NextOpen] looks ahead.
const longestClosure = 800 // days

// NextOpen is the first instant from t on at which the business is open: t itself if it is open then. It is the zero time
// if the business does not open again within two years.
func (h Hours) NextOpen(t time.Time, zone *time.Location) time.Time {
	if h.OpenAt(t, zone) {
		return t
	}
	day := dateOf(t.In(zone))
	for range longestClosure {
		if first := h.firstOpening(day, t, zone); !first.IsZero() {
			return first
		}
		day = tomorrow(day)
	}
	return time.Time{}
}

// firstOpening is the first instant on a day, after t, at which a span of that day begins.
func (h Hours) firstOpening(day Date, t time.Time, zone *time.Location) time.Time {
	if h.Closed[day] {
		return time.Time{}
	}
	spans := h.Days[noon(day).Weekday()]
	if !h.anyDay() {
		spans = []Span{{0, Midnight}}
	}
	for _, s := range spans {
		if at := instant(day, s.From, zone); at.After(t) && h.OpenAt(at, zone) {
			return at
		}
	}
	return time.Time{}
}

// None tells whether there are no quiet hours.
func (q Quiet) None() bool { return q.From == q.To }

// At tells whether it is quiet at an instant by the clock of a zone.
func (q Quiet) At(t time.Time, zone *time.Location) bool {
	if q.None() {
		return false
	}
	now := clockOf(t.In(zone))
	if q.From < q.To {
		return q.From <= now && now < q.To
	}
	return now >= q.From || now < q.To
}

// Next is the first instant from t on at which it is not quiet in any of the zones: t itself if it is not quiet then. ok is
// false if the quiet hours of the zones together leave no time of the day.
func (q Quiet) Next(t time.Time, zones ...*time.Location) (next time.Time, ok bool) {
	next = t
	// Each round ends one zone's quiet hours; a few zones settle in as many rounds a day.
	for next.Sub(t) <= 49*time.Hour {
		i := slices.IndexFunc(zones, func(z *time.Location) bool { return q.At(next, z) })
		if i < 0 {
			return next, true
		}
		next = q.end(next, zones[i])
	}
	return t, false
}

// Begins is the first instant after t at which it becomes quiet in one of the zones; the zero time if there are no quiet
// hours. If it is quiet at t, that is t.
func (q Quiet) Begins(t time.Time, zones ...*time.Location) time.Time {
	var first time.Time
	if q.None() {
		return first
	}
	for _, z := range zones {
		at := t
		if !q.At(t, z) {
			day := dateOf(t.In(z))
			if at = instant(day, q.From, z); !at.After(t) {
				at = instant(tomorrow(day), q.From, z)
			}
		}
		if first.IsZero() || at.Before(first) {
			first = at
		}
	}
	return first
}

// end is when the quiet hours that hold at t end by the clock of a zone. It looks minute by minute, because a clock that is
// set forward or back in the night may skip the end, or bring it twice.
func (q Quiet) end(t time.Time, zone *time.Location) time.Time {
	t = t.Truncate(time.Minute)
	for range 2 * int(Midnight) {
		if t = t.Add(time.Minute); !q.At(t, zone) {
			return t
		}
	}
	return t
}

// instant is the first instant of a day at which the clock of a zone shows c, or has jumped over it.
func instant(d Date, c Clock, zone *time.Location) time.Time {
	at := time.Date(d.Year, d.Month, d.Day, int(c)/60, int(c)%60, 0, 0, zone)
	want := time.Date(d.Year, d.Month, d.Day, int(c)/60, int(c)%60, 0, 0, time.UTC)
	shown := wall(at)
	start, end := at.ZoneBounds()
	switch {
	case shown.After(want): // the clock was set forward over it, and Go took the later offset
		return start
	case shown.Before(want): // the same, with the earlier offset
		return end
	case !start.IsZero():
		// Set back, a time of day comes twice: the first one counts.
		_, now := at.Zone()
		_, before := start.Add(-time.Second).Zone()
		if earlier := at.Add(time.Duration(now-before) * time.Second); earlier.Before(start) && wall(earlier).Equal(want) {
			return earlier
		}
	}
	return at
}

// wall is what the clock on the wall shows, as a time in UTC, so that two of them can be compared.
func wall(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), 0, time.UTC)
}

func dateOf(local time.Time) Date {
	y, m, d := local.Date()
	return Date{y, m, d}
}

func clockOf(local time.Time) Clock { return Clock(local.Hour()*60 + local.Minute()) }

func noon(d Date) time.Time { return time.Date(d.Year, d.Month, d.Day, 12, 0, 0, 0, time.UTC) }

func yesterday(d Date) Date { return dateOf(noon(d).AddDate(0, 0, -1)) }

func tomorrow(d Date) Date { return dateOf(noon(d).AddDate(0, 0, 1)) }

// clip shortens hostile or overlong input for an error.
func clip(s string) string {
	if r := []rune(s); len(r) > 40 {
		return string(r[:40]) + "…"
	}
	return s
}
