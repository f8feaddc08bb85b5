package smpp_test

import (
	"encoding/binary"
	"encoding/hex"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"textback/smpp"
	"textback/smpp/smpptest"
)

const long = "This message is so long that it has to be cut into several parts, which come in whatever order the network " +
	"likes best, and nobody who reads them should notice anything of that at all. Really: nothing. "

func TestAMessageArrivesInEveryForm(t *testing.T) {
	for _, c := range []struct {
		name string
		m    smpptest.Message
		want string
	}{
		{"the GSM alphabet", smpptest.Message{Body: "¿Qué? {ok} €5 @home"}, "¿Qué? {ok} €5 @home"},
		{"UCS-2", smpptest.Message{Body: "Да 👍"}, "Да 👍"},
		{"message_payload", smpptest.Message{Body: strings.Repeat(long, 2), Payload: true}, strings.Repeat(long, 2)},
		{"data_sm", smpptest.Message{Body: "via data_sm", DataSM: true}, "via data_sm"},
		{"parts with an 8-bit reference", smpptest.Message{Body: long}, long},
		{"parts with a 16-bit reference", smpptest.Message{Body: long, Ref16: true}, long},
		{"parts by sar parameters", smpptest.Message{Body: long, SAR: true}, long},
		{"parts in UCS-2", smpptest.Message{Body: long + "👍"}, long + "👍"},
		{"parts in the wrong order", smpptest.Message{Body: long + long, Order: []int{3, 1, 2}}, long + long},
		{"a part that comes twice", smpptest.Message{Body: long, Order: []int{1, 1, 2}}, long},
		{"Latin-1", smpptest.Message{Raw: []byte("ol\xe9 \x93ok\x94"), Coding: 3}, "olé “ok”"},
		{"ASCII", smpptest.Message{Raw: []byte("a@b.de [1] $5_x"), Coding: 1}, "a@b.de [1] $5_x"},
		{"the GSM alphabet under data_coding 1", smpptest.Message{Raw: []byte("a\x00b \x1b\x65"), Coding: 1}, "a@b €"},
		{"umlauts under data_coding 1", smpptest.Message{Raw: []byte("Gr\x7e\x1ee"), Coding: 1}, "Grüße"},
		{"UTF-8 under data_coding 0", smpptest.Message{Raw: []byte("arrêt"), Coding: 0}, "arrêt"},
		{"Latin-1 under data_coding 0", smpptest.Message{Raw: []byte("arr\xeat"), Coding: 0}, "arrêt"},
		{"UCS-2 with an odd octet", smpptest.Message{Raw: []byte("\x00S\x00T\x00O\x00P\x00"), Coding: 8}, "STOP"},
		{"UCS-2 as a message class", smpptest.Message{Raw: []byte("\x00S\x00T\x00O\x00P"), Coding: 0x18}, "STOP"},
		{"flash", smpptest.Message{Raw: []byte("STOP"), Coding: 0xF0}, "STOP"},
		{"Cyrillic", smpptest.Message{Raw: []byte("\xb4\xd0"), Coding: 6}, "Да"},
		{"what only looks like a header", smpptest.Message{Raw: []byte("\x05\x00\x03\x07\x01\x01STOP")}, "é@¥ì££STOP"},
		{"a header that is no header", smpptest.Message{Raw: []byte("\x40hello"), ESM: 0x40}, "¡hello"},
		{"an empty message", smpptest.Message{Raw: []byte{}}, ""},
		{"osmo-msc's esm_class", smpptest.Message{Raw: []byte("STOP"), Coding: 1, ESM: 1}, "STOP"},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, setup{}, func(t *testing.T, b *bench) {
				c.m.From, c.m.To = "+12025550123", "+12025550100"
				statuses, err := b.server.Deliver(t.Context(), c.m)
				if err != nil {
					t.Fatal(err)
				}
				for _, s := range statuses {
					if s != 0 {
						t.Errorf("answered with %s", smpp.StatusName(s))
					}
				}
				var r smpp.Reassembler
				got, n := "", 0
				for _, d := range b.got() {
					m := d.Message
					switch {
					case m == nil:
						t.Fatalf("delivered %+v", d.Receipt)
					case m.From != "+12025550123" || m.To != "+12025550100" || m.Link != "carrier":
						t.Errorf("delivered %+v", m)
					case m.Part == nil:
						got, n = m.Body, n+1
						continue
					}
					for _, w := range r.Add(*m.Part) {
						got, n = w.Body, n+1
						if w.Gap {
							t.Error("a gap in a whole message")
						}
					}
				}
				if n != 1 || got != c.want {
					t.Errorf("got %d messages, %q, want %q", n, got, c.want)
				}
			})
		})
	}
}

// pdu builds a PDU out of its parts.
func pdu(id, status, seq uint32, body string) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(16+len(body)))
	b = binary.BigEndian.AppendUint32(b, id)
	b = binary.BigEndian.AppendUint32(b, status)
	b = binary.BigEndian.AppendUint32(b, seq)
	return append(b, body...)
}

