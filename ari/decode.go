package ari

import (
	"time"
	"unicode/utf8"

	v6 "github.com/CyCoreSystems/ari/v6"
	"github.com/gogo/protobuf/types"
)

// decode fills in what Raw says.
func (m *Message) decode() {
	if m.Event, m.tech, m.quick = decodeQuick(m.Type, m.Raw); !m.quick {
		m.Event, m.Err = decodeEvent(m.Raw)
	}
}

// decodeQuick decodes an event of a type that textback reads, with the same result as ari/v6, in one pass and a tenth of its time (it
// takes three of encoding/json). ok is false for whatever is out of the ordinary, or not quite JSON: ari/v6 shall say what
// it makes of it (TestQuickAndSlowDecodingAgree, FuzzDecode). tech is tech_cause, which ari/v6 does not know.
func decodeQuick(typ string, raw []byte) (event v6.Event, tech int, ok bool) {
	q := quick{s: string(raw)}
	var f fields
	switch typ {
	case "ChannelVarset":
		e := new(struct {
			v6.ChannelVarset
			parts
		})
		event, f = &e.ChannelVarset, fields{data: &e.EventData, channel: &e.Channel, parts: &e.parts, value: &e.Value, variable: &e.Variable}
	case "ChannelDialplan":
		e := new(struct {
			v6.ChannelDialplan
			parts
		})
		event, f = &e.ChannelDialplan, fields{data: &e.EventData, channel: &e.Channel, parts: &e.parts, app: &e.DialplanApp, appData: &e.DialplanAppData}
	case "ChannelCreated":
		e := new(struct {
			v6.ChannelCreated
			parts
		})
		event, f = &e.ChannelCreated, fields{data: &e.EventData, channel: &e.Channel, parts: &e.parts}
	case "ChannelStateChange":
		e := new(struct {
			v6.ChannelStateChange
			parts
		})
		event, f = &e.ChannelStateChange, fields{data: &e.EventData, channel: &e.Channel, parts: &e.parts}
	case "ChannelDestroyed":
		e := new(struct {
			v6.ChannelDestroyed
			parts
		})
		event, f = &e.ChannelDestroyed, fields{data: &e.EventData, channel: &e.Channel, parts: &e.parts, cause: &e.Cause, causeTxt: &e.CauseTxt, tech: &tech}
	case "ChannelHangupRequest":
		e := new(struct {
			v6.ChannelHangupRequest
			parts
		})
		event, f = &e.ChannelHangupRequest, fields{data: &e.EventData, channel: &e.Channel, parts: &e.parts, cause: &e.Cause, soft: &e.Soft, tech: &tech}
	case "ChannelCallerId":
		e := new(struct {
			v6.ChannelCallerID
			parts
		})
		event, f = &e.ChannelCallerID, fields{data: &e.EventData, channel: &e.Channel, parts: &e.parts, presentation: &e.CallerPresentation, presentationTxt: &e.CallerPresentationTxt}
	case "ChannelEnteredBridge":
		e := new(struct {
			v6.ChannelEnteredBridge
			parts
		})
		event, f = &e.ChannelEnteredBridge, fields{data: &e.EventData, channel: &e.Channel, parts: &e.parts, bridge: &e.Bridge}
	case "ChannelLeftBridge":
		e := new(struct {
			v6.ChannelLeftBridge
			parts
		})
		event, f = &e.ChannelLeftBridge, fields{data: &e.EventData, channel: &e.Channel, parts: &e.parts, bridge: &e.Bridge}
	case "Dial":
		e := new(struct {
			v6.Dial
			parts
			peer parts
		})
		event, f = &e.Dial, fields{data: &e.EventData, caller: &e.Caller, parts: &e.parts, peer: &e.Peer, peerParts: &e.peer,
			dialstatus: &e.Dialstatus, dialstring: &e.Dialstring, forward: &e.Forward}
	default:
		return nil, 0, false
	}
	q.event(&f)
	if q.space(); q.bad || q.i < len(q.s) || f.data.Type != typ {
		return nil, 0, false
	}
	return event, tech, true
}

