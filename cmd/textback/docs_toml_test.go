package main

import (
	"io/fs"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"textback/configs"
)

// docsBase is what a piece of TOML in the documentation stands in: everything that pieces refer to.
const docsBase = `
[[pbx]]
name          = "hq"
kind          = "asterisk"
username      = "textback"
password_file = "ari.password"
[pbx.callback]
endpoint = "PJSIP/{extension}"
[[pbx]]
name          = "branch"
kind          = "freeswitch"
password_file = "esl.password"
[[smpp]]
name          = "carrier"
addr          = "127.0.0.1:2775"
system_id     = "acme"
password_file = "smpp.password"
[business.acme]
name        = "Acme Plumbing"
timezone    = "America/New_York"
region      = "US"
booking_url = "https://acme.example/book"
[[line]]
number   = "+12025550100"
business = "acme"
name     = "Main"
[policy]
window = "24h"
[template]
open   = "{{.Business}}: sorry we missed you! Reply STOP to opt out"
closed = "{{.Business}}: we are closed. Reply STOP to opt out"
repeat = "{{.Business}}: sorry, again. Reply STOP to opt out"
[[rule]]
send = "open"
[[reply]]
name  = "price"
match = ["price"]
send  = "From $89."
[[notify]]
name        = "crm"
kind        = "webhook"
url         = "https://crm.example.net/hook"
secret_file = "crm.whsec"
[[notify]]
name     = "front-desk"
kind     = "email"
to       = ["front-desk@acme.example"]
from     = "textback@acme.example"
server   = "smtp.acme.example:587"
[[notify]]
name = "on-call"
kind = "text"
to   = ["+12025550177"]
[http]
listen     = "127.0.0.1:9642"
token_file = "api.token"
[[booking]]
service     = "cal.com"
secret_file = "booking.secret"
[[records]]
pbx  = "hq"
kind = "cdr-csv"
[report]
weekly = "Mon 08:00"
notify = ["front-desk"]
`

// docsTables are the tables in which a piece without a head may stand.
var docsTables = []string{"", "[policy]", "[business.acme]", "[[line]]", "[[pbx]]", "[[smpp]]", "[template]", "[http]", "[alarm]", "[syslog]"}

var (
	tomlHead  = regexp.MustCompile(`(?m)^\[+[a-z._-]+\]+`)
	tomlFirst = regexp.MustCompile(`^(\[+[a-z._-]+\]+|[a-z_]+ *= *["\[{0-9tf'].*)`)
)

// tomlPieces are the pieces of TOML of a page: fenced ones, and indented blocks that begin like one.
func tomlPieces(text string) []string {
	var all []string
	for _, m := range tomlBlock.FindAllStringSubmatch(text, -1) {
		all = append(all, m[1])
	}
	var block strings.Builder
	flush := func() {
		piece := strings.Trim(block.String(), "\n")
		block.Reset()
		first, _, _ := strings.Cut(strings.TrimLeft(piece, "\n"), "\n")
		if tomlFirst.MatchString(first) {
			all = append(all, piece+"\n")
		}
	}
	for line := range strings.Lines(fenced.ReplaceAllString(text, "")) {
		if rest, ok := strings.CutPrefix(line, "    "); ok {
			block.WriteString(rest)
		} else if strings.TrimSpace(line) == "" {
			block.WriteString("\n")
		} else {
			flush()
		}
	}
	flush()
	return all
}

// inContext is the base, in which the tables of a piece take the place of those of the same head, then the piece.
func inContext(piece string) string {
	heads := map[string]bool{}
	for _, h := range tomlHead.FindAllString(piece, -1) {
		heads[h] = true
	}
	var b strings.Builder
	at := tomlHead.FindAllStringIndex(docsBase, -1)
	for i, loc := range at {
		end := len(docsBase)
		if i+1 < len(at) {
			end = at[i+1][0]
		}
		head := docsBase[loc[0]:loc[1]]
		// What refers to a table that is replaced goes with it.
		gone := heads["[[pbx]]"] && (head == "[pbx.callback]" || head == "[[records]]") || heads["[[notify]]"] && head == "[report]"
		if !heads[head] && !gone {
			b.WriteString(docsBase[loc[0]:end])
		}
	}
	return b.String() + "\n" + piece
}

// docsFile serves every file that a piece names.
func docsFile(path string) ([]byte, fs.FileMode, error) {
	switch name := filepath.Base(path); {
	case strings.Contains(name, "whsec"), strings.Contains(name, "crm"):
		return []byte("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n"), 0o640, nil
	case strings.HasSuffix(name, ".txt"):
		return []byte("+12025550150\n"), 0o640, nil
	case strings.HasSuffix(name, ".pem"), strings.HasSuffix(name, ".crt"):
		return nil, 0, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
	default:
		return []byte("0123456789abcdef0123\n"), 0o640, nil
	}
}

// loads tells whether a piece is taken in one of the places where it may stand, else what is said against it in the first.
func loads(piece string) (complaint string) {
	places := docsTables
	if first := strings.TrimSpace(piece); strings.HasPrefix(first, "[") {
		places = []string{""}
	}
	for _, table := range places {
		text := piece
		if table != "" {
			// The table of the base goes on with the keys of the piece.
			_, rest, _ := strings.Cut(docsBase, "\n"+table+"\n")
			if i := strings.Index(rest, "\n["); i >= 0 {
				rest = rest[:i+1]
			}
			var kept strings.Builder
			for line := range strings.Lines(rest) {
				key, _, _ := strings.Cut(line, "=")
				if !regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(strings.TrimSpace(key)) + ` *=`).MatchString(piece) {
					kept.WriteString(line)
				}
			}
			text = table + "\n" + kept.String() + piece
		}
		full := inContext(text)
		if table == "" && !strings.HasPrefix(strings.TrimSpace(piece), "[") {
			full = piece + "\n" + inContext("")
		}
		_, err := configs.Parse("/etc/textback/textback.toml", []byte(full), configs.Options{Mode: 0o640, ReadFile: docsFile,
			Getenv: func(string) string { return "0123456789abcdef0123" }})
		if err == nil {
			return ""
		}
		if complaint == "" {
			complaint = strings.Join(configs.Lines(err), "\n")
		}
	}
	return complaint
}

// TestEveryPieceOfConfigurationInTheDocumentationLoads: in the place where it may stand, with everything that it refers to. A piece
// of TOML that is no configuration is fenced with another word after toml, as in "toml answers".
func TestEveryPieceOfConfigurationInTheDocumentationLoads(t *testing.T) {
	seen := 0
	for _, p := range pages(t) {
		if p.name == "docs/cookbook.md" {
			continue // its pieces stand on one of their own, and are tested with what they do
		}
		for _, piece := range tomlPieces(p.text) {
			seen++
			if s := loads(piece); s != "" {
				t.Errorf("%s: a piece of configuration is refused:\n%s\n%s", p.name, piece, s)
			}
		}
	}
	if seen < 12 {
		t.Errorf("only %d pieces were read", seen)
	}
}
