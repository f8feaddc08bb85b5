package daemon

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"textback/ari/aritest"
	"textback/cmd/internal/control"
	"textback/configs"
	"textback/esl/esltest"
	"textback/smpp/smpptest"
)

// world is a daemon between a simulated Asterisk, FreeSWITCH and message centre, over real sockets on loopback.
type world struct {
	t        *testing.T
	dir      string
	asterisk *aritest.Server
	freesw   *esltest.Server
	smsc     *smpptest.Server
	log      *logBook
	config   string // TOML
	reload   chan os.Signal

	stop  context.CancelFunc
	ended chan error
}

const secret = "s3cret-of-the-test"

// newWorld starts the simulators; extra is TOML that goes in front of the tables, policy into [policy].
func newWorld(t *testing.T, policy, tables string) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), log: &logBook{}, reload: make(chan os.Signal, 1)}
	w.asterisk = aritest.New(aritest.Options{Username: "textback", Password: secret})
	w.freesw = esltest.New(esltest.Options{Password: secret})
	w.smsc = smpptest.New(smpptest.Options{ReceiptAfter: 20 * time.Millisecond, NoFates: true})
	ari := w.listen(func(l net.Listener) { _ = w.asterisk.Serve(l) })
	esl := w.listen(func(l net.Listener) { _ = w.freesw.Serve(l) })
	smpp := w.listen(func(l net.Listener) { _ = w.smsc.Serve(l) })
	t.Cleanup(func() { w.asterisk.Close(); w.freesw.Close(); w.smsc.Close() })
	var lines strings.Builder
	for i := range 40 {
		fmt.Fprintf(&lines, "[[line]]\nnumber = \"+155501%02d\"\naliases = [\"55501%02d\", \"155501%02d\"]\nbusiness = \"acme\"\nfrom = \"+15550100\"\n", i, i, i)
	}
	fmt.Fprintf(&lines, "[[line]]\nnumber = \"+15550199\"\nbusiness = \"acme\"\nfrom = \"+15550100\"\n")
	w.config = fmt.Sprintf(`state   = %q
control = %q
[syslog]
to = "none"
[metrics]
listen = ""
[backup]
every = "0s"
[[pbx]]
name     = "hq"
kind     = "asterisk"
url      = "http://%s/ari"
username = "textback"
password = %q
[[pbx]]
name     = "branch"
kind     = "freeswitch"
addr     = %q
password = %q
[[smpp]]
name      = "carrier"
addr      = %q
system_id = "acme"
password  = "pw"
rate      = 0.0
[business.acme]
name     = "Acme Plumbing"
timezone = "America/New_York"
region   = "US"
help     = "Acme Plumbing: call +1 202 555 0100. Reply STOP to opt out."
[policy]
validate_numbers = false
regions          = []
quiet            = ""
%s
[template]
open = "{{.Business}}: sorry we missed you{{with .Name}}, {{.}}{{end}}! Reply here. Reply STOP to opt out"
%s
%s`, filepath.Join(w.dir, "textback.db"), filepath.Join(w.dir, "control.sock"), ari, secret, esl, secret, smpp, policy, tables, lines.String())
	return w
}

// fast is a policy that texts at once and never for want of budget.
const fast = "delay = \"0s\"\nmin_ring = \"0s\"\nper_block_hour = 10000\nper_line_hour = 10000\nper_hour = 10000\nper_day = 10000\n"

func (w *world) listen(serve func(net.Listener)) string {
	w.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	go serve(l)
	return l.Addr().String()
}

func (w *world) parse() (*configs.Config, error) {
	return configs.Parse(filepath.Join(w.dir, "textback.toml"), []byte(w.config), configs.Options{})
}

// start runs the daemon until the links are up.
func (w *world) start(change ...func(*Options)) {
	w.t.Helper()
	cfg, err := w.parse()
	if err != nil {
		w.t.Fatalf("configuration:\n%v", err)
	}
	ctx, stop := context.WithCancel(context.Background())
	w.stop, w.ended = stop, make(chan error, 1)
	ready := make(chan struct{})
	o := Options{Config: cfg, Load: w.parse, Reload: w.reload, Log: slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Ready: func(*Daemon) { close(ready) }}
	for _, f := range change {
		f(&o)
	}
	go func() { w.ended <- Run(ctx, o) }()
	select {
	case <-ready:
	case err := <-w.ended:
		w.t.Fatalf("the daemon did not start: %v", err)
	}
	w.t.Cleanup(w.end)
	w.await("links", func() bool { return w.asterisk.Connected("textback") && w.log.count("msg=smpp-up") > 0 })
	bound, cancel := context.WithTimeout(ctx, waitBound)
	defer cancel()
	if err := w.freesw.AwaitSubscriber(bound); err != nil {
		w.t.Fatal(err)
	}
	w.await("read-back", func() bool { return w.log.count("msg=pbx-up") >= 2 })
}

