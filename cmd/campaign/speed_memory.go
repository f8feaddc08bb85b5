package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	v6 "github.com/CyCoreSystems/ari/v6"

	"textback"
	"textback/ari"
	"textback/ari/aritest"
	"textback/cmd/internal/heap"
)

// groupTrace is the recording whose calls are held in progress: a ring group, so a caller and two phones that ring.
const groupTrace = "09-ringgroup-nobody"

// ringing are the recorded events of a call up to where its end begins, and how many legs it has by then.
func ringing() (t *aritest.Trace, events, legs int, err error) {
	if t, err = aritest.LoadTrace(aritest.Recorded(), groupTrace); err != nil {
		return nil, 0, 0, err
	}
	for _, e := range t.Events {
		ev, err := v6.DecodeEvent(e.Raw)
		if err != nil {
			return nil, 0, 0, err
		}
		switch ev.GetType() {
		case "ChannelCreated":
			legs++
		case "ChannelHangupRequest", "ChannelDestroyed":
			begun := *t
			begun.Events = t.Events[:events]
			return &begun, events, legs, nil
		}
		events++
	}
	return nil, 0, 0, errors.New("the recording has no end")
}

// held sends calls that all ring on.
func (p *peer) held(args []string) error {
	calls, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	t, n, _, err := ringing()
	if err != nil {
		return err
	}
	var octets []byte
	for i := range calls {
		for _, raw := range t.Copy(i, time.Now()) {
			octets = appendFrame(octets, raw)
		}
	}
	octets = appendFrame(octets, []byte(lastARI))
	// Calls do not begin all in one second: what pours faster than it is handled is dropped, as it should be.
	p.serve = func(c net.Conn) error { return p.ariConn(slowly{c}, octets, calls*n+1) }
	return nil
}

// slowly writes some 20 MB a second.
type slowly struct{ net.Conn }

func (s slowly) Write(b []byte) (n int, err error) {
	for len(b) > 0 && err == nil {
		var some int
		some, err = s.Conn.Write(b[:min(len(b), 1<<20)])
		n, b = n+some, b[some:]
		if len(b) > 0 {
			time.Sleep(50 * time.Millisecond)
		}
	}
	return n, err
}

// resident reads what the process has of the machine's memory.
func resident() (anonymous, file int64) {
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, 0
	}
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		if len(f) < 2 {
			continue
		}
		n, _ := strconv.ParseInt(f[1], 10, 64)
		switch f[0] {
		case "RssAnon:":
			anonymous = n << 10
		case "RssFile:":
			file = n << 10
		}
	}
	return anonymous, file
}

// speedHolder is the process that holds the calls: link, translator and tracker as in the daemon, nothing else.
func speedHolder(ctx context.Context, args []string, out io.Writer) error {
	if len(args) != 3 {
		return errors.New("speed-holder ADDRESS CONTROL CALLS")
	}
	calls, err := strconv.Atoi(args[2])
	if err != nil {
		return err
	}
	defer heap.Keep()()
	tr, tracker := ariTranslator(), textback.NewTracker(textback.TrackerOptions{PBX: "hq", Settle: settleTime})
	var counters ari.Counters
	up, last := make(chan struct{}, 1), make(chan struct{})
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		ended <- ari.Run(ctx, ari.Options{URL: "http://" + args[0] + "/ari", Username: "textback", Password: "x", App: "textback", Types: tr.Types(),
			Variable: tr.Variable, Counters: &counters}, func(m ari.Message) {
			for _, e := range tr.Translate(m) {
				tracker.Observe(e)
			}
			if m.Kind == ari.MessageUp {
				select {
				case up <- struct{}{}:
				default:
				}
			}
			if v, ok := m.Event.(*v6.ChannelVarset); ok && v.Channel.ID == lastChannel {
				close(last)
			}
		})
	}()
	<-up
	anonymous, file := resident()
	fmt.Fprintln(out, "empty", anonymous, file)
	if _, err := (&farEnd{control: args[1]}).ask(ctx, "begin"); err != nil {
		return err
	}
	select {
	case <-last:
	case err := <-ended:
		return fmt.Errorf("the link ended: %w", err)
	case <-time.After(2 * time.Minute):
		return errors.New("the last event did not come")
	}
	anonymous, file = resident()
	s := tracker.Stats()
	if s.Calls != calls || counters.Dropped.Load() > 0 {
		return fmt.Errorf("%d calls are in progress, not %d; %d events were dropped", s.Calls, calls, counters.Dropped.Load())
	}
	fmt.Fprintln(out, "full", anonymous, file)
	fmt.Fprintln(out, "legs", s.Legs, 0)
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	fmt.Fprintln(out, "live", m.HeapAlloc, 0)
	debug.FreeOSMemory()
	anonymous, file = resident()
	fmt.Fprintln(out, "after", anonymous, file)
	runtime.KeepAlive(tracker)
	return nil
}

func speedMemory(ctx context.Context, b *bench) error {
	calls := 10000
	if b.short {
		calls = 200
	}
	_, _, perCall, err := ringing()
	if err != nil {
		return err
	}
	fmt.Fprintf(b.out, "%d calls in progress of %d legs each, over the link, through translator and tracker\n", calls, perCall)
	for _, gc := range [][2]string{{"GOGC=100", "GOGC=100"}, {"GOGC=", "as the daemon"}} {
		found := make(map[string]figures)
		for range b.rounds {
			one, err := b.holdCalls(ctx, calls, gc[0])
			if err != nil {
				return err
			}
			for name, v := range one {
				found[name] = append(found[name], v)
			}
		}
		for _, of := range [][2]string{{"legs", "legs tracked"}, {"empty", "MiB resident, nothing tracked"}, {"full", "MiB resident, as it came to be"},
			{"live", "MiB live on the heap"}, {"after", "MiB resident, after what is free was given back"}} {
			b.tell(gc[1]+": "+of[1], found[of[0]].median(), fmt.Sprintf("(%.4g to %.4g)", minOf(found[of[0]]), maxOf(found[of[0]])))
		}
	}
	return nil
}

func minOf(f figures) float64 {
	m := f[0]
	for _, v := range f {
		m = min(m, v)
	}
	return m
}

func maxOf(f figures) float64 {
	m := f[0]
	for _, v := range f {
		m = max(m, v)
	}
	return m
}

// holdCalls lets a process of its own hold calls, and gives what it says of itself, memory in MiB.
func (b *bench) holdCalls(ctx context.Context, calls int, gc string) (map[string]float64, error) {
	far, err := newFarEnd(ctx, "held", strconv.Itoa(calls))
	if err != nil {
		return nil, err
	}
	defer far.stop()
	cmd := child(ctx, "speed-holder", far.addr, far.control, strconv.Itoa(calls))
	cmd.Env = append(os.Environ(), gc)
	text, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("hold %d calls: %w", calls, err)
	}
	found := make(map[string]float64)
	for line := range strings.Lines(string(text)) {
		var name string
		var x, y float64
		if _, err := fmt.Sscan(line, &name, &x, &y); err != nil {
			return nil, err
		}
		if name != "legs" {
			x = (x + y) / (1 << 20)
		}
		found[name] = x
	}
	return found, nil
}
