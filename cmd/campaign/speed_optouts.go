package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"textback/store"
)

// optNumber is the i-th number of an opt-out list: strewn, as those of a customer base are.
func optNumber(i int) string { return fmt.Sprintf("+1%010d", 2_000_000_000+i*7919%8_000_000_000) }

// speedImporter is the process that imports so many opt-outs, says so, and goes on with single ones until it is killed.
func speedImporter(ctx context.Context, args []string, out io.Writer) error {
	if len(args) != 2 {
		return errors.New("speed-importer FILE COUNT")
	}
	n, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	s, err := store.Open(store.Options{Path: args[0]})
	if err != nil {
		return err
	}
	began := time.Now()
	list := &store.OptOutList{}
	for i := range n {
		list.Add(store.OptedOut{Number: optNumber(i), Business: "acme", Source: "sms", Line: "+15550100", Wording: "STOP", At: began.Add(-time.Duration(i) * time.Second)})
	}
	r, err := s.ImportOptOuts(ctx, list, began)
	if err == nil && r.Added != n {
		err = fmt.Errorf("%d of %d were added", r.Added, n)
	}
	if err != nil {
		return err
	}
	fmt.Fprintln(out, time.Since(began).Seconds())
	for i := n; ; i++ {
		if _, err := s.OptOut(ctx, store.OptChange{Number: optNumber(i), Businesses: []string{"acme"}, Source: store.SourceCommand}, time.Now()); err != nil {
			return err
		}
	}
}

// optFile is what a file of so many opt-outs costs.
type optFile struct {
	imported, open, lookup, verify time.Duration
	size                           int64
}

// optOuts imports into a new file, kills the process in the middle of a write, and opens the file as the daemon does.
func (b *bench) optOuts(ctx context.Context, n, openings int) (f optFile, err error) {
	path := filepath.Join(b.dir, "optouts.db")
	defer os.Remove(path)
	cmd := child(ctx, "speed-importer", path, strconv.Itoa(n))
	pipe, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return f, err
	}
	var seconds float64
	if _, err := fmt.Fscan(pipe, &seconds); err != nil {
		return f, fmt.Errorf("import: %w", err)
	}
	f.imported = time.Duration(seconds * float64(time.Second))
	time.Sleep(time.Duration(50+rand.IntN(50)) * time.Millisecond) // it is writing
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	var opened figures
	var s *store.Store
	for range openings {
		if s != nil {
			s.Close()
		}
		began := time.Now()
		if s, err = store.Open(store.Options{Path: path, NoCompact: true}); err != nil {
			return f, err
		}
		if _, err := s.OptedOut(ctx, optNumber(0), "acme"); err != nil { // ready is when it answers
			return f, err
		}
		opened = append(opened, float64(time.Since(began)))
	}
	defer s.Close()
	f.open = time.Duration(opened[0])
	const asked = 20000
	began := time.Now()
	for i := range asked {
		k, want := rand.IntN(n), i%2 == 0
		if !want {
			k = 2*n + 1_000_000 + k
		}
		switch out, err := s.OptedOut(ctx, optNumber(k), "acme"); {
		case err != nil:
			return f, err
		case out != want:
			return f, fmt.Errorf("number %d: opted out %v", k, out)
		}
	}
	f.lookup = time.Since(began) / asked
	began = time.Now()
	if err := s.Verify(ctx); err != nil {
		return f, err
	}
	f.verify = time.Since(began)
	st, err := os.Stat(path)
	if err == nil {
		f.size = st.Size()
	}
	return f, err
}

func speedOptOuts(ctx context.Context, b *bench) error {
	n := b.many
	if b.short {
		n = 2000
	}
	f, err := b.optOuts(ctx, n, 1)
	if err != nil {
		return err
	}
	fmt.Fprintf(b.out, "%d opt-outs, imported as one list, the process killed while it wrote single ones\n", n)
	b.tell("import, with its entries in the ledger", f.imported.Seconds(), "s")
	b.tell("imported", float64(n)/f.imported.Seconds(), "a second")
	b.tell("open after the kill, to the first answer", f.open.Seconds(), "s")
	b.tell("look-up", float64(f.lookup)/1e3, "us")
	b.tell("the whole ledger verified, each number of the list with it", f.verify.Seconds(), "s")
	b.tell("file", float64(f.size)/(1<<20), "MiB")
	b.tell("of it for each opt-out", float64(f.size)/float64(n), "octets")
	return nil
}