// end stops the daemon, once.
func (w *world) end() {
	if w.stop == nil {
		return
	}
	w.stop()
	w.stop = nil
	select {
	case err := <-w.ended:
		if err != nil {
			w.t.Errorf("the daemon ended with: %v", err)
		}
	case <-time.After(waitBound):
		w.t.Error("the daemon did not end")
	}
}

const waitBound = 60 * time.Second

// await waits for something that the other side does in its own time.
func (w *world) await(what string, ok func() bool) {
	w.t.Helper()
	deadline := time.After(waitBound)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			w.t.Fatalf("waited too long for %s; the log:\n%s", what, w.log.tail())
		}
	}
}

// call asks the daemon over its control socket.
func (w *world) call(verb string, args, reply any) error {
	ctx, cancel := context.WithTimeout(context.Background(), waitBound)
	defer cancel()
	return control.NewClient(filepath.Join(w.dir, "control.sock")).Call(ctx, verb, args, reply)
}

func (w *world) status() Status {
	w.t.Helper()
	var s Status
	if err := w.call("status", nil, &s); err != nil {
		w.t.Fatal(err)
	}
	return s
}

// played plays one recording of the Asterisk and returns its calls.
func (w *world) played(number string, caller string) []aritest.Call {
	w.t.Helper()
	names, err := aritest.Names(aritest.Recorded())
	if err != nil {
		w.t.Fatal(err)
	}
	for _, name := range names {
		if strings.HasPrefix(name, number+"-") {
			trace, err := aritest.LoadTrace(aritest.Recorded(), name)
			if err != nil {
				w.t.Fatal(err)
			}
			calls, err := w.asterisk.Play(context.Background(), aritest.Play{Trace: trace, Caller: func(string) string { return caller }})
			if err != nil {
				w.t.Fatal(err)
			}
			return calls
		}
	}
	w.t.Fatalf("there is no recording %s", number)
	return nil
}

// textsTo are the texts that a phone got.
func (w *world) textsTo(number string) []smpptest.Text {
	var list []smpptest.Text
	for _, t := range w.smsc.Texts() {
		if t.To == number {
			list = append(list, t)
		}
	}
	return list
}

// write sends a text from a phone and returns the statuses of its parts.
func (w *world) write(from, body string) []uint32 {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), waitBound)
	defer cancel()
	statuses, err := w.smsc.Deliver(ctx, smpptest.Message{From: from, To: "+15550100", Body: body})
	if err != nil {
		w.t.Fatal(err)
	}
	return statuses
}

// logBook keeps what was logged.
type logBook struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logBook) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *logBook) count(s string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return bytes.Count(l.buf.Bytes(), []byte(s))
}

func (l *logBook) tail() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.buf.Bytes()
	return string(b[max(0, len(b)-6000):])
}

// quiet waits until the daemon has caught up with its PBXs.
func (w *world) quiet() {
	w.t.Helper()
	events, since := uint64(0), time.Now()
	w.await("quiet", func() bool {
		now := uint64(0)
		for _, p := range w.status().PBXs {
			now += p.Events
		}
		if now != events {
			events, since = now, time.Now()
		}
		return time.Since(since) > 300*time.Millisecond
	})
}

// lines are the lines that hold something.
func (l *logBook) lines(what string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var found strings.Builder
	for line := range strings.Lines(l.buf.String()) {
		if strings.Contains(line, what) {
			found.WriteString(line)
		}
	}
	return found.String()
}

// newLog logs into a book.
func newLog(b *logBook) *slog.Logger {
	return slog.New(slog.NewTextHandler(b, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// faultyDisk makes commits fail while it is set.
type faultyDisk struct {
	mu     sync.Mutex
	broken bool
}

func (f *faultyDisk) set(broken bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.broken = broken
}

func (f *faultyDisk) commit() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.broken {
		return errors.New("write textback.db: no space left on device")
	}
	return nil
}
