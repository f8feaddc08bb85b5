package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"textback"
	"textback/cmd/internal/control"
	"textback/cmd/internal/daemon"
	"textback/store"
)

func statusVerb() *verb {
	return &verb{name: "status", args: "[--json | --check] [--timeout TIME]", short: "show the links, what waits, what is in doubt, and what to mend",
		long: "With --check it is a plugin for Nagios, Icinga and their like: one line with performance data, and the exit code 0 if all\n" +
			"is well, 1 for a warning, 2 if calls are not seen or nobody can be texted, 3 if that cannot be found out. Without it the\n" +
			"exit code is 0 whenever the daemon answers, 1 if it does not.", run: runStatus}
}

func runStatus(ctx context.Context, e *env, v *verb, args []string) int {
	fs := v.flags(e)
	t := targetFlags(fs)
	check := fs.Bool("check", false, "one line and an exit code for a monitoring system")
	within := fs.Duration("timeout", 9*time.Second, "`TIME` to wait for the daemon's answer") // NRPE and Nagios wait for ten
	rest, code, ok := v.parse(e, fs, args)
	if !ok {
		return code
	}
	if len(rest) > 0 || *check && *t.json || *within <= 0 {
		return v.misuse(e)
	}
	var s daemon.Status
	bound, cancel := context.WithTimeout(ctx, *within)
	defer cancel()
	err := t.call(bound, "status", nil, &s)
	if err != nil && ctx.Err() == nil && bound.Err() != nil {
		err = fmt.Errorf("%w within %s", errMute, *within)
	}
	if *check {
		return checkStatus(e, &s, err)
	}
	if err != nil {
		return report(e, err)
	}
	return t.show(e, s, func(w io.Writer) { printStatus(w, &s) })
}

// errMute: the process is there and hangs, or is stopped; calls are most likely not seen.
var errMute = errors.New("textback runs and does not answer")

// Exit codes of a monitoring plugin (Monitoring Plugins Development Guidelines, "Plugin Return Codes").
const (
	checkOK       = 0
	checkWarning  = 1
	checkCritical = 2
	checkUnknown  = 3
)

// checkStatus is the plugin: one line, performance data behind a bar.
func checkStatus(e *env, s *daemon.Status, err error) int {
	say := func(code int, what string, perf string) int {
		word := [...]string{checkOK: "OK", checkWarning: "WARNING", checkCritical: "CRITICAL", checkUnknown: "UNKNOWN"}[code]
		// A bar would begin the performance data.
		fmt.Fprintf(e.stdout, "TEXTBACK %s - %s%s\n", word, strings.ReplaceAll(plain(what), "|", "/"), perf)
		return code
	}
	switch {
	case errors.Is(err, control.ErrNotRunning), errors.Is(err, errMute):
		return say(checkCritical, err.Error(), "")
	case err != nil:
		return say(checkUnknown, err.Error(), "")
	}
	free := uint64(0)
	if s.Disk != nil {
		free = s.Disk.Free
	}
	perf := fmt.Sprintf(" | live_calls=%d;;;0 due=%d;;;0 oldest_due=%.0fs;;;0 later=%d;;;0 in_doubt=%d;;;0 handoffs=%d;;;0", s.OnPhone,
		s.Queue.Due, s.Queue.OldestDue, s.Queue.Later, s.Queue.InDoubt, s.Queue.Handoffs) +
		fmt.Sprintf(" opted_out=%d;;;0 store=%dB;;;0 disk_free=%dB;;;0", s.Store.OptedOut, s.Store.Size, free)
	if len(s.Troubles) == 0 {
		return say(checkOK, fmt.Sprintf("%s and %s up, %s due, %d in doubt, up for %s", many(len(s.PBXs), "PBX", "PBXs"),
			many(len(s.SMPPs), "message centre", "message centres"), many(s.Queue.Due, "text", "texts"), s.Queue.InDoubt,
			s.Now.Sub(s.Started).Round(time.Second)), perf)
	}
	code, what := checkWarning, make([]string, 0, len(s.Troubles))
	for _, x := range s.Troubles {
		if x.Severity == daemon.Critical {
			code = checkCritical
		}
		what = append(what, x.What)
	}
	return say(code, strings.Join(what, "; "), perf)
}

// many counts things.
func many(n int, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, more)
}

