package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"textback"
	"textback/store"
)

// audit says how the state file is to be held against the ledgers of the peers.
type audit struct {
	// sure tells whether textback must have taken the end of a call off the wire; nil: it must have taken every one.
	sure func(began, ended time.Time) bool
	// grace: texts in doubt may have gone out twice.
	grace bool
	// hostile: what was written to us is no conversation, and need not be in a thread.
	hostile bool
}

// books are what an audit found.
type books struct {
	Played, Missed, Without     int // calls played; missed ones whose end was surely heard; of these without a verdict
	Stats                       store.Stats
	Reasons                     map[string]int
	States                      map[string]int // of texts to callers who were missed
	Texted, Twice, TwiceInDoubt int            // callers
	InDoubt                     int            // texts, unknown or sent again
	Stopped, Lost, Late         int            // STOPs acknowledged; lost; texts after one
	Confirmed                   int            // confirmations that arrived
	Replies, ReplyLost          int            // other messages acknowledged; not in a thread
	Refused                     int            // verdicts for callers who had opted out
	faults                      []error
}

// firstWords are in each text to a missed caller, lastWords in each confirmation of an opt-out.
const (
	firstWords = "sorry we missed you"
	lastWords  = "opted out"
)

func (b *books) fault(format string, args ...any) {
	b.faults = append(b.faults, fmt.Errorf(format, args...))
}

// audit holds the state file against what the PBXs played and what the message centre took. Textback must have ended.
func (st *stage) audit(ctx context.Context, a audit) (*books, error) {
	s, err := store.Open(store.Options{Path: st.state(), ReadOnly: true})
	if err != nil {
		return nil, err
	}
	defer s.Close()
	b := &books{Reasons: make(map[string]int), States: make(map[string]int)}
	if err := errors.Join(st.auditCalls(ctx, s, a, b), st.auditTexts(ctx, s, a, b), st.auditReplies(ctx, s, a, b)); err != nil {
		return nil, err
	}
	if b.Stats, err = s.Stats(ctx); err != nil {
		return nil, err
	}
	if b.Stats.Missed != b.Stats.Verdicts {
		b.fault("%d missed calls, %d verdicts", b.Stats.Missed, b.Stats.Verdicts)
	}
	if err := s.Verify(ctx); err != nil {
		b.fault("the state file does not verify: %w", err)
	}
	return b, nil
}

// auditCalls looks for the verdict of each missed call.
func (st *stage) auditCalls(ctx context.Context, s *store.Store, a audit, b *books) error {
	verdicts := make(map[string]bool)
	err := s.Calls(ctx, time.Time{}, time.Now().Add(240*time.Hour), func(v textback.Verdict) bool {
		if verdicts[v.Call.ID] {
			b.fault("call %s has two verdicts", v.Call.ID)
		}
		verdicts[v.Call.ID] = true
		b.Reasons[v.Decision.Reason.String()]++
		if v.Decision.Reason == textback.ReasonOptedOut {
			b.Refused++
		}
		return true
	})
	if err != nil {
		return err
	}
	check := func(id, recording string, missed bool, began, ended time.Time) {
		b.Played++
		if !missed || ended.IsZero() || a.sure != nil && !a.sure(began, ended) {
			return
		}
		b.Missed++
		if !verdicts[id] {
			b.Without++
			b.fault("missed call %s (%s), %s to %s, has no verdict", id, recording, began.Format(time.StampMilli), ended.Format(time.StampMilli))
		}
	}
	for _, call := range st.asterisk.Ledger().Calls {
		check("hq/"+call.ID, call.Trace, call.Missed && call.EndHeard, call.Began, call.Ended)
	}
	for _, p := range st.freesw.Ledger() {
		o, err := textback.ParseOutcome(p.Truth.Outcome)
		check("branch/"+p.Truth.ALeg, p.Recording, err == nil && o.Missed() && !p.Written.IsZero(), p.Began, p.Ended)
	}
	return nil
}

// traffic is what became of the texts of one kind to one person: what the message centre took must lie between the
// texts that are known to have been accepted and those with the ones in doubt.
type traffic struct{ accepted, doubt, taken int }

