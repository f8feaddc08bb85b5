package smpp

import (
	"errors"
	"fmt"
)

// The command_status values of SMPP 3.4, 5.1.3, that decide something here.
const (
	StatusOK            uint32 = 0x00000000
	StatusInvMsgLen     uint32 = 0x00000001 // ESME_RINVMSGLEN
	StatusInvCmdLen     uint32 = 0x00000002 // ESME_RINVCMDLEN
	StatusInvCmdID      uint32 = 0x00000003 // ESME_RINVCMDID
	StatusInvBindStatus uint32 = 0x00000004 // ESME_RINVBNDSTS
	StatusAlreadyBound  uint32 = 0x00000005 // ESME_RALYBND
	StatusSystemError   uint32 = 0x00000008 // ESME_RSYSERR
	StatusInvSource     uint32 = 0x0000000A // ESME_RINVSRCADR
	StatusInvDest       uint32 = 0x0000000B // ESME_RINVDSTADR
	StatusBindFailed    uint32 = 0x0000000D // ESME_RBINDFAIL
	StatusInvPassword   uint32 = 0x0000000E // ESME_RINVPASWD
	StatusInvSystemID   uint32 = 0x0000000F // ESME_RINVSYSID
	StatusQueueFull     uint32 = 0x00000014 // ESME_RMSGQFUL
	StatusThrottled     uint32 = 0x00000058 // ESME_RTHROTTLED
	StatusTryAgain      uint32 = 0x00000064 // ESME_RX_T_APPN: the answer that makes a message centre repeat a deliver_sm
	StatusRefuse        uint32 = 0x00000065 // ESME_RX_P_APPN
	StatusInvOptional   uint32 = 0x000000C0 // ESME_RINVOPTPARSTREAM
	StatusUnknown       uint32 = 0x000000FF // ESME_RUNKNOWNERR
)

var statusNames = map[uint32]string{
	0x00: "ESME_ROK", 0x01: "ESME_RINVMSGLEN", 0x02: "ESME_RINVCMDLEN", 0x03: "ESME_RINVCMDID", 0x04: "ESME_RINVBNDSTS",
	0x05: "ESME_RALYBND", 0x06: "ESME_RINVPRTFLG", 0x07: "ESME_RINVREGDLVFLG", 0x08: "ESME_RSYSERR",
	0x0A: "ESME_RINVSRCADR", 0x0B: "ESME_RINVDSTADR", 0x0C: "ESME_RINVMSGID", 0x0D: "ESME_RBINDFAIL",
	0x0E: "ESME_RINVPASWD", 0x0F: "ESME_RINVSYSID", 0x11: "ESME_RCANCELFAIL", 0x13: "ESME_RREPLACEFAIL",
	0x14: "ESME_RMSGQFUL", 0x15: "ESME_RINVSERTYP", 0x33: "ESME_RINVNUMDESTS", 0x34: "ESME_RINVDLNAME",
	0x40: "ESME_RINVDESTFLAG", 0x42: "ESME_RINVSUBREP", 0x43: "ESME_RINVESMCLASS", 0x44: "ESME_RCNTSUBDL",
	0x45: "ESME_RSUBMITFAIL", 0x48: "ESME_RINVSRCTON", 0x49: "ESME_RINVSRCNPI", 0x50: "ESME_RINVDSTTON",
	0x51: "ESME_RINVDSTNPI", 0x53: "ESME_RINVSYSTYP", 0x54: "ESME_RINVREPFLAG", 0x55: "ESME_RINVNUMMSGS",
	0x58: "ESME_RTHROTTLED", 0x61: "ESME_RINVSCHED", 0x62: "ESME_RINVEXPIRY", 0x63: "ESME_RINVDFTMSGID",
	0x64: "ESME_RX_T_APPN", 0x65: "ESME_RX_P_APPN", 0x66: "ESME_RX_R_APPN", 0x67: "ESME_RQUERYFAIL",
	0xC0: "ESME_RINVOPTPARSTREAM", 0xC1: "ESME_ROPTPARNOTALLWD", 0xC2: "ESME_RINVPARLEN",
	0xC3: "ESME_RMISSINGOPTPARAM", 0xC4: "ESME_RINVOPTPARAMVAL", 0xFE: "ESME_RDELIVERYFAILURE", 0xFF: "ESME_RUNKNOWNERR",
}

// StatusName is the name of a command_status in SMPP 3.4, table 5-2, with its number; a vendor's own has only the number.
func StatusName(status uint32) string {
	if name, ok := statusNames[status]; ok {
		return fmt.Sprintf("%s (0x%02x)", name, status)
	}
	return fmt.Sprintf("status 0x%x", status)
}

// StatusError is an answer of the message centre that is not ESME_ROK.
type StatusError struct {
	Command string // what was refused: "submit_sm", "bind_transceiver", ...
	Status  uint32 // command_status
}

// Error names the command and the status.
func (e *StatusError) Error() string { return e.Command + " refused: " + StatusName(e.Status) }

var (
	// ErrDown: the link is not bound. Nothing was written.
	ErrDown = errors.New("link is down")
	// ErrSilent: the link is bound, but the message centre leaves submits unanswered; now and then one is tried. Nothing
	// was written. It is an ErrDown.
	ErrSilent = fmt.Errorf("%w: the message centre does not answer submit_sm", ErrDown)
	// ErrDraining: the link is being stopped and takes no more. Nothing was written.
	ErrDraining = errors.New("link is stopping")
	// ErrExpired: the validity of the text ended before it could be written. Nothing was written.
	ErrExpired = errors.New("validity ended before it could be sent")
	// ErrUnsendable: the segment cannot be written as SMPP: an address that is too long or has other characters than ASCII,
	// or more text than a PDU holds. Nothing was written, and trying again will not help.
	ErrUnsendable = errors.New("cannot be written as submit_sm")
	// ErrUnanswered: it was written, or part of it, and no answer came: the message centre may have it or not.
	ErrUnanswered = errors.New("written, but not answered")
	// ErrUnknownLink: no [[smpp]] has this name.
	ErrUnknownLink = errors.New("no such link")
)

// Retryable tells whether the same submit may be tried again later: what was never written, and what the message centre
// turned away for now. It is false for everything that may have arrived ([ErrUnanswered]) and for what was refused for good.
func Retryable(err error) bool {
	var refused *StatusError
	switch {
	case err == nil, errors.Is(err, ErrUnanswered), errors.Is(err, ErrExpired), errors.Is(err, ErrUnknownLink):
		return false
	case errors.As(err, &refused):
		switch refused.Status {
		case StatusThrottled, StatusQueueFull, StatusSystemError, StatusTryAgain, StatusInvBindStatus, StatusAlreadyBound:
			return true
		}
		return false
	default:
		return errors.Is(err, ErrDown) || errors.Is(err, ErrDraining) || isContext(err)
	}
}

// Throttling tells whether the message centre asked to slow down.
func Throttling(err error) bool {
	var refused *StatusError
	return errors.As(err, &refused) && (refused.Status == StatusThrottled || refused.Status == StatusQueueFull)
}
