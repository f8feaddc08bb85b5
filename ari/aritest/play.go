package aritest

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Play says how a trace is to be played.
type Play struct {
	Trace *Trace
	// Speed: 1 is as recorded, 20 twenty times faster, 0 as fast as it goes. The events' own timestamps keep the real
	// durations, and are moved so that the last one is now when it is sent.
	Speed float64
	// Caller gives the number that a caller from outside has in this play; nil: as recorded. Callers without a number keep it so.
	Caller func(number string) string
	// Line gives the number dialled in this play; nil: as recorded.
	Line func(number string) string
	// Losses plays the recording's lost connections and restarts of the PBX too. For one trace at a time.
	Losses bool
}

// Play plays a trace with ids of its own and waits until it is over. It gives the ledger's entries for its calls. Any number of plays
// may run at once.
func (s *Server) Play(ctx context.Context, p Play) ([]Call, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(s.ctx, func() { cancel(fmt.Errorf("play %s: the server was closed", p.Trace.Name)) })()

	r := s.begin(p)
	losses := p.Trace.losses(p.Losses)
	start := time.Now()
	for _, e := range p.Trace.Events {
		for len(losses) > 0 && losses[0].at <= e.At {
			if err := r.wait(ctx, start, losses[0].at); err != nil {
				return nil, err
			}
			s.lose(losses[0])
			losses = losses[1:]
		}
		if err := r.wait(ctx, start, e.At); err != nil {
			return nil, err
		}
		if !s.awake(ctx) {
			return nil, context.Cause(ctx)
		}
		s.emit(r, e)
	}
	for _, l := range losses {
		s.lose(l)
	}
	return s.finish(r), nil
}

// run is one play under way.
type run struct {
	p       Play
	rewrite *strings.Replacer
	first   time.Duration // of the first event
	origin  time.Time     // timestamp of the first event as recorded
	shift   time.Duration // from there to this play's
	ids     map[string]bool
	calls   map[string]int // channel id in this play -> index in the ledger
	indexes []int
}

