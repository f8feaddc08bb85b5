package store

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"textback"
)

// model is what the store promises, in maps and loops: slow, and simple enough to be read.
type model struct {
	texts    []*modelText
	verdicts map[string]textback.Reason
	out      map[string]bool // number, business
	reached  map[string]time.Time
	missed   map[string][]time.Time
	confirms map[string]time.Time
}

type modelText struct {
	id       uint64
	kind     textback.TextKind
	call, to string
	business string
	state    textback.TextState
	due      time.Time
	counts   time.Time // from when its claim counts
	claimed  time.Time
	parts    []textback.TextState
	ids      []string
	submit   time.Time
	resent   bool
}

func (m *modelText) any(states ...textback.TextState) bool {
	return slices.ContainsFunc(m.parts, func(s textback.TextState) bool { return slices.Contains(states, s) })
}

func (m *modelText) all(states ...textback.TextState) bool {
	return len(m.parts) > 0 && !slices.ContainsFunc(m.parts, func(s textback.TextState) bool { return !slices.Contains(states, s) })
}

// claims tells whether the text takes up its caller: unless it ended with no part accepted, or perhaps accepted.
func (m *modelText) claims() bool {
	if m.kind != textback.MissedCallText {
		return false
	}
	switch m.state {
	case textback.Cancelled, textback.Expired, textback.Failed:
		return m.resent || len(m.parts) > 0 && !m.all(textback.Queued, textback.Failed)
	}
	return true
}

// settle is product.md's table.
func (m *modelText) settle() {
	switch {
	case m.state == textback.Cancelled || m.state == textback.Expired:
	case m.any(textback.Failed) || m.state == textback.Failed:
		m.state = textback.Failed
	case m.any(textback.Undelivered):
		m.state = textback.Undelivered
	case m.all(textback.Delivered):
		m.state = textback.Delivered
	case m.all(textback.Delivered, textback.Accepted):
		m.state = textback.Accepted
	case m.state == textback.Queued && m.any(textback.Queued):
	case m.any(textback.Submitting) || m.all(textback.Queued):
		m.state = textback.Submitting
	case m.any(textback.Unknown):
		m.state = textback.Unknown
	default:
		m.state = textback.Submitting // the rest is still to be written
	}
}

func (m *model) history(caller, business string, at time.Time) (h textback.History) {
	h.OptedOut = m.out[caller+business]
	for _, t := range m.texts {
		if !t.claims() {
			continue
		}
		if t.to == caller {
			h.Unreplied++
			if t.business == business && t.counts.After(h.LastText) {
				h.LastText = t.counts
			}
		}
		if t.business == business && t.claimed.Truncate(time.Hour).Equal(at.Truncate(time.Hour)) {
			h.BusinessHour++
		}
		if t.claimed.Truncate(rateSlot).Add(rateSlot).After(at.Add(-time.Hour)) {
			h.LineHour++
			h.BlockHour++
		}
	}
	for _, x := range m.missed[caller+business] {
		if x.After(m.reached[caller+business]) && x.After(m.reached[caller]) {
			h.Missed++
		}
	}
	return h
}

var (
	modelSeeds = flag.Uint64("model.seeds", 3, "how many random histories are held against the model")
	modelSteps = flag.Int("model.steps", 500, "operations in each")
)

type world struct {
	t    *testing.T
	r    *rand.Rand
	s    *Store
	m    *model
	at   time.Time
	n    int
	path string
}

func TestStoreDoesWhatItsModelDoes(t *testing.T) {
	for seed := range *modelSeeds {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			s := open(t, Options{})
			w := &world{t: t, r: rand.New(rand.NewPCG(seed, 1)), s: s, at: t0, path: s.opts.Path,
				m: &model{verdicts: map[string]textback.Reason{}, out: map[string]bool{}, reached: map[string]time.Time{},
					missed: map[string][]time.Time{}, confirms: map[string]time.Time{}}}
			ops := []func(){w.decide, w.decide, w.decide, w.attempt, w.attempt, w.attempt, w.answer, w.answer, w.answer, w.answer, w.receipt,
				w.receipt, w.receipt, w.postpone, w.end, w.reach, w.opt, w.resend, w.restart}
			for i := range *modelSteps {
				w.at = w.at.Add(time.Duration(1+w.r.IntN(90)) * time.Second)
				op := w.r.IntN(len(ops))
				ops[op]()
				w.compare(i%50 == 0)
				if t.Failed() {
					t.Fatalf("after step %d, operation %d", i, op)
				}
			}
		})
	}
}

