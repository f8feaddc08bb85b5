package web

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// pipes is a listener of connections in memory.
type pipes struct {
	conns chan net.Conn
	once  sync.Once
	done  chan struct{}
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), done: make(chan struct{})} }

func (p *pipes) dial() net.Conn {
	a, b := net.Pipe()
	p.conns <- a
	return b
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return peerConn{c}, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { p.once.Do(func() { close(p.done) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }

// peerConn has an address as TCP gives it.
type peerConn struct{ net.Conn }

func (peerConn) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(203, 0, 113, 9), Port: 4711} }

// served runs Serve with a handler that has one booking source.
func served(t *testing.T, f func(p *pipes, l *listener)) {
	synctest.Test(t, func(t *testing.T) {
		l := newListener(t, nil)
		p := newPipes()
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- Serve(ctx, p, l) }()
		f(p, l)
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// lasts sends pieces a second apart and tells how long the connection was kept.
func lasts(c net.Conn, first, piece string) time.Duration {
	began := time.Now()
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, err := io.WriteString(c, first); err != nil {
			return
		}
		for piece != "" {
			time.Sleep(time.Second)
			if _, err := io.WriteString(c, piece); err != nil {
				return
			}
		}
	})
	_, _ = io.Copy(io.Discard, c) // until the server closes
	took := time.Since(began)
	c.Close()
	wg.Wait()
	return took
}

func TestWhoSendsSlowlyIsCutOff(t *testing.T) {
	for name, tt := range map[string]struct {
		first, piece string
		most         time.Duration
	}{
		"nothing at all":         {"", "", 5 * time.Second},
		"headers without end":    {"GET /healthz HTTP/1.1\r\n", "X: y\r\n", 6 * time.Second},
		"a body, octet by octet": {"POST /hooks/cal HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n", "x", 16 * time.Second},
		"chunks without end":     {"POST /hooks/cal HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", "1\r\nx\r\n", 16 * time.Second},
		"no second request":      {"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", "", 61 * time.Second},
	} {
		served(t, func(p *pipes, l *listener) {
			if took := lasts(p.dial(), tt.first, tt.piece); took > tt.most {
				t.Errorf("%s: kept for %v", name, took)
			}
			if len(l.bookings) != 0 {
				t.Errorf("%s: it was a booking", name)
			}
		})
	}
}

func TestWhoTakesNoAnswerIsCutOff(t *testing.T) {
	served(t, func(p *pipes, _ *listener) {
		c := p.dial()
		go func() { _, _ = io.WriteString(c, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n") }()
		time.Sleep(31 * time.Second)
		synctest.Wait()
		// A pipe has no buffer: had the answer been waiting still, it would be read now.
		if b, err := io.ReadAll(c); err != nil || len(b) > 0 {
			t.Errorf("%q, %v", b, err)
		}
		c.Close()
	})
}

func TestHeadersAndBodiesAreBounded(t *testing.T) {
	long := strings.Repeat("x", 64<<10)
	for name, tt := range map[string]struct {
		request string
		want    int
	}{
		"a header of 64 KiB":      {"GET /healthz HTTP/1.1\r\nHost: x\r\nX: " + long + "\r\n\r\n", http.StatusRequestHeaderFieldsTooLarge},
		"a path of 64 KiB":        {"GET /" + long + " HTTP/1.1\r\nHost: x\r\n\r\n", http.StatusRequestHeaderFieldsTooLarge},
		"a body of 2 MiB":         {"POST /hooks/cal HTTP/1.1\r\nHost: x\r\nContent-Length: 2097152\r\n\r\n" + strings.Repeat("x", 2<<20), http.StatusRequestEntityTooLarge},
		"a reply of 32 KiB":       {"POST /threads/1/reply HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer token-of-the-crm-0123\r\nContent-Length: 32768\r\n\r\n" + strings.Repeat("x", 32<<10), http.StatusRequestEntityTooLarge},
		"two lengths (smuggling)": {"POST /hooks/cal HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx", http.StatusBadRequest},
	} {
		served(t, func(p *pipes, l *listener) {
			c := p.dial()
			go func() { _, _ = io.WriteString(c, tt.request) }()
			resp, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if resp.StatusCode != tt.want || len(l.bookings)+len(l.replies) != 0 {
				t.Errorf("%s: %d, want %d", name, resp.StatusCode, tt.want)
			}
			c.Close()
		})
	}
}

// Whoever holds all connections holds them for seconds, and is then in the queue like everybody.
func TestHeldConnectionsAreFreeAgainWithinSeconds(t *testing.T) {
	served(t, func(p *pipes, l *listener) {
		var held []net.Conn
		for range maxConns {
			held = append(held, p.dial())
		}
		began := time.Now()
		asked := make(chan string, 1)
		go func() {
			c := p.dial()
			defer c.Close()
			fmt.Fprint(c, "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
			b, _ := io.ReadAll(c)
			asked <- string(b)
		}()
		if answer := <-asked; !strings.HasPrefix(answer, "HTTP/1.1 200") {
			t.Errorf("%q", answer)
		}
		if took := time.Since(began); took > 6*time.Second {
			t.Errorf("waited for %v", took)
		}
		for _, c := range held {
			c.Close()
		}
	})
}
