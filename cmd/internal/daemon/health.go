package daemon

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"syscall"
	"time"

	"textback"
	"textback/configs"
)

// Severity is how bad a trouble is, in the order of a monitoring plugin's exit codes.
type Severity string

// What there is.
const (
	Warning  Severity = "warning"  // somebody should look today
	Critical Severity = "critical" // calls are not seen, or nobody is texted
)

// Trouble is something that keeps textback from doing all of its work, with what to do about it.
type Trouble struct {
	Severity Severity `json:"severity"`
	What     string   `json:"what"`
	Do       string   `json:"do"`
}

// Limits from which on a state is a trouble.
const (
	lateText    = time.Minute // a text that is due leaves within a second if anything works
	littleDisk  = 1 << 30     // bytes: a warning below this,
	hardlyDisk  = 100 << 20   // and critical below this
	probeWithin = 4 * time.Second
	probeAgain  = 10 * time.Second // a probe of the store writes; not more often than this
)

// troubles looks through a status for what should be mended.
func (d *Daemon) troubles(cfg *configs.Config, s *Status) []Trouble {
	var all []Trouble
	add := func(severity Severity, do, what string, args ...any) {
		all = append(all, Trouble{severity, fmt.Sprintf(what, args...), do})
	}
	for _, p := range s.PBXs {
		switch {
		case !p.Up:
			add(Critical, cmp.Or(p.Hint, "look at the PBX and the network; docs/troubleshooting.md"), "PBX %s is down since %s, its calls are not seen%s", p.Name,
				p.Since.Format(time.RFC3339), because(p.Why))
		case cfg.Alarm.Silence > 0 && s.Now.Sub(p.LastEvent) >= cfg.Alarm.Silence:
			add(Warning, "call a line yourself; is it the PBX that rings the phones?", "PBX %s: no event since %s", p.Name, p.LastEvent.Format(time.RFC3339))
		}
		if p.Waiting > 0 && s.Store.LastError != "" {
			add(Warning, "look at the disk", "PBX %s: %d changes of calls wait to be stored", p.Name, p.Waiting)
		}
	}
	down := 0
	for _, l := range s.SMPPs {
		if !l.Up {
			down++
		}
	}
	for _, l := range s.SMPPs {
		if l.Up {
			continue
		}
		severity, effect := Warning, "another one is up"
		if down == len(s.SMPPs) {
			severity, effect = Critical, "no text can leave"
		}
		add(severity, cmp.Or(l.Hint, "look at the network, or ask the gateway; docs/troubleshooting.md"), "message centre %s is down since %s, %s%s", l.Name,
			l.Since.Format(time.RFC3339), effect, because(l.Why))
	}
	if s.Store.LastError != "" {
		add(Critical, "look at the disk; it goes on by itself", "the state file cannot be written: %s", s.Store.LastError)
	}
	if s.Store.Missed != s.Store.Verdicts {
		add(Critical, "`textback optout verify`, and report it", "%d missed calls but %d verdicts on record", s.Store.Missed, s.Store.Verdicts)
	}
	switch {
	case s.Disk == nil:
	case s.Disk.Free < hardlyDisk:
		add(Critical, "make room", "only %d MiB are free where the state file lies", s.Disk.Free>>20)
	case s.Disk.Free < littleDisk:
		add(Warning, "make room", "%d MiB are free where the state file lies", s.Disk.Free>>20)
	}
	if s.Queue.OldestDue > lateText.Seconds() && down < len(s.SMPPs) {
		add(Warning, "`rate` may be too low, or the message centre throttles", "the oldest text that is due waits for %s",
			(time.Duration(s.Queue.OldestDue) * time.Second).String())
	}
	for _, b := range slices.Sorted(maps.Keys(s.Breakers)) {
		add(Warning, "look at the verdicts: abuse, or a budget too small?", "breaker open: %s: %s", b, s.Breakers[b])
	}
	for _, t := range s.Targets {
		if t.Disabled && notifyNamed(cfg, t.Name) != nil {
			add(Warning, "change or remove its [[notify]], reload", "hand-off %s is disabled: %s", t.Name, t.Note)
		}
	}
	for _, what := range slices.Sorted(maps.Keys(s.Shut)) {
		add(Warning, "is the port taken? `ss -ltnp`; a reload tries again", "the listener of [%s] is not open: %s", what, s.Shut[what])
	}
	if !s.ReloadGood {
		add(Warning, "`textback check`, mend the line that it names, reload again", "the last reload failed: the old configuration is in force")
	}
	slices.SortStableFunc(all, func(a, b Trouble) int { return rank(b.Severity) - rank(a.Severity) })
	return all
}

