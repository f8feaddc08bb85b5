package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"textback"
	"textback/cmd/internal/daemon"
	"textback/store"
)

func statusVerb() *verb {
	return &verb{name: "status", args: "[--config FILE] [--json]", short: "show the links, what waits and what is in doubt", run: runStatus}
}

func runStatus(ctx context.Context, e *env, v *verb, args []string) int {
	t, _, code, ok := v.targeted(e, args, 0)
	if !ok {
		return code
	}
	var s daemon.Status
	if err := t.call(ctx, "status", nil, &s); err != nil {
		return report(e, err)
	}
	return t.show(e, s, func(w io.Writer) { printStatus(w, &s) })
}

func printStatus(w io.Writer, s *daemon.Status) {
	fmt.Fprintf(w, "textback %s, running since %s (%s)\n\n", s.Version, clock(s.Started), time.Since(s.Started).Round(time.Second))
	fmt.Fprintln(w, "PBX\tLINK\tEVENTS\tLAST\tCALLS\tLIVE\tWAITING")
	for _, p := range s.PBXs {
		fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%d\t%d\t%d\n", p.Name, upWord(p.Up), p.Events, clock(p.LastEvent), p.Calls, p.Live, p.Waiting)
	}
	fmt.Fprintln(w, "\nSMPP\tLINK\tIN FLIGHT\tACCEPTED\tREFUSED\tUNANSWERED\tRECEIVED")
	for _, l := range s.SMPPs {
		fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%d\t%d\t%d\n", l.Name, upWord(l.Up), l.InFlight, l.Accepted, l.Refused, l.InDoubt, l.Received)
	}
	fmt.Fprintf(w, "\nmissed calls %d, verdicts %d, opted out %d, open threads %d, hand-offs waiting %d\n", s.Store.Missed, s.Store.Verdicts,
		s.Store.OptedOut, s.Store.Threads, s.Store.Deliveries)
	fmt.Fprintf(w, "texts: %d queued, %d submitting, %d accepted, %d in doubt", s.Store.Texts[textback.Queued],
		s.Store.Texts[textback.Submitting], s.Store.Texts[textback.Accepted], s.Store.Texts[textback.Unknown])
	if s.NextDue != nil {
		fmt.Fprintf(w, "; next %s", clock(*s.NextDue))
	}
	fmt.Fprintln(w)
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
	for _, t := range s.Unknown {
		fmt.Fprintf(w, "in doubt: text %d to %s, %s by %s: %s\n", t.ID, t.To, clock(t.Submitted), t.Link, plain(t.Note))
	}
	for _, b := range slices.Sorted(maps.Keys(s.Breakers)) {
		fmt.Fprintf(w, "breaker open: %s: %s\n", b, s.Breakers[b])
	}
	for _, d := range s.Targets {
		if d.Disabled {
			fmt.Fprintf(w, "hand-off disabled: %s: %s\n", d.Name, plain(d.Note))
		}
	}
	if len(s.Shadow) > 0 {
		fmt.Fprintf(w, "shadow mode: %v\n", s.Shadow)
	}
	if s.Store.LastError != "" {
		fmt.Fprintf(w, "the state file cannot be written: %s\n", s.Store.LastError)
	}
	for _, x := range s.Warnings {
		fmt.Fprintf(w, "warning: %s\n", x)
	}
}

func upWord(up bool) string {
	if up {
		return "up"
	}
	return "DOWN"
}
