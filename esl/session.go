package esl

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/percipia/eslgo"
	"github.com/percipia/eslgo/command"
)

// session is one connection, from the greeting to its end. One goroutine reads (read), one asks for a sign of life when
// it is quiet (watch); commands go one at a time (command), because replies carry no number and are told apart only by
// their order. Whoever finds something wrong calls fail: the first cause stays, the connection is closed, and both
// goroutines come to their end. There is no half-dead session: a command that got no answer in time ends it, since the
// next reply could be the late one.
type session struct {
	opts   *Options
	conn   net.Conn
	queue  *queue
	events *flattener // the reader's

	turn    chan struct{}          // holds a token while no command is under way
	replies chan eslgo.RawResponse // to the command under way, or to the login
	done    chan struct{}          // closed when the reader has ended
	work    sync.WaitGroup         // the session's goroutines

	mu        sync.Mutex
	err       error           // first cause of the end
	lastEvent time.Time       // or the subscription; zero before it
	waiting   int             // replies that somebody waits for
	cores     map[string]bool // Core-UUIDs that were told; a real FreeSWITCH has one
	first     chan struct{}   // closed with the first event
	jobs      map[string]chan string
	jobEvents bool            // subscribed to BACKGROUND_JOB
	hungUp    map[string]bool // legs whose end was seen during a read-back; nil outside
}

func newSession(conn net.Conn, opts *Options) *session {
	s := &session{
		opts: opts, conn: conn, queue: newQueue(opts.Queue, opts.QueueBytes), events: newFlattener(opts.Keep),
		turn: make(chan struct{}, 1), replies: make(chan eslgo.RawResponse, 1), done: make(chan struct{}),
		cores: make(map[string]bool), first: make(chan struct{}), jobs: make(map[string]chan string),
	}
	s.turn <- struct{}{}
	s.waiting = 1 // the greeting
	s.work.Go(s.read)
	return s
}

// fail ends the session; the first cause counts.
func (s *session) fail(err error) {
	s.mu.Lock()
	if s.err == nil {
		s.err = err
	}
	s.mu.Unlock()
	if secure, ok := s.conn.(*tls.Conn); ok {
		secure.NetConn().Close() // else Close would wait for a peer that does not read, to say goodbye
	}
	s.conn.Close()
}

func (s *session) cause() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// close ends the session and waits for its goroutines.
func (s *session) close() {
	s.fail(errEnded)
	s.work.Wait()
}

// read is the reader's goroutine: it never waits for anything but the wire.
func (s *session) read() {
	defer close(s.done)
	frames := newFrameReader(s.conn, s.opts.MaxFrame)
	for first := true; ; first = false {
		frame, err := frames.next()
		if err != nil {
			s.fail(s.readError(err, first))
			break
		}
		if err := s.dispatch(frame); err != nil {
			s.fail(err)
			break
		}
	}
	s.queue.end(s.cause())
}

func (s *session) readError(err error, first bool) error {
	var bad *frameError
	switch {
	case errors.As(err, &bad) && first && len(bad.near) > 0:
		// Only before we have sent anything: what comes later may echo the password.
		return fmt.Errorf("%w: %s: %q", ErrProtocol, bad.what, bad.near)
	case errors.As(err, &bad):
		return fmt.Errorf("%w: %s", ErrProtocol, bad.what)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("%w in the middle of a frame", ErrClosed)
	case err == io.EOF:
		return ErrClosed
	}
	return fmt.Errorf("%w: %w", ErrClosed, err)
}

func (s *session) dispatch(frame eslgo.RawResponse) error {
	switch frame.Headers.Get("Content-Type") {
	case eslgo.TypeEventJSON:
		return s.event(frame.Body, s.events.flatten)
	case eslgo.TypeEventPlain: // not what we asked for, but what it says counts
		return s.event(frame.Body, s.events.plain)
	case eslgo.TypeReply, eslgo.TypeAPIResponse, eslgo.TypeAuthRequest:
		s.mu.Lock()
		expected := s.waiting > 0
		if expected {
			s.waiting--
		}
		s.mu.Unlock()
		if !expected {
			if frame.Headers.Get("Content-Type") == eslgo.TypeAuthRequest {
				return fmt.Errorf("%w: a second greeting", ErrProtocol)
			}
			return nil // nobody asked: a late reply it cannot be, since a command without one ends the session
		}
		frame.Body = bytes.Clone(frame.Body)
		select {
		case s.replies <- frame:
			return nil
		default: // the one before was never fetched: its command had given up, and the session with it
			return ErrTimeout
		}
	case typeRudeRejection:
		return ErrACL
	case eslgo.TypeDisconnect:
		return fmt.Errorf("%w: %s", ErrNotice, s.quote(string(frame.Body)))
	}
	// log/data or a type of a later version: the frame was well-formed, so the next one can be read. It counts for
	// nothing, least of all as a sign of life.
	return nil
}

// event takes one event from the wire.
func (s *session) event(body []byte, read func([]byte) (map[string]string, error)) error {
	seen := time.Now()
	s.mu.Lock()
	if !s.lastEvent.IsZero() {
		s.lastEvent = seen
	}
	s.mu.Unlock()
	headers, err := read(body)
	if err != nil {
		s.queue.miss() // it may have been a hangup: a read-back will tell
		return nil
	}
	s.sawCore(headers["Core-UUID"])
	name := headers["Event-Name"]
	if name == "BACKGROUND_JOB" {
		s.jobDone(headers["Job-UUID"], headers["_body"])
		return nil
	}
	if name == "CHANNEL_HANGUP_COMPLETE" {
		s.sawEnd(headers["Unique-ID"])
	}
	s.queue.put(Message{Kind: MessageEvent, Seen: seen, Name: name, Subclass: headers["Event-Subclass"],
		Headers: headers}, len(body))
	return nil
}

