package smpp

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fiorix/go-smpp/smpp/pdu"
	"github.com/fiorix/go-smpp/smpp/pdu/pdutlv"

	"textback"
)

func TestReceiptsOfAllMakesAreRead(t *testing.T) {
	for _, c := range []struct {
		name, text  string
		esm, coding byte
		tlv         map[pdutlv.Tag]string
		want        *textback.Receipt // nil: not a receipt
	}{
		{"the standard's form", "id:0123456789 sub:001 dlvrd:001 submit date:2611241200 done date:2611241201 stat:DELIVRD err:000 text:Hello", 4, 0, nil,
			&textback.Receipt{MessageID: "0123456789", State: textback.Delivered, Stat: "DELIVRD", Error: "000"}},
		{"osmo-msc", "id:00000001 sub:000 dlvrd:000 submit date:YYMMDDhhmm done date:YYMMDDhhmm stat:DELIVRD err:000 text:", 4, 2, map[pdutlv.Tag]string{0x204: "\x00\x67"},
			&textback.Receipt{MessageID: "00000001", State: textback.Delivered, Stat: "DELIVRD", Error: "000", Reference: 0x67, HasRef: true}},
		{"opensmppbox", "id:9f8c2c1e-7b1a-4f6e-9d3e-1c2b3a4d5e6f sub:001 dlvrd:001 submit date:261124120000 done date:261124120001 stat:DELIVRD err:000 text:            ", 4, 0, nil,
			&textback.Receipt{MessageID: "9f8c2c1e-7b1a-4f6e-9d3e-1c2b3a4d5e6f", State: textback.Delivered, Stat: "DELIVRD", Error: "000"}},
		{"Net::SMPP with binary text", "id:000003E9 sub:001 dlvrd:001 submit date:2611241200 done date:2611241200 stat:DELIVRD err:000 text:\x05\x00\x03\x07\x03\x01id:evil stat:UNDELIV", 4, 0, nil,
			&textback.Receipt{MessageID: "000003E9", State: textback.Delivered, Stat: "DELIVRD", Error: "000"}},
		{"parameters only, NUL-terminated", "", 4, 0, map[pdutlv.Tag]string{0x1e: "1713980\x00", 0x427: "\x02"},
			&textback.Receipt{MessageID: "1713980", State: textback.Delivered, Stat: "DELIVRD"}},
		{"parameters before text", "id:1 stat:DELIVRD err:000", 4, 0, map[pdutlv.Tag]string{0x1e: "2\x00", 0x427: "\x05", 0x423: "\x03\x00\x22"},
			&textback.Receipt{MessageID: "2", State: textback.Undelivered, Stat: "DELIVRD", Error: "3/34"}},
		{"blanks after the colon, other case, other words", "ID: abc SUB: 001 Stat: Undeliverable Err: 34 Text: x", 4, 0, nil,
			&textback.Receipt{MessageID: "abc", State: textback.Undelivered, Stat: "UNDELIVERABLE", Error: "34"}},
		{"an empty value", "id: sub:001 stat:EXPIRED err: text:", 4, 0, nil,
			&textback.Receipt{State: textback.Undelivered, Stat: "EXPIRED"}},
		{"what the text says is not the report", "id:7 text:stat:DELIVRD err:000", 4, 0, nil, &textback.Receipt{MessageID: "7", State: textback.Unknown}},
		{"rejected", "id:7 stat:REJECTD err:069", 4, 0, nil, &textback.Receipt{MessageID: "7", State: textback.Undelivered, Stat: "REJECTD", Error: "069"}},
		{"on its way", "id:7 stat:ENROUTE", 4, 0, nil, &textback.Receipt{MessageID: "7", State: textback.Accepted, Stat: "ENROUTE"}},
		{"unknown state", "id:7 stat:UNKNOWN", 4, 0, nil, &textback.Receipt{MessageID: "7", State: textback.Unknown, Stat: "UNKNOWN"}},
		{"intermediate", "id:7 stat:UNDELIV err:027", 0x20, 0, nil, &textback.Receipt{MessageID: "7", State: textback.Accepted, Stat: "UNDELIV", Error: "027"}},
		{"nothing in it", "", 4, 0, nil, &textback.Receipt{State: textback.Unknown}},
		{"UCS-2", string(textback.EncodeUCS2("id:7 sub:001 stat:DELIVRD err:000 text:é")), 4, 8, nil,
			&textback.Receipt{MessageID: "7", State: textback.Delivered, Stat: "DELIVRD", Error: "000"}},
		{"without the bit, with the parameters", "", 0, 0, map[pdutlv.Tag]string{0x1e: "7", 0x427: "\x03"},
			&textback.Receipt{MessageID: "7", State: textback.Undelivered, Stat: "EXPIRED"}},
		{"without the bit, the whole form", "id:7 sub:001 dlvrd:001 submit date:2611241200 done date:2611241200 stat:DELIVRD err:000 text:", 0, 0, nil,
			&textback.Receipt{MessageID: "7", State: textback.Delivered, Stat: "DELIVRD", Error: "000"}},
		{"a reference of one octet", "id:7 stat:DELIVRD", 4, 0, map[pdutlv.Tag]string{0x204: "\x67"},
			&textback.Receipt{MessageID: "7", State: textback.Delivered, Stat: "DELIVRD", Reference: 0x67, HasRef: true}},
		{"a person's words", "my id:7 and stat:great", 0, 0, nil, nil},
		{"a person who asks for an id", "id: what?", 0, 0, nil, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := incoming{esmClass: c.esm, coding: c.coding, text: []byte(c.text), tlv: pdutlv.Map{}}
			for tag, v := range c.tlv {
				in.tlv[tag] = pdutlv.NewTLV(tag, []byte(v))
			}
			got, ok := parseReceipt(&in)
			switch {
			case ok != (c.want != nil):
				t.Fatalf("got %+v, %v", got, ok)
			case ok && *got != *c.want:
				t.Errorf("got  %+v\nwant %+v", *got, *c.want)
			}
		})
	}
}

