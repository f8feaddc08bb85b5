package store

import (
	"context"
	"errors"
	"io"
	"time"

	"textback"
)

// Store is an open state file. Its methods may be called from any goroutine.
//
// A method that changes something returns nil only when the change is durable. It gives up with the context's error while
// it waits for its turn, never in the middle of a commit: an error means that nothing was changed. After a failed commit
// (disk full, read-only, I/O error) the store stays usable.
type Store struct{}

var errPending = errors.New("not there yet")

// Open opens the state file, makes it if it is not there (mode 0600), and starts the commit goroutine, which Close ends.
func Open(o Options) (*Store, error) { return nil, errPending }

// Close waits for the commit under way and closes the file.
func (s *Store) Close() error { return errPending }

// TextsChanged is signalled (capacity one) after each commit that queued a text or moved one's due time.
func (s *Store) TextsChanged() <-chan struct{} { return nil }

// DeliveriesChanged is signalled (capacity one) after each commit that queued a hand-off.
func (s *Store) DeliveriesChanged() <-chan struct{} { return nil }

// Decide reads the caller's history, asks fn, and writes the verdict and, for ReasonText, the claim and the queued text
// (for ReasonShadow claim and counters apart): all in one transaction. It is idempotent by call id: a call that was
// decided before returns the stored verdict and text, and fn is not called. fn must be quick and pure.
func (s *Store) Decide(ctx context.Context, call textback.Call, k Keys, at time.Time, fn func(textback.History) textback.Decision) (textback.Verdict, *textback.Text, error) {
	return textback.Verdict{}, nil, errPending
}

// History reads the history as Decide would, for a text that is checked again when it is due.
func (s *Store) History(ctx context.Context, k Keys, at time.Time) (textback.History, error) {
	return textback.History{}, errPending
}

// Reached notes that a person was reached: queued missed-call texts of the caller of which nothing was written are
// cancelled and their verdicts become recovered, their claims are given back, the missed counter starts anew, and an open
// thread has its human response. It returns the cancelled texts.
func (s *Store) Reached(ctx context.Context, c Contact, at time.Time) ([]textback.Text, error) {
	return nil, errPending
}

// QueueText queues a text that answers no missed call. ErrOptedOut if the person has opted out, unless it is a
// confirmation, a help answer or for staff.
func (s *Store) QueueText(ctx context.Context, n NewText, at time.Time) (textback.Text, error) {
	return textback.Text{}, errPending
}

// Due returns queued texts whose time has come, in order of due time.
func (s *Store) Due(ctx context.Context, at time.Time, limit int) ([]textback.Text, error) {
	return nil, errPending
}

// NextDue is the earliest due time of a queued text; false if none is queued.
func (s *Store) NextDue(ctx context.Context) (time.Time, bool, error) {
	return time.Time{}, false, errPending
}

// Text returns one text; ErrNotFound.
func (s *Store) Text(ctx context.Context, id uint64) (textback.Text, error) {
	return textback.Text{}, errPending
}

// Attempt makes the attempt durable before anything is written: the text is submitting, so are its parts, and the claim
// counts from at. ErrState if the text is not queued any more (it was cancelled meanwhile): then nothing may be written.
func (s *Store) Attempt(ctx context.Context, a Attempt, at time.Time) (textback.Text, error) {
	return textback.Text{}, errPending
}

// PartAnswered records what became of one part, also late, and returns the text as it then stands. A receipt that came
// before its response is applied.
func (s *Store) PartAnswered(ctx context.Context, a PartAnswer, at time.Time) (textback.Text, error) {
	return textback.Text{}, errPending
}

// Defer puts a text back into the queue: not yet written, or with parts that were not. ErrState if there is nothing left
// to write.
func (s *Store) Defer(ctx context.Context, d Deferral, at time.Time) (textback.Text, error) {
	return textback.Text{}, errPending
}

// Cancel ends a queued text; ErrState if it is not queued. The claim is given back if no part was written.
func (s *Store) Cancel(ctx context.Context, id uint64, note string, at time.Time) (textback.Text, error) {
	return textback.Text{}, errPending
}

// Expire ends a queued text that could not be sent in time; as Cancel.
func (s *Store) Expire(ctx context.Context, id uint64, note string, at time.Time) (textback.Text, error) {
	return textback.Text{}, errPending
}

// Fail ends a queued or submitting text for good. The claim is given back if no part was, or may have been, accepted.
func (s *Store) Fail(ctx context.Context, f Failure, at time.Time) (textback.Text, error) {
	return textback.Text{}, errPending
}

// Recover is called once after Open by the daemon: texts that were submitting become unknown, queued ones go on. It
// returns those that became unknown.
func (s *Store) Recover(ctx context.Context, at time.Time) ([]textback.Text, error) {
	return nil, errPending
}

// Uncertain lists unknown texts whose last change lies before a time and which were not sent again yet, oldest first.
func (s *Store) Uncertain(ctx context.Context, before time.Time, limit int) ([]textback.Text, error) {
	return nil, errPending
}

