package ari

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"textback/ari/aritest"
)

// rig is a link to a simulated Asterisk inside a synctest bubble.
type rig struct {
	sim    *aritest.Server
	count  Counters
	cancel context.CancelFunc

	mu       sync.Mutex
	messages []Message
	statuses []Status
}

// start runs a simulated Asterisk and a link to it. It must be called inside a bubble.
func start(t *testing.T, so aritest.Options, change func(*Options), handle func(*rig, Message)) *rig {
	t.Helper()
	pipe := aritest.NewPipe()
	r := &rig{sim: aritest.New(so)}
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := r.sim.Serve(pipe); err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	o := Options{URL: "http://pbx:8088/ari", Username: "textback", Password: "secret", App: "textback", Dial: pipe.Dial,
		Counters: &r.count,
		Notify: func(s Status) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.statuses = append(r.statuses, s)
		}}
	if change != nil {
		change(&o)
	}
	ctx, cancel := context.WithCancel(t.Context())
	r.cancel = cancel
	wg.Go(func() {
		err := Run(ctx, o, func(m Message) {
			r.mu.Lock()
			r.messages = append(r.messages, m)
			r.mu.Unlock()
			if handle != nil {
				handle(r, m)
			}
		})
		if err != nil {
			t.Errorf("run: %v", err)
		}
	})
	t.Cleanup(func() {
		cancel()
		r.sim.Close()
		pipe.Close()
		wg.Wait()
	})
	return r
}

// said gives the statuses told so far, as "kind" words.
func (r *rig) said() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var w []string
	for _, s := range r.statuses {
		w = append(w, s.Kind.String())
	}
	return strings.Join(w, " ")
}

// kinds gives the messages so far in short: kinds, and types for events.
func (r *rig) kinds(all bool) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var w []string
	for _, m := range r.messages {
		switch {
		case m.Kind != MessageEvent:
			w = append(w, m.Kind.String())
		case all:
			w = append(w, m.Type)
		}
	}
	return strings.Join(w, " ")
}

func (r *rig) last(k MessageKind) (Message, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := len(r.messages) - 1; i >= 0; i-- {
		if r.messages[i].Kind == k {
			return r.messages[i], true
		}
	}
	return Message{}, false
}

func (r *rig) status(k StatusKind) (Status, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := len(r.statuses) - 1; i >= 0; i-- {
		if r.statuses[i].Kind == k {
			return r.statuses[i], true
		}
	}
	return Status{}, false
}

// event is a minimal event of a channel.
func event(typ, channel string) []byte {
	return fmt.Appendf(nil, `{"type":%q,"timestamp":"2026-11-24T03:14:37.249+0000","channel":{"id":%q,"name":"PJSIP/trunk-00000001","state":"Ring","caller":{"name":"","number":"+15551230401"},"connected":{"name":"","number":""},"dialplan":{"context":"from-trunk","exten":"+15550100","priority":1},"creationtime":"2026-11-24T03:14:37.249+0000"},"application":"textback"}`, typ, channel)
}

