package smpptest

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"textback"
)

func TestTextsAreJoinedFromWhatWasTaken(t *testing.T) {
	s := New(Options{})
	add := func(to string, ref, index, total int, body string, taken bool) {
		s.ledger.submits = append(s.ledger.submits, Submit{From: "+1", To: to, Ref: ref, Index: index, Total: total, Body: body, Taken: taken})
	}
	add("+2", -1, 1, 1, "one", true)
	add("+2", 7, 2, 2, "b", true)
	add("+3", 7, 1, 2, "x", true)
	add("+2", 7, 1, 2, "a", true)
	add("+2", -1, 1, 1, "refused", false)
	add("+3", 7, 1, 2, "x", true) // the same part again: a second text on the phone
	var got []string
	for _, x := range s.Texts() {
		got = append(got, x.To+" "+x.Body)
	}
	if want := "+2 one,+2 ab,+3 x,+3 x"; strings.Join(got, ",") != want {
		t.Errorf("got %q", got)
	}
}

func TestAMessageSurvivesTheWire(t *testing.T) {
	for _, body := range []string{"STOP", "Да 👍", strings.Repeat("long ", 100)} {
		s := New(Options{})
		for _, d := range s.deliveries(Message{From: "+12025550123", To: "+12025550100", Body: body, Payload: true}) {
			m, err := parseShort(d.body)
			if err != nil || decode(m.text, m.coding) != body || plain(m.fromTON, m.from) != "+12025550123" {
				t.Errorf("%q came out as %+v, %v", body, m, err)
			}
		}
	}
	s := New(Options{})
	parts := s.deliveries(Message{From: "+1", To: "+2", Body: strings.Repeat("a", 400), Order: []int{3, 1}})
	if len(parts) != 2 || parts[0].text != strings.Repeat("a", 400-2*153) {
		t.Errorf("parts %+v", parts)
	}
}

func TestFatesAreChosenByTheLastDigits(t *testing.T) {
	s := New(Options{})
	f := Faults{}
	for to, want := range map[string][]uint32{"+12025550058": {0x58, 0, 0}, "+12025550011": {0x0B, 0x0B}, "+12025550123": {0, 0}} {
		for i, status := range want {
			if got := s.verdict(&f, to); got != status {
				t.Errorf("%s, time %d: %#x", to, i+1, got)
			}
		}
	}
	if (New(Options{NoFates: true})).verdict(&f, "+12025550011") != 0 {
		t.Error("a fate although there are none")
	}
	f.MaxRate = 2
	n := 0
	for range 5 {
		if s.verdict(&f, "+1") == 0x58 {
			n++
		}
	}
	if n < 1 {
		t.Error("the rate is not kept")
	}
}

func TestADeliveryWaitsForAReceiver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(Options{})
		s.Send(Message{From: "+1", To: "+2", Body: "early"})
		nc, err := s.Dial(t.Context(), "", "")
		if err != nil {
			t.Fatal(err)
		}
		write := func(f frame) {
			if _, err := nc.Write(appendFrame(nil, f)); err != nil {
				t.Error(err)
			}
		}
		write(frame{id: cmdSubmit, seq: 1, body: make([]byte, 17)})
		if f, err := readFrame(nc); err != nil || f.status != 0x04 {
			t.Fatalf("a submit before the bind: %+v, %v", f, err)
		}
		write(frame{id: cmdBindTrx, seq: 2, body: []byte("acme\x00pw\x00\x00\x34\x00\x00\x00")})
		if f, err := readFrame(nc); err != nil || f.id != cmdBindTrx|cmdResponse || f.status != 0 {
			t.Fatalf("bind: %+v, %v", f, err)
		}
		f, err := readFrame(nc)
		if err != nil || f.id != cmdDeliver {
			t.Fatalf("delivery: %+v, %v", f, err)
		}
		write(frame{id: cmdDeliver | cmdResponse, status: 0x64, seq: f.seq, body: []byte{0}})
		if f, err = readFrame(nc); err != nil || f.id != cmdDeliver {
			t.Fatalf("repetition: %+v, %v", f, err)
		}
		write(frame{id: cmdDeliver | cmdResponse, seq: f.seq, body: []byte{0}})
		synctest.Wait()
		if a := s.Acks(); len(a) != 2 || a[0].Status != 0x64 || a[1].Status != 0 || s.Waiting() != 0 {
			t.Errorf("acks %+v, %d wait", a, s.Waiting())
		}
		_ = nc.Close()
		s.Close()
		time.Sleep(time.Minute)
	})
}

func FuzzParseShort(f *testing.F) {
	m := short{from: "1", to: "2", text: []byte("hi"), tlv: map[uint16][]byte{tlvReference: {0, 1}}}
	f.Add(m.encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := parseShort(b)
		if err != nil {
			return
		}
		e := entry(frame{body: b}, &m)
		if e.Coding == 8 && e.Body != textback.DecodeUCS2(e.Data) {
			t.Error("the ledger has another text")
		}
	})
}
