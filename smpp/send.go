package smpp

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/fiorix/go-smpp/smpp/pdu"
)

// throttlePatience is how long one Submit goes on trying while the message centre throttles. Then the caller decides again:
// the text may have lost its reason meanwhile.
const throttlePatience = 30 * time.Second

// Pending is a submit that has been handed to the connection.
type Pending struct {
	link    *Link
	ctx     context.Context
	segment Segment
	session *session
	request *request
	begun   time.Time
}

// Submit sends one segment and waits for the answer. It waits for its turn (rate, window), and tries again for a while
// when the message centre throttles. Answer.Sent is always set. The error is nil if the segment was accepted, a
// [*StatusError] if it was refused, [ErrUnanswered] if Answer.Sent is Uncertain, else it tells why it was not sent.
// If ctx ends after it was written the result is ErrUnanswered, and the answer goes to Handlers.Late.
func (l *Link) Submit(ctx context.Context, s Segment) (Answer, error) {
	p, err := l.Start(ctx, s)
	if err != nil {
		return l.notSent(&s), err
	}
	return p.Wait()
}

// Start is the first half of [Link.Submit]: it waits for the segment's turn and hands it to the connection. Segments leave
// in the order of the calls. An error means that nothing was written.
func (l *Link) Start(ctx context.Context, s Segment) (*Pending, error) {
	p := &Pending{link: l, ctx: ctx, segment: s, begun: time.Now()}
	if err := p.start(); err != nil {
		return nil, err
	}
	return p, nil
}

// Wait is the second half of [Link.Submit].
func (p *Pending) Wait() (Answer, error) {
	l := p.link
	for try := 0; ; try++ {
		a, err := p.wait()
		if !Throttling(err) {
			return a, err
		}
		l.count.throttled.Add(1)
		if a.Status == StatusThrottled || l.full.refused(p.segment.To) {
			l.pacer.slow(time.Now())
		}
		l.fault("throttled", err)
		if time.Since(p.begun) >= throttlePatience {
			return a, err
		}
		// Refused for now and for sure, so it may go again.
		delay := min(throttlePause<<min(try, 4), throttlePatience/3)
		if l.sleep(p.ctx, delay/2+rand.N(delay/2+1)) != nil || p.start() != nil {
			return a, err
		}
	}
}

func (l *Link) notSent(s *Segment) Answer {
	return Answer{Link: l.cfg.Name, Token: s.Token, Sent: NotSent, At: time.Now()}
}

// start takes the segment through the gates, in the order of arrival: caution, window, pace. Then it is queued for the wire.
func (p *Pending) start() error {
	l := p.link
	if _, err := l.bound(); err != nil {
		return err
	}
	if err := p.ctx.Err(); err != nil {
		return err
	}
	if err := p.acquire(l.turn); err != nil {
		return err
	}
	defer func() { <-l.turn }()
	probe, ok := l.caution.pass(time.Now())
	if !ok {
		return ErrSilent
	}
	err := p.enter(probe)
	if err != nil && probe {
		l.caution.release()
	}
	return err
}

func (p *Pending) enter(probe bool) error {
	l := p.link
	if err := p.acquire(l.window); err != nil {
		return err
	}
	err := p.queue(probe)
	if err != nil {
		<-l.window
		return err
	}
	l.count.inFlight.Add(1)
	return nil
}

func (p *Pending) queue(probe bool) error {
	l := p.link
	for n := weight(&p.segment.Part); ; {
		wait := l.pacer.take(time.Now(), n)
		if wait <= 0 {
			break
		}
		if err := l.sleep(p.ctx, wait); err != nil {
			return err
		}
	}
	l.starting.Add(1) // a link that stops waits for what is between the question and the queue
	defer l.starting.Add(-1)
	s, err := l.bound()
	if err != nil {
		return err
	}
	now := time.Now()
	if until := p.segment.Validity; !until.IsZero() && !now.Before(until) {
		return ErrExpired
	}
	bytes, err := encodeSubmit(&l.cfg, &p.segment, now)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnsendable, err)
	}
	r := &request{id: pdu.SubmitSMID, bytes: bytes, token: p.segment.Token, probe: probe}
	if err := s.ask(p.ctx, r); err != nil {
		return err
	}
	p.session, p.request = s, r
	return nil
}

