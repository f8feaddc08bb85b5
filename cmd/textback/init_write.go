package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
)

// newFile is a file that init makes.
type newFile struct {
	path string
	data string
}

// writeAll writes files whole or not at all: each beside its place, synced, then all are put there. Without force none is
// replaced. What was put there before one failed is taken away again.
func writeAll(files []newFile, force bool) (err error) {
	var made []string // temporary
	var placed []string
	defer func() {
		for _, t := range made {
			_ = os.Remove(t) // gone already where all went well
		}
		if err != nil && !force {
			for _, p := range placed {
				_ = os.Remove(p) // ours, from a moment ago
			}
		}
	}()
	for _, f := range files {
		if err := os.MkdirAll(filepath.Dir(f.path), 0o750); err != nil {
			return fmt.Errorf("make the folder of %s: %w", f.path, err)
		}
		t, err := writeTemp(f)
		if err != nil {
			return fmt.Errorf("write %s: %w", f.path, err)
		}
		made = append(made, t)
	}
	for i, f := range files {
		if force {
			if err := keepOld(f.path); err != nil {
				return err
			}
			err = os.Rename(made[i], f.path)
		} else {
			err = os.Link(made[i], f.path) // unlike a rename it never replaces
		}
		if err != nil {
			return fmt.Errorf("write %s: %w", f.path, existsHint(err))
		}
		placed = append(placed, f.path)
	}
	return nil
}

// keepOld keeps a configuration that is replaced. Passwords are not kept.
func keepOld(path string) error {
	if !strings.HasSuffix(path, ".toml") {
		return nil
	}
	old := path + ".old"
	if err := os.Remove(old); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("keep the old configuration: %w", err)
	}
	if err := os.Link(path, old); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("keep the old configuration: %w", err)
	}
	return nil
}

func existsHint(err error) error {
	var le *os.LinkError
	if errors.Is(err, fs.ErrExist) {
		return errors.New("it exists already, and is not replaced without --force")
	}
	if errors.As(err, &le) {
		return le.Err
	}
	return err
}

// writeTemp writes a file that the daemon's group may read. Where there is no such group, or it may not be given, nobody but the writer
// may, unless that is root: a group of other users is no place for a password.
func writeTemp(f newFile) (path string, err error) {
	t, err := os.CreateTemp(filepath.Dir(f.path), ".textback-init-*")
	if err != nil {
		return "", err
	}
	defer func() {
		if e := t.Close(); err == nil {
			err = e
		}
		if err != nil {
			_ = os.Remove(t.Name())
		}
	}()
	gid, ok := daemonGroup()
	if ok && t.Chown(-1, gid) == nil || os.Getuid() == 0 {
		if err := t.Chmod(0o640); err != nil {
			return "", err
		}
	}
	if _, err := t.WriteString(f.data); err != nil {
		return "", err
	}
	return t.Name(), t.Sync()
}

// daemonGroup is the group of the service's user.
func daemonGroup() (gid int, ok bool) {
	g, err := user.LookupGroup("textback")
	if err != nil {
		return 0, false
	}
	gid, err = strconv.Atoi(g.Gid)
	return gid, err == nil
}
