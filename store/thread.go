package store

import (
	"context"
	"fmt"
	"strings"
	"time"

	"textback"
)

// NewReply is a reply to file under the thread of its writer and business.
type NewReply struct {
	Reply    textback.Reply
	Business string
	Line     string
	Name     string // as the PBX last showed it, cleaned; "" keeps what there is
	Flag     string // why a person should look twice
	Incoming uint64 // marked as handled in the same transaction; 0 if none

	// Answer, if set, is asked inside the transaction for an automatic answer, with the facts as they stand with
	// the reply filed; nil for none. The answer is queued in the same transaction, unless the person has opted out
	// of the business or of one in SharedWith.
	Answer     func(ThreadFacts) *textback.Text
	SharedWith []string
	Also       func(ThreadFacts) []Delivery
}

// ThreadFacts are a thread and what the limits on automatic answers need to know about it.
type ThreadFacts struct {
	Thread         textback.Thread // with its messages
	New            bool            // opened by this reply
	AutomaticToday int             // automatic texts on this UTC day, the missed-call text not counted
	LastAutomatic  string          // body of the last automatic text, the missed-call text included; "" if none
	LastIncoming   string          // body of the reply before this one
	Answer         *textback.Text  // automatic answer that was queued
	OptedOut       bool            // the person has opted out of the business or of one in SharedWith
}

// PersonMessage is what a person wrote to the caller of a thread.
type PersonMessage struct {
	ThreadID   uint64
	Person     string // who wrote
	Body       string
	From, SMPP string // sender and link; "" takes those of the last text to the caller
	Incoming   uint64 // if it came as a text from a staff mobile: marked as handled; 0 if none
	SharedWith []string
	Also       func(textback.Thread, textback.Text) []Delivery
}

// ThreadFilter selects threads; the zero value is all open ones.
type ThreadFilter struct {
	Business string
	Caller   string
	Closed   bool // closed ones too
	Limit    int  // 0 = 100; newest first
}

// threadRecord is a thread as it is kept: its messages stand by themselves.
type threadRecord struct {
	T         textback.Thread
	Day       time.Time // UTC day that Today counts
	Today     int       // automatic texts
	Automatic string    // body of the last automatic text
	Incoming  string    // body of the last reply
	Before    string    // body of the reply before it
}

func threadKey(id uint64) []byte { return key(nil).num(id) }

func (w *work) thread(id uint64) (*threadRecord, bool) {
	r, ok := load[threadRecord](w, tThreads, threadKey(id))
	return &r, ok
}

func (w *work) saveThread(r *threadRecord) {
	r.T.Messages = nil
	w.save(tThreads, threadKey(r.T.ID), r)
}

// openThread is the open thread of a caller and a business.
func (w *work) openThread(caller, business string) (*threadRecord, bool) {
	k := w.get(tThreadsOpen, callerKey(caller, business))
	if k == nil {
		return nil, false
	}
	return w.thread(number(k))
}

// openThreads are the open threads of a caller, of one business or all.
func (w *work) openThreads(caller, business string) (all []*threadRecord) {
	prefix := key(nil).str(caller)
	if business != "" {
		prefix = prefix.str(business)
	}
	var ids []uint64
	w.scan(tThreadsOpen, prefix, func(_, v []byte) bool { ids = append(ids, number(v)); return true })
	for _, id := range ids {
		if r, ok := w.thread(id); ok {
			all = append(all, r)
		}
	}
	return all
}

