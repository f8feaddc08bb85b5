package configs

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// pageTables are the tables of docs/configuration.md by their heading, each with documents in which KEYS stand in for the keys
// of that table; those that a document has already are known.
var pageTables = map[string][]string{
	"Top of the file":  {"KEYS"},
	"`[syslog]`":       {"[syslog]\nKEYS"},
	"`[metrics]`":      {"[metrics]\nKEYS"},
	"`[[pbx]]`":        {"[[pbx]]\nkind = \"asterisk\"\nKEYS", "[[pbx]]\nkind = \"freeswitch\"\nKEYS"},
	"`[pbx.callback]`": {"[[pbx]]\nkind = \"asterisk\"\n[pbx.callback]\nKEYS"},
	"`[[smpp]]`":       {"[[smpp]]\nKEYS"},
	"`[business.KEY]`": {"[business.acme]\nKEYS"},
	"`[[line]]`":       {"[[line]]\nKEYS"},
	"`[policy]`":       {"[policy]\nKEYS"},
	"`[template]`":     {"[template.open]\nKEYS"},
	"`[[rule]]`":       {"[[rule]]\nKEYS"},
	"`[[reply]]`":      {"[[reply]]\nKEYS"},
	"`[[notify]]`":     {"[[notify]]\nkind = \"webhook\"\nKEYS", "[[notify]]\nkind = \"email\"\nKEYS", "[[notify]]\nkind = \"text\"\nKEYS"},
	"`[http]`":         {"[http]\nKEYS"},
	"`[[booking]]`":    {"[[booking]]\nservice = \"cal.com\"\nKEYS"},
	"`[[records]]`": {"[[pbx]]\nname = \"a\"\nkind = \"asterisk\"\n[[pbx]]\nname = \"f\"\nkind = \"freeswitch\"\n[[records]]\npbx = \"a\"\nkind = \"cdr-csv\"\nKEYS",
		"[[pbx]]\nname = \"a\"\nkind = \"asterisk\"\n[[records]]\npbx = \"a\"\nkind = \"mysql\"\nKEYS",
		"[[pbx]]\nname = \"f\"\nkind = \"freeswitch\"\n[[records]]\npbx = \"f\"\nkind = \"postgres\"\nKEYS"},
	"`[report]`":    {"[report]\nKEYS"},
	"`[retention]`": {"[retention]\nKEYS"},
	"`[backup]`":    {"[backup]\nKEYS"},
	"`[alarm]`":     {"[alarm]\nKEYS"},
	// Tables inside a key; they have no heading of their own.
	"rewrite": {"[[pbx]]\nkind = \"asterisk\"\n[[pbx.rewrite]]\nKEYS"},
	"match":   {"[[rule]]\n[rule.match]\nKEYS"},
}

// pageKey is one row of the page.
type pageKey struct{ key, value string }

// pageKeys reads the rows under each heading of "Every key". A secret's base stands for its four keys.
func pageKeys(t *testing.T) map[string][]pageKey {
	t.Helper()
	page, err := os.ReadFile("../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	_, all, ok := strings.Cut(string(page), "## Every key\n")
	if !ok {
		t.Fatal(`docs/configuration.md has no "Every key"`)
	}
	keys := map[string][]pageKey{}
	heading := ""
	secret := regexp.MustCompile("one of `(\\w+)`, `\\w+_file`, `\\w+_credential`, `\\w+_env`")
	for line := range strings.Lines(all) {
		line = strings.TrimSpace(line)
		if h, ok := strings.CutPrefix(line, "### "); ok {
			heading = h
			continue
		}
		cells := strings.Split(line, " | ")
		key, isKey := strings.CutPrefix(cells[0], "| `")
		key, whole := strings.CutSuffix(key, "`")
		if !isKey || !whole || len(cells) < 3 {
			continue
		}
		where := heading
		if table, inner, nested := strings.Cut(key, "."); nested {
			where, key = table, inner
		}
		keys[where] = append(keys[where], pageKey{key, cells[1]})
		if m := secret.FindStringSubmatch(line); m != nil {
			if m[1] != key {
				t.Errorf("%s: %s is said to be one of %s_file and so on", heading, key, m[1])
			}
			for _, suffix := range []string{"_file", "_credential", "_env"} {
				keys[where] = append(keys[where], pageKey{key: key + suffix})
			}
		}
	}
	return keys
}

// sourceKeys are all words that the package asks its tables for: constant keys of calls like s.str("key", ...).
func sourceKeys(t *testing.T) map[string]bool {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	getters := []string{"absolute", "boolean", "businessList", "choice", "choices", "duration", "events", "float", "has", "integer", "language",
		"limit", "list", "lookup", "need", "notifyList", "outcomeList", "outcomes", "regions", "secret", "sender", "str", "table", "tables", "typed", "words", "zone"}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			f, ok := call.Fun.(*ast.SelectorExpr)
			if !ok || !slices.Contains(getters, f.Sel.Name) {
				return true
			}
			for _, arg := range call.Args[:min(len(call.Args), 2)] {
				if lit, ok := arg.(*ast.BasicLit); ok && lit.Kind == token.STRING {
					if word, err := strconv.Unquote(lit.Value); err == nil && regexp.MustCompile(`^[a-z][a-z_]*$`).MatchString(word) {
						found[word] = true
						break
					}
				}
			}
			return true
		})
	}
	return found
}

