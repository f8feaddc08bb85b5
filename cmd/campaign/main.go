// Command campaign holds textback to its promises under faults, and says the figures: it runs the binary between a
// simulated Asterisk, FreeSWITCH and message centre, whose ledgers tell what really happened.
//
//	go run ./cmd/campaign crash -kills 500
//	go run ./cmd/campaign soak -for 1h -rate 20
//	go run ./cmd/campaign abuse
//	go run ./cmd/campaign faults
//	go run ./cmd/campaign all -short
//	go run ./cmd/campaign speed
//
// It exits with 0 only if every promise was kept. docs/reliability.md tells the method and the figures of the long runs.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// campaign is one of the programs.
type campaign struct {
	name, short string
	run         func(ctx context.Context, args []string, out io.Writer) error
}

func campaigns() []campaign {
	return []campaign{
		{"crash", "the daemon is killed at random moments under load and started again", crash},
		{"faults", "every peer, the disk and the clock fail, one after the other", faults},
		{"abuse", "hostile calls and messages against the default policy; what left is counted", abuse},
		{"all", "crash, faults and abuse; -short is what continuous integration runs", all},
		{"speed", "each promise of speed beside its alternative, in one run", speed},
		{"settle", "how late after a call's end events still come that matter, in every recording", settleTable},
		{"soak", "a steady load with reconnects; memory, goroutines, files and file size are watched", soak},
	}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintf(os.Stderr, "campaign: %v\n", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	if len(args) > 0 { // what speed starts itself
		switch args[0] {
		case "speed-peer":
			return speedPeer(ctx, args[1:], out)
		case "speed-holder":
			return speedHolder(ctx, args[1:], out)
		case "speed-least":
			return speedLeast(ctx, args[1:], out)
		case "speed-importer":
			return speedImporter(ctx, args[1:], out)
		}
	}
	if len(args) > 0 {
		for _, c := range campaigns() {
			if c.name == args[0] {
				return c.run(ctx, args[1:], out)
			}
		}
	}
	for _, c := range campaigns() {
		fmt.Fprintf(out, "  %-7s %s\n", c.name, c.short)
	}
	return fmt.Errorf("name one of the campaigns above")
}

// common are the flags of every campaign.
type common struct {
	binary string
	log    string
}

func (c *common) flags(fs *flag.FlagSet) {
	fs.StringVar(&c.binary, "binary", "", "textback `FILE` to run; built from this tree unless given")
	fs.StringVar(&c.log, "log", "", "append the daemon's log to `FILE`")
}
