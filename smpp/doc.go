// Package smpp sends texts to a message centre and takes receipts and replies from it, over SMPP 3.4.
//
// A [Link] is one [[smpp]] of the configuration: it binds, stays bound, and tells of every submit_sm whether it was
// answered, never written, or written and not answered. A [Pool] picks the link for a text. What comes in is a
// [Delivery]: a receipt or a message; it is acknowledged only when its handler has returned.
//
// PDUs are encoded and decoded by go-smpp; its session is not used, because it takes a deliver_sm for the answer to the
// submit_sm of the same sequence number, drops the link over a PDU that it does not know, and blocks for ever on a peer that
// stops reading. Octets that go-smpp has no place for (a user data header, data_sm) are read here.
//
// The package knows neither rules nor store, and does not log: it returns errors and calls the [Handlers].
package smpp
