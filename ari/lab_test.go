package ari

import (
	"context"
	"errors"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	v6 "github.com/CyCoreSystems/ari/v6"

	"textback/ari/aritest"
)

// lab skips the test unless a real Asterisk is there (.ci/asterisk/suite).
func lab(t *testing.T) aritest.Lab {
	t.Helper()
	program := os.Getenv("TEXTBACK_ASTERISK")
	if program == "" {
		t.Skip("TEXTBACK_ASTERISK is not set: run .ci/asterisk/suite, as root")
	}
	return aritest.Lab{Program: program}
}

// live is a link to the real Asterisk.
type live struct {
	mu       sync.Mutex
	changed  chan struct{}
	messages []Message
	statuses []Status
}

// labOptions are a link of the test's own: an application whose link ends in the moment in which another of its name begins takes
// that one's registration along, which the link mends, but not every test is about that.
func labOptions(t *testing.T) Options {
	return Options{URL: aritest.LabURL, Username: aritest.LabReader, Password: aritest.LabReaderPassword,
		App: "lab-" + strings.Map(func(r rune) rune {
			if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
				return r
			}
			return '-'
		}, t.Name())}
}

func connectLab(t *testing.T, o Options) *live {
	t.Helper()
	l := &live{changed: make(chan struct{}, 1)}
	o.Notify = func(s Status) { l.add(func() { l.statuses = append(l.statuses, s) }) }
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := Run(ctx, o, func(m Message) { l.add(func() { l.messages = append(l.messages, m) }) }); err != nil {
			t.Error(err)
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	return l
}

func (l *live) add(f func()) {
	l.mu.Lock()
	f()
	l.mu.Unlock()
	select {
	case l.changed <- struct{}{}:
	default:
	}
}

// wait waits until found gives true for what has come so far.
func (l *live) wait(t *testing.T, what string, found func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		l.mu.Lock()
		ok := found()
		l.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-l.changed:
		case <-ctx.Done():
			l.mu.Lock()
			defer l.mu.Unlock()
			t.Fatalf("in a minute no %s; statuses: %v; %d messages", what, l.statuses, len(l.messages))
		}
	}
}

func (l *live) count(k MessageKind) (n int) {
	for _, m := range l.messages {
		if m.Kind == k {
			n++
		}
	}
	return n
}

func (l *live) has(k StatusKind) func() bool {
	return func() bool {
		for _, s := range l.statuses {
			if s.Kind == k {
				return true
			}
		}
		return false
	}
}

