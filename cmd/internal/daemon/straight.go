package daemon

import (
	"context"
	"time"

	"textback"
	"textback/rules"
	"textback/smpp"
	"textback/store"
)

// straight takes the text of a missed call from its verdict to its link. A text that is due at once is attempted in the transaction that
// decides it: one commit lies between a settled call and its submit_sm, not two, and what was looked at there need not be looked at again. All
// others, and those that would overtake, go through the queue.
type straight struct {
	d      *Daemon
	r      *running
	f      rules.Facts
	flight context.Context
	landed func()

	text     uint64 // 0: none goes straight on
	place    *place
	link     *smpp.Link
	segments []textback.Segment
	validity time.Time
}

// straightOn begins before the caller's history is read, so that an opt-out which that did not see calls the text back.
func (d *Daemon) straightOn(ctx context.Context, r *running, f rules.Facts) *straight {
	s := &straight{d: d, r: r, f: f}
	s.flight, s.landed = d.flights.begin(ctx, textback.MissedCallText, f.CallerKey())
	return s
}

// attempt decides inside the transaction whether a text may leave now, and with which words.
func (s *straight) attempt(t textback.Text) *store.Attempt {
	if t.Held || t.Due.After(s.f.Now) || s.f.Now.After(expires(&t)) {
		return nil
	}
	link, err := s.r.pool.Pick(t.SMPP)
	if err != nil {
		return nil
	}
	words, err := s.d.render(s.r.cfg, s.f, &t, t.Template)
	segments := link.Segments(words.body)
	if err != nil || len(segments) == 0 {
		return nil // told of when the queue comes to it: no text may keep a verdict from being stored
	}
	if s.place = s.d.box.enter(t.ID, s.r.texts()); s.place == nil {
		return nil
	}
	s.text, s.link, s.segments, s.validity = t.ID, link, segments, words.validity
	return &store.Attempt{Body: words.body, Template: words.template, Variant: words.variant, Link: link.Name(), Ref: byte(t.ID),
		References: references(len(segments))}
}

// drop puts down what was taken up.
func (s *straight) drop() {
	if s.text != 0 {
		s.place.leave()
		s.d.box.exit(s.text)
		s.text = 0
	}
}

// leave is the end of what was not decided.
func (s *straight) leave() {
	s.drop()
	s.landed()
}

// carry submits the text, now that its attempt is durable.
func (s *straight) carry(t *textback.Text) {
	if s.text == 0 {
		s.landed()
		return
	}
	go func() {
		defer s.leave()
		s.d.unsent(s.d.work, t.ID, s.d.submit(s.flight, s.link, s.place, *t, s.segments, s.validity))
	}()
}
