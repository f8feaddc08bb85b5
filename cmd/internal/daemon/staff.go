package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"textback"
	"textback/cmd/internal/handoff"
	"textback/configs"
	"textback/rules"
	"textback/store"
)

// isStaff tells whether a number is a staff mobile: of a business, or of a hand-off by text.
func isStaff(cfg *configs.Config, number string) bool {
	if cfg.Set.IsStaff(number) {
		return true
	}
	return slices.ContainsFunc(cfg.Notify, func(n configs.Notify) bool {
		return n.Kind == configs.Staff && slices.Contains(n.To, number)
	})
}

// relay carries what a member of staff texted to the caller of the thread that he means.
func (d *Daemon) relay(ctx context.Context, c *correspondence) error {
	staff := c.reply.From
	if in := rules.Classify(c.reply.Body); in.Kind == rules.OptOut && in.Exact {
		// It is the staff member who wants no more texts, not the customer.
		result, err := d.store.OptOut(ctx, store.OptChange{Number: staff, Businesses: businesses(c.cfg), Source: store.SourceSMS,
			Line: c.reply.To, Wording: c.reply.Body, Incoming: c.incoming}, d.now())
		if err == nil {
			d.log.Log(ctx, noticeLevel, "staff-opt-out", "staff", textback.Short(staff), "changed", result.Changed)
		}
		return err
	} else if in.Kind == rules.OptIn {
		_, err := d.store.OptIn(ctx, store.OptChange{Number: staff, Businesses: businesses(c.cfg), Source: store.SourceSMS,
			Line: c.reply.To, Wording: c.reply.Body, Incoming: c.incoming}, d.now())
		return err
	}
	if rules.Classify(c.reply.Body).Kind == rules.Automatic {
		// "I am driving" is no answer to a customer, and answering it would be two machines writing to each other.
		d.log.Info("staff-automatic", "staff", textback.Short(staff))
		return d.store.Handled(ctx, c.incoming, d.now())
	}
	thread, text, err := d.meant(ctx, c)
	if err != nil {
		var ask *askStaff
		if errors.As(err, &ask) {
			return d.tellStaff(ctx, c, ask.Error())
		}
		return err
	}
	if text == "" {
		return d.store.Handled(ctx, c.incoming, d.now())
	}
	_, err = d.answer(ctx, thread.ID, "staff "+textback.Short(staff), text, c.incoming)
	switch {
	case errors.Is(err, store.ErrOptedOut):
		return d.tellStaff(ctx, c, fmt.Sprintf("Not sent: the caller of #%s has opted out.", thread.Tag))
	case errors.Is(err, store.ErrNotFound), errors.Is(err, store.ErrState):
		// Closed, or the caller has a newer one. If it was handled before, nothing is said again.
		return d.tellStaff(ctx, c, fmt.Sprintf("Not sent: #%s is closed.", thread.Tag))
	}
	return err
}

// askStaff is a question to the member of staff who texted.
type askStaff struct{ words string }

func (e *askStaff) Error() string { return e.words }

// meant finds the thread that a member of staff means: by its tag, else the only one that he was told of lately.
func (d *Daemon) meant(ctx context.Context, c *correspondence) (textback.Thread, string, error) {
	tag, text := rules.ParseRelay(c.reply.Body)
	if tag != "" {
		t, err := d.store.ThreadByTag(ctx, tag)
		if errors.Is(err, store.ErrNotFound) {
			err = &askStaff{fmt.Sprintf("Not sent: there is no open conversation #%s.", tag)}
		}
		return t, text, err
	}
	known, err := d.store.Explain(ctx, c.reply.From)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return textback.Thread{}, "", err
	}
	var open []textback.Thread
	for _, t := range slices.Backward(known.Texts) {
		if t.Kind != textback.StaffText || t.ThreadID == 0 || d.now().Sub(t.Created) > 24*time.Hour ||
			slices.ContainsFunc(open, func(th textback.Thread) bool { return th.ID == t.ThreadID }) {
			continue
		}
		th, err := d.store.Thread(ctx, t.ThreadID)
		if errors.Is(err, store.ErrNotFound) || err == nil && th.Closed {
			continue
		}
		if err != nil {
			return textback.Thread{}, "", err
		}
		open = append(open, th)
	}
	switch len(open) {
	case 0:
		return textback.Thread{}, "", &askStaff{"Not sent: there is no open conversation. Start with the # of one."}
	case 1:
		return open[0], text, nil
	default:
		tags := make([]string, 0, 5)
		for _, th := range open[:min(len(open), 5)] {
			tags = append(tags, "#"+th.Tag+" "+textback.Short(th.Caller))
		}
		return textback.Thread{}, "", &askStaff{"Not sent: several are open. Start with one of: " + strings.Join(tags, ", ")}
	}
}

