package aritest

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// Options of a simulated Asterisk. The zero value is a PBX with the user textback, password secret, that may write.
type Options struct {
	Username, Password string
	ReadOnly           bool          // PUT and POST get 403, as with read_only=yes
	Bare               bool          // bridges, applications and their filters are not there: 404 in plain text, as from a proxy
	NoInfo             bool          // GET /asterisk/info gets 404: the start-up time stays unknown
	WriteTimeout       time.Duration // a client slower than this is cut off; 100 ms, as Asterisk's websocket_write_timeout
	// Variable answers GET /channels/{id}/variable for what the played events do not tell. ok=false gives 404.
	Variable func(channel, name string) (value string, ok bool)
	// Resources are the answers of further GET requests, or other answers than its own: JSON by their path after /ari.
	Resources map[string]string
}

// Server is a simulated Asterisk. All its methods may be called from any goroutine.
type Server struct {
	o      Options
	http   *http.Server
	ctx    context.Context // done when the server is closed
	cancel context.CancelFunc

	mu         sync.Mutex
	thaw       chan struct{} // closed while the server is not frozen
	refuse     int           // HTTP status for everything, 0: none
	down       bool          // connections are closed as soon as they are accepted
	conns      map[net.Conn]bool
	sockets    map[string]*socket // by application
	filters    map[string]map[string]bool
	startedAt  time.Time
	skew       time.Duration // of the PBX's clock
	serial     uint64
	epoch      int64 // channel ids are not of before this second: a real PBX takes longer to start than ours
	bridgeN    uint64
	state      state
	ledger     Ledger
	originated []Originated
	requests   []string
}

// Originated is a POST /channels that came.
type Originated struct {
	At                                     time.Time
	Endpoint, Extension, Context, CallerID string
	Variables                              map[string]string
}

// New makes a server. Serve starts it.
func New(o Options) *Server {
	if o.Username == "" {
		o.Username, o.Password = "textback", "secret"
	}
	if o.WriteTimeout <= 0 {
		o.WriteTimeout = 100 * time.Millisecond
	}
	s := &Server{o: o, thaw: make(chan struct{}), conns: make(map[net.Conn]bool), sockets: make(map[string]*socket),
		filters: make(map[string]map[string]bool), startedAt: time.Now().Truncate(time.Millisecond), state: newState()}
	close(s.thaw)
	s.ctx, s.cancel = context.WithCancel(context.Background())
	mux := http.NewServeMux()
	mux.HandleFunc("GET /ari/events", s.events)
	mux.HandleFunc("GET /ari/channels", s.listChannels)
	mux.HandleFunc("POST /ari/channels", s.originate)
	mux.HandleFunc("GET /ari/channels/{id}/variable", s.variable)
	mux.HandleFunc("GET /ari/asterisk/info", s.info)
	if !o.Bare {
		mux.HandleFunc("GET /ari/bridges", s.listBridges)
		mux.HandleFunc("GET /ari/applications/{app}", s.application)
		mux.HandleFunc("PUT /ari/applications/{app}/eventFilter", s.setFilter)
	}
	s.http = &http.Server{Handler: s.guard(mux), ReadHeaderTimeout: 10 * time.Second, ConnState: s.track}
	return s
}

// Serve accepts connections until Close. It returns nil after Close.
func (s *Server) Serve(l net.Listener) error {
	err := s.http.Serve(l)
	if errors.Is(err, http.ErrServerClosed) || errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// Close ends the server, its connections and what is being played.
func (s *Server) Close() error {
	s.cancel()
	s.mu.Lock()
	s.cutAll()
	s.mu.Unlock()
	return s.http.Close()
}

// track knows every connection, to cut it, and turns new ones away while the PBX is down.
func (s *Server) track(c net.Conn, cs http.ConnState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch cs {
	case http.StateNew:
		if s.down {
			c.Close()
			return
		}
		s.conns[c] = true
	case http.StateClosed:
		delete(s.conns, c)
	}
}

// guard is what comes before every request: faults, then the password, then the right to write.
func (s *Server) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !s.awake(r.Context()) {
			return
		}
		s.mu.Lock()
		refuse := s.refuse
		if len(s.requests) >= keptRequests {
			s.requests = append(s.requests[:0], s.requests[keptRequests/2:]...)
		}
		s.requests = append(s.requests, r.Method+" "+r.URL.Path)
		s.mu.Unlock()
		switch {
		case refuse != 0:
			reply(w, refuse, map[string]string{"message": http.StatusText(refuse)})
		case !s.authorised(r):
			w.Header().Set("WWW-Authenticate", `Basic realm="Asterisk REST Interface"`)
			reply(w, http.StatusUnauthorized, map[string]string{"message": "Authentication required"})
		case s.o.ReadOnly && r.Method != http.MethodGet:
			reply(w, http.StatusForbidden, map[string]string{"message": "Write access denied"})
		default:
			if body, ok := s.o.Resources[strings.TrimPrefix(r.URL.Path, "/ari")]; ok && r.Method == http.MethodGet {
				reply(w, http.StatusOK, json.RawMessage(body))
				return
			}
			next.ServeHTTP(w, r)
		}
	})
}

// awake waits while the server is frozen; false when it is closed meanwhile.
func (s *Server) awake(ctx context.Context) bool {
	s.mu.Lock()
	thaw := s.thaw
	s.mu.Unlock()
	select {
	case <-thaw:
		return true
	case <-ctx.Done():
		return false
	case <-s.ctx.Done():
		return false
	}
}

