package store

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"textback"
)

// sent brings a text onto the wire in so many parts, with references from 100 on.
func sent(t testing.TB, s *Store, id uint64, parts int, at time.Time) textback.Text {
	t.Helper()
	a := Attempt{ID: id, Body: "sorry we missed you", Link: "carrier", Ref: 7}
	for i := range parts {
		a.References = append(a.References, uint16(0x1200+100+i))
	}
	return must[textback.Text](t)(s.Attempt(t.Context(), a, at))
}

func answered(t testing.TB, s *Store, id uint64, part int, r PartResult, messageID string, at time.Time) textback.Text {
	t.Helper()
	return must[textback.Text](t)(s.PartAnswered(t.Context(), PartAnswer{ID: id, Part: part, Result: r, MessageID: messageID}, at))
}

func TestAttemptIsRefusedOnceTheTextIsCancelled(t *testing.T) {
	s := open(t, Options{})
	_, text := decide(t, s, "hq/1", alice, t0)
	if _, err := s.Cancel(t.Context(), text.ID, "by hand", t0); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Attempt(t.Context(), Attempt{ID: text.ID, References: []uint16{1}}, t0); !errors.Is(err, ErrState) {
		t.Errorf("attempt: %v", err)
	}
	if _, err := s.Cancel(t.Context(), text.ID, "again", t0); !errors.Is(err, ErrState) {
		t.Errorf("cancel: %v", err)
	}
	if _, err := s.Cancel(t.Context(), 99, "", t0); !errors.Is(err, ErrNotFound) {
		t.Errorf("cancel: %v", err)
	}
}

func TestDueTextsComeInOrderOfTheirTime(t *testing.T) {
	s := open(t, Options{})
	for i, d := range []time.Duration{30, 10, 20, 4000} {
		_, text := decide(t, s, fmt.Sprint("hq/", i), fmt.Sprintf("+1202555%04d", i), t0)
		if _, err := s.Defer(t.Context(), Deferral{ID: text.ID, Until: t0.Add(d * time.Second)}, t0); err != nil {
			t.Fatal(err)
		}
	}
	var ids []uint64
	for _, text := range must[[]textback.Text](t)(s.Due(t.Context(), t0.Add(30*time.Second), 0)) {
		ids = append(ids, text.ID)
	}
	if !slices.Equal(ids, []uint64{2, 3, 1}) {
		t.Errorf("order %v", ids)
	}
	next, ok, err := s.NextDue(t.Context())
	if err != nil || !ok || !next.Equal(t0.Add(10*time.Second)) {
		t.Errorf("next %v %t %v", next, ok, err)
	}
	if due := must[[]textback.Text](t)(s.Due(t.Context(), t0.Add(30*time.Second), 1)); len(due) != 1 || due[0].ID != 2 {
		t.Errorf("limited: %v", due)
	}
}

func TestClaimCountsFromTheSubmit(t *testing.T) {
	s := open(t, Options{})
	_, text := decide(t, s, "hq/1", alice, t0)
	if h := history(t, s, alice, t0); !h.LastText.Equal(text.Due) || h.Unreplied != 1 || h.BusinessHour != 1 || h.BusinessDay != 1 || h.LineHour != 1 || h.BlockHour != 1 {
		t.Errorf("queued: %+v", h)
	}
	at := t0.Add(time.Minute)
	sent(t, s, text.ID, 1, at)
	if h := history(t, s, alice, at); !h.LastText.Equal(at) {
		t.Errorf("submitted: %+v", h)
	}
}

