package textback

import "slices"

// MatchAny tells whether one of the patterns stands for s; see [MatchPattern].
func MatchAny(patterns []string, s string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return MatchPattern(p, s) })
}

// MatchPattern tells whether s is what a pattern stands for; * is any letters, ? any one. It never goes back more than one star,
// so that no pattern makes it slow.
func MatchPattern(pattern, s string) bool {
	star, back := -1, 0
	p, i := 0, 0
	for i < len(s) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, back = p, i
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == s[i]):
			p++
			i++
		case star >= 0:
			back++
			p, i = star+1, back
		default:
			return false
		}
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern)
}
