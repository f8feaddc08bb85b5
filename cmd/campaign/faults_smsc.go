package main

import (
	"context"
	"crypto/rand"
	"slices"
	"time"

	"textback"
	"textback/configs"
	"textback/smpp/smpptest"
)

// smscFaults are what message centres do.
func smscFaults() []fault {
	return []fault{
		{name: "smsc-refuses-bind", long: true, run: refusesBind,
			expect: "one loud line, at most one bind a minute and link, every text goes out once the password is taken"},
		{name: "smsc-never-answers-bind", run: during(smpptest.Faults{MuteBind: true}, false, 6*time.Second),
			expect: "the bind is given up and tried again; texts wait and go out once"},
		{name: "smsc-drops-after-bind", run: during(smpptest.Faults{DropAfterBind: true}, true, 5*time.Second),
			expect: "no tight loop of binds; what was written in the moment of a bind is in doubt, every other text waits and goes out once"},
		{name: "smsc-stops-reading", run: stopsReading, settings: with(settings{smscBuffer: 2048,
			smpp: "rate = 0.0\nwindow = 500\nresponse_timeout = \"2s\"\nenquire_link = \"1s\"\n"}),
			expect: "nothing hangs; what was written and not answered is in doubt, the rest goes out once over a new link"},
		{name: "smsc-stops-answering", run: stopsAnswering(smpptest.Faults{Mute: true, NoReceipts: true}),
			expect: "texts without an answer are in doubt, named by status, and not sent again; the rest go out once"},
		{name: "smsc-loses-submits", run: stopsAnswering(smpptest.Faults{Deaf: true}),
			expect: "the same when the message centre never had them: in doubt, not sent again"},
		{name: "smsc-answers-late", run: answersLate,
			expect: "a late answer or a receipt settles a text in doubt; nothing is sent twice"},
		{name: "smsc-duplicates", run: duplicates,
			expect: "second responses and receipts change nothing; a STOP that comes twice is confirmed once"},
		{name: "smsc-sends-garbage", run: garbage, expect: "the link is made anew, nothing crashes, texts go out once"},
		{name: "smsc-unbinds", run: unbinds, expect: "an unbind under load costs no text and sends none twice"},
		{name: "smsc-throttles", run: throttles, expect: "0x58 and 0x14 put texts back: all go out once, within their time"},
		{name: "smsc-refuses-number", run: refusesNumber,
			expect: "the text fails at once, the claim is given back; after two the number is not texted again"},
		{name: "smsc-loses-power", run: losesPower, settings: func(*scene) (settings, error) {
			return settings{inside: true, smpp: "rate = 10.0\n", config: func(c *configs.Config) {
				for _, l := range c.Set.Lines {
					l.Policy.GiveUpAfter = giveUp
				}
			}}, nil
		}, expect: "texts older than give_up_after expire, each with an alarm line; the rest go out once, in order, at 10 a second at most"},
	}
}

func with(s settings) func(*scene) (settings, error) {
	return func(*scene) (settings, error) { return s, nil }
}

// during misses calls while a fault lasts, ends it, and expects every text once. With doubts, the message centre takes binds,
// and a text may be written before the connection goes: nobody can know whether it arrived.
func during(f smpptest.Faults, doubts bool, lasts time.Duration) func(context.Context, *scene) error {
	return func(ctx context.Context, s *scene) error {
		before, err := s.miss(ctx, 10)
		if err != nil {
			return err
		}
		if err := s.texted(ctx, before, 20*time.Second); err != nil {
			return err
		}
		s.smsc.SetFaults(f)
		s.smsc.Drop()
		callers, err := s.miss(ctx, 30)
		if err != nil {
			return err
		}
		if !wait(ctx, lasts) {
			return ctx.Err()
		}
		s.saw("texts out while it lasted: %d of 30; lines smpp-down: %d", s.count(callers), s.logged("smpp-down"))
		s.must(s.logged("smpp-down") > 0, "no line smpp-down")
		s.must(s.logged("smpp-down") < 10, "%d lines smpp-down", s.logged("smpp-down"))
		s.smsc.SetFaults(smpptest.Faults{})
		ended := time.Now()
		if doubts {
			return s.doubtful(ctx, callers)
		}
		if err := s.texted(ctx, callers, 70*time.Second); err != nil {
			return err
		}
		s.saw("all out %s after it ended", time.Since(ended).Round(100*time.Millisecond))
		return nil
	}
}

