package main

import (
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"
)

// entry is a release.
type entry struct {
	version string
	date    time.Time
	items   []string // lines joined
}

// release is the heading of one in CHANGELOG.md: "## 1.2.0, 2026-12-01".
var release = regexp.MustCompile(`^## (\d[^ ,]*), (\d{4}-\d\d-\d\d)$`)

// readChangelog reads CHANGELOG.md; what stands under "Unreleased" is in current.
func readChangelog(text string, current entry) ([]entry, error) {
	var list []entry
	for line := range strings.SplitSeq(text, "\n") {
		switch m := release.FindStringSubmatch(line); {
		case line == "## Unreleased":
			list = append(list, current)
		case m != nil:
			date, err := time.Parse(time.DateOnly, m[2])
			if err != nil {
				return nil, fmt.Errorf("%q: %w", line, err)
			}
			if m[1] == current.version {
				date = current.date
			}
			list = append(list, entry{version: m[1], date: date})
		case strings.HasPrefix(line, "## "):
			return nil, fmt.Errorf("%q is neither \"## Unreleased\" nor like \"## 1.2.0, 2026-12-01\"", line)
		case len(list) == 0 || line == "":
		case strings.HasPrefix(line, "- "):
			e := &list[len(list)-1]
			e.items = append(e.items, line[2:])
		default:
			e := &list[len(list)-1]
			if len(e.items) == 0 {
				return nil, fmt.Errorf("%q belongs to no item", line)
			}
			e.items[len(e.items)-1] += " " + strings.TrimSpace(line)
		}
	}
	if len(list) == 0 || list[0].version != current.version {
		// A build between releases without a line of its own.
		current.items = []string{"Built from the source of " + current.date.Format(time.DateOnly) + "."}
		list = append([]entry{current}, list...)
	}
	return list, nil
}

// writeChangelog writes it in the form of deb-changelog(5).
func writeChangelog(w io.Writer, text string, current entry, maintainer string) error {
	list, err := readChangelog(text, current)
	if err != nil {
		return err
	}
	for _, e := range list {
		if len(e.items) == 0 {
			continue
		}
		if _, err := fmt.Fprintf(w, "textback (%s) unstable; urgency=medium\n\n", e.version); err != nil {
			return err
		}
		for _, item := range e.items {
			for i, line := range wrap(strings.ReplaceAll(item, "`", ""), 76) {
				lead := "  * "
				if i > 0 {
					lead = "    "
				}
				fmt.Fprintf(w, "%s%s\n", lead, line)
			}
		}
		if _, err := fmt.Fprintf(w, "\n -- %s  %s\n\n", maintainer, e.date.Format(time.RFC1123Z)); err != nil {
			return err
		}
	}
	return nil
}

// wrap breaks text at spaces into lines of at most width characters.
func wrap(text string, width int) []string {
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(text) {
		if line != "" && len(line)+1+len(word) > width {
			lines, line = append(lines, line), ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}
