package report

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"html"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// measure is run by the page around the report: the report itself has no script, and its policy would not let one run. It
// looks at every element and every piece of text as the browser laid them out.
const measure = `
addEventListener("load", () => {
  const all = [...document.querySelectorAll("iframe")].map(look);
  const out = document.createElement("pre");
  out.id = "measured";
  out.textContent = JSON.stringify(all);
  document.body.append(out);
});
function look(frame) {
  const doc = frame.contentDocument, win = frame.contentWindow;
  const bad = [], width = doc.documentElement.clientWidth;
  const say = (what, e) => bad.push(what + ": <" + e.tagName.toLowerCase() + "> " + (e.textContent || "").trim().slice(0, 40));
  if (doc.documentElement.scrollWidth > width) bad.push("the page is " + doc.documentElement.scrollWidth + " wide on " + width);
  let elements = 0, words = 0;
  for (const e of doc.body.querySelectorAll("*")) {
    const r = e.getBoundingClientRect(), s = win.getComputedStyle(e);
    if (r.width === 0 || s.display === "none" || e.tagName === "title") continue;
    elements++;
    if (r.right > width + 0.5 || r.left < -0.5) say("sticks out at " + r.left.toFixed(1) + " to " + r.right.toFixed(1), e);
    if (e.scrollWidth > e.clientWidth + 1 && s.display !== "inline" && !(e instanceof win.SVGElement)) say("cuts or spills what is in it", e);
    if (e.textContent.trim() && parseFloat(s.fontSize) < 10.5) say("letters of " + s.fontSize, e);
  }
  const texts = [...doc.querySelectorAll("svg text")].filter(t => win.getComputedStyle(t).display !== "none");
  const boxes = texts.map(t => t.getBoundingClientRect());
  for (let i = 0; i < texts.length; i++) {
    words++;
    const card = texts[i].closest("section").getBoundingClientRect();
    if (boxes[i].left < card.left || boxes[i].right > card.right) say("label outside of its card", texts[i]);
    for (let j = i + 1; j < texts.length; j++) {
      if (boxes[i].left < boxes[j].right - 1 && boxes[j].left < boxes[i].right - 1 &&
          boxes[i].top < boxes[j].bottom - 3 && boxes[j].top < boxes[i].bottom - 3) say("labels overlap, with " + texts[j].textContent, texts[i]);
    }
  }
  return {width, elements, words, height: doc.documentElement.scrollHeight, bad,
    requests: win.performance.getEntriesByType("resource").map(r => r.name)};
}`

type measured struct {
	Width, Elements, Words, Height int
	Bad, Requests                  []string
}

func chromium(t *testing.T, args ...string) []byte {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	args = append([]string{"--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
		"--disable-background-networking", "--disable-component-update", "--disable-sync", "--user-data-dir=" + t.TempDir()}, args...)
	var stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, "chromium", args...)
	cmd.Stderr = &stderr
	cmd.WaitDelay = 5 * time.Second
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("chromium: %v\n%s", err, stderr.String())
	}
	return out
}

var measuredTag = regexp.MustCompile(`(?s)<pre id="measured">(.*?)</pre>`)

// layOut lays a page out in frames of the widths: a window may not be narrower than the browser likes, a frame may.
func layOut(t *testing.T, page string, widths ...int) []measured {
	t.Helper()
	around := fmt.Sprintf(`<!DOCTYPE html><meta charset="utf-8"><script>%s</script><body style="margin:0">`, measure)
	for _, w := range widths {
		around += fmt.Sprintf(`<iframe style="border:0;width:%dpx;height:600px" srcdoc="%s"></iframe>`, w, html.EscapeString(page))
	}
	path := filepath.Join(t.TempDir(), "around.html")
	if err := os.WriteFile(path, []byte(around), 0o600); err != nil {
		t.Fatal(err)
	}
	dom := chromium(t, "--window-size=1400,800", "--hide-scrollbars", "--virtual-time-budget=5000", "--dump-dom", "file://"+path)
	found := measuredTag.FindSubmatch(dom)
	if found == nil {
		t.Fatalf("nothing was measured: %.2000s", dom)
	}
	var all []measured
	if err := json.Unmarshal([]byte(html.UnescapeString(string(found[1]))), &all); err != nil {
		t.Fatal(err)
	}
	if len(all) != len(widths) {
		t.Fatalf("%d of %d frames were measured", len(all), len(widths))
	}
	for i, m := range all {
		if m.Width != widths[i] || m.Elements < 100 || m.Words < 20 {
			t.Fatalf("at %d: laid out %d wide, %d elements and %d labels were looked at", widths[i], m.Width, m.Elements, m.Words)
		}
	}
	return all
}

