package main

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	bolt "go.etcd.io/bbolt"

	"textback"
	"textback/store"
)

// plot shows how a cost grows: named lines of points.
type plot struct {
	title, x, y string
	logX, logY  bool
	lines       []line
}

type line struct {
	name   string
	points [][2]float64
}

func (p *plot) add(name string, x, y float64) {
	for i := range p.lines {
		if p.lines[i].name == name {
			p.lines[i].points = append(p.lines[i].points, [2]float64{x, y})
			return
		}
	}
	p.lines = append(p.lines, line{name, [][2]float64{{x, y}}})
}

// svg draws it.
func (p *plot) svg() string {
	const width, height, left, right, top, bottom = 720, 360, 70, 690, 30, 300
	scale := func(v float64, log bool) float64 {
		if log {
			return math.Log10(max(v, 1e-9))
		}
		return v
	}
	minX, maxX, minY, maxY := math.Inf(1), math.Inf(-1), math.Inf(1), math.Inf(-1)
	if !p.logY {
		minY = 0
	}
	for _, l := range p.lines {
		for _, at := range l.points {
			x, y := scale(at[0], p.logX), scale(at[1], p.logY)
			minX, maxX, minY, maxY = min(minX, x), max(maxX, x), min(minY, y), max(maxY, y)
		}
	}
	if maxX == minX {
		maxX++
	}
	if maxY == minY {
		maxY++
	}
	x := func(v float64) float64 { return left + (scale(v, p.logX)-minX)/(maxX-minX)*(right-left) }
	y := func(v float64) float64 { return bottom - (scale(v, p.logY)-minY)/(maxY-minY)*(bottom-top) }
	var b strings.Builder
	fmt.Fprintf(&b, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" font-family=\"sans-serif\" font-size=\"11\">\n", width, height)
	fmt.Fprintf(&b, "<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n<text x=\"%d\" y=\"16\" font-size=\"13\">%s</text>\n", left, p.title)
	for i := range 5 {
		v := minY + (maxY-minY)*float64(i)/4
		at := bottom - float64(i)/4*(bottom-top)
		if p.logY {
			v = math.Pow(10, v)
		}
		fmt.Fprintf(&b, "<line x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\" stroke=\"#ddd\"/><text x=\"%d\" y=\"%.1f\" text-anchor=\"end\" fill=\"#444\">%s</text>\n",
			left, right, at, at, left-5, at+4, human(v))
	}
	colours := []string{"#1f77b4", "#d62728", "#2ca02c", "#9467bd"}
	for i, l := range p.lines {
		var points []string
		for _, at := range l.points {
			points = append(points, fmt.Sprintf("%.1f,%.1f", x(at[0]), y(at[1])))
			fmt.Fprintf(&b, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3\" fill=\"%s\"/>", x(at[0]), y(at[1]), colours[i%len(colours)])
			if i == 0 {
				fmt.Fprintf(&b, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\" fill=\"#444\">%s</text>\n", x(at[0]), bottom+16, human(at[0]))
			}
		}
		fmt.Fprintf(&b, "<polyline points=\"%s\" fill=\"none\" stroke=\"%s\" stroke-width=\"1.5\"/>\n", strings.Join(points, " "), colours[i%len(colours)])
		fmt.Fprintf(&b, "<text x=\"%d\" y=\"%d\" fill=\"%s\">%s</text>\n", left+i*220, bottom+52, colours[i%len(colours)], l.name)
	}
	fmt.Fprintf(&b, "<text x=\"%d\" y=\"%d\" text-anchor=\"end\" fill=\"#444\">%s</text>\n<text x=\"4\" y=\"%d\" fill=\"#444\">%s</text>\n</svg>\n",
		right, bottom+32, p.x, top-14, p.y)
	return b.String()
}

// save writes the drawing, and prints its points.
func (b *bench) save(folder, name string, p *plot) error {
	for _, l := range p.lines {
		for _, at := range l.points {
			fmt.Fprintf(b.raw, "%s\t%s\t%.6g\t%.6g\n", p.title, l.name, at[0], at[1])
			fmt.Fprintf(b.out, "  %s, %s: %s %s: %s %s\n", p.title, l.name, human(at[0]), p.x, human(at[1]), p.y)
		}
	}
	return os.WriteFile(filepath.Join(folder, name), []byte(p.svg()), 0o644)
}

// plots measures how cost grows with cores and calls in flight, with the file, with legs, and with opt-outs: what is named, or all.
func (b *bench) plots(ctx context.Context, folder string, named []string) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	for _, p := range []struct {
		name string
		run  func(context.Context, string) error
	}{{"cores", b.plotCores}, {"size", b.plotSize}, {"legs", b.plotLegs}, {"optouts", b.plotKeys}} {
		if len(named) > 0 && !slices.Contains(named, p.name) {
			continue
		}
		if err := p.run(ctx, folder); err != nil {
			return fmt.Errorf("plot of %s: %w", p.name, err)
		}
	}
	return nil
}

