package main

import (
	"os"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/sys/unix"
	"golang.org/x/text/unicode/bidi"
	"golang.org/x/text/width"
)

// isTerminal tells whether a file is a terminal (tty_ioctl(4), TCGETS).
func isTerminal(f *os.File) bool {
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}

// terminalSize is the size of a terminal in cells; what it does not tell is 80 by 24.
func terminalSize(f *os.File) (cols, rows int) {
	ws, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	if err != nil || ws.Col == 0 || ws.Row == 0 {
		return 80, 24
	}
	return int(ws.Col), int(ws.Row)
}

// setTermios sets a terminal once everything was written to it. The wait for that ends early when a signal comes (the Go run time
// sends itself many): then nothing was set, and it is asked for again.
func setTermios(f *os.File, to *unix.Termios) error {
	for {
		if err := unix.IoctlSetTermios(int(f.Fd()), unix.TCSETSW, to); err != unix.EINTR {
			return err
		}
	}
}

// obeys tells whether a file is a terminal that knows escape sequences: TERM says so (environ(7)).
func obeys(f *os.File) bool {
	term := os.Getenv("TERM")
	return term != "" && term != "dumb" && isTerminal(f)
}

// colourful tells whether output may be coloured: on a terminal, unless NO_COLOR is set (no-color.org).
func colourful(e *env) bool {
	out, ok := e.stdout.(*os.File)
	return ok && os.Getenv("NO_COLOR") == "" && obeys(out)
}

// cells is how many cells of a terminal a character takes (Unicode Standard Annex 11). What combines with the one before takes
// none.
func cells(r rune) int {
	if r == leftToRightMark || unicode.In(r, unicode.Mn, unicode.Me) {
		return 0
	}
	switch width.LookupRune(r).Kind() {
	case width.EastAsianWide, width.EastAsianFullwidth:
		return 2
	default:
		return 1
	}
}

// leftToRightMark is invisible and as strong as a Latin letter (Unicode Standard Annex 9, table 4).
const leftToRightMark = '\u200e'

// leftToRight ends what a stranger wrote from right to left, in Hebrew or Arabic letters: on a terminal that orders text, the
// number behind it would change places with it.
func leftToRight(s string) string {
	for _, r := range s {
		p, _ := bidi.LookupRune(r)
		switch p.Class() {
		case bidi.R, bidi.AL, bidi.AN:
			return s + string(leftToRightMark)
		}
	}
	return s
}

// most marks that may be put on one character: more is somebody who wants to write over the lines around.
const mostMarks = 2

// clip cuts a string to at most so many cells, with an ellipsis where something was cut.
func clip(s string, most int) string {
	var b strings.Builder
	used, marks, cut := 0, 0, -1
	for _, r := range s {
		n := cells(r)
		if n == 0 {
			if marks++; marks > mostMarks || used == 0 {
				continue
			}
		} else {
			marks = 0
		}
		if cut < 0 && used+n > most-1 {
			cut = b.Len() // what would stay if an ellipsis must follow
		}
		if used+n > most {
			return b.String()[:cut] + "…"
		}
		used += n
		b.WriteRune(r)
	}
	return b.String()
}

// fit cuts or fills a string to exactly so many cells.
func fit(s string, n int) string {
	if n <= 0 {
		return ""
	}
	s = clip(s, n)
	used := 0
	for _, r := range s {
		used += cells(r)
	}
	return s + strings.Repeat(" ", max(n-used, 0))
}

// hidden tells of characters that a terminal may act upon, or that do not show themselves: controls (C1 included: some
// terminals obey U+009B), formats such as the bidi marks, private and surrogate ones, and the separators of lines.
func hidden(r rune) bool {
	return unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Co, unicode.Cs, unicode.Zl, unicode.Zp)
}

// inert writes JSON so that nothing in it can act on a terminal: hidden characters, which can stand in strings only, become
// \u escapes (RFC 8259, section 7).
func inert(b []byte) []byte {
	out := make([]byte, 0, len(b))
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		switch {
		case r < 0x7F || !hidden(r): // the encoder has escaped what stands below a space
			out = append(out, b[:n]...)
		case r > 0xFFFF:
			hi, lo := utf16.EncodeRune(r)
			out = escaped(escaped(out, hi), lo)
		default:
			out = escaped(out, r)
		}
		b = b[n:]
	}
	return out
}

func escaped(b []byte, r rune) []byte {
	const digits = "0123456789abcdef"
	return append(b, '\\', 'u', digits[r>>12&15], digits[r>>8&15], digits[r>>4&15], digits[r&15])
}
