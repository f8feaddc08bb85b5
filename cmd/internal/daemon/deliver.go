package daemon

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
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

// hand makes the queue entries of an event for everyone who wants it.
func hand(cfg *configs.Config, event, business, person string, at time.Time, payload any, th *textback.Thread, extra ...string) []store.Delivery {
	var list []store.Delivery
	for _, n := range cfg.Notify {
		if !n.Wants(event, business) && !slices.Contains(extra, n.Name) {
			continue
		}
		if n.Kind == configs.Staff && th == nil {
			continue // a text to staff is about a conversation
		}
		del, err := handoff.New(handoff.NewID(), event, at, payload)
		if err != nil {
			continue // our own structs always encode
		}
		if n.Kind != configs.Webhook {
			del.Thread = th
		}
		b, err := json.Marshal(del)
		if err != nil {
			continue
		}
		list = append(list, store.Delivery{Kind: n.Kind, Target: n.Name, Event: event, Payload: b, Person: person})
	}
	return list
}

// callDeliveries tell of a missed call and its verdict.
func (d *Daemon) callDeliveries(cfg *configs.Config, v textback.Verdict) []store.Delivery {
	dec := v.Decision
	list := hand(cfg, handoff.TypeMissed, dec.Business, person(v), v.At, handoff.CallOf(&v.Call, dec.Business, dec.Line, dec.Caller), nil)
	return append(list, d.verdictDeliveries(cfg, v)...)
}

// verdictDeliveries tell of a verdict: when it is made, and when it becomes recovered.
func (d *Daemon) verdictDeliveries(cfg *configs.Config, v textback.Verdict) []store.Delivery {
	return hand(cfg, handoff.TypeVerdict, v.Decision.Business, person(v), d.now(), handoff.VerdictOf(&v), nil)
}

// person is whom a verdict is about, so that he can be forgotten.
func person(v textback.Verdict) string {
	if strings.HasPrefix(v.Decision.Caller, "+") {
		return v.Decision.Caller
	}
	return ""
}

// textChanged tells of a change of a text's state. It runs inside the store's transaction.
func (d *Daemon) textChanged(t textback.Text) []store.Delivery {
	r := d.conf.Load()
	name, ok := handoff.TextType(t.State)
	if r == nil || !ok || t.Kind == textback.StaffText {
		return nil
	}
	return hand(r.cfg, name, t.Business, t.To, d.now(), handoff.TextOf(&t), nil)
}

func (d *Daemon) optDeliveries(cfg *configs.Config, event string, all []string, c store.OptChange) func(store.OptResult) []store.Delivery {
	return func(r store.OptResult) []store.Delivery {
		if !r.Changed {
			return nil
		}
		var list []store.Delivery
		for _, b := range all {
			list = append(list, hand(cfg, event, b, c.Number, d.now(), handoff.Opt{Business: b, Number: c.Number, Source: c.Source, Words: c.Wording}, nil)...)
		}
		return list
	}
}

// replyDeliveries hand a reply to people, and to whoever its branch names.
func (d *Daemon) replyDeliveries(c *correspondence, branch *rules.Branch, f store.ThreadFacts) []store.Delivery {
	if !f.New && c.reply.Body == f.LastIncoming && saidJustNow(f.Thread) {
		return nil // the same words again: a machine, or a repeat that everyone has seen
	}
	var extra []string
	if branch != nil {
		extra = branch.Notify
	}
	th := f.Thread
	return hand(c.cfg, handoff.TypeReply, th.Business, th.Caller, d.now(), handoff.ReplyOf(&th, c.reply, c.intent.Flag, f.New), &th, extra...)
}

// sameWithin is how long the same words are a repetition.
const sameWithin = time.Hour

// saidJustNow tells whether the message before the last was the caller's as well, a short while ago, with no person's
// words between: "yes" is news after each question.
func saidJustNow(th textback.Thread) bool {
	var last *textback.Message
	for i, m := range slices.Backward(th.Messages) {
		switch {
		case !m.In && m.Person != "":
			return false
		case m.In && last != nil:
			return last.At.Sub(m.At) < sameWithin
		case m.In:
			last = &th.Messages[i]
		}
	}
	return false
}

func (d *Daemon) answerDeliveries(cfg *configs.Config, th textback.Thread, person, body string) []store.Delivery {
	list := hand(cfg, handoff.TypeSent, th.Business, th.Caller, d.now(), handoff.AnswerOf(&th, person, body), nil)
	if th.TakenBy == person && countPerson(th) == 1 {
		list = append(list, hand(cfg, handoff.TypeTaken, th.Business, th.Caller, d.now(), handoff.AnswerOf(&th, person, ""), nil)...)
	}
	return list
}

