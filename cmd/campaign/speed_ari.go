package main

import (
	"bufio"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	v6 "github.com/CyCoreSystems/ari/v6"
	"github.com/CyCoreSystems/ari/v6/client/native"

	"textback"
	"textback/ari"
	"textback/ari/aritest"
)

// lastChannel is in the event that ends a pour.
const lastChannel = "sim-1.999999999"

const lastARI = `{"variable":"DIALSTATUS","value":"","type":"ChannelVarset","timestamp":"2026-11-24T02:48:25.272+0000","channel":{"id":"` +
	lastChannel + `","name":"PJSIP/last-00000001","state":"Up","caller":{"name":"","number":""},"connected":{"name":"","number":""},` +
	`"dialplan":{"context":"","exten":"","priority":1,"app_name":"","app_data":""},"creationtime":"2026-11-24T02:48:25.271+0000","language":"en"},` +
	`"asterisk_id":"","application":"textback"}`

func ariTranslator() *ari.Translator {
	return ari.NewTranslator(ari.TranslateOptions{PBX: "hq", Inbound: []string{"from-trunk*", "from-pstn*"}, LineFrom: []string{"exten", "to"}})
}

// ariEvents are the events of all recordings, so many copies of them, ending now.
func ariEvents(copies int) ([][]byte, error) {
	names, err := aritest.Names(aritest.Recorded())
	if err != nil {
		return nil, err
	}
	var all [][]byte
	for n := range copies {
		for i, name := range names {
			t, err := aritest.LoadTrace(aritest.Recorded(), name)
			if err != nil {
				return nil, err
			}
			all = append(all, t.Copy(n*len(names)+i, time.Now())...)
		}
	}
	return all, nil
}

// asterisk sends the events of the recordings: all of them, or, with "wanted", what Asterisk sends once its filter is set.
func (p *peer) asterisk(args []string) error {
	copies, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	events, err := ariEvents(copies)
	if err != nil {
		return err
	}
	types := make(map[string]bool)
	for _, t := range ariTranslator().Types() {
		types[t] = true
	}
	var octets []byte
	n := 0
	for _, e := range append(events, []byte(lastARI)) {
		if args[1] == "wanted" {
			typ, err := v6.DecodeEvent(e)
			if err != nil || !types[typ.GetType()] {
				continue
			}
		}
		octets = appendFrame(octets, e)
		n++
	}
	p.serve = func(c net.Conn) error { return p.ariConn(c, octets, n) }
	return nil
}

// appendFrame writes a websocket text frame as a server does (RFC 6455, 5.2).
func appendFrame(b, payload []byte) []byte {
	b = append(b, 0x81)
	switch n := len(payload); {
	case n < 126:
		b = append(b, byte(n))
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, 126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 127), uint64(n))
	}
	return append(b, payload...)
}

// ariConn answers REST with as little as is believed, and pours over the websocket.
func (p *peer) ariConn(c net.Conn, octets []byte, n int) error {
	r := bufio.NewReader(c)
	for {
		req, err := http.ReadRequest(r)
		if err != nil {
			return err
		}
		_, _ = io.Copy(io.Discard, req.Body)
		if key := req.Header.Get("Sec-WebSocket-Key"); key != "" {
			sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
			protocol := "" // only who asks for one may be given one
			if asked := req.Header.Get("Sec-WebSocket-Protocol"); asked != "" {
				protocol = "Sec-WebSocket-Protocol: " + asked + "\r\n"
			}
			_, err := fmt.Fprintf(c, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n%s"+
				"Sec-WebSocket-Accept: %s\r\n\r\n", protocol, base64.StdEncoding.EncodeToString(sum[:]))
			if err != nil {
				return err
			}
			return p.pour(c, octets, n)
		}
		body := "[]"
		switch {
		case strings.Contains(req.URL.Path, "/asterisk/info"):
			body = `{"build":{},"system":{"version":"22","entity_id":"x"},"config":{},"status":{"startup_time":"2026-11-24T02:00:00.000+0000","last_reload_time":"2026-11-24T02:00:00.000+0000"}}`
		case strings.Contains(req.URL.Path, "/applications"):
			body = `{"name":"textback","channel_ids":[],"bridge_ids":[],"endpoint_ids":[],"device_names":[]}`
		}
		if _, err := fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body); err != nil {
			return err
		}
	}
}

// ariTruth is how many calls the events hold, found with the library's own decoder.
func ariTruth(copies int) (events int, calls uint64, err error) {
	all, err := ariEvents(copies)
	if err != nil {
		return 0, 0, err
	}
	tr, tracker := ariTranslator(), textback.NewTracker(textback.TrackerOptions{PBX: "hq"})
	now := time.Now()
	for _, raw := range all {
		e, err := v6.DecodeEvent(raw)
		if err != nil {
			continue // a type that the library does not know
		}
		for _, ev := range tr.Translate(ari.Message{Kind: ari.MessageEvent, Seen: now, Type: e.GetType(), Raw: raw, Event: e}) {
			tracker.Observe(ev)
		}
	}
	tracker.Settle(now.Add(48 * time.Hour))
	return len(all) + 1, tracker.Stats().Ended, nil
}

