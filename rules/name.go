package rules

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

const (
	longestCallerName = 60 // bytes of a caller-id name worth reading
	longestFirstName  = 20 // letters
	cnamLimit         = 15 // characters of a North American CNAM: a name of just this length may have been cut off
)

// CleanName gives the first name for .Name out of a caller-id name, which is hostile and mostly junk; "" is the usual
// answer. Only "LAST, FIRST" tells the order of names, so only that gives one; placeholders, digits, companies, places and
// anything that is not letters give none. A wrong name is worse than none.
func CleanName(callerIDName string) string {
	if len(callerIDName) > longestCallerName || !utf8.ValidString(callerIDName) {
		return ""
	}
	name := strings.Trim(norm.NFC.String(callerIDName), ` "\'`)
	if !nameCharacters(name) {
		return ""
	}
	last, first, ok := strings.Cut(name, ",")
	if !ok || strings.Contains(first, ",") {
		return ""
	}
	lastWords, firstWords := nameWords(last), nameWords(first)
	if len(lastWords) == 0 || len(lastWords) > 4 || len(firstWords) == 0 || len(firstWords) > 3 {
		return ""
	}
	if slices.ContainsFunc(lastWords, notAPerson) || slices.ContainsFunc(firstWords, notAPerson) || place(firstWords) {
		return ""
	}
	for len(firstWords) > 0 && titles()[fold(firstWords[0])] {
		firstWords = firstWords[1:]
	}
	if len(firstWords) == 0 {
		return ""
	}
	given := firstWords[0]
	if !plausible(given) || !oneScript(name) {
		return ""
	}
	if utf8.RuneCountInString(name) == cnamLimit && len(firstWords) == 1 && !commonNames()[fold(given)] {
		return "" // "JOHNSON, CHRISTO": the network cut it off
	}
	return capitals(given)
}

// nameCharacters tells whether a name consists of letters and what stands between them.
func nameCharacters(s string) bool {
	for _, r := range s {
		switch {
		case unicode.IsLetter(r):
		case strings.ContainsRune(" ,.'’-", r):
		default:
			return false // digits, controls, marks, bidi, URLs, template syntax, emoji
		}
	}
	return true
}

// nameWords splits a part of a name into words without points: "J. Robert" gives "J", "Robert". A point inside a word,
// as in "acme.com", makes the part useless.
func nameWords(s string) []string {
	words := strings.Fields(s)
	for i, w := range words {
		words[i] = strings.TrimRight(w, ".")
		if strings.Contains(words[i], ".") {
			return nil
		}
	}
	return words
}

// plausible tells whether a word can be a first name by its letters.
func plausible(w string) bool {
	n := utf8.RuneCountInString(w)
	if n < 2 || n > longestFirstName {
		return false
	}
	prev, run, vowel, latin := rune(0), 0, false, false
	for _, r := range fold(w) {
		if r == prev {
			run++
		} else {
			prev, run = r, 1
		}
		if run > 2 {
			return false
		}
		latin = latin || r >= 'a' && r <= 'z'
		vowel = vowel || strings.ContainsRune("aeiouy", r)
	}
	first, _ := utf8.DecodeRuneInString(w)
	end, _ := utf8.DecodeLastRuneInString(w)
	return (vowel || !latin) && unicode.IsLetter(first) && unicode.IsLetter(end)
}

// oneScript tells whether all letters are of one script: a mixture is a disguise.
func oneScript(s string) bool {
	scripts := []*unicode.RangeTable{unicode.Latin, unicode.Cyrillic, unicode.Greek, unicode.Arabic, unicode.Hebrew,
		unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul, unicode.Devanagari, unicode.Thai}
	found := -1
	for _, r := range s {
		if !unicode.IsLetter(r) {
			continue
		}
		i := slices.IndexFunc(scripts, func(t *unicode.RangeTable) bool { return unicode.Is(t, r) })
		if i < 0 || found >= 0 && i != found {
			return false
		}
		found = i
	}
	return found >= 0
}

// capitals writes a name that came in one case with capital first letters; mixed case is left as its owner wrote it.
func capitals(w string) string {
	if w != strings.ToUpper(w) && w != strings.ToLower(w) {
		return w
	}
	var b strings.Builder
	start := true
	for _, r := range strings.ToLower(w) {
		if start {
			r = unicode.ToTitle(r)
		}
		start = r == '-' || r == '\'' || r == '’'
		b.WriteRune(r)
	}
	return b.String()
}

// notAPerson tells whether a word shows that a caller-id name is no person's: a placeholder, a company, a conjunction.
func notAPerson(w string) bool {
	w = fold(w)
	return placeholders()[w] || companyWords()[w] || strings.HasPrefix(w, "www")
}

// place tells whether what follows the comma is a state, province or country: "BROOKLYN, NY".
func place(words []string) bool {
	return places()[fold(strings.Join(words, " "))] || places()[fold(words[0])]
}

// SpamLabel finds the label that a carrier or PBX puts into the name of a suspicious call ("SPAM?", "SCAM LIKELY",
// "TELEMARKETER", "FRAUD RISK"). Words are compared whole: people are called Spampinato.
func SpamLabel(callerIDName string) (label string, ok bool) {
	if len(callerIDName) > 4*longestCallerName {
		callerIDName = callerIDName[:4*longestCallerName]
	}
	words := strings.FieldsFunc(fold(callerIDName), func(r rune) bool { return r < 'a' || r > 'z' })
	for i, w := range words {
		if spamWords()[w] {
			return strings.ToUpper(w), true
		}
		if i > 0 && spamPairs()[words[i-1]+" "+w] {
			return strings.ToUpper(words[i-1] + " " + w), true
		}
	}
	return "", false
}
