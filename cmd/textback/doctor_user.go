package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
)

// account is a user of this machine and the groups that he is in.
type account struct {
	name string
	uid  uint32
	gids []uint32
	any  bool // root, or nobody known: no question of permission
}

// Rights that a file is asked for.
const (
	reading = 4
	writing = 2
	passing = 1
)

// daemonUser is whom the daemon runs as: the unit's user, else the owner of the control socket's folder, else who asks.
func (d *doctor) daemonUser() account {
	if d.unit != nil {
		if a, err := lookup(d.unit.value("User")); err == nil {
			for _, g := range d.unit.words("SupplementaryGroups") {
				if gr, err := user.LookupGroup(g); err == nil {
					if id, err := strconv.ParseUint(gr.Gid, 10, 32); err == nil {
						a.gids = append(a.gids, uint32(id))
					}
				}
			}
			return a
		}
	}
	a := account{name: strconv.Itoa(os.Geteuid()), uid: uint32(os.Geteuid()), any: os.Geteuid() == 0}
	if u, err := user.Current(); err == nil {
		a.name = u.Username
	}
	a.gids = append(a.gids, uint32(os.Getegid()))
	if groups, err := os.Getgroups(); err == nil {
		for _, g := range groups {
			a.gids = append(a.gids, uint32(g))
		}
	}
	return a
}

func lookup(name string) (account, error) {
	if name == "" {
		return account{}, errors.New("no user")
	}
	u, err := user.Lookup(name)
	if err != nil {
		return account{}, err
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return account{}, err
	}
	a := account{name: name, uid: uint32(uid), any: uid == 0}
	groups, err := u.GroupIds()
	if err != nil {
		groups = []string{u.Gid}
	}
	for _, g := range groups {
		if id, err := strconv.ParseUint(g, 10, 32); err == nil {
			a.gids = append(a.gids, uint32(id))
		}
	}
	return a, nil
}

// may tells why a user has no right to a file, "" if there is none: by the modes of it and of the folders before it.
// Access lists are not looked at.
func (a account) may(path string, right os.FileMode) (why string) {
	if a.any {
		return ""
	}
	for dir := filepath.Dir(path); ; dir = filepath.Dir(dir) {
		if why := a.has(dir, passing); why != "" {
			return why
		}
		if dir == filepath.Dir(dir) {
			break
		}
	}
	return a.has(path, right)
}

func (a account) has(path string, right os.FileMode) string {
	info, err := os.Stat(path)
	if err != nil {
		if errors.Is(err, fs.ErrPermission) {
			return "it lies in a folder that we may not look into"
		}
		return fmt.Sprintf("%s is not there", path)
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return ""
	}
	mode := info.Mode().Perm()
	switch {
	case st.Uid == a.uid:
		mode >>= 6
	case slices.Contains(a.gids, st.Gid):
		mode >>= 3
	}
	if mode&right != 0 {
		return ""
	}
	return fmt.Sprintf("%s is of %s:%s, mode %04o", path, userName(st.Uid), groupName(st.Gid), info.Mode().Perm())
}

func userName(id uint32) string {
	s := strconv.FormatUint(uint64(id), 10)
	if u, err := user.LookupId(s); err == nil {
		return u.Username
	}
	return s
}

func groupName(id uint32) string {
	s := strconv.FormatUint(uint64(id), 10)
	if g, err := user.LookupGroupId(s); err == nil {
		return g.Name
	}
	return s
}

// groupOfFile is the group that owns a file, "" if that is no help.
func groupOfFile(path string) string {
	info, err := os.Stat(path)
	if err != nil {
		return ""
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || info.Mode().Perm()&0o040 == 0 || st.Gid == 0 {
		return ""
	}
	return groupName(st.Gid)
}
