package daemon

import (
	"sync"

	"textback"
)

// liveCalls knows who is on the phone with us right now, by number: a due text waits while its caller is, and a caller
// who talks is not texted about another call.
type liveCalls struct {
	mu    sync.Mutex
	calls map[string]map[string]bool // number → call id → connected with a person
	byID  map[string]string          // call id → number
}

func newLiveCalls() *liveCalls {
	return &liveCalls{calls: make(map[string]map[string]bool), byID: make(map[string]string)}
}

// began notes a call; number "" is nobody.
func (l *liveCalls) began(number, id string) {
	if number == "" {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.put(number, id, false)
}

// connected notes that a call reached a person.
func (l *liveCalls) connected(number, id string) {
	if number == "" {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.put(number, id, true)
}

func (l *liveCalls) put(number, id string, connected bool) {
	if old, ok := l.byID[id]; ok && old != number {
		l.remove(id)
	}
	ids := l.calls[number]
	if ids == nil {
		ids = make(map[string]bool)
		l.calls[number] = ids
	}
	ids[id] = ids[id] || connected
	l.byID[id] = number
}

// ended forgets a call.
func (l *liveCalls) ended(id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.remove(id)
}

func (l *liveCalls) remove(id string) {
	number, ok := l.byID[id]
	if !ok {
		return
	}
	delete(l.byID, id)
	delete(l.calls[number], id)
	if len(l.calls[number]) == 0 {
		delete(l.calls, number)
	}
}

// onPhone tells whether a number has a call with us other than the given one, and whether one of them is connected.
func (l *liveCalls) onPhone(number, except string) (calls int, talking bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for id, connected := range l.calls[number] {
		if id != except {
			calls++
			talking = talking || connected
		}
	}
	return calls, talking
}

// count is the number of calls.
func (l *liveCalls) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.byID)
}

func openStates() []textback.TextState {
	return []textback.TextState{textback.Queued, textback.Submitting, textback.Unknown}
}
