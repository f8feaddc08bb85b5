package esl

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"textback"
)

// truth is what a sidecar says about a recorded stream.
type truth struct {
	Scenario string `json:"scenario"`
	Calls    []struct {
		Caller  string   `json:"caller"`
		SeenAs  string   `json:"seen_as"`
		Name    string   `json:"caller_name"`
		Line    string   `json:"line"`
		Outcome string   `json:"outcome"`
		Also    []string `json:"also"`
		Text    *bool    `json:"text_back_expected"`
		ALeg    string   `json:"a_leg_uuid"`
	} `json:"calls"`
	Legs []struct {
		TMS int64 `json:"t_ms"`
	} `json:"legs"`
	Connections []struct {
		Connected int64 `json:"connected_ms"`
		Start     int   `json:"start_offset"`
		Closed    int64 `json:"closed_ms"`
		End       int   `json:"end_offset"`
	} `json:"connections"`
}

func traceOptions() TranslateOptions {
	return TranslateOptions{PBX: "branch", Inbound: []string{"public"}, LineFrom: []string{"exten", "to"}, NoText: "TEXTBACK=no"}
}

func gunzip(t testing.TB, path string) []byte {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// wireFrame is a frame of a recorded stream, with the offset of its end.
type wireFrame struct {
	kind string
	body []byte
	end  int
}

func wireFrames(b []byte) []wireFrame {
	var all []wireFrame
	for i := 0; i < len(b); {
		if b[i] == '\n' {
			i++
			continue
		}
		j := bytes.Index(b[i:], []byte("\n\n"))
		if j < 0 {
			break
		}
		f, length := wireFrame{}, 0
		for _, l := range strings.Split(string(b[i:i+j]), "\n") {
			name, value, _ := strings.Cut(l, ": ")
			switch name {
			case "Content-Length":
				length, _ = strconv.Atoi(value)
			case "Content-Type":
				f.kind = value
			}
		}
		i += j + 2
		length = min(length, len(b)-i)
		f.body = b[i : i+length]
		i += length
		f.end = i
		all = append(all, f)
	}
	return all
}

// plainEvent reads an event of `event plain` into headers as the link would give them.
func plainEvent(body []byte) map[string]string {
	h := map[string]string{}
	text, _, _ := bytes.Cut(body, []byte("\n\n"))
	for _, l := range strings.Split(string(text), "\n") {
		name, value, ok := strings.Cut(l, ": ")
		if !ok {
			continue
		}
		if plain, err := url.PathUnescape(value); err == nil {
			value = plain
		}
		if _, twice := h[name]; !twice {
			h[name] = value
		}
	}
	return h
}

func rowsOf(t testing.TB, body []byte) []map[string]string {
	t.Helper()
	var answer struct {
		Rows []map[string]string `json:"rows"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		t.Fatalf("show: %v", err)
	}
	return answer.Rows
}

// traceMessages reads a recorded stream of all events as the link would have handed it on: only what it subscribes to, only the headers
// that are kept, and with the losses of the connection.
func traceMessages(t testing.TB, path string, s truth) []Message {
	t.Helper()
	keep := NewTranslator(traceOptions()).Keep
	var ms []Message
	var began, last time.Time
	base := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	core, conn := "", 0
	answers := -1 // frames of the read-back so far
	var snap *Snapshot
	var held []Message
	ms = append(ms, Message{Kind: MessageUp, Seen: base, Snapshot: &Snapshot{}})
	last = base
	for _, f := range wireFrames(gunzip(t, path)) {
		if conn+1 < len(s.Connections) && f.end > s.Connections[conn].End {
			if lost := base.Add(time.Duration(s.Connections[conn].Closed-s.Legs[0].TMS) * time.Millisecond); lost.After(last) {
				last = lost
			}
			ms = append(ms, Message{Kind: MessageDown, Seen: last, Err: io.EOF})
			last = last.Add(time.Duration(s.Connections[conn+1].Connected-s.Connections[conn].Closed) * time.Millisecond)
			conn++
			answers, snap, held = 0, &Snapshot{}, nil
		}
		switch f.kind {
		case "api/response":
			if answers < 0 || answers > 1 || f.body[0] != '{' {
				continue
			}
			if answers == 0 {
				snap.Channels = rowsOf(t, f.body)
			} else {
				snap.Calls = rowsOf(t, f.body)
				snap.Restarted = len(held) > 0 && held[0].Headers["Core-UUID"] != core || strings.Contains(s.Scenario, "killed") ||
					strings.Contains(s.Scenario, "shutdown")
				ms = append(ms, Message{Kind: MessageUp, Seen: last, Snapshot: snap})
				ms = append(ms, held...)
				held = nil
			}
			answers++
		case "text/event-plain":
			h := plainEvent(f.body)
			name, sub := h["Event-Name"], h["Event-Subclass"]
			if core == "" {
				core = h["Core-UUID"]
			}
			if name == "CUSTOM" && !slices.Contains(DefaultSubclasses(), sub) || name != "CUSTOM" && !slices.Contains(DefaultEvents(), name) {
				continue
			}
			at := head(h).at("Event-Date-Timestamp")
			if began.IsZero() {
				began = at
			}
			if seen := base.Add(at.Sub(began)); seen.After(last) {
				last = seen
			}
			for header := range h {
				if !keep(header) {
					delete(h, header)
				}
			}
			m := Message{Kind: MessageEvent, Seen: last, Name: name, Subclass: sub, Headers: h}
			if answers == 0 || answers == 1 {
				held = append(held, m)
			} else {
				ms = append(ms, m)
			}
		}
	}
	return append(ms, held...)
}

// judgedTrace plays messages through the translator and the tracker.
func judgedTrace(t testing.TB, ms []Message) (ended []textback.Call, all []textback.Change) {
	t.Helper()
	tr := NewTranslator(traceOptions())
	tracker := textback.NewTracker(textback.TrackerOptions{PBX: "branch"})
	var last time.Time
	for _, m := range ms {
		last = m.Seen
		for _, e := range tr.Translate(m) {
			all = append(all, tracker.Observe(e)...)
		}
	}
	all = append(all, tracker.Settle(last.Add(time.Minute))...)
	for _, c := range all {
		if c.Kind == textback.CallEnded {
			ended = append(ended, c.Call)
		}
	}
	return ended, all
}

func callsText(calls []textback.Call) string {
	var b strings.Builder
	for _, c := range calls {
		fmt.Fprintf(&b, "[%s %s %s from %q to %q %s]", c.ID, c.Direction, c.Outcome, c.Party.Number, c.Dialled, c.Ring)
		for _, e := range c.Evidence {
			fmt.Fprintf(&b, "\n    %s %s", e.At.Format("15:04:05.000"), e.What)
		}
	}
	return b.String()
}

// checkTrace compares the calls that ended with the truth.
func checkTrace(t *testing.T, s truth, ended []textback.Call) {
	t.Helper()
	used := map[string]bool{}
	for _, want := range s.Calls {
		if want.Outcome == "internal" {
			continue
		}
		if want.Outcome == "outbound" {
			if !slices.ContainsFunc(ended, func(c textback.Call) bool {
				return c.Direction == textback.Outbound && c.Party.Number == want.Line
			}) {
				t.Errorf("no outbound call to %s; got %s", want.Line, callsText(ended))
			}
			continue
		}
		i := slices.IndexFunc(ended, func(c textback.Call) bool { return c.ID == "branch/"+want.ALeg })
		if i < 0 {
			t.Errorf("no call from %s to %s; got %s", want.Caller, want.Line, callsText(ended))
			continue
		}
		c := ended[i]
		used[c.ID] = true
		if c.Direction != textback.Inbound || c.Party.Number != want.Caller && c.Party.Number != want.SeenAs || !slices.Contains(c.Dialled, want.Line) {
			t.Errorf("%s call from %s to %v, want %s to %s", c.Direction, c.Party.Number, c.Dialled, want.Caller, want.Line)
		}
		if got := c.Outcome.String(); got != want.Outcome && !slices.Contains(want.Also, got) {
			t.Errorf("outcome %s, want %s %v\n%s", got, want.Outcome, want.Also, callsText(ended))
		}
		if c.Party.Name != want.Name {
			t.Errorf("name %q, want %q", c.Party.Name, want.Name)
		}
		if want.Text != nil {
			number := !c.Party.Withheld && strings.Trim(c.Party.Number, "+0123456789") == "" && c.Party.Number != ""
			if got := c.Missed() && number && !c.Unseen; got != *want.Text {
				t.Errorf("text %v, want %v (%s, unseen %v)\n%s", got, *want.Text, c.Outcome, c.Unseen, callsText(ended))
			}
		}
		if c.End.Before(c.Begin) || c.Ring < 0 || c.Ring > c.End.Sub(c.Begin) {
			t.Errorf("begin %v end %v ring %v", c.Begin, c.End, c.Ring)
		}
	}
	for _, c := range ended {
		if c.Direction == textback.Inbound && !used[c.ID] {
			t.Errorf("unexpected call: %s", callsText([]textback.Call{c}))
		}
	}
}

func traceFiles(t testing.TB) []string {
	t.Helper()
	all, err := filepath.Glob("testdata/traces/*.esl.gz")
	if err != nil {
		t.Fatal(err)
	}
	all = slices.DeleteFunc(all, func(p string) bool { return strings.HasPrefix(filepath.Base(p), "00-") })
	if len(all) < 55 {
		t.Fatalf("only %d recorded streams", len(all))
	}
	return all
}

func traceTruth(t testing.TB, path string) (s truth) {
	t.Helper()
	if err := json.Unmarshal(gunzip(t, strings.TrimSuffix(path, ".esl.gz")+".json.gz"), &s); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return s
}

func TestEveryRecordedCallGetsItsTrueOutcome(t *testing.T) {
	for _, path := range traceFiles(t) {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".esl.gz"), func(t *testing.T) {
			s := traceTruth(t, path)
			ended, all := judgedTrace(t, traceMessages(t, path, s))
			checkTrace(t, s, ended)
			checkChanges(t, all)
		})
	}
}

// checkChanges: each call begins once, is connected at most once, and ends once, in this order.
func checkChanges(t *testing.T, all []textback.Change) {
	t.Helper()
	state := map[string]textback.ChangeKind{}
	for _, c := range all {
		before := state[c.Call.ID]
		if c.Kind == textback.CallBegan && before != 0 || c.Kind != textback.CallBegan && before == 0 ||
			c.Kind == textback.CallConnected && before != textback.CallBegan || before == textback.CallEnded {
			t.Errorf("call %s: %s after %s", c.Call.ID, c.Kind, before)
		}
		state[c.Call.ID] = c.Kind
	}
	for id, k := range state {
		if k != textback.CallEnded {
			t.Errorf("call %s never ended (%s)", id, k)
		}
	}
}
