package esl_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"textback/esl"
	"textback/esl/esltest"
)

const password = "s3cret"

// rig is a simulated FreeSWITCH with a link to it, inside a bubble.
type rig struct {
	pbx  *esltest.Server
	link *esl.Link
	stop func()

	mu       sync.Mutex
	messages []esl.Message
	statuses []esl.Status
	onEach   func(esl.Message)
}

func newRig(t *testing.T, opts esl.Options) *rig {
	t.Helper()
	return rigOn(t, esltest.New(esltest.Options{Password: password}), opts, nil)
}

func rigOn(t *testing.T, pbx *esltest.Server, opts esl.Options, onEach func(esl.Message)) *rig {
	t.Helper()
	r := &rig{pbx: pbx, onEach: onEach}
	opts.Addr = "pbx.example"
	if opts.Password == "" {
		opts.Password = password
	}
	if opts.Dial == nil {
		opts.Dial = pbx.Dial
	}
	opts.Notify = func(s esl.Status) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.statuses = append(r.statuses, s)
	}
	r.link = esl.New(opts)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- r.link.Run(ctx, func(m esl.Message) {
			r.mu.Lock()
			r.messages = append(r.messages, m)
			r.mu.Unlock()
			if r.onEach != nil {
				r.onEach(m)
			}
		})
	}()
	var once sync.Once
	r.stop = func() {
		once.Do(func() {
			cancel()
			if err := <-ended; !errors.Is(err, context.Canceled) {
				t.Errorf("Run returned %v", err)
			}
			pbx.Close()
		})
	}
	return r
}

// story is what the link told, in words: "up down up event:HEARTBEAT".
func (r *rig) story() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var words []string
	for _, m := range r.messages {
		word := m.Kind.String()
		if m.Kind == esl.MessageEvent {
			if m.Name == "HEARTBEAT" {
				continue
			}
			word = m.Name
		}
		words = append(words, word)
	}
	return strings.Join(words, " ")
}

// causes are the statuses told, in words.
func (r *rig) causes() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var words []string
	for _, s := range r.statuses {
		words = append(words, s.Cause.String())
		if s.Err != nil && strings.Contains(s.Err.Error(), password) {
			words = append(words, "PASSWORD-IN-ERROR")
		}
	}
	return strings.Join(words, " ")
}

func (r *rig) last(kind esl.MessageKind) esl.Message {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := len(r.messages) - 1; i >= 0; i-- {
		if r.messages[i].Kind == kind {
			return r.messages[i]
		}
	}
	return esl.Message{}
}

func (r *rig) status(n int) esl.Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	if n >= len(r.statuses) {
		return esl.Status{}
	}
	return r.statuses[n]
}

func channelEvent(name, uuid string) *esltest.Event {
	return esltest.NewEvent("Event-Name", name, "Unique-ID", uuid, "Call-Direction", "inbound", "Channel-Name",
		"sofia/external/+15552340101@192.0.2.1", "variable_uuid", uuid)
}

func (r *rig) want(t *testing.T, story, causes string) {
	t.Helper()
	synctest.Wait()
	if got := r.story(); got != story {
		t.Errorf("told %q, want %q", got, story)
	}
	if got := r.causes(); got != causes {
		t.Errorf("statuses %q, want %q", got, causes)
	}
}

func TestTheLinkSubscribesReadsBackAndTellsEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pbx := esltest.New(esltest.Options{Password: password})
		pbx.Emit(channelEvent("CHANNEL_CREATE", "11111111-aaaa"))
		r := rigOn(t, pbx, esl.Options{}, nil)
		defer r.stop()
		r.want(t, "up", "up")
		snap := r.last(esl.MessageUp).Snapshot
		if snap.Restarted || snap.CoreUUID != pbx.CoreUUID() || len(snap.Channels) != 1 || len(snap.Calls) != 1 ||
			snap.Channels[0]["uuid"] != "11111111-aaaa" || snap.Dumps["11111111-aaaa"]["Unique-ID"] != "11111111-aaaa" {
			t.Errorf("snapshot: %+v", snap)
		}
		if s := r.status(0); s.Live != 1 || s.CoreUUID != pbx.CoreUUID() {
			t.Errorf("status: %+v", s)
		}
		wanted := "event json CHANNEL_CREATE CHANNEL_ANSWER CHANNEL_BRIDGE CHANNEL_HANGUP_COMPLETE HEARTBEAT CUSTOM " +
			"callcenter::info fifo::info vm::maintenance conference::maintenance valet_parking::info"
		if got := pbx.Commands()[0]; got != wanted {
			t.Errorf("subscribed with %q", got)
		}
		pbx.Emit(channelEvent("CHANNEL_ANSWER", "11111111-aaaa"))
		pbx.Emit(channelEvent("CHANNEL_STATE", "11111111-aaaa"))
		pbx.Emit(channelEvent("CHANNEL_HANGUP_COMPLETE", "11111111-aaaa"))
		r.want(t, "up CHANNEL_ANSWER CHANNEL_HANGUP_COMPLETE", "up")
	})
}

