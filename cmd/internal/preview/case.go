package preview

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nyaruka/phonenumbers"

	"textback"
	"textback/configs"
	"textback/rules"
)

// token stands for the booking token of a text: as long as the store's.
const token = "abcdefgh27"

// scene makes up the calls of one line.
type scene struct {
	cfg     *configs.Config
	line    *rules.Line
	now     time.Time
	pbx     *configs.PBX
	caller  textback.Number
	moments []moment
}

func newScene(cfg *configs.Config, l *rules.Line, now time.Time) *scene {
	s := &scene{cfg: cfg, line: l, now: now, pbx: &configs.PBX{Name: "pbx"}}
	if len(cfg.PBXs) > 0 {
		s.pbx = &cfg.PBXs[0]
	}
	s.caller = s.example()
	s.moments = moments(l, now, s.quiet)
	return s
}

// example is a caller of the neighbourhood whom nothing keeps from being texted, if there can be one: a number like the line's
// own, else the example of a mobile number of a region that may be texted.
func (s *scene) example() textback.Number {
	p, b := &s.line.Policy, s.line.Business
	var tried []string
	if own := s.line.Number; len(own) > 8 {
		for _, end := range []string{"0142", "0143", "4321", "2345", "7788"} {
			tried = append(tried, own[:len(own)-4]+end)
		}
	}
	for _, region := range append([]string{b.Region}, p.Regions...) {
		if raw := mobile(region, phonenumbers.MOBILE); raw != "" {
			tried = append(tried, raw)
		}
	}
	var first textback.Number
	for _, raw := range tried {
		s.caller.E164 = raw
		f := s.cfg.Set.Facts(s.call(s.usual(), s.rings(), s.now), "", nil)
		f.Line, f.Now = s.line, s.now
		if f.CallerErr != nil {
			continue
		}
		if first.E164 == "" {
			first = f.Caller
		}
		switch s.cfg.Set.Decide(f).Reason {
		case textback.ReasonNoNumber, textback.ReasonOwnNumber, textback.ReasonExcluded, textback.ReasonNotTextable, textback.ReasonRegion:
		default:
			if !slices.Contains(p.TestNumbers, f.Caller.E164) {
				return f.Caller
			}
		}
	}
	return first
}

// usual is an outcome that the policy texts for, the plainest one if it does for several.
func (s *scene) usual() textback.Outcome {
	for _, o := range append([]textback.Outcome{textback.Abandoned}, textback.MissedOutcomes()...) {
		if s.line.Policy.Outcomes[o] {
			return o
		}
	}
	return textback.Abandoned
}

// mobile is the numbering plan's example number of a type, "" if it has none.
func mobile(region string, of phonenumbers.PhoneNumberType) string {
	n := phonenumbers.GetExampleNumberForType(region, of)
	if n == nil {
		return ""
	}
	return phonenumbers.Format(n, phonenumbers.E164)
}

// quiet tells whether it is quiet at the caller's place.
func (s *scene) quiet(at time.Time) bool {
	zones := s.caller.Zones
	if len(zones) == 0 {
		zones = []*time.Location{s.line.Business.Zone}
	}
	return slices.ContainsFunc(zones, func(z *time.Location) bool { return s.line.Policy.Quiet.At(at, z) })
}

// call is a made-up call that ends at a moment.
func (s *scene) call(o textback.Outcome, ring time.Duration, at time.Time) textback.Call {
	c := textback.Call{ID: s.pbx.Name + "/preview", PBX: s.pbx.Name, Direction: textback.Inbound, Outcome: o, Ring: ring, End: at,
		Begin: at.Add(-ring), Dialled: []string{s.line.Number}, EndedBy: textback.EndedByPBX, Party: textback.Party{Number: s.caller.E164}}
	switch o {
	case textback.Abandoned, textback.QueueAbandoned, textback.MenuAbandoned, textback.Voicemail, textback.VoicemailHangup:
		c.EndedBy = textback.EndedByCaller
	default:
	}
	return c
}

