package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"textback/cmd/internal/feed"
)

// Sequences by which the screen is taken and given back (xterm's ctlseqs): the alternate screen, the cursor, and the wrapping
// of long lines.
const (
	takeScreen = "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J"
	giveScreen = "\x1b[0m\x1b[?7h\x1b[?25h\x1b[?1049l"
)

const (
	keptLines = 1000                   // of what happened, for a taller window
	paintMost = 100 * time.Millisecond // painting is not worth it more often than this
)

// screen is the live view. One goroutine owns it.
type screen struct {
	out     *os.File
	in      *os.File // nil: no keys
	was     *unix.Termios
	colours bool

	hello feed.Hello
	state feed.State
	away  bool
	calls []feed.Call
	lines []shownLine
}

// watchScreen shows the live view until the events end, ctx ends or a key ends it. It leaves the terminal as it was.
func watchScreen(ctx context.Context, e *env, out *os.File, happens <-chan watchEvent) error {
	s := &screen{out: out, colours: colourful(e)}
	if in, ok := e.stdin.(*os.File); ok && isTerminal(in) {
		s.in = in
	}
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGWINCH, syscall.SIGTSTP, syscall.SIGQUIT, syscall.SIGHUP)
	defer signal.Stop(signals)
	// Whoever cannot be watched is said so on the screen that there is.
	select {
	case ev, ok := <-happens:
		if !ok {
			return nil
		}
		s.happened(&ev)
	case <-ctx.Done():
		return nil
	}
	if err := s.take(); err != nil {
		return err
	}
	defer s.give()
	ctx, stop := context.WithCancel(ctx)
	keys := s.keys(ctx)
	defer func() {
		stop()
		for range keys { // until its reader has ended
		}
	}()
	second := time.NewTicker(time.Second)
	defer second.Stop()
	later := time.NewTimer(0)
	defer later.Stop()
	soon := true // later is running
	for {
		select {
		case ev, ok := <-happens:
			if !ok {
				return nil
			}
			s.happened(&ev)
			for range len(happens) { // what has come is painted together
				if ev, ok := <-happens; ok {
					s.happened(&ev)
				}
			}
			if !soon {
				soon = true
				later.Reset(paintMost)
			}
			continue
		case <-later.C:
			soon = false
		case <-second.C:
		case sig := <-signals:
			switch sig {
			case syscall.SIGWINCH:
			case syscall.SIGTSTP:
				if err := s.suspend(); err != nil {
					return err
				}
			default:
				return nil
			}
		case key, ok := <-keys:
			switch {
			case !ok || key == 'q' || key == 'Q' || key == 4: // 4 is Ctrl-D
				return nil
			case key == 12: // Ctrl-L
				fmt.Fprint(s.out, "\x1b[2J")
			}
		case <-ctx.Done():
			return nil
		}
		if err := s.paint(); err != nil {
			return err
		}
	}
}

// take takes the terminal over: keys come one by one and are not echoed; Ctrl-C and Ctrl-Z are signals as ever.
func (s *screen) take() error {
	if s.in != nil {
		was, err := unix.IoctlGetTermios(int(s.in.Fd()), unix.TCGETS)
		if err != nil {
			return fmt.Errorf("read the settings of the terminal: %w", err)
		}
		raw := *was
		raw.Lflag &^= unix.ICANON | unix.ECHO
		raw.Cc[unix.VMIN], raw.Cc[unix.VTIME] = 1, 0
		if err := setTermios(s.in, &raw); err != nil {
			return fmt.Errorf("set the terminal: %w", err)
		}
		s.was = was
	}
	_, err := fmt.Fprint(s.out, takeScreen)
	return err
}

// give leaves the terminal as it was.
func (s *screen) give() {
	fmt.Fprint(s.out, giveScreen)
	if s.was != nil {
		_ = setTermios(s.in, s.was) // the terminal may be gone
		s.was = nil
	}
}

// suspend is Ctrl-Z: the shell gets its terminal, until it wakes us.
func (s *screen) suspend() error {
	woken := make(chan os.Signal, 1)
	signal.Notify(woken, syscall.SIGCONT)
	defer signal.Stop(woken)
	s.give()
	if err := syscall.Kill(os.Getpid(), syscall.SIGSTOP); err != nil {
		return err
	}
	<-woken // the stop may reach another thread first, and this one must not take the terminal before it does
	return s.take()
}

// keyWait is how often the reader of keys looks whether it is still wanted.
const keyWait = 200 // milliseconds

// keys reads what is typed until ctx ends; the channel is closed then. Without a keyboard it stays silent.
func (s *screen) keys(ctx context.Context) <-chan byte {
	out := make(chan byte)
	go func() {
		defer close(out)
		if s.in == nil {
			<-ctx.Done()
			return
		}
		buf := make([]byte, 64)
		for ctx.Err() == nil {
			fds := []unix.PollFd{{Fd: int32(s.in.Fd()), Events: unix.POLLIN}}
			if n, err := unix.Poll(fds, keyWait); n <= 0 {
				if err != nil && err != unix.EINTR {
					return
				}
				continue
			}
			n, err := unix.Read(int(s.in.Fd()), buf)
			if n <= 0 && err != unix.EINTR && err != unix.EAGAIN {
				return // the terminal is gone
			}
			for _, key := range buf[:max(n, 0)] {
				select {
				case out <- key:
				case <-ctx.Done():
					return
				}
			}
		}
	}()
	return out
}

