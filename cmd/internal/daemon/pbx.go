package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"textback"
	"textback/ari"
	"textback/configs"
	"textback/esl"
)

// linkState is what `textback status` tells of a PBX's link.
type linkState struct {
	Up        bool
	Events    uint64
	Lost      uint64 // dropped because they came too fast
	ReadBacks uint64 // times that the live calls were read
	Unread    uint64 // events that could not be decoded
}

// callback is a call that a PBX is to make: to a member of staff, and then to the caller.
type callback struct {
	endpoint, context, dial, callerID string
	timeout                           time.Duration
}

// startPBXs ends the links of PBXs that are gone or changed, and starts the new ones. A changed PBX keeps its tracker.
func (d *Daemon) startPBXs(cfg *configs.Config, changes configs.Change) {
	d.mu.Lock()
	defer d.mu.Unlock()
	wanted := make(map[string]bool)
	for i := range cfg.PBXs {
		conf := &cfg.PBXs[i]
		wanted[conf.Name] = true
		p := d.pbxs[conf.Name]
		switch {
		case p == nil:
			p = &pbx{name: conf.Name, events: make(chan []textback.Event), queue: newChanges(), done: make(chan struct{}),
				tracked: make(chan struct{})}
			p.last.Store(d.now().UnixNano())
			d.pbxs[conf.Name] = p
			p.conf.Store(conf)
			d.startLink(p, conf)
			d.eg.Go(func() error { d.track(d.ctx, p); return nil })
			d.eg.Go(func() error { d.judge(d.work, p); return nil })
			continue
		case slices.Contains(changes.PBXs.Same, conf.Name):
			p.conf.Store(conf)
			continue
		default:
			p.endLink()
			p.last.Store(d.now().UnixNano())
			p.conf.Store(conf)
			d.startLink(p, conf)
		}
	}
	for name, p := range d.pbxs {
		if wanted[name] || p.removed {
			continue
		}
		p.removed = true
		p.endLink()
		// Nothing will tell of its calls any more: they end here, as calls that nobody saw end.
		p.hand([]textback.Event{{Kind: textback.LinkUp, Seen: d.now()}})
		d.met.pbxGone(name)
	}
}

// endLink ends the link and waits for its end.
func (p *pbx) endLink() {
	p.stop()
	<-*p.linkEnd.Load()
}

// hand gives events to the tracker, as long as it lives: what was taken off the wire before a stop still counts.
func (p *pbx) hand(events []textback.Event) {
	select {
	case p.events <- events:
	case <-p.tracked:
	}
}

// startLink runs a link. Its end is published before anybody can wait for it.
func (d *Daemon) startLink(p *pbx, conf *configs.PBX) {
	ctx, stop := context.WithCancel(d.ctx)
	end := make(chan struct{})
	p.stop, p.removed = stop, false
	p.linkEnd.Store(&end)
	src, err := d.newSource(p, conf)
	if err != nil {
		d.log.Error("pbx-refused", "pbx", p.name, "error", err)
		d.met.told("pbx", p.name, err, "")
		p.src.Store(nil)
		close(end)
		return
	}
	p.src.Store(&src)
	go func() {
		defer close(end)
		err := src.run(ctx, func(events []textback.Event) {
			p.last.Store(d.now().UnixNano())
			if len(events) > 0 {
				p.hand(events)
			}
		})
		if err != nil && ctx.Err() == nil {
			d.met.told("pbx", p.name, err, "")
			d.log.Error("pbx-refused", "pbx", p.name, "error", err)
		}
	}()
}

// allPBXs are the PBXs that there are now, those that a reload has removed included.
func (d *Daemon) allPBXs() []*pbx {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Collect(maps.Values(d.pbxs))
}

// pbxsDone waits until every call that ended before the stop has its verdict.
func (d *Daemon) pbxsDone() {
	for _, p := range d.allPBXs() {
		<-p.done
	}
	<-d.settled // calls that waited for records are judged after those
}

