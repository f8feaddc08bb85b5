package manual

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pelletier/go-toml/v2"

	"textback/configs"
)

// helper is a program with two commands, as `textback help` prints them.
func helper(args ...string) (string, error) {
	switch strings.Join(args, " ") {
	case "help":
		return "textback texts back.\n\nUsage: textback COMMAND [arguments]\n\n  optout    opt numbers out\n  demo      show it\n" +
			"  version   print the version\n\n`textback help COMMAND` tells more.\n", nil
	case "help optout":
		return "Usage: textback optout add|remove NUMBER | list | import FILE\n\nopt numbers out.\n\nFirst line\nand second.\n\n  an example\n\n" +
			"Flags:\n  --config FILE            configuration FILE (default /etc/x)\n  --a-very-long-flag-indeed NAME the name\n" +
			"  --a-switch-as-long-as-that print JSON\n  --format FORMAT          FORMAT: text, csv or json (default text)\n  --json                   print JSON\n", nil
	case "help demo":
		return "Usage: textback demo\n\nshow it.\n", nil
	}
	return "", fmt.Errorf("no help for %q", args)
}

func TestHelpIsTakenApart(t *testing.T) {
	m, err := Read(helper)
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Verbs) != 3 || m.Verbs[1].Name != "demo" || m.Verbs[1].Long != "" || len(m.Verbs[1].Flags) != 0 {
		t.Fatalf("verbs: %+v", m.Verbs)
	}
	v := m.Verbs[0]
	if v.Long != "First line\nand second.\n\n  an example" {
		t.Errorf("long: %q", v.Long)
	}
	want := []Flag{{"config", "FILE", "configuration FILE (default /etc/x)"}, {"a-very-long-flag-indeed", "NAME", "the name"},
		{"a-switch-as-long-as-that", "", "print JSON"}, {"format", "FORMAT", "FORMAT: text, csv or json (default text)"},
		{"json", "", "print JSON"}}
	if !slices.Equal(v.Flags, want) {
		t.Errorf("flags: %+v", v.Flags)
	}
	if got := v.Choices(); !slices.Equal(got, []Choice{{"add", false}, {"remove", false}, {"list", false}, {"import", true}}) {
		t.Errorf("choices: %+v", got)
	}
}

func TestWhatMayBeGivenToAFlag(t *testing.T) {
	v := Verb{Args: "[--by day|10-days] [--output FILE]"}
	for _, tt := range []struct {
		flag Flag
		want []string
	}{
		{Flag{"format", "FORMAT", "FORMAT: text, csv or json (default text)"}, []string{"text", "csv", "json"}},
		{Flag{"form", "FORM", "only this FORM: 10dlc, toll-free or general"}, []string{"10dlc", "toll-free", "general"}},
		{Flag{"by", "HOW", "how it is counted"}, []string{"day", "10-days"}},
		{Flag{"output", "FILE", "FILE to write"}, nil},
		{Flag{"person", "NAME", "NAME of who answers"}, nil},
		{Flag{"json", "", "print JSON"}, nil},
	} {
		if got := v.Values(tt.flag); !slices.Equal(got, tt.want) {
			t.Errorf("--%s: %q, want %q", tt.flag.Name, got, tt.want)
		}
	}
}

func TestHelpThatIsNotUnderstoodIsAnError(t *testing.T) {
	for _, tt := range []struct{ name, list, verb, want string }{
		{"no commands", "textback texts back.\n", "", "there is none"},
		{"another usage", "x\n\n  demo  show it\n", "Usage: other demo\n\nshow it.\n", "not with its usage"},
		{"another sentence", "x\n\n  demo  show it\n", "Usage: textback demo\n\nhide it.\n", "is not in it"},
		{"a flag of another form", "x\n\n  demo  show it\n", "Usage: textback demo\n\nshow it.\n\nFlags:\n  -q quick\n", "not the line of a flag"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Read(func(args ...string) (string, error) {
				if len(args) == 1 {
					return tt.list, nil
				}
				return tt.verb, nil
			})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want one with %q", err, tt.want)
			}
		})
	}
}

func TestTheFormsOfArguments(t *testing.T) {
	for args, want := range map[string][]Choice{
		"[--config FILE]":                             nil,
		"FILE":                                        {{"", true}},
		"NUMBER|CALL":                                 nil,
		"[--config FILE] [flags] [FILE|-]":            {{"", true}},
		"[list] | show ID | reply ID TEXT":            {{"list", false}, {"show", false}, {"reply", false}},
		"[--format text|csv|json] [--output FILE]":    nil,
		"add|remove NUMBER | import FILE | export":    {{"add", false}, {"remove", false}, {"import", true}, {"export", false}},
		"--to NUMBER [--line LINE]":                   nil,
		"[--from FILE] dry-run | write FILE | revert": {{"dry-run", false}, {"write", true}, {"revert", false}},
	} {
		if got := (&Verb{Args: args}).Choices(); !slices.Equal(got, want) {
			t.Errorf("%s: %+v, want %+v", args, got, want)
		}
	}
}

