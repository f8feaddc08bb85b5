package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"textback"
	"textback/cmd/internal/control"
	"textback/configs"
	"textback/store"
)

// Status is what `textback status` shows.
type Status struct {
	Version  string            `json:"version"`
	Started  time.Time         `json:"started"`
	Now      time.Time         `json:"now"`                // by the daemon's clock, when this was made
	Troubles []Trouble         `json:"troubles,omitempty"` // the worst first; none: all is well
	PBXs     []PBXStatus       `json:"pbx"`
	SMPPs    []SMPPStatus      `json:"smpp"`
	Store    store.Stats       `json:"store"`
	Disk     *Disk             `json:"disk,omitempty"`
	Queue    Queue             `json:"queue"`
	NextDue  *time.Time        `json:"next_due,omitempty"`
	Accepted *time.Time        `json:"last_accepted,omitempty"` // when a message centre took a text last, since the start
	Receipt  *time.Time        `json:"last_receipt,omitempty"`  // when a receipt came last, since the start
	Budgets  []Budget          `json:"budgets,omitempty"`
	OnPhone  int               `json:"live_calls"`
	Breakers map[string]string `json:"breakers_open,omitempty"`
	Unknown  []textback.Text   `json:"in_doubt,omitempty"`
	Targets  []store.Target    `json:"disabled_notify,omitempty"`
	Counts   []store.Count     `json:"counts"`
	Shut     map[string]string `json:"listeners_failed,omitempty"` // why "http" or "metrics" is not open
	Warnings []string          `json:"warnings,omitempty"`
	Shadow   []string          `json:"shadow_lines,omitempty"` // lines in shadow mode
	Lines    int               `json:"lines"`

	ReloadGood bool `json:"reload_good"` // the last reload worked, or there was none
}

// PBXStatus is one PBX's link and tracker.
type PBXStatus struct {
	Name      string    `json:"name"`
	Kind      string    `json:"kind"`
	Up        bool      `json:"up"`
	Since     time.Time `json:"since"`          // it is up, or down
	Why       string    `json:"why,omitempty"`  // it is down
	Hint      string    `json:"hint,omitempty"` // what mends that, where it is known
	Events    uint64    `json:"events"`
	Lost      uint64    `json:"lost"`
	LastEvent time.Time `json:"last_event"`
	Calls     uint64    `json:"calls"`
	Live      int       `json:"live"`
	Legs      int       `json:"legs"`
	Swept     uint64    `json:"swept"`
	Waiting   int       `json:"waiting"` // changes of calls that could not be stored yet
}

// SMPPStatus is one message centre's link.
type SMPPStatus struct {
	Name     string    `json:"name"`
	Addr     string    `json:"addr"`
	Up       bool      `json:"up"`
	Since    time.Time `json:"since"`          // it is up, or down
	Why      string    `json:"why,omitempty"`  // it is down
	Hint     string    `json:"hint,omitempty"` // what mends that, where it is known
	InFlight int       `json:"in_flight"`
	Accepted uint64    `json:"accepted"`
	Refused  uint64    `json:"refused"`
	InDoubt  uint64    `json:"unanswered"`
	Received uint64    `json:"received"`
}

// Arguments of the verbs, as the commands send them.
type (
	// ExplainArgs name a telephone number or a call id.
	ExplainArgs struct {
		What string `json:"what"`
	}
	// OptArgs are an opt-out or opt-in by command.
	OptArgs struct {
		Number   string `json:"number"`
		Business string `json:"business,omitempty"` // "" = all
		Source   string `json:"source,omitempty"`
		Note     string `json:"note,omitempty"` // what was said
	}
	// ThreadArgs name a thread by id or tag, and what to do with it.
	ThreadArgs struct {
		Thread   string `json:"thread,omitempty"`
		Person   string `json:"person,omitempty"`
		Text     string `json:"text,omitempty"`
		Business string `json:"business,omitempty"`
		All      bool   `json:"all,omitempty"`
	}
	// BackupArgs say where the copy goes.
	BackupArgs struct {
		Path string `json:"path"`
	}
)

