package store

// table is one ordered map of byte keys to byte values. On bbolt each is a bucket; on etcd it would be a key prefix.
type table uint8

const (
	tMeta          table = iota // schema version, sequences, key for the hashes
	tCalls                      // call id → verdict
	tCallsTime                  // end of the call, call id
	tCallsParty                 // caller, end of the call, call id
	tClaims                     // caller, business, claim id → claim
	tCallers                    // caller, business → caller facts
	tMissed                     // caller, business, time, call id
	tRate                       // kind, time: claim id → block, line; or business → budget used up
	tFailed                     // number, time, text id: failed for good
	tTexts                      // text id → text
	tTextsTime                  // created, text id
	tTextsTo                    // last digits of the number, text id
	tDue                        // due, text id: queued texts
	tOpen                       // text id: submitting
	tUncertain                  // last change, text id: unknown, not sent again yet
	tTokens                     // booking token → text id
	tIDs                        // link, form of the message id, text id, part
	tRefs                       // link, low byte of the reference, text id, part → reference
	tEarly                      // receipt id → receipt that matched nothing
	tEarlyTime                  // time, receipt id
	tEarlyIDs                   // link, form of the message id, receipt id
	tEarlyTo                    // last digits of an address, receipt id
	tLedger                     // sequence → entry
	tLedgerWho                  // keyed hash of the number, sequence
	tOut                        // keyed hash of the number, business → standing opt-out
	tOutNumber                  // number, business: index for lists
	tIncoming                   // id → incoming message
	tUnhandled                  // id
	tSeen                       // fingerprint → id, time
	tSeenTime                   // time, fingerprint
	tParts                      // link, from, to, reference, total → parts of a long message
	tPartsTime                  // last part's time, key in tParts
	tThreads                    // thread id → thread
	tThreadsTime                // opened, thread id
	tThreadsOpen                // caller, business → thread id
	tThreadsCaller              // caller, thread id
	tTags                       // tag → thread id
	tMessages                   // thread id, sequence → message
	tBookings                   // service, id, event → booking
	tBookingsTime               // recorded, key in tBookings
	tDeliveries                 // id → hand-off
	tDeliveriesDue              // due, id
	tMade                       // person, when it was over, id
	tTargets                    // name → standing
	tCounts                     // hour, kind, word, business, line → number
	tListed                     // business, first number → block of opt-outs that came in by list
	tDelisted                   // keyed hash of the number, sequence of the list's entry, business → when he opted out
	tPeople                     // last digits of a number, table, key in it: what is kept of people (people.go)
	tables                      // how many there are
)

var tableNames = [tables]string{
	tMeta: "meta", tCalls: "calls", tCallsTime: "calls_time", tCallsParty: "calls_party", tClaims: "claims",
	tCallers: "callers", tMissed: "missed", tRate: "rate", tFailed: "failed", tTexts: "texts", tTextsTime: "texts_time",
	tTextsTo: "texts_to", tDue: "due", tOpen: "open", tUncertain: "uncertain", tTokens: "tokens", tIDs: "ids",
	tRefs: "refs", tEarly: "early", tEarlyTime: "early_time", tEarlyIDs: "early_ids", tEarlyTo: "early_to",
	tLedger: "ledger", tLedgerWho: "ledger_who", tOut: "out", tOutNumber: "out_number", tIncoming: "incoming", tUnhandled: "unhandled",
	tSeen: "seen", tSeenTime: "seen_time", tParts: "parts", tPartsTime: "parts_time", tThreads: "threads",
	tThreadsTime: "threads_time", tThreadsOpen: "threads_open", tThreadsCaller: "threads_caller", tTags: "tags",
	tMessages: "messages", tBookings: "bookings", tBookingsTime: "bookings_time", tDeliveries: "deliveries",
	tDeliveriesDue: "deliveries_due", tMade: "made", tTargets: "targets", tCounts: "counts",
	tListed: "listed", tDelisted: "delisted", tPeople: "people",
}

// tx is a transaction: the one seam to the database below. Values handed out are valid until the next change.
type tx interface {
	// Get returns nil for a key that is not there.
	Get(t table, key []byte) ([]byte, error)
	Put(t table, key, value []byte) error // value must not be changed afterwards, unless it is pending, which copies both
	Delete(t table, key []byte) error
	// Scan calls fn for the keys in [from, to) in order, or from the last to the first. Nil is the end of the
	// table. fn returns false to stop, and changes nothing meanwhile.
	Scan(t table, from, to []byte, backward bool, fn func(key, value []byte) bool) error
}
