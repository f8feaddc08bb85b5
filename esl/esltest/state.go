package esltest

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// leg is a live channel, as far as a read-back shows it.
type leg struct {
	uuid   string
	number int    // order of creation
	first  *Event // CHANNEL_CREATE: the initial_ columns
	full   *Event // the last event with all variables
	last   *Event // the last event of any kind
	peer   string // bridged with
	since  string // of the bridge: call_created_epoch
	stale  bool   // it has ended, but is still listed
}

// state is what lives on the simulated FreeSWITCH. The server's lock guards it.
type state struct {
	legs    map[string]*leg
	created int
}

func newState() state { return state{legs: map[string]*leg{}} }

// observe follows an event.
func (s *state) observe(e *Event) {
	name, uuid := e.Get("Event-Name"), e.Get("Unique-ID")
	if uuid == "" || !strings.HasPrefix(name, "CHANNEL_") {
		return
	}
	l := s.legs[uuid]
	switch name {
	case "CHANNEL_CREATE":
		s.created++
		l = &leg{uuid: uuid, number: s.created, first: e}
		s.legs[uuid] = l
	case "CHANNEL_HANGUP_COMPLETE", "CHANNEL_DESTROY":
		s.end(uuid)
		return
	case "CHANNEL_BRIDGE":
		s.bridge(e)
	case "CHANNEL_UNBRIDGE":
		s.unbridge(uuid)
	}
	if l == nil { // its beginning was not played
		return
	}
	l.last = e
	if l.full == nil || e.Get("variable_uuid") != "" {
		l.full = e
	}
}

func (s *state) bridge(e *Event) {
	a, b := s.legs[e.Get("Bridge-A-Unique-ID")], s.legs[e.Get("Bridge-B-Unique-ID")]
	if a != nil && b != nil {
		a.peer, a.since = b.uuid, epoch(e.Get("Event-Date-Timestamp"))
		b.peer = ""
	}
}

func (s *state) unbridge(uuid string) {
	for _, l := range s.legs {
		if l.uuid == uuid || l.peer == uuid {
			l.peer = ""
		}
	}
}

func (s *state) end(uuid string) {
	s.unbridge(uuid)
	delete(s.legs, uuid)
}

func (s *state) ordered() []*leg {
	all := make([]*leg, 0, len(s.legs))
	for _, l := range s.legs {
		all = append(all, l)
	}
	slices.SortFunc(all, func(a, b *leg) int { return cmp.Compare(a.number, b.number) })
	return all
}

func epoch(micros string) string {
	n, _ := strconv.ParseInt(micros, 10, 64)
	return strconv.FormatInt(n/1e6, 10)
}

// Columns of show channels and show calls, in FreeSWITCH's order, and the header that each is made from.
var channelColumns = [][2]string{
	{"uuid", "Unique-ID"}, {"direction", "Call-Direction"}, {"created", "@created"}, {"created_epoch", "@created_epoch"},
	{"name", "Channel-Name"}, {"state", "Channel-State"}, {"cid_name", "Caller-Caller-ID-Name"},
	{"cid_num", "Caller-Caller-ID-Number"}, {"ip_addr", "Caller-Network-Addr"}, {"dest", "Caller-Destination-Number"},
	{"application", "variable_current_application"}, {"application_data", "variable_current_application_data"},
	{"dialplan", "Caller-Dialplan"}, {"context", "Caller-Context"}, {"read_codec", "Channel-Read-Codec-Name"},
	{"read_rate", "Channel-Read-Codec-Rate"}, {"read_bit_rate", "Channel-Read-Codec-Bit-Rate"},
	{"write_codec", "Channel-Write-Codec-Name"}, {"write_rate", "Channel-Write-Codec-Rate"},
	{"write_bit_rate", "Channel-Write-Codec-Bit-Rate"}, {"secure", ""}, {"hostname", "FreeSWITCH-Hostname"},
	{"presence_id", "Channel-Presence-ID"}, {"presence_data", ""}, {"accountcode", "variable_accountcode"},
	{"callstate", "Channel-Call-State"}, {"callee_name", "Caller-Callee-ID-Name"}, {"callee_num", "Caller-Callee-ID-Number"},
	{"callee_direction", ""}, {"call_uuid", "Channel-Call-UUID"}, {"sent_callee_name", ""}, {"sent_callee_num", ""},
	{"initial_cid_name", "@Caller-Caller-ID-Name"}, {"initial_cid_num", "@Caller-Caller-ID-Number"},
	{"initial_ip_addr", "@Caller-Network-Addr"}, {"initial_dest", "@Caller-Destination-Number"},
	{"initial_dialplan", "@Caller-Dialplan"}, {"initial_context", "@Caller-Context"},
}

