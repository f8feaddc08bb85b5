package store

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"textback"
)

func reply(t testing.TB, s *Store, from, body string, at time.Time) ThreadFacts {
	t.Helper()
	return must[ThreadFacts](t)(s.AddReply(t.Context(), NewReply{Reply: textback.Reply{From: from, To: line, Body: body}, Business: acme, Line: line}, at))
}

func TestReplyOpensAThreadThatKnowsItsCall(t *testing.T) {
	s := open(t, Options{})
	_, text := decide(t, s, "hq/1", alice, t0)
	sent(t, s, text.ID, 1, t0)
	f := reply(t, s, alice, "how much is a new tap?", t0.Add(time.Minute))
	th := f.Thread
	if !f.New || th.CallID != "hq/1" || th.Tag == "" || len(th.Messages) != 2 || th.Messages[0].Body != "sorry we missed you" || !th.Messages[1].In {
		t.Fatalf("%+v", f)
	}
	if f.LastAutomatic != "sorry we missed you" || f.LastIncoming != "" || f.AutomaticToday != 0 {
		t.Errorf("%+v", f)
	}
	second := reply(t, s, alice, "hello?", t0.Add(2*time.Minute))
	if second.New || second.Thread.ID != th.ID || second.LastIncoming != "how much is a new tap?" {
		t.Errorf("%+v", second)
	}
	if got := must[textback.Thread](t)(s.ThreadByTag(t.Context(), strings.ToUpper(th.Tag))); got.ID != th.ID {
		t.Errorf("by tag: %+v", got)
	}
	if got := must[textback.Text](t)(s.Text(t.Context(), text.ID)); got.ThreadID != th.ID {
		t.Errorf("the text's thread is %d", got.ThreadID)
	}
	must[textback.Thread](t)(s.CloseThread(t.Context(), th.ID, t0))
	if _, err := s.ThreadByTag(t.Context(), th.Tag); !errors.Is(err, ErrNotFound) {
		t.Errorf("closed: %v", err)
	}
	if third := reply(t, s, alice, "again", t0.Add(time.Hour)); !third.New || third.Thread.ID == th.ID {
		t.Errorf("%+v", third)
	}
}

func TestAutomaticAnswersAreCountedByThreadAndDay(t *testing.T) {
	s := open(t, Options{})
	answer := func(body string, at time.Time) ThreadFacts {
		return must[ThreadFacts](t)(s.AddReply(t.Context(), NewReply{Reply: textback.Reply{From: alice, To: line, Body: "price?"}, Business: acme,
			Answer: func(f ThreadFacts) *textback.Text {
				if f.Thread.Automatic >= 2 {
					return nil
				}
				return &textback.Text{Kind: textback.BranchText, Business: acme, To: alice, From: line, Body: body}
			}}, at))
	}
	first := answer("one", t0)
	if first.Answer == nil || first.AutomaticToday != 1 || first.LastAutomatic != "one" || len(first.Thread.Messages) != 2 {
		t.Errorf("%+v", first)
	}
	next := answer("two", t0.Add(24*time.Hour))
	if next.AutomaticToday != 1 || next.Thread.Automatic != 2 {
		t.Errorf("%+v", next)
	}
	if third := answer("three", t0.Add(25*time.Hour)); third.Answer != nil {
		t.Errorf("%+v", third)
	}
	must[OptResult](t)(s.OptOut(t.Context(), stop(bob, false), t0))
	f := must[ThreadFacts](t)(s.AddReply(t.Context(), NewReply{Reply: textback.Reply{From: bob, Body: "price?"}, Business: acme,
		Answer: func(f ThreadFacts) *textback.Text {
			return &textback.Text{Kind: textback.BranchText, Business: acme, To: bob}
		}}, t0))
	if f.Answer != nil || !f.OptedOut {
		t.Errorf("answered somebody who opted out: %+v", f)
	}
}

