package esl

import (
	"context"
	"fmt"
	"time"

	"github.com/percipia/eslgo/command"
)

// patience is how many times Options.Idle a PBX may go without an event as long as it answers when it is asked.
const patience = 3

// watch ends the session of a peer that is gone without a word: a frozen FreeSWITCH, a network that drops packets. When
// there was no event for half of Options.Idle it asks something harmless. Without an answer within the other half (or
// Options.CmdTimeout, if that is shorter) the peer is dead. An answer proves that it lives, but not that our subscription
// does: after three times Idle without any event a new session is better than trust.
func (s *session) watch() {
	quiet := s.opts.Idle / 2
	timer := time.NewTimer(quiet)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-s.done:
			return
		}
		s.mu.Lock()
		since := time.Since(s.lastEvent)
		s.mu.Unlock()
		if since < quiet {
			timer.Reset(quiet - since)
			continue
		}
		silent := fmt.Errorf("%w for %s", ErrSilent, since.Round(time.Second))
		if since >= patience*s.opts.Idle {
			s.fail(silent)
			return
		}
		probe := command.API{Command: "global_getvar", Arguments: "core_uuid"}
		silent = fmt.Errorf("%w for %s, and no answer", ErrSilent, since.Round(time.Second))
		if _, err := s.ask(context.Background(), probe, min(quiet, s.opts.CmdTimeout), silent); err != nil {
			return
		}
		timer.Reset(quiet)
	}
}
