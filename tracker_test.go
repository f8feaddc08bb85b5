package textback_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"textback"
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// play is a small language for events: each step is at some milliseconds after noon, by both clocks.
type play struct {
	t       *testing.T
	tracker *textback.Tracker
	changes []textback.Change
}

func newPlay(t *testing.T) *play {
	return &play{t: t, tracker: textback.NewTracker(textback.TrackerOptions{PBX: "hq"})}
}

func at(ms int) time.Time { return noon.Add(time.Duration(ms) * time.Millisecond) }

func (p *play) see(ms int, e textback.Event) {
	if e.At.IsZero() && !e.Found {
		e.At = at(ms)
	}
	e.Seen = at(ms)
	p.changes = append(p.changes, p.tracker.Observe(e)...)
}

func (p *play) settle(ms int) { p.changes = append(p.changes, p.tracker.Settle(at(ms))...) }

func (p *play) caller(ms int, id string) {
	p.see(ms, textback.Event{Kind: textback.LegCreated, Leg: id, Info: &textback.LegInfo{Kind: textback.LegInbound,
		Name: "PJSIP/trunk-1", Party: textback.Party{Number: "+15551230001"}, Dialled: []string{"+15550100"}}})
}

func (p *play) leg(ms int, id string, kind textback.LegKind) {
	p.see(ms, textback.Event{Kind: textback.LegCreated, Leg: id, Info: &textback.LegInfo{Kind: kind, Name: id}})
}

func (p *play) do(ms int, kind textback.EventKind, leg, other string) {
	p.see(ms, textback.Event{Kind: kind, Leg: leg, Other: other})
}

func (p *play) stage(ms int, leg string, s textback.Stage) {
	p.see(ms, textback.Event{Kind: textback.StageEntered, Leg: leg, Stage: s})
}

func (p *play) result(ms int, leg string, s textback.Stage, r textback.Result) {
	p.see(ms, textback.Event{Kind: textback.StageEnded, Leg: leg, Stage: s, Result: r})
}

func (p *play) hangup(ms int, leg string, by textback.Ender, q850 int) {
	p.see(ms, textback.Event{Kind: textback.HangupRequested, Leg: leg, By: by})
	p.see(ms+1, textback.Event{Kind: textback.LegEnded, Leg: leg, Cause: textback.Cause{Q850: q850}})
}

// phone dials a phone that rings from the first to the second time and ends with a cause; refused: the phone said so.
func (p *play) phone(from, to int, by, id string, rings, refused bool, q850 int) {
	p.leg(from, id, textback.LegOutgoing)
	p.do(from, textback.LegDialled, by, id)
	if rings {
		p.do(from+1, textback.LegRinging, id, "")
	}
	if refused {
		p.see(to, textback.Event{Kind: textback.HangupRequested, Leg: id, By: textback.EndedByCaller})
	}
	p.see(to, textback.Event{Kind: textback.LegEnded, Leg: id, Cause: textback.Cause{Q850: q850}})
}

// only is the one call that ended.
func (p *play) only() textback.Call {
	p.t.Helper()
	p.settle(3600_000)
	var ended []textback.Call
	for _, c := range p.changes {
		if c.Kind == textback.CallEnded && c.Call.ID == "hq/a" {
			ended = append(ended, c.Call)
		}
	}
	if len(ended) != 1 {
		p.t.Fatalf("%d calls ended: %+v", len(ended), ended)
	}
	return ended[0]
}

