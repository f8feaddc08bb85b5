package daemon

import (
	"go/ast"
	"go/parser"
	gotoken "go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// logged is one call that logs, as the source has it.
type logged struct {
	at    string
	id    string
	level string // "" where a variable tells
	keys  []string
}

// TestTheCatalogueHasTheLevelAndTheKeysOfEveryLine holds the rows of docs/log.md against the calls that log: the level stands in
// the row, and so does each key. What is put together from variables is not looked at here.
func TestTheCatalogueHasTheLevelAndTheKeysOfEveryLine(t *testing.T) {
	doc, err := os.ReadFile("../../../docs/log.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(doc), "## Message ids")
	type row struct{ level, keys string }
	rows := make(map[string]row)
	for line := range strings.Lines(table) {
		cells := strings.Split(line, "|")
		if len(cells) < 5 {
			continue
		}
		for _, id := range regexp.MustCompile("`([a-z-]+)`").FindAllStringSubmatch(cells[1], -1) {
			rows[id[1]] = row{cells[2], cells[3]}
		}
	}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, file := range append(files, "../../textback/run.go") {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		for _, l := range logCalls(t, file) {
			n++
			r, ok := rows[l.id]
			if !ok {
				continue // another test says so
			}
			if l.level != "" && !strings.Contains(r.level, l.level) {
				t.Errorf("%s: %s is logged at %s, and docs/log.md says %s", l.at, l.id, l.level, strings.TrimSpace(r.level))
			}
			for _, k := range l.keys {
				if k != "suppressed" && !strings.Contains(r.keys, "`"+k+"`") {
					t.Errorf("%s: %s has the key %s, which docs/log.md does not name", l.at, l.id, k)
				}
			}
		}
	}
	if n < 60 {
		t.Errorf("only %d calls that log were found", n)
	}
}

// logCalls finds the calls in a file that log under an id that stands there.
func logCalls(t *testing.T, file string) (all []logged) {
	t.Helper()
	fset := gotoken.NewFileSet()
	f, err := parser.ParseFile(fset, file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	levels := map[string]string{"Debug": "debug", "Info": "info", "Warn": "warning", "Error": "error", "LevelDebug": "debug", "LevelInfo": "info",
		"LevelWarn": "warning", "LevelError": "error", "noticeLevel": "notice"}
	ast.Inspect(f, func(node ast.Node) bool {
		call, ok := node.(*ast.CallExpr)
		if !ok {
			return true
		}
		fun, ok := call.Fun.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		l := logged{at: fset.Position(call.Pos()).String()}
		args := call.Args
		switch name := fun.Sel.Name; {
		case levels[name] != "" && isLog(fun.X) && len(args) > 0:
			l.level = levels[name]
		case name == "Log" && isLog(fun.X) && len(args) > 2: // context, level, id
			l.level, args = levels[word(args[1])], args[2:]
		case name == "sparingly" && len(args) > 2: // level, cause, id
			l.level, args = levels[word(args[0])], args[2:]
		default:
			return true
		}
		if l.id = text(args[0]); l.id == "" {
			return true
		}
		args = args[1:]
		// append(attrs, "key", value)...
		if len(args) == 1 && call.Ellipsis.IsValid() {
			if add, ok := args[0].(*ast.CallExpr); ok && word(add.Fun) == "append" && len(add.Args) > 1 {
				args = add.Args[1:]
			} else {
				args = nil
			}
		}
		for pair := range slices.Chunk(args, 2) {
			if k := text(pair[0]); k != "" {
				l.keys = append(l.keys, k)
			}
		}
		all = append(all, l)
		return true
	})
	return all
}

// isLog tells whether an expression is a logger: log, d.log, k.d.log.
func isLog(e ast.Expr) bool { return word(e) == "log" }

// word is the last name of an expression.
func word(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return e.Sel.Name
	default:
		return ""
	}
}

// text is the value of a string that stands there.
func text(e ast.Expr) string {
	lit, ok := e.(*ast.BasicLit)
	if !ok || lit.Kind != gotoken.STRING {
		return ""
	}
	s, err := strconv.Unquote(lit.Value)
	if err != nil {
		return ""
	}
	return s
}
