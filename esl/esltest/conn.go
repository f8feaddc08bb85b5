package esltest

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// What FreeSWITCH does for a slow client (mod_event_socket.c): it holds this many events, then drops, and ends the
// connection when this many were dropped in a row.
const (
	maxHeld    = 100_000
	maxDropped = 500

	maxCommands = 10_000 // that are remembered for Commands, at least
)

// conn is one client. The server's lock guards the fields above mu.
type conn struct {
	server *Server
	nc     net.Conn

	authed     bool
	json       bool
	events     map[string]bool // "ALL", native names
	subclasses map[string]bool
	dropped    int

	mu   sync.Mutex
	out  []outgoing
	busy int // frames that the writer has taken and not written yet
	wake chan struct{}
	done chan struct{}
}

type outgoing struct {
	data    []byte
	written func()
	last    bool // close behind it
}

func newConn(s *Server, nc net.Conn) *conn {
	return &conn{server: s, nc: nc, events: map[string]bool{}, subclasses: map[string]bool{},
		wake: make(chan struct{}, 1), done: make(chan struct{})}
}

// wants tells whether the client subscribed to an event. The server's lock is held.
func (c *conn) wants(e *Event) bool {
	if !c.authed {
		return false
	}
	name := e.Get("Event-Name")
	if c.events["ALL"] {
		return true
	}
	if name == "CUSTOM" {
		return c.subclasses[e.Get("Event-Subclass")]
	}
	return c.events[name]
}

func (c *conn) sendEvent(frame []byte, written func()) {
	c.mu.Lock()
	held := len(c.out)
	c.mu.Unlock()
	if held >= maxHeld {
		if c.dropped++; c.dropped > maxDropped {
			c.nc.Close()
		}
		return
	}
	c.dropped = 0
	c.queue(outgoing{frame, written, false})
}

func (c *conn) send(data []byte, last bool) { c.queue(outgoing{data, nil, last}) }

func (c *conn) queue(o outgoing) {
	c.mu.Lock()
	c.out = append(c.out, o)
	c.mu.Unlock()
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// held counts what is not written yet.
func (c *conn) held() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.out) + c.busy
}

// write is the goroutine that writes, several frames at a time.
func (c *conn) write() {
	defer c.nc.Close()
	var batch []byte
	for {
		select {
		case <-c.wake:
		case <-c.done:
			return
		}
		for {
			c.mu.Lock()
			todo := c.out
			c.out, c.busy = nil, len(todo)
			c.mu.Unlock()
			if len(todo) == 0 {
				break
			}
			c.server.awaitThaw(c.done)
			batch = batch[:0]
			for i, o := range todo {
				batch = append(batch, o.data...)
				if i+1 < len(todo) && len(batch) < 64<<10 && !o.last {
					continue
				}
				if _, err := c.nc.Write(batch); err != nil {
					return
				}
				batch = batch[:0]
				if o.last {
					return
				}
			}
			for _, o := range todo {
				if o.written != nil {
					o.written()
				}
			}
			c.mu.Lock()
			c.busy = 0
			c.mu.Unlock()
			c.server.wrote()
		}
	}
}

// wrote wakes those who wait for the clients to keep up.
func (s *Server) wrote() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.note()
}

func (s *Server) awaitThaw(done <-chan struct{}) {
	for {
		s.mu.Lock()
		frozen := s.frozen
		s.mu.Unlock()
		if frozen == nil {
			return
		}
		select {
		case <-frozen:
		case <-done:
			return
		}
	}
}

// read is the goroutine that reads commands.
func (c *conn) read() {
	defer func() {
		c.nc.Close()
		close(c.done)
		c.server.mu.Lock()
		delete(c.server.conns, c)
		c.server.note()
		c.server.mu.Unlock()
	}()
	c.server.mu.Lock()
	acl := c.server.acl
	c.server.mu.Unlock()
	if acl {
		const text = "Access Denied, go away.\n"
		c.send(fmt.Appendf(nil, "Content-Type: text/rude-rejection\nContent-Length: %d\n\n%s", len(text), text), true)
	} else {
		c.send([]byte("Content-Type: auth/request\n\n"), false)
	}
	in := bufio.NewReader(c.nc)
	for {
		lines, body, err := readCommand(in)
		if err != nil {
			return
		}
		c.server.awaitThaw(c.done)
		if !c.command(lines, body) {
			io.Copy(io.Discard, c.nc) // until the writer has said goodbye
			return
		}
	}
}

