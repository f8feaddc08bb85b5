package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"textback/ari/aritest"
	"textback/smpp/smpptest"
)

const pagePassword = "correct horse battery"

// pageStand is a textback process with its page, between simulated peers.
type pageStand struct {
	*stand
	base   string // http://127.0.0.1:port
	config string
	p      *process
}

func newPageStand(t *testing.T, change ...func(toml string) string) *pageStand {
	t.Helper()
	if os.Getenv("TEXTBACK_CHROMIUM") == "" {
		t.Skip("TEXTBACK_CHROMIUM=1 uses the web page in a real browser (.ci/chromium/install.sh)")
	}
	s := newStand(t, passwords{"pw-ari", "pw-esl", "pw-smpp"}, nil)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	dir, err := os.MkdirTemp("", "textback") // a socket's path is short, and the test's name is not
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	toml := s.toml(keys{control: filepath.Join(dir, "control.sock"),
		top:      "[syslog]\nto = \"stderr\"\n[metrics]\nlisten = \"\"\n[backup]\nevery = \"0s\"\n",
		asterisk: `password = "pw-ari"`, freeswitch: `password = "pw-esl"`, smpp: `password = "pw-smpp"`,
		policy: "per_block_hour = 10000\nper_line_hour = 10000\n",
		tables: fmt.Sprintf("[http]\nlisten = %q\npage_password = %q\n", addr, pagePassword)})
	for _, f := range change {
		toml = f(toml)
	}
	config := s.write("textback.toml", toml, 0o600)
	ps := &pageStand{stand: s, base: "http://" + addr, config: config}
	ps.up()
	return ps
}

// up starts the process, and waits until all is up.
func (ps *pageStand) up() {
	ps.t.Helper()
	ps.p = ps.start(nil, "textback", "run", "--config", ps.config)
	await(ps.t, "the links", func() bool {
		out := ps.p.output()
		return strings.Contains(out, "smpp-up") && strings.Contains(out, "http-listen") && ps.asterisk.Connected("textback")
	})
}

// call plays a recorded call of the Asterisk with another caller and another caller-id name.
func (ps *pageStand) call(recording, caller, name string) {
	ps.t.Helper()
	if err := ps.play(recording, caller, name, 0); err != nil {
		ps.t.Fatal(err)
	}
}

// play is call at some times its real speed, 0 as fast as it goes.
func (ps *pageStand) play(recording, caller, name string, speed float64) error {
	names, err := aritest.Names(aritest.Recorded())
	if err != nil {
		return err
	}
	for _, n := range names {
		if !strings.HasPrefix(n, recording+"-") {
			continue
		}
		trace, err := aritest.LoadTrace(aritest.Recorded(), n)
		if err != nil {
			return err
		}
		for i := range trace.Events {
			for _, c := range trace.Truth.Calls {
				old := fmt.Sprintf(`"name":%q,"number":%q`, c.Name, c.Caller)
				trace.Events[i].Raw = bytes.ReplaceAll(trace.Events[i].Raw, []byte(old), fmt.Appendf(nil, `"name":%s,"number":%q`, quoted(name), c.Caller))
			}
		}
		_, err = ps.asterisk.Play(context.Background(), aritest.Play{Trace: trace, Speed: speed, Caller: func(string) string { return caller }})
		return err
	}
	return fmt.Errorf("there is no recording %s", recording)
}

// said writes a text from a phone.
func (ps *pageStand) said(from, body string) {
	ps.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), standBound)
	defer cancel()
	if _, err := ps.smsc.Deliver(ctx, smpptest.Message{From: from, To: "+15550100", Body: body}); err != nil {
		ps.t.Fatal(err)
	}
}

// login logs a person in by the form.
func (ps *pageStand) login(t *tab, person string) {
	ps.t.Helper()
	t.await(`!!document.getElementById("password")`)
	t.eval(`document.getElementById("person").focus()`)
	t.write(person)
	t.press("Tab", 0)
	t.write(pagePassword)
	t.press("Enter", 0)
	t.await(`!!document.querySelector("#standing") && document.readyState === "complete"`)
}

// quoted is a string as JSON has it.
func quoted(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err) // a string always can be
	}
	return string(b)
}

