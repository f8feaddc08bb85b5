// Package control is the socket over which the commands talk to the running daemon: HTTP on a unix socket, one POST per
// verb, JSON both ways, a plain byte stream for what is long. Who may open the socket may do everything: the file's mode
// and group are the access control. It knows no verb itself.
package control

import (
	"context"
	"encoding/json"
	"errors"
	"io"
)

// Request is one call of a verb.
type Request struct {
	Verb string
	Args json.RawMessage // a JSON value, "null" if the caller gave none
	UID  int             // user id of the caller (SO_PEERCRED), -1 if the socket does not tell
}

// Handler answers one verb: what it returns is sent as JSON. An error reaches the caller with its words; an [*Error]
// with its code and hint as well. ctx ends when the caller goes away or the server stops.
type Handler func(ctx context.Context, r *Request) (any, error)

// Streamer answers one verb with bytes: a backup, an export. After an error the caller knows that what it got is cut.
type Streamer func(ctx context.Context, r *Request, w io.Writer) error

// Receiver answers one verb whose arguments are bytes that come for as long as they come: a list. What it does not read of body
// is thrown away.
type Receiver func(ctx context.Context, body io.Reader) (any, error)

// Error is a refusal with a code that a program can look at and a hint for the operator.
type Error struct {
	Code    string `json:"code,omitempty"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

// Error is the message alone: the command prints the hint on a line of its own.
func (e *Error) Error() string { return e.Message }

// Sentinels of the client's side.
var (
	// ErrNotRunning: nobody listens on the socket, or it is not there. Read-only commands then open the state file.
	ErrNotRunning = errors.New("textback is not running")
	// ErrInUse: another living daemon answers on the socket.
	ErrInUse = errors.New("another textback is running")
)

// Limits of one call.
const (
	MaxArgs  = 8 << 20  // bytes of arguments
	MaxSent  = 1 << 30  // bytes that a Receiver is given
	MaxReply = 64 << 20 // bytes of a JSON reply that a client reads
)

// Hint returns the hint that goes with err, "" if there is none.
func Hint(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return e.Hint
	}
	return ""
}