func refusesBind(ctx context.Context, s *scene) error {
	s.smsc.SetFaults(smpptest.Faults{RefuseBind: 0x0E})
	s.smsc.Drop()
	callers, err := s.miss(ctx, 30)
	if err != nil {
		return err
	}
	if !wait(ctx, 20*time.Second) {
		return ctx.Err()
	}
	s.saw("lines smpp-refused in 20 s: %d", s.logged("smpp-refused"))
	s.must(s.logged("smpp-refused") == 1, "%d lines smpp-refused", s.logged("smpp-refused"))
	s.smsc.SetFaults(smpptest.Faults{})
	ended := time.Now()
	if err := s.texted(ctx, callers, 3*time.Minute); err != nil {
		return err
	}
	s.saw("all out %s after the password was taken (a reload would be quicker)", time.Since(ended).Round(time.Second))
	return nil
}

func stopsReading(ctx context.Context, s *scene) error {
	s.smsc.SetFaults(smpptest.Faults{StopReading: true, NoReceipts: true})
	began := time.Now()
	callers, err := s.miss(ctx, 300)
	if err != nil {
		return err
	}
	if err := s.verdicts(ctx, 300, 30*time.Second); err != nil {
		return err
	}
	s.saw("300 verdicts %s after the first call, with the message centre not reading", time.Since(began).Round(100*time.Millisecond))
	if !wait(ctx, 6*time.Second) {
		return ctx.Err()
	}
	s.smsc.SetFaults(smpptest.Faults{})
	return s.doubtful(ctx, callers)
}

// doubtful expects each of the callers texted once at most, and all the others named as in doubt.
func (s *scene) doubtful(ctx context.Context, callers []string) error {
	for _, c := range callers {
		delete(s.want, c) // once or not at all: the audit tells
	}
	after, err := s.miss(ctx, 10)
	if err != nil {
		return err
	}
	if err := s.texted(ctx, after, 70*time.Second); err != nil {
		return err
	}
	if err := s.settle(ctx); err != nil {
		return err
	}
	st, err := s.status(ctx)
	if err != nil {
		return err
	}
	unknown := st.Store.Texts[textback.Unknown]
	s.saw("%d of %d reached their phone, %d in doubt, %d of these named by status", s.count(callers), len(callers), unknown, len(st.Unknown))
	s.must(unknown == 0 || len(st.Unknown) > 0, "texts in doubt are not named")
	s.must(int64(len(callers)-s.count(callers)) <= unknown, "%d callers were not texted, only %d texts are in doubt", len(callers)-s.count(callers), unknown)
	return nil
}

func stopsAnswering(f smpptest.Faults) func(context.Context, *scene) error {
	return func(ctx context.Context, s *scene) error {
		s.smsc.SetFaults(f)
		callers, err := s.miss(ctx, 40)
		if err != nil {
			return err
		}
		if !wait(ctx, 5*time.Second) {
			return ctx.Err()
		}
		s.smsc.SetFaults(smpptest.Faults{})
		st, err := s.status(ctx)
		if err != nil {
			return err
		}
		s.must(st.Store.Texts[textback.Unknown] > 0, "nothing is in doubt: the fault did not bite")
		return s.doubtful(ctx, callers)
	}
}