func (w *world) caller() string   { return fmt.Sprintf("+12025550%03d", w.r.IntN(12)) }
func (w *world) business() string { return []string{acme, plumb}[w.r.IntN(2)] }

// pick is a random text in one of the states, nil if there is none.
func (w *world) pick(states ...textback.TextState) *modelText {
	var all []*modelText
	for _, t := range w.m.texts {
		if slices.Contains(states, t.state) {
			all = append(all, t)
		}
	}
	if len(all) == 0 {
		return nil
	}
	return all[w.r.IntN(len(all))]
}

func (w *world) decide() {
	w.n++
	caller, business := w.caller(), w.business()
	id := fmt.Sprint("hq/", w.n)
	k := Keys{Business: business, Line: line, Caller: caller, Block: caller[:len(caller)-4], RepeatWithin: 1e6 * time.Hour}
	want := w.m.history(caller, business, w.at)
	v, text, err := w.s.Decide(w.t.Context(), missed(id, caller, w.at), k, w.at, func(h textback.History) textback.Decision {
		h.BusinessDay, h.Undeliverable = 0, 0 // not in the model
		if h != want {
			w.t.Errorf("history of %s with %s:\n got %+v\nwant %+v", caller, business, h, want)
		}
		d := textback.Decision{Reason: textback.ReasonText, Business: business, Line: line, Caller: caller, Due: w.at.Add(5 * time.Second), From: line}
		switch {
		case h.OptedOut:
			d.Reason = textback.ReasonOptedOut
		case !h.LastText.IsZero() && w.at.Sub(h.LastText) < time.Hour:
			d.Reason = textback.ReasonWindow
		}
		return d
	})
	if err != nil {
		w.t.Error(err)
		return
	}
	w.m.verdicts[id] = v.Decision.Reason
	w.m.missed[caller+business] = append(w.m.missed[caller+business], w.at)
	if text != nil {
		w.m.texts = append(w.m.texts, &modelText{id: text.ID, kind: textback.MissedCallText, call: id, to: caller, business: business,
			state: textback.Queued, due: text.Due, counts: text.Due, claimed: w.at})
	}
}

func (w *world) attempt() {
	t := w.pick(textback.Queued)
	if t == nil {
		return
	}
	a := Attempt{ID: t.id, Link: "carrier", Body: "x", References: make([]uint16, 1+w.r.IntN(3))}
	if _, err := w.s.Attempt(w.t.Context(), a, w.at); err != nil {
		w.t.Error(err)
		return
	}
	if t.parts == nil || t.all(textback.Queued) && !t.resent {
		t.parts, t.ids = make([]textback.TextState, len(a.References)), make([]string, len(a.References))
		for i := range t.parts {
			t.parts[i] = textback.Queued
		}
	}
	for i := range t.parts {
		if t.parts[i] == textback.Queued {
			t.parts[i] = textback.Submitting
		}
	}
	if t.submit.IsZero() {
		t.submit, t.counts = w.at, w.at
	}
	t.state = textback.Submitting
}

func (w *world) answer() {
	t := w.pick(textback.Submitting, textback.Unknown, textback.Accepted, textback.Queued, textback.Failed, textback.Expired)
	if t == nil || len(t.parts) == 0 {
		return
	}
	i := w.r.IntN(len(t.parts))
	if t.parts[i] == textback.Queued && !t.resent {
		return // nothing of it was written: nothing can answer
	}
	a := PartAnswer{ID: t.id, Part: i, Result: PartAccepted + PartResult(w.r.IntN(4)), MessageID: fmt.Sprintf("m%d-%d", t.id, i)}
	if _, err := w.s.PartAnswered(w.t.Context(), a, w.at); err != nil {
		w.t.Error(err)
		return
	}
	p := &t.parts[i]
	open := *p == textback.Submitting || *p == textback.Unknown || *p == textback.Queued
	switch {
	case a.Result == PartAccepted:
		t.ids[i] = a.MessageID
		if open {
			*p = textback.Accepted
		}
	case a.Result == PartRefused && open:
		*p = textback.Failed
	case a.Result == PartUncertain && *p == textback.Submitting:
		*p = textback.Unknown
	case a.Result == PartNotWritten && (*p == textback.Submitting || *p == textback.Unknown):
		*p = textback.Queued
	}
	t.settle()
}

