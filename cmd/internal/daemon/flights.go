package daemon

import (
	"context"
	"sync"

	"textback"
)

// flights are the texts between their attempt and their answer. A link that is throttled may keep one for half a minute;
// an opt-out that comes meanwhile calls it back.
type flights struct {
	mu   sync.Mutex
	recs map[*flight]struct{}
}

type flight struct {
	to     string
	recall context.CancelFunc
}

// begin registers a text before it is looked up whether its person has opted out: whatever opt-out comes after that look
// finds it here. What an opt-out does not concern is not registered.
func (f *flights) begin(ctx context.Context, kind textback.TextKind, to string) (context.Context, func()) {
	if !stoppable(kind) {
		return ctx, func() {}
	}
	ctx, recall := context.WithCancel(ctx)
	x := &flight{to, recall}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.recs == nil {
		f.recs = make(map[*flight]struct{})
	}
	f.recs[x] = struct{}{}
	return ctx, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.recs, x)
		recall()
	}
}

// recall calls back what is on its way to a number. What is on the wire already is settled when its answer comes.
func (f *flights) recall(number string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for x := range f.recs {
		if x.to == number {
			x.recall()
		}
	}
}

// stoppable tells whether an opt-out stops a kind of text: a confirmation and HELP are answered to anyone, and staff are no
// callers.
func stoppable(k textback.TextKind) bool {
	switch k {
	case textback.ConfirmationText, textback.HelpText, textback.StaffText:
		return false
	default:
		return true
	}
}
