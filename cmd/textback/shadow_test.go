package main

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
)

// TestTheFirstWeekInShadowMode runs the daemon in shadow mode between simulators: every missed call is decided, nothing
// leaves, and the report tells what would have been sent, from the daemon and from its state file.
func TestTheFirstWeekInShadowMode(t *testing.T) {
	s := newStand(t, passwords{"ari-pass", "esl-pass", "sm-pass"}, nil)
	config := s.write("textback.toml", s.toml(keys{top: "[syslog]\nto = \"stderr\"\n[metrics]\nlisten = \"\"\n",
		asterisk: "password = \"ari-pass\"", freeswitch: "password = \"esl-pass\"", smpp: "password = \"sm-pass\"",
		policy: "shadow = true"}), 0o600)
	d := s.start(nil, "textback", "run", "--config", config)
	await(t, "the links", func() bool { return strings.Count(d.output(), "pbx-up") == 2 && s.smsc.Bound() == 1 })
	const calls = 4
	for i := range calls {
		s.miss(fmt.Sprintf("+1202555019%d", i))
	}
	await(t, "the verdicts", func() bool { return strings.Count(d.output(), "reason=shadow") == calls })

	told := func(args ...string) string {
		t.Helper()
		out, err := s.run(nil, append(args, "--config", config)...)
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return strings.Join(strings.Fields(out), " ")
	}
	look := func(who, out string, want ...string) {
		t.Helper()
		for _, w := range want {
			if !strings.Contains(out, w) {
				t.Errorf("%s: no %q in %s", who, w, out)
			}
		}
	}
	would := []string{"shadow 4", "Shadow mode: 4 calls would have been texted. Take shadow = true out to begin.",
		"Would have been sent (shadow mode) LINE TEMPLATE TEXTS HELD IN QUIET HOURS", "open 4 0"}
	look("report", told("report"), would...)
	look("check", told("check"), "were it not for shadow mode", "shadow mode is on: everything is decided and counted, and nothing is sent")
	look("explain", told("explain", "+12025550190"), "verdict: shadow: shadow mode: nothing is sent; else: ")
	look("status", told("status"), "shadow mode: ")
	look("pack", told("pack", "--form", "10dlc"), "(`monthlyVolume`, figures) > 120 4 first texts in 1 days, shadow mode included")
	if n := len(s.smsc.Texts()); n != 0 {
		t.Errorf("%d texts left", n)
	}
	d.stop(syscall.SIGTERM)
	look("report of the file", told("report"), would...)
	look("report as JSON", told("report", "--json"), `"would_send": [`, `"template": "open", "calls": 4, "held": 0`)
}
