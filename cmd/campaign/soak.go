package main

import (
	"bufio"
	"context"
	"encoding/csv"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// sample is one look at the process.
type sample struct {
	at         time.Duration
	rss        int64 // KiB of its own; pages of the mapped state file are the system's to give and take
	goroutines int64
	fds        int64
	file       int64 // KiB
	calls      int64 // played
	texts      int64
}

// soak loads a textback steadily, cuts its links every few minutes, and watches what it uses.
func soak(ctx context.Context, args []string, out io.Writer) error {
	fs := flag.NewFlagSet("soak", flag.ContinueOnError)
	var c common
	c.flags(fs)
	length := fs.Duration("for", time.Minute, "how long")
	rate := fs.Float64("rate", 20, "calls per second")
	cut := fs.Duration("cut", 3*time.Minute, "how often each link is cut")
	csvFile := fs.String("csv", "", "write the samples to `FILE`")
	if err := fs.Parse(args); err != nil {
		return err
	}
	// The callers come round again, often enough that what is kept of each has reached its most in the first third of an
	// hour, and the records are forgotten after minutes: so what grows is a leak.
	st, err := newStage(c, settings{metrics: true,
		policy: "delay = \"0s\"\nmin_ring = \"0s\"\nwindow = \"1s\"\nmax_unreplied = 0\nper_block_hour = 1000000\nper_line_hour = 1000000\nper_hour = 1000000\nper_day = 1000000\n",
		tables: "[retention]\nthreads = \"5m\"\ncalls = \"5m\"\n", smpp: "rate = 0.0"})
	if err != nil {
		return err
	}
	defer st.close()
	if err := st.start(ctx); err != nil {
		return err
	}
	if err := st.linked(ctx); err != nil {
		return err
	}
	began := time.Now()
	callers := &numbers{pool: 900}
	var played atomic.Int64
	var wg sync.WaitGroup
	loadCtx, stopLoad := context.WithTimeout(ctx, *length)
	defer stopLoad()
	wg.Add(2)
	go func() {
		defer wg.Done()
		tick := time.NewTicker(time.Duration(float64(time.Second) / *rate))
		defer tick.Stop()
		for {
			select {
			case <-loadCtx.Done():
				return
			case <-tick.C:
				wg.Add(1)
				go func() {
					defer wg.Done()
					if st.playOne(ctx, callers.next(), 4) == nil {
						played.Add(1)
					}
				}()
			}
		}
	}()
	go func() {
		defer wg.Done()
		for i := 0; ; i++ {
			select {
			case <-loadCtx.Done():
				return
			case <-time.After(*cut):
			}
			switch i % 3 {
			case 0:
				st.asterisk.Cut()
			case 1:
				st.freesw.Cut()
			default:
				st.smsc.Drop()
			}
		}
	}()
	var samples []sample
	every := max(*length/120, time.Second)
	for loadCtx.Err() == nil {
		if s, err := st.sample(ctx); err == nil {
			s.at, s.calls, s.texts = time.Since(began), played.Load(), int64(len(st.smsc.Submits()))
			samples = append(samples, s)
			if len(samples)%10 == 1 {
				fmt.Fprintf(out, "%8s  calls %7d  texts %7d  memory %6d KiB  goroutines %4d  files %3d  state file %6d KiB\n",
					s.at.Round(time.Second), s.calls, s.texts, s.rss, s.goroutines, s.fds, s.file)
			}
		}
		select {
		case <-loadCtx.Done():
		case <-time.After(every):
		}
	}
	wg.Wait()
	if *csvFile != "" {
		if err := writeSamples(*csvFile, samples); err != nil {
			return err
		}
	}
	return st.judgeSoak(ctx, out, samples, played.Load())
}

// judgeSoak waits for quiet and holds verdicts against calls, and the second half of the samples against the first.
func (st *stage) judgeSoak(ctx context.Context, out io.Writer, samples []sample, played int64) error {
	bound, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	var faults []error
	var missed, verdicts int64
	err := st.await(bound, "the last verdicts", func() bool {
		s, err := st.status(bound)
		if err != nil {
			return false
		}
		waiting := s.OnPhone
		for _, p := range s.PBXs {
			waiting += p.Waiting
		}
		missed, verdicts = s.Store.Missed, s.Store.Verdicts
		return waiting == 0 && s.Store.Texts[1] == 0
	})
	faults = append(faults, err)
	fmt.Fprintf(out, "\ncalls played %d, missed calls %d, verdicts %d\n", played, missed, verdicts)
	if missed != verdicts || missed == 0 {
		faults = append(faults, fmt.Errorf("%d missed calls, %d verdicts", missed, verdicts))
	}
	if len(samples) < 8 {
		return errors.Join(append(faults, errors.New("too short to judge what is flat"))...)
	}
	// The first third warms up: records are kept for minutes before the first is forgotten.
	early, late := samples[len(samples)/3:len(samples)*2/3], samples[len(samples)*2/3:]
	for _, m := range []struct {
		name  string
		of    func(sample) int64
		slack int64
	}{
		{"memory (KiB)", func(s sample) int64 { return s.rss }, 32 << 10},
		{"goroutines", func(s sample) int64 { return s.goroutines }, 40},
		{"files", func(s sample) int64 { return s.fds }, 8},
		{"state file (KiB)", func(s sample) int64 { return s.file }, 4 << 10},
	} {
		a, b := highest(early, m.of), highest(late, m.of)
		fmt.Fprintf(out, "%-17s middle third at most %8d, last third at most %8d\n", m.name, a, b)
		if b > a+a/4+m.slack {
			faults = append(faults, fmt.Errorf("%s grew from %d to %d", m.name, a, b))
		}
	}
	st.kill(syscall.SIGTERM)
	return errors.Join(faults...)
}

func highest(list []sample, of func(sample) int64) int64 {
	var top int64
	for _, s := range list {
		top = max(top, of(s))
	}
	return top
}

func (st *stage) sample(ctx context.Context) (sample, error) {
	var s sample
	proc := fmt.Sprintf("/proc/%d", st.pid())
	b, err := os.ReadFile(proc + "/status")
	if err != nil {
		return s, err
	}
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == "RssAnon:" {
			s.rss, _ = strconv.ParseInt(f[1], 10, 64)
		}
	}
	fds, err := os.ReadDir(proc + "/fd")
	if err != nil {
		return s, err
	}
	s.fds = int64(len(fds))
	info, err := os.Stat(st.state())
	if err != nil {
		return s, err
	}
	s.file = info.Size() >> 10
	s.goroutines, err = st.metric(ctx, "go_goroutines")
	return s, err
}

// metric reads one value of /metrics.
func (st *stage) metric(ctx context.Context, name string) (int64, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+st.metrics+"/metrics", nil)
	if err != nil {
		return 0, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		if value, ok := strings.CutPrefix(lines.Text(), name+" "); ok {
			f, err := strconv.ParseFloat(value, 64)
			return int64(f), err
		}
	}
	return 0, fmt.Errorf("no metric %s", name)
}

func writeSamples(path string, samples []sample) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	w := csv.NewWriter(f)
	rows := [][]string{{"seconds", "rss_anon_kib", "goroutines", "files", "state_file_kib", "calls", "texts"}}
	for _, s := range samples {
		row := []string{strconv.Itoa(int(s.at.Seconds()))}
		for _, v := range []int64{s.rss, s.goroutines, s.fds, s.file, s.calls, s.texts} {
			row = append(row, strconv.FormatInt(v, 10))
		}
		rows = append(rows, row)
	}
	return w.WriteAll(rows)
}
