package ari

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	v6 "github.com/CyCoreSystems/ari/v6"

	"textback"
)

// TranslateOptions tell a [Translator] what it cannot see in the events.
type TranslateOptions struct {
	PBX     string
	Inbound []string // contexts in which calls from outside arrive; * and ? stand for any letters
	Trunks  []string // endpoints from which they arrive, e.g. "PJSIP/carrier-*"; empty: any
	// LineFrom says where the dialled number stands: "exten", "to" (user of the To header), or the name of a channel variable.
	LineFrom []string
	NoText   string // "VARIABLE=value": a caller whose channel has it is not to be texted
}

// Translator turns messages of the link into textback's events. It keeps a little about the channels that live. One
// goroutine owns it.
type Translator struct {
	o         TranslateOptions
	noText    string
	noTextIs  string
	variables map[string]int // line_from variables, by their index in LineFrom
	exten, to int            // index in LineFrom, -1 if not there
	halves    young[pair]
	latched   young[latch] // inbound channels
	strays    map[string]*stray
}

// pair are the ids of the two halves of a Local channel, whose names differ in ;1 and ;2 only.
type pair struct {
	ids  [2]string
	told bool
}

// latch is what was told already about an inbound channel, so that it is told once.
type latch struct {
	created  time.Time
	withheld bool
	verified string
	forms    map[int]bool
}

// young remembers the things used last, at least the last few thousand. It does not forget a channel that has ended at once: an
// event that comes twice, or late, must not look like one of a new channel.
type young[T any] struct{ now, before map[string]*T }

// generation is how many things make the older ones be forgotten.
const generation = 5000

func (y *young[T]) get(id string) *T {
	if v := y.now[id]; v != nil {
		return v
	}
	v := y.before[id]
	if v != nil {
		y.put(id, v)
	}
	return v
}

func (y *young[T]) put(id string, v *T) {
	if y.now == nil || len(y.now) >= generation {
		y.before, y.now = y.now, make(map[string]*T)
	}
	y.now[strings.Clone(id)] = v // an id may be a part of a whole event
}

func (y *young[T]) clear() { y.now, y.before = nil, nil }

// NewTranslator makes a translator for one PBX.
func NewTranslator(o TranslateOptions) *Translator {
	t := &Translator{o: o, variables: make(map[string]int), exten: -1, to: -1}
	t.noText, t.noTextIs, _ = strings.Cut(o.NoText, "=")
	for i, from := range o.LineFrom {
		switch from {
		case "exten":
			t.exten = i
		case "to":
			t.to = i
		default:
			t.variables[from] = i
		}
	}
	return t
}

// readTypes are the types of events that are read, the frequent ones first.
var readTypes = [...]string{"ChannelVarset", "ChannelDialplan", "Dial", "ChannelCreated", "ChannelDestroyed", "ChannelStateChange",
	"ChannelHangupRequest", "ChannelEnteredBridge", "ChannelLeftBridge", "ChannelCallerId"}

// Types are the types of events that [Translator.Translate] reads, for Options.Types.
func (*Translator) Types() []string { return slices.Clone(readTypes[:]) }

// Variable tells whether a ChannelVarset of this variable is read, for Options.Variable. It is safe at any time.
func (t *Translator) Variable(name string) bool {
	switch name = strings.TrimLeft(name, "_"); name {
	case "DIALSTATUS", "QUEUESTATUS", "VMSTATUS", "VM_MESSAGEFILE":
		return true
	case "":
		return false
	}
	if _, ok := t.variables[name]; ok {
		return true
	}
	return name == t.noText
}

// Translate gives the events that a message means, in no particular order. Most messages mean none.
func (t *Translator) Translate(m Message) []textback.Event {
	switch m.Kind {
	case MessageEvent:
		if m.Event == nil {
			return nil
		}
		return t.event(&m)
	case MessageVariables:
		return t.answer(&m)
	case MessageDown, MessageOverflow:
		return []textback.Event{{Kind: textback.LinkDown, At: m.Seen, Seen: m.Seen}}
	case MessageUp:
		return t.snapshot(&m)
	default:
		return nil
	}
}

