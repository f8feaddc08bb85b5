package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"time"
)

// least is the least that lies between hearing of something and telling of it when it is on the disk: one write and fsync, one round
// trip on loopback.
type least struct {
	file        *os.File
	listener    net.Listener
	conn        net.Conn
	n           int64
	sync, trips figures
}

func newLeast(dir string) (l *least, err error) {
	l = &least{}
	defer func() {
		if err != nil {
			l.close()
		}
	}()
	if l.file, err = os.CreateTemp(dir, "sync"); err != nil {
		return l, err
	}
	if l.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return l, err
	}
	go func() {
		if c, err := l.listener.Accept(); err == nil {
			_, _ = io.Copy(c, c)
			c.Close()
		}
	}()
	l.conn, err = net.Dial("tcp", l.listener.Addr().String())
	return l, err
}

func (l *least) close() {
	if l.conn != nil {
		l.conn.Close()
	}
	if l.listener != nil {
		l.listener.Close()
	}
	if l.file != nil {
		l.file.Close()
		os.Remove(l.file.Name())
	}
}

// once writes 8 KB and syncs, as a commit of bbolt does at least twice, and sends an octet there and back.
func (l *least) once() error {
	began := time.Now()
	if _, err := l.file.WriteAt(make([]byte, 8192), l.n%16*8192); err != nil {
		return err
	}
	if err := l.file.Sync(); err != nil {
		return err
	}
	synced := time.Now()
	octet := []byte{0}
	if _, err := l.conn.Write(octet); err != nil {
		return err
	}
	if _, err := io.ReadFull(l.conn, octet); err != nil {
		return err
	}
	l.n++
	l.sync, l.trips = append(l.sync, float64(synced.Sub(began))), append(l.trips, float64(time.Since(synced)))
	return nil
}

// hot is the median of both in a loop.
func hot(dir string) (sync, trip time.Duration, err error) {
	l, err := newLeast(dir)
	if err != nil {
		return 0, 0, err
	}
	defer l.close()
	for range 300 {
		if err := l.once(); err != nil {
			return 0, 0, err
		}
	}
	return time.Duration(l.sync.median()), time.Duration(l.trips.median()), nil
}

// beside is a process that does it forty times a second beside whatever else runs, as a program would that has nothing else to do.
type beside struct {
	cmd *exec.Cmd
	in  io.Closer
	out *strings.Builder
}

func startLeast(ctx context.Context, dir string) (*beside, error) {
	b := &beside{cmd: child(ctx, "speed-least", dir), out: &strings.Builder{}}
	b.cmd.Stdout = b.out
	in, err := b.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	b.in = in
	return b, b.cmd.Start()
}

// stop ends it and gives its medians.
func (b *beside) stop() (sync, trip time.Duration, err error) {
	if err := errors.Join(b.in.Close(), b.cmd.Wait()); err != nil {
		return 0, 0, fmt.Errorf("measure one fsync and one round trip: %w", err)
	}
	_, err = fmt.Sscan(b.out.String(), &sync, &trip)
	return sync, trip, err
}

// speedLeast is that process; the end of its input ends it.
func speedLeast(ctx context.Context, args []string, out io.Writer) error {
	if len(args) != 1 {
		return errors.New("speed-least FOLDER")
	}
	l, err := newLeast(args[0])
	if err != nil {
		return err
	}
	defer l.close()
	over := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		close(over)
	}()
	tick := time.NewTicker(25 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if err := l.once(); err != nil {
				return err
			}
		case <-over:
			if l.n == 0 {
				return errors.New("nothing was measured")
			}
			_, err := fmt.Fprintln(out, int64(l.sync.median()), int64(l.trips.median()))
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
