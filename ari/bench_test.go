package ari

import (
	"context"
	"net"
	"testing"

	"textback/ari/aritest"
)

// BenchmarkLink measures the whole way of an event over loopback TCP: the simulated Asterisk's write, the websocket, the
// queue, decoding, and the call of handle.
func BenchmarkLink(b *testing.B) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	sim := aritest.New(aritest.Options{})
	go sim.Serve(l)
	defer sim.Close()
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	up, done := make(chan struct{}, 8), make(chan struct{})
	var c Counters
	n := 0
	go Run(ctx, Options{URL: "http://" + l.Addr().String() + "/ari", Username: "textback", Password: "secret", App: "textback",
		Counters: &c, Queue: 1 << 20}, func(m Message) {
		switch m.Kind {
		case MessageUp:
			up <- struct{}{}
		case MessageEvent:
			if n++; n == b.N {
				close(done)
			}
		}
	})
	<-up
	b.ReportAllocs()
	b.ResetTimer()
	if sent := sim.Flood(ctx, b.N); sent != b.N {
		b.Fatalf("%d of %d sent", sent, b.N)
	}
	<-done
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
	if d := c.Dropped.Load(); d > 0 {
		b.Errorf("%d dropped", d)
	}
}

func BenchmarkPeek(b *testing.B) {
	raw := traces(b)[0].Events[1].Raw
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		peek(raw)
	}
}