func trace(t *testing.T, name string) *aritest.Trace {
	t.Helper()
	tr, err := aritest.LoadTrace(aritest.Recorded(), name)
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

func TestEveryEventOfARecordedCallArrivesInOrder(t *testing.T) {
	tr := trace(t, "04-direct-caller-abandons-ringing")
	synctest.Test(t, func(t *testing.T) {
		r := start(t, aritest.Options{}, nil, nil)
		time.Sleep(time.Second)
		if _, err := r.sim.Play(t.Context(), aritest.Play{Trace: tr, Speed: 1}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		r.mu.Lock()
		defer r.mu.Unlock()
		if len(r.messages) != len(tr.Events)+1 {
			t.Fatalf("%d messages for %d events and an up", len(r.messages), len(tr.Events))
		}
		for i, m := range r.messages[1:] {
			typ, _ := peek(tr.Events[i].Raw)
			if m.Type != typ || m.Err != nil || m.Event == nil || m.Event.GetType() != typ {
				t.Fatalf("event %d is %q (%v), want %q", i, m.Type, m.Err, typ)
			}
		}
	})
}

func TestOnlyWantedTypesAndVariablesArrive(t *testing.T) {
	tr := trace(t, "04-direct-caller-abandons-ringing")
	for _, readOnly := range []bool{false, true} { // filtered by Asterisk, and filtered here
		t.Run(fmt.Sprintf("read-only=%v", readOnly), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := start(t, aritest.Options{ReadOnly: readOnly}, func(o *Options) {
					o.Types = []string{"ChannelCreated", "ChannelDestroyed", "ChannelVarset"}
					o.Variable = func(name string) bool { return name == "DIALSTATUS" }
				}, nil)
				time.Sleep(time.Second)
				if _, err := r.sim.Play(t.Context(), aritest.Play{Trace: tr, Speed: 1}); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				want := "up ChannelCreated ChannelVarset ChannelCreated ChannelVarset ChannelDestroyed ChannelDestroyed"
				if got := r.kinds(true); got != want {
					t.Errorf("got  %s\nwant %s", got, want)
				}
				if _, told := r.status(StatusUnfiltered); told != readOnly {
					t.Errorf("told that no filter could be set: %v", told)
				}
			})
		})
	}
}

func TestWhatLivesIsReadBackAfterALostConnection(t *testing.T) {
	tr := trace(t, "04-direct-caller-abandons-ringing")
	synctest.Test(t, func(t *testing.T) {
		r := start(t, aritest.Options{}, nil, nil)
		time.Sleep(time.Second)
		done := make(chan struct{})
		go func() {
			defer close(done)
			if _, err := r.sim.Play(t.Context(), aritest.Play{Trace: tr, Speed: 1}); err != nil {
				t.Error(err)
			}
		}()
		time.Sleep(3 * time.Second) // ringing
		r.sim.Cut()
		time.Sleep(2 * time.Second)
		if got := r.kinds(false); got != "up down up" {
			t.Fatalf("messages: %s", got)
		}
		up, _ := r.last(MessageUp)
		if len(up.Snapshot.Channels) != 2 || up.Snapshot.Restarted {
			t.Fatalf("snapshot: %+v", up.Snapshot)
		}
		ch := up.Snapshot.Channels[0]
		if ch.Caller.GetNumber() != "+15551230401" || ch.Dialplan.GetExten() != "+15550100" || ch.Created.IsZero() {
			t.Errorf("channel read back: %s", ch.Raw)
		}
		<-done
		if got := r.said(); got != "connected lost connected" {
			t.Errorf("statuses: %s", got)
		}
	})
}

func TestARestartOfThePBXIsRecognised(t *testing.T) {
	for _, tc := range []struct {
		name string
		o    aritest.Options
	}{
		{"by its start-up time", aritest.Options{}},
		{"by having answered 503, where it does not tell the time", aritest.Options{NoInfo: true}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := start(t, tc.o, nil, nil)
				time.Sleep(time.Second)
				if err := r.sim.Restart(t.Context(), 3*time.Second, 7*time.Second); err != nil {
					t.Fatal(err)
				}
				time.Sleep(11 * time.Second)
				up, _ := r.last(MessageUp)
				if got := r.kinds(false); got != "up down up" || !up.Snapshot.Restarted {
					t.Fatalf("messages: %s, restarted: %v", got, up.Snapshot.Restarted)
				}
				if _, ok := r.status(StatusRestarted); !ok {
					t.Errorf("statuses: %s", r.said())
				}
			})
		})
	}
}

func TestALostNetworkIsNotARestart(t *testing.T) {
	for _, o := range []aritest.Options{{}, {NoInfo: true}} {
		synctest.Test(t, func(t *testing.T) {
			r := start(t, o, nil, nil)
			time.Sleep(time.Second)
			r.sim.Down()
			time.Sleep(time.Minute)
			r.sim.Up()
			time.Sleep(12 * time.Second)
			up, _ := r.last(MessageUp)
			if got := r.kinds(false); got != "up down up" || up.Snapshot.Restarted {
				t.Fatalf("messages: %s, restarted: %v", got, up.Snapshot.Restarted)
			}
		})
	}
}

