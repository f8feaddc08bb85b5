package daemon

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"time"

	"textback"
	"textback/cmd/internal/handoff"
	"textback/configs"
	"textback/rules"
	"textback/smpp"
	"textback/store"
)

// Times of the receiving side.
const (
	repeatWithin = 10 * time.Minute // a message centre repeats a deliver_sm that it got no answer to within this time
	partsWithin  = time.Minute      // how long a missing part of a long message is waited for
	storeWithin  = 4 * time.Second  // some message centres give up on a deliver_sm_resp after five seconds
)

// coding3 is data_coding Latin-1 (SMPP 3.4, 5.2.19).
const coding3 = 0x03

// delivered takes one deliver_sm off a link. What it returns is the command_status of the answer: nothing is
// acknowledged that is not durable.
func (d *Daemon) delivered(ctx context.Context, in smpp.Delivery) uint32 {
	ctx, cancel := context.WithTimeout(ctx, storeWithin)
	defer cancel()
	var err error
	switch {
	case in.Receipt != nil:
		err = d.receipt(ctx, *in.Receipt)
	case in.Message != nil:
		err = d.message(ctx, in.Message)
	}
	if err != nil {
		d.sparingly(slog.LevelError, "store", "store-failed", "what", "deliver_sm", "error", err,
			"effect", "the message centre is asked to repeat it")
		d.met.StoreErrors.Inc()
		return smpp.StatusTryAgain
	}
	return smpp.StatusOK
}

// receipt moves the text that a receipt belongs to.
func (d *Daemon) receipt(ctx context.Context, r textback.Receipt) error {
	a, err := d.store.ApplyReceipt(ctx, r)
	if err != nil {
		return err
	}
	d.met.receipt(r, a)
	switch {
	case a.Matched && a.Changed && a.Text.State != textback.Accepted:
		d.logText(a.Text, r.Stat) // of a long text only the last part's receipt changes the whole
	case !a.Matched && !a.Kept:
		d.sparingly(slog.LevelInfo, "receipt-unmatched "+r.Link, "receipt-unmatched", "smpp", r.Link, "id", r.MessageID, "stat", r.Stat)
	}
	return nil
}

// message stores what somebody wrote, and deals with it once it is whole.
func (d *Daemon) message(ctx context.Context, m *smpp.Message) error {
	if m.From == "" {
		// Nobody can be answered or opted out, and a repetition would not help.
		d.sparingly(slog.LevelWarn, "reply-unplaced", "reply-unplaced", "smpp", m.Link, "to", m.To, "error", "it has no sender")
		return nil
	}
	in := store.Incoming{Link: m.Link, From: m.From, To: m.To, Body: m.Body}
	if p := m.Part; p != nil {
		in.Raw, in.Coding = p.Data, p.Coding
		if p.Latin1 && p.Coding == 0 {
			in.Coding = coding3
		}
		in.Concat = &store.Concat{Ref: p.Concat.Ref, Total: p.Concat.Total, Seq: p.Concat.Index}
	}
	saved, err := d.store.SaveIncoming(ctx, in, repeatWithin, d.now())
	if err != nil {
		return err
	}
	if !saved.Complete || saved.Handled {
		return nil
	}
	return d.reply(ctx, saved)
}

// joinParts decodes a long message as a whole: senders split escape and surrogate pairs between parts.
func joinParts(coding byte, parts [][]byte) string {
	return smpp.DecodeText(slices.Concat(parts...), coding)
}

// receive deals with what was stored and not yet dealt with (after a crash, or when the store failed in between), and
// with long messages whose missing parts never came.
func (d *Daemon) receive(ctx context.Context) error {
	for first := true; first || sleep(ctx, 10*time.Second); first = false {
		lost, err := d.store.PartsTimedOut(ctx, d.now().Add(-partsWithin), d.now())
		if err == nil {
			var open []store.Saved
			open, err = d.store.Unhandled(ctx)
			lost = append(lost, open...)
		}
		seen := make(map[uint64]bool)
		for _, s := range lost {
			if seen[s.ID] || !s.Complete || s.Handled {
				continue
			}
			seen[s.ID] = true
			if replyErr := d.reply(ctx, s); replyErr != nil {
				err = replyErr // the others must not wait for this one
			}
		}
		if err != nil && ctx.Err() == nil {
			d.sparingly(slog.LevelError, "store", "store-failed", "what", "replies", "error", err)
		}
	}
	return nil
}

// correspondence is a reply with what we know about who wrote to which of our senders.
type correspondence struct {
	reply    textback.Reply
	incoming uint64
	cfg      *configs.Config
	line     *rules.Line // where it belongs; nil if no line and no earlier text tells
	all      []string    // businesses that text from this sender
	intent   rules.Intent
}

