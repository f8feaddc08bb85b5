package smpp

import (
	"bytes"
	"testing"
	"time"

	"github.com/fiorix/go-smpp/smpp/pdu"
	"github.com/fiorix/go-smpp/smpp/pdu/pdufield"
	"github.com/fiorix/go-smpp/smpp/pdu/pdutlv"
)

// library writes a submit_sm with go-smpp. Its optional parameters come in any order.
func (p *submitSM) library() ([]byte, error) {
	tlv := pdutlv.Fields{}
	for tag, value := range map[pdutlv.Tag][]byte{pdutlv.TagUserMessageReference: p.reference, pdutlv.TagSarMsgRefNum: p.sarRef,
		pdutlv.TagSarTotalSegments: p.sarTotal, pdutlv.TagSarSegmentSeqnum: p.sarSequence, pdutlv.TagMessagePayload: p.payload} {
		if value != nil {
			tlv[tag] = value
		}
	}
	out := pdu.NewSubmitSM(tlv)
	err := setFields(out.Fields(), []field{{pdufield.ServiceType, p.serviceType},
		{pdufield.SourceAddrTON, p.from.ton}, {pdufield.SourceAddrNPI, p.from.npi}, {pdufield.SourceAddr, p.from.digits},
		{pdufield.DestAddrTON, p.to.ton}, {pdufield.DestAddrNPI, p.to.npi}, {pdufield.DestinationAddr, p.to.digits},
		{pdufield.ESMClass, p.esmClass}, {pdufield.ValidityPeriod, p.validity},
		{pdufield.RegisteredDelivery, p.registered}, {pdufield.DataCoding, p.coding}, {pdufield.ShortMessage, p.text}})
	if err != nil {
		return nil, err
	}
	return encode(out)
}

func TestASubmitIsWrittenAsTheLibraryWritesIt(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	long := "Acme Plumbing: sorry we missed you. " + string(bytes.Repeat([]byte("Reply here. "), 30)) + "STOP to opt out"
	for name, cfg := range map[string]Config{
		"plain":   {Receipts: true, Reference: true},
		"none":    {Validity: "none", ServiceType: "CMT"},
		"sar":     {Long: "sar", Validity: "absolute"},
		"payload": {Long: "payload", Reference: true},
	} {
		cfg.Name, cfg.Addr, cfg.SystemID = "carrier", "smsc:2775", "acme"
		if err := cfg.Check(); err != nil {
			t.Fatal(err)
		}
		cfg := cfg.withDefaults()
		for _, body := range []string{"", "short", "grüße €", "日本語", long, long + "日"} {
			for _, part := range cfg.Segments(body) {
				s := Segment{To: "+12025550123", From: "ACME", Part: part, Concat: 7, Reference: 0x1234, Validity: now.Add(36 * time.Hour)}
				p, err := newSubmit(&cfg, &s, now)
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				want, err := p.library()
				if err != nil {
					t.Fatal(err)
				}
				// go-smpp numbers it from a counter of its own.
				setSequence(want, 0)
				got := p.encode()
				if !samePDU(t, got, want) {
					t.Errorf("%s, part %d of %q:\ngot  % x\nwant % x", name, part.Index, body, got, want)
				}
			}
		}
	}
}

// samePDU compares two submit_sm, their optional parameters in any order.
func samePDU(t *testing.T, a, b []byte) bool {
	t.Helper()
	if len(a) != len(b) || !bytes.Equal(a[:headerLen], b[:headerLen]) {
		return false
	}
	x, errX := decodeIncoming(frame{id: pdu.DeliverSMID, body: a[headerLen:]}) // deliver_sm has the same fields
	y, errY := decodeIncoming(frame{id: pdu.DeliverSMID, body: b[headerLen:]})
	if errX != nil || errY != nil || len(x.tlv) != len(y.tlv) {
		return false
	}
	options := 0
	for tag, v := range x.tlv {
		if y.tlv[tag] == nil || !bytes.Equal(v.Bytes(), y.tlv[tag].Bytes()) {
			return false
		}
		options += 4 + len(v.Bytes())
	}
	fixed := len(a) - options
	return bytes.Equal(a[:fixed], b[:fixed])
}

func BenchmarkEncodeSubmit(b *testing.B) {
	cfg := Config{Name: "carrier", Addr: "smsc:2775", SystemID: "acme", Receipts: true, Reference: true}
	if err := cfg.Check(); err != nil {
		b.Fatal(err)
	}
	cfg = cfg.withDefaults()
	now := time.Now()
	s := Segment{To: "+12025550123", From: "+12025550100", Part: cfg.Segments("sorry we missed you. Reply STOP to opt out")[0], Reference: 4711, Validity: now.Add(time.Hour)}
	b.Run("go-smpp", func(b *testing.B) {
		b.ReportAllocs()
		for range b.N {
			p, err := newSubmit(&cfg, &s, now)
			if err != nil {
				b.Fatal(err)
			}
			if _, err := p.library(); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("own", func(b *testing.B) {
		b.ReportAllocs()
		for range b.N {
			if _, err := encodeSubmit(&cfg, &s, now); err != nil {
				b.Fatal(err)
			}
		}
	})
}
