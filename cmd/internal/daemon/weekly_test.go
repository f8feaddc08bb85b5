package daemon

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"textback"
	"textback/cmd/internal/handoff"
	"textback/configs"
	"textback/store"
)

const weeklyConf = `state   = "state.db"
control = "control.sock"
[[pbx]]
name     = "hq"
kind     = "asterisk"
url      = "http://127.0.0.1:1/ari"
username = "textback"
password = "s3cret"
[[smpp]]
name      = "carrier"
addr      = "127.0.0.1:1"
system_id = "acme"
password  = "pw"
[business.acme]
name     = "Acme Plumbing"
timezone = "America/New_York"
region   = "US"
[[line]]
number   = "+12025550100"
business = "acme"
name     = "Front desk"
[template]
open = "{{.Business}}: sorry we missed you! Reply here. Reply STOP to opt out"
[report]
weekly = "Mon 08:00"
notify = ["front-desk", "owner"]
`

func weeklyConfig(t *testing.T, server string) *configs.Config {
	t.Helper()
	text := weeklyConf
	for _, name := range []string{"front-desk", "owner"} {
		text += fmt.Sprintf("[[notify]]\nname = %q\nkind = \"email\"\nto = [\"%s@acme.example\"]\nfrom = \"pbx@acme.example\"\nserver = %q\nstarttls = \"never\"\n", name, name, server)
	}
	cfg, err := configs.Parse(filepath.Join(t.TempDir(), "textback.toml"), []byte(text), configs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// weeklyDaemon is a daemon with a store and nothing else running.
func weeklyDaemon(t *testing.T, path string, cfg *configs.Config, log *logBook) *Daemon {
	t.Helper()
	st, err := store.Open(store.Options{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	d := &Daemon{store: st, log: newLog(log), now: time.Now, met: newMeters("test")}
	d.conf.Store(&running{cfg: cfg})
	return d
}

func newYork(t *testing.T, s string) time.Time {
	t.Helper()
	zone, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	at, err := time.ParseInLocation("2006-01-02 15:04", s, zone)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func TestWeeklyReportIsQueuedOnceAWeekWhateverRestarts(t *testing.T) {
	cfg := weeklyConfig(t, "127.0.0.1:1")
	path := filepath.Join(t.TempDir(), "state.db")
	log := &logBook{}
	d := weeklyDaemon(t, path, cfg, log)
	for _, x := range []struct {
		at      string
		restart bool
		want    int    // hand-offs queued by then, two a week
		subject string // of the last
		log     string
	}{
		{"2026-11-10 09:00", false, 0, "", ""}, // a new state file: Monday was before its time
		{"2026-11-16 07:59", false, 0, "", ""},
		{"2026-11-16 08:00", false, 2, "Missed calls, week of 9 November", "msg=report "},
		{"2026-11-16 08:00", false, 2, "", ""},
		{"2026-11-16 08:01", true, 2, "", ""},
		{"2026-11-22 23:59", true, 2, "", ""},
		{"2026-11-24 07:00", true, 4, "Missed calls, week of 16 November", ""}, // down on Monday, back within the day
		{"2026-11-24 07:01", true, 4, "", ""},
		{"2026-12-01 08:01", true, 4, "", "msg=report-skipped"}, // down for more than a day
		{"2026-12-01 08:02", true, 4, "", ""},
		{"2026-11-20 08:00", false, 4, "", ""}, // the clock is put back
		{"2026-12-07 08:00", true, 6, "Missed calls, week of 30 November", ""},
	} {
		if x.restart {
			if err := d.store.Close(); err != nil {
				t.Fatal(err)
			}
			d = weeklyDaemon(t, path, cfg, log)
		}
		before := log.count(x.log)
		now := newYork(t, x.at)
		if err := d.sendWeekly(t.Context(), cfg, now); err != nil {
			t.Fatal(err)
		}
		due, err := d.store.DueDeliveries(t.Context(), now.AddDate(1, 0, 0), 0)
		if err != nil {
			t.Fatal(err)
		}
		if len(due) != x.want {
			t.Fatalf("%s: %d hand-offs, want %d", x.at, len(due), x.want)
		}
		if x.log != "" && log.count(x.log) != before+1 {
			t.Errorf("%s: %q is not in the log", x.at, x.log)
		}
		if x.subject == "" {
			continue
		}
		var del handoff.Delivery
		if err := json.Unmarshal(due[len(due)-1].Payload, &del); err != nil || !strings.HasPrefix(del.Subject, x.subject) {
			t.Errorf("%s: %q, %v, want %q", x.at, del.Subject, err, x.subject)
		}
	}
}

func TestWeeklyReportIsNotLostWhenTheDiskFails(t *testing.T) {
	cfg := weeklyConfig(t, "127.0.0.1:1")
	disk := &faultyDisk{}
	st, err := store.Open(store.Options{Path: filepath.Join(t.TempDir(), "state.db"), BeforeCommit: disk.commit})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	d := &Daemon{store: st, log: newLog(&logBook{}), now: time.Now, met: newMeters("test")}
	if err := st.SetMark(t.Context(), weeklyMark, newYork(t, "2026-11-09 08:00")); err != nil {
		t.Fatal(err)
	}
	disk.set(true)
	if err := d.sendWeekly(t.Context(), cfg, newYork(t, "2026-11-16 08:00")); err == nil {
		t.Fatal("no error from a full disk")
	}
	disk.set(false)
	if err := d.sendWeekly(t.Context(), cfg, newYork(t, "2026-11-16 08:20")); err != nil {
		t.Fatal(err)
	}
	if due, err := st.DueDeliveries(t.Context(), newYork(t, "2026-11-16 08:20"), 0); err != nil || len(due) != 2 {
		t.Errorf("%d hand-offs, %v", len(due), err)
	}
}

func TestWeeklyReportReachesTheMailServer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	mails := make(chan string, 2)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go takeMail(c, mails)
		}
	}()
	cfg := weeklyConfig(t, l.Addr().String())
	d := weeklyDaemon(t, filepath.Join(t.TempDir(), "state.db"), cfg, &logBook{})
	now := newYork(t, "2026-11-16 08:00")
	d.now = func() time.Time { return now }
	if err := d.store.SetMark(t.Context(), weeklyMark, now.AddDate(0, 0, -7)); err != nil {
		t.Fatal(err)
	}
	end := newYork(t, "2026-11-11 10:00")
	call := textback.Call{ID: "hq/1", Direction: textback.Inbound, Outcome: textback.NoAnswer, Begin: end.Add(-time.Minute), End: end, Party: textback.Party{Number: "+19175550123"}}
	_, _, err = d.store.Decide(t.Context(), call, store.Keys{Business: "acme", Line: "+12025550100", Caller: "+19175550123"}, end, func(textback.History) textback.Decision {
		return textback.Decision{Reason: textback.ReasonText, Business: "acme", Line: "+12025550100", Caller: "+19175550123", Template: "open", Due: end, Expires: end.Add(time.Hour)}
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.sendWeekly(t.Context(), cfg, now); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- d.deliver(ctx) }()
	var to []string
	for range 2 {
		select {
		case m := <-mails:
			rcpt, data, _ := strings.Cut(m, "\n")
			to, data = append(to, rcpt), strings.ReplaceAll(data, "\r\n ", " ") // a long header goes on in the next line
			for _, want := range []string{"Subject: Missed calls, week of 9 November: 1 missed, 0 texted, 0 replied, 0 booked", "text/plain", "text/html",
				`filename="textback-2026-11-09.html"`, "Missed calls            1  100 % of calls from outside"} {
				if !strings.Contains(data, want) {
					t.Errorf("%s: %q is not in the mail:\n%.3000s", rcpt, want, data)
				}
			}
			if strings.Contains(data, "5550123") {
				t.Error("the caller's number is in the mail")
			}
		case <-time.After(waitBound):
			t.Fatal("no mail came")
		}
	}
	slices.Sort(to)
	if fmt.Sprint(to) != "[RCPT TO:<front-desk@acme.example> RCPT TO:<owner@acme.example>]" {
		t.Errorf("to %v", to)
	}
	for deadline := time.After(waitBound); ; {
		_, waits, err := d.store.NextDelivery(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if !waits {
			break
		}
		select {
		case <-deadline:
			t.Fatal("what was mailed still waits")
		case <-time.After(5 * time.Millisecond):
		}
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// takeMail is the smallest SMTP server that takes one mail (RFC 5321).
func takeMail(c net.Conn, mails chan<- string) {
	defer c.Close()
	r := bufio.NewReader(c)
	fmt.Fprint(c, "220 mail.acme.example ESMTP\r\n")
	var rcpt string
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		switch line = strings.TrimSpace(line); {
		case strings.HasPrefix(line, "RCPT"):
			rcpt = line
		case line == "DATA":
			fmt.Fprint(c, "354 go on\r\n")
			var data strings.Builder
			for {
				part, err := r.ReadString('\n')
				if err != nil {
					return
				}
				if part == ".\r\n" {
					break
				}
				data.WriteString(part)
			}
			mails <- rcpt + "\n" + data.String()
		case line == "QUIT":
			fmt.Fprint(c, "221 bye\r\n")
			return
		}
		fmt.Fprint(c, "250 ok\r\n")
	}
}
