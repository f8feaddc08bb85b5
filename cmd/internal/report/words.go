package report

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
)

var weekdays = [7]string{"Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"}

// Percent writes a share: "21 %", one decimal below ten, "-" if there is nothing to divide by.
func Percent(r Rate) string {
	if !r.Known() {
		return "-"
	}
	v := r.Value() * 100
	if v > 0 && v < 9.95 {
		return strconv.FormatFloat(v, 'f', 1, 64) + " %"
	}
	return strconv.FormatFloat(v, 'f', 0, 64) + " %"
}

// Duration writes seconds for people: "8 s", "1:05 min", "26 min", "2:30 h", "3 d".
func Duration(seconds float64) string {
	d := time.Duration(seconds * float64(time.Second)).Round(time.Second)
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < 10*time.Minute:
		return fmt.Sprintf("%d:%02d min", int(d.Minutes()), int(d.Seconds())%60)
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d.Round(time.Minute).Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d:%02d h", int(d.Hours()), int(d.Minutes())%60)
	default:
		return fmt.Sprintf("%d d", int(d.Hours()/24))
	}
}

// Clean makes what strangers may have written safe to show: no control or bidi characters, bounded.
func Clean(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r == '\n', r == '\r', r == '\t':
			return ' '
		case unicode.IsControl(r), unicode.In(r, unicode.Cf, unicode.Co, unicode.Cs):
			return -1
		default:
			return r
		}
	}, strings.ToValidUTF8(s, "?"))
	return clipped(s)
}

// title is who the report is about.
func (r *Report) title() string {
	if len(r.Businesses) == 0 {
		return "All businesses"
	}
	names := make([]string, 0, len(r.Businesses))
	for _, n := range r.Businesses {
		names = append(names, Clean(n))
	}
	return strings.Join(names, ", ")
}

// periodWords writes a period for people: whole days as days.
func periodWords(since, until time.Time) string {
	const day = "Mon 2 Jan 2006"
	if since.Equal(midnight(since)) && until.Equal(midnight(until)) {
		last := until.AddDate(0, 0, -1)
		if last.Format(day) == since.Format(day) {
			return since.Format(day)
		}
		return since.Format(day) + " to " + last.Format(day)
	}
	return since.Format(day+" 15:04") + " to " + until.Format(day+" 15:04")
}

// same is what a figure that did not change says.
const same = "no change"

// delta says how a count changed: "+12 (+40 %)", "0"; nothing to compare with is "".
func (r *Report) delta(now, before int) string {
	if !r.Before.Known {
		return ""
	}
	d := now - before
	switch {
	case d == 0:
		return same
	case before == 0:
		return fmt.Sprintf("%+d", d)
	}
	return fmt.Sprintf("%+d (%+.0f %%)", d, 100*float64(d)/float64(before))
}

// deltaRate says how a share changed, in points.
func (r *Report) deltaRate(now, before Rate) string {
	if !r.Before.Known || !now.Known() || !before.Known() {
		return ""
	}
	if d := 100 * (now.Value() - before.Value()); math.Abs(d) >= 0.05 {
		return fmt.Sprintf("%+.1f points", d)
	}
	return same
}

// deltaSpan says how a median changed.
func (r *Report) deltaSpan(now, before Span) string {
	if !r.Before.Known || now.N == 0 || before.N == 0 {
		return ""
	}
	switch d := now.Median - before.Median; {
	case math.Abs(d) < 0.5:
		return same
	case d < 0:
		return "-" + Duration(-d)
	default:
		return "+" + Duration(d)
	}
}

// dayWords writes a date of the trend: "Mon 16 Nov".
func dayWords(date string) string {
	t, err := time.Parse(time.DateOnly, date)
	if err != nil {
		return date
	}
	return t.Format("Mon 2 Jan")
}