func TestClaimIsGivenBackOnlyIfNothingWasAccepted(t *testing.T) {
	at := t0.Add(time.Minute)
	for name, c := range map[string]struct {
		end  func(*Store, uint64)
		back bool
	}{
		"cancelled": {func(s *Store, id uint64) { must[textback.Text](t)(s.Cancel(t.Context(), id, "", at)) }, true},
		"expired":   {func(s *Store, id uint64) { must[textback.Text](t)(s.Expire(t.Context(), id, "", at)) }, true},
		"failed":    {func(s *Store, id uint64) { must[textback.Text](t)(s.Fail(t.Context(), Failure{ID: id}, at)) }, true},
		"refused":   {func(s *Store, id uint64) { sent(t, s, id, 1, at); answered(t, s, id, 0, PartRefused, "", at) }, true},
		"refused in both parts": {func(s *Store, id uint64) {
			sent(t, s, id, 2, at)
			answered(t, s, id, 0, PartRefused, "", at)
			answered(t, s, id, 1, PartRefused, "", at)
		}, true},
		"accepted in one part": {func(s *Store, id uint64) {
			sent(t, s, id, 2, at)
			answered(t, s, id, 0, PartAccepted, "A", at)
			answered(t, s, id, 1, PartRefused, "", at)
		}, false},
		"in doubt in one part": {func(s *Store, id uint64) {
			sent(t, s, id, 2, at)
			answered(t, s, id, 0, PartUncertain, "", at)
			answered(t, s, id, 1, PartRefused, "", at)
		}, false},
		"expired after a throttled attempt": {func(s *Store, id uint64) {
			sent(t, s, id, 1, at)
			answered(t, s, id, 0, PartNotWritten, "", at)
			must[textback.Text](t)(s.Defer(t.Context(), Deferral{ID: id, Until: at}, at))
			must[textback.Text](t)(s.Expire(t.Context(), id, "", at))
		}, true},
		"expired with a part accepted": {func(s *Store, id uint64) {
			sent(t, s, id, 2, at)
			answered(t, s, id, 0, PartAccepted, "A", at)
			answered(t, s, id, 1, PartNotWritten, "", at)
			must[textback.Text](t)(s.Defer(t.Context(), Deferral{ID: id, Until: at}, at))
			must[textback.Text](t)(s.Expire(t.Context(), id, "", at))
		}, false},
		"unknown": {func(s *Store, id uint64) { sent(t, s, id, 1, at); answered(t, s, id, 0, PartUncertain, "", at) }, false},
		"undelivered": {func(s *Store, id uint64) {
			sent(t, s, id, 1, at)
			answered(t, s, id, 0, PartAccepted, "A", at)
			must[Applied](t)(s.ApplyReceipt(t.Context(), textback.Receipt{Link: "carrier", MessageID: "A", State: textback.Undelivered, Stat: "UNDELIV", At: at}))
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, Options{})
			_, text := decide(t, s, "hq/1", alice, t0)
			c.end(s, text.ID)
			h := history(t, s, alice, at)
			if back := h.LastText.IsZero() && h.Unreplied == 0 && h.BusinessHour == 0 && h.BusinessDay == 0 && h.BlockHour == 0 && h.LineHour == 0; back != c.back {
				t.Errorf("given back: %t, %+v", back, h)
			}
			verify(t, s)
		})
	}
}

