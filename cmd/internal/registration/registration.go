// Package registration writes what carriers ask for before they let a business text: the brand, the campaign of US 10DLC
// (The Campaign Registry), the verification of a toll-free number, and a general form for other countries. What the
// configuration knows is taken from it, and the samples and answers are those that the daemon really sends; what only the
// business knows is marked as to be filled in. It is pure: a configuration and figures in, fields out.
//
// The fields and their lengths are those that registrars publish (TCR's campaign fields as Twilio, Telnyx and Sinch hand them
// on; the toll-free verification of the same, with the business registration number that it asks for since 2026).
package registration

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"textback/cmd/internal/preview"
	"textback/configs"
	"textback/rules"
)

// Forms that can be written.
const (
	TenDLC   = "10dlc"
	TollFree = "toll-free"
	General  = "general"
)

// Forms lists the forms in the order in which they are written.
func Forms() []string { return []string{TenDLC, TollFree, General} }

// Where a value comes from.
const (
	FromConfig  = "configuration"
	FromFigures = "figures"   // of the calls of the last days
	Suggested   = "suggested" // written for you: read it before you sign it
	FillIn      = "fill in"   // only the business knows
)

// Field is one field of a form.
type Field struct {
	Form    string `json:"form"`
	Section string `json:"section"`
	Name    string `json:"name"`  // as registrars call it in their interfaces
	Label   string `json:"label"` // as people call it
	Value   string `json:"value"`
	Origin  string `json:"origin"`
	Note    string `json:"note,omitempty"`
	Min     int    `json:"min_length,omitempty"`
	Max     int    `json:"max_length,omitempty"`
}

// Trouble says why a value would be refused, "" if nothing is known against it.
func (f *Field) Trouble() string {
	n := utf8.RuneCountInString(f.Value)
	switch {
	case f.Origin == FillIn || f.Value == "":
		return ""
	case f.Min > 0 && n < f.Min:
		return fmt.Sprintf("%d characters; at least %d are asked for", n, f.Min)
	case f.Max > 0 && n > f.Max:
		return fmt.Sprintf("%d characters; at most %d are taken", n, f.Max)
	}
	return ""
}

// Volume is how many texts are expected.
type Volume struct {
	Month int    // texts in 30 days
	Day   int    // at most so many on one day
	How   string // where the figures come from, a clause
	Known bool   // counted, not concluded from the limits
}

// Pack is the material of one business.
type Pack struct {
	Business string    `json:"business"`
	Name     string    `json:"name"`
	Made     time.Time `json:"made"`
	Before   []string  `json:"before_you_send"` // what stands in the way, or must be true
	Greeting []string  `json:"greeting"`        // sentences for the announcement that callers hear
	Fields   []Field   `json:"fields"`
}

// Missing is how many fields of a form are to be filled in.
func (p *Pack) Missing(form string) (n int) {
	for i := range p.Fields {
		if p.Fields[i].Form == form && p.Fields[i].Origin == FillIn {
			n++
		}
	}
	return n
}

// Consent is how callers are brought to know of the text.
type Consent uint8

const (
	_ Consent = iota
	// Told: the greeting says so, and a key declines.
	Told
	// Asked: only who presses a key is texted.
	Asked
)

// Make writes the material of one business, which must have a line.
func Make(cfg *configs.Config, key string, v Volume, consent Consent, now time.Time) (*Pack, error) {
	b := cfg.Set.Businesses[key]
	if b == nil {
		return nil, fmt.Errorf("there is no [business.%s]", key)
	}
	m := &maker{cfg: cfg, b: b, volume: v, asks: consent == Asked}
	for _, l := range cfg.Set.Lines {
		if l.Business == b {
			m.lines = append(m.lines, l)
		}
	}
	if len(m.lines) == 0 {
		return nil, fmt.Errorf("business %q has no line, so it sends nothing that could be registered", key)
	}
	m.samples = samples(cfg, key, now)
	m.greeting = greetings(cfg, b, m.declines())
	p := &Pack{Business: key, Name: b.Name, Made: now, Greeting: m.greeting, Before: m.before()}
	m.tenDLC()
	m.tollFree()
	m.general()
	p.Fields = m.fields
	return p, nil
}

// mostSamples is how many sample messages a campaign takes.
const mostSamples = 5

// samples are the texts that callers of a business really get, each once: one of each template before the second variants.
func samples(cfg *configs.Config, key string, now time.Time) []string {
	var first, more []string
	for _, b := range preview.Make(cfg, now).Businesses {
		if b.Key != key {
			continue
		}
		for _, g := range b.Groups {
			for _, c := range g.Cases {
				for i, t := range c.Texts {
					list := &more
					if i == 0 {
						list = &first
					}
					if !slices.Contains(*list, t.Body) {
						*list = append(*list, t.Body)
					}
				}
			}
		}
	}
	var all []string
	for _, s := range append(first, more...) {
		if !slices.Contains(all, s) && len(all) < mostSamples {
			all = append(all, s)
		}
	}
	return all
}

// greetings are sentences for the announcement, in the language of the business: one that tells, with a key to decline if the
// configuration knows of one, and one that asks.
func greetings(cfg *configs.Config, b *rules.Business, declines bool) []string {
	base, _, _ := strings.Cut(cfg.Languages[b.Key], "-")
	var tells, key, asks string
	switch base {
	case "fr":
		tells = "Vous êtes bien chez %s. Si nous manquons votre appel, nous vous enverrons un SMS à ce numéro. Répondez STOP pour ne plus en recevoir."
		key = " Si vous ne voulez pas de SMS, tapez 9."
		asks = "Pour que %s vous réponde par SMS si nous manquons votre appel, tapez 1. Des frais peuvent s'appliquer. Répondez STOP pour arrêter."
	case "es":
		tells = "Gracias por llamar a %s. Si no podemos atenderle, le enviaremos un mensaje de texto a este número. Responda STOP para no recibir más."
		key = " Si no desea mensajes, pulse 9."
		asks = "Para que %s le envíe un mensaje de texto si no podemos atenderle, pulse 1. Pueden aplicarse tarifas. Responda STOP para cancelar."
	case "de":
		tells = "Guten Tag, hier ist %s. Wenn wir Ihren Anruf verpassen, schreiben wir Ihnen eine SMS an diese Nummer. Antworten Sie STOPP, um keine mehr zu bekommen."
		key = " Wenn Sie keine SMS möchten, drücken Sie die 9."
		asks = "Damit %s Ihnen eine SMS schreibt, wenn wir Ihren Anruf verpassen, drücken Sie die 1. Antworten Sie STOPP, um keine mehr zu bekommen."
	default:
		tells = "Thank you for calling %s. If we miss you, we will text you once at this number, so that you can tell us what you need. " +
			"Message and data rates may apply. Reply STOP to opt out or HELP for help."
		key = " If you do not want a text, press 9."
		asks = "To get a text from %s about this call if we miss you, press 1. One text for each missed call; message and data rates may apply. " +
			"Reply STOP to opt out or HELP for help."
	}
	if declines {
		tells += key
	}
	return []string{fmt.Sprintf(tells, b.Name), fmt.Sprintf(asks, b.Name)}
}
