package systemd

import (
	"context"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// manager is the service manager's end of the socket.
func manager(t *testing.T) (*net.UnixConn, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c, path
}

func env(pairs ...string) func(string) string {
	return func(name string) string {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1]
			}
		}
		return ""
	}
}

func read(t *testing.T, c *net.UnixConn) string {
	t.Helper()
	b := make([]byte, 4096)
	n, err := c.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	return string(b[:n])
}

func TestTheServiceManagerIsToldHowTheDaemonIsDoing(t *testing.T) {
	c, path := manager(t)
	n := New(env("NOTIFY_SOCKET", path), 1)
	for _, tt := range []struct {
		send func() error
		want string
	}{
		{func() error { return n.Ready("2 PBXs up") }, "READY=1\nSTATUS=2 PBXs up\n"},
		{func() error { return n.Status("evil\nREADY=1\x00") }, "STATUS=evil READY=1 \n"},
		{func() error { return n.Stopping("3 queued") }, "STOPPING=1\nSTATUS=3 queued\n"},
	} {
		if err := tt.send(); err != nil {
			t.Fatal(err)
		}
		if got := read(t, c); got != tt.want {
			t.Errorf("%q, want %q", got, tt.want)
		}
	}
	if err := n.Reloading(); err != nil {
		t.Fatal(err)
	}
	usec, ok := strings.CutPrefix(read(t, c), "RELOADING=1\nMONOTONIC_USEC=")
	if v, err := strconv.ParseInt(strings.TrimSpace(usec), 10, 64); !ok || err != nil || v <= 0 {
		t.Errorf("reloading: %q", usec)
	}
}

func TestAnAbstractSocketIsReached(t *testing.T) {
	name := "@textback-test-" + strconv.FormatInt(time.Now().UnixNano(), 36)
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := New(env("NOTIFY_SOCKET", name), 1).Status("up"); err != nil {
		t.Fatal(err)
	}
	if got := read(t, c); got != "STATUS=up\n" {
		t.Errorf("%q", got)
	}
}

func TestWithoutAServiceManagerNothingIsSent(t *testing.T) {
	var none *Notifier
	for _, n := range []*Notifier{none, {}, New(env(), 1)} {
		if err := n.Ready("up"); err != nil || n.Watchdog() != 0 {
			t.Errorf("%v, watchdog %v", err, n.Watchdog())
		}
		n.KeepAlive(context.Background(), func() bool { t.Error("asked"); return true })
	}
	if err := New(env("NOTIFY_SOCKET", "/nowhere/notify"), 1).Ready("up"); err == nil {
		t.Error("a socket that is not there is no error")
	}
}

func TestTheWatchdogIsForTheNamedProcessOnly(t *testing.T) {
	for _, tt := range []struct {
		usec, pid string
		want      time.Duration
	}{
		{"30000000", "", 30 * time.Second}, {"30000000", "42", 30 * time.Second}, {"30000000", "41", 0},
		{"", "42", 0}, {"-1", "42", 0}, {"soon", "42", 0}, {"9223372036854775807", "42", 0},
	} {
		if got := New(env("WATCHDOG_USEC", tt.usec, "WATCHDOG_PID", tt.pid), 42).Watchdog(); got != tt.want {
			t.Errorf("%+v: %v", tt, got)
		}
	}
}

func TestSignsOfLifeStopWhenTheDaemonIsStuck(t *testing.T) {
	c, path := manager(t)
	n := New(env("NOTIFY_SOCKET", path, "WATCHDOG_USEC", "4000"), 1)
	ctx, cancel := context.WithCancel(context.Background())
	asked, done := 0, make(chan struct{})
	go func() {
		defer close(done)
		n.KeepAlive(ctx, func() bool {
			if asked++; asked == 6 {
				cancel()
			}
			return asked <= 3
		})
	}()
	<-done
	for range 3 {
		if got := read(t, c); got != "WATCHDOG=1\n" {
			t.Errorf("%q", got)
		}
	}
	if err := c.SetReadDeadline(time.Now()); err != nil {
		t.Fatal(err)
	}
	if n, err := c.Read(make([]byte, 100)); err == nil {
		t.Errorf("%d bytes after it was stuck", n)
	}
}
