package web

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

const (
	// maxSkew is how old, or how far ahead, a Calendly signature may be: against replays.
	maxSkew = 3 * time.Minute
	// maxAge bounds a replay of Cal.com, whose signature has no time: the signed body says when it was made. Beyond what
	// is remembered as handled, a copy is refused when it is older than any retry of theirs.
	maxAge    = 24 * time.Hour
	maxPhones = 5
)

// verify tells why a request is not from the service, "" if it is.
func verify(source BookingSource, h http.Header, body []byte, now time.Time) string {
	if source.Service == Calendly {
		return verifyCalendly(source.Secret, h.Get("Calendly-Webhook-Signature"), body, now)
	}
	// Cal.com: hex HMAC-SHA256 of the raw body, and the words "no-secret-provided" where the owner set no secret.
	given, err := hex.DecodeString(h.Get("X-Cal-Signature-256"))
	if err != nil || !hmac.Equal(given, mac(source.Secret, body)) {
		return "signature"
	}
	return ""
}

// verifyCalendly reads "t=1492774577,v1=5257a8..." and checks v1 against t.body.
func verifyCalendly(secret, header string, body []byte, now time.Time) string {
	var stamp string
	var signatures []string
	for field := range strings.SplitSeq(header, ",") {
		switch k, v, _ := strings.Cut(strings.TrimSpace(field), "="); k {
		case "t":
			stamp = v
		case "v1":
			signatures = append(signatures, v)
		}
	}
	want := mac(secret, []byte(stamp+"."), body)
	good := false
	for _, s := range signatures {
		given, err := hex.DecodeString(s)
		good = good || err == nil && hmac.Equal(given, want)
	}
	if !good {
		return "signature"
	}
	t, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil {
		return "signature"
	}
	if age := now.Sub(time.Unix(t, 0)); age > maxSkew || age < -maxSkew {
		return "age"
	}
	return ""
}

func mac(secret string, parts ...[]byte) []byte {
	m := hmac.New(sha256.New, []byte(secret))
	for _, p := range parts {
		m.Write(p)
	}
	return m.Sum(nil)
}

// parsed is what a signed body turned out to be.
type parsed uint8

const (
	_       parsed = iota
	taken          // a booking
	ignored        // an event that does not concern us
	stale          // signed long ago
	broken         // not what the service documents
)

// parse reads a signed body. The payloads carry dozens of fields in shapes that change with the service's version and the
// owner's form, so it looks only at what it needs and takes any other shape as absent.
func parse(source BookingSource, body []byte, now time.Time) (Booking, parsed) {
	var root any
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	if err := d.Decode(&root); err != nil {
		return Booking{}, broken
	}
	b, event, what := Booking{}, "", broken
	if source.Service == Calendly {
		b, event, what = parseCalendly(root)
	} else {
		b, event, what = parseCalCom(root, now)
	}
	if what != taken {
		return Booking{}, what
	}
	if b.ID == "" || len(b.ID) > 255 {
		return Booking{}, broken
	}
	b.Service, b.Business, b.At = source.Service, source.Business, now
	b.Key = source.Service + " " + event + " " + b.ID
	return b, taken
}

// parseCalCom reads BOOKING_CREATED, BOOKING_RESCHEDULED and BOOKING_CANCELLED (Cal.com docs, "Webhooks").
func parseCalCom(root any, now time.Time) (b Booking, event string, what parsed) {
	event = str(at(root, "triggerEvent"))
	switch event {
	case "BOOKING_CREATED":
		b.State = "created"
	case "BOOKING_RESCHEDULED":
		b.State = "rescheduled"
	case "BOOKING_CANCELLED":
		b.State = "cancelled"
	case "":
		return b, "", broken
	default:
		return b, "", ignored
	}
	if made := moment(at(root, "createdAt")); !made.IsZero() && (now.Sub(made) > maxAge || made.Sub(now) > maxAge) {
		return b, "", stale
	}
	p := at(root, "payload")
	b.ID = str(at(p, "uid"))
	b.Previous = str(at(p, "rescheduleUid"))
	b.Title = clip(str(at(p, "title")), 200)
	b.Start = moment(at(p, "startTime"))
	b.Token = tokenOf(at(p, "metadata", "tb"))
	var phones phoneList
	for _, a := range list(at(p, "attendees")) {
		phones.add(at(a, "phoneNumber"))
		if b.Name == "" {
			b.Name = clip(str(at(a, "name")), 100)
		}
	}
	// The booking form's answers: {"attendeePhoneNumber": {"label": "phone_number", "value": "+1..."}}, and the older
	// customInputs: {"Phone": "+1..."}.
	for _, form := range []any{at(p, "responses"), at(p, "userFieldsResponses"), at(p, "customInputs")} {
		m, _ := form.(map[string]any)
		for _, key := range slices.Sorted(maps.Keys(m)) {
			value := m[key]
			if v := at(value, "value"); v != nil {
				value = v
			}
			if aboutPhone(key) || aboutPhone(str(at(m[key], "label"))) {
				phones.add(value)
			}
			phones.add(at(value, "optionValue")) // "call me at": the place of the meeting is a number
		}
	}
	phones.add(at(p, "location"))
	b.Phones = phones
	return b, event, taken
}

