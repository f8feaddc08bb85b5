package daemon

import (
	"sync/atomic"

	"textback"
	"textback/cmd/internal/web"
	"textback/smpp"
	"textback/store"
)

// meters feed the metrics from what the stages see.
type meters struct{ *web.Metrics }

func newMeters(version string) *meters { return &meters{web.NewMetrics(version)} }

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
	if t.State == textback.Submitting && t.Attempts <= 1 {
		m.TimeToText.Observe(max(t.Submitted.Sub(t.Due), 0).Seconds())
	}
}

func (m *meters) receipt(a store.Applied) {
	word := "receipt"
	if !a.Matched {
		word = "receipt-unmatched"
	}
	m.Replies.WithLabelValues(word).Inc()
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
	up := 0.0
	if s.State == smpp.Bound {
		up = 1
		m.Reconnects.WithLabelValues("smpp", s.Link).Inc()
	}
	m.LinkUp.WithLabelValues("smpp", s.Link).Set(up)
}

// pbxLink gives the function that a PBX's link tells its state to.
func (m *meters) pbxLink(name string) func(up bool) {
	gauge := m.LinkUp.WithLabelValues("pbx", name)
	gauge.Set(0)
	was := false
	return func(up bool) {
		if up && !was {
			gauge.Set(1)
			m.Reconnects.WithLabelValues("pbx", name).Inc()
		} else if !up {
			gauge.Set(0)
		}
		was = up
	}
}

// pbxGone forgets a PBX that is not configured any more.
func (m *meters) pbxGone(name string) { m.LinkUp.DeleteLabelValues("pbx", name) }

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
