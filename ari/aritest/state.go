package aritest

import (
	"encoding/json"
	"maps"
	"slices"
)

// state is what lives on the PBX, as far as the played events tell.
type state struct {
	channels map[string]*channel
	order    []string // of the channels, oldest first
	bridges  map[string]*bridge
}

type channel struct {
	id   string
	raw  json.RawMessage   // as its last event showed it
	vars map[string]string // out of ChannelVarset and channelvars
}

type bridge struct {
	raw     map[string]json.RawMessage
	members []string
}

func newState() state {
	return state{channels: make(map[string]*channel), bridges: make(map[string]*bridge)}
}

// shown is what of an event tells about what lives.
type shown struct {
	Type     string          `json:"type"`
	Variable string          `json:"variable"`
	Value    string          `json:"value"`
	Channel  json.RawMessage `json:"channel"`
	Caller   json.RawMessage `json:"caller"`
	Peer     json.RawMessage `json:"peer"`
	Bridge   json.RawMessage `json:"bridge"`
}

// apply takes an event into account and gives the id of its channel.
func (st *state) apply(raw []byte) (ev shown, id string) {
	if json.Unmarshal(raw, &ev) != nil {
		return ev, ""
	}
	for _, other := range []json.RawMessage{ev.Caller, ev.Peer} {
		st.show(other)
	}
	if ev.Type == "ChannelDestroyed" {
		id = idOf(ev.Channel)
		st.remove(id)
		return ev, id
	}
	c := st.show(ev.Channel)
	if c != nil {
		id = c.id
		if ev.Type == "ChannelVarset" {
			c.vars[ev.Variable] = ev.Value
		}
	}
	if b := idOf(ev.Bridge); b != "" {
		if ev.Type == "BridgeDestroyed" {
			delete(st.bridges, b)
		} else {
			st.showBridge(b, ev.Bridge)
		}
	}
	return ev, id
}

func idOf(raw json.RawMessage) string {
	var v struct {
		ID string `json:"id"`
	}
	if json.Unmarshal(raw, &v) != nil {
		return ""
	}
	return v.ID
}

// show notes a channel as an event shows it. A dead one is not brought back by a late mention: ids are never used again.
func (st *state) show(raw json.RawMessage) *channel {
	var v struct {
		ID          string            `json:"id"`
		Name        string            `json:"name"`
		ChannelVars map[string]string `json:"channelvars"`
	}
	if json.Unmarshal(raw, &v) != nil || v.ID == "" {
		return nil
	}
	c := st.channels[v.ID]
	if c == nil {
		if slices.Contains(st.order, v.ID) {
			return nil
		}
		c = &channel{id: v.ID, vars: make(map[string]string)}
		st.channels[v.ID] = c
		st.order = append(st.order, v.ID)
	}
	c.raw = raw
	for k, value := range v.ChannelVars {
		c.vars[k] = value
	}
	return c
}

func (st *state) showBridge(id string, raw json.RawMessage) {
	b := &bridge{}
	var v struct {
		Channels []string `json:"channels"`
	}
	if json.Unmarshal(raw, &b.raw) != nil || json.Unmarshal(raw, &v) != nil {
		return
	}
	b.members = v.Channels
	st.bridges[id] = b
}

// remove ends a channel. Its id stays in order for a while, so that it cannot come back.
func (st *state) remove(id string) {
	delete(st.channels, id)
	for _, b := range st.bridges {
		b.members = slices.DeleteFunc(b.members, func(m string) bool { return m == id })
	}
	if len(st.order) > 4096 {
		st.order = slices.DeleteFunc(st.order, func(id string) bool { return st.channels[id] == nil })
	}
}

func (st *state) listChannels() []json.RawMessage {
	all := make([]json.RawMessage, 0, len(st.channels))
	for _, id := range st.order {
		if c := st.channels[id]; c != nil {
			all = append(all, c.raw)
		}
	}
	return all
}

func (st *state) listBridges() []map[string]json.RawMessage {
	all := make([]map[string]json.RawMessage, 0, len(st.bridges))
	for _, b := range st.bridges {
		members, err := json.Marshal(append([]string{}, b.members...))
		if err != nil {
			continue // strings always marshal
		}
		shown := maps.Clone(b.raw)
		shown["channels"] = members
		all = append(all, shown)
	}
	return all
}

// variable gives what the events told, and for caller-id presentation what they imply.
func (st *state) variable(id, name string) (value string, found, alive bool) {
	c := st.channels[id]
	if c == nil {
		return "", false, false
	}
	if v, ok := c.vars[name]; ok {
		return v, true, true
	}
	switch name {
	case "CHANNEL(linkedid)":
		return id, true, true
	case "CALLERID(pres)":
		var v struct {
			Caller struct {
				Name string `json:"name"`
			} `json:"caller"`
		}
		if json.Unmarshal(c.raw, &v) == nil && v.Caller.Name == "Anonymous" {
			return "prohib_not_screened", true, true
		}
		return "allowed_not_screened", true, true
	}
	return "", false, true
}
