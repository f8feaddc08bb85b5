package textback

import "testing"

func TestMatchPattern(t *testing.T) {
	for _, c := range []struct {
		pattern, s string
		want       bool
	}{
		{"from-trunk*", "from-trunk", true}, {"from-trunk*", "from-trunk-sip", true}, {"from-trunk*", "xfrom-trunk", false},
		{"*", "", true}, {"", "", true}, {"", "a", false}, {"a?c", "abc", true}, {"a?c", "ac", false},
		{"PJSIP/carrier-*", "PJSIP/carrier-1", true}, {"*a*b", "xaxxab", true}, {"*a*b", "xaxxa", false},
	} {
		if got := MatchPattern(c.pattern, c.s); got != c.want {
			t.Errorf("MatchPattern(%q, %q) = %v", c.pattern, c.s, got)
		}
	}
}
