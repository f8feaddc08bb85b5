package smpp_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	gosmpp "github.com/fiorix/go-smpp/smpp/pdu"
	"github.com/fiorix/go-smpp/smpp/pdu/pdufield"

	"textback/smpp"
	"textback/smpp/smpptest"
)

// script is the far end of a link whose every octet the test decides.
type script struct {
	t    *testing.T
	conn net.Conn
}

// read takes one PDU as raw octets.
func (s script) read() []byte {
	s.t.Helper()
	head := make([]byte, 4)
	if _, err := io.ReadFull(s.conn, head); err != nil {
		s.t.Fatal(err)
	}
	b := make([]byte, binary.BigEndian.Uint32(head))
	copy(b, head)
	if _, err := io.ReadFull(s.conn, b[4:]); err != nil {
		s.t.Fatal(err)
	}
	return b
}

func (s script) write(b []byte) {
	s.t.Helper()
	if _, err := s.conn.Write(b); err != nil {
		s.t.Fatal(err)
	}
}

// scripted runs a link against a script; the bind has been read and not answered.
func scripted(t *testing.T, change func(*smpp.Config), test func(t *testing.T, link *smpp.Link, s script, bind []byte)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		cfg := smpp.Config{Name: "carrier", Addr: "smsc:2775", SystemID: "acme", Password: "secret", SystemType: "VMA",
			Dial: func(context.Context, string, string) (net.Conn, error) { return near, nil }}
		if change != nil {
			change(&cfg)
		}
		link := smpp.NewLink(cfg, smpp.Handlers{Deliver: func(context.Context, smpp.Delivery) uint32 { return smpp.StatusOK }})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			_ = link.Run(ctx)
		}()
		s := script{t, far}
		test(t, link, s, s.read())
		_ = far.Close()
		cancel()
		<-done
	})
}

// bindOK is the answer to a bind with sequence number 1.
func bindOK(id uint32) []byte { return pdu(id, 0, 1, "SMSC\x00") }

func TestTheBindIsWhatTheStandardSays(t *testing.T) {
	scripted(t, func(c *smpp.Config) { c.AddressRange = "^1202" }, func(t *testing.T, _ *smpp.Link, _ script, bind []byte) {
		want := pdu(9, 0, 1, "acme\x00secret\x00VMA\x00\x34\x00\x00^1202\x00")
		if !bytes.Equal(bind, want) {
			t.Errorf("got  %x\nwant %x", bind, want)
		}
	})
}

func TestOddBindAnswersAreTaken(t *testing.T) {
	for name, answer := range map[string][]byte{
		"of another kind (osmo-msc)": bindOK(0x80000002),
		"without a body":             pdu(0x80000009, 0, 1, ""),
		"with parameters":            pdu(0x80000009, 0, 1, "SMSC\x00\x02\x10\x00\x01\x34"),
		"without the NUL":            pdu(0x80000009, 0, 1, "SMSC"),
	} {
		t.Run(name, func(t *testing.T) {
			scripted(t, nil, func(t *testing.T, link *smpp.Link, s script, _ []byte) {
				// Something else may come first.
				s.write(pdu(0x15, 0, 9, ""))
				if got := s.read(); !bytes.Equal(got, pdu(0x80000015, 0, 9, "")) {
					t.Errorf("enquire_link before the bind's answer: %x", got)
				}
				s.write(answer)
				synctest.Wait()
				if !link.Up() {
					t.Error("not bound")
				}
			})
		})
	}
}

