package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"textback"
	"textback/ari/aritest"
	"textback/cmd/internal/daemon"
	"textback/configs"
	"textback/esl/esltest"
	"textback/smpp/smpptest"
)

func demoVerb() *verb {
	return &verb{name: "demo", args: "[--quick]", short: "show the whole thing at work, without a PBX, a message centre or a configuration",
		long: "Plays recorded calls of a real Asterisk and a real FreeSWITCH over a real ARI websocket and a real event socket, runs\n" +
			"the daemon between them and a simulated message centre, shows what happens, and fails if what was sent is not\n" +
			"what the truth beside the recordings asks for.", run: runDemo}
}

const (
	demoSecret = "demo-secret"
	demoToken  = "demo-token-0123456789"
	demoPace   = 12 // times faster than real
	demoBound  = 50 * time.Second
)

func runDemo(ctx context.Context, e *env, v *verb, args []string) int {
	fs := v.flags(e)
	quick := fs.Bool("quick", false, "only a few calls")
	rest, code, ok := v.parse(e, fs, args)
	if !ok {
		return code
	}
	if len(rest) > 0 {
		return v.misuse(e)
	}
	ctx, cancel := context.WithTimeout(ctx, demoBound)
	defer cancel()
	d := &demo{out: &demoWriter{w: e.stdout, began: time.Now()}, quick: *quick}
	if err := d.run(ctx); err != nil {
		return fail(e, exitFailed, fmt.Errorf("demo: %w", err), "")
	}
	return exitOK
}

// demo is the little world that the demonstration runs in.
type demo struct {
	out   *demoWriter
	quick bool

	dir      string
	asterisk *aritest.Server
	freesw   *esltest.Server
	smsc     *smpptest.Server
	web      string // address of the daemon's HTTP listener
	expect   []expected
}

// expected is one played call and what is to come of it.
type expected struct {
	pbx, what, caller, line, outcome string
	text                             *bool
}

func (d *demo) run(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "textback-demo")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	d.dir = dir
	traces, recordings, err := d.recordings()
	if err != nil {
		return err
	}
	d.asterisk = aritest.New(aritest.Options{Username: "textback", Password: demoSecret})
	d.freesw = esltest.New(esltest.Options{Password: demoSecret})
	d.smsc = smpptest.New(smpptest.Options{ReceiptAfter: 300 * time.Millisecond, NoFates: true})
	ariAddr, err := serveOn(func(l net.Listener) { _ = d.asterisk.Serve(l) })
	if err != nil {
		return err
	}
	defer d.asterisk.Close()
	eslAddr, err := serveOn(func(l net.Listener) { _ = d.freesw.Serve(l) })
	if err != nil {
		return err
	}
	defer d.freesw.Close()
	smppAddr, err := serveOn(func(l net.Listener) { _ = d.smsc.Serve(l) })
	if err != nil {
		return err
	}
	defer d.smsc.Close()
	if d.web, err = freeAddr(); err != nil {
		return err
	}
	cfg, err := configs.Parse(filepath.Join(dir, "demo.toml"), []byte(d.config(ariAddr, eslAddr, smppAddr, traces, recordings)), configs.Options{})
	if err != nil {
		return err
	}
	d.out.say("", "A simulated Asterisk, FreeSWITCH and message centre are up; the daemon starts between them.")

	ctx, stop := context.WithCancel(ctx)
	defer stop()
	ready := make(chan struct{})
	ended := make(chan error, 1)
	go func() {
		ended <- daemon.Run(ctx, daemon.Options{Config: cfg, Log: slog.New(d.out), Version: versionWord(),
			Ready: func(*daemon.Daemon) { close(ready) }})
	}()
	select {
	case <-ready:
	case err := <-ended:
		return err
	}
	if err := d.await(ctx, "the links come up", func() bool { return d.asterisk.Connected("demo") && d.smsc.Bound() > 0 }); err != nil {
		return err
	}
	if err := d.freesw.AwaitSubscriber(ctx); err != nil {
		return err
	}
	err = d.story(ctx, traces, recordings)
	stop()
	select {
	case runErr := <-ended:
		err = errors.Join(err, runErr)
	case <-time.After(10 * time.Second):
		err = errors.Join(err, errors.New("the daemon did not stop"))
	}
	return err
}

