package smpp_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"net"
	"sync"
	"testing"
	"time"

	"textback/smpp"
	"textback/smpp/smpptest"
)

// serveTCP serves a simulated message centre on loopback, with TLS if a configuration is given.
func serveTCP(tb testing.TB, opt smpptest.Options, cfg *tls.Config) (*smpptest.Server, string) {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	addr := l.Addr().String()
	if cfg != nil {
		l = tls.NewListener(l, cfg)
	}
	s := smpptest.New(opt)
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	tb.Cleanup(func() {
		s.Close()
		if err := <-done; err != nil {
			tb.Error(err)
		}
	})
	return s, addr
}

// runTCP runs a link over real sockets and returns a channel of its states.
func runTCP(tb testing.TB, cfg smpp.Config) (*smpp.Link, <-chan smpp.Status) {
	tb.Helper()
	states := make(chan smpp.Status, 100)
	link := smpp.NewLink(cfg, smpp.Handlers{
		Deliver: func(context.Context, smpp.Delivery) uint32 { return smpp.StatusOK },
		Status:  func(s smpp.Status) { states <- s },
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = link.Run(ctx)
	}()
	tb.Cleanup(func() {
		cancel()
		<-done
	})
	return link, states
}

// await waits for a state.
func await(tb testing.TB, states <-chan smpp.Status, want smpp.State) smpp.Status {
	tb.Helper()
	deadline := time.After(20 * time.Second)
	for {
		select {
		case s := <-states:
			if s.State == want {
				return s
			}
		case <-deadline:
			tb.Fatalf("never %v", want)
		}
	}
}

func TestTLSIsUsedAndTheCertificateIsVerified(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "smsc"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	server, addr := serveTCP(t, smpptest.Options{}, &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}})
	roots := x509.NewCertPool()
	roots.AddCert(cert)

	link, states := runTCP(t, smpp.Config{Name: "tls", Addr: addr, SystemID: "acme", TLS: &tls.Config{RootCAs: roots}})
	await(t, states, smpp.Bound)
	if _, err := link.Submit(t.Context(), smpp.Segment{To: "+12025550123", From: "Acme", Part: link.Segments("x")[0]}); err != nil {
		t.Error(err)
	}
	_, states = runTCP(t, smpp.Config{Name: "strangers", Addr: addr, SystemID: "acme", TLS: &tls.Config{RootCAs: x509.NewCertPool()}})
	var unknown x509.UnknownAuthorityError
	if s := await(t, states, smpp.Down); !errors.As(s.Err, &unknown) {
		t.Errorf("a certificate that nobody signed: %v", s.Err)
	}
	_, states = runTCP(t, smpp.Config{Name: "plain", Addr: addr, SystemID: "acme", ResponseTimeout: time.Second})
	await(t, states, smpp.Down)
	if n := server.Bound(); n != 1 {
		t.Errorf("%d binds", n)
	}
}

func TestManyTextsBothWaysOverRealSockets(t *testing.T) {
	server, addr := serveTCP(t, smpptest.Options{ReceiptAfter: time.Millisecond, NoFates: true}, nil)
	link, states := runTCP(t, smpp.Config{Name: "tcp", Addr: addr, SystemID: "acme", Window: 50, Receipts: true})
	await(t, states, smpp.Bound)
	const n = 2000
	ids := make([]string, n)
	var wg sync.WaitGroup
	for w := range 50 {
		wg.Go(func() {
			for i := w; i < n; i += 50 {
				a, err := link.Submit(t.Context(), smpp.Segment{To: fmt.Sprintf("+1202%07d", i), From: "Acme", Part: link.Segments("hello")[0]})
				if err != nil {
					t.Error(err)
				}
				ids[i] = a.MessageID
			}
		})
	}
	wg.Wait()
	if err := server.Wait(t.Context(), func() bool { return len(server.Acks()) == n }); err != nil {
		t.Fatal(err)
	}
	// Each text has its own id: no answer went to the wrong submit.
	byTo := map[string]string{}
	for _, s := range server.Submits() {
		byTo[s.To] = s.MessageID
	}
	for i, id := range ids {
		if want := byTo[fmt.Sprintf("+1202%07d", i)]; id != want || id == "" {
			t.Fatalf("text %d has id %q, not %q", i, id, want)
		}
	}
	if c := link.Counters(); c.Accepted != n || c.Receipts != n || c.Unknown != 0 || c.Unanswered != 0 || c.InFlight != 0 {
		t.Errorf("counters %+v", c)
	}
}

func BenchmarkSubmit(b *testing.B) {
	for _, window := range []int{1, 10, 100} {
		b.Run(fmt.Sprintf("window=%d", window), func(b *testing.B) {
			_, addr := serveTCP(b, smpptest.Options{NoLedger: true, NoFates: true}, nil)
			link, states := runTCP(b, smpp.Config{Name: "bench", Addr: addr, SystemID: "acme", Window: window})
			await(b, states, smpp.Bound)
			part := link.Segments("Acme Plumbing: sorry we missed you! Reply here. STOP to end.")[0]
			b.ReportAllocs()
			b.ResetTimer()
			var wg sync.WaitGroup
			for w := range window {
				wg.Go(func() {
					for i := w; i < b.N; i += window {
						if _, err := link.Submit(context.Background(), smpp.Segment{To: "+12025550123", From: "+12025550100", Part: part}); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "submits/s")
		})
	}
}
