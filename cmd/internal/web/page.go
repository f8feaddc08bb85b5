package web

import (
	"context"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"textback"
)

// Page is the web page for people: calls and verdicts, conversations with a reply box, the report. It is off without one.
type Page struct {
	Password string // at least 12 characters
	Desk     Desk
	// OnLogin is told who logged in, and from where; may be nil.
	OnLogin func(person string, from netip.Addr)
	// OnFailure is told of a page that could not be made, or of what could not be done; may be nil.
	OnFailure func(page string, err error)
	// ReportStyle is the style sheet of what Desk.Report writes.
	ReportStyle string
}

// Desk is what the page asks of the daemon. Its methods may be called from any goroutine. Errors that a person may read wrap
// [ErrNoThread], [ErrRefused] or are an [*Ask]; all others are told as a failure of the moment.
type Desk interface {
	// Standing is how everything stands: links, queue, breakers.
	Standing(ctx context.Context) (Standing, error)
	Calls(ctx context.Context, q CallQuery) (CallDay, error)
	// Story is everything about a number as it was typed, or a call by its id.
	Story(ctx context.Context, what string) (Story, error)
	Threads(ctx context.Context, q ThreadQuery) (ThreadList, error)
	Thread(ctx context.Context, id uint64) (Conversation, error)
	Take(ctx context.Context, id uint64, person string) error
	Close(ctx context.Context, id uint64) error
	// Report writes the report of a period as it was typed.
	Report(ctx context.Context, q ReportQuery) (ReportPart, error)
	// Watch gives a channel of capacity one that is signalled when something may have changed, until stop is called.
	Watch() (changed <-chan struct{}, stop func())
	// Places are the businesses and lines to choose from, and the zone in which times are shown.
	Places() Places
}

// Ask is an error that tells the person what to write instead.
type Ask struct{ Message string }

func (e *Ask) Error() string { return e.Message }

// Choice is one of several: its key, and its name for people.
type Choice struct{ Key, Name string }

// Places are what the configuration knows.
type Places struct {
	Businesses []Choice
	Lines      []Choice
	Zone       *time.Location
}

// Standing is the strip at the top of each page.
type Standing struct {
	Links                  []LinkState
	Queued, Sending, Doubt int64    // texts
	OnPhone                int      // calls going on
	Breakers               []string // one sentence for each business whose budget is spent
	ShadowLines, Lines     int      // lines in shadow mode, of all
	StoreError             string   // why the last commit failed, "" if it did not
	Waiting                int      // conversations in which a caller waits for an answer
}

// LinkState is one link to a PBX or a message centre.
type LinkState struct {
	Name, Kind string
	Up         bool
	Note       string // e.g. since when
}

// CallQuery selects missed calls of one day.
type CallQuery struct {
	Day      string // 2026-11-24, "" = today
	Business string
	Show     string // "", "texted" or "not"
	Page     int    // from 1
}

// Call is one missed call with what became of it.
type Call struct {
	textback.Verdict
	Business, Line string // names, "" if there is none
	Text           *textback.Text
	Thread         uint64 // the conversation that came of it, 0 if none
}

// LiveCall is a call from outside that is in progress.
type LiveCall struct {
	ID, Number, Name, Line string
	Begin                  time.Time
	Connected              bool // with a person
}

// CallDay is one page of a day.
type CallDay struct {
	Live                             []LiveCall // of today
	Day                              time.Time  // its beginning, in the zone of the page
	Today                            bool
	Calls                            []Call // newest first
	Found, Page, Pages               int
	Missed, Texted, Replies, Reached int // of the whole day; Reached are calls that a person answered
}

// Story is everything about a number or a call.
type Story struct {
	Number  string // "" if it is one call
	Calls   []Call // newest first
	Texts   []textback.Text
	Threads []ThreadRow
	Ledger  []LedgerLine
	Out     []string // names of businesses that the person has opted out of

	Handoffs []HandoffLine
}

// HandoffLine is one hand-off about the person to a mail address, a webhook or staff.
type HandoffLine struct {
	Event, Target string
	At            time.Time // when it was made or given up, or is tried next
	Waits         bool
	Attempts      int
	Note          string // why it failed last, "" if it did not
}

// LedgerLine is one entry of the opt-out ledger.
type LedgerLine struct {
	At         time.Time
	Out        bool
	Businesses []string
	Source     string
	Wording    string
}

