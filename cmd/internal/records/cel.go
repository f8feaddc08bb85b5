package records

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"textback"
)

// cel is one channel event of an Asterisk (Asterisk wiki, "CEL Specification").
type cel struct {
	event              string
	at                 time.Time
	name, caller       string
	dialled, context   string
	channel, app       string
	id, linked, peer   string
	bridge, technology string // of BRIDGE_ENTER and BRIDGE_EXIT
	cause              int    // of HANGUP, and below
	source, dialStatus string
}

// celExtra is what the column "extra" may hold.
type celExtra struct {
	Bridge     string `json:"bridge_id"`
	Technology string `json:"bridge_technology"`
	Cause      int    `json:"hangupcause"`
	Source     string `json:"hangupsource"`
	DialStatus string `json:"dialstatus"`
}

// parseCEL reads an event; false if it is none.
func parseCEL(get func(string) string, zone *time.Location) (e cel, ok bool) {
	e = cel{event: strings.ToUpper(strings.TrimSpace(get("event"))), name: get("caller_name"), caller: get("caller"),
		dialled: get("dialled"), context: get("context"), channel: get("channel"), app: get("last_app"), id: get("id"),
		linked: get("linked_id"), peer: get("peer")}
	if e.at, ok = readTime(get("start"), zone); !ok || e.event == "" || e.id == "" || e.channel == "" {
		return e, false
	}
	if e.linked == "" {
		e.linked = e.id
	}
	if extra := get("extra"); strings.HasPrefix(extra, "{") {
		var x celExtra
		if json.Unmarshal([]byte(extra), &x) == nil {
			e.bridge, e.technology, e.cause, e.source, e.dialStatus = x.Bridge, x.Technology, x.Cause, x.Source, x.DialStatus
		}
	}
	return e, true
}

// celGroup is all events with one linked id, and what they tell together.
type celGroup struct {
	s        *Source
	events   []*cel
	channels map[string]*celChannel // by unique id
	byName   map[string]*celChannel
	bridges  map[string][]stay
	answers  bool // this PBX writes ANSWER events
	joins    bool // it writes BRIDGE_ENTER events
}

type celChannel struct {
	id, name string
	start    *cel
	answered time.Time
	end      time.Time
	hangup   *cel
	stays    []stay
}

// stay is the time that a channel spent in a bridge.
type stay struct {
	channel  *celChannel
	bridge   string
	from, to time.Time // to is zero while it lasts
}

// judgeCELs groups the events into calls from outside and judges each.
func judgeCELs(s *Source, events []cel) []textback.Call {
	groups := make(map[string]*celGroup)
	var order []*celGroup
	answers, joins := false, false
	for i := range events {
		e := &events[i]
		answers = answers || e.event == "ANSWER"
		joins = joins || e.event == "BRIDGE_ENTER"
		g := groups[e.linked]
		if g == nil {
			g = &celGroup{s: s, channels: make(map[string]*celChannel), byName: make(map[string]*celChannel),
				bridges: make(map[string][]stay)}
			groups[e.linked] = g
			order = append(order, g)
		}
		g.events = append(g.events, e)
	}
	var calls []textback.Call
	for _, g := range order {
		g.answers, g.joins = answers, joins
		g.read()
		for _, e := range g.events {
			// A caller's channel gives a call its linked id; one that was dialled has another's, and begins in the
			// context of its endpoint, too.
			if e.event != "CHAN_START" || e.id != e.linked || e.caller == "" && e.dialled == "s" || local(e.channel) ||
				!s.inbound(e.context, e.channel) {
				continue
			}
			if c := g.channels[e.id]; c.start == e && !c.end.IsZero() {
				calls = append(calls, g.judge(c))
			}
		}
	}
	return calls
}

