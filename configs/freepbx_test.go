package configs_test

import (
	"os"
	"strings"
	"testing"
)

// TestTheFreePBXFilesHoldTheSettingsOfTheOthers: what a plain Asterisk gets in one file stands in two on a FreePBX.
func TestTheFreePBXFilesHoldTheSettingsOfTheOthers(t *testing.T) {
	read := func(path string) string {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	plain := settings(read("asterisk/ari.conf"))
	freepbx := settings(read("freepbx/ari_general_custom.conf") + read("freepbx/ari_additional_custom.conf"))
	for line := range freepbx {
		if !plain[line] {
			t.Errorf("%q stands in configs/freepbx and not in configs/asterisk/ari.conf", line)
		}
	}
	// FreePBX sets these two by its own menus.
	for _, own := range []string{"[general]", "enabled = yes", "websocket_write_timeout = 1000"} {
		delete(plain, own)
	}
	for line := range plain {
		if !freepbx[line] {
			t.Errorf("%q stands in configs/asterisk/ari.conf and not in configs/freepbx", line)
		}
	}
}

// settings are the lines of an Asterisk file without comments.
func settings(text string) map[string]bool {
	all := make(map[string]bool)
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, ";")
		if line = strings.TrimSpace(line); line != "" {
			all[line] = true
		}
	}
	return all
}
