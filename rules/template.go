package rules

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/template"
	"text/template/parse"
	"unicode"
	"unicode/utf8"
)

// Fields are what a template may use.
type Fields struct {
	Business   string // the business's name
	Line       string // the line's name, or its number if it has none
	Name       string // the caller's first name, mostly ""
	When       string // when the call was, by the line's clock: "this morning", "last night"
	BookingURL string // with the text's token
}

// fieldNames are the fields of [Fields] in the order of the documentation.
func fieldNames() []string { return []string{"Business", "Line", "Name", "When", "BookingURL"} }

// templateFuncs are the functions that a template may use, besides and, or, not, eq and ne.
func templateFuncs() template.FuncMap {
	return template.FuncMap{
		"upper": strings.ToUpper,
		"lower": strings.ToLower,
		// default is {{default "there" .Name}}: its last argument, or the first if that is empty.
		"default": func(otherwise, s string) string {
			if s == "" {
				return otherwise
			}
			return s
		},
	}
}

func funcNames() []string {
	return []string{"and", "or", "not", "eq", "ne", "upper", "lower", "default"}
}

// Limits of a template and of what it renders.
const (
	longestSource   = 2000 // bytes
	longestRendered = 1530 // characters: ten segments of the GSM alphabet
	longestValue    = 500  // bytes of one field
)

// ParseTemplate reads the variants of a template. Only the fields of [Fields], if, with, else and a few functions are
// allowed: an unknown field, a loop, a nested template and anything that could fail or grow when a text leaves is refused
// here, with a sentence that says what to write instead. language is a BCP 47 tag or "".
func ParseTemplate(name, language string, sources ...string) (*Template, error) {
	if len(sources) == 0 {
		return nil, fmt.Errorf("template %q has no text", name)
	}
	t := &Template{Name: name, Language: language}
	for i, source := range sources {
		v, err := parseVariant(name, source)
		if err != nil && len(sources) > 1 {
			return nil, fmt.Errorf("template %q, variant %d: %w", name, i+1, err)
		}
		if err != nil {
			return nil, fmt.Errorf("template %q: %w", name, err)
		}
		t.Variants, t.Source = append(t.Variants, v), append(t.Source, source)
	}
	return t, nil
}

func parseVariant(name, source string) (*template.Template, error) {
	switch {
	case strings.TrimSpace(source) == "":
		return nil, errors.New("it is empty")
	case len(source) > longestSource:
		return nil, fmt.Errorf("it is %d bytes long, more than %d", len(source), longestSource)
	case !utf8.ValidString(source):
		return nil, errors.New("it is not valid UTF-8")
	}
	v, err := template.New(name).Option("missingkey=error").Funcs(templateFuncs()).Parse(source)
	if err != nil {
		return nil, errors.New(plainTemplateError(err, name))
	}
	if len(v.Templates()) > 1 {
		return nil, errors.New("{{define}} and {{block}} are not allowed")
	}
	if v.Tree == nil || v.Root == nil {
		return nil, errors.New("it is empty")
	}
	if err := checkNode(v.Root, true); err != nil {
		return nil, err
	}
	// What the walk cannot see (a wrong number of arguments, a wrong type) shows when it runs, filled in and empty.
	for _, f := range []Fields{{}, {"Acme Plumbing", "Main", "Jane", "this morning", "https://acme.example/book"}} {
		if err := v.Execute(io.Discard, f); err != nil {
			return nil, errors.New(plainTemplateError(err, name))
		}
	}
	return v, nil
}

// plainTemplateError takes what only Go programmers understand out of an error of text/template.
func plainTemplateError(err error, name string) string {
	s := strings.TrimPrefix(err.Error(), "template: ")
	s = strings.TrimPrefix(s, name+":")
	s = strings.ReplaceAll(s, `executing "`+name+`" at `, "")
	if i := strings.Index(s, "function \""); i >= 0 && strings.HasSuffix(s, "not defined") {
		return s[i:] + ": the functions are " + strings.Join(funcNames(), ", ")
	}
	if number, rest, ok := strings.Cut(s, ": "); ok && strings.Trim(number, "0123456789:") == "" {
		return "line " + number + ": " + rest
	}
	return s
}

