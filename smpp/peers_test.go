package smpp_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"textback"
	"textback/smpp"
)

// The peers are message centres that we did not write: .ci/smsc/install gets them, TEXTBACK_SMSC=1 runs them.
func needPeers(t *testing.T) {
	if os.Getenv("TEXTBACK_SMSC") == "" {
		t.Skip("run .ci/smsc/install and set TEXTBACK_SMSC=1 to hold the link against npm smpp and Net::SMPP")
	}
}

var announced = regexp.MustCompile(`^smsc (\S+)(?: control (\S+))?`)

// startPeer starts a message centre and returns its addresses.
func startPeer(t *testing.T, command ...string) (addr, control string) {
	t.Helper()
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Dir = "../.ci/smsc"
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	lines := bufio.NewReader(out)
	line, err := lines.ReadString('\n')
	if err != nil {
		t.Fatalf("%v said nothing: %v", command, err)
	}
	go func() { _, _ = io.Copy(io.Discard, lines) }()
	m := announced.FindStringSubmatch(line)
	if m == nil {
		t.Fatalf("%v said %q", command, line)
	}
	return m[1], m[2]
}

// peer is a link to a real message centre.
type peer struct {
	t    *testing.T
	link *smpp.Link
	stop func()

	mu       sync.Mutex
	changed  chan struct{}
	got      []smpp.Delivery
	late     []smpp.Answer
	statuses []smpp.Status
}

