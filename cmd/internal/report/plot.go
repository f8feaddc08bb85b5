package report

import (
	"fmt"
	"math"
	"time"
)

// trend is the plot by day: x in per cent of the width, y in pixels.
type trend struct {
	Title  string
	Height int
	Grid   []gridLine
	Bars   []trendBar
}

type gridLine struct {
	Y, LabelY int
	Label     string
}

type trendBar struct {
	X, W, WasX, WasW               string
	Y, H, DeepY, DeepH, WasY, WasH int
	Hint                           string
	Label                          *label
}

// Sizes of the trend in pixels.
const (
	trendTop    = 8
	trendPlot   = 150
	trendBottom = 34
)

func (r *Report) trend() trend {
	t := trend{Title: "Missed calls by day", Height: trendTop + trendPlot + trendBottom}
	if r.Step != 1 {
		t.Title = "Missed calls by week"
	}
	most := 0
	for _, d := range r.Days {
		most = max(most, d.Missed)
		if r.Before.Known {
			most = max(most, d.MissedBefore)
		}
	}
	step := gridStep(most)
	top := max((most+step-1)/step, 1) * step
	y := func(n int) int { return trendTop + trendPlot - n*trendPlot/top }
	for n := 0; n <= top; n += step {
		t.Grid = append(t.Grid, gridLine{Y: y(n), LabelY: y(n) + 4, Label: itoa(n)})
	}
	slot := 100 / float64(max(len(r.Days), 1))
	for i, d := range r.Days {
		left := float64(i) * slot
		b := trendBar{X: number2(left + slot*0.24), W: number2(slot * 0.52), WasX: number2(left + slot*0.1), WasW: number2(slot * 0.8)}
		b.Y, b.H = y(d.Missed), y(0)-y(d.Missed)
		deep := min(d.Texted, d.Missed)
		b.DeepY, b.DeepH = y(deep), y(0)-y(deep)
		b.Hint = fmt.Sprintf("%s: %d missed, %d texted, %d replied, %d booked", dayWords(d.Date), d.Missed, d.Texted, d.Replied, d.Booked)
		if r.Before.Known {
			b.WasY, b.WasH = y(d.MissedBefore), y(0)-y(d.MissedBefore)
			b.Hint += fmt.Sprintf(", %d missed in the period before", d.MissedBefore)
		}
		b.Label = r.dayLabel(i, left+slot/2)
		t.Bars = append(t.Bars, b)
	}
	return t
}

// How many dates find room below the plot on a phone: in two lines below each bar, or in one below some bars.
const (
	eachLabel = 7
	someLabel = 6
)

// dayLabel is the date below a bar. Of a month every Monday is named, of longer trends each few bars.
func (r *Report) dayLabel(i int, x float64) *label {
	n := len(r.Days)
	d, err := time.Parse(time.DateOnly, r.Days[i].Date)
	if err != nil {
		return nil
	}
	l := &label{X: number2(x), Y: trendTop + trendPlot + 16, Text: d.Format("2 Jan"), Anchor: "m"}
	half := 50 / float64(n)
	switch {
	case n <= eachLabel && r.Step == 1:
		l.Text, l.Below = d.Format("Mon"), d.Format("2")
	case r.Step == 1 && n > 14 && n <= 35:
		// A word in the middle of an outermost bar would stick out of the plot.
		switch {
		case d.Weekday() != time.Monday:
			return nil
		case i == 0:
			l.Anchor, l.X = "s", "0"
		case i == n-1:
			l.Anchor, l.X = "e", "100"
		}
	default:
		if i%((n+someLabel-1)/someLabel) != 0 || x > 88 {
			return nil
		}
		l.Anchor, l.X = "s", number2(x-half)
	}
	return l
}

// gridStep is a round number of which two to five reach the top.
func gridStep(most int) int {
	for step := 1; ; step *= 10 {
		for _, n := range []int{1, 2, 5} {
			if most <= 4*n*step {
				return n * step
			}
		}
	}
}

func number2(f float64) string { return number(math.Round(f*100) / 100) }

// heat is the map of the week.
type heat struct {
	Height int
	Days   []label
	Hours  []label
	Cells  []cell
}

type cell struct {
	X, W  string
	Y, H  int
	Level int
	Hint  string
	Label *label
}

// Sizes of the map in pixels.
const (
	heatTop = 18
	heatRow = 24
)

// levels is how many shades there are beside the one for nothing.
const levels = 5

func (r *Report) heat() heat {
	h := heat{Height: heatTop + 7*heatRow}
	most := 0
	for _, day := range r.Hours {
		for _, n := range day {
			most = max(most, n)
		}
	}
	const w = 100.0 / 24
	for hour := 0; hour < 24; hour += 3 {
		h.Hours = append(h.Hours, label{X: number2(float64(hour) * w), Y: 11, Text: fmt.Sprintf("%02d", hour)})
	}
	for d, hours := range r.Hours {
		y := heatTop + d*heatRow
		h.Days = append(h.Days, label{Y: y + 16, Text: weekdays[d][:3]})
		for hour, n := range hours {
			c := cell{X: number2(float64(hour) * w), W: number2(w), Y: y, H: heatRow,
				Hint: fmt.Sprintf("%s %02d:00: %d missed", weekdays[d], hour, n)}
			if n > 0 {
				c.Level = max((n*levels+most-1)/most, 1)
				c.Label = &label{X: number2((float64(hour) + 0.5) * w), Y: y + 16, Text: itoa(n), Level: c.Level}
			}
			h.Cells = append(h.Cells, c)
		}
	}
	return h
}
