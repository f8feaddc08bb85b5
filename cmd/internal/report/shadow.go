package report

import (
	"bytes"
	"cmp"
	"slices"
	"strings"

	"textback"
)

// Would is what shadow mode would have sent from one line with one template.
type Would struct {
	Line     string `json:"line"`
	Template string `json:"template"`
	Calls    int    `json:"calls"`
	Held     int    `json:"held"` // of these: only after quiet hours
}

// shadow counts what would have been sent, the most frequent first.
func (c *counter) shadow() []Would {
	var all []Would
	for i := range c.in.Calls {
		v := &c.in.Calls[i]
		if half, ok := c.halfOf(callTime(v)); !ok || half != 0 || v.Decision.Reason != textback.ReasonShadow {
			continue
		}
		d := &v.Decision
		at := slices.IndexFunc(all, func(w Would) bool { return w.Line == d.Line && w.Template == d.Template })
		if at < 0 {
			at = len(all)
			all = append(all, Would{Line: d.Line, Template: d.Template})
		}
		all[at].Calls++
		all[at].Held += one(d.Held)
	}
	slices.SortFunc(all, func(a, b Would) int {
		return cmp.Or(-cmp.Compare(a.Calls, b.Calls), strings.Compare(a.Line, b.Line), strings.Compare(a.Template, b.Template))
	})
	return all
}

func (r *Report) shadowText(b *bytes.Buffer) {
	if len(r.Would) == 0 {
		return
	}
	section(b, "Would have been sent (shadow mode)")
	t := table{heads: 1}
	t.row("LINE", "TEMPLATE", "TEXTS", "HELD IN QUIET HOURS")
	for _, w := range r.Would {
		t.row(lineWord(w.Line), Clean(w.Template), itoa(w.Calls), itoa(w.Held))
	}
	t.write(b, "llrr")
}
