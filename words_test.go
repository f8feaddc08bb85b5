package textback

import (
	"encoding/json"
	"testing"
)

func TestAWordThatIsNotSetComesBackFromJSONNotSet(t *testing.T) {
	type words struct {
		O Outcome
		S TextState
		K TextKind
		R Reason
	}
	for _, w := range []words{{}, {Lost, Unknown, BookingText, ReasonRecovered}} {
		b, err := json.Marshal(w)
		if err != nil {
			t.Fatal(err)
		}
		var back words
		if err := json.Unmarshal(b, &back); err != nil || back != w {
			t.Errorf("%s came back as %+v, %v", b, back, err)
		}
	}
	var back words
	if err := json.Unmarshal([]byte(`{"O":"Outcome(0)"}`), &back); err == nil {
		t.Error("a word that is none was taken")
	}
}
