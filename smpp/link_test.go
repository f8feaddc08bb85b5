package smpp_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"textback"
	"textback/smpp"
	"textback/smpp/smpptest"
)

func TestATextIsAcceptedAndItsReceiptComesBack(t *testing.T) {
	inBubble(t, setup{}, func(t *testing.T, b *bench) {
		a, err := b.submit("+12025550123", "Hello {you} €5 @ noon")
		if err != nil || a.Sent != smpp.Answered || a.MessageID == "" || a.Token != "+12025550123" || a.Written.IsZero() {
			t.Fatalf("got %+v, %v", a, err)
		}
		time.Sleep(time.Second)
		sub := b.server.Submits()
		if len(sub) != 1 || sub[0].Body != "Hello {you} €5 @ noon" || sub[0].To != "+12025550123" || sub[0].From != "+12025550100" ||
			sub[0].Registered != 1 || sub[0].Reference != 4711 {
			t.Fatalf("the message centre has %+v", sub)
		}
		d := b.got()
		if len(d) != 1 || d[0].Receipt == nil {
			t.Fatalf("delivered %+v", d)
		}
		r := d[0].Receipt
		if r.MessageID != a.MessageID || r.State != textback.Delivered || r.Stat != "DELIVRD" || r.From != "+12025550123" ||
			r.To != "+12025550100" || !r.HasRef || r.Reference != 4711 || r.Link != "carrier" {
			t.Errorf("receipt %+v", r)
		}
		if acks := b.server.Acks(); len(acks) != 1 || acks[0].Status != 0 {
			t.Errorf("acks %+v", acks)
		}
	})
}

func TestTheWindowIsNeverExceededAndWaits(t *testing.T) {
	inBubble(t, setup{config: func(c *smpp.Config) { c.Window = 3 },
		faults: smpptest.Faults{AnswerAfter: time.Second, NoReceipts: true}}, func(t *testing.T, b *bench) {
		begin := time.Now()
		var wg sync.WaitGroup
		for i := range 9 {
			wg.Go(func() {
				if _, err := b.submit(fmt.Sprintf("+1202555%04d", i+100), "x"); err != nil {
					t.Error(err)
				}
			})
		}
		time.Sleep(500 * time.Millisecond)
		if n := len(b.server.Submits()); n != 3 {
			t.Errorf("%d in flight", n)
		}
		wg.Wait()
		if took := time.Since(begin); took != 3*time.Second {
			t.Errorf("nine texts with a window of three and a second each took %v", took)
		}
	})
}

func TestTheRateIsKeptAndTheOrderToo(t *testing.T) {
	inBubble(t, setup{config: func(c *smpp.Config) { c.Rate = 10; c.Window = 100 }}, func(t *testing.T, b *bench) {
		begin := time.Now()
		var pending []*smpp.Pending
		for i := range 50 {
			p, err := b.link.Start(t.Context(), b.segment(fmt.Sprintf("+1202555%04d", i+100), "x"))
			if err != nil {
				t.Fatal(err)
			}
			pending = append(pending, p)
		}
		for _, p := range pending {
			if _, err := p.Wait(); err != nil {
				t.Error(err)
			}
		}
		if took := time.Since(begin); took < 4800*time.Millisecond || took > 5*time.Second {
			t.Errorf("50 segments at 10 a second took %v", took)
		}
		for i, s := range b.server.Submits() {
			if want := fmt.Sprintf("+1202555%04d", i+100); s.To != want {
				t.Fatalf("submit %d went to %s, not %s", i, s.To, want)
			}
		}
	})
}

func TestADeliveryWithTheNumberOfASubmitInFlightIsADelivery(t *testing.T) {
	inBubble(t, setup{faults: smpptest.Faults{AnswerAfter: time.Second, NoReceipts: true}}, func(t *testing.T, b *bench) {
		done := make(chan error, 1)
		go func() {
			_, err := b.submit("+12025550123", "x")
			done <- err
		}()
		synctest.Wait()
		seq := b.server.Submits()[0].Seq
		statuses, err := b.server.Deliver(t.Context(), smpptest.Message{From: "+12025550123", To: "+12025550100", Body: "STOP", Seq: &seq})
		if err != nil || len(statuses) != 1 || statuses[0] != 0 {
			t.Fatalf("statuses %v, %v", statuses, err)
		}
		if d := b.got(); len(d) != 1 || d[0].Message == nil || d[0].Message.Body != "STOP" {
			t.Errorf("delivered %+v", d)
		}
		if err := <-done; err != nil {
			t.Errorf("submit: %v", err)
		}
	})
}