// sent are the bodies of the texts that a phone got.
func (ps *pageStand) sent(number string) (all []string) {
	for _, t := range ps.smsc.Texts() {
		if strings.TrimPrefix(t.To, "+") == strings.TrimPrefix(number, "+") {
			all = append(all, t.Body)
		}
	}
	return all
}

// missed is a call that was missed, texted and answered by the caller: there is a thread.
func (ps *pageStand) missed(caller, name, answer string) {
	ps.t.Helper()
	before := ps.texted(caller)
	ps.call("03", caller, name)
	await(ps.t, "the text to "+caller, func() bool { return ps.texted(caller) > before })
	ps.said(caller, answer)
}

// has is an expression: the page shows some words.
func has(words string) string {
	return fmt.Sprintf("document.readyState === 'complete' && document.body.innerText.includes(%s)", quoted(words))
}

func TestAThreadIsReadAndAnsweredInARealBrowserAndASecondOneSeesIt(t *testing.T) {
	ps := newPageStand(t)
	const jane = "+12025550123"
	ps.missed(jane, "DOE, JANE", "Our sink is leaking, can you come today?")

	ann := newBrowser(t).open(ps.base)
	ps.login(ann, "Ann")
	ann.await(has(jane))
	ann.eval(`document.querySelector('a[href="/ui/threads"]').click()`)
	ann.await(has("Our sink is leaking"))
	ann.eval(`document.querySelector('.threads a').click()`)
	ann.await(has("Waits for an answer") + ` && location.pathname === "/ui/threads/1"`)

	ben := newBrowser(t).open(ps.base + "/ui/threads/1")
	ps.login(ben, "Ben")
	ben.await(has("Waits for an answer") + ` && document.documentElement.dataset.live === "on"`)
	ben.eval(`document.getElementById("text").focus()`)
	ben.write("half an answer of Ben's")
	marked := `document.querySelector('#log li').mineAlone`
	ben.eval(marked + ` = "kept"`)

	ann.eval(`document.getElementById("text").focus()`)
	ann.write("Yes, at five. Ann {")
	ann.await(`document.getElementById("count").textContent === "19 characters, 1 text"`)
	ann.eval(`document.querySelector('#reply button').click()`)
	ann.await(has("Yes, at five.") + ` && location.hash === "#end"`)
	await(t, "the answer on the wire", func() bool { return slices.Contains(ps.sent(jane), "Yes, at five. Ann {") })

	// Ben sees it without loading anything: with its author and, after the receipt, its state; and his own words are still there.
	ben.await(has("Yes, at five.") + ` && document.querySelector('#log li.out:last-child').innerText.includes("Ann")`)
	ben.await(`document.querySelector('#log li.out:last-child .state').textContent === "Delivered"`)
	if got := ben.text(`document.getElementById("text").value`); got != "half an answer of Ben's" {
		t.Errorf("Ben's words became %q", got)
	}
	if ben.text(marked) != "kept" || ben.text(`document.activeElement.id`) != "text" {
		t.Error("what had not changed was made anew, or the focus moved")
	}

	// And the caller's next words come to both, are told to who cannot see, and count in the title.
	ps.said(jane, "Perfect, thank you!")
	for _, tab := range []*tab{ann, ben} {
		tab.await(has("Perfect, thank you!") + ` && document.title.startsWith("(1) ")`)
		tab.await(`document.getElementById("news").textContent === "A caller waits for an answer." && document.getElementById("log").getAttribute("aria-live") === "polite"`)
	}
	ben.eval(`document.getElementById("take").click()`)
	ann.await(has("Taken by Ben") + ` && !document.title.startsWith("(")`)
	ann.eval(`document.getElementById("close").click()`)
	ann.await(has("No open conversation"))
	ben.await(has("This conversation is closed."))

	// A call that is missed now stands on the page of today's calls at once, with why.
	ann.visit(ps.base + "/ui/calls")
	ann.await(`document.documentElement.dataset.live === "on"`)
	ps.call("04", jane, "DOE, JANE")
	ann.await(has("Was texted a short while ago") + ` && document.querySelectorAll("#list > li").length === 2`)
	// So does one that is answered, for as long as it goes on.
	played := make(chan error, 1)
	go func() { played <- ps.play("01", "+12025550155", "GARCIA, ANA", 2) }()
	ann.await(has("+12025550155 GARCIA, ANA is calling"))
	ann.shoot("calling")
	ann.await(has("+12025550155 GARCIA, ANA talks with a person"))
	ann.await(`document.getElementById("now") === null && document.querySelector("#tiles div:last-child dd").textContent === "1"`)
	if err := <-played; err != nil {
		t.Fatal(err)
	}
	ann.eval(`document.querySelector('.go a[href^="/ui/story"]').click()`)
	ann.await(has("What was seen") + ` && ` + has("the caller hung up"))
	ann.visit(ps.base + "/ui/report?since=28d")
	ann.await(has("From missed call to booking") + ` && document.querySelectorAll(".report svg rect").length > 20`)
	for _, tab := range []*tab{ann, ben} {
		tab.clean(ps.base)
	}
	if out := ps.p.output(); strings.Contains(out, jane) || strings.Contains(out, pagePassword) || !strings.Contains(out, "page-login src=127.0.0.1 person=Ann") {
		t.Error("the log tells too much or too little")
	}
}

