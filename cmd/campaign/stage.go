package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"textback/ari/aritest"
	"textback/cmd/internal/control"
	"textback/cmd/internal/daemon"
	"textback/esl/esltest"
	"textback/smpp/smpptest"
)

const secret = "campaign-secret"

// stage is the world around one textback: its peers live in this process, it is a process of its own.
type stage struct {
	dir      string
	asterisk *aritest.Server
	freesw   *esltest.Server
	smsc     *smpptest.Server
	binary   string
	config   string
	metrics  string // address of /metrics, "" for none
	logFile  *os.File

	traces     []*aritest.Trace
	recordings []*esltest.Recording

	mu    sync.Mutex
	child *exec.Cmd
	ended chan struct{}
}

// settings of a stage beside the defaults.
type settings struct {
	policy  string // into [policy]
	tables  string // further TOML
	metrics bool
	smpp    string // into [[smpp]]
}

func newStage(c common, s settings) (*stage, error) {
	dir, err := os.MkdirTemp("", "textback-campaign")
	if err != nil {
		return nil, err
	}
	st := &stage{dir: dir, binary: c.binary}
	if st.binary == "" {
		st.binary = filepath.Join(dir, "textback")
		if out, err := exec.Command("go", "build", "-o", st.binary, "textback/cmd/textback").CombinedOutput(); err != nil {
			return nil, fmt.Errorf("build textback: %w\n%s", err, out)
		}
	}
	name := c.log
	if name == "" {
		name = filepath.Join(dir, "textback.log")
	}
	if st.logFile, err = os.OpenFile(name, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600); err != nil {
		return nil, err
	}
	st.asterisk = aritest.New(aritest.Options{Username: "textback", Password: secret, WriteTimeout: 5 * time.Second})
	st.freesw = esltest.New(esltest.Options{Password: secret})
	st.smsc = smpptest.New(smpptest.Options{ReceiptAfter: 200 * time.Millisecond, NoFates: true})
	ari, err := listen(func(l net.Listener) { _ = st.asterisk.Serve(l) })
	if err != nil {
		return nil, err
	}
	esl, err := listen(func(l net.Listener) { _ = st.freesw.Serve(l) })
	if err != nil {
		return nil, err
	}
	smpp, err := listen(func(l net.Listener) { _ = st.smsc.Serve(l) })
	if err != nil {
		return nil, err
	}
	if s.metrics {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		st.metrics = l.Addr().String()
		l.Close()
	}
	if err := st.load(); err != nil {
		return nil, err
	}
	st.config = filepath.Join(dir, "textback.toml")
	return st, os.WriteFile(st.config, []byte(st.toml(s, ari, esl, smpp)), 0o600)
}

func listen(serve func(net.Listener)) (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	go serve(l)
	return l.Addr().String(), nil
}

func (st *stage) toml(s settings, ari, esl, smpp string) string {
	var b strings.Builder
	fmt.Fprintf(&b, `state   = %q
control = %q
[syslog]
to = "stderr"
[metrics]
listen = %q
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
%s
[business.acme]
name     = "Acme Plumbing"
timezone = "America/New_York"
region   = "US"
[template]
open = "{{.Business}}: sorry we missed you! Reply here. Reply STOP to opt out"
[policy]
validate_numbers = false
regions          = []
quiet            = ""
%s
%s
`, st.state(), st.socket(), st.metrics, ari, secret, esl, secret, smpp, s.smpp, s.policy, s.tables)
	for i := range 40 {
		fmt.Fprintf(&b, "[[line]]\nnumber = \"+155501%02d\"\naliases = [\"55501%02d\", \"155501%02d\"]\nbusiness = \"acme\"\nfrom = \"+15550100\"\n", i, i, i)
	}
	return b.String()
}

func (st *stage) state() string  { return filepath.Join(st.dir, "textback.db") }
func (st *stage) socket() string { return filepath.Join(st.dir, "control.sock") }

