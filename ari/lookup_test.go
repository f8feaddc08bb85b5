package ari

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	v6 "github.com/CyCoreSystems/ari/v6"

	"textback/ari/aritest"
)

// presentation asks for the presentation of each new channel in state Ring, and of each that is read back.
func presentation(m Message) []Lookup {
	want := func(id string) Lookup { return Lookup{Channel: id, Variables: []string{"CALLERID(pres)", "NOTHING"}} }
	switch m.Kind {
	case MessageUp:
		var all []Lookup
		for _, ch := range m.Snapshot.Channels {
			all = append(all, want(ch.ID))
		}
		return all
	case MessageEvent:
		switch e := m.Event.(type) {
		case *v6.ChannelCreated:
			return []Lookup{want(e.Channel.ID)}
		case *v6.ChannelStateChange:
			return []Lookup{want(e.Channel.ID)} // again: must not be asked twice
		}
	}
	return nil
}

func TestAVariableOfAChannelIsReadOnce(t *testing.T) {
	tr := trace(t, "25-anonymous-no-answer")
	synctest.Test(t, func(t *testing.T) {
		r := start(t, aritest.Options{}, func(o *Options) { o.Lookups = presentation }, nil)
		time.Sleep(time.Second)
		calls, err := r.sim.Play(t.Context(), aritest.Play{Trace: tr, Speed: 1})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		asked := 0
		for _, q := range r.sim.Requests() {
			if q == "GET /ari/channels/"+calls[0].ID+"/variable" {
				asked++
			}
		}
		if asked != 2 {
			t.Errorf("asked %d times for two variables", asked)
		}
		answers := 0
		r.mu.Lock()
		defer r.mu.Unlock()
		for _, m := range r.messages {
			if m.Kind == MessageVariables && m.Channel == calls[0].ID {
				answers++
				if nothing, ok := m.Values["NOTHING"]; m.Values["CALLERID(pres)"] != "prohib_not_screened" || !ok || nothing != "" || m.Err != nil {
					t.Errorf("values %v, %v", m.Values, m.Err)
				}
			}
		}
		if answers != 1 {
			t.Errorf("%d answers", answers)
		}
	})
}

func TestALookupThatGetsNoAnswerIsAnsweredEmpty(t *testing.T) {
	for name, c := range map[string]struct {
		fault func(*aritest.Server)
		after time.Duration
	}{
		"the PBX hangs":         {(*aritest.Server).Freeze, 9 * time.Second},
		"the link is lost":      {(*aritest.Server).Down, time.Second},
		"the PBX answers 503":   {func(s *aritest.Server) { s.Refuse(503) }, time.Second},
		"the channel is gone":   {func(*aritest.Server) {}, time.Second},
		"the PBX was restarted": {(*aritest.Server).Kill, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := start(t, aritest.Options{}, func(o *Options) {
					o.Lookups = func(m Message) []Lookup {
						if m.Kind != MessageEvent {
							return nil
						}
						return presentation(m)
					}
				}, func(r *rig, m Message) {
					if m.Kind == MessageEvent && m.Type == "ChannelCreated" {
						c.fault(r.sim)
					}
				})
				time.Sleep(time.Second)
				for i := range 10 {
					r.sim.Send(event("ChannelCreated", fmt.Sprintf("a-1700000000.%d", i)))
				}
				time.Sleep(c.after)
				r.mu.Lock()
				defer r.mu.Unlock()
				seen := make(map[string]int)
				created := 0
				for _, m := range r.messages {
					switch {
					case m.Kind == MessageVariables:
						seen[m.Channel]++
						if v, ok := m.Values["CALLERID(pres)"]; !ok || v != "" {
							t.Errorf("values %v", m.Values)
						}
					case m.Kind == MessageEvent:
						created++
					}
				}
				if len(seen) != created || created == 0 {
					t.Errorf("%d answers for %d channels", len(seen), created)
				}
				for id, n := range seen {
					if n != 1 {
						t.Errorf("%s: %d answers", id, n)
					}
				}
				r.sim.Thaw()
			})
		})
	}
}

func TestAChannelFoundByTheReadBackIsLookedUpUnlessItWas(t *testing.T) {
	tr := trace(t, "04-direct-caller-abandons-ringing")
	synctest.Test(t, func(t *testing.T) {
		r := start(t, aritest.Options{}, func(o *Options) { o.Lookups = presentation }, nil)
		time.Sleep(time.Second)
		go r.sim.Play(t.Context(), aritest.Play{Trace: tr, Speed: 1}) // cut short by the end of the test
		time.Sleep(2 * time.Second)
		r.sim.Cut()
		time.Sleep(2 * time.Second)
		n := 0
		r.mu.Lock()
		defer r.mu.Unlock()
		for _, m := range r.messages {
			if m.Kind == MessageVariables {
				n++
			}
		}
		if n != 2 {
			t.Errorf("%d answers for two channels", n)
		}
	})
}
