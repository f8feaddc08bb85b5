package smpp

import (
	"fmt"
	"runtime"
	"time"
)

// batch is how much is gathered for one write. Fewer writes are what makes a full window fast.
const batch = 32 << 10

// write sends what is queued: everything that is there goes out in one write, and nothing waits for more to come. It keeps
// book of which requests left, because that decides what may be sent again.
func (s *session) write() {
	var buf []byte
	var frames []*request
	var starts []int
	for {
		buf, frames, starts = buf[:0], frames[:0], starts[:0]
		take := func(r *request) {
			if !r.stage.CompareAndSwap(stageQueued, stageTaken) {
				return // taken back
			}
			frames, starts = append(frames, r), append(starts, len(buf))
			buf = append(buf, r.bytes...)
		}
		select {
		case r := <-s.out:
			take(r)
		case <-s.done:
			return
		}
		runtime.Gosched() // those whom the last answers woke get the chance to come along
	gather:
		for len(buf) < batch {
			select {
			case r := <-s.out:
				take(r)
			default:
				break gather
			}
		}
		now, n := time.Now(), 0
		var err error
		if len(buf) > 0 {
			n, err = s.writeAll(buf, now)
		}
		for i, r := range frames {
			// Only octets that the connection took can have left. A PDU of which a part left is in doubt.
			if err != nil && starts[i] >= n {
				r.stage.Store(stageUnsent)
				continue
			}
			r.written = now
			r.stage.Store(stageWritten)
			if r.flushed != nil {
				close(r.flushed)
			}
		}
		if err != nil {
			s.fail(fmt.Errorf("write: %w", err))
			return
		}
	}
}

func (s *session) writeAll(b []byte, now time.Time) (int, error) {
	if err := s.conn.SetWriteDeadline(now.Add(s.cfg.ResponseTimeout)); err != nil {
		return 0, err
	}
	return s.conn.Write(b)
}
