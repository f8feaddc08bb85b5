package configs

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"strings"
	"time"

	"textback"
	"textback/rules"
)

// policy is one layer of policy: global, a business's or a line's. What a layer does not say, it has from the one above.
// Numbers stay as they were written until the region of the line is known.
type policy struct {
	rules.Policy
	exclude []exclusion // of exclude_file
	tests   []item      // test_numbers
	testKey string      // how errors call test_numbers
	hours   string      // quiet as written, for messages
}

// exclusion is one line of an exclude file.
type exclusion struct {
	text string // number or prefix*
	file string
	at   position
}

// defaultPolicy is what [policy] says if it says nothing.
func defaultPolicy() policy {
	outcomes := map[textback.Outcome]bool{}
	for _, o := range textback.MissedOutcomes() {
		outcomes[o] = true
	}
	return policy{hours: "21:00-08:00", Policy: rules.Policy{
		Outcomes:        outcomes,
		Delay:           5 * time.Second,
		Window:          24 * time.Hour,
		RepeatWithin:    720 * time.Hour,
		MinRing:         3 * time.Second,
		Regions:         []string{"US", "CA"},
		ValidateNumbers: true,
		GiveUpAfter:     time.Hour,
		Quiet:           rules.Quiet{From: 21 * 60, To: 8 * 60},
		QuietAction:     rules.QuietImmediate,
		MaxUnreplied:    3,
		PerBlockHour:    20,
		PerLineHour:     100,
		PerHour:         200,
		PerDay:          1000,
		Confirm:         true,
		InThread:        24 * time.Hour,
		MaxAutomatic:    3,
		ReconcileWithin: 15 * time.Minute,
	}}
}

// policies reads [policy].
func (b *builder) policies(root *section) {
	b.global = defaultPolicy()
	if s := root.table("policy"); s != nil {
		s.name = "[policy]"
		b.global = b.policy(s, b.global)
	}
}

// quietActions are the words for what is done in quiet hours.
var quietActions = map[string]rules.QuietAction{"immediate": rules.QuietImmediate, "hold": rules.QuietHold,
	"skip": rules.QuietSkip, "send": rules.QuietSend}

// policy reads one layer on top of another.
func (b *builder) policy(s *section, above policy) policy {
	p := above
	p.Outcomes = s.outcomes("outcomes", above.Outcomes)
	p.Delay = s.duration("delay", above.Delay, 0)
	p.Window = s.duration("window", above.Window, 0)
	p.RepeatWithin = s.duration("repeat_within", above.RepeatWithin, 0)
	p.MinRing = s.duration("min_ring", above.MinRing, 0)
	p.Regions = s.regions("regions", above.Regions)
	p.ValidateNumbers = s.boolean("validate_numbers", above.ValidateNumbers)
	p.GiveUpAfter = s.duration("give_up_after", above.GiveUpAfter, time.Minute)
	if s.has("quiet") {
		text := s.str("quiet", above.hours)
		if q, err := rules.ParseQuiet(text); err != nil {
			message, hint := splitHint(err)
			s.bad("quiet", withValue(text, message), hint)
		} else {
			p.Quiet, p.hours = q, text
		}
	}
	if s.has("quiet_action") {
		word := s.choice("quiet_action", "immediate", "immediate", "hold", "skip", "send")
		p.QuietAction = quietActions[word]
	}
	p.MaxUnreplied = s.limit("max_unreplied", above.MaxUnreplied)
	p.PerBlockHour = s.limit("per_block_hour", above.PerBlockHour)
	p.PerLineHour = s.limit("per_line_hour", above.PerLineHour)
	p.PerHour = s.limit("per_hour", above.PerHour)
	p.PerDay = s.limit("per_day", above.PerDay)
	p.Transliterate = s.boolean("transliterate", above.Transliterate)
	p.Shadow = s.boolean("shadow", above.Shadow)
	p.Confirm = s.boolean("confirm", above.Confirm)
	p.InThread = s.duration("in_thread", above.InThread, 0)
	p.MaxAutomatic = s.integer("max_automatic", above.MaxAutomatic, 0, mostTexts)
	p.ReconcileWithin = s.duration("reconcile_within", above.ReconcileWithin, 0)
	if s.has("exclude_file") {
		p.exclude = b.excludeFile(s, s.str("exclude_file", ""))
	}
	if items, set := s.list("test_numbers"); set {
		p.tests, p.testKey = items, s.label("test_numbers")
	}
	s.done()
	s.sensible(p, above)
	return p
}

// mostTexts bounds every limit.
const mostTexts = 1_000_000

// limit reads how many texts are allowed; 0 is no limit, which is an open door for fraud.
func (s *section) limit(key string, otherwise int) int {
	n := s.integer(key, otherwise, 0, mostTexts)
	if n == 0 && s.has(key) {
		s.suspect(key, "0 is no limit at all", fmt.Sprintf("write %s = %d", key, max(otherwise, 1)))
	}
	return n
}

// sensible warns of what is possible but seldom meant. It looks only at keys of this layer.
func (s *section) sensible(p, above policy) {
	if s.has("window") && p.Window < time.Hour {
		s.suspect("window", fmt.Sprintf("%q lets the same caller be texted again and again", short(p.Window)),
			`write window = "24h"`)
	}
	if s.has("regions") && len(p.Regions) == 0 && p.ValidateNumbers {
		s.suspect("regions", "is empty: texts go to any country, which is what fraud with numbers lives on",
			`list the countries of your callers, like ["US", "CA"]`)
	}
	if s.has("delay") && p.Delay > 10*time.Minute {
		s.suspect("delay", fmt.Sprintf("%q is long: after five minutes a text is no immediate answer, and quiet hours hold it", short(p.Delay)), `write delay = "5s"`)
	}
	if (s.has("per_day") || s.has("per_hour")) && p.PerDay < p.PerHour && p.PerDay > 0 {
		key := "per_day"
		if !s.has(key) {
			key = "per_hour"
		}
		s.suspect(key, fmt.Sprintf("a day may have %d texts and an hour %d: the day's limit always comes first",
			p.PerDay, p.PerHour), "make per_day the larger one")
	}
	if s.has("quiet_action") && p.QuietAction == rules.QuietSend {
		s.suspect("quiet_action", `"send" texts people at night`,
			`write "immediate": it answers a call at once and holds everything later`)
	}
}