// newThread opens a thread, with the last missed-call text as its first message.
func (w *work) newThread(caller, business, line string) *threadRecord {
	r := &threadRecord{T: textback.Thread{ID: w.next("thread"), Business: business, Line: line, Caller: caller,
		Opened: w.at, Last: w.at}}
	r.T.Tag = w.freeTag(r.T.ID)
	w.put(tThreadsTime, key(nil).time(r.T.Opened).num(r.T.ID), nil)
	w.put(tThreadsCaller, key(nil).str(caller).num(r.T.ID), nil)
	w.markOpen(r)
	if t, ok := w.lastText(caller, business); ok {
		r.T.CallID = t.T.CallID
		if r.T.Line == "" {
			r.T.Line = t.T.Line
		}
		if !t.T.Submitted.IsZero() && t.T.ThreadID == 0 {
			t.T.ThreadID = r.T.ID
			w.say(r, textback.Message{At: t.T.Submitted, Kind: t.T.Kind, TextID: t.T.ID, Body: t.T.Body}, t)
			r.Automatic, r.T.Last = t.T.Body, w.at
			w.saveText(t)
		}
	}
	w.saveThread(r)
	return r
}

func (w *work) markOpen(r *threadRecord) {
	w.put(tThreadsOpen, callerKey(r.T.Caller, r.T.Business), key(nil).num(r.T.ID))
	w.put(tTags, key(nil).str(r.T.Tag), key(nil).num(r.T.ID))
	w.standing(nowThreads, "", 1)
}

func (w *work) markClosed(r *threadRecord) {
	w.del(tThreadsOpen, callerKey(r.T.Caller, r.T.Business))
	w.del(tTags, key(nil).str(r.T.Tag))
	w.standing(nowThreads, "", -1)
}

// lastText is the last missed-call text to a caller from a business.
func (w *work) lastText(caller, business string) (*textRecord, bool) {
	var id uint64
	w.back(tClaims, key(nil).str(caller).str(business), func(k, _ []byte) bool {
		if w.has(tTexts, textKey(tail(k))) { // claims of shadow mode have none
			id = tail(k)
		}
		return id == 0
	})
	return w.text(id)
}

// freeTag finds a short tag that no open thread has: a letter and a digit, more digits when these are used up.
// Letters and digits that look alike are left out, and no word of any language is made of them.
func (w *work) freeTag(id uint64) string {
	const letters, figures = "abcdefghjkmnpqrstuvwxyz", "23456789"
	for width := 1; ; width++ {
		space := uint64(len(letters))
		for range width {
			space *= uint64(len(figures))
		}
		for i := range space {
			n := (id*37 + i) % space
			tag := []byte{letters[n%uint64(len(letters))]}
			n /= uint64(len(letters))
			for range width {
				tag = append(tag, figures[n%uint64(len(figures))])
				n /= uint64(len(figures))
			}
			if w.err != nil || !w.has(tTags, key(nil).str(string(tag))) {
				return string(tag)
			}
		}
	}
}

func messageKey(thread, n uint64) []byte { return key(nil).num(thread).num(n) }

// say adds a message. t, if not nil, is the text that it is: it remembers its place, for the body is known when it
// leaves.
func (w *work) say(r *threadRecord, m textback.Message, t *textRecord) {
	n := w.next("message")
	w.save(tMessages, messageKey(r.T.ID, n), &m)
	if t != nil {
		t.Message = n
	}
	r.T.Last = later(r.T.Last, m.At)
}

// wrote files a reply that is no conversation (an opt-out) under an open thread, and notes that the person wrote.
func (w *work) wrote(caller, business, body, flag string) {
	f, _ := load[callerFacts](w, tCallers, callerKey(caller, business))
	f.Wrote = later(f.Wrote, w.at)
	w.save(tCallers, callerKey(caller, business), &f)
	if r, ok := w.openThread(caller, business); ok {
		w.say(r, textback.Message{At: w.at, In: true, Body: body, Flag: flag}, nil)
		r.Before, r.Incoming = r.Incoming, body
		w.saveThread(r)
	}
}

// queueInThread queues a text and, if it belongs to a thread, adds it there. Texts to staff are no part of the
// conversation.
func (w *work) queueInThread(t textback.Text) *textRecord {
	q := w.newText(t)
	r, ok := w.thread(t.ThreadID)
	if t.ThreadID == 0 || !ok || t.Kind == textback.StaffText {
		return q
	}
	w.say(r, textback.Message{At: w.at, Kind: t.Kind, TextID: q.T.ID, Body: t.Body}, q)
	if t.Kind.Automatic() {
		if day := w.at.UTC().Truncate(24 * time.Hour); !day.Equal(r.Day) {
			r.Day, r.Today = day, 0
		}
		r.Today++
		r.T.Automatic++
		r.Automatic = t.Body
	}
	w.saveThread(r)
	w.saveText(q)
	return q
}