func needChromium(t *testing.T) {
	t.Helper()
	if os.Getenv("TEXTBACK_CHROMIUM") == "" {
		t.Skip("TEXTBACK_CHROMIUM=1 lays the report out in a real browser (.ci/chromium/install.sh)")
	}
}

// pages are reports that try the layout: a month, a week, a year, nothing, and one with the longest words and numbers.
func pages(t *testing.T) map[string]string {
	t.Helper()
	f := newFixture(t)
	write := func(r *Report) string {
		var b bytes.Buffer
		if err := WriteHTML(&b, r); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	q := f.query()
	out := map[string]string{"month": write(f.report(q))}
	q.Period = WeekBefore(time.Date(2026, 10, 26, 8, 0, 0, 0, f.ny), f.ny)
	q.Businesses = []string{acme}
	out["week"] = write(f.report(q))
	q.Period = Period{f.period.Until.AddDate(-1, 0, 0), f.period.Until}
	out["year"] = write(f.report(q))
	q.Period = Period{f.now.AddDate(1, 0, -7), f.now.AddDate(1, 0, 0)}
	out["nothing"] = write(f.report(q))
	r := f.report(f.query())
	hostile(r)
	out["hostile"] = write(r)
	return out
}

func TestPageFitsPhoneAndDeskInARealBrowser(t *testing.T) {
	needChromium(t)
	for name, page := range pages(t) {
		for _, m := range layOut(t, page, 360, 768, 1280) {
			t.Logf("%s at %d: %d high, %d elements, %d labels", name, m.Width, m.Height, m.Elements, m.Words)
			if len(m.Bad) > 0 {
				t.Errorf("%s at %d:\n%s", name, m.Width, strings.Join(m.Bad, "\n"))
			}
			if len(m.Requests) > 0 {
				t.Errorf("%s at %d loaded %q", name, m.Width, m.Requests)
			}
		}
	}
}

// The measuring must be able to fail: each of these has one fault put in.
func TestMeasuringFindsWhatIsWrong(t *testing.T) {
	needChromium(t)
	page := pages(t)["week"]
	for name, x := range map[string]struct{ old, new, want string }{
		"wide":   {"<footer>", `<div style="width:700px">wide</div><footer>`, "the page is"},
		"spills": {"<footer>", `<div style="width:80px;white-space:nowrap;overflow:hidden">a long line that is cut off</div><footer>`, "cuts or spills"},
		"small":  {"svg text { font-size: 11px", "svg text { font-size: 7px", "letters of 7px"},
		"labels": {"svg text { font-size: 11px", "svg text { font-size: 40px", "labels overlap"},
	} {
		bad := strings.Replace(page, x.old, x.new, 1)
		if bad == page {
			t.Fatalf("%s: the page has no %q", name, x.old)
		}
		if m := layOut(t, bad, 360)[0]; !strings.Contains(strings.Join(m.Bad, "\n"), x.want) {
			t.Errorf("%s was not found: %q", name, m.Bad)
		}
	}
	loading := strings.Replace(strings.Replace(page, "default-src 'none'", "default-src *", 1), "<footer>", `<img src="data:,x"><img src="http://127.0.0.1:9/x.png"><footer>`, 1)
	if m := layOut(t, loading, 360)[0]; len(m.Requests) == 0 {
		t.Error("a picture from the network was not found")
	}
}

func TestPagePrints(t *testing.T) {
	needChromium(t)
	dir := t.TempDir()
	if keep := os.Getenv("TEXTBACK_CHROMIUM_KEEP"); keep != "" {
		dir = keep // to look at
	}
	pageCount := regexp.MustCompile(`/Type\s*/Page\b`)
	for name, page := range pages(t) {
		src, pdf := filepath.Join(dir, name+".html"), filepath.Join(dir, name+".pdf")
		if err := os.WriteFile(src, []byte(page), 0o600); err != nil {
			t.Fatal(err)
		}
		chromium(t, "--no-pdf-header-footer", "--print-to-pdf="+pdf, "file://"+src)
		b, err := os.ReadFile(pdf)
		if err != nil {
			t.Fatal(err)
		}
		n := len(pageCount.FindAll(b, -1))
		t.Logf("%s: %d pages, %d bytes", name, n, len(b))
		if n < 1 || n > 5 {
			t.Errorf("%s is %d pages on paper", name, n)
		}
	}
}
