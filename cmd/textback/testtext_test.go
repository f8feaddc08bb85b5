package main

import (
	"strings"
	"syscall"
	"testing"

	"textback/smpp"
	"textback/smpp/smpptest"
)

// testStand is a running textback with two links that stand.
func testStand(t *testing.T, policy string) (s *stand, daemon *process, config string) {
	t.Helper()
	s = newStand(t, passwords{ari: "pw-ari", esl: "pw-esl", smpp: "pw-smpp"}, nil)
	config = s.write("textback.toml", s.toml(keys{top: "[syslog]\nto = \"stderr\"\n[metrics]\nlisten = \"\"",
		asterisk: `password = "pw-ari"`, freeswitch: `password = "pw-esl"`,
		smpp: `password = "pw-smpp"`, policy: policy}), 0o600)
	daemon = s.start(nil, "textback", "run", "--config", config)
	await(t, "the links", func() bool { return strings.Contains(daemon.output(), "smpp-up") })
	return s, daemon, config
}

// TestATestGoesThroughTheDaemonAndTellsEachState: the text is on the message centre's wire, and the command tells what
// became of it.
func TestATestGoesThroughTheDaemonAndTellsEachState(t *testing.T) {
	s, daemon, config := testStand(t, "shadow = true")
	test := func(args ...string) (string, error) {
		return s.run(nil, append([]string{"test", "--config", config}, args...)...)
	}
	out, err := test("--to", "+1 202 555 0123", "--line", "5550102")
	if err != nil || !strings.Contains(out, "shadow mode") || !strings.Contains(out, "accepted by carrier, id ") ||
		!strings.Contains(out, "delivered, ") {
		t.Fatalf("%v\n%s", err, out)
	}
	texts := s.smsc.Texts()
	if len(texts) != 1 || texts[0].To != "+12025550123" && texts[0].To != "12025550123" ||
		!strings.Contains(texts[0].Body, "Acme Plumbing: this is a test") ||
		!strings.Contains(texts[0].Body, "STOP") {
		t.Fatalf("on the wire: %+v", texts)
	}

	refused := func(why string, args ...string) {
		t.Helper()
		out, err := test(args...)
		if err == nil || !strings.Contains(out, why) {
			t.Errorf("%v: %v\n%s", args, err, out)
		}
	}
	refused("is a line of ours", "--to", "+15550105")
	refused(`"12" is not a line`, "--to", "+12025550123", "--line", "12")
	refused("not a telephone number", "--to", "nobody")
	refused("Usage:", "--line", "5550102")
	if out, err := s.run(nil, "optout", "add", "+12025550124", "--config", config); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	refused("has opted out", "--to", "+12025550124")

	s.smsc.SetFaults(smpptest.Faults{NoReceipts: true})
	refused("no receipt within 1s", "--to", "+12025550125", "--wait", "1s")
	s.smsc.SetFaults(smpptest.Faults{ReceiptState: "UNDELIV"})
	refused("is undelivered", "--to", "+12025550126")
	s.smsc.SetFaults(smpptest.Faults{Refuse: func(string) uint32 { return smpp.StatusInvSource }})
	refused("ESME_RINVSRCADR", "--to", "+12025550127")
	s.smsc.SetFaults(smpptest.Faults{})

	if out, err := test("--to", "+12025550128", "--json"); err != nil || !strings.Contains(out, `"Kind": "test"`) ||
		!strings.Contains(out, `"State": "delivered"`) {
		t.Errorf("%v\n%s", err, out)
	}
	if out, err := s.run(nil, "report", "--config", config, "--csv"); err == nil && strings.Contains(out, "0123") {
		t.Errorf("a report counts the test:\n%s", out)
	}
	if out, err := s.run(nil, "status", "--config", config); err != nil || !strings.Contains(out,
		"missed calls 0, verdicts 0") {
		t.Errorf("%v\n%s", err, out)
	}
	daemon.stop(syscall.SIGTERM)
	refused("systemctl start textback", "--to", "+12025550123")
	if strings.Contains(daemon.output(), "2025550123") {
		t.Error("the log shows a whole number")
	}
}

// TestTestsCountInTheBudget: a test is a text, and the budget is not for missed calls alone.
func TestTestsCountInTheBudget(t *testing.T) {
	s, _, config := testStand(t, "per_hour = 2")
	for i, want := range []string{"delivered", "delivered", "per_hour is 2: nothing was sent"} {
		out, _ := s.run(nil, "test", "--config", config, "--to", "+1202555013"+string(rune('0'+i)))
		if !strings.Contains(out, want) {
			t.Fatalf("test %d: %s", i+1, out)
		}
	}
	if n := len(s.smsc.Texts()); n != 2 {
		t.Errorf("%d texts were sent", n)
	}
}