// focused tells what has the focus, and whether that can be seen.
const focused = `(() => {
  const e = document.activeElement, s = getComputedStyle(e), r = e.getBoundingClientRect();
  const seen = s.outlineStyle !== "none" && parseFloat(s.outlineWidth) >= 2 && r.width > 0 && r.bottom > 0 && r.top < innerHeight;
  return (seen ? "" : "UNSEEN ") + e.tagName + " " + (e.id || e.textContent.trim().slice(0, 30)) + " " + (e.getAttribute("href") || "");
})()`

// tabTo presses Tab until what has the focus fits.
func (t *tab) tabTo(what string) {
	t.b.t.Helper()
	var passed []string
	for range 60 {
		t.press("Tab", 0)
		at := t.text(focused)
		if strings.HasPrefix(at, "UNSEEN") && !strings.Contains(at, "BODY") { // past the last one it is the browser's own
			t.b.t.Errorf("the focus cannot be seen: %s", at)
		}
		if strings.Contains(at, what) {
			return
		}
		passed = append(passed, at)
	}
	t.b.t.Fatalf("no Tab leads to %q, only to\n%s", what, strings.Join(passed, "\n"))
}

func TestThePageIsUsedWithTheKeyboardAloneInARealBrowser(t *testing.T) {
	ps := newPageStand(t)
	const jane = "+12025550123"
	ps.missed(jane, "DOE, JANE", "Do you repair boilers?")
	tab := newBrowser(t).open(ps.base)
	tab.await(`document.activeElement.id === "person"`)
	tab.write("Ann")
	tab.press("Tab", 0)
	tab.write(pagePassword)
	tab.press("Enter", 0)
	tab.await(has(jane))
	tab.tabTo("Skip to content")
	tab.press("Enter", 0)
	tab.await(`document.activeElement.id === "main"`)
	tab.visit(ps.base + "/ui/calls")
	tab.tabTo("/ui/threads")
	tab.press("Enter", 0)
	tab.await(has("Do you repair boilers?"))
	tab.tabTo("/ui/threads/1")
	tab.press("Enter", 0)
	tab.await(has("by text"))
	tab.tabTo("TEXTAREA text")
	tab.write("Yes, we do.")
	tab.tabTo("BUTTON Send")
	tab.press("Enter", 0)
	await(t, "the answer on the wire", func() bool { return slices.Contains(ps.sent(jane), "Yes, we do.") })
	tab.await(has("Yes, we do.") + ` && location.hash === "#end"`)
	tab.tabTo("TEXTAREA text")
	tab.write("Call us.")
	tab.press("Enter", 2) // with Ctrl
	await(t, "the second answer on the wire", func() bool { return slices.Contains(ps.sent(jane), "Call us.") })
	tab.tabTo("Log out")
	tab.press("Enter", 0)
	tab.await(has("Log in to textback"))
	tab.visit(ps.base + "/ui/threads/1")
	tab.await(has("Log in to textback"))
	tab.clean(ps.base)
}