func TestStatesOfATextFollowItsParts(t *testing.T) {
	type step struct {
		part int
		r    PartResult
		rcpt textback.TextState // instead of an answer
		want textback.TextState
	}
	const acc, ref, unc, not = PartAccepted, PartRefused, PartUncertain, PartNotWritten
	for name, steps := range map[string][]step{
		"accepted when all are":          {{0, acc, 0, textback.Submitting}, {1, acc, 0, textback.Accepted}},
		"delivered when all are":         {{0, acc, 0, textback.Submitting}, {1, acc, 0, textback.Accepted}, {1, 0, textback.Delivered, textback.Accepted}, {0, 0, textback.Delivered, textback.Delivered}},
		"undelivered if one is":          {{0, acc, 0, textback.Submitting}, {1, acc, 0, textback.Accepted}, {1, 0, textback.Delivered, textback.Accepted}, {0, 0, textback.Undelivered, textback.Undelivered}},
		"the first final receipt stands": {{0, acc, 0, textback.Submitting}, {1, acc, 0, textback.Accepted}, {0, 0, textback.Undelivered, textback.Undelivered}, {0, 0, textback.Delivered, textback.Undelivered}, {1, 0, textback.Delivered, textback.Undelivered}},
		"failed if one is refused":       {{0, acc, 0, textback.Submitting}, {1, ref, 0, textback.Failed}},
		"unknown until a late response":  {{0, acc, 0, textback.Submitting}, {1, unc, 0, textback.Unknown}, {1, acc, 0, textback.Accepted}},
		"unknown, then refused late":     {{0, unc, 0, textback.Submitting}, {1, unc, 0, textback.Unknown}, {0, ref, 0, textback.Failed}},
		"receipt settles an unknown one": {{0, acc, 0, textback.Submitting}, {1, unc, 0, textback.Unknown}, {1, 0, textback.Delivered, textback.Accepted}, {0, 0, textback.Delivered, textback.Delivered}},
		"receipt before the response":    {{0, 0, textback.Delivered, textback.Submitting}, {0, acc, 0, textback.Submitting}, {1, acc, 0, textback.Accepted}, {1, 0, textback.Delivered, textback.Delivered}},
		"nothing written yet":            {{0, not, 0, textback.Submitting}, {1, not, 0, textback.Submitting}},
		"intermediate receipt":           {{0, acc, 0, textback.Submitting}, {1, unc, 0, textback.Unknown}, {1, 0, textback.Accepted, textback.Accepted}},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, Options{})
			_, text := decide(t, s, "hq/1", alice, t0)
			sent(t, s, text.ID, 2, t0)
			for i, st := range steps {
				at := t0.Add(time.Duration(i) * time.Second)
				if st.r != 0 {
					answered(t, s, text.ID, st.part, st.r, fmt.Sprint("id-", st.part), at)
				} else {
					a := must[Applied](t)(s.ApplyReceipt(t.Context(), textback.Receipt{Link: "carrier", MessageID: fmt.Sprint("id-", st.part),
						Reference: uint16(0x1200 + 100 + st.part), HasRef: true, State: st.rcpt, At: at, From: alice[1:], To: line[1:]}))
					if !a.Matched || a.Part != st.part {
						t.Errorf("step %d: receipt %+v", i, a)
					}
				}
				if got := must[textback.Text](t)(s.Text(t.Context(), text.ID)); got.State != st.want {
					t.Errorf("step %d: %s, want %s", i, got.State, st.want)
				}
				verify(t, s)
			}
		})
	}
}

func TestOnlyPartsNeverWrittenGoOutAgain(t *testing.T) {
	s := open(t, Options{})
	_, text := decide(t, s, "hq/1", alice, t0)
	sent(t, s, text.ID, 3, t0)
	answered(t, s, text.ID, 0, PartAccepted, "A", t0)
	answered(t, s, text.ID, 1, PartUncertain, "", t0)
	if got := answered(t, s, text.ID, 2, PartNotWritten, "", t0); got.State != textback.Unknown {
		t.Errorf("state %s", got.State)
	}
	got := must[textback.Text](t)(s.Defer(t.Context(), Deferral{ID: text.ID, Until: t0.Add(time.Second), Note: "link down"}, t0))
	if got.State != textback.Queued || got.Submitted.IsZero() {
		t.Errorf("%+v", got)
	}
	got = must[textback.Text](t)(s.Attempt(t.Context(), Attempt{ID: text.ID, Body: "other", Link: "backup", Ref: 9, References: []uint16{1, 2, 3}}, t0.Add(2*time.Second)))
	states := []textback.TextState{got.Parts[0].State, got.Parts[1].State, got.Parts[2].State}
	if !slices.Equal(states, []textback.TextState{textback.Accepted, textback.Unknown, textback.Submitting}) || got.Ref != 7 || got.Body != "sorry we missed you" || got.Parts[2].Reference != 0x1200+102 {
		t.Errorf("%v %+v", states, got)
	}
	answered(t, s, text.ID, 2, PartAccepted, "C", t0)
	if got = answered(t, s, text.ID, 1, PartAccepted, "B", t0); got.State != textback.Accepted {
		t.Errorf("state %s", got.State)
	}
	verify(t, s)
}