// story plays the calls, looks at what was sent, and then lets callers answer.
func (d *demo) story(ctx context.Context, traces []*aritest.Trace, recordings []*esltest.Recording) error {
	d.out.say("", "%d recordings are played, %d times faster than real.", len(traces)+len(recordings), demoPace)
	if err := d.play(ctx, traces, recordings); err != nil {
		return err
	}
	want := 0
	for _, x := range d.expect {
		if x.text != nil && *x.text {
			want++
		}
	}
	if err := d.await(ctx, "the texts", func() bool { return len(d.smsc.Texts()) >= want }); err != nil {
		d.out.say("", "not every text was seen")
	}
	// What must not come gets a moment to show itself.
	if !pause(ctx, 1500*time.Millisecond) {
		return ctx.Err()
	}
	if err := d.summary(); err != nil {
		return err
	}
	return d.answers(ctx)
}

// play plays every recording at once, each with callers of its own.
func (d *demo) play(ctx context.Context, traces []*aritest.Trace, recordings []*esltest.Recording) error {
	var mu sync.Mutex
	var wg sync.WaitGroup
	var errs []error
	add := func(err error, list ...expected) {
		mu.Lock()
		defer mu.Unlock()
		d.expect = append(d.expect, list...)
		if err != nil {
			errs = append(errs, err)
		}
	}
	for i, t := range traces {
		wg.Add(1)
		go func() {
			defer wg.Done()
			pause(ctx, time.Duration(i)*150*time.Millisecond)
			calls, err := d.asterisk.Play(ctx, aritest.Play{Trace: t, Speed: demoPace})
			var list []expected
			for _, c := range calls {
				if c.Direction == "" && c.Outcome != "outbound" && c.Outcome != "internal" {
					list = append(list, expected{"asterisk", t.Name, c.Caller, c.Line, c.Outcome, c.Text})
				}
			}
			add(err, list...)
		}()
	}
	for i, r := range recordings {
		wg.Add(1)
		go func() {
			defer wg.Done()
			pause(ctx, time.Duration(i)*150*time.Millisecond)
			calls, err := d.freesw.Play(ctx, r, esltest.PlayOptions{Speed: demoPace, Numbers: r.Callers(fmt.Sprintf("+1555777%04d", 10*(i+1)))})
			var list []expected
			for _, c := range calls {
				if c.Truth.Outcome != "outbound" && c.Truth.Outcome != "internal" {
					list = append(list, expected{"freeswitch", r.Name, c.Truth.Caller, c.Truth.Line, c.Truth.Outcome, c.Truth.Text})
				}
			}
			add(err, list...)
		}()
	}
	wg.Wait()
	return errors.Join(errs...)
}

// summary holds what was sent against the truth.
func (d *demo) summary() error {
	got := make(map[string]int)
	for _, t := range d.smsc.Texts() {
		got[t.To]++
	}
	d.out.say("", "")
	d.out.say("", "%-11s %-42s %-17s %-9s %s", "PBX", "RECORDING", "OUTCOME", "EXPECTED", "SENT")
	var wrong []string
	texts := 0
	slices.SortStableFunc(d.expect, func(a, b expected) int { return strings.Compare(a.pbx+a.what, b.pbx+b.what) })
	for _, x := range d.expect {
		want, sent := "either", got[x.caller]
		if x.text != nil {
			want = map[bool]string{true: "a text", false: "nothing"}[*x.text]
		}
		bad := sent > 1 || x.text != nil && (sent == 1) != *x.text
		mark := ""
		if bad {
			mark = "   WRONG"
			wrong = append(wrong, fmt.Sprintf("%s %s, caller %s: expected %s, sent %d", x.pbx, x.what, x.caller, want, sent))
		}
		texts += sent
		d.out.say("", "%-11s %-42s %-17s %-9s %d%s", x.pbx, x.what, x.outcome, want, sent, mark)
	}
	if extra := len(d.smsc.Texts()) - texts; extra != 0 {
		wrong = append(wrong, fmt.Sprintf("%d texts went to numbers that did not call", extra))
	}
	d.out.say("", "")
	d.out.say("", "%d calls from outside, %d texts; %d are not what the truth asks for.", len(d.expect), len(d.smsc.Texts()), len(wrong))
	if len(wrong) > 0 {
		return errors.New(strings.Join(wrong, "\n"))
	}
	if texts == 0 {
		return errors.New("no text was sent at all")
	}
	return nil
}

// await waits for something that should come soon.
func (d *demo) await(ctx context.Context, what string, ok func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, 8*time.Second)
	defer cancel()
	for !ok() {
		if !pause(ctx, 20*time.Millisecond) {
			return fmt.Errorf("wait for %s: %w", what, ctx.Err())
		}
	}
	return nil
}