func countPerson(th textback.Thread) int {
	n := 0
	for _, m := range th.Messages {
		if !m.In && m.Person != "" {
			n++
		}
	}
	return n
}

// alarm tells of something that somebody should look at, beside the log line that its caller wrote.
func (d *Daemon) alarm(a handoff.Alarm) {
	cfg := d.conf.Load().cfg
	ctx, cancel := context.WithTimeout(context.Background(), storeWithin)
	defer cancel()
	list := hand(cfg, handoff.TypeAlarm, a.Business, "", d.now(), a, nil, cfg.Alarm.Notify...)
	if len(list) == 0 {
		return
	}
	if err := d.store.Enqueue(ctx, d.now(), list...); err != nil {
		d.sparingly(slog.LevelError, "store", "store-failed", "what", "alarm", "error", err)
	}
}

// senders are the hand-offs of one configuration, made when first used.
type senders struct {
	cfg     *configs.Config
	list    map[string]handoff.Sender
	targets targets
	done    chan struct{} // signalled when serving a target has ended; may be nil
}

// How hand-offs are made: so many of one target are taken up together, and a target that does not answer is left alone for
// a while, which doubles.
const (
	handOffBatch            = 50
	targetPause, targetMost = time.Second, time.Minute
)

// targets knows which targets are being served, and which are left alone until when. Each has one goroutine at most, so one
// that is slow or gone holds up no other.
type targets struct {
	mu     sync.Mutex
	busy   map[string]bool
	until  map[string]time.Time
	failed map[string]int // in a row
	wg     sync.WaitGroup
}

// free tells which targets may be served, as of now: what a target that is busy at this moment settles later may still
// look due to who reads the queue meanwhile.
func (t *targets) free(now time.Time) func(name string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	taken := make(map[string]bool)
	maps.Copy(taken, t.busy)
	for name, until := range t.until {
		if until.After(now) {
			taken[name] = true
		}
	}
	return func(name string) bool { return !taken[name] }
}

// begin marks a target as being served.
func (t *targets) begin(name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.busy == nil {
		t.busy, t.until, t.failed = make(map[string]bool), make(map[string]time.Time), make(map[string]int)
	}
	t.busy[name] = true
}

// end notes how serving a target ended.
func (t *targets) end(name string, ok bool, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.busy, name)
	if ok {
		delete(t.failed, name)
		delete(t.until, name)
		return
	}
	t.until[name] = now.Add(min(targetPause<<min(t.failed[name], 6), targetMost))
	t.failed[name]++
}

// next is when the first target that is left alone is served again; zero if none is.
func (t *targets) next(now time.Time) (at time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for name, until := range t.until {
		switch {
		case !until.After(now):
			delete(t.until, name)
		case at.IsZero() || until.Before(at):
			at = until
		}
	}
	return at
}

// deliver makes the hand-offs that are queued: those for one target in order, each target on its own.
func (d *Daemon) deliver(ctx context.Context) error {
	use := &senders{done: make(chan struct{}, 1)}
	defer use.targets.wg.Wait()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		case <-use.done:
		case <-d.store.DeliveriesChanged():
		}
		began := time.Now()
		wait, err := d.deliverDue(ctx, use)
		if err != nil && ctx.Err() == nil {
			d.sparingly(slog.LevelError, "store", "store-failed", "what", "hand-offs", "error", err)
			wait = 10 * time.Second
		}
		// A long queue for a target that is gone must not be gone through all the time.
		if !sleep(ctx, 4*time.Since(began)) {
			return nil
		}
		timer.Reset(wait)
	}
}

// deliverDue starts the targets for which something is due, and says when to look again at the latest.
func (d *Daemon) deliverDue(ctx context.Context, use *senders) (time.Duration, error) {
	cfg, now := d.conf.Load().cfg, d.now()
	if use.cfg != cfg {
		use.cfg, use.list = cfg, make(map[string]handoff.Sender)
	}
	t := &use.targets
	due, next, err := d.store.DeliveriesFor(ctx, now, handOffBatch, t.free(now))
	if err != nil {
		return 0, err
	}
	for name, list := range due {
		conf := notifyNamed(cfg, name)
		sender, err := use.sender(conf)
		t.begin(name)
		t.wg.Go(func() {
			ok := true
			for _, x := range list {
				// What failed is tried again on its own schedule; those behind it wait until the target answers.
				if ok = d.deliverOne(ctx, cfg, conf, sender, err, x); !ok || ctx.Err() != nil {
					break
				}
			}
			t.end(name, ok, d.now())
			select {
			case use.done <- struct{}{}:
			default:
			}
		})
	}
	if again := t.next(now); !again.IsZero() && (next.IsZero() || again.Before(next)) {
		next = again
	}
	if next.IsZero() {
		return time.Minute, nil
	}
	return min(max(next.Sub(d.now()), 50*time.Millisecond), time.Minute), nil
}

