// Package syslog is a slog.Handler that writes one line per event to syslog: to the local socket in the traditional form
// (RFC 3164) that rsyslog and journald parse, to a server in RFC 5424 with structured data over UDP (RFC 5426), TCP
// (RFC 6587, octet counting) or TLS (RFC 5425), or to stderr. Logging never waits: lines go through a bounded queue to
// one writer; what does not fit is dropped, counted, and the count is logged when the writer gets through again.
//
// A record's message is its id: a stable word such as "verdict" or "link-up". Everything else is in the attributes.
package syslog

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// LevelNotice is syslog's severity between info and warning: normal, but worth a look.
const LevelNotice = slog.Level(2)

// ParseLevel reads a level as the configuration writes it.
func ParseLevel(word string) (slog.Level, error) {
	switch word {
	case "debug":
		return slog.LevelDebug, nil
	case "info":
		return slog.LevelInfo, nil
	case "notice":
		return LevelNotice, nil
	case "warning":
		return slog.LevelWarn, nil
	case "error":
		return slog.LevelError, nil
	}
	return 0, fmt.Errorf("%q is not a level: write debug, info, notice, warning or error", word)
}

// LevelWord is the word for a level in configuration and on stderr.
func LevelWord(l slog.Level) string {
	switch severity(l) {
	case 3:
		return "error"
	case 4:
		return "warning"
	case 5:
		return "notice"
	case 6:
		return "info"
	default:
		return "debug"
	}
}

// severity maps a level to RFC 5424, table 2.
func severity(l slog.Level) int {
	switch {
	case l >= slog.LevelError:
		return 3
	case l >= slog.LevelWarn:
		return 4
	case l >= LevelNotice:
		return 5
	case l >= slog.LevelInfo:
		return 6
	default:
		return 7
	}
}

// facilities are the names for RFC 5424, table 1, in the order of their codes, as the configuration spells them.
func facilities() []string {
	return []string{"kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp",
		"ntp", "audit", "alert", "clock",
		"local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7"}
}

// ParseFacility returns the number of a facility's name.
func ParseFacility(name string) (int, error) {
	for i, f := range facilities() {
		if f == name {
			return i, nil
		}
	}
	return 0, fmt.Errorf("%q is not a syslog facility: write daemon, user or local0 to local7", name)
}

// Options say where the log goes and how it is written. Only To is required.
type Options struct {
	To       string       // "local", "udp://host:514", "tcp://host:514", "tls://host:6514", "stderr", "none"
	Facility string       // "local0" unless given
	Level    slog.Leveler // slog.LevelInfo unless given
	Tag      string       // "textback" unless given
	Hostname string       // the system's unless given
	PID      int          // the process's unless given

	TLS        *tls.Config    // for tls://; verification stays on, the name is the host's unless given
	Socket     string         // local socket, "/dev/log" unless given
	Stderr     io.Writer      // os.Stderr unless given
	Location   *time.Location // of the traditional time stamp; time.Local unless given
	Queue      int            // lines that may wait, 2048 unless given
	MinBackoff time.Duration  // first wait after a failure, 1 s unless given; doubles up to a minute
	Journal    bool           // prefix lines on stderr with <severity> for journald; found out unless Stderr is given

	// Dial opens the connection ("unixgram", "udp" or "tcp"): the seam for tests. A net.Dialer unless given.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
}

// target is Options, checked.
type target struct {
	Options
	network  string // "unixgram", "udp", "tcp", "stderr", "none"
	addr     string
	tls      *tls.Config // nil without TLS
	facility int
}

func (o Options) check() (*target, error) {
	t := &target{Options: o}
	if t.Facility == "" {
		t.Facility = "local0"
	}
	var err error
	if t.facility, err = ParseFacility(t.Facility); err != nil {
		return nil, err
	}
	switch o.To {
	case "local":
		t.network, t.addr = "unixgram", "/dev/log"
		if o.Socket != "" {
			t.addr = o.Socket
		}
	case "stderr", "none":
		t.network = o.To
	default:
		if err := t.server(o.To); err != nil {
			return nil, err
		}
	}
	if t.Level == nil {
		t.Level = slog.LevelInfo
	}
	if t.Tag == "" {
		t.Tag = "textback"
	}
	if t.Hostname == "" {
		if t.Hostname, err = os.Hostname(); err != nil {
			t.Hostname = ""
		}
	}
	if t.PID == 0 {
		t.PID = os.Getpid()
	}
	if t.Stderr == nil {
		t.Stderr = os.Stderr
		t.Journal = t.Journal || journalReads(os.Stderr)
	}
	if t.Location == nil {
		t.Location = time.Local
	}
	if t.Queue <= 0 {
		t.Queue = 2048
	}
	if t.MinBackoff <= 0 {
		t.MinBackoff = time.Second
	}
	if t.Dial == nil {
		t.Dial = (&net.Dialer{Timeout: 10 * time.Second}).DialContext
	}
	return t, nil
}

