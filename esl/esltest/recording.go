package esltest

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Truth is what really happened in one call of a recording, from its sidecar: the phones' and callers' own script.
type Truth struct {
	Caller     string   `json:"caller"`
	CallerName string   `json:"caller_name"`
	Line       string   `json:"line"`
	Outcome    string   `json:"outcome"` // "outbound" and "internal" are directions: no verdict
	Also       []string `json:"also"`    // other names for what happened
	Text       *bool    `json:"text_back_expected"`
	Ring       float64  `json:"ring_seconds"`
	Notes      string   `json:"notes"`
	Policy     string   `json:"policy"`
	ALeg       string   `json:"a_leg_uuid"`
	Seen       *bool    `json:"seen"` // false: the PBX sent no event of it
}

// Recording is the event stream of some calls as FreeSWITCH sent it.
type Recording struct {
	Name  string // of the file, without its endings
	Truth []Truth

	steps    []step
	began    time.Time // Event-Date-Timestamp of the first event
	length   time.Duration
	core     string // Core-UUID of the first event
	firstSeq int64
	lastSeq  int64
}

// step is one thing that happened in a recording.
type step struct {
	at    time.Duration // since the first event; never before the step before it
	event *template     // or a lost connection:
	gap   *gap
}

// gap is a place where the recorder lost its connection.
type gap struct {
	notice   string // body of the text/disconnect-notice, "" if there was none
	restart  bool   // another FreeSWITCH came back
	duration time.Duration
	channels []byte // the answer to show channels after it
}

// Length is how long the recording took.
func (r *Recording) Length() time.Duration { return r.length }

// LoadRecording reads NAME.esl.gz and, if it is there, the sidecar NAME.json; either may be gzipped or not.
func LoadRecording(path string) (*Recording, error) {
	return loadRecording(os.DirFS(filepath.Dir(path)), filepath.Base(path))
}

// LoadRecordings reads all recordings of a folder, in the order of their names; logins (00-*) are none.
func LoadRecordings(fsys fs.FS) ([]*Recording, error) {
	names, err := fs.Glob(fsys, "*.esl.gz")
	if err != nil {
		return nil, err
	}
	var all []*Recording
	for _, name := range names {
		if strings.HasPrefix(name, "00-") {
			continue
		}
		r, err := loadRecording(fsys, name)
		if err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	return all, nil
}

func loadRecording(fsys fs.FS, file string) (*Recording, error) {
	name := strings.TrimSuffix(strings.TrimSuffix(file, ".gz"), ".esl")
	stream, err := readFile(fsys, file)
	if err != nil {
		return nil, fmt.Errorf("load recording: %w", err)
	}
	r, err := ReadRecording(name, bytes.NewReader(stream))
	if err != nil {
		return nil, err
	}
	sidecar, err := readFile(fsys, name+".json")
	if errors.Is(err, fs.ErrNotExist) {
		sidecar, err = readFile(fsys, name+".json.gz")
	}
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil
	}
	if err == nil {
		err = json.Unmarshal(sidecar, &struct {
			Calls *[]Truth `json:"calls"`
		}{&r.Truth})
	}
	if err != nil {
		return nil, fmt.Errorf("load recording %s: %w", file, err)
	}
	return r, nil
}

func readFile(fsys fs.FS, name string) ([]byte, error) {
	content, err := fs.ReadFile(fsys, name)
	if err != nil || !strings.HasSuffix(name, ".gz") {
		return content, err
	}
	z, err := gzip.NewReader(bytes.NewReader(content))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return io.ReadAll(z)
}

// ReadRecording reads a raw stream: event-socket bytes after the login, with `event plain ALL`. A second reply to an event
// command is where the recorder had lost its connection.
func ReadRecording(name string, stream io.Reader) (*Recording, error) {
	r := &Recording{Name: name}
	in := bufio.NewReaderSize(stream, 64<<10)
	var open *gap // a gap whose other side has not been reached
	var core string
	for n := 0; ; n++ {
		f, err := readFrame(in)
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("recording %s: frame %d: %w", name, n, err)
		}
		switch f.kind {
		case "text/disconnect-notice":
			open = &gap{notice: string(f.body)}
		case "command/reply":
			if len(r.steps) > 0 && open == nil {
				open = &gap{}
			}
		case "api/response":
			if open := r.lastGap(open); open != nil && open.channels == nil && f.body[0] == '{' {
				open.channels = f.body
			}
		case "text/event-plain":
			e, err := parsePlain(f.body)
			if err != nil {
				return nil, fmt.Errorf("recording %s: frame %d: %w", name, n, err)
			}
			us, err := strconv.ParseInt(e.Get("Event-Date-Timestamp"), 10, 64)
			if err != nil {
				return nil, fmt.Errorf("recording %s: frame %d: an event without a time", name, n)
			}
			seq, _ := strconv.ParseInt(e.Get("Event-Sequence"), 10, 64)
			if len(r.steps) == 0 {
				r.began, r.core, r.firstSeq = time.UnixMicro(us), e.Get("Core-UUID"), seq
				core = r.core
			}
			at := max(time.UnixMicro(us).Sub(r.began), r.length)
			if open != nil {
				open.duration = at - r.length
				open.restart = e.Get("Core-UUID") != core
				core = e.Get("Core-UUID")
				r.steps = append(r.steps, step{at: r.length, gap: open})
				open = nil
			}
			r.firstSeq, r.lastSeq = min(r.firstSeq, seq), max(r.lastSeq, seq)
			r.length = at
			r.steps = append(r.steps, step{at: at, event: newTemplate(e, r.began)})
		}
	}
	if len(r.steps) == 0 {
		return nil, fmt.Errorf("recording %s: no event in it", name)
	}
	return r, nil
}

// lastGap is the gap that an api/response belongs to: the one just left, if no leg's event has come since.
func (r *Recording) lastGap(open *gap) *gap {
	if open != nil {
		return open
	}
	for _, s := range slices.Backward(r.steps) {
		if s.gap != nil {
			return s.gap
		}
		if s.event.get("Event-Name") != "API" {
			return nil
		}
	}
	return nil
}
