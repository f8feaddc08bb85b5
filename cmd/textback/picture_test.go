package main

import (
	"os"
	"strings"
	"testing"
	"time"
)

// TestPicturesOfThePage makes the pictures of docs/web.md out of a session like that of a real day, pauses included:
//
//	TEXTBACK_CHROMIUM=1 TEXTBACK_CHROMIUM_KEEP=/tmp TEXTBACK_PICTURE_PAUSE=70s go test ./cmd/textback -run TestPicturesOfThePage -timeout 30m
func TestPicturesOfThePage(t *testing.T) {
	if os.Getenv("TEXTBACK_CHROMIUM_KEEP") == "" {
		t.Skip("TEXTBACK_CHROMIUM_KEEP names the folder for pictures")
	}
	pause := time.Second
	if d, err := time.ParseDuration(os.Getenv("TEXTBACK_PICTURE_PAUSE")); err == nil {
		pause = d
	}
	ps := newPageStand(t, func(toml string) string {
		return strings.NewReplacer(`number = "+15550100"`, "number = \"+15550100\"\nname = \"Main line\"", `number = "+15550103"`, "number = \"+15550103\"\nname = \"Service\"",
			`number = "+15550105"`, "number = \"+15550105\"\nname = \"Sales\"", `number = "+15550104"`, "number = \"+15550104\"\nname = \"After hours\"").Replace(toml)
	})
	wait := func() {
		timer := time.NewTimer(pause)
		defer timer.Stop()
		<-timer.C
	}
	const jane, sam, kim = "+12025550123", "+12025550144", "+12025550188"
	b := newBrowser(t)
	tab := b.open(ps.base + "/ui/calls")
	ps.login(tab, "Ann")
	answer := func(thread, text string) {
		tab.visit(ps.base + "/ui/threads/" + thread)
		tab.eval(`document.getElementById("text").focus()`)
		tab.write(text)
		tab.press("Enter", 2)
		tab.await(`location.hash === "#end" && document.readyState === "complete"`)
	}
	ps.call("03", jane, "DOE, JANE")
	wait()
	ps.call("25", "", "Anonymous")
	ps.said(jane, "Hi, our kitchen sink is leaking. Can somebody come today?")
	wait()
	answer("1", "Sorry to hear that! Sam can be there at 5 pm. Please turn the valve under the sink clockwise until then.")
	ps.call("05", "+12025550167", "WIRELESS CALLER")
	ps.call("01", "+12025550111", "GARCIA, ANA")
	wait()
	ps.said(jane, "5 pm works, thank you so much!")
	ps.call("14", kim, "Miller, Kim")
	wait()
	ps.call("17", "+12025550101", "")
	ps.said(kim, "How much is a new boiler, roughly?")
	answer("1", "See you then. It is 40 Elm St, right?")
	wait()
	ps.call("19", "+12025550190", "")
	ps.said(jane, "Yes, the blue house.")
	wait()
	ps.call("04", sam, "Brown, Sam")
	wait()
	ps.said(sam, "please cancel, I found someone")
	ps.call("03", jane, "DOE, JANE")
	tab.visit(ps.base + "/ui/calls")
	tab.await(`document.querySelectorAll("#list > li").length >= 8 && document.documentElement.dataset.live === "on"`)
	tab.size(1120, 900, false)
	for _, scheme := range []string{"light", "dark"} {
		tab.scheme(scheme)
		tab.shoot("page-calls-" + scheme)
	}
	for name, path := range map[string]string{"thread": "/ui/threads/1", "calls": "/ui/calls", "threads": "/ui/threads"} {
		for _, scheme := range []string{"light", "dark"} {
			tab.scheme(scheme)
			tab.size(375, 740, true)
			tab.visit(ps.base + path)
			tab.await(`document.documentElement.dataset.live === "on"`)
			tab.shoot("page-" + name + "-phone-" + scheme)
		}
	}
}
