package handoff

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"time"

	"textback"
)

// Types of events, in the order of docs/webhooks.md.
const (
	TypeMissed      = "call.missed"
	TypeVerdict     = "call.verdict"
	TypeText        = "text." // followed by the state of the text: see [TextType]
	TypeReply       = "reply.received"
	TypeSent        = "reply.sent"
	TypeTaken       = "thread.taken"
	TypeOptOut      = "opt-out"
	TypeOptIn       = "opt-in"
	TypeCreated     = "booking.created"
	TypeRescheduled = "booking.rescheduled"
	TypeCancelled   = "booking.cancelled"
	TypeAlarm       = "alarm"
	TypeReport      = "report.weekly" // to the e-mail hand-offs that [report] names; no webhook gets it
)

// TextType is the type of a text's change to state s, e.g. "text.delivered". Submitting is no event: it is over before a
// receiver could read of it.
func TextType(s textback.TextState) (name string, ok bool) {
	return TypeText + s.String(), s >= textback.Queued && s <= textback.Unknown && s != textback.Submitting
}

// BookingType is the type of the event for a booking's state ("created", "rescheduled", "cancelled").
func BookingType(state string) string { return "booking." + state }

// Call is the payload of call.missed.
type Call struct {
	ID          string     `json:"id"`
	PBX         string     `json:"pbx"`
	Business    string     `json:"business,omitempty"` // key in the configuration
	Line        string     `json:"line,omitempty"`     // E.164 of the line dialled, or the number dialled if it is none of ours
	Caller      string     `json:"caller,omitempty"`   // E.164 if the number can be read; absent if withheld
	Name        string     `json:"name,omitempty"`     // caller-id name as it came: typed by a stranger
	Withheld    bool       `json:"withheld,omitempty"`
	Outcome     string     `json:"outcome"`
	Begin       time.Time  `json:"begin"`
	End         *time.Time `json:"end,omitempty"` // absent if the PBX never told
	RingSeconds float64    `json:"ring_seconds"`
	EndedBy     string     `json:"ended_by"` // "caller", "pbx" or "unknown"
	Cause       int        `json:"cause,omitempty"`
	CauseWord   string     `json:"cause_word,omitempty"`
	Reconciled  bool       `json:"reconciled,omitempty"`
}

// Verdict is the payload of call.verdict.
type Verdict struct {
	Call     Call       `json:"call"`
	Reason   string     `json:"reason"` // a word of the decision table; "text" means that it is texted
	Detail   string     `json:"detail,omitempty"`
	Was      string     `json:"was,omitempty"` // for "recovered": the reason before
	Rule     string     `json:"rule,omitempty"`
	Template string     `json:"template,omitempty"`
	TextID   uint64     `json:"text_id,omitempty"`
	Due      *time.Time `json:"due,omitempty"` // when the text may leave, if there is one
	Held     bool       `json:"held,omitempty"`
	Decided  time.Time  `json:"decided"`
}

// Text is the payload of text.*.
type Text struct {
	ID        uint64     `json:"id"`
	Kind      string     `json:"kind"`  // "missed-call", "confirmation", "help", "branch", "person", "staff", "booking", "test"
	State     string     `json:"state"` // the word after "text."
	Business  string     `json:"business,omitempty"`
	Line      string     `json:"line,omitempty"`
	CallID    string     `json:"call_id,omitempty"`
	ThreadID  uint64     `json:"thread_id,omitempty"`
	To        string     `json:"to"`
	From      string     `json:"from"`
	Template  string     `json:"template,omitempty"`
	Variant   int        `json:"variant,omitempty"`
	Body      string     `json:"body,omitempty"` // absent until it is rendered
	Segments  int        `json:"segments,omitempty"`
	Due       time.Time  `json:"due"`
	Submitted *time.Time `json:"submitted,omitempty"`
	Note      string     `json:"note,omitempty"` // why it failed, expired or was cancelled
}

// Reply is the payload of reply.received.
type Reply struct {
	ThreadID uint64 `json:"thread_id"`
	Tag      string `json:"tag,omitempty"` // short name of the thread on staff mobiles
	Business string `json:"business"`
	Line     string `json:"line,omitempty"`
	CallID   string `json:"call_id,omitempty"` // the missed call that the conversation comes from
	Caller   string `json:"caller"`
	Name     string `json:"name,omitempty"`
	Body     string `json:"body"`           // written by a stranger
	Flag     string `json:"flag,omitempty"` // why a person should look twice, e.g. "may ask to stop"
	Gap      bool   `json:"gap,omitempty"`  // parts of it never came
	First    bool   `json:"first"`          // it opened the thread
}

// Answer is the payload of reply.sent and thread.taken.
type Answer struct {
	ThreadID uint64 `json:"thread_id"`
	Business string `json:"business"`
	Caller   string `json:"caller"`
	Person   string `json:"person"`
	Body     string `json:"body,omitempty"` // reply.sent only
}

