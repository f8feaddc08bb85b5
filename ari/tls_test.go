package ari

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"textback/ari/aritest"
)

// certificate makes a self-signed certificate for the host "pbx".
func certificate(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "pbx"}, DNSNames: []string{"pbx"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

func TestTLSIsVerifiedBeforeThePasswordLeaves(t *testing.T) {
	for name, tc := range map[string]struct {
		url     string
		trusted bool
		plain   bool // the server speaks no TLS
		want    string
	}{
		"a certificate that we trust": {"https://pbx:8089/ari", true, false, "connected"},
		"one that we do not":          {"https://pbx:8089/ari", false, false, "refused"},
		"one for another host":        {"https://other:8089/ari", true, false, "refused"},
		"a server without TLS":        {"https://pbx:8089/ari", true, true, "refused"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cert, pool := certificate(t)
				pipe := aritest.NewPipe()
				sim := aritest.New(aritest.Options{})
				var l net.Listener = pipe
				if !tc.plain {
					l = tls.NewListener(pipe, &tls.Config{Certificates: []tls.Certificate{cert}})
				}
				var wg sync.WaitGroup
				wg.Go(func() {
					if err := sim.Serve(l); err != nil {
						t.Error(err)
					}
				})
				r := start(t, aritest.Options{}, func(o *Options) {
					o.URL, o.Dial, o.TLS = tc.url, pipe.Dial, &tls.Config{}
					if tc.trusted {
						o.TLS.RootCAs = pool
					} else {
						o.TLS.RootCAs = x509.NewCertPool()
					}
				}, nil)
				time.Sleep(3 * time.Second)
				if got := r.said(); got != tc.want {
					s, _ := r.status(StatusUnreachable)
					t.Errorf("statuses: %s (%v)", got, s.Err)
				}
				if n := len(sim.Requests()); tc.want != "connected" && n > 0 {
					t.Errorf("%d requests got through", n)
				}
				r.cancel()
				sim.Close()
				pipe.Close()
				wg.Wait()
			})
		})
	}
}