func TestARestartLosesNoWordsThatSomebodyHasTypedInARealBrowser(t *testing.T) {
	ps := newPageStand(t)
	const jane = "+12025550123"
	ps.missed(jane, "", "Hello?")
	b := newBrowser(t)
	idle, busy := b.open(ps.base+"/ui/threads/1"), b.open("about:blank")
	ps.login(idle, "Ann")
	busy.visit(ps.base + "/ui/threads/1")
	for _, tab := range []*tab{idle, busy} {
		tab.do("Emulation.setFocusEmulationEnabled", map[string]any{"enabled": true}) // both are seen
		tab.await(`document.documentElement.dataset.live === "on"`)
	}
	busy.eval(`document.getElementById("text").focus()`)
	busy.write("We can come at five.")
	ps.p.stop(syscall.SIGTERM)
	busy.await(`getComputedStyle(document.querySelector(".lost")).display !== "none"`)
	ps.up()
	idle.await(has("Log in to textback"))
	busy.await(`!document.getElementById("logged-out").hidden && document.getElementById("text").value === "We can come at five."`)
	ps.login(idle, "Ann")
	busy.eval(`document.querySelector("#reply button").click()`)
	await(t, "the answer on the wire", func() bool { return slices.Contains(ps.sent(jane), "We can come at five.") })
	busy.await(has("We can come at five.") + ` && location.hash === "#end"`)
}

func TestThePageWorksWithoutScriptInARealBrowser(t *testing.T) {
	ps := newPageStand(t)
	const jane = "+12025550123"
	ps.missed(jane, "", "Hello?")
	tab := newBrowser(t).open("about:blank")
	tab.do("Emulation.setScriptExecutionDisabled", map[string]any{"value": true})
	tab.visit(ps.base)
	ps.login(tab, "Ann")
	tab.visit(ps.base + "/ui/threads/1")
	tab.eval(`document.getElementById("text").focus()`)
	tab.write("We are here.")
	tab.tabTo("BUTTON Send")
	tab.press("Enter", 0)
	await(t, "the answer on the wire", func() bool { return slices.Contains(ps.sent(jane), "We are here.") })
	tab.await(has("We are here.") + ` && document.documentElement.dataset.live === undefined`)
	tab.clean(ps.base)
}

// measurePage looks at a page as the browser laid it out: what sticks out, letters too small, and colours that cannot be read
// (WCAG 2.2, 1.4.3: 4.5 to 1, large letters 3 to 1).
const measurePage = `(() => {
  const bad = [], width = document.documentElement.clientWidth;
  const say = (what, e) => bad.push(what + ": <" + e.tagName.toLowerCase() + " " + e.className + "> " + (e.textContent || "").trim().slice(0, 40));
  if (document.documentElement.scrollWidth > width) bad.push("the page is " + document.documentElement.scrollWidth + " wide on " + width);
  const rgb = s => { const m = s.match(/[\d.]+/g).map(Number); return m.length < 4 ? [...m, 1] : m; };
  const light = c => { const f = v => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; return 0.2126 * f(c[0]) + 0.7152 * f(c[1]) + 0.0722 * f(c[2]); };
  const behind = e => { for (; e; e = e.parentElement) { const c = rgb(getComputedStyle(e).backgroundColor); if (c[3] > 0.99) return c; } return [255, 255, 255, 1]; };
  let looked = 0;
  for (const e of document.body.querySelectorAll("*")) {
    const s = getComputedStyle(e), r = e.getBoundingClientRect();
    if (r.width === 0 || s.display === "none" || e.closest(".hide, .skip, title, noscript") || e.tagName === "OPTION") continue;
    const clipped = getComputedStyle(e.parentElement).textOverflow === "ellipsis";
    if (!clipped && (r.right > width + 0.5 || r.left < -0.5)) say("sticks out at " + r.left.toFixed(1) + " to " + r.right.toFixed(1), e);
    const own = [...e.childNodes].some(n => n.nodeType === 3 && n.nodeValue.trim());
    if (!own) continue;
    looked++;
    const size = parseFloat(s.fontSize);
    if (size < 11) say("letters of " + s.fontSize, e);
    if (e instanceof SVGElement) continue;
    const a = light(rgb(s.color)), b = light(behind(e)), contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (contrast < (size >= 24 || size >= 18.6 && s.fontWeight >= 700 ? 3 : 4.5)) say("contrast " + contrast.toFixed(2), e);
    if (e.scrollWidth > e.clientWidth + 1 && s.display !== "inline" && s.overflow !== "visible" && s.textOverflow !== "ellipsis") say("cuts off", e);
  }
  for (const e of document.querySelectorAll("input:not([type=hidden]), select, textarea"))
    if (!e.labels || !e.labels.length || !e.labels[0].textContent.trim()) say("no label", e);
  for (const e of document.querySelectorAll("a, button")) if (!e.textContent.trim()) say("no words", e);
  if (document.querySelectorAll("h1").length < 1 || !document.documentElement.lang || !document.querySelector("main")) bad.push("no h1, language or main");
  return JSON.stringify({looked, bad});
})()`

