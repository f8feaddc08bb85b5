package esltest

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// PlayOptions say how a recording is played.
type PlayOptions struct {
	// Speed: 1 is as recorded, 10 ten times as fast, 0 as fast as the subscribers take it.
	Speed float64
	// Numbers renames callers and lines, recorded to played, in E.164: {"+15552340101": "+15552349999"}. All forms that
	// stand in events are renamed with them.
	Numbers map[string]string
	// KeepIDs plays the recorded channel ids instead of fresh ones, KeepTimes the recorded times.
	KeepIDs, KeepTimes bool
	// Await waits for a subscriber to CHANNEL_HANGUP_COMPLETE before it begins, and after each gap.
	Await bool
}

// Played is one call of a recording that was, or is being, played.
type Played struct {
	Recording string
	Truth     Truth // with the caller, line and leg that were played
	Began     time.Time
	Ended     time.Time // CHANNEL_HANGUP_COMPLETE of the caller's leg was given out
	Told      int       // subscribers that it was given to
	Written   time.Time // and when it had been written to the first of them; zero if it never was
}

// Ledger is what was played so far, in order of its beginning.
func (s *Server) Ledger() []Played {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]Played, len(s.ledger))
	for i, p := range s.ledger {
		all[i] = *p
	}
	return all
}

// Play plays a recording to its end and returns its calls. Times move so that the last event is played at the time that
// it tells, and all durations are those of the recording: at a higher speed the first events lie in the past. Where the
// recorder lost its connection all connections are cut, and where FreeSWITCH was restarted the server is, for as long as
// it was then (by Speed).
func (s *Server) Play(ctx context.Context, r *Recording, opts PlayOptions) ([]Played, error) {
	if opts.Await {
		if err := s.AwaitSubscriber(ctx); err != nil {
			return nil, fmt.Errorf("play %s: %w", r.Name, err)
		}
	}
	p := s.newPlayer(r, opts)
	for i := range r.steps {
		if err := p.pace(ctx, r.steps[i].at); err != nil {
			return p.calls(), fmt.Errorf("play %s: %w", r.Name, err)
		}
		if g := r.steps[i].gap; g != nil {
			if err := p.gap(ctx, g, r.steps[i+1:]); err != nil {
				return p.calls(), fmt.Errorf("play %s: %w", r.Name, err)
			}
			continue
		}
		p.event(r.steps[i].event)
	}
	return p.calls(), nil
}

type player struct {
	server  *Server
	opts    PlayOptions
	rewrite rewriter
	began   time.Time
	entries map[string]*Played // by the caller's leg, as recorded
	order   []*Played
}

func (s *Server) newPlayer(r *Recording, opts PlayOptions) *player {
	p := &player{server: s, opts: opts, began: time.Now(), entries: map[string]*Played{}}
	p.rewrite.numbers = renamer(opts.Numbers)
	if !opts.KeepIDs {
		p.rewrite.ids = map[string]string{}
	}
	if !opts.KeepTimes {
		length := time.Duration(0)
		if opts.Speed > 0 {
			length = time.Duration(float64(r.length) / opts.Speed)
		}
		end := p.began.Add(length)
		p.rewrite.shift = end.Sub(r.began.Add(r.length)).Truncate(time.Second)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p.rewrite.seq = s.seq - r.firstSeq + 1
	s.seq += r.lastSeq - r.firstSeq + 1
	for _, truth := range r.Truth {
		entry := &Played{Recording: r.Name, Truth: truth}
		entry.Truth.ALeg = p.rewrite.id(truth.ALeg)
		entry.Truth.Caller = p.rewrite.text(truth.Caller)
		entry.Truth.Line = p.rewrite.text(truth.Line)
		if truth.ALeg != "" {
			p.entries[truth.ALeg] = entry
		}
		p.order = append(p.order, entry)
		s.ledger = append(s.ledger, entry)
	}
	return p
}

// calls copies the ledger's entries of this play.
func (p *player) calls() []Played {
	p.server.mu.Lock()
	defer p.server.mu.Unlock()
	all := make([]Played, len(p.order))
	for i, entry := range p.order {
		all[i] = *entry
	}
	return all
}

// pace waits until it is time for what was recorded at that offset.
func (p *player) pace(ctx context.Context, at time.Duration) error {
	const mostHeld = 1000
	if p.opts.Speed <= 0 {
		return p.written(ctx, mostHeld)
	}
	due := p.began.Add(time.Duration(float64(at) / p.opts.Speed))
	wait := time.Until(due)
	if wait <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-p.server.stop:
		return fmt.Errorf("the simulated FreeSWITCH is closed")
	}
}

// written waits until no client is behind by more than some frames.
func (p *player) written(ctx context.Context, most int) error {
	return p.server.await(ctx, func() bool {
		for c := range p.server.conns {
			if c.held() > most {
				return false
			}
		}
		return true
	})
}

func (p *player) event(t *template) {
	s := p.server
	s.mu.Lock()
	defer s.mu.Unlock()
	name := t.get("Event-Name")
	if name == "HEARTBEAT" { // it has its own
		return
	}
	p.rewrite.core = s.core
	e := p.rewrite.event(t)
	entry := p.entries[t.get("Unique-ID")]
	if entry == nil {
		s.emit(e, nil)
		return
	}
	switch name {
	case "CHANNEL_CREATE":
		entry.Began = time.Now()
	case "CHANNEL_HANGUP_COMPLETE":
		entry.Ended = time.Now()
		entry.Told = s.emit(e, func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			if entry.Written.IsZero() {
				entry.Written = time.Now()
			}
		})
		return
	}
	s.emit(e, nil)
}

