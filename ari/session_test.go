package ari

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"textback/ari/aritest"
)

func TestEventsAroundAReadBackStandOnTheRightSideOfIt(t *testing.T) {
	tr := trace(t, "04-direct-caller-abandons-ringing")
	synctest.Test(t, func(t *testing.T) {
		r := start(t, aritest.Options{}, nil, nil)
		time.Sleep(time.Second)
		go r.sim.Play(t.Context(), aritest.Play{Trace: tr, Speed: 1}) // cut short by the end of the test
		time.Sleep(2 * time.Second)
		var created Message
		r.mu.Lock()
		for _, m := range r.messages {
			if m.Type == "ChannelCreated" {
				created = m
			}
		}
		r.mu.Unlock()
		alive := subjects(created.Raw)[0]
		r.sim.Cut()
		for !r.sim.Connected("textback") {
			time.Sleep(time.Millisecond)
		}
		// The snapshot is under way: it lists alive and not gone.
		for _, ev := range [][]byte{event("ChannelDestroyed", alive), event("ChannelHangupRequest", "gone-1700000000.1"),
			event("ChannelCreated", "new-1700000000.2"), event("ChannelDestroyed", "gone-1700000000.1")} {
			if !r.sim.Send(ev) {
				t.Fatal("not connected")
			}
		}
		time.Sleep(time.Second)
		got := r.kinds(true)
		want := "down ChannelHangupRequest ChannelDestroyed up ChannelDestroyed ChannelCreated"
		if !strings.HasSuffix(got, want) {
			t.Errorf("messages: %s\nwant the end: %s", got, want)
		}
	})
}

func TestNoSplitOfHeldEventsLosesOrTurnsRound(t *testing.T) {
	var held []item
	for i := range 40 {
		typ := []string{"ChannelCreated", "ChannelVarset", "ChannelDestroyed", "NoChannelAtAll"}[i%4]
		raw := event(typ, fmt.Sprintf("c-1700000000.%d", i%7))
		if i%4 == 3 {
			raw = []byte(`{"type":"NoChannelAtAll"}`)
		}
		held = append(held, item{raw: raw, typ: typ, seen: time.Unix(int64(i), 0)})
	}
	for alive := range 7 {
		s := &Snapshot{}
		for i := range alive {
			ch, err := DecodeChannel([]byte(fmt.Sprintf(`{"id":"c-1700000000.%d"}`, i)))
			if err != nil {
				t.Fatal(err)
			}
			s.Channels = append(s.Channels, ch)
		}
		before, after := around(held, s)
		if len(before)+len(after) != len(held) {
			t.Fatalf("%d + %d of %d", len(before), len(after), len(held))
		}
		for _, half := range [][]item{before, after} {
			for i := 1; i < len(half); i++ {
				if half[i].seen.Before(half[i-1].seen) {
					t.Fatal("order changed")
				}
			}
		}
	}
}

func TestARestartIsSeenInTheSerialNumbersToo(t *testing.T) {
	l := &link{known: true, asked: make(asked)}
	l.count("pbx-1795490077.172")
	for id, want := range map[string]bool{
		"pbx-1795490099.173": false, "pbx-1795490099.3": true, "pbx-1795490070.3": false, "1795490099.4": true,
		"my-own-id": false, "": false, "pbx-99999999999999999999.1": false, "pbx-1795490099.-1": false,
	} {
		if got := l.restarted(time.Time{}, []Channel{{ChannelData: channelData(id)}}); got != want {
			t.Errorf("%q: %v", id, got)
		}
	}
}

func TestOptionsThatCannotWorkAreRefusedWithoutTheirSecrets(t *testing.T) {
	good := Options{URL: "http://pbx:8088/ari", Username: "textback", Password: "hush", App: "textback"}
	for name, change := range map[string]func(*Options){
		"no scheme":       func(o *Options) { o.URL = "pbx:8088/ari" },
		"no host":         func(o *Options) { o.URL = "http:///ari" },
		"password in url": func(o *Options) { o.URL = "http://textback:hush@pbx:8088/ari" },
		"key in url":      func(o *Options) { o.URL = "http://pbx:8088/ari?api_key=textback:hush" },
		"not a url":       func(o *Options) { o.URL = "http://hush@[::1/\x7f" },
		"no user":         func(o *Options) { o.Username = "" },
		"colon in user":   func(o *Options) { o.Username = "textback:hush" },
		"no app":          func(o *Options) { o.App = "" },
		"two apps":        func(o *Options) { o.App = "a,b" },
	} {
		o := good
		change(&o)
		err := Run(context.Background(), o, func(Message) {})
		if err == nil {
			t.Errorf("%s: accepted", name)
		} else if strings.Contains(err.Error(), "hush") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestThePauseGrowsAndStaysWithinItsBound(t *testing.T) {
	for kind, most := range map[StatusKind]time.Duration{StatusUnreachable: 6 * time.Second, StatusCredentials: 72 * time.Second} {
		for tries := 1; tries < 200; tries++ {
			if d := wait(kind, tries); d <= 0 || d > most {
				t.Fatalf("%v, try %d: %v", kind, tries, d)
			}
		}
	}
}

func TestThePasswordIsInAHeaderAndNotInTheURL(t *testing.T) {
	o, u, err := Options{URL: "https://pbx/ari/", Username: "textback", Password: "hush", App: "textback-1"}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	cfg := upgrade(o, u)
	if got := cfg.Location.String(); got != "https://pbx/ari/events?app=textback-1&subscribeAll=true" {
		t.Error(got)
	}
	if !strings.HasPrefix(cfg.Header.Get("Authorization"), "Basic ") {
		t.Error("no Authorization header")
	}
	if _, err := url.Parse(cfg.Origin.String()); err != nil {
		t.Error(err)
	}
}
