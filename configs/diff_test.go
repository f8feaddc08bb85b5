package configs

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"slices"
	"strings"
	"testing"
)

func TestAReloadTouchesOnlyTheLinksThatDiffer(t *testing.T) {
	ref := string(Reference)
	second := "\n[[smpp]]\nname = \"backup\"\naddr = \"smsc2.example.net:2775\"\nsystem_id = \"acme\"\npassword_file = \"smpp.password\"\n"
	moved := strings.Replace(ref, "[[smpp]]", strings.TrimSpace(second)+"\n\n[[smpp]]", 1)
	for name, tc := range map[string]struct {
		old, next string
		pbx, smpp LinkChange
	}{
		"nothing": {ref, ref, LinkChange{Same: []string{"hq", "branch"}}, LinkChange{Same: []string{"carrier"}}},
		"a template": {ref, strings.Replace(ref, "sorry we missed you", "we missed you", 1),
			LinkChange{Same: []string{"hq", "branch"}}, LinkChange{Same: []string{"carrier"}}},
		"a PBX's rewrite": {ref, strings.Replace(ref, `"^011"`, `"^00"`, 1),
			LinkChange{Same: []string{"branch"}, Changed: []string{"hq"}}, LinkChange{Same: []string{"carrier"}}},
		"a PBX's contexts": {ref, strings.Replace(ref, `["public"]`, `["public", "edge"]`, 1),
			LinkChange{Same: []string{"hq"}, Changed: []string{"branch"}}, LinkChange{Same: []string{"carrier"}}},
		"a rate": {ref, strings.Replace(ref, "= 10.0", "= 5", 1),
			LinkChange{Same: []string{"hq", "branch"}}, LinkChange{Changed: []string{"carrier"}}},
		"one more link": {ref, ref + second, LinkChange{Same: []string{"hq", "branch"}},
			LinkChange{Same: []string{"carrier"}, Added: []string{"backup"}}},
		"one link less": {ref + second, ref, LinkChange{Same: []string{"hq", "branch"}},
			LinkChange{Same: []string{"carrier"}, Removed: []string{"backup"}}},
		"another order": {ref + second, moved, LinkChange{Same: []string{"hq", "branch"}},
			LinkChange{Same: []string{"backup", "carrier"}, Order: true}},
	} {
		c := Diff(mustParse(t, tc.old), mustParse(t, tc.next))
		if !equalLinks(c.PBXs, tc.pbx) || !equalLinks(c.SMPPs, tc.smpp) {
			t.Errorf("%s: PBXs %+v, SMPPs %+v", name, c.PBXs, c.SMPPs)
		}
		if len(c.Restart) != 0 || c.Syslog || c.Metrics || c.HTTP {
			t.Errorf("%s: %+v", name, c)
		}
	}
}

func equalLinks(a, b LinkChange) bool {
	return slices.Equal(a.Same, b.Same) && slices.Equal(a.Changed, b.Changed) && slices.Equal(a.Added, b.Added) &&
		slices.Equal(a.Removed, b.Removed) && a.Order == b.Order
}

func TestANewPasswordReconnectsItsLink(t *testing.T) {
	old := mustParse(t, string(Minimal))
	next, err := parse(t, string(Minimal), map[string]string{"smpp.password": "another"})
	if err != nil {
		t.Fatal(err)
	}
	if c := Diff(old, next); !slices.Equal(c.SMPPs.Changed, []string{"carrier"}) || c.PBXs.Any() {
		t.Errorf("%+v", c)
	}
}

func TestStateAndControlNeedARestartAndSaySo(t *testing.T) {
	old := mustParse(t, string(Minimal))
	next := mustParse(t, "state = \"/srv/textback.db\"\ncontrol = \"/run/tb.sock\"\n"+string(Minimal))
	c := Diff(old, next)
	if len(c.Restart) != 2 || !strings.Contains(c.Restart[0], "state") ||
		!strings.Contains(c.Restart[1], "until textback is restarted") {
		t.Errorf("%q", c.Restart)
	}
}

func TestListenersAndLogAreReopenedWhenTheyMove(t *testing.T) {
	old := mustParse(t, string(Reference))
	for find, replace := range map[string]string{
		`to       = "local"`:                                 `to       = "stderr"`,
		`listen = "127.0.0.1:9641"`:                          `listen = ""`,
		`listen          = "127.0.0.1:9642"`:                 `listen          = "127.0.0.1:9643"`,
		`path        = "/hooks/cal.com"`:                     `path        = "/hooks/elsewhere"`,
		`trusted_proxies = ["127.0.0.1"]`:                    `trusted_proxies = []`,
		`per_minute      = 60`:                               `per_minute      = 61`,
		`token_file      = "/etc/textback/api.token"`:        ``,
		`page_password_file = "/etc/textback/page.password"`: ``,
	} {
		text := strings.Replace(string(Reference), find, replace, 1)
		if replace == "" {
			text = strings.Replace(string(Reference), find, "#", 1)
		}
		c := Diff(old, mustParse(t, text))
		n := 0
		for _, b := range []bool{c.Syslog, c.Metrics, c.HTTP} {
			if b {
				n++
			}
		}
		if n != 1 || c.PBXs.Any() || c.SMPPs.Any() {
			t.Errorf("%s: %+v", find, c)
		}
	}
}

func TestARenewedCertificateBehindTheSamePathIsAChange(t *testing.T) {
	text := strings.Replace(string(Minimal), "system_id", "tls = true\ntls_ca = \"/etc/textback/ca.pem\"\nsystem_id", 1)
	var all []*Config
	for range 2 {
		c, err := parse(t, text, map[string]string{"ca.pem": certificate(t)})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, c)
	}
	if c := Diff(all[0], all[1]); !slices.Equal(c.SMPPs.Changed, []string{"carrier"}) || c.PBXs.Any() {
		t.Errorf("%+v", c)
	}
	if c := Diff(all[0], all[0]); c.SMPPs.Any() {
		t.Errorf("the same certificate: %+v", c)
	}
}

// certificate makes a self-signed one in PEM form.
func certificate(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{SerialNumber: big.NewInt(1)},
		&x509.Certificate{SerialNumber: big.NewInt(1)}, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}
