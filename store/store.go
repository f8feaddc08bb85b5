package store

import (
	"errors"
	"time"

	"textback"
)

// Errors that a caller may have to choose by; test with errors.Is.
var (
	ErrLocked   = errors.New("the state file is held by another process") // most likely the running daemon: use its control socket
	ErrCorrupt  = errors.New("the state file is damaged")                 // go back to the last backup, see docs/state.md
	ErrNewer    = errors.New("the state file was written by a newer textback")
	ErrReadOnly = errors.New("the state file is open for reading only")
	ErrClosed   = errors.New("the store is closed")
	ErrNotFound = errors.New("not found")
	ErrState    = errors.New("the text is in another state")            // it was cancelled, settled or taken meanwhile
	ErrOptedOut = errors.New("the person has opted out")                // nothing was queued
	ErrFull     = errors.New("the state file has reached its max size") // Options.MaxSize
)

// Options say how to open a state file.
type Options struct {
	Path     string
	ReadOnly bool          // for commands without a daemon; fails with ErrLocked while one runs
	Timeout  time.Duration // how long to wait for the file's lock; 1 s if zero
	MaxSize  int           // bytes; writes that would grow the file beyond fail with ErrFull; 0 = no limit

	// NoCompact keeps Open from rewriting a file of which more than half is free pages.
	NoCompact bool

	// Join decodes the raw parts of a concatenated message, in order, when it is complete or timed out: a surrogate or an
	// escape pair may be split between parts, so parts are decoded together. Nil joins the parts' own Body.
	Join func(coding byte, parts [][]byte) string

	// TextChanged, if set, is called inside the transaction for every change of a text's state (its first, Queued,
	// included). The hand-offs that it returns are queued in that same transaction. It must be quick and pure.
	TextChanged func(textback.Text) []Delivery

	// BeforeCommit, if set, is called before each commit: an error makes the commit fail with it, a delay makes the
	// disk slow. For tests of faults.
	BeforeCommit func() error
}
