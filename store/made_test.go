package store

import (
	"testing"
	"time"

	"textback"
)

// TestHowAHandOffEndedIsExplainedUntilThePersonIsForgotten: made, given up, the newest only, and gone with the person.
func TestHowAHandOffEndedIsExplainedUntilThePersonIsForgotten(t *testing.T) {
	s := open(t, Options{})
	ctx := t.Context()
	v, text := decide(t, s, "hq/1", alice, t0)
	for i, event := range []string{"call.verdict", "reply.received", "booking.created"} {
		if err := s.Enqueue(ctx, t0.Add(time.Duration(i)*time.Minute), Delivery{Target: "crm", Event: event, Person: alice, Payload: []byte("secret")}); err != nil {
			t.Fatal(err)
		}
	}
	due := must[[]Delivery](t)(s.DueDeliveries(ctx, t0.Add(time.Hour), 0))
	if err := s.Delivered(ctx, due[0].ID, t0.Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	if err := s.DropDelivery(ctx, due[1].ID, "410 Gone", t0.Add(2*time.Minute)); err != nil {
		t.Fatal(err)
	}
	if err := s.Delivered(ctx, due[0].ID, t0.Add(3*time.Minute)); err != nil { // once more is nothing
		t.Fatal(err)
	}
	for what, x := range map[string]Explanation{"by number": must[Explanation](t)(s.Explain(ctx, alice)), "by call": must[Explanation](t)(s.Explain(ctx, v.Call.ID))} {
		if len(x.Made) != 2 || x.Made[0].Event != "call.verdict" || x.Made[0].Error != "" || x.Made[1].Error != "410 Gone" || x.Made[1].Attempts != 1 {
			t.Errorf("%s: %+v", what, x.Made)
		}
		if len(x.Texts) != 1 || x.Texts[0].ID != text.ID {
			t.Errorf("%s: %+v", what, x.Texts)
		}
	}
	if waiting := must[[]Delivery](t)(s.WaitingFor(ctx, alice)); len(waiting) != 1 || waiting[0].Event != "booking.created" || waiting[0].Payload != nil {
		t.Errorf("waiting: %+v", waiting)
	}
	for i := range 2 * madeMost {
		at := t0.Add(time.Hour + time.Duration(i)*time.Second)
		if err := s.Enqueue(ctx, at, Delivery{Target: "crm", Event: "text.queued", Person: alice}); err != nil {
			t.Fatal(err)
		}
	}
	for _, d := range must[[]Delivery](t)(s.DueDeliveries(ctx, t0.Add(2*time.Hour), 0)) {
		if err := s.Delivered(ctx, d.ID, d.Due); err != nil {
			t.Fatal(err)
		}
	}
	if x := must[Explanation](t)(s.Explain(ctx, alice)); len(x.Made) != madeMost || x.Made[0].Event != "text.queued" {
		t.Errorf("%d are kept, the first %+v", len(x.Made), x.Made[0])
	}
	must[Forgotten](t)(s.Forget(ctx, alice, t0.Add(3*time.Hour)))
	if x := must[Explanation](t)(s.Explain(ctx, alice)); len(x.Made) != 0 {
		t.Errorf("a forgotten person has %+v", x.Made)
	}
}

// TestWhatCameOfACallIsExplainedByItsId: its text, the conversation that began with it, and what was written in that.
func TestWhatCameOfACallIsExplainedByItsId(t *testing.T) {
	s := open(t, Options{})
	ctx := t.Context()
	v, text := decide(t, s, "hq/1", alice, t0)
	sent(t, s, text.ID, 1, t0)
	answered(t, s, text.ID, 0, PartAccepted, "A", t0)
	f := must[ThreadFacts](t)(s.AddReply(ctx, NewReply{Business: acme, Line: line,
		Reply: textback.Reply{From: alice, To: line, Body: "Friday?", At: t0.Add(time.Minute)}}, t0.Add(time.Minute)))
	if _, _, err := s.AddPersonMessage(ctx, PersonMessage{ThreadID: f.Thread.ID, Person: "Ann", Body: "At ten."}, t0.Add(2*time.Minute)); err != nil {
		t.Fatal(err)
	}
	x := must[Explanation](t)(s.Explain(ctx, v.Call.ID))
	if len(x.Calls) != 1 || len(x.Texts) != 2 || len(x.Threads) != 1 || len(x.Threads[0].Messages) < 2 {
		t.Errorf("%d calls, %d texts, %d threads: %+v", len(x.Calls), len(x.Texts), len(x.Threads), x.Threads)
	}
}