func (w *world) receipt() {
	t := w.pick(textback.Accepted, textback.Delivered, textback.Submitting, textback.Unknown, textback.Cancelled)
	if t == nil || len(t.parts) == 0 {
		return
	}
	i := w.r.IntN(len(t.parts))
	if t.ids[i] == "" {
		return
	}
	state := []textback.TextState{textback.Delivered, textback.Delivered, textback.Undelivered, textback.Accepted}[w.r.IntN(4)]
	a, err := w.s.ApplyReceipt(w.t.Context(), textback.Receipt{Link: "carrier", MessageID: t.ids[i], From: t.to, To: line, State: state, At: w.at})
	if err != nil || !a.Matched || a.Text.ID != t.id || a.Part != i {
		w.t.Errorf("receipt for part %d of text %d: %+v %v", i, t.id, a, err)
		return
	}
	switch p := &t.parts[i]; {
	case *p == textback.Delivered || *p == textback.Undelivered || *p == textback.Failed:
	default:
		*p = state
	}
	t.settle()
}

func (w *world) postpone() {
	t := w.pick(textback.Queued, textback.Submitting, textback.Unknown)
	if t == nil {
		return
	}
	until := w.at.Add(time.Duration(w.r.IntN(600)) * time.Second)
	_, err := w.s.Defer(w.t.Context(), Deferral{ID: t.id, Until: until}, w.at)
	if ok := t.state == textback.Queued || t.any(textback.Queued); ok != (err == nil) {
		w.t.Errorf("defer %+v: %v", t, err)
	} else if !ok {
		return
	}
	t.state, t.due = textback.Queued, until
	if !t.resent && (t.parts == nil || t.all(textback.Queued)) {
		t.submit, t.counts = time.Time{}, until
	}
}

func (w *world) end() {
	t := w.pick(textback.Queued, textback.Submitting, textback.Accepted)
	if t == nil {
		return
	}
	op, to := w.s.Cancel, textback.Cancelled
	if w.r.IntN(2) == 0 {
		op, to = w.s.Expire, textback.Expired
	}
	_, err := op(w.t.Context(), t.id, "", w.at)
	if t.state != textback.Queued {
		if !errors.Is(err, ErrState) {
			w.t.Errorf("ended a text that is %s: %v", t.state, err)
		}
		return
	}
	if err != nil {
		w.t.Error(err)
	}
	t.state = to
}

func (w *world) reach() {
	caller, business := w.caller(), w.business()
	if w.r.IntN(2) == 0 {
		business = ""
	}
	cancelled, err := w.s.Reached(w.t.Context(), Contact{Caller: caller, Business: business}, w.at)
	if err != nil {
		w.t.Error(err)
	}
	n := 0
	for _, t := range w.m.texts {
		if t.kind == textback.MissedCallText && t.to == caller && (business == "" || t.business == business) && t.state == textback.Queued &&
			!t.resent && (t.parts == nil || t.all(textback.Queued)) {
			t.state = textback.Cancelled
			w.m.verdicts[t.call] = textback.ReasonRecovered
			n++
		}
	}
	if n != len(cancelled) {
		w.t.Errorf("%d cancelled, want %d", len(cancelled), n)
	}
	w.m.reached[caller+business] = w.at
}

