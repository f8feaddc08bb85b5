package ari

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	v6 "github.com/CyCoreSystems/ari/v6"
	"golang.org/x/net/websocket"
)

// settle is how long a read-back waits after its answers for events that it already includes but that are still on
// their way over the websocket: Asterisk answers REST from its caches and queues events.
const settle = 100 * time.Millisecond

var (
	// errReplaced ends a session whose application was taken over: nothing comes on its socket any more.
	errReplaced = errors.New("another program has taken over the application's name")
	// errQuiet ends a session on which not even pongs come.
	errQuiet = errors.New("the PBX is silent and does not answer pings")
	// errUnregistered ends a session whose application Asterisk has forgotten although its socket stands: when a connection of the
	// same name ends in the moment in which ours begins, its end takes our registration along, and no event ever comes
	// (seen with 22.10.1).
	errUnregistered = errors.New("the PBX has forgotten the application: no events would come")
	// errFrame ends a session whose peer sends what no ARI sends.
	errFrame = errors.New("a frame is larger than any event")
)

// readBackError is a read-back that failed; the link is made anew.
type readBackError struct{ err error }

func (e *readBackError) Error() string { return "read back: " + e.err.Error() }
func (e *readBackError) Unwrap() error { return e.err }

// session is one websocket connection, from handshake to loss.
type session struct {
	*link
	q       *queue
	lookups *lookups
}

// session connects, reads back and hands on until the link is lost or ctx is done. Every goroutine it starts has ended
// when it returns.
func (l *link) session(ctx context.Context) error {
	ws, w, err := connect(ctx, l.o, l.url)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	s := &session{link: l, q: newQueue(l.o.Queue), lookups: newLookups(ctx, l)}
	stop := context.AfterFunc(ctx, func() { w.Close() })
	var wg sync.WaitGroup
	defer func() {
		cancel()
		stop()
		w.Close()
		wg.Wait()
	}()
	wg.Go(func() { s.q.end(s.read(ws)) })
	wg.Go(func() { ping(ctx, ws, l.o.Ping) })
	wg.Go(func() { s.watch(ctx) })

	err = s.run(ctx)
	cancel()
	for _, m := range s.lookups.abandon() {
		l.deliver(m)
	}
	if l.up {
		l.up = false
		l.o.Counters.Up.Store(false)
		if l.ctx.Err() == nil {
			l.deliver(Message{Kind: MessageDown, Seen: time.Now(), Err: err})
		}
	}
	return err
}

// read takes frames off the wire for as long as there is one. It never waits for anything but the wire.
func (s *session) read(ws *websocket.Conn) error {
	c := s.o.Counters
	var buf []byte // used again: most events are not wanted, and cost no memory
	for {
		var err error
		if buf, err = receive(ws, buf[:0]); err != nil {
			return readError(err)
		}
		now := time.Now()
		c.LastEvent.Store(now.UnixNano())
		typ, variable := peekBytes(buf)
		if !s.wanted(typ, variable) {
			c.Unwanted.Add(1)
			continue
		}
		if !s.q.put(item{raw: bytes.Clone(buf), typ: typeName(typ), seen: now}) {
			c.Dropped.Add(1)
		}
	}
}

func readError(err error) error {
	var ne net.Error
	switch {
	case errors.Is(err, websocket.ErrFrameTooLarge):
		return errFrame
	case errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &ne) && ne.Timeout():
		return errQuiet
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("the PBX closed the connection")
	default:
		return err
	}
}

// ping keeps pongs coming. A ping that cannot be written needs no care here: the reader's deadline ends the session.
func ping(ctx context.Context, ws *websocket.Conn, every time.Duration) {
	t := time.NewTicker(every)
	defer t.Stop()
	codec := pingCodec()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			if codec.Send(ws, nil) != nil {
				return
			}
		}
	}
}

// watch looks now and then whether the PBX still knows the application.
func (s *session) watch(ctx context.Context) {
	t := time.NewTicker(s.o.Idle)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			if !s.client.registered(ctx, s.o.App) && ctx.Err() == nil {
				s.q.end(errUnregistered)
				return
			}
		}
	}
}

// run is the handling half of a session.
func (s *session) run(ctx context.Context) error {
	s.filter(ctx)
	if err := s.readBack(ctx); err != nil {
		return err
	}
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case a := <-s.lookups.answers:
			s.answered(a)
			continue
		case <-s.q.wake:
		}
		items, gap, ended := s.q.take()
		if err := s.events(ctx, items); err != nil {
			return err
		}
		if gap > 0 {
			if err := s.overflow(ctx, gap, ended); err != nil {
				return err
			}
		}
		if ended != nil {
			return ended
		}
	}
}

// overflow says that events are missing and reads back what they would have told.
func (s *session) overflow(ctx context.Context, gap uint64, ended error) error {
	err := fmt.Errorf("%d events were dropped: they came faster than they could be handled", gap)
	s.notes.tell(Status{Kind: StatusOverflow, Err: err})
	s.deliver(Message{Kind: MessageOverflow, Seen: time.Now(), Err: err})
	if ended != nil {
		return nil // the caller ends the session; the next one reads back
	}
	return s.readBack(ctx)
}

// events hands a batch on, and answers of lookups in between.
func (s *session) events(ctx context.Context, items []item) error {
	for _, it := range items {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err := s.event(it); err != nil {
			return err
		}
		select {
		case a := <-s.lookups.answers:
			s.answered(a)
		default:
		}
	}
	return nil
}

