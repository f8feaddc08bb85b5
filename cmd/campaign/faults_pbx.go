package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"time"
)

// pbxFaults are what PBXs do.
func pbxFaults() []fault {
	return []fault{
		{name: "pbx-links-cut", run: linksCut,
			expect: "a call whose end is heard has its verdict, however often the link was cut before; nobody is texted twice"},
		{name: "pbx-half-open", run: halfOpen,
			expect: "a websocket that is dead without a word is noticed and made anew; what ended meanwhile is not guessed"},
		{name: "pbx-freezes", run: pbxFreezes,
			expect: "a PBX that stands still (SIGSTOP) is not taken for dead calls; what it tells after is judged"},
		{name: "textback-freezes", run: selfFreezes,
			expect: "textback stopped for seconds (SIGSTOP, a virtual machine being moved) loses nothing that its peers kept for it"},
		{name: "pbx-restarts", run: pbxRestarts,
			expect: "calls that lived when the PBX was killed are `lost` and texted once; the link comes back by itself"},
		{name: "pbx-floods", run: floods,
			expect: "ten times the events of a busy PBX cost no call its verdict"},
		{name: "pbx-unknown-events", run: unknownEvents,
			expect: "events of unknown types, broken JSON, and frames that are none are passed over or end the link, never the daemon"},
		{name: "pbx-clock-jumps", run: pbxClock, settings: with(settings{policy: "delay = \"1s\"\n" + strings.Replace(unlimited, "delay = \"0s\"\n", "", 1)}),
			expect: "a PBX whose clock is hours off, or jumps, is texted for as any other: at once, and once"},
	}
}

func linksCut(ctx context.Context, s *scene) error {
	n, cuts := 120, 8
	if !s.short {
		n, cuts = 600, 40
	}
	done := make(chan struct{})
	go func() { defer close(done); s.mix(ctx, n, 20) }()
	for i := range cuts {
		if !wait(ctx, 700*time.Millisecond) {
			return ctx.Err()
		}
		if i%2 == 0 {
			s.asterisk.Cut()
		} else {
			s.freesw.Cut()
		}
	}
	<-done
	s.saw("%d cuts, lines pbx-down: %d, pbx-up: %d", cuts, s.logged("pbx-down"), s.logged("pbx-up"))
	return s.linked(ctx)
}

func halfOpen(ctx context.Context, s *scene) error {
	before, err := s.miss(ctx, 10)
	if err != nil {
		return err
	}
	if err := s.texted(ctx, before, 20*time.Second); err != nil {
		return err
	}
	from := time.Now()
	s.asterisk.Blackhole()
	s.mix(ctx, 20, 20)
	bound, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	downs := s.logged("pbx-down", "pbx=hq")
	if err := s.await(bound, "the dead websocket to be noticed", func() bool { return s.logged("pbx-down", "pbx=hq") > downs }); err != nil {
		return err
	}
	s.saw("noticed after %s", time.Since(from).Round(100*time.Millisecond))
	if err := s.await(bound, "the link", func() bool { return s.logged("pbx-up", "pbx=hq") > 1 }); err != nil {
		return err
	}
	s.excuse(from, time.Now())
	after, err := s.miss(ctx, 10)
	if err != nil {
		return err
	}
	return s.texted(ctx, after, 20*time.Second)
}

func pbxFreezes(ctx context.Context, s *scene) error {
	lasts := 6 * time.Second
	if !s.short {
		lasts = 40 * time.Second
	}
	done := make(chan struct{})
	go func() { defer close(done); s.mix(ctx, 60, 20) }()
	if !wait(ctx, time.Second) {
		return ctx.Err()
	}
	s.asterisk.Freeze()
	s.freesw.Freeze()
	if !wait(ctx, lasts) {
		return ctx.Err()
	}
	s.asterisk.Thaw()
	s.freesw.Thaw()
	thawed := time.Now()
	<-done
	bound, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if err := s.linked(bound); err != nil {
		return err
	}
	after, err := s.miss(ctx, 10)
	if err != nil {
		return err
	}
	if err := s.texted(ctx, after, time.Minute); err != nil {
		return err
	}
	s.saw("frozen %s, lines pbx-down: %d, texts again %s after it ended", lasts, s.logged("pbx-down"), time.Since(thawed).Round(100*time.Millisecond))
	if lasts > 10*time.Second {
		// The links were given up meanwhile: what ended while nobody listened is not heard.
		s.excuse(thawed.Add(-lasts), thawed.Add(20*time.Second))
	}
	return nil
}

func selfFreezes(ctx context.Context, s *scene) error {
	done := make(chan struct{})
	go func() { defer close(done); s.mix(ctx, 120, 20) }()
	for range 3 {
		if !wait(ctx, time.Second) {
			return ctx.Err()
		}
		if err := syscall.Kill(s.pid(), syscall.SIGSTOP); err != nil {
			return err
		}
		if !wait(ctx, 3*time.Second) {
			return ctx.Err()
		}
		if err := syscall.Kill(s.pid(), syscall.SIGCONT); err != nil {
			return err
		}
	}
	<-done
	s.saw("stopped for 3 s three times, lines pbx-down: %d, smpp-down: %d", s.logged("pbx-down"), s.logged("smpp-down"))
	return s.linked(ctx)
}

