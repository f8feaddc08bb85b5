package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	bolt "go.etcd.io/bbolt"

	"textback"
	"textback/configs"
	"textback/rules"
	"textback/store"
)

// office is what decides about a call: the configuration of one business with forty lines.
type office struct{ cfg *configs.Config }

func newOffice() (*office, error) {
	toml := `
[[pbx]]
name = "hq"
kind = "asterisk"
url = "http://127.0.0.1:1/ari"
username = "u"
password = "p"
[[smpp]]
name = "carrier"
addr = "127.0.0.1:1"
system_id = "acme"
password = "pw"
[business.acme]
name     = "Acme Plumbing"
timezone = "America/New_York"
region   = "US"
[template]
open = "{{.Business}}: sorry we missed you{{with .Name}}, {{.}}{{end}}! Reply here. Reply STOP to opt out"
[policy]
delay = "0s"
min_ring = "0s"
per_block_hour = 1000000
per_line_hour = 1000000
per_hour = 1000000
per_day = 1000000
validate_numbers = false
regions = []
quiet = ""
`
	for i := range 40 {
		toml += fmt.Sprintf("[[line]]\nnumber = \"+155501%02d\"\nbusiness = \"acme\"\nfrom = \"+15550100\"\n", i)
	}
	cfg, err := configs.Parse("speed.toml", []byte(toml), configs.Options{})
	return &office{cfg}, err
}

// missedCall are the events of one call that nobody took: a caller, one phone that rang.
func missedCall(i int, now time.Time) []textback.Event {
	id, phone := fmt.Sprintf("a.%d", i), fmt.Sprintf("b.%d", i)
	// Callers are strewn over the numbers, as callers are: seldom two of one block.
	caller := fmt.Sprintf("+1%03d%07d", 200+i*7919%700, i*104729%10000000)
	at := func(seconds int) time.Time { return now.Add(time.Duration(seconds-20) * time.Second) }
	e := func(kind textback.EventKind, seconds int, leg string) textback.Event {
		return textback.Event{Kind: kind, At: at(seconds), Seen: now, Leg: leg}
	}
	arrived, rang, dialled := e(textback.LegCreated, 0, id), e(textback.LegCreated, 1, phone), e(textback.LegDialled, 1, id)
	arrived.Info = &textback.LegInfo{Kind: textback.LegInbound, Name: "PJSIP/trunk-1", Party: textback.Party{Number: caller},
		Dialled: []string{fmt.Sprintf("+155501%02d", i%40)}}
	rang.Info = &textback.LegInfo{Kind: textback.LegOutgoing, Name: "PJSIP/100-1"}
	dialled.Other, dialled.Stage = phone, textback.StageDial
	asked := e(textback.HangupRequested, 20, id)
	asked.By = textback.EndedByCaller
	return []textback.Event{arrived, rang, dialled, e(textback.LegRinging, 2, phone), asked, e(textback.LegEnded, 20, phone), e(textback.LegEnded, 20, id)}
}

// observed runs n calls through a tracker and gives those that ended.
func observed(ctx context.Context, n int) <-chan textback.Call {
	out := make(chan textback.Call, 100)
	go func() {
		defer close(out)
		tracker := textback.NewTracker(textback.TrackerOptions{PBX: "hq", Settle: time.Millisecond})
		give := func(changes []textback.Change) {
			for _, c := range changes {
				if c.Kind == textback.CallEnded {
					select {
					case out <- c.Call:
					case <-ctx.Done():
					}
				}
			}
		}
		for i := range n {
			for _, e := range missedCall(i, time.Now()) {
				give(tracker.Observe(e))
			}
		}
		give(tracker.Settle(time.Now().Add(time.Hour)))
	}()
	return out
}

// each lets so many decide at once, and gives the calls that were decided in a second.
func each(ctx context.Context, n, at int, decide func(textback.Call) error) (float64, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	calls := observed(ctx, n)
	errs := make(chan error, at)
	var wg sync.WaitGroup
	began := time.Now()
	for range at {
		wg.Go(func() {
			for c := range calls {
				if err := decide(c); err != nil {
					errs <- err
					cancel()
					return
				}
			}
		})
	}
	wg.Wait()
	close(errs)
	return float64(n) / time.Since(began).Seconds(), <-errs
}

// facts and keys are as the daemon makes them.
func (o *office) facts(c textback.Call) (rules.Facts, store.Keys) {
	f := o.cfg.Set.Facts(c, "US", nil)
	f.Now, f.Ended = time.Now(), time.Now()
	k := store.Keys{Caller: f.CallerKey(), Business: f.Line.Business.Key, Line: f.Line.Number, Zone: f.Line.Business.Zone,
		RepeatWithin: f.Line.Policy.RepeatWithin, InThread: f.Line.Policy.InThread}
	k.Block = textback.Block(k.Caller)
	return f, k
}

