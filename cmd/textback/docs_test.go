package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
)

// root is the repository's folder, seen from this package's tests.
const root = "../.."

// page is one page of the documentation.
type page struct {
	name string // relative to the repository
	text string
}

// pages are README.md and everything under docs.
func pages(t *testing.T) []page {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []string{"README.md", "CONTRIBUTING.md", "CHANGELOG.md"} {
		names = append(names, filepath.Join(root, n))
	}
	var all []page
	for _, n := range names {
		b, err := os.ReadFile(n)
		if err != nil {
			t.Fatal(err)
		}
		rel, err := filepath.Rel(root, n)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, page{filepath.ToSlash(rel), string(b)})
	}
	if len(all) < 20 {
		t.Fatalf("only %d pages", len(all))
	}
	return all
}

// anchors are the fragments that a page's headings give (as GitHub makes them).
func anchors(text string) map[string]bool {
	found := map[string]bool{}
	times := map[string]int{}
	fence := false
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "```") {
			fence = !fence
		}
		if fence || !strings.HasPrefix(line, "#") {
			continue
		}
		title := strings.TrimSpace(strings.TrimLeft(line, "#"))
		var b strings.Builder
		for _, r := range strings.ToLower(title) {
			switch {
			case unicode.IsLetter(r), unicode.IsDigit(r), r == '-', r == '_':
				b.WriteRune(r)
			case r == ' ':
				b.WriteByte('-')
			}
		}
		a := b.String()
		if n := times[a]; n > 0 {
			found[fmt.Sprintf("%s-%d", a, n)] = true
		} else {
			found[a] = true
		}
		times[a]++
	}
	return found
}

var (
	link     = regexp.MustCompile(`!?\[[^\]]*\]\(([^)\s]+)\)`)
	codeSpan = regexp.MustCompile("`([^`\n]+)`")
	indented = regexp.MustCompile(`(?m)^(?:    |\t)\S.*$`)
	fenced   = regexp.MustCompile("(?ms)^```([a-z]*)[^\n]*\n(.*?)^```")
	// prefix is what may stand before a command: sudo, a variable of the environment, go run.
	prefix    = regexp.MustCompile(`^(sudo )?(-u textback )?([A-Z_]+=\S+ )?(go run \./cmd/)?`)
	tomlBlock = regexp.MustCompile("(?ms)^```toml\n(.*?)^```")
)

// TestEveryLinkOfTheDocumentationLeadsSomewhere: files, and headings in them. Pages elsewhere are not asked for.
func TestEveryLinkOfTheDocumentationLeadsSomewhere(t *testing.T) {
	all := pages(t)
	heads := map[string]map[string]bool{}
	for _, p := range all {
		heads[p.name] = anchors(p.text)
	}
	seen := 0
	for _, p := range all {
		for _, m := range link.FindAllStringSubmatch(fenced.ReplaceAllString(p.text, ""), -1) {
			target := m[1]
			if strings.Contains(target, "://") || strings.HasPrefix(target, "mailto:") {
				continue
			}
			seen++
			path, fragment, _ := strings.Cut(target, "#")
			name := p.name
			if path != "" {
				name = filepath.ToSlash(filepath.Join(filepath.Dir(p.name), path))
				if _, err := os.Stat(filepath.Join(root, name)); err != nil {
					t.Errorf("%s: %s is not there", p.name, target)
					continue
				}
			}
			if fragment != "" && heads[name] != nil && !heads[name][fragment] {
				t.Errorf("%s: %s has no heading for #%s", p.name, name, fragment)
			}
		}
	}
	if seen < 60 {
		t.Errorf("only %d links were followed", seen)
	}
}

// commands are the command lines of textback on a page: in code spans, in indented and in fenced blocks.
func commands(text string) []string {
	var all []string
	add := func(s string) {
		for line := range strings.Lines(s) {
			line = strings.TrimSpace(line)
			line = strings.TrimPrefix(line, "$ ")
			line = prefix.ReplaceAllString(line, "")
			if i := strings.Index(line, "textback "); i == 0 {
				all = append(all, line[i:])
			}
		}
	}
	for _, m := range codeSpan.FindAllStringSubmatch(text, -1) {
		add(m[1])
	}
	for _, m := range indented.FindAllString(text, -1) {
		add(m)
	}
	for _, m := range fenced.FindAllStringSubmatch(text, -1) {
		if m[1] == "" || m[1] == "sh" || m[1] == "console" || m[1] == "shell" {
			add(m[2])
		}
	}
	return all
}