func (b *bench) plotCores(ctx context.Context, folder string) error {
	o, err := newOffice()
	if err != nil {
		return err
	}
	n := 4000
	if b.short {
		n = 200
	}
	flights := &plot{title: "durable verdicts", x: "in flight", y: "calls/s", logX: true}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	for cores := 1; cores <= runtime.NumCPU(); cores++ {
		runtime.GOMAXPROCS(cores)
		for _, at := range []int{1, 4, 16, 64, 256} {
			var all figures
			for range min(b.rounds, 3) {
				v, err := o.decideGrouped(ctx, filepath.Join(b.dir, "plot.db"), 0, min(n, 500*at), at, 0)
				if err != nil {
					return err
				}
				all = append(all, v)
			}
			flights.add(fmt.Sprintf("%d core(s)", cores), float64(at), all.median())
		}
	}
	return b.save(folder, "verdicts.svg", flights)
}

// plotSize decides calls, 64 in flight, until the file has ten million entries, and measures each stretch of them.
func (b *bench) plotSize(ctx context.Context, folder string) error {
	o, err := newOffice()
	if err != nil {
		return err
	}
	marks := []int{1000, 3000, 10_000, 30_000, 100_000, 300_000, 600_000, 1_000_000}
	if b.short {
		marks = []int{100, 300}
	}
	path := filepath.Join(b.dir, "size.db")
	defer os.Remove(path)
	s, err := store.Open(store.Options{Path: path})
	if err != nil {
		return err
	}
	defer s.Close()
	var decided atomic.Int64
	began := make([]atomic.Int64, len(marks)) // when nine tenths of a mark were decided, and all of it
	ended := make([]atomic.Int64, len(marks))
	_, err = each(ctx, marks[len(marks)-1], 64, func(c textback.Call) error {
		if err := o.decide(ctx, s, c); err != nil {
			return err
		}
		n := int(decided.Add(1))
		for i, mark := range marks {
			switch n {
			case mark * 9 / 10:
				began[i].Store(time.Now().UnixNano())
			case mark:
				ended[i].Store(time.Now().UnixNano())
			}
		}
		return nil
	})
	if err == nil {
		err = s.Close()
	}
	if err != nil {
		return err
	}
	entries, err := entriesOf(path)
	if err != nil {
		return err
	}
	size := &plot{title: "durable verdicts while the file grows, 64 in flight", x: "entries", y: "calls/s", logX: true}
	for i, mark := range marks {
		took := time.Duration(ended[i].Load() - began[i].Load())
		size.add("calls", float64(entries)*float64(mark)/float64(marks[len(marks)-1]), float64(mark-mark*9/10)/took.Seconds())
	}
	return b.save(folder, "size.svg", size)
}

// entriesOf counts the entries of a state file.
func entriesOf(path string) (n int, err error) {
	db, err := bolt.Open(path, 0o600, &bolt.Options{ReadOnly: true, Timeout: time.Second})
	if err != nil {
		return 0, err
	}
	defer db.Close()
	return n, db.View(func(tx *bolt.Tx) error {
		return tx.ForEach(func(_ []byte, b *bolt.Bucket) error { n += b.Stats().KeyN; return nil })
	})
}

func (b *bench) plotLegs(ctx context.Context, folder string) error {
	memory := &plot{title: "memory of calls in progress", x: "legs", y: "MiB", logX: true, logY: true}
	work := &plot{title: "tracker: time for each event while so many legs are in progress", x: "legs", y: "us/event", logX: true}
	sizes := []int{1000, 3000, 10_000, 30_000}
	if b.short {
		sizes = []int{100, 300}
	}
	for _, calls := range sizes {
		found, err := b.holdCalls(ctx, calls, "GOGC=")
		if err != nil {
			return err
		}
		memory.add("resident", found["legs"], found["full"])
		memory.add("live on the heap", found["legs"], found["live"])
	}
	for _, calls := range append([]int{100}, sizes...) {
		each, legs := trackerCost(calls)
		work.add("a call's events", float64(legs), each)
	}
	if err := b.save(folder, "memory.svg", memory); err != nil {
		return err
	}
	return b.save(folder, "tracker.svg", work)
}

// trackerCost holds so many calls and measures what a further call's events cost each, in microseconds.
func trackerCost(calls int) (each float64, legs int) {
	tracker := textback.NewTracker(textback.TrackerOptions{PBX: "hq", Settle: time.Millisecond})
	now := time.Now()
	for i := range calls {
		for _, e := range missedCall(i, now)[:4] { // it rings on
			tracker.Observe(e)
		}
	}
	legs = tracker.Stats().Legs
	const more = 5000
	events := 0
	began := time.Now()
	for i := range more {
		now = now.Add(5 * time.Millisecond)
		for _, e := range missedCall(calls+i, now) {
			tracker.Observe(e)
			events++
		}
	}
	return float64(time.Since(began)) / 1e3 / float64(events), legs
}

func (b *bench) plotKeys(ctx context.Context, folder string) error {
	look := &plot{title: "opt-outs: look-up", x: "opt-outs", y: "us", logX: true}
	open := &plot{title: "opt-outs: open after a kill, and file", x: "opt-outs", y: "ms, MiB", logX: true, logY: true}
	for n := 1000; n <= b.many; n *= 10 {
		for _, k := range []int{n, 3 * n} {
			if k > b.many {
				continue
			}
			f, err := b.optOuts(ctx, k, 1)
			if err != nil {
				return err
			}
			look.add("look-up", float64(k), float64(f.lookup)/1e3)
			open.add("open, ms", float64(k), f.open.Seconds()*1e3)
			open.add("file, MiB", float64(k), float64(f.size)/(1<<20))
		}
	}
	if err := b.save(folder, "lookup.svg", look); err != nil {
		return err
	}
	return b.save(folder, "optouts.svg", open)
}
