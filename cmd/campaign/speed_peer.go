package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// The far ends of the contests are processes of their own, so that what they use of the cores is not counted, and they are made
// before anything is measured: they only write octets that lie ready, or answer with as little as can be.

// farEnd is a far end that runs.
type farEnd struct {
	addr, control string
	stop          func()
}

// newFarEnd starts a far end and waits for its addresses.
func newFarEnd(ctx context.Context, args ...string) (*farEnd, error) {
	ctx, cancel := context.WithCancel(ctx)
	cmd := child(ctx, append([]string{"speed-peer"}, args...)...)
	pipe, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		cancel()
		return nil, fmt.Errorf("start a far end: %w", err)
	}
	line, err := bufio.NewReader(pipe).ReadString('\n')
	f := strings.Fields(line)
	if err != nil || len(f) != 2 {
		cancel()
		return nil, fmt.Errorf("start a far end: it said %q: %w", line, err)
	}
	return &farEnd{f[0], f[1], func() {
		cancel()
		_ = cmd.Wait() // it was killed
	}}, nil
}

// ask asks the far end for something: to begin, or what it has counted.
func (f *farEnd) ask(ctx context.Context, what string) (int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+f.control+"/"+what, nil)
	if err != nil {
		return 0, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(b)))
}

// peer is what all far ends have.
type peer struct {
	begin chan struct{} // one for each connection that is to begin
	count atomic.Int64  // what came, or how many were sent
	serve func(net.Conn) error
}

// speedPeer is a far end: `speed-peer KIND ...`.
func speedPeer(ctx context.Context, args []string, out io.Writer) error {
	if len(args) == 0 {
		return errors.New("name a far end")
	}
	p := &peer{begin: make(chan struct{}, 1)}
	var err error
	switch args[0] {
	case "ari":
		err = p.asterisk(args[1:])
	case "esl":
		err = p.freeswitch(args[1:])
	case "held":
		err = p.held(args[1:])
	case "smsc":
		p.serve = p.smsc
	default:
		err = fmt.Errorf("no far end is called %q", args[0])
	}
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	control, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/begin", func(w http.ResponseWriter, _ *http.Request) {
		p.begin <- struct{}{}
		fmt.Fprint(w, 1)
	})
	mux.HandleFunc("/count", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, p.count.Swap(0)) })
	go func() { _ = http.Serve(control, mux) }()
	fmt.Fprintln(out, l.Addr(), control.Addr())
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	for {
		c, err := l.Accept()
		if err != nil {
			return nil
		}
		go func() {
			defer c.Close()
			if err := p.serve(c); err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) && ctx.Err() == nil {
				fmt.Fprintln(os.Stderr, "far end:", err)
			}
		}()
	}
}

// pour writes what lies ready once it may, and then waits for the other side to go.
func (p *peer) pour(c net.Conn, octets []byte, events int) error {
	<-p.begin
	if _, err := c.Write(octets); err != nil {
		return err
	}
	p.count.Store(int64(events))
	_ = c.SetReadDeadline(time.Now().Add(5 * time.Minute))
	_, err := io.Copy(io.Discard, c)
	return err
}
