package web

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"
)

const (
	heartbeat = 15 * time.Second
	// writeWithin is how long a browser may take to take what is written: then the stream ends, and it comes again.
	writeWithin = 10 * time.Second
	// calmest is the shortest time between two looks of one stream. Looks that take long, for there is much to look at, come more
	// seldom: all streams together look for a twentieth of the time, until that would make one wait for slowest.
	calmest, calmer, slowest = time.Second, 20, 30 * time.Second
)

// live tells a browser of changes by server-sent events (HTML Living Standard, 9.2) for as long as the person is logged in. Each
// event is a part of the page, made anew, that differs from what was sent before. Nothing is queued: a stream that is slow misses
// what lay between, and the daemon never waits for it.
func (u *ui) live(w http.ResponseWriter, r *http.Request, look func(*http.Request) (view, error)) {
	select {
	case u.streams <- struct{}{}:
		defer func() { <-u.streams }()
	default:
		w.Header().Set("Retry-After", "30")
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	if _, err := look(r); err != nil {
		// A stream that begins and ends at once would be asked for again and again.
		status := http.StatusServiceUnavailable
		if errors.Is(err, ErrNoThread) {
			status = http.StatusNotFound
		}
		w.WriteHeader(status)
		return
	}
	rc := http.NewResponseController(w)
	// The listener's time for reading a request must not end a stream that is meant to stay.
	if err := rc.SetReadDeadline(time.Time{}); err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no") // nginx: hand on at once
	s := &stream{u: u, w: w, rc: rc, r: r, look: look, sent: make(map[string][sha256.Size]byte)}
	changed, stop := u.Desk.Watch()
	defer stop()
	if s.write("retry: 3000\n\n") != nil {
		return
	}
	s.run(r.Context(), changed)
}

type stream struct {
	u    *ui
	w    http.ResponseWriter
	rc   *http.ResponseController
	r    *http.Request
	look func(*http.Request) (view, error)
	sent map[string][sha256.Size]byte // part → hash of what the browser has
}

func (s *stream) run(ctx context.Context, changed <-chan struct{}) {
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for {
		if _, ok := s.u.person(s.r, false); !ok {
			_ = s.write("event: bye\ndata: \n\n") // the browser goes to the log-in
			return
		}
		began := time.Now()
		if err := s.send(); err != nil {
			return
		}
		calm := time.NewTimer(min(max(calmest, calmer*time.Since(began)*time.Duration(len(s.u.streams))), slowest))
		select {
		case <-calm.C:
		case <-ctx.Done():
		case <-s.u.closing:
		}
		calm.Stop()
		select {
		case <-changed:
		case <-beat.C:
			if s.write(": still here\n\n") != nil {
				return
			}
		case <-ctx.Done():
			return
		case <-s.u.closing:
			return
		}
	}
}

// send makes the parts of the page and sends those that differ.
func (s *stream) send() error {
	v, err := s.look(s.r)
	if err != nil {
		return err
	}
	f, err := s.u.frame(s.r, v)
	if err != nil {
		return err
	}
	for _, part := range []struct{ id, template string }{{"standing", "standing"}, {"live", v.name + "-live"}} {
		html, err := s.u.views.render(part.template, f)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(html)
		if s.sent[part.id] == sum {
			continue
		}
		s.sent[part.id] = sum
		data, err := json.Marshal(struct {
			ID   string `json:"id"`
			HTML string `json:"html"`
		}{part.id, string(html)})
		if err != nil {
			return err
		}
		if err := s.write(fmt.Sprintf("event: part\ndata: %s\n\n", data)); err != nil {
			return err
		}
	}
	return nil
}

// write sends some lines at once, against a deadline of their own: the listener's counts from the beginning of the request.
func (s *stream) write(lines string) error {
	if err := s.rc.SetWriteDeadline(time.Now().Add(writeWithin)); err != nil {
		return err
	}
	if _, err := s.w.Write([]byte(lines)); err != nil {
		return err
	}
	return s.rc.Flush()
}
