package configs

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestASecretNeverShows(t *testing.T) {
	const value = "correct-horse"
	type holder struct {
		S Secret
		P *Secret
	}
	s := NewSecret(value)
	h := holder{s, &s}
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "secret", s, "holder", h, "pointer", &s)
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "secret", s, "holder", h, "pointer", &s)
	j, err := json.Marshal(h)
	if err != nil {
		t.Fatal(err)
	}
	for _, out := range []string{
		fmt.Sprint(s), fmt.Sprintf("%s %v %+v %#v %q %x %d %T", s, s, s, s, s, s, s, s), fmt.Sprintf("%v %+v %#v", h,
			h, h),
		fmt.Sprintf("%v %+v %#v", &h, &h, &h), fmt.Sprint([]Secret{s}), fmt.Sprint(map[string]Secret{"k": s}),
		fmt.Errorf("bind: %v", s).Error(), string(j), log.String(),
	} {
		if strings.Contains(out, value) || strings.Contains(out, fmt.Sprintf("%x", value)) {
			t.Errorf("shows: %s", out)
		}
		if !strings.Contains(out, "(secret)") && !strings.Contains(out, "0x") {
			t.Errorf("does not say that there is one: %s", out)
		}
	}
	if s.Reveal() != value || !s.IsSet() || (Secret{}).IsSet() || (Secret{}).String() != "" {
		t.Error("Reveal or IsSet is wrong")
	}
}

func TestASecretComesFromAFileACredentialOrTheEnvironment(t *testing.T) {
	env := map[string]string{credentialsVariable: "/run/credentials/textback.service", "ARI_PASSWORD": "from-env"}
	read := func(path string) ([]byte, fs.FileMode, error) {
		switch path {
		case "/run/credentials/textback.service/ari":
			return []byte("from-credential\n"), 0o400, nil
		case "/etc/textback/ari.password":
			return []byte("from-file\r\n"), 0o640, nil
		case "/etc/textback/smpp.password":
			return []byte("x"), 0o640, nil
		}
		return nil, 0, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
	}
	for _, tc := range []struct{ key, want string }{
		{`password = "in line"`, "in line"},
		{`password_file = "ari.password"`, "from-file"},
		{`password_file = "/etc/textback/ari.password"`, "from-file"},
		{`password_file = "$CREDENTIALS_DIRECTORY/ari"`, "from-credential"},
		{`password_credential = "ari"`, "from-credential"},
		{`password_env = "ARI_PASSWORD"`, "from-env"},
	} {
		text := strings.Replace(string(Minimal), `password_file = "/etc/textback/ari.password"`, tc.key, 1)
		c, err := Parse("/etc/textback/textback.toml", []byte(text),
			Options{ReadFile: read, Getenv: func(k string) string { return env[k] }})
		if err != nil {
			t.Errorf("%s: %v", tc.key, err)
			continue
		}
		if got := c.PBXs[0].Password.Reveal(); got != tc.want {
			t.Errorf("%s: %q", tc.key, got)
		}
	}
	text := strings.Replace(string(Minimal), `password_file = "/etc/textback/ari.password"`,
		`password_credential = "../../etc/shadow"`, 1)
	if _, err := Parse("/etc/textback/textback.toml", []byte(text),
		Options{ReadFile: read, Getenv: func(k string) string { return env[k] }}); err == nil {
		t.Error("a credential outside of the credentials' folder was read")
	}
}

func TestASecretThatEverybodyCanReadIsWarnedOf(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(filepath.Join(dir, name), mode); err != nil {
			t.Fatal(err)
		}
	}
	write("ari.password", "secret", 0o644)
	write("smpp.password", "secret", 0o640)
	text := strings.ReplaceAll(string(Minimal), "/etc/textback/", "") // relative: beside the file
	write("textback.toml", text, 0o644)
	c, err := Load(filepath.Join(dir, "textback.toml"))
	if err != nil {
		t.Fatal(err)
	}
	if got := warnings(c); strings.Count(got, "can be read by everybody") != 1 || !strings.Contains(got, "ari.password") {
		t.Errorf("warnings:\n%s", got)
	}
	write("textback.toml", strings.Replace(text, `password_file = "smpp.password"`, `password = "secret"`, 1), 0o644)
	if c, err = Load(filepath.Join(dir, "textback.toml")); err != nil {
		t.Fatal(err)
	}
	if got := warnings(c); !strings.Contains(got, "everybody on this machine may read") ||
		strings.Contains(got, `"secret"`) {
		t.Errorf("warnings:\n%s", got)
	}
}

func warnings(c *Config) string {
	var b strings.Builder
	for _, w := range c.Warnings {
		fmt.Fprintf(&b, "%v | %s\n", w, w.Hint)
	}
	return b.String()
}
