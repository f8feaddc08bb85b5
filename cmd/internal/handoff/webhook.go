package handoff

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// MaxBody bounds the body of a webhook call.
const MaxBody = 256 << 10

// WebhookOptions describe one endpoint.
type WebhookOptions struct {
	URL string
	// Secrets sign each call, in the form whsec_ and base64. More than one while a secret is being changed: the receiver
	// takes any.
	Secrets      []string
	AllowPrivate bool          // let the host be a private, loopback or link-local address
	TLS          *tls.Config   // own authority, if any; verification stays on
	Timeout      time.Duration // of one call, 20 s unless given
	UserAgent    string        // "textback" unless given
	Now          func() time.Time
}

// Webhook calls one endpoint by the rules of Standard Webhooks.
type Webhook struct {
	opts  WebhookOptions
	host  string
	signs []*standardwebhooks.Webhook
	http  *http.Client
}

// NewWebhook checks the options.
func NewWebhook(o WebhookOptions) (*Webhook, error) {
	u, err := url.Parse(o.URL)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.User != nil {
		// The URL itself is not shown: many carry a secret in their path.
		return nil, errors.New("webhook: the url must be http or https, with a host and without a user")
	}
	w := &Webhook{opts: o, host: u.Host}
	if len(o.Secrets) == 0 {
		return nil, fmt.Errorf("webhook to %s: there is no signing secret", w.host)
	}
	for _, secret := range o.Secrets {
		sign, err := newSigner(secret)
		if err != nil {
			return nil, fmt.Errorf("webhook to %s: %w", w.host, err)
		}
		w.signs = append(w.signs, sign)
	}
	if w.opts.Timeout <= 0 {
		w.opts.Timeout = 20 * time.Second
	}
	if w.opts.UserAgent == "" {
		w.opts.UserAgent = "textback"
	}
	if w.opts.Now == nil {
		w.opts.Now = time.Now
	}
	dialer := &net.Dialer{Timeout: 10 * time.Second}
	if !o.AllowPrivate {
		dialer.Control = refusePrivate
	}
	w.http = &http.Client{
		Timeout: w.opts.Timeout,
		// A redirect could lead anywhere, and would carry the caller's data there.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			// No proxy: it would resolve and connect out of sight of the dialer's check.
			DialContext:            dialer.DialContext,
			TLSClientConfig:        o.TLS,
			TLSHandshakeTimeout:    10 * time.Second,
			ForceAttemptHTTP2:      true,
			MaxIdleConnsPerHost:    1,
			IdleConnTimeout:        30 * time.Second,
			MaxResponseHeaderBytes: 16 << 10,
			DisableCompression:     true,
		},
	}
	return w, nil
}

// newSigner reads a secret in the form of Standard Webhooks.
func newSigner(secret string) (*standardwebhooks.Webhook, error) {
	encoded, ok := strings.CutPrefix(strings.TrimSpace(secret), "whsec_")
	if !ok || len(encoded) < 32 {
		// The specification asks for 24 to 64 bytes, which are 32 characters and more.
		return nil, errors.New("the secret must be whsec_ and at least 24 bytes in base64: make one with " +
			"`echo whsec_$(openssl rand -base64 32)`")
	}
	sign, err := standardwebhooks.NewWebhook(encoded)
	if err != nil {
		// The library's error would quote the secret's bad byte.
		return nil, errors.New("the secret is not base64 after whsec_")
	}
	return sign, nil
}

// String names the endpoint without its path, which may be secret.
func (w *Webhook) String() string { return "webhook " + w.host }

// body is what is signed: the same bytes on every attempt.
func body(d Delivery) ([]byte, error) {
	b, err := json.Marshal(struct {
		Type      string          `json:"type"`
		Timestamp time.Time       `json:"timestamp"`
		Data      json.RawMessage `json:"data"`
	}{d.Type, d.At.UTC(), d.Data})
	if err != nil {
		return nil, fmt.Errorf("write the body of %s: %w", d.Type, err)
	}
	if len(b) > MaxBody {
		return nil, fmt.Errorf("the body of %s is %d bytes, over %d", d.Type, len(b), MaxBody)
	}
	return b, nil
}

// Send makes one call. Any 2xx is delivered; 410 disables the endpoint; everything else is worth another attempt, because
// an endpoint that refuses today may be mended tomorrow.
func (w *Webhook) Send(ctx context.Context, d Delivery) (Result, error) {
	b, err := body(d)
	if err != nil {
		return Result{Permanent: true, Note: err.Error()}, err
	}
	req, err := w.request(ctx, d, b)
	if err != nil {
		return Result{Permanent: true, Note: err.Error()}, err
	}
	resp, err := w.http.Do(req)
	if err != nil {
		// *url.Error quotes the whole URL.
		if ue := (*url.Error)(nil); errors.As(err, &ue) {
			err = ue.Err
		}
		err = fmt.Errorf("call the webhook at %s: %w", w.host, err)
		return Result{Note: err.Error()}, err
	}
	defer resp.Body.Close()
	// A little is read so that the connection can serve again; what it says is of no use.
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 4<<10))
	return w.judge(resp)
}

func (w *Webhook) request(ctx context.Context, d Delivery, b []byte) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.opts.URL, bytes.NewReader(b))
	if err != nil {
		return nil, fmt.Errorf("call the webhook at %s: the url cannot be used", w.host)
	}
	now := w.opts.Now()
	signatures := make([]string, 0, len(w.signs))
	for _, s := range w.signs {
		sig, err := s.Sign(d.ID, now, b)
		if err != nil {
			return nil, fmt.Errorf("sign the webhook to %s: %w", w.host, err)
		}
		signatures = append(signatures, sig)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", w.opts.UserAgent)
	// Spelled as the specification does; net/http's own spelling is the same header.
	req.Header.Set(standardwebhooks.HeaderWebhookID, d.ID)
	req.Header.Set(standardwebhooks.HeaderWebhookTimestamp, strconv.FormatInt(now.Unix(), 10))
	req.Header.Set(standardwebhooks.HeaderWebhookSignature, strings.Join(signatures, " "))
	return req, nil
}

func (w *Webhook) judge(resp *http.Response) (Result, error) {
	code := resp.StatusCode
	res := Result{Note: fmt.Sprintf("%d %s", code, http.StatusText(code))}
	switch {
	case code >= 200 && code < 300:
		res.Delivered = true
		return res, nil
	case code == http.StatusGone:
		res.Permanent, res.Disable = true, true
	case code >= 300 && code < 400:
		res.Note += ", redirects are not followed"
	}
	res.After = retryAfter(resp.Header.Get("Retry-After"), w.opts.Now())
	return res, fmt.Errorf("the webhook at %s answered %s", w.host, res.Note)
}

// retryAfter reads the header (RFC 9110, 10.2.3): seconds or a date.
func retryAfter(v string, now time.Time) time.Duration {
	v = strings.TrimSpace(v)
	if s, err := strconv.ParseInt(v, 10, 64); err == nil {
		return time.Duration(min(max(s, 0), int64(MaxAfter/time.Second))) * time.Second
	}
	if at, err := http.ParseTime(v); err == nil {
		return min(max(at.Sub(now), 0), MaxAfter)
	}
	return 0
}
