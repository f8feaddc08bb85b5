package main

import (
	"cmp"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"textback"
	"textback/cmd/internal/records"
	"textback/configs"
)

func replayVerb() *verb {
	return &verb{name: "replay", args: "[--config FILE] [flags] [FILE|-]", short: "tell who would have been texted, by the PBX's records of the past",
		long: "Reads a file of call records (Asterisk CDR or CEL as CSV, FreeSWITCH CDR as CSV or JSON), or without FILE the source of\n" +
			"[[records]], and runs the calls in it through the rules of the configuration. Nothing is sent or stored.", run: runReplay}
}

func runReplay(ctx context.Context, e *env, v *verb, args []string) int {
	fs := v.flags(e)
	path := fs.String("config", defaultConfig, "configuration `FILE`")
	name := fs.String("pbx", "", "`NAME` of the [[pbx]] whose records they are; its only one or the first of its kind unless given")
	kind := fs.String("kind", "", "`KIND` of the file, as in [[records]]; guessed from its content unless given")
	zone := fs.String("timezone", "", "time `ZONE` of the file's times; that of [[records]] or this machine's unless given")
	since := fs.String("since", "", "calls that ended at this `TIME` or later: 2026-11-01, 2026-11-01T08:00:00Z, or 720h for so long ago")
	until := fs.String("until", "", "calls that ended before this `TIME`")
	format := fs.String("format", "text", "`FORMAT`: text, csv or json")
	each := fs.Bool("calls", false, "tell of each missed call, too (csv always does)")
	rest, code, ok := v.parse(e, fs, args)
	if !ok {
		return code
	}
	if len(rest) > 1 || !slices.Contains([]string{"text", "csv", "json"}, *format) {
		return v.misuse(e)
	}
	cfg, code := loadConfig(e, *path)
	if cfg == nil {
		return code
	}
	now := time.Now()
	from, err := moment(*since, now)
	if err != nil {
		return fail(e, exitUsage, fmt.Errorf("--since: %w", err), "write 2026-11-01, or 720h for a month")
	}
	to, err := moment(*until, now)
	if err != nil {
		return fail(e, exitUsage, fmt.Errorf("--until: %w", err), "write 2026-12-01")
	}
	var result records.Result
	var pbx *configs.PBX
	if len(rest) == 1 {
		pbx, result, err = replayFile(ctx, e, cfg, rest[0], *name, *kind, *zone, from, to)
	} else {
		pbx, result, err = replayConfigured(ctx, cfg, *name, cmpTime(from, now.Add(-31*24*time.Hour)), cmpTime(to, now))
	}
	if err != nil {
		return fail(e, exitFailed, err, "")
	}
	o := newReplayReport(pbx.Name, result, records.Replay(cfg, pbx, result.Calls))
	if err := o.write(e.stdout, *format, *each); err != nil {
		return fail(e, exitFailed, err, "")
	}
	return exitOK
}

func cmpTime(t, otherwise time.Time) time.Time {
	if t.IsZero() {
		return otherwise
	}
	return t
}

// moment reads a day or a time by this machine's clock, or a duration before now; zero for nothing.
func moment(s string, now time.Time) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	if d, err := time.ParseDuration(s); err == nil && d >= 0 {
		return now.Add(-d), nil
	}
	for _, form := range []string{time.DateOnly, time.RFC3339, time.DateTime, "2006-01-02T15:04:05", "2006-01-02 15:04"} {
		if t, err := time.ParseInLocation(form, s, time.Local); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is not a time", s)
}

// replayFile reads a file, or standard input.
func replayFile(ctx context.Context, e *env, cfg *configs.Config, path, name, kind, zone string, from, to time.Time) (*configs.PBX,
	records.Result, error) {
	var r io.Reader = e.stdin
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return nil, records.Result{}, err
		}
		defer f.Close()
		r = f
	}
	if kind == "" {
		var err error
		if kind, r, err = records.GuessStream(r); err != nil {
			return nil, records.Result{}, fmt.Errorf("%s: %w", path, err)
		}
	}
	pbx, err := pbxFor(cfg, name, records.PBXKind(kind))
	if err != nil {
		return nil, records.Result{}, err
	}
	s := records.NewSource(configs.Records{PBX: pbx.Name, Kind: kind, Timezone: time.Local}, pbx)
	for i := range cfg.Records {
		if c := &cfg.Records[i]; c.PBX == pbx.Name && c.Kind == kind {
			s.Columns, s.Timezone = c.Columns, c.Timezone
		}
	}
	if zone != "" {
		if s.Timezone, err = time.LoadLocation(zone); err != nil {
			return nil, records.Result{}, fmt.Errorf("--timezone: %w", err)
		}
	}
	result, err := records.ReadStream(ctx, s, r, from, to)
	return pbx, result, err
}

// replayConfigured reads the configured records of one PBX.
func replayConfigured(ctx context.Context, cfg *configs.Config, name string, from, to time.Time) (*configs.PBX, records.Result, error) {
	for i := range cfg.Records {
		c := cfg.Records[i]
		if name != "" && c.PBX != name {
			continue
		}
		pbx, err := pbxFor(cfg, c.PBX, "")
		if err != nil {
			return nil, records.Result{}, err
		}
		result, err := records.Read(ctx, records.NewSource(c, pbx), from, to)
		return pbx, result, err
	}
	return nil, records.Result{}, fmt.Errorf("there is no [[records]] for this PBX: name a file")
}

