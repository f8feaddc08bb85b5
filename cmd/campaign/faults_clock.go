package main

import (
	"context"
	"strings"
	"sync/atomic"
	"time"

	"textback/cmd/internal/daemon"
	"textback/esl/esltest"
)

// unknownEvent is one that no FreeSWITCH sends.
func unknownEvent(i int) *esltest.Event {
	return esltest.NewEvent("Event-Name", "CUSTOM", "Event-Subclass", "callcenter::info", "CC-Action", strings.Repeat("?", i),
		"Caller-Unique-ID", "\x00\xff", "variable_x", strings.Repeat("y", 5000))
}

// clockFaults set the clock of the machine that textback runs on.
func clockFaults() []fault {
	var all []fault
	for name, step := range map[string]time.Duration{"forward": 6 * time.Hour, "back": -6 * time.Hour} {
		var offset atomic.Int64
		all = append(all, fault{name: "clock-set-" + name,
			expect: "texts that wait leave when they would have, once; callers texted before are not texted again; STOP holds",
			settings: with(settings{inside: true, policy: strings.Replace(unlimited, `delay = "0s"`, `delay = "4s"`, 1),
				change: func(o *daemon.Options) {
					o.Now = func() time.Time { return time.Now().Round(0).Add(time.Duration(offset.Load())) }
				}}),
			run: func(ctx context.Context, s *scene) error { return clockSet(ctx, s, &offset, step) },
		})
	}
	return all
}

func clockSet(ctx context.Context, s *scene, offset *atomic.Int64, step time.Duration) error {
	before, err := s.miss(ctx, 20)
	if err != nil {
		return err
	}
	if err := s.texted(ctx, before, 30*time.Second); err != nil {
		return err
	}
	if err := s.stopAll(ctx, before[:5]); err != nil {
		return err
	}
	waiting, err := s.miss(ctx, 20)
	if err != nil {
		return err
	}
	if err := s.verdicts(ctx, 40, 20*time.Second); err != nil {
		return err
	}
	began := time.Now()
	offset.Store(int64(step))
	s.asterisk.Skew(step) // the PBXs are on the same machine
	if err := s.texted(ctx, waiting, 30*time.Second); err != nil {
		return err
	}
	s.saw("clock set by %s: 20 waiting texts out %s later (delay 4 s)", step, time.Since(began).Round(100*time.Millisecond))
	// The same callers call again, and others too.
	for i, c := range append(before, waiting...) {
		if err := s.missOne(ctx, i%2 == 0, c); err != nil {
			return err
		}
	}
	after, err := s.miss(ctx, 20)
	if err != nil {
		return err
	}
	if err := s.texted(ctx, after, 30*time.Second); err != nil {
		return err
	}
	s.saw("lines clock-stepped: %d", s.logged("clock-stepped"))
	s.must(s.logged("clock-stepped") == 1, "%d lines clock-stepped", s.logged("clock-stepped"))
	return nil
}
