package configs

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"sort"
	"strings"
	"time"
)

// checker collects what is wrong with one file.
type checker struct {
	file     string
	options  Options
	errs     Errors
	warnings []Warning
	dropped  int // mistakes beyond maxErrors

	fileReadable bool // the configuration file can be read by everybody
}

// maxErrors bounds what is reported of one file.
const maxErrors = 100

func (c *checker) fail(at position, key, message, hint string) {
	c.add(&Error{File: c.file, Line: at.line, Column: at.column, Key: key, Message: message, Hint: hint})
}

// add notes a mistake once, also where several lines or layers repeat it.
func (c *checker) add(e *Error) {
	for _, old := range c.errs {
		if *old == *e {
			return
		}
	}
	if len(c.errs) >= maxErrors {
		c.dropped++
		return
	}
	c.errs = append(c.errs, e)
}

func (c *checker) warn(at position, key, message, hint string) {
	if len(c.warnings) >= maxErrors {
		return
	}
	c.warnings = append(c.warnings,
		Warning{File: c.file, Line: at.line, Column: at.column, Key: key, Message: message, Hint: hint})
}

// result are the mistakes in the order of the file, nil if there are none.
func (c *checker) result() error {
	if len(c.errs) == 0 {
		return nil
	}
	sort.SliceStable(c.errs, func(i, j int) bool {
		a, b := c.errs[i], c.errs[j]
		if a.Line != b.Line {
			return a.Line < b.Line
		}
		return a.Column < b.Column
	})
	if c.dropped > 0 {
		c.errs = append(c.errs, &Error{File: c.file, Message: fmt.Sprintf("and %d mistakes more", c.dropped)})
	}
	return c.errs
}

// section reads one table. Each getter takes a key and what it is if the file does not say, checks the type and the
// range, and remembers the key; done reports the keys that nothing asked for.
type section struct {
	*checker
	t     *table
	name  string // how errors call it, e.g. `[policy]` or `rule "night"`
	asked map[string]bool
}

func (c *checker) section(t *table, name string) *section {
	if t == nil {
		t = &table{}
	}
	return &section{checker: c, t: t, name: name, asked: map[string]bool{}}
}

// lookup finds a key and notes that it is known.
func (s *section) lookup(key string) *entry {
	s.asked[key] = true
	return s.t.find(key)
}

func (s *section) has(key string) bool { return s.lookup(key) != nil }

// at is the place of a key's value, or of the table if the key is not there.
func (s *section) at(key string) position {
	if e := s.t.find(key); e != nil {
		return e.at
	}
	return s.t.at
}

func (s *section) label(key string) string {
	if s.name == "" {
		return key
	}
	return s.name + ": " + key
}

func (s *section) bad(key, message, hint string) { s.fail(s.at(key), s.label(key), message, hint) }

func (s *section) badAt(at position, key, message, hint string) {
	s.fail(at, s.label(key), message, hint)
}

func (s *section) suspect(key, message, hint string) {
	s.warn(s.at(key), s.label(key), message, hint)
}

// typed finds a key's value of one kind; another kind is a mistake.
func (s *section) typed(key string, want kind, hint string) *value {
	e := s.lookup(key)
	if e == nil {
		return nil
	}
	if e.value.kind != want {
		s.badAt(e.at, key, fmt.Sprintf("must be %v, not %v", want, e.value.kind), hint)
		return nil
	}
	return e.value
}

func (s *section) str(key, otherwise string) string {
	v := s.typed(key, kindString, fmt.Sprintf("write it in quotes: %s = \"...\"", key))
	if v == nil {
		return otherwise
	}
	return v.text
}

// need is str for a key that must be there and not be empty.
func (s *section) need(key, example string) string {
	text := s.str(key, "")
	if text == "" && (s.t.find(key) == nil || s.t.find(key).value.kind == kindString) {
		s.bad(key, "is missing", fmt.Sprintf("write %s = %q", key, example))
	}
	return text
}

// choice is str for a key with a closed list of words.
func (s *section) choice(key, otherwise string, words ...string) string {
	text := s.str(key, otherwise)
	if text == "" && otherwise == "" {
		if e := s.t.find(key); e == nil || e.value.kind == kindString {
			s.bad(key, "is missing", fmt.Sprintf("write %s = %s", key, either(words)))
		}
		return ""
	}
	if !slices.Contains(words, text) {
		s.bad(key, fmt.Sprintf("%q is not one of its words", text), "write "+either(words))
		return otherwise
	}
	return text
}