// readCommand reads lines up to a blank one, and a body if they announce one.
func readCommand(in *bufio.Reader) (lines []string, body string, err error) {
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return nil, "", err
		}
		if line = strings.TrimRight(line, "\r\n"); line != "" {
			if lines = append(lines, line); len(lines) > 1000 {
				return nil, "", fmt.Errorf("a command without end")
			}
			continue
		}
		if len(lines) == 0 {
			continue
		}
		n, _ := strconv.Atoi(header(lines, "content-length"))
		if n > 0 && n < 1<<20 {
			b := make([]byte, n)
			if _, err := io.ReadFull(in, b); err != nil {
				return nil, "", err
			}
			body = string(b)
		}
		return lines, body, nil
	}
}

func header(lines []string, name string) string {
	for _, line := range lines[1:] {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.EqualFold(key, name) {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

func (c *conn) reply(text string, more ...string) {
	var b bytes.Buffer
	fmt.Fprintf(&b, "Content-Type: command/reply\nReply-Text: %s\n", text)
	for _, line := range more {
		b.WriteString(line + "\n")
	}
	b.WriteByte('\n')
	c.send(b.Bytes(), false)
}

// goodbye is what FreeSWITCH says when it ends a session by itself.
func (c *conn) goodbye() {
	c.send(noticeFrame("Disconnected, goodbye.\nSee you at ClueCon! http://www.cluecon.com/\n"), true)
}

// command answers one command; false ends the session.
func (c *conn) command(lines []string, body string) bool {
	s := c.server
	verb, rest, _ := strings.Cut(lines[0], " ")
	rest = strings.TrimSpace(rest)
	s.mu.Lock()
	mute, password := s.mute, s.opts.Password
	if verb != "auth" && verb != "userauth" {
		s.commands = append(s.commands, strings.Join(lines, "\n"))
		if len(s.commands) > 2*maxCommands {
			s.commands = slices.Delete(s.commands, 0, maxCommands)
		}
	}
	authed := c.authed
	s.mu.Unlock()
	switch {
	case mute:
		return true
	case verb == "auth":
		if rest != password {
			c.reply("-ERR invalid")
			c.goodbye()
			return false
		}
		s.mu.Lock()
		c.authed = true
		s.mu.Unlock()
		c.reply("+OK accepted")
	case verb == "exit":
		c.reply("+OK bye")
		c.goodbye()
		return false
	case !authed:
		c.reply("-ERR command not found")
	case verb == "event":
		c.reply(c.subscribe(strings.Fields(rest)))
	case verb == "nixevent":
		c.unsubscribe(strings.Fields(rest))
		c.reply("+OK events nixed")
	case verb == "noevents":
		s.mu.Lock()
		clear(c.events)
		clear(c.subclasses)
		s.mu.Unlock()
		c.reply("+OK no longer listening for events")
	case verb == "filter":
		name, value, _ := strings.Cut(rest, " ")
		c.reply(fmt.Sprintf("+OK filter added. [%s]=[%s]", name, value))
	case slices.Contains([]string{"nolog", "log", "linger", "nolinger"}, verb):
		c.reply("+OK")
	case verb == "sendevent":
		c.reply("+OK " + NewUUID())
	case verb == "api":
		answer := s.api(rest)
		c.send(fmt.Appendf(nil, "Content-Type: api/response\nContent-Length: %d\n\n%s", len(answer), answer), false)
	case verb == "bgapi":
		c.background(rest, header(lines, "job-uuid"))
	default:
		c.reply("-ERR command not found")
	}
	return true
}

// subscribe is the event command: it adds to what was subscribed before.
func (c *conn) subscribe(words []string) string {
	s := c.server
	s.mu.Lock()
	defer s.mu.Unlock()
	format := "plain"
	if len(words) > 0 && slices.Contains([]string{"plain", "json", "xml"}, words[0]) {
		format, words = words[0], words[1:]
	}
	if format == "xml" {
		return "-ERR the simulated FreeSWITCH speaks no xml"
	}
	known, custom := 0, false
	for _, word := range words {
		switch {
		case custom:
			c.subclasses[word] = true
			known++
		case strings.EqualFold(word, "CUSTOM"):
			custom = true
		case strings.EqualFold(word, "ALL"):
			c.events["ALL"] = true
			known++
		case nativeEvents[strings.ToUpper(word)]:
			c.events[strings.ToUpper(word)] = true
			known++
		}
	}
	if known == 0 {
		return "-ERR no keywords supplied"
	}
	c.json = format == "json"
	s.note()
	return "+OK event listener enabled " + format
}

func (c *conn) unsubscribe(words []string) {
	c.server.mu.Lock()
	defer c.server.mu.Unlock()
	for _, word := range words {
		delete(c.events, strings.ToUpper(word))
		delete(c.subclasses, word)
	}
}
