package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// browser is a headless Chromium, driven by its DevTools protocol (https://chromedevtools.github.io/devtools-protocol/).
type browser struct {
	t   *testing.T
	out *os.File // commands, each ended by a zero octet

	mu      sync.Mutex
	next    int
	waiting map[int]chan answered
	tabs    map[string]*tab
}

type answered struct {
	result json.RawMessage
	err    error
}

// tab is one page of a browser.
type tab struct {
	b       *browser
	session string

	mu       sync.Mutex
	requests []string // addresses that the page asked for
	trouble  []string // what the console, the policy or a script complained of, and dialogues that opened
}

// newBrowser starts a browser with a profile of its own.
func newBrowser(t *testing.T, flags ...string) *browser {
	t.Helper()
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, "nice", append([]string{"-n", "19", "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
		"--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars", "--user-data-dir=" + dir,
		"--remote-debugging-pipe", "about:blank"}, flags...)...)
	theirs, ours := pipe(t)
	back, answers := pipe(t)
	cmd.ExtraFiles = []*os.File{theirs, answers} // 3 is read by it, 4 is written
	cmd.WaitDelay = 10 * time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	theirs.Close()
	answers.Close()
	b := &browser{t: t, out: ours, waiting: make(map[int]chan answered), tabs: make(map[string]*tab)}
	go b.read(back)
	t.Cleanup(func() {
		_, _ = b.ask("", "Browser.close", nil)
		ours.Close()
		done := make(chan struct{})
		go func() { _ = cmd.Wait(); close(done) }()
		select {
		case <-done:
		case <-time.After(20 * time.Second):
		}
		cancel()
		<-done
		back.Close()
	})
	return b
}

func pipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	return r, w
}

func (b *browser) read(from io.Reader) {
	in := bufio.NewReaderSize(from, 1<<20)
	for {
		data, err := in.ReadBytes(0)
		if err != nil {
			b.mu.Lock()
			for id, c := range b.waiting {
				c <- answered{err: err}
				delete(b.waiting, id)
			}
			b.mu.Unlock()
			return
		}
		var m struct {
			ID        int
			SessionID string
			Method    string
			Params    json.RawMessage
			Result    json.RawMessage
			Error     *struct{ Message string }
		}
		if json.Unmarshal(bytes.TrimSuffix(data, []byte{0}), &m) != nil {
			continue
		}
		b.mu.Lock()
		c, tab := b.waiting[m.ID], b.tabs[m.SessionID]
		delete(b.waiting, m.ID)
		b.mu.Unlock()
		switch {
		case m.ID != 0 && c != nil:
			a := answered{result: m.Result}
			if m.Error != nil {
				a.err = errors.New(m.Error.Message)
			}
			c <- a
		case tab != nil:
			tab.event(m.Method, m.Params)
		}
	}
}

// ask calls a method of the protocol.
func (b *browser) ask(session, method string, params any) (json.RawMessage, error) {
	c := make(chan answered, 1)
	b.mu.Lock()
	b.next++
	id := b.next
	b.waiting[id] = c
	b.mu.Unlock()
	m := map[string]any{"id": id, "method": method}
	if params != nil {
		m["params"] = params
	}
	if session != "" {
		m["sessionId"] = session
	}
	data, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), standBound)
	defer cancel()
	b.mu.Lock()
	_, err = b.out.Write(append(data, 0))
	b.mu.Unlock()
	if err != nil {
		return nil, err
	}
	select {
	case a := <-c:
		if a.err != nil {
			return nil, fmt.Errorf("%s: %w", method, a.err)
		}
		return a.result, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("%s: no answer", method)
	}
}

// open opens a page in a tab of its own.
func (b *browser) open(url string) *tab {
	b.t.Helper()
	var target struct{ TargetID string }
	b.must("", "Target.createTarget", map[string]any{"url": "about:blank"}, &target)
	var session struct{ SessionID string }
	b.must("", "Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &session)
	t := &tab{b: b, session: session.SessionID}
	b.mu.Lock()
	b.tabs[session.SessionID] = t
	b.mu.Unlock()
	for _, domain := range []string{"Page", "Runtime", "Network", "Log"} {
		t.do(domain+".enable", nil)
	}
	t.size(1280, 900, false)
	t.visit(url)
	return t
}

func (b *browser) must(session, method string, params, result any) {
	b.t.Helper()
	data, err := b.ask(session, method, params)
	if err == nil && result != nil {
		err = json.Unmarshal(data, result)
	}
	if err != nil {
		b.t.Fatal(err)
	}
}

func (t *tab) do(method string, params any) { t.b.t.Helper(); t.b.must(t.session, method, params, nil) }

// event keeps what a test must know of what the page did.
func (t *tab) event(method string, params json.RawMessage) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch method {
	case "Network.requestWillBeSent":
		var p struct{ Request struct{ URL string } }
		if json.Unmarshal(params, &p) == nil {
			t.requests = append(t.requests, p.Request.URL)
		}
	case "Log.entryAdded":
		var p struct {
			Entry struct{ Source, Level, Text string }
		}
		if json.Unmarshal(params, &p) == nil && p.Entry.Level == "error" && p.Entry.Source != "network" {
			t.trouble = append(t.trouble, p.Entry.Source+": "+p.Entry.Text)
		}
	case "Runtime.exceptionThrown", "Page.javascriptDialogOpening":
		t.trouble = append(t.trouble, method+": "+string(params))
	}
}