func TestTheLastStageDecides(t *testing.T) {
	const caller, pbx = textback.EndedByCaller, textback.EndedByPBX
	for _, tt := range []struct {
		name string
		want textback.Outcome
		play func(p *play)
		by   textback.Ender
		q850 int
	}{
		{"nothing at all, the caller hangs up", textback.Abandoned, func(*play) {}, caller, 127},
		{"nothing at all, the PBX hangs up", textback.Unreachable, func(*play) {}, pbx, 16},
		{"the PBX answers and hangs up", textback.Closed, func(p *play) { p.do(10, textback.LegAnswered, "a", "") }, pbx, 16},
		{"an announcement", textback.Closed, func(p *play) { p.stage(10, "a", textback.StageAnnouncement) }, pbx, 16},
		{"an announcement, the caller hangs up", textback.Abandoned, func(p *play) { p.stage(10, "a", textback.StageAnnouncement) },
			caller, 127},
		{"no such number", textback.Unreachable, func(*play) {}, pbx, 1},
		{"busy by the dialplan", textback.Busy, func(*play) {}, pbx, 17},
		{"blocked by the dialplan", textback.Rejected, func(*play) {}, pbx, 21},
		{"phone rings out", textback.NoAnswer, func(p *play) { p.phone(10, 9000, "a", "b", true, false, 0) }, pbx, 16},
		{"phone cannot be reached", textback.Unreachable, func(p *play) { p.phone(10, 9000, "a", "b", false, false, 0) }, pbx, 16},
		{"phone busy", textback.Busy, func(p *play) { p.phone(10, 100, "a", "b", false, true, 17) }, pbx, 17},
		{"phone busy after ringing is turned down", textback.Rejected, func(p *play) { p.phone(10, 2000, "a", "b", true, true, 17) },
			pbx, 17},
		{"phone declines", textback.Rejected, func(p *play) { p.phone(10, 2000, "a", "b", true, true, 21) }, pbx, 21},
		{"phone unavailable at once", textback.Unreachable, func(p *play) { p.phone(10, 100, "a", "b", false, true, 19) }, pbx, 19},
		{"phone rings out by its own timer", textback.NoAnswer, func(p *play) { p.phone(10, 9000, "a", "b", true, true, 19) }, pbx, 19},
		{"one busy, one rings out", textback.NoAnswer, func(p *play) {
			p.phone(10, 100, "a", "b", false, true, 17)
			p.phone(20, 9000, "a", "c", true, false, 0)
		}, pbx, 17},
		{"one declines, one is busy", textback.Rejected, func(p *play) {
			p.phone(10, 2000, "a", "b", true, true, 21)
			p.phone(20, 100, "a", "c", false, true, 17)
		}, pbx, 17},
		{"one is not there, one is busy", textback.Busy, func(p *play) {
			p.phone(10, 100, "a", "b", false, true, 20)
			p.phone(20, 100, "a", "c", false, true, 17)
		}, pbx, 17},
		{"rings out, then an announcement in which the caller hangs up", textback.NoAnswer, func(p *play) {
			p.phone(10, 9000, "a", "b", true, false, 0)
			p.stage(9000, "a", textback.StageAnnouncement)
		}, caller, 16},
		{"menu, then a phone rings out", textback.NoAnswer, func(p *play) {
			p.stage(5, "a", textback.StageMenu)
			p.stage(9, "a", textback.StageDial)
			p.phone(10, 9000, "a", "b", true, false, 0)
		}, pbx, 16},
		{"a phone rings out, then a menu", textback.MenuAbandoned, func(p *play) {
			p.stage(9, "a", textback.StageDial)
			p.phone(10, 5000, "a", "b", true, false, 0)
			p.stage(5001, "a", textback.StageMenu)
		}, caller, 16},
		{"queue, caller gives up", textback.QueueAbandoned, func(p *play) { p.stage(5, "a", textback.StageQueue) }, caller, 16},
		{"queue gives up", textback.QueueTimeout, func(p *play) {
			p.stage(5, "a", textback.StageQueue)
			p.result(9000, "a", textback.StageQueue, textback.ResultTimeout)
		}, pbx, 16},
		{"queue gives up, then voicemail without a message", textback.VoicemailHangup, func(p *play) {
			p.stage(5, "a", textback.StageQueue)
			p.result(9000, "a", textback.StageQueue, textback.ResultTimeout)
			p.stage(9001, "a", textback.StageVoicemail)
		}, caller, 16},
		{"queue gives up, then voicemail with a message", textback.Voicemail, func(p *play) {
			p.stage(5, "a", textback.StageQueue)
			p.result(9000, "a", textback.StageQueue, textback.ResultTimeout)
			p.stage(9001, "a", textback.StageVoicemail)
			p.result(9900, "a", textback.StageVoicemail, textback.ResultMessage)
		}, caller, 16},
		{"empty queue", textback.Unreachable, func(p *play) {
			p.stage(5, "a", textback.StageQueue)
			p.result(6, "a", textback.StageQueue, textback.ResultUnavailable)
		}, pbx, 16},
		{"alone in a conference", textback.Abandoned, func(p *play) {
			p.stage(5, "a", textback.StageConference)
			p.do(6, textback.LegJoined, "a", "room")
		}, caller, 16},
		{"parked and forgotten", textback.Abandoned, func(p *play) {
			p.stage(5, "a", textback.StagePark)
			p.see(6, textback.Event{Kind: textback.LegJoined, Leg: "a", Other: "lot", Holding: true})
			p.leg(7, "b", textback.LegPhone)
			p.do(7, textback.LegAnswered, "b", "")
			p.see(8, textback.Event{Kind: textback.LegJoined, Leg: "b", Other: "lot", Holding: true})
		}, caller, 16},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newPlay(t)
			p.caller(0, "a")
			tt.play(p)
			p.hangup(12000, "a", tt.by, tt.q850)
			if c := p.only(); c.Outcome != tt.want {
				t.Errorf("outcome %s, want %s: %v", c.Outcome, tt.want, c.Evidence)
			}
		})
	}
}

