package smpp

import (
	"context"
	"fmt"
	"time"

	"github.com/fiorix/go-smpp/smpp/pdu"
)

// bind asks the message centre for the bind and waits for its answer, in bounded time.
func (s *session) bind(ctx context.Context) (peer string, err error) {
	bytes, err := encodeBind(s.cfg, s.kind)
	if err != nil {
		return "", err
	}
	r := &request{id: bindID(s.kind), bytes: bytes}
	if err := s.ask(ctx, r); err != nil {
		return "", err
	}
	timer := time.NewTimer(s.cfg.ResponseTimeout)
	defer timer.Stop()
	select {
	case f, ok := <-r.reply:
		switch {
		case !ok:
			return "", s.err
		case f.status != uint32(StatusOK):
			return "", &StatusError{Command: "bind_" + s.kind, Status: f.status}
		case f.id == pdu.GenericNACKID:
			return "", fmt.Errorf("bind_%s answered with generic_nack", s.kind)
		}
		return printable(cString(f.body), 16), nil
	case <-s.done:
		return "", s.err
	case <-timer.C:
		return "", fmt.Errorf("no answer in %v", s.cfg.ResponseTimeout)
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

func bindID(kind string) pdu.ID {
	switch kind {
	case bindTransmitter:
		return pdu.BindTransmitterID
	case bindReceiver:
		return pdu.BindReceiverID
	default:
		return pdu.BindTransceiverID
	}
}

// settle waits until every submit is answered and every delivery has its answer, but not longer than limit. busy tells
// whether a submit is on its way to the queue.
func (s *session) settle(limit time.Duration, busy func() bool) {
	deadline := time.NewTimer(limit)
	defer deadline.Stop()
	tick := time.NewTicker(settleTick)
	defer tick.Stop()
	for busy() || s.inFlight() > 0 || s.taking.Load() > 0 {
		select {
		case <-tick.C:
		case <-deadline.C:
			return
		case <-s.done:
			return
		}
	}
}

// settleTick is how often a stopping session looks whether all is answered: stopping is rare and may be a little late.
const settleTick = 5 * time.Millisecond

// unbind says goodbye and waits a moment for the answer.
func (s *session) unbind() {
	ctx, cancel := context.WithTimeout(context.Background(), unbindWait)
	defer cancel()
	r := &request{id: pdu.UnbindID, bytes: appendPDU(nil, pdu.UnbindID, StatusOK, 0)}
	if s.ask(ctx, r) != nil {
		return
	}
	select {
	case <-r.reply:
	case <-s.done:
	case <-ctx.Done():
	}
}
