package ari

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"textback"
)

// truth is what a sidecar says about a recorded stream.
type truth struct {
	Scenario string `json:"scenario"`
	Calls    []struct {
		Caller    string   `json:"caller"`
		Name      string   `json:"caller_name"`
		Line      string   `json:"line"`
		Outcome   string   `json:"outcome"`
		Also      []string `json:"also"`
		Missed    bool     `json:"missed"`
		Text      *bool    `json:"text_back_expected"`
		Seen      *bool    `json:"seen"`
		Direction string   `json:"direction"`
		Order     int      `json:"order"`
	} `json:"calls"`
	Lookups  map[string]string `json:"lookups"` // what GET variable answered
	Recorder struct {
		Connection []struct {
			TMS  int64  `json:"t_ms"`
			What string `json:"what"`
		} `json:"connection"`
	} `json:"recorder"`
}

func testOptions() TranslateOptions {
	return TranslateOptions{PBX: "hq", Inbound: []string{"from-trunk*", "from-pstn*"}, LineFrom: []string{"exten", "FROM_DID", "to"},
		NoText: "TEXTBACK=no"}
}

// unzip reads a compressed file of testdata.
func unzip(t testing.TB, path string) []byte {
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

func sidecar(t testing.TB, path string) (s truth) {
	t.Helper()
	if err := json.Unmarshal(unzip(t, path), &s); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return s
}

// line is one event of a recorded stream.
type line struct {
	TMS   int64           `json:"t_ms"`
	Event json.RawMessage `json:"event"`
}

var epoch = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// messages reads a recorded stream as the link would have handed it on, its losses of the connection included.
func messages(t testing.TB, path string, s truth) []Message {
	t.Helper()
	var lines []line
	scan := bufio.NewScanner(bytes.NewReader(unzip(t, path)))
	scan.Buffer(nil, 1<<20)
	for scan.Scan() {
		var l line
		if err := json.Unmarshal(scan.Bytes(), &l); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		lines = append(lines, l)
	}
	var ms []Message
	seen := func(ms int64) time.Time { return epoch.Add(time.Duration(ms) * time.Millisecond) }
	up, next := false, 0
	variable := NewTranslator(testOptions()).Variable
	until := func(tms int64) {
		for ; next < len(lines) && lines[next].TMS < tms; next++ {
			typ, name := peek(lines[next].Event)
			if typ == "ChannelVarset" && !variable(name) {
				continue // as the link would
			}
			m := Message{Kind: MessageEvent, Seen: seen(lines[next].TMS), Type: typ, Raw: lines[next].Event}
			m.decode()
			ms = append(ms, m)
		}
	}
	first := true
	for _, c := range s.Recorder.Connection {
		switch c.What {
		case "connected":
			snap := &Snapshot{}
			if !first {
				snap = survivors(t, lines, c.TMS)
				// A channel that outlived the gap is proof that the PBX did.
				snap.Restarted = !strings.Contains(s.Scenario, "websocket-gap")
			}
			first = false
			ms = append(ms, Message{Kind: MessageUp, Seen: seen(c.TMS), Snapshot: snap})
			up = true
		case "down":
			if up {
				until(c.TMS)
				ms = append(ms, Message{Kind: MessageDown, Seen: seen(c.TMS), Err: io.EOF})
			}
			up = false
		}
	}
	until(1 << 62)
	return ms
}

// survivors is what GET /channels said after a reconnect: the channels that were made before it and of which something is heard after.
func survivors(t testing.TB, lines []line, after int64) *Snapshot {
	t.Helper()
	type about struct {
		Timestamp string          `json:"timestamp"`
		Channel   json.RawMessage `json:"channel"`
		Peer      json.RawMessage `json:"peer"`
	}
	snap := &Snapshot{}
	known := map[string]bool{}
	for _, l := range lines {
		if l.TMS < after {
			continue
		}
		var e about
		if json.Unmarshal(l.Event, &e) != nil {
			continue
		}
		if typ, _ := peek(l.Event); typ == "ChannelCreated" {
			ch, _ := DecodeChannel(e.Channel)
			known[ch.ID] = true
		}
		for _, raw := range []json.RawMessage{e.Channel, e.Peer} {
			if raw == nil {
				continue
			}
			ch, err := DecodeChannel(raw)
			if err != nil || known[ch.ID] {
				continue
			}
			known[ch.ID] = true
			snap.Channels = append(snap.Channels, ch)
		}
	}
	return snap
}

// judged plays messages through the translator and the tracker and gives the calls that ended.
func judged(t testing.TB, s truth, ms []Message) (ended []textback.Call, all []textback.Change) {
	t.Helper()
	tr := NewTranslator(testOptions())
	tracker := textback.NewTracker(textback.TrackerOptions{PBX: "hq"})
	var last time.Time
	for _, m := range ms {
		last = m.Seen
		for _, e := range tr.Translate(m) {
			all = append(all, tracker.Observe(e)...)
		}
		for _, l := range tr.Lookups(m) {
			if s.Lookups == nil {
				break
			}
			answer := Message{Kind: MessageVariables, Seen: m.Seen, Channel: l.Channel, Values: map[string]string{}}
			for _, name := range l.Variables {
				answer.Values[name] = s.Lookups[name]
			}
			for _, e := range tr.Translate(answer) {
				all = append(all, tracker.Observe(e)...)
			}
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

func inboundOf(calls []textback.Call) []textback.Call {
	return slices.DeleteFunc(slices.Clone(calls), func(c textback.Call) bool { return c.Direction != textback.Inbound })
}

// check compares the calls that ended with the truth.
func check(t *testing.T, s truth, ended []textback.Call) {
	t.Helper()
	inbound := inboundOf(ended)
	slices.SortStableFunc(inbound, func(a, b textback.Call) int { return a.Begin.Compare(b.Begin) })
	used := make([]bool, len(inbound))
	for _, want := range s.Calls {
		if want.Direction != "" {
			if want.Direction == "out" {
				checkOutbound(t, want.Line, ended)
			}
			continue
		}
		if want.Seen != nil && !*want.Seen {
			continue
		}
		i := slices.IndexFunc(inbound, func(c textback.Call) bool {
			k := slices.IndexFunc(inbound, func(d textback.Call) bool { return d.ID == c.ID })
			return !used[k] && c.Party.Number == want.Caller && slices.Contains(c.Dialled, want.Line)
		})
		if i < 0 {
			t.Errorf("no call from %s to %s; got %s", want.Caller, want.Line, listed(inbound))
			continue
		}
		used[i] = true
		c := inbound[i]
		if got := c.Outcome.String(); got != want.Outcome && !slices.Contains(want.Also, got) {
			t.Errorf("call from %s to %s: outcome %s, want %s %v\n%s", want.Caller, want.Line, got, want.Outcome, want.Also, evidenceOf(&c))
		}
		if c.Party.Name != want.Name {
			t.Errorf("call from %s: name %q, want %q", want.Caller, c.Party.Name, want.Name)
		}
		if want.Text != nil {
			number := !c.Party.Withheld && strings.Trim(c.Party.Number, "+0123456789") == "" && c.Party.Number != ""
			if got := c.Missed() && number && !c.Unseen; got != *want.Text {
				t.Errorf("call from %s to %s: text %v, want %v (%s, unseen %v)\n%s", want.Caller, want.Line, got, *want.Text, c.Outcome,
					c.Unseen, evidenceOf(&c))
			}
		}
		if c.End.Before(c.Begin) || c.Ring < 0 || c.Ring > c.End.Sub(c.Begin) {
			t.Errorf("call from %s: begin %v end %v ring %v", want.Caller, c.Begin, c.End, c.Ring)
		}
	}
	for i, c := range inbound {
		if !used[i] {
			t.Errorf("unexpected call: %s", listed([]textback.Call{c}))
		}
	}
}

func checkOutbound(t *testing.T, line string, ended []textback.Call) {
	t.Helper()
	digits := strings.TrimPrefix(line, "+")
	for _, c := range ended {
		if c.Direction == textback.Outbound && strings.TrimPrefix(c.Party.Number, "+") == digits {
			return
		}
	}
	t.Errorf("no outbound call to %s; got %s", line, listed(ended))
}

func listed(calls []textback.Call) string {
	var b strings.Builder
	for _, c := range calls {
		fmt.Fprintf(&b, "[%s %s %s from %q to %q %s]", c.ID, c.Direction, c.Outcome, c.Party.Number, c.Dialled, c.Ring)
	}
	return b.String()
}

func evidenceOf(c *textback.Call) string {
	var b strings.Builder
	for _, e := range c.Evidence {
		fmt.Fprintf(&b, "    %s %s\n", e.At.Format("15:04:05.000"), e.What)
	}
	return b.String()
}

func recorded(t testing.TB) []string {
	t.Helper()
	var all []string
	for _, dir := range []string{"aritest/recorded", "testdata/traces/*", "testdata/lab"} {
		files, err := filepath.Glob(filepath.Join(dir, "*.jsonl.gz"))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, files...)
	}
	if len(all) < 150 {
		t.Fatalf("only %d recorded streams", len(all))
	}
	return all
}

func TestEveryRecordedCallGetsItsTrueOutcome(t *testing.T) {
	for _, path := range recorded(t) {
		t.Run(strings.TrimSuffix(strings.TrimPrefix(path, "testdata/"), ".jsonl.gz"), func(t *testing.T) {
			s := sidecar(t, strings.TrimSuffix(path, ".jsonl.gz")+".json.gz")
			ended, all := judged(t, s, messages(t, path, s))
			check(t, s, ended)
			checkOrder(t, all)
		})
	}
}

// checkOrder: each call begins once, is connected at most once, and ends once, in this order.
func checkOrder(t *testing.T, all []textback.Change) {
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
