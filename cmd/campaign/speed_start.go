package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"textback"
	"textback/store"
)

// speedStart starts the binary on a file that holds an hour's backlog, while a PBX sends a call that nobody takes, and measures from the
// start of the process to the first verdict on a new call, and to the first text of the backlog on the wire.
func speedStart(ctx context.Context, b *bench) error {
	backlog := 3600 // texts of an hour at one a second, all of them due
	if b.short {
		backlog = 50
	}
	var verdicts, texts figures
	for range b.rounds {
		v, t, err := b.start(ctx, backlog)
		if err != nil {
			return err
		}
		verdicts, texts = append(verdicts, v.Seconds()), append(texts, t.Seconds())
		fmt.Fprintf(b.raw, "start to first verdict\t%.6g\ts\nstart to first text\t%.6g\ts\n", v.Seconds(), t.Seconds())
	}
	fmt.Fprintf(b.out, "%d calls and texts of the hour before wait in the file; a call ends as soon as the link is up\n", backlog)
	fmt.Fprintf(b.out, "  start to the first verdict on a new call: %s s (%.3g to %.3g), of which the settling time is %v\n", human(verdicts.median()), minOf(verdicts), maxOf(verdicts), settleTime)
	fmt.Fprintf(b.out, "  start to the first waiting text at the message centre: %s s (%.3g to %.3g)\n", human(texts.median()), minOf(texts), maxOf(texts))
	return nil
}

// fillBacklog writes the verdicts and queued texts of an hour into a new state file.
func fillBacklog(ctx context.Context, path string, n int) error {
	o, err := newOffice()
	if err != nil {
		return err
	}
	s, err := store.Open(store.Options{Path: path})
	if err != nil {
		return err
	}
	defer s.Close()
	_, err = each(ctx, n, 100, func(c textback.Call) error {
		f, k := o.facts(c)
		_, _, err := s.Decide(ctx, c, k, time.Now(), func(h textback.History) textback.Decision {
			f.History = h
			return o.cfg.Set.Decide(f)
		})
		return err
	})
	return err
}

func (b *bench) start(ctx context.Context, backlog int) (verdict, text time.Duration, err error) {
	path := filepath.Join(b.dir, "start.db")
	defer os.Remove(path)
	if err := fillBacklog(ctx, path, backlog); err != nil {
		return 0, 0, err
	}
	st, err := newStage(b.common, settings{state: path, smpp: "rate = 0.0\nwindow = 100\n",
		policy: "delay = \"0s\"\nmin_ring = \"0s\"\nmax_unreplied = 1000000\nper_block_hour = 1000000\nper_line_hour = 1000000\nper_hour = 1000000\nper_day = 1000000\n"})
	if err != nil {
		return 0, 0, err
	}
	defer st.close()
	before := st.logged("verdict", "…199") // a log that is appended to has older ones
	began := time.Now()
	if err := st.launch(); err != nil {
		return 0, 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	played := make(chan error, 1)
	go func() { // a call that is over in a moment, as soon as somebody listens
		for !st.asterisk.Connected("textback") {
			select {
			case <-ctx.Done():
				played <- ctx.Err()
				return
			case <-time.After(time.Millisecond):
			}
		}
		played <- st.playMissed(ctx, "+12125550199")
	}()
	for verdict == 0 || text == 0 {
		select {
		case <-ctx.Done():
			return 0, 0, fmt.Errorf("wait for the first verdict and text: %w", ctx.Err())
		case <-time.After(2 * time.Millisecond):
		}
		if text == 0 && len(st.smsc.Submits()) > 0 {
			text = time.Since(began)
		}
		if verdict == 0 && st.logged("verdict", "…199") > before {
			verdict = time.Since(began)
		}
	}
	return verdict, text, <-played
}
