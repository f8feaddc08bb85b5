package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// module is one whose code is in the binary.
type module struct {
	path, version, dir string
	notices            []string // files, relative to dir
}

// targets are the machines that packages are built for: what is linked could differ.
var targets = []string{"amd64", "arm64"}

// writeNotices writes, for each module that is linked and for Go itself, its name, where its source is, and its licence and
// notices in full. A module without a licence is an error: its code may not be passed on.
func writeNotices(ctx context.Context, w io.Writer) error {
	modules, err := linked(ctx)
	if err != nil {
		return err
	}
	root, err := command(ctx, nil, "go", "env", "GOROOT", "GOVERSION")
	if err != nil {
		return err
	}
	goroot, goversion, _ := strings.Cut(strings.TrimSpace(string(root)), "\n")
	list := append([]module{{path: "Go standard library", version: goversion, dir: goroot, notices: []string{"LICENSE", "PATENTS"}}}, modules...)
	fmt.Fprintf(w, "textback contains the work of others. Their names, the source of the exact versions that are in it, and their licences\n"+
		"follow. None of it was changed.\n\n")
	for _, m := range list {
		fmt.Fprintf(w, "  %s %s\n", m.path, m.version)
	}
	for _, m := range list {
		fmt.Fprintf(w, "\n%s\n%s %s\nSource: %s\n", strings.Repeat("=", 78), m.path, m.version, m.source())
		for _, name := range m.notices {
			text, err := os.ReadFile(filepath.Join(m.dir, name))
			if err != nil {
				return err
			}
			fmt.Fprintf(w, "\n--- %s\n\n%s\n", filepath.ToSlash(name), bytes.TrimSpace(bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n"))))
		}
	}
	return nil
}

// upper is a capital letter, which the module proxy's addresses write as "!" and the small one (go.dev/ref/mod).
var upper = regexp.MustCompile(`[A-Z]`)

// source is where the source of a module is.
func (m *module) source() string {
	if !strings.Contains(m.path, "/") {
		return "https://go.dev/dl/" + m.version + ".src.tar.gz"
	}
	escape := func(s string) string {
		return upper.ReplaceAllStringFunc(s, func(c string) string { return "!" + strings.ToLower(c) })
	}
	return "https://proxy.golang.org/" + escape(m.path) + "/@v/" + escape(m.version) + ".zip"
}

// linked lists the modules that packages of the binary come from.
func linked(ctx context.Context) ([]module, error) {
	found := map[string]*module{}
	for _, arch := range targets {
		out, err := command(ctx, []string{"GOOS=linux", "GOARCH=" + arch, "CGO_ENABLED=0"}, "go", "list", "-deps", "-json=Dir,Module", "./cmd/textback")
		if err != nil {
			return nil, err
		}
		for d := json.NewDecoder(bytes.NewReader(out)); ; {
			var p struct {
				Dir    string
				Module *struct {
					Path, Version, Dir string
					Main               bool
					Replace            *struct{ Path, Version, Dir string }
				}
			}
			if err := d.Decode(&p); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				return nil, fmt.Errorf("read what go list prints: %w", err)
			}
			if p.Module == nil || p.Module.Main {
				continue
			}
			if p.Module.Replace != nil {
				return nil, fmt.Errorf("%s is replaced by %s: where is its source?", p.Module.Path, p.Module.Replace.Path)
			}
			m := found[p.Module.Path]
			if m == nil {
				m = &module{path: p.Module.Path, version: p.Module.Version, dir: p.Module.Dir}
				found[m.path] = m
			}
			if err := m.collect(p.Dir); err != nil {
				return nil, err
			}
		}
	}
	var list []module
	for _, m := range found {
		if len(m.notices) == 0 {
			return nil, fmt.Errorf("%s %s has no licence", m.path, m.version)
		}
		slices.Sort(m.notices)
		list = append(list, *m)
	}
	slices.SortFunc(list, func(a, b module) int { return cmp.Compare(a.path, b.path) })
	return list, nil
}

// notice is the name of a file that has to go with the code. LICENSES is a folder of them (reuse.software).
var notice = regexp.MustCompile(`(?i)^(licen[cs]e|licen[cs]es|copying|copyright|notice|patents|authors)([-_.].*)?$`)

// collect looks for notices in the folder of a package that is linked and in those above it, up to the module's own.
func (m *module) collect(dir string) error {
	for ; strings.HasPrefix(dir, m.dir); dir = filepath.Dir(dir) {
		entries, err := os.ReadDir(dir)
		if err != nil {
			return err
		}
		for _, e := range entries {
			if !notice.MatchString(e.Name()) || filepath.Ext(e.Name()) == ".go" {
				continue
			}
			files := []string{filepath.Join(dir, e.Name())}
			if e.IsDir() {
				if files, err = filepath.Glob(filepath.Join(dir, e.Name(), "*")); err != nil {
					return err
				}
			}
			for _, f := range files {
				name, err := filepath.Rel(m.dir, f)
				if err != nil {
					return err
				}
				if !slices.Contains(m.notices, name) {
					m.notices = append(m.notices, name)
				}
			}
		}
	}
	return nil
}