const (
	mandatory = "\x00\x01\x0112025550123\x00\x01\x0112025550100\x00" // service_type and addresses
	noText    = mandatory + "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
)

func TestBadPDUsAreAnsweredAndTheLinkStays(t *testing.T) {
	for _, c := range []struct {
		name string
		raw  []byte
		word string // fault that is told
	}{
		{"an unknown command", pdu(0x00000077, 0, 5, "xyz"), "unknown-pdu"},
		{"a command that is ours to send", pdu(0x00000004, 0, 5, noText), "unknown-pdu"},
		{"a response to nothing", pdu(0x80000004, 0, 99999, "id\x00"), ""},
		{"a response of an unknown command", pdu(0x80000077, 0, 1, ""), ""},
		{"generic_nack out of nowhere", pdu(0x80000000, 3, 0, ""), ""},
		{"alert_notification", pdu(0x00000102, 0, 5, "\x01\x01123\x00\x01\x011\x00"), ""},
		{"outbind", pdu(0x0000000B, 0, 5, "a\x00b\x00"), ""},
		{"a deliver_sm cut off", pdu(0x00000005, 0, 5, mandatory), "broken-pdu"},
		{"a deliver_sm without a body", pdu(0x00000005, 0, 5, ""), "broken-pdu"},
		{"sm_length beyond the end", pdu(0x00000005, 0, 5, mandatory+"\x00\x00\x00\x00\x00\x00\x00\x00\x00\xfe"+"short"), "broken-pdu"},
		{"a parameter beyond the end", pdu(0x00000005, 0, 5, noText+"\x04\x24\xff\xffabc"), "broken-pdu"},
		{"a data_sm cut off", pdu(0x00000103, 0, 5, "\x00\x01"), "broken-pdu"},
		{"a PDU of 100 KB", pdu(0x00000005, 0, 5, strings.Repeat("x", 100_000)), "broken-pdu"},
		{"an address without an end", pdu(0x00000005, 0, 5, strings.Repeat("1", 3000)), "broken-pdu"},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, setup{}, func(t *testing.T, b *bench) {
				b.server.Raw(c.raw)
				time.Sleep(time.Second)
				if got := b.words(); got != c.word {
					t.Errorf("faults: %q", got)
				}
				if _, err := b.submit("+12025550123", "still here"); err != nil {
					t.Error(err)
				}
				if got := b.states(); got != "connecting bound" {
					t.Errorf("states: %s", got)
				}
				if len(b.got()) != 0 {
					t.Errorf("delivered %+v", b.got())
				}
			})
		})
	}
}

func TestHeadersInMessagePayloadAndGarbage(t *testing.T) {
	inBubble(t, setup{}, func(t *testing.T, b *bench) {
		// UDHI, an empty short_message and the header in message_payload: a legal form that go-smpp refuses.
		body := mandatory + "\x40\x00\x00\x00\x00\x00\x00\x00\x00\x00" + "\x04\x24\x00\x0a\x05\x00\x03\x07\x02\x01STOP"
		b.server.Raw(pdu(5, 0, 7, body))
		synctest.Wait()
		if d := b.got(); len(d) != 1 || d[0].Message.Part == nil || d[0].Message.Body != "STOP" || d[0].Message.Part.Concat != (smpp.Concat{Ref: 7, Bits: 8, Total: 2, Index: 1}) {
			t.Errorf("delivered %+v", d)
		}
		b.server.Raw([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
		time.Sleep(5 * time.Second)
		if got := b.states(); got != "connecting bound down connecting bound" {
			t.Errorf("after garbage: %s", got)
		}
	})
}

func TestAFloodOfDeliveriesIsPutOffNotLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		b := newBench(t, setup{answer: func(smpp.Delivery) uint32 { <-gate; return 0 }})
		defer b.close()
		synctest.Wait()
		for range 200 {
			b.server.Send(smpptest.Message{From: "+12025550123", To: "+12025550100", Body: "x"})
		}
		synctest.Wait()
		if c := b.link.Counters(); c.Deferred == 0 || c.Delivered != 200 {
			t.Errorf("counters %+v", c)
		}
		close(gate)
		time.Sleep(10 * time.Second)
		ok := 0
		for _, a := range b.server.Acks() {
			if a.Status == 0 {
				ok++
			}
		}
		if ok != 200 || b.server.Waiting() != 0 {
			t.Errorf("%d taken, %d wait", ok, b.server.Waiting())
		}
	})
}

func TestMessagesOfOneSenderKeepTheirOrder(t *testing.T) {
	inBubble(t, setup{}, func(t *testing.T, b *bench) {
		words := strings.Fields("STOP START STOP HELP START a b c d e f g")
		for _, w := range words {
			b.server.Send(smpptest.Message{From: "+12025550123", To: "+12025550100", Body: w})
		}
		synctest.Wait()
		var got []string
		for _, d := range b.got() {
			got = append(got, d.Message.Body)
		}
		if strings.Join(got, " ") != strings.Join(words, " ") {
			t.Errorf("got %v", got)
		}
	})
}

