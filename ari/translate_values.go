package ari

import (
	"strings"
	"time"

	v6 "github.com/CyCoreSystems/ari/v6"

	"textback"
)

// The dialplan functions that tell about a caller's number what no event does.
const (
	presFunction = "CALLERID(pres)"
	verifyResult = "STIR_SHAKEN(0,verify_result)"
	toHeader     = "PJSIP_HEADER(read,To)" // by GET only: CHANNEL(pjsip,...) in channelvars deadlocks chan_pjsip
)

// Lookups are the variables that have to be read by REST on account of a message: for each new inbound channel what
// channelvars did not bring along.
func (t *Translator) Lookups(m Message) []Lookup {
	switch m.Kind {
	case MessageEvent:
		e, ok := m.Event.(*v6.ChannelCreated)
		if !ok || t.latched.get(e.Channel.ID) == nil {
			return nil
		}
		return t.lookup(&e.Channel, false)
	case MessageUp:
		if m.Snapshot == nil {
			return nil
		}
		var all []Lookup
		for i := range m.Snapshot.Channels {
			ch := &m.Snapshot.Channels[i].ChannelData
			switch s := t.strays[ch.ID]; {
			case t.latched.get(ch.ID) != nil:
				all = append(all, t.lookup(ch, true)...)
			case s != nil:
				names := []string{s.function, dialledFunction}
				for _, l := range t.lookup(ch, true) {
					names = append(names, l.Variables...)
				}
				all = append(all, Lookup{Channel: ch.ID, Variables: names})
			}
		}
		return all
	default:
		return nil
	}
}

// lookup lists what to read of a channel, what matters most first. Of a channel that is older than the link the variables are
// read as well: their ChannelVarset was not seen.
func (t *Translator) lookup(ch *v6.ChannelData, old bool) []Lookup {
	var names []string
	want := func(name string) {
		if _, known := ch.ChannelVars[name]; !known {
			names = append(names, name)
		}
	}
	want(presFunction)
	pjsip := strings.HasPrefix(ch.Name, "PJSIP/")
	if pjsip && t.to >= 0 {
		want(toHeader)
	}
	if old {
		for _, from := range t.o.LineFrom {
			if from != "exten" && from != "to" {
				want(from)
			}
		}
		if t.noText != "" {
			want(t.noText)
		}
	}
	if pjsip {
		want(verifyResult)
	}
	if len(names) == 0 {
		return nil
	}
	return []Lookup{{Channel: ch.ID, Variables: names}}
}

// answer reads the answer to a lookup. That there was one, though it may tell nothing, is a fact of its own.
func (t *Translator) answer(m *Message) []textback.Event {
	l := t.latched.get(m.Channel)
	if l == nil {
		return t.settle(m)
	}
	return append(t.values(m.Channel, m.Values, m.Seen), textback.Event{Kind: textback.LegFact, At: l.created, Seen: m.Seen,
		Leg: m.Channel, Fact: textback.FactRead, Found: true})
}

// values reads what channelvars or a lookup brought. The facts are of the time when the call arrived.
func (t *Translator) values(id string, values map[string]string, seen time.Time) []textback.Event {
	l := t.latched.get(id)
	if l == nil {
		return nil
	}
	fact := func(kind textback.FactKind) textback.Event {
		return textback.Event{Kind: textback.LegFact, At: l.created, Seen: seen, Leg: id, Fact: kind, Found: true}
	}
	var out []textback.Event
	if pres := values[presFunction]; !l.withheld && (strings.HasPrefix(pres, "prohib") || pres == "unavailable") {
		l.withheld = true
		f := fact(textback.FactWithheld)
		f.On = true
		out = append(out, f)
	}
	if passed, told := verification(values[verifyResult]); told && l.verified != values[verifyResult] {
		l.verified = values[verifyResult]
		f := fact(textback.FactVerified)
		f.On = passed
		out = append(out, f)
	}
	form := func(i int, value string) {
		if value == "" || l.forms[i] {
			return
		}
		l.forms[i] = true
		f := fact(textback.FactDialled)
		f.Index, f.Text = i, value
		out = append(out, f)
	}
	if t.to >= 0 {
		form(t.to, user(values[toHeader]))
	}
	for i, from := range t.o.LineFrom {
		if from != "exten" && from != "to" {
			form(i, values[from])
		}
	}
	if t.noText != "" && strings.EqualFold(values[t.noText], t.noTextIs) && values[t.noText] != "" {
		f := fact(textback.FactDeclined)
		f.On = true
		out = append(out, f)
	}
	return out
}

