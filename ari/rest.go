package ari

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Bodies larger than these are refused: a peer must not fill our memory.
const (
	smallBody = 256 << 10
	listBody  = 64 << 20 // some 60,000 channels
)

// errTooLarge is the error for a body over its limit.
var errTooLarge = errors.New("answer is too large")

// RESTError is an answer of ARI other than 2xx.
type RESTError struct {
	Method  string
	Path    string // below the ARI URL, without the query
	Status  int    // HTTP status
	Message string // the PBX's own words, shortened
}

// Error names the call and the answer; it never holds a password or a variable's value.
func (e *RESTError) Error() string {
	s := fmt.Sprintf("%s %s: HTTP %d", e.Method, e.Path, e.Status)
	if e.Message != "" {
		s += ": " + e.Message
	}
	return s
}

// client speaks ARI's REST half.
type client struct {
	base               string // scheme://host[:port]/ari
	username, password string
	timeout            time.Duration
	http               http.Client
	transport          *http.Transport
}

func newClient(o Options, u *url.URL) *client {
	t := &http.Transport{
		DialContext:           o.Dial,
		TLSClientConfig:       o.TLS.Clone(),
		TLSHandshakeTimeout:   o.HandshakeTimeout,
		ResponseHeaderTimeout: o.RequestTimeout,
		MaxIdleConns:          o.Parallel + 1,
		MaxIdleConnsPerHost:   o.Parallel + 1,
		// Asterisk closes an idle session after session_keep_alive (http.conf), 15 s by default.
		IdleConnTimeout:        10 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
		DisableCompression:     true,
	}
	return &client{
		base: u.String(), username: o.Username, password: o.Password, timeout: o.RequestTimeout, transport: t,
		http: http.Client{
			Transport: t,
			// A redirect would carry the password to wherever it points.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

func (c *client) close() { c.transport.CloseIdleConnections() }

// do makes one call and gives the body of a 2xx answer, up to limit bytes.
func (c *client) do(ctx context.Context, method, path string, query url.Values, body any, limit int64) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	target := c.base + path
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	var payload io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return nil, fmt.Errorf("%s %s: %w", method, path, err)
		}
		payload = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, target, payload)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", method, path, err)
	}
	req.SetBasicAuth(c.username, c.password)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.http.Do(req)
	if err != nil {
		var ue *url.Error
		if errors.As(err, &ue) {
			err = ue.Err // ours says what was attempted
		}
		return nil, fmt.Errorf("%s %s: %w", method, path, err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	switch {
	case resp.StatusCode/100 != 2:
		return nil, &RESTError{Method: method, Path: path, Status: resp.StatusCode, Message: errorMessage(answer)}
	case err != nil:
		return nil, fmt.Errorf("%s %s: %w", method, path, err)
	case int64(len(answer)) > limit:
		return nil, fmt.Errorf("%s %s: %w (over %d bytes)", method, path, errTooLarge, limit)
	}
	return answer, nil
}

// errorMessage takes Asterisk's words out of an error's body: {"message":"..."} or {"error":"..."}.
func errorMessage(body []byte) string {
	var e struct {
		Message string `json:"message"`
		Error   string `json:"error"`
	}
	if json.Unmarshal(body, &e) != nil {
		return ""
	}
	words := e.Message
	if words == "" {
		words = e.Error
	}
	return printable(words, 120)
}

// printable keeps at most n bytes of s and none that could harm a log.
func printable(s string, n int) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || (r >= 0x80 && r < 0xa0) || (r >= 0x2028 && r <= 0x202e) || (r >= 0x2066 && r <= 0x2069) {
			return -1
		}
		return r
	}, s)
	if len(s) > n {
		s = strings.ToValidUTF8(s[:n], "") + "..."
	}
	return s
}

// variable reads one variable or function of a channel. A channel that is gone, and a variable that is not set, give "".
func (c *client) variable(ctx context.Context, channel, name string) (string, error) {
	answer, err := c.do(ctx, http.MethodGet, "/channels/"+url.PathEscape(channel)+"/variable",
		url.Values{"variable": {name}}, nil, smallBody)
	if err != nil {
		var re *RESTError
		if errors.As(err, &re) {
			switch re.Status {
			case http.StatusNotFound, http.StatusConflict: // the channel is gone, or the variable is not set
				return "", nil
			case http.StatusInternalServerError: // "Unable to read provided function": STIR_SHAKEN of a call without a result
				return "", nil
			}
		}
		return "", fmt.Errorf("variable %s: %w", printable(name, 60), err)
	}
	return decodeVariable(answer)
}