// ThreadQuery selects conversations.
type ThreadQuery struct {
	Business string
	All      bool // closed ones too
	Page     int
}

// ThreadRow is one conversation in a list.
type ThreadRow struct {
	textback.Thread        // without messages
	Place           string // the business's name
	LineName        string
	Alias           string // the caller-id name, as the PBX showed it
	Said            string // the last message
	SaidIn          bool   // it is the caller's
	Flag            string
	Waits           bool // the caller wrote last, and no person has answered since
}

// ThreadList is one page of conversations: those that wait first, then by their last message.
type ThreadList struct {
	Rows               []ThreadRow
	Found, Page, Pages int
	More               bool // there are more than were looked at
}

// Conversation is one thread with what became of its texts.
type Conversation struct {
	textback.Thread
	Place, LineName string
	Alias           string // the caller-id name, as the PBX showed it
	OptedOut        bool
	Waits           bool
	Texts           map[uint64]textback.Text // by id
}

// ReportQuery is a period as typed.
type ReportQuery struct{ Since, Until, Business, Line string }

// ReportPart is a report to stand within a page.
type ReportPart struct {
	Body string // HTML, made by package report
}

// ui is the page being served.
type ui struct {
	*Page
	h        *handler
	mux      *http.ServeMux
	sessions *sessions
	guesses  *guesses
	views    *views
	streams  chan struct{} // one token for each live stream
	closing  chan struct{}
	origin   *http.CrossOriginProtection
}

const (
	uiRoot  = "/ui/"
	maxForm = 32 << 10
	// maxStreams bounds live streams: with maxConns there is always room for others.
	maxStreams = 64
)

func newUI(h *handler, p *Page) (*ui, error) {
	v, err := newViews(p.ReportStyle)
	if err != nil {
		return nil, err
	}
	u := &ui{Page: p, h: h, mux: http.NewServeMux(), sessions: newSessions(), guesses: newGuesses(), views: v,
		streams: make(chan struct{}, maxStreams), closing: make(chan struct{}), origin: http.NewCrossOriginProtection()}
	u.mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, uiRoot+"calls", http.StatusSeeOther) })
	u.mux.HandleFunc("GET /ui/{$}", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, uiRoot+"calls", http.StatusSeeOther) })
	u.mux.HandleFunc("GET /ui/login", u.loginForm)
	u.mux.HandleFunc("POST /ui/login", u.login)
	u.mux.HandleFunc("POST /ui/logout", u.logout)
	u.mux.HandleFunc("GET /ui/static/{name}", u.static)
	u.mux.HandleFunc("GET /ui/calls", u.page(u.calls))
	u.mux.HandleFunc("GET /ui/story", u.page(u.story))
	u.mux.HandleFunc("GET /ui/threads", u.page(u.threads))
	u.mux.HandleFunc("GET /ui/threads/{id}", u.page(u.thread))
	u.mux.HandleFunc("GET /ui/report", u.page(u.report))
	u.mux.HandleFunc("POST /ui/threads/{id}/reply", u.act(u.reply))
	u.mux.HandleFunc("POST /ui/threads/{id}/take", u.act(u.take))
	u.mux.HandleFunc("POST /ui/threads/{id}/close", u.act(u.close))
	return u, nil
}

// mine tells whether a path is the page's.
func (u *ui) mine(path string) bool {
	return path == "/" || path == "/ui" || strings.HasPrefix(path, uiRoot)
}

// policy is the page's Content-Security-Policy: nothing from elsewhere, no inline script or style, no frames.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; " +
	"base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types textback"

// serve answers one request. Requests of people who are logged in are not limited by their number.
func (u *ui) serve(w http.ResponseWriter, r *http.Request) {
	head := w.Header()
	head.Set("Content-Security-Policy", policy)
	head.Set("X-Frame-Options", "DENY")
	// Not no-referrer: browsers would send "Origin: null" with our own forms.
	head.Set("Referrer-Policy", "same-origin")
	head.Set("Cross-Origin-Opener-Policy", "same-origin")
	head.Set("Cross-Origin-Resource-Policy", "same-origin")
	head.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=()")
	if err := u.origin.Check(r); err != nil {
		// No line for fail2ban: it would shut out the person whose browser was made to do this.
		u.fail(w, r, http.StatusForbidden, "This was not sent by our own page, so nothing was done.")
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	u.mux.ServeHTTP(w, r)
}

// stop ends the live streams.
func (u *ui) stop() { close(u.closing) }