// recordings chooses what is played: calls that show one thing each, without lost connections.
func (d *demo) recordings() ([]*aritest.Trace, []*esltest.Recording, error) {
	asterisk := []string{"03", "04", "01", "05", "09", "10", "14", "17", "20", "25", "31", "43b"}
	freesw := []string{"03", "04", "01", "07", "08", "13", "14", "18", "19", "44"}
	if d.quick {
		asterisk, freesw = asterisk[:3], freesw[:3]
	}
	names, err := aritest.Names(aritest.Recorded())
	if err != nil {
		return nil, nil, err
	}
	var traces []*aritest.Trace
	for _, name := range names {
		if number, _, _ := strings.Cut(name, "-"); slices.Contains(asterisk, number) {
			t, err := aritest.LoadTrace(aritest.Recorded(), name)
			if err != nil {
				return nil, nil, err
			}
			traces = append(traces, t)
		}
	}
	all, err := esltest.LoadRecordings(esltest.Recorded())
	if err != nil {
		return nil, nil, err
	}
	var recordings []*esltest.Recording
	for _, r := range all {
		if number, _, _ := strings.Cut(r.Name, "-"); slices.Contains(freesw, number) {
			recordings = append(recordings, r.Trim())
		}
	}
	return traces, recordings, nil
}

// config is the demonstration's configuration: what an administrator would write, with test numbers allowed.
func (d *demo) config(ari, esl, smpp string, traces []*aritest.Trace, recordings []*esltest.Recording) string {
	var b strings.Builder
	fmt.Fprintf(&b, `state   = %q
control = %q
[syslog]
to = "none"
[metrics]
listen = ""
[http]
listen = %q
token  = %q
[[booking]]
service  = "cal.com"
path     = "/hooks/cal"
secret   = %q
business = "acme"
[[pbx]]
name     = "asterisk"
kind     = "asterisk"
url      = "http://%s/ari"
username = "textback"
password = %q
app      = "demo"
[[pbx]]
name     = "freeswitch"
kind     = "freeswitch"
addr     = %q
password = %q
[[smpp]]
name      = "carrier"
addr      = %q
system_id = "demo"
password  = "demo"
rate      = 0.0
[business.acme]
name        = "Acme Plumbing"
timezone    = "America/New_York"
region      = "US"
booking_url = "https://acme.example/book"
booking     = "cal.com"
[policy]
delay            = "0s"
min_ring         = "0s"
validate_numbers = false
regions          = []
quiet            = ""
per_block_hour   = 1000
[template]
open = "{{.Business}}: sorry we missed your call {{.When}}! Reply here and a person answers, or book: {{.BookingURL}} Reply STOP to opt out"
`, filepath.Join(d.dir, "state.db"), filepath.Join(d.dir, "control.sock"), d.web, demoToken, demoSecret, ari, demoSecret, esl, demoSecret, smpp)
	lines := make(map[string]bool)
	for _, t := range traces {
		for _, c := range t.Truth.Calls {
			lines[c.Line] = true
		}
	}
	for _, r := range recordings {
		for _, l := range r.Lines() {
			lines[l] = true
		}
	}
	for l := range lines {
		if n, err := textback.ParseNumber(l, "", nil, false); err == nil && strings.HasPrefix(n.E164, "+") {
			fmt.Fprintf(&b, "[[line]]\nnumber = %q\nbusiness = \"acme\"\nfrom = \"+15550100\"\n", n.E164)
		}
	}
	return b.String()
}

func serveOn(serve func(net.Listener)) (addr string, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	go serve(l)
	return l.Addr().String(), nil
}

// freeAddr is an address that is free now.
func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// pause waits, or returns false when ctx is done.
func pause(ctx context.Context, wait time.Duration) bool {
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// demoWriter shows the story and the daemon's log lines on the terminal.
type demoWriter struct {
	mu    sync.Mutex
	w     io.Writer
	began time.Time
}

// say writes a line; who is "" for the story itself.
func (o *demoWriter) say(who, format string, args ...any) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if who != "" {
		who = fmt.Sprintf("%6.2fs  ", time.Since(o.began).Seconds()) + who + " "
	}
	fmt.Fprintf(o.w, "%s%s\n", who, fmt.Sprintf(format, args...))
}

// Enabled is slog.Handler's.
func (o *demoWriter) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelInfo }

// Handle shows one log line.
func (o *demoWriter) Handle(_ context.Context, r slog.Record) error {
	var b strings.Builder
	r.Attrs(func(a slog.Attr) bool {
		if s := plain(a.Value.String()); s != "" && a.Key != "call" && a.Key != "smpp" {
			fmt.Fprintf(&b, " %s=%s", a.Key, s)
		}
		return true
	})
	o.say(fmt.Sprintf("%-9s", r.Message), "%s", strings.TrimSpace(b.String()))
	return nil
}

// WithAttrs is slog.Handler's.
func (o *demoWriter) WithAttrs([]slog.Attr) slog.Handler { return o }

// WithGroup is slog.Handler's.
func (o *demoWriter) WithGroup(string) slog.Handler { return o }
