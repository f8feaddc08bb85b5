package aritest

import (
	"bufio"
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// ariTime is the form of Asterisk's times.
const ariTime = "2006-01-02T15:04:05.000-0700"

// Frame types, RFC 6455 section 5.2.
const (
	opText  = 1
	opClose = 8
	opPing  = 9
	opPong  = 10
)

// socket is one client's websocket. The server's lock guards everything but conn.
type socket struct {
	app  string
	all  bool // subscribeAll=true
	conn net.Conn
	hole bool // nothing goes out or comes in any more, and nobody is told: a dead network
}

// events is GET /ari/events: the websocket's handshake (RFC 6455 section 4.2).
func (s *Server) events(w http.ResponseWriter, r *http.Request) {
	app := r.URL.Query().Get("app")
	key := r.Header.Get("Sec-WebSocket-Key")
	switch {
	case app == "":
		reply(w, http.StatusBadRequest, map[string]string{"message": "HTTP request is missing param: [app]"})
		return
	case !strings.EqualFold(r.Header.Get("Upgrade"), "websocket"), key == "":
		reply(w, http.StatusUpgradeRequired, map[string]string{"message": "Upgrade required"})
		return
	}
	hijacker, ok := w.(http.Hijacker)
	if !ok {
		reply(w, http.StatusInternalServerError, nil)
		return
	}
	conn, rw, err := hijacker.Hijack()
	if err != nil {
		return
	}
	_ = conn.SetDeadline(time.Time{})
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	answer := "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " +
		base64.StdEncoding.EncodeToString(sum[:]) + "\r\n"
	if r.Header.Get("Sec-WebSocket-Protocol") != "" {
		answer += "Sec-WebSocket-Protocol: ari\r\n"
	}
	k := &socket{app: app, all: r.URL.Query().Get("subscribeAll") == "true", conn: conn}
	s.mu.Lock()
	if s.down || s.ctx.Err() != nil {
		s.mu.Unlock()
		conn.Close()
		return
	}
	if _, err := conn.Write([]byte(answer + "\r\n")); err != nil {
		s.mu.Unlock()
		conn.Close()
		return
	}
	s.conns[conn] = true
	if old := s.sockets[app]; old != nil {
		// The old one keeps its connection and gets nothing any more, as with Asterisk.
		s.write(old, opText, []byte(`{"type":"ApplicationReplaced","timestamp":"`+time.Now().Format(ariTime)+`","application":"`+app+`"}`))
	}
	s.sockets[app] = k
	delete(s.filters, app)
	s.mu.Unlock()
	s.serveSocket(k, rw.Reader)
}

// serveSocket reads the client's frames until it goes: answers pings, ends with a close frame.
func (s *Server) serveSocket(k *socket, r *bufio.Reader) {
	defer s.drop(k)
	for {
		op, payload, err := readFrame(r)
		if err != nil || op == opClose {
			return
		}
		if !s.awake(s.ctx) {
			return
		}
		if op == opPing {
			s.mu.Lock()
			if !k.hole {
				s.write(k, opPong, payload)
			}
			s.mu.Unlock()
		}
	}
}

// drop forgets a client and closes its connection.
func (s *Server) drop(k *socket) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forget(k)
}

func (s *Server) forget(k *socket) {
	k.conn.Close()
	delete(s.conns, k.conn)
	if s.sockets[k.app] == k {
		delete(s.sockets, k.app)
		delete(s.filters, k.app)
	}
}

// write sends one frame, and cuts a client off that does not take it in time. The lock is held: all clients see one order.
func (s *Server) write(k *socket, op byte, payload []byte) bool {
	return s.writeRaw(k, frame(op, payload))
}

func (s *Server) writeRaw(k *socket, b []byte) bool {
	if k.hole {
		return false
	}
	_ = k.conn.SetWriteDeadline(time.Now().Add(s.o.WriteTimeout))
	if _, err := k.conn.Write(b); err != nil {
		s.forget(k)
		return false
	}
	return true
}

// broadcast sends an event to whoever subscribed and tells whether anybody got it. The lock is held.
func (s *Server) broadcast(typ string, raw []byte) bool {
	sent := false
	for app, k := range s.sockets {
		if filter := s.filters[app]; !k.all || filter != nil && !filter[typ] {
			continue
		}
		out := raw
		if app != "textback" {
			out = bytes.Replace(raw, []byte(`"application":"textback"`), []byte(`"application":"`+app+`"`), 1)
		}
		if s.write(k, opText, out) {
			sent = true
		}
	}
	return sent
}

// frame builds an unmasked frame (RFC 6455 section 5.2).
func frame(op byte, payload []byte) []byte {
	b := make([]byte, 0, len(payload)+10)
	b = append(b, 0x80|op)
	switch n := len(payload); {
	case n < 126:
		b = append(b, byte(n))
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, 126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 127), uint64(n))
	}
	return append(b, payload...)
}

// readFrame reads a client's frame, of at most 64 KiB.
func readFrame(r *bufio.Reader) (op byte, payload []byte, err error) {
	var head [14]byte
	if _, err := io.ReadFull(r, head[:2]); err != nil {
		return 0, nil, err
	}
	n := uint64(head[1] & 0x7f)
	extra := 0
	switch n {
	case 126:
		extra = 2
	case 127:
		extra = 8
	}
	if _, err := io.ReadFull(r, head[2:2+extra]); err != nil {
		return 0, nil, err
	}
	if extra > 0 {
		n = 0
		for _, b := range head[2 : 2+extra] {
			n = n<<8 | uint64(b)
		}
	}
	if n > 64<<10 {
		return 0, nil, io.ErrShortBuffer
	}
	var mask [4]byte
	masked := head[1]&0x80 != 0
	if masked {
		if _, err := io.ReadFull(r, mask[:]); err != nil {
			return 0, nil, err
		}
	}
	payload = make([]byte, n)
	if _, err := io.ReadFull(r, payload); err != nil {
		return 0, nil, err
	}
	if masked {
		for i := range payload {
			payload[i] ^= mask[i%4]
		}
	}
	return head[0] & 0x0f, payload, nil
}