// parts are what a channel points to, made together with its event.
type parts struct {
	caller, connected v6.CallerID
	dialplan          v6.DialplanCEP
	created           types.Timestamp
}

// fields are where an event's values go; nil for what its type does not have.
type fields struct {
	data                            *v6.EventData
	channel, caller, peer           *v6.ChannelData
	parts, peerParts                *parts
	bridge                          *v6.BridgeData
	cause, tech, presentation       *int
	causeTxt, presentationTxt       *string
	app, appData, value, variable   *string
	dialstatus, dialstring, forward *string
	soft                            *bool
}

// quick reads JSON strictly and gives up at the first thing that is not plain: escapes, exponents, keys in capitals or twice.
type quick struct {
	s   string
	i   int
	bad bool
}

func (q *quick) event(f *fields) {
	seen := uint32(0)
	q.object(func(key string) {
		var bit uint32
		switch key {
		case "type":
			bit, f.data.Type = 1, q.text()
		case "timestamp":
			bit, f.data.Timestamp = 2, v6.DateTime(q.time())
		case "application":
			bit, f.data.Application = 4, q.text()
		case "asterisk_id":
			bit, f.data.Node = 8, q.text()
		case "channel":
			if f.channel != nil {
				bit = 16
				q.channel(f.channel, f.parts)
			}
		case "caller":
			if f.caller != nil {
				bit = 32
				q.channel(f.caller, f.parts)
			}
		case "peer":
			if f.peer != nil {
				bit = 64
				q.channel(f.peer, f.peerParts)
			}
		case "bridge":
			if f.bridge != nil {
				bit = 128
				q.bridge(f.bridge)
			}
		case "cause":
			bit = q.numberTo(f.cause, 256)
		case "tech_cause":
			if bit = q.numberTo(f.tech, 512); bit == 0 {
				q.value(0)
				return
			}
		case "caller_presentation":
			bit = q.numberTo(f.presentation, 1024)
		case "cause_txt":
			bit = q.textTo(f.causeTxt, 2048)
		case "caller_presentation_txt":
			bit = q.textTo(f.presentationTxt, 4096)
		case "dialplan_app":
			bit = q.textTo(f.app, 8192)
		case "dialplan_app_data":
			bit = q.textTo(f.appData, 1<<14)
		case "value":
			bit = q.textTo(f.value, 1<<15)
		case "variable":
			bit = q.textTo(f.variable, 1<<16)
		case "dialstatus":
			bit = q.textTo(f.dialstatus, 1<<17)
		case "dialstring":
			bit = q.textTo(f.dialstring, 1<<18)
		case "forward":
			bit = q.textTo(f.forward, 1<<19)
		case "soft":
			if f.soft != nil {
				bit, *f.soft = 1<<20, q.truth()
			}
		case "dialog", "forwarded", "header":
		default:
			q.value(0)
			return
		}
		// 0: a field of another type of event, or one that is not expected at all.
		q.bad = q.bad || bit == 0 || seen&bit != 0
		seen |= bit
	})
}

func (q *quick) channel(c *v6.ChannelData, p *parts) {
	seen := 0
	var created time.Time
	q.object(func(key string) {
		bit := 0
		switch key {
		case "id":
			bit, c.ID = 1, q.text()
		case "name":
			bit, c.Name = 2, q.text()
		case "state":
			bit, c.State = 4, q.text()
		case "accountcode":
			bit, c.Accountcode = 8, q.text()
		case "caller":
			bit, c.Caller = 16, &p.caller
			q.party(c.Caller)
		case "connected":
			bit, c.Connected = 32, &p.connected
			q.party(c.Connected)
		case "dialplan":
			bit, c.Dialplan = 64, &p.dialplan
			q.dialplan(c.Dialplan)
		case "creationtime":
			bit, created = 128, q.time()
		case "language":
			bit, c.Language = 256, q.text()
		case "protocol_id":
			bit, c.ProtocolId = 512, q.text()
		case "channelvars":
			bit, c.ChannelVars = 1024, make(map[string]string)
			q.variables(c.ChannelVars)
		case "key":
		default:
			q.value(0)
			return
		}
		q.bad = q.bad || bit == 0 || seen&bit != 0
		seen |= bit
	})
	q.bad = q.bad || seen&128 == 0
	p.created.Seconds, p.created.Nanos = created.Unix(), int32(created.Nanosecond())
	c.Creationtime = &p.created
}

