package web

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"math"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"time"
)

const (
	sessionIdle = 12 * time.Hour     // without a request
	sessionLife = 7 * 24 * time.Hour // in any case
	maxSessions = 1000
	maxPerson   = 60 // characters
)

// session is one person who is logged in.
type session struct {
	person string
	began  time.Time
	seen   time.Time
}

// sessions are kept in memory: a restart of the daemon, or a new password, logs everybody out. They are found by a hash of what
// stands in the cookie, so that neither a look-up's time nor memory gives a cookie away.
type sessions struct {
	mu  sync.Mutex
	all map[[sha256.Size]byte]*session
}

func newSessions() *sessions { return &sessions{all: make(map[[sha256.Size]byte]*session)} }

// begin makes a session and gives the cookie's value.
func (s *sessions) begin(person string, now time.Time) string {
	raw := make([]byte, 32)
	_, _ = rand.Read(raw) // never fails: crypto/rand
	value := base64.RawURLEncoding.EncodeToString(raw)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sweep(now)
	s.all[sha256.Sum256([]byte(value))] = &session{person: person, began: now, seen: now}
	return value
}

// sweep forgets what is over, and if there are too many the one that was not used for longest.
func (s *sessions) sweep(now time.Time) {
	var oldest [sha256.Size]byte
	var seen time.Time
	for k, v := range s.all {
		if v.over(now) {
			delete(s.all, k)
		} else if seen.IsZero() || v.seen.Before(seen) {
			oldest, seen = k, v.seen
		}
	}
	if len(s.all) >= maxSessions {
		delete(s.all, oldest)
	}
}

// over tells whether a session has ended. One from the future ended too: the clock was set back, and nothing says how far.
func (v *session) over(now time.Time) bool {
	return now.Sub(v.seen) > sessionIdle || now.Sub(v.began) > sessionLife || v.began.Sub(now) > sessionIdle
}

// find gives the person of a cookie. touch notes that she is there; a live stream, which goes on by itself, does not.
func (s *sessions) find(value string, now time.Time, touch bool) (person string, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := sha256.Sum256([]byte(value))
	v := s.all[k]
	if v == nil {
		return "", false
	}
	if v.over(now) {
		delete(s.all, k)
		return "", false
	}
	if touch {
		v.seen = now
	}
	return v.person, true
}

func (s *sessions) end(value string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.all, sha256.Sum256([]byte(value)))
}

// guesses limits wrong passwords: five at once from one address, then one a minute. The right password gets nothing back, but a
// log-in that is right does not count.
type guesses struct{ *limits }

const guessesAtOnce = 5

func newGuesses() *guesses { return &guesses{newLimits(guessesAtOnce)} }

// minutes maps time so that a bucket of guessesAtOnce, which fills in a minute, fills in as many minutes.
func stretched(now time.Time) time.Time {
	return time.Unix(0, 0).Add(now.Sub(time.Unix(0, 0)) / guessesAtOnce)
}

func (g *guesses) allow(from netip.Addr, now time.Time) bool {
	return g.limits.allow(from, stretched(now))
}

