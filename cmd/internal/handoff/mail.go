package handoff

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	netmail "net/mail"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/wneessen/go-mail"
)

// How a mail server is reached.
const (
	StartTLSAlways   = "always"   // STARTTLS or nothing
	StartTLSTry      = "try"      // STARTTLS where the server offers it
	StartTLSNever    = "never"    // in the clear: for a server on this machine
	StartTLSImplicit = "implicit" // TLS from the first byte, port 465 (RFC 8314)
)

// MailOptions describe one mail hand-off.
type MailOptions struct {
	Server   string // host:port; port 587 (465 with StartTLSImplicit) unless given
	From     string // address, with a name if wanted
	To       []string
	Username string // "" sends without authentication
	Password string
	StartTLS string        // StartTLSAlways unless given
	TLS      *tls.Config   // own authority, if any; verification stays on
	HELO     string        // name we give; the host's unless given
	Timeout  time.Duration // of one delivery, 30 s unless given
	Now      func() time.Time

	// Dial opens the TCP connection: the seam for tests.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
}

// Mail sends deliveries as e-mail, one message per recipient, over a fresh connection each time.
type Mail struct {
	opts MailOptions
	host string
	port int
	from *netmail.Address
	to   []*netmail.Address
	hide *strings.Replacer // takes the password out of what a server says

	mu   sync.Mutex
	done map[string]map[string]bool // delivery to the recipients that have it already, until all have
}

// NewMail checks the options.
func NewMail(o MailOptions) (*Mail, error) {
	m := &Mail{opts: o, hide: hider(o.Username, o.Password), done: make(map[string]map[string]bool)}
	if m.opts.StartTLS == "" {
		m.opts.StartTLS = StartTLSAlways
	}
	m.host, m.port = o.Server, 587
	switch m.opts.StartTLS {
	case StartTLSAlways, StartTLSTry, StartTLSNever:
	case StartTLSImplicit:
		m.port = 465
	default:
		return nil, fmt.Errorf("mail: starttls %q: write always, try, never or implicit", o.StartTLS)
	}
	if host, port, err := net.SplitHostPort(o.Server); err == nil {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 {
			return nil, fmt.Errorf("mail: server %q: %q is not a port", o.Server, port)
		}
		m.host, m.port = host, int(n)
	}
	if m.host == "" {
		return nil, errors.New("mail: there is no server")
	}
	var err error
	if m.from, err = address(o.From); err != nil {
		return nil, fmt.Errorf("mail: from: %w", err)
	}
	if len(o.To) == 0 {
		return nil, errors.New("mail: there is no recipient")
	}
	for _, to := range o.To {
		a, err := address(to)
		if err != nil {
			return nil, fmt.Errorf("mail: to: %w", err)
		}
		m.to = append(m.to, a)
	}
	if m.opts.Timeout <= 0 {
		m.opts.Timeout = 30 * time.Second
	}
	if m.opts.Now == nil {
		m.opts.Now = time.Now
	}
	if m.opts.Dial == nil {
		m.opts.Dial = (&net.Dialer{}).DialContext
	}
	return m, nil
}

func address(s string) (*netmail.Address, error) {
	if strings.ContainsAny(s, "\r\n") {
		return nil, errors.New("a line break is not part of an address")
	}
	a, err := netmail.ParseAddress(s)
	if err != nil {
		return nil, fmt.Errorf("%q is not a mail address", s)
	}
	return a, nil
}

// String names the server.
func (m *Mail) String() string { return "mail " + net.JoinHostPort(m.host, strconv.Itoa(m.port)) }

// Send delivers to every recipient that does not have it yet. It is permanent when the server refuses every one that is
// left for good (5xx on the recipient or the content); a recipient refused beside others that took it is named in the note.
func (m *Mail) Send(ctx context.Context, d Delivery) (Result, error) {
	have := m.have(d.ID)
	var msgs []*mail.Msg
	var to []string
	for _, rcpt := range m.to {
		if have[rcpt.Address] {
			continue
		}
		msg, err := m.compose(d, rcpt)
		if err != nil {
			return Result{Permanent: true, Note: err.Error()}, err
		}
		msgs, to = append(msgs, msg), append(to, rcpt.Address)
	}
	err := m.transmit(ctx, msgs)
	var refused, delayed []string
	delivered := len(have)
	for i, msg := range msgs {
		switch {
		case msg.IsDelivered():
			// The server took it, whatever went wrong after that (a QUIT or RSET that failed).
			have[to[i]] = true
			delivered++
		case lasting(msg.SendError()):
			refused = append(refused, to[i])
		default:
			delayed = append(delayed, to[i])
		}
	}
	note := fmt.Sprintf("accepted by %s", m.host)
	if len(refused) > 0 {
		note = "refused for " + strings.Join(refused, ", ") + ": " + m.words(err)
	}
	switch {
	case len(delayed) > 0:
		m.remember(d.ID, have)
		return Result{Note: m.words(err)}, fmt.Errorf("mail through %s: %s", m.host, m.words(err))
	case delivered == 0:
		return Result{Permanent: true, Note: note}, fmt.Errorf("mail through %s: %s", m.host, m.words(err))
	}
	m.remember(d.ID, nil)
	return Result{Delivered: true, Note: note}, nil
}

