package rules

import (
	"slices"
	"strings"
	"testing"
)

func TestTheWordsThatAreTold(t *testing.T) {
	for _, w := range OptOutWords() {
		if in := Classify(w); in.Kind != OptOut || !in.Exact {
			t.Errorf("%q is %+v, not an opt-out", w, in)
		}
	}
	for _, w := range OptInWords() {
		if in := Classify(w); in.Kind != OptIn {
			t.Errorf("%q is %+v, not an opt-in", w, in)
		}
	}
	for _, w := range HelpWords() {
		if in := Classify(w); in.Kind != Help {
			t.Errorf("%q is %+v, not a question for help", w, in)
		}
	}
	told := make([]string, 0, 20)
	for _, w := range OptOutWords() {
		told = append(told, strings.Join(tokens(fold(w)), ""))
	}
	for _, w := range optOutWords() {
		if !slices.Contains(told, w) {
			t.Errorf("%q opts out and is not told", w)
		}
	}
}

func TestEveryAutomaticAnswerNamesTheBusinessAndTheWayOn(t *testing.T) {
	line := &Line{Number: "+12025550100", Business: &Business{Name: "Acme Plumbing"}}
	for _, language := range []string{"", "en", "fr", "fr-CA", "es", "de"} {
		for answer, want := range map[string]string{OptOutAnswer(language, "Acme Plumbing"): "START", OptInAnswer(language, "Acme Plumbing"): "STOP",
			line.HelpAnswer(): "+12025550100"} {
			if !strings.HasPrefix(answer, "Acme Plumbing") || !strings.Contains(answer, want) {
				t.Errorf("%q: %q", language, answer)
			}
		}
	}
	line.Business.Help = "Acme: call +1 202 555 0199"
	if line.HelpAnswer() != line.Business.Help {
		t.Error("what the business says is not said")
	}
}