// load reads the recordings that make the load: one-call streams without lost connections, missed and answered.
func (st *stage) load() error {
	names, err := aritest.Names(aritest.Recorded())
	if err != nil {
		return err
	}
	for _, name := range names {
		t, err := aritest.LoadTrace(aritest.Recorded(), name)
		if err != nil {
			return err
		}
		if len(t.Truth.Calls) == 1 && strings.HasPrefix(t.Truth.Calls[0].Caller, "+1") && len(t.Truth.Recorder.Connection) <= 1 {
			st.traces = append(st.traces, t)
		}
	}
	all, err := esltest.LoadRecordings(esltest.Recorded())
	if err != nil {
		return err
	}
	for _, r := range all {
		if len(r.Truth) == 1 && strings.HasPrefix(r.Truth[0].Caller, "+1") {
			st.recordings = append(st.recordings, r.Trim())
		}
	}
	if len(st.traces) == 0 || len(st.recordings) == 0 {
		return errors.New("there are no recordings to play")
	}
	return nil
}

// playOne plays a recording on one of the PBXs with its caller renamed.
func (st *stage) playOne(ctx context.Context, caller string, speed float64) error {
	if rand.IntN(2) == 0 {
		t := st.traces[rand.IntN(len(st.traces))]
		_, err := st.asterisk.Play(ctx, aritest.Play{Trace: t, Speed: speed, Caller: func(string) string { return caller }})
		return err
	}
	r := st.recordings[rand.IntN(len(st.recordings))]
	_, err := st.freesw.Play(ctx, r, esltest.PlayOptions{Speed: speed, Numbers: map[string]string{r.Truth[0].Caller: caller}})
	return err
}

// start runs textback and waits until it answers.
func (st *stage) start(ctx context.Context) error {
	cmd := exec.Command(st.binary, "run", "-config", st.config)
	cmd.Stdout, cmd.Stderr = st.logFile, st.logFile
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	st.mu.Lock()
	st.child, st.ended = cmd, ended
	st.mu.Unlock()
	for {
		if _, err := st.status(ctx); err == nil {
			return nil
		}
		select {
		case <-ended:
			return errors.New("textback ended by itself; see its log")
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// linked waits until every link is up.
func (st *stage) linked(ctx context.Context) error {
	return st.await(ctx, "the links", func() bool {
		s, err := st.status(ctx)
		if err != nil || len(s.PBXs) == 0 || len(s.SMPPs) == 0 {
			return false
		}
		for _, p := range s.PBXs {
			if !p.Up {
				return false
			}
		}
		return s.SMPPs[0].Up
	})
}

func (st *stage) await(ctx context.Context, what string, ok func() bool) error {
	for !ok() {
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for %s: %w", what, ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
	return nil
}

func (st *stage) status(ctx context.Context) (*daemon.Status, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	var s daemon.Status
	if err := control.NewClient(st.socket()).Call(ctx, "status", nil, &s); err != nil {
		return nil, err
	}
	return &s, nil
}

func (st *stage) pid() int {
	st.mu.Lock()
	defer st.mu.Unlock()
	return st.child.Process.Pid
}

// kill ends textback by a signal and waits until it is gone.
func (st *stage) kill(sig syscall.Signal) {
	st.mu.Lock()
	cmd, ended := st.child, st.ended
	st.mu.Unlock()
	if cmd == nil {
		return
	}
	_ = cmd.Process.Signal(sig)
	<-ended
}

func (st *stage) close() {
	st.kill(syscall.SIGKILL)
	st.asterisk.Close()
	st.freesw.Close()
	st.smsc.Close()
	st.logFile.Close()
	os.RemoveAll(st.dir)
}

// numbers deals out callers: each once, or round and round in a pool.
type numbers struct {
	mu   sync.Mutex
	n    int
	pool int // 0: never the same again
}

func (c *numbers) next() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n++
	n := c.n
	if c.pool > 0 {
		n %= c.pool
	}
	return fmt.Sprintf("+1557%07d", n)
}
