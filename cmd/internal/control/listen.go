package control

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// maxPath is what fits into sockaddr_un with the ".new" that the socket is born under.
const maxPath = 103

// Listen opens the control socket at path with mode 0660, and the group if it is not "". A socket that a dead daemon left
// is taken over; one on which something answers is [ErrInUse]. Closing the listener removes the socket, if it still is
// ours.
func Listen(path, group string) (net.Listener, error) {
	if len(path) > maxPath {
		return nil, &Error{Message: fmt.Sprintf("control socket %s: the path is longer than %d bytes", path, maxPath),
			Hint: "set control to a shorter path, such as /run/textback/control.sock"}
	}
	lock, err := lockDir(path)
	if err != nil {
		return nil, err
	}
	defer lock.Close() // which also unlocks
	if err := clearStale(path); err != nil {
		return nil, err
	}
	// The socket is born under another name and moved when mode and group are right: nobody can open it too early, and
	// a command sees either the old one or this.
	born := path + ".new"
	if err := os.Remove(born); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("remove %s: %w", born, err)
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: born, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("listen on control socket %s: %w", path, err)
	}
	l.SetUnlinkOnClose(false)
	if err := settle(born, path, group); err != nil {
		l.Close()
		os.Remove(born)
		return nil, err
	}
	own, err := os.Lstat(path)
	if err != nil {
		l.Close()
		return nil, fmt.Errorf("control socket %s: %w", path, err)
	}
	return &listener{UnixListener: l, path: path, own: own}, nil
}

type listener struct {
	*net.UnixListener
	path string
	own  fs.FileInfo
	once sync.Once
}

// Close stops listening and removes the socket unless a successor has put its own there.
func (l *listener) Close() error {
	l.once.Do(func() {
		if now, err := os.Lstat(l.path); err == nil && os.SameFile(now, l.own) {
			os.Remove(l.path)
		}
	})
	return l.UnixListener.Close()
}

// lockDir keeps two daemons that start at the same instant from each taking the other's fresh socket for a dead one. The
// lock is on the folder itself, so that no file is left behind, and lasts only while Listen runs.
func lockDir(path string) (*os.File, error) {
	dir := filepath.Dir(path)
	d, err := os.Open(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &Error{Message: fmt.Sprintf("listen on control socket %s: the folder %s does not exist", path, dir),
			Hint: "create it for the user that runs textback, or let systemd do it (RuntimeDirectory=textback)"}
	}
	if err != nil {
		return nil, fmt.Errorf("listen on control socket %s: %w", path, err)
	}
	if err := syscall.Flock(int(d.Fd()), syscall.LOCK_EX); err != nil {
		d.Close()
		return nil, fmt.Errorf("lock %s: %w", dir, err)
	}
	return d, nil
}

func clearStale(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("control socket %s: %w", path, err)
	}
	if info.Mode().Type() != fs.ModeSocket {
		return &Error{Message: fmt.Sprintf("control socket %s: there is something else in its place (%s)", path, info.Mode()),
			Hint: "move it away, or set control to another path"}
	}
	conn, err := net.DialTimeout("unix", path, 2*time.Second)
	switch {
	case err == nil:
		conn.Close()
		return fmt.Errorf("%w: it answers on the control socket %s", ErrInUse, path)
	case errors.Is(err, syscall.ECONNREFUSED):
		// Nobody listens any more: the daemon died without cleaning up.
	case errors.Is(err, syscall.EAGAIN):
		// The backlog is full: somebody lives there, and is busy.
		return fmt.Errorf("%w: the control socket %s is taken, though it does not answer now", ErrInUse, path)
	default:
		return fmt.Errorf("see who answers on control socket %s: %w", path, err)
	}
	if err := os.Remove(path); err != nil {
		return fmt.Errorf("remove the dead control socket %s: %w", path, err)
	}
	return nil
}

// settle gives the fresh socket its rights and its name.
func settle(born, path, group string) error {
	if group != "" {
		gid, err := lookupGroup(group)
		if err != nil {
			return err
		}
		if err := os.Chown(born, -1, gid); err != nil {
			return &Error{Message: fmt.Sprintf("give control socket %s to group %s: %v", path, group, err),
				Hint: "the user that runs textback must be a member of the group"}
		}
	}
	if err := os.Chmod(born, 0o660); err != nil {
		return fmt.Errorf("control socket %s: %w", path, err)
	}
	if err := os.Rename(born, path); err != nil {
		return fmt.Errorf("control socket %s: %w", path, err)
	}
	return nil
}

func lookupGroup(name string) (int, error) {
	if gid, err := strconv.Atoi(name); err == nil && gid >= 0 {
		return gid, nil
	}
	g, err := user.LookupGroup(name)
	if err != nil {
		return 0, &Error{Message: fmt.Sprintf("control socket: there is no group %q", name),
			Hint: "create it: groupadd --system " + name}
	}
	return strconv.Atoi(g.Gid)
}