// bridged connects the caller with a leg for a while.
func bridged(p *play, from, to int, a, b, bridge string) {
	p.do(from, textback.LegJoined, a, bridge)
	p.do(from, textback.LegJoined, b, bridge)
	p.do(to, textback.LegLeft, a, bridge)
	p.do(to, textback.LegLeft, b, bridge)
}

func TestAnsweredIsBeingConnectedWithAPerson(t *testing.T) {
	for _, tt := range []struct {
		name     string
		answered bool
		play     func(p *play)
	}{
		{"a phone that was picked up", true, func(p *play) {
			p.leg(10, "b", textback.LegOutgoing)
			p.do(2000, textback.LegAnswered, "b", "")
			bridged(p, 2000, 2200, "a", "b", "x")
		}},
		{"a phone that was not picked up: early media", false, func(p *play) {
			p.leg(10, "b", textback.LegOutgoing)
			bridged(p, 2000, 9000, "a", "b", "x")
		}},
		{"two milliseconds", false, func(p *play) {
			p.leg(10, "b", textback.LegOutgoing)
			p.do(2000, textback.LegAnswered, "b", "")
			bridged(p, 2000, 2002, "a", "b", "x")
		}},
		{"a phone that was picked up and never met the caller", false, func(p *play) {
			p.leg(10, "b", textback.LegOutgoing)
			p.do(10, textback.LegDialled, "a", "b")
			p.do(2000, textback.LegAnswered, "b", "")
		}},
		{"another caller", false, func(p *play) {
			p.leg(10, "b", textback.LegInbound)
			p.do(2000, textback.LegAnswered, "b", "")
			bridged(p, 2000, 9000, "a", "b", "room")
			p.hangup(9000, "b", textback.EndedByCaller, 16)
		}},
		{"a recorder", false, func(p *play) {
			p.leg(10, "b", textback.LegPseudo)
			p.do(2000, textback.LegAnswered, "b", "")
			bridged(p, 2000, 9000, "a", "b", "room")
		}},
		{"a phone behind two virtual legs", true, func(p *play) {
			for _, id := range []string{"l1", "l2", "m1", "m2"} {
				p.leg(10, id, textback.LegVirtual)
			}
			p.do(10, textback.LegPaired, "l1", "l2")
			p.do(10, textback.LegPaired, "m2", "m1")
			p.leg(20, "b", textback.LegOutgoing)
			p.do(2000, textback.LegAnswered, "b", "")
			bridged(p, 2000, 9000, "a", "l1", "x")
			bridged(p, 2000, 9000, "l2", "m1", "y")
			bridged(p, 2000, 9000, "m2", "b", "z")
		}},
		{"a phone behind a virtual leg, at another time", false, func(p *play) {
			for _, id := range []string{"l1", "l2"} {
				p.leg(10, id, textback.LegVirtual)
			}
			p.do(10, textback.LegPaired, "l1", "l2")
			p.leg(20, "b", textback.LegOutgoing)
			p.do(2000, textback.LegAnswered, "b", "")
			bridged(p, 2000, 3000, "l2", "b", "z")
			bridged(p, 4000, 9000, "a", "l1", "x")
		}},
		{"virtual legs in a circle", false, func(p *play) {
			for _, id := range []string{"l1", "l2"} {
				p.leg(10, id, textback.LegVirtual)
			}
			p.do(10, textback.LegPaired, "l1", "l2")
			bridged(p, 4000, 9000, "a", "l1", "x")
			bridged(p, 4000, 9000, "l2", "a", "y")
		}},
		{"the PBX's clock goes back an hour meanwhile", true, func(p *play) {
			p.leg(10, "b", textback.LegOutgoing)
			p.do(2000, textback.LegAnswered, "b", "")
			p.do(2000, textback.LegJoined, "a", "x")
			p.do(2000, textback.LegJoined, "b", "x")
			for _, id := range []string{"a", "b"} {
				p.see(9000, textback.Event{Kind: textback.LegLeft, At: at(9000).Add(-time.Hour), Leg: id, Other: "x"})
				p.see(9000, textback.Event{Kind: textback.LegEnded, At: at(9000).Add(-time.Hour), Leg: id})
			}
		}},
		{"a link with a phone", true, func(p *play) {
			p.leg(10, "b", textback.LegOutgoing)
			p.do(2000, textback.LegAnswered, "b", "")
			p.do(2000, textback.LegLinked, "b", "a")
			p.hangup(5000, "b", textback.EndedByCaller, 16)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newPlay(t)
			p.caller(0, "a")
			tt.play(p)
			p.hangup(12000, "a", textback.EndedByCaller, 16)
			c := p.only()
			if got := c.Outcome == textback.Answered; got != tt.answered {
				t.Errorf("answered %v, want %v: %v", got, tt.answered, c.Evidence)
			}
			if c.Connected.IsZero() == tt.answered {
				t.Errorf("connected at %v", c.Connected)
			}
		})
	}
}

