package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"text/tabwriter"
	"time"

	v6 "github.com/CyCoreSystems/ari/v6"

	"textback"
	"textback/ari"
	"textback/ari/aritest"
	"textback/esl"
	"textback/esl/esltest"
)

// settleTime is the daemon's (cmd/internal/daemon/observe.go).
const settleTime = 250 * time.Millisecond

// speedEnd plays calls at 200 a second on the simulated Asterisk, with the binary, a delay of 0 and everything durable, and
// measures from the end of the caller's leg on the wire, plus the settling time, to the submit_sm at the message centre.
func speedEnd(ctx context.Context, b *bench) error {
	rate, length := 200, 20*time.Second
	if b.short {
		rate, length = 20, 3*time.Second
	}
	var p50s, p99s, times, hotTimes figures
	fmt.Fprintf(b.out, "%d calls a second for %v, delay 0\n", rate, length)
	rounds := b.rounds
	if b.short {
		rounds = 1
	}
	for range rounds {
		sync, trip, err := hot(b.dir)
		if err != nil {
			return err
		}
		late, syncBeside, tripBeside, err := b.endToEnd(ctx, rate, length)
		if err != nil {
			return err
		}
		slices.Sort(late)
		at := func(p int) time.Duration { return late[min(len(late)*p/100, len(late)-1)] }
		times, hotTimes = append(times, float64(at(50))/float64(syncBeside+tripBeside)), append(hotTimes, float64(at(50))/float64(sync+trip))
		short := func(d time.Duration) time.Duration { return d.Round(time.Microsecond) }
		fmt.Fprintf(b.out, "  %d texts: p50 %v, p90 %v, p99 %v, most %v; load %s\n", len(late), at(50).Round(10*time.Microsecond), at(90).Round(10*time.Microsecond),
			at(99).Round(10*time.Microsecond), late[len(late)-1].Round(time.Millisecond), loadAverage())
		fmt.Fprintf(b.out, "    p50 is %.1f times one fsync %v and one round trip %v meanwhile, %.1f times the same in a loop with nothing else running, %v and %v\n",
			times[len(times)-1], short(syncBeside), short(tripBeside), hotTimes[len(hotTimes)-1], short(sync), short(trip))
		fmt.Fprintf(b.raw, "end to end p50\t%.6g\tms\nend to end p99\t%.6g\tms\nfsync and round trip meanwhile\t%.6g\tms\nfsync and round trip in a loop\t%.6g\tms\n", at(50).Seconds()*1e3, at(99).Seconds()*1e3,
			(syncBeside+tripBeside).Seconds()*1e3, (sync+trip).Seconds()*1e3)
		p50s, p99s = append(p50s, at(50).Seconds()*1e3), append(p99s, at(99).Seconds()*1e3)
	}
	fmt.Fprintf(b.out, "  median of %d rounds: p50 %s ms, %.1f and %.1f times; p99 %s ms\n", rounds, human(p50s.median()), times.median(), hotTimes.median(), human(p99s.median()))
	return nil
}