func TestPartsCanBeAttemptedOneByOne(t *testing.T) {
	s := open(t, Options{})
	_, text := decide(t, s, "hq/1", alice, t0)
	got := must[textback.Text](t)(s.Attempt(t.Context(), Attempt{ID: text.ID, Link: "carrier", References: []uint16{1, 2}, Only: []int{0}}, t0))
	if got.Parts[0].State != textback.Submitting || got.Parts[1].State != textback.Queued {
		t.Errorf("%+v", got.Parts)
	}
	must[[]textback.Text](t)(s.Recover(t.Context(), t0))
	got = must[textback.Text](t)(s.Text(t.Context(), text.ID))
	if got.State != textback.Unknown || got.Parts[1].State != textback.Queued {
		t.Errorf("after a crash: %+v", got)
	}
}

func TestRestartLeavesQueuedAndMakesSubmittingUnknown(t *testing.T) {
	s := open(t, Options{})
	_, queued := decide(t, s, "hq/1", alice, t0)
	_, flying := decide(t, s, "hq/2", bob, t0)
	sent(t, s, flying.ID, 2, t0)
	answered(t, s, flying.ID, 0, PartAccepted, "A", t0)
	_ = s.Close()

	s = open(t, Options{Path: s.opts.Path})
	unknown := must[[]textback.Text](t)(s.Recover(t.Context(), t0.Add(time.Minute)))
	if len(unknown) != 1 || unknown[0].ID != flying.ID || unknown[0].State != textback.Unknown {
		t.Fatalf("%+v", unknown)
	}
	if again := must[[]textback.Text](t)(s.Recover(t.Context(), t0.Add(time.Minute))); len(again) != 0 {
		t.Errorf("again: %+v", again)
	}
	if due := must[[]textback.Text](t)(s.Due(t.Context(), t0.Add(time.Hour), 0)); len(due) != 1 || due[0].ID != queued.ID {
		t.Errorf("due: %+v", due)
	}
	a := must[Applied](t)(s.ApplyReceipt(t.Context(), textback.Receipt{Link: "carrier", From: bob, To: line, State: textback.Delivered, At: t0.Add(2 * time.Minute)}))
	if !a.Matched || a.Text.ID != flying.ID {
		t.Errorf("%+v", a)
	}
	verify(t, s)
}

func TestUncertainTextIsSentAgainOnceAtMost(t *testing.T) {
	s := open(t, Options{})
	_, text := decide(t, s, "hq/1", alice, t0)
	sent(t, s, text.ID, 1, t0)
	answered(t, s, text.ID, 0, PartUncertain, "", t0)
	if list := must[[]textback.Text](t)(s.Uncertain(t.Context(), t0.Add(-time.Second), 0, nil)); len(list) != 0 {
		t.Errorf("too early: %v", list)
	}
	if list := must[[]textback.Text](t)(s.Uncertain(t.Context(), t0.Add(10*time.Minute), 0, nil)); len(list) != 1 {
		t.Errorf("in doubt: %v", list)
	}
	got := must[textback.Text](t)(s.Resend(t.Context(), text.ID, t0.Add(10*time.Minute)))
	if got.State != textback.Queued || !got.Resent || !got.Submitted.Equal(t0) {
		t.Errorf("%+v", got)
	}
	got = sent(t, s, text.ID, 1, t0.Add(11*time.Minute))
	if got.Parts[0].Reference != 0x1200+100 || got.Attempts != 2 {
		t.Errorf("%+v", got)
	}
	answered(t, s, text.ID, 0, PartUncertain, "", t0)
	if _, err := s.Resend(t.Context(), text.ID, t0.Add(20*time.Minute)); !errors.Is(err, ErrState) {
		t.Errorf("second time: %v", err)
	}
	if list := must[[]textback.Text](t)(s.Uncertain(t.Context(), t0.Add(time.Hour), 0, nil)); len(list) != 0 {
		t.Errorf("listed again: %v", list)
	}
	if list := must[[]textback.Text](t)(s.InState(t.Context(), textback.Unknown, 0)); len(list) != 1 || list[0].ID != text.ID {
		t.Errorf("in doubt for good: %v", list)
	}
	verify(t, s)
}