// renderInThread brings a text that leaves into its thread as it was rendered.
func (w *work) renderInThread(q *textRecord) {
	t := &q.T
	if t.ThreadID == 0 && t.Kind == textback.MissedCallText {
		if r, ok := w.openThread(t.To, t.Business); ok {
			t.ThreadID = r.T.ID
			w.say(r, textback.Message{At: w.at, Kind: t.Kind, TextID: t.ID, Body: t.Body}, q)
			r.Automatic = t.Body
			w.saveThread(r)
			w.saveText(q)
		}
		return
	}
	if q.Message == 0 {
		return
	}
	k := messageKey(t.ThreadID, q.Message)
	m, ok := load[textback.Message](w, tMessages, k)
	if !ok || m.Body == t.Body {
		return
	}
	m.Body = t.Body
	w.save(tMessages, k, &m)
	if r, ok := w.thread(t.ThreadID); ok && t.Kind.Automatic() {
		r.Automatic = t.Body
		w.saveThread(r)
	}
}

// answeredThreads notes the human response that an answered call is.
func (w *work) answeredThreads(caller, business string) {
	for _, r := range w.openThreads(caller, business) {
		if r.T.FirstPerson.IsZero() {
			r.T.FirstPerson = w.at
		}
		r.T.TakenAt = later(r.T.TakenAt, w.at)
		w.saveThread(r)
	}
}

// personInThread tells whether a person answered in the open thread within a time.
func (w *work) personInThread(caller, business string, within time.Duration) bool {
	r, ok := w.openThread(caller, business)
	return ok && !r.T.TakenAt.IsZero() && w.at.Sub(r.T.TakenAt) < within
}

func (w *work) messages(id uint64) (all []textback.Message) {
	w.scan(tMessages, threadKey(id), func(_, v []byte) bool {
		var m textback.Message
		if err := decode(v, &m); err != nil {
			w.fail("decode a record of", tMessages, err)
			return false
		}
		all = append(all, m)
		return true
	})
	return all
}

// full is the thread with its messages.
func (w *work) full(r *threadRecord) textback.Thread {
	t := r.T
	t.Messages = w.messages(t.ID)
	return t
}

func (w *work) threadFacts(r *threadRecord) ThreadFacts {
	f := ThreadFacts{Thread: w.full(r), LastAutomatic: r.Automatic, LastIncoming: r.Before}
	if w.at.UTC().Truncate(24 * time.Hour).Equal(r.Day) {
		f.AutomaticToday = r.Today
	}
	return f
}

// removeThread deletes a thread and its messages.
func (w *work) removeThread(r *threadRecord) (messages int) {
	if !r.T.Closed {
		w.markClosed(r)
	}
	w.del(tThreadsTime, key(nil).time(r.T.Opened).num(r.T.ID))
	w.del(tThreadsCaller, key(nil).str(r.T.Caller).num(r.T.ID))
	for _, k := range w.keys(tMessages, threadKey(r.T.ID), after(threadKey(r.T.ID)), 0) {
		w.del(tMessages, k)
		messages++
	}
	w.del(tThreads, threadKey(r.T.ID))
	return messages
}

