package discover

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"textback/ari/aritest"
	"textback/configs"
	"textback/esl/esltest"
	"textback/smpp"
	"textback/smpp/smpptest"
)

const password = "pw-of-the-test"

// listen serves on loopback until the test ends.
func listen(t *testing.T, serve func(net.Listener)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { defer close(done); serve(l) }()
	t.Cleanup(func() { l.Close(); <-done })
	return l.Addr().String()
}

// speaks is a server that says one thing to whoever connects, and reads what comes.
func speaks(t *testing.T, words string) string {
	return listen(t, func(l net.Listener) {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_, _ = io.WriteString(c, words)
				_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
				_, _ = io.Copy(io.Discard, c)
			}()
		}
	})
}

// nobody is an address where nobody listens.
func nobody(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// resources are what an Asterisk with a trunk, a phone and a hostile name tells.
var resources = map[string]string{
	"/asterisk/info": `{"system":{"version":"22.10.1","entity_id":"x"},"status":{"startup_time":"2026-11-24T02:40:00.000+0000"}}`,
	"/endpoints": `[{"technology":"PJSIP","resource":"carrier","state":"online"},{"technology":"PJSIP","resource":"100","state":"online"},
		{"technology":"PJSIP","resource":"ev\u202eil\u001b[2J","state":"online"},{"technology":"IAX2","resource":"old"}]`,
	"/asterisk/config/dynamic/res_pjsip/endpoint/carrier":             `[{"attribute":"context","value":"von-aussen"},{"attribute":"outbound_auth","value":"carrier"}]`,
	"/asterisk/config/dynamic/res_pjsip/endpoint/100":                 `[{"attribute":"context","value":"from-internal"},{"attribute":"auth","value":"100"}]`,
	"/asterisk/config/dynamic/res_pjsip/endpoint/ev\u202eil\u001b[2J": `[{"attribute":"context","value":"cont\u001b]0;ext\u202e"}]`,
}

func asterisk(t *testing.T, o aritest.Options) (*aritest.Server, *configs.PBX) {
	if o.Username == "" {
		o.Username, o.Password = "textback", password
	}
	s := aritest.New(o)
	addr := listen(t, func(l net.Listener) { _ = s.Serve(l) })
	t.Cleanup(func() { s.Close() })
	return s, &configs.PBX{Name: "hq", Kind: configs.Asterisk, URL: "http://" + addr + "/ari", Username: "textback",
		Password: configs.NewSecret(password)}
}

func TestAnAsteriskTellsItsTrunksContextAndItsRights(t *testing.T) {
	s, pbx := asterisk(t, aritest.Options{ReadOnly: true, NoInfo: true, Resources: resources})
	found, err := Ask(t.Context(), Asterisk, pbx)
	if err != nil {
		t.Fatal(err)
	}
	if found.Product != "Asterisk 22.10.1" || !found.ReadOnly || found.Started.IsZero() {
		t.Errorf("%+v", found)
	}
	if got := found.Inbound(Asterisk); !slices.Equal(got, []string{"von-aussen"}) {
		t.Errorf("inbound %q of %+v", got, found.Contexts)
	}
	if got := found.Inbound(FreePBX); !slices.Contains(got, "from-trunk*") || !slices.Contains(got, "von-aussen") {
		t.Errorf("FreePBX: inbound %q", got)
	}
	for _, c := range found.Contexts {
		if strings.ContainsAny(c.Name+strings.Join(c.Endpoints, ""), "\x1b\u202e\r\n") {
			t.Errorf("%+q can move the cursor", c.Name)
		}
	}
	for _, r := range s.Requests() {
		if !strings.HasPrefix(r, "GET ") && !strings.HasSuffix(r, "/eventFilter") {
			t.Errorf("it wrote: %s", r)
		}
	}
}

// TestGarbageIsNoted: what a PBX sends in place of lists ends nothing, and its words are not shown as they are.
func TestGarbageIsNoted(t *testing.T) {
	for name, endpoints := range map[string]string{"an object": `{"a":1}`, "numbers": `[1,2]`,
		"hostile names": `[{"technology":"PJSIP","resource":"../../x\u001b[2J"},{"technology":"PJSIP","resource":""}]`} {
		_, pbx := asterisk(t, aritest.Options{NoInfo: true,
			Resources: map[string]string{"/asterisk/info": `{"system":{"version":"22.2\u001b[2J\u202e"},"status":{"startup_time":"soon"}}`,
				"/endpoints": endpoints}})
		found, err := Ask(t.Context(), Asterisk, pbx)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if all := fmt.Sprintf("%v", found); strings.ContainsAny(all, "\x1b\u202e") || len(found.Notes) == 0 {
			t.Errorf("%s: %q", name, all)
		}
	}
	for name, answers := range map[string]map[string]string{
		"no XML": {"sofia xmlstatus": "<<<\x1b[2J",
			"xml_locate dialplan context name public": "-ERR can't find anything"},
		"numbers": {"sofia xmlstatus": "<profiles><profile><name>external</name><type>profile</type></profile></profiles>", "sofia xmlstatus profile external": "<a><b></a>", "version": "\x1b[31m"},
	} {
		_, pbx := freeSWITCH(t, esltest.Options{API: answers})
		found, err := Ask(t.Context(), FreeSWITCH, pbx)
		if err != nil || len(found.Notes) == 0 || strings.Contains(fmt.Sprintf("%v", found), "\x1b") {
			t.Errorf("%s: %v, %+v", name, err, found)
		}
	}
}

func TestWhatIsWrongWithAnAsteriskIsSaid(t *testing.T) {
	_, good := asterisk(t, aritest.Options{Resources: resources, NoInfo: true})
	refusing, refused := asterisk(t, aritest.Options{})
	refusing.Refuse(404)
	forbidding, forbidden := asterisk(t, aritest.Options{})
	forbidding.Refuse(403)
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w,
			"<html>hello</html>")
	}))
	defer page.Close()
	with := func(pbx *configs.PBX, change func(*configs.PBX)) *configs.PBX {
		p := *pbx
		change(&p)
		return &p
	}
	url := func(addr string) *configs.PBX {
		return with(good, func(p *configs.PBX) { p.URL = "http://" + addr + "/ari" })
	}
	for name, x := range map[string]struct {
		pbx     *configs.PBX
		kind    string
		message string
		hint    string
	}{
		"nobody listens":  {url(nobody(t)), Asterisk, "nobody listens", "http.conf: enabled = yes"},
		"nobody, FreePBX": {url(nobody(t)), FreePBX, "nobody listens", "Enable the mini-HTTP Server"},
		"unknown name":    {url("no-such-host.invalid:8088"), Asterisk, "name in", "DNS"},
		"wrong password": {with(good, func(p *configs.PBX) {
			p.Password = configs.NewSecret("wrong-" +
				password)
		}), Asterisk, "refuses the user \"textback\"", "ari show users"},
		"wrong user": {with(good, func(p *configs.PBX) { p.Username = "nobody" }), FreePBX,
			"refuses the user \"nobody\"", "Asterisk REST Interface Users"},
		"ARI off":          {refused, Asterisk, "no ARI", "ari.conf: enabled = yes"},
		"ARI off, FreePBX": {refused, FreePBX, "no ARI", "Advanced Settings"},
		"forbidden":        {forbidden, Asterisk, "HTTP 403", "ACL"},
		"a web page":       {url(page.Listener.Addr().String()), Asterisk, "no JSON", "/ari"},
		"an SSH server": {url(speaks(t, "SSH-2.0-OpenSSH_9.2\x1b[2J\r\n")), Asterisk, "does not answer as HTTP",
			"8088"},
		"TLS where none is": {with(good, func(p *configs.PBX) {
			p.URL = strings.Replace(p.URL, "http:", "https:",
				1)
			p.TLS = true
		}), Asterisk, "does not speak TLS", "http://"},
		"an address of no use": {with(good, func(p *configs.PBX) { p.URL = "http://127.0.0.1:1/ari" }), Asterisk,
			"nobody listens", "http show status"},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		_, err := Ask(ctx, x.kind, x.pbx)
		cancel()
		isProblem(t, name, err, x.message, x.hint)
	}
}

