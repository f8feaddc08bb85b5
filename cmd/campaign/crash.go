package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"syscall"
	"time"

	"textback"
	"textback/smpp/smpptest"
	"textback/store"
)

// life is one run of the daemon between its links coming up and its kill.
type life struct{ up, killed time.Time }

// crash kills the daemon at random moments under load, and holds the state file against the ledgers of its peers.
func crash(ctx context.Context, args []string, out io.Writer) error {
	fs := flag.NewFlagSet("crash", flag.ContinueOnError)
	var c common
	c.flags(fs)
	kills := fs.Int("kills", 20, "how often the daemon is killed")
	rate := fs.Float64("rate", 30, "calls per second")
	grace := fs.Bool("grace", false, "with resend_uncertain = \"grace\"")
	if err := fs.Parse(args); err != nil {
		return err
	}
	smpp := "rate = 0.0\nresponse_timeout = \"2s\"\n"
	if *grace {
		smpp += "resend_uncertain = \"grace\"\nuncertain_grace = \"3s\"\n"
	}
	st, err := newStage(c, settings{smpp: smpp,
		policy: "delay = \"0s\"\nmin_ring = \"0s\"\nper_block_hour = 1000000\nper_line_hour = 1000000\nper_hour = 1000000\nper_day = 1000000\n"})
	if err != nil {
		return err
	}
	defer st.close()
	r := &crashRun{stage: st, stopped: make(map[string]time.Time), grace: *grace}
	loadCtx, stopLoad := context.WithCancel(ctx)
	defer stopLoad()
	var wg sync.WaitGroup
	wg.Add(2)
	go func() { defer wg.Done(); r.calls(loadCtx, *rate, &wg) }()
	go func() { defer wg.Done(); r.replies(loadCtx) }()
	began := time.Now()
	for i := range *kills {
		if err := st.start(ctx); err != nil {
			return fmt.Errorf("start %d: %w", i+1, err)
		}
		var l life
		if err := st.linked(ctx); err != nil {
			return err
		}
		l.up = time.Now()
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Duration(rand.Int64N(int64(2 * time.Second)))):
		}
		l.killed = time.Now()
		st.kill(syscall.SIGKILL)
		r.lives = append(r.lives, l)
		if (i+1)%50 == 0 {
			fmt.Fprintf(out, "%d kills, %s\n", i+1, time.Since(began).Round(time.Second))
		}
	}
	// The last life ends in peace: what can still be settled is.
	if err := st.start(ctx); err != nil {
		return err
	}
	if err := st.linked(ctx); err != nil {
		return err
	}
	r.lives = append(r.lives, life{up: time.Now(), killed: time.Now().Add(24 * time.Hour)})
	stopLoad()
	wg.Wait()
	if *grace {
		if !wait(ctx, 10*time.Second) {
			return ctx.Err()
		}
	}
	if !wait(ctx, 4*time.Second) {
		return ctx.Err()
	}
	st.kill(syscall.SIGTERM)
	return r.judge(ctx, out)
}

type crashRun struct {
	*stage
	grace bool
	lives []life

	mu      sync.Mutex
	stopped map[string]time.Time // who said STOP and was acknowledged, and when
}

// calls plays recordings without end.
func (r *crashRun) calls(ctx context.Context, rate float64, wg *sync.WaitGroup) {
	callers := &numbers{}
	tick := time.NewTicker(time.Duration(float64(time.Second) / rate))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			wg.Add(1)
			go func() { defer wg.Done(); _ = r.playOne(ctx, callers.next(), 20) }()
		}
	}
}

// replies lets some of those who were texted answer, with STOP or with a question.
func (r *crashRun) replies(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	answered := make(map[string]bool)
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(200 * time.Millisecond):
		}
		for _, t := range r.smsc.Texts() {
			if answered[t.To] {
				continue
			}
			answered[t.To] = true
			n := rand.IntN(10)
			if n > 4 {
				continue
			}
			body := "Can you call me tomorrow?"
			if n < 3 {
				body = "STOP"
			}
			wg.Add(1)
			go func() {
				defer wg.Done()
				statuses, err := r.smsc.Deliver(ctx, smpptest.Message{From: t.To, To: t.From, Body: body})
				if err == nil && body == "STOP" && len(statuses) == 1 && statuses[0] == 0 {
					r.mu.Lock()
					r.stopped[t.To] = time.Now()
					r.mu.Unlock()
				}
			}()
		}
	}
}

// seen tells whether a life took a moment off the wire a second or more before it was killed.
func (r *crashRun) seen(at time.Time) bool {
	for _, l := range r.lives {
		if !at.Before(l.up) && !at.After(l.killed.Add(-time.Second)) {
			return true
		}
	}
	return false
}

