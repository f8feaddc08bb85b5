package syslog

import (
	"encoding/json"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// TestJournaldFilesWhatWasLogged runs inside .ci/rsyslog/journald.sh, which starts a real systemd-journald.
func TestJournaldFilesWhatWasLogged(t *testing.T) {
	journal := os.Getenv("TEXTBACK_JOURNALD")
	if journal == "" {
		t.Skip("run by .ci/rsyslog/journald.sh")
	}
	h, err := New(Options{To: "local", Socket: "/run/systemd/journal/dev-log", PID: 4711})
	if err != nil {
		t.Fatal(err)
	}
	slog.New(h).Log(t.Context(), LevelNotice, "verdict", "call", "hq/17.4", "from", "…058", "rule", "after hours")
	slog.New(h).Error("store-failed", "error", "disk \"full\"\nat\u202e once")
	h.Close(t.Context())
	want := []map[string]string{
		{"PRIORITY": "5", "SYSLOG_FACILITY": "16", "SYSLOG_IDENTIFIER": "textback", "SYSLOG_PID": "4711",
			"MESSAGE": `verdict call=hq/17.4 from=…058 rule="after hours"`},
		{"PRIORITY": "3", "SYSLOG_FACILITY": "16", "SYSLOG_IDENTIFIER": "textback", "SYSLOG_PID": "4711",
			"MESSAGE": `store-failed error="disk \"full\"\nat\u202e once"`},
	}
	var lines []string
	for range 100 {
		out, err := exec.Command("journalctl", "-D", journal, "-t", "textback", "-o", "json", "--no-pager").Output()
		if err != nil {
			t.Fatal(err)
		}
		if lines = strings.Split(strings.TrimSpace(string(out)), "\n"); len(lines) == len(want) {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	if len(lines) != len(want) {
		t.Fatalf("%d entries: %q", len(lines), lines)
	}
	for i, w := range want {
		var got map[string]any
		if err := json.Unmarshal([]byte(lines[i]), &got); err != nil {
			t.Fatal(err)
		}
		for field, value := range w {
			if got[field] != value {
				t.Errorf("%d: %s is %q, want %q", i, field, got[field], value)
			}
		}
	}
}
