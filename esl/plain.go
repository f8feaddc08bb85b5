package esl

import (
	"bytes"
	"errors"
	"fmt"
	"net/url"
	"strings"
)

var errPlain = errors.New("not a plain event")

// plain reads an event in the form of `event plain` (switch_event_serialize): lines "Name: value" with url-encoded values,
// a blank line, and the body if the last header was its Content-Length. We ask for JSON; but a proxy, or a program that
// replays a recording, may send events as it has them.
func (f *flattener) plain(data []byte) (map[string]string, error) {
	out := make(map[string]string, f.size)
	for len(data) > 0 {
		var line []byte
		line, data, _ = bytes.Cut(data, []byte("\n"))
		line = bytes.TrimSuffix(line, []byte("\r"))
		if len(line) == 0 {
			break
		}
		name, value, ok := bytes.Cut(line, []byte(":"))
		if !ok {
			return nil, fmt.Errorf("%w: a line without a colon", errPlain)
		}
		h := f.named(name)
		if _, twice := out[h.name]; !h.keep || twice {
			continue
		}
		text := strings.TrimPrefix(string(value), " ")
		if decoded, err := url.PathUnescape(text); err == nil { // else it has a % of its own
			text = decoded
		}
		out[h.name] = strings.ToValidUTF8(text, "\uFFFD")
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%w: no header", errPlain)
	}
	if len(bytes.TrimSpace(data)) > 0 {
		out["_body"] = strings.ToValidUTF8(string(data), "\uFFFD")
	}
	f.size = len(out)
	return out, nil
}

// named looks a name up that is written without escapes.
func (f *flattener) named(name []byte) header {
	if h, ok := f.keys[string(name)]; ok {
		return h
	}
	h := header{strings.ToValidUTF8(string(name), "\uFFFD"), false}
	h.keep = f.keep == nil || f.keep(h.name)
	if len(f.keys) < maxKeys && h.name == string(name) {
		f.keys[h.name] = h
	}
	return h
}
