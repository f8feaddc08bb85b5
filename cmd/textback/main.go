// Command textback texts back the callers that a business missed. See `textback help`.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"
)

// version is stamped by the build: go build -ldflags "-X main.version=1.2.3".
var version = ""

// Exit codes: 0 done, 1 it failed, 2 the command line or the configuration is wrong.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
	// exitConfig is that of `textback run` when the configuration is wrong (EX_CONFIG, sysexits.h). The unit does not start
	// it again after that; 2 is what a Go program ends with after a panic, or when the watchdog aborts it.
	exitConfig = 78
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// env is what a verb may use of the outside world.
type env struct {
	stdin          io.Reader
	stdout, stderr io.Writer
}

// verb is one command of the binary.
type verb struct {
	name  string
	args  string // after the name in the usage line
	short string // one line for `textback help`
	long  string // further help
	run   func(ctx context.Context, e *env, v *verb, args []string) int
}

// verbs lists the commands in the order of `textback help`.
func verbs() []*verb {
	return []*verb{
		runVerb(), initVerb(), checkVerb(), demoVerb(), statusVerb(), watchVerb(), explainVerb(), optoutVerb(), threadsVerb(), backupVerb(),
		forgetVerb(), replayVerb(), reportVerb(), testVerb(), doctorVerb(), packVerb(),
	}
}

func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	e := &env{stdin: stdin, stdout: stdout, stderr: stderr}
	if len(args) == 0 {
		usage(stderr)
		return exitUsage
	}
	switch name := args[0]; name {
	case "help", "-h", "-help", "--help":
		if len(args) > 1 {
			return help(e, args[1])
		}
		usage(stdout)
		return exitOK
	case "version", "-version", "--version":
		fmt.Fprintf(stdout, "textback %s (%s, %s/%s)\n", versionWord(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
		return exitOK
	default:
		for _, v := range verbs() {
			if v.name == name {
				return v.run(ctx, e, v, args[1:])
			}
		}
		fmt.Fprintf(stderr, "textback: there is no command %q\ntextback: hint: `textback help` lists them\n", name)
		return exitUsage
	}
}

// versionWord is the stamped version, else what the Go tool recorded of the source.
func versionWord() string {
	if version != "" {
		return version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "development"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			return "development-" + s.Value[:12]
		}
	}
	return "development"
}

func usage(w io.Writer) {
	fmt.Fprintf(w, "textback texts back the callers that a business missed.\n\nUsage: textback COMMAND [arguments]\n\n")
	for _, v := range verbs() {
		fmt.Fprintf(w, "  %-9s %s\n", v.name, v.short)
	}
	fmt.Fprintf(w, "  %-9s %s\n\n`textback help COMMAND` tells more. Documentation: docs/ beside the source.\n", "version",
		"print the version")
}

func help(e *env, name string) int {
	switch name {
	case "version":
		fmt.Fprint(e.stdout, "Usage: textback version\n\nprint the version, with that of Go and the machine it is made for.\n")
		return exitOK
	case "help":
		usage(e.stdout)
		return exitOK
	}
	for _, v := range verbs() {
		if v.name == name {
			printHelp(e.stdout, v)
			v.run(context.Background(), &env{stdin: e.stdin, stdout: e.stdout, stderr: e.stdout}, v, []string{"-h"})
			return exitOK
		}
	}
	fmt.Fprintf(e.stderr, "textback: there is no command %q\ntextback: hint: `textback help` lists them\n", name)
	return exitUsage
}

func printHelp(w io.Writer, v *verb) {
	fmt.Fprintf(w, "Usage: textback %s\n\n%s.\n", strings.TrimSpace(v.name+" "+v.args), v.short)
	if v.long != "" {
		fmt.Fprintf(w, "\n%s\n", v.long)
	}
}

// flags makes the flag set of a verb, whose errors are ours to print.
func (v *verb) flags(e *env) *flag.FlagSet {
	fs := flag.NewFlagSet(v.name, flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.Usage = func() {}
	_ = e
	return fs
}

// parse reads the flags; flags and arguments may come in any order. ok is false when the verb is to end with code.
func (v *verb) parse(e *env, fs *flag.FlagSet, args []string) (rest []string, code int, ok bool) {
	for {
		if err := fs.Parse(args); err != nil {
			if errors.Is(err, flag.ErrHelp) {
				printFlags(e.stdout, fs)
				return nil, exitOK, false
			}
			fmt.Fprintf(e.stderr, "textback: %s: %v\ntextback: hint: `textback help %s`\n", v.name, err, v.name)
			return nil, exitUsage, false
		}
		if fs.NArg() == 0 {
			return rest, exitOK, true
		}
		rest = append(rest, fs.Arg(0))
		args = fs.Args()[1:]
	}
}

func printFlags(w io.Writer, fs *flag.FlagSet) {
	first := true
	fs.VisitAll(func(f *flag.Flag) {
		if first {
			fmt.Fprintln(w, "\nFlags:")
			first = false
		}
		arg, text := flag.UnquoteUsage(f)
		if f.DefValue != "" && f.DefValue != "false" && f.DefValue != "0" {
			text += " (default " + f.DefValue + ")"
		}
		fmt.Fprintf(w, "  %-24s %s\n", strings.TrimSpace("--"+f.Name+" "+arg), text)
	})
}

// fail prints an error, and its hint if it has one, and gives the exit code.
func fail(e *env, code int, err error, hint string) int {
	for line := range strings.Lines(err.Error()) {
		fmt.Fprintf(e.stderr, "textback: %s\n", strings.TrimRight(line, "\n"))
	}
	if hint != "" {
		fmt.Fprintf(e.stderr, "textback: hint: %s\n", hint)
	}
	return code
}

// misuse says that a command was written wrongly.
func (v *verb) misuse(e *env) int {
	fmt.Fprintf(e.stderr, "Usage: textback %s %s\ntextback: hint: `textback help %s`\n", v.name, v.args, v.name)
	return exitUsage
}