func (st *stage) auditTexts(ctx context.Context, s *store.Store, a audit, b *books) error {
	first, last := make(map[string]*traffic), make(map[string]*traffic)
	of := func(m map[string]*traffic, to string) *traffic {
		if m[to] == nil {
			m[to] = new(traffic)
		}
		return m[to]
	}
	err := s.Texts(ctx, time.Time{}, time.Now().Add(240*time.Hour), func(t textback.Text) bool {
		var f *traffic
		switch t.Kind {
		case textback.MissedCallText:
			f = of(first, t.To)
			b.States[t.State.String()]++
		case textback.ConfirmationText:
			f = of(last, t.To)
		default:
			return true
		}
		switch t.State {
		case textback.Accepted, textback.Delivered, textback.Undelivered:
			f.accepted++
		case textback.Unknown:
			f.doubt++
		case textback.Queued, textback.Submitting:
			b.fault("text %d to %s rests as %s", t.ID, t.To, t.State)
		}
		if t.Resent {
			f.doubt++
		}
		if t.State == textback.Unknown || t.Resent {
			b.InDoubt++
		}
		return true
	})
	if err != nil {
		return err
	}
	stopped := st.stops()
	for _, t := range st.smsc.Texts() {
		switch {
		case strings.Contains(t.Body, lastWords):
			of(last, t.To).taken++
		case strings.Contains(t.Body, firstWords):
			of(first, t.To).taken++
			// What was on the wire when the STOP came cannot be taken back.
			if at, ok := stopped[t.To]; ok && t.At.After(at.Add(100*time.Millisecond)) {
				b.Late++
				b.fault("%s said STOP, acknowledged %s, and was sent a text at %s", t.To, at.Format(time.StampMilli), t.At.Format(time.StampMilli))
			}
		}
	}
	for to, f := range first {
		if f.taken > 0 {
			b.Texted++
		}
		switch {
		case f.taken > 1 && a.grace && f.doubt > 0:
			b.TwiceInDoubt++
		case f.taken > 1:
			b.Twice++
			b.fault("%s got %d texts", to, f.taken)
		}
		f.hold(b, "texts", to)
	}
	for to, f := range last {
		b.Confirmed += f.taken
		if f.taken > 1 {
			b.fault("%s got %d confirmations", to, f.taken)
		}
		f.hold(b, "confirmations", to)
	}
	for number := range stopped {
		b.Stopped++
		out, err := s.OptedOut(ctx, number, "acme")
		if err != nil {
			return err
		}
		if !out {
			b.Lost++
			b.fault("the acknowledged STOP of %s is lost", number)
		}
		if last[number] == nil {
			b.fault("the STOP of %s was never confirmed", number)
		}
	}
	return nil
}

// hold compares what the state file says of one person's texts with what the message centre took.
func (f *traffic) hold(b *books, what, to string) {
	if f.taken < f.accepted || f.taken > f.accepted+f.doubt {
		b.fault("%s: %d %s taken by the message centre, %d on record as accepted and %d in doubt", to, f.taken, what, f.accepted, f.doubt)
	}
}

// stops are the numbers that said STOP, with the moment in which it was first acknowledged.
func (st *stage) stops() map[string]time.Time {
	m := make(map[string]time.Time)
	for _, ack := range st.smsc.Acks() {
		if _, ok := m[ack.From]; !ok && !ack.Receipt && ack.Status == 0 && ack.Body == "STOP" {
			m[ack.From] = ack.At
		}
	}
	return m
}

// auditReplies looks for each acknowledged message in the threads.
func (st *stage) auditReplies(ctx context.Context, s *store.Store, a audit, b *books) error {
	if a.hostile {
		return nil
	}
	for _, ack := range st.smsc.Acks() {
		if ack.Receipt || ack.Status != 0 || ack.Body == "STOP" {
			continue
		}
		b.Replies++
		x, err := s.Explain(ctx, ack.From)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(x.Threads, func(t textback.Thread) bool {
			return slices.ContainsFunc(t.Messages, func(m textback.Message) bool { return m.In && m.Body == ack.Body })
		}) {
			b.ReplyLost++
			b.fault("what %s wrote was acknowledged and is in no thread: %.40q", ack.From, ack.Body)
		}
	}
	return nil
}

// print writes the figures.
func (b *books) print(out io.Writer) {
	fmt.Fprintf(out, "calls played                           %8d\n", b.Played)
	fmt.Fprintf(out, "missed, end surely heard               %8d, of these without a verdict %d\n", b.Missed, b.Without)
	fmt.Fprintf(out, "verdicts                               %8d, missed calls taken in %d\n", b.Stats.Verdicts, b.Stats.Missed)
	fmt.Fprintf(out, "by reason                              %s\n", words(b.Reasons))
	fmt.Fprintf(out, "callers texted                         %8d, twice %d, twice and named as in doubt %d\n", b.Texted, b.Twice, b.TwiceInDoubt)
	fmt.Fprintf(out, "their texts                            %s\n", words(b.States))
	fmt.Fprintf(out, "texts in doubt (unknown or resent)     %8d\n", b.InDoubt)
	fmt.Fprintf(out, "STOPs acknowledged                     %8d, lost %d, texted afterwards %d; confirmations arrived %d\n",
		b.Stopped, b.Lost, b.Late, b.Confirmed)
	fmt.Fprintf(out, "calls by someone opted out, not texted %8d\n", b.Refused)
	fmt.Fprintf(out, "replies acknowledged                   %8d, in no thread %d\n", b.Replies, b.ReplyLost)
}

// err joins the faults, the first few of them in words.
func (b *books) err() error {
	const shown = 12
	if n := len(b.faults); n > shown {
		return errors.Join(append(slices.Clone(b.faults[:shown]), fmt.Errorf("and %d more", n-shown))...)
	}
	return errors.Join(b.faults...)
}

// words writes counts in the order of their names.
func words(m map[string]int) string {
	var list []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		list = append(list, fmt.Sprintf("%s %d", k, m[k]))
	}
	if len(list) == 0 {
		return "none"
	}
	return strings.Join(list, ", ")
}

// verify opens a copy of a state file and checks it.
func verify(ctx context.Context, path string) (missed int64, err error) {
	s, err := store.Open(store.Options{Path: path, ReadOnly: true})
	if err != nil {
		return 0, err
	}
	defer s.Close()
	if err := s.Verify(ctx); err != nil {
		return 0, err
	}
	st, err := s.Stats(ctx)
	if err != nil {
		return 0, err
	}
	if st.Missed != st.Verdicts {
		return 0, fmt.Errorf("%s: %d missed calls, %d verdicts", path, st.Missed, st.Verdicts)
	}
	return st.Missed, nil
}