// Resend queues an unknown text once more, once only: if every part of it is unknown all of them, else those never
// written, with the same references. ErrState if it is settled, was sent again before, or nothing is left to write.
func (s *Store) Resend(ctx context.Context, id uint64, at time.Time) (textback.Text, error) {
	return textback.Text{}, errPending
}

// ApplyReceipt moves the text that a receipt belongs to: by id as it stood, by its other base, by reference, by addresses.
// One that matches nothing is kept for a day, for a response that may bring its id.
func (s *Store) ApplyReceipt(ctx context.Context, r textback.Receipt) (Applied, error) {
	return Applied{}, errPending
}

// OptOut makes an opt-out durable, cancels the person's queued texts of these businesses, and queues the confirmation.
func (s *Store) OptOut(ctx context.Context, c OptChange, at time.Time) (OptResult, error) {
	return OptResult{}, errPending
}

// OptIn takes an opt-out back.
func (s *Store) OptIn(ctx context.Context, c OptChange, at time.Time) (OptResult, error) {
	return OptResult{}, errPending
}

// OptedOut tells whether a number has opted out of any of the businesses.
func (s *Store) OptedOut(ctx context.Context, number string, businesses ...string) (bool, error) {
	return false, errPending
}

// OptOuts lists the standing opt-outs, by number, erased persons last. fn returns false to stop.
func (s *Store) OptOuts(ctx context.Context, fn func(OptedOut) bool) error { return errPending }

// Ledger lists the ledger from an entry on. fn returns false to stop.
func (s *Store) Ledger(ctx context.Context, from uint64, fn func(LedgerEntry) bool) error {
	return errPending
}

// ExportOptOuts writes the standing opt-outs as CSV, and returns how many, and how many erased persons it had to leave out.
func (s *Store) ExportOptOuts(ctx context.Context, w io.Writer) (written, erased int, err error) {
	return 0, 0, errPending
}

// ImportOptOuts adds opt-outs, as ReadOptOuts gives them.
func (s *Store) ImportOptOuts(ctx context.Context, rows []OptedOut, at time.Time) (ImportResult, error) {
	return ImportResult{}, errPending
}

// ReadOptOuts reads the CSV that ExportOptOuts writes; number brings numbers into E.164 (nil takes +digits only), and a
// row without a business counts for all of businesses. Errors name the line.
func ReadOptOuts(r io.Reader, number func(string) (string, error), businesses []string) ([]OptedOut, error) {
	return nil, errPending
}

// Verify checks the whole file: the ledger's chain, the opt-out index against it, and that verdicts = missed calls.
func (s *Store) Verify(ctx context.Context) error { return errPending }

// Forget erases a person: calls, texts, threads, hand-offs, the number and the wording in the ledger. Opt-outs go on
// suppressing by a keyed hash.
func (s *Store) Forget(ctx context.Context, number string, at time.Time) (Forgotten, error) {
	return Forgotten{}, errPending
}

// SaveIncoming makes an incoming message durable, before it is acknowledged. A repeat of the same message within the time
// given is recognised. Parts of a long message are kept until it is complete.
func (s *Store) SaveIncoming(ctx context.Context, in Incoming, within time.Duration, at time.Time) (Saved, error) {
	return Saved{}, errPending
}

// PartsTimedOut completes, with Gap, the long messages whose last part came before a time.
func (s *Store) PartsTimedOut(ctx context.Context, before, at time.Time) ([]Saved, error) {
	return nil, errPending
}

// OldestPart is when the longest-waiting incomplete message last got a part; false if none waits.
func (s *Store) OldestPart(ctx context.Context) (time.Time, bool, error) {
	return time.Time{}, false, errPending
}

// Unhandled lists incoming messages that were saved and not handled, oldest first: after a crash they go on.
func (s *Store) Unhandled(ctx context.Context) ([]Saved, error) { return nil, errPending }

// Handled marks an incoming message as dealt with, where no other operation does.
func (s *Store) Handled(ctx context.Context, id uint64, at time.Time) error { return errPending }

// AddReply files a reply under the open thread of (caller, business), or opens one.
func (s *Store) AddReply(ctx context.Context, r NewReply, at time.Time) (ThreadFacts, error) {
	return ThreadFacts{}, errPending
}

// AddPersonMessage queues what a person wrote; automation stands down. ErrOptedOut, ErrNotFound.
func (s *Store) AddPersonMessage(ctx context.Context, m PersonMessage, at time.Time) (textback.Thread, textback.Text, error) {
	return textback.Thread{}, textback.Text{}, errPending
}

// TakeThread notes who looks after a thread, without a message.
func (s *Store) TakeThread(ctx context.Context, id uint64, person string, at time.Time) (textback.Thread, error) {
	return textback.Thread{}, errPending
}

// CloseThread closes a thread and frees its tag. The caller's next reply opens a new one.
func (s *Store) CloseThread(ctx context.Context, id uint64, at time.Time) (textback.Thread, error) {
	return textback.Thread{}, errPending
}

