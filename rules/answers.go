package rules

import (
	"cmp"
	"fmt"
	"strings"
)

// The automatic answers that are not templates: to STOP, START and HELP. They name the business and say how to go on, and
// the confirmation of an opt-out offers nothing (47 CFR 64.1200(a)(12)).

// OptOutAnswer confirms an opt-out in a language (BCP 47 tag, "" is English).
func OptOutAnswer(language, business string) string {
	switch baseLanguage(language) {
	case "fr":
		return business + " : vous êtes désinscrit et ne recevrez plus de SMS. Répondez START pour vous réinscrire."
	case "es":
		return business + ": se ha dado de baja y no recibirá más mensajes. Responda START para volver."
	case "de":
		return business + ": Sie sind abgemeldet und erhalten keine SMS mehr. START meldet Sie wieder an."
	default:
		return business + ": you are opted out and will get no more texts from us. Reply START to opt back in."
	}
}

// OptInAnswer confirms that somebody is back in.
func OptInAnswer(language, business string) string {
	switch baseLanguage(language) {
	case "fr":
		return business + " : vous êtes réinscrit. Répondez STOP pour vous désinscrire."
	case "es":
		return business + ": se ha dado de alta de nuevo. Responda STOP para darse de baja."
	case "de":
		return business + ": Sie sind wieder angemeldet. STOP meldet Sie ab."
	default:
		return business + ": you are opted back in. Reply STOP to opt out."
	}
}

// HelpAnswer answers HELP and INFO on a line: what the business says, else its name and the line's number.
func (l *Line) HelpAnswer() string {
	return cmp.Or(l.Business.Help,
		fmt.Sprintf("%s: you called us and we missed your call. Call %s. Reply STOP to opt out.", l.Business.Name, l.Number))
}

func baseLanguage(tag string) string {
	base, _, _ := strings.Cut(strings.ToLower(tag), "-")
	return base
}

// OptOutWords are the words that opt out as a whole message, as people read them.
func OptOutWords() []string {
	return []string{"STOP", "STOPALL", "STOP ALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT", "OPT OUT", "OPT-OUT",
		"REMOVE", "TD", "ARRET", "ARRÊT", "PARAR", "ALTO", "BAJA", "STOPP", "ABMELDEN"}
}

// OptInWords are the words that opt back in as a whole message.
func OptInWords() []string { return []string{"START", "UNSTOP"} }

// HelpWords are the words that ask for help as a whole message.
func HelpWords() []string { return []string{"HELP", "INFO"} }
