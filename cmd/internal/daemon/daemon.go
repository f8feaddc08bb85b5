// Package daemon runs textback: it owns every long-lived goroutine and the order of the stages. Read daemon.go (start,
// reload, drain), observe.go (event to claim), send.go (outbox to wire), receive.go (receipt and reply), in this order;
// the other files are what stands around these. It decides nothing: that is for the pure packages that it calls.
package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"textback/cmd/internal/control"
	"textback/cmd/internal/feed"
	"textback/cmd/internal/syslog"
	"textback/cmd/internal/systemd"
	"textback/configs"
	"textback/smpp"
	"textback/store"
)

// drainTime is how long a stop may take from the signal to the closed store.
const drainTime = 5 * time.Second

// Options are what a daemon needs from its process.
type Options struct {
	Config  *configs.Config
	Load    func() (*configs.Config, error) // reads the configuration again; nil: no reload
	Reload  <-chan os.Signal                // each value is a wish to reload
	Log     *slog.Logger
	Version string
	Notify  *systemd.Notifier // nil: no service manager
	Now     func() time.Time  // time.Now unless given

	// LogDropped counts the log lines that were lost, for the metrics; nil: nobody counts.
	LogDropped func() uint64
	// Ready, if set, is called once everything is started.
	Ready func(*Daemon)
	// DialSMPP and DialPBX replace the dialling of connections (tests).
	DialSMPP, DialPBX func(ctx context.Context, network, addr string) (net.Conn, error)
	// BeforeCommit makes the disk fail or slow (fault campaigns).
	BeforeCommit func() error
	// Settle is how long an ended call waits for late facts; the tracker's default unless given.
	Settle time.Duration
	// SettleRecords is how long after a link is up a PBX's records are read; 5 s unless given.
	SettleRecords time.Duration
}

// Daemon is a running textback.
type Daemon struct {
	o       Options
	log     *slog.Logger
	now     func() time.Time
	wall    wall
	limit   syslog.Limiter
	started time.Time

	store *store.Store
	live  *liveCalls
	met   *meters
	feed  feed.Feed

	prober *prober
	conf   atomic.Pointer[running]

	kick    chan struct{} // something that the outbox waits for has changed
	reloads sync.Mutex    // one reload at a time
	eg      *errgroup.Group
	ctx     context.Context // of everything that observes: ends first
	work    context.Context // of everything that sends and stores: ends when drained

	mu    sync.Mutex
	pbxs  map[string]*pbx
	links map[string]*smsc
	// subscribers are signalled after each new configuration.
	subscribers []chan struct{}

	settled  chan struct{}     // closed when every call that has ended has its verdict, at the end
	dealt    map[string]uint64 // texts by template, since the start
	breakers breakers
	staff    staffLog
	flights  flights
	box      *outbox

	aftermath aftermath
	desk      *desk // what the web page asks
}

// running is one configuration in use with what was built from it. It is replaced as a whole by a reload.
type running struct {
	cfg  *configs.Config
	pool *smpp.Pool
}

// Run starts the daemon and returns when ctx ended and everything is drained, or when it cannot start.
func Run(ctx context.Context, o Options) error {
	d := &Daemon{o: o, now: o.Now, live: newLiveCalls(), kick: make(chan struct{}, 1),
		pbxs: make(map[string]*pbx), links: make(map[string]*smsc),
		dealt: make(map[string]uint64), settled: make(chan struct{}), met: newMeters(o.Version), prober: newProber(), box: newOutbox()}
	if d.now == nil {
		d.now = time.Now
	}
	d.started = d.now()
	d.desk = newDesk(d)
	d.log = slog.New(&feed.Log{Handler: o.Log.Handler(), Feed: &d.feed})
	if o.LogDropped != nil {
		d.met.Watch("log_dropped_total", "Log lines dropped because the log was slow or away.", func() float64 { return float64(o.LogDropped()) })
	}
	d.readings()
	return d.run(ctx)
}