func TestTheAnswerToADeliveryWaitsForItsHandlerAndCarriesItsStatus(t *testing.T) {
	release := make(chan uint32)
	synctest.Test(t, func(t *testing.T) {
		release = make(chan uint32)
		b := newBench(t, setup{answer: func(smpp.Delivery) uint32 { return <-release }})
		defer b.close()
		synctest.Wait()
		zero := uint32(0) // opensmppbox begins with sequence number 0
		b.server.Send(smpptest.Message{From: "+12025550123", To: "+12025550100", Body: "hi", Seq: &zero})
		synctest.Wait()
		if n := len(b.server.Acks()); n != 0 {
			t.Fatalf("%d answers before the handler returned", n)
		}
		if _, err := b.submit("+12025550124", "meanwhile"); err != nil {
			t.Errorf("a slow handler held a submit up: %v", err)
		}
		release <- smpp.StatusTryAgain
		synctest.Wait()
		if a := b.server.Acks(); len(a) != 1 || a[0].Status != 0x64 {
			t.Fatalf("answers %+v", a)
		}
		go func() {
			for range 2 { // the repetition, and the receipt of the submit
				release <- smpp.StatusOK
			}
		}()
		time.Sleep(2 * time.Second)
		n := 0
		for _, a := range b.server.Acks() {
			if a.Body == "hi" && a.Status == 0 {
				n++
			}
		}
		if n != 1 || b.server.Waiting() != 0 {
			t.Errorf("answers %+v", b.server.Acks())
		}
	})
}

func TestARefusalIsPermanentAndThrottlingIsNot(t *testing.T) {
	inBubble(t, setup{}, func(t *testing.T, b *bench) {
		a, err := b.submit("+12025550011", "x")
		var refused *smpp.StatusError
		if !errors.As(err, &refused) || refused.Status != 0x0B || refused.Command != "submit_sm" || a.Sent != smpp.Answered || smpp.Retryable(err) {
			t.Errorf("refused: %+v, %v", a, err)
		}
		if want := "submit_sm refused: ESME_RINVDSTADR (0x0b)"; err.Error() != want {
			t.Errorf("got %q, want %q", err, want)
		}
		if a, err := b.submit("+12025550058", "x"); err != nil || a.Status != 0 {
			t.Errorf("throttled once: %+v, %v", a, err)
		}
		if c := b.link.Counters(); c.Throttled != 1 || c.Refused != 1 || c.Accepted != 1 {
			t.Errorf("counters %+v", c)
		}
	})
}

func TestAThrottlingCentreIsAskedLessAndLess(t *testing.T) {
	inBubble(t, setup{config: func(c *smpp.Config) { c.Rate = 20 }, faults: smpptest.Faults{Throttle: true}}, func(t *testing.T, b *bench) {
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				a, err := b.submit(fmt.Sprintf("+1202555%04d", i+100), "x")
				if !smpp.Throttling(err) || !smpp.Retryable(err) || a.Sent != smpp.Answered {
					t.Errorf("got %+v, %v", a, err)
				}
			})
		}
		wg.Wait()
		n := len(b.server.Submits())
		if n > 120 || n < 20 {
			t.Errorf("%d submits until all 20 gave up", n)
		}
		b.server.SetFaults(smpptest.Faults{})
		before := time.Now()
		for i := range 40 {
			if _, err := b.submit(fmt.Sprintf("+1202556%04d", i+100), "x"); err != nil {
				t.Error(err)
			}
		}
		if took := time.Since(before); took > 90*time.Second {
			t.Errorf("40 texts after the throttling took %v", took)
		}
		if b.link.Rate() < 1 {
			t.Errorf("the rate is still %v", b.link.Rate())
		}
	})
}

