package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/sys/unix"
)

// errInputEnded is the end of the input in the middle of the questions.
var errInputEnded = errors.New("the input ended before the last question")

// question is one thing that is asked.
type question struct {
	key    string // in a file of answers
	text   string
	help   string // a line before it
	dflt   string // what Enter means
	must   bool   // an empty answer will not do
	secret bool   // typed without echo, never printed
	words  []string
	check  func(string) (string, error) // gives the answer in its final form
}

// asker gets answers: from a file of them, else from a person.
type asker struct {
	out     io.Writer
	answers map[string]string // by key; nil asks a person
	used    map[string]bool
	lines   chan string // what the person writes, line by line; closed at the end of the input
	tty     *os.File    // nil: the input is no terminal
}

// mostLine bounds an answer in bytes.
const mostLine = 4096

// newAsker asks the person at in. The goroutine that reads ends with the input, at the latest with the program: nothing
// can stop a read from a terminal.
func newAsker(in io.Reader, out io.Writer, answers map[string]string) *asker {
	a := &asker{out: out, answers: answers, used: make(map[string]bool), lines: make(chan string)}
	if answers != nil {
		close(a.lines)
		return a
	}
	if f, ok := in.(*os.File); ok {
		if _, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS); err == nil {
			a.tty = f
		}
	}
	go func() {
		defer close(a.lines)
		s := bufio.NewScanner(in)
		s.Buffer(make([]byte, mostLine), mostLine)
		for s.Scan() {
			a.lines <- s.Text()
		}
	}()
	return a
}

// person tells whether somebody is there to answer.
func (a *asker) person() bool { return a.answers == nil }

// say prints a paragraph.
func (a *asker) say(format string, args ...any) { fmt.Fprintf(a.out, format+"\n", args...) }

// ask gets one answer. A person is asked until it will do; a file must have it right.
func (a *asker) ask(ctx context.Context, q question) (string, error) {
	a.used[q.key] = true
	if !a.person() {
		return a.fromFile(q)
	}
	if q.help != "" {
		a.say("%s", q.help)
	}
	for {
		answer, err := a.line(ctx, q)
		if err != nil {
			return "", err
		}
		if answer == "" {
			answer = q.dflt
		}
		if answer, err = q.judge(answer); err == nil {
			return answer, nil
		}
		a.say("  %v", err)
	}
}

func (a *asker) fromFile(q question) (string, error) {
	answer, ok := a.answers[q.key]
	if !ok || answer == "" { // as Enter
		answer = q.dflt
	}
	answer, err := q.judge(answer)
	if err != nil {
		return "", &answerError{q.key, err}
	}
	if shown := answer; shown != "" {
		if q.secret {
			shown = "(not shown)"
		}
		a.say("%s: %s", q.text, shown)
	}
	return answer, nil
}

// answerError is an answer of a file that will not do.
type answerError struct {
	key string
	err error
}

func (e *answerError) Error() string { return fmt.Sprintf("answer %q: %v", e.key, e.err) }
func (e *answerError) Unwrap() error { return e.err }

// judge looks at an answer.
func (q *question) judge(answer string) (string, error) {
	if !q.secret {
		answer = strings.TrimSpace(answer)
	}
	if strings.ContainsFunc(answer, func(r rune) bool { return unicode.IsControl(r) || r == unicode.ReplacementChar }) {
		return "", errors.New("there is a control character in it")
	}
	switch {
	case answer == "" && q.must:
		return "", errors.New("this is needed")
	case answer == "":
		return "", nil
	}
	if len(q.words) > 0 {
		i := slices.IndexFunc(q.words, func(w string) bool { return strings.EqualFold(w, answer) })
		if i < 0 {
			if len(answer) == 1 && answer[0] >= '1' && int(answer[0]-'0') <= len(q.words) {
				i = int(answer[0] - '1')
			} else {
				return "", fmt.Errorf("write one of: %s", strings.Join(q.words, ", "))
			}
		}
		answer = q.words[i]
	}
	if q.check != nil {
		return q.check(answer)
	}
	return answer, nil
}

// line prints the question and reads a line.
func (a *asker) line(ctx context.Context, q question) (string, error) {
	if q.secret && a.tty != nil { // before the question is seen: nobody types sooner
		restore, err := noEcho(a.tty)
		if err != nil {
			return "", fmt.Errorf("switch the terminal's echo off: %w", err)
		}
		defer func() { restore(); fmt.Fprintln(a.out) }()
	}
	fmt.Fprint(a.out, q.text)
	if q.dflt != "" {
		fmt.Fprintf(a.out, " [%s]", q.dflt)
	}
	fmt.Fprint(a.out, ": ")
	select {
	case s, ok := <-a.lines:
		if !ok {
			return "", errInputEnded
		}
		return s, nil
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// yes asks a question with yes and no.
func (a *asker) yes(ctx context.Context, key, text string, dflt bool) (bool, error) {
	word := map[bool]string{true: "yes", false: "no"}[dflt]
	answer, err := a.ask(ctx, question{key: key, text: text, dflt: word, must: true, check: func(s string) (string,
		error) {
		switch strings.ToLower(s) {
		case "y", "yes", "true", "1":
			return "yes", nil
		case "n", "no", "false", "0":
			return "no", nil
		}
		return "", errors.New("write yes or no")
	}})
	return answer == "yes", err
}

// unknown are answers of a file that nothing asked for: a misspelt key must not pass for its default.
func (a *asker) unknown(known []string) []string {
	var all []string
	for k := range a.answers {
		if !slices.Contains(known, k) {
			all = append(all, k)
		}
	}
	slices.Sort(all)
	return all
}

// noEcho switches the echo of a terminal off until restore is called (termios(3)).
func noEcho(tty *os.File) (restore func(), err error) {
	fd := int(tty.Fd())
	was, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return nil, err
	}
	quiet := *was
	quiet.Lflag &^= unix.ECHO
	quiet.Lflag |= unix.ICANON | unix.ISIG
	if err := unix.IoctlSetTermios(fd, unix.TCSETS, &quiet); err != nil {
		return nil, err
	}
	return func() { _ = unix.IoctlSetTermios(fd, unix.TCSETS, was) }, nil // a terminal that is gone needs no echo
}