func TestAnIDIsFoundInAnyNotation(t *testing.T) {
	for _, c := range []struct{ receipt, response string }{
		{"1715004", "1A2B3C"}, {"1715004", "1a2b3c"}, {"1A2B3C", "1715004"}, {"0000000123", "123"}, {"1715004", "001A2B3C"},
		{"abc-DEF", "ABC-DEF"}, {"7b", "123"}, {" 55 ", "55"}, {"001A2B3C", "1a2b3c"},
	} {
		if forms := IDForms(c.receipt); !slices.Contains(forms, c.response) {
			t.Errorf("%q is not among %q", c.response, forms)
		}
	}
	if forms := IDForms(" "); forms != nil {
		t.Errorf("blank: %q", forms)
	}
	if forms := IDForms("00"); slices.Contains(forms, "") {
		t.Errorf("zero: %q", forms)
	}
}

func TestPartsAreJoinedWhateverHappens(t *testing.T) {
	at := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	part := func(ref uint16, total, index int, data string, coding byte) Part {
		return Part{From: "+1", To: "+2", Concat: Concat{Ref: ref, Bits: 8, Total: total, Index: index}, Data: []byte(data), Coding: coding, At: at}
	}
	t.Run("a surrogate pair split between parts is whole again", func(t *testing.T) {
		var r Reassembler
		r.Add(part(1, 2, 2, "\xde\x00", 8))
		w := r.Add(part(1, 2, 1, "\x00a\xd8\x3d", 8))
		if len(w) != 1 || w[0].Body != "a😀" || w[0].Gap || len(w[0].Parts) != 2 {
			t.Errorf("got %+v", w)
		}
	})
	t.Run("an escape pair split between parts is whole again", func(t *testing.T) {
		var r Reassembler
		r.Add(part(1, 2, 1, "5 \x1b", 0))
		if w := r.Add(part(1, 2, 2, "\x65", 0)); len(w) != 1 || w[0].Body != "5 €" {
			t.Errorf("got %+v", w)
		}
	})
	t.Run("a missing part does not block", func(t *testing.T) {
		r := Reassembler{Timeout: time.Minute}
		r.Add(part(1, 3, 1, "STOP", 0))
		r.Add(part(1, 3, 3, "now", 0))
		next, ok := r.Next()
		if !ok || next != at.Add(time.Minute) {
			t.Errorf("next %v, %v", next, ok)
		}
		if w := r.Expire(next.Add(-1)); len(w) != 0 {
			t.Errorf("too early: %+v", w)
		}
		w := r.Expire(next)
		if len(w) != 1 || !w[0].Gap || w[0].Body != "STOP … now" || len(w[0].Parts) != 2 || r.Open() != 0 {
			t.Errorf("got %+v", w)
		}
	})
	t.Run("a reference that is used again begins a new message", func(t *testing.T) {
		var r Reassembler
		r.Add(part(1, 2, 1, "old", 0))
		w := r.Add(part(1, 2, 1, "new", 0))
		if len(w) != 1 || !w[0].Gap || w[0].Body != "old" {
			t.Errorf("got %+v", w)
		}
		if w := r.Add(part(1, 2, 2, "er", 0)); len(w) != 1 || w[0].Body != "newer" {
			t.Errorf("got %+v", w)
		}
	})
	t.Run("a sender cannot fill the memory", func(t *testing.T) {
		r := Reassembler{Limit: 10}
		given := 0
		for i := range 1000 {
			given += len(r.Add(part(uint16(i), 2, 1, "x", 0)))
		}
		if r.Open() != 10 || given != 990 {
			t.Errorf("%d open, %d given up", r.Open(), given)
		}
	})
}

