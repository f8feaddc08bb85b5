package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"time"
)

const (
	verbPath = "/v1/"
	// endTrailer follows a stream: "ok", or an error as JSON. A stream without it was cut.
	endTrailer = "Textback-End"

	headerTimeout = 5 * time.Second
	readTimeout   = 30 * time.Second
	// stallTimeout is how long a stream waits for a reader that takes nothing, or a writer that gives nothing.
	stallTimeout = 30 * time.Second
	maxCalls     = 32 // at a time; further ones wait
)

// Server answers calls on the control socket.
type Server struct {
	Handlers  map[string]Handler
	Streamers map[string]Streamer
	Receivers map[string]Receiver
	// Panicked is told of a verb that panicked, with the stack; the caller gets an error and the daemon lives on.
	Panicked func(verb string, value any, stack []byte)
}

// Serve answers calls on l until ctx ends; calls that are under way then get up to two seconds. It closes l.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	calls, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	srv := &http.Server{
		Handler:           s.handler(),
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       readTimeout,
		IdleTimeout:       headerTimeout,
		MaxHeaderBytes:    8 << 10,
		BaseContext:       func(net.Listener) context.Context { return calls },
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, uidKey{}, peerUID(c))
		},
		// What net/http would print is about callers that hang up; only the daemon logs.
		ErrorLog: discard(),
	}
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(l) }()
	select {
	case err := <-ended:
		return fmt.Errorf("serve the control socket: %w", err)
	case <-ctx.Done():
	}
	bound, done := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer done()
	if err := srv.Shutdown(bound); err != nil {
		cancel()
		srv.Close()
	}
	<-ended
	return nil
}

// uidKey carries the peer's user id from the connection to the request: net/http has no other way.
type uidKey struct{}

func (s *Server) handler() http.Handler {
	slots := make(chan struct{}, maxCalls)
	return http.HandlerFunc(func(w http.ResponseWriter, hr *http.Request) {
		select {
		case slots <- struct{}{}:
			defer func() { <-slots }()
		case <-hr.Context().Done():
			return
		}
		uid := -1
		if u, ok := hr.Context().Value(uidKey{}).(int); ok {
			uid = u
		}
		if verb, err := verbOf(hr.Method, hr.URL.Path); err == nil && s.Receivers[verb] != nil {
			s.receive(hr.Context(), w, hr.Body, verb)
			return
		}
		r, err := readRequest(hr.Method, hr.URL.Path, http.MaxBytesReader(w, hr.Body, MaxArgs))
		if err != nil {
			writeError(w, http.StatusBadRequest, err)
			return
		}
		r.UID = uid
		// The answer may take longer than the reading of the question: a backup, a report.
		_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
		switch {
		case s.Handlers[r.Verb] != nil:
			s.call(hr.Context(), w, r)
		case s.Streamers[r.Verb] != nil:
			s.stream(hr.Context(), w, r)
		default:
			writeError(w, http.StatusNotFound, s.unknown(r.Verb))
		}
	})
}

func (s *Server) unknown(verb string) error {
	verbs := slices.Sorted(maps.Keys(s.Handlers))
	verbs = append(verbs, slices.Sorted(maps.Keys(s.Streamers))...)
	verbs = append(verbs, slices.Sorted(maps.Keys(s.Receivers))...)
	return &Error{Code: "unknown-verb", Message: fmt.Sprintf("the running textback does not know %q", verb),
		Hint: "it is of another version than the command; it knows " + strings.Join(verbs, " ")}
}

// readRequest reads the one kind of request that there is.
func readRequest(method, path string, body io.Reader) (*Request, error) {
	verb, err := verbOf(method, path)
	if err != nil {
		return nil, err
	}
	args, err := io.ReadAll(body)
	if tooLong := (*http.MaxBytesError)(nil); errors.As(err, &tooLong) {
		return nil, &Error{Code: "too-long", Message: fmt.Sprintf("the arguments of %s are over %d bytes", verb, MaxArgs)}
	}
	if err != nil {
		return nil, fmt.Errorf("read the arguments of %s: %w", verb, err)
	}
	if len(args) == 0 {
		args = []byte("null")
	}
	if !json.Valid(args) {
		return nil, &Error{Code: "bad-request", Message: "the arguments of " + verb + " are not JSON"}
	}
	return &Request{Verb: verb, Args: args, UID: -1}, nil
}

func verbOf(method, path string) (string, error) {
	if method != http.MethodPost {
		return "", &Error{Code: "bad-request", Message: "the control socket takes POST only"}
	}
	verb, ok := strings.CutPrefix(path, verbPath)
	if !ok || !isVerb(verb) {
		return "", &Error{Code: "bad-request", Message: fmt.Sprintf("%.80q is not a verb", path)}
	}
	return verb, nil
}

// isVerb: words of small letters, joined by hyphens or slashes, as in "optout/add".
func isVerb(s string) bool {
	if s == "" || len(s) > 64 {
		return false
	}
	for _, c := range []byte(s) {
		if (c < 'a' || c > 'z') && c != '-' && c != '/' {
			return false
		}
	}
	return true
}