// Thread returns a thread with its messages.
func (s *Store) Thread(ctx context.Context, id uint64) (textback.Thread, error) {
	return textback.Thread{}, errPending
}

// ThreadByTag returns the open thread with a tag, in any case; ErrNotFound.
func (s *Store) ThreadByTag(ctx context.Context, tag string) (textback.Thread, error) {
	return textback.Thread{}, errPending
}

// OpenThread returns the open thread of a caller and a business; ErrNotFound.
func (s *Store) OpenThread(ctx context.Context, caller, business string) (textback.Thread, error) {
	return textback.Thread{}, errPending
}

// Facts returns a thread with what the limits on automatic answers need.
func (s *Store) Facts(ctx context.Context, threadID uint64, at time.Time) (ThreadFacts, error) {
	return ThreadFacts{}, errPending
}

// Threads lists threads without their messages, newest first.
func (s *Store) Threads(ctx context.Context, f ThreadFilter) ([]textback.Thread, error) {
	return nil, errPending
}

// RecordBooking records a booking on the thread of its token, else of its phone; a thread is opened if there is none.
func (s *Store) RecordBooking(ctx context.Context, b NewBooking, at time.Time) (BookingResult, error) {
	return BookingResult{}, errPending
}

// Enqueue queues hand-offs.
func (s *Store) Enqueue(ctx context.Context, at time.Time, d ...Delivery) error { return errPending }

// DueDeliveries returns hand-offs whose time has come, in order of due time.
func (s *Store) DueDeliveries(ctx context.Context, at time.Time, limit int) ([]Delivery, error) {
	return nil, errPending
}

// NextDelivery is the earliest due time of a hand-off; false if none waits.
func (s *Store) NextDelivery(ctx context.Context) (time.Time, bool, error) {
	return time.Time{}, false, errPending
}

// Delivered removes a hand-off that was made.
func (s *Store) Delivered(ctx context.Context, id uint64, at time.Time) error { return errPending }

// RetryDelivery counts a failed attempt and sets the next.
func (s *Store) RetryDelivery(ctx context.Context, id uint64, next time.Time, note string) error {
	return errPending
}

// DropDelivery gives a hand-off up.
func (s *Store) DropDelivery(ctx context.Context, id uint64, note string, at time.Time) error {
	return errPending
}

// DisableTarget drops what waits for an endpoint, and what comes for it from now on (HTTP 410).
func (s *Store) DisableTarget(ctx context.Context, target, note string, at time.Time) error {
	return errPending
}

// EnableTarget takes DisableTarget back.
func (s *Store) EnableTarget(ctx context.Context, target string) error { return errPending }

// Targets lists the endpoints that are or were disabled.
func (s *Store) Targets(ctx context.Context) ([]Target, error) { return nil, errPending }

// Explain returns everything about a number (E.164, or raw as the PBX gave it) or a call id.
func (s *Store) Explain(ctx context.Context, numberOrCall string) (Explanation, error) {
	return Explanation{}, errPending
}

// Verdict returns the verdict on one call; ErrNotFound.
func (s *Store) Verdict(ctx context.Context, callID string) (textback.Verdict, error) {
	return textback.Verdict{}, errPending
}

// Calls walks the verdicts on calls that ended in [since, until), in that order. fn returns false to stop; it must not
// call the store.
func (s *Store) Calls(ctx context.Context, since, until time.Time, fn func(textback.Verdict) bool) error {
	return errPending
}

// Texts walks the texts created in [since, until), in that order; as Calls.
func (s *Store) Texts(ctx context.Context, since, until time.Time, fn func(textback.Text) bool) error {
	return errPending
}

// ThreadsBetween walks the threads opened in [since, until), with their messages; as Calls.
func (s *Store) ThreadsBetween(ctx context.Context, since, until time.Time, fn func(textback.Thread) bool) error {
	return errPending
}

// Bookings walks the bookings recorded in [since, until); as Calls.
func (s *Store) Bookings(ctx context.Context, since, until time.Time, fn func(BookingRecord) bool) error {
	return errPending
}

// Counts sums what was counted in the clock hours (UTC) that [since, until) touches, by business and line; two zero times
// give the totals since the file was made, without business and line.
func (s *Store) Counts(ctx context.Context, since, until time.Time) ([]Count, error) {
	return nil, errPending
}

// Prune removes what is older than its retention, in small transactions.
func (s *Store) Prune(ctx context.Context, r Retention, at time.Time) (Pruned, error) {
	return Pruned{}, errPending
}

// Backup writes a checked copy of the file to path (mode 0600, by way of a temporary file beside it), while the store is
// in use. The copy is a state file: to go back, stop the daemon and put it in place.
func (s *Store) Backup(ctx context.Context, path string) error { return errPending }

// WriteTo writes a copy of the file as it stands to w.
func (s *Store) WriteTo(w io.Writer) (int64, error) { return 0, errPending }

// Stats returns figures about the file.
func (s *Store) Stats(ctx context.Context) (Stats, error) { return Stats{}, errPending }