// looks fails the test if a page is not laid out well.
func (t *tab) looks(what string) {
	t.b.t.Helper()
	var m struct {
		Looked int
		Bad    []string
	}
	if err := json.Unmarshal([]byte(t.text(measurePage)), &m); err != nil || m.Looked < 5 {
		t.b.t.Fatalf("%s: measured %d elements, %v", what, m.Looked, err)
	}
	if len(m.Bad) > 0 {
		t.b.t.Errorf("%s:\n%s", what, strings.Join(m.Bad, "\n"))
	}
}

// nasty is what somebody writes who wants our page to do something.
const nasty = `<script>window.owned=1</script><img src=x onerror="window.owned=2"><svg onload=alert(3)>"><a href="javascript:window.owned=4">x</a>` +
	"\u202egnihtemos\u202c \x1b[2J\x07 {{.}} ' onfocus='window.owned=5' autofocus='"

func TestHostileNamesAndTextsAreInertAndEveryPageFitsInARealBrowser(t *testing.T) {
	ps := newPageStand(t)
	const eve, jane = "+12025550166", "+12025550123"
	ps.missed(eve, nasty, nasty)
	ps.said(eve, strings.Repeat("w", 5000)+nasty+strings.Repeat("Ж ", 2500))
	ps.said(eve, "1\u0301\u0301\u0301\u0301\u0301\u0301\u0301\u0301\u0301\u0301\u0301\u0301\n\n\n\n\n\n\n\n2 سلام")
	ps.missed(jane, "DOE, JANE", "please cancel, I found someone")
	ps.call("25", "", nasty)
	ps.call("07", "+12025550199", strings.Repeat("LONGNAME", 2000))
	tab := newBrowser(t).open(ps.base)
	tab.looks("log-in")
	ps.login(tab, nasty[:60])
	tab.await(has("No phone could be reached"))
	pages := []string{"/ui/calls", "/ui/calls?day=2026-01-01", "/ui/threads", "/ui/threads?all=1", "/ui/threads/1", "/ui/threads/2", "/ui/threads/99", "/ui/report", "/ui/report?since=nonsense",
		"/ui/story?what=%2B12025550166", "/ui/story?what=%2B12025550123", "/ui/story?what=nobody", "/ui/story?what=" + url.QueryEscape(nasty)}
	looked := 0
	for _, scheme := range []string{"light", "dark"} {
		tab.scheme(scheme)
		for _, width := range []int{360, 768, 1280} {
			tab.size(width, 800, width == 360)
			for _, page := range pages {
				tab.visit(ps.base + page)
				tab.looks(fmt.Sprintf("%s, %s, %d wide", page, scheme, width))
				looked++
			}
		}
		back := tab.text(`getComputedStyle(document.body).backgroundColor`)
		if want := map[string]string{"light": "rgb(244, 246, 249)", "dark": "rgb(14, 19, 26)"}[scheme]; back != want {
			t.Errorf("%s: the page is %s", scheme, back)
		}
	}
	tab.visit(ps.base + "/ui/threads/1")
	tab.eval(`document.querySelector("summary").click()`)
	tab.await(`[...document.querySelectorAll("#log .words")].some(e => e.innerText.includes("window.owned=1")) && window.owned === undefined`)
	// The same once more as it comes in live.
	tab.await(`document.documentElement.dataset.live === "on"`)
	ps.said(eve, "live: "+nasty)
	tab.await(`[...document.querySelectorAll("#log .words")].some(e => e.innerText.includes("live: <script>")) && window.owned === undefined`)
	if n := tab.text(`String(document.querySelectorAll("#main script, #main img, #main svg[onload], #main a[href^=javascript], [onerror], [onfocus]").length)`); n != "0" {
		t.Errorf("%s elements of a stranger's", n)
	}
	if words := tab.text(`document.getElementById("log").textContent`); strings.ContainsAny(words, "\u202e\u202c\x1b\x07") {
		t.Error("control characters are left")
	}
	tab.clean(ps.base)
	t.Logf("%d pages were laid out", looked)
}