func TestAWrongPasswordIsToldOnceAndTriedSlowly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, aritest.Options{}, func(o *Options) { o.Password = "s3cr3t-typo" }, nil)
		time.Sleep(14 * time.Minute)
		s, ok := r.status(StatusCredentials)
		if !ok || r.said() != "credentials" {
			t.Fatalf("statuses: %s", r.said())
		}
		if text := s.Err.Error(); strings.Contains(text, "s3cr3t") || !strings.Contains(text, `"textback"`) || !strings.Contains(text, "401") {
			t.Errorf("the error reads: %s", text)
		}
		if n := len(r.sim.Requests()); n < 12 || n > 40 {
			t.Errorf("%d tries in 14 minutes", n)
		}
		time.Sleep(3 * time.Minute)
		if r.said() != "credentials credentials" {
			t.Errorf("after 17 minutes: %s", r.said())
		}
		if s, _ := r.status(StatusCredentials); s.Count < 10 {
			t.Errorf("told again for %d times", s.Count)
		}
	})
}

func TestAPBXThatIsNotThereIsTriedOftenAndToldOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var dials atomic.Int32
		r := start(t, aritest.Options{}, func(o *Options) {
			o.Dial = func(context.Context, string, string) (net.Conn, error) {
				dials.Add(1)
				return nil, errors.New("connection refused")
			}
		}, nil)
		time.Sleep(10 * time.Minute)
		if got := r.said(); got != "unreachable" {
			t.Errorf("statuses: %s", got)
		}
		if n := dials.Load(); n < 100 || n > 200 {
			t.Errorf("%d dials in ten minutes: a dead PBX must be noticed back within seconds, without hammering it", n)
		}
	})
}

func TestASilentPeerDoesNotHoldTheLink(t *testing.T) {
	for _, tc := range []struct{ name, before string }{
		{"nothing is said at all", ""},
		{"the answer never ends", "HTTP/1.1 101 Switching Protocols\r\nX: "},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var dials atomic.Int32
				r := start(t, aritest.Options{}, func(o *Options) {
					o.Dial = func(ctx context.Context, _, _ string) (net.Conn, error) {
						dials.Add(1)
						here, there := net.Pipe()
						go func() {
							buf := make([]byte, 4096)
							if _, err := there.Read(buf); err != nil {
								return
							}
							if tc.before == "" {
								_, _ = there.Read(buf) // until the other side gives up
								return
							}
							for _, err := there.Write([]byte(tc.before)); err == nil; _, err = there.Write([]byte("xxxxxxxxxxxxxxxx")) {
							}
						}()
						return here, nil
					}
				}, nil)
				time.Sleep(time.Minute)
				if dials.Load() < 4 {
					t.Errorf("%d dials in a minute", dials.Load())
				}
				if got := r.said(); got != "unreachable" && got != "refused" {
					t.Errorf("statuses: %s", got)
				}
			})
		})
	}
}

func TestADeadNetworkIsNoticedByTheMissingPongs(t *testing.T) {
	for name, fault := range map[string]func(*aritest.Server){"half-open": (*aritest.Server).Blackhole, "frozen": (*aritest.Server).Freeze} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := start(t, aritest.Options{}, nil, nil)
				time.Sleep(10 * time.Minute) // silent and healthy: pongs keep it
				if got := r.kinds(false); got != "up" {
					t.Fatalf("messages of a healthy silent link: %s", got)
				}
				fault(r.sim)
				time.Sleep(31 * time.Second)
				r.sim.Thaw()
				time.Sleep(15 * time.Second)
				if got := r.kinds(false); got != "up down up" {
					t.Fatalf("messages: %s", got)
				}
				if s, _ := r.status(StatusLost); !errors.Is(s.Err, errQuiet) {
					t.Errorf("lost because: %v", s.Err)
				}
			})
		})
	}
}

