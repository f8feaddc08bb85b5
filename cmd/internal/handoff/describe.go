package handoff

import (
	"fmt"
	"strings"
	"time"
)

// describe says an event in words, for the subject and the first lines of a mail.
func describe(name string, payload any) (subject, lead string) {
	switch p := payload.(type) {
	case Call:
		return "Missed call from " + who(p.Caller, p.Name), fmt.Sprintf(
			"%s called %s at %s and was not answered (%s, rang %.0f s).", who(p.Caller, p.Name), p.Line, p.Begin.Format(time.RFC1123Z), p.Outcome, p.RingSeconds)
	case Verdict:
		lead = fmt.Sprintf("%s called %s at %s (%s). Verdict: %s.", who(p.Call.Caller, p.Call.Name), p.Call.Line,
			p.Call.Begin.Format(time.RFC1123Z), p.Call.Outcome, p.Reason)
		if p.Detail != "" {
			lead += "\n" + p.Detail
		}
		return "Missed call from " + who(p.Call.Caller, p.Call.Name) + ": " + p.Reason, lead
	case Text:
		lead = fmt.Sprintf("The %s text to %s is %s.", p.Kind, p.To, p.State)
		if p.Note != "" {
			lead += "\n" + p.Note
		}
		if p.Body != "" {
			lead += "\n\n" + p.Body
		}
		return "Text to " + p.To + " " + p.State, lead
	case Reply:
		lead = who(p.Caller, p.Name) + " wrote:\n\n" + p.Body
		if p.Gap {
			lead += "\n\n(Parts of this message never arrived.)"
		}
		if p.Flag != "" {
			lead = "Please look closely: " + p.Flag + ".\n\n" + lead
		}
		return "Texts with " + who(p.Caller, p.Name), lead
	case Answer:
		if p.Body == "" {
			return "Texts with " + p.Caller, p.Person + " has taken this conversation."
		}
		return "Texts with " + p.Caller, p.Person + " answered:\n\n" + p.Body
	case Opt:
		if name == TypeOptIn {
			return p.Number + " opted in again",
				fmt.Sprintf("%s wants texts from %s again (%s).", p.Number, p.Business, p.Source)
		}
		lead = fmt.Sprintf("%s opted out of texts from %s (%s). Nothing more is sent to this number.",
			p.Number, p.Business, p.Source)
		if p.Words != "" {
			lead += "\n\n" + p.Words
		}
		return p.Number + " opted out", lead
	case Booking:
		subject = "Booking " + p.State
		if p.Caller != "" {
			subject += ": " + p.Caller
		}
		lead = fmt.Sprintf("A booking was %s through %s.", p.State, p.Service)
		if p.Title != "" {
			lead += "\nWhat: " + p.Title
		}
		if p.Start != nil {
			lead += "\nWhen: " + p.Start.Format(time.RFC1123Z)
		}
		return subject, lead
	case Alarm:
		return "textback: " + p.Message, p.Message
	}
	return name, ""
}

func who(number, name string) string {
	number, name = strings.TrimSpace(number), strings.TrimSpace(name)
	switch {
	case number == "" && name == "":
		return "a withheld number"
	case name == "":
		return number
	case number == "":
		return name
	}
	return name + " (" + number + ")"
}
