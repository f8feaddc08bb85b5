package configs

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// recordKinds are the kinds of [[records]] and the kind of PBX that each belongs to.
var recordKinds = map[string]string{"cdr-csv": Asterisk, "cel-csv": Asterisk, "mysql": Asterisk,
	"postgres": FreeSWITCH, "freeswitch-csv": FreeSWITCH, "json-cdr": FreeSWITCH}

// recordColumns are the words for what is read of a record.
var recordColumns = []string{"id", "linked_id", "start", "answer", "end", "caller", "caller_name", "dialled", "context",
	"channel", "peer", "disposition", "duration", "billsec", "event", "direction", "cause", "last_app", "voicemail", "did",
	"extra", "leg", "bridge", "last_data", "queue_cause", "queue_cancel", "queue_answered", "conference"}

// records reads [[records]].
func (b *builder) records(root *section) []Records {
	var all []Records
	for _, s := range root.tables("records") {
		pbx := s.need("pbx", "hq")
		s.name = s.named("records", pbx)
		if pbx != "" {
			s.oneOf("pbx", pbx, "[[pbx]]", pbxNames(b.config.PBXs))
		}
		r := Records{PBX: pbx, Kind: s.choice("kind", "", "cdr-csv", "cel-csv", "mysql", "postgres", "freeswitch-csv",
			"json-cdr")}
		b.recordSource(s, &r)
		r.Timezone = time.UTC
		if s.has("timezone") {
			r.Timezone = s.zone("timezone", "America/New_York")
		} else if r.Kind == "cdr-csv" || r.Kind == "cel-csv" || r.Kind == "mysql" || r.Kind == "freeswitch-csv" {
			r.Timezone = time.Local
		}
		r.Columns = s.columns("columns", r.Kind)
		if p, ok := b.config.PBX(pbx); ok && r.Kind != "" && recordKinds[r.Kind] != p.Kind {
			s.bad("kind", fmt.Sprintf("%q is not a record of an %s PBX", r.Kind, p.Kind),
				"write "+either(kindsFor(p.Kind)))
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
	files := map[string]string{"cdr-csv": "/var/log/asterisk/cdr-csv/Master.csv",
		"cel-csv":        "/var/log/asterisk/cel-custom/Master.csv",
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
		s.bad(key, fmt.Sprintf("%q is not the name of a table", clip(name)),
			fmt.Sprintf("write letters, digits, _ and one dot, like %q", otherwise))
		return otherwise
	}
	return name
}

func isSQLName(name string) bool {
	if name == "" || len(name) > 128 || strings.Count(name, ".") > 1 || strings.HasPrefix(name, ".") ||
		strings.HasSuffix(name, ".") {
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
			t.badAt(e.at, e.key, "is not the number of a column",
				fmt.Sprintf("write it like %s = 4; the first column is 0", e.key))
		}
	}
	return out
}
