package esl

import (
	"context"
	"crypto/tls"
	"net"
	"sync"
	"time"
)

// Options are one link's settings. Addr and Password are needed, everything else has a default.
type Options struct {
	Addr     string // host:port of mod_event_socket; ":8021" is added if there is no port
	Password string // of event_socket.conf.xml

	// Events are native event names; HEARTBEAT is added, because silence means a dead link. nil: DefaultEvents.
	Events []string
	// Subclasses are subclasses of CUSTOM. nil: DefaultSubclasses; empty, not nil: none.
	Subclasses []string
	// Keep says which headers of events and dumps are wanted; nil keeps all. A few are always kept: Event-Name,
	// Event-Subclass, Core-UUID, Unique-ID, Event-Date-Timestamp, Event-Sequence, _body. It must be quick and safe to
	// call at any time.
	Keep func(header string) bool

	TLS *tls.Config // for an event socket behind TLS; verification is the config's

	// Dial makes the connection; nil: net.Dialer's DialContext.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)

	DialTimeout  time.Duration // TCP and TLS: 10 s
	LoginTimeout time.Duration // each step until subscribed: 10 s
	CmdTimeout   time.Duration // the answer to one command: 10 s
	Idle         time.Duration // a peer without a sign of life for so long is dead: 60 s, three heartbeats
	RetryMin     time.Duration // the first pause after a failure, doubled each time: 0.5 s
	RetryMax     time.Duration // the longest pause: 30 s
	RetrySlow    time.Duration // the pause after a lasting refusal: 60 s

	Queue      int // events that wait for handle: 8192
	QueueBytes int // and their size: 64 MiB
	MaxFrame   int // largest body of one frame: 16 MiB
	MaxDumps   int // inbound legs that are read back with uuid_dump: 1000

	Notify func(Status) // called in order from Run's goroutine; must not block. nil: nobody is told
}

// DefaultEvents are the native events that a call's outcome needs. All but HEARTBEAT carry every channel variable,
// whatever verbose-channel-events says.
func DefaultEvents() []string {
	return []string{"CHANNEL_CREATE", "CHANNEL_ANSWER", "CHANNEL_BRIDGE", "CHANNEL_HANGUP_COMPLETE", "HEARTBEAT"}
}

// DefaultSubclasses are the CUSTOM events that a call's outcome needs: queues, voicemail, conferences and parking.
func DefaultSubclasses() []string {
	return []string{"callcenter::info", "fifo::info", "vm::maintenance", "conference::maintenance", "valet_parking::info"}
}

// Link is one event socket link. Its methods may be called from any goroutine; Run only once at a time.
type Link struct {
	opts Options

	mu   sync.Mutex
	live *session // nil while the link is down
}

// New makes a link; nothing happens until Run.
func New(opts Options) *Link { return &Link{opts: opts.withDefaults()} }

// Run is New(opts).Run(ctx, handle), for those who need no [Link.Originate].
func Run(ctx context.Context, opts Options, handle func(Message)) error {
	return New(opts).Run(ctx, handle)
}