func bindPeer(t *testing.T, addr string, change func(*smpp.Config)) *peer {
	t.Helper()
	p := &peer{t: t, changed: make(chan struct{})}
	note := func(f func()) {
		p.mu.Lock()
		defer p.mu.Unlock()
		f()
		close(p.changed)
		p.changed = make(chan struct{})
	}
	cfg := smpp.Config{Name: "peer", Addr: addr, SystemID: "acme", Password: "secret", Receipts: true, Reference: true, ResponseTimeout: 2 * time.Second}
	if change != nil {
		change(&cfg)
	}
	p.link = smpp.NewLink(cfg, smpp.Handlers{
		Deliver: func(_ context.Context, d smpp.Delivery) uint32 {
			note(func() { p.got = append(p.got, d) })
			return smpp.StatusOK
		},
		Late:   func(a smpp.Answer) { note(func() { p.late = append(p.late, a) }) },
		Status: func(s smpp.Status) { note(func() { p.statuses = append(p.statuses, s) }) },
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = p.link.Run(ctx)
	}()
	p.stop = sync.OnceFunc(func() {
		cancel()
		<-done
	})
	t.Cleanup(p.stop)
	return p
}

// wait waits until ok, which is called with the lock held.
func (p *peer) wait(what string, ok func() bool) {
	p.t.Helper()
	deadline := time.After(15 * time.Second)
	for {
		p.mu.Lock()
		changed, done := p.changed, ok()
		p.mu.Unlock()
		if done {
			return
		}
		select {
		case <-changed:
		case <-deadline:
			p.mu.Lock()
			defer p.mu.Unlock()
			p.t.Fatalf("%s: not within 15 s; statuses %+v, deliveries %d", what, p.statuses, len(p.got))
		}
	}
}

func (p *peer) bound() {
	p.t.Helper()
	p.wait("bind", func() bool { return p.link.Bound() })
}

// send sends all segments of a text and returns their answers.
func (p *peer) send(ctx context.Context, to, body string) ([]smpp.Answer, error) {
	var answers []smpp.Answer
	for i, part := range p.link.Segments(body) {
		a, err := p.link.Submit(ctx, smpp.Segment{To: to, From: "+12025550100", Part: part, Concat: 77, Reference: uint16(i + 1), Token: to})
		answers = append(answers, a)
		if err != nil {
			return answers, err
		}
	}
	return answers, nil
}

func (p *peer) receipts() (n int) {
	for _, d := range p.got {
		if d.Receipt != nil {
			n++
		}
	}
	return n
}

func (p *peer) messages() (bodies []string) {
	for _, d := range p.got {
		if d.Message != nil {
			bodies = append(bodies, d.Message.Body)
		}
	}
	return bodies
}

func TestPeerNodeSMPP(t *testing.T) {
	needPeers(t)
	addr, control := startPeer(t, "node", "smsc.js")
	ask := func(path string) string {
		t.Helper()
		r, err := http.Get("http://" + control + path)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		b, _ := io.ReadAll(r.Body)
		return string(b)
	}
	bg := context.Background()

	for _, c := range []struct {
		name, to, body string
		parts          int
		state          textback.TextState // of each receipt
		receipts       int
	}{
		{"short", "+490012345", "Hello {you} €5 @noon", 1, textback.Delivered, 1},
		{"UCS-2", "+490012345", "Да 👍", 1, textback.Delivered, 1},
		{"three segments", "+490012345", strings.Repeat("0123456789", 40), 3, textback.Delivered, 3},
		{"undeliverable", "+490112345", "x", 1, textback.Undelivered, 1},
		{"rejected", "+490212345", "x", 1, textback.Undelivered, 1},
		{"receipt before the response", "+490312345", "x", 1, textback.Delivered, 1},
		{"id in hex, receipt in decimal", "+491212345", "x", 1, textback.Delivered, 1},
		{"receipt in parameters only", "+491312345", "x", 1, textback.Delivered, 1},
		{"receipt twice", "+491412345", "x", 1, textback.Delivered, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := bindPeer(t, addr, nil)
			p.bound()
			answers, err := p.send(bg, c.to, c.body)
			if err != nil || len(answers) != c.parts {
				t.Fatalf("got %+v, %v", answers, err)
			}
			p.wait("receipts", func() bool { return p.receipts() >= c.receipts })
			matched := map[string]bool{}
			for _, d := range p.got {
				if d.Receipt.State != c.state || d.Receipt.From != c.to {
					t.Errorf("receipt %+v", d.Receipt)
				}
				for _, form := range smpp.IDForms(d.Receipt.MessageID) {
					for _, a := range answers {
						if a.MessageID == form {
							matched[a.MessageID] = true
						}
					}
				}
			}
			if len(matched) != c.parts {
				t.Errorf("%d of %d parts have their receipt", len(matched), c.parts)
			}
		})
	}

	t.Run("refusals", func(t *testing.T) {
		p := bindPeer(t, addr, nil)
		p.bound()
		var refused *smpp.StatusError
		if _, err := p.send(bg, "+490712345", "x"); !errors.As(err, &refused) || refused.Status != 0x0B || smpp.Retryable(err) {
			t.Errorf("bad destination: %v", err)
		}
		if _, err := p.send(bg, "+491112345", "x"); !errors.As(err, &refused) || refused.Command != "generic_nack" || smpp.Retryable(err) {
			t.Errorf("generic_nack: %v", err)
		}
	})
	t.Run("throttling", func(t *testing.T) {
		p := bindPeer(t, addr, nil)
		p.bound()
		ctx, cancel := context.WithTimeout(bg, 3*time.Second)
		defer cancel()
		if a, err := p.send(ctx, "+490512345", "x"); !smpp.Throttling(err) || !smpp.Retryable(err) || a[0].Sent != smpp.Answered {
			t.Errorf("got %+v, %v", a, err)
		}
		ask("/rate?n=5")
		defer ask("/rate?n=0")
		q := bindPeer(t, addr, nil)
		q.bound()
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				if _, err := q.send(bg, fmt.Sprintf("+49001%05d", i), "x"); err != nil {
					t.Errorf("over the rate: %v", err)
				}
			})
		}
		wg.Wait()
		if q.link.Counters().Throttled == 0 {
			t.Error("it never throttled")
		}
	})
	t.Run("mute and late", func(t *testing.T) {
		p := bindPeer(t, addr, nil)
		p.bound()
		if a, err := p.send(bg, "+490812345", "x"); !errors.Is(err, smpp.ErrUnanswered) || a[0].Sent != smpp.Uncertain {
			t.Errorf("mute: %+v, %v", a, err)
		}
		if a, err := p.send(bg, "+491012345", "x"); !errors.Is(err, smpp.ErrUnanswered) || a[0].Sent != smpp.Uncertain {
			t.Errorf("late: %+v, %v", a, err)
		}
		p.wait("late answer", func() bool { return len(p.late) == 1 })
		if a := p.late[0]; a.Token != "+491012345" || a.MessageID == "" {
			t.Errorf("late answer %+v", a)
		}
	})
	t.Run("drop", func(t *testing.T) {
		p := bindPeer(t, addr, nil)
		p.bound()
		if a, err := p.send(bg, "+490912345", "x"); !errors.Is(err, smpp.ErrUnanswered) || a[0].Sent != smpp.Uncertain {
			t.Errorf("got %+v, %v", a, err)
		}
		p.wait("down", func() bool { return !p.link.Bound() })
		p.bound()
		if _, err := p.send(bg, "+490412345", "x"); err != nil {
			t.Errorf("after the reconnect: %v", err)
		}
	})
	t.Run("reply with the number of a submit in flight", func(t *testing.T) {
		p := bindPeer(t, addr, nil)
		p.bound()
		if _, err := p.send(bg, "+492412345", "x"); err != nil {
			t.Errorf("submit: %v", err)
		}
		p.wait("reply", func() bool { m := p.messages(); return len(m) == 1 && m[0] == "same-seq reply" })
	})
	t.Run("replies", func(t *testing.T) {
		p := bindPeer(t, addr, func(c *smpp.Config) { c.Receipts = false })
		p.bound()
		for to, want := range map[string]string{"+492012345": "Re: ok", "+492112345": "Да 👍", "+492212345": strings.Repeat("long ", 80)} {
			if _, err := p.send(bg, to, "x"); err != nil {
				t.Fatal(err)
			}
			p.wait(want, func() bool { m := p.messages(); return len(m) > 0 && m[len(m)-1] == want })
			if from := p.got[len(p.got)-1].Message.From; from != to {
				t.Errorf("from %s, want %s", from, to)
			}
		}
		p.got = nil
		if _, err := p.send(bg, "+492312345", "x"); err != nil {
			t.Fatal(err)
		}
		p.wait("two parts", func() bool { return len(p.got) == 2 })
		var r smpp.Reassembler
		r.Add(*p.got[1].Message.Part)
		if w := r.Add(*p.got[0].Message.Part); len(w) != 1 || w[0].Body != "part1 part2 " {
			t.Errorf("joined %+v", w)
		}
	})
	t.Run("alert_notification, data_sm, enquire_link, unbind", func(t *testing.T) {
		p := bindPeer(t, addr, nil)
		p.bound()
		ask("/alert")
		ask("/datasm")
		ask("/enquire")
		p.wait("data_sm", func() bool { m := p.messages(); return len(m) == 1 && m[0] == "via data_sm" })
		var stats struct {
			Enquired int
			DataSM   map[string]int
		}
		for range 100 {
			if err := json.Unmarshal([]byte(ask("/stats")), &stats); err != nil {
				t.Fatal(err)
			}
			if stats.Enquired > 0 && stats.DataSM["0"] > 0 {
				break
			}
		}
		if stats.Enquired == 0 || stats.DataSM["0"] == 0 {
			t.Errorf("what it got answered: %+v", stats)
		}
		if p.link.Counters().Failures != 0 {
			t.Error("the link went down")
		}
		ask("/unbind")
		p.wait("unbind", func() bool { return !p.link.Bound() })
		p.bound()
	})
	t.Run("binds that go wrong", func(t *testing.T) {
		for id, want := range map[string]smpp.State{"bad": smpp.Refused, "mute": smpp.Down, "late": smpp.Down, "drop": smpp.Down} {
			p := bindPeer(t, addr, func(c *smpp.Config) { c.SystemID = id })
			p.wait(id, func() bool {
				for _, s := range p.statuses {
					if s.State == want && s.Err != nil && s.Retry > 0 {
						return true
					}
				}
				return false
			})
			p.stop()
		}
	})
	t.Run("transmitter and receiver", func(t *testing.T) {
		p := bindPeer(t, addr, func(c *smpp.Config) { c.Bind = "transmitter+receiver" })
		p.wait("two binds", func() bool { return p.link.Counters().Binds == 2 })
		if _, err := p.send(bg, "+490412345", "x"); err != nil {
			t.Error(err)
		}
		ask("/mo?from=4915&to=12025550100&text=STOP")
		p.wait("message", func() bool { m := p.messages(); return len(m) > 0 && m[0] == "STOP" })
	})
}

