package daemon

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"textback"
	"textback/cmd/internal/control"
	"textback/cmd/internal/report"
	"textback/cmd/internal/web"
	"textback/configs"
	"textback/store"
)

// desk answers the web page. What several people look at at the same time is read once for each change of the store.
type desk struct {
	d *Daemon

	mu       sync.Mutex
	changes  uint64 // commits so far
	watchers map[chan struct{}]bool

	days    kept[dayKey, []textback.Verdict]
	open    kept[*configs.Config, []web.ThreadRow]
	threads kept[*configs.Config, []web.ThreadRow] // closed ones too
}

func newDesk(d *Daemon) *desk { return &desk{d: d, watchers: make(map[chan struct{}]bool)} }

// Bounds of what the page looks through.
const (
	perPage     = 50
	mostThreads = 2000
)

// changed is called after each commit, by the goroutine that commits: it never waits.
func (k *desk) changed() {
	k.mu.Lock()
	k.changes++
	k.mu.Unlock()
	k.tell()
}

// tell tells whoever watches that something may have changed, if only a call in progress. It never waits.
func (k *desk) tell() {
	k.mu.Lock()
	defer k.mu.Unlock()
	for c := range k.watchers {
		select {
		case c <- struct{}{}:
		default: // it knows already
		}
	}
}

// Watch implements [web.Desk].
func (k *desk) Watch() (<-chan struct{}, func()) {
	c := make(chan struct{}, 1)
	k.mu.Lock()
	defer k.mu.Unlock()
	k.watchers[c] = true
	return c, func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		delete(k.watchers, c)
	}
}

func (k *desk) version() uint64 {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.changes
}

// kept remembers the last answer to a question until the store changes.
type kept[K comparable, V any] struct {
	mu      sync.Mutex
	key     K
	version uint64
	has     bool
	value   V
}

// get gives the answer that is kept, or asks. Others who ask meanwhile wait for the one.
func (c *kept[K, V]) get(key K, version uint64, ask func() (V, error)) (V, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.has && c.key == key && c.version == version {
		return c.value, nil
	}
	v, err := ask()
	if err == nil {
		c.key, c.version, c.value, c.has = key, version, v, true
	}
	return v, err
}

type dayKey struct{ since, until int64 }

func (k *desk) cfg() *configs.Config { return k.d.conf.Load().cfg }

// Places implements [web.Desk].
func (k *desk) Places() web.Places {
	cfg := k.cfg()
	p := web.Places{Zone: reportZone(cfg, nil)}
	for _, key := range businesses(cfg) {
		p.Businesses = append(p.Businesses, web.Choice{Key: key, Name: cfg.Set.Businesses[key].Name})
	}
	for _, l := range cfg.Set.Lines {
		p.Lines = append(p.Lines, web.Choice{Key: l.Number, Name: strings.TrimSpace(l.Number + " " + l.Name)})
	}
	return p
}

// Standing implements [web.Desk].
func (k *desk) Standing(ctx context.Context) (web.Standing, error) {
	d, r, now := k.d, k.d.conf.Load(), k.d.now()
	s := web.Standing{OnPhone: d.live.count(), Lines: len(r.cfg.Set.Lines), ShadowLines: len(shadowLines(r.cfg))}
	zone := reportZone(r.cfg, nil)
	link := func(kind, key, name string, up bool) {
		l := web.LinkState{Name: name, Kind: kind, Up: up}
		if since := d.met.since(key, name, up, now).In(zone); now.Sub(since) < 12*time.Hour {
			l.Note = "since " + since.Format("15:04")
		} else {
			l.Note = "since " + since.Format("2 Jan, 15:04")
		}
		s.Links = append(s.Links, l)
	}
	for _, conf := range r.cfg.PBXs {
		p := d.pbxNamed(conf.Name)
		link("PBX", "pbx", conf.Name, p != nil && p.linkUp())
	}
	for _, l := range r.pool.Links() {
		link("SMS link", "smpp", l.Name(), l.Bound())
	}
	for _, key := range businesses(r.cfg) {
		if detail, open := d.breakers.list()[key]; open {
			s.Breakers = append(s.Breakers, r.cfg.Set.Businesses[key].Name+": "+detail)
		}
	}
	st, err := d.store.Stats(ctx)
	if err != nil {
		return s, err
	}
	s.StoreError = st.LastError
	s.Queued, s.Sending, s.Doubt = st.Texts[textback.Queued], st.Texts[textback.Submitting], st.Texts[textback.Unknown]
	rows, err := k.rows(ctx, false)
	for i := range rows {
		if rows[i].Waits {
			s.Waiting++
		}
	}
	return s, err
}