// run puts a call through the rules, and through the second look at the moment at which its text is due.
func (s *scene) run(c textback.Call, h textback.History) Case {
	f := s.cfg.Set.Facts(c, s.pbx.Region, nil)
	f.Line, f.History, f.Now = s.line, h, c.End // an alias of another line must not lead elsewhere
	d := s.cfg.Set.Decide(f)
	out := Case{Reason: d.Reason.String(), Detail: d.Detail, Rule: d.Rule}
	if d.Reason != textback.ReasonText && d.Reason != textback.ReasonShadow {
		return out
	}
	out.Shadow = d.Reason == textback.ReasonShadow
	out.Held = d.Held
	leaves := d.Due.In(s.line.Business.Zone)
	if d.Held {
		again := f
		again.Now, again.Ended = d.Due, c.End
		text := textback.Text{Kind: textback.MissedCallText, Line: s.line.Number, To: s.caller.E164, Template: d.Template, Created: c.End,
			Due: d.Due, Held: true, Expires: d.Expires}
		r := s.cfg.Set.Recheck(again, text)
		if r.Reason != textback.ReasonText && r.Reason != textback.ReasonShadow {
			out.Reason, out.Detail, out.Held = r.Reason.String(), r.Detail, false
			return out
		}
		d.Template, out.Rule = r.Template, r.Rule
	}
	out.Leaves, out.Template = &leaves, d.Template
	if t := s.cfg.Set.Templates[d.Template]; t != nil {
		for variant := range t.Variants {
			body, err := s.cfg.Set.RenderText(s.line, d.Template, variant, c.Party.Name, c.End, leaves, token)
			if err == nil {
				out.Texts = append(out.Texts, measure(s.cfg, s.line, body))
			}
		}
	}
	return out
}

// rings is how long the made-up callers wait: longer than min_ring, so that it is not that which decides.
func (s *scene) rings() time.Duration {
	return max(20*time.Second, s.line.Policy.MinRing+5*time.Second)
}

// ways say how a call was missed.
func ways(o textback.Outcome, ring string) string {
	switch o {
	case textback.NoAnswer:
		return "who rings " + ring + " until the PBX gives up"
	case textback.Abandoned:
		return "who rings " + ring + " and hangs up"
	case textback.Busy:
		return "who finds every phone busy"
	case textback.Rejected:
		return "whom a phone turns down"
	case textback.Unreachable:
		return "who cannot be put through to any phone"
	case textback.QueueAbandoned:
		return "who hangs up after " + ring + " in the queue"
	case textback.QueueTimeout:
		return "whom the queue gives up"
	case textback.MenuAbandoned:
		return "who hangs up in the menu after " + ring
	case textback.Voicemail:
		return "who leaves a voicemail message"
	case textback.VoicemailHangup:
		return "who reaches voicemail and leaves no message"
	case textback.Closed:
		return "who hears an announcement and no phone rings"
	case textback.Lost:
		return "who is cut off because the PBX dies"
	default:
		return "who is missed"
	}
}

// cases are all made-up calls of the line.
func (s *scene) cases() []Case {
	if len(s.moments) == 0 {
		return nil
	}
	var all []Case
	told := map[string]bool{}
	for i, m := range s.moments {
		all = append(all, s.byOutcome(m, i == 0, told)...)
	}
	all = append(all, s.byCaller()...)
	return append(all, s.byPlace()...)
}