// read puts the events in order and finds out where each channel was, and when.
func (g *celGroup) read() {
	slices.SortStableFunc(g.events, func(a, b *cel) int { return a.at.Compare(b.at) })
	for _, e := range g.events {
		c := g.channels[e.id]
		if c == nil {
			c = &celChannel{id: e.id, name: e.channel}
			g.channels[e.id] = c
			g.byName[e.channel] = c
		}
		switch e.event {
		case "CHAN_START":
			if c.start == nil {
				c.start = e
			}
		case "ANSWER":
			if c.answered.IsZero() {
				c.answered = e.at
			}
		case "HANGUP":
			c.hangup = e
			c.end = e.at
		case "CHAN_END":
			c.end = e.at
		case "BRIDGE_ENTER":
			if e.technology != "holding_bridge" {
				c.stays = append(c.stays, stay{channel: c, bridge: e.bridge, from: e.at})
			}
		case "BRIDGE_EXIT":
			for i := len(c.stays) - 1; i >= 0; i-- {
				if c.stays[i].bridge == e.bridge && c.stays[i].to.IsZero() {
					c.stays[i].to = e.at
					break
				}
			}
		}
	}
	for _, c := range g.channels {
		for i := range c.stays {
			if c.stays[i].to.IsZero() {
				c.stays[i].to = c.end
			}
			g.bridges[c.stays[i].bridge] = append(g.bridges[c.stays[i].bridge], c.stays[i])
		}
	}
}

// minTalk is the shortest connection that counts, as on the live link: when a CANCEL crosses an answer there is a bridge
// for 0 to 2 ms.
const minTalk = 80 * time.Millisecond

// connections tells with whom a channel was in a bridge, through local channels too. Events without a bridge id, of an
// Asterisk that writes none, count as of one bridge.
func (g *celGroup) connections(c *celChannel, from, to time.Time, seen map[*celChannel]bool,
	fn func(m *celChannel, from, to time.Time)) {
	if seen[c] || len(seen) > 256 {
		return
	}
	seen[c] = true
	for _, s := range c.stays {
		for _, o := range g.bridges[s.bridge] {
			a, b := latest(s.from, o.from, from), soonest(s.to, o.to, to)
			if o.channel == c || !b.IsZero() && !b.After(a) {
				continue
			}
			if !local(o.channel.name) {
				fn(o.channel, a, b)
				continue
			}
			if half := g.byName[otherHalf(o.channel.name)]; half != nil {
				g.connections(half, a, b, seen, fn)
			}
		}
	}
}

func otherHalf(name string) string {
	if base, ok := strings.CutSuffix(name, ";1"); ok {
		return base + ";2"
	}
	return strings.TrimSuffix(name, ";2") + ";1"
}

func latest(all ...time.Time) (t time.Time) {
	for _, u := range all {
		if u.After(t) {
			t = u
		}
	}
	return t
}

// soonest is the first of the moments that are known; zero if none is.
func soonest(all ...time.Time) (t time.Time) {
	for _, u := range all {
		if !u.IsZero() && (t.IsZero() || u.Before(t)) {
			t = u
		}
	}
	return t
}

func (g *celGroup) judge(c *celChannel) textback.Call {
	f := &finding{call: textback.Call{ID: g.s.PBX + "/" + c.id, PBX: g.s.PBX, Begin: c.start.at, End: c.end,
		Party: textback.Party{Number: c.start.caller, Name: c.start.name}}}
	if c.start.dialled != "" {
		f.call.Dialled = []string{c.start.dialled}
	}
	if h := c.hangup; h != nil && h.source != "" {
		f.call.Cause.Q850 = h.cause
		f.call.EndedBy = textback.EndedByPBX
		if h.source == c.name {
			f.call.EndedBy = textback.EndedByCaller
		}
	}
	g.connections(c, c.start.at, c.end, make(map[*celChannel]bool), func(m *celChannel, from, to time.Time) {
		switch talk := to.Sub(from); {
		case to.IsZero() || talk >= minTalk:
			if f.connect.IsZero() || from.Before(f.connect) {
				f.connect = from
			}
			f.note(from, "connected with %s", endpoint(m.name))
		default:
			f.note(from, "a bridge with %s existed for %s only: no connection", endpoint(m.name), talk)
		}
	})
	if f.connect.IsZero() {
		g.elsewhere(f, c)
	}
	if f.connect.IsZero() {
		g.doubts(f, c)
	}
	stages := g.stages(f, c)
	return f.finish(func() textback.Outcome { return g.missed(c, stages, f.call.EndedBy) })
}

// elsewhere finds a caller's side that says that the call was answered elsewhere: it cancels with cause 26, or with 16
// where a caller who gives up has 127 (chan_pjsip: Reason of the CANCEL).
func (g *celGroup) elsewhere(f *finding, c *celChannel) {
	h := c.hangup
	sip := strings.HasPrefix(c.name, "PJSIP/") || strings.HasPrefix(c.name, "SIP/")
	if h == nil || !c.answered.IsZero() || h.source != c.name || h.cause != 26 && (h.cause != 16 || !sip) {
		return
	}
	f.connect = h.at
	f.note(h.at, "the caller's side says that the call was answered elsewhere")
}