func TestPersonAnswersAndAutomationStandsDown(t *testing.T) {
	s := open(t, Options{})
	_, text := decide(t, s, "hq/1", alice, t0)
	sent(t, s, text.ID, 1, t0)
	th := reply(t, s, alice, "hello", t0.Add(time.Minute)).Thread
	if h := history(t, s, alice, t0.Add(time.Minute)); h.Thread {
		t.Error("nobody answered yet")
	}
	at := t0.Add(5 * time.Minute)
	got, q, err := s.AddPersonMessage(t.Context(), PersonMessage{ThreadID: th.ID, Person: "kim", Body: "from 90 dollars"}, at)
	if err != nil {
		t.Fatal(err)
	}
	if got.TakenBy != "kim" || !got.FirstPerson.Equal(at) || !got.TakenAt.Equal(at) || q.To != alice || q.From != line || q.Kind != textback.PersonText || q.Body == "" {
		t.Errorf("%+v %+v", got, q)
	}
	if h := history(t, s, alice, at.Add(time.Hour)); !h.Thread {
		t.Error("a person answered an hour ago")
	}
	if h := history(t, s, alice, at.Add(9*time.Hour)); h.Thread {
		t.Error("nine hours ago is longer than in_thread")
	}
	must[OptResult](t)(s.OptOut(t.Context(), stop(alice, false), at.Add(time.Second)))
	if got := must[textback.Text](t)(s.Text(t.Context(), q.ID)); got.State != textback.Cancelled {
		t.Errorf("person's text is %s", got.State)
	}
	if _, _, err := s.AddPersonMessage(t.Context(), PersonMessage{ThreadID: th.ID, Person: "kim", Body: "x"}, at); !errors.Is(err, ErrOptedOut) {
		t.Errorf("after STOP: %v", err)
	}
	full := must[textback.Thread](t)(s.Thread(t.Context(), th.ID))
	if last := full.Messages[len(full.Messages)-1]; !last.In || last.Body != "STOP" || last.Flag != "opted out" {
		t.Errorf("%+v", full.Messages)
	}
	if _, _, err := s.AddPersonMessage(t.Context(), PersonMessage{ThreadID: 99}, at); !errors.Is(err, ErrNotFound) {
		t.Errorf("no thread: %v", err)
	}
}

func TestAnsweredCallIsTheHumanResponse(t *testing.T) {
	s := open(t, Options{})
	th := reply(t, s, alice, "please call me", t0).Thread
	at := t0.Add(10 * time.Minute)
	must[[]textback.Text](t)(s.Reached(t.Context(), Contact{Caller: alice, Call: &textback.Call{Direction: textback.Outbound}, Count: true}, at))
	got := must[textback.Thread](t)(s.Thread(t.Context(), th.ID))
	if !got.FirstPerson.Equal(at) || !got.TakenAt.Equal(at) || got.TakenBy != "" {
		t.Errorf("%+v", got)
	}
	counts := must[[]Count](t)(s.Counts(t.Context(), t0, at.Add(time.Hour)))
	if !slices.Contains(counts, Count{Kind: CountAnswered, Word: "outbound", N: 1}) {
		t.Errorf("%+v", counts)
	}
}

func TestTagsAreShortAndUniqueAmongOpenThreads(t *testing.T) {
	s := open(t, Options{})
	tags := map[string]bool{}
	for i := range 200 {
		tag := reply(t, s, fmt.Sprintf("+1202555%04d", i), "hi", t0).Thread.Tag
		if tags[tag] || len(tag) < 2 || len(tag) > 3 || len(tag) == 3 && i < 184 {
			t.Fatalf("tag %q of thread %d", tag, i)
		}
		tags[tag] = true
	}
	if n := len(must[[]textback.Thread](t)(s.Threads(t.Context(), ThreadFilter{Limit: 1000}))); n != 200 {
		t.Errorf("%d threads", n)
	}
}

