package configs

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"textback/rules"
)

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// report reads [report].
func (b *builder) report(root *section) Report {
	s := root.table("report")
	if s == nil {
		return Report{Zone: time.UTC}
	}
	s.name = "[report]"
	r := Report{Businesses: b.businessList(s, "business"), Notify: b.notifyList(s, "notify")}
	r.Zone = b.reportZone(s, r.Businesses)
	if text := s.str("weekly", ""); text != "" {
		day, minute, err := weekTime(text)
		if err != nil {
			message, hint := splitHint(err)
			s.bad("weekly", withValue(text, message), hint)
		}
		r.Weekly, r.Day, r.Minute = true, day, minute
		if len(r.Notify) == 0 && (!s.has("notify") || len(b.errs) == 0) {
			s.bad("notify", "is missing: the weekly report goes to nobody", `write notify = ["…"], the name of a [[notify]] of kind "email"`)
		}
	}
	for _, name := range r.Notify {
		for _, n := range b.config.Notify {
			if n.Name == name && n.Kind != Email {
				s.bad("notify", fmt.Sprintf("%q is a %s hand-off; a report goes by e-mail", name, n.Kind), `write the name of a [[notify]] of kind "email"`)
			}
		}
	}
	s.done()
	return r
}

// reportZone is the zone given, or the one that the businesses share, or UTC.
func (b *builder) reportZone(s *section, businesses []string) *time.Location {
	if s.has("timezone") {
		return s.zone("timezone", "America/New_York")
	}
	var zone *time.Location
	for _, key := range sortedKeys(b.set.Businesses) {
		if !matchesBusiness(businesses, key) {
			continue
		}
		z := b.set.Businesses[key].Zone
		if zone != nil && zone.String() != z.String() {
			return time.UTC
		}
		zone = z
	}
	if zone == nil {
		return time.UTC
	}
	return zone
}

// weekTime reads "Mon 08:00".
func weekTime(text string) (time.Weekday, int, error) {
	day, clock, ok := strings.Cut(strings.TrimSpace(text), " ")
	if !ok {
		return 0, 0, fmt.Errorf(`%q is not a time of the week (write it like "Mon 08:00")`, clip(text))
	}
	minute, err := rules.ParseClock(strings.TrimSpace(clock))
	if err != nil {
		return 0, 0, err
	}
	if minute >= rules.Midnight {
		return 0, 0, fmt.Errorf(`%q is the next day (write it like "Mon 00:00")`, clip(text))
	}
	for d := time.Sunday; d <= time.Saturday; d++ {
		if strings.EqualFold(day, d.String()) || strings.EqualFold(day, d.String()[:3]) {
			return d, int(minute), nil
		}
	}
	return 0, 0, fmt.Errorf(`%q is not a day of the week (write it like "Mon 08:00")`, clip(day))
}

// alarm reads [alarm].
func (b *builder) alarm(root *section) Alarm {
	s := root.table("alarm")
	if s == nil {
		return Alarm{Silence: time.Hour, NoTexts: true}
	}
	s.name = "[alarm]"
	a := Alarm{
		Silence: s.duration("silence", time.Hour, 0),
		NoTexts: s.boolean("no_texts", true),
		Notify:  b.notifyList(s, "notify"),
	}
	if a.Silence > 0 && a.Silence < time.Minute {
		s.bad("silence", fmt.Sprintf("%q is too short: it would alarm all day", short(a.Silence)), `write at least "1m", or "0s" for never`)
	}
	s.done()
	return a
}

// recordKinds are the kinds of [[records]] and the kind of PBX that each belongs to.
var recordKinds = map[string]string{"cdr-csv": Asterisk, "cel-csv": Asterisk, "mysql": Asterisk,
	"postgres": FreeSWITCH, "freeswitch-csv": FreeSWITCH, "json-cdr": FreeSWITCH}

// recordColumns are the words for what is read of a record.
var recordColumns = []string{"id", "linked_id", "start", "answer", "end", "caller", "caller_name", "dialled", "context",
	"channel", "peer", "disposition", "duration", "billsec", "event", "direction", "cause", "last_app", "voicemail"}

