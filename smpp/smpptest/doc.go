// Package smpptest is a simulated message centre that speaks SMPP 3.4 on any connection: for tests, for `textback demo`
// and for fault campaigns. It takes submits, sends receipts, delivers messages from phones until they are acknowledged,
// keeps a ledger of everything, and misbehaves on demand ([Faults]).
//
// The last digits of a destination choose its fate: 058 is throttled once, 011 is refused for good, 000 never gets an
// answer, 777 replies STOP, 778 replies a question; all others are delivered.
//
// Its codec is its own, so that a mistake in the client's cannot cancel itself out.
package smpptest