// giveBack returns a guess that was right.
func (g *guesses) giveBack(from netip.Addr) {
	if from.Is6() {
		if p, err := from.Prefix(64); err == nil {
			from = p.Addr()
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if b := g.buckets[from]; b != nil {
		b.left = math.Min(g.perMinute, b.left+1)
	}
}

// secure tells whether the browser came by TLS: to us, or to a proxy that we trust and that says so.
func (u *ui) secure(r *http.Request) bool {
	if r.TLS != nil {
		return true
	}
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	return err == nil && u.h.trusted(peer.Addr().Unmap().WithZone("")) && strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https")
}

// cookieName is bound to this host, to TLS and to the whole of it where the browser can hold it to that (RFC 6265bis, 4.1.3.2).
func cookieName(secure bool) string {
	if secure {
		return "__Host-textback"
	}
	return "textback"
}

func (u *ui) cookie(r *http.Request, value string, life time.Duration) *http.Cookie {
	secure := u.secure(r)
	c := &http.Cookie{Name: cookieName(secure), Value: value, Path: "/", HttpOnly: true, Secure: secure, SameSite: http.SameSiteStrictMode,
		MaxAge: int(life.Seconds())}
	if life <= 0 {
		c.MaxAge = -1
	}
	return c
}

// person is who is logged in.
func (u *ui) person(r *http.Request, touch bool) (string, bool) {
	c, err := r.Cookie(cookieName(u.secure(r)))
	if err != nil {
		return "", false
	}
	return u.sessions.find(c.Value, u.h.Now(), touch)
}

// next is where a person wanted to go; only to a place of our own.
func next(typed string) string {
	if to, err := url.Parse(typed); err == nil && to.Scheme == "" && to.Host == "" && to.User == nil && strings.HasPrefix(typed, uiRoot) &&
		!strings.HasPrefix(to.Path, uiRoot+"log") && !strings.ContainsFunc(typed, func(r rune) bool { return r <= ' ' || r > '~' || r == '\\' }) {
		return to.RequestURI()
	}
	return uiRoot + "calls"
}

func (u *ui) loginForm(w http.ResponseWriter, r *http.Request) {
	to := next(r.URL.Query().Get("next"))
	if _, ok := u.person(r, true); ok {
		http.Redirect(w, r, to, http.StatusSeeOther)
		return
	}
	u.showLogin(w, r, http.StatusOK, "", "", to)
}

func (u *ui) showLogin(w http.ResponseWriter, r *http.Request, status int, person, wrong, to string) {
	u.write(w, r, status, "login", frame{Title: "Log in", Data: struct{ Person, Wrong, Next string }{person, wrong, to}})
}

func (u *ui) login(w http.ResponseWriter, r *http.Request) {
	from := u.h.client(r)
	if err := r.ParseForm(); err != nil {
		u.fail(w, r, http.StatusBadRequest, "The form could not be read.")
		return
	}
	now, to, person := u.h.Now(), next(r.PostForm.Get("next")), clip(r.PostForm.Get("person"), maxPerson)
	if !u.guesses.allow(from, now) {
		w.Header().Set("Retry-After", "60")
		u.showLogin(w, r, http.StatusTooManyRequests, person, "Too many wrong passwords from this address. Wait a minute, then try again.", to)
		return
	}
	given, want := sha256.Sum256([]byte(r.PostForm.Get("password"))), sha256.Sum256([]byte(u.Password))
	if subtle.ConstantTimeCompare(given[:], want[:]) != 1 {
		u.h.note(from, "/ui/login", "password")
		u.showLogin(w, r, http.StatusUnauthorized, person, "The password is wrong.", to)
		return
	}
	u.guesses.giveBack(from)
	if person == "" {
		u.showLogin(w, r, http.StatusBadRequest, "", "Write your name: your colleagues see who answered.", to)
		return
	}
	http.SetCookie(w, u.cookie(r, u.sessions.begin(person, now), sessionLife))
	if u.OnLogin != nil {
		u.OnLogin(person, from)
	}
	http.Redirect(w, r, to, http.StatusSeeOther)
}

func (u *ui) logout(w http.ResponseWriter, r *http.Request) {
	if c, err := r.Cookie(cookieName(u.secure(r))); err == nil {
		u.sessions.end(c.Value)
	}
	http.SetCookie(w, u.cookie(r, "", 0))
	w.Header().Set("Clear-Site-Data", `"cache"`)
	http.Redirect(w, r, uiRoot+"login", http.StatusSeeOther)
}

// ask sends a person who is not logged in to the form. A link in a mail or in a chat does not bring our cookie along (SameSite),
// so what comes from elsewhere is asked for once more, by our own page.
func (u *ui) ask(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Sec-Fetch-Site") == "cross-site" && r.Header.Get("Sec-Fetch-Mode") == "navigate" {
		u.write(w, r, http.StatusOK, "again", frame{Title: "Opening", Again: r.URL.RequestURI()})
		return
	}
	http.Redirect(w, r, uiRoot+"login?next="+url.QueryEscape(r.URL.RequestURI()), http.StatusSeeOther)
}
