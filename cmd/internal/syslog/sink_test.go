package syslog

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// server is a TCP syslog server at the far ends of pipes.
type server struct {
	t     *testing.T
	mu    sync.Mutex
	err   error // of dialling
	mute  bool  // takes connections and reads nothing
	dials []time.Time
	conn  net.Conn // the latest
	got   []string
}

func (s *server) dial(context.Context, string, string) (net.Conn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dials = append(s.dials, time.Now())
	if s.err != nil {
		return nil, s.err
	}
	ours, theirs := net.Pipe()
	s.conn = theirs
	if !s.mute {
		go s.read(theirs)
	}
	return ours, nil
}

// read takes octet-counted messages (RFC 6587, 3.4.1).
func (s *server) read(c net.Conn) {
	r := bufio.NewReader(c)
	for {
		n, err := r.ReadString(' ')
		if err != nil {
			return
		}
		size, err := strconv.Atoi(strings.TrimSpace(n))
		if err != nil || n[0] == '0' {
			s.t.Errorf("frame length %q", n)
			return
		}
		b := make([]byte, size)
		if _, err := io.ReadFull(r, b); err != nil {
			return
		}
		s.mu.Lock()
		s.got = append(s.got, string(b))
		s.mu.Unlock()
	}
}

func (s *server) set(err error, mute bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err, s.mute = err, mute
}

// texts are the messages that arrived since the last call, after everything has come to rest.
func (s *server) texts() []string {
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	got := s.got
	s.got = nil
	return ids(got)
}

func ids(ms []string) (out []string) {
	for _, s := range ms {
		m, err := parse5424(s)
		if err != nil {
			return append(out, err.Error())
		}
		out = append(out, m.text)
	}
	return out
}

func TestAServerThatReadsNothingDelaysNothingAndTheLossIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := &server{t: t, mute: true}
		var stderr buffer
		h, err := New(Options{To: "tcp://log:514", Queue: 10, Dial: srv.dial, Stderr: &stderr})
		if err != nil {
			t.Fatal(err)
		}
		log := slog.New(h)
		before := time.Now()
		for i := range 100 {
			log.Info("event", "n", i)
		}
		if d := time.Since(before); d != 0 {
			t.Errorf("logging took %v", d)
		}
		// The server takes connections and never reads: each write runs into its deadline.
		time.Sleep(3 * time.Minute)
		synctest.Wait()
		lost := h.Stats().Dropped
		if st := h.Stats(); st.Up || lost < 80 || lost > 90 || st.Written != 0 {
			t.Errorf("while it hangs: %+v", st)
		}
		if n := strings.Count(stderr.String(), "log-target-down"); n < 1 || n > 3 {
			t.Errorf("%d lines on stderr in three minutes: %s", n, stderr.String())
		}
		srv.set(nil, false)
		time.Sleep(3 * time.Minute)
		got := srv.texts()
		if len(got) != int(100-lost)+1 || got[0] != "event n=0" || got[1] != fmt.Sprintf("log-dropped lines=%d", lost) ||
			got[2] != "event n=1" {
			t.Errorf("%d dropped; arrived: %q", lost, got)
		}
		if st := h.Stats(); !st.Up || st.Waiting != 0 {
			t.Errorf("in the end: %+v", st)
		}
		h.Close(t.Context())
	})
}

func TestALineSurvivesARestartOfTheServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := &server{t: t}
		h, err := New(Options{To: "tcp://log:514", Dial: srv.dial, Stderr: io.Discard})
		if err != nil {
			t.Fatal(err)
		}
		log := slog.New(h)
		log.Info("one")
		if got := srv.texts(); fmt.Sprint(got) != "[one]" {
			t.Errorf("at first: %q", got)
		}
		srv.set(errors.New("connection refused"), false)
		srv.conn.Close()
		synctest.Wait()
		log.Info("two")
		time.Sleep(10 * time.Minute)
		log.Info("three")
		if got := srv.texts(); len(got) != 0 {
			t.Errorf("while it is gone: %q", got)
		}
		srv.set(nil, false)
		time.Sleep(2 * time.Minute)
		if got := srv.texts(); fmt.Sprint(got) != "[two three]" {
			t.Errorf("after its return: %q", got)
		}
		for i := 2; i < len(srv.dials); i++ {
			if gap := srv.dials[i].Sub(srv.dials[i-1]); gap > maxBackoff || gap < 500*time.Millisecond {
				t.Errorf("dial %d came %v after the one before", i, gap)
			}
		}
		if n := len(srv.dials); n < 10 || n > 40 {
			t.Errorf("%d dials in twelve minutes", n)
		}
		h.Close(t.Context())
	})
}

func TestCloseWritesWhatWaitsAndIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := &server{t: t}
		h, err := New(Options{To: "tcp://log:514", Dial: srv.dial, Stderr: io.Discard})
		if err != nil {
			t.Fatal(err)
		}
		for i := range 50 {
			slog.New(h).Info("event", "n", i)
		}
		h.Close(t.Context())
		if got := srv.texts(); len(got) != 50 || got[49] != "event n=49" {
			t.Errorf("%d arrived: %q", len(got), got)
		}
		slog.New(h).Info("late")

		dead := &server{err: errors.New("no route to host")}
		h, err = New(Options{To: "tcp://log:514", Dial: dead.dial, Stderr: io.Discard})
		if err != nil {
			t.Fatal(err)
		}
		slog.New(h).Info("lost")
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		before := time.Now()
		h.Close(ctx)
		if d := time.Since(before); d != 2*time.Second {
			t.Errorf("Close took %v of its two seconds", d)
		}
	})
}

func TestReloadMovesTheLogOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var first, second buffer
		h, err := New(Options{To: "stderr", Stderr: &first})
		if err != nil {
			t.Fatal(err)
		}
		log := slog.New(h).With("pbx", "hq")
		log.Info("one")
		if err := h.Reload(t.Context(), Options{To: "smoke signals"}); err == nil {
			t.Error("an impossible target was taken")
		}
		log.Debug("unseen")
		if err := h.Reload(t.Context(), Options{To: "stderr", Stderr: &second, Level: slog.LevelDebug}); err != nil {
			t.Fatal(err)
		}
		log.Debug("two")
		h.Close(t.Context())
		if !strings.HasSuffix(first.String(), "info one pbx=hq\n") || !strings.HasSuffix(second.String(), "debug two pbx=hq\n") ||
			strings.Contains(first.String()+second.String(), "unseen") {
			t.Errorf("first %q, second %q", first.String(), second.String())
		}
	})
}

func TestNoneWritesNothing(t *testing.T) {
	h, err := New(Options{To: "none"})
	if err != nil {
		t.Fatal(err)
	}
	if h.Enabled(t.Context(), slog.LevelError) {
		t.Error("enabled")
	}
	slog.New(h).Error("unseen")
	h.Close(t.Context())
}

func TestWithoutTheLocalSocketStderrTakesOverUntilItIsBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	var stderr buffer
	h, err := New(Options{To: "local", Socket: path, Stderr: &stderr, Location: time.UTC, PID: 7, MinBackoff: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(h)
	log.Warn("link-down", "pbx", "hq")
	for h.Stats().Written == 0 {
		runtime.Gosched()
	}
	lines := strings.Split(strings.TrimSpace(stderr.String()), "\n")
	if len(lines) != 2 || !strings.Contains(lines[0], "warning log-target-down") ||
		!strings.HasSuffix(lines[1], " textback[7]: link-down pbx=hq") || strings.HasPrefix(lines[1], "<") {
		t.Errorf("stderr: %q", lines)
	}
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	// The next line after the back-off's millisecond finds the socket again; those before it go to stderr still.
	for before := ""; before != stderr.String(); {
		before = stderr.String()
		n := h.Stats().Written
		log.Warn("link-up", "pbx", "hq")
		for h.Stats().Written == n {
			runtime.Gosched()
		}
	}
	h.Close(t.Context())
	b := make([]byte, 4096)
	n, err := conn.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	if m, err := parse3164(string(b[:n]), time.UTC); err != nil || m.text != "link-up pbx=hq" {
		t.Errorf("socket: %q, %v", b[:n], err)
	}
}

func TestTheLocalSocketGetsOneDatagramPerLine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	h, err := New(Options{To: "local", Socket: path, Stderr: os.Stderr})
	if err != nil {
		t.Fatal(err)
	}
	slog.New(h).Info("started", "version", "1")
	slog.New(h).Error("store-failed", "err", "disk full")
	h.Close(t.Context())
	b := make([]byte, 4096)
	for _, want := range []string{"started version=1", `store-failed err="disk full"`} {
		n, err := conn.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		if m, err := parse3164(string(b[:n]), time.Local); err != nil || m.text != want {
			t.Errorf("%q, %v; want %q", b[:n], err, want)
		}
	}
}

func TestOneLinePerCauseAndMinute(t *testing.T) {
	var l Limiter
	now := testTime()
	var out []string
	for i := range 200 {
		if ok, n := l.Allow("bad-frame", now.Add(time.Duration(i)*time.Second)); ok {
			out = append(out, fmt.Sprint(i, n))
		}
	}
	if got := fmt.Sprint(out); got != "[0 0 60 59 120 59 180 59]" {
		t.Errorf("allowed at, held back: %s", got)
	}
	if ok, _ := l.Allow("bad-pdu", now); !ok {
		t.Error("another cause is held back")
	}
	if ok, _ := l.Allow("bad-frame", now.Add(-time.Hour)); !ok {
		t.Error("silenced by a clock that stepped back")
	}
	allowed := 0
	for i := range 5000 {
		if ok, _ := l.Allow(fmt.Sprint("cause", i), now); ok {
			allowed++
		}
	}
	if len(l.causes) > maxCauses+1 || allowed > maxCauses {
		t.Errorf("%d causes kept, %d lines", len(l.causes), allowed)
	}
}
