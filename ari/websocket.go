package ari

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"golang.org/x/net/websocket"
)

const (
	maxFrame     = 4 << 20 // an event is about 1 KB
	maxHandshake = 64 << 10
	writeTimeout = 10 * time.Second
)

// errHandshakeTooLong ends a handshake that does not.
var errHandshakeTooLong = errors.New("the handshake's headers do not end")

// wire puts deadlines on a connection: one for the whole handshake, then one for each read and write, so that any byte,
// a pong's too, counts as a sign of life. (x/net/websocket has no deadlines of its own.)
type wire struct {
	net.Conn
	idle time.Duration

	ready  bool   // the handshake is done
	head   []byte // the first bytes of the handshake's answer: x/net/websocket does not tell the HTTP status
	budget int    // bytes that the handshake may still read
	ahead  []byte // read from the connection and not yet taken: x/net/websocket reads 4 KB at a time
	buf    []byte
}

// readAhead is how much is read from the connection at once.
const readAhead = 64 << 10

func (w *wire) Read(p []byte) (int, error) {
	if w.ready {
		if len(w.ahead) == 0 {
			if err := w.SetReadDeadline(time.Now().Add(w.idle)); err != nil {
				return 0, err
			}
			if w.buf == nil {
				w.buf = make([]byte, readAhead)
			}
			n, err := w.Conn.Read(w.buf)
			if n == 0 {
				return 0, err
			}
			w.ahead = w.buf[:n] // an error comes again with the next read
		}
		n := copy(p, w.ahead)
		w.ahead = w.ahead[n:]
		return n, nil
	}
	if w.budget <= 0 {
		return 0, errHandshakeTooLong
	}
	n, err := w.Conn.Read(p[:min(len(p), w.budget)])
	w.budget -= n
	if room := 64 - len(w.head); room > 0 {
		w.head = append(w.head, p[:min(n, room)]...)
	}
	return n, err
}

func (w *wire) Write(p []byte) (int, error) {
	if w.ready {
		if err := w.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
			return 0, err
		}
	}
	return w.Conn.Write(p)
}

// status is the HTTP status of the handshake's answer, 0 if it was not HTTP.
func (w *wire) status() int {
	line, _, _ := bytes.Cut(w.head, []byte("\r\n"))
	fields := bytes.Fields(line)
	if len(fields) < 2 || !bytes.HasPrefix(fields[0], []byte("HTTP/")) {
		return 0
	}
	code, err := strconv.Atoi(string(fields[1]))
	if err != nil {
		return 0
	}
	return code
}

// handshakeError is a websocket handshake that the other end did not complete with 101.
type handshakeError struct {
	status int
	err    error
}

func (e *handshakeError) Error() string {
	if e.status != 0 && e.status != http.StatusSwitchingProtocols {
		return "websocket handshake: HTTP " + strconv.Itoa(e.status)
	}
	return "websocket handshake: " + e.err.Error()
}

func (e *handshakeError) Unwrap() error { return e.err }

// connect dials and does the handshake within o.HandshakeTimeout.
func connect(ctx context.Context, o Options, u *url.URL) (*websocket.Conn, *wire, error) {
	ctx, cancel := context.WithTimeout(ctx, o.HandshakeTimeout)
	defer cancel()
	secure := u.Scheme == "https"
	addr := u.Host
	if u.Port() == "" {
		port := "80"
		if secure {
			port = "443"
		}
		addr = net.JoinHostPort(u.Hostname(), port)
	}
	nc, err := o.Dial(ctx, "tcp", addr)
	if err != nil {
		return nil, nil, err
	}
	// Whatever blocks below, also inside TLS, ends with the context.
	stop := context.AfterFunc(ctx, func() { nc.Close() })
	defer stop()
	w := &wire{Conn: nc, idle: o.Idle, budget: maxHandshake}
	if secure {
		cfg := &tls.Config{}
		if o.TLS != nil {
			cfg = o.TLS.Clone()
		}
		if cfg.ServerName == "" {
			cfg.ServerName = u.Hostname()
		}
		cfg.NextProtos = []string{"http/1.1"}
		tc := tls.Client(nc, cfg)
		if err := tc.HandshakeContext(ctx); err != nil {
			nc.Close()
			return nil, nil, fmt.Errorf("TLS with %s: %w", addr, orTimeout(ctx, err))
		}
		w.Conn = tc
	}
	ws, err := websocket.NewClient(upgrade(o, u), w)
	if err != nil {
		nc.Close()
		if late := orTimeout(ctx, err); late != err {
			return nil, nil, fmt.Errorf("websocket handshake: %w", late)
		}
		return nil, nil, &handshakeError{status: w.status(), err: err}
	}
	if !stop() {
		return nil, nil, fmt.Errorf("websocket handshake: %w", ctx.Err())
	}
	w.ready = true
	ws.MaxPayloadBytes = maxFrame
	return ws, w, nil
}

// orTimeout gives the context's error where that is why err came about.
func orTimeout(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// upgrade is the handshake's request. The password goes into a header: an api_key in the URL would end up in logs.
func upgrade(o Options, u *url.URL) *websocket.Config {
	loc := *u
	loc.Path += "/events"
	loc.RawQuery = url.Values{"app": {o.App}, "subscribeAll": {"true"}}.Encode()
	origin := url.URL{Scheme: u.Scheme, Host: u.Host}
	carrier := http.Request{Header: http.Header{}}
	carrier.SetBasicAuth(o.Username, o.Password)
	return &websocket.Config{Location: &loc, Origin: &origin, Version: websocket.ProtocolVersionHybi13,
		Protocol: []string{"ari"}, Header: carrier.Header}
}

// receive reads the next frame that is a message into buf, as websocket.Message.Receive does, but without memory of its own.
// Asterisk sends an event as one frame.
func receive(ws *websocket.Conn, buf []byte) ([]byte, error) {
	for {
		frame, err := ws.NewFrameReader()
		if err != nil {
			return buf, err
		}
		head := 0 // what Len counts besides the payload
		if h, ok := frame.HeaderReader().(*bytes.Buffer); ok {
			head = h.Len()
		}
		frame, err = ws.HandleFrame(frame) // answers pings, takes pongs, ends with a close
		if err != nil {
			return buf, err
		}
		if frame == nil {
			continue
		}
		size := frame.Len() - head
		if size > ws.MaxPayloadBytes || size < 0 {
			return buf, websocket.ErrFrameTooLarge
		}
		buf = slices.Grow(buf[:0], size)[:size]
		_, err = io.ReadFull(frame, buf)
		return buf, err
	}
}

// pingCodec sends a ping without payload.
func pingCodec() websocket.Codec {
	return websocket.Codec{Marshal: func(any) ([]byte, byte, error) { return nil, websocket.PingFrame, nil }}
}