func (s *section) outcomes(key string, otherwise map[textback.Outcome]bool) map[textback.Outcome]bool {
	list, set := s.outcomeList(key)
	if !set {
		return otherwise
	}
	out := map[textback.Outcome]bool{}
	for _, o := range list {
		out[o] = true
	}
	return out
}

// outcomeList reads a list of missed outcomes.
func (s *section) outcomeList(key string) (list []textback.Outcome, set bool) {
	items, set := s.list(key)
	words := make([]string, 0, 12)
	for _, o := range textback.MissedOutcomes() {
		words = append(words, o.String())
	}
	for _, it := range items {
		o, err := textback.ParseOutcome(it.text)
		switch {
		case err == nil && o.Missed():
			list = append(list, o)
		case err == nil:
			s.badAt(it.at, key, fmt.Sprintf("%q is no missed call: nobody is texted who was helped", it.text),
				"take it out")
		default:
			s.badAt(it.at, key, fmt.Sprintf("%q is not an outcome", clip(it.text)), suggest(it.text, words))
		}
	}
	return list, set
}

func (s *section) regions(key string, otherwise []string) []string {
	items, set := s.list(key)
	if !set {
		return otherwise
	}
	out := make([]string, 0, len(items))
	for _, it := range items {
		if code, ok := s.region(key, it.text, it.at); ok {
			out = append(out, code)
		}
	}
	return out
}

// excludeFile reads one number or prefix* a line; # begins a comment. A file that several layers name is read once.
func (b *builder) excludeFile(s *section, text string) []exclusion {
	if text == "" {
		return nil
	}
	path := s.path(text)
	if got, ok := b.excludes[path]; ok {
		return got
	}
	data, _, err := b.options.readFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		s.bad("exclude_file", path+" does not exist",
			"create it, with one number or prefix* a line, or write exclude_file = \"\"")
		return nil
	case err != nil:
		s.bad("exclude_file", fmt.Sprintf("%s cannot be read: %v", path, cause(err)),
			fmt.Sprintf("chgrp textback %s && chmod 640 %s", path, path))
		return nil
	case len(data) > maxExcludeFile:
		s.bad("exclude_file", fmt.Sprintf("%s is larger than %d bytes", path, maxExcludeFile), "is it the right file?")
		return nil
	}
	all := []exclusion{}
	for i, line := range strings.Split(string(data), "\n") {
		entry, _, _ := strings.Cut(line, "#")
		if entry = strings.TrimSpace(entry); entry != "" {
			all = append(all, exclusion{entry, path, position{i + 1, 1}})
		}
	}
	b.excludes[path] = all
	return all
}

// settle reads the numbers of a policy in the region of a business.
func (b *builder) settle(p policy, region string) rules.Policy {
	out := p.Policy
	out.Outcomes = maps.Clone(p.Outcomes)
	out.Exclude = make([]string, 0, len(p.exclude))
	for _, x := range p.exclude {
		number, err := exclude(x.text, region, p.ValidateNumbers)
		if err != nil {
			b.add(&Error{File: x.file, Line: x.at.line, Column: x.at.column, Message: err.Error(),
				Hint: "write +country number, or a prefix with * like +1900*; # begins a comment"})
			continue
		}
		out.Exclude = append(out.Exclude, number)
	}
	out.TestNumbers = make([]string, 0, len(p.tests))
	for _, it := range p.tests {
		number, err := e164(it.text, region, p.ValidateNumbers)
		if err != nil {
			b.add(&Error{File: b.file, Line: it.at.line, Column: it.at.column, Key: p.testKey, Message: err.Error(),
				Hint: `write +country number, like "+12025550123"`})
			continue
		}
		out.TestNumbers = append(out.TestNumbers, number)
	}
	return out
}

// exclude reads a number, or a prefix with * at its end.
func exclude(text, region string, check bool) (string, error) {
	prefix, isPrefix := strings.CutSuffix(text, "*")
	if !isPrefix {
		return e164(text, region, check)
	}
	digits := onlyDigits(prefix)
	if digits == "" || strings.Trim(prefix, "+0123456789 -().") != "" {
		return "", fmt.Errorf("%q is not a number or prefix", clip(text))
	}
	if strings.HasPrefix(prefix, "+") {
		return "+" + digits + "*", nil
	}
	if check {
		return "", fmt.Errorf("%q: a prefix needs + and the country code", clip(text))
	}
	return digits + "*", nil
}

// splitHint takes the advice in brackets off an error of package rules.
func splitHint(err error) (message, hint string) {
	message = err.Error()
	body, ok := strings.CutSuffix(message, ")")
	if !ok {
		return message, ""
	}
	if i := strings.LastIndex(body, " (write "); i >= 0 {
		return body[:i], body[i+2:]
	}
	return message, ""
}

// withValue puts what was written before a message that does not repeat it.
func withValue(text, message string) string {
	if quoted := fmt.Sprintf("%q", clip(text)); !strings.Contains(message, quoted) {
		return quoted + ": " + message
	}
	return message
}
