package discover

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
)

// Reach opens a TCP connection and, with a configuration, shakes hands for TLS; it closes it again. what names the peer:
// "the PBX".
func Reach(ctx context.Context, what, addr string, secure *tls.Config) *Problem {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return unreachable(what, addr, err)
	}
	defer conn.Close()
	if secure == nil {
		return nil
	}
	config := secure.Clone()
	if config.ServerName == "" {
		config.ServerName, _, _ = net.SplitHostPort(addr)
	}
	if err := tls.Client(conn, config).HandshakeContext(ctx); err != nil {
		return untrusted(what, addr, config.ServerName, err)
	}
	return nil
}

// unreachable says why there is no connection.
func unreachable(what, addr string, err error) *Problem {
	p := &Problem{What: "connect", err: err}
	var dns *net.DNSError
	switch {
	case errors.As(err, &dns):
		p.Message, p.Hint = fmt.Sprintf("the name in %s is not known: %s", addr,
			Clean(dns.Err)), "is it spelled right, and does this machine's DNS work?"
	case errors.Is(err, syscall.ECONNREFUSED):
		p.Message = fmt.Sprintf("nobody listens on %s (connection refused)", addr)
		p.Hint = "is " + what + " running, and on this address and port?"
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), isTimeout(err):
		p.Message = fmt.Sprintf("%s does not answer", addr)
		p.Hint = "a firewall in between, or the wrong address"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		p.Message, p.Hint = fmt.Sprintf("there is no route to %s",
			addr), "is it the right address, and is the network up?"
	default:
		p.Message, p.Hint = fmt.Sprintf("no connection to %s: %s", addr,
			words(err)), "is "+what+" running, and on this address and port?"
	}
	return p
}

func isTimeout(err error) bool {
	var ne net.Error
	return errors.As(err, &ne) && ne.Timeout()
}

// untrusted says why there is no TLS.
func untrusted(what, addr, name string, err error) *Problem {
	p := &Problem{What: "tls", err: err}
	var unknown x509.UnknownAuthorityError
	var wrong x509.HostnameError
	var invalid x509.CertificateInvalidError
	var record tls.RecordHeaderError
	switch {
	case errors.As(err, &unknown):
		p.Message, p.Hint = fmt.Sprintf("the certificate of %s is signed by nobody whom this machine trusts",
			addr), "name the authority's PEM file in tls_ca"
	case errors.As(err, &wrong):
		p.Message, p.Hint = fmt.Sprintf("the certificate of %s is not for %q", addr,
			name), "write the name that stands in it into tls_server_name"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		p.Message, p.Hint = fmt.Sprintf("the certificate of %s is out of date",
			addr), "renew it; and is this machine's clock right?"
	case errors.As(err, &record):
		p.Message, p.Hint = fmt.Sprintf("%s does not speak TLS",
			addr), "is it the port for TLS? Without TLS the address begins with http://, or tls = false"
	default:
		p.Message, p.Hint = fmt.Sprintf("no TLS with %s: %s", addr,
			words(err)), "does "+what+" speak TLS 1.2 or later on this port?"
	}
	return p
}
