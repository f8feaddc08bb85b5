package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"
)

// all runs each campaign but the soak, one after the other: short ones with -short, as continuous integration does.
func all(ctx context.Context, args []string, out io.Writer) error {
	fs := flag.NewFlagSet("all", flag.ContinueOnError)
	short := fs.Bool("short", false, "some minutes instead of an hour")
	var c common
	c.flags(fs)
	if err := fs.Parse(args); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "textback-all")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	binary, err := build(ctx, c.binary, dir)
	if err != nil {
		return err
	}
	kills, graceful, how := "500", "100", []string(nil)
	if *short {
		kills, graceful, how = "20", "", []string{"-short", "-parallel", "6"}
	}
	type step struct {
		name string
		run  func(context.Context, []string, io.Writer) error
		args []string
	}
	steps := []step{{"crash", crash, []string{"-kills", kills, "-rate", "20"}}, {"faults", faults, how}, {"abuse", abuse, how}}
	if graceful != "" {
		steps = append(steps, step{"crash, resend_uncertain = \"grace\"", crash, []string{"-kills", graceful, "-rate", "20", "-grace"}})
	}
	var failed []error
	for _, s := range steps {
		began := time.Now()
		fmt.Fprintf(out, "=== %s\n", s.name)
		err := s.run(ctx, append([]string{"-binary", binary}, s.args...), out)
		fmt.Fprintf(out, "--- %s: %s\n\n", s.name, time.Since(began).Round(time.Second))
		if err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", s.name, err))
		}
	}
	return errors.Join(failed...)
}
