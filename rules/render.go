package rules

import (
	"fmt"
	"net/url"
	"strings"
	"time"
)

// The ways in which a booking service brings a token back (Business.Booking).
const (
	BookingQuery    = "query"    // ?tb=TOKEN
	BookingCalCom   = "cal.com"  // ?metadata[tb]=TOKEN comes back as payload.metadata.tb
	BookingCalendly = "calendly" // ?utm_content=TOKEN comes back as payload.tracking.utm_content
)

// BookingLink is a booking URL that carries a token; the URL alone if there is no token. The rest of the URL stays as the
// administrator wrote it.
func BookingLink(base, service, token string) string {
	if base == "" || token == "" {
		return base
	}
	key := "tb"
	switch service {
	case BookingCalCom:
		key = "metadata%5Btb%5D" // brackets count two in the GSM alphabet each, and end links on some phones
	case BookingCalendly:
		key = "utm_content"
	}
	rest, fragment, hasFragment := strings.Cut(base, "#")
	sep := "?"
	if strings.Contains(rest, "?") {
		sep = "&"
		if strings.HasSuffix(rest, "?") || strings.HasSuffix(rest, "&") {
			sep = ""
		}
	}
	link := rest + sep + key + "=" + url.QueryEscape(token)
	if hasFragment {
		link += "#" + fragment
	}
	return link
}

// Fields are what a text about a call on this line says: callerIDName is cleaned, the time is told by the line's clock.
// language is the template's.
func (l *Line) Fields(callerIDName string, call, now time.Time, token, language string) Fields {
	f := Fields{Line: l.Name, Name: CleanName(callerIDName), When: When(call, now, l.zone(), language)}
	if f.Line == "" {
		f.Line = l.Number
	}
	if l.Business != nil {
		f.Business = l.Business.Name
		f.BookingURL = BookingLink(l.Business.BookingURL, l.Business.Booking, token)
	}
	return f
}

// RenderText renders a template of the set for a line, at the moment at which the text leaves. call is when the missed call
// was, by our own clock.
func (s *Set) RenderText(line *Line, name string, variant int, callerIDName string, call, now time.Time, token string) (string, error) {
	t := s.Templates[s.existing(name)]
	if t == nil {
		return "", fmt.Errorf("there is no template %q", name)
	}
	body, err := t.Render(variant, line.Fields(callerIDName, call, now, token, t.Language))
	if err == nil && line.Policy.Transliterate {
		body = Transliterate(body)
	}
	return body, err
}

// whenWords are the words for the time of a call in one language.
type whenWords struct {
	morning, afternoon, evening, tonight         string
	lastNight, ydMorning, ydAfternoon, ydEvening string
	weekdays                                     [7]string
	date                                         func(t time.Time) string
}

func wordsFor(language string) whenWords {
	base, _, _ := strings.Cut(strings.ToLower(language), "-")
	dayMonth := func(t time.Time) string { return fmt.Sprintf("%d.%d.", t.Day(), int(t.Month())) }
	switch base {
	case "fr":
		return whenWords{"ce matin", "cet après-midi", "ce soir", "cette nuit", "hier soir", "hier matin", "hier après-midi",
			"hier soir", [7]string{"dimanche", "lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi"},
			func(t time.Time) string { return "le " + t.Format("02/01") }}
	case "es":
		return whenWords{"esta mañana", "esta tarde", "esta tarde", "esta noche", "anoche", "ayer por la mañana",
			"ayer por la tarde", "ayer por la tarde", [7]string{"el domingo", "el lunes", "el martes", "el miércoles",
				"el jueves", "el viernes", "el sábado"},
			func(t time.Time) string { return "el " + t.Format("02/01") }}
	case "de":
		return whenWords{"heute Morgen", "heute Nachmittag", "heute Abend", "heute Nacht", "gestern Abend", "gestern Morgen",
			"gestern Nachmittag", "gestern Abend", [7]string{"am Sonntag", "am Montag", "am Dienstag", "am Mittwoch",
				"am Donnerstag", "am Freitag", "am Samstag"},
			func(t time.Time) string { return "am " + dayMonth(t) }}
	default:
		return whenWords{"this morning", "this afternoon", "this evening", "tonight", "last night", "yesterday morning",
			"yesterday afternoon", "yesterday evening", [7]string{"on Sunday", "on Monday", "on Tuesday", "on Wednesday",
				"on Thursday", "on Friday", "on Saturday"},
			func(t time.Time) string { return "on " + t.Format("January 2") }}
	}
}

// Parts of the day, in hours.
const (
	dawn  = 5
	noonH = 12
	five  = 17
	dusk  = 20
	late  = 21
)

// When tells when a call was, in words, as seen at the moment at which the text leaves: "this morning", "this afternoon",
// "last night". Both are looked at by the clock of the zone. A night counts until five in the morning.
func When(call, now time.Time, zone *time.Location, language string) string {
	w := wordsFor(language)
	call, now = call.In(zone), now.In(zone)
	if call.After(now) {
		call = now
	}
	days := int(noon(dateOf(now)).Sub(noon(dateOf(call))) / (24 * time.Hour))
	h := call.Hour()
	switch {
	case days == 0 && h < dawn && now.Hour() >= dawn:
		return w.lastNight
	case days == 0 && (h < dawn || h >= late), days == 1 && h >= late && now.Hour() < dawn:
		return w.tonight
	case days == 0 && h < noonH:
		return w.morning
	case days == 0 && h < five:
		return w.afternoon
	case days == 0:
		return w.evening
	case days == 1 && h >= dusk:
		return w.lastNight
	case days == 1 && h < noonH:
		return w.ydMorning
	case days == 1 && h < five:
		return w.ydAfternoon
	case days == 1:
		return w.ydEvening
	case days < 7:
		return w.weekdays[call.Weekday()]
	default:
		return w.date(call)
	}
}