func TestAnUnansweredSubmitIsUncertainAndItsLateAnswerIsTold(t *testing.T) {
	inBubble(t, setup{faults: smpptest.Faults{AnswerAfter: 15 * time.Second, NoReceipts: true}}, func(t *testing.T, b *bench) {
		a, err := b.submit("+12025550123", "x")
		if !errors.Is(err, smpp.ErrUnanswered) || a.Sent != smpp.Uncertain || smpp.Retryable(err) || a.Written.IsZero() {
			t.Fatalf("got %+v, %v", a, err)
		}
		time.Sleep(10 * time.Second)
		b.lock(func() {
			if len(b.late) != 1 || !b.late[0].Late || b.late[0].Token != "+12025550123" || b.late[0].MessageID == "" || b.late[0].Sent != smpp.Answered {
				t.Errorf("late answers %+v", b.late)
			}
		})
		if !b.link.Up() {
			t.Error("the link is down")
		}
	})
}

func TestASilentCentreSwallowsFewTexts(t *testing.T) {
	inBubble(t, setup{faults: smpptest.Faults{Mute: true, NoReceipts: true}, config: func(c *smpp.Config) { c.Window = 5 }}, func(t *testing.T, b *bench) {
		uncertain, unsent := 0, 0
		end := time.Now().Add(10 * time.Minute)
		for i := 0; time.Now().Before(end); i++ {
			a, err := b.submit(fmt.Sprintf("+1202555%04d", i+100), "x")
			switch a.Sent {
			case smpp.Uncertain:
				uncertain++
			case smpp.NotSent:
				unsent++
				if !errors.Is(err, smpp.ErrDown) || !smpp.Retryable(err) || b.link.Up() {
					t.Errorf("not sent: %v, up %v", err, b.link.Up())
				}
				time.Sleep(5 * time.Second)
			default:
				t.Fatalf("got %+v, %v", a, err)
			}
		}
		if uncertain > 9 || unsent == 0 {
			t.Errorf("%d texts in doubt, %d kept back", uncertain, unsent)
		}
		b.server.SetFaults(smpptest.Faults{NoReceipts: true})
		pool := smpp.NewPool(b.link)
		if _, err := pool.Wait(t.Context(), ""); err != nil {
			t.Fatal(err)
		}
		for i := range 20 {
			if _, err := b.submit(fmt.Sprintf("+1202556%04d", i+100), "x"); err != nil {
				t.Errorf("after it answers again: %v", err)
			}
		}
	})
}

func TestADroppedConnectionLeavesWhatWasWrittenInDoubt(t *testing.T) {
	inBubble(t, setup{faults: smpptest.Faults{DropOnSubmit: true, NoReceipts: true}}, func(t *testing.T, b *bench) {
		a, err := b.submit("+12025550123", "x")
		if !errors.Is(err, smpp.ErrUnanswered) || a.Sent != smpp.Uncertain {
			t.Fatalf("got %+v, %v", a, err)
		}
		synctest.Wait()
		if a, err := b.submit("+12025550124", "y"); !errors.Is(err, smpp.ErrDown) || a.Sent != smpp.NotSent {
			t.Fatalf("got %+v, %v", a, err)
		}
		b.server.SetFaults(smpptest.Faults{})
		time.Sleep(3 * time.Second)
		if _, err := b.submit("+12025550124", "y"); err != nil {
			t.Errorf("after the reconnect: %v, %s", err, b.states())
		}
		if got := b.states(); got != "connecting bound down connecting bound" {
			t.Errorf("states: %s", got)
		}
	})
}

func TestACentreThatStopsReadingEndsInBoundedTimeAndNothingUnwrittenIsInDoubt(t *testing.T) {
	inBubble(t, setup{config: func(c *smpp.Config) { c.Window = 20 }}, func(t *testing.T, b *bench) {
		b.server.SetFaults(smpptest.Faults{StopReading: true})
		// One PDU wakes the reader out of its read; it takes that one and stops then.
		if _, err := b.submit("+12025550122", "x"); err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		var wg sync.WaitGroup
		var mu sync.Mutex
		sent := map[smpp.Sent]int{}
		for i := range 10 {
			wg.Go(func() {
				a, err := b.submit(fmt.Sprintf("+1202555%04d", i+130), "x")
				if err == nil {
					t.Error("accepted by a centre that does not read")
				}
				mu.Lock()
				defer mu.Unlock()
				sent[a.Sent]++
			})
		}
		wg.Wait()
		if took := time.Since(begin); took > 20*time.Second {
			t.Errorf("took %v", took)
		}
		// A pipe takes nothing that is not read: of what the first write held not an octet left.
		if sent[smpp.NotSent] != 10 {
			t.Errorf("got %v", sent)
		}
		b.server.SetFaults(smpptest.Faults{})
		time.Sleep(5 * time.Second)
		if n := len(b.server.Submits()); n != 1 {
			t.Errorf("the centre has %d submits", n)
		}
	})
}

