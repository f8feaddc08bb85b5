package esl

import (
	"bytes"
	"testing"
	"time"

	"textback"
)

// FuzzTranslate feeds plain events, one a block, to the translator and the tracker, and each also as a dump of a snapshot:
// whatever comes, nothing panics, and every call that began ends once.
func FuzzTranslate(f *testing.F) {
	for _, name := range []string{"03-direct-no-answer", "13-callcenter-answered", "18c-vanilla-loopback-voicemail-hangup",
		"45-conference"} {
		var seed bytes.Buffer
		keep := NewTranslator(traceOptions()).Keep
		for _, fr := range wireFrames(gunzip(f, "testdata/traces/"+name+".esl.gz")) {
			h := plainEvent(fr.body)
			if fr.kind != "text/event-plain" || h["Event-Name"] == "HEARTBEAT" {
				continue
			}
			for _, l := range bytes.Split(fr.body, []byte("\n")) {
				if header, _, _ := bytes.Cut(l, []byte(": ")); keep(string(header)) {
					seed.Write(l)
					seed.WriteByte('\n')
				}
			}
			seed.WriteByte('\n')
			if seed.Len() > 32<<10 {
				break
			}
		}
		f.Add(seed.Bytes())
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		tr := NewTranslator(traceOptions())
		tracker := textback.NewTracker(textback.TrackerOptions{PBX: "branch"})
		began, ended := map[string]int{}, map[string]int{}
		note := func(changes []textback.Change) {
			for _, c := range changes {
				switch c.Kind {
				case textback.CallBegan:
					began[c.Call.ID]++
				case textback.CallEnded:
					ended[c.Call.ID]++
					if c.Call.Ring < 0 || c.Call.Outcome == 0 {
						t.Fatalf("%+v", c.Call)
					}
				case textback.CallConnected:
				}
			}
		}
		seen := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
		for i, block := range bytes.Split(b, []byte("\n\n")) {
			seen = seen.Add(time.Millisecond)
			h := plainEvent(block)
			m := Message{Kind: MessageEvent, Seen: seen, Name: h["Event-Name"], Headers: h}
			if i%16 == 15 {
				id := h["Unique-ID"]
				m = Message{Kind: MessageUp, Seen: seen, Snapshot: &Snapshot{Dumps: map[string]map[string]string{id: h},
					Channels: []map[string]string{{"uuid": id, "callstate": "ACTIVE", "call_uuid": h["Other-Leg-Unique-ID"]}}}}
			}
			for _, e := range tr.Translate(m) {
				note(tracker.Observe(e))
			}
		}
		note(tracker.Settle(seen.Add(1000 * time.Hour)))
		if s := tracker.Stats(); s.Legs != 0 || s.Calls != 0 {
			t.Fatalf("left over: %+v", s)
		}
		for id, n := range began {
			if n != 1 || ended[id] != 1 {
				t.Fatalf("call %s began %d times and ended %d times", id, n, ended[id])
			}
		}
	})
}

func BenchmarkTranslate(b *testing.B) {
	path := "testdata/traces/13-callcenter-answered.esl.gz"
	ms := traceMessages(b, path, traceTruth(b, path))
	tr := NewTranslator(traceOptions())
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		for _, m := range ms {
			tr.Translate(m)
		}
		n += len(ms)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/event")
}