// verification reads the result of STIR/SHAKEN. What went wrong for a technical reason (no header, no certificate to be had, an old
// date) proves nothing about the number.
func verification(result string) (passed, told bool) {
	switch {
	case result == "success":
		return true, true
	case strings.Contains(result, "signature"), strings.Contains(result, "mismatch"), strings.Contains(result, "not_trusted"),
		strings.Contains(result, "tn_match"):
		return false, true
	default:
		return false, false
	}
}

// user is the user part of a SIP URI in a header.
func user(header string) string {
	_, uri, ok := strings.Cut(header, "sip:")
	if !ok {
		if _, uri, ok = strings.Cut(header, "sips:"); !ok {
			if _, uri, ok = strings.Cut(header, "tel:"); !ok {
				return ""
			}
		}
	}
	if i := strings.IndexAny(uri, "@;>"); i >= 0 {
		if uri[i] == '@' || strings.Contains(header, "tel:") {
			return strings.TrimRight(uri[:i], " ")
		}
		if at := strings.IndexByte(uri, '@'); at >= 0 { // user parameters
			return uri[:i]
		}
	}
	return ""
}

// snapshot reads what lives after a connect or an overflow.
func (t *Translator) snapshot(m *Message) []textback.Event {
	up := textback.Event{Kind: textback.LinkUp, At: m.Seen, Seen: m.Seen}
	if m.Snapshot == nil {
		return []textback.Event{up}
	}
	up.Restarted = m.Snapshot.Restarted
	if up.Restarted {
		t.halves.clear()
		t.latched.clear()
	}
	clear(t.strays)
	alive := make(map[string]bool, len(m.Snapshot.Channels))
	var out []textback.Event
	for i := range m.Snapshot.Channels {
		ch := &m.Snapshot.Channels[i]
		if ch.ID == "" {
			continue
		}
		alive[ch.ID] = true
		up.Live = append(up.Live, ch.ID)
		in := t.info(&ch.ChannelData, true)
		made := textback.Event{Kind: textback.LegCreated, At: ch.Created.UTC(), Seen: m.Seen, Leg: ch.ID, Info: in, Found: true}
		if made.At.IsZero() {
			made.At = m.Seen
		}
		out = append(out, made)
		if in.Kind == textback.LegInbound {
			t.latch(ch.ID, made.At)
			in.Asked = len(t.lookup(&ch.ChannelData, true)) > 0
			out = append(out, t.values(ch.ID, ch.ChannelVars, m.Seen)...)
		}
		t.stray(&ch.ChannelData, in, made.At)
		read := func(kind textback.EventKind) {
			out = append(out, textback.Event{Kind: kind, Seen: m.Seen, Leg: ch.ID, Found: true})
		}
		switch ch.State {
		case "Up":
			read(textback.LegAnswered)
		case "Ringing":
			read(textback.LegRinging)
		}
		if stage, ok := stages[strings.ToLower(ch.Dialplan.GetAppName())]; ok && stage != textback.StageRefused {
			out = append(out, textback.Event{Kind: textback.StageEntered, Seen: m.Seen, Leg: ch.ID, Stage: stage, Found: true})
		}
		if in.Kind == textback.LegVirtual {
			out = append(out, t.half(m, v6.DateTime(made.At), &ch.ChannelData)...)
		}
	}
	for i := range m.Snapshot.Bridges {
		b := &m.Snapshot.Bridges[i].BridgeData
		for _, id := range b.ChannelIDs {
			if alive[id] {
				out = append(out, textback.Event{Kind: textback.LegJoined, Seen: m.Seen, Leg: id, Other: b.ID,
					Holding: holding(b), Found: true})
			}
		}
	}
	return append([]textback.Event{up}, out...)
}