func TestLateResponseTakesAResendBack(t *testing.T) {
	s := open(t, Options{})
	_, text := decide(t, s, "hq/1", alice, t0)
	sent(t, s, text.ID, 1, t0)
	answered(t, s, text.ID, 0, PartUncertain, "", t0)
	must[textback.Text](t)(s.Resend(t.Context(), text.ID, t0.Add(time.Minute)))
	if got := answered(t, s, text.ID, 0, PartAccepted, "A", t0.Add(2*time.Minute)); got.State != textback.Accepted {
		t.Errorf("state %s", got.State)
	}
	if due := must[[]textback.Text](t)(s.Due(t.Context(), t0.Add(time.Hour), 0)); len(due) != 0 {
		t.Errorf("still due: %v", due)
	}
	verify(t, s)
}

func TestHoldsAreNotCountedAgainstGiveUp(t *testing.T) {
	s := open(t, Options{})
	_, text := decide(t, s, "hq/1", alice, t0)
	got := must[textback.Text](t)(s.Defer(t.Context(), Deferral{ID: text.ID, Until: t0.Add(10 * time.Hour), Held: true}, t0))
	if !got.Held || !got.Expires.Equal(text.Expires.Add(10*time.Hour)) {
		t.Errorf("held %+v", got)
	}
	got = must[textback.Text](t)(s.Defer(t.Context(), Deferral{ID: text.ID, Until: t0.Add(11 * time.Hour), Note: "caller is on the line"}, t0))
	if !got.Expires.Equal(text.Expires.Add(10 * time.Hour)) {
		t.Errorf("waiting %+v", got)
	}
}

func TestReachedCancelsRecoversAndStartsAnew(t *testing.T) {
	s := open(t, Options{})
	_, text := decide(t, s, "hq/1", alice, t0)
	_, other := decide(t, s, "hq/2", bob, t0)
	at := t0.Add(3 * time.Second)
	var told int
	cancelled := must[[]textback.Text](t)(s.Reached(t.Context(), Contact{Caller: alice, Count: true, Line: line,
		Also: func(c []textback.Text) []Delivery { told = len(c); return nil }}, at))
	if len(cancelled) != 1 || cancelled[0].ID != text.ID || cancelled[0].State != textback.Cancelled || told != 1 {
		t.Fatalf("%+v", cancelled)
	}
	v := must[textback.Verdict](t)(s.Verdict(t.Context(), "hq/1"))
	if v.Decision.Reason != textback.ReasonRecovered || v.Was != textback.ReasonText {
		t.Errorf("verdict %s, was %s", v.Decision.Reason, v.Was)
	}
	if h := history(t, s, alice, at.Add(time.Minute)); !h.LastText.IsZero() || h.Missed != 0 || h.BusinessHour != 1 {
		t.Errorf("%+v", h)
	}
	if got := must[textback.Text](t)(s.Text(t.Context(), other.ID)); got.State != textback.Queued {
		t.Errorf("another caller's text is %s", got.State)
	}
	st := must[Stats](t)(s.Stats(t.Context()))
	if st.Missed != 2 || st.Verdicts != 2 {
		t.Errorf("%+v", st)
	}
	verify(t, s)

	sent(t, s, other.ID, 1, at)
	if c := must[[]textback.Text](t)(s.Reached(t.Context(), Contact{Caller: bob}, at)); len(c) != 0 {
		t.Errorf("a text on the wire was cancelled: %+v", c)
	}
}