// AddReply files a reply under the open thread of (caller, business), or opens one. A reply whose incoming message was
// handled before changes nothing.
func (s *Store) AddReply(ctx context.Context, n NewReply, at time.Time) (f ThreadFacts, err error) {
	if n.Reply.From == "" || n.Business == "" {
		return f, fmt.Errorf("add a reply: no sender or no business: %w", ErrNotFound)
	}
	err = s.update(ctx, at, func(w *work) error {
		f = ThreadFacts{}
		r, ok := w.openThread(n.Reply.From, n.Business)
		if n.Incoming != 0 && !w.handled(n.Incoming) {
			if ok {
				f = w.threadFacts(r)
			}
			return nil
		}
		if !ok {
			r = w.newThread(n.Reply.From, n.Business, n.Line)
		}
		if n.Name != "" {
			r.T.Name = n.Name
		}
		w.say(r, textback.Message{At: at, In: true, Body: n.Reply.Body, Flag: n.Flag}, nil)
		r.Before, r.Incoming = r.Incoming, n.Reply.Body
		w.saveThread(r)
		facts, _ := load[callerFacts](w, tCallers, callerKey(n.Reply.From, n.Business))
		facts.Wrote = later(facts.Wrote, at)
		w.save(tCallers, callerKey(n.Reply.From, n.Business), &facts)
		w.tally(at, CountReply, "reply", n.Business, r.T.Line, 1)

		f = w.threadFacts(r)
		f.New = !ok
		f.OptedOut = w.optedOut(n.Reply.From, append([]string{n.Business}, n.SharedWith...)...)
		if n.Answer != nil && w.err == nil {
			if t := n.Answer(f); t != nil && !f.OptedOut {
				t.ThreadID = r.T.ID
				answer := w.queueInThread(*t).T
				if again, ok := w.thread(r.T.ID); ok {
					fresh := w.threadFacts(again)
					fresh.New, fresh.OptedOut, fresh.Answer = f.New, f.OptedOut, &answer
					f = fresh
				}
			}
		}
		if n.Also != nil {
			w.enqueue(n.Also(f)...)
		}
		return nil
	})
	if err != nil {
		return ThreadFacts{}, fmt.Errorf("add a reply: %w", err)
	}
	return f, nil
}

// AddPersonMessage queues what a person wrote; automation stands down. A closed thread is opened again, unless the
// caller has a newer one (ErrState). ErrOptedOut, ErrNotFound.
func (s *Store) AddPersonMessage(ctx context.Context, m PersonMessage, at time.Time) (
	th textback.Thread, t textback.Text, err error,
) {
	err = s.update(ctx, at, func(w *work) error {
		r, ok := w.thread(m.ThreadID)
		if !ok {
			return cmpErr(w.err, ErrNotFound)
		}
		if m.Incoming != 0 && !w.handled(m.Incoming) {
			return fmt.Errorf("it was handled before: %w", ErrState)
		}
		if w.optedOut(r.T.Caller, append([]string{r.T.Business}, m.SharedWith...)...) {
			return ErrOptedOut
		}
		if r.T.Closed {
			if err := w.reopen(r); err != nil {
				return err
			}
		}
		w.take(r, m.Person)
		w.saveThread(r)
		text := textback.Text{Kind: textback.PersonText, CallID: r.T.CallID, ThreadID: r.T.ID, Business: r.T.Business,
			Line: r.T.Line, To: r.T.Caller, From: m.From, SMPP: m.SMPP, Body: m.Body}
		if last, ok := w.lastText(r.T.Caller, r.T.Business); ok && text.From == "" {
			text.From, text.SMPP = last.T.From, last.T.SMPP
		}
		q := w.newText(text)
		w.say(r, textback.Message{At: at, Person: m.Person, Kind: textback.PersonText, TextID: q.T.ID, Body: m.Body}, q)
		w.saveText(q)
		w.saveThread(r)
		th, t = w.full(r), q.T
		if m.Also != nil {
			w.enqueue(m.Also(th, t)...)
		}
		return nil
	})
	if err != nil {
		return textback.Thread{}, textback.Text{}, fmt.Errorf("answer in thread %d: %w", m.ThreadID, err)
	}
	return th, t, nil
}

// take notes a person's response.
func (w *work) take(r *threadRecord, person string) {
	if r.T.TakenBy == "" {
		r.T.TakenBy = person
	}
	if r.T.FirstPerson.IsZero() {
		r.T.FirstPerson = w.at
	}
	r.T.TakenAt = later(r.T.TakenAt, w.at)
}

