// Package handoff carries what happened to people and programs outside: a webhook to the CRM, an e-mail to the staff.
// It only sends, once per call: what is to be sent, and when again, is the store's durable queue; [Retry] says when. It
// never reads the store.
package handoff

import (
	"context"
	"encoding/json"
	"time"

	"textback"
)

// Delivery is one event on its way to one receiver. It survives JSON, so a queue can keep it; every attempt sends the
// same ID, by which the receiver recognises a repetition.
type Delivery struct {
	ID   string          `json:"id"`   // unique per event, e.g. from [NewID]; becomes webhook-id and Message-ID
	Type string          `json:"type"` // one of the Type constants
	At   time.Time       `json:"at"`   // when it happened
	Data json.RawMessage `json:"data"` // one of the payload structs of this package

	// For people (e-mail); a webhook does not send them.
	Subject string           `json:"subject,omitempty"`
	Lead    string           `json:"lead,omitempty"`   // what is to be known first, plain text
	Thread  *textback.Thread `json:"thread,omitempty"` // quoted below the lead; also threads the mails
	HTML    string           `json:"html,omitempty"`   // the lead once more, for mail programs that show HTML
	Files   []File           `json:"files,omitempty"`  // attached to the mail
}

// File is an attachment of a mail.
type File struct {
	Name string `json:"name"`
	Type string `json:"type"` // media type, e.g. "text/html"
	Data []byte `json:"data"`
}

// Result is what became of one attempt.
type Result struct {
	Delivered bool
	Permanent bool          // trying again is useless
	Disable   bool          // the receiver wants nothing any more (410 Gone): switch it off until the configuration changes
	After     time.Duration // the receiver's wish (Retry-After), 0 if it has none
	Note      string        // one line for status and log: the status, the server's words
}

// Sender sends one delivery. The error is nil exactly when Result.Delivered; it carries no secret.
type Sender interface {
	Send(ctx context.Context, d Delivery) (Result, error)
	String() string // for log and status: the kind and the host, never a credential
}