func (t *Translator) event(m *Message) []textback.Event {
	switch e := m.Event.(type) {
	case *v6.ChannelCreated:
		return t.created(m, e)
	case *v6.ChannelDestroyed:
		return t.destroyed(m, e)
	case *v6.ChannelHangupRequest:
		return t.hangup(m, e)
	case *v6.ChannelStateChange:
		out := t.about(m, e.Timestamp, &e.Channel)
		switch e.Channel.State {
		case "Ringing":
			out = append(out, pbxEvent(m, e.Timestamp, textback.LegRinging, e.Channel.ID))
		case "Up":
			out = append(out, pbxEvent(m, e.Timestamp, textback.LegAnswered, e.Channel.ID))
		}
		return out
	case *v6.ChannelDialplan:
		return append(t.about(m, e.Timestamp, &e.Channel), t.dialplan(m, e)...)
	case *v6.ChannelVarset:
		if e.Channel.ID == "" || !t.Variable(e.Variable) {
			return nil
		}
		return append(t.about(m, e.Timestamp, &e.Channel), t.varset(m, e)...)
	case *v6.ChannelCallerID:
		return append(t.about(m, e.Timestamp, &e.Channel), t.number(m, e.Timestamp, e.Channel.ID, e.Channel.Caller.GetNumber(), 1)...)
	case *v6.ChannelEnteredBridge:
		out := t.about(m, e.Timestamp, &e.Channel)
		in := pbxEvent(m, e.Timestamp, textback.LegJoined, e.Channel.ID)
		in.Other, in.Holding, in.Of = e.Bridge.ID, holding(&e.Bridge), helper(e.Channel.Name)
		out = append(out, in)
		if e.Channel.State == "Up" {
			out = append(out, pbxEvent(m, e.Timestamp, textback.LegAnswered, e.Channel.ID))
		}
		return out
	case *v6.ChannelLeftBridge:
		left := pbxEvent(m, e.Timestamp, textback.LegLeft, e.Channel.ID)
		left.Other, left.Holding = e.Bridge.ID, holding(&e.Bridge)
		return append(t.about(m, e.Timestamp, &e.Channel), left)
	case *v6.Dial:
		return t.dial(m, e)
	default:
		return nil
	}
}

// pbxEvent begins an event of the PBX.
func pbxEvent(m *Message, at v6.DateTime, kind textback.EventKind, id string) textback.Event {
	e := textback.Event{Kind: kind, At: time.Time(at).UTC(), Seen: m.Seen, Leg: id}
	if time.Time(at).IsZero() {
		e.At = m.Seen // no readable timestamp
	}
	return e
}

// about gives what any event tells about its channel besides: the other half of a Local channel, and channelvars.
func (t *Translator) about(m *Message, at v6.DateTime, ch *v6.ChannelData) []textback.Event {
	var out []textback.Event
	if strings.HasPrefix(ch.Name, "Local/") {
		out = t.half(m, at, ch)
	}
	if len(ch.ChannelVars) > 0 && t.latched.get(ch.ID) != nil {
		out = append(out, t.values(ch.ID, ch.ChannelVars, m.Seen)...)
	}
	return out
}

// half pairs the halves of a Local channel. Their names are used again after a restart: the newer id counts.
func (t *Translator) half(m *Message, at v6.DateTime, ch *v6.ChannelData) []textback.Event {
	base, which, ok := cutHalf(ch.Name)
	if !ok || ch.ID == "" {
		return nil
	}
	p := t.halves.get(base)
	if p == nil {
		p = new(pair)
		t.halves.put(base, p)
	}
	if p.ids[which] != ch.ID {
		p.ids[which], p.told = strings.Clone(ch.ID), false
	}
	if p.told || p.ids[1-which] == "" {
		return nil
	}
	p.told = true
	e := pbxEvent(m, at, textback.LegPaired, p.ids[0])
	e.Other, e.Of = p.ids[1], textback.LegVirtual
	return []textback.Event{e}
}

func cutHalf(name string) (base string, which int, ok bool) {
	if base, ok = strings.CutSuffix(name, ";1"); ok {
		return base, 0, true
	}
	base, ok = strings.CutSuffix(name, ";2")
	return base, 1, ok
}

func (t *Translator) created(m *Message, e *v6.ChannelCreated) []textback.Event {
	if e.Channel.ID == "" {
		return nil
	}
	in := t.info(&e.Channel, false)
	made := pbxEvent(m, e.Timestamp, textback.LegCreated, e.Channel.ID)
	made.Info = in
	out := []textback.Event{made}
	if in.Kind == textback.LegInbound {
		t.latch(e.Channel.ID, made.At)
		in.Asked = len(t.lookup(&e.Channel, false)) > 0
	}
	if e.Channel.State == "Up" && in.Kind != textback.LegPseudo {
		out = append(out, pbxEvent(m, e.Timestamp, textback.LegAnswered, e.Channel.ID))
	}
	return append(out, t.about(m, e.Timestamp, &e.Channel)...)
}

func (t *Translator) latch(id string, created time.Time) *latch {
	l := t.latched.get(id)
	if l == nil {
		l = &latch{created: created, forms: make(map[int]bool)}
		t.latched.put(id, l)
	}
	return l
}

