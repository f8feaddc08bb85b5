package handoff

import (
	"fmt"
	"net"
	"net/netip"
	"syscall"
)

// AddressError is the refusal of a webhook whose host resolved to an address inside our own network, where nothing outside
// has business.
type AddressError struct{ Addr netip.Addr }

func (e *AddressError) Error() string {
	return fmt.Sprintf("%s is not a public address (set allow_private if it is meant)", e.Addr)
}

// refusePrivate is a net.Dialer's Control: it sees the address that is really connected to, after every resolution, so a
// name that changes its address between check and use gains nothing.
func refusePrivate(_, address string, _ syscall.RawConn) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("connect to %q: %w", address, err)
	}
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return fmt.Errorf("connect to %q: %w", address, err)
	}
	if !public(addr) {
		return &AddressError{addr}
	}
	return nil
}

// notPublic are the blocks of the IANA special-purpose registries (RFC 6890) that netip has no word for.
func notPublic() []netip.Prefix {
	return []netip.Prefix{
		netip.MustParsePrefix("0.0.0.0/8"),       // "this network", RFC 791
		netip.MustParsePrefix("100.64.0.0/10"),   // carrier-grade NAT, RFC 6598
		netip.MustParsePrefix("192.0.0.0/24"),    // protocol assignments, RFC 6890
		netip.MustParsePrefix("192.0.2.0/24"),    // documentation, RFC 5737
		netip.MustParsePrefix("192.88.99.0/24"),  // 6to4 relays, RFC 7526
		netip.MustParsePrefix("198.18.0.0/15"),   // benchmarks, RFC 2544
		netip.MustParsePrefix("198.51.100.0/24"), // documentation
		netip.MustParsePrefix("203.0.113.0/24"),  // documentation
		netip.MustParsePrefix("240.0.0.0/4"),     // reserved, and broadcast
		netip.MustParsePrefix("100::/64"),        // discard, RFC 6666
		netip.MustParsePrefix("2001:db8::/32"),   // documentation
		netip.MustParsePrefix("fec0::/10"),       // site-local, RFC 3879
	}
}

// public tells whether addr is an address of the open internet. Addresses that carry an IPv4 address inside are judged by
// it.
func public(addr netip.Addr) bool {
	addr = addr.Unmap().WithZone("")
	if addr.Is6() {
		b := addr.As16()
		switch {
		case netip.MustParsePrefix("64:ff9b::/96").Contains(addr): // NAT64, RFC 6052
			return public(netip.AddrFrom4([4]byte(b[12:])))
		case netip.MustParsePrefix("64:ff9b:1::/48").Contains(addr), // NAT64 within a site, RFC 8215
			netip.MustParsePrefix("2001::/32").Contains(addr), // Teredo, RFC 4380
			netip.MustParsePrefix("::/96").Contains(addr):     // IPv4-compatible, RFC 4291
			return false
		case netip.MustParsePrefix("2002::/16").Contains(addr): // 6to4, RFC 3056
			return public(netip.AddrFrom4([4]byte(b[2:6])))
		}
	}
	if !addr.IsValid() || addr.IsUnspecified() || addr.IsLoopback() || addr.IsPrivate() || addr.IsLinkLocalUnicast() ||
		addr.IsMulticast() {
		return false
	}
	for _, p := range notPublic() {
		if p.Contains(addr) {
			return false
		}
	}
	return true
}
