package daemon

import (
	"context"
	"path/filepath"
	"time"

	"textback"
	"textback/cmd/internal/web"
	"textback/configs"
	"textback/store"
)

// readings are the metrics that are read when Prometheus asks: how things stand at that moment.
func readings() []web.Reading {
	return []web.Reading{
		{Name: "link_up", Help: "Whether a link is up.", Labels: []string{"kind", "name"}},
		{Name: "link_since_timestamp_seconds", Help: "Since when a link is up, or down.", Labels: []string{"kind", "name"}},
		{Name: "events_total", Help: "Events read from a PBX.", Labels: []string{"pbx"}},
		{Name: "events_lost_total", Help: "Events dropped because they came faster than they were taken.", Labels: []string{"pbx"}},
		{Name: "events_unread_total", Help: "Events that could not be decoded.", Labels: []string{"pbx"}},
		{Name: "read_backs_total", Help: "Times that the live calls were read from a PBX.", Labels: []string{"pbx"}},
		{Name: "pbx_last_event_timestamp_seconds", Help: "When something came from a PBX last.", Labels: []string{"pbx"}},
		{Name: "live_calls", Help: "Calls going on now.", Labels: []string{"pbx"}},
		{Name: "live_legs", Help: "Channels of a PBX that are known now.", Labels: []string{"pbx"}},
		{Name: "legs_swept_total", Help: "Channels that never ended and were given up.", Labels: []string{"pbx"}},
		{Name: "calls_unstored", Help: "Changes of calls that could not be stored yet.", Labels: []string{"pbx"}},
		{Name: "submits_total", Help: "Segments by how the message centre answered.", Labels: []string{"link", "result"}},
		{Name: "submits_in_flight", Help: "Segments that wait for an answer.", Labels: []string{"link"}},
		{Name: "queue", Help: "What waits.", Labels: []string{"queue"}},
		{Name: "oldest_due_seconds", Help: "For how long the oldest text that is due has been due; 0 if none is."},
		{Name: "last_accepted_timestamp_seconds", Help: "When a message centre took a text last, since the start."},
		{Name: "last_receipt_timestamp_seconds", Help: "When a receipt came last, since the start."},
		{Name: "opted_out", Help: "Opt-outs that stand."},
		{Name: "threads_open", Help: "Open conversations."},
		{Name: "budget_used", Help: "Texts of the present clock hour or day.", Labels: []string{"business", "period"}},
		{Name: "budget_limit", Help: "Texts that the clock hour or day allows; absent without a limit.", Labels: []string{"business", "period"}},
		{Name: "stored_missed_calls_total", Help: "Missed calls on record since the state file was made."},
		{Name: "stored_verdicts_total", Help: "Verdicts on record since then: always as many."},
		{Name: "store_size_bytes", Help: "Size of the state file."},
		{Name: "store_free_bytes", Help: "Of these, in pages that are free."},
		{Name: "store_failing", Help: "1 while the last commit failed."},
		{Name: "disk_free_bytes", Help: "What is free where the state file lies."},
		{Name: "disk_size_bytes", Help: "Size of the file system where the state file lies."},
		{Name: "handoff_disabled", Help: "1 for a hand-off whose receiver wants nothing any more.", Labels: []string{"target"}},
		{Name: "shadow_lines", Help: "Lines in shadow mode: nothing is sent for them."},
		{Name: "reload_good", Help: "1 if the last reload of the configuration worked, and before the first."},
		{Name: "watchers", Help: "Those who watch by `textback watch` now."},
		{Name: "config_warnings", Help: "Warnings about the configuration in force."},
		{Name: "backup_last_timestamp_seconds", Help: "When the last backup was made."},
		{Name: "backup_interval_seconds", Help: "How often a backup is to be made; absent if none is."},
	}
}

// scrapeWithin bounds what reading the metrics may cost.
const scrapeWithin = 3 * time.Second

// readings registers what is read when it is asked for.
func (d *Daemon) readings() {
	d.met.Alive, d.met.Ready = d.alive, d.missing
	d.met.Read(readings(), func(set func(name string, value float64, labels ...string)) {
		r := d.conf.Load()
		if r == nil {
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), scrapeWithin)
		defer cancel()
		d.readLinks(r, set)
		d.readStore(ctx, r.cfg, set)
	})
}