// The measuring must be able to fail: each of these has one fault put in.
func TestMeasuringThePageFindsWhatIsWrongInARealBrowser(t *testing.T) {
	ps := newPageStand(t)
	ps.missed("+12025550123", "", "Hello?")
	tab := newBrowser(t).open(ps.base)
	ps.login(tab, "Ann")
	tab.size(360, 800, true)
	for want, fault := range map[string]string{
		"the page is":  `document.querySelector("main").insertAdjacentHTML("beforeend", '<p id="fault">wide</p>'); document.getElementById("fault").style.width = "700px"`,
		"letters of 9": `document.querySelector("h1").style.fontSize = "9px"`,
		"contrast":     `document.querySelector("h1").style.color = "#aaa"`,
		"no label":     `document.querySelector("label").remove()`,
		"no words":     `document.querySelector("main button").textContent = ""`,
	} {
		tab.visit(ps.base + "/ui/calls")
		tab.await(`document.documentElement.dataset.live === "on"`)
		// The page's own policy lets nobody write HTML; a test is not the page.
		tab.eval(`(() => { const p = window.trustedTypes.createPolicy; ` + strings.ReplaceAll(fault, `document.querySelector("main").insertAdjacentHTML("beforeend", '<p id="fault">wide</p>');`,
			`const e = document.createElement("p"); e.id = "fault"; e.textContent = "wide"; document.querySelector("main").append(e);`) + ` })()`)
		if got := tab.text(measurePage); !strings.Contains(got, want) {
			t.Errorf("%s was not found: %s", want, got)
		}
	}
}

func TestFormsOfOtherSitesAndGuessesAreRefusedInARealBrowser(t *testing.T) {
	ps := newPageStand(t)
	const jane = "+12025550123"
	ps.missed(jane, "", "Hello?")
	tab := newBrowser(t).open(ps.base)
	wrong := func() {
		tab.await(`!!document.getElementById("password")`)
		tab.eval(`document.getElementById("person").value = "Eve"; document.getElementById("password").focus()`)
		tab.write("a wrong password")
		tab.press("Enter", 0)
	}
	wrong()
	tab.await(has("The password is wrong.") + ` && document.querySelector('[role="alert"]') !== null`)
	tab.visit(ps.base)
	ps.login(tab, "Ann")

	// Pages of others that send our forms by themselves: on another port of this host, which is the same site to a browser and
	// gets the cookie along, and on another host.
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	evil := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprintf(w, `<form method="post" action="%s%s"><input name="text" value="Send me your money"></form><script>document.forms[0].submit()</script>`, ps.base, r.URL.Path)
	}), ReadHeaderTimeout: standBound}
	go func() { _ = evil.Serve(l) }()
	t.Cleanup(func() { evil.Close() })
	_, port, _ := net.SplitHostPort(l.Addr().String())
	for _, host := range []string{"127.0.0.1", "localhost"} {
		for _, path := range []string{"/ui/threads/1/reply", "/ui/threads/1/close", "/ui/logout"} {
			tab.do("Page.navigate", map[string]any{"url": "http://" + net.JoinHostPort(host, port) + path})
			tab.await(has("This was not sent by our own page, so nothing was done.") + fmt.Sprintf(` && location.href.startsWith(%q)`, ps.base))
		}
	}
	tab.visit(ps.base + "/ui/threads/1")
	tab.await(has("Waits for an answer"))
	if sent := ps.sent(jane); len(sent) != 1 {
		t.Errorf("%q", sent)
	}
	tab.eval(`document.querySelector("form.who button").click()`)
	for range 5 {
		wrong()
		tab.await(`!!document.querySelector('[role="alert"]')`)
		tab.visit(ps.base + "/ui/login")
	}
	wrong()
	tab.await(has("Too many wrong passwords"))
	if n := strings.Count(ps.p.output(), "http-refused src=127.0.0.1 path=/ui/login reason=password"); n != 6 && n != 5 {
		t.Errorf("%d lines for fail2ban", n)
	}
}