func answersLate(ctx context.Context, s *scene) error {
	s.smsc.SetFaults(smpptest.Faults{AnswerAfter: 1700 * time.Millisecond, NoReceipts: true})
	callers, err := s.miss(ctx, 20)
	if err != nil {
		return err
	}
	if !wait(ctx, 6*time.Second) {
		return ctx.Err()
	}
	s.saw("lines of texts in doubt: %d, of texts then accepted: %d", s.logged(" text ", "state=unknown"), s.logged(" text ", "state=accepted"))
	s.must(s.logged(" text ", "state=unknown") > 0, "no answer came late: the fault did not bite")
	s.smsc.SetFaults(smpptest.Faults{AnswerAfter: 1700 * time.Millisecond})
	more, err := s.miss(ctx, 20)
	if err != nil {
		return err
	}
	if !wait(ctx, 6*time.Second) {
		return ctx.Err()
	}
	s.smsc.SetFaults(smpptest.Faults{})
	return s.doubtful(ctx, append(callers, more...))
}

func duplicates(ctx context.Context, s *scene) error {
	s.smsc.SetFaults(smpptest.Faults{DuplicateResponses: true, DuplicateReceipts: true})
	callers, err := s.miss(ctx, 40)
	if err != nil {
		return err
	}
	if err := s.texted(ctx, callers, 20*time.Second); err != nil {
		return err
	}
	for _, c := range callers[:10] {
		for range 2 {
			if _, err := s.smsc.Deliver(ctx, smpptest.Message{From: c, To: "+15550100", Body: "STOP"}); err != nil {
				return err
			}
		}
	}
	if err := s.settle(ctx); err != nil {
		return err
	}
	s.must(s.logged("opt-out") >= 10, "%d opt-outs", s.logged("opt-out"))
	return nil
}

func garbage(ctx context.Context, s *scene) error {
	junk := make([]byte, 4096)
	for range 5 {
		_, _ = rand.Read(junk) // never fails
		s.smsc.Raw(junk)
		if !wait(ctx, 300*time.Millisecond) {
			return ctx.Err()
		}
	}
	// Well-framed nonsense: a response to nothing, a receipt without an id, an unknown command, a length that lies.
	for _, b := range [][]byte{
		{0, 0, 0, 16, 0x80, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF},
		{0, 0, 0, 16, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 9},
		{0, 0, 0, 16, 0x7F, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1},
		{0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 1},
	} {
		s.smsc.Raw(b)
		if !wait(ctx, 500*time.Millisecond) {
			return ctx.Err()
		}
	}
	callers, err := s.miss(ctx, 30)
	if err != nil {
		return err
	}
	s.saw("lines: smpp-down %d, smpp-fault %d", s.logged("smpp-down"), s.logged("smpp-fault"))
	return s.texted(ctx, callers, 70*time.Second)
}

func unbinds(ctx context.Context, s *scene) error {
	s.smsc.SetFaults(smpptest.Faults{AnswerAfter: 100 * time.Millisecond})
	var all []string
	for range 4 {
		callers, err := s.miss(ctx, 20)
		if err != nil {
			return err
		}
		all = append(all, callers...)
		s.smsc.Unbind()
		if !wait(ctx, 1500*time.Millisecond) {
			return ctx.Err()
		}
	}
	return s.texted(ctx, all, 60*time.Second)
}

func throttles(ctx context.Context, s *scene) error {
	lasts := 6 * time.Second
	if !s.short {
		lasts = 2 * time.Minute
	}
	s.smsc.SetFaults(smpptest.Faults{Throttle: true})
	callers, err := s.miss(ctx, 30)
	if err != nil {
		return err
	}
	if !wait(ctx, lasts/2) {
		return ctx.Err()
	}
	s.smsc.SetFaults(smpptest.Faults{QueueFull: true})
	if !wait(ctx, lasts/2) {
		return ctx.Err()
	}
	refused := len(s.smsc.Submits())
	s.smsc.SetFaults(smpptest.Faults{})
	ended := time.Now()
	if err := s.texted(ctx, callers, time.Minute); err != nil {
		return err
	}
	s.saw("%d submits refused in %s of throttling, lines throttled: %d; all out %s after it ended", refused, lasts,
		s.logged("throttled"), time.Since(ended).Round(100*time.Millisecond))
	s.must(s.logged("throttled") <= 1+int(lasts/time.Minute)*2, "%d lines", s.logged("throttled"))
	return nil
}