func (w *world) opt() {
	caller, business := w.caller(), w.business()
	c := OptChange{Number: caller, Businesses: []string{business}, Source: SourceCommand, Confirm: &textback.Text{From: line, Body: "bye"}}
	if w.r.IntN(3) == 0 {
		c.Confirm = nil
		if _, err := w.s.OptIn(w.t.Context(), c, w.at); err != nil {
			w.t.Error(err)
		}
		w.m.out[caller+business] = false
		for _, t := range w.m.texts {
			if t.to == caller && t.business == business && t.state == textback.Queued && t.kind == textback.ConfirmationText {
				t.state = textback.Cancelled
			}
		}
		return
	}
	r, err := w.s.OptOut(w.t.Context(), c, w.at)
	if err != nil {
		w.t.Error(err)
		return
	}
	for _, t := range w.m.texts {
		if t.to == caller && t.business == business && t.state == textback.Queued {
			t.state = textback.Cancelled
		}
	}
	last := w.m.confirms[caller+business]
	want := !w.m.out[caller+business] && (last.IsZero() || w.at.Sub(last) >= 5*time.Minute)
	if want != (r.Confirmation != nil) {
		w.t.Errorf("confirmation %+v, want %t", r.Confirmation, want)
	}
	if r.Confirmation != nil {
		w.m.confirms[caller+business] = w.at
		w.m.texts = append(w.m.texts, &modelText{id: r.Confirmation.ID, kind: textback.ConfirmationText, to: caller, business: business,
			state: textback.Queued, due: w.at})
	}
	w.m.out[caller+business] = true
}

func (w *world) resend() {
	t := w.pick(textback.Unknown)
	if t == nil {
		return
	}
	_, err := w.s.Resend(w.t.Context(), t.id, w.at)
	if ok := !t.resent && (t.all(textback.Unknown) || t.any(textback.Queued)); ok != (err == nil) {
		w.t.Errorf("resend %+v: %v", t, err)
	} else if !ok {
		return
	}
	if t.all(textback.Unknown) {
		for i := range t.parts {
			t.parts[i] = textback.Queued
		}
	}
	t.resent, t.state, t.due = true, textback.Queued, w.at
}

func (w *world) restart() {
	if err := w.s.Close(); err != nil {
		w.t.Error(err)
	}
	s, err := Open(Options{Path: w.path})
	if err != nil {
		w.t.Fatal(err)
	}
	w.s = s
	w.t.Cleanup(func() { _ = s.Close() })
	if _, err := w.s.Recover(w.t.Context(), w.at); err != nil {
		w.t.Error(err)
	}
	for _, t := range w.m.texts {
		if t.state != textback.Submitting {
			continue
		}
		for i := range t.parts {
			if t.parts[i] == textback.Submitting {
				t.parts[i] = textback.Unknown
			}
		}
		if t.settle(); t.state == textback.Submitting {
			t.state, t.due = textback.Queued, w.at
		}
	}
}

func (w *world) compare(deep bool) {
	var due []uint64
	for _, t := range w.m.texts {
		if t.state == textback.Queued && !t.due.After(w.at) {
			due = append(due, t.id)
		}
		if !deep {
			continue
		}
		got, err := w.s.Text(w.t.Context(), t.id)
		if err != nil || got.State != t.state {
			w.t.Errorf("text %d is %s, want %s (%v)", t.id, got.State, t.state, err)
		}
		for i, p := range got.Parts {
			if p.State != t.parts[i] {
				w.t.Errorf("part %d of text %d is %s, want %s", i, t.id, p.State, t.parts[i])
			}
		}
	}
	var got []uint64
	all, err := w.s.Due(w.t.Context(), w.at, 0)
	for _, t := range all {
		got = append(got, t.ID)
	}
	slices.Sort(got)
	if err != nil || !slices.Equal(got, due) {
		w.t.Errorf("due %v, want %v (%v)", got, due, err)
	}
	if !deep {
		return
	}
	for id, reason := range w.m.verdicts {
		if v, err := w.s.Verdict(w.t.Context(), id); err != nil || v.Decision.Reason != reason {
			w.t.Errorf("verdict on %s is %s, want %s (%v)", id, v.Decision.Reason, reason, err)
		}
	}
	for who, out := range w.m.out {
		if got, err := w.s.OptedOut(w.t.Context(), who[:len(alice)], who[len(alice):]); err != nil || got != out {
			w.t.Errorf("%s opted out: %t, want %t (%v)", who, got, out, err)
		}
	}
	if err := w.s.Verify(w.t.Context()); err != nil {
		w.t.Error(err)
	}
}
