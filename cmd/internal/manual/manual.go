// Package manual makes the manual pages and the bash completion out of what textback itself prints as help, and out of the
// comments of the reference configuration. Nothing is described twice: what the pages say of a flag is what the flag says.
package manual

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Manual is what the program tells of itself.
type Manual struct {
	Summary string // the first sentence of `textback help`
	Verbs   []Verb // in its order
}

// Verb is one command.
type Verb struct {
	Name  string
	Args  string // as in the usage line, after the name
	Short string // one line
	Long  string // further lines; may be empty
	Flags []Flag
}

// Flag is one flag of a command.
type Flag struct {
	Name string // without dashes
	Arg  string // word for its value; empty for a switch
	Text string
}

// flagLine is a line of the list of flags: two spaces, the flag with its value's name, the text.
var flagLine = regexp.MustCompile(`^  --([a-z0-9-]+)(?: ([^ ]+))? +(\S.*)$`)

// wideFlag is one that has no switch's form and no room for two spaces before its text.
var wideFlag = regexp.MustCompile(`^  --([a-z0-9-]+) (\S.*)$`)

// Read asks the program, which help runs with arguments and whose standard output it returns.
func Read(help func(args ...string) (string, error)) (*Manual, error) {
	text, err := help("help")
	if err != nil {
		return nil, fmt.Errorf("read the list of commands: %w", err)
	}
	m := &Manual{}
	var rest string
	m.Summary, rest, _ = strings.Cut(text, "\n")
	for line := range strings.Lines(rest) {
		name, short, ok := strings.Cut(strings.TrimSpace(line), " ")
		if !strings.HasPrefix(line, "  ") || !ok {
			continue
		}
		m.Verbs = append(m.Verbs, Verb{Name: name, Short: strings.TrimSpace(short)})
	}
	if len(m.Verbs) == 0 {
		return nil, errors.New("read the list of commands: there is none in what `textback help` prints")
	}
	for i := range m.Verbs {
		v := &m.Verbs[i]
		if v.Name == "version" { // has neither arguments nor a help of its own
			continue
		}
		text, err := help("help", v.Name)
		if err == nil {
			err = v.read(text)
		}
		if err != nil {
			return nil, fmt.Errorf("read the help of %s: %w", v.Name, err)
		}
	}
	return m, nil
}

// read takes apart what `textback help VERB` prints: usage, the sentence of the list, more about it, flags.
func (v *Verb) read(text string) error {
	text, flags, _ := strings.Cut(text, "\nFlags:\n")
	usage, rest, _ := strings.Cut(text, "\n")
	args, ok := strings.CutPrefix(usage, "Usage: textback "+v.Name)
	if !ok {
		return fmt.Errorf("it begins with %q, not with its usage", usage)
	}
	v.Args = strings.TrimSpace(args)
	rest, ok = strings.CutPrefix(strings.TrimLeft(rest, "\n"), v.Short+".")
	if !ok {
		return fmt.Errorf("the sentence of the list is not in it")
	}
	v.Long = strings.Trim(rest, "\n")
	for line := range strings.Lines(flags) {
		line = strings.TrimRight(line, "\n")
		if line == "" {
			continue
		}
		f, ok := readFlag(line)
		if !ok {
			return fmt.Errorf("%q is not the line of a flag", line)
		}
		v.Flags = append(v.Flags, f)
	}
	return nil
}

func readFlag(line string) (Flag, bool) {
	m := flagLine.FindStringSubmatch(line)
	if m == nil {
		return Flag{}, false
	}
	f := Flag{Name: m[1], Arg: m[2], Text: m[3]}
	// A flag that fills its column is followed by one space: then a word in small letters begins the text, unless it is a type.
	types := []string{"string", "int", "uint", "float", "duration", "value"}
	if f.Arg != "" && f.Arg != strings.ToUpper(f.Arg) && !slices.Contains(types, f.Arg) {
		w := wideFlag.FindStringSubmatch(line)
		f.Arg, f.Text = "", w[2]
	}
	return f, true
}

// Choice is one form of a command's arguments: the word that stands first, if any, and whether a file may follow.
type Choice struct {
	Word string
	File bool
}

var (
	optional = regexp.MustCompile(`\[--[^\]]*\]|\[flags\]`)
	word     = regexp.MustCompile(`^[a-z][a-z-]*$`)
)

// Choices reads the forms out of the usage line, e.g. "add|remove NUMBER | list | import FILE".
func (v *Verb) Choices() []Choice {
	var list []Choice
	for form := range strings.SplitSeq(optional.ReplaceAllString(v.Args, ""), " | ") {
		file := strings.Contains(form, "FILE")
		first, _, _ := strings.Cut(strings.Trim(strings.TrimSpace(form), "[]"), " ")
		words := strings.Split(strings.Trim(first, "[]"), "|")
		if slices.ContainsFunc(words, func(w string) bool { return !word.MatchString(w) }) {
			words = []string{""}
		}
		for _, w := range words {
			if w != "" || file {
				list = append(list, Choice{Word: w, File: file})
			}
		}
	}
	return list
}

// A list of what may be given to a flag stands in its text, "FORMAT: text, csv or json", or in the usage, "[--by day|week]".
const (
	listInText  = `\b%s: ([a-z0-9-]+(?:, [a-z0-9-]+)* or [a-z0-9-]+)\b`
	listInUsage = `--%s ([a-z0-9-]+(?:\|[a-z0-9-]+)+)`
)

// Values lists what may be given to a flag of the command, if its help says so.
func (v *Verb) Values(f Flag) []string {
	if f.Arg == "" {
		return nil
	}
	m := regexp.MustCompile(fmt.Sprintf(listInText, regexp.QuoteMeta(f.Arg))).FindStringSubmatch(f.Text)
	if m == nil {
		m = regexp.MustCompile(fmt.Sprintf(listInUsage, regexp.QuoteMeta(f.Name))).FindStringSubmatch(v.Args)
	}
	if m == nil {
		return nil
	}
	return strings.FieldsFunc(strings.ReplaceAll(m[1], " or ", ", "), func(r rune) bool { return strings.ContainsRune(", |", r) })
}
