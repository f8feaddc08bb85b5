package smpp_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"textback/smpp"
	"textback/smpp/smpptest"
)

// bench is a link and a message centre in one bubble.
type bench struct {
	t      *testing.T
	server *smpptest.Server
	link   *smpp.Link
	stop   func()

	mu         sync.Mutex
	deliveries []smpp.Delivery
	late       []smpp.Answer
	statuses   []smpp.Status
	faults     []smpp.Fault
	answer     func(smpp.Delivery) uint32
}

type setup struct {
	config  func(*smpp.Config)
	options smpptest.Options
	faults  smpptest.Faults
	answer  func(smpp.Delivery) uint32
}

// inBubble runs a test with a bound link on virtual time.
func inBubble(t *testing.T, s setup, test func(*testing.T, *bench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, s)
		defer b.close()
		synctest.Wait()
		test(t, b)
	})
}

func newBench(t *testing.T, s setup) *bench {
	b := &bench{t: t, server: smpptest.New(s.options), answer: s.answer}
	b.server.SetFaults(s.faults)
	cfg := smpp.Config{Name: "carrier", Addr: "smsc:2775", SystemID: "acme", Password: "secret", Receipts: true,
		Reference: true, Dial: b.server.Dial}
	if s.config != nil {
		s.config(&cfg)
	}
	if err := cfg.Check(); err != nil {
		t.Fatal(err)
	}
	b.link = smpp.NewLink(cfg, smpp.Handlers{
		Deliver: func(_ context.Context, d smpp.Delivery) uint32 {
			b.mu.Lock()
			b.deliveries = append(b.deliveries, d)
			answer := b.answer
			b.mu.Unlock()
			if answer != nil {
				return answer(d)
			}
			return smpp.StatusOK
		},
		Late:   func(a smpp.Answer) { b.lock(func() { b.late = append(b.late, a) }) },
		Status: func(s smpp.Status) { b.lock(func() { b.statuses = append(b.statuses, s) }) },
		Fault:  func(f smpp.Fault) { b.lock(func() { b.faults = append(b.faults, f) }) },
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := b.link.Run(ctx); err != nil {
			t.Error(err)
		}
	}()
	b.stop = func() {
		cancel()
		<-done
	}
	return b
}

func (b *bench) close() {
	b.stop()
	b.server.Close()
}

func (b *bench) lock(f func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f()
}

func (b *bench) got() []smpp.Delivery {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]smpp.Delivery(nil), b.deliveries...)
}

// states are the words of the link's states so far.
func (b *bench) states() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var words []string
	for _, s := range b.statuses {
		words = append(words, s.State.String())
	}
	return strings.Join(words, " ")
}

func (b *bench) words() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var words []string
	for _, f := range b.faults {
		words = append(words, f.Word)
	}
	return strings.Join(words, " ")
}

func (b *bench) segment(to, body string) smpp.Segment {
	return smpp.Segment{To: to, From: "+12025550100", Part: b.link.Segments(body)[0], Reference: 4711, Token: to}
}

func (b *bench) submit(to, body string) (smpp.Answer, error) {
	return b.link.Submit(b.t.Context(), b.segment(to, body))
}
