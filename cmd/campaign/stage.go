package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"textback/ari/aritest"
	"textback/cmd/internal/control"
	"textback/cmd/internal/daemon"
	"textback/configs"
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
	logName  string
	logFile  *os.File
	settings settings
	smscAddr string
	smscPort net.Listener // closed while the message centre has no power

	traces     []*aritest.Trace
	recordings []*esltest.Recording

	mu    sync.Mutex
	child *exec.Cmd
	stop  context.CancelFunc // of a textback in this process
	ended chan struct{}
	err   error // with which a textback in this process ended
}

// settings of a stage beside the defaults.
type settings struct {
	policy     string // into [policy], after what the stage says itself
	tables     string // further TOML
	top        string // TOML in front of all tables
	metrics    bool
	smpp       string // into [[smpp]]
	state      string // the state file, in the stage's folder unless given
	host       string // where the peers listen, loopback unless given
	via        []string
	validate   bool // validate_numbers and regions as they are by default
	quiet      bool // quiet hours as they are by default
	redeliver  time.Duration
	smscBuffer int // octets that the message centre's socket takes before the far end stalls

	// inside runs textback in this process instead of as a child: for what a command line cannot ask for, clocks that
	// jump, disks that fail by the call, and times shorter than a configuration may have.
	inside bool
	config func(*configs.Config)
	change func(*daemon.Options)
}

func newStage(c common, s settings) (*stage, error) {
	dir, err := os.MkdirTemp("", "textback-campaign")
	if err != nil {
		return nil, err
	}
	st := &stage{dir: dir, binary: c.binary, settings: s}
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
	st.logName = name
	if st.logFile, err = os.OpenFile(name, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600); err != nil {
		return nil, err
	}
	st.asterisk = aritest.New(aritest.Options{Username: "textback", Password: secret, WriteTimeout: 5 * time.Second,
		Variable: st.variable})
	st.freesw = esltest.New(esltest.Options{Password: secret})
	st.smsc = smpptest.New(smpptest.Options{ReceiptAfter: 200 * time.Millisecond, NoFates: true, Redeliver: s.redeliver})
	ari, err := st.listen(func(l net.Listener) { _ = st.asterisk.Serve(l) })
	if err != nil {
		return nil, err
	}
	esl, err := st.listen(func(l net.Listener) { _ = st.freesw.Serve(l) })
	if err != nil {
		return nil, err
	}
	st.smscAddr = net.JoinHostPort(st.host(), "0")
	if err := st.powerOn(); err != nil {
		return nil, err
	}
	smpp := st.smscAddr
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

// variable answers what textback asks of a channel that it found: where its endpoint's calls begin, and what was dialled.
func (st *stage) variable(channel, name string) (string, bool) {
	if name == "CALLERID(dnid)" {
		for _, c := range st.asterisk.Ledger().Calls {
			if c.ID == channel {
				return c.Line, true
			}
		}
		return "", false
	}
	endpoint, ok := strings.CutPrefix(name, "PJSIP_ENDPOINT(")
	switch {
	case !ok:
		return "", false
	case strings.HasPrefix(endpoint, "trunk"):
		return "from-trunk", true
	default:
		return "from-internal", true
	}
}

func (st *stage) host() string {
	if st.settings.host != "" {
		return st.settings.host
	}
	return "127.0.0.1"
}

func (st *stage) listen(serve func(net.Listener)) (string, error) {
	l, err := net.Listen("tcp", net.JoinHostPort(st.host(), "0"))
	if err != nil {
		return "", err
	}
	go serve(l)
	return l.Addr().String(), nil
}

// powerOn lets the message centre listen, at the same address each time.
func (st *stage) powerOn() error {
	l, err := net.Listen("tcp", st.smscAddr)
	if err != nil {
		return err
	}
	st.smscAddr = l.Addr().String()
	if st.settings.smscBuffer > 0 {
		l = narrow{l, st.settings.smscBuffer}
	}
	st.smscPort = l
	go func() { _ = st.smsc.Serve(l) }()
	return nil
}

// powerOff takes the message centre off the network: connections end, new ones are refused.
func (st *stage) powerOff() {
	st.smscPort.Close()
	st.smsc.Drop()
}

// narrow gives its connections a small receive buffer, so that it is full soon.
type narrow struct {
	net.Listener
	octets int
}

func (n narrow) Accept() (net.Conn, error) {
	c, err := n.Listener.Accept()
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetReadBuffer(n.octets) // the kernel's default serves as well, only later
	}
	return c, err
}