// byOutcome are the calls of one moment, those that come to the same together. What deviates in the same way at the first
// moment already is not told again.
func (s *scene) byOutcome(m moment, first bool, told map[string]bool) []Case {
	order := slices.Concat([]textback.Outcome{textback.Abandoned}, slices.DeleteFunc(textback.MissedOutcomes(),
		func(o textback.Outcome) bool { return o == textback.Abandoned }))
	var all []Case
	at := map[string]int{}
	for _, o := range order {
		usual := ""
		for j, pbx := range s.pbxs() {
			one := *s
			one.pbx = pbx
			c := one.run(one.call(o, s.rings(), m.at), textback.History{})
			where := ""
			same := strings.Join([]string{c.Reason, c.Rule, c.Template}, "\x00")
			if j == 0 {
				usual = same
			} else if where = " on " + pbx.Name; same == usual {
				continue
			}
			known := o.String() + where + "\x00" + same
			if first {
				told[known] = true
			}
			if i, ok := at[same]; ok {
				all[i].Also = append(all[i].Also, o.String()+where)
				continue
			}
			if len(all) > 0 && !first && told[known] && c.Leaves == nil {
				continue
			}
			at[same] = len(all)
			c.Who = ways(o, short(s.rings())) + where + ", on " + m.words
			all = append(all, c)
		}
	}
	return all
}

// pbxs are the PBXs that rules tell apart.
func (s *scene) pbxs() []*configs.PBX {
	out := []*configs.PBX{s.pbx}
	if !slices.ContainsFunc(s.cfg.Set.Rules, func(r rules.Rule) bool { return len(r.Match.PBX) > 0 }) {
		return out
	}
	for i := range s.cfg.PBXs {
		if p := &s.cfg.PBXs[i]; p.Name != s.pbx.Name {
			out = append(out, p)
		}
	}
	return out
}

// byCaller are calls of callers whom something sets apart, at the first moment.
func (s *scene) byCaller() []Case {
	p, at := &s.line.Policy, s.moments[0].at
	outcome := s.usual()
	var all []Case
	add := func(who string, h textback.History, change func(c *textback.Call)) {
		c := s.call(outcome, s.rings(), at)
		if change != nil {
			change(&c)
		}
		one := s.run(c, h)
		one.Who = who
		all = append(all, one)
	}
	from := func(n string) func(*textback.Call) { return func(c *textback.Call) { c.Party.Number = n } }
	hour := at.Add(-time.Hour)

	if p.MinRing > 0 {
		ring := min(p.MinRing/2, time.Second)
		add(fmt.Sprintf("who hangs up after %s", short(ring)), textback.History{}, func(c *textback.Call) {
			c.Outcome, c.EndedBy, c.Ring = outcome, textback.EndedByCaller, ring
		})
	}
	ago := max(p.Window+time.Hour, 48*time.Hour)
	add(fmt.Sprintf("who was missed and texted %s ago, and calls again", short(ago)), textback.History{Missed: 1, Unreplied: 1, LastText: at.Add(-ago)}, nil)
	if p.Window > time.Hour {
		add("who was texted an hour ago, and calls again", textback.History{Missed: 1, Unreplied: 1, LastText: hour}, nil)
	}
	if n := p.MaxUnreplied; n > 0 {
		add(fmt.Sprintf("who never answered the last %d texts", n), textback.History{Missed: n, Unreplied: n, LastText: at.Add(-ago)}, nil)
	}
	add("who opted out", textback.History{OptedOut: true}, nil)
	if p.InThread > 0 {
		add("in whose conversation a person wrote an hour ago", textback.History{Thread: true, LastText: at.Add(-ago)}, nil)
	}
	add("who withholds the number", textback.History{}, func(c *textback.Call) { c.Party.Withheld = true })
	add("whose number failed verification (STIR/SHAKEN)", textback.History{}, func(c *textback.Call) {
		c.Party.Verification = textback.VerificationFailed
	})
	if s.pbx.NoTextName != "" {
		add(fmt.Sprintf("for whom a menu set %s=%s", s.pbx.NoTextName, s.pbx.NoTextValue), textback.History{}, func(c *textback.Call) { c.Declined = true })
	}
	add("who calls from one of our own lines", textback.History{}, from(s.line.Number))
	if len(s.line.Business.Staff) > 0 {
		add("who is one of the staff", textback.History{}, from(s.line.Business.Staff[0]))
	}
	if len(p.Exclude) > 0 {
		n, star := strings.CutSuffix(p.Exclude[0], "*")
		if star && p.ValidateNumbers { // any number of the prefix does, if it is one
			n = s.under(n)
		}
		if n != "" {
			add("who is on the exclude list", textback.History{}, from(n))
		}
	}
	if len(p.TestNumbers) > 0 {
		add("who is a test number and was texted a minute ago", textback.History{LastText: at.Add(-time.Minute)}, from(p.TestNumbers[0]))
	}
	if p.ValidateNumbers {
		if n := mobile(s.line.Business.Region, phonenumbers.TOLL_FREE); n != "" {
			add("who shows a toll-free number", textback.History{}, from(n))
		}
		if region, n := s.abroad(); n != "" {
			add("who calls from "+region, textback.History{}, from(n))
		}
	}
	add("whose last two texts failed for good", textback.History{Undeliverable: 2}, nil)
	if p.PerBlockHour > 0 {
		add(fmt.Sprintf("who is of a number block that got %d texts within the hour", p.PerBlockHour), textback.History{BlockHour: p.PerBlockHour}, nil)
	}
	if p.PerHour > 0 {
		add(fmt.Sprintf("who comes after %d texts in the hour", p.PerHour), textback.History{BusinessHour: p.PerHour}, nil)
	}
	return all
}