func TestWhatComesInIsAnsweredInTheseOctets(t *testing.T) {
	deliver := noText[:len(noText)-1]
	for _, c := range []struct {
		name string
		in   []byte
		out  []byte // nil: no answer
	}{
		{"enquire_link", pdu(0x15, 0, 0, ""), pdu(0x80000015, 0, 0, "")},
		{"deliver_sm with the number 0", pdu(5, 0, 0, deliver+"\x02hi"), pdu(0x80000005, 0, 0, "\x00")},
		{"deliver_sm with a number of 32 bits", pdu(5, 0, 0xFFFFFFFF, deliver+"\x02hi"), pdu(0x80000005, 0, 0xFFFFFFFF, "\x00")},
		{"data_sm", pdu(0x103, 0, 7, mandatory+"\x00\x00\x00\x04\x24\x00\x02hi"), pdu(0x80000103, 0, 7, "\x00")},
		{"an unknown command", pdu(0x77, 0, 7, "xyz"), pdu(0x80000000, 3, 7, "")},
		{"submit_sm", pdu(4, 0, 7, noText), pdu(0x80000000, 3, 7, "")},
		{"deliver_sm cut off", pdu(5, 0, 7, mandatory), pdu(0x80000005, 2, 7, "\x00")},
		{"sm_length beyond the end", pdu(5, 0, 7, deliver+"\xfehi"), pdu(0x80000005, 1, 7, "\x00")},
		{"a parameter beyond the end", pdu(5, 0, 7, noText+"\x04\x24\x00\xffhi"), pdu(0x80000005, 0xC0, 7, "\x00")},
		{"data_sm cut off", pdu(0x103, 0, 7, "\x00"), pdu(0x80000103, 2, 7, "\x00")},
		{"too long", pdu(5, 0, 7, strings.Repeat("x", 70000)), pdu(0x80000000, 2, 7, "")},
		{"alert_notification", pdu(0x102, 0, 7, "\x01\x01123\x00\x01\x011\x00"), nil},
		{"a response to nothing", pdu(0x80000004, 0, 7, "id\x00"), nil},
		{"a nack of nothing", pdu(0x80000000, 3, 7, ""), nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			scripted(t, nil, func(t *testing.T, link *smpp.Link, s script, _ []byte) {
				s.write(bindOK(0x80000009))
				s.write(c.in)
				if c.out != nil {
					if got := s.read(); !bytes.Equal(got, c.out) {
						t.Errorf("got  %x\nwant %x", got, c.out)
					}
				}
				s.write(pdu(0x15, 0, 99, "")) // whatever it was: the link goes on, and nothing else was said
				if got := s.read(); !bytes.Equal(got, pdu(0x80000015, 0, 99, "")) {
					t.Errorf("then %x", got)
				}
				synctest.Wait()
				if !link.Up() {
					t.Error("the link is down")
				}
			})
		})
	}
}

func TestAnUnbindIsAnsweredInTheseOctets(t *testing.T) {
	scripted(t, nil, func(t *testing.T, link *smpp.Link, s script, _ []byte) {
		s.write(bindOK(0x80000009))
		s.write(pdu(6, 0, 5, ""))
		if got := s.read(); !bytes.Equal(got, pdu(0x80000006, 0, 5, "")) {
			t.Errorf("got %x", got)
		}
		if _, err := s.conn.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("the connection stays: %v", err)
		}
	})
}

func TestGoSMPPReadsWhatIsSent(t *testing.T) {
	scripted(t, nil, func(t *testing.T, link *smpp.Link, s script, bind []byte) {
		p, err := gosmpp.Decode(bytes.NewReader(bind))
		if err != nil || p.Header().ID != gosmpp.BindTransceiverID {
			t.Fatalf("bind: %v, %v", p, err)
		}
		s.write(bindOK(0x80000009))
		synctest.Wait()
		go func() {
			_, _ = link.Submit(t.Context(), smpp.Segment{To: "+12025550123", From: "Acme", Part: link.Segments("hello")[0]})
		}()
		p, err = gosmpp.Decode(bytes.NewReader(s.read()))
		if err != nil || p.Header().ID != gosmpp.SubmitSMID || p.Header().Seq != 2 || p.Fields()[pdufield.ShortMessage].String() != "hello" ||
			p.Fields()[pdufield.SourceAddrTON].String() != "5" {
			t.Errorf("submit_sm: %+v, %v", p, err)
		}
	})
}

