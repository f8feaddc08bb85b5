package web

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Metrics are what Prometheus can ask for. Labels are words of the configuration and of closed lists, never numbers or
// names of callers. docs/http.md lists them.
type Metrics struct {
	Calls        *prometheus.CounterVec   // pbx, outcome: ended calls from outside
	Verdicts     *prometheus.CounterVec   // business, reason
	Texts        *prometheus.CounterVec   // kind, state: changes into that state
	Segments     *prometheus.CounterVec   // link: segments written
	Submits      *prometheus.HistogramVec // link: seconds from submit_sm to its answer
	TimeToText   prometheus.Histogram     // seconds from a text's due time until it was written
	Replies      *prometheus.CounterVec   // kind: "opt-out", "opt-in", "help", "person", "branch", ...
	Handoffs     *prometheus.CounterVec   // target, result: "delivered", "failed"
	LinkUp       *prometheus.GaugeVec     // kind ("pbx", "smpp"), name: 1 while it is up
	Reconnects   *prometheus.CounterVec   // kind, name
	Events       *prometheus.CounterVec   // pbx: events read
	EventsLost   *prometheus.CounterVec   // pbx: events dropped on overflow, each followed by a read-back
	LiveCalls    *prometheus.GaugeVec     // pbx
	Queue        *prometheus.GaugeVec     // queue: "queued", "held", "submitting", "unknown", "handoff"
	BreakersOpen *prometheus.GaugeVec     // business: 1 while its budget is spent
	StoreErrors  prometheus.Counter       // commits that failed
	HTTPRefused  prometheus.Counter       // requests with a wrong signature or token

	registry *prometheus.Registry
}

// NewMetrics makes the metrics on a registry of their own, with those of the Go run time and the process. version is the
// program's.
func NewMetrics(version string) *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry()}
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "textback_" + name, Help: help}, labels)
		m.registry.MustRegister(c)
		return c
	}
	gauge := func(name, help string, labels ...string) *prometheus.GaugeVec {
		g := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "textback_" + name, Help: help}, labels)
		m.registry.MustRegister(g)
		return g
	}
	m.Calls = counter("calls_total", "Ended calls from outside by outcome.", "pbx", "outcome")
	m.Verdicts = counter("verdicts_total", "Verdicts on missed calls by reason.", "business", "reason")
	m.Texts = counter("texts_total", "Texts that changed into a state.", "kind", "state")
	m.Segments = counter("segments_total", "Segments written to a message centre.", "link")
	m.Replies = counter("replies_total", "Texts received from callers.", "kind")
	m.Handoffs = counter("handoffs_total", "Attempts to hand something off.", "target", "result")
	m.Reconnects = counter("reconnects_total", "Times that a link came up again.", "kind", "name")
	m.Events = counter("events_total", "Events read from a PBX.", "pbx")
	m.EventsLost = counter("events_lost_total", "Events dropped because the queue was full.", "pbx")
	m.LinkUp = gauge("link_up", "Whether a link is up.", "kind", "name")
	m.LiveCalls = gauge("live_calls", "Calls going on now.", "pbx")
	m.Queue = gauge("queue", "What waits.", "queue")
	m.BreakersOpen = gauge("breaker_open", "Whether a budget is spent.", "business")
	m.Submits = prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "textback_submit_seconds",
		Help:    "Time from submit_sm to its answer.",
		Buckets: []float64{.01, .05, .1, .25, .5, 1, 2.5, 5, 10}}, []string{"link"})
	m.TimeToText = prometheus.NewHistogram(prometheus.HistogramOpts{Name: "textback_time_to_text_seconds",
		Help:    "Time from when a text was due until it was written.",
		Buckets: []float64{.1, .5, 1, 2, 5, 10, 30, 60, 300, 1800}})
	m.StoreErrors = prometheus.NewCounter(prometheus.CounterOpts{Name: "textback_store_errors_total",
		Help: "Commits that failed."})
	m.HTTPRefused = prometheus.NewCounter(prometheus.CounterOpts{Name: "textback_http_refused_total",
		Help: "Requests with a wrong signature or token."})
	build := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "textback_build_info",
		Help: "Always 1; the label is the version."}, []string{"version"})
	build.WithLabelValues(version).Set(1)
	m.registry.MustRegister(m.Submits, m.TimeToText, m.StoreErrors, m.HTTPRefused, build,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Watch adds a value that is asked for when it is read, such as the lines dropped by the log. The name gets the prefix
// textback_; one that ends in _total is a counter. It panics on a name that is taken.
func (m *Metrics) Watch(name, help string, value func() float64) {
	if len(name) > 6 && name[len(name)-6:] == "_total" {
		m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "textback_" + name, Help: help}, value))
		return
	}
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "textback_" + name, Help: help}, value))
}

// Handler serves /metrics.
func (m *Metrics) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4}))
	return mux
}
