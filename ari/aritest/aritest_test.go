package aritest_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/websocket"

	"textback/ari/aritest"
)

// client is a plain ARI client: it shares no code with package ari.
type client struct {
	pipe   *aritest.Pipe
	mu     sync.Mutex
	events []map[string]any
}

func serve(t *testing.T, o aritest.Options) (*aritest.Server, *client) {
	t.Helper()
	pipe := aritest.NewPipe()
	sim := aritest.New(o)
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := sim.Serve(pipe); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() {
		sim.Close()
		pipe.Close()
		wg.Wait()
	})
	return sim, &client{pipe: pipe}
}

// listen connects a websocket and collects what comes until it ends.
func (c *client) listen(t *testing.T, query string) {
	t.Helper()
	cfg, err := websocket.NewConfig("ws://pbx/ari/events?"+query, "http://pbx")
	if err != nil {
		t.Fatal(err)
	}
	conn, err := c.pipe.Dial(t.Context(), "", "")
	if err != nil {
		t.Fatal(err)
	}
	ws, err := websocket.NewClient(cfg, conn)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			var e map[string]any
			if websocket.JSON.Receive(ws, &e) != nil {
				return
			}
			c.mu.Lock()
			c.events = append(c.events, e)
			c.mu.Unlock()
		}
	}()
}

func (c *client) do(t *testing.T, method, path string) (int, string) {
	t.Helper()
	tr := &http.Transport{DialContext: c.pipe.Dial, DisableKeepAlives: true}
	req, err := http.NewRequestWithContext(t.Context(), method, "http://pbx/ari"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth("textback", "secret")
	resp, err := tr.RoundTrip(req)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err.Error()
	}
	return resp.StatusCode, string(b)
}

const login = "app=textback&subscribeAll=true&api_key=textback:secret"

func TestEveryRecordingShowsEveryCallOfItsTruth(t *testing.T) {
	names, err := aritest.Names(aritest.Recorded())
	if err != nil || len(names) < 40 {
		t.Fatal(len(names), err)
	}
	for _, name := range names {
		tr, err := aritest.LoadTrace(aritest.Recorded(), name)
		if err != nil {
			t.Fatal(err)
		}
		synctest.Test(t, func(t *testing.T) {
			sim, _ := serve(t, aritest.Options{})
			calls, err := sim.Play(t.Context(), aritest.Play{Trace: tr})
			if err != nil {
				t.Fatal(err)
			}
			for i, c := range calls {
				if seen := tr.Truth.Calls[i].Seen; (c.ID == "") != (seen != nil && !*seen) {
					t.Errorf("%s: call %d from %s: channel %q", name, i, c.Caller, c.ID)
				}
				if c.ID != "" && c.Began.IsZero() {
					t.Errorf("%s: call %d was never on the wire", name, i)
				}
			}
			if channels, _ := sim.Live(); channels != 0 {
				t.Errorf("%s: leaves %d channels", name, channels)
			}
		})
	}
}

