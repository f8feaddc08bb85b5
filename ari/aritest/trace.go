package aritest

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"
)

//go:embed recorded
var recorded embed.FS

// Recorded holds streams of real calls, recorded from an Asterisk 22.10.1, each with its truth: NAME.jsonl.gz and NAME.json.gz.
func Recorded() fs.FS {
	sub, err := fs.Sub(recorded, "recorded")
	if err != nil {
		panic(err) // the folder is compiled in
	}
	return sub
}

// Names lists the traces of a folder.
func Names(fsys fs.FS) ([]string, error) {
	files, err := fs.Glob(fsys, "*.jsonl.gz")
	if err != nil {
		return nil, err
	}
	for i, f := range files {
		files[i] = strings.TrimSuffix(f, ".jsonl.gz")
	}
	return files, nil
}

// Trace is a recorded event stream with its truth.
type Trace struct {
	Name   string
	Events []Event
	Truth  Truth
	ids    []string // of channels, bridges and names, longest first: what is made anew for each play
	inner  []string // channel id of each call of Truth, "" if the stream does not show it
}

// Event is one recorded event.
type Event struct {
	At  time.Duration // since the recording began
	Raw []byte
	pbx time.Time // its timestamp
}

// Truth is what really happened, from what phones and callers were told to do.
type Truth struct {
	Scenario    string      `json:"scenario"`
	Description string      `json:"description"`
	PBX         string      `json:"pbx"`
	Calls       []TruthCall `json:"calls"`
	Recorder    struct {
		Connection []struct {
			Millis int64  `json:"t_ms"`
			What   string `json:"what"` // "connected", "down"
			Why    string `json:"why"`
		} `json:"connection"`
	} `json:"recorder"`
}

// TruthCall is one call of a recording.
type TruthCall struct {
	Caller    string   `json:"caller"`
	Name      string   `json:"caller_name"`
	Line      string   `json:"line"`
	Outcome   string   `json:"outcome"` // a word of the product, or "outbound", "internal"
	Also      []string `json:"also"`    // outcomes that are as good
	Missed    bool     `json:"missed"`
	Text      *bool    `json:"text_back_expected"` // nil: the stream cannot tell, or a policy decides
	Direction string   `json:"direction"`          // "" for a call from outside
	Seen      *bool    `json:"seen"`               // false: the PBX sent no event of it
}

// readTruth reads NAME.json, or NAME.json.gz.
func readTruth(fsys fs.FS, name string) ([]byte, error) {
	truth, err := fs.ReadFile(fsys, name+".json")
	if !errors.Is(err, fs.ErrNotExist) {
		return truth, err
	}
	f, err := fsys.Open(name + ".json.gz")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil, fmt.Errorf("%s.json.gz: %w", name, err)
	}
	return io.ReadAll(io.LimitReader(z, 1<<20))
}

