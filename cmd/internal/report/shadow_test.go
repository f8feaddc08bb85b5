package report

import (
	"bytes"
	"strings"
	"testing"

	"textback"
)

func TestShadowModeTellsWhatItWouldHaveSent(t *testing.T) {
	w := newWeek()
	w.miss(9, textback.ReasonShadow, nil)
	for i := range w.in.Calls {
		d := &w.in.Calls[i].Decision
		d.Line, d.Template, d.Held = "+12025550100", []string{"open", "open", "closed"}[i%3], i%3 == 2
	}
	r := Compute(w.in)
	if len(r.Would) != 2 || r.Would[0] != (Would{"+12025550100", "open", 6, 0}) || r.Would[1] != (Would{"+12025550100", "closed", 3, 3}) {
		t.Fatalf("%+v", r.Would)
	}
	var text, page, csv bytes.Buffer
	for _, err := range []error{WriteText(&text, r), WriteHTML(&page, r), WriteCSV(&csv, r)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if got := strings.Join(strings.Fields(text.String()), " "); !strings.Contains(got,
		"Would have been sent (shadow mode) LINE TEMPLATE TEXTS HELD IN QUIET HOURS +12025550100 open 6 0 +12025550100 closed 3 3") {
		t.Error(text.String())
	}
	if !strings.Contains(page.String(), "<td>closed</td><td>3</td><td>3</td>") {
		t.Error("the page does not tell")
	}
	if !strings.Contains(csv.String(), "would_send,closed/+12025550100,held,3") {
		t.Error(csv.String())
	}
}