// isProblem checks what is said, and that it can be shown.
func isProblem(t *testing.T, name string, err error, message, hint string) {
	t.Helper()
	var p *Problem
	if !errors.As(err, &p) {
		t.Errorf("%s: %v", name, err)
		return
	}
	if !strings.Contains(p.Message, message) || !strings.Contains(p.Hint, hint) {
		t.Errorf("%s: %s: %q; hint: %s", name, p.What, p.Message, p.Hint)
	}
	if all := fmt.Sprint(p.Message, p.Hint, p); strings.Contains(all, password) || strings.ContainsAny(all, "\x1b\r\n") {
		t.Errorf("%s: %q", name, all)
	}
}

// freeSWITCHAPI is what a FreeSWITCH as shipped, with two numbers of its own, prints.
var freeSWITCHAPI = map[string]string{
	"sofia xmlstatus": `<?xml version="1.0" encoding="ISO-8859-1"?>
<profiles>
<profile><name>external</name><type>profile</type><data>sip:mod_sofia@192.0.2.1:5080</data><state>RUNNING (0)</state></profile>
<gateway><name>carrier</name><type>gateway</type><data>sip:acme@carrier.example</data><state>REGED</state></gateway>
<profile><name>internal</name><type>profile</type><data>sip:mod_sofia@192.0.2.1:5060</data><state>RUNNING (0)</state></profile>
<profile><name>x; shutdown</name><type>profile</type></profile>
</profiles>`,
	"sofia xmlstatus profile external":        "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?>\n<profile><profile-info><name>external</name><context>public</context></profile-info></profile>",
	"sofia xmlstatus profile internal":        "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?>\n<profile><profile-info><name>internal</name><context>office</context></profile-info></profile>",
	"xml_locate dialplan context name public": dialplan,
}