func (q *quick) party(c *v6.CallerID) {
	seen := 0
	q.object(func(key string) {
		bit := 0
		switch key {
		case "name":
			bit, c.Name = 1, q.text()
		case "number":
			bit, c.Number = 2, q.text()
		}
		q.bad = q.bad || bit == 0 || seen&bit != 0
		seen |= bit
	})
}

func (q *quick) dialplan(d *v6.DialplanCEP) {
	seen := 0
	q.object(func(key string) {
		bit := 0
		switch key {
		case "context":
			bit, d.Context = 1, q.text()
		case "exten":
			bit, d.Exten = 2, q.text()
		case "priority":
			bit, d.Priority = 4, int64(q.number())
		case "app_name":
			bit, d.AppName = 8, q.text()
		case "app_data":
			bit, d.AppData = 16, q.text()
		}
		q.bad = q.bad || bit == 0 || seen&bit != 0
		seen |= bit
	})
}

func (q *quick) bridge(b *v6.BridgeData) {
	seen := 0
	q.object(func(key string) {
		bit := 0
		switch key {
		case "id":
			bit, b.ID = 1, q.text()
		case "bridge_class":
			bit, b.Class = 2, q.text()
		case "bridge_type":
			bit, b.Type = 4, q.text()
		case "creator":
			bit, b.Creator = 8, q.text()
		case "name":
			bit, b.Name = 16, q.text()
		case "technology":
			bit, b.Technology = 32, q.text()
		case "channels":
			bit, b.ChannelIDs = 64, []string{}
			q.list(func() { b.ChannelIDs = append(b.ChannelIDs, q.text()) })
		case "key":
		default:
			q.value(0)
			return
		}
		q.bad = q.bad || bit == 0 || seen&bit != 0
		seen |= bit
	})
}

// variables reads channelvars, whose keys may be anything.
func (q *quick) variables(m map[string]string) {
	if !q.eat('{') {
		return
	}
	for first := true; !q.bad && !q.at('}'); first = false {
		if !first && !q.eat(',') {
			return
		}
		key := q.text()
		if q.eat(':') {
			value := q.text()
			_, twice := m[key]
			q.bad = q.bad || twice
			m[key] = value
		}
	}
	q.eat('}')
}

// object calls member for each key, in front of its value. encoding/json takes a key in capitals for the same: such a one is left to it.
func (q *quick) object(member func(key string)) {
	if !q.eat('{') {
		return
	}
	for first := true; !q.bad && !q.at('}'); first = false {
		if !first && !q.eat(',') {
			return
		}
		key := q.text()
		for i := range len(key) {
			if c := key[i]; c >= 'A' && c <= 'Z' || c >= utf8.RuneSelf {
				q.bad = true
			}
		}
		if q.eat(':') {
			member(key)
		}
	}
	q.eat('}')
}

func (q *quick) list(element func()) {
	if !q.eat('[') {
		return
	}
	for first := true; !q.bad && !q.at(']'); first = false {
		if !first && !q.eat(',') {
			return
		}
		element()
	}
	q.eat(']')
}

// value steps over a value that nobody wants.
func (q *quick) value(depth int) {
	q.space()
	if q.bad || q.i >= len(q.s) || depth > 50 {
		q.bad = true
		return
	}
	switch q.s[q.i] {
	case '"':
		q.text()
	case '{':
		q.eat('{')
		for first := true; !q.bad && !q.at('}'); first = false {
			if !first && !q.eat(',') {
				return
			}
			q.text()
			if q.eat(':') {
				q.value(depth + 1)
			}
		}
		q.eat('}')
	case '[':
		q.list(func() { q.value(depth + 1) })
	case 't', 'f':
		q.truth()
	default:
		q.number()
	}
}

