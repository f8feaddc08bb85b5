package smpp_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"textback"
	"textback/smpp"
	"textback/smpp/smpptest"
)

func TestACentreThatDropsAfterEveryBindIsTriedLessAndLess(t *testing.T) {
	inBubble(t, setup{faults: smpptest.Faults{DropAfterBind: true}}, func(t *testing.T, b *bench) {
		time.Sleep(10 * time.Minute)
		if n := strings.Count(b.states(), "bound"); n < 5 || n > 25 {
			t.Errorf("%d binds in ten minutes", n)
		}
		b.server.SetFaults(smpptest.Faults{})
		time.Sleep(2 * time.Minute)
		if !b.link.Up() {
			t.Errorf("states: %s", b.states())
		}
	})
}

func TestADeliveryWhoseAnswerIsLostComesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		var once sync.Once
		b := newBench(t, setup{answer: func(smpp.Delivery) uint32 {
			once.Do(func() { <-gate })
			return smpp.StatusOK
		}})
		defer b.close()
		synctest.Wait()
		b.server.Send(smpptest.Message{From: "+12025550123", To: "+12025550100", Body: "STOP"})
		synctest.Wait()
		b.server.Drop()
		time.Sleep(5 * time.Second)
		if n := len(b.got()); n != 1 {
			t.Errorf("%d handlers run for one sender at the same time", n)
		}
		close(gate)
		synctest.Wait()
		if n := len(b.got()); n != 2 || b.server.Waiting() != 0 {
			t.Errorf("delivered %d times, %d wait", n, b.server.Waiting())
		}
	})
}

func TestAnUnbindLetsAnswersOnTheirWayComeIn(t *testing.T) {
	inBubble(t, setup{faults: smpptest.Faults{AnswerAfter: 500 * time.Millisecond, NoReceipts: true}}, func(t *testing.T, b *bench) {
		done := make(chan error, 1)
		go func() {
			_, err := b.submit("+12025550123", "x")
			done <- err
		}()
		synctest.Wait()
		// The unbind alone: the centre would close the connection when its answer comes.
		b.server.Raw(pdu(0x00000006, 0, 77, ""))
		synctest.Wait()
		if a, err := b.submit("+12025550124", "y"); !errors.Is(err, smpp.ErrDown) || a.Sent != smpp.NotSent {
			t.Errorf("after the unbind: %+v, %v", a, err)
		}
		if err := <-done; err == nil {
			return
		} else if !errors.Is(err, smpp.ErrUnanswered) {
			t.Errorf("in flight: %v", err)
		}
	})
}

func TestAReceiptFindsItsTextInEveryNotation(t *testing.T) {
	for name, form := range map[string]smpptest.IDForm{"decimal": smpptest.IDDecimal, "hexadecimal and decimal": smpptest.IDHexDecimal,
		"useless": smpptest.IDUseless, "parameter only": smpptest.IDTLV, "text only": smpptest.IDText} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, setup{faults: smpptest.Faults{IDs: form}}, func(t *testing.T, b *bench) {
				a, err := b.submit("+12025550123", "x")
				if err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Second)
				d := b.got()
				if len(d) != 1 || d[0].Receipt == nil || d[0].Receipt.State != textback.Delivered {
					t.Fatalf("delivered %+v", d)
				}
				r := d[0].Receipt
				if form == smpptest.IDUseless {
					if a.MessageID != "msg_id_not_implemented" || !r.HasRef || r.Reference != 4711&0xFF {
						t.Errorf("answer %+v, receipt %+v", a, r)
					}
					return
				}
				if !slices.Contains(smpp.IDForms(r.MessageID), a.MessageID) {
					t.Errorf("%q is not among %q", a.MessageID, smpp.IDForms(r.MessageID))
				}
			})
		})
	}
}

func TestOneFullMailboxDoesNotSlowTheOthers(t *testing.T) {
	full := func(number string) uint32 {
		if number == "+12025550999" {
			return smpp.StatusQueueFull
		}
		return smpp.StatusOK
	}
	inBubble(t, setup{options: smpptest.Options{NoFates: true}, faults: smpptest.Faults{Refuse: full, NoReceipts: true}, config: func(c *smpp.Config) { c.Rate = 10 }}, func(t *testing.T, b *bench) {
		done := make(chan error, 1)
		go func() {
			_, err := b.submit("+12025550999", "x")
			done <- err
		}()
		begin := time.Now()
		for i := range 100 {
			if _, err := b.submit(fmt.Sprintf("+1202555%04d", i), "x"); err != nil {
				t.Error(err)
			}
		}
		if took := time.Since(begin); took > 11*time.Second {
			t.Errorf("100 texts at 10 a second took %v", took)
		}
		if err := <-done; !smpp.Throttling(err) || !smpp.Retryable(err) {
			t.Errorf("the full mailbox: %v", err)
		}
		if b.link.Rate() != 10 {
			t.Errorf("the rate is %v", b.link.Rate())
		}
		b.server.SetFaults(smpptest.Faults{QueueFull: true})
		for i := range 2 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			_, _ = b.link.Submit(ctx, b.segment(fmt.Sprintf("+1202556%04d", i), "x"))
			cancel()
		}
		if b.link.Rate() >= 10 {
			t.Error("a full message centre is not spared")
		}
	})
}