// Calls implements [web.Desk].
func (k *desk) Calls(ctx context.Context, q web.CallQuery) (web.CallDay, error) {
	cfg, now := k.cfg(), k.d.now()
	only, err := k.chosen(cfg, q.Business)
	if err != nil {
		return web.CallDay{}, err
	}
	zone := reportZone(cfg, nil)
	local := now.In(zone)
	day := time.Date(local.Year(), local.Month(), local.Day(), 0, 0, 0, 0, zone)
	out := web.CallDay{Day: day, Today: true}
	if q.Day != "" {
		if out.Day, err = time.ParseInLocation(time.DateOnly, q.Day, zone); err != nil || out.Day.Year() < 2000 || out.Day.Year() > 2200 {
			return out, &web.Ask{Message: "That is not a day. Write it like " + day.Format(time.DateOnly) + "."}
		}
		out.Today = out.Day.Equal(day)
	}
	until := out.Day.AddDate(0, 0, 1)
	all, err := k.days.get(dayKey{out.Day.Unix(), until.Unix()}, k.version(), func() (list []textback.Verdict, err error) {
		err = k.d.store.Calls(ctx, out.Day, until, func(v textback.Verdict) bool { list = append(list, v); return true })
		return list, err
	})
	if err != nil {
		return out, err
	}
	var found []textback.Verdict
	for _, v := range slices.Backward(all) {
		if only != "" && v.Decision.Business != only {
			continue
		}
		texted := v.Decision.Reason == textback.ReasonText
		out.Missed++
		if texted {
			out.Texted++
		}
		if q.Show == "" || (q.Show == "texted") == texted {
			found = append(found, v)
		}
	}
	if err := k.dayCounts(ctx, &out, until, only); err != nil {
		return out, err
	}
	if out.Today {
		out.Live = k.live(cfg, only)
	}
	out.Found = len(found)
	from, to := pageOf(len(found), q.Page, &out.Page, &out.Pages)
	for _, v := range found[from:to] {
		c, err := k.call(ctx, cfg, v)
		if err != nil {
			return out, err
		}
		out.Calls = append(out.Calls, c)
	}
	return out, nil
}

// mostLive bounds the calls in progress that are shown.
const mostLive = 20

// live are the calls from outside that are in progress, the newest first.
func (k *desk) live(cfg *configs.Config, only string) (all []web.LiveCall) {
	for _, c := range slices.Backward(k.d.feed.Calls()) {
		if c.Direction != textback.Inbound.String() || len(all) == mostLive {
			continue
		}
		l := web.LiveCall{ID: c.ID, Number: c.Number, Name: c.Name, Line: c.Line, Begin: c.Begin, Connected: c.Connected != nil}
		if line := cfg.Set.LineByNumber(c.Line); line != nil {
			if l.Line = cmp.Or(line.Name, line.Number); only != "" && line.Business.Key != only {
				continue
			}
		} else if only != "" {
			continue
		}
		all = append(all, l)
	}
	return all
}

// pageOf cuts a list into pages.
func pageOf(n, wanted int, page, pages *int) (from, to int) {
	*pages = max((n+perPage-1)/perPage, 1)
	*page = min(max(wanted, 1), *pages)
	from = (*page - 1) * perPage
	return from, min(from+perPage, n)
}

// dayCounts adds what is only counted.
func (k *desk) dayCounts(ctx context.Context, out *web.CallDay, until time.Time, only string) error {
	counts, err := k.d.store.Counts(ctx, out.Day, until)
	for _, c := range counts {
		switch {
		case only != "" && c.Business != only:
		case c.Kind == store.CountAnswered && c.Word == textback.Inbound.String():
			out.Reached += int(c.N)
		case c.Kind == store.CountReply:
			out.Replies += int(c.N)
		}
	}
	return err
}

// call adds to a verdict what people call things, and what became of its text.
func (k *desk) call(ctx context.Context, cfg *configs.Config, v textback.Verdict) (web.Call, error) {
	if v.Call.Party.Withheld { // seen, but not to be used
		v.Call.Party.Number, v.Call.Party.Name, v.Decision.Caller = "", "", ""
	}
	c := web.Call{Verdict: v}
	if b := cfg.Set.Businesses[v.Decision.Business]; b != nil {
		c.Business = b.Name
	}
	if l := cfg.Set.LineByNumber(v.Decision.Line); l != nil {
		c.Line = l.Name
	}
	if v.TextID == 0 {
		return c, nil
	}
	t, err := k.d.store.Text(ctx, v.TextID)
	switch {
	case errors.Is(err, store.ErrNotFound): // erased, or kept for a shorter time than the call
		return c, nil
	case err != nil:
		return c, err
	}
	c.Text, c.Thread = &t, t.ThreadID
	return c, nil
}