// tellStaff answers a member of staff.
func (d *Daemon) tellStaff(ctx context.Context, c *correspondence, body string) error {
	if err := d.place(ctx, c); err != nil {
		return err
	}
	if c.line == nil {
		return d.store.Handled(ctx, c.incoming, d.now())
	}
	if !d.staff.allow("told "+c.reply.From, staffTold, d.now()) {
		d.sparingly(slog.LevelWarn, "staff-limit "+c.reply.From, "staff-limit", "staff", textback.Short(c.reply.From), "per_hour", staffTold)
		return d.store.Handled(ctx, c.incoming, d.now())
	}
	t := d.automatic(c, textback.StaffText, body)
	_, err := d.store.QueueText(ctx, store.NewText{Text: *t, Incoming: c.incoming}, d.now())
	return err
}

// answer sends what a person wrote in a thread. Automation stands down.
func (d *Daemon) answer(ctx context.Context, threadID uint64, person, text string, incoming uint64) (textback.Text, error) {
	cfg := d.conf.Load().cfg
	text = strings.TrimSpace(text)
	if text == "" {
		return textback.Text{}, errors.New("the answer is empty")
	}
	th, err := d.store.Thread(ctx, threadID)
	if err != nil {
		return textback.Text{}, err
	}
	m := store.PersonMessage{ThreadID: threadID, Person: person, Body: text, Incoming: incoming, SharedWith: cfg.Set.SharedWith(th.Business)}
	if l := cfg.Set.LineByNumber(th.Line); l != nil {
		m.From, m.SMPP = l.From, l.SMPP
	}
	m.Also = func(th textback.Thread, t textback.Text) []store.Delivery {
		return d.answerDeliveries(cfg, th, person, text)
	}
	th, t, err := d.store.AddPersonMessage(ctx, m, d.now())
	if err != nil {
		return t, err
	}
	d.feed.Tell(handoff.TypeSent, d.now(), th.Caller, handoff.AnswerOf(&th, person, text))
	d.log.Info("reply-sent", "thread", threadID, "person", person, "text", t.ID, "to", textback.Short(t.To))
	return t, nil
}

// Limits on texts to staff, an hour: what a stranger writes must not become a flood, and two machines that write to each
// other must come to an end.
const (
	staffTold   = 6  // notes to one member of staff about what could not be sent
	staffThread = 12 // texts about one conversation
)

// staffLog limits by hour: calls back of a PBX, texts to staff. It is kept in memory only: a restart begins a new hour.
type staffLog struct {
	mu   sync.Mutex
	done map[string][]time.Time // what → when it was done within the last hour
}

// allow takes one of the hour's, if one is left.
func (l *staffLog) allow(what string, limit int, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for k, times := range l.done {
		// A clock that was set back must not close the door for longer.
		times = slices.DeleteFunc(times, func(t time.Time) bool { return now.Sub(t).Abs() >= time.Hour })
		if l.done[k] = times; len(times) == 0 {
			delete(l.done, k)
		}
	}
	if len(l.done[what]) >= limit {
		return false
	}
	if l.done == nil {
		l.done = make(map[string][]time.Time)
	}
	l.done[what] = append(l.done[what], now)
	return true
}