func TestWhatCannotBeWrittenIsSaidToBeUnsendable(t *testing.T) {
	inBubble(t, setup{}, func(t *testing.T, b *bench) {
		s := b.segment("+12025550123", "x")
		s.From = "Much too long a name"
		a, err := b.link.Submit(t.Context(), s)
		if a.Sent != smpp.NotSent || !errors.Is(err, smpp.ErrUnsendable) || smpp.Retryable(err) || b.link.Counters().InFlight != 0 {
			t.Errorf("got %+v, %v", a, err)
		}
		if _, err := b.submit("+12025550123", "x"); err != nil {
			t.Errorf("the next: %v", err)
		}
	})
}

func TestAPoolLeavesASilentLinkForTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first := newBench(t, setup{faults: smpptest.Faults{Mute: true, NoReceipts: true}, config: func(c *smpp.Config) { c.Name = "first" }})
		second := newBench(t, setup{config: func(c *smpp.Config) { c.Name = "second" }})
		defer second.close()
		defer first.close()
		pool := smpp.NewPool(first.link, second.link)
		synctest.Wait()
		doubt, by := 0, map[string]int{}
		for i := range 100 {
			l, err := pool.Pick("")
			if err != nil {
				t.Fatal(err)
			}
			a, err := l.Submit(t.Context(), first.segment(fmt.Sprintf("+1202555%04d", i+100), "x"))
			switch {
			case errors.Is(err, smpp.ErrUnanswered):
				doubt++
			case err != nil:
				t.Errorf("text %d: %+v, %v", i, a, err)
			}
			by[l.Name()]++
		}
		if doubt > 6 || by["second"] < 94 {
			t.Errorf("%d in doubt, %v", doubt, by)
		}
	})
}

func TestOnlyWhatNeverLeftGoesOutAgainAfterAnyFault(t *testing.T) {
	// Whatever happens to the connection, a text that is sent again only when NotSent is said arrives at most once, and
	// what was accepted has arrived.
	for seed := range 20 {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			inBubble(t, setup{options: smpptest.Options{NoFates: true}, config: func(c *smpp.Config) { c.Window = 8 }}, func(t *testing.T, b *bench) {
				const texts = 120
				results := make([]smpp.Sent, texts)
				var wg sync.WaitGroup
				slots := make(chan struct{}, 16)
				wg.Go(func() {
					for i := range 12 {
						time.Sleep(time.Duration(seed*37%23+1) * 100 * time.Millisecond)
						f := smpptest.Faults{NoReceipts: true}
						switch (i + seed) % 7 {
						case 0:
							f.DropOnSubmit = true
						case 1:
							f.AnswerAfter = 12 * time.Second
						case 2:
							f.StopReading = true
						case 3:
							f.MaxRate = 3
						case 4:
							f.DuplicateResponses = true
						case 5:
							f.Mute = true
						}
						b.server.SetFaults(f)
						if i%3 == 0 {
							b.server.Drop()
						}
					}
					b.server.SetFaults(smpptest.Faults{NoReceipts: true})
				})
				for i := range texts {
					slots <- struct{}{}
					wg.Go(func() {
						defer func() { <-slots }()
						for {
							a, err := b.submit(fmt.Sprintf("+1202%07d", i), "x")
							if smpp.Retryable(err) {
								if a.Sent == smpp.Uncertain {
									t.Errorf("an uncertain submit is called retryable: %v", err)
								}
								time.Sleep(time.Second)
								continue
							}
							results[i] = a.Sent
							return
						}
					})
					time.Sleep(50 * time.Millisecond)
				}
				wg.Wait()
				arrived := map[string]int{}
				for _, x := range b.server.Texts() {
					arrived[x.To]++
				}
				uncertain := 0
				for i, sent := range results {
					n := arrived[fmt.Sprintf("+1202%07d", i)]
					switch {
					case n > 1:
						t.Errorf("text %d arrived %d times", i, n)
					case sent == smpp.Answered && n != 1:
						t.Errorf("text %d was accepted and did not arrive", i)
					case sent == smpp.Uncertain:
						uncertain++
					}
				}
				t.Logf("%d of %d in doubt, %d submits, counters %+v", uncertain, texts, len(b.server.Submits()), b.link.Counters())
				if uncertain == texts {
					t.Error("every text is in doubt")
				}
			})
		})
	}
}