// acquire takes a place in a channel, unless the wait loses its sense.
func (p *Pending) acquire(place chan struct{}) error {
	select {
	case place <- struct{}{}:
		return nil
	default:
	}
	select {
	case place <- struct{}{}:
		return nil
	case <-p.ctx.Done():
		return p.ctx.Err()
	case <-p.link.draining:
		return ErrDraining
	}
}

// sleep waits, unless the wait loses its sense.
func (l *Link) sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-l.draining:
		return ErrDraining
	}
}

// wait waits for the answer to what was queued.
func (p *Pending) wait() (Answer, error) {
	l, s, r := p.link, p.session, p.request
	defer func() {
		l.count.inFlight.Add(-1)
		<-l.window
	}()
	timer := time.NewTimer(l.cfg.ResponseTimeout)
	defer timer.Stop()
	for over := false; !over; {
		select {
		case f, ok := <-r.reply:
			return p.answered(f, ok)
		case <-p.ctx.Done():
			over = true
		case <-timer.C:
			// The time for the answer counts from the write; a write that is under way ends in bounded time.
			left := l.cfg.ResponseTimeout / 8
			stage := r.stage.Load()
			if stage == stageWritten {
				left = time.Until(r.written.Add(l.cfg.ResponseTimeout))
			}
			if over = stage == stageQueued || left <= 0; !over {
				timer.Reset(left)
			}
		}
	}
	if r.stage.CompareAndSwap(stageQueued, stageUnsent) { // the writer is stuck, and will not take it any more
		s.forget(r)
		p.unprobe()
		if err := p.ctx.Err(); err != nil {
			return l.notSent(&p.segment), err
		}
		return l.notSent(&p.segment), ErrDown
	}
	if !s.giveUp(r) {
		f, ok := <-r.reply
		return p.answered(f, ok)
	}
	l.count.submitted.Add(1)
	l.count.unanswered.Add(1)
	err := p.ctx.Err()
	if err == nil || r.probe {
		l.caution.unanswered(time.Now(), r.probe)
	}
	a := l.notSent(&p.segment)
	a.Sent, a.Written = Uncertain, r.begun(p.begun)
	if err != nil {
		return a, fmt.Errorf("%w: %w", ErrUnanswered, err)
	}
	l.fault("unanswered", fmt.Errorf("submit_sm not answered in %v", l.cfg.ResponseTimeout))
	return a, ErrUnanswered
}

// answered turns what came, or the end of the session, into an Answer.
func (p *Pending) answered(f frame, ok bool) (Answer, error) {
	l, r := p.link, p.request
	a := l.notSent(&p.segment)
	if !ok {
		if r.stage.Load() == stageUnsent {
			p.unprobe()
			return a, ErrDown
		}
		l.count.submitted.Add(1)
		l.count.unanswered.Add(1)
		l.caution.unanswered(a.At, r.probe)
		a.Sent, a.Written = Uncertain, r.begun(p.begun)
		return a, fmt.Errorf("%w: %w", ErrUnanswered, p.session.err)
	}
	l.caution.answered()
	l.count.submitted.Add(1)
	a.Sent, a.Status, a.Written = Answered, f.status, r.begun(p.begun)
	if f.id == pdu.GenericNACKID {
		l.count.refused.Add(1)
		a.Status = cmp.Or(f.status, StatusUnknown)
		return a, &StatusError{Command: "generic_nack", Status: a.Status}
	}
	a.MessageID = cString(f.body)
	if f.status != StatusOK {
		err := &StatusError{Command: "submit_sm", Status: f.status}
		if !Throttling(err) {
			l.count.refused.Add(1)
			l.pacer.good(a.At)
		}
		if f.status == StatusInvBindStatus { // it thinks that we are not bound: bind again
			p.session.fail(err)
		}
		return a, err
	}
	l.count.accepted.Add(1)
	l.full.accepted()
	l.pacer.good(a.At)
	return a, nil
}

func (p *Pending) unprobe() {
	if p.request.probe {
		p.link.caution.release()
	}
}

// begun is when the request was written, or at least tried: an answer may overtake the writer's own note.
func (r *request) begun(fallback time.Time) time.Time {
	if r.stage.Load() == stageWritten {
		return r.written
	}
	return fallback
}