func decodeVariable(answer []byte) (string, error) {
	var v struct {
		Value string `json:"value"`
	}
	if err := json.Unmarshal(answer, &v); err != nil {
		return "", fmt.Errorf("read the answer: %w", err)
	}
	return v.Value, nil
}

// startedAt asks when the PBX started.
func (c *client) startedAt(ctx context.Context) (time.Time, error) {
	answer, err := c.do(ctx, http.MethodGet, "/asterisk/info", url.Values{"only": {"status"}}, nil, smallBody)
	if err != nil {
		return time.Time{}, err
	}
	return decodeStartedAt(answer)
}

func decodeStartedAt(answer []byte) (time.Time, error) {
	var info struct {
		Status struct {
			StartupTime string `json:"startup_time"`
		} `json:"status"`
	}
	if err := json.Unmarshal(answer, &info); err != nil {
		return time.Time{}, fmt.Errorf("read the start-up time: %w", err)
	}
	return parseTime(info.Status.StartupTime)
}

// parseTime reads Asterisk's times: ISO 8601 with milliseconds and a zone without a colon. Others add the colon or "Z".
func parseTime(s string) (time.Time, error) {
	for _, layout := range []string{"2006-01-02T15:04:05.999999999-0700", time.RFC3339Nano} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is not a time", printable(s, 40))
}

// registered tells whether the PBX still knows our application. Only a 404 in Asterisk's own words counts as no: a proxy that
// lets some paths through only, or a peer without this one, must not make the link go round in circles.
func (c *client) registered(ctx context.Context, app string) bool {
	_, err := c.do(ctx, http.MethodGet, "/applications/"+url.PathEscape(app), nil, nil, listBody)
	var re *RESTError
	return !errors.As(err, &re) || re.Status != http.StatusNotFound || !strings.Contains(strings.ToLower(re.Message), "application not found")
}

// notThere tells whether the peer does not have a resource at all.
func notThere(err error) bool {
	var re *RESTError
	if !errors.As(err, &re) {
		return false
	}
	switch re.Status {
	case http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusNotImplemented:
		return true
	default:
		return false
	}
}

// setFilter asks the PBX to send only events of these types (PUT /applications/{app}/eventFilter).
func (c *client) setFilter(ctx context.Context, app string, types []string) error {
	type allowed struct {
		Type string `json:"type"`
	}
	list := make([]allowed, 0, len(types))
	for _, t := range types {
		list = append(list, allowed{t})
	}
	_, err := c.do(ctx, http.MethodPut, "/applications/"+url.PathEscape(app)+"/eventFilter", nil,
		map[string]any{"allowed": list}, smallBody)
	return err
}

// channels reads back the live channels, and bridges the live bridges. What cannot be decoded of an entry is counted in
// the third value.
func (c *client) channels(ctx context.Context) ([]Channel, int, error) {
	return list(ctx, c, "/channels", DecodeChannel)
}

func (c *client) bridges(ctx context.Context) ([]Bridge, int, error) {
	return list(ctx, c, "/bridges", decodeBridge)
}

func list[T any](ctx context.Context, c *client, path string, decode func([]byte) (T, error)) ([]T, int, error) {
	answer, err := c.do(ctx, http.MethodGet, path, nil, nil, listBody)
	if err != nil {
		return nil, 0, err
	}
	all, bad, err := decodeList(answer, decode)
	if err != nil {
		return nil, 0, fmt.Errorf("GET %s: %w", path, err)
	}
	return all, bad, nil
}

func decodeList[T any](answer []byte, decode func([]byte) (T, error)) ([]T, int, error) {
	var raw []json.RawMessage
	if err := json.Unmarshal(answer, &raw); err != nil {
		return nil, 0, fmt.Errorf("read the list: %w", err)
	}
	all, bad := make([]T, 0, len(raw)), 0
	for _, r := range raw {
		v, err := decode(r)
		if err != nil {
			bad++
		}
		all = append(all, v)
	}
	return all, bad, nil
}
