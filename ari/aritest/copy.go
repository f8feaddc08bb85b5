package aritest

import (
	"fmt"
	"strings"
	"time"
)

// Copy gives the events of the n-th copy of a trace, with ids of its own, its last event being of the time last. Copies may be
// mixed: what is of one never meets what is of another. It is for loads that must not cost the sender anything.
func (t *Trace) Copy(n int, last time.Time) [][]byte {
	var pairs []string
	for i, id := range t.ids {
		base, suffix, dashed := cutLast(id, '-')
		fresh := fmt.Sprintf("%08x-%04x-4000-8000-%012x", n, i&0xffff, i)
		switch {
		case strings.Contains(id, "/") && dashed:
			fresh = fmt.Sprintf("%s-%0*x", base, max(len(suffix), 8), n<<12|i)
		case strings.Contains(id, ".") && !strings.Contains(id, "/"):
			fresh = fmt.Sprintf("sim-%d.%d", 1_700_000_000+n, i)
		}
		pairs = append(pairs, id, fresh)
	}
	rewrite := strings.NewReplacer(pairs...)
	var shift time.Duration
	if len(t.Events) > 0 {
		shift = last.Sub(t.Events[0].pbx) - t.Duration()
	}
	all := make([][]byte, len(t.Events))
	for i, e := range t.Events {
		all[i] = retime([]byte(rewrite.Replace(string(e.Raw))), shift)
	}
	return all
}
