package configs

import (
	"os"
	"path/filepath"
	"testing"
)

func TestACommandFindsTheSocketThoughTheFileDoesNotPassItsCheck(t *testing.T) {
	dir := t.TempDir()
	for text, want := range map[string][2]string{
		"":                           {defaultControl, defaultState},
		"colour = \"blue\"\n":        {defaultControl, defaultState},
		"control = \"/run/tb.sock\"": {"/run/tb.sock", defaultState},
		"control = \"tb.sock\"\nstate = \"tb.db\"\n[policy]\nquiet = \"25:00\"": {filepath.Join(dir, "tb.sock"), filepath.Join(dir, "tb.db")},
	} {
		path := filepath.Join(dir, "textback.toml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		control, state, err := Paths(path)
		if err != nil || control != want[0] || state != want[1] {
			t.Errorf("%q: %q, %q, %v", text, control, state, err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "bad.toml"), []byte("control = "), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Paths(filepath.Join(dir, "bad.toml")); err == nil {
		t.Error("what is not TOML was read")
	}
}
