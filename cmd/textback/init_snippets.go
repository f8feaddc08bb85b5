package main

import (
	"fmt"
	"net"
	"net/url"
	"strings"

	"textback/cmd/internal/discover"
)

// snippet is what has to stand on the PBX's side. init prints it and never edits a file of the PBX.
func (s *setup) snippet() string {
	switch s.kind {
	case discover.FreePBX:
		return s.freePBXSnippet()
	case discover.FusionPBX, discover.FreeSWITCH:
		return s.freeSWITCHSnippet()
	default:
		return s.asteriskSnippet()
	}
}

// ariUser is a user of ari.conf.
func (s *setup) ariUser() string {
	hash := "$6$...   ; asterisk -rx 'ari mkpasswd PASSWORD' prints this line"
	if s.pbxHash != "" {
		hash = s.pbxHash
	}
	return fmt.Sprintf("[%s]\ntype = user\nread_only = yes\npassword_format = crypt\npassword = %s\n", s.pbx.Username,
		hash)
}

// where are the address and port of ARI, for http.conf.
func (s *setup) where() (host, port string, secure bool) {
	u, err := url.Parse(s.pbx.URL)
	if err != nil {
		return "127.0.0.1", "8088", false
	}
	host, port = u.Hostname(), u.Port()
	if host == "localhost" {
		host = "127.0.0.1"
	}
	if port == "" {
		port = map[bool]string{true: "443", false: "80"}[u.Scheme == "https"]
	}
	if ip := net.ParseIP(host); ip == nil {
		host = "0.0.0.0"
	}
	return host, port, u.Scheme == "https"
}

func (s *setup) httpConf() string {
	host, port, secure := s.where()
	if secure {
		return fmt.Sprintf("[general]\nenabled = yes\nbindaddr = 127.0.0.1\ntlsenable = yes\ntlsbindaddr = %s\ntlscertfile = /etc/asterisk/keys/asterisk.crt\ntlsprivatekey = /etc/asterisk/keys/asterisk.key\n",
			net.JoinHostPort(host, port))
	}
	return fmt.Sprintf("[general]\nenabled = yes\nbindaddr = %s\nbindport = %s\n", host, port)
}

func (s *setup) asteriskSnippet() string {
	return titled("/etc/asterisk/http.conf", s.httpConf()) +
		titled("/etc/asterisk/ari.conf",
			"[general]\nenabled = yes\nwebsocket_write_timeout = 1000\nchannelvars = CALLERID(pres),STIR_SHAKEN(0,verify_result)   ; optional\n\n"+s.ariUser()) +
		"then: asterisk -rx 'core reload'\n"
}

func (s *setup) freePBXSnippet() string {
	host, port, _ := s.where()
	var b strings.Builder
	fmt.Fprintf(&b, "FreePBX writes http.conf and ari.conf itself. In its web interface:\n"+
		"  Settings > Advanced Settings > Asterisk Builtin mini-HTTP server: Enable the mini-HTTP Server = Yes,\n"+
		"    HTTP Bind Address = %s, HTTP Bind Port = %s\n"+
		"  Settings > Advanced Settings > Asterisk REST Interface: Enable the Asterisk REST Interface = Yes,\n"+
		"    Web Socket Write Timeout = 1000\n"+
		"  Settings > Asterisk REST Interface Users > Add User: %s, password type Crypt, Read Only = Yes (or the file below)\n"+
		"  Submit, then Apply Config\n\n", host, port, s.pbx.Username)
	b.WriteString("What it does not offer goes into files that it includes and never writes:\n\n")
	b.WriteString(titled("/etc/asterisk/ari_general_custom.conf (optional)",
		"channelvars = CALLERID(pres),STIR_SHAKEN(0,verify_result)\n"))
	b.WriteString(titled("/etc/asterisk/ari_additional_custom.conf (instead of the user in the web interface)",
		s.ariUser()))
	b.WriteString("then: fwconsole reload\n")
	return b.String()
}

func (s *setup) freeSWITCHSnippet() string {
	host, port, err := net.SplitHostPort(s.pbx.Addr)
	if err != nil {
		host, port = "127.0.0.1", "8021"
	}
	local := host == "localhost" || net.ParseIP(host) != nil && net.ParseIP(host).IsLoopback()
	if host == "localhost" {
		host = "127.0.0.1"
	}
	acl := "loopback.auto"
	if !local {
		acl = "textback"
	}
	var b strings.Builder
	b.WriteString(titled("autoload_configs/event_socket.conf.xml", fmt.Sprintf(`<configuration name="event_socket.conf" description="Socket Client">
  <settings>
    <param name="nat-map" value="false"/>
    <param name="listen-ip" value="%s"/>
    <param name="listen-port" value="%s"/>
    <param name="password" value="..."/>   <!-- the same as in %s, not ClueCon -->
    <param name="apply-inbound-acl" value="%s"/>
  </settings>
</configuration>
`, host, port, s.pbxSecret, acl)))
	if !local {
		b.WriteString(titled("autoload_configs/acl.conf.xml, in <network-lists>", `<list name="textback" default="deny">
  <node type="allow" cidr="127.0.0.1/32"/>
  <node type="allow" cidr="ADDRESS-OF-TEXTBACK/32"/>
</list>
`))
		b.WriteString("The event socket has no encryption and gives whoever logs in the whole PBX: carry it through a tunnel.\n")
	}
	if s.kind == discover.FusionPBX {
		b.WriteString("FusionPBX logs in there itself: write the same password into /etc/fusionpbx/config.conf (switch.event_socket.password).\n")
	}
	b.WriteString("then: fs_cli -x 'reload mod_event_socket'")
	if !local {
		b.WriteString(" and fs_cli -x reloadacl")
	}
	b.WriteString("\n")
	return b.String()
}

func titled(title, text string) string {
	return "--- " + title + "\n" + text + "\n"
}