func (w *work) reopen(r *threadRecord) error {
	if _, other := w.openThread(r.T.Caller, r.T.Business); other {
		return fmt.Errorf("the caller has a newer thread: %w", ErrState)
	}
	r.T.Closed = false
	if w.has(tTags, key(nil).str(r.T.Tag)) {
		r.T.Tag = w.freeTag(r.T.ID)
	}
	w.markOpen(r)
	return nil
}

// changeThread runs fn on one thread in a transaction.
func (s *Store) changeThread(ctx context.Context, what string, id uint64, at time.Time,
	fn func(*work, *threadRecord) error) (t textback.Thread, err error) {
	err = s.update(ctx, at, func(w *work) error {
		r, ok := w.thread(id)
		if !ok {
			return cmpErr(w.err, ErrNotFound)
		}
		if err := fn(w, r); err != nil {
			return err
		}
		w.saveThread(r)
		t = w.full(r)
		return nil
	})
	if err != nil {
		return textback.Thread{}, fmt.Errorf("%s thread %d: %w", what, id, err)
	}
	return t, nil
}

// TakeThread notes who looks after a thread, without a message: TakenBy becomes the person, and automation stands down.
func (s *Store) TakeThread(ctx context.Context, id uint64, person string, at time.Time) (textback.Thread, error) {
	return s.changeThread(ctx, "take", id, at, func(w *work, r *threadRecord) error {
		r.T.TakenBy = person
		r.T.TakenAt = later(r.T.TakenAt, at)
		return nil
	})
}

// CloseThread closes a thread and frees its tag. The caller's next reply opens a new one.
func (s *Store) CloseThread(ctx context.Context, id uint64, at time.Time) (textback.Thread, error) {
	return s.changeThread(ctx, "close", id, at, func(w *work, r *threadRecord) error {
		if !r.T.Closed {
			w.markClosed(r)
			r.T.Closed = true
		}
		return nil
	})
}

func (s *Store) readThread(ctx context.Context, what string,
	find func(*work) (*threadRecord, bool)) (t textback.Thread, err error) {
	err = s.view(ctx, time.Time{}, func(w *work) error {
		r, ok := find(w)
		if !ok {
			return cmpErr(w.err, ErrNotFound)
		}
		t = w.full(r)
		return nil
	})
	if err != nil {
		return t, fmt.Errorf("read %s: %w", what, err)
	}
	return t, nil
}

// Thread returns a thread with its messages.
func (s *Store) Thread(ctx context.Context, id uint64) (textback.Thread, error) {
	return s.readThread(ctx, fmt.Sprintf("thread %d", id), func(w *work) (*threadRecord, bool) { return w.thread(id) })
}

// ThreadByTag returns the open thread with a tag, in any case; ErrNotFound.
func (s *Store) ThreadByTag(ctx context.Context, tag string) (textback.Thread, error) {
	return s.readThread(ctx, fmt.Sprintf("thread %q", tag), func(w *work) (*threadRecord, bool) {
		return w.thread(number(w.get(tTags, key(nil).str(strings.ToLower(tag)))))
	})
}

// OpenThread returns the open thread of a caller and a business; ErrNotFound.
func (s *Store) OpenThread(ctx context.Context, caller, business string) (textback.Thread, error) {
	return s.readThread(ctx, "the open thread", func(w *work) (*threadRecord, bool) { return w.openThread(caller, business) })
}

// Threads lists threads without their messages, newest first.
func (s *Store) Threads(ctx context.Context, f ThreadFilter) (all []textback.Thread, err error) {
	if f.Limit <= 0 {
		f.Limit = 100
	}
	err = s.view(ctx, time.Time{}, func(w *work) error {
		w.back(tThreadsTime, nil, func(k, _ []byte) bool {
			r, ok := w.thread(tail(k))
			if ok && (f.Closed || !r.T.Closed) && (f.Business == "" || f.Business == r.T.Business) &&
				(f.Caller == "" || f.Caller == r.T.Caller) {
				all = append(all, r.T)
			}
			return len(all) < f.Limit
		})
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list threads: %w", err)
	}
	return all, nil
}
