// Package textback holds the product's words as Go types: the events of a PBX, calls and their outcomes, verdicts and
// their reasons, texts and their states, replies and threads; and the pure code that needs nothing else: the tracker
// that turns events into ended calls, the coding of texts into segments, and telephone numbers.
//
// It does no I/O, starts no goroutine and reads no clock: time comes in with the data.
package textback
