package preview

import (
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"textback"
	"textback/configs"
	"textback/rules"
)

// recipe is a piece of docs/cookbook.md: a configuration and what it is said to do.
type recipe struct {
	title string
	toml  string
	rows  [][2]string
}

// cookbook reads the page; the first recipe is what the others stand on.
func cookbook(t *testing.T) []recipe {
	t.Helper()
	page, err := os.ReadFile("../../../docs/cookbook.md")
	if err != nil {
		t.Fatal(err)
	}
	all := []recipe{{title: "what all stand on"}}
	inside := false
	for line := range strings.Lines(string(page)) {
		r := &all[len(all)-1]
		line = strings.TrimRight(line, "\n")
		switch {
		case line == "```toml":
			inside = true
		case line == "```":
			inside = false
		case inside:
			r.toml += line + "\n"
		case strings.HasPrefix(line, "## "):
			all = append(all, recipe{title: line[3:]})
		case strings.HasPrefix(line, "| ") && !strings.Contains(line, "---"):
			cells := strings.Split(strings.Trim(line, "| "), " | ")
			if len(cells) == 2 && cells[0] != "call" && cells[0] != "reply" {
				r.rows = append(r.rows, [2]string{cells[0], cells[1]})
			}
		}
	}
	return all
}

// tableHead is a line that begins a table.
var tableHead = regexp.MustCompile(`(?m)^\[+[a-z.]+\]+$`)

// merged is the base without the tables that the piece writes out, and then the piece.
func merged(base, piece string) string {
	heads := map[string]bool{}
	for _, h := range tableHead.FindAllString(piece, -1) {
		heads[h] = true
	}
	var b strings.Builder
	at := tableHead.FindAllStringIndex(base, -1)
	for i, loc := range at {
		end := len(base)
		if i+1 < len(at) {
			end = at[i+1][0]
		}
		if !heads[base[loc[0]:loc[1]]] {
			b.WriteString(base[loc[0]:end])
		}
	}
	return b.String() + piece
}

func TestTheRecipesDoWhatTheCookbookSays(t *testing.T) {
	all := cookbook(t)
	if len(all) < 12 {
		t.Fatalf("only %d recipes", len(all))
	}
	files := map[string]string{"ari.password": "x\n", "smpp.password": "x\n", "suppliers.txt": "+12025550150 # Smith wholesale\n+1800*\n"}
	for i, r := range all {
		text := r.toml
		if i > 0 {
			text = merged(all[0].toml, r.toml)
		}
		cfg, err := configs.Parse("/etc/textback/textback.toml", []byte(text), configs.Options{Mode: 0o640,
			ReadFile: func(path string) ([]byte, fs.FileMode, error) {
				if s, ok := files[path[strings.LastIndexByte(path, '/')+1:]]; ok {
					return []byte(s), 0o640, nil
				}
				return nil, 0, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
			}})
		if err != nil {
			t.Errorf("%s: refused:\n%s", r.title, strings.Join(configs.Lines(err), "\n"))
			continue
		}
		if len(r.rows) == 0 {
			t.Errorf("%s: it shows nothing", r.title)
		}
		for _, w := range Look(cfg, nil, now) {
			if strings.Contains(w.Message, "no call can come to it") || strings.Contains(w.Message, "no reply comes to it") {
				t.Errorf("%s: %s", r.title, w)
			}
		}
		for _, row := range r.rows {
			got, err := judgeRow(cfg, row[0])
			if err != nil {
				t.Errorf("%s: %q: %v", r.title, row[0], err)
			} else if got != row[1] {
				t.Errorf("%s: %q gets %s, the page says %s", r.title, row[0], got, row[1])
			}
		}
	}
}

// judgeRow puts the call or reply of a row through the rules and words the outcome as the page does.
func judgeRow(cfg *configs.Config, row string) (string, error) {
	if body, ok := strings.CutPrefix(row, `"`); ok {
		return judgeReply(cfg, strings.TrimSuffix(body, `"`)), nil
	}
	parts := strings.Split(row, ", ")
	if len(parts) < 2 {
		return "", fmt.Errorf("it has no time")
	}
	word, after, hasRing := strings.Cut(parts[0], " after ")
	outcome, err := textback.ParseOutcome(word)
	if err != nil {
		return "", err
	}
	line := cfg.Set.Lines[0]
	h := textback.History{}
	from := ""
	var texted time.Duration
	for _, p := range parts[2:] {
		var n int
		switch {
		case strings.HasPrefix(p, "to "):
			if line = cfg.Set.LineByNumber(p[3:]); line == nil {
				return "", fmt.Errorf("there is no line %s", p[3:])
			}
		case strings.HasPrefix(p, "from "):
			from = p[5:]
		case scan(p, "missed %d before", &n):
			h.Missed = n
		case scan(p, "texted %d h ago", &n):
			texted = time.Duration(n) * time.Hour
		case scan(p, "%d texts this hour", &n):
			h.BusinessHour = n
		default:
			return "", fmt.Errorf("%q is not understood", p)
		}
	}
	at, err := rowTime(line.Business, parts[1])
	if err != nil {
		return "", err
	}
	if texted > 0 {
		h.LastText = at.Add(-texted)
	}
	s := newScene(cfg, line, now)
	if from != "" {
		if s.caller, err = textback.ParseNumber(from, line.Business.Region, nil, true); err != nil {
			return "", err
		}
	}
	ring := 20 * time.Second
	if hasRing {
		seconds, err := strconv.Atoi(strings.TrimSuffix(after, " s"))
		if err != nil {
			return "", err
		}
		ring = time.Duration(seconds) * time.Second
	}
	c := s.run(s.call(outcome, ring, at), h)
	switch {
	case c.Leaves == nil || c.Shadow:
		return fmt.Sprintf("nothing: `%s`", c.Reason), nil
	case c.Held:
		return fmt.Sprintf("`%s` %s", c.Template, c.Leaves.Format("Mon 15:04")), nil
	default:
		return fmt.Sprintf("`%s` at once", c.Template), nil
	}
}

func scan(s, format string, n *int) bool {
	got, err := fmt.Sscanf(s, format, n)
	return err == nil && got == 1 && fmt.Sprintf(format, *n) == s
}

// rowTime reads "Tue 10:00" or "2026-12-25 11:00" by the clock of a business, after now.
func rowTime(b *rules.Business, s string) (time.Time, error) {
	if at, err := time.ParseInLocation("2006-01-02 15:04", s, b.Zone); err == nil {
		return at, nil
	}
	for ahead := 1; ahead <= 7; ahead++ {
		d := now.In(b.Zone).AddDate(0, 0, ahead)
		if clock, ok := strings.CutPrefix(s, d.Format("Mon ")); ok {
			c, err := rules.ParseClock(clock)
			return time.Date(d.Year(), d.Month(), d.Day(), int(c)/60, int(c)%60, 0, 0, b.Zone), err
		}
	}
	return time.Time{}, fmt.Errorf("%q is not a time", s)
}

func judgeReply(cfg *configs.Config, body string) string {
	switch rules.Classify(body).Kind {
	case rules.OptOut:
		return "an opt-out"
	case rules.Help:
		return "answered with help"
	default:
	}
	if b := cfg.Set.MatchBranch(body, cfg.Set.Lines[0].Business.Key); b != nil {
		return "answered by `" + b.Name + "`"
	}
	return "for a person"
}
