package rules

import "testing"

func TestBranchesMatchWordsPhrasesAndWildCards(t *testing.T) {
	s := &Set{Branches: []Branch{
		{Name: "price", Match: []string{"price", "quote*", "how much", "*cost"}, Businesses: []string{"acme"}},
		{Name: "callback", Match: []string{"call me", "rückruf", "call * back"}},
		{Name: "yes", Match: []string{"yes"}},
	}}
	for _, c := range []struct{ body, business, want string }{
		{"What's the price?", "acme", "price"},
		{"PRICE", "acme", "price"},
		{"pricey!", "acme", ""},
		{"Can I get quotes?", "acme", "price"},
		{"unquoted", "acme", ""},
		{"How  much, then?", "acme", "price"},
		{"how very much", "acme", ""},
		{"the total-cost", "acme", "price"},
		{"lowcost", "acme", "price"},
		{"price", "beta", ""},
		{"please CALL ME", "beta", "callback"},
		{"Bitte Ruckruf", "beta", "callback"},
		{"Bitte RÜCKRUF!", "beta", "callback"},
		{"call me back about the price", "acme", "price"}, // the first branch wins
		{"call us back", "beta", "callback"},
		{"", "acme", ""},
	} {
		got := ""
		if b := s.MatchBranch(c.body, c.business); b != nil {
			got = b.Name
		}
		if got != c.want {
			t.Errorf("%q to %s: %q, want %q", c.body, c.business, got, c.want)
		}
	}
	none := &Set{Branches: []Branch{{Name: "empty", Match: []string{"", " ", "!"}}}}
	if b := none.MatchBranch("anything !", "acme"); b != nil {
		t.Error("an empty pattern matches")
	}
	all := &Set{Branches: []Branch{{Name: "all", Match: []string{"*"}}}}
	if b := all.MatchBranch("anything", "acme"); b == nil {
		t.Error("* does not match")
	}
}

func TestStaffTextsNameTheirThread(t *testing.T) {
	for body, want := range map[string][2]string{
		"#a3 we can come at five": {"a3", "we can come at five"},
		" #A3: yes ":              {"a3", "yes"},
		"#a3":                     {"a3", ""},
		"＃b7 ok":                  {"b7", "ok"},
		"we can come":             {"", "we can come"},
		"# a3 yes":                {"", "# a3 yes"},
		"#":                       {"", "#"},
		"#waytoolongforatag x":    {"", "#waytoolongforatag x"},
		"#a3\n\nyes":              {"a3", "yes"},
		"call #3":                 {"", "call #3"},
	} {
		if tag, text := ParseRelay(body); tag != want[0] || text != want[1] {
			t.Errorf("%q: %q %q, want %q", body, tag, text, want)
		}
	}
	s := acme(t)
	if !s.IsStaff("+12025550177") || s.IsStaff("+12025550178") || !s.Businesses["acme"].IsStaff("+12025550177") {
		t.Error("staff are not told from others")
	}
}

func FuzzMatchBranch(f *testing.F) {
	f.Add("what's the price?", "price")
	f.Add("call us back", "call * back")
	f.Add("x", "**")
	f.Fuzz(func(_ *testing.T, body, pattern string) {
		s := &Set{Branches: []Branch{{Match: []string{pattern}}}}
		s.MatchBranch(body, "")
		ParseRelay(body)
	})
}