// pbxFor finds the PBX by its name, or the first of a kind.
func pbxFor(cfg *configs.Config, name, kind string) (*configs.PBX, error) {
	for i := range cfg.PBXs {
		p := &cfg.PBXs[i]
		if name == p.Name || name == "" && (kind == "" || p.Kind == kind) {
			return p, nil
		}
	}
	if name != "" {
		return nil, fmt.Errorf("there is no [[pbx]] named %q", name)
	}
	return nil, fmt.Errorf("there is no [[pbx]] of kind %q, to which these records belong", kind)
}

// replayReport is what `textback replay` tells.
type replayReport struct {
	PBX      string             `json:"pbx"`
	Records  int                `json:"records"`
	Skipped  int                `json:"unreadable"`
	Calls    int                `json:"calls"`
	Answered int                `json:"answered"`
	Missed   int                `json:"missed"`
	Texts    int                `json:"texts"`
	Groups   []replayGroup      `json:"groups"`
	Verdicts []textback.Verdict `json:"verdicts,omitempty"`
}

// replayGroup counts the missed calls of one line with one outcome and one reason.
type replayGroup struct {
	Line    string `json:"line"`
	Outcome string `json:"outcome"`
	Reason  string `json:"reason"`
	Calls   int    `json:"calls"`
}

func newReplayReport(pbx string, r records.Result, verdicts []textback.Verdict) *replayReport {
	o := &replayReport{PBX: pbx, Records: r.Rows, Skipped: r.Skipped, Calls: len(r.Calls), Missed: len(verdicts),
		Answered: len(r.Calls) - len(verdicts), Verdicts: verdicts, Groups: []replayGroup{}}
	counts := make(map[replayGroup]int)
	for i := range verdicts {
		v := &verdicts[i]
		if v.Decision.Reason == textback.ReasonText || v.Decision.Reason == textback.ReasonShadow {
			o.Texts++
		}
		counts[replayGroup{Line: v.Decision.Line, Outcome: outcomeWord(&v.Call), Reason: v.Decision.Reason.String()}]++
	}
	for g, n := range counts {
		g.Calls = n
		o.Groups = append(o.Groups, g)
	}
	slices.SortFunc(o.Groups, func(a, b replayGroup) int {
		return cmp.Or(strings.Compare(a.Line, b.Line), -cmp.Compare(a.Calls, b.Calls), strings.Compare(a.Outcome, b.Outcome),
			strings.Compare(a.Reason, b.Reason))
	})
	return o
}

// outcomeWord is a call's outcome; the records of some do not tell.
func outcomeWord(c *textback.Call) string {
	if c.Unseen {
		return "undecided"
	}
	return c.Outcome.String()
}

func (o *replayReport) write(w io.Writer, format string, each bool) error {
	switch format {
	case "json":
		if !each {
			o.Verdicts = nil
		}
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		return enc.Encode(o)
	case "csv":
		c := csv.NewWriter(w)
		rows := [][]string{{"call", "begin", "end", "line", "caller", "outcome", "reason", "detail", "rule", "template", "ring_seconds"}}
		for i := range o.Verdicts {
			v := &o.Verdicts[i]
			rows = append(rows, []string{v.Call.ID, v.Call.Begin.Format(time.RFC3339), v.Call.End.Format(time.RFC3339), cell(v.Decision.Line),
				cell(v.Decision.Caller), outcomeWord(&v.Call), v.Decision.Reason.String(), cell(v.Decision.Detail), cell(v.Decision.Rule),
				v.Decision.Template, strconv.Itoa(int(v.Call.Ring.Seconds()))})
		}
		return c.WriteAll(rows)
	default:
		return o.text(w, each)
	}
}

// cell makes what strangers wrote safe for a spreadsheet: nothing begins like a formula. A number keeps its +.
func cell(s string) string {
	s = plain(s)
	if s != "" && strings.ContainsRune("=-@", rune(s[0])) || strings.HasPrefix(s, "+") && strings.Trim(s, "+0123456789") != "" {
		return "'" + s
	}
	return s
}

func (o *replayReport) text(out io.Writer, each bool) error {
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	fmt.Fprintf(w, "%d calls from outside on %s: %d answered, %d missed or undecided, %d would have been texted\n\n", o.Calls, o.PBX, o.Answered,
		o.Missed, o.Texts)
	if len(o.Groups) > 0 {
		fmt.Fprintln(w, "LINE\tOUTCOME\tVERDICT\tCALLS")
	}
	for _, g := range o.Groups {
		fmt.Fprintf(w, "%s\t%s\t%s\t%d\n", or(plain(g.Line), "-"), g.Outcome, g.Reason, g.Calls)
	}
	if each {
		fmt.Fprintln(w)
		for i := range o.Verdicts {
			v := &o.Verdicts[i]
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s: %s\n", clock(v.Call.End), or(plain(v.Decision.Line), "-"), or(plain(v.Decision.Caller), "-"),
				outcomeWord(&v.Call), v.Decision.Reason, plain(v.Decision.Detail))
		}
	}
	if o.Skipped > 0 {
		fmt.Fprintf(w, "\n%d of %d records could not be read\n", o.Skipped, o.Records)
	}
	return w.Flush()
}