// reply deals with one whole message. Whatever it does is durable when it returns nil; it may be called again for the
// same message.
func (d *Daemon) reply(ctx context.Context, saved store.Saved) error {
	c := &correspondence{reply: saved.Reply, incoming: saved.ID, cfg: d.conf.Load().cfg}
	var err error
	if c.reply.From, err = d.writer(ctx, c.cfg, c.reply.From); err != nil {
		return err
	}
	if isStaff(c.cfg, c.reply.From) {
		return d.relay(ctx, c)
	}
	if err := d.place(ctx, c); err != nil {
		return err
	}
	c.intent = rules.Classify(c.reply.Body)
	if c.intent.Kind != rules.OptOut && c.cfg.Set.OwnLine(c.reply.From) != nil {
		c.intent.Kind = rules.Automatic // one of our own lines: nothing of ours may answer it
	}
	d.met.reply(c.intent.Kind.String())
	switch c.intent.Kind {
	case rules.OptOut:
		return d.optOut(ctx, c)
	case rules.OptIn:
		return d.optIn(ctx, c)
	case rules.Yes:
		out, err := d.store.OptedOut(ctx, c.reply.From, c.all...)
		if err != nil {
			return err
		}
		if out {
			return d.optIn(ctx, c)
		}
		return d.converse(ctx, c)
	case rules.Help:
		return d.help(ctx, c)
	default:
		return d.converse(ctx, c)
	}
}

// place finds the line and the businesses that a reply belongs to: by the sender that it went to, else by the last text
// to its writer.
func (d *Daemon) place(ctx context.Context, c *correspondence) error {
	to := strings.TrimPrefix(c.reply.To, "+")
	var candidates []*rules.Line
	for _, l := range c.cfg.Set.Lines {
		if strings.TrimPrefix(l.From, "+") != to {
			continue
		}
		candidates = append(candidates, l)
		if !slices.Contains(c.all, l.Business.Key) {
			c.all = append(c.all, l.Business.Key)
		}
	}
	known, err := d.store.Explain(ctx, c.reply.From)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	for _, t := range slices.Backward(known.Texts) {
		l := c.cfg.Set.LineByNumber(t.Line)
		if l == nil || len(candidates) > 0 && !slices.Contains(candidates, l) {
			continue
		}
		c.line = l
		break
	}
	if c.line == nil && len(candidates) > 0 {
		c.line = candidates[0]
	}
	if len(c.all) == 0 {
		// Nobody knows this sender any more. A wish to stop counts for everyone rather than for no one.
		c.all = businesses(c.cfg)
		if c.line == nil && len(c.cfg.Set.Lines) > 0 {
			c.line = c.cfg.Set.Lines[0]
		}
	}
	return nil
}

// optOut makes the wish durable; one confirmation goes with it.
func (d *Daemon) optOut(ctx context.Context, c *correspondence) error {
	change := store.OptChange{Number: c.reply.From, Businesses: c.all, Source: store.SourceSMS, Line: c.reply.To,
		Wording: c.reply.Body, Incoming: c.incoming}
	if c.line != nil && c.line.Policy.Confirm {
		change.Confirm = d.automatic(c, textback.ConfirmationText, rules.OptOutAnswer(c.language(), c.line.Business.Name))
	}
	change.Also = d.optDeliveries(c.cfg, "opt-out", c.all, change)
	if !c.intent.Exact && c.line != nil {
		// A wording was understood. It is obeyed, and a person reads it all the same: it may have been meant otherwise.
		change.File = &store.Filed{Business: c.line.Business.Key, Line: c.line.Number, Flag: c.intent.Flag,
			Also: func(th textback.Thread) []store.Delivery {
				return hand(c.cfg, handoff.TypeReply, th.Business, th.Caller, d.now(), handoff.ReplyOf(&th, c.reply, c.intent.Flag, false), &th)
			}}
	}
	result, err := d.store.OptOut(ctx, change, d.now())
	if err != nil {
		return err
	}
	d.flights.recall(c.reply.From)
	d.tellReply(c, nil, false)
	d.log.Log(ctx, noticeLevel, "opt-out", "from", textback.Short(c.reply.From), "to", c.reply.To, "businesses", strings.Join(c.all, ","),
		"changed", result.Changed, "cancelled", len(result.Cancelled), "confirmed", result.Confirmation != nil,
		"exact", c.intent.Exact)
	return nil
}

func (d *Daemon) optIn(ctx context.Context, c *correspondence) error {
	change := store.OptChange{Number: c.reply.From, Businesses: c.all, Source: store.SourceSMS, Line: c.reply.To,
		Wording: c.reply.Body, Incoming: c.incoming}
	if c.line != nil && c.line.Policy.Confirm {
		change.Confirm = d.automatic(c, textback.ConfirmationText, rules.OptInAnswer(c.language(), c.line.Business.Name))
	}
	change.Also = d.optDeliveries(c.cfg, "opt-in", c.all, change)
	result, err := d.store.OptIn(ctx, change, d.now())
	if err != nil {
		return err
	}
	d.tellReply(c, nil, false)
	d.log.Log(ctx, noticeLevel, "opt-in", "from", textback.Short(c.reply.From), "to", c.reply.To, "businesses", strings.Join(c.all, ","),
		"changed", result.Changed)
	return nil
}