// decide gives a call its verdict, claim and queued text.
func (o *office) decide(ctx context.Context, s *store.Store, c textback.Call) error {
	f, k := o.facts(c)
	v, _, err := s.Decide(ctx, c, k, time.Now(), func(h textback.History) textback.Decision {
		f.History = h
		return o.cfg.Set.Decide(f)
	})
	if err == nil && v.Decision.Reason != textback.ReasonText {
		err = fmt.Errorf("call %s was decided %s: %s", c.ID, v.Decision.Reason, v.Decision.Detail)
	}
	return err
}

// decideGrouped is the way of the daemon: history, decision, verdict, claim and queued text in one transaction, of which most share a
// commit; 0 is the store's own bound.
func (o *office) decideGrouped(ctx context.Context, path string, most, n, at int, slow time.Duration) (float64, error) {
	opts := store.Options{Path: path, GroupMost: most}
	if slow > 0 {
		opts.BeforeCommit = func() error { time.Sleep(slow); return nil }
	}
	s, err := store.Open(opts)
	if err != nil {
		return 0, err
	}
	defer os.Remove(path)
	defer s.Close()
	rate, err := each(ctx, n, at, func(c textback.Call) error { return o.decide(ctx, s, c) })
	if err != nil {
		return 0, err
	}
	st, err := s.Stats(ctx)
	if err == nil && most > 0 && st.Commits < uint64(n/most) {
		err = fmt.Errorf("%d calls in %d commits", n, st.Commits)
	}
	if err == nil && (st.Verdicts != int64(n) || st.Texts[textback.Queued] != int64(n)) {
		err = fmt.Errorf("%d calls, %d verdicts, %d texts", n, st.Verdicts, st.Texts[textback.Queued])
	}
	return rate, err
}

// decideBare is a harder alternative, which does less: the same decision, and one bbolt Update for each call in which only the
// verdict is put. There is no history, claim, limit or text.
func (o *office) decideBare(ctx context.Context, path string, n, at int, slow time.Duration) (float64, error) {
	db, err := bolt.Open(path, 0o600, &bolt.Options{NoFreelistSync: true, FreelistType: bolt.FreelistMapType})
	if err != nil {
		return 0, err
	}
	defer os.Remove(path)
	defer db.Close()
	bucket := []byte("calls")
	if err := db.Update(func(tx *bolt.Tx) error { _, err := tx.CreateBucket(bucket); return err }); err != nil {
		return 0, err
	}
	rate, err := each(ctx, n, at, func(c textback.Call) error {
		f, _ := o.facts(c)
		d := o.cfg.Set.Decide(f)
		b, err := json.Marshal(textback.Verdict{Call: c, Decision: d, At: time.Now()})
		if err != nil {
			return err
		}
		if d.Reason != textback.ReasonText {
			return fmt.Errorf("call %s was decided %s", c.ID, d.Reason)
		}
		return db.Update(func(tx *bolt.Tx) error {
			if slow > 0 {
				time.Sleep(slow) // where a slow disk would sync
			}
			return tx.Bucket(bucket).Put([]byte(c.ID), b)
		})
	})
	if err != nil {
		return 0, err
	}
	got := 0
	err = db.View(func(tx *bolt.Tx) error {
		return tx.Bucket(bucket).ForEach(func(_, _ []byte) error { got++; return nil })
	})
	if err == nil && got != n {
		err = fmt.Errorf("%d calls, %d verdicts", n, got)
	}
	return rate, err
}

func speedVerdicts(ctx context.Context, b *bench) error {
	o, err := newOffice()
	if err != nil {
		return err
	}
	n := 10000
	if b.short {
		n = 500
	}
	path := filepath.Join(b.dir, "verdicts.db")
	var failed []error
	for _, disk := range []struct {
		name string
		slow time.Duration
		n    int
	}{{"this disk", 0, n}, {"a disk whose sync takes 5 ms longer", 5 * time.Millisecond, n / 20}} {
		if d, _, err := hot(b.dir); err == nil && disk.slow == 0 {
			b.tell("one write and fsync here, median", float64(d)/1e3, "us")
		}
		ours := func(most, n, at int) func(context.Context) (float64, error) {
			return func(ctx context.Context) (float64, error) { return o.decideGrouped(ctx, path, most, n, at, disk.slow) }
		}
		_, err := b.compare(ctx,
			side{"one commit for each call, 100 in flight: history, verdict, claim, text; " + disk.name, "calls/s", ours(1, disk.n/5, 100)},
			side{"textback, 100 in flight: history, verdict, claim, text; " + disk.name, "calls/s", ours(0, disk.n, 100)},
			side{"one bbolt Update for each call, the verdict alone; " + disk.name, "calls/s", func(ctx context.Context) (float64, error) {
				return o.decideBare(ctx, path, disk.n/5, 100, disk.slow)
			}},
			side{"textback, one in flight; " + disk.name, "calls/s", ours(0, disk.n/10, 1)})
		failed = append(failed, err)
	}
	return errors.Join(failed...)
}
