// Package configs reads textback's configuration: one TOML file, checked to the last key. Every mistake is reported with
// file, line, column and a sentence that says what to write instead, all of them at once; what comes out are plain
// values that need no further checking. The package also holds the commented reference file and the packaging files
// (systemd unit, rsyslog, PBX snippets).
//
// It reads the files that the configuration names (secrets, exclude lists) and nothing else; it opens no connection and
// knows no protocol.
package configs

import (
	_ "embed"
	_ "time/tzdata" // so that a time zone is known also where the system has no database of them
)

// Reference is the reference file: every key with its default and a comment.
//
//go:embed reference.toml
var Reference []byte

// Minimal is the shortest useful file.
//
//go:embed minimal.toml
var Minimal []byte
