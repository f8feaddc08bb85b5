package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"textback/smpp/smpptest"
)

// scraped is a textback that has seen something of everything, and what its /metrics says.
type scraped struct {
	*stand
	addr string
	body string
}

// scrape runs a textback with a hand-off whose receiver wants nothing any more, a backup, a text and its receipt, and a STOP.
func scrape(t *testing.T) *scraped {
	t.Helper()
	s := &scraped{stand: newStand(t, passwords{"ari-secret", "esl-secret", "smpp-pw"}, nil)}
	gone := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusGone) }))
	t.Cleanup(gone.Close)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.addr = l.Addr().String()
	l.Close()
	backups := filepath.Join(s.dir, "backups")
	config := s.write("textback.toml", s.toml(keys{
		top:      fmt.Sprintf("[syslog]\nto = \"stderr\"\n[metrics]\nlisten = %q\n[backup]\nevery = \"24h\"\ndir = %q\n", s.addr, backups),
		asterisk: "password = \"ari-secret\"", freeswitch: "password = \"esl-secret\"", smpp: "password = \"smpp-pw\"",
		tables: fmt.Sprintf("[[notify]]\nname = \"crm\"\nkind = \"webhook\"\nevents = [\"call.verdict\"]\nurl = %q\nallow_private = true\nsecret = \"whsec_%s\"\n",
			gone.URL, base64.StdEncoding.EncodeToString([]byte("webhook-secret-of-the-test")))}), 0o600)
	if err := os.Mkdir(backups, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(backups, "textback-20261124T120000Z.db"), nil, 0o600); err != nil { // the next one is not due for a while
		t.Fatal(err)
	}
	s.startUp(config)
	s.miss("+12025550142")
	await(t, "the text", func() bool { return s.texted("+12025550142") == 1 })
	if _, err := s.smsc.Deliver(t.Context(), smpptest.Message{From: "12025550142", To: "15550100", Body: "STOP"}); err != nil {
		t.Fatal(err)
	}
	await(t, "all of it in the metrics", func() bool {
		s.body = s.get("/metrics")
		for _, want := range []string{`textback_receipts_total{link="carrier",state="delivered"} 2`, `textback_replies_total{kind="opt-out"} 1`,
			`textback_handoff_disabled{target="crm"} 1`, `textback_opted_out 1`} {
			if !strings.Contains(s.body, want+"\n") {
				return false
			}
		}
		return true
	})
	if got := s.get("/readyz"); got != "ready\n" {
		t.Errorf("/readyz: %s", got)
	}
	return s
}

func (s *scraped) get(path string) string {
	resp, err := http.Get("http://" + s.addr + path)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return string(b)
}

