package handoff

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

const (
	secretA = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	secretB = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
)

func newTestWebhook(t *testing.T, o WebhookOptions) *Webhook {
	t.Helper()
	if o.Secrets == nil {
		o.Secrets = []string{secretA}
	}
	w, err := NewWebhook(o)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func TestTheReferenceLibraryVerifiesWhatWeSend(t *testing.T) {
	type got struct {
		id, kind string
		body     string
	}
	var calls []got
	for _, secret := range []string{secretA, secretB} {
		verifier, err := standardwebhooks.NewWebhook(secret)
		if err != nil {
			t.Fatal(err)
		}
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			b, err := io.ReadAll(r.Body)
			if err == nil {
				err = verifier.Verify(b, r.Header)
			}
			if err != nil {
				t.Errorf("%s %s: %v", r.Method, r.URL.Path, err)
			}
			if verifier.Verify(append(b, ' '), r.Header) == nil {
				t.Error("the verifier takes any body")
			}
			calls = append(calls, got{r.Header.Get("webhook-id"), r.Header.Get("Content-Type"), string(b)})
			w.WriteHeader(http.StatusNoContent)
		}))
		defer srv.Close()
		w := newTestWebhook(t, WebhookOptions{URL: srv.URL + "/in?key=secret", AllowPrivate: true, Secrets: []string{secretA, secretB}})
		for range 2 {
			res, err := w.Send(t.Context(), testReply(t))
			if err != nil || !res.Delivered || res.Note != "204 No Content" {
				t.Errorf("%+v, %v", res, err)
			}
		}
	}
	if len(calls) != 4 || calls[0] != calls[3] {
		t.Fatalf("%+v", calls)
	}
	var b struct {
		Type      string
		Timestamp time.Time
		Data      Reply
	}
	if err := json.Unmarshal([]byte(calls[0].body), &b); err != nil || b.Type != "reply.received" || !b.Timestamp.Equal(at()) ||
		b.Data.Body != "My sink leaks" || calls[0].id != "msg_1" || calls[0].kind != "application/json" {
		t.Errorf("%+v, %+v, %v", calls[0], b, err)
	}
}

func TestAnswersAreJudged(t *testing.T) {
	var status int
	var header, value string
	redirected := false
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/elsewhere" {
			redirected = true
		}
		w.Header().Set(header, value)
		w.WriteHeader(status)
		io.WriteString(w, strings.Repeat("x", 100_000))
	}))
	defer srv.Close()
	w := newTestWebhook(t, WebhookOptions{URL: srv.URL, AllowPrivate: true, Now: at})
	for _, tt := range []struct {
		status        int
		header, value string
		want          Result
	}{
		{200, "X", "", Result{Delivered: true, Note: "200 OK"}},
		{202, "X", "", Result{Delivered: true, Note: "202 Accepted"}},
		{301, "Location", "/elsewhere", Result{Note: "301 Moved Permanently, redirects are not followed"}},
		{307, "Location", "/elsewhere", Result{Note: "307 Temporary Redirect, redirects are not followed"}},
		{400, "X", "", Result{Note: "400 Bad Request"}},
		{404, "X", "", Result{Note: "404 Not Found"}},
		{410, "X", "", Result{Note: "410 Gone", Permanent: true, Disable: true}},
		{429, "Retry-After", "120", Result{Note: "429 Too Many Requests", After: 2 * time.Minute}},
		{503, "Retry-After", "Tue, 24 Nov 2026 15:10:00 GMT", Result{Note: "503 Service Unavailable", After: 10 * time.Minute}},
		{503, "Retry-After", "99999999999999", Result{Note: "503 Service Unavailable", After: MaxAfter}},
		{503, "Retry-After", "-5", Result{Note: "503 Service Unavailable"}},
		{503, "Retry-After", "soon", Result{Note: "503 Service Unavailable"}},
		{500, "X", "", Result{Note: "500 Internal Server Error"}},
	} {
		status, header, value = tt.status, tt.header, tt.value
		res, err := w.Send(t.Context(), testReply(t))
		if res != tt.want || (err == nil) != tt.want.Delivered {
			t.Errorf("%d %s: %+v, %v; want %+v", tt.status, tt.value, res, err, tt.want)
		}
	}
	if redirected {
		t.Error("a redirect was followed")
	}
}

func TestAddressesInsideAreRefusedWhenDialled(t *testing.T) {
	reached := false
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true }))
	defer srv.Close()
	u, _ := url.Parse(srv.URL)
	// "localhost" resolves only when it is dialled: as a name would that its owner points inside later.
	for _, host := range []string{"127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "0.0.0.0", "2130706433"} {
		w := newTestWebhook(t, WebhookOptions{URL: "http://" + host + ":" + u.Port() + "/x?key=topsecret"})
		res, err := w.Send(t.Context(), testReply(t))
		var refused *AddressError
		if err == nil || res.Delivered || host != "2130706433" && !errors.As(err, &refused) {
			t.Errorf("%s: %+v, %v", host, res, err)
		}
		if strings.Contains(err.Error(), "topsecret") || strings.Contains(res.Note, "topsecret") {
			t.Errorf("%s: the url's secret is in %v", host, err)
		}
	}
	if reached {
		t.Error("the server inside was reached")
	}
}

