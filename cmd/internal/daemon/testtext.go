package daemon

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"textback"
	"textback/cmd/internal/control"
	"textback/configs"
	"textback/rules"
	"textback/store"
)

const (
	testsPerHour = 20               // test texts an hour: a script that went wild must not become a flood
	testWithin   = 30 * time.Minute // a test that could not leave by then is of no use any more
)

// TestArgs are a text that tries the way.
type TestArgs struct {
	To   string `json:"to"`
	Line string `json:"line,omitempty"` // "" = the first
}

// Test is a test text that was queued.
type Test struct {
	Text   textback.Text `json:"text"`
	Line   string        `json:"line"`
	Shadow bool          `json:"shadow,omitempty"` // the line is in shadow mode, which does not hold tests back
	Link   string        `json:"link,omitempty"`   // the message centre that would carry it now, "" if none is up
}

// TextArgs name a text.
type TextArgs struct {
	ID uint64 `json:"id"`
}

// text gives one text as it stands.
func (d *Daemon) text(ctx context.Context, a TextArgs) (*textback.Text, error) {
	t, err := d.store.Text(ctx, a.ID)
	if errors.Is(err, store.ErrNotFound) {
		return nil, &control.Error{Code: "not-found", Message: fmt.Sprintf("there is no text %d", a.ID)}
	}
	return &t, err
}

// testText queues a text that tries the way: the outbox, the opt-out check, the limits and the budget are those of every
// other.
func (d *Daemon) testText(ctx context.Context, a TestArgs) (*Test, error) {
	r := d.conf.Load()
	cfg, now := r.cfg, d.now()
	line, err := testLine(cfg, a.Line)
	if err != nil {
		return nil, err
	}
	n, err := textback.ParseNumber(a.To, line.Business.Region, nil, line.Policy.ValidateNumbers)
	if err != nil {
		return nil, &control.Error{Code: "number", Message: fmt.Sprintf("%q is not a telephone number", a.To),
			Hint: "write it as +12025550123"}
	}
	if own := cfg.Set.OwnLine(n.E164); own != nil {
		return nil, &control.Error{Code: "own-number",
			Message: fmt.Sprintf("%s is a line of ours (%s): it would text itself", n.E164, cmp.Or(own.Name, own.Number)),
			Hint:    "give the number of your mobile"}
	}
	if !n.Kind.Textable() {
		return nil, &control.Error{Code: "not-textable", Message: fmt.Sprintf("%s cannot be texted: its kind is %s",
			n.E164, n.Kind), Hint: "give the number of a mobile"}
	}
	if !d.staff.allow("test", testsPerHour, now) {
		return nil, &control.Error{Code: "rate", Message: fmt.Sprintf("%d tests were sent within an hour",
			testsPerHour), Hint: "wait, or call the line yourself"}
	}
	keys := d.keys(cfg, rules.Facts{Line: line})
	keys.Caller, keys.Block, keys.Shadow = n.E164, textback.Block(n.E164), false
	limits := func(h textback.History) error { return testLimits(line, h) }
	t, err := d.store.QueueTest(ctx, textback.Text{Business: line.Business.Key, Line: line.Number, To: n.E164,
		From: line.From, SMPP: line.SMPP,
		Body: testBody(line, now), Expires: now.Add(testWithin)}, keys, limits, now)
	if errors.Is(err, store.ErrOptedOut) {
		return nil, &control.Error{Code: "opted-out", Message: fmt.Sprintf("%s has opted out: nothing was sent", n.E164),
			Hint: "they text START, or: textback optout remove " + n.E164}
	}
	if err != nil {
		return nil, err
	}
	d.log.Log(ctx, noticeLevel, "test", "text", t.ID, "to", textback.Short(t.To), "line", line.Number)
	x := &Test{Text: t, Line: line.Number, Shadow: line.Policy.Shadow}
	if link, err := r.pool.Pick(line.SMPP); err == nil {
		x.Link = link.Name()
	}
	return x, nil
}

// testLine finds the line that a test goes out from.
func testLine(cfg *configs.Config, typed string) (*rules.Line, error) {
	if typed == "" && len(cfg.Set.Lines) > 0 {
		return cfg.Set.Lines[0], nil
	}
	if l := cfg.Set.FindLine([]string{typed}, homeRegion(cfg), nil); l != nil {
		return l, nil
	}
	return nil, &control.Error{Code: "line", Message: fmt.Sprintf("%q is not a line", typed),
		Hint: "write a number of a [[line]] as it stands in the configuration"}
}

// testLimits is what the guards "rate" and "budget" say of a test.
func testLimits(line *rules.Line, h textback.History) error {
	p := &line.Policy
	for _, l := range []struct {
		is, most int
		code     string
		what     string
	}{
		{h.BlockHour, p.PerBlockHour, "rate", "to the number block in an hour; per_block_hour"},
		{h.LineHour, p.PerLineHour, "rate", "from this line in an hour; per_line_hour"},
		{h.BusinessHour, p.PerHour, "budget", "of this business in this clock hour; per_hour"},
		{h.BusinessDay, p.PerDay, "budget", "of this business today; per_day"},
	} {
		if l.most > 0 && l.is >= l.most {
			return &control.Error{Code: l.code, Message: fmt.Sprintf("%d texts %s is %d: nothing was sent", l.is,
				l.what, l.most),
				Hint: "wait until the hour or day is over, or raise the figure in [policy]"}
		}
	}
	return nil
}

// testBody is plain, so that it fits into one segment of any message centre, and tells how to be left alone.
func testBody(line *rules.Line, now time.Time) string {
	zone := line.Business.Zone
	if zone == nil {
		zone = time.UTC
	}
	return fmt.Sprintf("%s: this is a test of our text-back, sent at %s. Reply STOP to opt out", line.Business.Name,
		now.In(zone).Format("15:04"))
}
