package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"

	"textback/ari/aritest"
	"textback/esl/esltest"
)

// fault is one way in which a peer, a disk or a clock fails, and what is promised under it.
type fault struct {
	name     string
	expect   string // what must be seen, beside the promises that every scene is held to
	root     bool   // needs root: a network namespace, a file system of its own
	long     bool   // takes more than half a minute: not in the short run
	manual   bool   // starts textback itself
	settings func(*scene) (settings, error)
	run      func(context.Context, *scene) error
}

func allFaults() []fault {
	var all []fault
	for _, list := range [][]fault{smscFaults(), pbxFaults(), networkFaults(), diskFaults(), clockFaults()} {
		all = append(all, list...)
	}
	return all
}

// scene is one fault being played, with what was seen.
type scene struct {
	*stage
	common  common
	dir     string // its own, removed afterwards
	short   bool
	callers numbers
	books   *books

	mu       sync.Mutex
	notes    []string
	broken   []error
	want     map[string]int // texts that a caller must have got in the end
	excused  [][2]time.Time // when the end of a call may have been lost
	cleanups []func()
}

// saw notes a figure.
func (s *scene) saw(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.notes = append(s.notes, fmt.Sprintf(format, args...))
}

// must notes a promise that was broken, if ok is false.
func (s *scene) must(ok bool, format string, args ...any) {
	if ok {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broken = append(s.broken, fmt.Errorf(format, args...))
}

// later runs f when the scene is over, last first.
func (s *scene) later(f func()) { s.cleanups = append(s.cleanups, f) }

// excuse says that ends of calls from one moment to another may have been lost.
func (s *scene) excuse(from, to time.Time) { s.excused = append(s.excused, [2]time.Time{from, to}) }

func (s *scene) sure(_, at time.Time) bool {
	for _, x := range s.excused {
		if !at.Before(x[0]) && !at.After(x[1]) {
			return false
		}
	}
	return true
}

// faults plays every fault.
func faults(ctx context.Context, args []string, out io.Writer) error {
	fs := flag.NewFlagSet("faults", flag.ContinueOnError)
	var c common
	c.flags(fs)
	short := fs.Bool("short", false, "leave out what takes more than half a minute")
	only := fs.String("only", "", "play the faults whose name matches `PATTERN`")
	at := fs.Int("parallel", 4, "how many are played at a time")
	list := fs.Bool("list", false, "tell what there is")
	if err := fs.Parse(args); err != nil {
		return err
	}
	which, err := regexp.Compile(*only)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "textback-faults")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	var chosen []fault
	for _, f := range allFaults() {
		if which.MatchString(f.name) && !(*short && f.long) {
			chosen = append(chosen, f)
		}
	}
	if *list {
		for _, f := range chosen {
			fmt.Fprintf(out, "%-26s %s\n", f.name, f.expect)
		}
		return nil
	}
	if c.binary, err = build(ctx, c.binary, dir); err != nil {
		return err
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	var all []error
	skipped := 0
	slots := make(chan struct{}, max(*at, 1))
	for i, f := range chosen {
		if f.root && os.Geteuid() != 0 {
			mu.Lock()
			fmt.Fprintf(out, "SKIPPED %s: it needs root (a network namespace or a file system of its own)\n", f.name)
			skipped++
			mu.Unlock()
			continue
		}
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			var b bytes.Buffer
			err := play(ctx, c, f, filepath.Join(dir, fmt.Sprint(i)), *short, &b)
			mu.Lock()
			defer mu.Unlock()
			_, _ = out.Write(b.Bytes())
			if err != nil {
				all = append(all, fmt.Errorf("%s: %w", f.name, err))
			}
		})
	}
	wg.Wait()
	fmt.Fprintf(out, "\n%d faults: %d held, %d broken, %d skipped\n", len(chosen), len(chosen)-len(all)-skipped, len(all), skipped)
	return errors.Join(all...)
}

// build makes the binary unless one is given.
func build(ctx context.Context, binary, dir string) (string, error) {
	if binary != "" {
		return binary, nil
	}
	binary = filepath.Join(dir, "textback")
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", binary, "textback/cmd/textback").CombinedOutput(); err != nil {
		return "", fmt.Errorf("build textback: %w\n%s", err, out)
	}
	return binary, nil
}

// play plays one fault and holds it against the promises.
func play(ctx context.Context, c common, f fault, dir string, short bool, out io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, 6*time.Minute)
	defer cancel()
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	s := &scene{common: c, dir: dir, short: short, want: make(map[string]int)}
	defer func() {
		for i := len(s.cleanups) - 1; i >= 0; i-- {
			s.cleanups[i]()
		}
	}()
	began := time.Now()
	err := s.play(ctx, f)
	verdict := "held"
	if err = errors.Join(append([]error{err}, s.broken...)...); err != nil {
		verdict = "BROKEN"
	}
	fmt.Fprintf(out, "\n%s: %s (%s)\n  expected: %s\n", f.name, verdict, time.Since(began).Round(100*time.Millisecond), f.expect)
	for _, n := range s.notes {
		fmt.Fprintf(out, "  seen:     %s\n", n)
	}
	if b := s.books; b != nil {
		fmt.Fprintf(out, "  ledgers:  %d calls, %d missed, %d without a verdict; %s; %d callers texted, %d twice; texts %s; %d in doubt; %d STOPs, %d lost\n",
			b.Played, b.Missed, b.Without, words(b.Reasons), b.Texted, b.Twice, words(b.States), b.InDoubt, b.Stopped, b.Lost)
	}
	if err != nil {
		fmt.Fprintf(out, "  %s\n", strings.ReplaceAll(err.Error(), "\n", "\n  "))
		if s.stage != nil {
			fmt.Fprintf(out, "  log:      %s\n", strings.ReplaceAll(s.logTail(), "\n", "\n            "))
		}
	}
	return err
}

