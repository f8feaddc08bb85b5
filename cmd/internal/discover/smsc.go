package discover

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"textback/cmd/internal/daemon"
	"textback/configs"
	"textback/smpp"
)

// Bind binds to a message centre as the daemon will, and unbinds. Many carriers allow one bind of a system_id at a time:
// while the daemon runs, ask it instead. peer is the message centre's own name, "" if it gives none. The error is a
// *[Problem].
func Bind(ctx context.Context, conf *configs.SMPP) (peer string, err error) {
	c := smpp.Config{Name: conf.Name, Addr: conf.Addr, SystemID: conf.SystemID, Password: conf.Password.Reveal(),
		SystemType: conf.SystemType,
		Bind:       conf.Bind, AddressRange: conf.AddressRange, ResponseTimeout: conf.ResponseTimeout, Drain: time.Second}
	if conf.TLS {
		t, err := daemon.ClientTLS(conf.TLSCA, conf.TLSServerName, conf.Addr)
		if err != nil {
			return "", &Problem{What: "tls", Message: words(err),
				Hint: "tls_ca must name a PEM file with the authority's certificate", err: err}
		}
		c.TLS = t
	}
	if err := c.Check(); err != nil {
		return "", &Problem{What: "config", Message: words(err), err: err}
	}
	if p := Reach(ctx, "the message centre", conf.Addr, c.TLS); p != nil {
		return "", p
	}
	return bind(ctx, c)
}

// bind runs a link until each of its binds stands, or one fails.
func bind(ctx context.Context, c smpp.Config) (peer string, err error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	want := 1
	if c.Bind == "transmitter+receiver" {
		want = 2
	}
	var mu sync.Mutex
	var failed error
	bound := make(map[string]bool)
	link := smpp.NewLink(c, smpp.Handlers{
		// What comes while we look is left with the message centre: it gives it to the daemon.
		Deliver: func(context.Context, smpp.Delivery) uint32 { return smpp.StatusTryAgain },
		Status: func(s smpp.Status) {
			mu.Lock()
			defer mu.Unlock()
			switch s.State {
			case smpp.Bound:
				bound[s.Bind] = true
				peer = Clean(s.Peer)
				if len(bound) == want {
					stop()
				}
			case smpp.Down, smpp.Refused:
				if failed == nil {
					failed = s.Err
				}
				stop()
			}
		}})
	if err := link.Run(ctx); err != nil {
		return "", &Problem{What: "connect", Message: words(err), err: err}
	}
	mu.Lock()
	defer mu.Unlock()
	switch {
	case len(bound) == want:
		return peer, nil
	case failed == nil:
		return "", &Problem{What: "connect", Message: c.Addr + " takes the connection and does not answer the bind",
			Hint: "is it an SMPP port? Ask the carrier for host, port and TLS"}
	default:
		return "", bindProblem(&c, failed)
	}
}

// bindProblem says what a refused bind means.
func bindProblem(c *smpp.Config, err error) *Problem {
	p := &Problem{What: "login", err: err}
	var refused *smpp.StatusError
	if !errors.As(err, &refused) {
		p.What, p.Message = "connect", fmt.Sprintf("%s does not answer as a message centre: %s", c.Addr, words(err))
		p.Hint = "is it an SMPP port, and with TLS or without? Ask the carrier"
		return p
	}
	p.Message = fmt.Sprintf("%s refuses the bind as %q: %s", c.Addr, c.SystemID, smpp.StatusName(refused.Status))
	switch refused.Status {
	case smpp.StatusInvPassword:
		p.Hint = "the password is wrong; SMPP 3.4 has room for 8 characters, ask the carrier if yours is longer"
	case smpp.StatusInvSystemID:
		p.Hint = "the system_id is not known there: ask the carrier, also whether this machine's address is allowed"
	case smpp.StatusAlreadyBound:
		p.Hint = "another program is bound with this system_id: many carriers allow one bind. Stop it, or ask for a second"
	case smpp.StatusBindFailed:
		p.Hint = "the carrier turns the bind down without saying why: system_type, this machine's address, or another bind"
	default:
		p.Hint = "ask the carrier what it means; also whether this machine's address is allowed" + systemTypeHint(c)
	}
	return p
}

func systemTypeHint(c *smpp.Config) string {
	if strings.TrimSpace(c.SystemType) == "" {
		return ", and whether a system_type is needed"
	}
	return ""
}