// happened takes an event in.
func (s *screen) happened(ev *watchEvent) {
	switch ev.Type {
	case feed.TypeHello:
		var h feed.Hello
		if json.Unmarshal(ev.Data, &h) == nil {
			s.hello, s.calls, s.away = h, h.Calls, false
		}
	case feed.TypeState:
		var st feed.State
		if json.Unmarshal(ev.Data, &st) == nil {
			s.state = st
		}
	case feed.TypeRinging, feed.TypeConnected, feed.TypeEnded:
		var c feed.Call
		if json.Unmarshal(ev.Data, &c) != nil {
			return
		}
		i := slices.IndexFunc(s.calls, func(o feed.Call) bool { return o.ID == c.ID })
		switch {
		case ev.Type != feed.TypeEnded && i >= 0:
			s.calls[i] = c
		case ev.Type != feed.TypeEnded:
			s.calls = append(s.calls, c)
		case i >= 0:
			s.calls = slices.Delete(s.calls, i, i+1)
		}
	case typeAway:
		s.away, s.calls = true, nil
	}
	if l, ok := lineOf(ev); ok {
		if len(s.lines) == keptLines {
			s.lines = slices.Delete(s.lines, 0, keptLines/4)
		}
		s.lines = append(s.lines, l)
	}
}

func (s *screen) paint() error {
	cols, rows := terminalSize(s.out)
	var b strings.Builder
	b.WriteString("\x1b[H")
	for i, row := range s.frame(cols, rows, time.Now()) {
		if i > 0 {
			b.WriteString("\r\n")
		}
		b.WriteString(row)
	}
	_, err := s.out.WriteString(b.String())
	return err
}

// frame is the whole picture: one string for each row, each as wide as the terminal, so that nothing need be erased.
func (s *screen) frame(cols, rows int, now time.Time) []string {
	head := style(styleHeader).paint(fit(s.headline(now), cols), s.colours)
	top := []string{head}
	if rows >= 8 {
		top = append(top, s.inProgress(cols, (rows-4)/2, now)...)
		top = append(top, styleFaint.paint(strings.Repeat("-", cols), s.colours))
	}
	room := max(rows-len(top), 0)
	shown := s.lines[max(len(s.lines)-room, 0):]
	for i := range shown {
		top = append(top, shown[i].paint(s.colours, cols))
	}
	for len(top) < rows {
		top = append(top, strings.Repeat(" ", cols))
	}
	return top[:rows]
}

// headline tells who is watched and how it stands.
func (s *screen) headline(now time.Time) string {
	parts := []string{now.Local().Format("15:04:05") + "  textback " + plain(s.hello.Version)}
	if s.away {
		return parts[0] + " | NOT RUNNING, waiting for it"
	}
	for _, l := range s.state.Links {
		parts = append(parts, plain(l.Name)+" "+upWord(l.Up))
	}
	parts = append(parts, fmt.Sprintf("queue %d", s.state.Queued))
	if s.state.InDoubt > 0 {
		parts = append(parts, fmt.Sprintf("in doubt %d", s.state.InDoubt))
	}
	if s.state.Handoffs > 0 {
		parts = append(parts, fmt.Sprintf("hand-offs %d", s.state.Handoffs))
	}
	for _, b := range slices.Sorted(maps.Keys(s.state.Breakers)) {
		parts = append(parts, "BREAKER OPEN "+plain(b))
	}
	if s.state.Shadow > 0 {
		parts = append(parts, fmt.Sprintf("shadow on %d lines", s.state.Shadow))
	}
	if s.state.Problem != "" {
		parts = append(parts, "THE STATE FILE CANNOT BE WRITTEN")
	}
	return strings.Join(parts, " | ")
}

// inProgress are the rows of the calls that go on, at most so many.
func (s *screen) inProgress(cols, most int, now time.Time) []string {
	most = max(most, 2)
	rows := []string{styleFaint.paint(fit(fmt.Sprintf("calls in progress: %d", len(s.calls)), cols), s.colours)}
	for i := range s.calls {
		if len(rows) == most && i < len(s.calls)-1 {
			return append(rows, fit(fmt.Sprintf("  and %d more", len(s.calls)-i), cols))
		}
		c := &s.calls[i]
		word, st, since := "ringing", styleRings, c.Begin
		if c.Connected != nil {
			word, st, since = "talking", styleTalks, *c.Connected
		} else if c.Direction == "outbound" {
			word, st = "calling", styleNone
		}
		text := fmt.Sprintf("  %-8s %6s  %s  %s  %s", word, age(now.Sub(since)), fit(outside(c), 40), fit(plain(c.Line), 16), plain(c.PBX))
		rows = append(rows, st.paint(fit(text, cols), s.colours))
	}
	return rows
}

// age is a time as minutes and seconds.
func age(d time.Duration) string {
	d = max(d, 0).Round(time.Second)
	if d >= time.Hour {
		return fmt.Sprintf("%d:%02d:%02d", d/time.Hour, d/time.Minute%60, d/time.Second%60)
	}
	return fmt.Sprintf("%d:%02d", d/time.Minute, d/time.Second%60)
}
