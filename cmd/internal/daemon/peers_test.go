package daemon

import (
	"bufio"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"testing"

	"textback"
	"textback/store"
)

var announcedPeer = regexp.MustCompile(`^smsc (\S+)(?: control (\S+))?`)

// throughPeer makes the daemon talk to a message centre that is not ours, and gives its control address.
func throughPeer(t *testing.T, w *world, command ...string) (control string) {
	t.Helper()
	if os.Getenv("TEXTBACK_SMSC") == "" {
		t.Skip("run .ci/smsc/install and set TEXTBACK_SMSC=1 to hold the daemon against npm smpp and Net::SMPP")
	}
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Dir = "../../../.ci/smsc"
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	lines := bufio.NewReader(out)
	line, err := lines.ReadString('\n')
	if err != nil {
		t.Fatalf("%v said nothing: %v", command, err)
	}
	go func() { _, _ = io.Copy(io.Discard, lines) }()
	m := announcedPeer.FindStringSubmatch(line)
	if m == nil {
		t.Fatalf("%v said %q", command, line)
	}
	w.config = regexp.MustCompile(`(?m)^addr      = .*$`).ReplaceAllString(w.config, `addr = "`+m[1]+`"`)
	return m[2]
}

// TestPeerNpmSMPPRepliesReachAPersonAndStopIsObeyed: the whole reply path against npm smpp.
func TestPeerNpmSMPPRepliesReachAPersonAndStopIsObeyed(t *testing.T) {
	w := newWorld(t, fast, "")
	control := throughPeer(t, w, "node", "smsc.js")
	w.start()
	for _, prefix := range []string{"4920", "4921", "4922", "4923", "4900"} {
		w.played("04", "+"+prefix+"1230001")
	}
	w.await("five texts", func() bool { return w.log.count("state=delivered") == 5 })
	w.await("four replies", func() bool { return w.log.count("msg=reply ") == 4 })
	want := map[string]string{"4920": "Re: ok", "4921": "Да 👍", "4923": "part1 part2 "}
	for prefix, says := range want {
		var x store.Explanation
		if err := w.call("explain", ExplainArgs{What: "+" + prefix + "1230001"}, &x); err != nil {
			t.Fatal(err)
		}
		if len(x.Threads) != 1 || lastIn(x.Threads[0]) != says {
			t.Errorf("%s: threads %v, want one that says %q", prefix, x.Threads, says)
		}
	}
	// Plain digits without a type of number, in UCS-2, twice.
	for range 2 {
		resp, err := http.Get("http://" + control + "/mo?" + url.Values{"from": {"49001230001"}, "to": {"15550100"}, "text": {"Stop !"}, "dcs": {"8"}}.Encode())
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
	}
	w.await("the opt-out", func() bool { return w.log.count("msg=opt-out ") >= 1 })
	w.await("the confirmation", func() bool { return w.log.count("kind=confirmation state=delivered") == 1 })
	w.played("04", "+49001230001")
	w.await("the verdict", func() bool { return w.log.count("reason=opted-out") == 1 })
	if n := w.log.count("kind=confirmation state=accepted"); n != 1 {
		t.Errorf("%d confirmations, want 1", n)
	}
}

// TestPeerNetSMPPAReplyOpensAThread: the reply path against Perl's Net::SMPP, which answers a text that begins with ECHO.
func TestPeerNetSMPPAReplyOpensAThread(t *testing.T) {
	w := newWorld(t, fast, "")
	throughPeer(t, w, "perl", "smsc.pl")
	w.config = regexp.MustCompile(`"Acme Plumbing"`).ReplaceAllString(w.config, `"ECHO Plumbing"`)
	w.start()
	const caller = "+15571230001"
	w.played("04", caller)
	w.await("delivery", func() bool { return w.log.count("state=delivered") == 1 })
	w.await("the reply", func() bool { return w.log.count("msg=reply ") == 1 })
	var x store.Explanation
	if err := w.call("explain", ExplainArgs{What: caller}, &x); err != nil {
		t.Fatal(err)
	}
	if len(x.Threads) != 1 || lastIn(x.Threads[0]) != "reply" {
		t.Errorf("threads %v, want one that says \"reply\"", x.Threads)
	}
}

// lastIn is what the caller wrote last.
func lastIn(th textback.Thread) string {
	body := ""
	for _, m := range th.Messages {
		if m.In {
			body = m.Body
		}
	}
	return body
}