func TestBookingFindsItsThread(t *testing.T) {
	s := open(t, Options{})
	_, text := decide(t, s, "hq/1", alice, t0)
	sent(t, s, text.ID, 1, t0)
	book := func(id, event, token, phone string) BookingResult {
		return must[BookingResult](t)(s.RecordBooking(t.Context(), NewBooking{Booking: textback.Booking{ID: id, Service: "cal.com", State: "created",
			Token: token}, Event: event, Phone: phone}, t0.Add(time.Hour)))
	}
	r := book("b1", "BOOKING_CREATED", strings.ToUpper(text.Token), "")
	if !r.Matched || r.Thread.Caller != alice || r.Thread.Booking == nil || r.Text == nil || r.Text.ID != text.ID || r.Thread.CallID != "hq/1" {
		t.Fatalf("by token: %+v", r)
	}
	if again := book("b1", "BOOKING_CREATED", text.Token, ""); !again.Duplicate || again.Thread.ID != r.Thread.ID {
		t.Errorf("repeat: %+v", again)
	}
	if other := book("b1", "BOOKING_CANCELLED", text.Token, ""); other.Duplicate || other.Thread.ID != r.Thread.ID {
		t.Errorf("another event: %+v", other)
	}
	if phone := book("b2", "BOOKING_CREATED", "wrongtoken", alice); !phone.Matched || phone.Thread.Booking.Token != "" {
		t.Errorf("by phone: %+v", phone)
	}
	if none := book("b3", "BOOKING_CREATED", "", "+12025559999"); none.Matched || none.Text != nil {
		t.Errorf("a stranger: %+v", none)
	}
	n := 0
	if err := s.Bookings(t.Context(), t0, t0.Add(2*time.Hour), func(BookingRecord) bool { n++; return true }); err != nil || n != 4 {
		t.Error(n, err)
	}
}

func TestMessageSentAgainByTheCentreIsRecognised(t *testing.T) {
	s := open(t, Options{})
	in := Incoming{Link: "carrier", From: alice, To: line, Body: "yes"}
	save := func(in Incoming, at time.Time) Saved {
		return must[Saved](t)(s.SaveIncoming(t.Context(), in, 2*time.Minute, at))
	}
	first := save(in, t0)
	if first.Duplicate || !first.Complete || first.Reply.Body != "yes" {
		t.Fatalf("%+v", first)
	}
	if again := save(in, t0.Add(30*time.Second)); !again.Duplicate || again.Handled || again.ID != first.ID || again.Reply.Body != "yes" {
		t.Errorf("%+v", again)
	}
	if list := must[[]Saved](t)(s.Unhandled(t.Context())); len(list) != 1 || list[0].ID != first.ID {
		t.Errorf("unhandled %+v", list)
	}
	must[ThreadFacts](t)(s.AddReply(t.Context(), NewReply{Reply: first.Reply, Business: acme, Incoming: first.ID}, t0))
	twice := must[ThreadFacts](t)(s.AddReply(t.Context(), NewReply{Reply: first.Reply, Business: acme, Incoming: first.ID}, t0))
	if len(twice.Thread.Messages) != 1 {
		t.Errorf("filed twice: %+v", twice)
	}
	if again := save(in, t0.Add(time.Minute)); !again.Duplicate || !again.Handled {
		t.Errorf("%+v", again)
	}
	if later := save(in, t0.Add(time.Hour)); later.Duplicate {
		t.Errorf("said again an hour later: %+v", later)
	}
	other := in
	other.Ref = 7
	if ref := save(other, t0.Add(time.Hour)); ref.Duplicate {
		t.Errorf("another reference: %+v", ref)
	}
	if list := must[[]Saved](t)(s.Unhandled(t.Context())); len(list) != 2 {
		t.Errorf("unhandled %+v", list)
	}
}

func TestLongMessageIsJoinedWhateverTheOrderOfItsParts(t *testing.T) {
	joined := 0
	s := open(t, Options{Join: func(coding byte, parts [][]byte) string {
		joined++
		return fmt.Sprintf("%d:%s", coding, slices.Concat(parts...))
	}})
	part := func(seq int) Incoming {
		raw := []string{"one ", "two ", "three"}[seq-1]
		return Incoming{Link: "carrier", From: alice, To: line, Body: "?", Raw: []byte(raw), Coding: 8, Concat: &Concat{Ref: 300, Total: 3, Seq: seq}}
	}
	var last Saved
	for _, seq := range []int{3, 1, 3, 2} {
		last = must[Saved](t)(s.SaveIncoming(t.Context(), part(seq), time.Minute, t0))
	}
	if !last.Complete || last.Reply.Body != "8:one two three" || last.Reply.Gap || joined != 1 {
		t.Errorf("%+v", last)
	}
	if again := must[Saved](t)(s.SaveIncoming(t.Context(), part(2), time.Minute, t0)); !again.Duplicate || again.ID != last.ID {
		t.Errorf("%+v", again)
	}
	if _, ok, _ := s.OldestPart(t.Context()); ok {
		t.Error("a part waits")
	}
}

