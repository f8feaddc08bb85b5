package configs

import (
	"fmt"
	"os"

	"github.com/pelletier/go-toml/v2"
)

// Where the state file and the control socket are unless the file says otherwise.
const (
	defaultState   = "/var/lib/textback/textback.db"
	defaultControl = "/run/textback/control.sock"
)

// Paths reads nothing but where the control socket and the state file are: a command can talk to a running daemon though
// the file on disk does not pass its check, or names secrets that the caller may not read.
func Paths(path string) (control, state string, err error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return "", "", fmt.Errorf("read configuration: %w", err)
	}
	where := struct{ State, Control string }{defaultState, defaultControl}
	if err := toml.Unmarshal(data, &where); err != nil {
		return "", "", fmt.Errorf("read configuration: %s is not TOML: %w", path, err)
	}
	c := &checker{file: path}
	return c.path(where.Control), c.path(where.State), nil
}
