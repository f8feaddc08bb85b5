package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"
	"golang.org/x/sys/unix"

	"textback/store"
)

// Free space below which the state file is in danger.
const (
	spaceFailed  = 100 << 20
	spaceWarning = 1 << 30
)

// hostChecks are those of this machine.
func (d *doctor) hostChecks() []check {
	list := []check{{"secrets", d.secrets}, {"state", d.state}}
	if d.cfg.Backup.Every > 0 && filepath.Clean(d.cfg.Backup.Dir) != filepath.Dir(d.cfg.State) {
		list = append(list, check{"backup", d.backup})
	}
	return append(list, check{"control socket", d.controlSocket}, check{"unit", d.unitCheck}, check{"clock", clockCheck})
}

// secrets looks at who may read the files that hold passwords.
func (d *doctor) secrets(context.Context) finding {
	paths, inline, err := secretFiles(d.path)
	if err != nil {
		return failing("", "%v", err)
	}
	if inline {
		info, err := os.Stat(d.path)
		if err == nil && info.Mode().Perm()&0o007 != 0 {
			return failing("chmod 640 "+d.path, "%s holds a password and can be read by everybody on this machine",
				d.path)
		}
	}
	for _, p := range append([]string{d.path}, paths...) {
		info, err := os.Stat(p)
		if err != nil {
			return failing("create it: install -m 640 -g textback /dev/stdin "+p, "%v", err)
		}
		if p != d.path && info.Mode().Perm()&0o007 != 0 {
			return failing("chmod 640 "+p, "%s can be read by everybody on this machine (mode %04o)", p,
				info.Mode().Perm())
		}
		if why := d.user.may(p, reading); why != "" {
			return failing(fmt.Sprintf("chgrp %s %s && chmod 640 %s; the folder needs mode 750 of that group",
				d.user.name, p, p), "the daemon's user %s cannot read %s: %s", d.user.name, p, why)
		}
	}
	return healthy("%d files, readable by %s and not by everybody", len(paths), d.user.name)
}

// secretFiles are the paths of all keys *_file that hold a secret, and whether a secret stands in the file itself.
func secretFiles(path string) (paths []string, inline bool, err error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, false, err
	}
	var root map[string]any
	if err := toml.Unmarshal(data, &root); err != nil {
		return nil, false, fmt.Errorf("%s is not TOML", path)
	}
	bases := []string{"password", "secret", "token", "dsn"}
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			for key, x := range v {
				if s, ok := x.(string); ok && s != "" {
					if base, isFile := strings.CutSuffix(key, "_file"); isFile && slices.Contains(bases, base) {
						paths = append(paths, beside(path, s))
					}
					inline = inline || slices.Contains(bases, key)
				}
				walk(x)
			}
		case []any:
			for _, x := range v {
				walk(x)
			}
		}
	}
	walk(root)
	slices.Sort(paths)
	return slices.Compact(paths), inline, nil
}

// beside makes a path of a configuration absolute, as package configs does.
func beside(config, path string) string {
	if rest, ok := strings.CutPrefix(path, "$CREDENTIALS_DIRECTORY/"); ok {
		if dir := os.Getenv("CREDENTIALS_DIRECTORY"); dir != "" {
			return filepath.Join(dir, rest)
		}
	}
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(filepath.Dir(config), path)
}

// state looks at the state file, its folder and the space.
func (d *doctor) state(ctx context.Context) finding {
	path := d.cfg.State
	if _, err := os.Stat(path); err == nil {
		if why := d.user.may(path, writing); why != "" {
			return failing(fmt.Sprintf("chown %s: %s && chmod 600 %s", d.user.name, path, path),
				"the daemon's user %s cannot write %s: %s", d.user.name, path, why)
		}
		if !d.running { // else it is the daemon's, which could not have started with a damaged one
			if st, err := store.Open(store.Options{Path: path, ReadOnly: true}); err == nil {
				st.Close()
			} else if errors.Is(err, store.ErrCorrupt) || errors.Is(err, store.ErrNewer) {
				return failing("docs/state.md tells the way back to a backup", "%v", err)
			}
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return failing("sudo textback doctor", "%v", err)
	}
	f := d.folder(filepath.Dir(path), "the state file")
	if f.State == stateOK {
		f.Detail = path + ": " + f.Detail
	}
	return f
}

// backup looks at the folder of the copies, which the daemon makes itself where it may.
func (d *doctor) backup(context.Context) finding {
	dir := d.cfg.Backup.Dir
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) || d.unit.makes(dir) {
		return d.folder(dir, "backups")
	}
	f := d.folder(filepath.Dir(dir), "backups")
	if f.State == stateOK {
		f.Detail = dir + " will be made by the daemon; " + f.Detail
	}
	return f
}

