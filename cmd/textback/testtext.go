package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"textback"
	"textback/cmd/internal/control"
	"textback/cmd/internal/daemon"
)

func testVerb() *verb {
	return &verb{name: "test", args: "--to NUMBER [--line LINE]",
		short: "send one text through the running daemon and wait for its receipt",
		long: "The text goes the way of every other: the daemon's outbox, opt-out check, limits and budget, the message centre's receipt.\n" +
			"It is sent in shadow mode, too, counts as no missed call in any report, and does not touch its receiver's window.", run: runTest}
}

// testTick is how often the daemon is asked how the text is.
const testTick = 200 * time.Millisecond

func runTest(ctx context.Context, e *env, v *verb, args []string) int {
	fs := v.flags(e)
	t := targetFlags(fs)
	to := fs.String("to", "", "`NUMBER` to text, e.g. your mobile")
	line := fs.String("line", "", "`LINE` that it comes from; the first of the configuration unless given")
	within := fs.Duration("wait", 2*time.Minute, "`TIME` to wait for the receipt")
	rest, code, ok := v.parse(e, fs, args)
	if !ok {
		return code
	}
	if len(rest) > 0 || *to == "" {
		return v.misuse(e)
	}
	var queued daemon.Test
	if err := t.call(ctx, "test", daemon.TestArgs{To: *to, Line: *line}, &queued); err != nil {
		if errors.Is(err, control.ErrNotRunning) {
			return fail(e, exitFailed, err,
				"start it with `systemctl start textback`, or `textback run --config "+*t.config+"`; shadow = true may stay")
		}
		return report(e, err)
	}
	f := &follow{e: e, quiet: *t.json}
	if queued.Shadow {
		f.say(queued.Text.Created, "%s is in shadow mode: a test is sent all the same", plain(queued.Line))
	}
	f.say(queued.Text.Created, "queued: text %d from %s to %s: %q", queued.Text.ID, plain(queued.Text.From),
		plain(queued.Text.To), queued.Text.Body)
	if queued.Link == "" {
		f.say(queued.Text.Created, "no message centre is bound: it waits (`textback status`, `textback doctor`)")
	}
	last, err := f.text(ctx, t, queued.Text, *within)
	if *t.json {
		if code := t.show(e, last, nil); code != exitOK {
			return code
		}
	}
	switch {
	case ctx.Err() != nil:
		return fail(e, exitFailed, fmt.Errorf("interrupted: text %d goes on", last.ID), "textback explain "+last.To)
	case err != nil:
		return report(e, err)
	case last.State == textback.Delivered:
		return exitOK
	case settled(last.State):
		return fail(e, exitFailed, fmt.Errorf("text %d is %s", last.ID, last.State), testHint(&last))
	case last.State == textback.Accepted:
		return fail(e, exitFailed,
			fmt.Errorf("no receipt within %s: the message centre has the text, but not told what became of it", *within),
			"did it arrive? Then ask the carrier for delivery receipts; a phone that is off has none yet. Later: textback explain "+last.To)
	default:
		return fail(e, exitFailed, fmt.Errorf("not sent within %s: text %d is %s", *within, last.ID, last.State),
			testHint(&last))
	}
}

// settled tells whether a state is the last one, or one that only a late receipt changes.
func settled(s textback.TextState) bool {
	switch s {
	case textback.Delivered, textback.Undelivered, textback.Failed, textback.Expired, textback.Cancelled, textback.Unknown:
		return true
	case textback.Queued, textback.Submitting, textback.Accepted:
		return false
	default:
		return false
	}
}

// testHint is what to look at when a test did not arrive.
func testHint(t *textback.Text) string {
	switch t.State {
	case textback.Failed:
		return "the message centre's words tell why: sender not allowed (from of the [[line]]), destination not routed, account without credit"
	case textback.Undelivered:
		return "the network did not deliver it: is the number a mobile that is on? The receipt's words are above"
	case textback.Unknown:
		return "the link went away in the moment of sending: a receipt may still settle it; textback explain " + t.To
	case textback.Queued, textback.Submitting:
		return "is the link up? `textback status`; `textback doctor` tells what is wrong"
	default:
		return "textback explain " + t.To
	}
}

// follow tells each state of a text once, with its time.
type follow struct {
	e     *env
	quiet bool
	told  string
}

func (f *follow) say(at time.Time, format string, args ...any) {
	if !f.quiet {
		fmt.Fprintf(f.e.stdout, "%s  %s\n", at.Local().Format("15:04:05"), fmt.Sprintf(format, args...))
	}
}

// text waits until a text is settled, or the time is over.
func (f *follow) text(ctx context.Context, t *target, x textback.Text, within time.Duration) (textback.Text, error) {
	began := x.Created
	over := time.NewTimer(within)
	defer over.Stop()
	tick := time.NewTicker(testTick)
	defer tick.Stop()
	for {
		var now textback.Text
		if err := t.call(ctx, "text", daemon.TextArgs{ID: x.ID}, &now); err != nil {
			return x, err
		}
		x = now
		f.state(&x, began)
		if settled(x.State) {
			return x, nil
		}
		select {
		case <-ctx.Done():
			return x, ctx.Err()
		case <-over.C:
			return x, nil
		case <-tick.C:
		}
	}
}

// state tells a state that was not told before.
func (f *follow) state(x *textback.Text, began time.Time) {
	var ids, words []string
	at := x.Created
	for _, p := range x.Parts {
		if p.MessageID != "" {
			ids = append(ids, plain(p.MessageID))
		}
		if p.Error != "" {
			words = append(words, plain(p.Error))
		}
		if p.At.After(at) {
			at = p.At
		}
	}
	line := ""
	switch x.State {
	case textback.Queued:
		if x.Note == "" {
			return
		}
		line, at = "waits: "+plain(x.Note), time.Now()
	case textback.Submitting:
		line = "submitting over " + plain(x.Link)
	case textback.Accepted:
		line = fmt.Sprintf("accepted by %s, id %s", plain(x.Link), strings.Join(ids, " "))
	case textback.Delivered:
		if !strings.Contains(f.told, "accepted") {
			f.say(x.Submitted, "accepted by %s, id %s", plain(x.Link), strings.Join(ids, " "))
		}
		line = fmt.Sprintf("delivered, %s after it was queued", at.Sub(began).Round(10*time.Millisecond))
	default:
		line = x.State.String()
		if x.Note != "" {
			words = append(words, plain(x.Note))
		}
		if len(words) > 0 {
			line += ": " + strings.Join(words, "; ")
		}
	}
	if line == f.told {
		return
	}
	f.told = line
	f.say(at, "%s", line)
}
