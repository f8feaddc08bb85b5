package configs

import (
	"errors"
	"io/fs"
)

// Options are the outside world of [Parse]. The zero value is the real one.
type Options struct {
	// ReadFile reads a file that the configuration names (a secret, an exclude list) and tells its mode.
	ReadFile func(path string) ([]byte, fs.FileMode, error)
	// Getenv reads an environment variable.
	Getenv func(name string) string
}

// Load reads and checks a file. The error is [Errors], or one of the operating system.
func Load(path string) (*Config, error) { return nil, errors.New("not finished") }

// Parse checks the bytes of a file; name is used in errors, and relative paths are relative to its folder. The error is
// [Errors].
func Parse(name string, data []byte, o Options) (*Config, error) { return nil, errors.New("not finished") }
