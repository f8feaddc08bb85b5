package web

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// watching is one browser's stream.
type watching struct {
	t    *testing.T
	conn net.Conn
	in   *bufio.Reader
	code int
}

// watch asks for the live form of a page.
func watch(t *testing.T, p *pipes, cookie, path string) *watching {
	t.Helper()
	c := p.dial()
	go fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: textback.example\r\nCookie: %s\r\n\r\n", path, cookie)
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	return &watching{t, c, bufio.NewReader(resp.Body), resp.StatusCode}
}

// line reads up to the next line that begins with a word; "" is the end of the stream.
func (w *watching) line(prefix string) string {
	for {
		s, err := w.in.ReadString('\n')
		if strings.HasPrefix(s, prefix) {
			return s
		}
		if err != nil {
			return ""
		}
	}
}

// part reads the next part of the page.
func (w *watching) part() (id, html string) {
	w.t.Helper()
	var p struct{ ID, HTML string }
	data, ok := strings.CutPrefix(w.line("data: {"), "data: ")
	if !ok || json.Unmarshal([]byte(data), &p) != nil {
		w.t.Fatalf("no part: %q", data)
	}
	return p.ID, p.HTML
}

// livePage runs Serve with a page in a bubble.
func livePage(t *testing.T, f func(t *testing.T, p *pipes, d *desk, cookie string)) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, fullDesk(), func(o *Options) { o.Now = time.Now })
		cookie := d.login(t, "Ann")
		p := newPipes()
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- Serve(ctx, p, d.listener.Handler) }()
		f(t, p, d, cookie)
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestAStreamTellsOfChangesAndOfNothingElse(t *testing.T) {
	livePage(t, func(t *testing.T, p *pipes, d *desk, cookie string) {
		w := watch(t, p, cookie, "/ui/calls?live=1")
		defer w.conn.Close()
		if id, html := w.part(); id != "standing" || !strings.HasPrefix(html, `<section id="standing"`) {
			t.Errorf("%s: %s", id, html)
		}
		if id, html := w.part(); id != "live" || !strings.HasPrefix(html, `<div id="live"`) || !strings.Contains(html, "12025550123") {
			t.Errorf("%s: %s", id, html)
		}
		d.changed(func() { d.calls[0].Decision.Caller = "+12025550177" })
		if id, html := w.part(); id != "live" || !strings.Contains(html, "12025550177") {
			t.Errorf("%s: %s", id, html)
		}
		d.changed(func() {}) // nothing that this page shows: the next that comes is the one after it
		d.changed(func() { d.standing.Waiting = 9 })
		if id, html := w.part(); id != "standing" || !strings.Contains(html, `data-waiting="9"`) {
			t.Errorf("%s: %s", id, html)
		}
	})
}

// The listener gives a request 15 seconds and its answer 30: neither may end a stream.
func TestAStreamLivesForHoursAndBeats(t *testing.T) {
	livePage(t, func(t *testing.T, p *pipes, d *desk, cookie string) {
		w := watch(t, p, cookie, "/ui/threads/17?live=1")
		defer w.conn.Close()
		w.part()
		w.part()
		began := time.Now()
		for range 500 {
			if w.line(": ") == "" {
				t.Fatalf("it ended after %v", time.Since(began))
			}
		}
		if took := time.Since(began); took < 2*time.Hour || took > 3*time.Hour {
			t.Errorf("500 beats took %v", took)
		}
		d.changed(func() { d.thread.Tag = "z9" })
		if _, html := w.part(); !strings.Contains(html, "#z9") {
			t.Error("no change was told")
		}
	})
}

func TestAStreamEndsWithTheSessionAndDoesNotProlongIt(t *testing.T) {
	livePage(t, func(t *testing.T, p *pipes, d *desk, cookie string) {
		w := watch(t, p, cookie, "/ui/calls?live=1")
		defer w.conn.Close()
		began := time.Now()
		if w.line("event: bye") == "" || w.line("never") != "" {
			t.Error("it did not say that it ends, or went on")
		}
		if took := time.Since(began); took < sessionIdle || took > sessionIdle+time.Minute {
			t.Errorf("it ended after %v", took)
		}
	})
}

// A browser that takes nothing is let go, and nobody waits for it meanwhile.
func TestAStreamThatIsNotReadIsLetGo(t *testing.T) {
	livePage(t, func(t *testing.T, p *pipes, d *desk, cookie string) {
		w := watch(t, p, cookie, "/ui/calls?live=1")
		defer w.conn.Close()
		synctest.Wait()
		began := time.Now()
		for i := range 10_000 {
			d.changed(func() { d.standing.OnPhone = i + 2 })
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("telling took %v", took)
		}
		time.Sleep(2 * writeWithin)
		synctest.Wait()
		if n := d.watched(); n != 0 {
			t.Errorf("%d still watch", n)
		}
	})
}

func TestStreamsAreBoundedAndEndWithTheListener(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, fullDesk(), func(o *Options) { o.Now = time.Now })
		cookie := d.login(t, "Ann")
		p := newPipes()
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- Serve(ctx, p, d.listener.Handler) }()
		var all []*watching
		for range maxStreams {
			w := watch(t, p, cookie, "/ui/calls?live=1")
			w.part()
			w.part()
			all = append(all, w)
		}
		more := watch(t, p, cookie, "/ui/calls?live=1")
		if more.code != http.StatusServiceUnavailable {
			t.Errorf("one more: %d", more.code)
		}
		all[0].conn.Close()
		time.Sleep(time.Minute)
		again := watch(t, p, cookie, "/ui/calls?live=1")
		if again.code != http.StatusOK {
			t.Errorf("after one has gone: %d", again.code)
		}
		began := time.Now()
		cancel()
		for _, w := range append(all[1:], again, more) {
			go w.line("never")
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took > 1500*time.Millisecond {
			t.Errorf("the end took %v", took)
		}
		for _, w := range append(all, again, more) {
			w.conn.Close()
		}
	})
}