func TestOnlyPublicAddressesArePublic(t *testing.T) {
	for _, tt := range []struct {
		public bool
		addrs  string
	}{
		{true, "1.1.1.1 8.8.8.8 172.15.0.1 172.32.0.1 100.128.0.1 192.0.1.1 223.255.255.254 2606:4700:4700::1111 64:ff9b::808:808 2002:808:808::1 ::ffff:8.8.8.8"},
		{false, "127.0.0.1 127.255.255.255 10.0.0.1 172.16.0.1 172.31.255.255 192.168.1.1 169.254.169.254 0.0.0.0 0.1.2.3 100.64.0.1 192.0.0.8 " +
			"192.0.2.1 198.18.0.1 198.51.100.1 203.0.113.1 224.0.0.1 239.1.1.1 240.0.0.1 255.255.255.255 :: ::1 ::7f00:1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 " +
			"fe80::1 fe80::1%eth0 fc00::1 fd12::1 fec0::1 ff02::1 64:ff9b::7f00:1 64:ff9b::a00:1 64:ff9b:1::1 2002:7f00:1::1 2002:a00:1::1 2001::1 2001:db8::1 100::1"},
	} {
		for s := range strings.FieldsSeq(tt.addrs) {
			if got := public(netip.MustParseAddr(s)); got != tt.public {
				t.Errorf("%s: public is %v", s, got)
			}
		}
	}
	if public(netip.Addr{}) {
		t.Error("no address is public")
	}
}

func TestASilentEndpointIsGivenUp(t *testing.T) {
	release := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}))
	defer srv.Close()
	defer close(release)
	w := newTestWebhook(t, WebhookOptions{URL: srv.URL, AllowPrivate: true, Timeout: 50 * time.Millisecond})
	res, err := w.Send(t.Context(), testReply(t))
	if err == nil || res.Delivered || res.Permanent {
		t.Errorf("%+v, %v", res, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w = newTestWebhook(t, WebhookOptions{URL: srv.URL, AllowPrivate: true})
	if _, err := w.Send(ctx, testReply(t)); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestTheCertificateOfTheEndpointIsVerified(t *testing.T) {
	srv := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer srv.Close()
	srv.Config.ErrorLog = nil
	w := newTestWebhook(t, WebhookOptions{URL: srv.URL, AllowPrivate: true})
	if _, err := w.Send(t.Context(), testReply(t)); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("unknown authority: %v", err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(srv.Certificate())
	w = newTestWebhook(t, WebhookOptions{URL: srv.URL, AllowPrivate: true, TLS: &tls.Config{RootCAs: roots}})
	if res, err := w.Send(t.Context(), testReply(t)); err != nil || !res.Delivered {
		t.Errorf("own authority: %+v, %v", res, err)
	}
}

func TestAWebhookThatCannotWorkIsRefusedWithoutItsSecret(t *testing.T) {
	for name, o := range map[string]WebhookOptions{
		"no secret":    {URL: "https://crm.example/x"},
		"scheme":       {URL: "ftp://crm.example/topsecret", Secrets: []string{secretA}},
		"user":         {URL: "https://a:topsecret@crm.example/", Secrets: []string{secretA}},
		"relative":     {URL: "/topsecret", Secrets: []string{secretA}},
		"no prefix":    {URL: "https://crm.example/", Secrets: []string{"topsecrettopsecrettopsecrettopsecrettopsecret"}},
		"short secret": {URL: "https://crm.example/", Secrets: []string{"whsec_dG9wc2VjcmV0"}},
		"not base64":   {URL: "https://crm.example/", Secrets: []string{"whsec_topsecret!topsecret!topsecret!topsecret!"}},
	} {
		w, err := NewWebhook(o)
		if err == nil || strings.Contains(err.Error(), "topsecret") {
			t.Errorf("%s: %v, %v", name, w, err)
		}
	}
	big := testReply(t)
	big.Data = json.RawMessage(fmt.Sprintf("%q", strings.Repeat("x", MaxBody)))
	w := newTestWebhook(t, WebhookOptions{URL: "https://crm.example/topsecret"})
	if res, err := w.Send(t.Context(), big); err == nil || !res.Permanent {
		t.Errorf("a body over the limit: %+v, %v", res, err)
	}
	if w.String() != "webhook crm.example" {
		t.Errorf("%s", w)
	}
}
