// Package esl is the link to one FreeSWITCH over its event socket (mod_event_socket): it logs in, subscribes to the events
// that a call's outcome needs, as JSON, reads back what is live after each connect, notices a dead peer, and connects
// again. [Link.Run] hands everything to one function in the order of the wire. It never waits for that function while it
// reads: what does not fit into its bounded queue is counted, told as [MessageOverflow], and mended by a read-back.
//
// The protocol's commands, content types and replies are those of github.com/percipia/eslgo. The connection is our own
// (session.go, frame.go): eslgo 1.5.2 can only be given an address (no context, no TLS, no net.Pipe in a test), and a
// peer that says "Content-Length: -1" panics in a goroutine of eslgo's that nobody can recover
// (TestTheLibrarysOwnConnectionDiesOfANegativeContentLength); besides it hands out events in any order, one goroutine
// for each, mixes up the replies of concurrent commands, and stops reading without a word at a content type that it
// does not know.
package esl