// info reads what a channel is. found: it was not seen to come into being, so its state tells less.
func (t *Translator) info(ch *v6.ChannelData, found bool) *textback.LegInfo {
	in := &textback.LegInfo{Name: ch.Name, Found: found, Kind: helper(ch.Name)}
	if in.Kind != textback.LegUnknown {
		return in
	}
	fromOutside := textback.MatchAny(t.o.Inbound, ch.Dialplan.GetContext()) && t.isTrunk(ch.Name)
	var opened bool // by the far end
	switch ch.State {
	case "Ring", "Pre-ring":
		opened = true
	case "Up":
		// An outgoing channel shows the application that the PBX gives it instead of one of the dialplan's.
		app := ch.Dialplan.GetAppName()
		opened = found && app != "" && !strings.HasPrefix(app, "AppDial") && app != "AppQueue"
	}
	switch {
	case opened && fromOutside:
		in.Kind = textback.LegInbound
		in.Party = textback.Party{Number: ch.Caller.GetNumber(), Name: ch.Caller.GetName()}
		in.Dialled = make([]string, len(t.o.LineFrom))
		if exten := ch.Dialplan.GetExten(); t.exten >= 0 && exten != "s" && exten != "h" {
			in.Dialled[t.exten] = exten
		}
	case opened:
		in.Kind = textback.LegPhone
	default:
		in.Kind = textback.LegOutgoing
		in.Outside = fromOutside
	}
	return in
}

// isTrunk tells whether a channel is of one of the trunks: by its own name, or by its endpoint's, which is the name without
// the count at its end.
func (t *Translator) isTrunk(name string) bool {
	if len(t.o.Trunks) == 0 {
		return true
	}
	endpoint := name
	if i := strings.LastIndexByte(name, '-'); i > 0 {
		endpoint = name[:i]
	}
	return textback.MatchAny(t.o.Trunks, name) || textback.MatchAny(t.o.Trunks, endpoint)
}

// helper tells Local channels and those behind which nobody sits.
func helper(name string) textback.LegKind {
	tech, _, _ := strings.Cut(name, "/")
	switch tech {
	case "Local":
		return textback.LegVirtual
	case "Message", "CBAnn", "CBRec", "Announcer", "Recorder", "Snoop", "Surrogate", "UnicastRTP", "MulticastRTP", "AudioSocket",
		"WebSocket", "Bridge", "Parking", "Phoneprov", "MSG":
		return textback.LegPseudo
	}
	return textback.LegUnknown
}

func holding(b *v6.BridgeData) bool {
	return b.Class == "parking" || b.Type == "holding" || strings.HasPrefix(b.Technology, "holding")
}

func (t *Translator) destroyed(m *Message, e *v6.ChannelDestroyed) []textback.Event {
	ch := &e.Channel
	out := append(t.foundRinging(m, e.Timestamp, ch), t.about(m, e.Timestamp, ch)...)
	end := pbxEvent(m, e.Timestamp, textback.LegEnded, ch.ID)
	end.Cause = textback.Cause{Q850: e.Cause, Word: e.CauseTxt}
	end.Of = helper(ch.Name)
	tech := m.techCause()
	if ch.State == "Ring" && e.Cause == 26 {
		end.Elsewhere = true // Reason: Q.850;cause=26 in the CANCEL; Asterisk 16 tells it nowhere else
	}
	if tech == 487 && ch.State == "Ring" {
		end.By = textback.EndedByCaller
	}
	return append(out, end)
}

// foundRinging gives a caller's channel whose beginning was not seen a beginning: it rings, so it came from outside.
func (t *Translator) foundRinging(m *Message, at v6.DateTime, ch *v6.ChannelData) []textback.Event {
	if ch.State != "Ring" || t.latched.get(ch.ID) != nil || ch.ID == "" {
		return nil
	}
	in := t.info(ch, true)
	if in.Kind != textback.LegInbound {
		return nil
	}
	made := pbxEvent(m, at, textback.LegCreated, ch.ID)
	if c := ch.Creationtime; c.GetSeconds() > 0 {
		made.At = time.Unix(c.GetSeconds(), int64(c.GetNanos())).UTC()
	}
	made.Info = in
	t.latch(ch.ID, made.At)
	return []textback.Event{made}
}

func (m *Message) techCause() int {
	if m.quick {
		return m.tech
	}
	return techCause(m.Raw)
}

