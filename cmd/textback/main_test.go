package main

import (
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"textback": main, "sandboxprobe": probeSandbox})
}

// TestVerbs runs the acceptance scripts in testdata: the binary as its user runs it.
func TestVerbs(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata", Setup: func(e *testscript.Env) error {
		e.Setenv("TZ", "UTC")
		return nil
	}, Cmds: map[string]func(*testscript.TestScript, bool, []string){"waitfor": waitFor, "numbers": numbers}})
}

// numbers writes a list of opt-outs: numbers FILE COUNT.
func numbers(ts *testscript.TestScript, _ bool, args []string) {
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	b := []byte("number,source,wording\n")
	for i := range n {
		b = fmt.Appendf(b, "+1212555%04d,old provider,STOP\n", i)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), b, 0o600))
}

// waitFor waits until a file is there.
func waitFor(ts *testscript.TestScript, _ bool, args []string) {
	path := ts.MkAbs(args[0])
	deadline := time.After(30 * time.Second)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		if _, err := os.Stat(path); err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			ts.Fatalf("%s did not come", path)
		}
	}
}