func TestHeadersAreReadAndBrokenOnesAreNot(t *testing.T) {
	for _, c := range []struct {
		hex    string
		ok     bool
		concat *Concat
		port   bool
	}{
		{"0500034d0201", true, &Concat{77, 8, 2, 1}, false},
		{"06080412340202", true, &Concat{0x1234, 16, 2, 2}, false},
		{"0b00034d0201050400010002", true, &Concat{77, 8, 2, 1}, true},
		{"0500034d0200", true, nil, false}, // index 0
		{"0500034d0203", true, nil, false}, // index beyond the total
		{"0500034d0101", true, nil, false}, // one of one
		{"050003", false, nil, false},
		{"00", false, nil, false},
		{"020005", false, nil, false},
		{"", false, nil, false},
	} {
		b, err := hex.DecodeString(c.hex)
		if err != nil {
			t.Fatal(err)
		}
		h, ok := parseUDH(b)
		if ok != c.ok || h.port != c.port || (h.concat == nil) != (c.concat == nil) || h.concat != nil && *h.concat != *c.concat {
			t.Errorf("%s: %+v %+v, %v", c.hex, h, h.concat, ok)
		}
	}
}

func TestASubmitIsTheseOctets(t *testing.T) {
	cfg := Config{Receipts: true, Reference: true}.withDefaults()
	parts := cfg.Segments(strings.Repeat("a", 200))
	b, err := encodeSubmit(&cfg, &Segment{To: "+4915", From: "+1202", Part: parts[1], Concat: 0x4D, Reference: 4711}, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	setSequence(b, 7)
	want := "00000064" + "00000004" + "00000000" + "00000007" + "00" + "0101" + hex.EncodeToString([]byte("1202")) + "00" +
		"0101" + hex.EncodeToString([]byte("4915")) + "00" + "40" + "00" + "00" + "00" + "00" + "01" + "00" + "00" + "00" + "35" +
		"0500034d0202" + strings.Repeat("61", 47) + "0204" + "0002" + "1267"
	if got := hex.EncodeToString(b); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestAnUnusableConfigurationSaysWhatToWrite(t *testing.T) {
	good := Config{Addr: "smsc.example.net:2775", SystemID: "acme", Password: "secret"}
	if err := good.Check(); err != nil {
		t.Fatal(err)
	}
	for key, change := range map[string]func(*Config){
		"addr":             func(c *Config) { c.Addr = "smsc" },
		"bind":             func(c *Config) { c.Bind = "both" },
		"system_id":        func(c *Config) { c.SystemID = "a-very-long-system-id" },
		"password":         func(c *Config) { c.Password = "sécret" },
		"window":           func(c *Config) { c.Window = -1 },
		"rate":             func(c *Config) { c.Rate = -1 },
		"enquire_link":     func(c *Config) { c.EnquireLink = time.Millisecond },
		"response_timeout": func(c *Config) { c.ResponseTimeout = time.Millisecond },
		"source":           func(c *Config) { c.Source = "1" },
		"destination":      func(c *Config) { c.Destination = "1/999" },
		"numbers":          func(c *Config) { c.Numbers = "any" },
		"service_type":     func(c *Config) { c.ServiceType = "TOOLONG" },
		"address_range":    func(c *Config) { c.AddressRange = "a\x00b" },
		"charset":          func(c *Config) { c.Charset = "utf8" },
		"long":             func(c *Config) { c.Long = "yes" },
		"validity":         func(c *Config) { c.Validity = "soon" },
	} {
		c := good
		change(&c)
		var bad *FieldError
		if err := c.Check(); !errors.As(err, &bad) || bad.Key != key || bad.Want == "" || strings.Contains(err.Error(), "cret") {
			t.Errorf("%s: %v", key, err)
		}
	}
}

func TestAddressesThatCannotBeWrittenAreRefused(t *testing.T) {
	c := Config{}.withDefaults()
	for _, from := range []string{"", "Acme\x00", "Twelve chars", "Ünique", "+1202555010012345678901234"} {
		if a, err := c.source(from); err == nil {
			t.Errorf("%q became %+v", from, a)
		}
	}
	for in, want := range map[string]string{"1202\x00555": "+1202555", "+1202": "+1202", "": "", " 12 ": "+12", "Acme": "Acme"} {
		if got := plainAddress(tonInternational, in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
	if got := plainAddress(tonNational, "2025550123"); got != "2025550123" {
		t.Errorf("national: %q", got)
	}
}

func TestARetryPauseGrowsAndVaries(t *testing.T) {
	for n := 1; n < 40; n++ {
		d := backoff(n, retryFirst, retryMax)
		if full := min(retryFirst<<min(n-1, 10), retryMax); d > full || d < full/2 {
			t.Errorf("after %d failures: %v", n, d)
		}
	}
}

func TestThePaceIsHalvedOnceForAWindowOfRefusalsAndComesBack(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	p := newPacer(20)
	for range 10 {
		p.slow(now)
	}
	if p.current() != 10 {
		t.Errorf("the rate is %v", p.current())
	}
	if wait := p.take(now, 1); wait != throttlePause {
		t.Errorf("it goes on after %v", wait)
	}
	now = now.Add(throttlePause)
	p.slow(now)
	if p.current() != 5 {
		t.Errorf("the rate is %v", p.current())
	}
	for range 100 {
		now = now.Add(time.Second)
		p.good(now)
	}
	if p.current() != 20 {
		t.Errorf("the rate comes back to %v", p.current())
	}
	free := newPacer(0)
	for range 1000 {
		if wait := free.take(now, 1); wait > 0 {
			t.Fatalf("a link without a limit waits %v", wait)
		}
	}
	free.slow(now)
	if free.current() != 500 {
		t.Errorf("a link that sent 1000 in this second goes on with %v", free.current())
	}
	for range 62 {
		now = now.Add(time.Second)
		free.good(now)
	}
	if free.current() != 0 {
		t.Errorf("the limit stays: %v", free.current())
	}
}

func FuzzReadFrame(f *testing.F) {
	f.Add(appendPDU(nil, pdu.DeliverSMID, 0, 1, []byte("\x00\x01\x01123\x00\x01\x01456\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02hi")...))
	f.Add(appendPDU(nil, pdu.DataSMID, 0, 1, []byte("\x00\x01\x01123\x00\x01\x01456\x00\x40\x00\x08\x04\x24\x00\x02\x00a")...))
	f.Add(appendPDU(nil, pdu.SubmitSMRespID, 0, 1, []byte("id\x00")...))
	f.Add(appendPDU(nil, pdu.DeliverSMID, 0, 1, []byte("\x00\x01\x01123\x00\x01\x01456\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x04\x27\x00\x01\x02\x00\x1e\x00\x02ab\x02\x04\x00\x01\x67")...))
	f.Fuzz(func(t *testing.T, b []byte) {
		cfg := Config{Name: "x"}.withDefaults()
		r := bytes.NewReader(b)
		for {
			fr, err := readFrame(r)
			var bad *frameError
			if errors.As(err, &bad) && bad.inStep {
				continue
			}
			if err != nil {
				return
			}
			if len(fr.body) > maxPDU {
				t.Fatalf("a body of %d octets", len(fr.body))
			}
			_ = cString(fr.body)
			fr.id = []pdu.ID{pdu.DeliverSMID, pdu.DataSMID}[len(fr.body)%2]
			in, err := decodeIncoming(fr)
			if err != nil {
				var body *errBody
				if !errors.As(err, &body) || body.status == StatusOK {
					t.Fatalf("an error without a status: %v", err)
				}
				continue
			}
			checkDelivery(t, interpret(&cfg, &in, time.Time{}))
		}
	})
}

// checkDelivery asserts what the rest of the program relies on.
func checkDelivery(t *testing.T, d Delivery) {
	if (d.Receipt == nil) == (d.Message == nil) {
		t.Fatalf("neither or both: %+v", d)
	}
	if r := d.Receipt; r != nil {
		for _, s := range []string{r.MessageID, r.Stat, r.Error, r.From, r.To} {
			if len(s) > 66 || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' }) {
				t.Fatalf("%q in a receipt", s)
			}
		}
		if r.State < textback.Accepted || r.State > textback.Unknown {
			t.Fatalf("state %v", r.State)
		}
		return
	}
	if p := d.Message.Part; p != nil {
		if p.Concat.Total < 2 || p.Concat.Index < 1 || p.Concat.Index > p.Concat.Total {
			t.Fatalf("part %+v", p.Concat)
		}
		var r Reassembler
		if w := append(r.Add(*p), r.Expire(p.At.Add(time.Hour))...); len(w) != 1 {
			t.Fatalf("a part became %d messages", len(w))
		}
	}
	if strings.ToValidUTF8(d.Message.Body, "") != d.Message.Body {
		t.Fatalf("%q is not UTF-8", d.Message.Body)
	}
}

func FuzzReceiptText(f *testing.F) {
	f.Add("id:1 sub:001 dlvrd:001 submit date:2611241200 done date:2611241200 stat:DELIVRD err:000 text:x", byte(4), byte(0))
	f.Add("ID: 1 STAT: x\x00ERR=5", byte(0x20), byte(8))
	f.Fuzz(func(t *testing.T, text string, esm, coding byte) {
		in := incoming{esmClass: esm, coding: coding, text: []byte(text), tlv: pdutlv.Map{}}
		cfg := Config{}.withDefaults()
		checkDelivery(t, interpret(&cfg, &in, time.Time{}))
	})
}

func FuzzReassembler(f *testing.F) {
	f.Add([]byte{1, 2, 1, 8, 1, 2, 2, 8})
	f.Fuzz(func(t *testing.T, b []byte) {
		b = b[:min(len(b), 400)]
		r := Reassembler{Limit: 5}
		at, in, out := time.Unix(0, 0), 0, 0
		count := func(list []Whole) {
			for _, w := range list {
				out += len(w.Parts)
			}
		}
		seen := map[string]bool{}
		for ; len(b) >= 4; b = b[4:] {
			at = at.Add(time.Duration(b[3]) * time.Second)
			p := Part{From: "a", Concat: Concat{Ref: uint16(b[0] % 4), Bits: 8, Total: 2 + int(b[1]%4), Index: 1}, Data: []byte(fmt.Sprint(len(b))), Coding: b[3], At: at}
			p.Concat.Index = 1 + int(b[2])%p.Concat.Total
			if key := fmt.Sprint(p); !seen[key] {
				seen[key] = true
				in++
			}
			count(r.Add(p))
			if b[3] > 200 {
				count(r.Expire(at))
			}
			if r.Open() > 5 {
				t.Fatalf("%d open", r.Open())
			}
		}
		count(r.Expire(at.Add(time.Hour)))
		if in != out || r.Open() != 0 {
			t.Fatalf("%d parts in, %d out", in, out)
		}
	})
}

func FuzzDecodeText(f *testing.F) {
	f.Add([]byte("STOP"), byte(0), false)
	f.Add([]byte{0, 'S', 0xD8}, byte(8), true)
	f.Add([]byte{0x1b, 0x24, 0x42, 0x30}, byte(10), false)
	f.Fuzz(func(t *testing.T, b []byte, coding byte, latin1 bool) {
		if s := decodeText(b, coding, latin1); strings.ToValidUTF8(s, "") != s {
			t.Fatalf("%q is not UTF-8", s)
		}
	})
}
