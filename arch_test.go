package textback_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// allowedImports is the arrow diagram of docs/develop.md: which of our own packages a folder may import.
// A folder stands for everything under it unless it has a row of its own.
var allowedImports = map[string][]string{
	".":             {},
	"rules":         {"textback"},
	"configs":       {"textback", "textback/rules"},
	"store":         {"textback"},
	"ari":           {"textback"},
	"ari/aritest":   {"textback"},
	"esl":           {"textback"},
	"esl/esltest":   {"textback"},
	"smpp":          {"textback"},
	"smpp/smpptest": {"textback"},
	"cmd":           {"textback", "textback/..."},
}

// TestImportsFollowTheArrows keeps the one-way flow: a package that starts to know a sibling fails here.
func TestImportsFollowTheArrows(t *testing.T) {
	seen := 0
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name := d.Name(); name == "testdata" || (strings.HasPrefix(name, ".") && name != ".") {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		dir := filepath.ToSlash(filepath.Dir(path))
		row, ok := importRow(dir)
		if !ok {
			t.Errorf("%s: folder %q is not in the diagram: add it to docs/develop.md and to this test", path, dir)
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		seen++
		for _, spec := range file.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			if imported != "textback" && !strings.HasPrefix(imported, "textback/") {
				continue
			}
			if imported == "textback/"+dir || !mayImport(row, imported) {
				t.Errorf("%s imports %s, which the diagram does not allow", path, imported)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if seen == 0 {
		t.Fatal("no Go file was looked at")
	}
}

// TestOnlyTranslateKnowsTheRootPackage keeps ari and esl liftable: their wire files do not speak of calls.
func TestOnlyTranslateKnowsTheRootPackage(t *testing.T) {
	for _, dir := range []string{"ari", "esl"} {
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range files {
			base := filepath.Base(path)
			if strings.HasSuffix(base, "_test.go") || strings.HasPrefix(base, "translate") {
				continue
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
			if err != nil {
				t.Fatal(err)
			}
			for _, spec := range file.Imports {
				if spec.Path.Value == `"textback"` {
					t.Errorf("%s imports textback: only translate files may", path)
				}
			}
		}
	}
}

func importRow(dir string) ([]string, bool) {
	for d := dir; ; d = filepath.ToSlash(filepath.Dir(d)) {
		if row, ok := allowedImports[d]; ok {
			return row, d != "." || dir == "."
		}
		if d == "." {
			return nil, false
		}
	}
}

func mayImport(row []string, imported string) bool {
	for _, allowed := range row {
		if prefix, ok := strings.CutSuffix(allowed, "..."); ok && strings.HasPrefix(imported, prefix) {
			return true
		}
		if imported == allowed {
			return true
		}
	}
	return false
}
