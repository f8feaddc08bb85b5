package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unicode"

	"textback/cmd/internal/daemon"
	"textback/configs"
)

// attack is one kind of hostile calls or messages, against the policy as it is by default.
type attack struct {
	name   string
	expect string
	calls  func(i int) hostile // nil: run plays it
	run    func(ctx context.Context, s *scene, n int) error
	most   int    // texts that may leave
	reason string // the verdicts that this attack must meet, unless run looks itself
	opens  bool   // the breaker opens, and closes when the hour is over
	tables string
	few    int // so many calls are enough
}

// abuseLines are the lines of the business that is called, in numbers of a real plan.
const abuseLines = `[[line]]
number = "+12025550100"
business = "acme"
[[line]]
number = "+12025550111"
business = "acme"
from = "+12025550100"
[[line]]
number = "+12025550122"
business = "acme"
from = "+12025550100"
[[line]]
number = "+12025550133"
business = "acme"
from = "+12025550100"
`

// abuse plays hostile calls and messages, and counts what left.
func abuse(ctx context.Context, args []string, out io.Writer) error {
	fs := flag.NewFlagSet("abuse", flag.ContinueOnError)
	var c common
	c.flags(fs)
	n := fs.Int("calls", 10_000, "hostile calls of each kind")
	short := fs.Bool("short", false, "500 of each kind")
	at := fs.Int("parallel", 3, "how many kinds are played at a time")
	if err := fs.Parse(args); err != nil {
		return err
	}
	if *short {
		*n = 500
	}
	dir, err := os.MkdirTemp("", "textback-abuse")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if c.binary, err = build(ctx, c.binary, dir); err != nil {
		return err
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	var all []error
	slots := make(chan struct{}, max(*at, 1))
	for _, a := range attacks() {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			var b bytes.Buffer
			err := playAttack(ctx, c, a, *n, &b)
			mu.Lock()
			defer mu.Unlock()
			_, _ = out.Write(b.Bytes())
			if err != nil {
				all = append(all, fmt.Errorf("%s: %w", a.name, err))
			}
		})
	}
	wg.Wait()
	fmt.Fprintf(out, "\n%d kinds of abuse: %d broken\n", len(attacks()), len(all))
	return errors.Join(all...)
}

// playAttack runs textback in this process, so that the hour can be made to pass.
func playAttack(ctx context.Context, c common, a attack, n int, out io.Writer) (err error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	if a.few > 0 {
		n = min(n, a.few)
	}
	var offset atomic.Int64
	if c.log != "" {
		c.log += "." + a.name
	}
	s := &scene{common: c, want: make(map[string]int)}
	s.stage, err = newStage(c, settings{inside: true, validate: true, quiet: true, smpp: "rate = 0.0\n",
		tables: abuseLines + a.tables, config: func(c *configs.Config) { c.Alarm.Silence = 10 * time.Second },
		change: func(o *daemon.Options) {
			o.Now = func() time.Time { return time.Now().Round(0).Add(time.Duration(offset.Load())) }
		}})
	if err != nil {
		return err
	}
	defer s.close()
	if err := s.up(ctx); err != nil {
		return err
	}
	// All of an attack lies within one clock hour of textback's.
	if left := time.Hour - time.Duration(time.Now().UnixNano())%time.Hour; left < 5*time.Minute {
		offset.Store(int64(left + time.Minute))
	}
	began := time.Now()
	err = errors.Join(s.attack(ctx, a, n, &offset), ctx.Err())
	took := time.Since(began)
	s.kill(syscall.SIGTERM)
	b, auditErr := s.audit(ctx, audit{hostile: true})
	err = errors.Join(append([]error{err, auditErr}, s.broken...)...)
	verdict := "held"
	if b != nil {
		err = errors.Join(err, b.err())
	}
	if err != nil {
		verdict = "BROKEN"
	}
	fmt.Fprintf(out, "\n%s: %s (%s)\n  expected: %s\n", a.name, verdict, took.Round(100*time.Millisecond), a.expect)
	if b != nil {
		fmt.Fprintf(out, "  missed calls %d, verdicts %d (%s)\n", b.Stats.Missed, b.Stats.Verdicts, words(b.Reasons))
	}
	for _, n := range s.notes {
		fmt.Fprintf(out, "  %s\n", n)
	}
	if err != nil {
		fmt.Fprintf(out, "  %s\n  log: %s\n", strings.ReplaceAll(err.Error(), "\n", "\n  "), s.logTail())
	}
	return err
}