// Whatever happens between the subscription and the end of the read-back is told after it, in order.
func TestEventsDuringTheReadBackComeAfterIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pbx := esltest.New(esltest.Options{Password: password})
		for i := range 20 {
			pbx.Emit(channelEvent("CHANNEL_CREATE", fmt.Sprintf("early-%04d", i)))
		}
		go func() {
			if pbx.AwaitSubscriber(t.Context()) == nil {
				for i := range 100 {
					pbx.Emit(channelEvent("CHANNEL_CREATE", fmt.Sprintf("during-%04d", i)))
				}
			}
		}()
		r := rigOn(t, pbx, esl.Options{}, nil)
		defer r.stop()
		synctest.Wait()
		r.mu.Lock()
		defer r.mu.Unlock()
		if len(r.messages) != 101 || r.messages[0].Kind != esl.MessageUp {
			t.Fatalf("%d messages, the first %v", len(r.messages), r.messages[0].Kind)
		}
		for i, m := range r.messages[1:] {
			if want := fmt.Sprintf("during-%04d", i); m.Headers["Unique-ID"] != want {
				t.Fatalf("message %d is of %s, want %s", i+1, m.Headers["Unique-ID"], want)
			}
		}
	})
}

// FreeSWITCH's list is written behind: what it lists and does not know any more has ended.
func TestAChannelThatIsOnlyStillListedIsNotLive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pbx := esltest.New(esltest.Options{Password: password})
		for _, uuid := range []string{"leg-live", "leg-stale", "leg-ending"} {
			pbx.Emit(channelEvent("CHANNEL_CREATE", uuid))
		}
		pbx.LoseEnd("leg-stale")
		pbx.LoseEnd("leg-ending")
		go func() {
			if pbx.AwaitSubscriber(t.Context()) == nil {
				time.Sleep(100 * time.Millisecond)
				pbx.Emit(channelEvent("CHANNEL_HANGUP_COMPLETE", "leg-ending"))
			}
		}()
		r := rigOn(t, pbx, esl.Options{}, nil)
		defer r.stop()
		time.Sleep(time.Second)
		r.want(t, "up CHANNEL_HANGUP_COMPLETE", "up")
		snap := r.last(esl.MessageUp).Snapshot
		var live []string
		for _, row := range snap.Channels {
			live = append(live, row["uuid"])
		}
		if got := strings.Join(live, " "); got != "leg-live leg-ending" || len(snap.Dumps) != 1 || len(snap.Calls) != 2 {
			t.Errorf("live: %s; %d dumps, %d calls", got, len(snap.Dumps), len(snap.Calls))
		}
	})
}

func TestALostConnectionIsToldAndMended(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, esl.Options{})
		defer r.stop()
		time.Sleep(time.Minute)
		r.pbx.Cut()
		r.want(t, "up down", "up closed")
		if err := r.last(esl.MessageDown).Err; !errors.Is(err, esl.ErrClosed) {
			t.Errorf("down by %v", err)
		}
		time.Sleep(2 * time.Second)
		r.want(t, "up down up", "up closed up")
		if r.last(esl.MessageUp).Snapshot.Restarted {
			t.Error("taken for a restart")
		}
	})
}

