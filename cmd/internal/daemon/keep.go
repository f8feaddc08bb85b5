package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"textback"
	"textback/cmd/internal/handoff"
	"textback/configs"
	"textback/store"
)

// keep is the housekeeping: once a minute it looks at what is due.
func (d *Daemon) keep(ctx context.Context) error {
	k := &keeper{d: d, silent: make(map[string]bool), backedUp: lastBackup(d.conf.Load().cfg.Backup.Dir)}
	if _, err := d.day(ctx, d.now(), &k.today); err != nil && ctx.Err() == nil {
		d.sparingly(slog.LevelError, "store", "store-failed", "what", "counters", "error", err)
	}
	for sleep(ctx, keepTick) {
		k.tick(ctx, d.conf.Load().cfg, d.now())
	}
	return nil
}

const keepTick = 20 * time.Second

type keeper struct {
	d        *Daemon
	pruned   time.Time
	backedUp time.Time
	silent   map[string]bool // PBXs whose silence was told
	noTexts  string          // the day on which the alarm was given
	today    counts
}

// counts are the missed calls and texts of a day.
type counts struct{ missed, texts int64 }

func (k *keeper) tick(ctx context.Context, cfg *configs.Config, now time.Time) {
	d := k.d
	k.silence(cfg, now)
	d.breakers.tick(d, now, func(business string) bool { return d.hasBudget(ctx, cfg, business, now) })
	if cfg.Alarm.NoTexts {
		k.withoutTexts(ctx, now)
	}
	k.weekly(ctx, cfg, now)
	// Not in the first minutes: a daemon that has just come up has better to do. But a daemon that is restarted every day
	// must prune, too, so the interval does not count from the start.
	every := min(6*time.Hour, longer(cfg.Retention)/10)
	if now.Sub(d.started) >= min(every, 10*time.Minute) && (now.Sub(k.pruned) >= every || now.Before(k.pruned)) {
		k.pruned = now
		claims := 30 * 24 * time.Hour
		for _, l := range cfg.Set.Lines {
			claims = max(claims, l.Policy.Window, l.Policy.RepeatWithin)
		}
		p, err := d.store.Prune(ctx, store.Retention{Records: longer(cfg.Retention), Claims: claims}, now)
		if err != nil {
			d.sparingly(slog.LevelError, "store", "store-failed", "what", "pruning", "error", err)
		} else if p.Calls+p.Texts+p.Threads > 0 {
			d.log.Info("pruned", "calls", p.Calls, "texts", p.Texts, "threads", p.Threads)
		}
	}
	if b := cfg.Backup; b.Every > 0 && b.Dir != "" && (now.Sub(k.backedUp) >= b.Every || now.Before(k.backedUp)) {
		k.backedUp = now
		if path, err := d.backup(ctx, b, now); err != nil {
			d.log.Error("backup-failed", "error", err)
			d.alarm(handoff.Alarm{ID: "backup-failed", Message: err.Error()})
		} else {
			d.log.Info("backup", "file", path)
		}
	}
}

func longer(r configs.Retention) time.Duration {
	if r.Threads <= 0 || r.Calls <= 0 {
		return 100 * 365 * 24 * time.Hour // one of them is to be kept for ever, and they refer to each other
	}
	return max(r.Threads, r.Calls)
}

// silence tells of a PBX from which nothing comes: not its words but their absence is the trouble.
func (k *keeper) silence(cfg *configs.Config, now time.Time) {
	limit := cfg.Alarm.Silence
	if limit <= 0 {
		return
	}
	k.d.mu.Lock()
	pbxs := make([]*pbx, 0, len(k.d.pbxs))
	for _, p := range k.d.pbxs {
		if !p.removed {
			pbxs = append(pbxs, p)
		}
	}
	k.d.mu.Unlock()
	for _, p := range pbxs {
		quiet := now.Sub(time.Unix(0, p.last.Load()))
		switch {
		case quiet < limit:
			if k.silent[p.name] {
				k.d.log.Log(context.Background(), noticeLevel, "pbx-heard", "pbx", p.name)
			}
			delete(k.silent, p.name)
		case !k.silent[p.name]:
			k.silent[p.name] = true
			message := fmt.Sprintf("no event from PBX %s for %s", p.name, quiet.Round(time.Minute))
			k.d.log.Warn("pbx-silent", "pbx", p.name, "for", quiet.Round(time.Minute).String())
			k.d.alarm(handoff.Alarm{ID: "pbx-silent", PBX: p.name, Message: message})
		}
	}
}