// handlers are the verbs of the control socket.
func (d *Daemon) handlers() map[string]control.Handler {
	return map[string]control.Handler{
		"status":        func(ctx context.Context, _ *control.Request) (any, error) { return d.status(ctx) },
		"explain":       with(d.explain),
		"optout-add":    with(d.optOutByCommand),
		"optout-remove": with(d.optInByCommand),
		"optout-list":   func(ctx context.Context, _ *control.Request) (any, error) { return optOuts(ctx, d.store) },
		"verify":        func(ctx context.Context, _ *control.Request) (any, error) { return nil, d.store.Verify(ctx) },
		"threads":       with(d.threads),
		"thread":        with(d.thread),
		"thread-reply":  with(d.threadReply),
		"thread-close":  with(d.threadClose),
		"thread-take":   with(d.threadTake),
		"forget":        with(d.forget),
		"backup":        with(d.backupTo),
		"report":        with(d.report),
		"test":          with(d.testText),
		"text":          with(d.text),
		"reload":        func(context.Context, *control.Request) (any, error) { return nil, d.reload() },
	}
}

// streamers are the verbs that answer with bytes.
func (d *Daemon) streamers() map[string]control.Streamer {
	return map[string]control.Streamer{
		"optout-export": func(ctx context.Context, _ *control.Request, w io.Writer) error {
			_, _, err := d.store.ExportOptOuts(ctx, w)
			return err
		},
		"copy": func(_ context.Context, _ *control.Request, w io.Writer) error {
			_, err := d.store.WriteTo(w)
			return err
		},
		"watch": d.watch,
	}
}

// receivers are the verbs that take bytes.
func (d *Daemon) receivers() map[string]control.Receiver {
	return map[string]control.Receiver{"optout-import": d.importOptOuts}
}

// with decodes a verb's arguments.
func with[A, R any](f func(context.Context, A) (R, error)) control.Handler {
	return func(ctx context.Context, r *control.Request) (any, error) {
		var args A
		if err := r.Decode(&args); err != nil {
			return nil, err
		}
		return f(ctx, args)
	}
}

func (d *Daemon) panicked(verb string, value any, stack []byte) {
	d.log.Error("panic", "verb", verb, "value", fmt.Sprint(value), "stack", string(stack))
}

func (d *Daemon) status(ctx context.Context) (*Status, error) {
	cfg := d.conf.Load().cfg
	s := &Status{Version: d.o.Version, Started: d.started, Now: d.now(), OnPhone: d.live.count(), Breakers: d.breakers.list(),
		Lines: len(cfg.Set.Lines), Shadow: shadowLines(cfg), ReloadGood: d.met.lastReload.Load(), Budgets: d.budgets(ctx, cfg),
		Accepted: moment(d.met.lastAccepted.Load()), Receipt: moment(d.met.lastReceipt.Load())}
	for _, conf := range cfg.PBXs {
		p := d.pbxNamed(conf.Name)
		if p == nil {
			continue // a reload is about to start it
		}
		ps := PBXStatus{Name: conf.Name, Kind: conf.Kind, Waiting: p.queue.len(), Calls: p.calls.Load(), LastEvent: time.Unix(0, p.last.Load())}
		if src := p.src.Load(); src != nil {
			st := (*src).state()
			ps.Up, ps.Events, ps.Lost = st.Up, st.Events, st.Lost
		}
		ps.Since = d.met.since("pbx", p.name, ps.Up, s.Now)
		if !ps.Up {
			t := d.met.why("pbx", p.name)
			ps.Why, ps.Hint = t.why, t.hint
		}
		if ts := p.stats.Load(); ts != nil {
			ps.Live, ps.Legs, ps.Swept = ts.Calls, ts.Legs, ts.Swept
		}
		s.PBXs = append(s.PBXs, ps)
	}
	for _, l := range d.conf.Load().pool.Links() {
		c := l.Counters()
		ls := SMPPStatus{Name: l.Name(), Addr: l.Config().Addr, Up: l.Bound(), InFlight: c.InFlight, Accepted: c.Accepted,
			Refused: c.Refused, InDoubt: c.Unanswered, Received: c.Delivered}
		ls.Since = d.met.since("smpp", ls.Name, ls.Up, s.Now)
		if !ls.Up {
			t := d.met.why("smpp", ls.Name)
			ls.Why, ls.Hint = t.why, t.hint
		}
		s.SMPPs = append(s.SMPPs, ls)
	}
	for _, what := range []string{"http", "metrics"} {
		if t := d.met.why(kindListener, what); t.why != "" {
			if s.Shut == nil {
				s.Shut = make(map[string]string)
			}
			s.Shut[what] = t.why
		}
	}
	if free, size, err := disk(filepath.Dir(cfg.State)); err == nil {
		s.Disk = &Disk{Free: free, Size: size}
	}
	for _, w := range cfg.Warnings {
		s.Warnings = append(s.Warnings, w.String())
	}
	var err error
	if s.Store, err = d.store.Stats(ctx); err != nil {
		return nil, err
	}
	if next, ok, err := d.store.NextDue(ctx); err == nil && ok {
		s.NextDue = &next
	}
	if s.Unknown, err = d.store.Uncertain(ctx, d.now().Add(time.Second), 20, nil); err != nil {
		return nil, err
	}
	if s.Targets, err = d.store.Targets(ctx); err != nil {
		return nil, err
	}
	if s.Queue, err = d.queue(ctx, s); err != nil {
		return nil, err
	}
	if s.Counts, err = d.store.Counts(ctx, time.Time{}, time.Time{}); err != nil {
		return nil, err
	}
	s.Troubles = d.troubles(cfg, s)
	return s, nil
}