func (q *quick) space() {
	for q.i < len(q.s) && (q.s[q.i] == ' ' || q.s[q.i] == '\t' || q.s[q.i] == '\n' || q.s[q.i] == '\r') {
		q.i++
	}
}

func (q *quick) at(c byte) bool {
	q.space()
	return q.i < len(q.s) && q.s[q.i] == c
}

func (q *quick) eat(c byte) bool {
	if q.bad || !q.at(c) {
		q.bad = true
		return false
	}
	q.i++
	return true
}

func (q *quick) text() string {
	if !q.eat('"') {
		return ""
	}
	start, ascii := q.i, true
	for ; q.i < len(q.s); q.i++ {
		switch c := q.s[q.i]; {
		case c == '"':
			s := q.s[start:q.i]
			q.i++
			q.bad = q.bad || !ascii && !utf8.ValidString(s)
			return s
		case c == '\\' || c < ' ':
			q.bad = true
			return ""
		case c >= utf8.RuneSelf:
			ascii = false
		}
	}
	q.bad = true
	return ""
}

func (q *quick) textTo(to *string, bit uint32) uint32 {
	if to == nil {
		return 0
	}
	*to = q.text()
	return bit
}

func (q *quick) numberTo(to *int, bit uint32) uint32 {
	if to == nil {
		return 0
	}
	*to = q.number()
	return bit
}

// number reads a whole number of up to nine digits.
func (q *quick) number() int {
	q.space()
	start, n, negative := q.i, 0, false
	if q.i < len(q.s) && q.s[q.i] == '-' {
		negative = true
		q.i++
		start++
	}
	for ; q.i < len(q.s) && q.s[q.i] >= '0' && q.s[q.i] <= '9' && q.i-start < 10; q.i++ {
		n = n*10 + int(q.s[q.i]-'0')
	}
	digits := q.i - start
	// What may follow a number ends it: a point or an exponent does not.
	follows := q.i < len(q.s) && (q.s[q.i] == ',' || q.s[q.i] == '}' || q.s[q.i] == ']' || q.s[q.i] <= ' ')
	q.bad = q.bad || digits == 0 || digits > 9 || digits > 1 && q.s[start] == '0' || !follows
	if negative {
		return -n
	}
	return n
}

func (q *quick) truth() bool {
	q.space()
	for _, word := range []string{"true", "false"} {
		if len(q.s)-q.i >= len(word) && q.s[q.i:q.i+len(word)] == word {
			q.i += len(word)
			return word == "true"
		}
	}
	q.bad = true
	return false
}

// time reads a time as ARI writes it: 2026-11-24T02:48:25.272+0000.
func (q *quick) time() time.Time {
	s := q.text()
	if q.bad || len(s) != len(v6.DateFormat) || s[4] != '-' || s[7] != '-' || s[10] != 'T' || s[13] != ':' || s[16] != ':' || s[19] != '.' ||
		s[23] != '+' && s[23] != '-' {
		q.bad = true
		return time.Time{}
	}
	digits := func(from, n int) (v int) {
		for _, c := range []byte(s[from : from+n]) {
			if c < '0' || c > '9' {
				q.bad = true
			}
			v = v*10 + int(c-'0')
		}
		return v
	}
	year, month, day := digits(0, 4), digits(5, 2), digits(8, 2)
	hour, minute, second, milli := digits(11, 2), digits(14, 2), digits(17, 2), digits(20, 3)
	zoneHour, zoneMinute := digits(24, 2), digits(26, 2)
	// The 29th to the 31st are checked by whether they come out again.
	t := time.Date(year, time.Month(month), day, hour, minute, second, milli*1e6, time.UTC)
	if q.bad || year < 1 || month < 1 || month > 12 || t.Day() != day || hour > 23 || minute > 59 || second > 59 || zoneHour > 23 || zoneMinute > 59 {
		q.bad = true
		return time.Time{}
	}
	offset := time.Duration(zoneHour)*time.Hour + time.Duration(zoneMinute)*time.Minute
	if s[23] == '-' {
		offset = -offset
	}
	return t.Add(-offset)
}
