package configs

import (
	"errors"
	"fmt"
	"strings"
)

// Error is one mistake in a configuration file.
type Error struct {
	File    string // as given to [Load] or [Parse]
	Line    int    // from 1; 0 if the mistake has no place, e.g. a missing table
	Column  int    // from 1, in bytes
	Key     string // what it is about, e.g. `rule "night": quiet`
	Message string // what is wrong
	Hint    string // what to write instead, "" if the message says so
}

// Error is "file:line:column: key: message", without the hint. It never contains a secret.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.File)
	if e.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", e.Line, e.Column)
	}
	b.WriteString(": ")
	if e.Key != "" {
		b.WriteString(e.Key)
		b.WriteString(": ")
	}
	b.WriteString(e.Message)
	return b.String()
}

// Errors are all mistakes of a file, in the order of their lines.
type Errors []*Error

// Error is one line for each mistake, and one for its hint.
func (es Errors) Error() string { return strings.Join(Lines(es), "\n") }

// Unwrap makes each mistake reachable by [errors.As].
func (es Errors) Unwrap() []error {
	all := make([]error, len(es))
	for i, e := range es {
		all[i] = e
	}
	return all
}

// Lines are what to show an operator for an error of [Load] or [Parse]: one line for each mistake, and after it a line
// "hint: ..." where there is one. Any other error is one line.
func Lines(err error) []string {
	var es Errors
	var one *Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &es):
	case errors.As(err, &one):
		es = Errors{one}
	default:
		return []string{err.Error()}
	}
	lines := make([]string, 0, 2*len(es))
	for _, e := range es {
		lines = append(lines, e.Error())
		if e.Hint != "" {
			lines = append(lines, "hint: "+e.Hint)
		}
	}
	return lines
}