func (d *Daemon) run(ctx context.Context) error {
	cfg := d.o.Config
	if err := os.MkdirAll(filepath.Dir(cfg.State), 0o750); err != nil {
		return fmt.Errorf("make the folder of the state file: %w", err)
	}
	listener, err := control.Listen(cfg.Control, cfg.ControlGroup)
	if err != nil {
		return err
	}
	st, err := d.openStore(cfg)
	if err != nil {
		listener.Close()
		return err
	}
	d.store = st
	err = d.serve(ctx, cfg, listener)
	if closeErr := st.Close(); err == nil {
		err = closeErr
	}
	return err
}

func (d *Daemon) openStore(cfg *configs.Config) (*store.Store, error) {
	st, err := store.Open(store.Options{Path: cfg.State, Join: joinParts, TextChanged: d.textChanged,
		Committed: d.committed, BeforeCommit: d.o.BeforeCommit})
	if err != nil {
		return nil, err // it names the file
	}
	return st, nil
}

// serve runs every stage. Two contexts order the end: observing stops first, then what was observed is judged and
// what is in flight is answered, then sending stops.
func (d *Daemon) serve(ctx context.Context, cfg *configs.Config, listener net.Listener) error {
	observeCtx, stopObserving := context.WithCancel(context.Background())
	workCtx, stopWork := context.WithCancel(context.Background())
	defer stopWork()
	defer stopObserving()
	eg, egCtx := errgroup.WithContext(workCtx)
	d.eg, d.ctx, d.work = eg, observeCtx, egCtx

	uncertain, err := d.store.Recover(egCtx, d.now())
	if err != nil {
		return fmt.Errorf("take up the texts of the last run: %w", err)
	}
	for _, t := range uncertain {
		d.logText(t, "in doubt since the last run")
	}
	for _, w := range cfg.Warnings {
		d.log.Warn("config", "warning", w.String(), "hint", w.Hint)
	}
	if err := d.apply(cfg); err != nil {
		return err
	}
	server := &control.Server{Handlers: d.handlers(), Streamers: d.streamers(), Receivers: d.receivers(), Panicked: d.panicked}
	stages := []struct {
		name string
		run  func(context.Context) error
	}{
		{"control", func(ctx context.Context) error { return server.Serve(ctx, listener) }},
		{"send", d.send},
		{"grace", d.grace},
		{"receive", d.receive},
		{"deliver", d.deliver},
		{"keep", d.keep},
		{"reconcile", d.reconcile},
		{"clock", d.clock},
		{"web", d.web},
		{"metrics", d.metrics},
		{"watchdog", d.watchdog},
	}
	for _, s := range stages {
		eg.Go(func() error {
			if err := s.run(egCtx); err != nil && !errors.Is(err, context.Canceled) {
				return fmt.Errorf("%s: %w", s.name, err)
			}
			return nil
		})
	}
	d.log.Info("start", "version", d.o.Version, "pbx", len(cfg.PBXs), "smpp", len(cfg.SMPPs), "lines", len(cfg.Set.Lines),
		"state", cfg.State)
	d.tell(d.o.Notify.Ready("running"))
	if d.o.Ready != nil {
		d.o.Ready(d)
	}
	d.wait(ctx, egCtx)
	return d.drain(stopObserving, stopWork)
}

// wait serves reloads until the daemon is to stop.
func (d *Daemon) wait(ctx, failed context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-failed.Done():
			return
		case <-d.o.Reload:
			d.tell(d.o.Notify.Reloading())
			if err := d.reload(); err != nil {
				for _, line := range configs.Lines(err) {
					d.log.Error("reload-failed", "error", line, "effect", "the old configuration stays in force")
				}
			}
			d.tell(d.o.Notify.Ready("running"))
		}
	}
}

// drain stops in order, within a bound, and says what is left.
func (d *Daemon) drain(stopObserving, stopWork context.CancelFunc) error {
	began := time.Now()
	d.tell(d.o.Notify.Stopping("draining"))
	stopObserving()
	d.awaitWithin(drainTime/2, d.pbxsDone)
	d.stopLinks(drainTime - time.Since(began) - time.Second/2)
	stopWork()
	done := make(chan error, 1)
	go func() { done <- d.eg.Wait() }()
	var err error
	select {
	case err = <-done:
	case <-time.After(max(drainTime-time.Since(began), time.Second/2)):
		err = errors.New("stop: not everything ended in time")
	}
	d.logStopped()
	return err
}

