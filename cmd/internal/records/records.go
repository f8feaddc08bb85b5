// Package records reads a PBX's own call records and judges from them which calls from outside were missed: for the time
// in which textback was away, and for `textback replay`. It reads Asterisk's CDR and CEL (as CSV, or from FreePBX's MariaDB)
// and FreeSWITCH's CDR (mod_cdr_csv, mod_json_cdr, mod_cdr_pg_csv, FusionPBX's v_xml_cdr).
//
// The parsers and the judgement are pure. The judgement is careful: a call is missed only if the records prove that no
// person answered, it is answered only if they prove that one did, and everything else is unseen.
package records

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"textback"
	"textback/configs"
)

// Kinds of records, the words of `kind` in [[records]] and, for databases, of `format`.
const (
	CDRCSV        = "cdr-csv"        // Asterisk cdr_csv, Master.csv
	CELCSV        = "cel-csv"        // Asterisk cel_custom, the mapping of the sample configuration
	FreeSWITCHCSV = "freeswitch-csv" // FreeSWITCH mod_cdr_csv, the template "example"
	JSONCDR       = "json-cdr"       // FreeSWITCH mod_json_cdr, a file for each leg in a folder
	MySQL         = "mysql"          // FreePBX: asteriskcdrdb, tables cdr and cel
	Postgres      = "postgres"       // FusionPBX v_xml_cdr, or the table of mod_cdr_pg_csv
)

// Source is where one PBX keeps its records, with what is needed to read them.
type Source struct {
	configs.Records
	Inbound []string // contexts in which calls from outside arrive, * as wild card
	Trunks  []string // further: names of endpoints; empty = any
}

// NewSource is the source of a configured [[records]] table.
func NewSource(r configs.Records, p *configs.PBX) Source {
	return Source{Records: r, Inbound: p.Inbound, Trunks: p.Trunks}
}

// Result is what was found.
type Result struct {
	Calls   []textback.Call // from outside, over, in the order of their end
	Rows    int             // records read
	Skipped int             // records that could not be read: bad form, bad time, too long
	Files   int             // files read
}

// ErrTooMany: the records of the asked time do not fit into the memory that may be used.
var ErrTooMany = errors.New("too many records for one reading: ask for a shorter time")

// maxRows bounds the records that are held at a time. 200,000 of an Asterisk's CDR take 650 MB with all that is made of them.
const maxRows = 200_000

// before is how much earlier than the asked time records are read: a record stands by the start of a call, or by the end
// of one of its legs, and all of a call is needed.
const before = 6 * time.Hour

// Read reads the calls that ended in [since, until) from a source.
func Read(ctx context.Context, s Source, since, until time.Time) (Result, error) {
	var (
		c   = newCollector(s)
		err error
	)
	switch s.Kind {
	case CDRCSV, CELCSV, FreeSWITCHCSV:
		err = readFiles(ctx, c, s, since)
	case JSONCDR:
		err = readFolder(ctx, c, s, since)
	case MySQL, Postgres:
		err = readDatabase(ctx, c, s, since, until)
	default:
		err = fmt.Errorf("kind %q is not one that can be read", s.Kind)
	}
	if err != nil {
		return c.result, err
	}
	c.result.Calls = between(c.judge(), since, until)
	return c.result, nil
}

func between(calls []textback.Call, since, until time.Time) []textback.Call {
	calls = slices.DeleteFunc(calls, func(c textback.Call) bool {
		return !since.IsZero() && c.End.Before(since) || !until.IsZero() && !c.End.Before(until)
	})
	slices.SortStableFunc(calls, func(a, b textback.Call) int {
		if n := a.End.Compare(b.End); n != 0 {
			return n
		}
		return strings.Compare(a.ID, b.ID)
	})
	return calls
}

// collector takes records in and holds them until all are there: they come in any order.
type collector struct {
	s      Source
	layout layout
	width  int // columns of a row, once known: of a file whose quotes are not escaped
	result Result

	cdrs []cdr
	cels []cel
	legs []leg
}