func TestOnlyTheRightResponseAnswersASubmit(t *testing.T) {
	scripted(t, nil, func(t *testing.T, link *smpp.Link, s script, _ []byte) {
		s.write(bindOK(0x80000009))
		synctest.Wait()
		done := make(chan smpp.Answer, 1)
		go func() {
			a, err := link.Submit(t.Context(), smpp.Segment{To: "+12025550123", From: "Acme", Part: link.Segments("hello")[0]})
			if err != nil {
				t.Error(err)
			}
			done <- a
		}()
		seq := binary.BigEndian.Uint32(s.read()[12:])
		for _, id := range []uint32{0x80000005, 0x80000015, 0x80000103, 0x80000009, 0x80000077} {
			s.write(pdu(id, 0x45, seq, "wrong\x00"))
		}
		s.write(pdu(0x80000004, 0, seq+1, "wrong\x00"))
		s.write(pdu(0x80000004, 0, seq, "right\x00"))
		s.write(pdu(0x80000004, 0, seq, "again\x00"))
		if a := <-done; a.MessageID != "right" {
			t.Errorf("got %+v", a)
		}
		if c := link.Counters(); c.Unknown < 6 || c.Accepted != 1 {
			t.Errorf("counters %+v", c)
		}
	})
}

// tornConn lets a test decide how many octets of a write leave.
type tornConn struct {
	net.Conn
	mu   sync.Mutex
	hold chan struct{} // writes wait for it
	left int           // octets that the next write lets through before it fails, -1 = all
}

func (c *tornConn) Write(b []byte) (int, error) {
	c.mu.Lock()
	hold, left := c.hold, c.left
	c.mu.Unlock()
	if hold != nil {
		<-hold
		c.mu.Lock()
		c.hold = nil
		c.mu.Unlock()
		return c.Conn.Write(b)
	}
	if left < 0 || left > len(b) {
		return c.Conn.Write(b)
	}
	n, err := c.Conn.Write(b[:left])
	if err == nil {
		err = errors.New("connection reset")
	}
	return n, err
}

func TestOfATornWriteOnlyWhatLeftIsInDoubt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := smpptest.New(smpptest.Options{})
		server.SetFaults(smpptest.Faults{Mute: true, NoReceipts: true})
		torn := &tornConn{left: -1}
		b := newBench(t, setup{config: func(c *smpp.Config) {
			c.Dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
				if torn.Conn != nil {
					return nil, errors.New("only once")
				}
				var err error
				torn.Conn, err = server.Dial(ctx, network, addr)
				return torn, err
			}
		}})
		defer server.Close()
		defer b.close()
		synctest.Wait()
		hold := make(chan struct{})
		torn.mu.Lock()
		torn.hold = hold
		torn.mu.Unlock()
		results := make([]smpp.Sent, 4)
		var wg sync.WaitGroup
		for i := range results {
			wg.Go(func() {
				a, _ := b.submit("+1202555010"+string(rune('0'+i)), "hello")
				results[i] = a.Sent
			})
			synctest.Wait() // the first waits in its write, the others behind it for the next one
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if a, err := b.link.Submit(ctx, b.segment("+12025550109", "hello")); a.Sent != smpp.NotSent || !smpp.Retryable(err) {
			t.Errorf("given up behind a write that hangs: %+v, %v", a, err)
		}
		size := 16 + 1 + 2 + len("12025550100") + 1 + 2 + len("12025550100") + 1 + 9 + 1 + len("hello") + 6
		torn.mu.Lock()
		torn.left = size + size/2 // the second submit whole, the third in part, the fourth not at all
		torn.mu.Unlock()
		close(hold)
		wg.Wait()
		want := []smpp.Sent{smpp.Uncertain, smpp.Uncertain, smpp.Uncertain, smpp.NotSent}
		for i := range want {
			if results[i] != want[i] {
				t.Errorf("submit %d: %v, want %v", i+1, results[i], want[i])
			}
		}
		if n := len(server.Submits()); n != 2 {
			t.Errorf("the centre has %d submits", n)
		}
		time.Sleep(time.Second)
	})
}
