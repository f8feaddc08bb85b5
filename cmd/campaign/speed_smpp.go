package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	gosmpp "github.com/fiorix/go-smpp/smpp"
	"github.com/fiorix/go-smpp/smpp/pdu/pdufield"
	"github.com/fiorix/go-smpp/smpp/pdu/pdutext"

	"textback/smpp"
)

// smsc is a message centre without any library: it takes submit_sm as they come, counts them, and answers all that it has read
// with one write.
func (p *peer) smsc(c net.Conn) error {
	r := bufio.NewReaderSize(c, 64<<10)
	var out []byte
	var head [16]byte
	for id := uint64(0); ; {
		if r.Buffered() < len(head) && len(out) > 0 {
			if _, err := c.Write(out); err != nil {
				return err
			}
			out = out[:0]
		}
		if _, err := io.ReadFull(r, head[:]); err != nil {
			return err
		}
		length, command := binary.BigEndian.Uint32(head[:]), binary.BigEndian.Uint32(head[4:])
		if _, err := r.Discard(int(length) - len(head)); err != nil {
			return err
		}
		var body []byte
		switch command {
		case 0x00000004: // submit_sm
			p.count.Add(1)
			id++
			body = fmt.Appendf(nil, "%08x\x00", id)
		case 0x00000009, 0x00000001, 0x00000002: // binds
			body = []byte("far\x00")
		}
		if command>>31 == 0 {
			out = binary.BigEndian.AppendUint32(out, uint32(16+len(body)))
			out = binary.BigEndian.AppendUint32(out, command|1<<31)
			out = append(append(out, 0, 0, 0, 0), head[12:]...)
			out = append(out, body...)
		}
	}
}

const aText = "Acme Plumbing: sorry we missed you, John! Reply here. Reply STOP to opt out"

func speedSMPP(ctx context.Context, b *bench) error {
	n := 100_000
	if b.short {
		n = 2000
	}
	far, err := newFarEnd(ctx, "smsc")
	if err != nil {
		return err
	}
	defer far.stop()
	for _, window := range []int{10, 100} {
		counted := func(run func(context.Context, string, int, int) (time.Duration, error)) func(context.Context) (float64, error) {
			return func(ctx context.Context) (float64, error) {
				if _, err := far.ask(ctx, "count"); err != nil {
					return 0, err
				}
				d, err := run(ctx, far.addr, n, window)
				if err != nil {
					return 0, err
				}
				got, err := far.ask(ctx, "count")
				if err == nil && got != n {
					err = fmt.Errorf("%d of %d texts came to the message centre", got, n)
				}
				return float64(n) / d.Seconds(), err
			}
		}
		fmt.Fprintf(b.out, "window %d, %d texts; the message centre is another process\n", window, n)
		if _, err := b.compare(ctx,
			side{fmt.Sprintf("go-smpp Transceiver, window %d", window), "texts/s", counted(goSMPP)},
			side{fmt.Sprintf("textback link, window %d", window), "texts/s", counted(ourSMPP)},
			side{fmt.Sprintf("raw socket, one write each, window %d", window), "texts/s", counted(rawSMPP(false))},
			side{fmt.Sprintf("raw socket, the window in one write, window %d", window), "texts/s", counted(rawSMPP(true))},
		); err != nil {
			return err
		}
	}
	return nil
}

// submitters runs so many at once until n are submitted.
func submitters(n, window int, submit func(i int) error) (time.Duration, error) {
	var next atomic.Int64
	var wg sync.WaitGroup
	errs := make(chan error, window)
	began := time.Now()
	for range window {
		wg.Go(func() {
			for i := next.Add(1); i <= int64(n); i = next.Add(1) {
				if err := submit(int(i)); err != nil {
					errs <- err
					return
				}
			}
		})
	}
	wg.Wait()
	close(errs)
	return time.Since(began), <-errs
}