func TestManyCopiesOfACallDoNotShareAnything(t *testing.T) {
	tr, err := aritest.LoadTrace(aritest.Recorded(), "43b-local-ringgroup-answered")
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		sim, c := serve(t, aritest.Options{})
		c.listen(t, login)
		synctest.Wait()
		var wg sync.WaitGroup
		const copies = 20
		for i := range copies {
			wg.Go(func() {
				caller := fmt.Sprintf("+1202555%04d", i)
				if _, err := sim.Play(t.Context(), aritest.Play{Trace: tr, Speed: 10,
					Caller: func(string) string { return caller }, Line: func(string) string { return "+12025550100" }}); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		synctest.Wait()
		c.mu.Lock()
		defer c.mu.Unlock()
		if want := copies * len(tr.Events); len(c.events) != want {
			t.Fatalf("%d events, want %d", len(c.events), want)
		}
		created := make(map[string]string) // id -> name
		names := make(map[string]int)
		for _, e := range c.events {
			raw, err := json.Marshal(e)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(string(raw), "+1555") || strings.Contains(string(raw), "labpbx") {
				t.Fatalf("a number or an id of the recording is left: %s", raw)
			}
			ch, _ := e["channel"].(map[string]any)
			if e["type"] == "ChannelCreated" {
				created[ch["id"].(string)] = ch["name"].(string)
				names[ch["name"].(string)]++
			}
			at, err := time.Parse("2006-01-02T15:04:05.000-0700", e["timestamp"].(string))
			if err != nil || time.Since(at).Abs() > time.Minute {
				t.Fatalf("timestamp %v: %v", e["timestamp"], err)
			}
		}
		for name, n := range names {
			if n != 1 {
				t.Errorf("%d channels of the name %s", n, name)
			}
		}
		if len(created)%copies != 0 || len(created) == 0 {
			t.Errorf("%d channels in %d copies", len(created), copies)
		}
		l := sim.Ledger()
		if len(l.Calls) != copies || l.Events != len(c.events) || l.Unheard != 0 {
			t.Errorf("ledger: %d calls, %d events, %d unheard", len(l.Calls), l.Events, l.Unheard)
		}
		for _, call := range l.Calls {
			if !call.BeganHeard || !call.EndHeard || call.Ended.Before(call.Began) || call.Outcome != "answered" || call.Line != "+12025550100" {
				t.Errorf("%+v", call)
			}
		}
	})
}

func TestTheReadBackShowsWhatRings(t *testing.T) {
	tr, err := aritest.LoadTrace(aritest.Recorded(), "01-direct-answered-caller-hangs-up")
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		sim, c := serve(t, aritest.Options{})
		done := make(chan struct{})
		go func() {
			defer close(done)
			if _, err := sim.Play(t.Context(), aritest.Play{Trace: tr, Speed: 1}); err != nil {
				t.Error(err)
			}
		}()
		time.Sleep(5 * time.Second) // talking
		status, body := c.do(t, "GET", "/channels")
		if status != 200 || strings.Count(body, `"state":"Up"`) != 2 {
			t.Errorf("channels: %d %s", status, body)
		}
		if status, body := c.do(t, "GET", "/bridges"); status != 200 || strings.Count(body, "sim-") != 2 {
			t.Errorf("bridges: %d %s", status, body)
		}
		<-done
		if _, body := c.do(t, "GET", "/channels"); strings.TrimSpace(body) != "[]" {
			t.Errorf("afterwards: %s", body)
		}
	})
}

func TestARecordedRestartCanBePlayedAsOne(t *testing.T) {
	tr, err := aritest.LoadTrace(aritest.Recorded(), "37-pbx-killed-in-mid-call")
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		sim, c := serve(t, aritest.Options{})
		_, before := c.do(t, "GET", "/asterisk/info?only=status")
		go func() {
			time.Sleep(8 * time.Second)
			if status, body := c.do(t, "GET", "/channels"); status != 0 {
				t.Errorf("answers while it is down: %d %s", status, body)
			}
		}()
		if _, err := sim.Play(t.Context(), aritest.Play{Trace: tr, Speed: 1, Losses: true}); err != nil {
			t.Fatal(err)
		}
		if _, after := c.do(t, "GET", "/asterisk/info?only=status"); before == after {
			t.Error("the start-up time is the same after a kill")
		}
	})
}

func TestThePasswordAndTheRightToWriteAreAskedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, c := serve(t, aritest.Options{ReadOnly: true})
		if status, _ := c.do(t, "PUT", "/applications/textback/eventFilter"); status != 403 {
			t.Errorf("a read-only user sets a filter: %d", status)
		}
		conn, err := c.pipe.Dial(context.Background(), "", "")
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := fmt.Fprintf(conn, "GET /ari/channels HTTP/1.1\r\nHost: pbx\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil || resp.StatusCode != 401 {
			t.Errorf("without a password: %v %v", resp, err)
		}
	})
}

var _ net.Listener = (*aritest.Pipe)(nil)
