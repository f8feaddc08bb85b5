package daemon

import (
	"sync"
	"sync/atomic"
	"time"

	"textback"
	"textback/cmd/internal/web"
	"textback/configs"
	"textback/rules"
	"textback/smpp"
	"textback/store"
)

// meters feed the metrics from what the stages see, and remember what only they are told: since when a link is up or down, and
// when a receipt came last.
type meters struct {
	*web.Metrics
	lastReload   atomic.Bool  // the last reload worked, or there was none
	lastReceipt  atomic.Int64 // Unix nanoseconds, 0: none since the start
	lastAccepted atomic.Int64 // likewise, when a message centre took a text last

	mu    sync.Mutex
	links map[linkKey]linkSince
	whys  map[linkKey]downCause // why a link is down, as it was told last
}

// linkKey names a link: its kind ("pbx", "smpp") and its name in the configuration.
type linkKey struct{ kind, name string }

// linkSince is how a link stands, and since when.
type linkSince struct {
	up bool
	at time.Time
}

func newMeters(version string) *meters {
	m := &meters{Metrics: web.NewMetrics(version), links: make(map[linkKey]linkSince), whys: make(map[linkKey]downCause)}
	m.lastReload.Store(true)
	return m
}

// prepare makes the counters of a configuration exist before anything is counted: a rate over a counter that appears with its first
// event does not see that event, and an alert on it would miss the first text that is lost.
func (m *meters) prepare(cfg *configs.Config) {
	for _, p := range cfg.PBXs {
		m.Calls.WithLabelValues(p.Name, textback.Answered.String())
		for _, o := range textback.MissedOutcomes() {
			m.Calls.WithLabelValues(p.Name, o.String())
		}
	}
	for _, key := range businesses(cfg) {
		m.BreakersOpen.WithLabelValues(key)
		for _, r := range textback.Reasons() {
			m.Verdicts.WithLabelValues(key, r.String())
		}
	}
	for state := textback.Queued; state <= textback.Unknown; state++ {
		m.Texts.WithLabelValues(textback.MissedCallText.String(), state.String())
	}
	for _, l := range cfg.SMPPs {
		m.Segments.WithLabelValues(l.Name)
		m.Submits.WithLabelValues(l.Name)
		for _, state := range []string{textback.Delivered.String(), textback.Undelivered.String(), textback.Accepted.String(), "unmatched"} {
			m.Receipts.WithLabelValues(l.Name, state)
		}
	}
	for _, n := range cfg.Notify {
		m.Handoffs.WithLabelValues(n.Name, "delivered")
		m.Handoffs.WithLabelValues(n.Name, "failed")
	}
	for kind := rules.Other; kind <= rules.Automatic; kind++ {
		m.Replies.WithLabelValues(kind.String())
	}
	m.Reloads.WithLabelValues("failed")
}

// since notes how a link stands, and tells since when. A link that was never heard of stands so from now on.
func (m *meters) since(kind, name string, up bool, now time.Time) time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	k := linkKey{kind, name}
	if was, ok := m.links[k]; ok && was.up == up {
		return was.at
	}
	m.links[k] = linkSince{up, now}
	return now
}

// downCause is why a link is down, and what mends it where that is known.
type downCause struct{ why, hint string }

// told notes what a link told of itself last: why it is down, with the hint that the log gives ("": none), or nil once it is up.
func (m *meters) told(kind, name string, why error, hint string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if why == nil {
		delete(m.whys, linkKey{kind, name})
		return
	}
	m.whys[linkKey{kind, name}] = downCause{why.Error(), hint}
}

// why is why a link is down, with nothing in it if it never told.
func (m *meters) why(kind, name string) downCause {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.whys[linkKey{kind, name}]
}

func (m *meters) outcome(c textback.Call) {
	if c.Direction == textback.Inbound {
		m.Calls.WithLabelValues(c.PBX, c.Outcome.String()).Inc()
	}
}

func (m *meters) verdict(v textback.Verdict) {
	m.Verdicts.WithLabelValues(v.Decision.Business, v.Decision.Reason.String()).Inc()
}

func (m *meters) text(t textback.Text) {
	m.Texts.WithLabelValues(t.Kind.String(), t.State.String()).Inc()
	if t.State == textback.Accepted {
		m.lastAccepted.Store(time.Now().UnixNano())
	}
	if t.State == textback.Submitting && t.Attempts <= 1 {
		m.TimeToText.Observe(max(t.Submitted.Sub(t.Due), 0).Seconds())
	}
}

func (m *meters) receipt(r textback.Receipt, a store.Applied) {
	word := r.State.String()
	if !a.Matched {
		word = "unmatched"
	}
	m.Receipts.WithLabelValues(r.Link, word).Inc()
	m.lastReceipt.Store(r.At.UnixNano())
}

func (m *meters) commit(c store.Commit) {
	if c.Err != nil {
		m.CommitsFailed.Inc()
		return
	}
	m.CommitSeconds.Observe(c.Took.Seconds())
}

func (m *meters) reloaded(err error) {
	m.lastReload.Store(err == nil)
	word := "ok"
	if err != nil {
		word = "failed"
	}
	m.Reloads.WithLabelValues(word).Inc()
}

func (m *meters) reply(kind string) { m.Replies.WithLabelValues(kind).Inc() }

func (m *meters) submitted(a smpp.Answer) {
	if a.Sent == smpp.NotSent {
		return
	}
	m.Segments.WithLabelValues(a.Link).Inc()
	if a.Sent == smpp.Answered {
		m.Submits.WithLabelValues(a.Link).Observe(a.At.Sub(a.Written).Seconds())
	}
}

func (m *meters) smppState(s smpp.Status) {
	if s.State == smpp.Bound {
		m.Reconnects.WithLabelValues("smpp", s.Link).Inc()
	}
}

// pbxLink gives the function that a PBX's link tells its state to.
func (m *meters) pbxLink(name string, now func() time.Time) func(up bool) {
	m.since("pbx", name, false, now())
	was := false
	return func(up bool) {
		if up && !was {
			m.Reconnects.WithLabelValues("pbx", name).Inc()
		}
		was = up
		m.since("pbx", name, up, now())
	}
}

// pbxGone forgets a PBX that is not configured any more.
func (m *meters) pbxGone(name string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.links, linkKey{"pbx", name})
	delete(m.whys, linkKey{"pbx", name})
}

func (m *meters) handoff(target string, err error) {
	result := "delivered"
	if err != nil {
		result = "failed"
	}
	m.Handoffs.WithLabelValues(target, result).Inc()
}

// counter and flag are for the states that links tell from other goroutines.
type counter struct{ n atomic.Uint64 }

func (c *counter) add(n uint64) { c.n.Add(n) }
func (c *counter) get() uint64  { return c.n.Load() }
