package ari

import (
	"strings"
	"time"

	v6 "github.com/CyCoreSystems/ari/v6"

	"textback"
)

// dialledFunction tells the number that was dialled to reach us, also when the dialplan has led the channel somewhere else
// since. It is empty on a channel that the PBX made itself.
const dialledFunction = "CALLERID(dnid)"

// stray is a channel that was found and has left the context in which it began: a caller in a menu, a queue or voicemail
// looks the same as a phone then. Its endpoint tells.
type stray struct {
	info     textback.LegInfo
	created  time.Time
	function string // that tells the endpoint's context
	ringing  bool   // opened by the far end for sure
}

// stray remembers a found channel that may be a caller's.
func (t *Translator) stray(ch *v6.ChannelData, in *textback.LegInfo, created time.Time) {
	function := contextFunction(ch.Name)
	// Between two applications a channel shows none, and looks like one that the PBX is about to call.
	between := in.Kind == textback.LegOutgoing && !in.Outside && ch.State == "Up" && ch.Dialplan.GetAppName() == ""
	if in.Kind != textback.LegPhone && !between || function == "" || !t.isTrunk(ch.Name) || t.latched.get(ch.ID) != nil {
		return
	}
	s := &stray{info: *in, created: created, function: function, ringing: ch.State == "Ring"}
	s.info.Party = textback.Party{Number: ch.Caller.GetNumber(), Name: ch.Caller.GetName()}
	if t.strays == nil {
		t.strays = make(map[string]*stray)
	}
	t.strays[strings.Clone(ch.ID)] = s
}

// contextFunction is the dialplan function that tells in which context an endpoint's calls begin; "" where there is none.
func contextFunction(name string) string {
	tech, endpoint, _ := strings.Cut(name, "/")
	i := strings.LastIndexByte(endpoint, '-')
	if i <= 0 || strings.ContainsAny(endpoint[:i], "(),") {
		return ""
	}
	switch tech {
	case "PJSIP":
		return "PJSIP_ENDPOINT(" + endpoint[:i] + ",context)"
	case "SIP":
		return "SIPPEER(" + endpoint[:i] + ",context)"
	case "IAX2":
		return "IAXPEER(" + endpoint[:i] + ",context)"
	}
	return ""
}

// settle reads what became of the question about a stray: one that came from outside gets its beginning after all.
func (t *Translator) settle(m *Message) []textback.Event {
	s := t.strays[m.Channel]
	if s == nil {
		return nil
	}
	delete(t.strays, m.Channel)
	dialled := m.Values[dialledFunction]
	if !textback.MatchAny(t.o.Inbound, m.Values[s.function]) || !s.ringing && dialled == "" {
		return nil
	}
	in := s.info
	in.Kind, in.Found, in.Asked = textback.LegInbound, false, true
	in.Dialled = make([]string, len(t.o.LineFrom))
	if t.exten >= 0 && dialled != "s" {
		in.Dialled[t.exten] = dialled
	}
	t.latch(m.Channel, s.created)
	made := textback.Event{Kind: textback.LegCreated, At: s.created, Seen: m.Seen, Leg: m.Channel, Info: &in}
	return append([]textback.Event{made}, t.answer(m)...)
}