// lasting tells whether trying again is useless: a 5xx about this recipient or this content. A refused sender or log-in
// is about our configuration, which may be mended.
func lasting(err error) bool {
	var se *mail.SendError
	if !errors.As(err, &se) || se.IsTemp() {
		return false
	}
	code := se.ErrorCode()
	switch se.Reason {
	case mail.ErrSMTPRcptTo, mail.ErrSMTPData, mail.ErrSMTPDataClose:
		return code >= 500 && code < 600 && code != 530 && code != 535
	default:
		return false
	}
}

// words is an error in one bounded line: what a server says is a stranger's text, and a careless one repeats what it was
// given at the log-in.
func (m *Mail) words(err error) string {
	if err == nil {
		return "the server did not take it"
	}
	s := oneLine(m.hide.Replace(err.Error()))
	if r := []rune(s); len(r) > 300 {
		s = string(r[:300]) + "..."
	}
	return s
}

// hider takes a password out of texts, as it is and as it is sent by AUTH PLAIN (RFC 4616) and LOGIN.
func hider(username, password string) *strings.Replacer {
	if password == "" {
		return strings.NewReplacer()
	}
	var pairs []string
	for _, s := range []string{"\x00" + username + "\x00" + password, password} {
		encoded := base64.StdEncoding.EncodeToString([]byte(s))
		pairs = append(pairs, encoded, "(secret)", strings.TrimRight(encoded, "="), "(secret)")
	}
	return strings.NewReplacer(append(pairs, password, "(secret)")...)
}

// have returns a copy of the recipients that have the delivery already.
func (m *Mail) have(id string) map[string]bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := make(map[string]bool)
	for to := range m.done[id] {
		out[to] = true
	}
	return out
}

// remember keeps who has the delivery, so that the retry for one does not repeat it to all. It lives in memory only:
// after a restart a recipient may see a mail twice, with the same Message-ID.
func (m *Mail) remember(id string, have map[string]bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.done, id)
	if len(have) > 0 && len(m.done) < 1000 {
		m.done[id] = have
	}
}

// transmit sends the messages; what became of each stands in the message.
func (m *Mail) transmit(ctx context.Context, msgs []*mail.Msg) error {
	if len(msgs) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, m.opts.Timeout)
	defer cancel()
	conn, err := m.dial(ctx, "tcp", net.JoinHostPort(m.host, strconv.Itoa(m.port)))
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	// The library leaves the connection open when greeting, STARTTLS or log-in fail, and minds no context after the dial.
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	opts := append(m.security(), mail.WithPort(m.port), mail.WithTimeout(m.opts.Timeout),
		mail.WithDialContextFunc(func(context.Context, string, string) (net.Conn, error) { return conn, nil }))
	client, err := mail.NewClient(m.host, opts...)
	if err != nil {
		return fmt.Errorf("set up: %w", err)
	}
	session, err := client.DialToSMTPClientWithContext(ctx)
	if err != nil {
		return err
	}
	err = client.SendWithSMTPClient(session, msgs...)
	// The messages have their answers; a QUIT that fails changes nothing.
	_ = client.CloseWithSMTPClient(session)
	return err
}

func (m *Mail) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	conn, err := m.opts.Dial(ctx, network, addr)
	if err != nil || m.opts.StartTLS != StartTLSImplicit {
		return conn, err
	}
	secure := tls.Client(conn, m.tlsConfig())
	if err := secure.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, err
	}
	return secure, nil
}

func (m *Mail) tlsConfig() *tls.Config {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if m.opts.TLS != nil {
		c = m.opts.TLS.Clone()
	}
	if c.ServerName == "" {
		c.ServerName = m.host
	}
	return c
}

// ascii tells whether no address needs SMTPUTF8 (RFC 6531); headers are encoded anyway.
func (m *Mail) ascii() bool {
	for _, a := range append([]*netmail.Address{m.from}, m.to...) {
		if strings.ContainsFunc(a.Address, func(r rune) bool { return r > '~' }) {
			return false
		}
	}
	return true
}

func (m *Mail) security() []mail.Option {
	opts := []mail.Option{mail.WithTLSConfig(m.tlsConfig())}
	if m.opts.HELO != "" {
		opts = append(opts, mail.WithHELO(m.opts.HELO))
	}
	if m.ascii() {
		// The library would ask for SMTPUTF8 wherever it is offered, and a relay further on that lacks it would bounce a
		// mail that needs none of it.
		opts = append(opts, mail.WithoutSMTPUTF8())
	}
	encrypted := true
	switch m.opts.StartTLS {
	case StartTLSAlways:
		opts = append(opts, mail.WithTLSPolicy(mail.TLSMandatory))
	case StartTLSTry:
		opts, encrypted = append(opts, mail.WithTLSPolicy(mail.TLSOpportunistic)), false
	case StartTLSNever:
		opts, encrypted = append(opts, mail.WithTLSPolicy(mail.NoTLS)), false
	case StartTLSImplicit:
		opts = append(opts, mail.WithTLSPolicy(mail.NoTLS)) // there is TLS already, and none inside it
	}
	if m.opts.Username == "" {
		return opts
	}
	opts = append(opts, mail.WithUsername(m.opts.Username), mail.WithPassword(m.opts.Password))
	if encrypted {
		return append(opts, mail.WithOpportunisticSMTPAuth(mail.SMTPAuthSCRAMSHA256, mail.SMTPAuthSCRAMSHA1,
			mail.SMTPAuthPlain, mail.SMTPAuthLogin, mail.SMTPAuthCramMD5))
	}
	// Picks by what the connection turned out to be: the password never crosses in the clear.
	return append(opts, mail.WithSMTPAuth(mail.SMTPAuthAutoDiscover))
}