func TestAFrozenCentreIsFoundByEnquireLink(t *testing.T) {
	inBubble(t, setup{faults: smpptest.Faults{MuteEnquire: true}}, func(t *testing.T, b *bench) {
		time.Sleep(39 * time.Second)
		if got := b.states(); got != "connecting bound" {
			t.Errorf("too early: %s", got)
		}
		b.server.SetFaults(smpptest.Faults{})
		time.Sleep(5 * time.Second)
		if got := b.states(); got != "connecting bound down connecting bound" {
			t.Errorf("states: %s", got)
		}
		time.Sleep(5 * time.Minute)
		if got := b.states(); got != "connecting bound down connecting bound" {
			t.Errorf("an idle link that is probed flapped: %s", got)
		}
	})
}

func TestABindThatIsNeverAnsweredIsGivenUp(t *testing.T) {
	inBubble(t, setup{faults: smpptest.Faults{MuteBind: true}}, func(t *testing.T, b *bench) {
		time.Sleep(11 * time.Second)
		if !strings.HasPrefix(b.states(), "connecting down") {
			t.Errorf("states: %s", b.states())
		}
		b.server.SetFaults(smpptest.Faults{})
		time.Sleep(30 * time.Second)
		if !b.link.Up() {
			t.Errorf("states: %s", b.states())
		}
	})
}

func TestWrongCredentialsAreRetriedSlowlyAndSaidPlainly(t *testing.T) {
	inBubble(t, setup{options: smpptest.Options{SystemID: "acme", Password: "other"}}, func(t *testing.T, b *bench) {
		time.Sleep(10 * time.Minute)
		b.mu.Lock()
		defer b.mu.Unlock()
		binds := 0
		for _, s := range b.statuses {
			var refused *smpp.StatusError
			switch s.State {
			case smpp.Refused:
				binds++
				if !errors.As(s.Err, &refused) || refused.Status != 0x0E || s.Tries != binds || s.Retry < 30*time.Second {
					t.Errorf("status %+v", s)
				}
				if strings.Contains(s.Err.Error(), "secret") {
					t.Errorf("the password is in %q", s.Err)
				}
			case smpp.Down, smpp.Bound:
				t.Errorf("status %+v", s)
			}
		}
		if binds < 2 || binds > 8 {
			t.Errorf("%d binds in ten minutes", binds)
		}
	})
}

func TestAnUnbindIsAnsweredAndTheLinkComesBack(t *testing.T) {
	inBubble(t, setup{}, func(t *testing.T, b *bench) {
		b.server.Unbind()
		time.Sleep(5 * time.Second)
		if got := b.states(); got != "connecting bound down connecting bound" {
			t.Errorf("states: %s", got)
		}
	})
}