func TestDuplicateAnswersAndReceiptsDoNoHarm(t *testing.T) {
	inBubble(t, setup{faults: smpptest.Faults{DuplicateResponses: true, DuplicateReceipts: true, ReceiptFirst: true}}, func(t *testing.T, b *bench) {
		a, err := b.submit("+12025550123", "x")
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		d := b.got()
		if len(d) != 2 || d[0].Receipt.MessageID != a.MessageID || d[1].Receipt.MessageID != a.MessageID {
			t.Errorf("delivered %+v", d)
		}
		if _, err := b.submit("+12025550124", "y"); err != nil {
			t.Error(err)
		}
	})
}

func TestSubmitsOnTheWireAreWhatTheConfigurationSays(t *testing.T) {
	for _, c := range []struct {
		name   string
		config func(*smpp.Config)
		seg    func(*smpp.Segment)
		want   func(smpptest.Submit) bool
	}{
		{"digits", nil, nil, func(s smpptest.Submit) bool { return s.ToTON == 1 && s.To == "+12025550123" }},
		{"e164", func(c *smpp.Config) { c.Numbers = "e164"; c.Destination = "0/0" }, nil,
			func(s smpptest.Submit) bool { return s.ToTON == 0 && s.To == "+12025550123" }},
		{"national", func(c *smpp.Config) { c.Numbers = "national"; c.Destination = "auto" }, nil,
			func(s smpptest.Submit) bool {
				return s.ToTON == 2 && s.To == "2025550123" && s.FromTON == 2 && s.From == "2025550100"
			}},
		{"letters", nil, func(s *smpp.Segment) { s.From = "Acme Inc" }, func(s smpptest.Submit) bool { return s.FromTON == 5 && s.From == "Acme Inc" }},
		{"short", nil, func(s *smpp.Segment) { s.From = "12345" }, func(s smpptest.Submit) bool { return s.FromTON == 3 && s.From == "12345" }},
		{"explicit", func(c *smpp.Config) { c.Source = "0/1" }, nil, func(s smpptest.Submit) bool { return s.FromTON == 0 && s.From == "12025550100" }},
		{"no receipts", func(c *smpp.Config) { c.Receipts = false; c.Reference = false }, nil,
			func(s smpptest.Submit) bool { return s.Registered == 0 && s.Reference == -1 }},
		{"no receipt for one", nil, func(s *smpp.Segment) { s.NoReceipt = true }, func(s smpptest.Submit) bool { return s.Registered == 0 }},
		{"service type", func(c *smpp.Config) { c.ServiceType = "CMT" }, nil, func(s smpptest.Submit) bool { return s.Service == "CMT" }},
		{"relative validity", nil, func(s *smpp.Segment) { s.Validity = time.Now().Add(26*time.Hour + 90*time.Second) },
			func(s smpptest.Submit) bool { return s.Validity == "000001020130000R" }},
		{"absolute validity", func(c *smpp.Config) { c.Validity = "absolute" }, func(s *smpp.Segment) { s.Validity = time.Now().Add(time.Hour) },
			func(s smpptest.Submit) bool { return s.Validity == "000101010000000+" }},
		{"Latin-1", func(c *smpp.Config) { c.Charset = "latin1" }, nil, func(s smpptest.Submit) bool { return string(s.Data) == "gr\xfc\xdfe @" && s.Coding == 0 }},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, setup{config: c.config, faults: smpptest.Faults{NoReceipts: true}}, func(t *testing.T, b *bench) {
				s := b.segment("+12025550123", "grüße @")
				if c.seg != nil {
					c.seg(&s)
				}
				if _, err := b.link.Submit(t.Context(), s); err != nil {
					t.Fatal(err)
				}
				if sub := b.server.Submits(); len(sub) != 1 || !c.want(sub[0]) {
					t.Errorf("on the wire: %+v", sub)
				}
			})
		})
	}
}

func TestLongTextsArriveWholeInEveryForm(t *testing.T) {
	for _, form := range []string{"udh", "sar", "payload"} {
		for _, body := range []string{long + long, long + "Да 👍 " + long} {
			inBubble(t, setup{config: func(c *smpp.Config) { c.Long = form }}, func(t *testing.T, b *bench) {
				for _, part := range b.link.Segments(body) {
					_, err := b.link.Submit(t.Context(), smpp.Segment{To: "+12025550123", From: "Acme", Part: part, Concat: 200})
					if err != nil {
						t.Fatal(err)
					}
				}
				texts := b.server.Texts()
				if len(texts) != 1 || texts[0].Body != body || texts[0].Parts != texts[0].Total {
					t.Errorf("%s: %+v", form, texts)
				}
				if form == "udh" && hex.EncodeToString(b.server.Submits()[0].Data[:2]) == "0500" {
					t.Error("the header was not recognised as one")
				}
				time.Sleep(time.Second)
				for _, d := range b.got() {
					if d.Receipt == nil {
						t.Errorf("delivered %+v", d)
					}
				}
			})
		}
	}
}