func TestACallIsConnectedWhileItLives(t *testing.T) {
	p := newPlay(t)
	p.caller(0, "a")
	p.leg(10, "b", textback.LegOutgoing)
	p.do(2000, textback.LegAnswered, "b", "")
	p.do(2000, textback.LegJoined, "a", "x")
	p.do(2000, textback.LegJoined, "b", "x")
	next, ok := p.tracker.Next()
	if !ok || next.Before(at(2000)) || next.After(at(3000)) {
		t.Fatalf("next %v", next)
	}
	p.settle(3000)
	if n := len(p.changes); n != 2 || p.changes[0].Kind != textback.CallBegan || p.changes[1].Kind != textback.CallConnected {
		t.Fatalf("%+v", p.changes)
	}
	if p.tracker.Live() != 1 || len(p.tracker.Calls()) != 1 {
		t.Error("the call does not live")
	}
	if r := p.changes[1].Call.Ring; r != 2*time.Second {
		t.Errorf("rang for %v", r)
	}
}

func TestCallsThatAGapSwallowed(t *testing.T) {
	for _, tt := range []struct {
		name      string
		restarted bool
		live      []string
		outcome   textback.Outcome
		unseen    bool
	}{
		{"the PBX lived on, the call did not", false, nil, textback.Lost, true},
		{"the PBX was started anew", true, nil, textback.Lost, false},
		{"the call lived on and is abandoned later", false, []string{"a"}, textback.Abandoned, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newPlay(t)
			p.caller(0, "a")
			p.see(4000, textback.Event{Kind: textback.LinkDown})
			p.see(9000, textback.Event{Kind: textback.LinkUp, Restarted: tt.restarted, Live: tt.live})
			if tt.live != nil {
				p.hangup(12000, "a", textback.EndedByCaller, 127)
			}
			c := p.only()
			if c.Outcome != tt.outcome || c.Unseen != tt.unseen {
				t.Errorf("%s, unseen %v", c.Outcome, c.Unseen)
			}
			if tt.live == nil && (c.End.Before(at(0)) || c.End.After(at(9000))) {
				t.Errorf("ended at %v", c.End)
			}
		})
	}
}

func TestAnAnsweredCallWhoseEndFellIntoAGapIsAnswered(t *testing.T) {
	p := newPlay(t)
	p.caller(0, "a")
	p.leg(10, "b", textback.LegOutgoing)
	p.do(2000, textback.LegAnswered, "b", "")
	p.do(2000, textback.LegLinked, "a", "b")
	p.see(2001, textback.Event{Kind: textback.LinkDown})
	p.see(9000, textback.Event{Kind: textback.LinkUp})
	if c := p.only(); c.Outcome != textback.Answered || c.Unseen {
		t.Errorf("%s, unseen %v", c.Outcome, c.Unseen)
	}
}

