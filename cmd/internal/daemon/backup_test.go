package daemon

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"textback/cmd/internal/control"
	"textback/store"
)

func TestABackupTakesThePlaceOfAnOlderOneOnly(t *testing.T) {
	dir := t.TempDir()
	state := filepath.Join(dir, "textback.db")
	st, err := store.Open(store.Options{Path: state})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	older := filepath.Join(dir, "older.db")
	if err := st.Backup(t.Context(), older); err != nil {
		t.Fatal(err)
	}
	config, empty := filepath.Join(dir, "textback.toml"), filepath.Join(dir, "empty")
	link, hard := filepath.Join(dir, "link.db"), filepath.Join(dir, "hard.db")
	socket := filepath.Join(dir, "s")
	for path, content := range map[string]string{config: strings.Repeat("state = \"/x\"\n", 9), empty: ""} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(state, link); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(state, hard); err != nil {
		t.Fatal(err)
	}
	if l, err := net.Listen("unix", socket); err == nil { // a long TMPDIR has no room for one
		defer l.Close()
	} else {
		socket = os.DevNull
	}
	for _, c := range []struct{ path, says string }{
		{filepath.Join(dir, "new.db"), ""},
		{older, ""},
		{empty, ""},
		{filepath.Join(dir, "none", "new.db"), ""}, // the store says what is wrong with it
		{"new.db", "absolute"},
		{state, "the state file itself"},
		{dir + "/./textback.db", "the state file itself"},
		{link, "the state file itself"},
		{hard, "the state file itself"},
		{config, "exists and is no backup"},
		{socket, "exists and is no backup"},
		{dir, "is a folder"},
	} {
		err := BackupTarget(c.path, state)
		if got := ""; err != nil {
			if got = err.Error(); c.says == "" || !strings.Contains(got, c.says) {
				t.Errorf("%s: %q, want %q", c.path, got, c.says)
			}
			if control.Hint(err) == "" {
				t.Errorf("%s: %v has no hint", c.path, err)
			}
		} else if c.says != "" {
			t.Errorf("%s is taken, want %q", c.path, c.says)
		}
	}
	if err := BackupTarget(filepath.Join(dir, "a"), filepath.Join(dir, "a.tmp")); err == nil {
		t.Error("the state file would be written over on the way to the copy")
	}
}

func TestABackupOntoTheStateFileIsRefusedByTheDaemon(t *testing.T) {
	w := newWorld(t, fast, "")
	w.start()
	cfg, err := w.parse()
	if err != nil {
		t.Fatal(err)
	}
	before, err := os.Stat(cfg.State)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.call("backup", BackupArgs{Path: cfg.State}, nil); err == nil || !strings.Contains(err.Error(), "state file itself") {
		t.Errorf("the daemon says %v", err)
	}
	after, err := os.Stat(cfg.State)
	if err != nil || !os.SameFile(before, after) {
		t.Errorf("the state file is another now: %v", err)
	}
}