// awaitWithin waits for a condition that f waits for, but not longer than the bound.
func (d *Daemon) awaitWithin(bound time.Duration, f func()) {
	done := make(chan struct{})
	go func() { f(); close(done) }()
	select {
	case <-done:
	case <-time.After(bound):
	}
}

func (d *Daemon) logStopped() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	attrs := []any{"uptime", d.now().Sub(d.started).Round(time.Second).String()}
	if s, err := d.store.Stats(ctx); err == nil {
		for _, st := range openStates() {
			attrs = append(attrs, st.String(), s.Texts[st])
		}
	}
	if next, ok, err := d.store.NextDue(ctx); err == nil && ok {
		attrs = append(attrs, "next", next.Format(time.RFC3339))
	}
	d.log.Info("stop", attrs...)
}

// reload reads the configuration again and puts it into force. A bad one changes nothing.
func (d *Daemon) reload() (err error) {
	d.reloads.Lock()
	defer d.reloads.Unlock()
	defer func() { d.met.reloaded(err) }()
	if d.o.Load == nil {
		return errors.New("this daemon has no configuration file to read again")
	}
	cfg, err := d.o.Load()
	if err != nil {
		return err
	}
	old := d.conf.Load().cfg
	changes := configs.Diff(old, cfg)
	for _, sentence := range changes.Restart {
		d.log.Warn("reload-restart", "detail", sentence)
	}
	// What is read at the start only is in force as it was: the next reload compares with that, and the disk that is watched
	// is the one written to.
	kept := *cfg
	kept.State, kept.Control, kept.ControlGroup = old.State, old.Control, old.ControlGroup
	cfg = &kept
	if err := d.apply(cfg); err != nil {
		return err
	}
	for _, w := range cfg.Warnings {
		d.log.Warn("config", "warning", w.String(), "hint", w.Hint)
	}
	d.log.Info("reload", "pbx_changed", len(changes.PBXs.Changed)+len(changes.PBXs.Added)+len(changes.PBXs.Removed),
		"smpp_changed", len(changes.SMPPs.Changed)+len(changes.SMPPs.Added)+len(changes.SMPPs.Removed))
	return nil
}

// apply makes links and rules what a configuration says: unchanged links stay up, changed ones are made anew, the calls
// that a PBX's tracker knows survive.
func (d *Daemon) apply(cfg *configs.Config) error {
	old := new(configs.Config)
	if r := d.conf.Load(); r != nil {
		old = r.cfg
	}
	changes := configs.Diff(old, cfg)
	links, err := d.makeLinks(cfg, changes)
	if err != nil {
		return err
	}
	pool := smpp.NewPool(links...)
	d.conf.Store(&running{cfg: cfg, pool: pool})
	d.met.prepare(cfg)
	d.startLinks()
	d.startPBXs(cfg, changes)
	d.mu.Lock()
	for _, c := range d.subscribers {
		select {
		case c <- struct{}{}:
		default:
		}
	}
	d.mu.Unlock()
	d.wake()
	return nil
}

// wake lets the outbox look again.
func (d *Daemon) wake() {
	select {
	case d.kick <- struct{}{}:
	default:
	}
}

// tell logs a failure to talk to the service manager: it must not stop anything.
func (d *Daemon) tell(err error) {
	if err != nil {
		d.sparingly(slog.LevelWarn, "service-manager", "service-manager", "error", err)
	}
}

// sparingly logs one line per cause and minute, with how many were held back.
func (d *Daemon) sparingly(level slog.Level, cause, id string, attrs ...any) {
	ok, held := d.limit.Allow(cause, d.now())
	if !ok {
		return
	}
	if held > 0 {
		attrs = append(attrs, "suppressed", held)
	}
	d.log.Log(context.Background(), level, id, attrs...)
}

// watchdog gives systemd signs of life as long as the store answers.
func (d *Daemon) watchdog(ctx context.Context) error {
	d.o.Notify.KeepAlive(ctx, func() bool {
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		_, _, err := d.store.NextDue(ctx)
		return err == nil
	})
	<-ctx.Done()
	return nil
}

// businesses are the keys of all businesses, sorted.
func businesses(cfg *configs.Config) []string {
	keys := make([]string, 0, len(cfg.Set.Businesses))
	for k := range cfg.Set.Businesses {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
