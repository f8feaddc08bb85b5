package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"textback"
	"textback/cmd/internal/daemon"
	"textback/store"
)

func explainVerb() *verb {
	return &verb{name: "explain", args: "NUMBER|CALL", short: "tell what happened to a caller, or to one call, and why",
		long: "A call is named as in the log, e.g. hq/1763953-17. Without a running daemon the state file is read.", run: runExplain}
}

func runExplain(ctx context.Context, e *env, v *verb, args []string) int {
	t, rest, code, ok := v.targeted(e, args, 1)
	if !ok {
		return code
	}
	var x store.Explanation
	err := t.orOpen(ctx, "explain", daemon.ExplainArgs{What: rest[0]}, &x, func(ctx context.Context, st *store.Store) error {
		var err error
		what := rest[0]
		if n, parseErr := textback.ParseNumber(what, "", nil, false); parseErr == nil && !strings.Contains(what, "/") {
			what = n.E164
		}
		x, err = st.Explain(ctx, what)
		return err
	})
	if err != nil {
		return report(e, err)
	}
	return t.show(e, x, func(w io.Writer) { printExplanation(w, &x) })
}

func printExplanation(w io.Writer, x *store.Explanation) {
	for i := range x.Calls {
		printCall(w, &x.Calls[i])
	}
	for i := range x.Texts {
		printText(w, &x.Texts[i])
	}
	for _, th := range x.Threads {
		printThread(w, &th)
	}
	for _, l := range x.Ledger {
		fmt.Fprintf(w, "ledger %d, %s: opt-%s of %s by %s: %s\n", l.Seq, clock(l.At), l.Action, strings.Join(l.Businesses, ", "), l.Source, plain(l.Wording))
	}
	if len(x.Out) > 0 {
		fmt.Fprintf(w, "opted out of: %s\n", strings.Join(x.Out, ", "))
	}
}

func printCall(w io.Writer, v *textback.Verdict) {
	c, d := &v.Call, &v.Decision
	fmt.Fprintf(w, "call %s\n", c.ID)
	fmt.Fprintf(w, "  %s to %s, %s, rang %s, ended by %s", plain(or(d.Caller, "a caller without a number")), plain(d.Line), clock(c.Begin),
		c.Ring.Round(100*time.Millisecond), c.EndedBy)
	if c.Cause.Q850 != 0 || c.Cause.Word != "" {
		fmt.Fprintf(w, ", cause %d %s", c.Cause.Q850, plain(c.Cause.Word))
	}
	fmt.Fprintf(w, "\n  outcome: %s\n", c.Outcome)
	for _, ev := range c.Evidence {
		at := ""
		if !ev.At.IsZero() {
			at = ev.At.Local().Format("15:04:05.000") + " "
		}
		fmt.Fprintf(w, "    %s%s\n", at, plain(ev.What))
	}
	fmt.Fprintf(w, "  verdict: %s", d.Reason)
	if v.Was != 0 {
		fmt.Fprintf(w, " (was %s)", v.Was)
	}
	fmt.Fprintf(w, ": %s\n", plain(d.Detail))
	if d.Rule != "" {
		fmt.Fprintf(w, "  rule: %s\n", plain(d.Rule))
	}
	if c.Reconciled {
		fmt.Fprintln(w, "  found in the PBX's records, not seen on the link")
	}
}

func printText(w io.Writer, t *textback.Text) {
	fmt.Fprintf(w, "text %d (%s) to %s from %s: %s\n", t.ID, t.Kind, t.To, t.From, t.State)
	if t.Template != "" {
		fmt.Fprintf(w, "  template %s, due %s", t.Template, clock(t.Due))
	} else {
		fmt.Fprintf(w, "  due %s", clock(t.Due))
	}
	if !t.Submitted.IsZero() {
		fmt.Fprintf(w, ", submitted %s by %s", clock(t.Submitted), t.Link)
	}
	fmt.Fprintln(w)
	if t.Body != "" {
		fmt.Fprintf(w, "  %s\n", plain(t.Body))
	}
	for i, p := range t.Parts {
		if len(t.Parts) > 1 || p.Error != "" {
			fmt.Fprintf(w, "  part %d of %d: %s, id %s %s\n", i+1, len(t.Parts), p.State, or(plain(p.MessageID), "-"), plain(p.Error))
		}
	}
	if t.Note != "" {
		fmt.Fprintf(w, "  %s\n", plain(t.Note))
	}
}

func or(s, other string) string {
	if s == "" {
		return other
	}
	return s
}
