package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"textback/cmd/internal/syslog"
	"textback/configs"
)

func checkVerb() *verb {
	return &verb{name: "check", args: "[--config FILE]", short: "check the configuration and the templates",
		long: "Prints warnings, and exits with 2 if the daemon would refuse to start with this file.", run: runCheck}
}

func runCheck(_ context.Context, e *env, v *verb, args []string) int {
	fs := v.flags(e)
	path := fs.String("config", defaultConfig, "configuration `FILE`")
	rest, code, ok := v.parse(e, fs, args)
	if !ok {
		return code
	}
	if len(rest) == 1 && *path == defaultConfig {
		*path, rest = rest[0], nil
	}
	if len(rest) > 0 {
		return v.misuse(e)
	}
	cfg, code := loadConfig(e, *path)
	if cfg == nil {
		return code
	}
	for _, w := range cfg.Warnings {
		fmt.Fprintf(e.stdout, "warning: %s\n", w)
		if w.Hint != "" {
			fmt.Fprintf(e.stdout, "hint: %s\n", w.Hint)
		}
	}
	fmt.Fprintf(e.stdout, "%s: ok: %d pbx, %d smpp, %d businesses, %d lines, %d templates, %d rules\n", *path, len(cfg.PBXs), len(cfg.SMPPs),
		len(cfg.Set.Businesses), len(cfg.Set.Lines), len(cfg.Set.Templates), len(cfg.Set.Rules))
	return exitOK
}

// loadConfig reads the configuration and prints what is wrong with it.
func loadConfig(e *env, path string) (*configs.Config, int) {
	cfg, err := checkedConfig(path)
	if err == nil {
		return cfg, exitOK
	}
	for _, line := range configs.Lines(err) {
		fmt.Fprintf(e.stderr, "textback: %s\n", line)
	}
	if errors.Is(err, fs.ErrNotExist) && path == defaultConfig {
		fmt.Fprintf(e.stderr, "textback: hint: give the file with --config FILE\n")
	}
	return nil, exitUsage
}

// checkedConfig reads the configuration and checks what only this program knows: whether there can be such a log.
func checkedConfig(path string) (*configs.Config, error) {
	cfg, err := configs.Load(path)
	if err != nil {
		return nil, err
	}
	o, err := logOptions(cfg)
	if err == nil {
		err = syslog.Check(o)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: [syslog]: %w", path, err)
	}
	return cfg, nil
}

// read reads a file given to a command, "-" being standard input.
func (e *env) read(path string) ([]byte, error) {
	if path == "-" {
		return readAll(e.stdin)
	}
	return os.ReadFile(path)
}
