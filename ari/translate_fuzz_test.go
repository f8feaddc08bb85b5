package ari

import (
	"bufio"
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"textback"
)

// FuzzTranslate feeds events, one a line, to the translator and the tracker: whatever comes, nothing panics, and every call that
// began ends once.
func FuzzTranslate(f *testing.F) {
	for _, name := range []string{"03-direct-no-answer-dial-timeout", "17-voicemail-message-left", "29-attended-transfer-dtmf",
		"43b-local-ringgroup-answered", "37b-pbx-graceful-stop-in-mid-call"} {
		var seed bytes.Buffer
		for _, l := range bytes.Split(unzip(f, "aritest/recorded/"+name+".jsonl.gz"), []byte("\n")) {
			var e line
			if json.Unmarshal(l, &e) == nil && wanted(e.Event) && seed.Len() < 16<<10 {
				seed.Write(e.Event)
				seed.WriteByte('\n')
			}
		}
		f.Add(seed.Bytes())
	}
	f.Add([]byte(`{"type":"ChannelCreated","channel":{"id":"1","name":"Local/;1","state":"Ring"}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		tr := NewTranslator(testOptions())
		tracker := textback.NewTracker(textback.TrackerOptions{PBX: "hq"})
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
		seen := epoch
		scan := bufio.NewScanner(bytes.NewReader(b))
		scan.Buffer(nil, 1<<20)
		for scan.Scan() {
			seen = seen.Add(time.Millisecond)
			typ, _ := peek(scan.Bytes())
			m := Message{Kind: MessageEvent, Seen: seen, Type: typ, Raw: scan.Bytes()}
			m.decode()
			for _, e := range tr.Translate(m) {
				note(tracker.Observe(e))
			}
			for _, l := range tr.Lookups(m) {
				for _, e := range tr.Translate(Message{Kind: MessageVariables, Seen: seen, Channel: l.Channel,
					Values: map[string]string{presFunction: "prohib", toHeader: "<sip:1@x>"}}) {
					note(tracker.Observe(e))
				}
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

func wanted(raw []byte) bool {
	typ, variable := peek(raw)
	return typ != "ChannelVarset" || NewTranslator(testOptions()).Variable(variable)
}

func BenchmarkTranslate(b *testing.B) {
	path := "aritest/recorded/29-attended-transfer-dtmf"
	ms := messages(b, path+".jsonl.gz", sidecar(b, path+".json.gz"))
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		tr := NewTranslator(testOptions())
		for _, m := range ms {
			tr.Translate(m)
		}
		n += len(ms)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/event")
}

// BenchmarkCall plays whole calls: translated, observed and judged. Decoding is not in it.
func BenchmarkCall(b *testing.B) {
	path := "aritest/recorded/03-direct-no-answer-dial-timeout"
	s := sidecar(b, path+".json.gz")
	ms := messages(b, path+".jsonl.gz", s)
	b.ReportAllocs()
	for b.Loop() {
		if ended, _ := judged(b, s, ms); len(ended) != 1 {
			b.Fatal(len(ended))
		}
	}
}
