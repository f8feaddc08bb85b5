package web

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Metrics are what Prometheus can ask for. Labels are words of the configuration and of closed lists, never numbers or
// names of callers. docs/monitoring.md lists them.
type Metrics struct {
	Calls         *prometheus.CounterVec   // pbx, outcome: ended calls from outside
	Verdicts      *prometheus.CounterVec   // business, reason
	Texts         *prometheus.CounterVec   // kind, state: changes into that state
	Segments      *prometheus.CounterVec   // link: segments written
	Submits       *prometheus.HistogramVec // link: seconds from submit_sm to its answer
	TimeToText    prometheus.Histogram     // seconds from a text's due time until it was written
	Receipts      *prometheus.CounterVec   // link, state: a text's state, or "unmatched"
	Replies       *prometheus.CounterVec   // kind: "opt-out", "opt-in", "help", "person", "branch", ...
	Handoffs      *prometheus.CounterVec   // target, result: "delivered", "failed"
	Reconnects    *prometheus.CounterVec   // kind ("pbx", "smpp"), name
	BreakersOpen  *prometheus.GaugeVec     // business: 1 while its budget is spent
	CommitSeconds prometheus.Histogram     // from a commit's beginning until it is on the disk
	CommitsFailed prometheus.Counter       // commits that failed
	StoreErrors   prometheus.Counter       // operations that could not be stored, each attempt
	Reloads       *prometheus.CounterVec   // result: "ok", "failed"
	HTTPRefused   prometheus.Counter       // requests with a wrong signature or token

	// Alive and Ready answer /healthz and /readyz; nil is always well. Ready names what is missing, a line each.
	Alive func(context.Context) error
	Ready func(context.Context) []string

	registry *prometheus.Registry
}

// NewMetrics makes the metrics on a registry of their own, with those of the Go run time and the process. version is the
// program's.
func NewMetrics(version string) *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry()}
	vec := func(name, help string, labels ...string) *prometheus.CounterVec {
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "textback_" + name, Help: help}, labels)
		m.registry.MustRegister(c)
		return c
	}
	counter := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Name: "textback_" + name, Help: help})
		m.registry.MustRegister(c)
		return c
	}
	histogram := func(name, help string, buckets ...float64) prometheus.Histogram {
		h := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "textback_" + name, Help: help, Buckets: buckets})
		m.registry.MustRegister(h)
		return h
	}
	m.Calls = vec("calls_total", "Ended calls from outside by outcome.", "pbx", "outcome")
	m.Verdicts = vec("verdicts_total", "Verdicts on missed calls by reason.", "business", "reason")
	m.Texts = vec("texts_total", "Texts that changed into a state.", "kind", "state")
	m.Segments = vec("segments_total", "Segments written to a message centre.", "link")
	m.Receipts = vec("receipts_total", "Delivery receipts by what they say, or unmatched.", "link", "state")
	m.Replies = vec("replies_total", "Texts received from callers.", "kind")
	m.Handoffs = vec("handoffs_total", "Attempts to hand something off.", "target", "result")
	m.Reconnects = vec("reconnects_total", "Times that a link came up.", "kind", "name")
	m.Reloads = vec("reloads_total", "Reloads of the configuration.", "result")
	m.Submits = prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "textback_submit_seconds",
		Help:    "Time from submit_sm to its answer.",
		Buckets: []float64{.01, .05, .1, .25, .5, 1, 2.5, 5, 10}}, []string{"link"})
	m.TimeToText = histogram("time_to_text_seconds", "Time from when a text was due until it was written.",
		.1, .5, 1, 2, 5, 10, 30, 60, 300, 1800)
	m.CommitSeconds = histogram("commit_seconds", "Time to write a group of changes to the state file and see it on the disk.",
		.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10)
	m.CommitsFailed = counter("commits_failed_total", "Commits to the state file that failed.")
	m.StoreErrors = counter("store_errors_total", "Operations that could not be stored; each attempt counts.")
	m.HTTPRefused = counter("http_refused_total", "Requests with a wrong signature or token.")
	m.BreakersOpen = prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "textback_breaker_open", Help: "Whether a budget is spent."},
		[]string{"business"})
	build := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "textback_build_info",
		Help: "Always 1; the label is the version."}, []string{"version"})
	build.WithLabelValues(version).Set(1)
	m.registry.MustRegister(m.Submits, m.BreakersOpen, build,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Watch adds a value that is asked for when it is read, such as the lines dropped by the log. The name gets the prefix
// textback_; one that ends in _total is a counter. It panics on a name that is taken.
func (m *Metrics) Watch(name, help string, value func() float64) {
	if strings.HasSuffix(name, "_total") {
		m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "textback_" + name, Help: help}, value))
		return
	}
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "textback_" + name, Help: help}, value))
}

// Reading is a metric whose values are read, all of them together, when somebody asks. As with [Metrics.Watch], one that ends in
// _total is a counter.
type Reading struct {
	Name, Help string
	Labels     []string
}

// Read adds metrics that read gives the values of: it calls set with the name, the value and the values of the labels, once
// for each set of labels. A name that is not among the readings is a mistake of the program, and panics.
func (m *Metrics) Read(all []Reading, read func(set func(name string, value float64, labels ...string))) {
	c := &collector{read: read, all: make(map[string]reading, len(all))}
	for _, r := range all {
		kind := prometheus.GaugeValue
		if strings.HasSuffix(r.Name, "_total") {
			kind = prometheus.CounterValue
		}
		c.all[r.Name] = reading{prometheus.NewDesc("textback_"+r.Name, r.Help, slices.Clone(r.Labels), nil), kind}
	}
	m.registry.MustRegister(c)
}

type reading struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
}

// collector is a set of readings as client_golang wants it.
type collector struct {
	all  map[string]reading
	read func(set func(name string, value float64, labels ...string))
}

// Describe is prometheus.Collector's.
func (c *collector) Describe(to chan<- *prometheus.Desc) {
	for _, r := range c.all {
		to <- r.desc
	}
}

// Collect is prometheus.Collector's.
func (c *collector) Collect(to chan<- prometheus.Metric) {
	c.read(func(name string, value float64, labels ...string) {
		r, ok := c.all[name]
		if !ok {
			panic("there is no reading " + name)
		}
		to <- prometheus.MustNewConstMetric(r.desc, r.kind, value, labels...)
	})
}

// Handler serves /metrics, /healthz (the process answers and can read its state: if not, restart it) and /readyz (it can do
// all of its work: if not, the answer says what is missing, and a restart will not mend it).
func (m *Metrics) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, r *http.Request) {
		if m.Alive != nil && m.Alive(r.Context()) != nil {
			probe(w, http.StatusServiceUnavailable, "unwell")
			return
		}
		probe(w, http.StatusOK, "ok")
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		var missing []string
		if m.Ready != nil {
			missing = m.Ready(r.Context())
		}
		if len(missing) > 0 {
			probe(w, http.StatusServiceUnavailable, missing...)
			return
		}
		probe(w, http.StatusOK, "ready")
	})
	return mux
}

func probe(w http.ResponseWriter, status int, lines ...string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(strings.Join(lines, "\n") + "\n"))
}