// parseCalendly reads invitee.created and invitee.canceled (Calendly API v2, "Webhook payload"). A move is told as both:
// the half that cancels (rescheduled, or with a new_invitee) is left out, the half that creates names its old_invitee.
func parseCalendly(root any) (b Booking, event string, what parsed) {
	event = str(at(root, "event"))
	p := at(root, "payload")
	switch event {
	case "invitee.created":
		b.State = "created"
		if b.Previous = str(at(p, "old_invitee")); b.Previous != "" {
			b.State = "rescheduled"
		}
	case "invitee.canceled":
		b.State = "cancelled"
		if moved, _ := at(p, "rescheduled").(bool); moved || str(at(p, "new_invitee")) != "" {
			return b, "", ignored
		}
	case "":
		return b, "", broken
	default:
		return b, "", ignored
	}
	b.ID = str(at(p, "uri"))
	b.Name = clip(str(at(p, "name")), 100)
	b.Title = clip(str(at(p, "scheduled_event", "name")), 200)
	b.Start = moment(at(p, "scheduled_event", "start_time"))
	b.Token = tokenOf(at(p, "tracking", "utm_content"))
	var phones phoneList
	phones.add(at(p, "text_reminder_number"))
	for _, qa := range list(at(p, "questions_and_answers")) {
		if aboutPhone(str(at(qa, "question"))) {
			phones.add(at(qa, "answer"))
		}
	}
	if place := at(p, "scheduled_event", "location"); str(at(place, "type")) == "outbound_call" {
		phones.add(at(place, "location"))
	}
	b.Phones = phones
	return b, event, taken
}

// at walks down objects; what is not there is nil.
func at(v any, keys ...string) any {
	for _, k := range keys {
		m, _ := v.(map[string]any)
		v = m[k]
	}
	return v
}

func str(v any) string {
	switch s := v.(type) {
	case string:
		return s
	case json.Number:
		return s.String()
	}
	return ""
}

func list(v any) []any {
	l, _ := v.([]any)
	return l
}

func moment(v any) time.Time {
	t, err := time.Parse(time.RFC3339, str(v))
	if err != nil {
		return time.Time{}
	}
	return t.UTC()
}

// tokenOf takes a booking token back only if it looks like one of ours: a stranger can write the link's parameters.
func tokenOf(v any) string {
	s := str(v)
	if len(s) < 4 || len(s) > 64 {
		return ""
	}
	for _, c := range []byte(s) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && c != '-' && c != '_' {
			return ""
		}
	}
	return s
}

// clip keeps the printable part of a stranger's text, in one line and bounded.
func clip(s string, limit int) string {
	s = strings.Join(strings.FieldsFunc(strings.ToValidUTF8(s, ""), func(r rune) bool {
		return unicode.IsSpace(r) || !unicode.IsPrint(r)
	}), " ")
	if r := []rune(s); len(r) > limit {
		s = strings.TrimSpace(string(r[:limit]))
	}
	return s
}

type phoneList []string

// add takes a value that looks like a telephone number, once.
func (l *phoneList) add(v any) {
	s := strings.TrimSpace(str(v))
	digits := 0
	for i, c := range s {
		switch {
		case c >= '0' && c <= '9':
			digits++
		case c == '+' && i == 0, strings.ContainsRune(" ().-/\u00a0", c):
		default:
			return
		}
	}
	if digits < 6 || digits > 15 || len(s) > 40 || len(*l) >= maxPhones || slices.Contains(*l, s) {
		return
	}
	*l = append(*l, s)
}

// aboutPhone tells whether a question or field name asks for a telephone number, in the languages of our opt-out words.
func aboutPhone(name string) bool {
	name = strings.ToLower(name)
	for _, word := range []string{"phone", "mobile", "cell", "handy", "telef", "téléph", "teléf", "sms", "whatsapp",
		"contact number", "portable", "móvil", "celular"} {
		if strings.Contains(name, word) {
			return true
		}
	}
	return false
}