func TestNothingInAPageIsTakenForTroff(t *testing.T) {
	var r roff
	r.paragraphs(".SH is no macro here, 'nor here; a\\b `--flag` stays\n'x\n\n  .indented\n  $ it's\nend")
	want := `.PP
\&.SH is no macro here, \(aqnor here; a\eb \fB\-\-flag\fR stays
\(aqx
.RS 4
.EX
\&.indented
$ it\(aqs
.EE
.RE
.PP
end
`
	if r.String() != want {
		t.Errorf("got\n%s\nwant\n%s", r.String(), want)
	}
}

// TestThePageHasEveryKeyOfTheReference compares the page with what a TOML decoder finds in the file.
func TestThePageHasEveryKeyOfTheReference(t *testing.T) {
	var b strings.Builder
	if err := WriteConfiguration(&b, string(configs.Reference), Page{Version: "1.2.3", Date: "2026-11-24"}); err != nil {
		t.Fatal(err)
	}
	page := b.String()
	if !strings.Contains(page, `"2026\-11\-24" "textback 1.2.3"`) {
		t.Error("the head lacks date or version")
	}
	var file map[string]any
	if err := toml.Unmarshal(configs.Reference, &file); err != nil {
		t.Fatal(err)
	}
	keys := 0
	var look func(table string, v any)
	look = func(table string, v any) {
		switch v := v.(type) {
		case map[string]any:
			for key, value := range v {
				switch value := value.(type) {
				case map[string]any, []any:
					if header(string(configs.Reference), table, key) {
						look(strings.TrimPrefix(table+"."+key, "."), value)
						continue
					}
				}
				keys++
				if !strings.Contains(page, "\\fB"+code(key)+"\\fR") {
					t.Errorf("the page lacks %s of [%s]", key, table)
				}
			}
		case []any:
			for _, each := range v {
				look(table, each)
			}
		}
	}
	look("", file)
	if keys < 150 {
		t.Errorf("only %d keys were compared", keys)
	}
	for line := range strings.Lines(string(configs.Reference)) {
		if strings.HasPrefix(line, "[") {
			name, _ := beside(strings.TrimSpace(line))
			if !strings.Contains(page, ".SS \""+code(name)) {
				t.Errorf("the page lacks %s", name)
			}
		}
	}
	if strings.Contains(page, need) {
		t.Errorf("%s of the file is in the page", need)
	}
}

// header tells whether a table has a line of its own, and is not written as a value.
func header(text, table, key string) bool {
	name := strings.TrimPrefix(table+"."+key, ".")
	for line := range strings.Lines(text) {
		if line = strings.Trim(strings.TrimSpace(line), "[]"); strings.HasPrefix(line, name+"]") || line == name || strings.HasPrefix(line, name+".") {
			return true
		}
	}
	return false
}

func TestAReferenceThatIsNotUnderstoodIsAnError(t *testing.T) {
	for _, text := range []string{"", "state = 1\n\n", "# text\n\nno key here\n"} {
		if err := WriteConfiguration(&strings.Builder{}, text, Page{}); err == nil {
			t.Errorf("%q was taken", text)
		}
	}
}

func TestBashReadsTheCompletion(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("bash is not installed")
	}
	m, err := Read(helper)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := m.WriteBash(&b); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "textback"), []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a file", "archive"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct{ words, want string }{
		{"''", "help optout demo version"},
		{"o", "optout"},
		{"help ''", "optout demo version"},
		{"optout ''", "add remove list import"},
		{"optout i", "import"},
		{"optout --json --config x ''", "add remove list import"},
		{"optout --config = x ''", "add remove list import"},
		{"optout add ''", ""},
		{"optout import a", "a file|archive"},
		{"optout --config a", "a file|archive"},
		{"optout --config = a", "a file|archive"},
		{"optout --config =", "a file|archive|textback"},
		{"optout --a-very-long-flag-indeed ''", ""},
		{"optout --format ''", "text csv json"},
		{"optout --format = j", "json"},
		{"optout --", "--config --a-very-long-flag-indeed --a-switch-as-long-as-that --format --json --help"},
		{"demo ''", ""},
		{"demo -", "--help"},
	} {
		script := "cd " + dir + "\n. ./textback\nCOMP_WORDS=(textback " + tt.words + ")\nCOMP_CWORD=$((${#COMP_WORDS[@]} - 1))\n_textback\nprintf '%s\\n' \"${COMPREPLY[@]}\"\n"
		out, err := exec.Command(bash, "--norc", "-u", "-c", script).CombinedOutput()
		want := strings.Split(tt.want, "|")
		if len(want) == 1 {
			want = strings.Split(tt.want, " ")
		}
		got := strings.Split(strings.TrimSpace(string(out)), "\n")
		slices.Sort(got)
		slices.Sort(want)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("textback %s: %q %v, want %q", tt.words, got, err, want)
		}
	}
}
