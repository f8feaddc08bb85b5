package ari

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	v6 "github.com/CyCoreSystems/ari/v6"
)

// DecodeChannel reads a channel as ARI shows it in lists and events. With an error the channel has what could be read.
func DecodeChannel(raw []byte) (Channel, error) {
	ch := Channel{Raw: raw}
	err := json.Unmarshal(raw, &ch.ChannelData)
	if err != nil {
		// ari/v6 fills nothing in if one field is not as it expects: read again what must not be missing.
		ch.ChannelData = leniently(raw)
	}
	var more struct {
		RDNIS        string `json:"caller_rdnis"`
		CreationTime string `json:"creationtime"`
	}
	if json.Unmarshal(raw, &more) == nil {
		ch.CallerRDNIS = more.RDNIS
		if t, timeErr := parseTime(more.CreationTime); timeErr == nil {
			ch.Created = t
		}
	}
	switch {
	case err != nil:
		return ch, fmt.Errorf("read a channel: %w", err)
	case ch.ID == "":
		return ch, errors.New("read a channel: it has no id")
	}
	return ch, nil
}

// leniently reads a channel field by field; those of a wrong type stay empty.
func leniently(raw []byte) v6.ChannelData {
	var fields map[string]json.RawMessage
	if json.Unmarshal(raw, &fields) != nil {
		return v6.ChannelData{}
	}
	word := func(key string) (s string) {
		_ = json.Unmarshal(fields[key], &s) // a wrong type leaves it empty
		return s
	}
	d := v6.ChannelData{ID: word("id"), Name: word("name"), State: word("state"), Accountcode: word("accountcode"),
		Language: word("language"), ProtocolId: word("protocol_id")}
	d.Caller, d.Connected, d.Dialplan = new(v6.CallerID), new(v6.CallerID), new(v6.DialplanCEP)
	_ = json.Unmarshal(fields["caller"], d.Caller)
	_ = json.Unmarshal(fields["connected"], d.Connected)
	_ = json.Unmarshal(fields["dialplan"], d.Dialplan)
	var vars map[string]any
	if json.Unmarshal(fields["channelvars"], &vars) == nil {
		d.ChannelVars = make(map[string]string, len(vars))
		for k, v := range vars {
			if s, ok := v.(string); ok {
				d.ChannelVars[k] = s
			}
		}
	}
	return d
}

func decodeBridge(raw []byte) (Bridge, error) {
	b := Bridge{Raw: raw}
	if err := json.Unmarshal(raw, &b.BridgeData); err != nil {
		return b, fmt.Errorf("read a bridge: %w", err)
	}
	return b, nil
}

// serial takes an id of Asterisk's own making apart, [systemname-]epoch.N: epoch is when the channel was made, in Unix
// seconds, and N counts the channels since the PBX was started. An id chosen by a program gives false.
func serial(id string) (made time.Time, n uint64, ok bool) {
	if i := strings.LastIndexByte(id, '-'); i >= 0 {
		id = id[i+1:]
	}
	epoch, count, found := strings.Cut(id, ".")
	if !found {
		return time.Time{}, 0, false
	}
	seconds, err := strconv.ParseInt(epoch, 10, 64)
	if err != nil || seconds < 1e9 || seconds > 1e11 {
		return time.Time{}, 0, false
	}
	n, err = strconv.ParseUint(count, 10, 64)
	return time.Unix(seconds, 0), n, err == nil
}
