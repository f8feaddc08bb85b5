package main

import (
	"os"
	"strings"
	"testing"
	"time"
)

const changes = `# Changelog

Lines start with [CHANGE], [FEATURE] or [BUGFIX].

## Unreleased

- [FEATURE] New, and told of in a sentence that is so long that it has to be broken somewhere after the eightieth
  character, with ` + "`code`" + `.

## 1.0.0, 2026-12-01

- [BUGFIX] Old.
`

func TestTheChangelogIsInDebiansForm(t *testing.T) {
	var b strings.Builder
	now := entry{version: "1.1.0", date: time.Date(2026, 12, 24, 18, 0, 0, 0, time.UTC)}
	if err := writeChangelog(&b, changes, now, "A B <a@b.example>"); err != nil {
		t.Fatal(err)
	}
	want := `textback (1.1.0) unstable; urgency=medium

  * [FEATURE] New, and told of in a sentence that is so long that it has to be
    broken somewhere after the eightieth character, with code.

 -- A B <a@b.example>  Thu, 24 Dec 2026 18:00:00 +0000

textback (1.0.0) unstable; urgency=medium

  * [BUGFIX] Old.

 -- A B <a@b.example>  Tue, 01 Dec 2026 00:00:00 +0000

`
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
}

func TestTheChangelogBeginsWithThePackagesVersion(t *testing.T) {
	for version, first := range map[string]string{"1.1.0": "1.1.0", "1.0.0": "1.0.0", "1.0.0+3.gabc": "1.0.0+3.gabc"} {
		text := changes
		if version != "1.1.0" {
			text = text[:strings.Index(text, "## Unreleased")] + text[strings.Index(text, "## 1.0.0"):]
		}
		var b strings.Builder
		if err := writeChangelog(&b, text, entry{version: version}, "A <a@b.example>"); err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(b.String(), "textback ("+first+") ") {
			t.Errorf("of %s it begins with %q", version, strings.SplitN(b.String(), "\n", 2)[0])
		}
	}
}

func TestAChangelogThatIsNotUnderstoodIsAnError(t *testing.T) {
	for _, text := range []string{"## Soon\n- x\n", "## 1.0.0, 2026-13-01\n- x\n", "## Unreleased\nno item\n"} {
		if _, err := readChangelog(text, entry{version: "1"}); err == nil {
			t.Errorf("%q was taken", text)
		}
	}
}

func TestOurOwnChangelogIsUnderstood(t *testing.T) {
	text, err := os.ReadFile("../../CHANGELOG.md")
	if err != nil {
		t.Fatal(err)
	}
	list, err := readChangelog(string(text), entry{version: "9.9.9"})
	if err != nil || len(list) == 0 || len(list[0].items) == 0 {
		t.Errorf("%d releases, %v", len(list), err)
	}
}

func TestTheSourceOfAModule(t *testing.T) {
	for want, m := range map[string]module{
		"https://go.dev/dl/go1.26.8.src.tar.gz":                                {path: "Go standard library", version: "go1.26.8"},
		"https://proxy.golang.org/github.com/!cy!core!systems/ari/@v/v1.0.zip": {path: "github.com/CyCoreSystems/ari", version: "v1.0"},
	} {
		if got := m.source(); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

// TestEveryModuleThatIsLinkedHasItsLicence asks the Go tool; .ci/deb/suite compares the result with what the binary says.
func TestEveryModuleThatIsLinkedHasItsLicence(t *testing.T) {
	t.Chdir("../..")
	var b strings.Builder
	if err := writeNotices(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"\n  go.etcd.io/bbolt v", "Mozilla Public License Version 2.0", "Apache License", "--- smtp/LICENSE",
		"Go standard library go1", "Source: https://proxy.golang.org/github.com/percipia/eslgo/@v/v"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the notices lack %q", want)
		}
	}
}