const dialplan = `<context name="public">
<extension name="main"><condition field="destination_number" expression="^\+?1?(2025550100)$"><action application="transfer" data="1000 XML default"/></condition></extension>
<extension name="two"><condition field="destination_number" expression="^(12025550101|12025550102)$"/></extension>
<extension name="any"><condition field="destination_number" expression="^(10[01][0-9])$"/></extension>
<extension name="all"><condition field="destination_number" expression="^(\d{11})$"/></extension>
<extension name="x"><condition field="caller_id_number" expression="^12025550999$"/></extension>
</context>`

func freeSWITCH(t *testing.T, o esltest.Options) (*esltest.Server, *configs.PBX) {
	o.Password = password
	s := esltest.New(o)
	addr := listen(t, func(l net.Listener) { _ = s.Serve(l) })
	t.Cleanup(func() { s.Close() })
	return s, &configs.PBX{Name: "branch", Kind: configs.FreeSWITCH, Addr: addr, Password: configs.NewSecret(password)}
}

func TestAFreeSWITCHTellsItsProfilesAndNumbers(t *testing.T) {
	s, pbx := freeSWITCH(t, esltest.Options{API: freeSWITCHAPI})
	found, err := Ask(t.Context(), FreeSWITCH, pbx)
	if err != nil {
		t.Fatal(err)
	}
	if found.Product != "FreeSWITCH 1.10.12" || !slices.Equal(found.Inbound(FreeSWITCH), []string{"public"}) {
		t.Errorf("%+v", found)
	}
	numbers, odd := found.Numbers("US")
	if !slices.Equal(numbers, []string{"+12025550100", "+12025550101", "+12025550102"}) || len(odd) > 0 {
		t.Errorf("%v %v", numbers, odd)
	}
	for _, c := range s.Commands() {
		if strings.Contains(c, "shutdown") {
			t.Errorf("a name became a command: %s", c)
		}
	}
}

func TestWhatIsWrongWithAFreeSWITCHIsSaid(t *testing.T) {
	_, good := freeSWITCH(t, esltest.Options{})
	keeping, kept := freeSWITCH(t, esltest.Options{})
	keeping.RejectACL(true)
	at := func(addr string) *configs.PBX { p := *good; p.Addr = addr; return &p }
	wrong := *good
	wrong.Password = configs.NewSecret("wrong-" + password)
	for name, x := range map[string]struct {
		pbx           *configs.PBX
		kind          string
		message, hint string
	}{
		"nobody listens":            {at(nobody(t)), FreeSWITCH, "nobody listens", "mod_event_socket"},
		"wrong password":            {&wrong, FreeSWITCH, "refuses the password", "ClueCon"},
		"wrong password, FusionPBX": {&wrong, FusionPBX, "refuses the password", "/etc/fusionpbx/config.conf"},
		"ACL":                       {kept, FreeSWITCH, "turns this machine's address away", "reloadacl"},
		"a mail server": {at(speaks(t, "220 mail.example ESMTP\x1b[2J\r\n\r\n")), FreeSWITCH,
			"not the event socket", "8021"},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		_, err := Ask(ctx, x.kind, x.pbx)
		cancel()
		isProblem(t, name, err, x.message, x.hint)
	}
}

