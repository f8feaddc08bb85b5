package main

import (
	"bytes"
	"context"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"textback/cmd/internal/manual"
)

// ownManual is what the package's manual page and completion are made of.
func ownManual(t *testing.T) *manual.Manual {
	t.Helper()
	m, err := manual.Read(func(args ...string) (string, error) {
		var stdout, stderr bytes.Buffer
		if code := run(context.Background(), args, strings.NewReader(""), &stdout, &stderr); code != exitOK || stderr.Len() > 0 {
			return "", fmt.Errorf("%v ended with %d: %s", args, code, &stderr)
		}
		return stdout.String(), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestTheManualHasEveryCommandAsItsHelpHasIt(t *testing.T) {
	m := ownManual(t)
	if want := len(verbs()) + 1; len(m.Verbs) != want { // and version
		t.Errorf("%d commands, want %d", len(m.Verbs), want)
	}
	for i, v := range verbs() {
		if got := m.Verbs[i]; got.Name != v.name || got.Args != v.args || got.Short != v.short || got.Long != strings.Trim(v.long, "\n") {
			t.Errorf("%s: %+v", v.name, got)
		}
	}
	var page, completion strings.Builder
	if err := m.WriteCommands(&page, manual.Page{Version: "1", Date: "2026-11-24"}); err != nil {
		t.Fatal(err)
	}
	if err := m.WriteBash(&completion); err != nil {
		t.Fatal(err)
	}
	for _, code := range []int{exitOK, exitFailed, exitUsage, exitConfig} {
		if !strings.Contains(page.String(), fmt.Sprintf(".TP\n%d\n", code)) {
			t.Errorf("the page does not tell of exit status %d", code)
		}
	}
	if !strings.Contains(page.String(), "\\fI"+defaultConfig+"\\fR") {
		t.Errorf("the page does not tell of %s", defaultConfig)
	}
	for flag, place := range definedFlags(t) {
		if !strings.Contains(page.String(), "\n\\fB\\-\\-"+strings.ReplaceAll(flag, "-", `\-`)+"\\fR") {
			t.Errorf("%s: the page lacks --%s", place, flag)
		}
		if !strings.Contains(completion.String(), "--"+flag+" ") {
			t.Errorf("%s: the completion lacks --%s", place, flag)
		}
	}
}

// definedFlags finds the flags in the source: what the help prints is not asked.
func definedFlags(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	places := token.NewFileSet()
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		file, err := parser.ParseFile(places, name, text, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			f, ok := call.Fun.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if set, ok := f.X.(*ast.Ident); !ok || set.Name != "fs" {
				return true
			}
			arg := map[string]int{"String": 0, "Bool": 0, "Int": 0, "Duration": 0, "StringVar": 1, "BoolVar": 1, "IntVar": 1,
				"DurationVar": 1, "Var": 1, "Func": 0, "BoolFunc": 0}
			i, ok := arg[f.Sel.Name]
			if !ok || len(call.Args) <= i+1 {
				return true
			}
			if lit, ok := call.Args[i].(*ast.BasicLit); ok && lit.Kind == token.STRING {
				flag, err := strconv.Unquote(lit.Value)
				if err != nil {
					t.Fatal(err)
				}
				found[flag] = places.Position(call.Pos()).String()
			}
			return true
		})
	}
	if len(found) < 15 {
		t.Fatalf("only %d flags found in the source", len(found))
	}
	return found
}