func pbxRestarts(ctx context.Context, s *scene) error {
	// Calls that ring when the PBX dies: played at their real pace, cut short by the kill.
	playing, stop := context.WithCancel(ctx)
	defer stop()
	var ringing []string
	for i := range 12 {
		caller := s.callers.next()
		ringing = append(ringing, caller)
		go func() { _ = s.ringOne(playing, i%2 == 0, caller) }()
	}
	if !wait(ctx, 1500*time.Millisecond) {
		return ctx.Err()
	}
	stop()
	if err := s.asterisk.Restart(ctx, time.Second, 2*time.Second); err != nil {
		return err
	}
	s.freesw.Restart()
	bound, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	err := s.await(bound, "the verdicts", func() bool { return s.logged(" verdict ", "outcome=lost") >= len(ringing) })
	s.saw("%d calls rang when the PBXs were killed, verdicts `lost`: %d", len(ringing), s.logged(" verdict ", "outcome=lost"))
	if err != nil {
		return err
	}
	for _, c := range ringing {
		s.want[c] = 1
	}
	if err := s.texted(ctx, ringing, 20*time.Second); err != nil {
		return err
	}
	after, err := s.miss(ctx, 10)
	if err != nil {
		return err
	}
	return s.texted(ctx, after, 20*time.Second)
}

// ringOne lets a call ring for as long as it was recorded.
func (s *scene) ringOne(ctx context.Context, onAsterisk bool, caller string) error {
	return s.playNamed(ctx, onAsterisk, "03-", 1, caller)
}

func floods(ctx context.Context, s *scene) error {
	lasts := 5 * time.Second
	if !s.short {
		lasts = 30 * time.Second
	}
	done := make(chan struct{})
	go func() { defer close(done); s.mix(ctx, 100, 100/lasts.Seconds()) }()
	// A PBX with twenty calls a second sends some four hundred events a second.
	began, sent, other := time.Now(), 0, 0
	for time.Since(began) < lasts {
		sent += s.asterisk.Flood(ctx, 400)
		s.freesw.Flood(40, 1000)
		other += 40
		if !wait(ctx, 100*time.Millisecond) {
			return ctx.Err()
		}
	}
	took := time.Since(began)
	<-done
	if err := s.linked(ctx); err != nil {
		return err
	}
	st, err := s.status(ctx)
	if err != nil {
		return err
	}
	s.saw("%d events of no meaning to Asterisk's client and %d of 1 kB to FreeSWITCH's in %s (%d a second); overflows: %d, lost: %d and %d",
		sent, other, took.Round(100*time.Millisecond), int(float64(sent+other)/took.Seconds()), s.logged("overflow"), st.PBXs[0].Lost, st.PBXs[1].Lost)
	return nil
}

func unknownEvents(ctx context.Context, s *scene) error {
	done := make(chan struct{})
	go func() { defer close(done); s.mix(ctx, 60, 10) }()
	for i := range 20 {
		for _, text := range []string{
			fmt.Sprintf(`{"type":"ChannelTeleported","timestamp":"2026-11-24T10:00:00.000+0000","channel":{"id":"x.%d"}}`, i),
			`{"type":42}`, `{"type":"ChannelDestroyed"}`, `{"type":"ChannelCreated","channel":[]}`, `[]`, `null`, `{`, "",
			`{"type":"Dial","peer":{"id":7}}`, `{"type":"` + strings.Repeat("X", 60_000) + `"}`,
			`{"type":"ChannelVarset","timestamp":"yesterday","variable":"DIALSTATUS","value":"\u0000","channel":{"id":"","state":"Sideways"}}`,
		} {
			s.asterisk.Send([]byte(text))
		}
		s.freesw.Emit(unknownEvent(i))
		if !wait(ctx, 100*time.Millisecond) {
			return ctx.Err()
		}
	}
	<-done
	// Frames that are none end the link, which comes back.
	from := time.Now()
	downs, ups := s.logged("pbx-down"), s.logged("pbx-up")
	s.asterisk.SendBytes([]byte{0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF})
	s.freesw.Garbage([]byte("Content-Length: -5\n\nContent-Type: text/event-plain\nContent-Length: 99999999999\n\n"))
	bound, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if err := s.await(bound, "the links to come back", func() bool {
		return s.logged("pbx-down") >= downs+2 && s.logged("pbx-up") >= ups+2
	}); err != nil {
		return err
	}
	s.excuse(from, time.Now())
	s.saw("lines: pbx-down %d, panics %d", s.logged("pbx-down"), s.logged("panic"))
	s.must(s.logged("panic") == 0, "a panic was caught")
	after, err := s.miss(ctx, 10)
	if err != nil {
		return err
	}
	return s.texted(ctx, after, 20*time.Second)
}

func pbxClock(ctx context.Context, s *scene) error {
	for _, skew := range []time.Duration{5 * time.Hour, -5 * time.Hour, 0, 26 * time.Hour, -90 * time.Second} {
		s.asterisk.Skew(skew)
		callers := make([]string, 10)
		var errs []error
		for i := range callers {
			callers[i] = s.callers.next()
			s.want[callers[i]] = 1
			errs = append(errs, s.missOne(ctx, true, callers[i]))
		}
		if err := errors.Join(errs...); err != nil {
			return err
		}
		began := time.Now()
		if err := s.texted(ctx, callers, 20*time.Second); err != nil {
			return fmt.Errorf("with a PBX clock %s off: %w", skew, err)
		}
		s.saw("clock %s off: texts out %s after the last call", skew, time.Since(began).Round(100*time.Millisecond))
	}
	// It jumps in the middle of calls.
	done := make(chan struct{})
	go func() { defer close(done); s.mix(ctx, 40, 20) }()
	for i := range 4 {
		s.asterisk.Skew(time.Duration(i%2*6) * time.Hour)
		if !wait(ctx, 500*time.Millisecond) {
			return ctx.Err()
		}
	}
	<-done
	return nil
}