func TestShutdownLosesTheCallThatRings(t *testing.T) {
	p := newPlay(t)
	p.caller(0, "a")
	p.see(4000, textback.Event{Kind: textback.HangupRequested, Leg: "a", By: textback.EndedByPBX, Shutdown: true})
	p.see(4001, textback.Event{Kind: textback.LegEnded, Leg: "a"})
	if c := p.only(); c.Outcome != textback.Lost || c.Unseen {
		t.Errorf("%s, unseen %v", c.Outcome, c.Unseen)
	}
}

func TestElsewhereIsAnsweredUnlessTheCauseWasThereBefore(t *testing.T) {
	for _, left := range []bool{false, true} {
		p := newPlay(t)
		p.caller(0, "a")
		if left {
			p.phone(10, 2000, "a", "b", true, false, 16) // ends with 16, which stays on the caller's leg
		}
		p.see(4000, textback.Event{Kind: textback.HangupRequested, Leg: "a", By: textback.EndedByCaller, Elsewhere: true,
			Cause: textback.Cause{Q850: 16}})
		p.see(4001, textback.Event{Kind: textback.LegEnded, Leg: "a", Cause: textback.Cause{Q850: 16}})
		if c := p.only(); (c.Outcome == textback.Answered) == left {
			t.Errorf("cause left behind %v: %s", left, c.Outcome)
		}
	}
}

func TestAStragglerBeginsNoCall(t *testing.T) {
	p := newPlay(t)
	p.caller(0, "a")
	p.hangup(1000, "a", textback.EndedByCaller, 127)
	p.settle(60000)
	if n := p.tracker.Stats().Legs; n != 0 {
		t.Errorf("%d legs are kept", n)
	}
	p.caller(61000, "a")
	p.hangup(61000, "a", textback.EndedByCaller, 127)
	p.only()
	if late := p.tracker.Stats().Late; late == 0 {
		t.Error("the straggler was not counted")
	}
}

func TestLegsThatNeverEndAreSwept(t *testing.T) {
	p := &play{t: t, tracker: textback.NewTracker(textback.TrackerOptions{PBX: "hq", LegTTL: time.Minute})}
	p.caller(0, "a")
	p.leg(0, "Message/ast_msg_queue", textback.LegPseudo)
	p.settle(59000)
	if p.tracker.Live() != 1 {
		t.Fatal("swept too early")
	}
	c := p.only()
	if c.Outcome != textback.Lost || !c.Unseen {
		t.Errorf("%s, unseen %v", c.Outcome, c.Unseen)
	}
	if s := p.tracker.Stats(); s.Swept != 2 || s.Legs != 0 {
		t.Errorf("%+v", s)
	}
}

func TestAnHourInAQueueStaysSmall(t *testing.T) {
	p := newPlay(t)
	p.caller(0, "a")
	p.stage(5, "a", textback.StageQueue)
	most := 0
	for i := range 1500 {
		p.phone(10000*i+10, 10000*i+6000, "a", fmt.Sprintf("agent-%d", i), true, false, 0)
		p.stage(10000*i+7000, "a", textback.StageAnnouncement)
		most = max(most, p.tracker.Stats().Legs)
	}
	if most > 300 {
		t.Errorf("%d legs kept", most)
	}
	p.hangup(15_001_000, "a", textback.EndedByCaller, 16)
	p.settle(16_000_000)
	c := p.changes[len(p.changes)-1].Call
	if c.Outcome != textback.QueueAbandoned || len(c.Evidence) > 30 {
		t.Errorf("%s with %d sentences", c.Outcome, len(c.Evidence))
	}
	if s := p.tracker.Stats(); s.Folded == 0 || s.Legs != 0 {
		t.Errorf("%+v", s)
	}
}