func TestTwoBindsSendOnOneAndTakeOnTheOther(t *testing.T) {
	inBubble(t, setup{config: func(c *smpp.Config) { c.Bind = "transmitter+receiver" }}, func(t *testing.T, b *bench) {
		if b.server.Bound() != 2 {
			t.Fatalf("%d binds", b.server.Bound())
		}
		if _, err := b.submit("+12025550777", "x"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if d := b.got(); len(d) != 2 || d[0].Receipt == nil || d[1].Message == nil || d[1].Message.Body != "STOP" {
			t.Errorf("delivered %+v", d)
		}
	})
}

func TestStoppingWaitsForAnswersAndSaysGoodbye(t *testing.T) {
	inBubble(t, setup{faults: smpptest.Faults{AnswerAfter: time.Second, NoReceipts: true}}, func(t *testing.T, b *bench) {
		done := make(chan error, 1)
		go func() {
			_, err := b.submit("+12025550123", "x")
			done <- err
		}()
		synctest.Wait()
		begin := time.Now()
		b.stop()
		if err := <-done; err != nil {
			t.Errorf("the submit in flight: %v", err)
		}
		if took := time.Since(begin); took > 2*time.Second {
			t.Errorf("stopping took %v", took)
		}
		if a, err := b.submit("+12025550124", "y"); !errors.Is(err, smpp.ErrDraining) || a.Sent != smpp.NotSent {
			t.Errorf("after the stop: %+v, %v", a, err)
		}
		if b.server.Bound() != 0 || !strings.HasSuffix(b.states(), "stopped") {
			t.Errorf("%d binds, %s", b.server.Bound(), b.states())
		}
	})
}

func TestStoppingDoesNotWaitForEver(t *testing.T) {
	inBubble(t, setup{faults: smpptest.Faults{Mute: true, NoReceipts: true}}, func(t *testing.T, b *bench) {
		done := make(chan error, 1)
		go func() {
			_, err := b.submit("+12025550123", "x")
			done <- err
		}()
		synctest.Wait()
		begin := time.Now()
		b.stop()
		if took := time.Since(begin); took > 4*time.Second {
			t.Errorf("stopping took %v", took)
		}
		if err := <-done; !errors.Is(err, smpp.ErrUnanswered) {
			t.Errorf("the submit in flight: %v", err)
		}
	})
}

func TestAPoolTakesTheFirstLinkThatIsUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first := newBench(t, setup{faults: smpptest.Faults{RefuseBind: 0x0D}, config: func(c *smpp.Config) { c.Name = "first" }})
		second := newBench(t, setup{config: func(c *smpp.Config) { c.Name = "second" }})
		defer second.close()
		defer first.close()
		pool := smpp.NewPool(first.link, second.link)
		synctest.Wait()
		if l, err := pool.Pick(""); err != nil || l.Name() != "second" {
			t.Errorf("picked %v, %v", l, err)
		}
		if _, err := pool.Pick("first"); !errors.Is(err, smpp.ErrDown) {
			t.Errorf("named: %v", err)
		}
		if _, err := pool.Pick("third"); !errors.Is(err, smpp.ErrUnknownLink) || smpp.Retryable(err) {
			t.Errorf("unknown: %v", err)
		}
		first.server.SetFaults(smpptest.Faults{})
		if l, err := pool.Wait(t.Context(), "first"); err != nil || l.Name() != "first" {
			t.Errorf("waited for %v, %v", l, err)
		}
		if l, _ := pool.Pick(""); l.Name() != "first" {
			t.Errorf("picked %v", l.Name())
		}
	})
}

func TestAContextThatEndsBeforeTheWriteLeavesNothingInDoubt(t *testing.T) {
	inBubble(t, setup{config: func(c *smpp.Config) { c.Rate = 0.1 }}, func(t *testing.T, b *bench) {
		if _, err := b.submit("+12025550123", "x"); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		a, err := b.link.Submit(ctx, b.segment("+12025550124", "y"))
		if a.Sent != smpp.NotSent || !errors.Is(err, context.DeadlineExceeded) || !smpp.Retryable(err) {
			t.Errorf("got %+v, %v", a, err)
		}
		s := b.segment("+12025550125", "z")
		s.Validity = time.Now().Add(2 * time.Second)
		if a, err := b.link.Submit(t.Context(), s); a.Sent != smpp.NotSent || !errors.Is(err, smpp.ErrExpired) {
			t.Errorf("got %+v, %v", a, err)
		}
		if n := len(b.server.Submits()); n != 1 {
			t.Errorf("the centre has %d submits", n)
		}
	})
}

func TestADialThatHangsIsGivenUp(t *testing.T) {
	inBubble(t, setup{config: func(c *smpp.Config) {
		c.Dial = func(ctx context.Context, _, _ string) (net.Conn, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}
	}}, func(t *testing.T, b *bench) {
		time.Sleep(11 * time.Second)
		if !strings.HasPrefix(b.states(), "connecting down") {
			t.Errorf("states: %s", b.states())
		}
	})
}
