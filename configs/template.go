package configs

import (
	"fmt"
	"strings"

	"golang.org/x/text/language"

	"textback/rules"
)

// defaultOpen is the text of a file without [template].
const defaultOpen = "{{.Business}}: sorry we missed your call{{with .Name}}, {{.}}{{end}}! Reply here and a person answers. Reply STOP to opt out"

// templates reads [template]: each key is a name, each value a text or a list of variants.
func (b *builder) templates(root *section) {
	b.badTemplates = map[string]bool{}
	b.templatePlaces = map[string][]position{}
	s := root.table("template")
	if s == nil {
		if !root.has("template") {
			b.template(root, "open", b.commonLanguage(), []item{{text: defaultOpen}})
		}
		return
	}
	s.name = "[template]"
	for _, e := range s.t.keys {
		s.asked[e.key] = true
		if !isIdentifier(e.key) {
			s.fail(e.at, s.name, fmt.Sprintf("%q is not the name of a template", clip(e.key)),
				"write letters, digits, - and _")
		}
		items, language := b.variants(s, e)
		if len(items) == 0 {
			b.badTemplates[e.key] = true
			continue
		}
		b.template(s, e.key, language, items)
	}
	if s.t.find("open") == nil {
		s.fail(s.t.at, s.name, `there is no "open", the text that every other one falls back to`,
			`write open = "{{.Business}}: sorry we missed you! … Reply STOP to opt out"`)
	}
}

// variants reads the value of one template: a text, a list of texts, or a table with text and language.
func (b *builder) variants(s *section, e *entry) (items []item, language string) {
	language = b.commonLanguage()
	key := e.key
	if e.value.kind == kindTable {
		s, key = s.table(e.key), "text"
		if tag, ok := s.language("language"); ok {
			language = tag
		}
		if !s.has("text") {
			s.bad("text", "is missing", `write { text = "...", language = "fr" }`)
		}
		defer s.done()
	}
	items, ok := s.list(key)
	if ok && len(items) == 0 {
		s.bad(key, "is an empty list", "write at least one text")
	}
	return items, language
}

// commonLanguage is the language that the businesses share, "" if they do not.
func (b *builder) commonLanguage() string {
	var common string
	for _, key := range sortedKeys(b.set.Businesses) {
		lang := b.config.Languages[key]
		if lang == "" || common != "" && lang != common {
			return ""
		}
		common = lang
	}
	return common
}

// language reads a language tag (BCP 47).
func (s *section) language(key string) (string, bool) {
	text := s.str(key, "")
	if text == "" {
		return "", false
	}
	tag, err := language.Parse(text)
	if err != nil || len(text) > 35 {
		s.bad(key, fmt.Sprintf("%q is not a language", clip(text)), `write its short form, like "en", "fr", "es" or "de"`)
		return "", false
	}
	return tag.String(), true
}

func (b *builder) template(s *section, name, language string, items []item) {
	t := b.compile(s, name, name, language, items)
	if t == nil {
		b.badTemplates[name] = true
		return
	}
	b.set.Templates[name] = t
	for _, it := range items {
		b.templatePlaces[name] = append(b.templatePlaces[name], it.at)
	}
}

// compile checks the variants of a template; nil if one is wrong.
func (b *builder) compile(s *section, key, name, language string, items []item) *rules.Template {
	var sources []string
	good := true
	for _, it := range items {
		sources = append(sources, it.text)
		if _, err := rules.ParseTemplate(name, language, it.text); err != nil {
			good = false
			message, hint := templateMessage(err, name)
			s.badAt(it.at, key, message, hint)
		}
	}
	if !good {
		return nil
	}
	t, err := rules.ParseTemplate(name, language, sources...)
	if err != nil {
		message, hint := templateMessage(err, name)
		s.bad(key, message, hint)
		return nil
	}
	return t
}

// templateMessage takes the name, which the key says, and the advice off an error of a template.
func templateMessage(err error, name string) (message, hint string) {
	message = strings.TrimPrefix(err.Error(), fmt.Sprintf("template %q: ", name))
	if message == "it is empty" {
		return "is empty", "write the text, or take it out"
	}
	if strings.HasPrefix(message, "line ") {
		return message, "close every {{ with }} and every {{if}} or {{with}} with {{end}}, like {{.Business}}"
	}
	message, meant, asked := strings.Cut(message, "; did you mean ")
	for _, list := range []string{": the fields are ", ": the functions are "} {
		if i := strings.Index(message, list); i >= 0 {
			message, hint = message[:i], message[i+2:]
		}
	}
	if asked {
		hint = "did you mean " + meant
	}
	return message, hint
}

// lint asks the linter of package rules about every text, as the callers of every line may get it.
func (b *builder) lint() {
	if len(b.set.Lines) == 0 || len(b.set.Templates) == 0 {
		return // said already
	}
	for _, f := range rules.Lint(b.set) {
		at, key := b.templatePlace(f)
		if f.Level == rules.Refuse {
			b.fail(at, key, f.Message, "")
			continue
		}
		b.warn(at, key, f.Message, "")
	}
}

// templatePlace is where the template of a finding stands: its variant, if the message names one.
func (b *builder) templatePlace(f rules.Finding) (position, string) {
	if name, ok := strings.CutPrefix(f.Template, "reply "); ok {
		return b.replyPlaces[name], fmt.Sprintf("reply %q", clip(name))
	}
	if f.Template == "" {
		return position{}, ""
	}
	places := b.templatePlaces[f.Template]
	var variant int
	if n, _ := fmt.Sscanf(f.Message, "variant %d:", &variant); n == 1 && variant >= 1 && variant <= len(places) {
		return places[variant-1], "[template]: " + f.Template
	}
	if len(places) > 0 {
		return places[0], "[template]: " + f.Template
	}
	return position{}, "[template]: " + f.Template
}