func TestThePersonIsRememberedWhenHisLegIsFolded(t *testing.T) {
	p := newPlay(t)
	p.caller(0, "a")
	p.leg(10, "b", textback.LegOutgoing)
	p.do(2000, textback.LegAnswered, "b", "")
	p.do(2000, textback.LegLinked, "a", "b")
	p.hangup(5000, "b", textback.EndedByCaller, 16)
	p.stage(5001, "a", textback.StageQueue)
	for i := range 600 {
		p.phone(10000*i+6000, 10000*i+12000, "a", fmt.Sprintf("agent-%d", i), true, false, 0)
	}
	p.hangup(6_100_000, "a", textback.EndedByCaller, 16)
	p.settle(7_000_000)
	if c := p.changes[len(p.changes)-1].Call; c.Outcome != textback.Answered || !c.Connected.Equal(at(2000)) {
		t.Errorf("%s, connected %v", c.Outcome, c.Connected)
	}
}

func TestACallOutTellsTheNumberCalled(t *testing.T) {
	p := newPlay(t)
	p.leg(0, "staff", textback.LegPhone)
	p.see(10, textback.Event{Kind: textback.LegCreated, Leg: "out", Info: &textback.LegInfo{Kind: textback.LegOutgoing, Outside: true}})
	p.do(11, textback.LegDialled, "staff", "out")
	p.see(12, textback.Event{Kind: textback.LegFact, Leg: "out", Fact: textback.FactNumber, Index: 1, Text: "100"})
	p.see(13, textback.Event{Kind: textback.LegFact, Leg: "out", Fact: textback.FactNumber, Index: 0, Text: "15557770122"})
	p.do(3000, textback.LegAnswered, "out", "")
	p.do(3000, textback.LegAnswered, "staff", "")
	bridged(p, 3000, 9000, "staff", "out", "x")
	p.hangup(9000, "out", textback.EndedByCaller, 16)
	p.hangup(9000, "staff", textback.EndedByPBX, 16)
	p.settle(20000)
	var kinds []string
	for _, c := range p.changes {
		kinds = append(kinds, c.Kind.String())
		if c.Call.Direction != textback.Outbound || c.Call.Party.Number != "15557770122" {
			t.Errorf("%+v", c.Call)
		}
	}
	if got := strings.Join(kinds, " "); got != "began connected ended" {
		t.Error(got)
	}
	if c := p.changes[len(p.changes)-1].Call; c.Outcome != textback.Answered {
		t.Error(c.Outcome)
	}
}

func TestInternalCallsYieldNothing(t *testing.T) {
	p := newPlay(t)
	p.leg(0, "staff", textback.LegPhone)
	p.phone(10, 9000, "staff", "b", true, false, 0)
	p.hangup(9000, "staff", textback.EndedByPBX, 16)
	p.settle(20000)
	if len(p.changes) != 0 {
		t.Errorf("%+v", p.changes)
	}
}

func TestTheFirstFormOfTheLineCounts(t *testing.T) {
	p := newPlay(t)
	p.caller(0, "a")
	for i, text := range []string{"first", "second"} {
		p.see(10+i, textback.Event{Kind: textback.LegFact, Leg: "a", Fact: textback.FactDialled, Index: 1, Text: text})
	}
	p.see(20, textback.Event{Kind: textback.LegFact, Leg: "a", Fact: textback.FactWithheld, On: true})
	p.see(21, textback.Event{Kind: textback.LegFact, Leg: "a", Fact: textback.FactDeclined, On: true})
	p.see(22, textback.Event{Kind: textback.LegFact, Leg: "a", Fact: textback.FactVerified, On: false})
	p.hangup(1000, "a", textback.EndedByCaller, 127)
	c := p.only()
	if !slices.Equal(c.Dialled, []string{"+15550100", "first"}) || !c.Party.Withheld || !c.Declined ||
		c.Party.Verification != textback.VerificationFailed {
		t.Errorf("%+v", c)
	}
}

func BenchmarkObserve(b *testing.B) {
	b.ReportAllocs()
	tracker := textback.NewTracker(textback.TrackerOptions{PBX: "hq"})
	events := 0
	for i := 0; b.Loop(); i++ {
		p := &play{tracker: tracker}
		base, a, x := i*100, fmt.Sprintf("a%d", i), fmt.Sprintf("b%d", i)
		p.caller(base, a)
		p.stage(base+1, a, textback.StageDial)
		p.phone(base+2, base+20, a, x, true, false, 0)
		p.result(base+21, a, textback.StageDial, textback.ResultTimeout)
		p.hangup(base+22, a, textback.EndedByPBX, 16)
		events += 9
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(events), "ns/event")
}