func (s *Server) begin(p Play) *run {
	t := p.Trace
	r := &run{p: p, ids: make(map[string]bool), calls: make(map[string]int)}
	if len(t.Events) > 0 {
		r.first, r.origin = t.Events[0].At, t.Events[0].pbx
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	// Old and new, in pairs. Channel ids are epoch.N, names end in a number, anything else is a bridge.
	var pairs []string
	made := make(map[string]string)
	for _, id := range t.ids {
		fresh := s.anew(id)
		made[id] = fresh
		pairs = append(pairs, id, fresh)
	}
	pairs = append(pairs, numbers(t, p)...)
	r.rewrite = strings.NewReplacer(pairs...)
	now := time.Now()
	r.shift = now.Sub(r.origin) - t.Duration()
	if p.Speed > 0 {
		r.shift += time.Duration(float64(t.Duration()) / p.Speed)
	}
	for i, c := range t.Truth.Calls {
		call := Call{ID: made[t.innerID(i)], Trace: t.Name, Caller: r.rewrite.Replace(c.Caller), Line: r.rewrite.Replace(c.Line),
			Direction: c.Direction, Outcome: c.Outcome, Also: c.Also, Missed: c.Missed, Text: c.Text}
		s.ledger.Calls = append(s.ledger.Calls, call)
		r.indexes = append(r.indexes, len(s.ledger.Calls)-1)
		if call.ID != "" {
			r.calls[call.ID] = len(s.ledger.Calls) - 1
		}
	}
	return r
}

func (t *Trace) innerID(i int) string {
	if i < len(t.inner) {
		return t.inner[i]
	}
	return ""
}

// numbers are the rewrites of callers and lines, longest first.
func numbers(t *Trace, p Play) []string {
	pairs := make(map[string]string)
	for _, c := range t.Truth.Calls {
		if c.Direction != "" {
			continue
		}
		if p.Caller != nil && isNumber(c.Caller) {
			pairs[c.Caller] = p.Caller(c.Caller)
		}
		if p.Line != nil && isNumber(c.Line) {
			pairs[c.Line] = p.Line(c.Line)
		}
	}
	keys := slices.SortedFunc(maps.Keys(pairs), func(a, b string) int {
		if len(a) != len(b) {
			return len(b) - len(a)
		}
		return strings.Compare(a, b)
	})
	var all []string
	for _, k := range keys {
		all = append(all, k, pairs[k])
	}
	return all
}

func isNumber(s string) bool {
	return len(s) >= 7 && strings.Trim(s, "+0123456789") == ""
}

// anew makes an id or name of the same kind that was not used before. The lock is held.
func (s *Server) anew(id string) string {
	base, suffix, dashed := cutLast(id, '-')
	switch {
	case strings.Contains(id, "/") && dashed:
		s.serial++
		return fmt.Sprintf("%s-%0*x", base, len(suffix), s.serial)
	case strings.Contains(id, ".") && !strings.Contains(id, "/"):
		return s.nextID()
	default:
		s.bridgeN++
		return fmt.Sprintf("%08x-0000-4000-8000-%012x", s.startedAt.Unix()&0xffffffff, s.bridgeN)
	}
}

func cutLast(s string, sep byte) (before, after string, found bool) {
	i := strings.LastIndexByte(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+1:], true
}

// nextID makes a channel id as Asterisk does: systemname, when it is made, and how many were made since the start.
func (s *Server) nextID() string {
	s.serial++
	return "sim-" + strconv.FormatInt(max(time.Now().Unix(), s.epoch), 10) + "." + strconv.FormatUint(s.serial, 10)
}

// wait waits until it is time for what was recorded at t.
func (r *run) wait(ctx context.Context, start time.Time, t time.Duration) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if r.p.Speed <= 0 {
		return nil
	}
	d := time.Until(start.Add(time.Duration(float64(t-r.first) / r.p.Speed)))
	if d <= 0 {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}

// emit sends an event and takes note of what it means.
func (s *Server) emit(r *run, e Event) {
	raw := []byte(r.rewrite.Replace(string(e.Raw)))
	s.mu.Lock()
	defer s.mu.Unlock()
	raw = retime(raw, r.shift+s.skew)
	ev, id := s.state.apply(raw)
	heard := s.broadcast(ev.Type, raw)
	s.ledger.Events++
	if !heard {
		s.ledger.Unheard++
	}
	if id == "" {
		return
	}
	r.ids[id] = true
	i, ok := r.calls[id]
	if !ok {
		return
	}
	c := &s.ledger.Calls[i]
	now := time.Now()
	if c.Began.IsZero() {
		c.Began, c.BeganHeard = now, heard
	}
	if ev.Type == "ChannelDestroyed" {
		c.Ended, c.EndHeard = now, heard
	}
}

// finish lets go of channels that the recording left alive.
func (s *Server) finish(r *run) []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id := range r.ids {
		if s.state.channels[id] != nil {
			s.state.remove(id)
		}
	}
	calls := make([]Call, 0, len(r.indexes))
	for _, i := range r.indexes {
		calls = append(calls, s.ledger.Calls[i])
	}
	return calls
}

// retime moves every timestamp and creationtime of an event by d.
func retime(raw []byte, d time.Duration) []byte {
	out := make([]byte, 0, len(raw)+16)
	for {
		i := bytes.Index(raw, []byte(`time":"`)) // creationtime
		j := bytes.Index(raw, []byte(`timestamp":"`))
		skip := len(`time":"`)
		if i < 0 || j >= 0 && j < i {
			i, skip = j, len(`timestamp":"`)
		}
		if i < 0 {
			return append(out, raw...)
		}
		i += skip
		out, raw = append(out, raw[:i]...), raw[i:]
		end := bytes.IndexByte(raw, '"')
		if end < 0 {
			return append(out, raw...)
		}
		if at, err := time.Parse(ariTime, string(raw[:end])); err == nil {
			out = at.Add(d).AppendFormat(out, ariTime)
		} else {
			out = append(out, raw[:end]...)
		}
		raw = raw[end:]
	}
}

// loss is a moment of a recording at which its connection went or came back.
type loss struct {
	at      time.Duration
	back    bool
	restart bool // the PBX itself went
}

// losses gives the recording's lost connections, failed tries left out.
func (t *Trace) losses(wanted bool) []loss {
	var all []loss
	if !wanted {
		return nil
	}
	up, restart := false, false
	for _, c := range t.Truth.Recorder.Connection {
		at := time.Duration(c.Millis) * time.Millisecond
		switch {
		case c.What == "down" && up:
			up, restart = false, !strings.Contains(c.Why, "on purpose")
			all = append(all, loss{at: at, restart: restart})
		case c.What == "connected" && !up:
			if len(all) > 0 {
				all = append(all, loss{at: at, back: true, restart: restart})
			}
			up = true
		}
	}
	return all
}

func (s *Server) lose(l loss) {
	switch {
	case l.back:
		s.Up()
	case l.restart:
		s.Kill()
	default:
		s.Down()
	}
}
