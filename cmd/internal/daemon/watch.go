package daemon

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"strings"
	"time"

	"textback"
	"textback/cmd/internal/control"
	"textback/cmd/internal/feed"
	"textback/cmd/internal/handoff"
	"textback/rules"
	"textback/store"
)

// WatchArgs say from where on somebody watches.
type WatchArgs struct {
	History int       `json:"history,omitempty"` // so many earlier events
	After   uint64    `json:"after,omitempty"`   // only those after this one,
	Started time.Time `json:"started,omitzero"`  // if the daemon is still the one that was started then
}

// stateTick is how often a watcher is told how things stand, if that has changed.
const stateTick = time.Second

// watch streams what happens, one JSON object a line, until the watcher goes away, does not keep up, or the daemon stops.
func (d *Daemon) watch(ctx context.Context, r *control.Request, w io.Writer) error {
	var a WatchArgs
	if err := r.Decode(&a); err != nil {
		return err
	}
	if !a.Started.Equal(d.started) {
		a.After = 0
	}
	calls, before, watcher, err := d.feed.Watch(a.After, a.History)
	if err != nil {
		return &control.Error{Code: "too-many", Message: err.Error(), Hint: "end another `textback watch`"}
	}
	defer watcher.Close()
	out := &lines{to: w}
	out.add(feed.Event{Type: feed.TypeHello, At: d.now(), Data: feed.Hello{Version: d.o.Version, Started: d.started, Calls: calls}})
	for _, e := range before {
		out.add(e)
	}
	var told *feed.State
	state := func() {
		if now := d.feedState(ctx); told == nil || !reflect.DeepEqual(now, told) {
			told = now
			out.add(feed.Event{Type: feed.TypeState, At: d.now(), Data: now})
		}
	}
	state()
	tick := time.NewTicker(stateTick)
	defer tick.Stop()
	for {
		if err := out.flush(); err != nil {
			return err
		}
		select {
		case e, ok := <-watcher.Events():
			if !ok {
				return d.letGo(out, watcher.Err())
			}
			out.add(e)
			for range len(watcher.Events()) { // what waits goes together
				if e, ok = <-watcher.Events(); ok {
					out.add(e)
				}
			}
		case <-tick.C:
			state()
		case <-d.work.Done():
			out.add(feed.Event{Type: feed.TypeStopping, At: d.now(), Data: feed.Line{ID: feed.TypeStopping, Level: "notice"}})
			return out.flush()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// letGo says why a watcher's stream ends.
func (d *Daemon) letGo(out *lines, why error) error {
	if errors.Is(why, feed.ErrSlow) {
		out.add(feed.Event{Type: feed.TypeSlow, At: d.now(), Data: feed.Line{ID: feed.TypeSlow, Level: "warning",
			Pairs: [][2]string{{"error", why.Error()}}}})
	}
	return out.flush()
}

// lines gathers JSON lines and writes them together.
type lines struct {
	to  io.Writer
	buf bytes.Buffer
	err error
}

func (l *lines) add(e feed.Event) {
	if err := json.NewEncoder(&l.buf).Encode(e); err != nil && l.err == nil {
		l.err = err
	}
}

func (l *lines) flush() error {
	if l.err != nil || l.buf.Len() == 0 {
		return l.err
	}
	_, err := l.to.Write(l.buf.Bytes())
	l.buf.Reset()
	return err
}

// feedState is how things stand.
func (d *Daemon) feedState(ctx context.Context) *feed.State {
	r := d.conf.Load()
	s := &feed.State{Live: d.live.count(), Breakers: d.breakers.list()}
	for _, conf := range r.cfg.PBXs {
		d.mu.Lock()
		p := d.pbxs[conf.Name]
		d.mu.Unlock()
		s.Links = append(s.Links, feed.Link{Kind: "pbx", Name: conf.Name, Up: p != nil && p.linkUp()})
	}
	for _, l := range r.pool.Links() {
		s.Links = append(s.Links, feed.Link{Kind: "smpp", Name: l.Name(), Up: l.Up()})
	}
	for _, l := range r.cfg.Set.Lines {
		if l.Policy.Shadow {
			s.Shadow++
		}
	}
	st, err := d.store.Stats(ctx)
	if err != nil {
		s.Problem = err.Error()
		return s
	}
	s.Problem = st.LastError
	s.Queued = st.Texts[textback.Queued] + st.Texts[textback.Submitting]
	s.InDoubt, s.Handoffs = st.Texts[textback.Unknown], st.Deliveries
	return s
}

// committed is told of every commit of the store: what is on the disk has happened.
func (d *Daemon) committed(c store.Commit) {
	d.met.commit(c)
	d.desk.changed()
	for i := range c.Verdicts {
		v := &c.Verdicts[i]
		d.feed.Tell(handoff.TypeVerdict, v.At, v.Decision.Caller, handoff.VerdictOf(v))
	}
	for _, t := range c.Texts {
		d.met.text(t)
		d.feed.Tell(handoff.TypeText+t.State.String(), d.now(), t.To, handoff.TextOf(&t))
	}
}

// tellCall tells the feed of a call that began or reached a person; f are its facts. The caller's number is the outer party of f
// in the form in which texts are addressed, else what the PBX showed.
func (d *Daemon) tellCall(c *textback.Change, f *rules.Facts) {
	kind, call := feed.TypeRinging, &c.Call
	if c.Kind == textback.CallConnected {
		kind = feed.TypeConnected
	}
	out := feed.Call{ID: call.ID, PBX: call.PBX, Direction: call.Direction.String(), Number: cmp.Or(f.CallerKey(), call.Party.Number),
		Name: call.Party.Name, Begin: call.Begin}
	switch {
	case f.Line != nil:
		out.Line = f.Line.Number
	case len(call.Dialled) > 0:
		out.Line = call.Dialled[0]
	}
	if !call.Connected.IsZero() {
		out.Connected = &call.Connected
	}
	d.feed.Call(kind, d.now(), withheld(out, call))
	d.desk.tell()
}

// tellEnd tells the feed of a call's end. Who called is known from its beginning.
func (d *Daemon) tellEnd(call *textback.Call) {
	out, ok := d.feed.InProgress(call.ID)
	if !ok {
		out = feed.Call{ID: call.ID, PBX: call.PBX, Direction: call.Direction.String(), Number: call.Party.Number,
			Name: call.Party.Name, Begin: call.Begin}
	}
	out.Outcome, out.Ring = call.Outcome.String(), call.Ring.Round(100*time.Millisecond).Seconds()
	d.feed.Call(feed.TypeEnded, d.now(), withheld(out, call))
	d.desk.tell()
}

// withheld takes number and name out of a call whose number may not be used although we see it. That may be learnt late.
func withheld(out feed.Call, call *textback.Call) feed.Call {
	if out.Withheld = call.Party.Withheld; out.Withheld {
		out.Number, out.Name = "", ""
	}
	return out
}

// tellReply tells the feed of what somebody wrote; th is nil if no thread holds it (STOP, START, HELP).
func (d *Daemon) tellReply(c *correspondence, th *textback.Thread, first bool) {
	r := handoff.Reply{Business: strings.Join(c.all, ","), Line: c.reply.To, Caller: c.reply.From, Body: c.reply.Body,
		Flag: c.intent.Kind.String(), Gap: c.reply.Gap}
	if th != nil {
		r = handoff.ReplyOf(th, c.reply, c.intent.Flag, first)
	}
	d.feed.Tell(handoff.TypeReply, d.now(), c.reply.From, r)
}