func refusesNumber(ctx context.Context, s *scene) error {
	var bad []string
	for range 5 {
		bad = append(bad, s.callers.next())
	}
	s.smsc.SetFaults(smpptest.Faults{Refuse: func(to string) uint32 {
		if slices.Contains(bad, to) {
			return 0x0B
		}
		return 0
	}})
	for range 3 {
		for _, c := range bad {
			if err := s.missOne(ctx, true, c); err != nil {
				return err
			}
			s.want[c] = 0
		}
		good, err := s.miss(ctx, 10)
		if err != nil {
			return err
		}
		if err := s.texted(ctx, good, 20*time.Second); err != nil {
			return err
		}
		if err := s.settle(ctx); err != nil {
			return err
		}
	}
	n := 0
	for _, sub := range s.smsc.Submits() {
		if slices.Contains(bad, sub.To) {
			n++
		}
	}
	s.saw("3 calls each from 5 bad numbers: %d submits to them, lines not-textable %d", n, s.logged("reason=not-textable"))
	s.must(n == 10 && s.logged("reason=not-textable") == 5, "two submits to each and then none were expected")
	return nil
}

// giveUp is the hour of the power cut, scaled: a link that was down for so long is tried again every half minute.
const giveUp = 30 * time.Second

func losesPower(ctx context.Context, s *scene) error {
	s.powerOff()
	old, err := s.miss(ctx, 20)
	if err != nil {
		return err
	}
	for _, c := range old {
		s.want[c] = 0
	}
	if err := s.verdicts(ctx, 20, 20*time.Second); err != nil {
		return err
	}
	if !wait(ctx, giveUp+time.Second) {
		return ctx.Err()
	}
	var fresh []string
	for range 8 {
		some, err := s.miss(ctx, 5)
		if err != nil {
			return err
		}
		fresh = append(fresh, some...)
		if err := s.verdicts(ctx, int64(20+len(fresh)), 20*time.Second); err != nil {
			return err
		}
	}
	if err := s.powerOn(); err != nil {
		return err
	}
	on := time.Now()
	if err := s.texted(ctx, fresh, giveUp); err != nil {
		return err
	}
	subs := s.smsc.Submits()
	s.saw("%d texts expired, alarm lines %d; the %d younger ones left within %s of the power", len(old), s.logged("text-expired"), len(fresh),
		time.Since(on).Round(100*time.Millisecond))
	s.must(s.logged("text-expired") == len(old), "%d lines text-expired, %d expected", s.logged("text-expired"), len(old))
	most := fastest(subs, 950*time.Millisecond)
	s.saw("most submits in any 0.95 s: %d (evenly spaced ones come some ms late or early)", most)
	s.must(most <= 10, "%d submits in 0.95 s, rate = 10", most)
	// Order by due time: the calls were played in groups of five.
	place := make(map[string]int)
	for i, c := range fresh {
		place[c] = i / 5
	}
	last := 0
	for _, sub := range subs {
		g, ok := place[sub.To]
		s.must(ok, "a text to %s went out", sub.To)
		s.must(g >= last, "a text of group %d went out behind one of group %d", g, last)
		last = max(last, g)
	}
	return nil
}

// fastest is the highest number of submits within any stretch of time.
func fastest(subs []smpptest.Submit, stretch time.Duration) int {
	most, from := 0, 0
	for i := range subs {
		for subs[i].At.Sub(subs[from].At) >= stretch {
			from++
		}
		most = max(most, i-from+1)
	}
	return most
}