func (s *scene) play(ctx context.Context, f fault) (err error) {
	var set settings
	if f.settings != nil {
		if set, err = f.settings(s); err != nil {
			return err
		}
	}
	if !strings.Contains(set.policy, "delay") {
		set.policy += unlimited
	}
	if set.smpp == "" {
		set.smpp = "rate = 0.0\nresponse_timeout = \"1s\"\nenquire_link = \"1s\"\n"
	}
	if s.common.log != "" {
		s.common.log += "." + f.name
	}
	if s.stage, err = newStage(s.common, set); err != nil {
		return err
	}
	defer s.close()
	if !f.manual {
		if err := s.up(ctx); err != nil {
			return err
		}
	}
	if err := f.run(ctx, s); err != nil {
		return err
	}
	if err := s.settle(ctx); err != nil {
		return err
	}
	s.kill(syscall.SIGTERM)
	if s.books, err = s.audit(ctx, audit{sure: s.sure}); err != nil {
		return err
	}
	got := make(map[string]int)
	for _, t := range s.smsc.Texts() {
		if strings.Contains(t.Body, firstWords) {
			got[t.To]++
		}
	}
	for to, n := range s.want {
		s.must(got[to] == n, "%s got %d texts, %d were due", to, got[to], n)
	}
	return s.books.err()
}

// settle waits until nothing is under way any more.
func (s *scene) settle(ctx context.Context) error {
	bound, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	quiet := 0
	return s.await(bound, "everything to settle", func() bool {
		st, err := s.status(bound)
		if err != nil {
			return false
		}
		waiting := st.OnPhone
		for _, p := range st.PBXs {
			waiting += p.Waiting
		}
		if waiting == 0 && st.Store.Texts[1]+st.Store.Texts[2] == 0 && s.smsc.Waiting() == 0 {
			quiet++
		} else {
			quiet = 0
		}
		return quiet >= 40 // receipts come 200 ms after their texts
	})
}

// miss plays n calls that end unanswered, half of them on each PBX, and gives their callers.
func (s *scene) miss(ctx context.Context, n int) ([]string, error) {
	callers := make([]string, n)
	errs := make([]error, n)
	var wg sync.WaitGroup
	some := make(chan struct{}, 20)
	for i := range n {
		callers[i] = s.callers.next()
		some <- struct{}{}
		wg.Go(func() {
			errs[i] = s.missOne(ctx, i%2 == 0, callers[i])
			<-some
		})
	}
	wg.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range callers {
		s.want[c] = 1
	}
	return callers, errors.Join(errs...)
}

// missOne plays one call whose caller hangs up while it rings.
func (s *scene) missOne(ctx context.Context, onAsterisk bool, caller string) error {
	return s.playNamed(ctx, onAsterisk, "04-", 100, caller)
}

// playNamed plays the recording whose name begins so.
func (s *scene) playNamed(ctx context.Context, onAsterisk bool, prefix string, speed float64, caller string) error {
	if onAsterisk {
		for _, t := range s.traces {
			if strings.HasPrefix(t.Name, prefix) {
				_, err := s.asterisk.Play(ctx, aritest.Play{Trace: t, Speed: speed, Caller: func(string) string { return caller }})
				return err
			}
		}
	}
	for _, r := range s.recordings {
		if strings.HasPrefix(r.Name, prefix) {
			_, err := s.freesw.Play(ctx, r, esltest.PlayOptions{Speed: speed, Numbers: map[string]string{r.Truth[0].Caller: caller}})
			return err
		}
	}
	return fmt.Errorf("there is no recording %s", prefix)
}

// mix plays recordings of all kinds at a rate until it has played n.
func (s *scene) mix(ctx context.Context, n int, rate float64) {
	var wg sync.WaitGroup
	defer wg.Wait()
	for range n {
		if !wait(ctx, time.Duration(float64(time.Second)/rate)) {
			return
		}
		wg.Go(func() { _ = s.playOne(ctx, s.callers.next(), 10) })
	}
}

// texted waits until the message centre has taken a text to each.
func (s *scene) texted(ctx context.Context, callers []string, within time.Duration) error {
	bound, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	return s.await(bound, fmt.Sprintf("%d texts", len(callers)), func() bool { return s.count(callers) == len(callers) })
}

// count is how many of the callers have got a text.
func (s *scene) count(callers []string) int {
	got := make(map[string]bool)
	for _, sub := range s.smsc.Submits() {
		if sub.Taken {
			got[sub.To] = true
		}
	}
	n := 0
	for _, c := range callers {
		if got[c] {
			n++
		}
	}
	return n
}

// verdicts waits until so many verdicts have been given.
func (s *scene) verdicts(ctx context.Context, n int64, within time.Duration) error {
	bound, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	return s.await(bound, fmt.Sprintf("%d verdicts", n), func() bool {
		st, err := s.status(bound)
		return err == nil && st.Store.Verdicts >= n
	})
}
