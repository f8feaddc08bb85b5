package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"textback"
	"textback/cmd/internal/daemon"
	"textback/store"
)

func explainVerb() *verb {
	return &verb{name: "explain", args: "NUMBER|CALL [--json]", short: "tell what happened to a caller, or to one call, and why",
		long: "A call is named as in the log, e.g. hq/1763953-17. It tells each leg with its cause, the outcome, the guards that were\n" +
			"passed, the rule, the text with its way to the phone, the conversation, hand-offs and bookings. Without a running\n" +
			"daemon the state file is read.", run: runExplain}
}

func runExplain(ctx context.Context, e *env, v *verb, args []string) int {
	t, rest, code, ok := v.targeted(e, args, 1)
	if !ok {
		return code
	}
	var x daemon.Explanation
	err := t.orOpen(ctx, "explain", daemon.ExplainArgs{What: rest[0]}, &x, func(ctx context.Context, st *store.Store) error {
		what := rest[0]
		if n, parseErr := textback.ParseNumber(what, "", nil, false); parseErr == nil && !strings.Contains(what, "/") {
			what = n.E164
		}
		found, err := daemon.Explain(ctx, st, what)
		if err == nil {
			x = *found
		}
		return err
	})
	if err != nil {
		return report(e, err)
	}
	if x.Empty() && !*t.json {
		return fail(e, exitFailed, fmt.Errorf("nothing is known about %s", plain(rest[0])),
			"give a number (+12025550123) or a call id as the log shows it")
	}
	return t.show(e, x, func(w io.Writer) { printExplanation(w, &x) })
}

// printExplanation tells the story: each call with the text that it led to, then what belongs to none of them.
func printExplanation(w io.Writer, x *daemon.Explanation) {
	told := make(map[uint64]bool)
	for i := range x.Calls {
		v := &x.Calls[i]
		printCall(w, v)
		for j := range x.Texts {
			if t := &x.Texts[j]; v.TextID != 0 && t.ID == v.TextID {
				told[t.ID] = true
				printText(w, t, "  ")
			}
		}
	}
	for i := range x.Texts {
		if !told[x.Texts[i].ID] {
			printText(w, &x.Texts[i], "")
		}
	}
	for _, th := range x.Threads {
		printThread(w, &th)
	}
	for _, m := range x.Made {
		fmt.Fprintf(w, "hand-off of %s to %s: ", m.Event, m.Target)
		if m.Error == "" {
			fmt.Fprintf(w, "made %s", clock(m.At))
		} else {
			fmt.Fprintf(w, "given up %s: %s", clock(m.At), plain(m.Error))
		}
		if m.Attempts > 1 {
			fmt.Fprintf(w, " (%d attempts)", m.Attempts)
		}
		fmt.Fprintln(w)
	}
	for _, d := range x.Waiting {
		fmt.Fprintf(w, "hand-off of %s to %s: waits, next %s", d.Event, d.Target, clock(d.Due))
		if d.Attempts > 0 {
			fmt.Fprintf(w, ", %s so far, the last: %s", many(d.Attempts, "attempt", "attempts"), plain(d.Note))
		}
		fmt.Fprintln(w)
	}
	for _, l := range x.Ledger {
		if l.Action == store.ActionList {
			fmt.Fprintf(w, "ledger %d, %s: opt-out of %s by %s, as one of a list of %d: %s\n", l.Seq, clock(l.At), strings.Join(l.Businesses, ", "), l.Source,
				l.Count, plain(l.Wording))
			continue
		}
		fmt.Fprintf(w, "ledger %d, %s: opt-%s of %s by %s: %s\n", l.Seq, clock(l.At), l.Action, strings.Join(l.Businesses, ", "), l.Source, plain(l.Wording))
	}
	if len(x.Out) > 0 {
		fmt.Fprintf(w, "opted out of: %s\n", strings.Join(x.Out, ", "))
	}
}