func because(why string) string {
	if why == "" {
		return ""
	}
	return ": " + why
}

func rank(s Severity) int {
	if s == Critical {
		return 2
	}
	return 1
}

// alive tells whether the process can read its own state: the answer of /healthz.
func (d *Daemon) alive(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, probeWithin)
	defer cancel()
	_, _, err := d.store.NextDue(ctx)
	return err
}

// missing tells what keeps textback from doing all of its work: the answer of /readyz. It writes to the store to know that it
// can, but not often: whoever may ask must not be able to wear the disk out.
func (d *Daemon) missing(ctx context.Context) (all []string) {
	r := d.conf.Load()
	for _, conf := range r.cfg.PBXs {
		if p := d.pbxNamed(conf.Name); p == nil || !p.linkUp() {
			all = append(all, "pbx "+conf.Name+" is down")
		}
	}
	for _, l := range r.pool.Links() {
		if !l.Bound() {
			all = append(all, "smpp "+l.Name()+" is down")
		}
	}
	ctx, cancel := context.WithTimeout(ctx, probeWithin)
	defer cancel()
	// On a full disk a small mark may still find room in the file, where a call does not: what waits after a failure is asked first.
	stuck := false
	if st, err := d.store.Stats(ctx); err != nil || st.LastError != "" {
		for _, conf := range r.cfg.PBXs {
			p := d.pbxNamed(conf.Name)
			stuck = stuck || p != nil && p.queue.len() > 0
		}
	}
	if stuck || d.prober.write(ctx, d) != nil {
		all = append(all, "the state file cannot be written")
	}
	return all
}

// prober writes to the store to see whether that works, one caller at a time.
type prober struct {
	turn chan struct{} // holds one token: who has it may use the rest
	at   time.Time
	err  error
}

func newProber() *prober {
	p := &prober{turn: make(chan struct{}, 1)}
	p.turn <- struct{}{}
	return p
}

// markProbe is the name under which the store remembers when it was probed.
const markProbe = "probe"

func (p *prober) write(ctx context.Context, d *Daemon) error {
	select {
	case <-p.turn:
		defer func() { p.turn <- struct{}{} }()
	case <-ctx.Done():
		return ctx.Err()
	}
	now := d.now()
	if since := now.Sub(p.at); since >= 0 && since < probeAgain && p.err == nil {
		return nil // what failed is tried again at once
	}
	p.at, p.err = now, d.store.SetMark(ctx, markProbe, now)
	return p.err
}

// Disk is the file system where the state file lies.
type Disk struct {
	Free uint64 `json:"free_bytes"` // for who is not root
	Size uint64 `json:"size_bytes"`
}

// disk asks the system how much room there is in a folder.
func disk(dir string) (free, size uint64, err error) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return 0, 0, err
	}
	return st.Bavail * uint64(st.Bsize), st.Blocks * uint64(st.Bsize), nil
}

// Queue is what waits to be sent.
type Queue struct {
	Due       int     `json:"due"`                // should have left; at most dueMost are counted
	Later     int64   `json:"later"`              // their time has not come: delay, quiet hours
	OnTheWire int64   `json:"on_the_wire"`        // submitting
	InDoubt   int64   `json:"in_doubt"`           // unknown
	OldestDue float64 `json:"oldest_due_seconds"` // for how long the oldest that is due has been due
	Handoffs  int64   `json:"handoffs"`
}

// dueMost bounds the counting of what is due.
const dueMost = 10_000

func (d *Daemon) queue(ctx context.Context, s *Status) (Queue, error) {
	q := Queue{OnTheWire: s.Store.Texts[textback.Submitting], InDoubt: s.Store.Texts[textback.Unknown], Handoffs: s.Store.Deliveries}
	due, err := d.store.Due(ctx, s.Now, dueMost)
	if err != nil {
		return q, err
	}
	if q.Due = len(due); q.Due > 0 {
		q.OldestDue = max(s.Now.Sub(due[0].Due), 0).Seconds()
	}
	q.Later = max(s.Store.Texts[textback.Queued]-int64(q.Due), 0)
	return q, nil
}