var callColumns = []string{"uuid", "direction", "created", "created_epoch", "name", "state", "cid_name", "cid_num",
	"ip_addr", "dest", "presence_id", "presence_data", "accountcode", "callstate", "callee_name", "callee_num", "callee_direction",
	"call_uuid", "hostname", "sent_callee_name", "sent_callee_num"}

// row is a leg's row in show channels.
func (l *leg) row() *Event {
	row := &Event{}
	createdAt := l.last.Get("Caller-Channel-Created-Time")
	for _, c := range channelColumns {
		var value string
		switch header := c[1]; {
		case header == "@created_epoch":
			value = epoch(createdAt)
		case header == "@created":
			n, _ := strconv.ParseInt(createdAt, 10, 64)
			value = time.UnixMicro(n).UTC().Format(time.DateTime)
		case strings.HasPrefix(header, "@"):
			value = l.first.Get(header[1:])
		case strings.HasPrefix(header, "variable_"):
			value = l.full.Get(header)
		case header != "":
			value = l.last.Get(header)
		}
		row.Headers = append(row.Headers, Header{c[0], value})
	}
	return row
}

// channels answers show channels as json.
func (s *state) channels() string {
	var rows []*Event
	for _, l := range s.ordered() {
		rows = append(rows, l.row())
	}
	return table(rows)
}

// calls answers show calls as json: one row for a bridged pair, one for each leg that is not bridged.
func (s *state) calls() string {
	inPair := map[string]bool{}
	for _, l := range s.legs {
		if s.legs[l.peer] != nil {
			inPair[l.peer] = true
		}
	}
	var rows []*Event
	for _, l := range s.ordered() {
		if inPair[l.uuid] {
			continue
		}
		full, row := l.row(), &Event{}
		for _, name := range callColumns {
			row.Headers = append(row.Headers, Header{name, full.Get(name)})
		}
		peer := &Event{}
		if p := s.legs[l.peer]; p != nil {
			peer = p.row()
		}
		for _, name := range callColumns {
			if name != "call_uuid" && name != "hostname" {
				row.Headers = append(row.Headers, Header{"b_" + name, peer.Get(name)})
			}
		}
		row.Headers = append(row.Headers, Header{"call_created_epoch", l.since})
		rows = append(rows, row)
	}
	return table(rows)
}

func table(rows []*Event) string {
	if len(rows) == 0 {
		return "{\"row_count\": 0}\n"
	}
	var b strings.Builder
	fmt.Fprintf(&b, `{"row_count":%d,"rows":[`, len(rows))
	for i, row := range rows {
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(row.JSON())
	}
	b.WriteString("]}\n")
	return b.String()
}

// dump answers uuid_dump UUID json.
func (s *state) dump(uuid string) (*Event, bool) {
	l := s.legs[uuid]
	if l == nil || l.stale {
		return nil, false
	}
	dump := &Event{}
	newer := map[string]string{}
	for _, h := range l.last.Headers {
		if strings.HasPrefix(h.Name, "Channel-") || strings.HasPrefix(h.Name, "Caller-") || h.Name == "Answer-State" {
			newer[h.Name] = h.Value
		}
	}
	for _, h := range l.full.Headers {
		if value, ok := newer[h.Name]; ok {
			h.Value = value
		}
		if h.Name == "Event-Name" {
			h.Value = "CHANNEL_DATA"
		}
		dump.Headers = append(dump.Headers, h)
	}
	return dump, true
}