// callBack makes the PBX that the call came in on ring a member of staff and then the caller: only a number that called us
// within the last day, and only so often an hour.
func (d *Daemon) callBack(c *correspondence, branch *rules.Branch, th textback.Thread) {
	d.eg.Go(func() error {
		ctx, cancel := context.WithTimeout(d.work, 2*time.Minute)
		defer cancel()
		err := d.tryCallBack(ctx, c, branch, th)
		if err != nil {
			d.log.Warn("callback-refused", "thread", th.ID, "to", textback.Short(th.Caller), "error", err)
		} else {
			d.log.Log(ctx, noticeLevel, "callback", "thread", th.ID, "to", textback.Short(th.Caller), "branch", branch.Name)
		}
		return nil
	})
}

func (d *Daemon) tryCallBack(ctx context.Context, c *correspondence, branch *rules.Branch, th textback.Thread) error {
	known, err := d.store.Explain(ctx, th.Caller)
	if err != nil {
		return err
	}
	var name string
	for _, v := range slices.Backward(known.Calls) {
		if v.Call.Direction == textback.Inbound && v.Decision.Business == th.Business && d.now().Sub(v.Call.End) < 24*time.Hour {
			name = v.Call.PBX
			break
		}
	}
	if name == "" {
		return errors.New("this number has not called within the last day")
	}
	conf, ok := c.cfg.PBX(name)
	if !ok || conf.Callback == nil {
		return fmt.Errorf("%w: %q", errNoCallback, name)
	}
	d.mu.Lock()
	p := d.pbxs[name]
	d.mu.Unlock()
	if p == nil || p.src.Load() == nil {
		return fmt.Errorf("the link to %q is not there", name)
	}
	if !d.staff.allow("callback "+name, conf.Callback.PerHour, d.now()) {
		return fmt.Errorf("%d calls back were made within the hour", conf.Callback.PerHour)
	}
	cb := conf.Callback
	callerID := cb.CallerID
	if callerID == "" {
		callerID = th.Line
	}
	fill := strings.NewReplacer("{extension}", branch.Extension, "{number}", th.Caller, "{digits}", strings.TrimPrefix(th.Caller, "+"))
	return (*p.src.Load()).callBack(ctx, callback{endpoint: fill.Replace(cb.Endpoint), context: cb.Context, dial: fill.Replace(cb.Dial),
		callerID: callerID, timeout: cb.Timeout})
}

// staffText tells staff mobiles of a thread by text.
func (d *Daemon) staffText(ctx context.Context, cfg *configs.Config, n configs.Notify, th textback.Thread, body string) error {
	l := cfg.Set.LineByNumber(th.Line)
	if l == nil {
		return fmt.Errorf("line %s is not configured any more", th.Line)
	}
	now := d.now()
	if !d.staff.allow(fmt.Sprintf("thread %d by %s", th.ID, n.Name), staffThread, now) {
		d.sparingly(slog.LevelWarn, "staff-limit "+th.Tag, "staff-limit", "thread", th.ID, "notify", n.Name, "per_hour", staffThread)
		return nil // it stands in the thread, and in what mail and webhook tell
	}
	for _, to := range n.To {
		out, err := d.store.OptedOut(ctx, to, businesses(cfg)...)
		if err != nil {
			return err
		}
		if out {
			d.sparingly(slog.LevelWarn, "staff-opted-out "+to, "staff-opted-out", "staff", textback.Short(to), "notify", n.Name)
			continue
		}
		from := n.From
		if from == "" {
			from = l.From
		}
		_, err = d.store.QueueText(ctx, store.NewText{Text: textback.Text{Kind: textback.StaffText, ThreadID: th.ID,
			Business: th.Business, Line: th.Line, To: to, From: from, SMPP: l.SMPP, Body: body, Due: now, Expires: now.Add(time.Hour)}}, now)
		if err != nil {
			return err
		}
	}
	return nil
}
