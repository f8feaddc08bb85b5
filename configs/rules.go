package configs

import (
	"fmt"
	"slices"
	"strings"

	"textback/rules"
)

// rules reads [[rule]]. The order of the file is the order in which they are tried.
func (b *builder) rules(root *section) {
	seen := names{}
	catchAll := 0
	for i, s := range root.tables("rule") {
		name := s.str("name", "")
		s.name = s.named("rule", name)
		r := rules.Rule{Name: name}
		if name == "" {
			r.Name = fmt.Sprintf("rule %d", i+1)
		} else {
			seen.fresh(s, name)
		}
		if m := s.table("match"); m != nil {
			r.Match = b.match(m)
		}
		b.send(s, &r)
		s.done()
		if catchAll > 0 {
			s.warn(s.t.at, s.name, fmt.Sprintf("is never reached: the rule in line %d matches every call", catchAll),
				"move it up, or give that rule a match")
		} else if !s.has("match") || emptyMatch(r.Match) && s.table("match") != nil && len(s.table("match").t.keys) == 0 {
			catchAll = s.t.at.line
		}
		b.set.Rules = append(b.set.Rules, r)
	}
}

func emptyMatch(m rules.Match) bool {
	return len(m.Lines)+len(m.Businesses)+len(m.PBX)+len(m.Outcomes)+m.Previous == 0 && m.Hours == ""
}

// send reads what a rule does: false, or the name of a template.
func (b *builder) send(s *section, r *rules.Rule) {
	known := sortedKeys(b.set.Templates)
	e := s.lookup("send")
	switch {
	case e == nil:
		s.bad("send", "is missing", "write send = false, or the name of a template: "+either(known))
	case e.value.kind == kindBool && !e.value.boolean:
	case e.value.kind == kindBool:
		s.bad("send", "true does not say what to send", "write the name of a template: "+either(known))
	case e.value.kind != kindString:
		s.bad("send", fmt.Sprintf("must be false or the name of a template, not %v", e.value.kind),
			"write the name of a template: "+either(known))
	case e.value.text == "":
		s.bad("send", "is empty", "write send = false for no text")
	default:
		r.Send, r.Template = true, e.value.text
		if !b.badTemplates[r.Template] {
			s.oneOf("send", r.Template, "[template]", known)
		}
	}
}

// match reads what a rule looks at.
func (b *builder) match(s *section) rules.Match {
	m := rules.Match{
		Businesses: b.businessList(s, "business"),
		Hours:      s.str("hours", ""),
		Previous:   s.integer("previous", 0, 1, 1000),
	}
	if s.has("hours") && m.Hours != "open" && m.Hours != "closed" {
		s.choice("hours", "open", "open", "closed")
	}
	m.Outcomes, _ = s.outcomeList("outcome")
	pbxs := pbxNames(b.config.PBXs)
	items, _ := s.list("pbx")
	for _, it := range items {
		if s.oneOfAt(it.at, "pbx", it.text, "[[pbx]]", pbxs) {
			m.PBX = append(m.PBX, it.text)
		}
	}
	items, _ = s.list("line")
	for _, it := range items {
		if number, ok := b.findLine(it.text); ok {
			if !slices.Contains(m.Lines, number) {
				m.Lines = append(m.Lines, number)
			}
			continue
		}
		known := make([]string, 0, 2*len(b.set.Lines))
		for _, l := range b.set.Lines {
			known = append(known, l.Number)
		}
		s.badAt(it.at, "line", fmt.Sprintf("there is no [[line]] %q", clip(it.text)), suggest(it.text, known))
	}
	for _, key := range []string{"line", "business", "pbx", "outcome"} {
		if e := s.t.find(key); e != nil && e.value.kind == kindArray && len(e.value.items) == 0 {
			s.suspect(key, "is an empty list, which matches everything", "take the key out, or list what it should match")
		}
	}
	s.done()
	return m
}

// findLine finds a line by its number, one of its aliases or its name.
func (b *builder) findLine(text string) (string, bool) {
	for _, l := range b.set.Lines {
		if l.Number == text || l.Name == text || slices.Contains(l.Aliases, text) {
			return l.Number, true
		}
	}
	for _, l := range b.set.Lines {
		if n, err := e164(text, l.Business.Region, l.Policy.ValidateNumbers); err == nil && n == l.Number {
			return l.Number, true
		}
	}
	return "", false
}

// replies reads [[reply]].
func (b *builder) replies(root *section) {
	seen := names{}
	b.replyPlaces = map[string]position{}
	for i, s := range root.tables("reply") {
		name := s.str("name", "")
		s.name = s.named("reply", name)
		r := rules.Branch{
			Name:       name,
			Match:      s.words("match", nil),
			Businesses: b.businessList(s, "business"),
			Send:       s.str("send", ""),
			Notify:     b.notifyList(s, "notify"),
			Callback:   s.boolean("callback", false),
			Extension:  s.str("extension", ""),
		}
		if name == "" {
			r.Name = fmt.Sprintf("reply %d", i+1)
		} else {
			seen.fresh(s, name)
		}
		if len(r.Match) == 0 {
			s.bad("match", "is missing", `write the words that callers answer with: match = ["price", "quote*"]`)
		}
		for _, m := range r.Match {
			if strings.Trim(m, "* ") == "" {
				s.bad("match", fmt.Sprintf("%q matches every reply", m), "write a word, like \"price\" or \"quote*\"")
			}
		}
		if r.Send != "" {
			if t := b.compile(s, "send", "reply "+r.Name, b.commonLanguage(), []item{{r.Send, s.at("send")}}); t != nil {
				r.Template = t.Variants[0]
			}
		}
		b.replyPlaces[r.Name] = s.at("send")
		b.callbackBranch(s, &r)
		if r.Send == "" && len(r.Notify) == 0 && !r.Callback {
			s.bad("send", "is missing: this branch does nothing", "write send, notify or callback = true")
		}
		s.done()
		b.set.Branches = append(b.set.Branches, r)
	}
}

func (b *builder) callbackBranch(s *section, r *rules.Branch) {
	if !r.Callback {
		if r.Extension != "" {
			s.bad("extension", "is only for a branch that calls back", "write callback = true, or take the key out")
		}
		return
	}
	if r.Extension == "" {
		s.bad("extension", "is missing: whose phone shall ring first?", `write extension = "100"`)
	} else if !isIdentifier(r.Extension) && strings.Trim(r.Extension, "0123456789*#+") != "" {
		s.bad("extension", fmt.Sprintf("%q is not an extension", clip(r.Extension)), `write it like extension = "100"`)
	}
	if !slices.ContainsFunc(b.config.PBXs, func(p PBX) bool { return p.Callback != nil }) && len(b.config.PBXs) > 0 {
		s.bad("callback", "no [[pbx]] has a callback table", `write callback = {} in the [[pbx]] that shall call`)
	}
}
