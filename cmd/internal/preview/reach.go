package preview

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"textback"
	"textback/configs"
	"textback/rules"
)

// reached is which rules and templates any call can come to.
type reached struct {
	rules, templates map[string]bool
}

// reach puts every kind of call that rules can tell apart through them: each line, PBX, outcome, open or closed, and each
// number of earlier missed calls at which a rule changes its mind.
func reach(cfg *configs.Config, now time.Time) reached {
	r := reached{map[string]bool{}, map[string]bool{}}
	previous := []int{0, 1}
	for i := range cfg.Set.Rules {
		if n := cfg.Set.Rules[i].Match.Previous; n > 1 {
			previous = append(previous, n)
		}
	}
	slices.Sort(previous)
	previous = slices.Compact(previous)
	seen := map[string]bool{}
	for _, l := range cfg.Set.Lines {
		// Lines that rules and policy treat alike are looked at once.
		if mark := lineMark(cfg, l); seen[mark] {
			continue
		} else {
			seen[mark] = true
		}
		s := newScene(cfg, l, now)
		for _, pbx := range s.pbxs() {
			one := *s
			one.pbx = pbx
			for _, m := range s.moments {
				for _, o := range textback.MissedOutcomes() {
					for _, n := range previous {
						c := one.run(one.call(o, s.rings(), m.at), textback.History{Missed: n})
						if c.Rule != "" {
							r.rules[c.Rule] = true
						}
						if c.Template != "" {
							r.templates[c.Template] = true
						}
					}
				}
			}
		}
	}
	return r
}

// lineMark is equal for lines of one business that decide alike: no rule names them, their policies say the same, and their
// numbers are of one area, so that the made-up caller is.
func lineMark(cfg *configs.Config, l *rules.Line) string {
	if slices.ContainsFunc(cfg.Set.Rules, func(r rules.Rule) bool { return slices.Contains(r.Match.Lines, l.Number) }) {
		return "line " + l.Number
	}
	area := l.Number[:max(0, len(l.Number)-4)]
	return fmt.Sprint(l.Business.Key, area, l.SMPP, policyMark(l.Policy))
}

// policyMark is equal for policies that say the same; of the lists of numbers, which may be long, the length and the first count.
func policyMark(p rules.Policy) string {
	list := fmt.Sprint(len(p.Exclude), p.Exclude[:min(1, len(p.Exclude))], len(p.TestNumbers), p.TestNumbers[:min(1, len(p.TestNumbers))])
	p.Exclude, p.TestNumbers = nil, nil
	return fmt.Sprint(list, p)
}

// shadowed tells whether every reply that a branch's patterns match is taken by an earlier branch, and by which. A star is
// tried with nothing and with something that no pattern holds.
func shadowed(set *rules.Set, i int) (by string, ok bool) {
	b := &set.Branches[i]
	businesses := b.Businesses
	if len(businesses) == 0 {
		for key := range set.Businesses {
			businesses = append(businesses, key)
		}
	}
	for _, key := range businesses {
		for _, pattern := range b.Match {
			for _, star := range []string{"", "xqzv"} {
				got := set.MatchBranch(strings.ReplaceAll(pattern, "*", star), key)
				if got == nil || got == b {
					return "", false
				}
				by = got.Name
			}
		}
	}
	return by, by != ""
}