// Decode reads the arguments strictly: a field that the verb does not know is an error, because ignoring it would do
// something else than was asked.
func (r *Request) Decode(to any) error {
	d := json.NewDecoder(strings.NewReader(string(r.Args)))
	d.DisallowUnknownFields()
	if err := d.Decode(to); err != nil {
		return &Error{Code: "bad-request", Message: fmt.Sprintf("arguments of %s: %v", r.Verb, err)}
	}
	return nil
}

func (s *Server) call(ctx context.Context, w http.ResponseWriter, r *Request) {
	var reply any
	err := s.guard(r.Verb, func() (err error) {
		reply, err = s.Handlers[r.Verb](ctx, r)
		return err
	})
	writeReply(w, r.Verb, reply, err)
}

// receive hands a verb what its caller sends, as it comes.
func (s *Server) receive(ctx context.Context, w http.ResponseWriter, sent io.Reader, verb string) {
	rc := http.NewResponseController(w)
	body := &sentReader{r: http.MaxBytesReader(w, io.NopCloser(sent), MaxSent), rc: rc}
	var reply any
	err := s.guard(verb, func() (err error) {
		reply, err = s.Receivers[verb](ctx, body)
		return err
	})
	if body.tooLong {
		err = &Error{Code: "too-long", Message: fmt.Sprintf("what was sent to %s is over %d bytes", verb, MaxSent), Hint: "send it in parts"}
	}
	// A caller who is still writing would not read why it was refused.
	_, _ = io.Copy(io.Discard, body)
	writeReply(w, verb, reply, err)
}

// sentReader gives up on a writer that has stopped.
type sentReader struct {
	r       io.Reader
	rc      *http.ResponseController
	tooLong bool
}

func (s *sentReader) Read(b []byte) (int, error) {
	_ = s.rc.SetReadDeadline(time.Now().Add(stallTimeout))
	n, err := s.r.Read(b)
	if tooLong := (*http.MaxBytesError)(nil); errors.As(err, &tooLong) {
		s.tooLong = true
	}
	if err != nil {
		_ = s.rc.SetReadDeadline(time.Time{}) // what is done with it may take long
	}
	return n, err
}

func writeReply(w http.ResponseWriter, verb string, reply any, err error) {
	if err != nil {
		writeError(w, http.StatusUnprocessableEntity, err)
		return
	}
	body, err := json.Marshal(reply)
	if err != nil {
		writeError(w, http.StatusInternalServerError, fmt.Errorf("write the reply of %s: %w", verb, err))
		return
	}
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(stallTimeout))
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(body) // a caller that went away gets nothing; the verb is done all the same
}

func (s *Server) stream(ctx context.Context, w http.ResponseWriter, r *Request) {
	out := &streamWriter{w: w, rc: http.NewResponseController(w)}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Trailer", endTrailer)
	err := s.guard(r.Verb, func() error { return s.Streamers[r.Verb](ctx, r, out) })
	if err != nil && !out.begun {
		w.Header().Del("Trailer")
		writeError(w, http.StatusUnprocessableEntity, err)
		return
	}
	end := "ok"
	if err != nil {
		b, _ := json.Marshal(asError(err))
		end = string(b)
	}
	w.Header().Set(endTrailer, end)
	if !out.begun {
		w.WriteHeader(http.StatusOK)
	}
	_ = out.rc.Flush()
}

// streamWriter sends each write at once, so that a stream can be followed, and gives up on a reader that has stopped.
type streamWriter struct {
	w     http.ResponseWriter
	rc    *http.ResponseController
	begun bool
}

func (s *streamWriter) Write(b []byte) (int, error) {
	s.begun = true
	_ = s.rc.SetWriteDeadline(time.Now().Add(stallTimeout))
	n, err := s.w.Write(b)
	if err == nil {
		err = s.rc.Flush()
	}
	return n, err
}

func (s *Server) guard(verb string, f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			if s.Panicked != nil {
				s.Panicked(verb, v, debug.Stack())
			}
			err = &Error{Code: "bug", Message: verb + " failed inside; the log has the details"}
		}
	}()
	return f()
}

func asError(err error) *Error {
	out := &Error{}
	var e *Error
	if errors.As(err, &e) {
		*out = *e
	}
	out.Message = err.Error() // the words of the whole chain
	return out
}

func writeError(w http.ResponseWriter, status int, err error) {
	body, _ := json.Marshal(asError(err)) // strings only: cannot fail
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

// peerUID asks the kernel who is at the other end (unix(7), SO_PEERCRED).
func peerUID(c net.Conn) int {
	u, ok := c.(*net.UnixConn)
	if !ok {
		return -1
	}
	raw, err := u.SyscallConn()
	if err != nil {
		return -1
	}
	uid := -1
	_ = raw.Control(func(fd uintptr) {
		if cred, err := syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED); err == nil {
			uid = int(cred.Uid)
		}
	})
	return uid
}