// Story implements [web.Desk].
func (k *desk) Story(ctx context.Context, what string) (web.Story, error) {
	cfg := k.cfg()
	x, err := k.d.explain(ctx, ExplainArgs{What: what})
	if err != nil {
		return web.Story{}, asked(err)
	}
	s := web.Story{Texts: x.Texts}
	if len(x.Calls) != 1 || x.Calls[0].Call.ID != what {
		if s.Number = what; !strings.Contains(what, "/") {
			if n, err := number(cfg, what); err == nil {
				s.Number = n
			}
		}
	}
	for _, v := range slices.Backward(x.Calls) {
		c, err := k.call(ctx, cfg, v)
		if err != nil {
			return s, err
		}
		s.Calls = append(s.Calls, c)
	}
	for _, th := range slices.Backward(x.Threads) {
		s.Threads = append(s.Threads, k.row(ctx, cfg, th))
	}
	slices.Reverse(s.Texts)
	for _, l := range x.Ledger {
		s.Ledger = append(s.Ledger, web.LedgerLine{At: l.At, Out: l.Action == store.ActionOut || l.Action == store.ActionList, Businesses: k.names(cfg, l.Businesses), Source: l.Source, Wording: l.Wording})
	}
	s.Out = k.names(cfg, x.Out)
	for _, m := range x.Made {
		s.Handoffs = append(s.Handoffs, web.HandoffLine{Event: m.Event, Target: m.Target, At: m.At, Attempts: m.Attempts, Note: m.Error})
	}
	for _, w := range x.Waiting {
		s.Handoffs = append(s.Handoffs, web.HandoffLine{Event: w.Event, Target: w.Target, At: w.Due, Attempts: w.Attempts, Note: w.Note, Waits: true})
	}
	return s, nil
}

func (k *desk) names(cfg *configs.Config, keys []string) []string {
	out := make([]string, 0, len(keys))
	for _, key := range keys {
		if b := cfg.Set.Businesses[key]; b != nil {
			key = b.Name
		}
		out = append(out, key)
	}
	return out
}

// asked turns an error for the commands into one for the page.
func asked(err error) error {
	var e *control.Error
	if errors.As(err, &e) {
		return &web.Ask{Message: strings.ToUpper(e.Message[:1]) + e.Message[1:] + "."}
	}
	return err
}

// chosen checks the business of an address.
func (k *desk) chosen(cfg *configs.Config, key string) (string, error) {
	if key != "" && cfg.Set.Businesses[key] == nil {
		return "", &web.Ask{Message: "There is no such business any more. Choose another."}
	}
	return key, nil
}

// row is a thread as a list shows it.
func (k *desk) row(ctx context.Context, cfg *configs.Config, th textback.Thread) web.ThreadRow {
	r := web.ThreadRow{Thread: th, Place: th.Business}
	r.Waits, r.Flag = waits(&th)
	if n := len(th.Messages); n > 0 {
		r.Said, r.SaidIn = th.Messages[n-1].Body, th.Messages[n-1].In
	}
	r.Messages = nil
	if b := cfg.Set.Businesses[th.Business]; b != nil {
		r.Place = b.Name
	}
	if l := cfg.Set.LineByNumber(th.Line); l != nil {
		r.LineName = l.Name
	}
	r.Alias = th.Name
	if v, err := k.d.store.Verdict(ctx, th.CallID); err == nil && !v.Call.Party.Withheld {
		r.Alias = cmp.Or(r.Alias, v.Call.Party.Name)
	}
	return r
}

// waits tells whether the caller wrote and no person has answered, by text or by telephone, or taken the thread since; and why a
// person should look twice at what was written meanwhile.
func waits(th *textback.Thread) (waits bool, flag string) {
	for _, m := range slices.Backward(th.Messages) {
		if !m.In {
			continue
		}
		if !m.At.After(th.TakenAt) {
			break
		}
		waits, flag = true, cmp.Or(flag, m.Flag)
	}
	return waits && !th.Closed, flag
}