// sawCore remembers who sends events: one FreeSWITCH, whose id a restart changes.
func (s *session) sawCore(core string) {
	const enough = 64
	s.mu.Lock()
	defer s.mu.Unlock()
	if core != "" && len(s.cores) < enough {
		s.cores[core] = true
	}
	select {
	case <-s.first:
	default:
		close(s.first)
	}
}

// reply waits for the frame that is due, at most for limit; then the session ends with late.
func (s *session) reply(limit time.Duration, late error) (eslgo.RawResponse, error) {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case r := <-s.replies:
		return r, nil
	case <-timer.C:
		s.fail(late)
		return eslgo.RawResponse{}, late
	case <-s.done:
	}
	select {
	case r := <-s.replies: // it came just before the end, as "-ERR invalid" does
		return r, nil
	default:
		return eslgo.RawResponse{}, s.cause()
	}
}

// command sends one command and returns its reply. Once sent, the reply is waited for whatever ctx says.
func (s *session) command(ctx context.Context, cmd command.Command, limit time.Duration) (eslgo.RawResponse, error) {
	return s.ask(ctx, cmd, limit, ErrTimeout)
}

// ask is command with another error for a reply that does not come.
func (s *session) ask(ctx context.Context, cmd command.Command, limit time.Duration, late error) (
	eslgo.RawResponse, error) {
	select {
	case <-s.turn:
		defer func() { s.turn <- struct{}{} }()
	case <-ctx.Done():
		return eslgo.RawResponse{}, ctx.Err()
	case <-s.done:
		return eslgo.RawResponse{}, s.cause()
	}
	s.mu.Lock()
	s.waiting++
	failed := s.err
	s.mu.Unlock()
	if failed != nil {
		return eslgo.RawResponse{}, failed
	}
	if err := s.conn.SetWriteDeadline(time.Now().Add(limit)); err != nil {
		s.fail(fmt.Errorf("%w: %w", ErrClosed, err))
	} else if _, err = io.WriteString(s.conn, cmd.BuildMessage()+eslgo.EndOfMessage); err != nil {
		if errors.Is(err, os.ErrDeadlineExceeded) {
			err = fmt.Errorf("%w: it does not read", ErrTimeout)
		} else {
			err = fmt.Errorf("%w: %w", ErrClosed, err)
		}
		s.fail(err)
	}
	return s.reply(limit, late)
}

// api runs `api NAME ARGUMENTS` and returns its output, or the words with which it was refused ("-ERR ...").
func (s *session) api(ctx context.Context, name, arguments string) (string, error) {
	r, err := s.command(ctx, command.API{Command: name, Arguments: arguments}, s.opts.CmdTimeout)
	if err != nil {
		return "", fmt.Errorf("api %s: %w", name, err)
	}
	if r.Headers.Get("Content-Type") != eslgo.TypeAPIResponse {
		return r.Headers.Get("Reply-Text"), nil
	}
	return string(r.Body), nil
}

// login answers the greeting and subscribes.
func (s *session) login(ctx context.Context) error {
	greeting, err := s.reply(s.opts.LoginTimeout, ErrTimeout)
	if err != nil {
		return fmt.Errorf("wait for the greeting: %w", err)
	}
	if t := greeting.Headers.Get("Content-Type"); t != eslgo.TypeAuthRequest {
		return fmt.Errorf("wait for the greeting: %w: it began with %q", ErrProtocol, t)
	}
	if strings.ContainsAny(s.opts.Password, "\r\n") {
		return fmt.Errorf("log in: %w: it has a line break in it", ErrPassword)
	}
	r, err := s.command(ctx, command.Auth{Password: s.opts.Password}, s.opts.LoginTimeout)
	if err != nil {
		return fmt.Errorf("log in: %w", err)
	}
	if !r.IsOk() {
		return fmt.Errorf("log in: %w", ErrPassword)
	}
	listen := s.opts.listen()
	for _, name := range listen {
		if name == "" || !isToken([]byte(name)) {
			return fmt.Errorf("subscribe: %w: %q is not the name of an event", ErrSubscribe, name)
		}
	}
	r, err = s.command(ctx, command.Event{Format: "json", Listen: listen}, s.opts.LoginTimeout)
	if err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	if !r.IsOk() {
		return fmt.Errorf("subscribe: %w: %s", ErrSubscribe, s.quote(r.Headers.Get("Reply-Text")))
	}
	s.mu.Lock()
	s.lastEvent = time.Now()
	s.mu.Unlock()
	s.work.Go(s.watch)
	return nil
}

// quote makes a peer's words fit for a log line: one line, short, and never the password, should the peer echo it.
func (s *session) quote(text string) string {
	if s.opts.Password != "" {
		text = strings.ReplaceAll(text, s.opts.Password, "[password]")
	}
	text = strings.Join(strings.FieldsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }), " ")
	if runes := []rune(text); len(runes) > 120 {
		text = string(runes[:120]) + "…"
	}
	return fmt.Sprintf("%q", text)
}