func (s *section) boolean(key string, otherwise bool) bool {
	v := s.typed(key, kindBool, fmt.Sprintf("write %s = true or %s = false, without quotes", key, key))
	if v == nil {
		return otherwise
	}
	return v.boolean
}

func (s *section) integer(key string, otherwise, low, high int) int {
	v := s.typed(key, kindInteger, fmt.Sprintf("write %s = %d, without quotes", key, max(otherwise, low)))
	if v == nil {
		return otherwise
	}
	if v.integer < int64(low) || v.integer > int64(high) {
		s.bad(key, fmt.Sprintf("%d is not possible", v.integer),
			fmt.Sprintf("write a whole number from %d to %d", low, high))
		return otherwise
	}
	return int(v.integer)
}

func (s *section) float(key string, otherwise, low, high float64) float64 {
	e := s.lookup(key)
	if e == nil {
		return otherwise
	}
	var x float64
	switch e.value.kind {
	case kindFloat:
		x = e.value.number
	case kindInteger:
		x = float64(e.value.integer)
	default:
		s.bad(key, fmt.Sprintf("must be a number, not %v", e.value.kind),
			fmt.Sprintf("write %s = %.1f, without quotes", key, otherwise))
		return otherwise
	}
	if math.IsNaN(x) || x < low || x > high {
		s.bad(key, fmt.Sprintf("%v is not possible", x), fmt.Sprintf("write a number from %v to %v", low, high))
		return otherwise
	}
	return x
}

// maxDuration bounds every duration: ten years.
const maxDuration = 10 * 365 * 24 * time.Hour

// duration reads a Go duration from low to ten years.
func (s *section) duration(key string, otherwise, low time.Duration) time.Duration {
	v := s.typed(key, kindString, fmt.Sprintf("write a duration in quotes: %s = %q", key, short(max(otherwise, low))))
	if v == nil {
		return otherwise
	}
	d, err := time.ParseDuration(v.text)
	switch {
	case err != nil:
		s.bad(key, fmt.Sprintf("%q is not a duration", v.text), durationHint(v.text, max(otherwise, low)))
	case d < 0:
		s.bad(key, fmt.Sprintf("%q: a duration cannot be negative", v.text),
			fmt.Sprintf("write %s = %q", key, short(max(otherwise, low))))
	case d < low:
		s.bad(key, fmt.Sprintf("%q is too short", v.text), fmt.Sprintf("write at least %q", short(low)))
	case d > maxDuration:
		s.bad(key, fmt.Sprintf("%q is longer than ten years", v.text),
			fmt.Sprintf("write %s = %q", key, short(max(otherwise, low))))
	default:
		return d
	}
	return otherwise
}

// durationHint tells how to write what was meant: days and weeks are not Go durations.
func durationHint(text string, example time.Duration) string {
	var n int
	var unit string
	if got, _ := fmt.Sscanf(text, "%d%s", &n, &unit); got == 2 && n > 0 && n < 10000 {
		switch unit {
		case "d", "day", "days":
			return fmt.Sprintf("write days as hours: %q", fmt.Sprintf("%dh", 24*n))
		case "w", "week", "weeks":
			return fmt.Sprintf("write weeks as hours: %q", fmt.Sprintf("%dh", 7*24*n))
		}
	}
	if example == 0 {
		example = 10 * time.Second
	}
	return fmt.Sprintf("write hours, minutes and seconds, like %q", short(example))
}

