package store

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"textback"
)

var crashRounds = flag.Int("crash.rounds", 4, "how often the writing process is killed")

// crashFile names the state file to the process that is to be killed.
const crashFile = "TEXTBACK_CRASH_FILE"

// TestCrashVictim is the process that TestKilledProcessLosesNothingItAcknowledged kills: it writes as fast as it
// can, and says each thing only when it is durable.
func TestCrashVictim(t *testing.T) {
	path := os.Getenv(crashFile)
	if path == "" {
		t.Skip("it is started by TestKilledProcessLosesNothingItAcknowledged")
	}
	s, err := Open(Options{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	say := func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Printf("ack "+format+"\n", args...)
	}
	ctx, run := context.Background(), os.Getpid()
	if _, err := s.Recover(ctx, t0); err != nil {
		t.Fatal(err)
	}
	for worker := range 8 {
		go func() {
			for n := 0; ; n++ {
				num := fmt.Sprintf("+1202555%04d", rand.IntN(400))
				id := fmt.Sprintf("hq/%d-%d-%d", run, worker, n)
				v, text, err := s.Decide(ctx, missed(id, num, t0), keys(num), t0, window(num, t0))
				if err != nil {
					say("error %v", err)
					return
				}
				say("verdict %s", id)
				if text != nil && v.TextID != 0 {
					say("text %s %d", num, text.ID)
					a := Attempt{ID: text.ID, Link: "carrier", References: []uint16{uint16(text.ID)}}
					if _, err := s.Attempt(ctx, a, t0); err == nil {
						say("wire %d", text.ID)
						if n%3 == 0 {
							if _, err := s.PartAnswered(ctx, PartAnswer{ID: text.ID, Result: PartAccepted, MessageID: id}, t0); err == nil {
								say("accepted %d", text.ID)
							}
						}
					}
				}
				if n%7 == 0 {
					if _, err := s.OptOut(ctx, stop(num, true), t0); err == nil {
						say("stop %s", num)
					}
				}
			}
		}()
	}
	select {}
}

func TestKilledProcessLosesNothingItAcknowledged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "textback.db")
	acked := map[string]string{} // what → detail
	texts := map[string]int{}    // number → texts acknowledged
	for round := range *crashRounds {
		for _, line := range victim(t, path, time.Duration(80+rand.IntN(300))*time.Millisecond) {
			what, rest, _ := strings.Cut(line, " ")
			if what == "error" {
				t.Errorf("round %d: %s", round, rest)
			}
			if what == "text" {
				num, id, _ := strings.Cut(rest, " ")
				texts[num]++
				acked["text "+id] = num
				continue
			}
			acked[line] = rest
		}
		afterCrash(t, path, acked)
	}
	for num, n := range texts {
		if n > 1 {
			t.Errorf("%s got %d texts", num, n)
		}
	}
	t.Logf("%d kills, %d acknowledged operations, %d callers texted", *crashRounds, len(acked), len(texts))
	if len(texts) == 0 {
		t.Error("nothing was written before the kills")
	}
}

// victim runs the writing process, kills it after a while, and returns what it said.
func victim(t *testing.T, path string, life time.Duration) (lines []string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestCrashVictim$")
	cmd.Env = append(os.Environ(), crashFile+"="+path)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	in := bufio.NewScanner(out)
	var kill *time.Timer
	for in.Scan() {
		if kill == nil { // its life begins with the first thing it wrote
			kill = time.AfterFunc(life, func() { _ = cmd.Process.Kill() })
		}
		if line, ok := strings.CutPrefix(in.Text(), "ack "); ok {
			lines = append(lines, line)
		}
	}
	_ = cmd.Wait() // it was killed: the error is what we wanted
	return lines
}

// afterCrash opens the file as a restarted daemon does and holds it against what was acknowledged.
func afterCrash(t *testing.T, path string, acked map[string]string) {
	t.Helper()
	s, err := Open(Options{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Verify(t.Context()); err != nil {
		t.Errorf("verify: %v", err)
	}
	if _, err := s.Recover(t.Context(), t0.Add(time.Minute)); err != nil {
		t.Error(err)
	}
	for what, rest := range acked {
		kind, _, _ := strings.Cut(what, " ")
		var id uint64
		_, _ = fmt.Sscan(strings.TrimPrefix(what, kind+" "), &id)
		switch kind {
		case "verdict":
			if _, err := s.Verdict(t.Context(), rest); err != nil {
				t.Error(err)
			}
		case "stop":
			if out, err := s.OptedOut(t.Context(), rest, acme); err != nil || !out {
				t.Errorf("%s is texted again: %v", rest, err)
			}
		case "text", "wire", "accepted":
			text, err := s.Text(t.Context(), id)
			bad := err != nil || kind == "wire" && text.State == textback.Queued ||
				kind == "accepted" && text.State != textback.Accepted
			if bad {
				t.Errorf("%s: %s %v", what, text.State, err)
			}
		}
	}
	perNumber, confirmed := map[string]int{}, map[string]int{}
	err = s.Texts(t.Context(), t0.Add(-time.Hour), t0.Add(time.Hour), func(text textback.Text) bool {
		switch {
		case text.State == textback.Submitting:
			t.Errorf("text %d is still submitting", text.ID)
		case text.Kind == textback.ConfirmationText:
			confirmed[text.To]++
		case text.State != textback.Cancelled:
			perNumber[text.To]++
		}
		return true
	})
	if err != nil {
		t.Error(err)
	}
	for num, n := range perNumber {
		if n > 1 {
			t.Errorf("%s has %d texts", num, n)
		}
	}
	for num, n := range confirmed {
		if n != 1 {
			t.Errorf("%s has %d confirmations", num, n)
		}
	}
}