func goSMPP(_ context.Context, addr string, n, window int) (time.Duration, error) {
	tx := &gosmpp.Transceiver{Addr: addr, User: "u", Passwd: "p", WindowSize: uint(window), RespTimeout: 30 * time.Second}
	if st := <-tx.Bind(); st.Status() != gosmpp.Connected {
		return 0, fmt.Errorf("bind: %w", st.Error())
	}
	defer tx.Close()
	return submitters(n, window, func(i int) error {
		_, err := tx.Submit(&gosmpp.ShortMessage{Src: "15550100", Dst: fmt.Sprintf("1202%07d", i), Text: pdutext.Raw(aText), Register: pdufield.FinalDeliveryReceipt})
		return err
	})
}

func ourSMPP(ctx context.Context, addr string, n, window int) (time.Duration, error) {
	cfg := smpp.Config{Name: "far", Addr: addr, SystemID: "u", Password: "p", Receipts: true, Reference: true, Window: window}
	if err := cfg.Check(); err != nil {
		return 0, err
	}
	bound := make(chan struct{}, 1)
	link := smpp.NewLink(cfg, smpp.Handlers{Status: func(s smpp.Status) {
		if s.State == smpp.Bound {
			bound <- struct{}{}
		}
	}, Deliver: func(context.Context, smpp.Delivery) uint32 { return smpp.StatusOK }})
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		_ = link.Run(ctx)
		close(ended)
	}()
	defer func() {
		cancel()
		<-ended
	}()
	<-bound
	until := time.Now().Add(time.Hour)
	return submitters(n, window, func(i int) error {
		part := link.Segments(aText)[0]
		_, err := link.Submit(ctx, smpp.Segment{To: fmt.Sprintf("+1202%07d", i), From: "+15550100", Part: part, Reference: uint16(i), Validity: until})
		return err
	})
}

// rawSMPP writes submit_sm that lie ready, numbered, and counts responses: what a socket gives. At once: the free part of the window
// goes out in one write; else each submit_sm has its own, and answers are read beside.
func rawSMPP(atOnce bool) func(context.Context, string, int, int) (time.Duration, error) {
	return func(_ context.Context, addr string, n, window int) (time.Duration, error) {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			return 0, err
		}
		defer c.Close()
		body := append([]byte("\x00\x01\x0115550100\x00\x01\x0112020000000\x00\x00\x00\x00\x00000000010000000R\x00\x01\x00\x00\x00"), byte(len(aText)))
		body = append(body, aText...)
		frame := binary.BigEndian.AppendUint32(nil, uint32(16+len(body)))
		frame = append(append(frame, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0), body...)
		r := bufio.NewReaderSize(c, 64<<10)
		answer := func() error {
			head, err := r.Peek(16)
			if err != nil {
				return err
			}
			if binary.BigEndian.Uint32(head[4:]) != 0x80000004 || binary.BigEndian.Uint32(head[8:]) != 0 {
				return fmt.Errorf("not the answer to a submit_sm: % x", head)
			}
			_, err = r.Discard(int(binary.BigEndian.Uint32(head)))
			return err
		}
		began := time.Now()
		if !atOnce {
			places, failed := make(chan struct{}, window), make(chan error, 1)
			go func() {
				for range n {
					if err := answer(); err != nil {
						failed <- err
						c.Close()
						return
					}
					<-places
				}
				failed <- nil
			}()
			for i := range n {
				places <- struct{}{}
				binary.BigEndian.PutUint32(frame[12:], uint32(i+1))
				if _, err := c.Write(frame); err != nil {
					return 0, err
				}
			}
			err := <-failed
			return time.Since(began), err
		}
		var out []byte
		for sent, got := 0, 0; got < n; {
			out = out[:0]
			for ; sent < n && sent-got < window; sent++ {
				binary.BigEndian.PutUint32(frame[12:], uint32(sent+1))
				out = append(out, frame...)
			}
			if len(out) > 0 {
				if _, err := c.Write(out); err != nil {
					return 0, err
				}
			}
			for more := true; more; more = r.Buffered() >= 16 {
				if err := answer(); err != nil {
					return 0, err
				}
				got++
			}
		}
		return time.Since(began), nil
	}
}
