package configs

import (
	"slices"
	"strings"
)

// Events are the names of what a [[notify]] can be told of, in the order of the documentation. In the file a name may
// also be the part before a dot ("booking" for all of booking.*), or "*" for everything.
func Events() []string {
	return []string{
		"call.missed",      // a missed call, before its verdict
		"call.verdict",     // what was decided about it, and why
		"text.queued",      // a text is due later
		"text.accepted",    // the message centre took every part
		"text.delivered",   // receipts say that every part arrived
		"text.undelivered", // a receipt says that a part did not
		"text.failed",      // refused for good
		"text.expired",     // could not be sent in time
		"text.cancelled",   // taken back, e.g. because the caller was reached
		"text.unknown",     // written to the wire, no answer
		"reply.received",   // the caller wrote
		"reply.sent",       // a person answered
		"thread.taken",     // a person answered first
		"opt-out",          // the caller opted out
		"opt-in",           // the caller opted in again
		"booking.created",
		"booking.rescheduled",
		"booking.cancelled",
		"alarm", // a breaker opened, a PBX is silent, a day without texts
	}
}

func matchesEvent(wanted []string, event string) bool {
	family, _, _ := strings.Cut(event, ".")
	return slices.ContainsFunc(wanted, func(w string) bool { return w == "*" || w == event || w == family })
}

func matchesBusiness(wanted []string, business string) bool {
	return len(wanted) == 0 || slices.Contains(wanted, business)
}