func TestHistoryCountsWhatTheGuardsAsk(t *testing.T) {
	s := open(t, Options{})
	at := t0
	for i := range 3 {
		_, text := decide(t, s, fmt.Sprint("hq/", i), alice, at)
		if text == nil {
			t.Fatal("no text")
		}
		sent(t, s, text.ID, 1, at)
		must[textback.Text](t)(s.PartAnswered(t.Context(), PartAnswer{ID: text.ID, Result: PartRefused, Number: true}, at))
		at = at.Add(25 * time.Hour)
		if _, text = decide(t, s, fmt.Sprint("ok/", i), alice, at); text == nil {
			t.Fatal("no text")
		}
		sent(t, s, text.ID, 1, at)
		answered(t, s, text.ID, 0, PartAccepted, fmt.Sprint(i), at)
		at = at.Add(25 * time.Hour)
	}
	h := history(t, s, alice, at)
	if h.Unreplied != 3 || h.Undeliverable != 3 || h.Missed != 6 || h.BusinessHour != 0 {
		t.Errorf("%+v", h)
	}
	if h := history(t, s, alice, at.Add(40*24*time.Hour)); h.Unreplied != 0 || h.Undeliverable != 0 || h.Missed != 0 {
		t.Errorf("40 days later: %+v", h)
	}
	must[ThreadFacts](t)(s.AddReply(t.Context(), NewReply{Reply: textback.Reply{From: alice, To: line, Body: "hi"}, Business: acme}, at))
	if h := history(t, s, alice, at.Add(time.Minute)); h.Unreplied != 0 || h.Missed != 0 || h.Undeliverable != 3 {
		t.Errorf("after a reply: %+v", h)
	}
}

func TestBudgetsRunByTheBusinessClock(t *testing.T) {
	kolkata := time.FixedZone("IST", 5*3600+1800)
	s := open(t, Options{})
	at := time.Date(2026, 11, 24, 18, 29, 0, 0, time.UTC) // 23:59 there
	k := keys(alice)
	k.Zone = kolkata
	if _, _, err := s.Decide(t.Context(), missed("hq/1", alice, at), k, at, window(alice, at)); err != nil {
		t.Fatal(err)
	}
	h := must[textback.History](t)(s.History(t.Context(), k, at))
	later := must[textback.History](t)(s.History(t.Context(), k, at.Add(time.Minute)))
	if h.BusinessHour != 1 || h.BusinessDay != 1 || later.BusinessHour != 0 || later.BusinessDay != 0 || later.LineHour != 1 {
		t.Errorf("before midnight %+v, after %+v", h, later)
	}
}

func TestShadowClaimsAndCountsApart(t *testing.T) {
	s := open(t, Options{})
	k := keys(alice)
	k.Shadow = true
	shadow := func(h textback.History) textback.Decision {
		d := window(alice, t0)(h)
		if d.Reason == textback.ReasonText {
			d.Reason = textback.ReasonShadow
		}
		return d
	}
	_, text, err := s.Decide(t.Context(), missed("hq/1", alice, t0), k, t0, shadow)
	if err != nil || text != nil {
		t.Fatal(text, err)
	}
	v, _, err := s.Decide(t.Context(), missed("hq/2", alice, t0), k, t0, shadow)
	if err != nil || v.Decision.Reason != textback.ReasonWindow {
		t.Errorf("second: %s %v", v.Decision.Reason, err)
	}
	if h := history(t, s, alice, t0); !h.LastText.IsZero() || h.BusinessHour != 0 || h.BlockHour != 0 || h.Unreplied != 0 {
		t.Errorf("outside shadow mode: %+v", h)
	}
	if h := must[textback.History](t)(s.History(t.Context(), k, t0)); h.LastText.IsZero() || h.BusinessHour != 1 || h.BlockHour != 1 {
		t.Errorf("in shadow mode: %+v", h)
	}
	if due := must[[]textback.Text](t)(s.Due(t.Context(), t0.Add(time.Hour), 0)); len(due) != 0 {
		t.Errorf("due %v", due)
	}
	verify(t, s)
}

func TestEveryChangeOfStateCanBeHandedOff(t *testing.T) {
	s := open(t, Options{TextChanged: func(t textback.Text) []Delivery {
		return []Delivery{{Target: "crm", Event: "text." + t.State.String()}}
	}})
	_, text := decide(t, s, "hq/1", alice, t0)
	sent(t, s, text.ID, 1, t0)
	answered(t, s, text.ID, 0, PartAccepted, "A", t0)
	must[Applied](t)(s.ApplyReceipt(t.Context(), textback.Receipt{Link: "carrier", MessageID: "A", State: textback.Delivered, At: t0}))
	must[Applied](t)(s.ApplyReceipt(t.Context(), textback.Receipt{Link: "carrier", MessageID: "A", State: textback.Delivered, At: t0}))
	var events []string
	for _, d := range must[[]Delivery](t)(s.DueDeliveries(t.Context(), t0, 0)) {
		events = append(events, d.Event)
	}
	if want := []string{"text.queued", "text.submitting", "text.accepted", "text.delivered"}; !slices.Equal(events, want) {
		t.Errorf("%v", events)
	}
	select {
	case <-s.DeliveriesChanged():
	default:
		t.Error("no signal")
	}
}