// checkNode walks a parsed template and refuses what is not in the small language. whole tells whether the dot is
// [Fields] here; inside {{with}} it is a text.
func checkNode(n parse.Node, whole bool) error {
	switch n := n.(type) {
	case nil:
		return nil
	case *parse.ListNode:
		if n == nil {
			return nil
		}
		for _, c := range n.Nodes {
			if err := checkNode(c, whole); err != nil {
				return err
			}
		}
		return nil
	case *parse.TextNode, *parse.StringNode, *parse.BoolNode, *parse.CommentNode:
		return nil
	case *parse.DotNode:
		if whole {
			return errors.New("{{.}} alone means nothing here: name a field, like {{.Business}}")
		}
		return nil
	case *parse.ActionNode:
		return checkPipe(n.Pipe, whole)
	case *parse.IfNode:
		return checkBranch(&n.BranchNode, whole, whole)
	case *parse.WithNode:
		return checkBranch(&n.BranchNode, whole, false)
	case *parse.FieldNode:
		return checkField(n.Ident, whole)
	case *parse.VariableNode:
		if len(n.Ident) == 0 || n.Ident[0] != "$" {
			return fmt.Errorf("variables such as %s are not allowed", clip(n.String()))
		}
		if len(n.Ident) == 1 {
			return errors.New("{{$}} alone means nothing: name a field, like {{$.Business}}")
		}
		return checkField(n.Ident[1:], true)
	case *parse.IdentifierNode:
		if !slices.Contains(funcNames(), n.Ident) {
			return fmt.Errorf("function %q is not allowed: the functions are %s", n.Ident, strings.Join(funcNames(), ", "))
		}
		return nil
	case *parse.PipeNode:
		return checkPipe(n, whole)
	case *parse.RangeNode, *parse.BreakNode, *parse.ContinueNode:
		return errors.New("{{range}} is not allowed: there is nothing to repeat in a text")
	case *parse.TemplateNode:
		return errors.New("{{template}} is not allowed: write the text out")
	case *parse.NumberNode:
		return fmt.Errorf("number %s is of no use here: write it outside of {{ }}", clip(n.String()))
	default:
		return fmt.Errorf("%s is not allowed", clip(n.String()))
	}
}

func checkBranch(n *parse.BranchNode, whole, inside bool) error {
	if err := checkPipe(n.Pipe, whole); err != nil {
		return err
	}
	if err := checkNode(n.List, inside); err != nil {
		return err
	}
	if n.ElseList == nil {
		return nil
	}
	return checkNode(n.ElseList, whole)
}

func checkPipe(p *parse.PipeNode, whole bool) error {
	if p == nil {
		return nil
	}
	if len(p.Decl) > 0 {
		return fmt.Errorf("variables such as %s are not allowed", clip(p.Decl[0].String()))
	}
	for _, c := range p.Cmds {
		for _, a := range c.Args {
			if err := checkNode(a, whole); err != nil {
				return err
			}
		}
	}
	return nil
}

func checkField(ident []string, whole bool) error {
	name := strings.Join(ident, ".")
	switch {
	case !slices.Contains(fieldNames(), name):
		hint := ""
		for _, f := range fieldNames() {
			if strings.EqualFold(f, name) || strings.EqualFold(f, strings.NewReplacer("_", "", "Customer", "", "Caller", "", "First", "").Replace(name)) {
				hint = fmt.Sprintf("; did you mean .%s?", f)
			}
		}
		return fmt.Errorf("there is no field .%s: the fields are .%s%s", clip(name), strings.Join(fieldNames(), ", ."), hint)
	case !whole:
		return fmt.Errorf("inside {{with}} write {{$.%s}} for the field .%s", name, name)
	default:
		return nil
	}
}

// Uses tells whether a variant mentions a field.
func (t *Template) Uses(variant int, field string) bool {
	return strings.Contains(t.Source[variant%len(t.Source)], "."+field)
}

// Pick deals the variants out evenly: n counts the texts of the template.
func (t *Template) Pick(n uint64) int { return int(n % uint64(len(t.Variants))) }

// Render fills a variant in. Runs of blanks become one, so that a field that is empty leaves no gap.
func (t *Template) Render(variant int, f Fields) (string, error) {
	if len(t.Variants) == 0 {
		return "", fmt.Errorf("template %q has no text", t.Name)
	}
	if variant < 0 || variant >= len(t.Variants) {
		variant = 0 // a reload took the variant away
	}
	return renderOne(t.Variants[variant], f)
}

func renderOne(v *template.Template, f Fields) (string, error) {
	for _, s := range []*string{&f.Business, &f.Line, &f.Name, &f.When, &f.BookingURL} {
		*s = value(*s)
	}
	var b strings.Builder
	if err := v.Execute(&b, f); err != nil {
		return "", fmt.Errorf("render template %q: %w", v.Name(), err)
	}
	out := tidy(b.String())
	if n := utf8.RuneCountInString(out); n > longestRendered {
		return "", fmt.Errorf("render template %q: the text is %d characters long, more than %d", v.Name(), n, longestRendered)
	}
	if out == "" {
		return "", fmt.Errorf("render template %q: the text is empty", v.Name())
	}
	return out, nil
}

// value makes a field fit for a text: valid, bounded, without characters that nobody sees.
func value(s string) string {
	if len(s) > longestValue {
		s = s[:longestValue]
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || hidden(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, ""))
}

// tidy collapses runs of blanks, trims lines, and keeps at most one empty line.
func tidy(s string) string {
	lines := strings.Split(strings.ReplaceAll(s, "\r\n", "\n"), "\n")
	out := lines[:0]
	for _, l := range lines {
		l = strings.Join(strings.FieldsFunc(l, func(r rune) bool { return r == ' ' || r == '\t' || r == '\r' }), " ")
		if l == "" && (len(out) == 0 || out[len(out)-1] == "") {
			continue
		}
		out = append(out, l)
	}
	return strings.TrimSpace(strings.Join(out, "\n"))
}