// gap plays a lost connection: nobody is let in for as long as it lasted, and what a read-back then shows is what the
// recorder was shown. What the recorder had been told before is written first: on a busy machine it may wait in here.
func (p *player) gap(ctx context.Context, g *gap, rest []step) error {
	if err := p.written(ctx, 0); err != nil {
		return err
	}
	s := p.server
	s.mu.Lock()
	switch {
	case g.notice != "":
		s.notice(g.notice)
		s.state = newState()
		s.down = true
	case g.restart:
		s.kill()
	default:
		s.down = true
		s.cut()
	}
	s.mu.Unlock()
	if p.opts.Speed > 0 {
		if err := p.pause(ctx, time.Duration(float64(g.duration)/p.opts.Speed)); err != nil {
			return err
		}
	}
	if g.restart || g.notice != "" {
		s.Start()
	} else {
		p.merge(g, rest)
		s.Refuse(false)
	}
	if p.opts.Await {
		paused := time.Now()
		if err := s.AwaitSubscriber(ctx); err != nil {
			return err
		}
		p.began = p.began.Add(time.Since(paused))
	}
	return nil
}

func (p *player) pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// merge makes the live channels those that the recorder was shown after the gap. Of a leg that began unseen the first
// event that it has later on tells the variables, less those that its end set.
func (p *player) merge(g *gap, rest []step) {
	var shown struct {
		Rows []map[string]string `json:"rows"`
	}
	if json.Unmarshal(g.channels, &shown) != nil {
		return
	}
	s := p.server
	s.mu.Lock()
	defer s.mu.Unlock()
	alive := map[string]bool{}
	for _, row := range shown.Rows {
		played := p.rewrite.id(row["uuid"])
		alive[played] = true
		if s.state.legs[played] != nil {
			continue
		}
		t := firstFull(rest, row["uuid"])
		if t == nil {
			continue
		}
		e := p.rewrite.event(t)
		e.Set("Event-Name", "CHANNEL_CREATE")
		e.Set("Channel-State", row["state"])
		e.Set("Channel-Call-State", row["callstate"])
		e.Set("Caller-Destination-Number", p.rewrite.text(row["initial_dest"]))
		e.Set("Caller-Caller-ID-Number", p.rewrite.text(row["initial_cid_num"]))
		e.Headers = withoutEnd(e.Headers)
		s.state.observe(e)
	}
	for _, l := range s.state.ordered() {
		if !alive[l.uuid] && p.owns(l.uuid) {
			s.state.end(l.uuid)
		}
	}
}

// owns tells whether a live leg is one of this play's.
func (p *player) owns(id string) bool {
	if p.rewrite.ids == nil {
		return true // recorded ids: there can be but one copy
	}
	for _, played := range p.rewrite.ids {
		if played == id {
			return true
		}
	}
	return false
}

func firstFull(steps []step, uuid string) *template {
	for _, s := range steps {
		if s.event != nil && s.event.get("Unique-ID") == uuid && s.event.get("variable_uuid") != "" {
			return s.event
		}
	}
	return nil
}

// withoutEnd leaves out what only the end of a call sets.
func withoutEnd(headers []Header) []Header {
	kept := headers[:0:0]
	for _, h := range headers {
		name := strings.TrimPrefix(h.Name, "variable_")
		switch {
		case strings.HasPrefix(name, "Hangup-Cause"), strings.Contains(name, "hangup"), strings.HasPrefix(name, "end_"),
			strings.Contains(name, "billsec"), strings.Contains(name, "billmsec"), strings.Contains(name, "billusec"),
			strings.HasPrefix(name, "duration"), strings.HasPrefix(name, "mduration"), strings.HasPrefix(name, "uduration"),
			strings.HasPrefix(name, "originate_"), strings.HasPrefix(name, "sip_term"), name == "DIALSTATUS",
			strings.HasPrefix(name, "last_bridge"), strings.HasPrefix(name, "proto_specific"):
			continue
		case name == "Caller-Channel-Hangup-Time":
			h.Value = "0"
		}
		kept = append(kept, h)
	}
	return kept
}

// Lines are the lines of a recording's calls, each once.
func (r *Recording) Lines() []string {
	var lines []string
	seen := map[string]bool{}
	for _, t := range r.Truth {
		if line := cmp.Or(t.Line, "-"); line != "-" && !seen[line] {
			seen[line] = true
			lines = append(lines, line)
		}
	}
	return lines
}

// Callers gives each caller of a recording another number, counted up from first (E.164): for many copies at once.
func (r *Recording) Callers(first string) map[string]string {
	names := map[string]string{}
	n, err := strconv.ParseInt(strings.TrimPrefix(first, "+"), 10, 64)
	if err != nil {
		return names
	}
	for _, t := range r.Truth {
		if _, done := names[t.Caller]; done || !strings.HasPrefix(t.Caller, "+") {
			continue
		}
		names[t.Caller] = "+" + strconv.FormatInt(n, 10)
		n++
	}
	return names
}