// moment is a time of so many Unix nanoseconds, nil for 0.
func moment(nanos int64) *time.Time {
	if nanos == 0 {
		return nil
	}
	return ptr(time.Unix(0, nanos))
}

// number reads a number that somebody typed at a command.
func number(cfg *configs.Config, typed string) (string, error) {
	n, err := textback.ParseNumber(typed, homeRegion(cfg), nil, false)
	if err != nil {
		return "", &control.Error{Code: "number", Message: fmt.Sprintf("%q is not a telephone number", typed), Hint: "write it as +12025550123"}
	}
	return n.E164, nil
}

// Explanation is everything that is known about a number or a call.
type Explanation struct {
	store.Explanation
	Waiting []store.Delivery // hand-offs about the person that wait
}

// Explain looks everything up that is known about a number or a call.
func Explain(ctx context.Context, st *store.Store, what string) (*Explanation, error) {
	x, err := st.Explain(ctx, what)
	if err != nil {
		return nil, err
	}
	person := what
	if len(x.Calls) == 1 && x.Calls[0].Call.ID == what {
		person = x.Calls[0].Decision.Caller
	}
	out := &Explanation{Explanation: x}
	if person != "" {
		if out.Waiting, err = st.WaitingFor(ctx, person); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Empty tells whether nothing is known.
func (x *Explanation) Empty() bool {
	return len(x.Calls)+len(x.Texts)+len(x.Threads)+len(x.Ledger)+len(x.Out)+len(x.Made)+len(x.Waiting) == 0
}

func (d *Daemon) explain(ctx context.Context, a ExplainArgs) (*Explanation, error) {
	what := a.What
	if !strings.Contains(what, "/") {
		if n, err := number(d.conf.Load().cfg, what); err == nil {
			what = n
		}
	}
	return Explain(ctx, d.store, what)
}

// chosen are the businesses that a command means.
func chosen(cfg *configs.Config, business string) ([]string, error) {
	if business == "" {
		return businesses(cfg), nil
	}
	if cfg.Set.Businesses[business] == nil {
		return nil, &control.Error{Code: "business", Message: fmt.Sprintf("there is no [business.%s]", business),
			Hint: "one of: " + strings.Join(businesses(cfg), ", ")}
	}
	return append([]string{business}, cfg.Set.SharedWith(business)...), nil
}

func (d *Daemon) optOutByCommand(ctx context.Context, a OptArgs) (*store.OptResult, error) {
	return d.optByCommand(ctx, a, d.store.OptOut, "opt-out")
}

func (d *Daemon) optInByCommand(ctx context.Context, a OptArgs) (*store.OptResult, error) {
	return d.optByCommand(ctx, a, d.store.OptIn, "opt-in")
}

func (d *Daemon) optByCommand(ctx context.Context, a OptArgs, do func(context.Context, store.OptChange, time.Time) (store.OptResult, error), event string) (*store.OptResult, error) {
	cfg := d.conf.Load().cfg
	n, err := number(cfg, a.Number)
	if err != nil {
		return nil, err
	}
	all, err := chosen(cfg, a.Business)
	if err != nil {
		return nil, err
	}
	c := store.OptChange{Number: n, Businesses: all, Source: a.Source, Wording: a.Note}
	if c.Source == "" {
		c.Source = store.SourceCommand
	}
	c.Also = d.optDeliveries(cfg, event, all, c)
	r, err := do(ctx, c, d.now())
	if err != nil {
		return nil, err
	}
	if event == "opt-out" {
		d.flights.recall(n)
	}
	d.log.Log(ctx, noticeLevel, event, "from", textback.Short(n), "businesses", strings.Join(all, ","), "source", c.Source, "changed", r.Changed,
		"cancelled", len(r.Cancelled))
	return &r, nil
}

// listMost is how many opt-outs are listed at once: the reply is gathered in memory.
const listMost = 200_000

func optOuts(ctx context.Context, st *store.Store) ([]store.OptedOut, error) {
	stats, err := st.Stats(ctx)
	if err != nil {
		return nil, err
	}
	if stats.OptedOut > listMost {
		return nil, &control.Error{Code: "too-long", Message: fmt.Sprintf("%d opt-outs are too many to list", stats.OptedOut),
			Hint: "`textback optout export` writes them all, `textback explain NUMBER` tells of one"}
	}
	list := []store.OptedOut{}
	err = st.OptOuts(ctx, func(o store.OptedOut) bool { list = append(list, o); return true })
	return list, err
}

func (d *Daemon) importOptOuts(ctx context.Context, csv io.Reader) (any, error) {
	cfg := d.conf.Load().cfg
	rows, err := store.ReadOptOuts(csv, func(s string) (string, error) { return number(cfg, s) }, businesses(cfg))
	if err != nil {
		return nil, &control.Error{Code: "csv", Message: err.Error(), Hint: "nothing was imported"}
	}
	r, err := d.store.ImportOptOuts(ctx, rows, d.now())
	if err == nil {
		d.log.Log(ctx, noticeLevel, "opt-out-import", "added", r.Added, "known", r.Known, "cancelled", r.Cleared)
	}
	return &r, err
}

func (d *Daemon) threads(ctx context.Context, a ThreadArgs) ([]textback.Thread, error) {
	return d.store.Threads(ctx, store.ThreadFilter{Business: a.Business, Closed: a.All})
}

// threadID finds a thread by its id or tag.
func (d *Daemon) threadID(ctx context.Context, word string) (uint64, error) {
	word = strings.TrimPrefix(strings.TrimSpace(word), "#")
	if th, err := d.store.ThreadByTag(ctx, word); err == nil {
		return th.ID, nil
	}
	if id, err := strconv.ParseUint(word, 10, 64); err == nil {
		if _, err := d.store.Thread(ctx, id); err == nil {
			return id, nil
		}
	}
	return 0, &control.Error{Code: "not-found", Message: fmt.Sprintf("there is no thread %q", word), Hint: "`textback threads` lists the open ones"}
}

func (d *Daemon) thread(ctx context.Context, a ThreadArgs) (*textback.Thread, error) {
	id, err := d.threadID(ctx, a.Thread)
	if err != nil {
		return nil, err
	}
	th, err := d.store.Thread(ctx, id)
	return &th, err
}

func (d *Daemon) threadReply(ctx context.Context, a ThreadArgs) (*textback.Text, error) {
	id, err := d.threadID(ctx, a.Thread)
	if err != nil {
		return nil, err
	}
	t, err := d.answer(ctx, id, a.Person, a.Text, 0)
	if errors.Is(err, store.ErrOptedOut) {
		return nil, &control.Error{Code: "opted-out", Message: "the caller has opted out: nothing was sent"}
	}
	return &t, err
}

func (d *Daemon) threadClose(ctx context.Context, a ThreadArgs) (*textback.Thread, error) {
	id, err := d.threadID(ctx, a.Thread)
	if err != nil {
		return nil, err
	}
	th, err := d.store.CloseThread(ctx, id, d.now())
	return &th, err
}

func (d *Daemon) threadTake(ctx context.Context, a ThreadArgs) (*textback.Thread, error) {
	id, err := d.threadID(ctx, a.Thread)
	if err != nil {
		return nil, err
	}
	th, err := d.store.TakeThread(ctx, id, a.Person, d.now())
	return &th, err
}

func (d *Daemon) forget(ctx context.Context, a OptArgs) (*store.Forgotten, error) {
	n, err := number(d.conf.Load().cfg, a.Number)
	if err != nil {
		return nil, err
	}
	f, err := d.store.Forget(ctx, n, d.now())
	if err == nil {
		d.feed.Forget(n)
		d.log.Log(ctx, noticeLevel, "forget", "calls", f.Calls, "texts", f.Texts, "threads", f.Threads, "still_out", slices.Concat(f.StillOut))
	}
	return &f, err
}
