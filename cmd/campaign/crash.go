package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
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
	grace := fs.Bool("grace", false, "with resend_uncertain = \"grace\": takes a minute more")
	if err := fs.Parse(args); err != nil {
		return err
	}
	smpp := "rate = 0.0\nresponse_timeout = \"2s\"\n"
	if *grace {
		smpp += "resend_uncertain = \"grace\"\nuncertain_grace = \"1m\"\n"
	}
	st, err := newStage(c, settings{smpp: smpp, policy: unlimited})
	if err != nil {
		return err
	}
	defer st.close()
	r := &crashRun{stage: st, grace: *grace}
	loadCtx, stopLoad := context.WithCancel(ctx)
	defer stopLoad()
	var wg sync.WaitGroup
	wg.Add(3)
	go func() { defer wg.Done(); r.watchMachine(ctx, loadCtx.Done()) }()
	go func() { defer wg.Done(); r.calls(loadCtx, *rate, &wg) }()
	go func() { defer wg.Done(); r.replies(loadCtx) }()
	began := time.Now()
	for i := range *kills {
		if err := r.live(ctx); err != nil {
			return fmt.Errorf("start %d: %w", i+1, err)
		}
		// Some are killed before their links are up, most within two seconds after.
		if !wait(ctx, time.Duration(rand.Int64N(int64(2*time.Second)))) {
			return ctx.Err()
		}
		r.lives[len(r.lives)-1].killed = time.Now()
		st.kill(syscall.SIGKILL)
		if (i+1)%50 == 0 {
			fmt.Fprintf(out, "%d kills, %s\n", i+1, time.Since(began).Round(time.Second))
		}
	}
	r.took = time.Since(began)
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
	rest := 5 * time.Second
	if *grace {
		rest = 80 * time.Second
	}
	if !wait(ctx, rest) {
		return ctx.Err()
	}
	status, err := st.status(ctx)
	if err != nil {
		return err
	}
	st.kill(syscall.SIGTERM)
	return r.judge(ctx, out, status.Store.Texts[textback.Unknown], len(status.Unknown))
}

// unlimited is a policy that texts at once and never for want of budget.
const unlimited = "delay = \"0s\"\nmin_ring = \"0s\"\nper_block_hour = 1000000\nper_line_hour = 1000000\nper_hour = 1000000\nper_day = 1000000\n"

type crashRun struct {
	*stage
	grace bool
	took  time.Duration
	lives []life

	mu     sync.Mutex
	stalls []stall
}

// stall is a time in which the machine did nothing for us.
type stall struct{ from, to time.Time }

// watchMachine syncs a small file beside the state file again and again. Where that takes long, no textback could have
// stored a verdict, and the second that the promise leaves it is lengthened by as much.
func (r *crashRun) watchMachine(ctx context.Context, done <-chan struct{}) {
	f, err := os.Create(filepath.Join(r.dir, "probe"))
	if err != nil {
		return // nothing is excused then
	}
	defer f.Close()
	const often, slow = 50 * time.Millisecond, 150 * time.Millisecond
	for last := time.Now(); wait(ctx, often); {
		select {
		case <-done:
			return
		default:
		}
		if _, err := f.WriteAt([]byte{1}, 0); err != nil {
			return
		}
		if err := f.Sync(); err != nil {
			return
		}
		now := time.Now()
		if now.Sub(last) > often+slow {
			r.mu.Lock()
			r.stalls = append(r.stalls, stall{last, now})
			r.mu.Unlock()
		}
		last = now
	}
}

// stalled is how long of a time the machine stood.
func (r *crashRun) stalled(from, to time.Time) (total time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.stalls {
		if a, b := later(s.from, from), earlier(s.to, to); b.After(a) {
			total += b.Sub(a)
		}
	}
	return total
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// live starts a life. One in ten does not wait for its links, so that the kill meets the start itself.
func (r *crashRun) live(ctx context.Context) error {
	if rand.IntN(10) == 0 {
		r.lives = append(r.lives, life{up: time.Now().Add(24 * time.Hour)}) // nothing is surely heard
		return r.launch()
	}
	if err := r.start(ctx); err != nil {
		return err
	}
	if err := r.linked(ctx); err != nil {
		return err
	}
	r.lives = append(r.lives, life{up: time.Now()})
	return nil
}

// calls plays recordings without end: most callers are new, some call again, some of these after they said STOP.
func (r *crashRun) calls(ctx context.Context, rate float64, wg *sync.WaitGroup) {
	callers := &numbers{}
	tick := time.NewTicker(time.Duration(float64(time.Second) / rate))
	defer tick.Stop()
	var known []string
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		caller := ""
		switch n := rand.IntN(10); {
		case n < 3 && len(known) > 0:
			caller = known[rand.IntN(len(known))]
		default:
			caller = callers.next()
			known = append(known, caller)
		}
		wg.Add(1)
		// A call that was cut off in the middle would go on for ever, and its caller's text wait for its end.
		go func() { defer wg.Done(); _ = r.playOne(context.WithoutCancel(ctx), caller, 10) }()
	}
}