func (st *stage) toml(s settings, ari, esl, smpp string) string {
	var b strings.Builder
	tables := s.tables
	if !strings.Contains(tables, "[backup]") {
		tables += "[backup]\nevery = \"0s\"\n"
	}
	numbers := "validate_numbers = false\nregions = []\n"
	if s.validate {
		numbers = ""
	}
	if !s.quiet {
		numbers += "quiet = \"\"\n"
	}
	fmt.Fprintf(&b, `%s
state   = %q
control = %q
[syslog]
to = "stderr"
[metrics]
listen = %q
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
open = "{{.Business}}: sorry we missed you{{with .Name}}, {{.}}{{end}}! Reply here. Reply STOP to opt out"
[policy]
%s%s
%s
`, s.top, st.state(), st.socket(), st.metrics, ari, secret, esl, secret, smpp, s.smpp, numbers, s.policy, tables)
	if s.validate {
		return b.String() // the lines of the recordings are in no numbering plan
	}
	for i := range 40 {
		fmt.Fprintf(&b, "[[line]]\nnumber = \"+155501%02d\"\naliases = [\"55501%02d\", \"155501%02d\"]\nbusiness = \"acme\"\nfrom = \"+15550100\"\n", i, i, i)
	}
	return b.String()
}

func (st *stage) state() string {
	if st.settings.state != "" {
		return st.settings.state
	}
	return filepath.Join(st.dir, "textback.db")
}

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
	if err := st.launch(); err != nil {
		return err
	}
	for {
		if _, err := st.status(ctx); err == nil {
			return nil
		}
		select {
		case <-st.ended:
			return fmt.Errorf("textback ended by itself: %w; its log ends:\n%s", st.err, st.logTail())
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// launch runs textback and does not wait.
func (st *stage) launch() error {
	st.mu.Lock()
	defer st.mu.Unlock()
	ended := make(chan struct{})
	st.ended, st.err = ended, nil
	if st.settings.inside {
		return st.launchInside(ended)
	}
	argv := append(slices.Clone(st.settings.via), st.binary, "run", "-config", st.config)
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stdout, cmd.Stderr = st.logFile, st.logFile
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return err
	}
	st.child = cmd
	go func() { st.err = cmd.Wait(); close(ended) }()
	return nil
}

// launchInside runs textback in this process. The lock is held.
func (st *stage) launchInside(ended chan struct{}) error {
	data, err := os.ReadFile(st.config)
	if err != nil {
		return err
	}
	cfg, err := configs.Parse(st.config, data, configs.Options{})
	if err != nil {
		return err
	}
	if st.settings.config != nil {
		st.settings.config(cfg)
	}
	ctx, stop := context.WithCancel(context.Background())
	st.stop = stop
	o := daemon.Options{Config: cfg, Log: slog.New(slog.NewTextHandler(st.logFile, nil))}
	if st.settings.change != nil {
		st.settings.change(&o)
	}
	go func() { st.err = daemon.Run(ctx, o); close(ended) }()
	return nil
}

// logged counts the lines of the daemon's log in which all of the words stand.
func (st *stage) logged(words ...string) int {
	b, err := os.ReadFile(st.logName)
	if err != nil {
		return 0
	}
	n := 0
	for line := range strings.Lines(string(b)) {
		all := true
		for _, w := range words {
			all = all && strings.Contains(line, w)
		}
		if all {
			n++
		}
	}
	return n
}

// logTail is the end of the daemon's log.
func (st *stage) logTail() string {
	b, err := os.ReadFile(st.logName)
	if err != nil {
		return err.Error()
	}
	return string(b[max(0, len(b)-1500):])
}

// verb runs a command of textback as an administrator does, and gives what it says.
func (st *stage) verb(ctx context.Context, args ...string) (string, error) {
	args = append([]string{args[0], "-config", st.config}, args[1:]...)
	out, err := exec.CommandContext(ctx, st.binary, args...).CombinedOutput()
	return string(out), err
}

// up runs textback and waits until its links are up.
func (st *stage) up(ctx context.Context) error {
	if err := st.start(ctx); err != nil {
		return err
	}
	bound, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	return st.linked(bound)
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

// kill ends textback by a signal and waits until it is gone. In this process every signal is SIGTERM.
func (st *stage) kill(sig syscall.Signal) {
	st.mu.Lock()
	cmd, stop, ended := st.child, st.stop, st.ended
	st.mu.Unlock()
	switch {
	case stop != nil:
		stop()
	case cmd != nil:
		_ = cmd.Process.Signal(sig)
	default:
		return
	}
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
