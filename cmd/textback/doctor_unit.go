package main

import (
	"bufio"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// unit is textback's systemd unit with its drop-ins: the settings that decide what the daemon may see and write
// (systemd.exec(5)).
type unit struct {
	file   string
	values map[string][]string // by key, in order; an empty assignment forgets the ones before
}

// findUnit reads the unit; nil if there is none. root is "/" but in tests.
func findUnit(root string) *unit {
	const name = "textback.service"
	for _, dir := range []string{"etc/systemd/system", "run/systemd/system", "usr/local/lib/systemd/system",
		"usr/lib/systemd/system", "lib/systemd/system"} {
		path := filepath.Join(root, dir, name)
		if _, err := os.Stat(path); err != nil {
			continue
		}
		u := &unit{file: path, values: make(map[string][]string)}
		u.read(path)
		var drops []string
		for _, d := range []string{"usr/lib/systemd/system", "run/systemd/system", "etc/systemd/system"} {
			more, err := filepath.Glob(filepath.Join(root, d, name+".d", "*.conf"))
			if err == nil {
				drops = append(drops, more...)
			}
		}
		slices.SortStableFunc(drops, func(a, b string) int { return strings.Compare(filepath.Base(a), filepath.Base(b)) })
		for _, d := range drops {
			u.read(d)
		}
		return u
	}
	return nil
}

// read adds a file's settings of [Service].
func (u *unit) read(path string) {
	f, err := os.Open(path)
	if err != nil {
		return
	}
	defer f.Close()
	section, held := "", ""
	s := bufio.NewScanner(f)
	for s.Scan() {
		line := held + strings.TrimSpace(s.Text())
		held = ""
		if rest, more := strings.CutSuffix(line, "\\"); more {
			held = rest + " "
			continue
		}
		switch {
		case line == "" || line[0] == '#' || line[0] == ';':
		case line[0] == '[':
			section = line
		case section == "[Service]":
			if key, value, ok := strings.Cut(line, "="); ok {
				key, value = strings.TrimSpace(key), strings.TrimSpace(value)
				if value == "" {
					delete(u.values, key)
				} else {
					u.values[key] = append(u.values[key], value)
				}
			}
		}
	}
}

// value is the last setting of a key.
func (u *unit) value(key string) string {
	if u == nil || len(u.values[key]) == 0 {
		return ""
	}
	return u.values[key][len(u.values[key])-1]
}

// words are all settings of a key, word by word.
func (u *unit) words(key string) (all []string) {
	if u == nil {
		return nil
	}
	for _, v := range u.values[key] {
		all = append(all, strings.Fields(v)...)
	}
	return all
}

// folders are those that systemd makes and lets the daemon write.
func (u *unit) folders() (all []string) {
	for key, base := range map[string]string{"StateDirectory": "/var/lib", "RuntimeDirectory": "/run",
		"CacheDirectory": "/var/cache", "LogsDirectory": "/var/log"} {
		for _, w := range u.words(key) {
			name, _, _ := strings.Cut(w, ":")
			all = append(all, filepath.Join(base, name))
		}
	}
	return all
}

// makes tells whether systemd makes a folder at the start.
func (u *unit) makes(dir string) bool {
	return slices.ContainsFunc(u.folders(), func(f string) bool { return within(dir, f) })
}

func within(path, dir string) bool {
	path, dir = filepath.Clean(path), filepath.Clean(dir)
	return path == dir || strings.HasPrefix(path, strings.TrimSuffix(dir, "/")+"/")
}

// writes tells whether the unit lets the daemon write below a folder.
func (u *unit) writes(dir string) bool {
	if s := u.value("ProtectSystem"); s != "strict" {
		return true
	}
	if u.makes(dir) {
		return true
	}
	return slices.ContainsFunc(u.words("ReadWritePaths"), func(p string) bool {
		return within(dir, strings.TrimLeft(p,
			"-+"))
	})
}

// hides tells whether the unit hides a path from the daemon.
func (u *unit) hides(path string) bool {
	if slices.Contains([]string{"yes", "true", "tmpfs", "1", "on"}, u.value("ProtectHome")) {
		for _, h := range []string{"/home", "/root", "/run/user"} {
			if within(path, h) {
				return true
			}
		}
	}
	if slices.Contains([]string{"yes", "true", "1", "on"}, u.value("PrivateTmp")) && (within(path, "/tmp") ||
		within(path, "/var/tmp")) {
		return true
	}
	return slices.ContainsFunc(u.words("InaccessiblePaths"), func(p string) bool {
		return within(path,
			strings.TrimLeft(p, "-+"))
	})
}

// unitCheck holds the paths of the configuration against what the unit lets the daemon see and write.
func (d *doctor) unitCheck(context.Context) finding {
	u := d.unit
	if u == nil {
		if _, err := os.Stat("/run/systemd/system"); err != nil {
			return healthy("systemd does not run here")
		}
		return doubtful("docs/install.md, 4. Service", "there is no textback.service: nothing starts textback")
	}
	if exec := u.value("ExecStart"); exec != "" {
		fields := strings.Fields(exec)
		if i := slices.Index(fields, "--config"); i >= 0 && i+1 < len(fields) && !samePath(fields[i+1], d.path) {
			return doubtful("textback doctor --config "+fields[i+1], "%s starts with %s, not with %s", u.file,
				fields[i+1], d.path)
		}
	}
	var cannot []string
	for _, dir := range []string{filepath.Dir(d.cfg.State), filepath.Dir(d.cfg.Control), d.cfg.Backup.Dir} {
		if dir != "" && dir != "." && !u.writes(dir) && !slices.Contains(cannot, dir) {
			cannot = append(cannot, dir)
		}
	}
	if len(cannot) > 0 {
		return failing("systemctl edit textback: [Service] ReadWritePaths="+strings.Join(cannot, " "),
			"%s does not let the daemon write in %s", u.file, strings.Join(cannot, ", "))
	}
	paths, _, err := secretFiles(d.path)
	if err != nil {
		return failing("", "%v", err)
	}
	for _, r := range d.cfg.Records {
		if r.Path != "" {
			paths = append(paths, r.Path)
		}
	}
	for _, p := range append(paths, d.path, d.cfg.State) {
		if u.hides(p) {
			return failing("move it to /etc/textback, /var/lib/textback or /var/log",
				"%s hides %s from the daemon (ProtectHome, PrivateTmp or InaccessiblePaths)", u.file, p)
		}
	}
	switch name := u.value("User"); {
	case name == "" || name == "root":
		return doubtful("User=textback, as in configs/textback.service", "%s runs textback as root", u.file)
	case d.user.name != name:
		return failing("systemd-sysusers textback.conf (docs/install.md)", "%s runs textback as %s, a user that does not exist",
			u.file, name)
	}
	return healthy("%s, user %s: state, control and backup can be written, secrets and records be seen", u.file,
		d.user.name)
}

func samePath(a, b string) bool {
	abs, err := filepath.Abs(b)
	return err == nil && filepath.Clean(a) == abs
}
