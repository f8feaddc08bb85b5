package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"textback/cmd/internal/control"
	"textback/cmd/internal/daemon"
	"textback/cmd/internal/feed"
)

func watchVerb() *verb {
	return &verb{name: "watch", args: "[--lines | --json] [--history N]", short: "show calls, verdicts, texts and replies as they happen",
		long: "On a terminal it is a screen: calls in progress on top, what happens below; q or Ctrl-C ends it. Elsewhere, or with\n" +
			"--lines, it is one line for each thing that happens, and with --json one JSON object a line (docs/monitoring.md). When\n" +
			"the daemon is restarted it goes on by itself. NO_COLOR keeps it free of colours.", run: runWatch}
}

// retryWatch is how long watch waits before it looks for the daemon again.
const retryWatch = time.Second

// watchMissed is how many events a watcher who comes back asks for at most: as many as the daemon keeps.
const watchMissed = 1000

func runWatch(ctx context.Context, e *env, v *verb, args []string) int {
	fs := v.flags(e)
	t := targetFlags(fs)
	asLines := fs.Bool("lines", false, "print lines on a terminal, too")
	history := fs.Int("history", 20, "begin with the last `N` things that happened")
	rest, code, ok := v.parse(e, fs, args)
	if !ok {
		return code
	}
	if len(rest) > 0 || *history < 0 {
		return v.misuse(e)
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	happens := make(chan watchEvent, 256)
	ended := make(chan error, 1)
	go func() {
		ended <- t.follow(ctx, *history, happens)
		close(happens)
	}()
	var err error
	switch out, isFile := e.stdout.(*os.File); {
	case *t.json:
		err = watchJSON(e, happens)
	case isFile && !*asLines && obeys(out):
		err = watchScreen(ctx, e, out, happens)
	default:
		err = watchLines(e, happens)
	}
	stop()
	if followErr := <-ended; err == nil {
		err = followErr
	}
	if err != nil {
		return report(e, err)
	}
	return exitOK
}

// watchEvent is one line of the daemon's stream, or a note of our own about the stream.
type watchEvent struct {
	Seq  uint64          `json:"seq"`
	Type string          `json:"type"`
	At   time.Time       `json:"timestamp"`
	Data json.RawMessage `json:"data"`

	line []byte // as it came
}

// typeAway is our own note that the daemon is away; its data is a [feed.Line].
const typeAway = "away"

// follow hands on what the daemon tells until ctx ends. It looks for the daemon again whenever it is gone; that it cannot be
// reached in the first place is an error.
func (t *target) follow(ctx context.Context, history int, happens chan<- watchEvent) error {
	socket, _, err := t.paths()
	if err != nil {
		return err
	}
	client := control.NewClient(socket)
	args := daemon.WatchArgs{History: history}
	in := &splitter{take: func(line []byte) error {
		ev := watchEvent{line: line}
		if err := json.Unmarshal(line, &ev); err != nil {
			return fmt.Errorf("read what the daemon tells: %w", err)
		}
		if ev.Type == feed.TypeHello {
			var h feed.Hello
			if err := json.Unmarshal(ev.Data, &h); err != nil {
				return fmt.Errorf("read what the daemon tells: %w", err)
			}
			if !h.Started.Equal(args.Started) {
				args.Started, args.After = h.Started, 0
			}
			args.History = watchMissed
		}
		args.After = max(args.After, ev.Seq)
		select {
		case happens <- ev:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}}
	for told := false; ; {
		in.rest, in.lines = nil, 0
		err := client.Stream(ctx, "watch", args, in)
		var refused *control.Error
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.As(err, &refused), args.Started.IsZero():
			return err // it does not want us, or nobody was there in the first place
		case in.lines > 0 || !told:
			told = true
			away, _ := json.Marshal(feed.Line{ID: typeAway, Level: "warning", Pairs: [][2]string{{"error", awayWords(err)}}}) // strings only
			select {
			case happens <- watchEvent{Type: typeAway, At: time.Now(), Data: away}:
			case <-ctx.Done():
				return nil
			}
		}
		if !pause(ctx, retryWatch) {
			return nil
		}
	}
}

func awayWords(err error) string {
	if err == nil || errors.Is(err, control.ErrNotRunning) {
		return "textback has stopped; waiting for it"
	}
	return "the connection is lost; trying again: " + err.Error()
}

// splitter cuts a stream into lines.
type splitter struct {
	rest  []byte
	lines int
	take  func(line []byte) error
}

// longestLine bounds what is kept of a stream without line ends.
const longestLine = 4 << 20

// Write is io.Writer's.
func (s *splitter) Write(b []byte) (int, error) {
	s.rest = append(s.rest, b...)
	for {
		line, rest, found := bytes.Cut(s.rest, []byte("\n"))
		if !found {
			break
		}
		s.lines++
		if err := s.take(bytes.Clone(line)); err != nil {
			return 0, err
		}
		s.rest = rest
	}
	if len(s.rest) > longestLine {
		return 0, errors.New("the daemon sent a line without end")
	}
	return len(b), nil
}

// watchJSON prints each event as it came.
func watchJSON(e *env, happens <-chan watchEvent) error {
	for ev := range happens {
		if ev.line == nil {
			var err error
			if ev.line, err = json.Marshal(ev); err != nil {
				return err
			}
		}
		if _, err := e.stdout.Write(append(inert(ev.line), '\n')); err != nil {
			return err
		}
	}
	return nil
}

// watchLines prints a line for each event that is worth one.
func watchLines(e *env, happens <-chan watchEvent) error {
	colours := colourful(e)
	for ev := range happens {
		l, ok := lineOf(&ev)
		if !ok {
			continue
		}
		if _, err := fmt.Fprintln(e.stdout, l.paint(colours, 0)); err != nil {
			return err
		}
	}
	return nil
}