// records reads [[records]].
func (b *builder) records(root *section) []Records {
	var all []Records
	for _, s := range root.tables("records") {
		pbx := s.need("pbx", "hq")
		s.name = s.named("records", pbx)
		if pbx != "" {
			s.oneOf("pbx", pbx, "[[pbx]]", pbxNames(b.config.PBXs))
		}
		r := Records{PBX: pbx, Kind: s.choice("kind", "", "cdr-csv", "cel-csv", "mysql", "postgres", "freeswitch-csv", "json-cdr")}
		b.recordSource(s, &r)
		r.Timezone = time.UTC
		if s.has("timezone") {
			r.Timezone = s.zone("timezone", "America/New_York")
		} else if r.Kind == "cdr-csv" || r.Kind == "cel-csv" || r.Kind == "mysql" || r.Kind == "freeswitch-csv" {
			r.Timezone = time.Local
		}
		r.Columns = s.columns("columns", r.Kind)
		if p, ok := b.config.PBX(pbx); ok && r.Kind != "" && recordKinds[r.Kind] != p.Kind {
			s.bad("kind", fmt.Sprintf("%q is not a record of an %s PBX", r.Kind, p.Kind), "write "+either(kindsFor(p.Kind)))
		}
		s.done()
		all = append(all, r)
	}
	return all
}

func kindsFor(pbx string) []string {
	var out []string
	for _, kind := range sortedKeys(recordKinds) {
		if recordKinds[kind] == pbx {
			out = append(out, kind)
		}
	}
	return out
}

func (b *builder) recordSource(s *section, r *Records) {
	files := map[string]string{"cdr-csv": "/var/log/asterisk/cdr-csv/Master.csv", "cel-csv": "/var/log/asterisk/cel-custom/Master.csv",
		"freeswitch-csv": "/var/log/freeswitch/cdr-csv/Master.csv", "json-cdr": "/var/log/freeswitch/json_cdr"}
	dsn := []string{"dsn", "dsn_file", "dsn_credential", "dsn_env"}
	switch r.Kind {
	case "mysql":
		r.DSN = s.secret("dsn", true)
		r.Format = s.choice("format", "cdr", "cdr", "cel")
		r.Table = s.sqlName("table", r.Format)
		s.only("a database", "path")
	case "postgres":
		r.DSN = s.secret("dsn", true)
		r.Format = s.choice("format", "fusionpbx", "fusionpbx", "cdr")
		r.Table = s.sqlName("table", map[string]string{"fusionpbx": "v_xml_cdr", "cdr": "cdr"}[r.Format])
		s.only("a database", "path")
	case "":
		s.skip(append(dsn, "path", "table", "format")...)
	default:
		r.Path = s.absolute("path", files[r.Kind])
		s.only("a file", append(dsn, "table", "format")...)
	}
}

// sqlName reads the name of a table, which goes into a query and therefore has to be plain.
func (s *section) sqlName(key, otherwise string) string {
	name := s.str(key, otherwise)
	if !isSQLName(name) {
		s.bad(key, fmt.Sprintf("%q is not the name of a table", clip(name)), fmt.Sprintf("write letters, digits, _ and one dot, like %q", otherwise))
		return otherwise
	}
	return name
}

func isSQLName(name string) bool {
	if name == "" || len(name) > 128 || strings.Count(name, ".") > 1 || strings.HasPrefix(name, ".") || strings.HasSuffix(name, ".") {
		return false
	}
	for _, r := range name {
		if !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '.') {
			return false
		}
	}
	return true
}

// columns reads a table from our words to columns: names in a database, numbers from 0 in a file.
func (s *section) columns(key, kind string) map[string]string {
	t := s.table(key)
	if t == nil {
		return nil
	}
	out := map[string]string{}
	database := kind == "mysql" || kind == "postgres"
	for _, e := range t.t.keys {
		t.asked[e.key] = true
		switch {
		case !slices.Contains(recordColumns, e.key):
			t.fail(e.at, t.name, fmt.Sprintf("unknown column %q", clip(e.key)), suggest(e.key, recordColumns))
		case kind == "json-cdr":
			t.fail(e.at, t.name, "a json-cdr file has no columns", "take the table out")
		case database && e.value.kind == kindString && isSQLName(e.value.text) && !strings.Contains(e.value.text, "."):
			out[e.key] = e.value.text
		case database:
			t.badAt(e.at, e.key, "is not the name of a column", fmt.Sprintf("write it like %s = %q", e.key, "calldate"))
		case e.value.kind == kindInteger && e.value.integer >= 0 && e.value.integer < 256:
			out[e.key] = strconv.FormatInt(e.value.integer, 10)
		default:
			t.badAt(e.at, e.key, "is not the number of a column", fmt.Sprintf("write it like %s = 4; the first column is 0", e.key))
		}
	}
	return out
}