func (d *Daemon) readLinks(r *running, set func(string, float64, ...string)) {
	for _, conf := range r.cfg.PBXs {
		p := d.pbxNamed(conf.Name)
		if p == nil {
			continue
		}
		var st linkState
		if src := p.src.Load(); src != nil {
			st = (*src).state()
		}
		set("link_up", number01(st.Up), "pbx", p.name)
		set("link_since_timestamp_seconds", seconds(d.met.since("pbx", p.name, st.Up, d.now())), "pbx", p.name)
		set("events_total", float64(st.Events), p.name)
		set("events_lost_total", float64(st.Lost), p.name)
		set("events_unread_total", float64(st.Unread), p.name)
		set("read_backs_total", float64(st.ReadBacks), p.name)
		set("pbx_last_event_timestamp_seconds", float64(p.last.Load())/1e9, p.name)
		set("calls_unstored", float64(p.queue.len()), p.name)
		var ts textback.TrackerStats
		if have := p.stats.Load(); have != nil {
			ts = *have
		}
		set("live_calls", float64(ts.Calls), p.name)
		set("live_legs", float64(ts.Legs), p.name)
		set("legs_swept_total", float64(ts.Swept), p.name)
	}
	for _, l := range r.pool.Links() {
		c, up := l.Counters(), l.Bound()
		set("link_up", number01(up), "smpp", l.Name())
		set("link_since_timestamp_seconds", seconds(d.met.since("smpp", l.Name(), up, d.now())), "smpp", l.Name())
		set("submits_total", float64(c.Accepted), l.Name(), "accepted")
		set("submits_total", float64(c.Refused), l.Name(), "refused")
		set("submits_total", float64(c.Throttled), l.Name(), "throttled")
		set("submits_total", float64(c.Unanswered), l.Name(), "unanswered")
		set("submits_in_flight", float64(c.InFlight), l.Name())
	}
}

func (d *Daemon) readStore(ctx context.Context, cfg *configs.Config, set func(string, float64, ...string)) {
	set("shadow_lines", float64(len(shadowLines(cfg))))
	set("watchers", float64(d.feed.Watching()))
	set("reload_good", number01(d.met.lastReload.Load()))
	set("config_warnings", float64(len(cfg.Warnings)))
	for name, at := range map[string]int64{"last_accepted": d.met.lastAccepted.Load(), "last_receipt": d.met.lastReceipt.Load()} {
		if at != 0 {
			set(name+"_timestamp_seconds", float64(at)/1e9)
		}
	}
	if b := cfg.Backup; b.Every > 0 && b.Dir != "" {
		set("backup_interval_seconds", b.Every.Seconds())
		if last := lastBackup(b.Dir); !last.IsZero() {
			set("backup_last_timestamp_seconds", seconds(last))
		}
	}
	if free, size, err := disk(filepath.Dir(cfg.State)); err == nil {
		set("disk_free_bytes", float64(free))
		set("disk_size_bytes", float64(size))
	}
	s, err := d.store.Stats(ctx)
	if err != nil {
		return // it is being closed
	}
	for _, st := range openStates() {
		set("queue", float64(s.Texts[st]), st.String())
	}
	set("queue", float64(s.Deliveries), "handoff")
	set("opted_out", float64(s.OptedOut))
	set("threads_open", float64(s.Threads))
	set("stored_missed_calls_total", float64(s.Missed))
	set("stored_verdicts_total", float64(s.Verdicts))
	set("store_size_bytes", float64(s.Size))
	set("store_free_bytes", float64(s.Free))
	set("store_failing", number01(s.LastError != ""))
	if next, ok, err := d.store.NextDue(ctx); err == nil {
		late := 0.0
		if ok {
			late = max(d.now().Sub(next), 0).Seconds()
		}
		set("oldest_due_seconds", late)
	}
	for _, b := range d.budgets(ctx, cfg) {
		set("budget_used", float64(b.Hour), b.Business, "hour")
		set("budget_used", float64(b.Day), b.Business, "day")
		if b.PerHour > 0 {
			set("budget_limit", float64(b.PerHour), b.Business, "hour")
		}
		if b.PerDay > 0 {
			set("budget_limit", float64(b.PerDay), b.Business, "day")
		}
	}
	if targets, err := d.store.Targets(ctx); err == nil {
		for _, t := range targets {
			if notifyNamed(cfg, t.Name) != nil {
				set("handoff_disabled", number01(t.Disabled), t.Name)
			}
		}
	}
}

// Budget is how much of a business's budget is used.
type Budget struct {
	Business string `json:"business"`
	Hour     int    `json:"hour"`     // texts of the present clock hour
	PerHour  int    `json:"per_hour"` // 0: no limit
	Day      int    `json:"day"`
	PerDay   int    `json:"per_day"`
}

// budgets are those of all businesses.
func (d *Daemon) budgets(ctx context.Context, cfg *configs.Config) []Budget {
	var all []Budget
	for _, key := range businesses(cfg) {
		b := cfg.Set.Businesses[key]
		h, err := d.store.History(ctx, store.Keys{Business: key, Zone: b.Zone}, d.now())
		if err != nil {
			continue
		}
		all = append(all, Budget{Business: key, Hour: h.BusinessHour, PerHour: b.Policy.PerHour, Day: h.BusinessDay, PerDay: b.Policy.PerDay})
	}
	return all
}

// shadowLines are the lines in shadow mode.
func shadowLines(cfg *configs.Config) (numbers []string) {
	for _, l := range cfg.Set.Lines {
		if l.Policy.Shadow {
			numbers = append(numbers, l.Number)
		}
	}
	return numbers
}

// pbxNamed is a PBX of the configuration; nil while a reload is about to start it.
func (d *Daemon) pbxNamed(name string) *pbx {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.pbxs[name]
}

func number01(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func seconds(t time.Time) float64 { return float64(t.UnixNano()) / 1e9 }