// rows are the conversations: those that wait first, then by their last message.
func (k *desk) rows(ctx context.Context, closed bool) ([]web.ThreadRow, error) {
	cfg, of := k.cfg(), &k.open
	if closed {
		of = &k.threads
	}
	return of.get(cfg, k.version(), func() ([]web.ThreadRow, error) {
		list, err := k.d.store.Threads(ctx, store.ThreadFilter{Closed: closed, Limit: mostThreads})
		if err != nil {
			return nil, err
		}
		rows := make([]web.ThreadRow, 0, len(list))
		for _, th := range list {
			full, err := k.d.store.Thread(ctx, th.ID)
			if errors.Is(err, store.ErrNotFound) {
				continue // erased meanwhile
			}
			if err != nil {
				return nil, err
			}
			rows = append(rows, k.row(ctx, cfg, full))
		}
		slices.SortStableFunc(rows, func(a, b web.ThreadRow) int {
			if a.Waits != b.Waits {
				if a.Waits {
					return -1
				}
				return 1
			}
			return b.Last.Compare(a.Last)
		})
		return rows, nil
	})
}

// Threads implements [web.Desk].
func (k *desk) Threads(ctx context.Context, q web.ThreadQuery) (web.ThreadList, error) {
	only, err := k.chosen(k.cfg(), q.Business)
	if err != nil {
		return web.ThreadList{}, err
	}
	all, err := k.rows(ctx, q.All)
	if err != nil {
		return web.ThreadList{}, err
	}
	out := web.ThreadList{More: len(all) == mostThreads}
	rows := all
	if only != "" {
		rows = slices.DeleteFunc(slices.Clone(all), func(r web.ThreadRow) bool { return r.Business != only })
	}
	out.Found = len(rows)
	from, to := pageOf(len(rows), q.Page, &out.Page, &out.Pages)
	out.Rows = rows[from:to:to]
	return out, nil
}

// Thread implements [web.Desk].
func (k *desk) Thread(ctx context.Context, id uint64) (web.Conversation, error) {
	cfg := k.cfg()
	th, err := k.d.store.Thread(ctx, id)
	if err != nil {
		return web.Conversation{}, noThread(err)
	}
	r := k.row(ctx, cfg, th)
	c := web.Conversation{Thread: th, Place: r.Place, LineName: r.LineName, Alias: r.Alias, Waits: r.Waits, Texts: make(map[uint64]textback.Text)}
	if c.OptedOut, err = k.d.store.OptedOut(ctx, th.Caller, append([]string{th.Business}, cfg.Set.SharedWith(th.Business)...)...); err != nil {
		return c, err
	}
	// Of a very long conversation, the states of the latest texts.
	for _, m := range th.Messages[max(0, len(th.Messages)-mostThreads):] {
		if m.TextID == 0 {
			continue
		}
		t, err := k.d.store.Text(ctx, m.TextID)
		if err == nil {
			c.Texts[m.TextID] = t
		} else if !errors.Is(err, store.ErrNotFound) {
			return c, err
		}
	}
	return c, nil
}

func noThread(err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("%w: %w", web.ErrNoThread, err)
	}
	return err
}

// Take implements [web.Desk].
func (k *desk) Take(ctx context.Context, id uint64, person string) error {
	_, err := k.d.store.TakeThread(ctx, id, person, k.d.now())
	return noThread(err)
}

// Close implements [web.Desk].
func (k *desk) Close(ctx context.Context, id uint64) error {
	_, err := k.d.store.CloseThread(ctx, id, k.d.now())
	return noThread(err)
}

// Report implements [web.Desk].
func (k *desk) Report(ctx context.Context, q web.ReportQuery) (web.ReportPart, error) {
	r, err := k.d.report(ctx, ReportArgs(q))
	if err != nil {
		return web.ReportPart{}, asked(err)
	}
	var b bytes.Buffer
	if err := report.WriteBody(&b, r); err != nil {
		return web.ReportPart{}, err
	}
	return web.ReportPart{Body: b.String()}, nil
}

// pageOptions are the web page as the configuration wants it, nil for none.
func (d *Daemon) pageOptions(cfg *configs.Config) *web.Page {
	if !cfg.HTTP.PagePassword.IsSet() {
		return nil
	}
	return &web.Page{Password: cfg.HTTP.PagePassword.Reveal(), Desk: d.desk, ReportStyle: report.Style(),
		OnLogin: func(person string, from netip.Addr) { d.log.Info("page-login", "src", from.String(), "person", person) },
		OnFailure: func(page string, err error) {
			d.sparingly(slog.LevelError, "page "+page, "page-failed", "page", page, "error", err)
		}}
}