func TestATextOfTheNewClockDoesNotMoveWithTheOld(t *testing.T) {
	for _, by := range []time.Duration{-5 * time.Hour, 5 * time.Hour} {
		s := open(t, Options{})
		_, old := decide(t, s, "hq/1", alice, t0)
		at := t0.Add(by) // 0.3 s after the step somebody calls, and another 0.3 s later it is noticed
		_, fresh := decide(t, s, "hq/2", bob, at.Add(300*time.Millisecond))
		if n := must[int](t)(s.ClockStepped(t.Context(), by, at.Add(-400*time.Millisecond), at.Add(600*time.Millisecond))); n != 1 {
			t.Errorf("%d moved", n)
		}
		if got := must[textback.Text](t)(s.Text(t.Context(), fresh.ID)); !got.Due.Equal(fresh.Due) || !got.Expires.Equal(fresh.Expires) {
			t.Errorf("by %v: a text of the new clock moved from %v to %v", by, fresh.Due, got.Due)
		}
		if got := must[textback.Text](t)(s.Text(t.Context(), old.ID)); !got.Due.Equal(old.Due.Add(by)) {
			t.Errorf("by %v: a text of the old clock is due %v", by, got.Due)
		}
	}
}

func TestQueuedTextsMoveWithAClockThatIsSet(t *testing.T) {
	for _, by := range []time.Duration{-5 * time.Hour, 5 * time.Hour} {
		s := open(t, Options{})
		_, text := decide(t, s, "hq/1", alice, t0)
		_, held := decide(t, s, "hq/2", bob, t0)
		until := t0.Add(10 * time.Hour)
		must[textback.Text](t)(s.Defer(t.Context(), Deferral{ID: held.ID, Until: until, Held: true}, t0))
		if n := must[int](t)(s.ClockStepped(t.Context(), by, t0.Add(by-time.Second), t0.Add(by))); n != 1 {
			t.Errorf("%d moved", n)
		}
		got := must[textback.Text](t)(s.Text(t.Context(), text.ID))
		if !got.Due.Equal(text.Due.Add(by)) || !got.Expires.Equal(text.Expires.Add(by)) {
			t.Errorf("by %v: %+v", by, got)
		}
		if h := history(t, s, alice, t0.Add(by)); !h.LastText.Equal(got.Due) {
			t.Errorf("by %v: claim %+v", by, h)
		}
		if got := must[textback.Text](t)(s.Text(t.Context(), held.ID)); !got.Due.Equal(until) {
			t.Errorf("by %v: held until %v", by, got.Due)
		}
		verify(t, s)
	}
}

func TestTheGraceOfATextInDoubtIsNotOverBecauseTheClockWasSet(t *testing.T) {
	for _, by := range []time.Duration{-5 * time.Hour, 5 * time.Hour} {
		s := open(t, Options{})
		_, text := decide(t, s, "hq/1", alice, t0)
		sent(t, s, text.ID, 1, t0)
		answered(t, s, text.ID, 0, PartUncertain, "", t0)
		const grace = 10 * time.Minute
		at := t0.Add(time.Minute + by)
		if n := must[int](t)(s.ClockStepped(t.Context(), by, at.Add(-time.Second), at)); n != 0 {
			t.Errorf("%d moved", n)
		}
		for _, c := range []struct {
			after time.Duration
			want  int
		}{{time.Second, 0}, {grace - time.Second, 0}, {grace + time.Second, 1}} {
			if list := must[[]textback.Text](t)(s.Uncertain(t.Context(), at.Add(c.after-grace), 0, nil)); len(list) != c.want {
				t.Errorf("by %v: %v later %d are in doubt for the time of the grace, want %d", by, c.after, len(list), c.want)
			}
		}
		verify(t, s)
	}
}
