package rules

import (
	"slices"
	"strings"
)

// MatchBranch finds the first [[reply]] of a business that a reply matches, nil if none does.
func (s *Set) MatchBranch(body, business string) *Branch {
	words := tokens(fold(bounded(body)))
	for i := range s.Branches {
		b := &s.Branches[i]
		if len(b.Businesses) > 0 && !slices.Contains(b.Businesses, business) {
			continue
		}
		if slices.ContainsFunc(b.Match, func(p string) bool { return matchesPhrase(words, p) }) {
			return b
		}
	}
	return nil
}

// RenderText renders the branch's answer for a line; "" if it has none.
func (b *Branch) RenderText(f Fields) (string, error) {
	if b.Template == nil {
		return "", nil
	}
	return renderOne(b.Template, f)
}

// matchesPhrase tells whether the words of a pattern stand somewhere in a text, one after the other. Case and accents do
// not matter; * stands for any part of a word, and alone for any word.
func matchesPhrase(words []string, pattern string) bool {
	want := patternWords(pattern)
	if len(want) == 0 {
		return false
	}
	for i := 0; i+len(want) <= len(words); i++ {
		if matchesHere(words[i:], want) {
			return true
		}
	}
	return false
}

func matchesHere(words, want []string) bool {
	for i, w := range want {
		if !wild(w, words[i]) {
			return false
		}
	}
	return true
}

// patternWords are the words of a pattern, folded like the text but with their stars.
func patternWords(pattern string) []string {
	const star = "\uE000" // private use, which fold takes out of everything else
	var out []string
	for _, w := range strings.Fields(pattern) {
		parts := strings.Split(w, "*")
		for i := range parts {
			parts[i] = strings.Join(tokens(fold(parts[i])), " ")
		}
		joined := strings.Join(parts, star)
		for _, x := range strings.Fields(joined) {
			out = append(out, strings.ReplaceAll(x, star, "*"))
		}
	}
	return out
}

// wild matches a word against a pattern with stars.
func wild(pattern, word string) bool {
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return pattern == word
	}
	rest, ok := strings.CutPrefix(word, parts[0])
	if !ok {
		return false
	}
	last := len(parts) - 1
	for _, p := range parts[1:last] {
		i := strings.Index(rest, p)
		if i < 0 {
			return false
		}
		rest = rest[i+len(p):]
	}
	return strings.HasSuffix(rest, parts[last])
}

// Of a longer reply the start and the end are looked at: about ten segments.
const (
	replyStart = 1200 // bytes
	replyEnd   = 400
)

func bounded(body string) string {
	if len(body) > replyStart+replyEnd {
		body = body[:replyStart] + "\n" + body[len(body)-replyEnd:]
	}
	return strings.ToValidUTF8(body, " ")
}