// LoadTrace reads NAME.jsonl.gz (or NAME.jsonl) and its truth NAME.json (or NAME.json.gz) from a folder.
func LoadTrace(fsys fs.FS, name string) (*Trace, error) {
	f, err := fsys.Open(name + ".jsonl.gz")
	if errors.Is(err, fs.ErrNotExist) {
		f, err = fsys.Open(name + ".jsonl")
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	t, err := ReadTrace(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	t.Name = path.Base(name)
	truth, err := readTruth(fsys, name)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(truth, &t.Truth); err != nil {
		return nil, fmt.Errorf("%s.json: %w", name, err)
	}
	t.match()
	return t, nil
}

// ReadTrace reads lines of {"t_ms": ..., "event": {...}}, gzip'ed or not. It has no truth.
func ReadTrace(r io.Reader) (*Trace, error) {
	br := bufio.NewReader(r)
	if magic, err := br.Peek(2); err == nil && magic[0] == 0x1f && magic[1] == 0x8b {
		z, err := gzip.NewReader(br)
		if err != nil {
			return nil, err
		}
		br = bufio.NewReader(z)
	}
	t := &Trace{}
	for n := 1; ; n++ {
		line, err := br.ReadBytes('\n')
		if line = bytes.TrimSpace(line); len(line) > 0 {
			var l struct {
				Millis int64           `json:"t_ms"`
				Event  json.RawMessage `json:"event"`
			}
			if err := json.Unmarshal(line, &l); err != nil {
				return nil, fmt.Errorf("line %d: %w", n, err)
			}
			t.Events = append(t.Events, Event{At: time.Duration(l.Millis) * time.Millisecond, Raw: l.Event, pbx: timestamp(l.Event)})
		}
		if err == io.EOF {
			t.collect()
			return t, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

func timestamp(raw []byte) time.Time {
	var e struct {
		Timestamp string `json:"timestamp"`
	}
	if json.Unmarshal(raw, &e) != nil {
		return time.Time{}
	}
	at, err := time.Parse(ariTime, e.Timestamp)
	if err != nil {
		return time.Time{}
	}
	return at
}

// Duration is the time from the first event to the last.
func (t *Trace) Duration() time.Duration {
	if len(t.Events) == 0 {
		return 0
	}
	return t.Events[len(t.Events)-1].At - t.Events[0].At
}

// who is a channel or bridge in an event.
type who struct {
	ID     string `json:"id"`
	Name   string `json:"name"`
	State  string `json:"state"`
	Caller struct {
		Number string `json:"number"`
	} `json:"caller"`
	Dialplan struct {
		Context string `json:"context"`
		Exten   string `json:"exten"`
	} `json:"dialplan"`
}

type mentions struct {
	Type    string `json:"type"`
	Channel who    `json:"channel"`
	Caller  who    `json:"caller"`
	Peer    who    `json:"peer"`
	Bridge  who    `json:"bridge"`
	From    who    `json:"bridge_from"`
}

// collect finds every id and channel name in the stream.
func (t *Trace) collect() {
	seen := make(map[string]bool)
	for _, e := range t.Events {
		var m mentions
		if json.Unmarshal(e.Raw, &m) != nil {
			continue
		}
		for _, w := range []who{m.Channel, m.Caller, m.Peer, m.Bridge, m.From} {
			seen[w.ID] = true
			// The two halves of a Local channel have one name but for the end.
			if base, _, _ := strings.Cut(w.Name, ";"); strings.Contains(base, "-") && !strings.HasPrefix(base, "Message/") {
				seen[base] = true
			}
		}
	}
	delete(seen, "")
	for id := range seen {
		t.ids = append(t.ids, id)
	}
	slices.SortFunc(t.ids, func(a, b string) int {
		if len(a) != len(b) {
			return len(b) - len(a)
		}
		return strings.Compare(a, b)
	})
}

// match finds the channel of each call of the truth: by caller and number dialled, in order, else by the caller alone.
func (t *Trace) match() {
	t.inner = make([]string, len(t.Truth.Calls))
	taken := make(map[string]bool)
	for _, strict := range []bool{true, false} {
		for i, c := range t.Truth.Calls {
			if t.inner[i] != "" || c.Seen != nil && !*c.Seen {
				continue
			}
			t.inner[i] = t.find(c, strict, taken)
			taken[t.inner[i]] = true
		}
	}
}

func (t *Trace) find(c TruthCall, strict bool, taken map[string]bool) string {
	for _, e := range t.Events {
		var m mentions
		if json.Unmarshal(e.Raw, &m) != nil || m.Channel.ID == "" || taken[m.Channel.ID] ||
			m.Channel.Caller.Number != c.Caller || strings.HasPrefix(m.Channel.Name, "Local/") {
			continue
		}
		if strict && (m.Type != "ChannelCreated" || m.Channel.State != "Ring" || m.Channel.Dialplan.Exten != c.Line) {
			continue
		}
		// Not the trunk's own leg of a diverted call, which shows the caller too.
		if !strict && c.Direction == "" && m.Channel.State == "Down" {
			continue
		}
		return m.Channel.ID
	}
	return ""
}