// help answers HELP and INFO, opted out or not, but not a machine that asks all day long.
func (d *Daemon) help(ctx context.Context, c *correspondence) error {
	if c.line == nil {
		return d.store.Handled(ctx, c.incoming, d.now())
	}
	known, err := d.store.Explain(ctx, c.reply.From)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	given := 0
	for _, t := range known.Texts {
		if t.Kind == textback.HelpText && d.now().Sub(t.Created) < 24*time.Hour {
			given++
		}
	}
	if given >= max(c.line.Policy.MaxAutomatic, 1) {
		return d.store.Handled(ctx, c.incoming, d.now())
	}
	t, err := d.store.QueueText(ctx, store.NewText{Text: *d.automatic(c, textback.HelpText, c.line.HelpAnswer()), Incoming: c.incoming}, d.now())
	if err != nil || t.ID == 0 { // 0: it was dealt with before
		return err
	}
	d.tellReply(c, nil, false)
	d.log.Info("help", "from", textback.Short(c.reply.From), "text", t.ID)
	return nil
}

// converse files a reply under its thread, hands it to people, and lets a branch answer where it may.
func (d *Daemon) converse(ctx context.Context, c *correspondence) error {
	if c.line == nil {
		d.sparingly(slog.LevelWarn, "reply-unplaced "+c.reply.To, "reply-unplaced", "from", textback.Short(c.reply.From), "to", c.reply.To)
		return d.store.Handled(ctx, c.incoming, d.now())
	}
	b := c.line.Business
	branch := c.cfg.Set.MatchBranch(c.reply.Body, b.Key)
	if c.intent.Kind == rules.Automatic {
		branch = nil
	}
	r := store.NewReply{Reply: c.reply, Business: b.Key, Line: c.line.Number, Flag: c.intent.Flag, Incoming: c.incoming,
		SharedWith: c.cfg.Set.SharedWith(b.Key)}
	r.Answer = func(f store.ThreadFacts) *textback.Text { return d.branchAnswer(c, branch, f) }
	filed := false
	r.Also = func(f store.ThreadFacts) []store.Delivery {
		filed = true
		return d.replyDeliveries(c, branch, f)
	}
	facts, err := d.store.AddReply(ctx, r, d.now())
	if err != nil || !filed { // not filed: it was dealt with before, and so was the call back that it asked for
		return err
	}
	d.tellReply(c, &facts.Thread, facts.New)
	d.log.Info("reply", "from", textback.Short(c.reply.From), "business", b.Key, "thread", facts.Thread.ID, "tag", facts.Thread.Tag,
		"new", facts.New, "flag", c.intent.Flag, "answered", facts.Answer != nil, "gap", c.reply.Gap)
	if branch != nil && branch.Callback && !facts.OptedOut && !personTook(facts.Thread, c.line.Policy.InThread, d.now()) {
		d.callBack(c, branch, facts.Thread)
	}
	return nil
}

// maxAutomaticThread is how many automatic answers a thread may get in all.
const maxAutomaticThread = 2

// branchAnswer is the automatic answer to a reply, nil for none: never to a machine, never once a person has answered,
// never to the same words twice, and only so many.
func (d *Daemon) branchAnswer(c *correspondence, branch *rules.Branch, f store.ThreadFacts) *textback.Text {
	switch p := c.line.Policy; {
	case branch == nil, branch.Template == nil, f.OptedOut, c.intent.Kind == rules.Automatic,
		personTook(f.Thread, p.InThread, d.now()), f.Thread.Automatic >= maxAutomaticThread,
		f.AutomaticToday >= p.MaxAutomatic, c.reply.Body == f.LastIncoming, c.reply.Body == f.LastAutomatic:
		return nil
	}
	body, err := branch.RenderText(c.line.Fields(f.Thread.Name, f.Thread.Opened, d.now(), "", c.language()))
	if err != nil || body == "" || body == f.LastAutomatic {
		return nil
	}
	t := d.automatic(c, textback.BranchText, body)
	t.ThreadID, t.Template = f.Thread.ID, "reply "+branch.Name
	return t
}

// personTook tells whether automation stands down because a person answered.
func personTook(t textback.Thread, inThread time.Duration, now time.Time) bool {
	return !t.TakenAt.IsZero() && now.Sub(t.TakenAt) < inThread
}

// automatic is a text of ours to who wrote, from the sender that he wrote to.
func (d *Daemon) automatic(c *correspondence, kind textback.TextKind, body string) *textback.Text {
	now := d.now()
	return &textback.Text{Kind: kind, Business: c.line.Business.Key, Line: c.line.Number, To: c.reply.From, From: c.line.From,
		SMPP: c.line.SMPP, Body: body, Due: now, Expires: now.Add(answerWithin(kind))}
}

// answerWithin is how long an answer is worth sending. A confirmation of an opt-out later than five minutes is not
// allowed (47 CFR 64.1200(a)(12)).
func answerWithin(kind textback.TextKind) time.Duration {
	if kind == textback.ConfirmationText {
		return 5 * time.Minute
	}
	return time.Hour
}

func (c *correspondence) language() string {
	if c.line == nil {
		return ""
	}
	return c.cfg.Languages[c.line.Business.Key]
}
