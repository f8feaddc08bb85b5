package main

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// behindNginx starts nginx with the server block of docs/web.md, as it stands there but for addresses and files, and gives its
// address.
func (ps *pageStand) behindNginx() string {
	ps.t.Helper()
	page, err := os.ReadFile("../../docs/web.md")
	if err != nil {
		ps.t.Fatal(err)
	}
	_, block, _ := strings.Cut(string(page), "```nginx\n")
	block, _, ok := strings.Cut(block, "```")
	if !ok {
		ps.t.Fatal("docs/web.md has no block for nginx")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		ps.t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	cert := newAuthority(ps.t).issue("127.0.0.1", time.Hour)
	key, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	if err != nil {
		ps.t.Fatal(err)
	}
	for find, replace := range map[string]string{
		`listen 443 ssl;`:              "listen " + addr + " ssl;",
		`ssl_certificate     .+;`:      "ssl_certificate " + ps.write("cert.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Certificate[0]})), 0o600) + ";",
		`ssl_certificate_key .+;`:      "ssl_certificate_key " + ps.write("key.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})), 0o600) + ";",
		`http://127\.0\.0\.1:9642;`:    ps.base + ";",
		`proxy_read_timeout 1h; `:      "proxy_read_timeout 20s; ", // our sign of life must keep it open
		`server_name textback.+;`:      "server_name _;",
		`# live changes are sent.+`:    "",
		`# over an answer that does.+`: "",
	} {
		re := regexp.MustCompile(find)
		if !re.MatchString(block) {
			ps.t.Fatalf("docs/web.md has no %q in its block for nginx", find)
		}
		block = re.ReplaceAllString(block, replace)
	}
	conf := ps.write("nginx.conf", fmt.Sprintf("pid %s;\nerror_log stderr warn;\ndaemon off;\nmaster_process off;\nevents {}\nhttp {\naccess_log off;\nclient_body_temp_path %[2]s;\n"+
		"proxy_temp_path %[2]s;\nfastcgi_temp_path %[2]s;\nuwsgi_temp_path %[2]s;\nscgi_temp_path %[2]s;\n%s}\n", filepath.Join(ps.dir, "nginx.pid"), filepath.Join(ps.dir, "temp"), block), 0o600)
	nginx, err := exec.LookPath("nginx")
	if err != nil {
		nginx = "/usr/sbin/nginx"
	}
	ps.start(nil, nginx, "-p", ps.dir, "-c", conf) // one process, which is killed at the end
	await(ps.t, "nginx", func() bool {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	return "https://" + addr
}

func TestThePageWorksBehindNginxInARealBrowser(t *testing.T) {
	ps := newPageStand(t, func(toml string) string {
		return strings.Replace(toml, "[http]\n", "[http]\ntrusted_proxies = [\"127.0.0.1\"]\n", 1)
	})
	const jane = "+12025550123"
	ps.missed(jane, "DOE, JANE", "Hello?")
	base := ps.behindNginx()
	tab := newBrowser(t, "--ignore-certificate-errors").open(base)
	ps.login(tab, "Ann")
	var cookies struct {
		Cookies []struct {
			Name, SameSite   string
			HTTPOnly, Secure bool
		}
	}
	tab.b.must(tab.session, "Network.getCookies", nil, &cookies)
	if c := cookies.Cookies; len(c) != 1 || c[0].Name != "__Host-textback" || !c[0].Secure || !c[0].HTTPOnly || c[0].SameSite != "Strict" {
		t.Errorf("%+v", c)
	}
	tab.visit(base + "/ui/threads/1")
	tab.await(`document.documentElement.dataset.live === "on"`)
	ps.said(jane, "Are you there?")
	tab.await(has("Are you there?"))
	tab.eval(`document.getElementById("text").focus()`)
	tab.write("Yes.")
	tab.press("Enter", 2)
	await(t, "the answer on the wire", func() bool { return slices.Contains(ps.sent(jane), "Yes.") })
	tab.await(has("Yes.") + ` && location.hash === "#end"`)
	tab.clean(base)
	if out := ps.p.output(); !strings.Contains(out, "page-login src=127.0.0.1 person=Ann") {
		t.Errorf("the log-in is not told")
	}
}