// short writes a duration as people do: 24h, not 24h0m0s.
func short(d time.Duration) string {
	text := d.String()
	text = strings.TrimSuffix(text, "0s")
	if text == "" {
		return "0s"
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	if last := text[len(text)-1]; last >= '0' && last <= '9' || last == '.' {
		return d.String() // "10s" lost its end
	}
	return text
}

// item is one entry of a list, with its place.
type item struct {
	text string
	at   position
}

// list reads a list of strings. A single string counts as a list of one.
func (s *section) list(key string) (items []item, set bool) {
	e := s.lookup(key)
	if e == nil {
		return nil, false
	}
	hint := fmt.Sprintf("write a list of words in quotes: %s = [\"...\", \"...\"]", key)
	switch {
	case e.value.kind == kindString:
		return []item{{e.value.text, e.at}}, true
	case e.value.kind != kindArray || e.value.tables:
		s.bad(key, fmt.Sprintf("must be a list, not %v", e.value.kind), hint)
		return nil, false
	}
	for _, v := range e.value.items {
		if v.kind != kindString {
			s.badAt(v.at, key, fmt.Sprintf("must be a list of strings, but %v stands in it", v.kind), hint)
			continue
		}
		items = append(items, item{v.text, v.at})
	}
	return items, true
}

// words reads a list of strings of which none is empty or doubled.
func (s *section) words(key string, otherwise []string) []string {
	items, set := s.list(key)
	if !set {
		return otherwise
	}
	var out []string
	for _, it := range items {
		switch {
		case strings.TrimSpace(it.text) == "":
			s.badAt(it.at, key, "an entry is empty", "take it out of the list, or write [] for none")
		case slices.Contains(out, it.text):
			s.badAt(it.at, key, fmt.Sprintf("%q stands twice in the list", it.text), "take one out")
		default:
			out = append(out, it.text)
		}
	}
	return out
}

// choices reads a list of words out of a closed list.
func (s *section) choices(key string, otherwise []string, what string, words []string) []string {
	items, set := s.list(key)
	if !set {
		return otherwise
	}
	out := make([]string, 0, len(items))
	for _, it := range items {
		if !slices.Contains(words, it.text) {
			s.badAt(it.at, key, fmt.Sprintf("%q is not %s", it.text, what), suggest(it.text, words))
			continue
		}
		if !slices.Contains(out, it.text) {
			out = append(out, it.text)
		}
	}
	return out
}

// table reads a table inside this one, nil if there is none.
func (s *section) table(key string) *section {
	hint := fmt.Sprintf("write a table: [%s]", key)
	if s.name == "" && key == "business" {
		hint = "write [business.acme], with a key of your choice"
	}
	v := s.typed(key, kindTable, hint)
	if v == nil {
		return nil
	}
	return s.section(v.table, s.inner(key))
}

// tables reads a list of tables, written as [[key]] or as a list of { ... }.
func (s *section) tables(key string) []*section {
	e := s.lookup(key)
	if e == nil {
		return nil
	}
	hint := fmt.Sprintf("write [[%s]] with double brackets: there can be several", key)
	if s.name != "" {
		hint = fmt.Sprintf("write a list: %s = [{ ... }]", key)
	}
	if e.value.kind != kindArray {
		s.bad(key, fmt.Sprintf("must be a list of tables, not %v", e.value.kind), hint)
		return nil
	}
	var all []*section
	for i, v := range e.value.items {
		if v.kind != kindTable {
			s.badAt(v.at, key, fmt.Sprintf("must be a list of tables, but %v stands in it", v.kind), hint)
			continue
		}
		all = append(all, s.section(v.table, fmt.Sprintf("%s %d", s.inner(key), i+1)))
	}
	return all
}

// inner names a table inside this one.
func (s *section) inner(key string) string {
	if s.name == "" {
		return key
	}
	return s.name + ": " + key
}

// done reports every key of the table that no getter asked for.
func (s *section) done() {
	known := slices.Sorted(maps.Keys(s.asked))
	for _, e := range s.t.keys {
		if s.asked[e.key] {
			continue
		}
		hint := suggest(e.key, known)
		if s.name != "" && (e.key == "state" || e.key == "control" || e.key == "control_group") {
			hint = "it belongs at the top of the file, above the first [table]"
		}
		s.fail(e.at, s.name, fmt.Sprintf("unknown key %q", clip(e.key)), hint)
	}
}

// clip shortens what somebody wrote, for a message.
func clip(text string) string {
	const most = 60
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return text
}

// either lists words: "a", "b" or "c".
func either(words []string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = fmt.Sprintf("%q", w)
	}
	if len(quoted) < 2 {
		return strings.Join(quoted, "")
	}
	return strings.Join(quoted[:len(quoted)-1], ", ") + " or " + quoted[len(quoted)-1]
}

// suggest says which of the words was meant, or lists them.
func suggest(text string, words []string) string {
	best, least := "", len(text)/3+1
	if len(text) <= 40 {
		for _, w := range words {
			if d := distance(strings.ToLower(text), w); d <= least && d < len(w) {
				if d < least || best == "" {
					best, least = w, d
				}
			}
		}
	}
	switch {
	case best != "":
		return fmt.Sprintf("did you mean %q?", best)
	case len(words) == 0:
		return "there is none yet: write one, or take the name out"
	case len(words) <= 30:
		return "write " + either(words)
	default:
		return "the known keys are listed in reference.toml"
	}
}

// distance is the number of letters to insert, delete, change or swap (optimal string alignment).
func distance(a, b string) int {
	rows := [3][]int{make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)}
	for j := range rows[1] {
		rows[1][j] = j
	}
	for i := 1; i <= len(a); i++ {
		before, last, row := rows[(i+2)%3], rows[i%3], rows[(i+1)%3]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
	}
	return rows[(len(a)+1)%3][len(b)]
}
