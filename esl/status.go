package esl

import (
	"errors"
	"fmt"
	"time"
)

// What a link fails with. They are wrapped: use errors.Is. None of them, nor their texts, holds the password.
var (
	// ErrPassword: "-ERR invalid".
	ErrPassword = errors.New("the event socket refused the password")
	// ErrACL: a text/rude-rejection instead of a greeting.
	ErrACL = errors.New("the event socket's ACL does not let our address in")
	// ErrSubscribe: "-ERR no keywords supplied", or a name that cannot be one of an event.
	ErrSubscribe = errors.New("the list of events was refused")
	// ErrReadBack: the live channels are not told, so that nobody knows which calls ended in a gap. FreeSWITCH without its
	// core database (-nosql) is so.
	ErrReadBack = errors.New("FreeSWITCH does not list its live channels")
	// ErrSilent: a frozen PBX, or a dead network.
	ErrSilent = errors.New("no event, not even a heartbeat")
	// ErrNotice: a text/disconnect-notice; what it says follows.
	ErrNotice = errors.New("FreeSWITCH ended the session")
	// ErrClosed: end of file, or a reset.
	ErrClosed = errors.New("the connection ended")
	// ErrProtocol: a frame that cannot be read, or one that has no business here.
	ErrProtocol = errors.New("not the event socket protocol")
	// ErrTimeout: no answer in the login or to a command.
	ErrTimeout = errors.New("no answer in time")
	// ErrOverflow: events were lost while the link was up; their number follows.
	ErrOverflow = errors.New("events lost")
	// ErrDown: Originate without a live link.
	ErrDown = errors.New("the link is down")
	// ErrOriginate: the call could not be made; FreeSWITCH's word follows.
	ErrOriginate = errors.New("the call could not be made")
	// ErrArgument: a part of a call could change the command in which it would stand.
	ErrArgument = errors.New("not allowed in a command")

	errEnded = errors.New("the daemon stops")
)

// Cause groups the reasons for which a link is not up. One cause is reported once, then sparingly.
type Cause uint8

const (
	// CauseNone: the link is up.
	CauseNone Cause = iota
	// CauseUnreachable: no TCP (or TLS) connection.
	CauseUnreachable
	// CausePassword: wrong password. It will not mend itself: retried slowly.
	CausePassword
	// CauseACL: our address is not allowed. Retried slowly.
	CauseACL
	// CauseSubscribe: the list of events was refused. Retried slowly.
	CauseSubscribe
	// CauseReadBack: the link is up, but the live channels are not told: what a gap swallows stays unknown.
	CauseReadBack
	// CauseSilent: no event, and no answer, within Options.Idle; or no event at all for three times as long.
	CauseSilent
	// CauseTimeout: no answer to the login or to a command.
	CauseTimeout
	// CauseNotice: FreeSWITCH ended the session, e.g. it is shutting down.
	CauseNotice
	// CauseClosed: the connection ended.
	CauseClosed
	// CauseProtocol: what came was not the event socket protocol.
	CauseProtocol
	// CauseOverflow: the link is up, but events were lost and read back.
	CauseOverflow
)

// String is the cause's word in logs and metrics.
func (c Cause) String() string {
	switch c {
	case CauseNone:
		return "up"
	case CauseUnreachable:
		return "unreachable"
	case CausePassword:
		return "password"
	case CauseACL:
		return "acl"
	case CauseSubscribe:
		return "subscribe"
	case CauseReadBack:
		return "read-back"
	case CauseSilent:
		return "silent"
	case CauseTimeout:
		return "timeout"
	case CauseNotice:
		return "notice"
	case CauseClosed:
		return "closed"
	case CauseProtocol:
		return "protocol"
	case CauseOverflow:
		return "overflow"
	default:
		return fmt.Sprintf("Cause(%d)", uint8(c))
	}
}

// Lasting tells whether somebody must change something to mend it.
func (c Cause) Lasting() bool { return c >= CausePassword && c <= CauseReadBack }

// Status is what an operator should know about the link, ready to be logged: the first of each cause, then at most one a
// minute (one an hour for a lasting cause), and the return after a failure that was told.
type Status struct {
	Cause    Cause
	Err      error         // nil for CauseNone
	At       time.Time     // when it happened
	Retry    time.Duration // when it is tried again; 0 for CauseNone, CauseReadBack and CauseOverflow
	Failures int           // attempts in a row that failed
	Withheld int           // like statuses that were not told since the last one of this cause
	CoreUUID string        // of CauseNone
	Live     int           // of CauseNone: channels read back
	Lost     uint64        // of CauseOverflow: events lost in this gap
}

func causeOf(err error) Cause {
	for _, known := range []struct {
		err   error
		cause Cause
	}{
		{ErrPassword, CausePassword}, {ErrACL, CauseACL}, {ErrSubscribe, CauseSubscribe},
		{ErrReadBack, CauseReadBack}, {ErrSilent, CauseSilent}, {ErrTimeout, CauseTimeout},
		{ErrNotice, CauseNotice}, {ErrProtocol, CauseProtocol}, {ErrClosed, CauseClosed},
	} {
		if errors.Is(err, known.err) {
			return known.cause
		}
	}
	return CauseUnreachable
}
