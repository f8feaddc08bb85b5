package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"

	"textback"
)

// Otherwise is the key of the group of all numbers that are no line.
const Otherwise = "other"

// groups counts by a key.
type groups map[string]*Group

func (g groups) of(key string) *Group {
	if g[key] == nil {
		g[key] = &Group{Key: key}
	}
	return g[key]
}

// add counts a text.
func (g *Group) add(f *fate) {
	g.Texted += one(f.left)
	g.Arrived += one(f.arrived)
	g.Delivered += one(f.text.State == textback.Delivered)
	g.Undelivered += one(f.text.State == textback.Undelivered)
	g.Replied += one(f.replied)
	g.Booked += one(f.booked)
	g.OptedOut += one(f.out)
	g.ReplyRate = Rate{g.Replied, g.Arrived}
	g.BookingRate = Rate{g.Booked, g.Arrived}
	g.OptOutRate = Rate{g.OptedOut, g.Arrived}
}

// list puts groups in order.
func (g groups) list(less func(a, b *Group) int) []Group {
	all := make([]*Group, 0, len(g))
	for _, x := range g {
		all = append(all, x)
	}
	slices.SortFunc(all, less)
	out := make([]Group, 0, len(all))
	for _, x := range all {
		out = append(out, *x)
	}
	return out
}

func (c *counter) lines() []Group {
	g := groups{}
	for i := range c.in.Calls {
		v := &c.in.Calls[i]
		if half, ok := c.halfOf(callTime(v)); !ok || half != 0 {
			continue
		}
		key := v.Decision.Line
		if v.Decision.Reason == textback.ReasonUnknownLine || key == "" {
			key = Otherwise
		}
		g.of(key).Missed++
	}
	for _, f := range c.order {
		if f.half == 0 {
			g.of(cmp.Or(f.text.Line, Otherwise)).add(f)
		}
	}
	for key, x := range g {
		x.Name = c.in.Lines[key]
	}
	return g.list(func(a, b *Group) int {
		return cmp.Or(cmp.Compare(b.Missed, a.Missed), cmp.Compare(b.Texted, a.Texted), cmp.Compare(a.Key, b.Key))
	})
}

// templates compares the templates whose texts left, and the variants of each.
func (c *counter) templates() []Group {
	g := groups{}
	variants := make(map[string]groups)
	for _, f := range c.order {
		if f.half != 0 || !f.left {
			continue
		}
		name := cmp.Or(f.text.Template, "-")
		g.of(name).add(f)
		if variants[name] == nil {
			variants[name] = groups{}
		}
		// Two digits sort as they count.
		variants[name].of(fmt.Sprintf("%02d", f.text.Variant+1)).add(f)
	}
	for name, x := range g {
		if len(variants[name]) < 2 {
			continue
		}
		x.Variants = variants[name].list(func(a, b *Group) int { return cmp.Compare(a.Key, b.Key) })
		for i := range x.Variants {
			x.Variants[i].Key = trimZero(x.Variants[i].Key)
		}
		x.Compared, _ = compare(x.Variants)
	}
	return g.list(func(a, b *Group) int { return cmp.Or(cmp.Compare(b.Texted, a.Texted), cmp.Compare(a.Key, b.Key)) })
}

func trimZero(s string) string {
	if n, err := strconv.Atoi(s); err == nil {
		return strconv.Itoa(n)
	}
	return s
}

// enough is how many texts a share must stand on before anything is read into it.
const enough = 30

// compare says whether the variants of a template differ in their replies by more than chance explains: the best and the
// worst by a test of two shares at 5 % (normal approximation, pooled), 5 % divided by the number of pairs (Bonferroni).
func compare(v []Group) (sentence string, won bool) {
	fewest := slices.MinFunc(v, func(a, b Group) int { return cmp.Compare(a.Arrived, b.Arrived) })
	if fewest.Arrived < enough {
		return fmt.Sprintf("Too few to compare: variant %s has %d of the %d texts that each needs.", fewest.Key, fewest.Arrived, enough), false
	}
	byRate := func(a, b Group) int { return cmp.Compare(a.ReplyRate.Value(), b.ReplyRate.Value()) }
	best, worst := slices.MaxFunc(v, byRate), slices.MinFunc(v, byRate)
	pairs := len(v) * (len(v) - 1) / 2
	if p := chance(best.ReplyRate, worst.ReplyRate) * float64(pairs); p >= 0.05 {
		return "No difference in the replies that chance would not explain.", false
	}
	return fmt.Sprintf("Variant %s gets more replies than variant %s: %s against %s. Chance does not explain that.", best.Key, worst.Key,
		Percent(best.ReplyRate), Percent(worst.ReplyRate)), true
}

// chance is how likely two shares differ at least so much if they are the same in truth.
func chance(a, b Rate) float64 {
	n, m := float64(a.Of), float64(b.Of)
	p := float64(a.N+b.N) / (n + m)
	if p == 0 || p == 1 {
		return 1
	}
	z := math.Abs(a.Value()-b.Value()) / math.Sqrt(p*(1-p)*(1/n+1/m))
	return math.Erfc(z / math.Sqrt2)
}