// enoughMissed is how many missed calls without a single text make a day suspicious.
const enoughMissed = 5

// withoutTexts tells, once a day, that calls are missed and nobody is texted.
func (k *keeper) withoutTexts(ctx context.Context, now time.Time) {
	day := now.Format(time.DateOnly)
	if k.noTexts == day {
		return
	}
	n, err := k.d.day(ctx, now, nil)
	if err != nil || n.missed < enoughMissed || n.texts > 0 {
		return
	}
	k.noTexts = day
	k.d.log.Warn("no-texts", "missed", n.missed, "texts", 0, "hint", "`textback explain` tells why each was not texted")
	k.d.alarm(handoff.Alarm{ID: "no-texts", Message: fmt.Sprintf("%d missed calls today, 0 texts", n.missed)})
}

// day counts the missed calls and the verdicts to text of the current day.
func (d *Daemon) day(ctx context.Context, now time.Time, into *counts) (counts, error) {
	y, m, day := now.Date()
	list, err := d.store.Counts(ctx, time.Date(y, m, day, 0, 0, 0, 0, now.Location()), now)
	var n counts
	for _, c := range list {
		switch {
		case c.Kind == store.CountMissed:
			n.missed += c.N
		case c.Kind == store.CountVerdict && (c.Word == textback.ReasonText.String() || c.Word == textback.ReasonShadow.String()):
			n.texts += c.N
		}
	}
	if into != nil {
		*into = n
	}
	return n, err
}

// hasBudget tells whether a business may text again.
func (d *Daemon) hasBudget(ctx context.Context, cfg *configs.Config, business string, now time.Time) bool {
	b := cfg.Set.Businesses[business]
	if b == nil {
		return true
	}
	h, err := d.store.History(ctx, store.Keys{Business: business, Zone: b.Zone}, now)
	return err == nil && h.BusinessHour < b.Policy.PerHour && h.BusinessDay < b.Policy.PerDay
}

const backupPattern = "textback-*.db"

// backup writes a checked copy and removes the oldest beyond what is kept.
func (d *Daemon) backup(ctx context.Context, b configs.Backup, now time.Time) (string, error) {
	if err := os.MkdirAll(b.Dir, 0o700); err != nil {
		return "", fmt.Errorf("make the folder of the backups: %w", err)
	}
	path := filepath.Join(b.Dir, "textback-"+now.UTC().Format("20060102T150405Z")+".db")
	if err := d.store.Backup(ctx, path); err != nil {
		return "", fmt.Errorf("back up to %s: %w", path, err)
	}
	files, err := filepath.Glob(filepath.Join(b.Dir, backupPattern))
	if err != nil {
		return path, err
	}
	slices.Sort(files)
	for keep := max(b.Keep, 1); len(files) > keep; files = files[1:] {
		err = errors.Join(err, os.Remove(files[0]))
	}
	return path, err
}

// lastBackup is when the newest backup in a folder was made; zero if there is none.
func lastBackup(dir string) time.Time {
	files, err := filepath.Glob(filepath.Join(dir, backupPattern))
	if err != nil || len(files) == 0 {
		return time.Time{}
	}
	slices.Sort(files)
	name := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(files[len(files)-1]), "textback-"), ".db")
	at, err := time.Parse("20060102T150405Z", name)
	if err != nil {
		return time.Time{}
	}
	return at
}
