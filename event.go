package textback

import (
	"cmp"
	"fmt"
	"time"
)

// EventKind tells what an [Event] is about.
type EventKind uint8

// The order of the kinds is also the order in which events of one leg and one instant are read.
const (
	_ EventKind = iota
	// LegCreated: Leg came into being, or was found living; Info tells what is known about it.
	LegCreated
	// LegPaired: Leg and Other are the two halves of one virtual leg (Local ;1 and ;2, loopback a and b).
	LegPaired
	// LegFact: something was learnt about Leg: Fact, and its value in On, Index and Text.
	LegFact
	// StageEntered: Leg came to a Stage of the PBX (queue, menu, voicemail, ...).
	StageEntered
	// LegDialled: the PBX called Other on behalf of Leg. Stage is StageQueue if a queue did, else 0 or StageDial.
	LegDialled
	// LegRinging: Leg, which the PBX called, rings (or sends early media).
	LegRinging
	// LegAnswered: Leg is up: somebody, or something, picked it up.
	LegAnswered
	// LegJoined: Leg is in the bridge Other from now on; Holding says that people do not hear each other there.
	LegJoined
	// LegLinked: Leg and Other hear each other from now on, until one of them ends or is linked with another leg. At may be zero:
	// at some time while both were up.
	LegLinked
	// LegLeft: Leg left the bridge Other.
	LegLeft
	// StageEnded: the Stage of Leg came to an end with a Result.
	StageEnded
	// HangupRequested: the end of Leg was asked for, By its far end or by the PBX.
	HangupRequested
	// LegEnded: Leg is gone, with Cause.
	LegEnded
	// LinkDown: events are missing from here on.
	LinkDown
	// LinkUp: events come again. Live lists the legs that live; what else was known is gone. Restarted says that the PBX was started
	// anew in between.
	LinkUp

	// dialledBy mirrors LegDialled in the called leg. It never comes from outside.
	dialledBy
)

var eventWords = [...]string{
	LegCreated: "created", LegPaired: "paired", LegFact: "fact", StageEntered: "stage", LegDialled: "dialled", LegRinging: "ringing",
	LegAnswered: "answered", LegJoined: "joined", LegLinked: "linked", LegLeft: "left", StageEnded: "stage-ended",
	HangupRequested: "hangup-requested", LegEnded: "ended", LinkDown: "link-down", LinkUp: "link-up", dialledBy: "dialled-by",
}

// String is the kind's word.
func (k EventKind) String() string {
	if k == 0 || int(k) >= len(eventWords) {
		return fmt.Sprintf("EventKind(%d)", uint8(k))
	}
	return eventWords[k]
}

// LegKind is what a leg is, as far as calls go.
type LegKind uint8

const (
	// LegUnknown: an ordinary leg of which nothing else is known, because its beginning was not seen.
	LegUnknown LegKind = iota
	// LegInbound is a caller's leg from outside: the only kind that can be missed.
	LegInbound
	// LegPhone is a leg that a phone of ours opened: a call out, a call inside, a pickup, a code.
	LegPhone
	// LegOutgoing is a leg that the PBX opened: to a phone, or (Outside) to a number outside.
	LegOutgoing
	// LegVirtual is one half of a pair inside the PBX (Local, loopback).
	LegVirtual
	// LegPseudo is a helper of the PBX behind which nobody sits: announcer, recorder, media to a program, message queue.
	LegPseudo
)

var legWords = [...]string{LegUnknown: "unknown", LegInbound: "inbound", LegPhone: "phone", LegOutgoing: "outgoing",
	LegVirtual: "virtual", LegPseudo: "pseudo"}

// String is the kind's word.
func (k LegKind) String() string {
	if int(k) >= len(legWords) {
		return fmt.Sprintf("LegKind(%d)", uint8(k))
	}
	return legWords[k]
}

// Stage is where in the PBX a caller is.
type Stage uint8

const (
	_ Stage = iota
	// StageAnnouncement: something is played; it asks for nothing.
	StageAnnouncement
	// StageRefused: the PBX turns the caller away, with Cause.
	StageRefused
	// StageDial: phones are called.
	StageDial
	// StageQueue: waiting in a queue.
	StageQueue
	// StageMenu: asked to choose (IVR, directory, access code).
	StageMenu
	// StageVoicemail: a voice mailbox.
	StageVoicemail
	// StageConference: a conference room.
	StageConference
	// StagePark: parked.
	StagePark
	// StageProgram: another program has the call.
	StageProgram
)

var stageWords = [...]string{StageAnnouncement: "an announcement", StageRefused: "a refusal", StageDial: "the ringing of phones",
	StageQueue: "a queue", StageMenu: "a menu", StageVoicemail: "voicemail", StageConference: "a conference",
	StagePark: "a parking place", StageProgram: "another program"}