// folder looks whether the daemon's user can write a folder and whether there is space.
func (d *doctor) folder(dir, what string) finding {
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist) && d.unit.makes(dir):
		return healthy("systemd makes %s at the start", dir)
	case errors.Is(err, fs.ErrNotExist):
		return failing(fmt.Sprintf("install -d -m 700 -o %s -g %s %s", d.user.name, d.user.name, dir),
			"%s, the folder of %s, does not exist", dir, what)
	case err != nil:
		return failing("sudo textback doctor", "%v", err)
	case !info.IsDir():
		return failing("name a folder", "%s is not a folder", dir)
	}
	if why := d.user.may(dir, writing); why != "" {
		return failing(fmt.Sprintf("chown %s: %s", d.user.name, dir), "the daemon's user %s cannot write in %s: %s",
			d.user.name, dir, why)
	}
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return doubtful("", "how much space is left in %s cannot be told: %v", dir, err)
	}
	free := st.Bavail * uint64(st.Bsize)
	switch {
	case free < spaceFailed:
		return failing("make room: without it no call can be stored", "%s: %d MB are left", dir, free>>20)
	case st.Files > 0 && st.Ffree < 100:
		return failing("remove small files: no inode is left for new ones", "%s: %d inodes are left", dir, st.Ffree)
	case free < spaceWarning:
		return doubtful("make room soon", "%s: %d MB are left", dir, free>>20)
	}
	return healthy("writable by %s, %.1f GB free", d.user.name, float64(free)/(1<<30))
}

// controlSocket looks at the socket of the commands.
func (d *doctor) controlSocket(context.Context) finding {
	path := d.cfg.Control
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && d.status != nil:
		return doubtful("systemctl restart textback", "%s is gone although the daemon answers on another", path)
	case errors.Is(err, fs.ErrNotExist):
		dir := filepath.Dir(path)
		if _, err := os.Stat(dir); err != nil {
			if d.unit.makes(dir) {
				return healthy("systemd makes %s at the start", dir)
			}
			return doubtful(fmt.Sprintf("install -d -m 755 -o %s %s", d.user.name, dir), "%s does not exist", dir)
		}
		if why := d.user.may(dir, writing); why != "" {
			return failing(fmt.Sprintf("chown %s: %s", d.user.name, dir),
				"the daemon's user %s cannot make a socket in %s: %s", d.user.name, dir, why)
		}
		return healthy("%s can be made", path)
	case err != nil:
		return failing("sudo textback doctor", "%v", err)
	case info.Mode().Type() != fs.ModeSocket:
		return failing("remove it, or name another path with the key control", "%s is not a socket", path)
	case info.Mode().Perm()&0o007 != 0:
		return failing("systemctl restart textback", "everybody on this machine may use %s (mode %04o)", path,
			info.Mode().Perm())
	}
	return healthy("%s, mode %04o", path, info.Mode().Perm())
}

// clockCheck looks whether the clock is kept right: quiet hours, windows and receipts go by it.
func clockCheck(context.Context) finding {
	if now := time.Now(); now.Year() < 2026 {
		return failing("set it, and start chrony or systemd-timesyncd", "the clock says %s", now.Format(time.DateOnly))
	}
	var t unix.Timex
	state, err := unix.Adjtimex(&t)
	if err != nil {
		return doubtful("", "whether the clock is kept right cannot be told: %v", err)
	}
	if state == unix.TIME_ERROR || t.Status&unix.STA_UNSYNC != 0 {
		return doubtful("start chrony or systemd-timesyncd (timedatectl set-ntp true): quiet hours, windows and TLS go by the clock",
			"the clock is not synchronised; it says %s", time.Now().Format("2006-01-02 15:04:05 MST"))
	}
	return healthy("synchronised, %s", time.Now().Format("2006-01-02 15:04:05 MST"))
}