// endToEnd plays a load and gives how late each text was after its call had settled, and what one fsync and one round trip took meanwhile.
func (b *bench) endToEnd(ctx context.Context, rate int, length time.Duration) (late []time.Duration, fsync, trip time.Duration, err error) {
	st, err := newStage(b.common, settings{inside: b.inside, state: filepath.Join(b.dir, "end.db"), smpp: "rate = 0.0\nwindow = 100\n",
		policy: "delay = \"0s\"\nmin_ring = \"0s\"\nmax_unreplied = 1000000\nper_block_hour = 1000000\nper_line_hour = 1000000\nper_hour = 1000000\nper_day = 1000000\n"})
	if err != nil {
		return nil, 0, 0, err
	}
	defer os.Remove(st.state())
	defer st.close()
	if err := st.up(ctx); err != nil {
		return nil, 0, 0, err
	}
	missed := st.missedTraces()
	if len(missed) == 0 {
		return nil, 0, 0, errors.New("no recording of a missed call")
	}
	beside, err := startLeast(ctx, b.dir)
	if err != nil {
		return nil, 0, 0, err
	}
	ended := make(map[string]time.Time) // caller to the end of his leg
	var mu sync.Mutex
	var wg sync.WaitGroup
	var failed error
	tick := time.NewTicker(time.Second / time.Duration(rate))
	defer tick.Stop()
	for i := range int(length.Seconds()) * rate {
		select {
		case <-ctx.Done():
			return nil, 0, 0, ctx.Err()
		case <-tick.C:
		}
		wg.Go(func() {
			caller := fmt.Sprintf("+1%03d%07d", 200+i*7919%700, i*104729%10000000)
			calls, err := st.asterisk.Play(ctx, aritest.Play{Trace: missed[i%len(missed)], Speed: 8, Caller: func(string) string { return caller }})
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				failed = err
			}
			for _, c := range calls {
				if c.Missed && !c.Ended.IsZero() {
					ended[c.Caller] = c.Ended
				}
			}
		})
	}
	wg.Wait()
	if fsync, trip, err = beside.stop(); err != nil {
		return nil, 0, 0, err
	}
	if failed != nil {
		return nil, 0, 0, failed
	}
	// What is still on its way may come in.
	for quiet, before := 0, -1; quiet < 20; {
		time.Sleep(100 * time.Millisecond)
		if n := len(st.smsc.Texts()); n == before {
			quiet++
		} else {
			before, quiet = n, 0
		}
	}
	texts := make(map[string]int)
	for _, t := range st.smsc.Texts() {
		texts[t.To]++
		if end, ok := ended[t.To]; ok {
			late = append(late, t.At.Sub(end)-settleTime)
		}
	}
	st.kill(syscall.SIGTERM)
	books, err := st.audit(ctx, audit{})
	if err != nil {
		return nil, 0, 0, err
	}
	for to, n := range texts {
		if n != 1 {
			return nil, 0, 0, fmt.Errorf("%d texts to %s", n, to)
		}
	}
	if int(books.Stats.Verdicts) < len(ended) || len(late) < len(ended)*95/100 {
		return nil, 0, 0, fmt.Errorf("%d missed calls, %d verdicts, %d texts: %v", len(ended), books.Stats.Verdicts, len(late), books.Reasons)
	}
	return late, fsync, trip, nil
}

// missedTraces are the recordings of one call that was missed and is to be texted.
func (st *stage) missedTraces() (all []*aritest.Trace) {
	for _, t := range st.traces {
		if c := t.Truth.Calls[0]; c.Missed && c.Direction == "" && (c.Text == nil || *c.Text) {
			all = append(all, t)
		}
	}
	return all
}

// playMissed plays one missed call as fast as it goes.
func (st *stage) playMissed(ctx context.Context, caller string) error {
	all := st.missedTraces()
	if len(all) == 0 {
		return errors.New("no recording of a missed call")
	}
	_, err := st.asterisk.Play(ctx, aritest.Play{Trace: all[0], Caller: func(string) string { return caller }})
	return err
}

// settleTable says how late after the end of the caller's leg events still change what is told of a call, in every recording:
// calls are judged with shorter and shorter settling times, and compared with a settling time of two seconds.
func settleTable(_ context.Context, args []string, out io.Writer) error {
	fs := flag.NewFlagSet("settle", flag.ContinueOnError)
	folders := fs.String("traces", "ari/testdata/traces/asterisk-16.28.0,ari/testdata/traces/asterisk-22.10.1-channelvars,ari/testdata/lab",
		"further `FOLDERS` of recordings of Asterisk")
	eslFolders := fs.String("recordings", "esl/testdata/traces", "further `FOLDERS` of recordings of FreeSWITCH")
	if err := fs.Parse(args); err != nil {
		return err
	}
	var streams []stream
	if err := asteriskStreams(strings.Split(*folders, ","), &streams); err != nil {
		return err
	}
	if err := freeswitchStreams(strings.Split(*eslFolders, ","), &streams); err != nil {
		return err
	}
	times := []time.Duration{0, 25, 50, 75, 100, 125, 150, 200, 250, 300, 400, 1000}
	want := make([]map[string]string, len(streams))
	calls := 0
	for i, s := range streams {
		want[i] = s.judged(2 * time.Second)
		calls += len(want[i])
	}
	fmt.Fprintf(out, "%d recorded streams, %d calls\n", len(streams), calls)
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "settling time\tverdicts that differ\tother differences (evidence, cause, who ended)\twhere\t\n")
	for _, ms := range times {
		outcome, other := 0, 0
		var where []string
		for i, s := range streams {
			got := s.judged(max(ms*time.Millisecond, time.Nanosecond))
			for id, is := range want[i] {
				a, b, _ := strings.Cut(is, "|")
				c, d, _ := strings.Cut(got[id], "|")
				switch {
				case a != c:
					outcome++
					where = append(where, s.name)
				case b != d:
					other++
				}
			}
		}
		if len(where) > 3 {
			where = append(where[:3], "...")
		}
		fmt.Fprintf(w, "%v\t%d\t%d\t%s\t\n", ms*time.Millisecond, outcome, other, strings.Join(where, " "))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	var late []time.Duration
	var worst stream
	for _, s := range streams {
		d := s.lateness()
		if len(d) > 0 && (len(late) == 0 || slices.Max(d) > slices.Max(late)) {
			worst = s
		}
		late = append(late, d...)
	}
	slices.Sort(late)
	if len(late) > 0 {
		fmt.Fprintf(out, "%d events came after the end of the caller's leg that they are about: half of them within %v, 99 %% within %v, the last after %v (%s)\n",
			len(late), late[len(late)/2], late[len(late)*99/100], late[len(late)-1], worst.name)
	}
	return nil
}