// judge holds the state file against what the PBXs played and what the message centre took.
func (r *crashRun) judge(ctx context.Context, out io.Writer) error {
	s, err := store.Open(store.Options{Path: r.state(), ReadOnly: true})
	if err != nil {
		return err
	}
	defer s.Close()
	verdicts := make(map[string]textback.Verdict) // by call id
	if err := s.Calls(ctx, time.Time{}, time.Now().Add(time.Hour), func(v textback.Verdict) bool {
		verdicts[v.Call.ID] = v
		return true
	}); err != nil {
		return err
	}
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }

	sure, without := 0, 0
	check := func(id, recording string, missed bool, began, ended time.Time) {
		if !missed || ended.IsZero() || !r.seen(ended) {
			return
		}
		sure++
		if _, ok := verdicts[id]; !ok {
			without++
			fault("missed call %s (%s), %s to %s, has no verdict", id, recording, began.Format(time.StampMilli), ended.Format(time.StampMilli))
		}
	}
	for _, call := range r.asterisk.Ledger().Calls {
		if call.EndHeard {
			check("hq/"+call.ID, call.Trace, call.Missed, call.Began, call.Ended)
		}
	}
	for _, p := range r.freesw.Ledger() {
		if !p.Written.IsZero() {
			o, err := textback.ParseOutcome(p.Truth.Outcome)
			check("branch/"+p.Truth.ALeg, p.Recording, err == nil && o.Missed(), p.Began, p.Ended)
		}
	}

	doubt := make(map[string]int)
	unknown := 0
	if err := s.Texts(ctx, time.Time{}, time.Now().Add(time.Hour), func(t textback.Text) bool {
		if t.State == textback.Unknown || t.Resent {
			unknown++
			doubt[t.To]++
		}
		if t.State == textback.Submitting {
			fault("text %d rests as submitting", t.ID)
		}
		return true
	}); err != nil {
		return err
	}
	first, confirmations := make(map[string]int), make(map[string]int)
	after := 0
	for _, t := range r.smsc.Texts() {
		if strings.Contains(t.Body, "opted out") {
			confirmations[t.To]++
			continue
		}
		first[t.To]++
		if at, ok := r.stopped[t.To]; ok && t.At.After(at) {
			after++
			fault("%s said STOP, acknowledged %s, and was sent a text at %s", t.To, at.Format(time.StampMilli), t.At.Format(time.StampMilli))
		}
	}
	twice, twiceInDoubt := 0, 0
	for to, n := range first {
		switch {
		case n > 1 && r.grace && doubt[to] > 0:
			twiceInDoubt++
		case n > 1:
			twice++
			fault("%s got %d texts", to, n)
		}
	}
	lost, twoConfirmations := 0, 0
	for number := range r.stopped {
		isOut, err := s.OptedOut(ctx, number, "acme")
		if err != nil {
			return err
		}
		if !isOut {
			lost++
			fault("the acknowledged STOP of %s is lost", number)
		}
		if n := confirmations[number]; n > 1 && !(r.grace && doubt[number] > 0) {
			twoConfirmations++
			fault("%s got %d confirmations", number, n)
		}
	}
	stats, err := s.Stats(ctx)
	if err != nil {
		return err
	}
	if stats.Missed != stats.Verdicts {
		fault("%d missed calls, %d verdicts", stats.Missed, stats.Verdicts)
	}
	if err := s.Verify(ctx); err != nil {
		fault("the state file does not verify: %w", err)
	}
	fmt.Fprintf(out, "kills                                  %8d\n", len(r.lives)-1)
	fmt.Fprintf(out, "calls played                           %8d\n", len(r.asterisk.Ledger().Calls)+len(r.freesw.Ledger()))
	fmt.Fprintf(out, "missed, end on the wire 1 s before     %8d, of these without a verdict %d\n", sure, without)
	fmt.Fprintf(out, "verdicts                               %8d, missed calls taken in %d\n", stats.Verdicts, stats.Missed)
	fmt.Fprintf(out, "callers texted                         %8d, twice %d, twice and named as in doubt %d\n", len(first), twice, twiceInDoubt)
	fmt.Fprintf(out, "texts in doubt (unknown or resent)     %8d\n", unknown)
	fmt.Fprintf(out, "STOPs acknowledged                     %8d, lost %d, confirmed twice %d, texted afterwards %d\n", len(r.stopped), lost, twoConfirmations, after)
	if sure == 0 || len(first) == 0 || len(r.stopped) == 0 {
		fault("the load was too small to show anything")
	}
	return errors.Join(faults...)
}

func wait(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