// under is a valid number with a prefix, "" if none of the usual lengths is one.
func (s *scene) under(prefix string) string {
	for _, digits := range []string{"2", "5", "20", "55"} {
		for length := len(prefix) + 4; length <= 16; length++ {
			n := prefix + strings.Repeat(digits, 8)
			n = n[:min(length, len(n))]
			if got, err := textback.ParseNumber(n, s.line.Business.Region, nil, true); err == nil && got.E164 == n {
				return n
			}
		}
	}
	return ""
}

// abroad is a region that may not be texted, with a mobile number of it: first those that look like the business's own.
func (s *scene) abroad() (region, number string) {
	p := &s.line.Policy
	if len(p.Regions) == 0 {
		return "", ""
	}
	for _, r := range []string{"JM", "GB", "FR", "US", "DE", "IN"} {
		if slices.Contains(p.Regions, r) || r == s.line.Business.Region {
			continue
		}
		if n := mobile(r, phonenumbers.MOBILE); n != "" {
			return map[string]string{"JM": "Jamaica (+1 876)", "GB": "Britain", "FR": "France", "US": "the United States", "DE": "Germany",
				"IN": "India"}[r], n
		}
	}
	return "", ""
}

// byPlace is a call from where the clocks show quiet hours while the business is open, if there is such a place in its region.
func (s *scene) byPlace() []Case {
	b, p := s.line.Business, &s.line.Policy
	if p.Quiet.None() || b.Region != "US" && b.Region != "CA" || !p.ValidateNumbers {
		return nil
	}
	for _, place := range []struct{ name, number string }{{"Los Angeles", "+12135550142"}, {"New York", "+12125550142"}, {"Honolulu", "+18085550142"}} {
		n, err := textback.ParseNumber(place.number, "", nil, true)
		if err != nil || len(n.Zones) != 1 {
			continue
		}
		there := *s
		there.caller = n
		at, ok := find(b, s.now, []int{8*60 + 30, 9 * 60, 17 * 60, 19 * 60, 20 * 60},
			func(t time.Time) bool { return b.Hours.OpenAt(t, b.Zone) && !s.quiet(t) && there.quiet(t) })
		if !ok {
			continue
		}
		outcome := s.usual()
		c := there.run(there.call(outcome, s.rings(), at), textback.History{})
		c.Who = fmt.Sprintf("from %s, where it is %s then, %s, on %s", place.name, at.In(n.Zones[0]).Format("15:04"), ways(outcome, short(s.rings())), day(at))
		return []Case{c}
	}
	return nil
}

// short writes a duration without noise: "24h", "3s", "90m".
func short(d time.Duration) string {
	text := d.Round(100 * time.Millisecond).String()
	if d >= time.Minute {
		text = strings.TrimSuffix(text, "0s")
	}
	if d >= time.Hour {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}
