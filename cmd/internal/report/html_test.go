package report

import (
	"bytes"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// hostile puts into a report what strangers and odd configurations could bring into it.
func hostile(r *Report) {
	long := strings.Repeat("Donaudampfschifffahrt", 5)
	r.Businesses = []string{`</title><script src="http://evil.example/x.js"></script>`, long}
	r.Lines = append([]Group{{Key: `"><img src=x onerror=alert(1)>`, Name: `<b>` + long, Missed: 1234567, Texted: 1234567, Replied: 234567, Arrived: 1234567,
		Booked: 123456, OptedOut: 123456, ReplyRate: Rate{234567, 1234567}, BookingRate: Rate{123456, 1234567}, OptOutRate: Rate{123456, 1234567}}}, r.Lines...)
	r.Templates = append([]Group{{Key: "\u202e{{.}}" + long, Texted: 1234567, Compared: "<i>"}}, r.Templates...)
	r.Advice = append([]Advice{{ID: "x", Level: Act, Text: `<style>@import "http://evil.example"</style>` + long}}, r.Advice...)
	r.Outcomes = append([]Row{{Word: long, N: 1234567, Before: 7654321}}, r.Outcomes...)
	r.Hours[3][12] = 12345
	r.Days[2].Missed, r.Days[2].MissedBefore = 98765, 123456
	r.Figures.Missed, r.Before.Figures.Missed = 1234567, 1
}

func TestPageIsSelfContained(t *testing.T) {
	f := newFixture(t)
	plain, worst := f.report(f.query()), f.report(f.query())
	hostile(worst)
	for name, r := range map[string]*Report{"month": plain, "hostile": worst} {
		var b bytes.Buffer
		if err := WriteHTML(&b, r); err != nil {
			t.Fatal(err)
		}
		page := b.String()
		checkMarkup(t, name, page)
		for _, caller := range []string{"+1917", "1917000", "+1646", "Jane", "Ana"} {
			if strings.Contains(page, caller) {
				t.Errorf("%s: %q of a caller is in the page", name, caller)
			}
		}
		if strings.Contains(page, "ZgotmplZ") || strings.Contains(page, "NaN") {
			t.Errorf("%s: a value did not fit its place", name)
		}
		if len(page) > 200_000 {
			t.Errorf("%s is %d bytes", name, len(page))
		}
	}
}

// checkMarkup reads the page as a browser would and finds whatever could run or load.
func checkMarkup(t *testing.T, name, page string) {
	t.Helper()
	doc, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	policy := false
	allowed := " html head meta title style body main header footer section div h1 h2 p span small b i ul li table thead tbody tr th td svg g rect line text tspan "
	for n := range doc.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		if !strings.Contains(allowed, " "+n.Data+" ") {
			t.Errorf("%s: there is a <%s>", name, n.Data)
		}
		if n.Data == "style" {
			if css := n.FirstChild.Data; strings.Contains(css, "url(") || strings.Contains(css, "@import") || strings.Contains(css, "//") {
				t.Errorf("%s: the style may load something", name)
			}
		}
		for _, a := range n.Attr {
			switch {
			case strings.HasPrefix(a.Key, "on"), a.Key == "src", a.Key == "href", a.Key == "style", a.Key == "srcset", a.Key == "action":
				t.Errorf("%s: <%s %s=%q>", name, n.Data, a.Key, a.Val)
			case a.Key == "content" && strings.HasPrefix(a.Val, "default-src 'none'"):
				policy = true
			}
		}
	}
	if !policy {
		t.Errorf("%s: nothing forbids loading", name)
	}
}

// TestPageHasEveryPart is the golden file by structure: headings, and how many bars, cells and rows there are for the figures.
func TestPageHasEveryPart(t *testing.T) {
	f := newFixture(t)
	r := f.report(f.query())
	var b bytes.Buffer
	if err := WriteHTML(&b, r); err != nil {
		t.Fatal(err)
	}
	doc, err := html.Parse(&b)
	if err != nil {
		t.Fatal(err)
	}
	n := map[string]int{}
	var headings []string
	for e := range doc.Descendants() {
		if e.Type != html.ElementNode {
			continue
		}
		class := ""
		for _, a := range e.Attr {
			if a.Key == "class" {
				class = a.Val
			}
		}
		n[strings.TrimSpace(e.Data+" "+class)]++
		if e.Data == "h2" {
			headings = append(headings, e.FirstChild.Data)
		}
	}
	want := "What to do, From missed call to booking, Missed calls by day, How the calls ended, What was decided, " +
		"Missed calls by hour of the week, By line, By template, Where the texts stand, Further figures"
	if got := strings.Join(headings, ", "); got != want {
		t.Errorf("headings: %s", got)
	}
	heat := 0
	for level := range levels + 1 {
		heat += n["rect h"+itoa(level)]
	}
	rows := len(r.Outcomes) + len(r.Verdicts) + len(r.States) + 5
	groups := len(r.Lines) + len(r.Templates) + 2 + len(r.further())
	for what, x := range map[string][2]int{
		"hours of the week": {heat, 7 * 24}, "cards": {n["div card"], 6}, "words of bars": {n["span word"], rows},
		"bars of missed calls": {n["rect bar-now"], 31 + rows}, "rows of tables": {n["tr"] + n["tr variant"], groups + 2},
		"advice": {n["li act"] + n["li look"] + n["li note"], len(r.Advice)},
	} {
		if x[0] != x[1] {
			t.Errorf("%s: %d, want %d", what, x[0], x[1])
		}
	}
}
