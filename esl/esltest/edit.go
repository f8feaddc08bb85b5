package esltest

import (
	"bufio"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"time"
)

// Only leaves out all events but those of the given names (and all gaps stay): a recording has every event that FreeSWITCH
// sent, of which a daemon subscribes to one in ten. It returns a copy, which plays at a tenth of the cost.
func (r *Recording) Only(names ...string) *Recording {
	kept := *r
	kept.steps = nil
	for _, s := range r.steps {
		if s.gap != nil || slices.Contains(names, s.event.get("Event-Name")) {
			kept.steps = append(kept.steps, s)
		}
	}
	return &kept
}

// Trim leaves out what comes after the last call's end and the pause before its begin: recordings have seconds of idle
// time on both sides. It returns a copy.
func (r *Recording) Trim() *Recording {
	first, last := -1, -1
	for i, s := range r.steps {
		if s.gap == nil && !strings.HasPrefix(s.event.get("Event-Name"), "CHANNEL_") {
			continue
		}
		if first < 0 {
			first = i
		}
		last = i
	}
	if first < 0 {
		return r
	}
	trimmed := *r
	trimmed.steps = slices.Clone(r.steps[first : last+1])
	skip := r.steps[first].at
	for i := range trimmed.steps {
		trimmed.steps[i].at -= skip
	}
	trimmed.began = r.began.Add(skip)
	trimmed.length = r.steps[last].at - skip
	return &trimmed
}

// Events are the recorded events as they were, in the order of the wire.
func (r *Recording) Events() iter.Seq[*Event] {
	return func(yield func(*Event) bool) {
		for _, s := range r.steps {
			if s.event == nil {
				continue
			}
			e := &Event{Body: s.event.body}
			for _, h := range s.event.headers {
				e.Headers = append(e.Headers, Header{h.name, h.value})
			}
			if !yield(e) {
				return
			}
		}
	}
}

// WriteTo writes the events as a recording is stored. Gaps and what the recorder asked in them are not written.
func (r *Recording) WriteTo(w io.Writer) (int64, error) {
	out := bufio.NewWriter(w)
	n, _ := out.WriteString("Content-Type: command/reply\nReply-Text: +OK event listener enabled plain\n\n")
	total := int64(n)
	for e := range r.Events() {
		plain := e.Plain()
		n, _ := fmt.Fprintf(out, "Content-Length: %d\nContent-Type: text/event-plain\n\n%s", len(plain), plain)
		total += int64(n)
	}
	return total, out.Flush()
}

// Copy gives the events of a copy of the recording with ids of its own, its last event being of the time last (to the second).
// It is for loads that must not cost the sender anything.
func (r *Recording) Copy(last time.Time) iter.Seq[*Event] {
	w := rewriter{ids: map[string]string{}, core: r.core, shift: last.Sub(r.began.Add(r.length)).Truncate(time.Second)}
	return func(yield func(*Event) bool) {
		for _, s := range r.steps {
			if s.event != nil && !yield(w.event(s.event)) {
				return
			}
		}
	}
}