// doubts finds out what is missing for the proof that nobody answered.
func (g *celGroup) doubts(f *finding, c *celChannel) {
	told := c.hangup != nil && unanswered(c.hangup.dialStatus)
	if !g.answers && !told {
		f.doubt("this PBX writes no ANSWER events")
	}
	for _, m := range g.channels {
		if m == c || local(m.name) || m.answered.IsZero() || m.answered.After(c.end) || g.joins {
			continue
		}
		f.doubt("%s answered, and this PBX does not write who was connected with whom", endpoint(m.name))
	}
	for _, e := range g.events {
		if e.id == c.id && e.event == "PICKUP" || e.id == c.id && strings.HasSuffix(e.event, "TRANSFER") {
			f.doubt("%s, and no connection was written down", strings.ToLower(e.event))
		}
	}
}

func unanswered(dialStatus string) bool {
	switch dialStatus {
	case "NOANSWER", "BUSY", "CANCEL", "CHANUNAVAIL", "CONGESTION":
		return true
	default:
		return false
	}
}

// stages are the applications in which the caller was, in order, also those of the local channels behind which he was.
func (g *celGroup) stages(f *finding, c *celChannel) []string {
	var all []string
	for _, e := range g.events {
		app := e.app
		switch {
		case e.at.After(c.end):
			continue
		case e.event == "CHAN_START" && e.id != c.id && !local(e.channel):
			// Which application dials is written down only where APP_START is.
			f.note(e.at, "%s was tried", endpoint(e.channel))
			if n := len(all); n > 0 && (all[n-1] == "Queue" || all[n-1] == "Dial") {
				continue
			}
			all = append(all, "Dial")
			continue
		case e.id != c.id && !(strings.HasSuffix(e.channel, ";2") && isVoicemail(app)) || app == "":
			continue
		}
		if len(all) == 0 || all[len(all)-1] != app {
			all = append(all, app)
			if len(all) < 8 {
				f.note(e.at, "came to %s", app)
			}
		}
	}
	return all
}

// missed says how a call was missed of which it is proved that nobody answered.
func (g *celGroup) missed(c *celChannel, stages []string, by textback.Ender) textback.Outcome {
	last, talked := "", false
	for _, s := range stages {
		switch a := strings.ToLower(s); {
		case a == "dial" || a == "queue" || a == "voicemail" || isMenu(a) || a == "confbridge" || a == "park" || a == "stasis":
			last = a
		case a == "playback":
			talked = true
		}
	}
	status, cause := "", 0
	if c.hangup != nil {
		status, cause = c.hangup.dialStatus, c.hangup.cause
	}
	if last == "" && status != "" || last == "" && len(g.channels) > 1 {
		last = "dial"
	}
	caller := by == textback.EndedByCaller
	switch {
	case last == "voicemail":
		return textback.Voicemail
	case last == "queue" && caller:
		return textback.QueueAbandoned
	case last == "queue":
		return textback.QueueTimeout
	case isMenu(last) || last == "stasis":
		return textback.MenuAbandoned
	case caller && (last != "dial" || status == "CANCEL" || status == ""):
		return textback.Abandoned
	case last == "dial":
		return g.dialled(c, status)
	case last != "":
		return textback.NoAnswer
	case cause == 17:
		return textback.Busy
	case cause == 21:
		return textback.Rejected
	case talked || !c.answered.IsZero():
		return textback.Closed
	default:
		return textback.Unreachable
	}
}

// dialled says how the phones that were rung ended.
func (g *celGroup) dialled(c *celChannel, status string) textback.Outcome {
	var rang, busy, rejected bool
	for _, m := range g.channels {
		if m == c || local(m.name) || m.hangup == nil {
			continue
		}
		switch m.hangup.cause {
		case 17:
			busy = true
		case 21:
			rejected = true
		case 0, 16, 19, 26, 127:
			rang = true
		}
	}
	switch {
	case rang && status != "CHANUNAVAIL" && status != "CONGESTION":
		return textback.NoAnswer
	case rejected:
		return textback.Rejected
	case busy || status == "BUSY":
		return textback.Busy
	case status == "NOANSWER":
		return textback.NoAnswer
	default:
		return textback.Unreachable
	}
}