func TestCallsThatArriveAreSeen(t *testing.T) {
	s, pbx := asterisk(t, aritest.Options{})
	names, err := aritest.Names(aritest.Recorded())
	if err != nil {
		t.Fatal(err)
	}
	trace, err := aritest.LoadTrace(aritest.Recorded(), names[slices.IndexFunc(names,
		func(n string) bool { return strings.HasPrefix(n, "03-") })])
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
	defer stop()
	up := make(chan struct{})
	found := &Found{}
	watched := make(chan error, 1)
	go func() {
		watched <- Watch(ctx, pbx, func() { close(up) }, func(c Call) {
			if found.Add(Asterisk, c, "a call was seen") {
				stop()
			}
		})
	}()
	<-up
	if _, err := s.Play(ctx, aritest.Play{Trace: trace}); err != nil && ctx.Err() == nil {
		t.Fatal(err)
	}
	if err := <-watched; err != nil {
		t.Fatal(err)
	}
	if len(found.Lines) != 1 || found.Lines[0].Context != "from-trunk" || len(found.Contexts) != 1 {
		t.Errorf("%+v", found)
	}
}

func TestWhatIsWrongWithAMessageCentreIsSaid(t *testing.T) {
	s := smpptest.New(smpptest.Options{SystemID: "acme", Password: password[:8], NoFates: true})
	addr := listen(t, func(l net.Listener) { _ = s.Serve(l) })
	t.Cleanup(func() { s.Close() })
	conf := configs.SMPP{Name: "carrier", Addr: addr, SystemID: "acme", Password: configs.NewSecret(password[:8]),
		Bind: "transceiver", ResponseTimeout: 10 * time.Second}
	for _, kind := range []string{"transceiver", "transmitter+receiver"} {
		conf.Bind = kind
		if _, err := Bind(t.Context(), &conf); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
	}
	conf.Bind = "transceiver"
	with := func(change func(*configs.SMPP)) *configs.SMPP { c := conf; change(&c); return &c }
	check := func(name string, c *configs.SMPP, message, hint string) {
		t.Helper()
		_, err := Bind(t.Context(), c)
		isProblem(t, name, err, message, hint)
	}
	check("wrong password", with(func(c *configs.SMPP) { c.Password = configs.NewSecret("wrong") }), "ESME_RINVPASWD",
		"8 characters")
	check("nobody", with(func(c *configs.SMPP) { c.Addr = nobody(t) }), "nobody listens", "running")
	check("garbage", with(func(c *configs.SMPP) { c.Addr = speaks(t, "HTTP/1.1 400 Bad Request\r\n\r\n") }),
		"does not answer as a message centre", "SMPP port")
	check("TLS", with(func(c *configs.SMPP) { c.TLS = true; c.Addr = speaks(t, "hello, this is no TLS at all\r\n") }),
		"does not speak TLS", "tls = false")
	s.SetFaults(smpptest.Faults{RefuseBind: smpp.StatusAlreadyBound})
	check("bound twice", &conf, "ESME_RALYBND", "many carriers allow one bind")
	if bound := s.Bound(); bound != 0 {
		t.Errorf("%d binds are left", bound)
	}
}

// TestTLSTroubleIsNamed: each mistake with a certificate has its own sentence.
func TestTLSTroubleIsNamed(t *testing.T) {
	for name, x := range map[string]struct {
		err  error
		want string
	}{
		"record": {tls.RecordHeaderError{Msg: "first record does not look like a TLS handshake"}, "does not speak TLS"},
		"other":  {errors.New("remote error\x1b[2J"), "no TLS with"},
	} {
		p := untrusted("the PBX", "pbx.example:8089", "pbx.example", x.err)
		if !strings.Contains(p.Message, x.want) || strings.Contains(p.Message, "\x1b") {
			t.Errorf("%s: %q", name, p.Message)
		}
	}
}

func FuzzDestinations(f *testing.F) {
	f.Add(dialplan)
	f.Add(`<context><condition field="destination_number" expression="^(?:\+?1)?(\d{10})$|^00(4930123456)$"/>`)
	f.Add(`<condition field="destination_number" expression="^\+(4930123456)$">`)
	f.Fuzz(func(t *testing.T, xml string) {
		for _, n := range Destinations(xml) {
			if !isNumber(n) {
				t.Errorf("%q is no number", n)
			}
		}
	})
}

func FuzzClean(f *testing.F) {
	f.Add("from-trunk\x1b[2J\u202e")
	f.Fuzz(func(t *testing.T, s string) {
		if c := Clean(s); strings.ContainsAny(c, "\x1b\r\n\u202e\u200b\x00") || len(c) > 4*most+3 {
			t.Errorf("%q", c)
		}
	})
}
