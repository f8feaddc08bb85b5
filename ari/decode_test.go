package ari

import (
	"os"
	"reflect"
	"testing"
	"time"

	v6 "github.com/CyCoreSystems/ari/v6"

	"textback/ari/aritest"
)

// inUTC lets times be compared that differ in the name of their zone only.
func inUTC(e v6.Event) v6.Event {
	at := func(d *v6.EventData) { d.Timestamp = v6.DateTime(time.Time(d.Timestamp).UTC()) }
	switch e := e.(type) {
	case *v6.ChannelVarset:
		at(&e.EventData)
	case *v6.ChannelDialplan:
		at(&e.EventData)
	case *v6.ChannelCreated:
		at(&e.EventData)
	case *v6.ChannelStateChange:
		at(&e.EventData)
	case *v6.ChannelDestroyed:
		at(&e.EventData)
	case *v6.ChannelHangupRequest:
		at(&e.EventData)
	case *v6.ChannelCallerID:
		at(&e.EventData)
	case *v6.ChannelEnteredBridge:
		at(&e.EventData)
	case *v6.ChannelLeftBridge:
		at(&e.EventData)
	case *v6.Dial:
		at(&e.EventData)
	}
	return e
}

// agree decodes both ways and tells whether the quick one decoded it.
func agree(t *testing.T, raw []byte) bool {
	t.Helper()
	typ, _ := peek(raw)
	got, tech, ok := decodeQuick(typ, raw)
	if !ok {
		return false
	}
	want, err := v6.DecodeEvent(raw)
	if err != nil {
		t.Fatalf("decoded what ari/v6 does not: %v\n%s", err, raw)
	}
	if got, want := inUTC(got), inUTC(want); !reflect.DeepEqual(got, want) {
		t.Fatalf("%s\ngot  %+v\nwant %+v", raw, got, want)
	}
	if want := techCause(raw); (typ == "ChannelDestroyed" || typ == "ChannelHangupRequest") && tech != want {
		t.Fatalf("tech_cause %d, want %d\n%s", tech, want, raw)
	}
	if typ == "ChannelDestroyed" {
		if got, want := ended(got.(*v6.ChannelDestroyed)), subjects(raw); !reflect.DeepEqual(got, want) {
			t.Fatalf("about %q, want %q\n%s", got, want, raw)
		}
	}
	return true
}

func TestQuickAndSlowDecodingAgree(t *testing.T) {
	types := make(map[string]bool)
	for _, typ := range new(Translator).Types() {
		types[typ] = true
	}
	quick, slow := 0, 0
	for _, path := range recorded(t) {
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		tr, err := aritest.ReadTrace(f)
		f.Close()
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range tr.Events {
			switch typ, _ := peek(e.Raw); {
			case agree(t, e.Raw):
				quick++
			case types[typ]:
				slow++
			}
		}
	}
	t.Logf("%d events quick, %d slow", quick, slow)
	if quick < 20*slow || quick == 0 {
		t.Errorf("%d events were decoded the quick way, %d the slow way", quick, slow)
	}
}

func TestWhatIsOutOfTheOrdinaryIsLeftToTheLibrary(t *testing.T) {
	const plain = `{"type":"ChannelStateChange","timestamp":"2026-11-24T02:48:25.272+0000","channel":{"id":"a","creationtime":"2026-11-24T02:48:25.271+0100"},"more":[1,{"x":"y"},true]}`
	if !agree(t, []byte(plain)) {
		t.Fatal("not even the plain one is decoded")
	}
	for name, raw := range map[string]string{
		"escape":          `{"type":"ChannelStateChange","timestamp":"2026-11-24T02:48:25.272+0000","channel":{"id":"\u0061","creationtime":"2026-11-24T02:48:25.271+0000"}}`,
		"capitals":        `{"type":"ChannelStateChange","Timestamp":"2026-11-24T02:48:25.272+0000","channel":{"id":"a","creationtime":"2026-11-24T02:48:25.271+0000"}}`,
		"twice":           `{"type":"ChannelStateChange","timestamp":"2026-11-24T02:48:25.272+0000","channel":{"id":"a","id":"b","creationtime":"2026-11-24T02:48:25.271+0000"}}`,
		"null":            `{"type":"ChannelStateChange","timestamp":null,"channel":{"id":"a","creationtime":"2026-11-24T02:48:25.271+0000"}}`,
		"no such day":     `{"type":"ChannelStateChange","timestamp":"2026-02-30T02:48:25.272+0000","channel":{"id":"a","creationtime":"2026-11-24T02:48:25.271+0000"}}`,
		"no creationtime": `{"type":"ChannelStateChange","timestamp":"2026-11-24T02:48:25.272+0000","channel":{"id":"a"}}`,
		"a comma more":    `{"type":"ChannelStateChange","timestamp":"2026-11-24T02:48:25.272+0000","channel":{"id":"a","creationtime":"2026-11-24T02:48:25.271+0000"},}`,
		"something after": plain + "x",
		"cut short":       plain[:len(plain)-1],
		"a bad number":    `{"type":"ChannelHangupRequest","timestamp":"2026-11-24T02:48:25.272+0000","cause":016,"channel":{"id":"a","creationtime":"2026-11-24T02:48:25.271+0000"}}`,
		"another type":    `{"type":"StasisStart","timestamp":"2026-11-24T02:48:25.272+0000","channel":{"id":"a","creationtime":"2026-11-24T02:48:25.271+0000"}}`,
	} {
		typ, _ := peek([]byte(raw))
		if _, _, ok := decodeQuick(typ, []byte(raw)); ok {
			t.Errorf("%s: decoded the quick way", name)
		}
	}
}

// FuzzDecode holds the quick way to what ari/v6 makes of the same octets.
func FuzzDecode(f *testing.F) {
	for _, tr := range traces(f)[:8] {
		for i, e := range tr.Events {
			if i%7 == 0 {
				f.Add(e.Raw)
			}
		}
	}
	f.Fuzz(func(t *testing.T, raw []byte) { agree(t, raw) })
}

func BenchmarkDecode(b *testing.B) {
	var events [][]byte
	var types []string
	for _, tr := range traces(b) {
		for _, e := range tr.Events {
			if typ, _ := peek(e.Raw); typ != "" {
				if _, _, ok := decodeQuick(typ, e.Raw); ok {
					events, types = append(events, e.Raw), append(types, typ)
				}
			}
		}
	}
	b.Run("ari/v6", func(b *testing.B) {
		b.ReportAllocs()
		for i := range b.N {
			if _, err := v6.DecodeEvent(events[i%len(events)]); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("quick", func(b *testing.B) {
		b.ReportAllocs()
		for i := range b.N {
			if _, _, ok := decodeQuick(types[i%len(events)], events[i%len(events)]); !ok {
				b.Fatal("not decoded")
			}
		}
	})
}