func (s *Server) authorised(r *http.Request) bool {
	user, password, ok := r.BasicAuth()
	if !ok {
		user, password, ok = strings.Cut(r.URL.Query().Get("api_key"), ":")
	}
	return ok && user == s.o.Username && password == s.o.Password
}

func reply(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the client is gone: nobody to tell
}

func (s *Server) listChannels(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	list := s.state.listChannels()
	s.mu.Unlock()
	reply(w, http.StatusOK, list)
}

func (s *Server) listBridges(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	list := s.state.listBridges()
	s.mu.Unlock()
	reply(w, http.StatusOK, list)
}

func (s *Server) info(w http.ResponseWriter, r *http.Request) {
	if s.o.NoInfo {
		reply(w, http.StatusNotFound, map[string]string{"message": "Resource not found"})
		return
	}
	s.mu.Lock()
	started := s.startedAt
	s.mu.Unlock()
	status := map[string]string{"startup_time": started.Format(ariTime), "last_reload_time": started.Format(ariTime)}
	out := map[string]any{"status": status}
	if r.URL.Query().Get("only") == "" {
		out["system"] = map[string]string{"version": "22.10.1", "entity_id": "02:00:00:00:00:01"}
	}
	reply(w, http.StatusOK, out)
}

func (s *Server) variable(w http.ResponseWriter, r *http.Request) {
	id, name := r.PathValue("id"), r.URL.Query().Get("variable")
	s.mu.Lock()
	value, found, alive := s.state.variable(id, name)
	s.mu.Unlock()
	if alive && !found && s.o.Variable != nil {
		value, found = s.o.Variable(id, name)
	}
	switch {
	case !alive:
		reply(w, http.StatusNotFound, map[string]string{"message": "Channel not found"})
	case !found && strings.Contains(name, "("):
		reply(w, http.StatusInternalServerError, map[string]string{"message": "Unable to read provided function"})
	case !found:
		reply(w, http.StatusNotFound, map[string]string{"message": "Provided variable was not found"})
	default:
		reply(w, http.StatusOK, map[string]string{"value": value})
	}
}

func (s *Server) application(w http.ResponseWriter, r *http.Request) {
	app := r.PathValue("app")
	s.mu.Lock()
	known := s.sockets[app] != nil
	s.mu.Unlock()
	if !known {
		reply(w, http.StatusNotFound, map[string]string{"message": "Application not found"})
		return
	}
	reply(w, http.StatusOK, map[string]any{"name": app, "channel_ids": []string{}, "bridge_ids": []string{}})
}

func (s *Server) setFilter(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Allowed []struct {
			Type string `json:"type"`
		} `json:"allowed"`
	}
	app := r.PathValue("app")
	if json.NewDecoder(r.Body).Decode(&body) != nil {
		reply(w, http.StatusBadRequest, map[string]string{"message": "Invalid parameters"})
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sockets[app] == nil {
		reply(w, http.StatusNotFound, map[string]string{"message": "Application not found"})
		return
	}
	delete(s.filters, app)
	if len(body.Allowed) > 0 {
		s.filters[app] = make(map[string]bool)
		for _, a := range body.Allowed {
			s.filters[app][a.Type] = true
		}
	}
	reply(w, http.StatusOK, map[string]string{"name": app})
}

func (s *Server) originate(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Endpoint  string            `json:"endpoint"`
		Extension string            `json:"extension"`
		Context   string            `json:"context"`
		CallerID  string            `json:"callerId"`
		Variables map[string]string `json:"variables"`
	}
	if json.NewDecoder(r.Body).Decode(&body) != nil && r.ContentLength > 0 {
		reply(w, http.StatusBadRequest, map[string]string{"message": "Invalid parameters"})
		return
	}
	query(r.URL.Query(), map[string]*string{"endpoint": &body.Endpoint, "extension": &body.Extension,
		"context": &body.Context, "callerId": &body.CallerID})
	if body.Endpoint == "" {
		reply(w, http.StatusBadRequest, map[string]string{"message": "Endpoint must be specified"})
		return
	}
	s.mu.Lock()
	id := s.nextID()
	s.originated = append(s.originated, Originated{At: time.Now(), Endpoint: body.Endpoint, Extension: body.Extension,
		Context: body.Context, CallerID: body.CallerID, Variables: body.Variables})
	s.mu.Unlock()
	now := time.Now().Format(ariTime)
	reply(w, http.StatusOK, map[string]any{"id": id, "name": body.Endpoint + "-00000000", "state": "Down",
		"protocol_id": "", "caller": map[string]string{"name": "", "number": ""},
		"connected": map[string]string{"name": "", "number": ""}, "accountcode": "",
		"dialplan":     map[string]any{"context": body.Context, "exten": body.Extension, "priority": 1, "app_name": "", "app_data": ""},
		"creationtime": now, "language": "en"})
}

// query fills what the query names, as ARI takes parameters from there too.
func query(q url.Values, into map[string]*string) {
	for key, value := range into {
		if q.Has(key) {
			*value = q.Get(key)
		}
	}
}

// Originated lists the calls that were asked for by POST /channels.
func (s *Server) Originated() []Originated {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Originated(nil), s.originated...)
}

// keptRequests bounds what Requests remembers.
const keptRequests = 10000

// Requests lists the HTTP requests that came, as "METHOD /path", in order; after long runs only the latest thousands.
func (s *Server) Requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.requests...)
}

// Connected tells whether an application has its websocket up.
func (s *Server) Connected(app string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sockets[app] != nil
}

// Live counts the channels and bridges that live.
func (s *Server) Live() (channels, bridges int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.state.channels), len(s.state.bridges)
}
