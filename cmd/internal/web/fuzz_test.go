package web

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
)

// FuzzRequest: whatever a stranger sends, nothing is handed over without a signature or token, no answer is ours to be
// ashamed of, and the address that is logged and limited is one that a trusted proxy told, or the peer's.
func FuzzRequest(f *testing.F) {
	f.Add("POST", "/hooks/cal", "X-Cal-Signature-256", "00", "203.0.113.1, 10.0.0.1", []byte(`{"triggerEvent":"BOOKING_CREATED"}`))
	f.Add("POST", "/hooks/calendly", "Calendly-Webhook-Signature", "t=1,v1=00", "", []byte(`{}`))
	f.Add("POST", "/threads/1/reply", "Authorization", "Bearer x", "::1,fe80::1%eth0", []byte(`{"text":"x"}`))
	f.Add("GET", "/healthz", "", "", "unknown", []byte(nil))
	f.Add("POST", "/threads/18446744073709551616/reply", "Authorization", "Basic eA==", ",,", []byte("\xff"))
	l := newListener(f, func(o *Options) {
		o.PerMinute = 1 << 40
		o.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")}
	})
	f.Fuzz(func(t *testing.T, method, path, key, value, forwarded string, body []byte) {
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(string(body)))
		r.Method, r.URL.Path, r.RemoteAddr = method, path, "203.0.113.9:4711"
		r.Header.Set("X-Forwarded-For", forwarded)
		if key != "" {
			r.Header.Set(key, value)
		}
		l.log.Reset()
		w := httptest.NewRecorder()
		l.ServeHTTP(w, r)
		if len(l.bookings)+len(l.replies) != 0 {
			t.Fatal("something was handed over")
		}
		if w.Code >= 500 || w.Code == http.StatusOK && path != "/healthz" {
			t.Fatalf("status %d", w.Code)
		}
		if log := strings.TrimSuffix(l.log.String(), "\n"); strings.ContainsAny(log, "\n\x1b") || log != "" && w.Code != http.StatusUnauthorized {
			t.Fatalf("logged %q with %d", log, w.Code)
		}
	})
}