// String names the stage in a sentence.
func (s Stage) String() string {
	if s == 0 || int(s) >= len(stageWords) {
		return fmt.Sprintf("Stage(%d)", uint8(s))
	}
	return stageWords[s]
}

// Result is how a stage ended.
type Result uint8

const (
	_ Result = iota
	// ResultTimeout: the queue gave the caller up, or the phones rang out.
	ResultTimeout
	// ResultUnavailable: nobody could be rung: an empty or full queue, a phone that is not registered.
	ResultUnavailable
	// ResultBusy: the phone was busy.
	ResultBusy
	// ResultRejected: the phone turned the call down.
	ResultRejected
	// ResultAbandoned: the caller hung up.
	ResultAbandoned
	// ResultMessage: the caller left a message.
	ResultMessage
	// ResultNoMessage: the caller left voicemail without a message.
	ResultNoMessage
)

var resultWords = [...]string{ResultTimeout: "timeout", ResultUnavailable: "unavailable", ResultBusy: "busy",
	ResultRejected: "rejected", ResultAbandoned: "abandoned", ResultMessage: "message left", ResultNoMessage: "no message"}

// String is the result's word.
func (r Result) String() string {
	if r == 0 || int(r) >= len(resultWords) {
		return fmt.Sprintf("Result(%d)", uint8(r))
	}
	return resultWords[r]
}

// FactKind is what a LegFact event tells.
type FactKind uint8

const (
	_ FactKind = iota
	// FactWithheld: On says whether the presentation of the caller's number is prohibited.
	FactWithheld
	// FactVerified: On says whether the caller's number passed verification.
	FactVerified
	// FactDialled: Text is the dialled number in the form of line_from[Index].
	FactDialled
	// FactDeclined: On says whether the caller asked not to be texted (no_text).
	FactDeclined
	// FactNumber: Text is the number that an outgoing leg calls.
	FactNumber
	// FactRead: what was asked about the leg (LegInfo.Asked) was answered; what the answer tells came before this.
	FactRead
)

// LegInfo is what is known about a leg when it comes into being. For a caller's leg, Party and Dialled are latched here: both
// change later on.
type LegInfo struct {
	Kind    LegKind
	Name    string   // the PBX's name of the channel
	Party   Party    // the caller; of an outgoing leg, Number is the number that is called
	Dialled []string // by the index of line_from; "" where not known yet
	Outside bool     // an outgoing leg: it leads to a number outside
	// Found: its beginning was not seen; what is told here was read later and may have changed since.
	Found bool
	// Asked: the PBX was asked for more about the caller (presentation, verification), and FactRead will follow. The call is not
	// judged before, within a bound: a number whose presentation is prohibited must not be used.
	Asked bool
}

// Event is one thing that happened on a PBX, in words that do not depend on its make. Which fields are set depends on Kind.
//
// Events may come in any order and more than once: two events that are equal in all but Seen are one.
type Event struct {
	Kind EventKind
	At   time.Time // by the PBX's clock
	Seen time.Time // when it reached us, by our clock; with its monotonic reading, if it has one

	Leg   string // id of the leg, unique across restarts of the PBX
	Other string // the other leg or the bridge

	Of      LegKind // what Leg is, if it is virtual or pseudo and its beginning may not have been seen
	Info    *LegInfo
	Stage   Stage
	Result  Result
	Cause   Cause
	By      Ender
	Fact    FactKind
	Index   int
	On      bool
	Text    string
	Holding bool // of LegJoined

	// Found marks what was read back, or concluded afterwards: it counts only where nothing better is known.
	Found bool
	// Elsewhere, of HangupRequested: the caller's side says that the call was answered elsewhere.
	Elsewhere bool
	// Shutdown, of HangupRequested: the PBX is going down.
	Shutdown bool

	Live      []string // of LinkUp
	Restarted bool     // of LinkUp
}

func compareInfo(a, b *LegInfo) int {
	if a == nil || b == nil {
		return cmpBool(a != nil, b != nil)
	}
	if c := cmp.Or(cmpBool(a.Found, b.Found), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name),
		cmp.Compare(a.Party.Number, b.Party.Number), cmp.Compare(a.Party.Name, b.Party.Name),
		cmpBool(a.Party.Withheld, b.Party.Withheld), cmp.Compare(a.Party.Verification, b.Party.Verification),
		cmpBool(a.Outside, b.Outside), cmp.Compare(len(a.Dialled), len(b.Dialled))); c != 0 {
		return c
	}
	for i := range a.Dialled {
		if c := cmp.Compare(a.Dialled[i], b.Dialled[i]); c != 0 {
			return c
		}
	}
	return 0
}

func cmpBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	default:
		return 1
	}
}