func (d *Daemon) newSource(p *pbx, conf *configs.PBX) (source, error) {
	switch conf.Kind {
	case configs.Asterisk:
		return d.newAsterisk(p, conf)
	case configs.FreeSWITCH:
		return d.newFreeSWITCH(p, conf)
	default:
		return nil, fmt.Errorf("kind %q is not a PBX that is known", conf.Kind)
	}
}

// noText is the configured channel variable and its value as the adapters want it.
func noText(conf *configs.PBX) string {
	if conf.NoTextName == "" {
		return ""
	}
	return conf.NoTextName + "=" + conf.NoTextValue
}

// asterisk is an ARI link and its translation.
type asterisk struct {
	opts       ari.Options
	translator *ari.Translator
	counters   *ari.Counters
	link       func(up bool)
}

func (d *Daemon) newAsterisk(p *pbx, conf *configs.PBX) (source, error) {
	a := &asterisk{counters: new(ari.Counters), link: d.met.pbxLink(p.name, d.now)}
	a.translator = ari.NewTranslator(ari.TranslateOptions{PBX: conf.Name, Inbound: conf.Inbound, Trunks: conf.Trunks,
		LineFrom: conf.LineFrom, NoText: noText(conf)})
	a.opts = ari.Options{URL: conf.URL, Username: conf.Username, Password: conf.Password.Reveal(), App: conf.App,
		Types: a.translator.Types(), Variable: a.translator.Variable, Lookups: a.translator.Lookups, Counters: a.counters,
		Notify: func(s ari.Status) { d.ariStatus(p.name, s) }, Dial: d.o.DialPBX}
	if strings.HasPrefix(conf.URL, "https:") {
		t, err := ClientTLS(conf.TLSCA, conf.TLSServerName, "")
		if err != nil {
			return nil, err
		}
		a.opts.TLS = t
	}
	return a, nil
}

func (a *asterisk) run(ctx context.Context, emit func([]textback.Event)) error {
	return ari.Run(ctx, a.opts, func(m ari.Message) {
		switch m.Kind {
		case ari.MessageUp:
			a.link(true)
		case ari.MessageDown:
			a.link(false)
		default:
		}
		emit(a.translator.Translate(m))
	})
}

func (a *asterisk) state() linkState {
	c := a.counters
	return linkState{Up: c.Up.Load(), Events: c.Events.Load(), Lost: c.Dropped.Load(), ReadBacks: c.ReadBacks.Load(),
		Unread: c.Undecodable.Load()}
}

func (a *asterisk) callBack(ctx context.Context, c callback) error {
	_, err := ari.Originate(ctx, a.opts, ari.OriginateRequest{Endpoint: c.endpoint, Extension: c.dial, Context: c.context,
		CallerID: c.callerID, Timeout: c.timeout})
	return err
}

// freeSWITCH is an event socket link and its translation.
type freeSWITCH struct {
	link       *esl.Link
	translator *esl.Translator
	mark       func(up bool)
	up         atomic.Bool
	events     counter
	lost       counter
	readBacks  counter
}

func (d *Daemon) newFreeSWITCH(p *pbx, conf *configs.PBX) (source, error) {
	f := &freeSWITCH{mark: d.met.pbxLink(p.name, d.now)}
	f.translator = esl.NewTranslator(esl.TranslateOptions{PBX: conf.Name, Inbound: conf.Inbound, Trunks: conf.Trunks,
		LineFrom: conf.LineFrom, NoText: noText(conf)})
	o := esl.Options{Addr: conf.Addr, Password: conf.Password.Reveal(), Keep: f.translator.Keep, Dial: d.o.DialPBX,
		Notify: func(s esl.Status) {
			f.lost.add(s.Lost)
			d.eslStatus(p.name, s)
		}}
	if conf.TLS {
		t, err := ClientTLS(conf.TLSCA, conf.TLSServerName, conf.Addr)
		if err != nil {
			return nil, err
		}
		o.TLS = t
	}
	f.link = esl.New(o)
	return f, nil
}