func TestMissingPartDoesNotBlockTheRest(t *testing.T) {
	s := open(t, Options{})
	for i, seq := range []int{1, 3} {
		sv := must[Saved](t)(s.SaveIncoming(t.Context(), Incoming{Link: "carrier", From: alice, To: line, Body: fmt.Sprint("part", seq, " "),
			Concat: &Concat{Ref: 1, Total: 3, Seq: seq}}, time.Minute, t0.Add(time.Duration(i)*time.Second)))
		if sv.Complete {
			t.Errorf("%+v", sv)
		}
	}
	if at, ok, _ := s.OldestPart(t.Context()); !ok || !at.Equal(t0.Add(time.Second)) {
		t.Errorf("oldest %v %t", at, ok)
	}
	if all := must[[]Saved](t)(s.PartsTimedOut(t.Context(), t0, t0)); len(all) != 0 {
		t.Errorf("too early: %+v", all)
	}
	all := must[[]Saved](t)(s.PartsTimedOut(t.Context(), t0.Add(time.Minute), t0.Add(time.Minute)))
	if len(all) != 1 || !all[0].Reply.Gap || all[0].Reply.Body != "part1 part3 " || all[0].ID == 0 {
		t.Errorf("%+v", all)
	}
	if list := must[[]Saved](t)(s.Unhandled(t.Context())); len(list) != 1 {
		t.Errorf("unhandled %+v", list)
	}
}

func TestHandOffsWaitInOrderAndStopForADisabledEndpoint(t *testing.T) {
	s := open(t, Options{})
	if err := s.Enqueue(t.Context(), t0, Delivery{Target: "crm", Event: "a"}, Delivery{Target: "mail", Event: "b"}, Delivery{Target: "crm", Event: "c"}); err != nil {
		t.Fatal(err)
	}
	due := must[[]Delivery](t)(s.DueDeliveries(t.Context(), t0, 0))
	if len(due) != 3 || due[0].Event != "a" || due[0].Attempts != 0 {
		t.Fatalf("%+v", due)
	}
	if err := s.RetryDelivery(t.Context(), due[0].ID, t0.Add(5*time.Second), "502"); err != nil {
		t.Fatal(err)
	}
	if due = must[[]Delivery](t)(s.DueDeliveries(t.Context(), t0, 0)); len(due) != 2 || due[0].Event != "b" {
		t.Errorf("%+v", due)
	}
	due = must[[]Delivery](t)(s.DueDeliveries(t.Context(), t0.Add(time.Minute), 0))
	if last := due[len(due)-1]; last.Event != "a" || last.Attempts != 1 || last.Note != "502" {
		t.Errorf("%+v", due)
	}
	if err := s.Delivered(t.Context(), due[0].ID, t0); err != nil {
		t.Fatal(err)
	}
	if err := s.DisableTarget(t.Context(), "crm", "410 gone", t0); err != nil {
		t.Fatal(err)
	}
	if err := s.Enqueue(t.Context(), t0, Delivery{Target: "crm"}); err != nil {
		t.Fatal(err)
	}
	if _, ok, _ := s.NextDelivery(t.Context()); ok {
		t.Error("something waits")
	}
	targets := must[[]Target](t)(s.Targets(t.Context()))
	if len(targets) != 1 || !targets[0].Disabled || targets[0].Dropped != 3 {
		t.Errorf("%+v", targets)
	}
	if err := errors.Join(s.EnableTarget(t.Context(), "crm"), s.Enqueue(t.Context(), t0, Delivery{Target: "crm"})); err != nil {
		t.Fatal(err)
	}
	if _, ok, _ := s.NextDelivery(t.Context()); !ok {
		t.Error("nothing waits")
	}
	if st := must[Stats](t)(s.Stats(t.Context())); st.Deliveries != 1 {
		t.Errorf("%+v", st)
	}
}

