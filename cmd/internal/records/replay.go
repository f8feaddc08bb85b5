package records

import (
	"cmp"
	"slices"
	"time"

	"textback"
	"textback/configs"
	"textback/rules"
)

// unreplied is how far back texts without a reply are counted (rules of the store).
const unreplied = 30 * 24 * time.Hour

// Replay decides about calls of the past by the rules of a configuration, in the order of time, as if each had just ended,
// with a history that begins empty and is kept in memory only. It sends and stores nothing. Nobody replies in it, so that
// texts without a reply count as in the worst case. The verdicts are those of the missed calls.
func Replay(cfg *configs.Config, pbx *configs.PBX, calls []textback.Call) []textback.Verdict {
	r := &replay{cfg: cfg, pbx: pbx, missed: make(map[person][]time.Time), reached: make(map[person]time.Time),
		byCaller: make(map[string][]*replayed), spent: make(map[budget]int), answered: make(map[string][]textback.Call)}
	type moment struct {
		at   time.Time
		call textback.Call
	}
	var all []moment
	for _, c := range calls {
		c.Reconciled = false // it is decided as if seen
		switch {
		case c.Missed():
			all = append(all, moment{c.End, c})
		case c.Outcome == textback.Answered:
			all = append(all, moment{c.Connected, c})
			if f := r.facts(c); f.CallerKey() != "" {
				r.answered[f.CallerKey()] = append(r.answered[f.CallerKey()], c)
			}
		}
	}
	slices.SortStableFunc(all, func(a, b moment) int {
		return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.call.ID, b.call.ID))
	})
	for _, m := range all {
		if m.call.Missed() {
			r.decide(m.call)
		} else {
			r.reach(m.call)
		}
	}
	verdicts := make([]textback.Verdict, 0, len(r.all))
	for _, v := range r.all {
		verdicts = append(verdicts, v.Verdict)
	}
	return verdicts
}

type person struct{ caller, business string }

// replayed is a verdict with the claim that it took.
type replayed struct {
	textback.Verdict
	claim bool
	block string
}

type replay struct {
	cfg      *configs.Config
	pbx      *configs.PBX
	all      []*replayed
	claims   []*replayed // of the last hour
	spent    map[budget]int
	byCaller map[string][]*replayed
	missed   map[person][]time.Time
	reached  map[person]time.Time
	answered map[string][]textback.Call
}

func (r *replay) facts(c textback.Call) rules.Facts {
	return r.cfg.Set.Facts(c, r.pbx.Region, r.pbx.Rewrite)
}

func (r *replay) decide(c textback.Call) {
	f := r.facts(c)
	f.Now = c.End
	caller := f.CallerKey()
	f.TalkingNow = slices.ContainsFunc(r.answered[caller], func(o textback.Call) bool {
		return !o.Connected.After(c.End) && o.End.After(c.End)
	})
	f.History = r.history(&f)
	d := r.cfg.Set.Decide(f)
	v := &replayed{Verdict: textback.Verdict{Call: c, Decision: d, At: c.End}, block: textback.Block(caller)}
	r.all = append(r.all, v)
	if caller != "" {
		p := person{caller, d.Business}
		r.missed[p] = append(r.missed[p], c.End)
	}
	if d.Reason == textback.ReasonText || d.Reason == textback.ReasonShadow {
		v.claim = true
		r.spend(v, 1)
		r.claims = append(r.claims, v)
		r.byCaller[caller] = append(r.byCaller[caller], v)
	}
}

// history is what the store would have known.
func (r *replay) history(f *rules.Facts) (h textback.History) {
	if f.Line == nil || f.Line.Business == nil {
		return h
	}
	now, caller, p := f.Now, f.CallerKey(), &f.Line.Policy
	zone := f.Line.Business.Zone
	if zone == nil {
		zone = time.UTC
	}
	block := textback.Block(caller)
	for len(r.claims) > 0 && now.Sub(r.claims[0].At) >= time.Hour {
		r.claims = r.claims[1:]
	}
	for _, v := range r.claims {
		if v.claim && block != "" && v.block == block {
			h.BlockHour++
		}
		if v.claim && v.Decision.Line == f.Line.Number {
			h.LineHour++
		}
	}
	hour, day := budgets(now, zone, f.Line.Business.Key)
	h.BusinessHour, h.BusinessDay = r.spent[hour], r.spent[day]
	if caller == "" {
		return h
	}
	for _, v := range r.byCaller[caller] {
		if !v.claim {
			continue
		}
		if v.Decision.Business == f.Line.Business.Key && v.Decision.Due.After(h.LastText) {
			h.LastText = v.Decision.Due
		}
		if v.Decision.Due.After(now.Add(-unreplied)) {
			h.Unreplied++
		}
	}
	who := person{caller, f.Line.Business.Key}
	from := latest(now.Add(-p.RepeatWithin), r.reached[who])
	for _, at := range r.missed[who] {
		if at.After(from) {
			h.Missed++
		}
	}
	return h
}

// budget is a business's clock hour or day.
type budget struct{ business, when string }

func budgets(at time.Time, zone *time.Location, business string) (hour, day budget) {
	at = at.In(zone)
	return budget{business, at.Format("2006-01-02T15 -0700")}, budget{business, at.Format(time.DateOnly)}
}

// spend counts a claim in the budgets of its business, or takes it back.
func (r *replay) spend(v *replayed, n int) {
	zone := time.UTC
	if b := r.cfg.Set.Businesses[v.Decision.Business]; b != nil && b.Zone != nil {
		zone = b.Zone
	}
	hour, day := budgets(v.At, zone, v.Decision.Business)
	r.spent[hour] += n
	r.spent[day] += n
}

// reach takes back what waits for a caller who reached a person: a text that was not due yet, or that waited because its
// caller was on the phone.
func (r *replay) reach(c textback.Call) {
	f := r.facts(c)
	caller := f.CallerKey()
	if caller == "" {
		return
	}
	business := ""
	if f.Line != nil && f.Line.Business != nil {
		business = f.Line.Business.Key
	}
	who := person{caller, business}
	r.reached[who] = latest(r.reached[who], c.Connected)
	for _, v := range r.byCaller[caller] {
		waits := !v.Decision.Due.Before(c.Connected) || !c.Begin.After(v.Decision.Due)
		if v.claim && waits && v.Decision.Business == business && v.Decision.Reason == textback.ReasonText {
			v.claim = false
			r.spend(v, -1)
			v.Was, v.Decision.Reason = v.Decision.Reason, textback.ReasonRecovered
		}
	}
}