// lateness is how long after the end of a caller's leg each further event about it came, within five seconds.
func (s *stream) lateness() (late []time.Duration) {
	callers, ended := make(map[string]bool), make(map[string]time.Time)
	for _, e := range s.events {
		if e.Info != nil && e.Info.Kind == textback.LegInbound {
			callers[e.Leg] = true
		}
		for _, id := range []string{e.Leg, e.Other} {
			if end, ok := ended[id]; ok && callers[id] {
				if d := e.Seen.Sub(end); d < 5*time.Second {
					late = append(late, d)
				}
			}
		}
		if e.Kind == textback.LegEnded && ended[e.Leg].IsZero() {
			ended[e.Leg] = e.Seen
		}
	}
	return late
}

// stream is a recording as textback's events, each with the time at which it came.
type stream struct {
	name   string
	events []textback.Event
}

// judged gives each call's outcome, and behind a bar what else is told of it, with one settling time.
func (s *stream) judged(settle time.Duration) map[string]string {
	tracker := textback.NewTracker(textback.TrackerOptions{PBX: "x", Settle: settle})
	all := make(map[string]string)
	note := func(changes []textback.Change) {
		for _, c := range changes {
			if c.Kind == textback.CallEnded {
				all[c.Call.ID] = fmt.Sprintf("%v|%v %v %v %v", c.Call.Outcome, c.Call.EndedBy, c.Call.Cause, c.Call.Party, c.Call.Evidence)
			}
		}
	}
	for _, e := range s.events {
		note(tracker.Observe(e))
	}
	if len(s.events) > 0 {
		note(tracker.Settle(s.events[len(s.events)-1].Seen.Add(48 * time.Hour)))
	}
	return all
}

func asteriskStreams(folders []string, out *[]stream) error {
	names, err := aritest.Names(aritest.Recorded())
	if err != nil {
		return err
	}
	var all []*aritest.Trace
	for _, name := range names {
		t, err := aritest.LoadTrace(aritest.Recorded(), name)
		if err != nil {
			return err
		}
		all = append(all, t)
	}
	for _, folder := range folders {
		names, err := aritest.Names(os.DirFS(folder))
		if err != nil {
			return err
		}
		for _, name := range names {
			t, err := aritest.LoadTrace(os.DirFS(folder), name)
			if err != nil {
				return err
			}
			all = append(all, t)
		}
	}
	for _, t := range all {
		tr, s := ariTranslator(), stream{name: t.Name}
		for _, e := range t.Events {
			seen := time.Unix(1_700_000_000, 0).Add(e.At)
			ev, err := v6.DecodeEvent(e.Raw)
			if err != nil {
				continue
			}
			s.events = append(s.events, tr.Translate(ari.Message{Kind: ari.MessageEvent, Seen: seen, Type: ev.GetType(), Raw: e.Raw, Event: ev})...)
		}
		// What the link would have asked of the channel is answered at once: waiting for it is not what is measured.
		for i := range s.events {
			if in := s.events[i].Info; in != nil {
				in.Asked = false
			}
		}
		*out = append(*out, s)
	}
	return nil
}

func freeswitchStreams(folders []string, out *[]stream) error {
	all, err := esltest.LoadRecordings(esltest.Recorded())
	if err != nil {
		return err
	}
	for _, folder := range folders {
		more, err := esltest.LoadRecordings(os.DirFS(folder))
		if err != nil {
			return err
		}
		all = append(all, more...)
	}
	for _, r := range all {
		tr, s := eslTranslator(), stream{name: r.Name}
		for e := range r.Events() {
			var us int64
			if _, err := fmt.Sscan(e.Get("Event-Date-Timestamp"), &us); err != nil {
				continue
			}
			h := make(map[string]string)
			for _, x := range e.Headers {
				h[x.Name] = x.Value
			}
			s.events = append(s.events, tr.Translate(esl.Message{Kind: esl.MessageEvent, Seen: time.UnixMicro(us), Name: e.Get("Event-Name"),
				Subclass: e.Get("Event-Subclass"), Headers: h})...)
		}
		*out = append(*out, s)
	}
	return nil
}
