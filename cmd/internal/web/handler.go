package web

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

const (
	maxBody      = 1 << 20  // of a booking webhook
	maxReplyBody = 16 << 10 // of a reply call
	maxReplyText = 1600     // characters: ten segments
	replyPath    = "/threads/{id}/reply"
)

type handler struct {
	Options
	sources map[string]BookingSource
	limits  *limits
	seen    *seen
	ui      *ui // nil without a page
}

// Handler checks the options and makes the handler. Serve it with [Serve], which bounds connections and time.
func Handler(o Options) (http.Handler, error) {
	h := &handler{Options: o, sources: make(map[string]BookingSource), seen: newSeen()}
	if h.Now == nil {
		h.Now = time.Now
	}
	if h.Log == nil {
		h.Log = slog.New(slog.DiscardHandler)
	}
	if h.PerMinute <= 0 {
		h.PerMinute = 60
	}
	h.limits = newLimits(h.PerMinute)
	for _, b := range o.Bookings {
		switch {
		case b.Service != CalCom && b.Service != Calendly:
			return nil, fmt.Errorf("booking service %q: write %q or %q", b.Service, CalCom, Calendly)
		case !strings.HasPrefix(b.Path, "/") || b.Path == "/healthz" || strings.HasPrefix(b.Path, "/threads/") || strings.HasPrefix(b.Path, uiRoot):
			return nil, fmt.Errorf("booking path %q: it must begin with / and not be one of our own", b.Path)
		case b.Secret == "":
			return nil, fmt.Errorf("booking path %s has no secret: anybody could invent bookings", b.Path)
		case o.OnBooking == nil:
			return nil, fmt.Errorf("booking path %s: nobody takes bookings", b.Path)
		}
		if _, taken := h.sources[b.Path]; taken {
			return nil, fmt.Errorf("booking path %s is given twice", b.Path)
		}
		h.sources[b.Path] = b
	}
	for _, t := range o.Tokens {
		if len(t.Secret) < 16 {
			return nil, fmt.Errorf("the token of %q is shorter than 16 characters", t.Name)
		}
		if o.OnReply == nil {
			return nil, fmt.Errorf("the token of %q: nobody takes replies", t.Name)
		}
	}
	if o.Page == nil {
		return h, nil
	}
	switch {
	case len(o.Page.Password) < 12:
		return nil, errors.New("the password of the web page is shorter than 12 characters")
	case o.Page.Desk == nil || o.OnReply == nil:
		return nil, errors.New("the web page: nobody answers it")
	}
	var err error
	h.ui, err = newUI(h, o.Page)
	return h, err
}

// stop ends what would go on by itself: the live streams of the page.
func (h *handler) stop() {
	if h.ui != nil {
		h.ui.stop()
	}
}

// ServeHTTP finds the page. What is unknown gets 404 and no line in the log: scanners ask for thousands of things.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "no-store")
	if r.URL.Path == "/healthz" {
		h.health(w, r)
		return
	}
	from := h.client(r)
	page := h.ui != nil && h.ui.mine(r.URL.Path)
	if page {
		if _, ok := h.ui.person(r, false); ok {
			h.ui.serve(w, r)
			return
		}
	}
	if !h.limits.allow(from, h.Now()) {
		w.Header().Set("Retry-After", "60")
		w.WriteHeader(http.StatusTooManyRequests)
		return
	}
	if page {
		h.ui.serve(w, r)
		return
	}
	if source, ok := h.sources[r.URL.Path]; ok {
		if post(w, r) {
			h.booking(w, r, from, source)
		}
		return
	}
	if id, ok := threadID(r.URL.Path); ok && len(h.Tokens) > 0 {
		if post(w, r) {
			h.reply(w, r, from, id)
		}
		return
	}
	w.WriteHeader(http.StatusNotFound)
}

func post(w http.ResponseWriter, r *http.Request) bool {
	if r.Method == http.MethodPost {
		return true
	}
	w.Header().Set("Allow", http.MethodPost)
	w.WriteHeader(http.StatusMethodNotAllowed)
	return false
}

func threadID(path string) (uint64, bool) {
	rest, ok := strings.CutPrefix(path, "/threads/")
	if !ok {
		return 0, false
	}
	id, ok := strings.CutSuffix(rest, "/reply")
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseUint(id, 10, 64)
	return n, err == nil && n > 0
}

// client is the address that the request came from: the connection's, or, behind a trusted proxy, the last one in
// X-Forwarded-For that is not a trusted proxy itself. What stands further left was written by the client.
func (h *handler) client(r *http.Request) netip.Addr {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	addr := peer.Addr().Unmap().WithZone("")
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0 && h.trusted(addr); i-- {
		next, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break
		}
		addr = next.Unmap().WithZone("")
	}
	return addr
}

