package daemon

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"

	"textback/configs"
	"textback/smpp"
)

// smsc is one message centre's link as the daemon runs it.
type smsc struct {
	*smpp.Link
	stop context.CancelFunc
	done chan struct{}
}

// makeLinks gives the links of a configuration in their order: unchanged ones as they are, others new and not yet run.
func (d *Daemon) makeLinks(cfg *configs.Config, changes configs.Change) ([]*smpp.Link, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	list := make([]*smpp.Link, 0, len(cfg.SMPPs))
	for i := range cfg.SMPPs {
		conf := &cfg.SMPPs[i]
		if old := d.links[conf.Name]; old != nil && slices.Contains(changes.SMPPs.Same, conf.Name) {
			list = append(list, old.Link)
			continue
		}
		sc, err := d.smppConfig(conf)
		if err != nil {
			return nil, err
		}
		list = append(list, smpp.NewLink(sc, smpp.Handlers{Deliver: d.delivered, Late: d.late, Status: d.smppStatus, Fault: d.smppFault}))
	}
	return list, nil
}

// startLinks ends the links that are gone or changed, and runs the new ones.
func (d *Daemon) startLinks() {
	d.mu.Lock()
	defer d.mu.Unlock()
	wanted := make(map[string]*smpp.Link)
	for _, l := range d.conf.Load().pool.Links() {
		wanted[l.Name()] = l
	}
	ending := make(map[string]*smsc)
	for name, s := range d.links {
		if wanted[name] == s.Link {
			delete(wanted, name)
			continue
		}
		s.stop()
		ending[name] = s
		delete(d.links, name)
	}
	for _, l := range d.conf.Load().pool.Links() {
		if wanted[l.Name()] == nil {
			continue
		}
		ctx, stop := context.WithCancel(context.Background())
		s := &smsc{Link: l, stop: stop, done: make(chan struct{})}
		d.links[l.Name()] = s
		before := ending[l.Name()]
		go func() {
			defer close(s.done)
			if before != nil { // many message centres take one bind of a system_id only: let the old one unbind first
				select {
				case <-before.done:
				case <-time.After(drainTime):
				case <-ctx.Done():
				}
			}
			if err := l.Run(ctx); err != nil {
				d.log.Error("smpp-ended", "smpp", l.Name(), "error", err)
			}
		}()
	}
}

// stopLinks lets answers come in, unbinds, and waits for the links to end, not longer than the bound.
func (d *Daemon) stopLinks(bound time.Duration) {
	d.mu.Lock()
	var wg sync.WaitGroup
	for _, s := range d.links {
		s.stop()
		wg.Add(1)
		go func() { defer wg.Done(); <-s.done }()
	}
	d.mu.Unlock()
	d.awaitWithin(bound, wg.Wait)
}

func (d *Daemon) smppConfig(c *configs.SMPP) (smpp.Config, error) {
	sc := smpp.Config{Name: c.Name, Addr: c.Addr, SystemID: c.SystemID, Password: c.Password.Reveal(), SystemType: c.SystemType,
		Bind: c.Bind, Window: c.Window, Rate: c.Rate, EnquireLink: c.EnquireLink, ResponseTimeout: c.ResponseTimeout,
		Receipts: c.Receipts, Source: addressWord(c.Source), Destination: addressWord(c.Destination), Numbers: c.Numbers,
		ServiceType: c.ServiceType, AddressRange: c.AddressRange, Charset: c.Charset, Long: c.Long, Reference: c.Reference,
		Validity: c.Validity,
		Dial:     d.o.DialSMPP}
	if c.TLS {
		t, err := ClientTLS(c.TLSCA, c.TLSServerName, c.Addr)
		if err != nil {
			return sc, fmt.Errorf("smpp %q: %w", c.Name, err)
		}
		sc.TLS = t
	}
	if err := sc.Check(); err != nil {
		return sc, fmt.Errorf("smpp %q: %w", c.Name, err)
	}
	return sc, nil
}

func addressWord(a configs.Address) string {
	if a.Auto {
		return "auto"
	}
	return strconv.Itoa(int(a.TON)) + "/" + strconv.Itoa(int(a.NPI))
}

// ClientTLS verifies the server by the system's authorities or by the one in a file.
func ClientTLS(caFile, serverName, addr string) (*tls.Config, error) {
	t := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: serverName}
	if serverName == "" {
		if host, _, err := net.SplitHostPort(addr); err == nil {
			t.ServerName = host
		}
	}
	if caFile == "" {
		return t, nil
	}
	pem, err := os.ReadFile(caFile)
	if err != nil {
		return nil, fmt.Errorf("tls_ca: %w", err)
	}
	t.RootCAs = x509.NewCertPool()
	if !t.RootCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("tls_ca: %s holds no PEM certificate", caFile)
	}
	return t, nil
}

// Hints that the log and the status give for a link that is down.
const (
	hintBind     = "check system_id, password and system_type of this [[smpp]]"
	hintARI      = "check username and password of this [[pbx]] against ari.conf"
	hintOtherApp = "give this [[pbx]] an app of its own"
	hintESL      = "check the password of this [[pbx]] against event_socket.conf.xml"
)

func (d *Daemon) smppStatus(s smpp.Status) {
	d.met.smppState(s)
	if l := d.smppLink(s.Link); l != nil {
		d.met.since("smpp", s.Link, l.Bound(), d.now())
	}
	switch s.State {
	case smpp.Bound:
		d.met.told("smpp", s.Link, nil, "")
	case smpp.Down:
		d.met.told("smpp", s.Link, s.Err, "")
	case smpp.Refused:
		d.met.told("smpp", s.Link, s.Err, hintBind)
	default:
	}
	attrs := []any{"smpp", s.Link, "bind", s.Bind}
	switch s.State {
	case smpp.Bound:
		d.log.Info("smpp-up", append(attrs, "peer", s.Peer)...)
		d.wake()
	case smpp.Down:
		d.sparingly(slog.LevelWarn, "smpp-down "+s.Link+s.Bind, "smpp-down", append(attrs, "error", s.Err, "retry", s.Retry.Round(time.Millisecond).String(), "tries", s.Tries)...)
	case smpp.Refused:
		d.sparingly(slog.LevelError, "smpp-refused "+s.Link+s.Bind, "smpp-refused", append(attrs, "error", s.Err, "retry", s.Retry.Round(time.Second).String(),
			"hint", hintBind)...)
	case smpp.Stopped:
		d.log.Info("smpp-stopped", attrs...)
	default:
		d.log.Debug("smpp", append(attrs, "state", s.State.String())...)
	}
}

// smppLink is the link of a name, nil if there is none.
func (d *Daemon) smppLink(name string) *smpp.Link {
	r := d.conf.Load()
	if r == nil {
		return nil
	}
	for _, l := range r.pool.Links() {
		if l.Name() == name {
			return l
		}
	}
	return nil
}

func (d *Daemon) smppFault(f smpp.Fault) {
	d.sparingly(slog.LevelWarn, "smpp-fault "+f.Link+f.Word, "smpp-fault", "smpp", f.Link, "fault", f.Word, "error", f.Err)
}
