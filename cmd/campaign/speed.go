package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"runtime"
	"runtime/pprof"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"textback/cmd/internal/heap"
)

// contest is one row of docs/performance.md: sides that are measured in turn, round by round, in one run.
type contest struct {
	name, about string
	run         func(ctx context.Context, b *bench) error
}

// contests are all rows, in the order of the page.
func contests() []contest {
	return []contest{
		{"ari", "ARI events decoded and tracked, for each second of one core", speedARI},
		{"esl", "event-socket events decoded and tracked, for each second of one core", speedESL},
		{"verdicts", "calls through tracker, decision and durable verdict", speedVerdicts},
		{"smpp", "submit_sm and response on one bind", speedSMPP},
		{"end", "from a settled call to its submit_sm on the wire, by the binary", speedEnd},
		{"memory", "resident memory of 10,000 calls in progress", speedMemory},
		{"optouts", "10 million opt-outs: import, open after a kill, look-up, file", speedOptOuts},
		{"start", "from the daemon's start to its first verdict, with an hour's backlog", speedStart},
	}
}

// bench is what a contest measures with.
type bench struct {
	out    io.Writer // the table
	raw    io.Writer // every figure of every round
	rounds int
	short  bool
	many   int    // opt-outs
	dir    string // for files, on the disk that is measured
	common common
	inside bool // the daemon runs in this process, for a profile
}

// speed runs the contests that are named, or all of them.
func speed(ctx context.Context, args []string, out io.Writer) error {
	fs := flag.NewFlagSet("speed", flag.ContinueOnError)
	b := &bench{out: out, raw: io.Discard}
	b.common.flags(fs)
	fs.IntVar(&b.rounds, "rounds", 5, "rounds; each side runs once in each")
	fs.BoolVar(&b.inside, "inside", false, "run the daemon in this process, for a profile")
	fs.BoolVar(&b.short, "short", false, "a hundredth of the long ones: to see that it runs, not how fast")
	fs.IntVar(&b.many, "optouts", 1_000_000, "how many opt-outs are imported; ten million take as many times longer")
	raw := fs.String("raw", "", "append every figure to `FILE`")
	dir := fs.String("dir", os.TempDir(), "`FOLDER` for files: its disk is measured")
	profile := fs.String("cpuprofile", "", "write a profile of all that runs to `FILE`")
	plots := fs.String("plots", "", "measure how cost grows instead (of cores size legs optouts those that are named, or all), and write the plots into `FOLDER`")
	fs.Usage = func() {
		fmt.Fprintln(fs.Output(), "campaign speed [flags] [contest...]")
		for _, c := range contests() {
			fmt.Fprintf(fs.Output(), "  %-9s %s\n", c.name, c.about)
		}
		fs.PrintDefaults()
	}
	if err := fs.Parse(args); err != nil {
		return err
	}
	defer heap.Keep()() // both sides run as the daemon does
	if *raw != "" {
		f, err := os.OpenFile(*raw, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
		if err != nil {
			return err
		}
		defer f.Close()
		b.raw = f
	}
	if *profile != "" {
		f, err := os.Create(*profile)
		if err != nil {
			return err
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	var err error
	if b.dir, err = os.MkdirTemp(*dir, "textback-speed"); err != nil {
		return err
	}
	defer os.RemoveAll(b.dir)
	fmt.Fprintf(b.raw, "# %s %s on %d cores, load %s, %s\n", time.Now().UTC().Format(time.RFC3339), runtime.Version(), runtime.NumCPU(),
		loadAverage(), strings.Join(args, " "))
	if *plots != "" {
		return b.plots(ctx, *plots, fs.Args())
	}
	var failed []error
	for _, c := range contests() {
		if fs.NArg() > 0 && !slices.Contains(fs.Args(), c.name) {
			continue
		}
		fmt.Fprintf(out, "\n== %s: %s\n", c.name, c.about)
		if err := c.run(ctx, b); err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", c.name, err))
		}
	}
	return errors.Join(failed...)
}

// side is one of those that are compared. run does the whole work, verifies that it was done, and gives the figure.
type side struct {
	name string
	unit string
	run  func(ctx context.Context) (float64, error)
}

// figures are what one side showed, a figure for each round.
type figures []float64

func (f figures) median() float64 {
	s := slices.Sorted(slices.Values(f))
	if len(s) == 0 {
		return math.NaN()
	}
	return (s[len(s)/2] + s[(len(s)-1)/2]) / 2
}

// compare lets the sides run in turn, so that what else the machine does meets all of them, and prints medians with their spread
// and the ratio of each to the first.
func (b *bench) compare(ctx context.Context, sides ...side) ([]figures, error) {
	all := make([]figures, len(sides))
	for range b.rounds {
		for i, s := range sides {
			runtime.GC() // the garbage of one side is not to be the other's work
			v, err := s.run(ctx)
			if err != nil {
				return all, fmt.Errorf("%s: %w", s.name, err)
			}
			all[i] = append(all[i], v)
			fmt.Fprintf(b.raw, "%s\t%.6g\t%s\n", s.name, v, s.unit)
		}
	}
	b.table(sides, all)
	return all, nil
}

func (b *bench) table(sides []side, all []figures) {
	w := tabwriter.NewWriter(b.out, 0, 8, 2, ' ', tabwriter.AlignRight)
	for i, s := range sides {
		fmt.Fprintf(w, "%s\t%s %s\t(%s to %s)\t%.2f times the first\t\n", s.name, human(all[i].median()), s.unit,
			human(slices.Min(all[i])), human(slices.Max(all[i])), all[i].median()/all[0].median())
	}
	w.Flush()
}

// human writes a figure with three digits that count.
func human(v float64) string {
	if v >= 1000 {
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.3g", v)
}

// tell prints one figure that has no other side.
func (b *bench) tell(name string, v float64, unit string) {
	fmt.Fprintf(b.out, "  %s: %s %s\n", name, human(v), unit)
	fmt.Fprintf(b.raw, "%s\t%.6g\t%s\n", name, v, unit)
}

// cpuTime is what this process has used of the cores until now, the kernel's work for it included.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func loadAverage() string {
	b, _ := os.ReadFile("/proc/loadavg")
	f := strings.Fields(string(b))
	if len(f) < 3 {
		return "unknown"
	}
	return strings.Join(f[:3], " ")
}

// child runs another process of this program, which ends with this one.
func child(ctx context.Context, args ...string) *exec.Cmd {
	self, err := os.Executable()
	if err != nil {
		self = os.Args[0]
	}
	cmd := exec.CommandContext(ctx, self, args...)
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}