// flagsOf are the flags that a verb takes, read from its own help.
func flagsOf(t *testing.T, v *verb) []string {
	t.Helper()
	var out bytes.Buffer
	v.run(context.Background(), &env{stdin: strings.NewReader(""), stdout: &out, stderr: &out}, v, []string{"-h"})
	var flags []string
	for _, m := range regexp.MustCompile(`(?m)^  --([a-z-]+)`).FindAllStringSubmatch(out.String(), -1) {
		flags = append(flags, m[1])
	}
	return flags
}

// TestEveryCommandOfTheDocumentationExists: the verb, what is under it, and each flag.
func TestEveryCommandOfTheDocumentationExists(t *testing.T) {
	known := map[string]*verb{}
	flags := map[string][]string{}
	for _, v := range verbs() {
		known[v.name] = v
		flags[v.name] = flagsOf(t, v)
	}
	seen := 0
	for _, p := range pages(t) {
		for _, c := range commands(p.text) {
			fields := strings.Fields(c)
			if len(fields) < 2 || !regexp.MustCompile(`^[a-z]+$`).MatchString(fields[1]) {
				continue
			}
			name := fields[1]
			if name == "help" || name == "version" {
				continue
			}
			v := known[name]
			if v == nil {
				t.Errorf("%s: `%s`: there is no command %q", p.name, c, name)
				continue
			}
			seen++
			for i, w := range fields[2:] {
				if strings.HasPrefix(w, "#") || w == "|" || w == ">" {
					break
				}
				if f, ok := strings.CutPrefix(w, "--"); ok {
					f, _, _ = strings.Cut(strings.TrimRight(f, "].,;:)"), "=")
					if !slices.Contains(flags[name], f) {
						t.Errorf("%s: `%s`: %s has no flag --%s (%s)", p.name, c, name, f, strings.Join(flags[name], " "))
					}
					continue
				}
				// What stands first after optout and threads is a command of its own.
				if under := strings.TrimRight(w, ".,;:)"); i == 0 && (name == "optout" || name == "threads") && regexp.MustCompile(`^[a-z]+$`).MatchString(under) {
					if !strings.Contains(v.args+v.long+v.short, under) {
						t.Errorf("%s: `%s`: the help of %s does not tell of %q", p.name, c, name, under)
					}
				}
			}
		}
	}
	if seen < 60 {
		t.Errorf("only %d commands were looked at", seen)
	}
}

// repositoryPath is what looks like the path of a file or folder of the repository.
var repositoryPath = regexp.MustCompile(`^(cmd|configs|docs|rules|store|smpp|ari|esl|\.ci)/[A-Za-z0-9_./-]+$`)

// TestEveryPathOfTheDocumentationExists: files of the repository that pages name in code.
func TestEveryPathOfTheDocumentationExists(t *testing.T) {
	seen := 0
	for _, p := range pages(t) {
		if p.name == "CHANGELOG.md" {
			continue // tells of what was
		}
		for _, m := range codeSpan.FindAllStringSubmatch(fenced.ReplaceAllString(p.text, ""), -1) {
			path := strings.TrimRight(m[1], "/")
			if !repositoryPath.MatchString(path) {
				continue
			}
			seen++
			if _, err := os.Stat(filepath.Join(root, path)); err != nil {
				t.Errorf("%s: there is no %s", p.name, path)
			}
		}
	}
	if seen < 15 {
		t.Errorf("only %d paths were looked at", seen)
	}
}