// accepted tells which of the words a table takes for keys of its own.
func accepted(t *testing.T, documents []string, words []string) map[string]bool {
	t.Helper()
	const together = 25 // so that not more mistakes are made than are reported
	unknown := map[string]int{}
	took := map[string]bool{}
	for _, doc := range documents {
		for chunk := range slices.Chunk(words, together) {
			var b strings.Builder
			for _, w := range chunk {
				if !strings.Contains(doc[max(0, strings.LastIndex(doc, "[")):], "\n"+w+" = ") { // else it is set already, and so a key
					b.WriteString(w + " = 1\n")
				}
			}
			_, err := parse(t, strings.Replace(doc, "KEYS", b.String(), 1), nil)
			var list Errors
			if !errors.As(err, &list) {
				t.Fatalf("%q is taken as it stands", doc)
			}
			for _, e := range list {
				if w, ok := strings.CutPrefix(e.Message, `unknown key "`); ok {
					unknown[strings.TrimSuffix(w, `"`)]++
				}
			}
		}
	}
	for _, w := range words {
		took[w] = unknown[w] < len(documents)
	}
	return took
}

// TestEveryKeyIsDocumentedAndEveryDocumentedKeyIsOne holds the page against what the program takes, table by table.
func TestEveryKeyIsDocumentedAndEveryDocumentedKeyIsOne(t *testing.T) {
	page, candidates := pageKeys(t), sourceKeys(t)
	if len(candidates) < 100 {
		t.Fatalf("only %d keys were found in the source", len(candidates))
	}
	anywhere := map[string]bool{}
	for where, keys := range page {
		if pageTables[where] == nil {
			t.Errorf("%s: there is no such table", where)
		}
		for _, k := range keys {
			candidates[k.key], anywhere[k.key] = true, true
			for _, suffix := range []string{"_file", "_credential", "_env"} {
				candidates[strings.TrimSuffix(k.key, suffix)+suffix] = true
			}
		}
	}
	words := slices.Sorted(maps.Keys(candidates))
	tables := []string{"syslog", "metrics", "pbx", "smpp", "business", "line", "policy", "template", "rule", "reply", "notify", "http", "booking", "records",
		"report", "retention", "backup", "alarm"}
	for _, where := range slices.Sorted(maps.Keys(pageTables)) {
		documented := map[string]bool{}
		for _, k := range page[where] {
			if documented[k.key] {
				t.Errorf("%s: %s stands there twice", where, k.key)
			}
			documented[k.key] = true
		}
		took := accepted(t, pageTables[where], words)
		for _, w := range words {
			if where == "Top of the file" && slices.Contains(tables, w) {
				continue // a table, with a heading of its own
			}
			if where == "`[[pbx]]`" && w == "callback" {
				continue
			}
			switch {
			case took[w] && !documented[w]:
				t.Errorf("%s: %s is a key, and docs/configuration.md does not tell of it", where, w)
			case !took[w] && documented[w]:
				t.Errorf("%s: %s stands in docs/configuration.md and is no key", where, w)
			}
		}
	}
	for w := range sourceKeys(t) {
		if !anywhere[w] && !slices.Contains(tables, w) && w != "callback" {
			t.Errorf("%s is asked for in the source, and no table of docs/configuration.md has it", w)
		}
	}
}

// TestTheDefaultsOfThePageAreThoseOfTheReferenceFile: the reference file's are held against the program by a test of its own.
func TestTheDefaultsOfThePageAreThoseOfTheReferenceFile(t *testing.T) {
	lines := strings.Split(string(Reference), "\n")
	table, compared := "", 0
	states := map[string]map[string]string{} // table, key, the literal
	header := regexp.MustCompile(`^\[+([a-z.]+)\]+`)
	pair := regexp.MustCompile(`^([a-z_]+)\s*=\s*("[^"]*"|[a-z0-9.]+|\[[^\]]*\])\s*(#.*)?$`)
	for _, l := range lines {
		if m := header.FindStringSubmatch(l); m != nil {
			table = m[1]
			continue
		}
		m := pair.FindStringSubmatch(l)
		if m == nil || strings.Contains(m[3], "[need]") || strings.Contains(m[3], "default") {
			continue
		}
		if states[table] == nil {
			states[table] = map[string]string{}
		}
		if _, again := states[table][m[1]]; !again {
			states[table][m[1]] = m[2]
		}
	}
	for where, keys := range pageKeys(t) {
		name := strings.Trim(where, "`[]")
		for _, k := range keys {
			want, known := states[name][k.key]
			got, literal := strings.CutPrefix(k.value, "`")
			if !known || !literal || slices.Contains([]string{"line", "reply", "business.KEY", "notify", "booking"}, name) || name == "alarm" && k.key == "notify" {
				continue // examples
			}
			if got = strings.TrimSuffix(got, "`"); strings.Contains(got, "`") {
				continue // one for each kind of PBX
			}
			compared++
			if got != want {
				t.Errorf("%s: %s is %s on the page, %s in the reference file", where, k.key, got, want)
			}
		}
	}
	if compared < 50 {
		t.Errorf("only %d defaults were compared", compared)
	}
}