func (h *handler) trusted(a netip.Addr) bool {
	for _, p := range h.TrustedProxies {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// note counts what is refused, and writes the one line that fail2ban reads; docs/http.md promises that src comes first.
func (h *handler) note(from netip.Addr, path, reason string) {
	if h.OnRefused != nil {
		h.OnRefused()
	}
	h.Log.Warn("http-refused", "src", from.String(), "path", path, "reason", reason)
}

// refuse notes a request, and answers 401.
func (h *handler) refuse(w http.ResponseWriter, from netip.Addr, path, reason string) {
	h.note(from, path, reason)
	w.WriteHeader(http.StatusUnauthorized)
}

func (h *handler) health(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	status, text := http.StatusOK, "ok\n"
	if h.Health != nil {
		ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
		defer cancel()
		if h.Health(ctx) != nil {
			// Why is for the log and `textback status`: this page is open to anyone.
			status, text = http.StatusServiceUnavailable, "unwell\n"
		}
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text)
}

func (h *handler) booking(w http.ResponseWriter, r *http.Request, from netip.Addr, source BookingSource) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		tooLarge(w, err)
		return
	}
	if reason := verify(source, r.Header, body, h.Now()); reason != "" {
		h.refuse(w, from, source.Path, reason)
		return
	}
	b, what := parse(source, body, h.Now())
	switch what {
	case broken:
		w.WriteHeader(http.StatusBadRequest)
		return
	case stale:
		h.refuse(w, from, source.Path, "age")
		return
	case ignored:
		w.WriteHeader(http.StatusOK)
		return
	}
	if !h.seen.reserve(b.Key) {
		w.WriteHeader(http.StatusOK)
		return
	}
	if err := h.OnBooking(r.Context(), b); err != nil {
		h.seen.release(b.Key)
		w.Header().Set("Retry-After", "60")
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	w.WriteHeader(http.StatusOK)
}

func (h *handler) reply(w http.ResponseWriter, r *http.Request, from netip.Addr, id uint64) {
	token, ok := h.authorized(r.Header.Get("Authorization"))
	if !ok {
		w.Header().Set("WWW-Authenticate", "Bearer")
		h.refuse(w, from, replyPath, "token")
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxReplyBody))
	if err != nil {
		tooLarge(w, err)
		return
	}
	var in struct {
		Text   string `json:"text"`
		Person string `json:"person"`
	}
	text := ""
	if err := json.Unmarshal(body, &in); err == nil {
		text = strings.TrimSpace(in.Text)
	}
	switch n := utf8.RuneCountInString(text); {
	case n == 0:
		answer(w, http.StatusBadRequest, `write {"text": "..."} in JSON, with a text that is not empty`)
		return
	case n > maxReplyText:
		answer(w, http.StatusBadRequest, fmt.Sprintf("the text has %d characters, over %d", n, maxReplyText))
		return
	case utf8.RuneCountInString(in.Person) > 60:
		answer(w, http.StatusBadRequest, "the person's name has over 60 characters")
		return
	}
	person := clip(in.Person, 60)
	if person == "" {
		person = token.Name
	}
	key := r.Header.Get("Idempotency-Key")
	if key != "" {
		key = fmt.Sprintf("reply %q %d %q", token.Name, id, clip(key, 128))
		if !h.seen.reserve(key) {
			answer(w, http.StatusAccepted, "")
			return
		}
	}
	err = h.OnReply(r.Context(), Reply{Thread: id, Person: person, Text: text})
	if err != nil && key != "" {
		h.seen.release(key)
	}
	switch {
	case err == nil:
		answer(w, http.StatusAccepted, "")
	case errors.Is(err, ErrNoThread):
		answer(w, http.StatusNotFound, ErrNoThread.Error())
	case errors.Is(err, ErrRefused):
		answer(w, http.StatusConflict, err.Error())
	default:
		// The cause is the daemon's to log; it may name files and peers.
		answer(w, http.StatusServiceUnavailable, "it could not be stored now: try again")
	}
}

// authorized compares the bearer token with every one that there is, hashed, so that neither length nor place tells
// anything by time.
func (h *handler) authorized(header string) (Token, bool) {
	scheme, given, _ := strings.Cut(header, " ")
	sum := sha256.Sum256([]byte(given))
	found := -1
	for i, t := range h.Tokens {
		want := sha256.Sum256([]byte(t.Secret))
		if subtle.ConstantTimeCompare(sum[:], want[:]) == 1 {
			found = i
		}
	}
	if found < 0 || !strings.EqualFold(scheme, "Bearer") {
		return Token{}, false
	}
	return h.Tokens[found], true
}

func tooLarge(w http.ResponseWriter, err error) {
	status := http.StatusBadRequest
	if e := (*http.MaxBytesError)(nil); errors.As(err, &e) {
		status = http.StatusRequestEntityTooLarge
	}
	w.WriteHeader(status)
}

func answer(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	out := struct {
		Error string `json:"error,omitempty"`
	}{text}
	_ = json.NewEncoder(w).Encode(out)
}
