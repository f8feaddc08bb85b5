package daemon

import (
	"testing"
	"time"

	"textback"
)

func TestATextThatIsToldOfLateDoesNotCloseTheBreaker(t *testing.T) {
	d := still(t)
	verdict := func(r textback.Reason) textback.Verdict {
		return textback.Verdict{At: time.Now(), Decision: textback.Decision{Business: "acme", Reason: r}}
	}
	room := false
	note := func(r textback.Reason) { d.breakers.note(d, verdict(r), func(string) bool { return room }) }
	note(textback.ReasonBudget)
	note(textback.ReasonText) // decided before, beside the one that found the budget spent
	if len(d.breakers.list()) != 1 {
		t.Error("the breaker closed although the budget is spent")
	}
	room = true
	note(textback.ReasonText)
	if len(d.breakers.list()) != 0 {
		t.Error("the breaker is open although a text leaves and there is room")
	}
}