// TestEveryPageIsReachedFromTheReadme: a page that nothing leads to is not read.
func TestEveryPageIsReachedFromTheReadme(t *testing.T) {
	all := pages(t)
	leads := map[string][]string{}
	for _, p := range all {
		for _, m := range link.FindAllStringSubmatch(p.text, -1) {
			path, _, _ := strings.Cut(m[1], "#")
			leads[p.name] = append(leads[p.name], filepath.ToSlash(filepath.Join(filepath.Dir(p.name), path)))
		}
	}
	reached := map[string]bool{"README.md": true}
	for again := true; again; {
		again = false
		for from := range reached {
			for _, to := range leads[from] {
				if !reached[to] && strings.HasSuffix(to, ".md") {
					reached[to], again = true, true
				}
			}
		}
	}
	for _, p := range all {
		if strings.HasPrefix(p.name, "docs/") && !reached[p.name] {
			t.Errorf("no link leads to %s", p.name)
		}
	}
}

// TestEveryTroubleOfTheLogHasItsAdvice holds docs/troubleshooting.md against the list of message ids, which another test holds
// against the source: every id at warning or error has a row, and every row is an id.
func TestEveryTroubleOfTheLogHasItsAdvice(t *testing.T) {
	row := regexp.MustCompile("(?m)^\\| ((?:`[a-z-]+`(?:, )?)+) \\| ([a-z][^|]*) \\|")
	levels := map[string]string{}
	advised := map[string]bool{}
	for _, p := range pages(t) {
		switch p.name {
		case "docs/log.md", "docs/monitoring.md":
			for _, m := range row.FindAllStringSubmatch(p.text, -1) {
				if l := m[2]; slices.Contains([]string{"error", "warning", "notice", "info", "debug"}, strings.TrimRight(strings.Fields(l)[0], ",")) {
					for _, id := range codeSpan.FindAllStringSubmatch(m[1], -1) {
						levels[id[1]] = l
					}
				}
			}
		case "docs/troubleshooting.md":
			_, table, ok := strings.Cut(p.text, "## By log line")
			if !ok {
				t.Fatal("docs/troubleshooting.md has no list by log line")
			}
			for _, m := range regexp.MustCompile("(?m)^\\| `([a-z-]+)` \\| .+ \\| .+ \\|$").FindAllStringSubmatch(table, -1) {
				if advised[m[1]] {
					t.Errorf("%s stands twice in docs/troubleshooting.md", m[1])
				}
				advised[m[1]] = true
			}
		}
	}
	if len(levels) < 60 {
		t.Fatalf("only %d message ids were found", len(levels))
	}
	for id, level := range levels {
		if (strings.HasPrefix(level, "error") || strings.Contains(level, "warning")) && !advised[id] {
			t.Errorf("%s (%s) has no row in docs/troubleshooting.md: say what it means for callers, and what to do", id, level)
		}
	}
	for id := range advised {
		if _, ok := levels[id]; !ok {
			t.Errorf("%s stands in docs/troubleshooting.md and is no message id", id)
		}
	}
}

// TestTheRecordingsOfTheDetectionPageSayWhatItSays: the truth beside each recording that the page names.
func TestTheRecordingsOfTheDetectionPageSayWhatItSays(t *testing.T) {
	b, err := os.ReadFile(filepath.Join(root, "docs", "detection.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, table, ok := strings.Cut(string(b), "| outcome | Asterisk | FreeSWITCH |\n")
	if !ok {
		t.Fatal("docs/detection.md names no recordings")
	}
	seen := 0
	for line := range strings.Lines(table) {
		if !strings.HasPrefix(line, "|") {
			break
		}
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "| "), " | ")
		if len(cells) != 3 || strings.Contains(line, "---") {
			continue
		}
		outcome := strings.Trim(cells[0], "`")
		for i, dir := range []string{"ari/aritest/recorded", "esl/testdata/traces"} {
			seen++
			name := filepath.Join(root, dir, cells[i+1]+".json.gz")
			f, err := os.Open(name)
			if err != nil {
				t.Errorf("%s: %v", outcome, err)
				continue
			}
			var truth struct {
				Calls []struct {
					Outcome string `json:"outcome"`
				} `json:"calls"`
			}
			z, err := gzip.NewReader(f)
			if err == nil {
				err = json.NewDecoder(z).Decode(&truth)
			}
			f.Close()
			if err != nil || len(truth.Calls) != 1 || truth.Calls[0].Outcome != outcome {
				t.Errorf("%s is said to be %s: %+v %v", name, outcome, truth.Calls, err)
			}
		}
	}
	if seen < 20 {
		t.Errorf("only %d recordings were looked at", seen)
	}
}
