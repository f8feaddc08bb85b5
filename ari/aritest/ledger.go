package aritest

import (
	"slices"
	"time"
)

// Ledger is what was played.
type Ledger struct {
	Calls   []Call
	Events  int // events played
	Unheard int // of these, while nobody was listening
}

// Call is one call of a recording as it was played: its truth, its numbers in this play, and what was put on the wire.
type Call struct {
	ID        string // channel id of the caller's leg in this play; "" if the stream does not show it
	Trace     string
	Caller    string
	Line      string
	Direction string // "" from outside, "out", "internal"
	Outcome   string
	Also      []string
	Missed    bool
	Text      *bool // whether a text is expected; nil: the stream cannot tell

	Began, Ended         time.Time // when its first event and its end were put on the wire, by our clock; zero: never
	BeganHeard, EndHeard bool      // a client was connected and took them
}

// Ledger gives a copy of what was played so far.
func (s *Server) Ledger() Ledger {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.ledger
	l.Calls = slices.Clone(l.Calls)
	return l
}