func TestASlowHandlerLosesNothingSilently(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hold := make(chan struct{})
		r := start(t, aritest.Options{}, func(o *Options) { o.Queue = 50 }, func(_ *rig, m Message) {
			if m.Kind == MessageEvent {
				<-hold
			}
		})
		time.Sleep(time.Second)
		if n := r.sim.Flood(t.Context(), 200); n != 200 {
			t.Fatalf("the reader made Asterisk wait: %d of 200 events went out", n)
		}
		synctest.Wait()
		close(hold)
		time.Sleep(time.Second)
		if got := r.kinds(false); got != "up overflow up" {
			t.Errorf("messages: %s", got)
		}
		handled, dropped := r.count.Events.Load(), r.count.Dropped.Load()
		if handled+dropped != 200 || dropped < 100 {
			t.Errorf("%d handled and %d dropped of 200", handled, dropped)
		}
		if got := r.said(); got != "connected overflow" {
			t.Errorf("statuses: %s", got)
		}
		if up, _ := r.last(MessageUp); up.Snapshot.Restarted {
			t.Error("an overflow is not a restart")
		}
	})
}

func TestAnApplicationTakenOverIsToldWithTheKeyToChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, aritest.Options{}, nil, nil)
		time.Sleep(time.Second)
		r.sim.Send([]byte(`{"type":"ApplicationReplaced","timestamp":"2026-11-24T03:14:37.249+0000","application":"textback"}`))
		time.Sleep(2 * time.Second)
		s, ok := r.status(StatusReplaced)
		if !ok || !strings.Contains(s.Err.Error(), "key app") {
			t.Fatalf("statuses: %s, %v", r.said(), s.Err)
		}
		if got := r.kinds(false); got != "up down" {
			t.Errorf("comes back at once and throws the other out: %s", got)
		}
		time.Sleep(6 * time.Second)
		if got := r.kinds(false); got != "up down up" {
			t.Errorf("messages: %s", got)
		}
	})
}

func TestGarbageIsCountedAndDoesNotEndTheLink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, aritest.Options{}, nil, nil)
		time.Sleep(time.Second)
		for _, text := range []string{"", "null", "[]", "{", `"x"`, `{"type":7}`, `{"type":"NoSuchType","a":1}`,
			`{"type":"ChannelCreated","channel":7}`, `{"type":"ChannelCreated","timestamp":"yesterday","channel":{"id":"a.1"}}`,
			"\xff\xfe\x00", `{"type":"ChannelDestroyed"}`, strings.Repeat("[", 100000)} {
			r.sim.Send([]byte(text))
		}
		time.Sleep(time.Second)
		if got := r.kinds(false); got != "up" {
			t.Errorf("messages: %s", got)
		}
		if n := r.count.Events.Load(); n != 12 {
			t.Errorf("%d of 12 handed on", n)
		}
		if n := r.count.Unknown.Load(); n != 1 {
			t.Errorf("%d of an unknown type, want 1", n)
		}
		if n := r.count.Undecodable.Load(); n != 10 {
			t.Errorf("%d undecodable, want 10", n)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		for _, m := range r.messages {
			if m.Type == "ChannelCreated" && m.Event == nil {
				t.Errorf("%s: thrown away for one bad field", m.Raw)
			}
		}
		perKind := make(map[StatusKind]int)
		for _, s := range r.statuses {
			if perKind[s.Kind]++; perKind[s.Kind] > 1 {
				t.Errorf("told twice within a minute: %v", s)
			}
		}
	})
}

func TestBrokenFramesEndTheConnectionAndItComesBack(t *testing.T) {
	for name, b := range map[string][]byte{
		"a frame of nine exabytes":  {0x81, 127, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
		"a masked frame":            {0x81, 0x81, 1, 2, 3, 4, 5},
		"reserved bits":             {0xf1, 0x01, 'x'},
		"a close frame":             {0x88, 0x00},
		"HTTP in mid-stream":        []byte("HTTP/1.1 400 Bad Request\r\n\r\n"),
		"an unfinished frame, then": {0x81, 126, 0xff, 0xff, 'x'},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := start(t, aritest.Options{}, nil, nil)
				time.Sleep(time.Second)
				r.sim.SendBytes(b)
				if name == "an unfinished frame, then" {
					r.sim.Cut()
				}
				time.Sleep(2 * time.Minute)
				r.sim.Send(event("ChannelCreated", "a-1700000000.1"))
				synctest.Wait()
				if _, ok := r.last(MessageEvent); !ok {
					t.Errorf("no events any more; messages: %s, statuses: %s", r.kinds(true), r.said())
				}
			})
		})
	}
}