func TestLabAReadOnlyUserSeesACallAndItsVariables(t *testing.T) {
	real := lab(t)
	o := labOptions(t)
	o.Types = []string{"ChannelCreated", "ChannelDestroyed", "ChannelHangupRequest", "Dial", "ChannelVarset"}
	o.Variable = func(name string) bool { return name == "DIALSTATUS" }
	o.Lookups = func(m Message) []Lookup {
		if e, ok := m.Event.(*v6.ChannelCreated); ok && e.Channel.State == "Ring" {
			return []Lookup{{Channel: e.Channel.ID, Variables: []string{"CALLERID(pres)", "CHANNEL(linkedid)", "STIR_SHAKEN(0,verify_result)"}}}
		}
		return nil
	}
	l := connectLab(t, o)
	l.wait(t, "up", func() bool { return l.count(MessageUp) == 1 })
	calls, err := real.Call(t.Context(), "26", "25")
	if err != nil {
		t.Fatal(err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	ends, pres := 0, map[string]string{}
	var caller string
	for _, m := range l.messages {
		switch e := m.Event.(type) {
		case *v6.ChannelCreated:
			if e.Channel.State == "Ring" {
				caller = e.Channel.Caller.GetNumber()
			}
		case *v6.ChannelDestroyed:
			if strings.HasPrefix(e.Channel.Name, "PJSIP/trunk-") {
				ends++
			}
		}
		if m.Kind == MessageVariables {
			pres[caller] = m.Values["CALLERID(pres)"]
			if m.Err != nil || m.Values["CHANNEL(linkedid)"] != m.Channel {
				t.Errorf("variables of %s: %v, %v", m.Channel, m.Values, m.Err)
			}
		}
	}
	if ends != len(calls) {
		t.Errorf("%d ends of %d calls", ends, len(calls))
	}
	if pres[calls[0].Caller] != "allowed_not_screened" || pres[calls[1].Caller] == "" {
		t.Errorf("presentation: %v", pres)
	}
	if !l.has(StatusUnfiltered)() || l.has(StatusUndecodable)() || l.has(StatusUnknownType)() {
		t.Errorf("statuses: %v", l.statuses)
	}
}

func TestLabAUserWhoMayWriteGetsOnlyTheWantedTypes(t *testing.T) {
	real := lab(t)
	o := labOptions(t)
	o.Username, o.Password = aritest.LabUser, aritest.LabPassword
	o.Types = []string{"ChannelCreated", "ChannelDestroyed"}
	o.Counters = new(Counters)
	l := connectLab(t, o)
	l.wait(t, "up", func() bool { return l.count(MessageUp) == 1 })
	if _, err := real.Call(t.Context(), "26"); err != nil {
		t.Fatal(err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.has(StatusUnfiltered)() || o.Counters.Unwanted.Load() != 0 || l.count(MessageEvent) != 4 {
		t.Errorf("%d events, %d unwanted, statuses %v", l.count(MessageEvent), o.Counters.Unwanted.Load(), l.statuses)
	}
}

func TestLabAWrongPasswordIsAClearError(t *testing.T) {
	lab(t)
	o := labOptions(t)
	o.Password = "wrong-secret"
	l := connectLab(t, o)
	l.wait(t, "word about the credentials", l.has(StatusCredentials))
	l.mu.Lock()
	defer l.mu.Unlock()
	if text := l.statuses[0].Err.Error(); strings.Contains(text, "wrong-secret") || !strings.Contains(text, "ari.conf") {
		t.Error(text)
	}
}

func TestLabALiveCallIsReadBack(t *testing.T) {
	real := lab(t)
	watcher := connectLab(t, labOptions(t))
	done := make(chan error, 1)
	go func() {
		_, err := real.Call(t.Context(), "01")
		done <- err
	}()
	watcher.wait(t, "bridge", func() bool {
		for _, m := range watcher.messages {
			if e, ok := m.Event.(*v6.ChannelEnteredBridge); ok && len(e.Bridge.ChannelIDs) == 2 {
				return true
			}
		}
		return false
	})
	o := labOptions(t)
	o.App = "textback-late"
	late := connectLab(t, o)
	late.wait(t, "up", func() bool { return late.count(MessageUp) == 1 })
	late.mu.Lock()
	s := late.messages[0].Snapshot
	late.mu.Unlock()
	var caller *Channel
	for i := range s.Channels {
		if s.Channels[i].Caller.GetNumber() == "+15551230101" {
			caller = &s.Channels[i]
		}
	}
	if caller == nil || caller.State != "Up" || caller.Created.IsZero() {
		t.Fatalf("read back: %+v", s)
	}
	bridged := false
	for _, b := range s.Bridges {
		for _, id := range b.ChannelIDs {
			bridged = bridged || id == caller.ID && len(b.ChannelIDs) == 2
		}
	}
	if !bridged || s.StartedAt.IsZero() || s.Restarted {
		t.Errorf("bridges %+v, started %v, restarted %v", s.Bridges, s.StartedAt, s.Restarted)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestLabAKilledPBXIsRecognisedAsRestarted(t *testing.T) {
	real := lab(t)
	l := connectLab(t, labOptions(t))
	l.wait(t, "up", func() bool { return l.count(MessageUp) == 1 })
	if err := real.Kill(t.Context()); err != nil {
		t.Fatal(err)
	}
	l.wait(t, "down", func() bool { return l.count(MessageDown) == 1 })
	if err := real.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	l.wait(t, "second up", func() bool { return l.count(MessageUp) == 2 })
	l.mu.Lock()
	defer l.mu.Unlock()
	if s := l.messages[len(l.messages)-1].Snapshot; s == nil || !s.Restarted || !l.has(StatusRestarted)() {
		t.Errorf("snapshot %+v, statuses %v", s, l.statuses)
	}
}

func TestLabASecondProgramOfTheSameNameIsToldOf(t *testing.T) {
	lab(t)
	first := connectLab(t, labOptions(t))
	first.wait(t, "up", func() bool { return first.count(MessageUp) == 1 })
	connectLab(t, labOptions(t))
	first.wait(t, "word about the other", first.has(StatusReplaced))
}

func TestLabACallBackIsOriginated(t *testing.T) {
	lab(t)
	o := labOptions(t)
	req := OriginateRequest{Endpoint: "Local/+15550119@from-trunk", Extension: "15557770144", Context: "outbound",
		CallerID: "Call back <+12025550123>", Timeout: 5 * time.Second, Variables: map[string]string{"TEXTBACK_THREAD": "7"}}
	_, err := Originate(t.Context(), o, req)
	var re *RESTError
	if !errors.As(err, &re) || re.Status != http.StatusForbidden {
		t.Errorf("with a read-only user: %v", err)
	}
	o.Username, o.Password = aritest.LabUser, aritest.LabPassword
	watcher := connectLab(t, o)
	watcher.wait(t, "up", func() bool { return watcher.count(MessageUp) == 1 })
	ch, err := Originate(t.Context(), o, req)
	if err != nil || ch.ID == "" {
		t.Fatalf("channel %q: %v", ch.ID, err)
	}
	watcher.wait(t, "variable on the new channel", func() bool {
		for _, m := range watcher.messages {
			if e, ok := m.Event.(*v6.ChannelVarset); ok && e.Variable == "TEXTBACK_THREAD" && e.Value == "7" {
				return true
			}
		}
		return false
	})
	req.Endpoint = "NoSuchTech/1"
	if _, err := Originate(t.Context(), o, req); !errors.As(err, &re) {
		t.Errorf("to nowhere: %v", err)
	}
}

func TestLabASilentPBXIsNoticedAndNotTakenForARestartedOne(t *testing.T) {
	real := lab(t)
	for _, tc := range []struct {
		name        string
		fault, mend func(context.Context) error
	}{{"frozen", real.Freeze, real.Thaw}, {"packets dropped", real.Cut, real.Mend}} {
		t.Run(tc.name, func(t *testing.T) {
			// A fresh one: Asterisk 22 was seen to answer no websocket any more after clients had gone without a word.
			if err := real.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			o := labOptions(t)
			o.Ping, o.Idle, o.HandshakeTimeout, o.RequestTimeout = time.Second, 3*time.Second, 3*time.Second, 3*time.Second
			l := connectLab(t, o)
			l.wait(t, "up", func() bool { return l.count(MessageUp) == 1 })
			if err := tc.fault(t.Context()); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = tc.mend(context.Background()) }) // also where the test fails half-way
			l.wait(t, "down", func() bool { return l.count(MessageDown) == 1 })
			if err := tc.mend(t.Context()); err != nil {
				t.Fatal(err)
			}
			l.wait(t, "second up", func() bool { return l.count(MessageUp) == 2 })
			l.mu.Lock()
			defer l.mu.Unlock()
			if s := l.messages[len(l.messages)-1].Snapshot; s == nil || s.Restarted {
				t.Errorf("snapshot %+v", s)
			}
			for _, m := range l.messages {
				if m.Kind == MessageDown && !errors.Is(m.Err, errQuiet) {
					t.Errorf("down because: %v", m.Err)
				}
			}
		})
	}
}
