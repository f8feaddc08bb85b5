package configs

import (
	"errors"
	"fmt"
	"sort"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// Bounds of a file. A real one has some hundred lines; these keep a hostile or mistaken one (a log, a database) from
// taking memory.
const (
	maxFile    = 1 << 20 // bytes
	maxNesting = 16      // tables in tables, arrays in arrays
)

// position is a place in the file, from 1.
type position struct{ line, column int }

// kind is what a value is in TOML.
type kind uint8

const (
	_ kind = iota
	kindString
	kindInteger
	kindFloat
	kindBool
	kindArray
	kindTable
	kindDate
)

var kindWords = [...]string{kindString: "a string", kindInteger: "a whole number", kindFloat: "a number with a fraction",
	kindBool: "true or false", kindArray: "a list", kindTable: "a table", kindDate: "a date"}

func (k kind) String() string { return kindWords[k] }

// value is a TOML value with its place.
type value struct {
	kind    kind
	at      position
	text    string // kindString; kindDate as written
	integer int64
	number  float64
	boolean bool
	items   []*value // kindArray, and [[tables]]
	table   *table   // kindTable
	tables  bool     // kindArray made of [[headers]]
}

// table is a TOML table with the places of its keys.
type table struct {
	at    position // of its header or opening brace
	keys  []*entry // in the order of the file
	index map[string]*entry
}

type entry struct {
	key   string
	at    position
	value *value
}

func (t *table) find(key string) *entry { return t.index[key] }

func (t *table) add(e *entry) {
	if t.index == nil {
		t.index = map[string]*entry{}
	}
	t.index[e.key] = e
	t.keys = append(t.keys, e)
}

// parseDocument reads TOML into a tree with places. The library's decoder checks the grammar, doubled keys and tables;
// its parser gives the places.
func parseDocument(file string, data []byte) (*table, *Error) {
	if len(data) > maxFile {
		return nil, &Error{File: file,
			Message: fmt.Sprintf("the file has %d bytes; a configuration has at most %d", len(data), maxFile)}
	}
	var checked map[string]any
	if err := toml.Unmarshal(data, &checked); err != nil {
		return nil, syntaxError(file, data, err)
	}
	d := document{file: file, data: data, root: &table{at: position{1, 1}}}
	for i, b := range data {
		if b == '\n' {
			d.lines = append(d.lines, i+1)
		}
	}
	if err := d.build(); err != nil {
		return nil, err
	}
	return d.root, nil
}

func syntaxError(file string, data []byte, err error) *Error {
	var de *toml.DecodeError
	if !errors.As(err, &de) {
		return &Error{File: file, Message: strings.TrimPrefix(err.Error(), "toml: ")}
	}
	line, column := de.Position()
	e := &Error{File: file, Line: line, Column: column, Message: strings.TrimPrefix(de.Error(), "toml: ")}
	for _, known := range [][2]string{
		{"cannot have new lines", `close the text with a quote before the line ends`},
		{"is already defined", "keep one of the two"},
		{"already exists", "write all its keys under one header; a header in [[double brackets]] begins another one each time"},
	} {
		if strings.Contains(e.Message, known[0]) {
			e.Hint = known[1]
			return e
		}
	}
	if text, ok := lineOf(data, line); ok && strings.Contains(text, "=") && !strings.ContainsAny(text, "\"'[{") {
		e.Hint = `write text and durations in quotes, like window = "24h"`
	}
	return e
}

func lineOf(data []byte, line int) (string, bool) {
	rest := string(data)
	for range line - 1 {
		_, after, ok := strings.Cut(rest, "\n")
		if !ok {
			return "", false
		}
		rest = after
	}
	text, _, _ := strings.Cut(rest, "\n")
	return text, true
}

// document builds the tree.
type document struct {
	file  string
	data  []byte
	lines []int // offsets at which the second, third, … line begins
	root  *table
}

func (d *document) place(r unstable.Range) position {
	offset := int(r.Offset)
	n := sort.SearchInts(d.lines, offset+1)
	start := 0
	if n > 0 {
		start = d.lines[n-1]
	}
	return position{n + 1, offset - start + 1}
}

func (d *document) build() *Error {
	var p unstable.Parser
	p.Reset(d.data)
	current := d.root
	for p.NextExpression() {
		switch node := p.Expression(); node.Kind {
		case unstable.Table, unstable.ArrayTable:
			parts, err := d.keyParts(node.Key())
			if err != nil {
				return err
			}
			current = d.header(parts, node.Kind == unstable.ArrayTable)
		case unstable.KeyValue:
			if err := d.keyValue(current, node, 0); err != nil {
				return err
			}
		default:
			return &Error{File: d.file, Message: fmt.Sprintf("unexpected %v", node.Kind)}
		}
	}
	if err := p.Error(); err != nil {
		return &Error{File: d.file, Message: err.Error()} // the decoder has refused it before
	}
	return nil
}

type keyPart struct {
	key string
	at  position
}

func (d *document) keyParts(it unstable.Iterator) ([]keyPart, *Error) {
	var parts []keyPart
	for it.Next() {
		n := it.Node()
		parts = append(parts, keyPart{string(n.Data), d.place(n.Raw)})
		if len(parts) > maxNesting {
			return nil, d.tooDeep(parts[0].at)
		}
	}
	return parts, nil
}

func (d *document) tooDeep(at position) *Error {
	return &Error{File: d.file, Line: at.line, Column: at.column,
		Message: fmt.Sprintf("more than %d levels of tables or lists in each other", maxNesting)}
}

// header goes to the table that a [header] or [[header]] names, making it.
func (d *document) header(parts []keyPart, array bool) *table {
	last := parts[len(parts)-1]
	parent := d.descend(d.root, parts[:len(parts)-1])
	e := parent.find(last.key)
	fresh := &value{kind: kindTable, at: last.at, table: &table{at: last.at}}
	switch {
	case array && e == nil:
		list := &value{kind: kindArray, at: last.at, tables: true, items: []*value{fresh}}
		parent.add(&entry{last.key, last.at, list})
		return fresh.table
	case array:
		e.value.items = append(e.value.items, fresh)
		return fresh.table
	default:
		return d.descend(parent, parts[len(parts)-1:])
	}
}

// descend walks down a dotted key, making tables on the way; through [[tables]] it takes the last one.
func (d *document) descend(t *table, parts []keyPart) *table {
	for _, part := range parts {
		e := t.find(part.key)
		if e == nil {
			e = &entry{part.key, part.at, &value{kind: kindTable, at: part.at, table: &table{at: part.at}}}
			t.add(e)
		}
		v := e.value
		if v.kind == kindArray && len(v.items) > 0 {
			v = v.items[len(v.items)-1]
		}
		if v.table == nil {
			v.table = &table{at: part.at} // the decoder refuses such files; keep going without a nil
		}
		t = v.table
	}
	return t
}

func (d *document) keyValue(t *table, node *unstable.Node, depth int) *Error {
	parts, err := d.keyParts(node.Key())
	if err != nil {
		return err
	}
	last := parts[len(parts)-1]
	v, err := d.value(node.Value(), last.at, depth+len(parts))
	if err != nil {
		return err
	}
	t = d.descend(t, parts[:len(parts)-1])
	t.add(&entry{last.key, last.at, v})
	return nil
}

// value reads one value; at is its place where the parser does not tell.
func (d *document) value(n *unstable.Node, at position, depth int) (*value, *Error) {
	if depth > maxNesting {
		return nil, d.tooDeep(at)
	}
	if n.Raw.Length > 0 {
		at = d.place(n.Raw)
	}
	v := &value{at: at}
	text := string(n.Data)
	var err error
	switch n.Kind {
	case unstable.String:
		v.kind, v.text = kindString, text
	case unstable.Bool:
		v.kind, v.boolean = kindBool, text == "true"
	case unstable.Integer:
		v.kind = kindInteger
		v.integer, err = parseInteger(text)
	case unstable.Float:
		v.kind = kindFloat
		v.number, err = strconv.ParseFloat(strings.ReplaceAll(text, "_", ""), 64)
	case unstable.LocalDate, unstable.LocalTime, unstable.LocalDateTime, unstable.DateTime:
		v.kind, v.text = kindDate, text
	case unstable.Array:
		v.kind = kindArray
		for it := n.Children(); it.Next(); {
			if it.Node().Kind == unstable.Comment {
				continue
			}
			item, err := d.value(it.Node(), at, depth+1)
			if err != nil {
				return nil, err
			}
			v.items = append(v.items, item)
		}
	case unstable.InlineTable:
		v.kind, v.table = kindTable, &table{at: at}
		for it := n.Children(); it.Next(); {
			if it.Node().Kind != unstable.KeyValue {
				continue
			}
			if err := d.keyValue(v.table, it.Node(), depth+1); err != nil {
				return nil, err
			}
		}
	default:
		return nil, &Error{File: d.file, Line: at.line, Column: at.column, Message: fmt.Sprintf("unexpected %v", n.Kind)}
	}
	if err != nil {
		return nil, &Error{File: d.file, Line: at.line, Column: at.column,
			Message: fmt.Sprintf("%q is not a number", text)}
	}
	return v, nil
}

// parseInteger reads a TOML integer: 10, -1_000, 0x1f, 0o17, 0b1.
func parseInteger(text string) (int64, error) {
	text = strings.ReplaceAll(text, "_", "")
	return strconv.ParseInt(strings.TrimPrefix(text, "+"), 0, 64)
}
