package configs

import (
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// facilities are the facility words of syslog in the order of their numbers (RFC 5424, 6.2.1).
var facilities = []string{"kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv",
	"ftp", "ntp", "audit", "alert", "clock", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7"}

func readSyslog(root *section) Syslog {
	s := root.table("syslog")
	if s == nil {
		s = root.section(nil, "[syslog]")
	}
	s.name = "[syslog]"
	out := Syslog{
		Facility:      s.str("facility", "local0"),
		Level:         s.choice("level", "info", "debug", "info", "notice", "warning", "error"),
		TLSServerName: s.str("tls_server_name", ""),
	}
	out.TLSCA, out.pem = s.authority("tls_ca")
	out.FacilityCode = slices.Index(facilities, out.Facility)
	if out.FacilityCode < 0 {
		s.bad("facility", fmt.Sprintf("%q is not a syslog facility", clip(out.Facility)),
			suggest(out.Facility, facilities))
	}
	to := s.str("to", "local")
	switch scheme, addr, remote := strings.Cut(to, "://"); {
	case to == "local" || to == "stderr" || to == "none":
		out.To = to
	case remote && (scheme == "udp" || scheme == "tcp" || scheme == "tls"):
		port := "514"
		if scheme == "tls" {
			port = "6514"
		}
		out.To = scheme
		out.Addr = s.hostPort("to", addr, port)
	default:
		s.bad("to", fmt.Sprintf("%q is no place for a log", clip(to)),
			`write "local", "udp://host:514", "tcp://host:514", "tls://host:6514", "stderr" or "none"`)
	}
	if out.To != "tls" {
		s.only("a log that does not go over TLS", "tls_ca", "tls_server_name")
	}
	s.done()
	return out
}

func readMetrics(root *section) Metrics {
	s := root.table("metrics")
	if s == nil {
		return Metrics{Listen: "127.0.0.1:9641"}
	}
	s.name = "[metrics]"
	out := Metrics{Listen: s.listen("listen", "127.0.0.1:9641")}
	if out.Listen != "" && !isLoopback(out.Listen) {
		s.suspect("listen", fmt.Sprintf("%s can be reached from other machines", out.Listen),
			`write "127.0.0.1:9641", or keep it behind a firewall`)
	}
	s.done()
	return out
}

// listen reads a host:port to listen on; "" is off.
func (s *section) listen(key, otherwise string) string {
	text := s.str(key, otherwise)
	if text == "" {
		return ""
	}
	host, port, err := net.SplitHostPort(text)
	if err != nil || !isPort(port) {
		s.bad(key, fmt.Sprintf("%q is no address to listen on", clip(text)),
			`write host:port, like "127.0.0.1:9641", or "" to switch it off`)
		return otherwise
	}
	if host != "" && host != "localhost" && net.ParseIP(host) == nil {
		s.bad(key, fmt.Sprintf("%q is no address to listen on: %q is not an IP address", clip(text), clip(host)),
			`write an address of this machine, like "127.0.0.1:9641"`)
		return otherwise
	}
	return text
}

func isLoopback(hostPort string) bool {
	host, _, err := net.SplitHostPort(hostPort)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func isPort(text string) bool {
	n, err := strconv.Atoi(text)
	return err == nil && n >= 1 && n <= 65535
}

// hostPort checks the address of another machine.
func (s *section) hostPort(key, text, port string) string {
	host, got, err := net.SplitHostPort(text)
	switch {
	case err != nil && !strings.Contains(text, ":") && isHost(text):
		s.bad(key, fmt.Sprintf("%q has no port", clip(text)), fmt.Sprintf("write %q", text+":"+port))
	case err != nil || !isHost(host):
		s.bad(key, fmt.Sprintf("%q is not host:port", clip(text)), fmt.Sprintf("write %q", "host.example.net:"+port))
	case !isPort(got):
		s.bad(key, fmt.Sprintf("%q is not a port", clip(got)),
			fmt.Sprintf("write a port from 1 to 65535, like %q", host+":"+port))
	default:
		return text
	}
	return ""
}

// isHost tells whether a word can be a host name or an address.
func isHost(host string) bool {
	if host == "" || len(host) > 253 {
		return false
	}
	if ip, _, _ := strings.Cut(host, "%"); net.ParseIP(ip) != nil {
		return true
	}
	for _, r := range host {
		if !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.' || r == '-' || r == '_') {
			return false
		}
	}
	return !strings.HasPrefix(host, "-") && !strings.HasPrefix(host, ".")
}

// webAddress reads an http or https URL without user, query and fragment. Many an address carries a secret in its path:
// errors do not repeat it.
func (s *section) webAddress(key, text string, queryAllowed bool) (*url.URL, bool) {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || !isHost(u.Hostname()) || u.Port() != "" && !isPort(u.Port()):
		s.bad(key, "is not a web address", `write it whole, like "https://example.net/path"`)
	case u.Scheme != "http" && u.Scheme != "https":
		s.bad(key, fmt.Sprintf("%q is neither http nor https", clip(u.Scheme)),
			`write it whole, like "https://example.net/path"`)
	case u.User != nil:
		s.bad(key, "has a user name or password in it, which would show in logs", "write them with keys of their own")
	case !queryAllowed && (u.RawQuery != "" || u.Fragment != ""):
		s.bad(key, "has a ? or # part", "write the address without it")
	default:
		return u, true
	}
	return nil, false
}

func readRetention(root *section) Retention {
	const kept = 90 * 24 * time.Hour
	s := root.table("retention")
	if s == nil {
		return Retention{Threads: kept, Calls: kept}
	}
	s.name = "[retention]"
	out := Retention{Threads: s.duration("threads", kept, 0), Calls: s.duration("calls", kept, 0)}
	for key, d := range map[string]time.Duration{"threads": out.Threads, "calls": out.Calls} {
		if d > 0 && d < 31*24*time.Hour {
			s.suspect(key, fmt.Sprintf("%q is shorter than a month: the limits that look back 30 days forget",
				short(d)), `write at least "744h"`)
		}
	}
	s.done()
	return out
}

func readBackup(root *section, state string) Backup {
	out := Backup{Every: 24 * time.Hour, Dir: filepath.Join(filepath.Dir(state), "backup"), Keep: 7}
	s := root.table("backup")
	if s == nil {
		return out
	}
	s.name = "[backup]"
	out.Every = s.duration("every", out.Every, 0)
	if out.Every > 0 && out.Every < time.Minute {
		s.bad("every", fmt.Sprintf("%q is too often", short(out.Every)), `write at least "1m", or "0s" for no backups`)
	}
	out.Dir = s.absolute("dir", out.Dir)
	out.Keep = s.integer("keep", out.Keep, 1, 1000)
	s.done()
	return out
}
