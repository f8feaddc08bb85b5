package configs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Bounds of the files that a configuration names.
const (
	maxSecretFile  = 64 << 10
	maxExcludeFile = 16 << 20
)

// credentialsVariable is where systemd tells the folder of LoadCredential (systemd.exec(5), "Credentials").
const credentialsVariable = "CREDENTIALS_DIRECTORY"

// readSystemFile reads a file of at most maxExcludeFile bytes; devices and folders are refused.
func readSystemFile(path string) ([]byte, fs.FileMode, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, 0, err
	}
	if !info.Mode().IsRegular() {
		return nil, info.Mode(), errors.New("it is not a plain file")
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, info.Mode(), err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxExcludeFile+1))
	return data, info.Mode(), err
}

func (o Options) readFile(path string) ([]byte, fs.FileMode, error) {
	if o.ReadFile != nil {
		return o.ReadFile(path)
	}
	return readSystemFile(path)
}

func (o Options) getenv(name string) string {
	if o.Getenv != nil {
		return o.Getenv(name)
	}
	return os.Getenv(name)
}

// path makes a path of the file absolute: relative ones are relative to the configuration's folder, and a leading
// $CREDENTIALS_DIRECTORY/ is systemd's.
func (c *checker) path(text string) string {
	if rest, ok := strings.CutPrefix(text, "$"+credentialsVariable+"/"); ok {
		if dir := c.options.getenv(credentialsVariable); dir != "" {
			return filepath.Join(dir, rest)
		}
	}
	if filepath.IsAbs(text) || text == "" {
		return text
	}
	return filepath.Join(filepath.Dir(c.file), text)
}

// secret reads one secret out of the four keys it can stand in: base, base_file, base_credential, base_env.
func (s *section) secret(base string, required bool) Secret {
	var found []string
	for _, suffix := range []string{"", "_file", "_credential", "_env"} {
		if s.has(base + suffix) {
			found = append(found, base+suffix)
		}
	}
	if len(found) > 1 {
		s.bad(found[1], fmt.Sprintf("%s and %s are both given", found[0], found[1]),
			"keep one of them, best "+base+"_file")
		for _, key := range found {
			s.str(key, "")
		}
		return Secret{}
	}
	if len(found) == 0 {
		if required {
			s.bad(base+"_file", "is missing",
				fmt.Sprintf("write %s_file = %q and put the %s into that file", base, "/etc/textback/"+base, base))
		}
		return Secret{}
	}
	key := found[0]
	text := s.str(key, "")
	if e := s.t.find(key); e.value.kind != kindString {
		return Secret{}
	}
	if text == "" {
		if required {
			s.bad(key, "is empty", fmt.Sprintf("write %s_file = %q and put the %s into that file", base,
				"/etc/textback/"+base, base))
		}
		return Secret{}
	}
	switch key {
	case base:
		return s.inlineSecret(base, text)
	case base + "_file":
		return s.fileSecret(key, s.path(text))
	case base + "_credential":
		dir := s.options.getenv(credentialsVariable)
		if dir == "" {
			s.bad(key, fmt.Sprintf("no credential %q: textback was not started by systemd with credentials", clip(text)),
				fmt.Sprintf("write LoadCredential=%s:/etc/textback/%s into the unit, or use %s_file", clip(text),
					clip(text), base))
			return Secret{}
		}
		if text != filepath.Base(text) || text == ".." || text == "." {
			s.bad(key, fmt.Sprintf("%q is not the name of a credential", clip(text)),
				"write the name that LoadCredential gives it, without a slash")
			return Secret{}
		}
		return s.fileSecret(key, filepath.Join(dir, text))
	default:
		return s.envSecret(key, text)
	}
}

func (s *section) inlineSecret(key, text string) Secret {
	if s.fileReadable {
		s.suspect(key, "stands in a file that everybody on this machine may read",
			fmt.Sprintf("chmod 640 %s, or use %s_file", s.file, key))
	}
	return Secret{text}
}

func (s *section) envSecret(key, name string) Secret {
	if !isVariable(name) {
		// Likely the secret itself, in the wrong key: it is not repeated.
		s.bad(key, "is not the name of an environment variable", fmt.Sprintf("write %s = \"TEXTBACK_PASSWORD\" and set that", key))
		return Secret{}
	}
	value := s.options.getenv(name)
	if value == "" {
		s.bad(key, fmt.Sprintf("the environment variable %q is not set", clip(name)),
			fmt.Sprintf("set %s before textback starts (Environment= or EnvironmentFile= of the unit)", clip(name)))
	}
	return Secret{value}
}

// isVariable tells whether a word can name an environment variable (POSIX.1, 8.1).
func isVariable(name string) bool {
	for i, r := range name {
		if r != '_' && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (i == 0 || r < '0' || r > '9') {
			return false
		}
	}
	return name != ""
}

func (s *section) fileSecret(key, path string) Secret {
	data, mode, err := s.options.readFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		s.bad(key, fmt.Sprintf("%s does not exist", path),
			fmt.Sprintf("create it: install -m 640 -g textback /dev/stdin %s", path))
		return Secret{}
	case errors.Is(err, fs.ErrPermission):
		s.bad(key, fmt.Sprintf("%s may not be read by this user", path),
			fmt.Sprintf("chgrp textback %s && chmod 640 %s", path, path))
		return Secret{}
	case err != nil:
		s.bad(key, fmt.Sprintf("%s cannot be read: %v", path, cause(err)), "put the secret alone into a plain file")
		return Secret{}
	case len(data) > maxSecretFile:
		s.bad(key, fmt.Sprintf("%s has %d bytes, which is no secret", path, len(data)),
			"put the secret alone into the file")
		return Secret{}
	}
	if mode.Perm()&0o007 != 0 {
		s.suspect(key, fmt.Sprintf("%s can be read by everybody on this machine", path),
			fmt.Sprintf("chmod 640 %s", path))
	}
	text := strings.TrimRight(string(data), "\r\n")
	switch {
	case strings.TrimSpace(text) == "":
		s.bad(key, fmt.Sprintf("%s is empty", path), "put the secret into it, on one line")
		return Secret{}
	case strings.ContainsAny(text, "\r\n\x00"):
		s.bad(key, fmt.Sprintf("%s has several lines", path), "put the secret alone into it, on one line")
		return Secret{}
	}
	return Secret{text}
}

// cause is an error without the path that package os puts before it.
func cause(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}