func newCollector(s Source) *collector {
	if s.Timezone == nil {
		s.Timezone = time.UTC
	}
	return &collector{s: s, layout: layoutOf(s)}
}

func (c *collector) full() error {
	if len(c.cdrs)+len(c.cels)+len(c.legs) > maxRows {
		return ErrTooMany
	}
	return nil
}

// row takes one record: its columns by our words.
func (c *collector) row(get func(word string) string) error {
	c.result.Rows++
	ok := false
	switch c.layout.form {
	case formCDR:
		var r cdr
		if r, ok = parseCDR(get, c.s.Timezone); ok {
			c.cdrs = append(c.cdrs, r)
		}
	case formCEL:
		var r cel
		if r, ok = parseCEL(get, c.s.Timezone); ok {
			c.cels = append(c.cels, r)
		}
	case formLeg:
		var r leg
		if r, ok = parseLeg(get, c.s.Timezone); ok {
			c.legs = append(c.legs, r)
		}
	}
	if !ok {
		c.result.Skipped++
	}
	return c.full()
}

// judge gives the calls that the records tell of.
func (c *collector) judge() []textback.Call {
	calls := slices.Concat(judgeCDRs(&c.s, c.cdrs), judgeCELs(&c.s, c.cels), judgeLegs(&c.s, c.legs))
	seen := make(map[string]bool, len(calls))
	return slices.DeleteFunc(calls, func(call textback.Call) bool {
		twice := seen[call.ID] // a file and its copy
		seen[call.ID] = true
		return twice
	})
}

// inbound tells whether a leg comes from outside.
func (s *Source) inbound(contextName, channel string) bool {
	return textback.MatchAny(s.Inbound, contextName) && s.fromTrunk(channel)
}

func (s *Source) fromTrunk(channel string) bool {
	return len(s.Trunks) == 0 || channel == "" || textback.MatchAny(s.Trunks, endpoint(channel)) || textback.MatchAny(s.Trunks, channel)
}

// endpoint is an Asterisk channel's name without its number: PJSIP/carrier-0000002a is PJSIP/carrier.
func endpoint(channel string) string {
	if i := strings.LastIndexByte(channel, '-'); i > 0 {
		return channel[:i]
	}
	return channel
}

// finding is what the records prove about one call.
type finding struct {
	call     textback.Call
	connect  time.Time // when a person answered; zero if none did
	doubts   []string  // what keeps the call from being judged
	messages []textback.Evidence
}

func (f *finding) note(at time.Time, format string, args ...any) {
	f.messages = append(f.messages, textback.Evidence{At: at, What: printable(fmt.Sprintf(format, args...))})
}

func (f *finding) doubt(format string, args ...any) {
	f.doubts = append(f.doubts, printable(fmt.Sprintf(format, args...)))
}

const maxEvidence = 12

// finish makes the call: answered, unseen, or missed as the caller says.
func (f *finding) finish(missed func() textback.Outcome) textback.Call {
	c := &f.call
	c.Direction, c.Reconciled = textback.Inbound, true
	until := c.End
	switch {
	case !f.connect.IsZero():
		c.Outcome, c.Connected = textback.Answered, f.connect
		until = f.connect
	case len(f.doubts) > 0:
		c.Outcome, c.Unseen = textback.Lost, true
		for _, d := range f.doubts {
			f.note(time.Time{}, "undecided: %s", d)
		}
	default:
		c.Outcome = missed()
	}
	c.Ring = max(0, until.Sub(c.Begin))
	slices.SortStableFunc(f.messages, func(a, b textback.Evidence) int { return a.At.Compare(b.At) })
	if n := len(f.messages); n > maxEvidence {
		f.messages = append(f.messages[:maxEvidence/2:maxEvidence/2], f.messages[n-maxEvidence/2:]...)
	}
	c.Evidence = append([]textback.Evidence{{What: "read from the PBX's records"}}, f.messages...)
	return *c
}

// printable makes what strangers wrote fit for a sentence.
func printable(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7F || r == 0xFFFD {
			return '?'
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
	if r := []rune(s); len(r) > 200 {
		return string(r[:200]) + "…"
	}
	return s
}