func TestPeerNetSMPP(t *testing.T) {
	needPeers(t)
	addr, _ := startPeer(t, "perl", "smsc.pl")
	p := bindPeer(t, addr, nil)
	p.bound()
	for _, body := range []string{"ECHO short", "Да 👍", strings.Repeat("0123456789", 40)} {
		before := func() int { p.mu.Lock(); defer p.mu.Unlock(); return p.receipts() }()
		answers, err := p.send(context.Background(), "+12025550123", body)
		if err != nil {
			t.Fatal(err)
		}
		p.wait("receipts", func() bool { return p.receipts() == before+len(answers) })
		for _, a := range answers {
			found := false
			for _, d := range p.got {
				found = found || d.Receipt != nil && d.Receipt.MessageID == a.MessageID && d.Receipt.State == textback.Delivered
			}
			if !found {
				t.Errorf("%q has no receipt", a.MessageID)
			}
		}
	}
	p.wait("reply", func() bool { m := p.messages(); return len(m) == 1 && m[0] == "reply" })
	begin := time.Now()
	p.stop()
	if c := p.link.Counters(); c.Failures != 0 || c.Broken != 0 || c.Unknown != 0 || time.Since(begin) > 3*time.Second {
		t.Errorf("counters %+v, stopped in %v", c, time.Since(begin))
	}
}