func (f *freeSWITCH) run(ctx context.Context, emit func([]textback.Event)) error {
	return f.link.Run(ctx, func(m esl.Message) {
		switch m.Kind {
		case esl.MessageUp:
			f.up.Store(true)
			f.readBacks.add(1)
			f.mark(true)
		case esl.MessageDown:
			f.up.Store(false)
			f.mark(false)
		case esl.MessageOverflow:
			f.readBacks.add(1)
		default:
			f.events.add(1)
		}
		emit(f.translator.Translate(m))
	})
}

func (f *freeSWITCH) state() linkState {
	return linkState{Up: f.up.Load(), Events: f.events.get(), Lost: f.lost.get(), ReadBacks: f.readBacks.get()}
}

func (f *freeSWITCH) callBack(ctx context.Context, c callback) error {
	_, err := f.link.Originate(ctx, esl.Call{Ring: c.endpoint, Then: c.dial, Context: c.context, CallerNumber: c.callerID,
		Timeout: c.timeout})
	return err
}

func (d *Daemon) ariStatus(name string, s ari.Status) {
	attrs := []any{"pbx", name}
	if s.Err != nil {
		attrs = append(attrs, "error", s.Err)
	}
	if s.Count > 1 {
		attrs = append(attrs, "times", s.Count)
	}
	level, id := slog.LevelWarn, "pbx-"+s.Kind.String()
	switch s.Kind {
	case ari.StatusConnected:
		d.met.told("pbx", name, nil, "")
		level, id = slog.LevelInfo, "pbx-up"
		attrs = append(attrs, "channels", s.Channels)
	case ari.StatusLost, ari.StatusUnreachable:
		d.met.told("pbx", name, s.Err, "")
		id = "pbx-down"
	case ari.StatusCredentials:
		d.met.told("pbx", name, s.Err, hintARI)
		level = slog.LevelError
		attrs = append(attrs, "hint", hintARI)
	case ari.StatusReplaced:
		d.met.told("pbx", name, s.Err, hintOtherApp)
		level = slog.LevelError
		attrs = append(attrs, "hint", hintOtherApp)
	case ari.StatusRefused:
		d.met.told("pbx", name, s.Err, "")
		level = slog.LevelError
	case ari.StatusOverflow:
		level = slog.LevelError
	case ari.StatusUnfiltered, ari.StatusUnknownType:
		level = slog.LevelDebug
	}
	d.log.Log(context.Background(), level, id, attrs...)
}

func (d *Daemon) eslStatus(name string, s esl.Status) {
	attrs := []any{"pbx", name}
	if s.Err != nil {
		attrs = append(attrs, "cause", s.Cause.String(), "error", s.Err)
	}
	if s.Withheld > 0 {
		attrs = append(attrs, "suppressed", s.Withheld)
	}
	level, id := slog.LevelWarn, "pbx-down"
	hint := ""
	if s.Cause == esl.CausePassword {
		hint = hintESL
		attrs = append(attrs, "hint", hint)
	}
	if s.Cause != esl.CauseOverflow {
		d.met.told("pbx", name, s.Err, hint)
	}
	switch {
	case s.Cause == esl.CauseNone:
		level, id = slog.LevelInfo, "pbx-up"
		attrs = append(attrs, "channels", s.Live)
	case s.Cause == esl.CausePassword:
		level, id = slog.LevelError, "pbx-credentials"
	case s.Cause.Lasting():
		level, id = slog.LevelError, "pbx-refused"
	case s.Cause == esl.CauseOverflow:
		level, id = slog.LevelError, "pbx-overflow"
		attrs = append(attrs, "lost", s.Lost)
	}
	d.log.Log(context.Background(), level, id, attrs...)
}

// errNoCallback: nobody has told how this PBX makes calls.
var errNoCallback = errors.New("no [[pbx]] has a callback table")
