package preview

import (
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"strings"
	"testing"

	"textback/configs"
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
		return AskReply(cfg, strings.TrimSuffix(body, `"`), cfg.Set.Lines[0]), nil
	}
	c, err := Ask(cfg, row, now)
	if err != nil {
		return "", err
	}
	switch {
	case c.Leaves == nil || c.Shadow:
		return fmt.Sprintf("nothing: `%s`", c.Reason), nil
	case c.Held:
		return fmt.Sprintf("`%s` %s", c.Template, c.Leaves.Format("Mon 15:04")), nil
	default:
		return fmt.Sprintf("`%s` at once", c.Template), nil
	}
}

func TestAQuestionIsAnsweredOrSaysWhatItDoesNotUnderstand(t *testing.T) {
	cfg := load(t, "BUSINESS", hours)
	for q, want := range map[string]string{
		"abandoned after 5 s, Tue 19:00":               `gets, Tue 19:00:05: template "closed"`,
		"voicemail,Tue 10:00,missed 1 before":          `template "repeat"`,
		"abandoned, Tue 10:00, from +18765550142":      "gets nothing: region: a number of JM",
		"abandoned, Tue 10:00, from anonymous":         "gets nothing: no-number",
		"abandoned, Tue 10:00, on hq, to 202-555-0100": `template "open"`,
		"abandoned, Tue 10:00, opted out":              "gets nothing: opted-out",
		"abandoned, Tue 10:00, texted 3 h ago":         "gets nothing: window",
		"answered, Tue 10:00":                          "gets nothing: answered: a person answered",
		"abandoned, 2026-12-25 11:00":                  `template "closed"`,
		"abandoned":                                    "! the time is missing",
		"busier, Tue 10:00":                            `! "busier" is not an outcome`,
		"abandoned, Tuesday morning":                   `! "Tuesday morning" is not a time`,
		"abandoned after lunch, Tue 10:00":             `! "lunch" is not how long it rang`,
		"abandoned, Tue 25:00":                         `! "25:00" is not a time of day`,
		"abandoned, Tue 10:00, to +12025550199":        "! there is no [[line]] +12025550199",
		"abandoned, Tue 10:00, on branch":              `! there is no [[pbx]] "branch"`,
		"abandoned, Tue 10:00, in a hurry":             `! "in a hurry" is not understood`,
		"abandoned, Tue 10:00, missed -1 before":       `! "missed -1 before" is not understood`,
	} {
		c, err := Ask(cfg, q, now)
		got := strings.Join(strings.Fields(c.String()), " ")
		if err != nil {
			got = "! " + err.Error()
		}
		if !strings.Contains(got, want) {
			t.Errorf("%s: %s, want %s", q, got, want)
		}
	}
}

// FuzzAsk: whatever is asked, it is answered or refused.
func FuzzAsk(f *testing.F) {
	f.Add("abandoned after 5 s, Tue 19:00, from +12025550142, missed 2 before")
	f.Add("voicemail, 2026-12-25 11:00, to 202-555-0100, on hq, 8 texts this hour")
	cfg := load(f, "BUSINESS", hours)
	f.Fuzz(func(t *testing.T, q string) {
		if _, err := Ask(cfg, q, now); err != nil && err.Error() == "" {
			t.Error("an error without words")
		}
	})
}
