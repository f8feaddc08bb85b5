package store

import "time"

// Delivery is one hand-off that waits to be made: a webhook call, a mail. It stays until Delivered or Drop.
type Delivery struct {
	ID       uint64 // set by the store
	Kind     string // "webhook", "mail"
	Target   string // name of the endpoint in the configuration
	Event    string // event type, e.g. "reply.received"
	Payload  []byte
	Person   string // E.164 of whom it is about, so that Forget finds it; "" if nobody
	Created  time.Time
	Due      time.Time // zero when queued: at once
	Attempts int
	Note     string // why the last attempt failed
}

// Target is the standing of an endpoint.
type Target struct {
	Name     string
	Disabled bool
	At       time.Time
	Note     string
	Dropped  uint64 // hand-offs dropped because it is disabled
}