func notifyNamed(cfg *configs.Config, name string) *configs.Notify {
	for i := range cfg.Notify {
		if cfg.Notify[i].Name == name {
			return &cfg.Notify[i]
		}
	}
	return nil
}

// sender is the sender of a hand-off; nil for staff mobiles, which are reached through the outbox.
func (s *senders) sender(n *configs.Notify) (handoff.Sender, error) {
	if n == nil {
		return nil, errors.New("no [[notify]] has this name any more")
	}
	if have, ok := s.list[n.Name]; ok {
		return have, nil
	}
	made, err := newSender(n)
	if err == nil && made != nil {
		s.list[n.Name] = made
	}
	return made, err
}

func newSender(n *configs.Notify) (handoff.Sender, error) {
	var t *tls.Config
	if n.TLSCA != "" {
		addr := n.Server
		if n.Kind == configs.Webhook {
			addr = ""
		}
		var err error
		if t, err = ClientTLS(n.TLSCA, "", addr); err != nil {
			return nil, err
		}
	}
	switch n.Kind {
	case configs.Webhook:
		return handoff.NewWebhook(handoff.WebhookOptions{URL: n.URL, Secrets: []string{n.Secret.Reveal()}, AllowPrivate: n.AllowPrivate, TLS: t})
	case configs.Email:
		return handoff.NewMail(handoff.MailOptions{Server: n.Server, From: n.From, To: n.To, Username: n.Username,
			Password: n.Password.Reveal(), StartTLS: n.StartTLS, TLS: t})
	default:
		return nil, nil
	}
}

// deliverOne makes one hand-off and settles it. It is false if the target could not be reached.
func (d *Daemon) deliverOne(ctx context.Context, cfg *configs.Config, conf *configs.Notify, sender handoff.Sender, err error, x store.Delivery) (ok bool) {
	var result handoff.Result
	var del handoff.Delivery
	if err == nil {
		err = json.Unmarshal(x.Payload, &del)
		result.Permanent = err != nil
	} else {
		result.Permanent = conf == nil
	}
	if err == nil {
		switch {
		case sender != nil:
			result, err = sender.Send(ctx, del)
		case del.Thread == nil:
			result.Permanent, err = true, errors.New("a text to staff without a conversation")
		default:
			err = d.staffText(ctx, cfg, *conf, *del.Thread, staffBody(del))
		}
	}
	if ctx.Err() != nil {
		return false // tried again after the restart, with the same id
	}
	d.met.handoff(x.Target, err)
	now := d.now()
	ok = err == nil || result.Permanent || result.Disable
	switch wait, again := handoff.Retry(x.Attempts+1, rand.Float64(), result.After); {
	case err == nil:
		err = d.store.Delivered(ctx, x.ID, now)
	case result.Disable:
		d.log.Error("notify-disabled", "notify", x.Target, "error", err, "hint", "the receiver wants nothing any more; change its url or remove it, and reload")
		err = d.store.DisableTarget(ctx, x.Target, result.Note, now)
	case result.Permanent || !again:
		d.sparingly(slog.LevelError, "notify-dropped "+x.Target, "notify-dropped", "notify", x.Target, "event", x.Event, "attempts", x.Attempts+1, "error", err)
		err = d.store.DropDelivery(ctx, x.ID, err.Error(), now)
	default:
		d.sparingly(slog.LevelWarn, "notify-failed "+x.Target, "notify-failed", "notify", x.Target, "event", x.Event, "attempts", x.Attempts+1, "error", err,
			"retry", wait.Round(time.Second).String())
		err = d.store.RetryDelivery(ctx, x.ID, now.Add(wait), err.Error())
	}
	if err != nil && ctx.Err() == nil {
		d.sparingly(slog.LevelError, "store", "store-failed", "what", "hand-off", "error", err)
		return false
	}
	return ok
}

// staffBody is what a staff mobile is told of a reply: the tag to answer with, who, and what.
func staffBody(del handoff.Delivery) string {
	th := del.Thread
	var last string
	for _, m := range slices.Backward(th.Messages) {
		if m.In {
			last = m.Body
			break
		}
	}
	who := th.Caller
	if th.Name != "" {
		who = th.Name + " " + who
	}
	const longest = 400
	if r := []rune(last); len(r) > longest {
		last = string(r[:longest]) + "..."
	}
	return fmt.Sprintf("#%s %s: %s\nAnswer this text to reply (#%s first if several are open).", th.Tag, who, last, th.Tag)
}