// visit goes to an address and waits until the page is there.
func (t *tab) visit(url string) {
	t.b.t.Helper()
	t.do("Page.navigate", map[string]any{"url": url})
	t.await(fmt.Sprintf(`document.readyState === "complete" && (location.href !== "about:blank") === %v`, url != "about:blank"))
}

// eval runs an expression in the page.
func (t *tab) eval(expression string) any {
	t.b.t.Helper()
	var r struct {
		Result           struct{ Value any }
		ExceptionDetails *struct{ Text string }
	}
	data, err := t.b.ask(t.session, "Runtime.evaluate", map[string]any{"expression": expression, "returnByValue": true, "awaitPromise": true})
	if err == nil {
		err = json.Unmarshal(data, &r)
	}
	if err != nil {
		return nil // the page is on its way to another
	}
	if r.ExceptionDetails != nil {
		return nil
	}
	return r.Result.Value
}

func (t *tab) text(expression string) string { s, _ := t.eval(expression).(string); return s }

// await waits until an expression is true in the page.
func (t *tab) await(expression string) {
	t.b.t.Helper()
	deadline := time.After(standBound)
	tick := time.NewTicker(30 * time.Millisecond)
	defer tick.Stop()
	for t.eval(expression) != true {
		select {
		case <-tick.C:
		case <-deadline:
			t.b.t.Fatalf("waited too long for %s at %s:\n%.3000s", expression, t.text("location.href"), t.text("document.body.innerText"))
		}
	}
}

// press presses a key as a person does; keys are named as in KeyboardEvent.key.
func (t *tab) press(key string, modifiers int) {
	t.b.t.Helper()
	codes := map[string]int{"Tab": 9, "Enter": 13, "Escape": 27, " ": 32, "End": 35}
	down := map[string]any{"type": "rawKeyDown", "key": key, "code": key, "windowsVirtualKeyCode": codes[key], "modifiers": modifiers}
	if key == "Enter" || key == " " {
		down["type"], down["text"] = "keyDown", map[string]string{"Enter": "\r", " ": " "}[key]
	}
	t.do("Input.dispatchKeyEvent", down)
	t.do("Input.dispatchKeyEvent", map[string]any{"type": "keyUp", "key": key, "code": key, "windowsVirtualKeyCode": codes[key], "modifiers": modifiers})
}

// write types text into what has the focus.
func (t *tab) write(text string) {
	t.b.t.Helper()
	t.do("Input.insertText", map[string]any{"text": text})
}

// size sets the window.
func (t *tab) size(width, height int, phone bool) {
	t.b.t.Helper()
	scale := 1
	if phone {
		scale = 2
	}
	t.do("Emulation.setDeviceMetricsOverride", map[string]any{"width": width, "height": height, "deviceScaleFactor": scale, "mobile": phone})
}

// scheme is "light" or "dark".
func (t *tab) scheme(name string) {
	t.b.t.Helper()
	t.do("Emulation.setEmulatedMedia", map[string]any{"features": []map[string]string{{"name": "prefers-color-scheme", "value": name},
		{"name": "prefers-reduced-motion", "value": "reduce"}}})
}

// shoot keeps a picture of what is seen, if somebody wants to look (TEXTBACK_CHROMIUM_KEEP names the folder).
func (t *tab) shoot(name string) {
	t.b.t.Helper()
	keep := os.Getenv("TEXTBACK_CHROMIUM_KEEP")
	if keep == "" {
		return
	}
	var shot struct{ Data string }
	t.b.must(t.session, "Page.captureScreenshot", map[string]any{"format": "png"}, &shot)
	data, err := base64.StdEncoding.DecodeString(shot.Data)
	if err == nil {
		err = os.WriteFile(filepath.Join(keep, name+".png"), data, 0o644)
	}
	if err != nil {
		t.b.t.Fatal(err)
	}
}

// clean fails the test if the page complained, or asked for anything elsewhere.
func (t *tab) clean(base string) {
	t.b.t.Helper()
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.trouble) > 0 {
		t.b.t.Errorf("the browser complained:\n%s", strings.Join(t.trouble, "\n"))
	}
	for _, url := range t.requests {
		if !strings.HasPrefix(url, base) && !strings.HasPrefix(url, "data:") && url != "about:blank" {
			t.b.t.Errorf("the page asked for %s", url)
		}
	}
	if len(t.requests) == 0 {
		t.b.t.Error("no request was seen")
	}
}
