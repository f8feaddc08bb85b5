package textback

import "fmt"

// Outcome is how a call ended: answered by a person, or one of the ways in which a call is missed. The list is closed.
type Outcome uint8

const (
	_ Outcome = iota
	// Answered: the caller was connected to a leg that a person picked up.
	Answered
	// NoAnswer: it rang, nobody took it, the PBX gave up.
	NoAnswer
	// Abandoned: the caller hung up before a person answered, while it rang or in a greeting.
	Abandoned
	// Busy: every phone that was tried was busy.
	Busy
	// Rejected: a phone, or the dialplan, turned the call down.
	Rejected
	// Unreachable: no phone could be rung, or the call failed inside.
	Unreachable
	// QueueAbandoned: the caller hung up while waiting in a queue.
	QueueAbandoned
	// QueueTimeout: the queue gave the caller up.
	QueueTimeout
	// MenuAbandoned: the caller hung up in a menu (IVR).
	MenuAbandoned
	// Voicemail: the caller left a message.
	Voicemail
	// VoicemailHangup: the caller reached voicemail and left none.
	VoicemailHangup
	// Closed: an announcement turned the caller away, nobody's phone rang.
	Closed
	// Lost: the PBX or the link to it died with the call unanswered.
	Lost
)

var outcomeWords = [...]string{
	Answered: "answered", NoAnswer: "no-answer", Abandoned: "abandoned", Busy: "busy", Rejected: "rejected",
	Unreachable: "unreachable", QueueAbandoned: "queue-abandoned", QueueTimeout: "queue-timeout",
	MenuAbandoned: "menu-abandoned", Voicemail: "voicemail", VoicemailHangup: "voicemail-hangup",
	Closed: "closed", Lost: "lost",
}

// MissedOutcomes lists every outcome but [Answered], in the order in which the documentation lists them.
func MissedOutcomes() []Outcome {
	return []Outcome{NoAnswer, Abandoned, Busy, Rejected, Unreachable, QueueAbandoned, QueueTimeout, MenuAbandoned,
		Voicemail, VoicemailHangup, Closed, Lost}
}

// String is the word for the outcome in configuration, logs and reports.
func (o Outcome) String() string {
	if o == 0 || int(o) >= len(outcomeWords) {
		return fmt.Sprintf("Outcome(%d)", uint8(o))
	}
	return outcomeWords[o]
}

// Missed tells whether no person answered.
func (o Outcome) Missed() bool { return o > Answered && int(o) < len(outcomeWords) }

// ParseOutcome reads the word for an outcome.
func ParseOutcome(word string) (Outcome, error) {
	for o, w := range outcomeWords {
		if w == word && o != 0 {
			return Outcome(o), nil
		}
	}
	return 0, fmt.Errorf("%q is not an outcome", word)
}

// MarshalText writes the outcome's word, nothing for none: a zero field must come back from JSON as it went in.
func (o Outcome) MarshalText() ([]byte, error) {
	if o == 0 {
		return nil, nil
	}
	return []byte(o.String()), nil
}

// UnmarshalText reads the outcome's word.
func (o *Outcome) UnmarshalText(b []byte) (err error) {
	if len(b) == 0 {
		*o = 0
		return nil
	}
	*o, err = ParseOutcome(string(b))
	return err
}
