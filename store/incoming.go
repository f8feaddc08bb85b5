package store

import "textback"

// Concat is the concatenation header of one part (3GPP TS 23.040, 9.2.3.24.1 and .8, or the sar_ TLVs).
type Concat struct {
	Ref   uint16
	Total int // 2 to 255
	Seq   int // from 1
}

// Incoming is one deliver_sm that is no receipt.
type Incoming struct {
	Link     string
	From, To string // E.164 of who wrote, sender address of ours
	Body     string // decoded on its own
	Raw      []byte // user data without header, for Options.Join; may be nil
	Coding   byte   // data_coding
	Ref      uint16 // user_message_reference, 0 if none: tells a repeat from the same words said twice
	Concat   *Concat
}

// Saved is what SaveIncoming did.
type Saved struct {
	ID        uint64 // of the incoming message; 0 while parts are missing
	Duplicate bool   // the message centre sent it again
	Handled   bool   // a duplicate that has been dealt with
	Complete  bool   // Reply is the whole message (or what there is of it, with Gap)
	Reply     textback.Reply
}
