package main

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/percipia/eslgo"
	"github.com/percipia/eslgo/command"

	"textback"
	"textback/esl"
	"textback/esl/esltest"
)

func eslTranslator() *esl.Translator {
	return esl.NewTranslator(esl.TranslateOptions{PBX: "branch", Inbound: []string{"public"}, LineFrom: []string{"exten", "to"}})
}

// subscribed are the events of all recordings to which textback subscribes, so many copies of them, ending now.
func subscribed(copies int) ([]*esltest.Event, error) {
	recordings, err := esltest.LoadRecordings(esltest.Recorded())
	if err != nil {
		return nil, err
	}
	names, subclasses := esl.DefaultEvents(), esl.DefaultSubclasses()
	var all []*esltest.Event
	for range copies {
		for _, r := range recordings {
			for e := range r.Copy(time.Now()) {
				name := e.Get("Event-Name")
				if name != "HEARTBEAT" && slices.Contains(names, name) || name == "CUSTOM" && slices.Contains(subclasses, e.Get("Event-Subclass")) {
					all = append(all, e)
				}
			}
		}
	}
	return all, nil
}

// freeswitch sends the recorded events, as JSON or plain, whichever is asked for.
func (p *peer) freeswitch(args []string) error {
	copies, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	events, err := subscribed(copies)
	if err != nil {
		return err
	}
	var octets []byte
	for _, e := range events {
		body := e.JSON()
		if args[1] == "plain" {
			body = e.Plain()
		}
		octets = fmt.Appendf(octets, "Content-Length: %d\nContent-Type: text/event-%s\n\n%s", len(body), args[1], body)
	}
	p.serve = func(c net.Conn) error { return p.eslConn(c, octets, len(events)) }
	return nil
}

// eslConn lets anybody in, has no channels, and pours.
func (p *peer) eslConn(c net.Conn, octets []byte, n int) error {
	if _, err := fmt.Fprint(c, "Content-Type: auth/request\n\n"); err != nil {
		return err
	}
	poured := make(chan error, 1)
	r := bufio.NewReader(c)
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return err
		}
		switch line = strings.TrimSpace(line); {
		case line == "":
		case strings.HasPrefix(line, "api "):
			body := `{"row_count":0}`
			if strings.Contains(line, "global_getvar") {
				body = "3b6cb5b6-5d2d-4f0d-9f7c-1f0e5a2d1c11"
			}
			_, err = fmt.Fprintf(c, "Content-Type: api/response\nContent-Length: %d\n\n%s", len(body), body)
		default:
			_, err = fmt.Fprint(c, "Content-Type: command/reply\nReply-Text: +OK\n\n")
		}
		if err != nil {
			return err
		}
		if strings.HasPrefix(line, "event ") {
			go func() {
				<-p.begin
				_, err := c.Write(octets)
				p.count.Store(int64(n))
				poured <- err
			}()
		}
		select {
		case err := <-poured:
			return err
		default:
		}
	}
}

func speedESL(ctx context.Context, b *bench) error {
	copies := 40
	if b.short {
		copies = 2
	}
	one, err := subscribed(1)
	if err != nil {
		return err
	}
	events, octets := len(one)*copies, 0
	tr, tracker := eslTranslator(), textback.NewTracker(textback.TrackerOptions{PBX: "branch"})
	for _, e := range one {
		octets += len(e.JSON())
		h := make(map[string]string)
		for _, x := range e.Headers {
			h[x.Name] = x.Value
		}
		for _, ev := range tr.Translate(esl.Message{Kind: esl.MessageEvent, Seen: time.Now(), Name: e.Get("Event-Name"), Subclass: e.Get("Event-Subclass"), Headers: h}) {
			tracker.Observe(ev)
		}
	}
	tracker.Settle(time.Now().Add(48 * time.Hour))
	calls := tracker.Stats().Ended * uint64(copies)
	json, err := newFarEnd(ctx, "esl", strconv.Itoa(copies), "json")
	if err != nil {
		return err
	}
	defer json.stop()
	plain, err := newFarEnd(ctx, "esl", strconv.Itoa(copies), "plain")
	if err != nil {
		return err
	}
	defer plain.stop()
	fmt.Fprintf(b.out, "%d recorded events of %d octets on average, %d calls; loopback, the far end is another process\n", events, octets/len(one), calls)
	perCore := func(d time.Duration) float64 { return float64(events) / d.Seconds() }
	_, err = b.compare(ctx,
		side{"eslgo, plain events parsed and handed on", "events/s/core", func(ctx context.Context) (float64, error) {
			d, err := eslgoEvents(ctx, plain, events)
			return perCore(d), err
		}},
		side{"textback link (JSON), translator and tracker", "events/s/core", func(ctx context.Context) (float64, error) {
			d, err := ourESL(ctx, json, events, calls)
			return perCore(d), err
		}},
	)
	return err
}

// eslgoEvents is the time on the cores that eslgo takes to parse a pour and to hand it on.
func eslgoEvents(ctx context.Context, far *farEnd, events int) (time.Duration, error) {
	opts := eslgo.DefaultInboundOptions
	opts.Logger, opts.Context = eslgo.NilLogger{}, ctx
	conn, err := opts.Dial(far.addr)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	var got atomic.Int64
	done := make(chan struct{})
	conn.RegisterEventListener(eslgo.EventListenAll, func(*eslgo.Event) {
		if got.Add(1) == int64(events) {
			close(done)
		}
	})
	if _, err := conn.SendCommand(ctx, command.Event{Format: "plain", Listen: []string{"ALL"}}); err != nil {
		return 0, err
	}
	began := cpuTime()
	if _, err := far.ask(ctx, "begin"); err != nil {
		return 0, err
	}
	select {
	case <-done:
	case <-time.After(2 * time.Minute):
		return 0, fmt.Errorf("%d of %d events came", got.Load(), events)
	}
	return cpuTime() - began, nil
}

// ourESL is the time on the cores that textback's link, translator and tracker take for the same events.
func ourESL(ctx context.Context, far *farEnd, events int, calls uint64) (time.Duration, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	tr, tracker := eslTranslator(), textback.NewTracker(textback.TrackerOptions{PBX: "branch"})
	up, done, ended := make(chan struct{}, 1), make(chan struct{}), make(chan error, 1)
	var got atomic.Int64
	lost := false
	go func() {
		ended <- esl.Run(ctx, esl.Options{Addr: far.addr, Password: "x", Keep: tr.Keep, Queue: 1 << 20, QueueBytes: 1 << 30}, func(m esl.Message) {
			for _, e := range tr.Translate(m) {
				tracker.Observe(e)
			}
			switch m.Kind {
			case esl.MessageUp:
				up <- struct{}{}
			case esl.MessageEvent:
				if got.Add(1) == int64(events) {
					close(done)
				}
			case esl.MessageOverflow, esl.MessageDown:
				lost = lost || got.Load() < int64(events)
			}
		})
	}()
	<-up
	began := cpuTime()
	if _, err := far.ask(ctx, "begin"); err != nil {
		return 0, err
	}
	select {
	case <-done:
	case err := <-ended:
		return 0, fmt.Errorf("the link ended: %w", err)
	case <-time.After(2 * time.Minute):
		return 0, fmt.Errorf("%d of %d events came", got.Load(), events)
	}
	used := cpuTime() - began
	cancel()
	<-ended
	tracker.Settle(time.Now().Add(48 * time.Hour))
	if n := tracker.Stats().Ended; n != calls || lost {
		return 0, fmt.Errorf("%d calls were tracked to their end, there were %d; lost events: %v", n, calls, lost)
	}
	return used, nil
}