func speedARI(ctx context.Context, b *bench) error {
	copies := 40
	if b.short {
		copies = 2
	}
	events, one, err := ariTruth(1)
	if err != nil {
		return err
	}
	events, calls := (events-1)*copies+1, one*uint64(copies)
	everything, err := newFarEnd(ctx, "ari", strconv.Itoa(copies), "all")
	if err != nil {
		return err
	}
	defer everything.stop()
	filtered, err := newFarEnd(ctx, "ari", strconv.Itoa(copies), "wanted")
	if err != nil {
		return err
	}
	defer filtered.stop()
	fmt.Fprintf(b.out, "%d events of the recorded mix, %d calls; loopback, the far end is another process\n", events, calls)
	perCore := func(d time.Duration) float64 { return float64(events) / d.Seconds() }
	_, err = b.compare(ctx,
		side{"ari/v6 native client and bus, everything sent", "events/s/core", func(ctx context.Context) (float64, error) {
			d, err := nativeARI(ctx, everything, events)
			return perCore(d), err
		}},
		side{"textback link, translator and tracker, everything sent", "events/s/core", func(ctx context.Context) (float64, error) {
			d, err := ourARI(ctx, everything, events, calls)
			return perCore(d), err
		}},
		side{"the same, Asterisk filters (events that happened, not that came)", "events/s/core", func(ctx context.Context) (float64, error) {
			d, err := ourARI(ctx, filtered, 0, calls)
			return perCore(d), err
		}},
	)
	return err
}

// nativeARI is the time on the cores that ari/v6's own client takes for a pour, its bus included. The bus drops what its
// subscriber does not take at once; decoded is decoded.
func nativeARI(ctx context.Context, far *farEnd, events int) (time.Duration, error) {
	cl := native.New(&native.Options{Application: "textback", Username: "textback", Password: "x", URL: "http://" + far.addr + "/ari",
		WebsocketURL: "ws://" + far.addr + "/ari/events", SubscribeAll: true})
	if err := cl.ConnectWithContext(ctx); err != nil {
		return 0, err
	}
	all := cl.Bus().Subscribe(nil, v6.Events.All)
	last := cl.Bus().Subscribe(v6.NewKey(v6.ChannelKey, lastChannel), v6.Events.All)
	var got atomic.Int64
	go func() {
		for range all.Events() {
			got.Add(1)
		}
	}()
	began := cpuTime()
	if _, err := far.ask(ctx, "begin"); err != nil {
		return 0, err
	}
	select {
	case <-last.Events():
	case <-time.After(2 * time.Minute):
		return 0, fmt.Errorf("the last event did not come, %d did", got.Load())
	}
	used := cpuTime() - began
	cl.Close()
	all.Cancel()
	last.Cancel()
	if n := got.Load(); n < int64(events)/100 {
		return 0, fmt.Errorf("only %d of %d events came", n, events)
	}
	return used, nil
}

// ourARI is the time on the cores that textback's link, translator and tracker take for the same.
func ourARI(ctx context.Context, far *farEnd, events int, calls uint64) (time.Duration, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	tr, tracker := ariTranslator(), textback.NewTracker(textback.TrackerOptions{PBX: "hq"})
	var counters ari.Counters
	up, last, ended := make(chan struct{}, 1), make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- ari.Run(ctx, ari.Options{URL: "http://" + far.addr + "/ari", Username: "textback", Password: "x", App: "textback", Types: tr.Types(),
			Variable: tr.Variable, Counters: &counters, Queue: 1 << 20}, func(m ari.Message) {
			for _, e := range tr.Translate(m) {
				tracker.Observe(e)
			}
			if m.Kind == ari.MessageUp {
				up <- struct{}{}
			}
			if v, ok := m.Event.(*v6.ChannelVarset); ok && v.Channel.ID == lastChannel {
				close(last)
			}
		})
	}()
	<-up
	began := cpuTime()
	if _, err := far.ask(ctx, "begin"); err != nil {
		return 0, err
	}
	select {
	case <-last:
	case err := <-ended:
		return 0, fmt.Errorf("the link ended: %w", err)
	case <-time.After(2 * time.Minute):
		return 0, fmt.Errorf("the last event did not come, %d did", counters.Events.Load())
	}
	used := cpuTime() - began
	cancel()
	<-ended
	tracker.Settle(time.Now().Add(48 * time.Hour))
	if n := int(counters.Events.Load() + counters.Unwanted.Load()); events > 0 && n != events || counters.Dropped.Load() > 0 {
		return 0, fmt.Errorf("%d of %d events came, %d were dropped", n, events, counters.Dropped.Load())
	}
	if n := tracker.Stats().Ended; n != calls {
		return 0, fmt.Errorf("%d calls were tracked to their end, there were %d", n, calls)
	}
	return used, nil
}
