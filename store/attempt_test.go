package store

import (
	"testing"
	"time"

	"textback"
)

// TestAnAttemptMadeWithTheVerdictIsAsOneMadeAfterIt: one commit instead of two, and the same on record.
func TestAnAttemptMadeWithTheVerdictIsAsOneMadeAfterIt(t *testing.T) {
	attempt := Attempt{Body: "sorry we missed you", Template: "open", Link: "carrier", Ref: 1, References: []uint16{7, 8}}
	states := func(told *[]textback.Text) Options {
		return Options{Committed: func(c Commit) { *told = append(*told, c.Texts...) }}
	}
	var told, toldAfter []textback.Text
	together, after := open(t, states(&told)), open(t, states(&toldAfter))

	asked := 0
	k := keys(alice)
	k.Attempt = func(text textback.Text) *Attempt {
		if asked++; text.ID != 1 || text.State != textback.Queued || text.Token == "" {
			t.Errorf("asked about %+v", text)
		}
		return &attempt
	}
	_, one, err := together.Decide(t.Context(), missed("hq/1", alice, t0), k, t0, window(alice, t0))
	if err != nil {
		t.Fatal(err)
	}
	_, two := decide(t, after, "hq/1", alice, t0)
	attempt.ID = two.ID
	*two = must[textback.Text](t)(after.Attempt(t.Context(), attempt, t0))

	if one.Token = two.Token; one.State != textback.Submitting || len(one.Parts) != 2 || one.Body != two.Body || !one.Submitted.Equal(two.Submitted) ||
		one.Attempts != two.Attempts || one.Link != two.Link || one.Parts[1] != two.Parts[1] {
		t.Errorf("together %+v\nafter    %+v", one, two)
	}
	if a, b := history(t, together, alice, t0), history(t, after, alice, t0); a.Unreplied != b.Unreplied || !a.LastText.Equal(b.LastText) || a.LineHour != b.LineHour {
		t.Errorf("history: together %+v, after %+v", a, b)
	}
	if len(told) != len(toldAfter) || told[0].State != textback.Queued || told[1].State != textback.Submitting {
		t.Errorf("told of %v, want queued and submitting", told)
	}
	for _, tab := range []table{tDue, tOpen, tRefs, tClaims, tTexts, tTokens} {
		if a, b := entries(t, together, tab), entries(t, after, tab); a != b {
			t.Errorf("%s: %d entries, %d if it is made after it", tableNames[tab], a, b)
		}
	}
	select {
	case <-together.TextsChanged():
		t.Error("the sender was woken for a text that is in no queue")
	default:
	}

	again, text, err := together.Decide(t.Context(), missed("hq/1", alice, t0), k, t0.Add(time.Second), window(alice, t0))
	if err != nil || again.TextID != one.ID || text == nil || text.Attempts != 1 || asked != 1 {
		t.Errorf("decided again: %+v, %+v, %v; asked %d times", again, text, err, asked)
	}
	unknown, err := together.Recover(t.Context(), t0.Add(time.Minute))
	if err != nil || len(unknown) != 1 || unknown[0].ID != one.ID {
		t.Errorf("after a crash before the answer: %+v, %v; want it in doubt", unknown, err)
	}
	verify(t, together)
}

// TestAnAttemptThatIsNotMadeLeavesTheTextQueued, with the sender woken.
func TestAnAttemptThatIsNotMadeLeavesTheTextQueued(t *testing.T) {
	s := open(t, Options{})
	k := keys(alice)
	k.Attempt = func(textback.Text) *Attempt { return nil }
	_, text, err := s.Decide(t.Context(), missed("hq/1", alice, t0), k, t0, window(alice, t0))
	if err != nil || text.State != textback.Queued {
		t.Fatalf("%+v, %v", text, err)
	}
	<-s.TextsChanged()
}

func TestAVerdictIsToldBeforeItsText(t *testing.T) {
	var told []Commit
	s := open(t, Options{Committed: func(c Commit) { told = append(told, c) }})
	decide(t, s, "hq/1", alice, t0)
	decide(t, s, "hq/1", alice, t0)
	if len(told) != 1 || len(told[0].Verdicts) != 1 || told[0].Verdicts[0].Call.ID != "hq/1" || len(told[0].Texts) != 1 {
		t.Errorf("told: %+v, want one verdict and its text, once", told)
	}
}