func (t *target) server(to string) error {
	u, err := url.Parse(to)
	if err != nil || u.Host == "" || (u.Path != "" && u.Path != "/") || u.User != nil || u.RawQuery != "" {
		return fmt.Errorf("%q is not a syslog target: write local, stderr, none, udp://host:514, tcp://host:514 or "+
			"tls://host:6514", to)
	}
	port := map[string]string{"udp": "514", "tcp": "514", "tls": "6514"}[u.Scheme]
	if port == "" {
		return fmt.Errorf("syslog target %q: %q is not a transport: write udp, tcp or tls", to, u.Scheme)
	}
	if u.Port() != "" {
		port = u.Port()
	}
	if u.Hostname() == "" {
		return fmt.Errorf("syslog target %q names no host", to)
	}
	t.network, t.addr = u.Scheme, net.JoinHostPort(u.Hostname(), port)
	if u.Scheme == "tls" {
		t.network, t.tls = "tcp", &tls.Config{MinVersion: tls.VersionTLS12}
		if t.TLS != nil {
			t.tls = t.TLS.Clone()
		}
		if t.tls.ServerName == "" {
			t.tls.ServerName = u.Hostname()
		}
	}
	return nil
}

// stream tells whether messages need framing.
func (t *target) stream() bool { return t.network == "tcp" }

// Check tells whether the options can work, without opening anything: for `textback check`.
func Check(o Options) error {
	_, err := o.check()
	return err
}

// Handler is the slog.Handler. Handlers made by With share its queue and its writer, and follow a [Handler.Reload].
type Handler struct {
	root   *root
	attrs  []slog.Attr // with their group prefixes in the keys
	prefix string      // open groups, each with its dot
}

type root struct {
	mu  sync.Mutex // held while the sink is replaced
	cur atomic.Pointer[sink]
}

// New checks the options and starts the writer. It does not wait for a connection: a server that is down is no reason
// not to start. End it with [Handler.Close].
func New(o Options) (*Handler, error) {
	t, err := o.check()
	if err != nil {
		return nil, err
	}
	r := &root{}
	r.cur.Store(startSink(t))
	return &Handler{root: r}, nil
}

// Reload goes over to new options; lines that wait go out by the old way until ctx ends, the rest is given up and
// counted. A wrong option leaves everything as it was.
func (h *Handler) Reload(ctx context.Context, o Options) error {
	t, err := o.check()
	if err != nil {
		return err
	}
	h.root.mu.Lock()
	defer h.root.mu.Unlock()
	old := h.root.cur.Swap(startSink(t))
	h.root.cur.Load().dropped.Add(old.close(ctx))
	return nil
}

// Close writes what waits until ctx ends, and stops the writer. Later records are dropped.
func (h *Handler) Close(ctx context.Context) {
	h.root.mu.Lock()
	defer h.root.mu.Unlock()
	h.root.cur.Load().close(ctx)
}

// Stats count lines since the last reload.
type Stats struct {
	Written uint64
	Dropped uint64 // for want of room while the target was slow or gone
	Waiting int
	Up      bool // the last attempt to connect or write succeeded
}

// Stats tells how the writer fares: for status and metrics.
func (h *Handler) Stats() Stats {
	s := h.root.cur.Load()
	return Stats{Written: s.written.Load(), Dropped: s.lost.Load(), Waiting: len(s.queue), Up: s.up.Load()}
}

// Enabled tells whether a record of this level is written.
func (h *Handler) Enabled(_ context.Context, l slog.Level) bool {
	t := h.root.cur.Load().target
	return t.network != "none" && l >= t.Level.Level()
}

// Handle queues the record. It never waits and never fails.
func (h *Handler) Handle(_ context.Context, r slog.Record) error {
	s := h.root.cur.Load()
	if s.full() {
		// Not worth the writing: while the target is down, a busy daemon would spend its time on lines for nobody.
		s.drop()
		return nil
	}
	attrs := make([]slog.Attr, 0, len(h.attrs)+r.NumAttrs())
	attrs = append(attrs, h.attrs...)
	r.Attrs(func(a slog.Attr) bool {
		attrs = flatten(attrs, h.prefix, a)
		return true
	})
	s.put(s.target.format(r.Time, r.Level, r.Message, attrs))
	return nil
}

// WithAttrs returns a handler that adds the attributes to every record.
func (h *Handler) WithAttrs(as []slog.Attr) slog.Handler {
	c := *h
	c.attrs = append([]slog.Attr(nil), h.attrs...)
	for _, a := range as {
		c.attrs = flatten(c.attrs, h.prefix, a)
	}
	return &c
}

// WithGroup returns a handler that prefixes the keys of later attributes with the name and a dot.
func (h *Handler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	c := *h
	c.prefix += name + "."
	return &c
}

// flatten resolves a and appends it, a group member by member, as the contract of slog.Handler wants.
func flatten(to []slog.Attr, prefix string, a slog.Attr) []slog.Attr {
	v := a.Value.Resolve()
	if v.Kind() == slog.KindGroup {
		if a.Key != "" {
			prefix += a.Key + "."
		}
		for _, m := range v.Group() {
			to = flatten(to, prefix, m)
		}
		return to
	}
	if a.Key == "" && v.Equal(slog.Value{}) {
		return to
	}
	return append(to, slog.Attr{Key: prefix + a.Key, Value: v})
}

// journalReads tells whether f is the stream that systemd connected to the journal (systemd.exec(5), $JOURNAL_STREAM):
// only then does a <severity> prefix mean something to its reader.
func journalReads(f *os.File) bool {
	want := os.Getenv("JOURNAL_STREAM")
	if want == "" {
		return false
	}
	link, err := os.Readlink(filepath.Join("/proc/self/fd", fmt.Sprint(f.Fd())))
	if err != nil || !strings.HasPrefix(link, "socket:[") {
		return false
	}
	_, inode, _ := strings.Cut(want, ":")
	return link == "socket:["+inode+"]"
}