// Without an answer the first event, a heartbeat at the latest, tells who runs: a restart is not missed for it.
func TestWhoRunsIsLearntFromAnEventIfNeedBe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pbx := esltest.New(esltest.Options{Password: password})
		pbx.HideCore(true)
		r := rigOn(t, pbx, esl.Options{}, nil)
		defer r.stop()
		time.Sleep(21 * time.Second)
		r.want(t, "up", "up")
		if snap := r.last(esl.MessageUp).Snapshot; snap.CoreUUID != pbx.CoreUUID() || snap.Restarted {
			t.Errorf("%+v", snap)
		}
		pbx.Restart()
		time.Sleep(30 * time.Second)
		r.want(t, "up down up", "up closed up")
		if snap := r.last(esl.MessageUp).Snapshot; snap.CoreUUID != pbx.CoreUUID() || !snap.Restarted {
			t.Errorf("%+v", snap)
		}
	})
}

// A program that replays events of several PBXs over one connection is not restarted by each of them.
func TestEventsOfAnotherPBXAreNoRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pbx := esltest.New(esltest.Options{Password: password, Heartbeat: -1})
		pbx.HideCore(true)
		r := rigOn(t, pbx, esl.Options{Idle: time.Hour}, nil)
		defer r.stop()
		from := func(core string) *esltest.Event {
			return esltest.NewEvent("Event-Name", "CHANNEL_ANSWER", "Core-UUID", core)
		}
		synctest.Wait()
		pbx.Emit(from("core-a"))
		pbx.Emit(from("core-b"))
		r.want(t, "up CHANNEL_ANSWER CHANNEL_ANSWER", "up")
		pbx.Cut()
		time.Sleep(5 * time.Second)
		pbx.Emit(from("core-b"))
		r.want(t, "up CHANNEL_ANSWER CHANNEL_ANSWER down up CHANNEL_ANSWER", "up closed up")
		if r.last(esl.MessageUp).Snapshot.Restarted {
			t.Error("taken for a restart")
		}
	})
}

func TestARestartIsRecognised(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, esl.Options{})
		defer r.stop()
		time.Sleep(time.Second)
		r.pbx.Kill()
		time.Sleep(time.Minute)
		r.want(t, "up down", "up closed unreachable")
		r.pbx.Start()
		time.Sleep(time.Minute)
		r.want(t, "up down up", "up closed unreachable up")
		if !r.last(esl.MessageUp).Snapshot.Restarted {
			t.Error("the restart was not seen")
		}
		r.pbx.Shutdown()
		r.want(t, "up down up down", "up closed unreachable up notice")
		if err := r.last(esl.MessageDown).Err; !errors.Is(err, esl.ErrNotice) || !strings.Contains(err.Error(), "shut down") {
			t.Errorf("down by %v", err)
		}
	})
}

// The failures that somebody has to mend are told once, then each hour; the link tries slowly, and comes up by itself when
// they are mended.
func TestALastingRefusalIsToldSparinglyAndRetriedSlowly(t *testing.T) {
	for _, tt := range []struct {
		name       string
		breakIt    func(*esltest.Server)
		mend       func(*esltest.Server)
		cause      string
		err        error
		mostPerMin float64
	}{
		{"wrong password", func(s *esltest.Server) { s.SetPassword("other") }, func(s *esltest.Server) { s.SetPassword(password) },
			"password", esl.ErrPassword, 2},
		{"not in the ACL", func(s *esltest.Server) { s.RejectACL(true) }, func(s *esltest.Server) { s.RejectACL(false) },
			"acl", esl.ErrACL, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				pbx := esltest.New(esltest.Options{Password: password})
				tt.breakIt(pbx)
				r := rigOn(t, pbx, esl.Options{}, nil)
				defer r.stop()
				time.Sleep(50 * time.Minute)
				r.want(t, "", tt.cause)
				if s := r.status(0); !errors.Is(s.Err, tt.err) || s.Retry <= 0 {
					t.Errorf("status: %+v", s)
				}
				if n := float64(pbx.Accepted()) / 50; n > tt.mostPerMin || n < 0.5 {
					t.Errorf("%v attempts a minute", n)
				}
				time.Sleep(20 * time.Minute)
				r.want(t, "", tt.cause+" "+tt.cause)
				if s := r.status(1); s.Withheld < 30 {
					t.Errorf("withheld: %d", s.Withheld)
				}
				tt.mend(pbx)
				time.Sleep(time.Minute)
				r.want(t, "up", tt.cause+" "+tt.cause+" up")
				// Mended and broken anew is news.
				tt.breakIt(pbx)
				pbx.Cut()
				time.Sleep(time.Minute)
				r.want(t, "up down", tt.cause+" "+tt.cause+" up closed "+tt.cause)
			})
		})
	}
}