func printCall(w io.Writer, v *textback.Verdict) {
	c, d := &v.Call, &v.Decision
	fmt.Fprintf(w, "call %s\n", c.ID)
	fmt.Fprintf(w, "  %s%s called %s", plain(or(d.Caller, "a caller without a number")), named(c.Party.Name), plain(or(d.Line, "an unknown line")))
	if d.Business != "" {
		fmt.Fprintf(w, " of %s", d.Business)
	}
	fmt.Fprintf(w, " on %s", clock(c.Begin))
	switch {
	case c.Party.Withheld:
		fmt.Fprint(w, "; the number is withheld")
	case c.Party.Verification != textback.Unverified:
		fmt.Fprintf(w, "; verification of the number: %s", c.Party.Verification)
	}
	fmt.Fprintf(w, "\n  rang %s, ended by %s", c.Ring.Round(100*time.Millisecond), c.EndedBy.Side())
	if !c.End.IsZero() {
		fmt.Fprintf(w, " at %s", c.End.Local().Format("15:04:05"))
	}
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
	if c.Reconciled {
		fmt.Fprintln(w, "    found in the PBX's records, not seen on the link")
	}
	printGuards(w, v)
	fmt.Fprintf(w, "  verdict: %s", d.Reason)
	if v.Was != 0 {
		fmt.Fprintf(w, " (was %s)", v.Was)
	}
	fmt.Fprintf(w, ": %s\n", plain(d.Detail))
	if d.Rule != "" {
		fmt.Fprintf(w, "  rule: %s\n", plain(d.Rule))
	}
}

// guardsOf are the guards in the order in which they are asked: the reasons of the decision table without what is no objection.
func guardsOf() []textback.Reason {
	return slices.DeleteFunc(textback.Reasons(), func(r textback.Reason) bool {
		return r == textback.ReasonText || r == textback.ReasonRecovered
	})
}

// printGuards tells which guards a call passed: those before the one that objected, or all of them.
func printGuards(w io.Writer, v *textback.Verdict) {
	reason := v.Decision.Reason
	if reason == textback.ReasonRecovered && v.Was != 0 {
		reason = v.Was
	}
	all := guardsOf()
	at := slices.Index(all, reason)
	passed := all
	if at >= 0 {
		passed = all[:at]
	}
	switch {
	case len(passed) == 0:
		fmt.Fprintf(w, "  guards: %s objects, the first that is asked\n", reason)
		return
	case at < 0:
		fmt.Fprintf(w, "  guards: all %d passed:\n", len(passed))
	default:
		fmt.Fprintf(w, "  guards: %s objects; %d passed before it:\n", reason, len(passed))
	}
	const perLine = 10
	for some := range slices.Chunk(passed, perLine) {
		words := make([]string, 0, perLine)
		for _, r := range some {
			words = append(words, r.String())
		}
		fmt.Fprintf(w, "    %s\n", strings.Join(words, ", "))
	}
}

func printText(w io.Writer, t *textback.Text, in string) {
	fmt.Fprintf(w, "%stext %d (%s) to %s from %s: %s\n", in, t.ID, t.Kind, t.To, t.From, stateWord(t.State))
	fmt.Fprint(w, in, "  ")
	if t.Template != "" {
		fmt.Fprintf(w, "template %s, ", plain(t.Template))
	}
	fmt.Fprintf(w, "due %s", clock(t.Due))
	if t.Held {
		fmt.Fprint(w, " (held for quiet hours)")
	}
	if !t.Submitted.IsZero() {
		fmt.Fprintf(w, ", submitted %s by %s", t.Submitted.Local().Format("15:04:05.000"), t.Link)
	}
	if t.Attempts > 1 {
		fmt.Fprintf(w, " (%d attempts)", t.Attempts)
	}
	if t.Resent {
		fmt.Fprint(w, ", sent once more")
	}
	if !t.Settled.IsZero() {
		fmt.Fprintf(w, ", %s %s", stateWord(t.State), t.Settled.Local().Format("15:04:05.000"))
	}
	fmt.Fprintln(w)
	if t.Body != "" {
		fmt.Fprintf(w, "%s  %q\n", in, plain(t.Body))
	}
	for i, p := range t.Parts {
		fmt.Fprintf(w, "%s  part %d of %d: %s, message id %s", in, i+1, len(t.Parts), stateWord(p.State), or(plain(p.MessageID), "-"))
		if p.Status != 0 {
			fmt.Fprintf(w, ", status 0x%X", p.Status)
		}
		if p.Error != "" {
			fmt.Fprintf(w, ", %s", plain(p.Error))
		}
		if !p.At.IsZero() {
			fmt.Fprintf(w, ", %s", p.At.Local().Format("15:04:05.000"))
		}
		fmt.Fprintln(w)
	}
	if t.Note != "" {
		fmt.Fprintf(w, "%s  %s\n", in, plain(t.Note))
	}
}

// stateWord is a text's state as people read it.
func stateWord(s textback.TextState) string {
	if s == textback.Unknown {
		return "in doubt"
	}
	return s.String()
}

func or(s, other string) string {
	if s == "" {
		return other
	}
	return s
}