func (s *scene) attack(ctx context.Context, a attack, n int, offset *atomic.Int64) error {
	if a.run != nil {
		if err := a.run(ctx, s, n); err != nil {
			return err
		}
	}
	if a.calls != nil {
		if err := s.assault(ctx, a, n); err != nil {
			return err
		}
	}
	// Texts leave five seconds after their calls.
	if !wait(ctx, 6*time.Second) {
		return ctx.Err()
	}
	if err := s.settle(ctx); err != nil {
		return err
	}
	texts := s.smsc.Texts()
	s.saw("texts that left: %d", len(texts))
	s.must(len(texts) <= a.most, "%d texts left, %d at most were allowed", len(texts), a.most)
	longest := 0
	for _, t := range texts {
		longest = max(longest, t.Total)
		s.must(clean(t.Body), "a text has what must never pass: %.80q", t.Body)
	}
	s.must(longest <= 2, "a text of %d segments left", longest)
	if a.most == 0 && a.calls != nil {
		if err := s.alarmed(ctx); err != nil {
			return err
		}
	}
	if a.opens {
		return s.breaker(ctx, a, offset)
	}
	s.must(s.logged("breaker-open") == 0 || a.most > 0, "the breaker opened although nothing was sent")
	return nil
}

// assault plays the calls in bunches, as fast as they get their verdicts.
func (s *scene) assault(ctx context.Context, a attack, n int) error {
	before, err := s.status(ctx)
	if err != nil {
		return err
	}
	const bunch = 250
	for i := 0; i < n; i++ {
		a.calls(i).ring(s.freesw)
		if (i+1)%bunch == 0 || i == n-1 {
			if err := s.verdicts(ctx, before.Store.Verdicts+int64(i+1), 2*time.Minute); err != nil {
				return err
			}
		}
	}
	st, err := s.status(ctx)
	if err != nil {
		return err
	}
	met := int64(0)
	for _, c := range st.Counts {
		if c.Kind == "verdict" && c.Word == a.reason {
			met += c.N
		}
	}
	s.must(met >= int64(n-a.most), "%d verdicts %s, at least %d were expected", met, a.reason, n-a.most)
	return nil
}

// alarmed waits for the two alarms on what does not happen: missed calls without a text, and a PBX that says nothing.
func (s *scene) alarmed(ctx context.Context) error {
	bound, cancel := context.WithTimeout(ctx, 45*time.Second)
	defer cancel()
	err := s.await(bound, "the alarms no-texts and pbx-silent", func() bool {
		return s.logged("WARN", "no-texts", "texts=0") == 1 && s.logged("WARN", "pbx-silent", "pbx=hq") >= 1
	})
	s.saw("warnings: no-texts %d, pbx-silent %d (of the PBX that said nothing for 10 s)", s.logged("no-texts"), s.logged("pbx-silent", "pbx=hq"))
	return err
}

// breaker expects it open and told once, and closed by the clock.
func (s *scene) breaker(ctx context.Context, a attack, offset *atomic.Int64) error {
	s.must(s.logged("breaker-open", "level=ERROR") == 1, "%d lines breaker-open", s.logged("breaker-open"))
	st, err := s.status(ctx)
	if err != nil {
		return err
	}
	s.must(len(st.Breakers) == 1, "status tells of %d open breakers", len(st.Breakers))
	s.must(s.logged("breaker-closed") == 0, "the breaker closed too soon")
	now := time.Now().Add(time.Duration(offset.Load()))
	offset.Add(int64(time.Hour - time.Duration(now.UnixNano())%time.Hour + time.Second)) // the next clock hour
	bound, cancel := context.WithTimeout(ctx, 45*time.Second)
	defer cancel()
	if err := s.await(bound, "the breaker to close", func() bool { return s.logged("breaker-closed") == 1 }); err != nil {
		return err
	}
	honest := hostile{number: "+16464567890", name: "Jane Doe", rings: 10 * time.Second, line: "+12025550133"}
	honest.ring(s.freesw)
	err = s.texted(ctx, []string{honest.number}, 30*time.Second)
	s.saw("breaker: opened with one line at error, shown by status, closed by the clock; the next honest caller was texted: %t", err == nil)
	return err
}

// clean tells whether a text is free of what a caller's name may not bring into it. Our own words have no address.
func clean(body string) bool {
	low := strings.ToLower(body)
	for _, bad := range []string{"http", "www.", ".com", ".ru", "{{", "}}", "drop table", "select ", "<script", "${", "%n"} {
		if strings.Contains(low, bad) {
			return false
		}
	}
	return !strings.ContainsFunc(body, func(r rune) bool {
		return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || unicode.Is(unicode.Bidi_Control, r)
	})
}