func (s *session) event(it item) error {
	if it.typ == "ApplicationReplaced" {
		return errReplaced
	}
	c := s.o.Counters
	m := Message{Kind: MessageEvent, Seen: it.seen, Type: it.typ, Raw: it.raw}
	m.decode()
	switch {
	case m.Err == nil:
	case errors.Is(m.Err, errUnknownType):
		c.Unknown.Add(1)
		if len(s.types) > 0 {
			s.notes.tell(Status{Kind: StatusUnknownType, Err: fmt.Errorf("event of type %q cannot be decoded", printable(it.typ, 40))})
		}
	default:
		c.Undecodable.Add(1)
		kind := StatusUndecodable
		if it.typ == "" {
			kind = StatusUnknownType
		}
		s.notes.tell(Status{Kind: kind, Err: fmt.Errorf("event %q: %w", printable(it.typ, 40), m.Err)})
	}
	c.Events.Add(1)
	s.note(m)
	s.deliver(m)
	if it.typ == "ChannelDestroyed" {
		about := subjects
		if e, ok := m.Event.(*v6.ChannelDestroyed); ok && m.quick {
			about = func([]byte) []string { return ended(e) }
		}
		for _, id := range about(it.raw) {
			s.asked.forget(id)
		}
	}
	s.lookups.ask(s.lookFor(m))
	return nil
}

func (s *session) answered(a answer) {
	s.lookups.done(a)
	s.deliver(a.message)
}

// filter asks Asterisk to send only what is wanted. It need not succeed: the reader drops the rest.
func (s *session) filter(ctx context.Context) {
	if len(s.types) == 0 {
		return
	}
	list := append([]string{"ApplicationReplaced"}, s.o.Types...)
	if err := s.client.setFilter(ctx, s.o.App, list); err != nil && ctx.Err() == nil {
		s.notes.tell(Status{Kind: StatusUnfiltered, Err: err})
	}
}

// readBack delivers MessageUp and, around it, the events that came meanwhile.
func (s *session) readBack(ctx context.Context) error {
	for {
		snapshot, err := s.snapshot(ctx)
		if err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(settle):
		}
		if !s.client.registered(ctx, s.o.App) {
			return &readBackError{errUnregistered}
		}
		held, gap, ended := s.q.take()
		before, after := around(held, snapshot)
		if err := s.events(ctx, before); err != nil {
			return err
		}
		s.standing(snapshot)
		if err := s.events(ctx, after); err != nil {
			return err
		}
		if ended != nil {
			return ended
		}
		if gap == 0 {
			return nil
		}
		err = fmt.Errorf("%d events were dropped during the read-back", gap)
		s.notes.tell(Status{Kind: StatusOverflow, Err: err})
		s.deliver(Message{Kind: MessageOverflow, Seen: time.Now(), Err: err})
	}
}

// snapshot reads back what lives.
func (s *session) snapshot(ctx context.Context) (*Snapshot, error) {
	started, err := s.client.startedAt(ctx)
	if err != nil {
		var re *RESTError
		if !errors.As(err, &re) && isNetwork(err) || re != nil && re.Status == http.StatusUnauthorized {
			return nil, &readBackError{err}
		}
		started = time.Time{} // it does not tell: older versions, refused, or not as expected
	}
	channels, badChannels, err := s.client.channels(ctx)
	if err != nil {
		return nil, &readBackError{err}
	}
	bridges, badBridges, err := s.client.bridges(ctx)
	if err != nil && !notThere(err) { // channels alone are a read-back, too
		return nil, &readBackError{err}
	}
	if bad := badChannels + badBridges; bad > 0 {
		s.o.Counters.Undecodable.Add(uint64(bad))
		s.notes.tell(Status{Kind: StatusUndecodable, Err: fmt.Errorf("%d entries of the read-back could not be decoded in full", bad)})
	}
	return &Snapshot{Channels: channels, Bridges: bridges, StartedAt: started,
		Restarted: s.restarted(started, channels)}, nil
}

func isNetwork(err error) bool {
	var ne net.Error
	return errors.As(err, &ne) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.ErrClosedPipe) ||
		errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded)
}

// standing hands the snapshot on: the link is up.
func (s *session) standing(snapshot *Snapshot) {
	first := !s.up
	s.up, s.upSince = true, time.Now()
	s.remember(snapshot)
	c := s.o.Counters
	c.ReadBacks.Add(1)
	if first {
		c.Connects.Add(1)
		c.Up.Store(true)
		if snapshot.Restarted {
			s.notes.tell(Status{Kind: StatusRestarted, StartedAt: snapshot.StartedAt})
		}
		s.notes.tell(Status{Kind: StatusConnected, Channels: len(snapshot.Channels), Bridges: len(snapshot.Bridges),
			StartedAt: snapshot.StartedAt})
		s.notes.over(StatusUnreachable, StatusCredentials, StatusRefused, StatusReadBack)
	}
	m := Message{Kind: MessageUp, Seen: time.Now(), Snapshot: snapshot}
	s.deliver(m)
	s.lookups.ask(s.lookFor(m))
}

// around splits the events that came while a read-back was made. Those of channels that the snapshot does not list any
// more, their end among them, are included in it and belong before it. All others come after it: to see again what the
// snapshot has does no harm, but to list a channel whose end was seen before would keep it for ever.
func around(held []item, snapshot *Snapshot) (before, after []item) {
	alive := make(map[string]bool, len(snapshot.Channels))
	for i := range snapshot.Channels {
		alive[snapshot.Channels[i].ID] = true
	}
	gone := make(map[string]bool)
	for _, it := range held {
		if it.typ == "ChannelDestroyed" {
			for _, id := range subjects(it.raw) {
				if !alive[id] {
					gone[id] = true
				}
			}
		}
	}
	if len(gone) == 0 {
		return nil, held
	}
	for _, it := range held {
		early := false
		for _, id := range subjects(it.raw) {
			early = early || gone[id]
		}
		if early {
			before = append(before, it)
		} else {
			after = append(after, it)
		}
	}
	return before, after
}
