package ari

import (
	"context"
	"errors"
)

// Run keeps a link to the PBX until ctx is done and hands on what comes, one message at a time, from one goroutine. It
// returns nil when ctx is done, or an error at once if the options are wrong. While handle works the link is read on:
// up to Options.Queue events wait; what comes beyond is dropped, counted, and made up for by a read-back.
func Run(ctx context.Context, o Options, handle func(Message)) error {
	if _, _, err := o.withDefaults(); err != nil {
		return err
	}
	return errors.New("ari: the link is not finished yet")
}