func TestExplainTellsEverythingAboutANumberOrACall(t *testing.T) {
	s := open(t, Options{})
	_, text := decide(t, s, "hq/1", alice, t0)
	sent(t, s, text.ID, 1, t0)
	decide(t, s, "hq/2", alice, t0.Add(time.Minute))
	reply(t, s, alice, "hi", t0.Add(2*time.Minute))
	must[OptResult](t)(s.OptOut(t.Context(), stop(alice, true), t0.Add(3*time.Minute)))
	x := must[Explanation](t)(s.Explain(t.Context(), alice))
	if len(x.Calls) != 2 || x.Calls[0].Call.ID != "hq/1" || len(x.Texts) != 2 || len(x.Threads) != 1 || len(x.Ledger) != 1 || !slices.Equal(x.Out, []string{acme}) {
		t.Errorf("%+v", x)
	}
	x = must[Explanation](t)(s.Explain(t.Context(), "hq/1"))
	if len(x.Calls) != 1 || len(x.Texts) != 1 || len(x.Texts[0].Parts) != 1 || len(x.Threads) != 1 {
		t.Errorf("%+v", x)
	}
	n := 0
	if err := s.Calls(t.Context(), t0, t0.Add(time.Minute), func(textback.Verdict) bool { n++; return true }); err != nil || n != 1 {
		t.Error(n, err)
	}
}

func TestPruneRemovesWhatIsOldAndKeepsWhatCounts(t *testing.T) {
	s := open(t, Options{})
	for i := range 250 {
		num := fmt.Sprintf("+1202555%04d", i)
		_, text := decide(t, s, fmt.Sprint("old/", i), num, t0)
		if i > 0 {
			sent(t, s, text.ID, 1, t0)
			answered(t, s, text.ID, 0, PartAccepted, fmt.Sprint(i), t0)
		}
		if i < 10 {
			reply(t, s, num, "hi", t0)
		}
	}
	must[OptResult](t)(s.OptOut(t.Context(), stop("+12025550249", true), t0))
	must[Applied](t)(s.ApplyReceipt(t.Context(), receipt("alice's", t0)))
	stranger := receipt("nobody's", t0)
	stranger.From = "+19995550000"
	if a := must[Applied](t)(s.ApplyReceipt(t.Context(), stranger)); !a.Kept {
		t.Errorf("%+v", a)
	}
	at := t0.Add(100 * 24 * time.Hour)
	decide(t, s, "new/1", "+13035550000", at)
	p := must[Pruned](t)(s.Prune(t.Context(), Retention{}, at))
	if p.Calls != 250 || p.Texts != 249 || p.Threads != 10 || p.Claims != 250 || p.Receipts != 1 {
		t.Errorf("%+v", p) // texts: the first one and the confirmation are still queued
	}
	verify(t, s)
	left := map[string]int{}
	_ = s.view(t.Context(), at, func(w *work) error {
		for tab := range tables {
			w.scan(tab, nil, func(_, _ []byte) bool { left[tableNames[tab]]++; return true })
		}
		return nil
	})
	for name, want := range map[string]int{"calls": 1, "calls_time": 1, "calls_party": 1, "claims": 1, "texts": 3, "texts_time": 3, "ids": 0,
		"refs": 0, "missed": 1, "threads": 0, "messages": 0, "tags": 0, "early": 0, "early_to": 0, "out": 1, "ledger": 1, "callers": 0} {
		if left[name] != want {
			t.Errorf("%d left in %s, want %d", left[name], name, want)
		}
	}
	if st := must[Stats](t)(s.Stats(t.Context())); st.Missed != 251 || st.Verdicts != 251 {
		t.Errorf("%+v", st)
	}
}
