package configs

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"textback/rules"
)

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// report reads [report].
func (b *builder) report(root *section) Report {
	s := root.table("report")
	if s == nil {
		return Report{Zone: time.UTC}
	}
	s.name = "[report]"
	r := Report{Businesses: b.businessList(s, "business"), Notify: b.notifyList(s, "notify")}
	r.Zone = b.reportZone(s, r.Businesses)
	if text := s.str("weekly", ""); text != "" {
		day, minute, err := weekTime(text)
		if err != nil {
			message, hint := splitHint(err)
			s.bad("weekly", withValue(text, message), hint)
		}
		r.Weekly, r.Day, r.Minute = true, day, minute
		if len(r.Notify) == 0 && (!s.has("notify") || len(b.errs) == 0) {
			s.bad("notify", "is missing: the weekly report goes to nobody",
				`write notify = ["…"], the name of a [[notify]] of kind "email"`)
		}
	}
	for _, name := range r.Notify {
		for _, n := range b.config.Notify {
			if n.Name == name && n.Kind != Email {
				s.bad("notify", fmt.Sprintf("%q is a %s hand-off; a report goes by e-mail", name, n.Kind),
					`write the name of a [[notify]] of kind "email"`)
			}
		}
	}
	s.done()
	return r
}

// reportZone is the zone given, or the one that the businesses share, or UTC.
func (b *builder) reportZone(s *section, businesses []string) *time.Location {
	if s.has("timezone") {
		return s.zone("timezone", "America/New_York")
	}
	var zone *time.Location
	for _, key := range sortedKeys(b.set.Businesses) {
		if !matchesBusiness(businesses, key) {
			continue
		}
		z := b.set.Businesses[key].Zone
		if zone != nil && zone.String() != z.String() {
			return time.UTC
		}
		zone = z
	}
	if zone == nil {
		return time.UTC
	}
	return zone
}

// weekTime reads "Mon 08:00".
func weekTime(text string) (time.Weekday, int, error) {
	day, clock, ok := strings.Cut(strings.TrimSpace(text), " ")
	if !ok {
		return 0, 0, fmt.Errorf(`%q is not a time of the week (write it like "Mon 08:00")`, clip(text))
	}
	minute, err := rules.ParseClock(strings.TrimSpace(clock))
	if err != nil {
		return 0, 0, err
	}
	if minute >= rules.Midnight {
		return 0, 0, fmt.Errorf(`%q is the next day (write it like "Mon 00:00")`, clip(text))
	}
	for d := time.Sunday; d <= time.Saturday; d++ {
		if strings.EqualFold(day, d.String()) || strings.EqualFold(day, d.String()[:3]) {
			return d, int(minute), nil
		}
	}
	return 0, 0, fmt.Errorf(`%q is not a day of the week (write it like "Mon 08:00")`, clip(day))
}

// alarm reads [alarm].
func (b *builder) alarm(root *section) Alarm {
	s := root.table("alarm")
	if s == nil {
		return Alarm{Silence: time.Hour, NoTexts: true}
	}
	s.name = "[alarm]"
	a := Alarm{
		Silence: s.duration("silence", time.Hour, 0),
		NoTexts: s.boolean("no_texts", true),
		Notify:  b.notifyList(s, "notify"),
	}
	if a.Silence > 0 && a.Silence < time.Minute {
		s.bad("silence", fmt.Sprintf("%q is too short: it would alarm all day", short(a.Silence)),
			`write at least "1m", or "0s" for never`)
	}
	s.done()
	return a
}