// repository reads a file of the repository.
func repository(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", path))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// dashboard is what of a Grafana dashboard is of interest.
type dashboard struct {
	Panels []struct {
		Title   string
		Targets []struct{ Expr string }
	}
	Annotations struct{ List []struct{ Expr string } }
}

// queries are the queries of the dashboard, by the panel's title, with Grafana's variables replaced.
func queries(t *testing.T) map[string]string {
	t.Helper()
	var d dashboard
	if err := json.Unmarshal([]byte(repository(t, "configs/grafana/textback.json")), &d); err != nil {
		t.Fatal(err)
	}
	all := make(map[string]string)
	replace := strings.NewReplacer("$__rate_interval", "1m", "$instance", ".*")
	for _, p := range d.Panels {
		for i, target := range p.Targets {
			all[fmt.Sprintf("%s (%c)", p.Title, 'A'+i)] = replace.Replace(target.Expr)
		}
	}
	for _, a := range d.Annotations.List {
		all["annotation"] = replace.Replace(a.Expr)
	}
	if len(all) < 25 {
		t.Fatalf("only %d queries in the dashboard", len(all))
	}
	return all
}

// TestScrapeHasEveryMetricThatIsNamedSomewhere: in the alert rules, the dashboard and the documentation; and the documentation
// has every one that is there.
func TestScrapeHasEveryMetricThatIsNamedSomewhere(t *testing.T) {
	s := scrape(t)
	there := make(map[string]bool)
	for _, m := range regexp.MustCompile(`(?m)^([a-z_0-9]+)[{ ]`).FindAllStringSubmatch(s.body, -1) {
		there[m[1]] = true
	}
	name := regexp.MustCompile(`\b(?:textback|process|go)_[a-z_0-9]+\b`)
	rules := repository(t, "configs/prometheus/textback.rules.yml")
	named := map[string]string{}
	for _, expr := range regexp.MustCompile(`(?m)^ +expr: (.*)$`).FindAllStringSubmatch(rules, -1) {
		named["a rule: "+expr[1]] = expr[1]
	}
	if len(named) < 20 {
		t.Fatalf("only %d rules", len(named))
	}
	for title, expr := range queries(t) {
		named["the panel "+title] = expr
	}
	page := repository(t, "docs/monitoring.md")
	_, table, _ := strings.Cut(page, "| metric | labels |")
	table, _, _ = strings.Cut(table, "\n\n")
	for _, m := range regexp.MustCompile("`(textback_[a-z_0-9]+)`").FindAllStringSubmatch(table, -1) {
		named["the documentation"] += " " + m[1]
	}
	for where, text := range named {
		for _, m := range name.FindAllString(text, -1) {
			if !there[m] && !there[m+"_bucket"] {
				t.Errorf("%s names %s, which is not in a real scrape", where, m)
			}
		}
	}
	for _, m := range slices.Sorted(maps.Keys(there)) {
		base := regexp.MustCompile(`_(bucket|sum|count)$`).ReplaceAllString(m, "")
		if strings.HasPrefix(m, "textback_") && !strings.Contains(table, "`"+m+"`") && !strings.Contains(table, "`"+base+"`") {
			t.Errorf("%s is not in docs/monitoring.md", m)
		}
	}
	for _, alert := range regexp.MustCompile(`(?m)^ +- alert: (\w+)$`).FindAllStringSubmatch(rules, -1) {
		if !strings.Contains(repository(t, "configs/prometheus/textback.rules.test.yml"), "alertname: "+alert[1]+"\n        exp_alerts") {
			t.Errorf("no test lets %s fire", alert[1])
		}
		if !strings.Contains(page, "`"+alert[1]+"`") {
			t.Errorf("%s is not in docs/monitoring.md", alert[1])
		}
	}
	if strings.Contains(s.body, "2025550142") {
		t.Error("a metric names a caller")
	}
}

// TestPrometheusTakesTheMetricsTheRulesAndTheDashboard: promtool finds nothing wrong with a real scrape, and a real Prometheus
// that scrapes a textback answers every query of the dashboard and evaluates every rule.
func TestPrometheusTakesTheMetricsTheRulesAndTheDashboard(t *testing.T) {
	if os.Getenv("TEXTBACK_PROMETHEUS") == "" {
		t.Skip("set TEXTBACK_PROMETHEUS=1 where prometheus and promtool are installed (.ci/prometheus)")
	}
	s := scrape(t)
	check := exec.Command("promtool", "check", "metrics")
	check.Stdin = strings.NewReader(s.body)
	if out, err := check.CombinedOutput(); err != nil {
		t.Errorf("promtool check metrics: %v\n%s", err, out)
	}
	rules, err := filepath.Abs("../../configs/prometheus/textback.rules.yml")
	if err != nil {
		t.Fatal(err)
	}
	config := s.write("prometheus.yml", fmt.Sprintf("global: {scrape_interval: 1s, evaluation_interval: 1s}\nrule_files: [%q]\n"+
		"scrape_configs:\n  - job_name: textback\n    static_configs:\n      - targets: [%q]\n", rules, s.addr), 0o644)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	s.start(nil, "prometheus", "--config.file="+config, "--storage.tsdb.path="+filepath.Join(s.dir, "tsdb"), "--web.listen-address="+addr, "--log.level=warn")
	type answer struct {
		Status, Error string
		Data          struct {
			Result []json.RawMessage
			Groups []struct {
				Rules []struct{ Name, Query, Health, LastError string }
			}
		}
	}
	ask := func(path string, query url.Values) (a answer) {
		resp, err := http.Get("http://" + addr + path + "?" + query.Encode())
		if err != nil {
			return a
		}
		defer resp.Body.Close()
		if err := json.NewDecoder(resp.Body).Decode(&a); err != nil {
			a.Error = err.Error()
		}
		return a
	}
	query := func(expr string) answer { return ask("/api/v1/query", url.Values{"query": {expr}}) }
	await(t, "three scrapes", func() bool { return len(query(`count_over_time(textback_link_up[1m]) >= 3`).Data.Result) >= 3 })
	for title, expr := range queries(t) {
		switch a := query(expr); {
		case a.Status != "success":
			t.Errorf("%s: %s\n%s", title, a.Error, expr)
		case len(a.Data.Result) == 0 && title != "annotation":
			t.Errorf("%s shows nothing: %s", title, expr)
		}
	}
	n := 0
	await(t, "the rules", func() bool {
		n = 0
		for _, g := range ask("/api/v1/rules", nil).Data.Groups {
			for _, r := range g.Rules {
				if r.Health == "err" {
					t.Errorf("%s: %s", r.Name, r.LastError)
				}
				if r.Health != "unknown" {
					n++
				}
			}
		}
		return n >= 24 || t.Failed()
	})
}
