package esl

import (
	"context"
	"fmt"
	"strings"
)

// Ask logs in, runs api commands one after another, and leaves: for who wants to know something of a PBX once, without a
// link. It gives what each printed, "-ERR ..." included. Nothing is subscribed to but the heartbeat. The errors are those of [Status].
func Ask(ctx context.Context, o Options, commands ...string) ([]string, error) {
	for _, c := range commands {
		if c == "" || strings.ContainsAny(c, "\r\n\x00") {
			return nil, fmt.Errorf("%w: %q", ErrArgument, c)
		}
	}
	o.Events, o.Subclasses = []string{"HEARTBEAT"}, []string{}
	o = o.withDefaults()
	conn, err := o.connect(ctx)
	if err != nil {
		return nil, err
	}
	s := newSession(conn, &o)
	stop := context.AfterFunc(ctx, func() { s.fail(errEnded) })
	defer func() {
		stop()
		s.close()
	}()
	if err := s.login(ctx); err != nil {
		return nil, err
	}
	var answers []string
	for _, c := range commands {
		name, arguments, _ := strings.Cut(c, " ")
		a, err := s.api(ctx, name, arguments)
		if err != nil {
			return answers, err
		}
		answers = append(answers, a)
	}
	return answers, nil
}