// A FreeSWITCH that cannot list its channels is read all the same; that gaps cannot be mended is said.
func TestAPBXWithoutAListIsReadAllTheSame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pbx := esltest.New(esltest.Options{Password: password})
		pbx.NoSQL(true)
		r := rigOn(t, pbx, esl.Options{}, nil)
		defer r.stop()
		time.Sleep(10 * time.Minute)
		pbx.Emit(channelEvent("CHANNEL_CREATE", "leg-000001"))
		r.want(t, "up CHANNEL_CREATE", "read-back up")
		if snap := r.last(esl.MessageUp).Snapshot; !errors.Is(snap.Blind, esl.ErrReadBack) {
			t.Errorf("%+v", snap)
		}
		pbx.Cut()
		time.Sleep(10 * time.Minute)
		r.want(t, "up CHANNEL_CREATE down up", "read-back up closed up")
		pbx.NoSQL(false)
		pbx.Cut()
		time.Sleep(10 * time.Minute)
		r.want(t, "up CHANNEL_CREATE down up down up", "read-back up closed up closed up")
		if snap := r.last(esl.MessageUp).Snapshot; snap.Blind != nil || len(snap.Channels) != 1 {
			t.Errorf("%+v", snap)
		}
	})
}

func TestAListOfEventsThatIsRefusedIsSaid(t *testing.T) {
	for _, opts := range []esl.Options{
		{Events: []string{"CHANNEL_CREATE\n\napi shutdown"}},
		{Events: []string{""}},
		{Subclasses: []string{"a b"}},
	} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, opts)
			defer r.stop()
			time.Sleep(time.Minute)
			r.want(t, "", "subscribe")
			for _, c := range r.pbx.Commands() {
				t.Errorf("sent %q", c)
			}
		})
	}
}

func TestAClosedPortIsRetriedWithGrowingPauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pbx := esltest.New(esltest.Options{Password: password})
		pbx.Refuse(true)
		var attempts []time.Time
		r := rigOn(t, pbx, esl.Options{Dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
			attempts = append(attempts, time.Now())
			if network != "tcp" || addr != "pbx.example:8021" {
				t.Errorf("dialled %s %s", network, addr)
			}
			return pbx.Dial(ctx, network, addr)
		}}, nil)
		defer r.stop()
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		for i := 1; i < len(attempts); i++ {
			pause, least := attempts[i].Sub(attempts[i-1]), min(250*time.Millisecond<<min(i-1, 10), 15*time.Second)
			if pause < least || pause > 2*least+time.Second {
				t.Errorf("pause %d was %s", i, pause)
			}
		}
		if n := len(attempts); n < 20 || n > 60 {
			t.Errorf("%d attempts", n)
		}
		if n := strings.Count(r.causes(), "unreachable"); n < 8 || n > 11 {
			t.Errorf("told %d times in ten minutes", n)
		}
	})
}

func TestAFrozenPBXIsDeclaredDead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, esl.Options{})
		defer r.stop()
		time.Sleep(time.Hour + 5*time.Second) // only heartbeats: that is enough
		r.want(t, "up", "up")
		r.pbx.Freeze()
		time.Sleep(36 * time.Second) // forty after the last heartbeat
		r.want(t, "up down", "up silent")
		// It still lets us connect, as the kernel of a stopped process does: the greeting does not come.
		time.Sleep(time.Minute)
		r.want(t, "up down", "up silent timeout")
		r.pbx.Thaw()
		time.Sleep(time.Minute)
		r.want(t, "up down up", "up silent timeout up")
	})
}

// A PBX that sends no heartbeats, or seldom, but answers, is given more time.
func TestAQuietPBXThatAnswersIsNotDeclaredDead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pbx := esltest.New(esltest.Options{Password: password, Heartbeat: 150 * time.Second})
		r := rigOn(t, pbx, esl.Options{}, nil)
		defer r.stop()
		time.Sleep(time.Hour)
		r.want(t, "up", "up")
	})
	synctest.Test(t, func(t *testing.T) {
		pbx := esltest.New(esltest.Options{Password: password, Heartbeat: -1})
		r := rigOn(t, pbx, esl.Options{}, nil)
		defer r.stop()
		time.Sleep(179 * time.Second)
		r.want(t, "up", "up")
		time.Sleep(10 * time.Second)
		r.want(t, "up down up", "up silent up")
	})
}

func TestACommandWithoutAnAnswerEndsTheSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, esl.Options{})
		defer r.stop()
		time.Sleep(time.Minute)
		r.pbx.Mute(true)
		if _, err := r.link.Originate(t.Context(), esl.Call{Ring: "user/1000", Then: "9"}); !errors.Is(err, esl.ErrTimeout) {
			t.Errorf("originate: %v", err)
		}
		r.want(t, "up down", "up timeout")
		r.pbx.Mute(false)
		time.Sleep(time.Minute)
		r.want(t, "up down up", "up timeout up")
	})
}

// A receiver that is too slow loses events; it is told how many, and what lives then. Reading never stops for it.
func TestASlowReceiverGetsAReadBackForWhatItMissed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		block := make(chan struct{})
		pbx := esltest.New(esltest.Options{Password: password, Heartbeat: -1})
		r := rigOn(t, pbx, esl.Options{Queue: 100, Idle: time.Hour}, func(m esl.Message) {
			if m.Name == "CHANNEL_CREATE" {
				<-block
			}
		})
		defer r.stop()
		synctest.Wait()
		const sent = 1000
		for i := range sent {
			pbx.Emit(channelEvent("CHANNEL_CREATE", fmt.Sprintf("flood-%04d", i)))
		}
		synctest.Wait()
		if n := len(pbx.Live()); n != sent {
			t.Fatalf("%d live", n)
		}
		close(block)
		time.Sleep(5 * time.Second)
		pbx.Emit(channelEvent("CHANNEL_ANSWER", "flood-0999"))
		synctest.Wait()
		got := strings.Count(r.story(), "CHANNEL_CREATE")
		over := r.last(esl.MessageOverflow)
		if over.Snapshot == nil || len(over.Snapshot.Channels) != sent || len(over.Snapshot.Dumps) != sent {
			t.Fatal("no read-back of all that lives")
		}
		if lost := r.status(1).Lost; r.causes() != "up overflow" || int(lost)+got != sent || got < 100 || got > 101 ||
			!errors.Is(over.Err, esl.ErrOverflow) {
			t.Errorf("%d told, %d lost of %d; statuses %s; %v", got, lost, sent, r.causes(), over.Err)
		}
		if story := r.story(); !strings.HasSuffix(story, "CHANNEL_CREATE overflow CHANNEL_ANSWER") {
			t.Errorf("the end of the story: %s", story[max(0, len(story)-80):])
		}
	})
}

// The queue is bounded in bytes too: a few events of megabytes are not a few megabytes of thousands.
func TestTheQueueIsBoundedInBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		block := make(chan struct{})
		pbx := esltest.New(esltest.Options{Password: password})
		r := rigOn(t, pbx, esl.Options{QueueBytes: 1 << 20}, func(m esl.Message) {
			if m.Kind == esl.MessageEvent {
				<-block
			}
		})
		defer r.stop()
		synctest.Wait()
		pbx.Flood(100, 100<<10)
		synctest.Wait()
		close(block)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if got := strings.Count(r.story(), "CUSTOM"); got < 10 || got > 11 || r.last(esl.MessageOverflow).Snapshot == nil {
			t.Errorf("%d events told", got)
		}
	})
}

// What had come off the wire when the daemon stops, or the connection ends, is still handed over.
func TestWhatCameOffTheWireIsHandedOver(t *testing.T) {
	for _, how := range []string{"stop", "cut"} {
		t.Run(how, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				block := make(chan struct{})
				pbx := esltest.New(esltest.Options{Password: password})
				r := rigOn(t, pbx, esl.Options{}, func(m esl.Message) {
					if m.Kind == esl.MessageUp {
						<-block
					}
				})
				synctest.Wait()
				for i := range 50 {
					pbx.Emit(channelEvent("CHANNEL_CREATE", fmt.Sprintf("leg-%06d", i)))
				}
				synctest.Wait()
				if how == "cut" {
					pbx.Cut()
					synctest.Wait()
				}
				time.AfterFunc(time.Second, func() { close(block) })
				if how == "cut" {
					time.Sleep(1500 * time.Millisecond)
				}
				r.stop()
				if got := strings.Count(r.story(), "CHANNEL_CREATE"); got != 50 {
					t.Errorf("%d of 50 were handed over", got)
				}
			})
		})
	}
}