// techCause is the SIP code that Asterisk 22 adds to the end of a channel; ari/v6 does not know the field.
func techCause(raw []byte) int {
	var e struct {
		TechCause int `json:"tech_cause"`
	}
	_ = json.Unmarshal(raw, &e) // absent in Asterisk 16
	return e.TechCause
}

func (t *Translator) hangup(m *Message, e *v6.ChannelHangupRequest) []textback.Event {
	ch := &e.Channel
	out := append(t.foundRinging(m, e.Timestamp, ch), t.about(m, e.Timestamp, ch)...)
	ask := pbxEvent(m, e.Timestamp, textback.HangupRequested, ch.ID)
	ask.Cause.Q850 = e.Cause
	if e.Soft {
		ask.By = textback.EndedByPBX
		ask.Shutdown = e.Cause == 4 // core stop: every channel gets it
		return append(out, ask)
	}
	ask.By = textback.EndedByCaller
	// SIP;cause=200;text="Call completed elsewhere" in the CANCEL makes the cause 16, a bare CANCEL 127.
	ask.Elsewhere = ch.State == "Ring" && (e.Cause == 26 || e.Cause == 16 && m.techCause() == 487)
	return append(out, ask)
}

func (t *Translator) dial(m *Message, e *v6.Dial) []textback.Event {
	peer := &e.Peer
	if peer.ID == "" {
		return nil
	}
	out := t.about(m, e.Timestamp, peer)
	if e.Caller.ID != "" {
		out = append(out, t.about(m, e.Timestamp, &e.Caller)...)
	}
	switch e.Dialstatus {
	case "RINGING", "PROGRESS":
		return append(out, pbxEvent(m, e.Timestamp, textback.LegRinging, peer.ID))
	case "PROCEEDING":
		return out
	}
	if e.Caller.ID != "" {
		d := pbxEvent(m, e.Timestamp, textback.LegDialled, e.Caller.ID)
		d.Other = peer.ID
		out = append(out, d)
	}
	if e.Dialstatus == "ANSWER" {
		out = append(out, pbxEvent(m, e.Timestamp, textback.LegAnswered, peer.ID))
	}
	return append(out, t.number(m, e.Timestamp, peer.ID, dialledNumber(e.Dialstring), 0)...)
}

// number tells the number that an outgoing channel calls.
func (t *Translator) number(m *Message, at v6.DateTime, id, number string, index int) []textback.Event {
	if number == "" || t.latched.get(id) != nil {
		return nil
	}
	n := pbxEvent(m, at, textback.LegFact, id)
	n.Fact, n.Text, n.Index = textback.FactNumber, number, index
	return []textback.Event{n}
}

// dialledNumber takes the number out of a dial string: 1555@trunk, trunk/sip:1555@host, trunk/1555, 100.
func dialledNumber(s string) string {
	if _, uri, ok := strings.Cut(s, "sip:"); ok {
		user, _, _ := strings.Cut(uri, "@")
		return user
	}
	if user, _, ok := strings.Cut(s, "@"); ok {
		return user[strings.LastIndexByte(user, '/')+1:]
	}
	if i := strings.LastIndexByte(s, '/'); i >= 0 {
		return s[i+1:]
	}
	return ""
}

func (t *Translator) varset(m *Message, e *v6.ChannelVarset) []textback.Event {
	name := strings.TrimLeft(e.Variable, "_")
	ended := func(stage textback.Stage, result textback.Result) []textback.Event {
		if result == 0 {
			return nil
		}
		end := pbxEvent(m, e.Timestamp, textback.StageEnded, e.Channel.ID)
		end.Stage, end.Result = stage, result
		return []textback.Event{end}
	}
	switch name {
	case "DIALSTATUS":
		return ended(textback.StageDial, dialResults[e.Value])
	case "QUEUESTATUS":
		return ended(textback.StageQueue, queueResults[e.Value])
	case "VMSTATUS":
		return ended(textback.StageVoicemail, voicemailResults[e.Value])
	case "VM_MESSAGEFILE":
		if !strings.Contains(e.Value, "/") {
			return nil // not a file: nothing was recorded
		}
		return ended(textback.StageVoicemail, textback.ResultMessage)
	}
	if name == t.noText {
		d := pbxEvent(m, e.Timestamp, textback.LegFact, e.Channel.ID)
		d.Fact, d.On = textback.FactDeclined, strings.EqualFold(e.Value, t.noTextIs)
		return []textback.Event{d}
	}
	if i, ok := t.variables[name]; ok && e.Value != "" {
		f := pbxEvent(m, e.Timestamp, textback.LegFact, e.Channel.ID)
		f.Fact, f.Index, f.Text = textback.FactDialled, i, e.Value
		return []textback.Event{f}
	}
	return nil
}
