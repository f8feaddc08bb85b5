// Package ari is the link to one Asterisk over its REST interface (ARI): a websocket that is kept up, a queue that never
// makes Asterisk wait, read-backs after every gap, and the few REST calls that textback needs.
//
// [Run] keeps the link: it connects the websocket with subscribeAll, reads the live channels and bridges back, and hands
// everything to one function, in order, as [Message]s. It reports what the operator should know as [Status]es. It never
// logs, decides nothing about calls, and drops nothing silently: what it has to drop it counts, and then reads back.
//
// The event types and their decoding are those of github.com/CyCoreSystems/ari/v6. Its own link is not used: it drops
// events without a word, retries a wrong password for ever in silence, and hangs on a peer that accepts and says nothing.
//
// The translate files turn messages into textback's own events; they are the only ones that know the root package.
package ari