func TestARefusalIsPutIntoWords(t *testing.T) {
	for status, want := range map[int]string{
		http.StatusForbidden: "access list", http.StatusNotFound: "ari.conf",
		http.StatusServiceUnavailable: "still starting", http.StatusBadRequest: "is this the address of ARI",
	} {
		synctest.Test(t, func(t *testing.T) {
			r := start(t, aritest.Options{}, func(o *Options) { o.App = "other" }, nil)
			r.sim.Refuse(status)
			time.Sleep(time.Second)
			r.sim.Cut()
			time.Sleep(10 * time.Second)
			r.mu.Lock()
			defer r.mu.Unlock()
			found := false
			for _, s := range r.statuses {
				found = found || s.Err != nil && strings.Contains(s.Err.Error(), want)
			}
			if !found {
				t.Errorf("HTTP %d: %v", status, r.statuses)
			}
		})
	}
}

func TestAFloodDuringTheReadBackIsReadBackAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, aritest.Options{}, func(o *Options) { o.Queue = 50 }, nil)
		for !r.sim.Connected("textback") {
			time.Sleep(time.Millisecond)
		}
		r.sim.Flood(t.Context(), 200)
		time.Sleep(time.Second)
		if got := r.kinds(false); got != "up overflow up" {
			t.Errorf("messages: %s", got)
		}
		if handled, dropped := r.count.Events.Load(), r.count.Dropped.Load(); handled != 50 || dropped != 150 {
			t.Errorf("%d handled and %d dropped of 200", handled, dropped)
		}
	})
}

func TestASecondClientOfTheSameNameTakesTheEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pipe := aritest.NewPipe()
		sim := aritest.New(aritest.Options{})
		go sim.Serve(pipe)
		var first, second rig
		ctx, cancel := context.WithCancel(t.Context())
		run := func(r *rig) {
			o := Options{URL: "http://pbx/ari", Username: "textback", Password: "secret", App: "textback", Dial: pipe.Dial,
				Types:  []string{"ChannelCreated"},
				Notify: func(s Status) { r.mu.Lock(); defer r.mu.Unlock(); r.statuses = append(r.statuses, s) }}
			if err := Run(ctx, o, func(Message) {}); err != nil {
				t.Error(err)
			}
		}
		var wg sync.WaitGroup
		wg.Go(func() { run(&first) })
		time.Sleep(time.Second)
		wg.Go(func() { run(&second) })
		time.Sleep(time.Hour)
		cancel()
		sim.Close()
		pipe.Close()
		wg.Wait()
		for _, r := range []*rig{&first, &second} {
			if _, ok := r.status(StatusReplaced); !ok {
				t.Errorf("not told of the other; statuses: %s", r.said())
			}
		}
		if n := len(sim.Requests()); n > 60*2*5*4 {
			t.Errorf("%d requests in an hour: they fight", n)
		}
	})
}

func TestAForgottenApplicationIsNoticedThoughThePingsAreAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, aritest.Options{}, nil, nil)
		time.Sleep(time.Second)
		r.sim.Forget()
		time.Sleep(32 * time.Second)
		if got := r.kinds(false); got != "up down up" {
			t.Errorf("messages: %s", got)
		}
	})
}

// TestAPeerWithoutBridgesAndApplicationsIsLivedWith: a proxy in front of Asterisk may let only some paths through.
func TestAPeerWithoutBridgesAndApplicationsIsLivedWith(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, aritest.Options{Bare: true, NoInfo: true}, nil, nil)
		time.Sleep(10 * time.Minute)
		if got := r.kinds(false); got != "up" {
			t.Errorf("messages: %s; said: %s", got, r.said())
		}
	})
}