// Opt is the payload of opt-out and opt-in.
type Opt struct {
	Business string `json:"business"`
	Number   string `json:"number"`
	Source   string `json:"source"`          // "sms", "command", "import", or what staff named, e.g. "voicemail"
	Words    string `json:"words,omitempty"` // what was said
}

// Booking is the payload of booking.*.
type Booking struct {
	ID       string     `json:"id"`
	Service  string     `json:"service"`
	State    string     `json:"state"`
	Business string     `json:"business,omitempty"`
	ThreadID uint64     `json:"thread_id,omitempty"` // 0: it belongs to no conversation that we know
	CallID   string     `json:"call_id,omitempty"`
	Caller   string     `json:"caller,omitempty"`
	Start    *time.Time `json:"start,omitempty"`
	Title    string     `json:"title,omitempty"`
	Matched  string     `json:"matched,omitempty"` // "token" or "number"
}

// Alarm is the payload of alarm.
type Alarm struct {
	ID       string `json:"id"` // stable word, the message id of the log line
	Message  string `json:"message"`
	Business string `json:"business,omitempty"`
	PBX      string `json:"pbx,omitempty"`
}

// NewID makes the id of a delivery.
func NewID() string { return "msg_" + rand.Text() }

// New makes a delivery of a payload of this package, for one receiver. id is from [NewID], or any other that is the same
// whenever the event is told again. Subject and lead for people are derived from the payload.
func New(id, name string, at time.Time, payload any) (Delivery, error) {
	data, err := json.Marshal(payload)
	if err != nil {
		return Delivery{}, fmt.Errorf("write the payload of %s: %w", name, err)
	}
	d := Delivery{ID: id, Type: name, At: at, Data: data}
	d.Subject, d.Lead = describe(name, payload)
	return d, nil
}

// CallOf is the payload for a missed call. business, line and caller are as the decision found them, where there is one.
// A number that its owner withheld is left out, though the PBX may have shown it.
func CallOf(c *textback.Call, business, line, caller string) Call {
	out := Call{ID: c.ID, PBX: c.PBX, Business: business, Line: line, Caller: caller, Name: c.Party.Name,
		Withheld: c.Party.Withheld, Outcome: c.Outcome.String(), Begin: c.Begin, End: moment(c.End),
		RingSeconds: c.Ring.Round(100 * time.Millisecond).Seconds(), EndedBy: c.EndedBy.String(), Cause: c.Cause.Q850,
		CauseWord: c.Cause.Word, Reconciled: c.Reconciled}
	if out.Line == "" && len(c.Dialled) > 0 {
		out.Line = c.Dialled[0]
	}
	if out.Caller == "" {
		out.Caller = c.Party.Number
	}
	if c.Party.Withheld {
		out.Caller, out.Name = "", ""
	}
	return out
}

// VerdictOf is the payload for a verdict.
func VerdictOf(v *textback.Verdict) Verdict {
	d := v.Decision
	out := Verdict{Call: CallOf(&v.Call, d.Business, d.Line, d.Caller), Reason: d.Reason.String(), Detail: d.Detail,
		Rule: d.Rule, Template: d.Template, TextID: v.TextID, Held: d.Held, Decided: v.At}
	if v.Was != 0 {
		out.Was = v.Was.String()
	}
	if v.TextID != 0 {
		out.Due = moment(d.Due)
	}
	return out
}

// TextOf is the payload for a text's change of state.
func TextOf(t *textback.Text) Text {
	return Text{ID: t.ID, Kind: t.Kind.String(), State: t.State.String(), Business: t.Business, Line: t.Line,
		CallID: t.CallID, ThreadID: t.ThreadID, To: t.To, From: t.From, Template: t.Template, Variant: t.Variant,
		Body: t.Body, Segments: len(t.Parts), Due: t.Due, Submitted: moment(t.Submitted), Note: t.Note}
}

// ReplyOf is the payload for a reply in a thread.
func ReplyOf(th *textback.Thread, r textback.Reply, flag string, first bool) Reply {
	return Reply{ThreadID: th.ID, Tag: th.Tag, Business: th.Business, Line: th.Line, CallID: th.CallID, Caller: th.Caller,
		Name: th.Name, Body: r.Body, Flag: flag, Gap: r.Gap, First: first}
}

// AnswerOf is the payload for a person's answer; body is "" for thread.taken.
func AnswerOf(th *textback.Thread, person, body string) Answer {
	return Answer{ThreadID: th.ID, Business: th.Business, Caller: th.Caller, Person: person, Body: body}
}

// BookingOf is the payload for a booking; th is nil if it belongs to no thread.
func BookingOf(b textback.Booking, business string, th *textback.Thread) Booking {
	out := Booking{ID: b.ID, Service: b.Service, State: b.State, Business: business, Start: moment(b.Start), Title: b.Title}
	if th != nil {
		out.Business, out.ThreadID, out.CallID, out.Caller, out.Matched = th.Business, th.ID, th.CallID, th.Caller, "number"
		if b.Token != "" {
			out.Matched = "token"
		}
	}
	return out
}

func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
