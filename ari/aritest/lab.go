package aritest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"time"
)

// Lab drives a real Asterisk 22 with sipp as carrier and phones, by the program .ci/asterisk/lab.
type Lab struct {
	Program string // path of .ci/asterisk/lab
}

// Where the lab's Asterisk listens, and its ARI users.
const (
	LabURL            = "http://127.0.0.1:8088/ari"
	LabUser           = "textback" // may write
	LabPassword       = "textback-secret"
	LabReader         = "reader" // read_only=yes
	LabReaderPassword = "reader-secret"
)

// LabCall is a call that was really placed, with its truth.
type LabCall struct {
	TruthCall
	Ended time.Time // when the caller's side was over, by our clock; zero if the caller was never answered a word
}

// Call places the real calls of scenarios, by number ("04") or name, one scenario after the other, and waits until they are over.
func (l Lab) Call(ctx context.Context, scenarios ...string) ([]LabCall, error) {
	out, err := l.run(ctx, append([]string{"call"}, scenarios...)...)
	if err != nil {
		return nil, err
	}
	var all []LabCall
	lines := bufio.NewScanner(bytes.NewReader(out))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var s struct {
			Calls []struct {
				TruthCall
				Ended float64 `json:"ended"`
			} `json:"calls"`
		}
		// sipp's complaints stand between the lines of JSON.
		if json.Unmarshal(lines.Bytes(), &s) != nil {
			continue
		}
		for _, c := range s.Calls {
			call := LabCall{TruthCall: c.TruthCall}
			if c.Ended > 0 {
				call.Ended = time.UnixMicro(int64(c.Ended * 1e6))
			}
			all = append(all, call)
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("lab call %v: no calls were placed: %s", scenarios, out)
	}
	return all, nil
}

// Start starts Asterisk and waits until it is fully booted; one that runs is stopped first.
func (l Lab) Start(ctx context.Context) error { return l.only(ctx, "start") }

// Stop stops Asterisk.
func (l Lab) Stop(ctx context.Context) error { return l.only(ctx, "stop") }

// Kill is SIGKILL to Asterisk.
func (l Lab) Kill(ctx context.Context) error { return l.only(ctx, "kill") }

// Freeze is SIGSTOP to Asterisk: its connections stand and nothing is answered.
func (l Lab) Freeze(ctx context.Context) error { return l.only(ctx, "freeze") }

// Thaw is SIGCONT.
func (l Lab) Thaw(ctx context.Context) error { return l.only(ctx, "thaw") }

// Cut lets every packet vanish until Mend. It refuses outside a network namespace of the lab's own.
func (l Lab) Cut(ctx context.Context) error { return l.only(ctx, "cut") }

// Mend ends Cut.
func (l Lab) Mend(ctx context.Context) error { return l.only(ctx, "mend") }

func (l Lab) only(ctx context.Context, verb string) error {
	_, err := l.run(ctx, verb)
	return err
}

func (l Lab) run(ctx context.Context, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, l.Program, args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("lab %v: %w: %s", args, err, stderr.Bytes())
	}
	return out, nil
}