func printStatus(w io.Writer, s *daemon.Status) {
	now := s.Now
	fmt.Fprintf(w, "textback %s, running since %s (%s): ", plain(s.Version), clock(s.Started), now.Sub(s.Started).Round(time.Second))
	if len(s.Troubles) == 0 {
		fmt.Fprintln(w, "all is well")
	} else {
		fmt.Fprintln(w, many(len(s.Troubles), "thing to mend", "things to mend"))
	}
	for _, x := range s.Troubles {
		fmt.Fprintf(w, "  %s: %s\n    hint: %s\n", strings.ToUpper(string(x.Severity)), plain(x.What), plain(x.Do))
	}
	fmt.Fprintln(w, "\nPBX\tLINK\tEVENTS\tLAST EVENT\tCALLS\tLIVE\tWAITING")
	for _, p := range s.PBXs {
		fmt.Fprintf(w, "%s\t%s since %s\t%d\t%s\t%d\t%d\t%d\n", p.Name, upWord(p.Up), clock(p.Since), p.Events, lastEvent(&p), p.Calls,
			p.Live, p.Waiting)
	}
	fmt.Fprintln(w, "\nSMPP\tLINK\tIN FLIGHT\tACCEPTED\tREFUSED\tUNANSWERED\tRECEIVED")
	for _, l := range s.SMPPs {
		fmt.Fprintf(w, "%s\t%s since %s\t%d\t%d\t%d\t%d\t%d\n", l.Name, upWord(l.Up), clock(l.Since), l.InFlight, l.Accepted, l.Refused,
			l.InDoubt, l.Received)
	}
	fmt.Fprintln(w)
	printQueue(w, s)
	for _, b := range s.Budgets {
		fmt.Fprintf(w, "budget of %s: %s this hour, %s today\n", b.Business, outOf(b.Hour, b.PerHour), outOf(b.Day, b.PerDay))
	}
	fmt.Fprintf(w, "missed calls %d, verdicts %d, opted out %d, open threads %d, hand-offs waiting %d\n", s.Store.Missed, s.Store.Verdicts,
		s.Store.OptedOut, s.Store.Threads, s.Store.Deliveries)
	printCounts(w, s)
	fmt.Fprintf(w, "state file: %s, of which %s free", size(uint64(s.Store.Size)), size(uint64(s.Store.Free)))
	if s.Disk != nil {
		fmt.Fprintf(w, "; %s of %s are free on its disk", size(s.Disk.Free), size(s.Disk.Size))
	}
	fmt.Fprintln(w)
	switch {
	case len(s.Shadow) == 0:
		fmt.Fprintln(w, "shadow mode: off")
	case len(s.Shadow) == s.Lines:
		fmt.Fprintln(w, "shadow mode: on, everything is decided and nothing is sent")
	default:
		fmt.Fprintf(w, "shadow mode: on for %d of %d lines: %s\n", len(s.Shadow), s.Lines, strings.Join(s.Shadow, ", "))
	}
	for _, t := range s.Unknown {
		fmt.Fprintf(w, "in doubt: text %d to %s, %s by %s: %s\n", t.ID, t.To, clock(t.Submitted), t.Link, plain(t.Note))
	}
	for _, x := range s.Warnings {
		fmt.Fprintf(w, "warning: %s\n", plain(x))
	}
}

// lastEvent is when something came from a PBX last. A PBX that was never up has told nothing.
func lastEvent(p *daemon.PBXStatus) string {
	if p.Events == 0 && !p.Up {
		return "-"
	}
	return clock(p.LastEvent)
}

func printQueue(w io.Writer, s *daemon.Status) {
	fmt.Fprintf(w, "texts: %d due, %d later", s.Queue.Due, s.Queue.Later)
	if s.NextDue != nil && s.Queue.Due == 0 {
		fmt.Fprintf(w, " (next %s)", clock(*s.NextDue))
	}
	fmt.Fprintf(w, ", %d on the wire, %d in doubt", s.Queue.OnTheWire, s.Queue.InDoubt)
	if s.Queue.Due > 0 {
		fmt.Fprintf(w, "; the oldest is due for %s", (time.Duration(s.Queue.OldestDue) * time.Second).String())
	}
	fmt.Fprintf(w, "\nlast text accepted %s, last receipt %s\n", since(s.Accepted), since(s.Receipt))
}

func since(t *time.Time) string {
	if t == nil {
		return "never since the start"
	}
	return clock(*t)
}

func outOf(used, limit int) string {
	if limit <= 0 {
		return fmt.Sprintf("%d (no limit)", used)
	}
	return fmt.Sprintf("%d of %d", used, limit)
}

func printCounts(w io.Writer, s *daemon.Status) {
	byKind := make(map[string]map[string]int64)
	for _, c := range s.Counts {
		if byKind[c.Kind] == nil {
			byKind[c.Kind] = make(map[string]int64)
		}
		byKind[c.Kind][c.Word] += c.N
	}
	for _, k := range []string{store.CountMissed, store.CountVerdict} {
		if len(byKind[k]) == 0 {
			continue
		}
		fmt.Fprintf(w, "%s:", k)
		for _, word := range slices.Sorted(maps.Keys(byKind[k])) {
			fmt.Fprintf(w, " %s %d", word, byKind[k][word])
		}
		fmt.Fprintln(w)
	}
	if n := s.Store.Texts[textback.Delivered]; n > 0 {
		fmt.Fprintf(w, "texts on record: %d delivered, %d undelivered, %d accepted without a receipt, %d failed, %d expired, %d cancelled\n", n,
			s.Store.Texts[textback.Undelivered], s.Store.Texts[textback.Accepted], s.Store.Texts[textback.Failed],
			s.Store.Texts[textback.Expired], s.Store.Texts[textback.Cancelled])
	}
}

// size writes bytes for people.
func size(n uint64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB"}
	f, i := float64(n), 0
	for f >= 1024 && i < len(units)-1 {
		f, i = f/1024, i+1
	}
	if i == 0 {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.1f %s", f, units[i])
}

func upWord(up bool) string {
	if up {
		return "up"
	}
	return "DOWN"
}
