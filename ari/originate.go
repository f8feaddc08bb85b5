package ari

import (
	"context"
	"errors"
	"net/http"
	"time"
)

// OriginateRequest makes the PBX ring Endpoint and, when it is answered, run the dialplan at Extension in Context, which
// calls the other side (POST /channels).
type OriginateRequest struct {
	Endpoint  string // whom to ring first, e.g. "PJSIP/100" or "Local/100@from-internal"
	Extension string // where the dialplan goes on when it is answered: the number to call
	Context   string
	CallerID  string            // shown to Endpoint, e.g. "Call back <+12025550123>"
	Timeout   time.Duration     // how long Endpoint may ring; 30 s
	Variables map[string]string // set on the new channel
}

// Originate starts a call and gives the new channel. The user needs read_only=no (else 403). Errors are *[RESTError] where
// the PBX answered. It does not wait for anybody to pick up.
func Originate(ctx context.Context, o Options, r OriginateRequest) (Channel, error) {
	if r.Endpoint == "" || r.Extension == "" || r.Context == "" {
		return Channel{}, errors.New("originate: endpoint, extension and context are required")
	}
	o, u, err := o.withDefaults()
	if err != nil {
		return Channel{}, err
	}
	if r.Timeout <= 0 {
		r.Timeout = 30 * time.Second
	}
	c := newClient(o, u)
	defer c.close()
	// In the body, not in the query: numbers would show in the access logs of proxies.
	body := map[string]any{
		"endpoint": r.Endpoint, "extension": r.Extension, "context": r.Context, "priority": 1,
		"timeout": max(1, int(r.Timeout/time.Second)),
	}
	if r.CallerID != "" {
		body["callerId"] = r.CallerID
	}
	if len(r.Variables) > 0 {
		body["variables"] = r.Variables
	}
	answer, err := c.do(ctx, http.MethodPost, "/channels", nil, body, smallBody)
	if err != nil {
		return Channel{}, err
	}
	return DecodeChannel(answer)
}
