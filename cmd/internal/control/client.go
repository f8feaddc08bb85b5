package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"net"
	"net/http"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// Client calls the running daemon.
type Client struct {
	path string
	http *http.Client
}

// NewClient makes a client for the control socket at path; nothing is opened yet.
func NewClient(path string) *Client {
	c := &Client{path: path}
	c.http = &http.Client{Transport: &http.Transport{
		DisableKeepAlives:  true,
		DisableCompression: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			d := net.Dialer{Timeout: 5 * time.Second}
			return d.DialContext(ctx, "unix", path)
		},
	}}
	return c
}

// Call asks for a verb and reads its reply into reply, which may be nil. An error of the verb comes back with the words
// that the daemon gave it, as an [*Error]; no daemon is [ErrNotRunning].
func (c *Client) Call(ctx context.Context, verb string, args, reply any) error {
	resp, err := c.post(ctx, verb, args)
	if err != nil {
		return err
	}
	return readReply(verb, resp, reply)
}

// Send hands a verb the bytes of body, at most [MaxSent], and reads its reply as Call does.
func (c *Client) Send(ctx context.Context, verb string, body io.Reader, reply any) error {
	resp, err := c.do(ctx, verb, "application/octet-stream", body)
	if err != nil {
		return err
	}
	return readReply(verb, resp, reply)
}

func readReply(verb string, resp *http.Response, reply any) error {
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, MaxReply+1))
	if err != nil {
		return fmt.Errorf("read the reply to %s: %w", verb, err)
	}
	if len(body) > MaxReply {
		return fmt.Errorf("the reply to %s is over %d bytes", verb, MaxReply)
	}
	if reply == nil {
		return nil
	}
	if err := json.Unmarshal(body, reply); err != nil {
		return fmt.Errorf("read the reply to %s: %w", verb, err)
	}
	return nil
}

// Stream asks for a verb that answers with bytes and copies them to w as they come. An error means that what was written
// to w is not whole.
func (c *Client) Stream(ctx context.Context, verb string, args any, w io.Writer) error {
	resp, err := c.post(ctx, verb, args)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(w, resp.Body); err != nil {
		return fmt.Errorf("%s: the stream was cut: %w", verb, err)
	}
	switch end := resp.Trailer.Get(endTrailer); end {
	case "ok":
		return nil
	case "":
		return fmt.Errorf("%s: the stream was cut: the daemon stopped before its end", verb)
	default:
		return readError(verb, []byte(end))
	}
}

func (c *Client) post(ctx context.Context, verb string, args any) (*http.Response, error) {
	body, err := json.Marshal(args)
	if err != nil {
		return nil, fmt.Errorf("write the arguments of %s: %w", verb, err)
	}
	return c.do(ctx, verb, "application/json", bytes.NewReader(body))
}

func (c *Client) do(ctx context.Context, verb, kind string, body io.Reader) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://textback"+verbPath+verb, body)
	if err != nil {
		return nil, fmt.Errorf("ask for %s: %w", verb, err)
	}
	req.Header.Set("Content-Type", kind)
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.explain(verb, err)
	}
	if resp.StatusCode == http.StatusOK {
		return resp, nil
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return nil, fmt.Errorf("read the reply to %s: %w", verb, err)
	}
	return nil, readError(verb, text)
}

func readError(verb string, body []byte) error {
	e := &Error{}
	if err := json.Unmarshal(body, e); err != nil || e.Message == "" {
		return fmt.Errorf("%s: the daemon answered %.200q", verb, body)
	}
	return e
}

// explain turns a failed connection into what the operator can do about it.
func (c *Client) explain(verb string, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("%w: nobody answers on the control socket %s", ErrNotRunning, c.path)
	case errors.Is(err, fs.ErrPermission):
		return c.denied()
	}
	return fmt.Errorf("ask textback for %s on %s: %w", verb, c.path, err)
}

func (c *Client) denied() error {
	e := &Error{Code: "permission", Message: fmt.Sprintf("control socket %s: permission denied", c.path), Hint: "use sudo"}
	if group := groupOf(c.path); group != "" && group != "root" {
		e.Hint = "add yourself to group " + group + " (sudo usermod -aG " + group + " $USER, then log in again), or use sudo"
	}
	return e
}

func groupOf(path string) string {
	info, err := os.Stat(path)
	if err != nil {
		// The folder is what keeps us out; it usually belongs to the same group.
		if info, err = os.Stat(filepath.Dir(path)); err != nil {
			return ""
		}
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return ""
	}
	id := strconv.Itoa(int(st.Gid))
	if g, err := user.LookupGroupId(id); err == nil {
		return g.Name
	}
	return id
}

func discard() *log.Logger { return log.New(io.Discard, "", 0) }
