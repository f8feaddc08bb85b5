package preview

import (
	"slices"
	"time"

	"textback/rules"
)

// moment is when a made-up call ends.
type moment struct {
	at    time.Time // by the business's clock
	words string    // "Tuesday 1 December at 10:00, which is in opening hours"
}

// search is which hours of which days are tried, the most natural ones first.
var (
	daysTried  = []time.Weekday{time.Tuesday, time.Wednesday, time.Thursday, time.Friday, time.Monday, time.Saturday, time.Sunday}
	byDay      = []int{10 * 60, 11 * 60, 14 * 60, 16 * 60, 9 * 60, 12*60 + 30, 18 * 60, 20 * 60}
	inEvening  = []int{19 * 60, 18 * 60, 20 * 60, 20*60 + 30, 17*60 + 45, 12*60 + 30, 8*60 + 15, 7 * 60, 6 * 60}
	inNight    = []int{23 * 60, 22 * 60, 2 * 60, 5 * 60}
	forHoliday = []int{11 * 60, 14 * 60, 9 * 60, 19 * 60}
)

// find is the first moment of the coming days that suits: the times in their order on each of the days, then the minutes at
// which the business opens and closes, then every half hour.
func find(b *rules.Business, now time.Time, times []int, suits func(time.Time) bool) (time.Time, bool) {
	today := now.In(b.Zone)
	for _, list := range [][]int{times, edges(b), halfHours()} {
		for week := range 2 {
			for _, day := range daysTried {
				ahead := (int(day)-int(today.Weekday())+6)%7 + 1 + 7*week // from tomorrow on
				d := today.AddDate(0, 0, ahead)
				for _, minute := range list {
					at := time.Date(d.Year(), d.Month(), d.Day(), minute/60, minute%60, 0, 0, b.Zone)
					if suits(at) {
						return at, true
					}
				}
			}
		}
	}
	return time.Time{}, false
}

// edges are the minutes of the day at which a business opens or closes: it may be open or closed for minutes only.
func edges(b *rules.Business) []int {
	var all []int
	for _, spans := range b.Hours.Days {
		for _, s := range spans {
			for _, c := range []rules.Clock{s.From, s.To} {
				if m := int(c % rules.Midnight); !slices.Contains(all, m) {
					all = append(all, m)
				}
			}
		}
	}
	return all
}

func halfHours() []int {
	all := make([]int, 0, 48)
	for m := 0; m < 24*60; m += 30 {
		all = append(all, m)
	}
	return all
}

// day writes a moment as people say it.
func day(at time.Time) string { return at.Format("Monday 2 January at 15:04") }

// moments are the times of day that may be treated differently on a line. quiet tells whether quiet hours of the caller's
// place touch a moment.
func moments(l *rules.Line, now time.Time, quiet func(time.Time) bool) []moment {
	b := l.Business
	open := func(at time.Time) bool { return b.Hours.OpenAt(at, b.Zone) }
	holiday := func(at time.Time) bool { return b.Hours.Closed[dateOf(at)] }
	var all []moment
	add := func(times []int, words string, suits ...func(time.Time) bool) {
		for _, ok := range suits {
			if at, found := find(b, now, times, ok); found {
				all = append(all, moment{at, day(at) + words})
				return
			}
		}
	}
	inHours := ", in opening hours"
	if b.Hours.Always() {
		inHours = ""
	}
	add(byDay, inHours, func(t time.Time) bool { return open(t) && !quiet(t) }, open)
	if len(all) == 0 { // closed for weeks
		if at := b.Hours.NextOpen(now, b.Zone); !at.IsZero() {
			at = at.In(b.Zone)
			all = append(all, moment{at, day(at) + inHours})
		}
	}
	add(inEvening, ", out of hours", func(t time.Time) bool { return !open(t) && !holiday(t) && !quiet(t) },
		func(t time.Time) bool { return !open(t) && !holiday(t) })
	add(inNight, ", in quiet hours", func(t time.Time) bool { return quiet(t) && !holiday(t) })
	if at, ok := nextHoliday(b, now); ok {
		all = append(all, moment{at, day(at) + ", a closed day"})
	}
	return all
}

// nextHoliday is a time on the next closed day.
func nextHoliday(b *rules.Business, now time.Time) (time.Time, bool) {
	var next time.Time
	for d := range b.Hours.Closed {
		at := time.Date(d.Year, d.Month, d.Day, forHoliday[0]/60, 0, 0, 0, b.Zone)
		if at.After(now) && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	if next.IsZero() {
		return next, false
	}
	for _, m := range forHoliday {
		at := time.Date(next.Year(), next.Month(), next.Day(), m/60, m%60, 0, 0, b.Zone)
		if !b.Hours.OpenAt(at, b.Zone) { // the end of an evening before may reach into it
			return at, true
		}
	}
	return next, true
}

func dateOf(local time.Time) rules.Date {
	y, m, d := local.Date()
	return rules.Date{Year: y, Month: m, Day: d}
}
