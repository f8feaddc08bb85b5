// Package systemd tells the service manager how the daemon is doing (sd_notify(3)): ready, reloading, stopping, a status
// line, and signs of life for the watchdog. Without a service manager every call does nothing.
package systemd

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Notifier sends state to the socket that systemd named in NOTIFY_SOCKET. The zero value, and nil, send nothing.
type Notifier struct {
	socket   string
	watchdog time.Duration
}

// New reads NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID through getenv (os.Getenv); pid is the daemon's own.
func New(getenv func(string) string, pid int) *Notifier {
	n := &Notifier{socket: getenv("NOTIFY_SOCKET")}
	// WATCHDOG_PID names the process that is meant (sd_watchdog_enabled(3)); a child that inherited the
	// environment must not answer for its parent.
	if owner := getenv("WATCHDOG_PID"); owner == "" || owner == strconv.Itoa(pid) {
		if usec, err := strconv.ParseInt(getenv("WATCHDOG_USEC"), 10, 64); err == nil && usec > 0 &&
			usec < int64(1<<63-1)/int64(time.Microsecond) {
			n.watchdog = time.Duration(usec) * time.Microsecond
		}
	}
	return n
}

// Ready says that start, or a reload, is finished; status is shown by `systemctl status`.
func (n *Notifier) Ready(status string) error { return n.send("READY=1", "STATUS="+line(status)) }

// Reloading says that the configuration is being read again. Type=notify-reload wants the monotonic time with it;
// Ready ends the reload.
func (n *Notifier) Reloading() error {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		return fmt.Errorf("read the monotonic clock: %w", err)
	}
	return n.send("RELOADING=1", "MONOTONIC_USEC="+strconv.FormatInt(ts.Nano()/int64(time.Microsecond), 10))
}

// Stopping says that the daemon drains and ends.
func (n *Notifier) Stopping(status string) error { return n.send("STOPPING=1", "STATUS="+line(status)) }

// Status sets the line that `systemctl status` shows.
func (n *Notifier) Status(status string) error { return n.send("STATUS=" + line(status)) }

// Watchdog is the time within which systemd wants a sign of life (WatchdogSec=), 0 if it wants none.
func (n *Notifier) Watchdog() time.Duration {
	if n == nil {
		return 0
	}
	return n.watchdog
}

// KeepAlive gives signs of life at half the watchdog's interval for as long as alive says true, until ctx ends. It
// returns at once when systemd wants none. An alive that says false, or hangs, withholds the sign: systemd then
// restarts the daemon.
func (n *Notifier) KeepAlive(ctx context.Context, alive func() bool) {
	if n.Watchdog() == 0 {
		return
	}
	tick := time.NewTicker(max(n.watchdog/2, time.Millisecond))
	defer tick.Stop()
	for {
		if alive() {
			// A failed send needs no report: systemd itself is the one that misses it.
			_ = n.send("WATCHDOG=1")
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (n *Notifier) send(assignments ...string) error {
	if n == nil || n.socket == "" {
		return nil
	}
	// A leading @ is the abstract namespace; package net translates it.
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: n.socket, Net: "unixgram"})
	if err != nil {
		return fmt.Errorf("reach the service manager: %w", err)
	}
	defer conn.Close()
	if err := conn.SetWriteDeadline(time.Now().Add(time.Second)); err != nil {
		return fmt.Errorf("notify the service manager: %w", err)
	}
	if _, err := conn.Write([]byte(strings.Join(assignments, "\n") + "\n")); err != nil {
		return fmt.Errorf("notify the service manager: %w", err)
	}
	return nil
}

// line keeps a status on its line: the protocol separates assignments by newlines.
func line(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s)
}