// replies lets some of those who were texted answer, with STOP or with a question. Some who were never texted say STOP too.
func (r *crashRun) replies(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	write := func(from, to, body string) {
		wg.Add(1)
		go func() {
			defer wg.Done()
			_, _ = r.smsc.Deliver(ctx, smpptest.Message{From: from, To: to, Body: body}) // the ledger has what became of it
		}()
	}
	done := 0
	defer r.smsc.SetFaults(smpptest.Faults{})
	for wait(ctx, 300*time.Millisecond) {
		// Answers that take a while are in flight when the kill comes, and what no receipt settles stays in doubt.
		r.smsc.SetFaults(smpptest.Faults{AnswerAfter: time.Duration(rand.Int64N(int64(400 * time.Millisecond))),
			NoReceipts: rand.IntN(3) == 0, DuplicateReceipts: rand.IntN(3) == 0})
		submits := r.smsc.Submits()
		for _, t := range submits[done:] {
			if !t.Taken || !strings.Contains(t.Body, firstWords) {
				continue
			}
			switch n := rand.IntN(10); {
			case n < 3:
				write(t.To, t.From, "STOP")
			case n < 5:
				write(t.To, t.From, fmt.Sprintf("Can you call me tomorrow? %d", t.Seq))
			case n < 6:
				// Nobody of this number has called yet; the numbers are dealt out in order, so it will.
				write(ahead(t.To, 500), t.From, "STOP")
			}
		}
		done = len(submits)
	}
}

// ahead is a caller who comes so many numbers later.
func ahead(number string, by int) string {
	var n int
	if _, err := fmt.Sscanf(number, "+1557%07d", &n); err != nil {
		return number
	}
	return fmt.Sprintf("+1557%07d", n+by)
}

// learning is how long textback may take to ask a PBX about the channels that it finds when its link comes up.
const learning = 500 * time.Millisecond

// seen tells whether a life took the end of a call off the wire a second or more before it was killed.
func (r *crashRun) seen(began, at time.Time) bool {
	for _, l := range r.lives {
		if began.Before(l.up) && at.Before(l.up.Add(learning)) {
			continue
		}
		if !at.Before(l.up) && !at.After(l.killed.Add(-time.Second)) && l.killed.Sub(at)-r.stalled(at, l.killed) >= time.Second {
			return true
		}
	}
	return false
}

// judge holds the state file against what the PBXs played and what the message centre took, and against what
// `textback status` said at the end.
func (r *crashRun) judge(ctx context.Context, out io.Writer, doubt int64, named int) error {
	b, err := r.audit(ctx, audit{sure: r.seen, grace: r.grace})
	if err != nil {
		return err
	}
	s, err := store.Open(store.Options{Path: r.state(), ReadOnly: true})
	if err != nil {
		return err
	}
	defer s.Close()
	unknown, err := s.InState(ctx, textback.Unknown, 1<<20)
	if err != nil {
		return err
	}
	if int64(len(unknown)) != doubt || doubt > 0 && named == 0 {
		b.fault("%d texts are in doubt, status told of %d and named %d", len(unknown), doubt, named)
	}
	fmt.Fprintf(out, "kills                                  %8d\n", len(r.lives)-1)
	b.print(out)
	fmt.Fprintf(out, "machine stood still                    %8d times for more than 0.15 s, %s in all (of %s)\n", len(r.stalls),
		r.stalled(time.Time{}, time.Now()).Round(100*time.Millisecond), r.took.Round(time.Second))
	fmt.Fprintf(out, "in doubt by `textback status`          %8d, the oldest %d by name\n", doubt, named)
	if b.Missed == 0 || b.Texted == 0 || b.Stopped == 0 || b.Refused == 0 {
		b.fault("the load was too small to show anything")
	}
	return b.err()
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
