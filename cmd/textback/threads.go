package main

import (
	"context"
	"fmt"
	"io"
	"os/user"

	"textback"
	"textback/cmd/internal/daemon"
	"textback/store"
)

func threadsVerb() *verb {
	return &verb{name: "threads", args: "[list] | show ID | reply ID TEXT | take ID | close ID", short: "read conversations and answer them",
		long: "ID is a thread's number or its tag (#a3). reply sends TEXT to the caller; automation then stands down.\n" +
			"--person NAME says who answers (default: who runs the command).", run: runThreads}
}

func runThreads(ctx context.Context, e *env, v *verb, args []string) int {
	fs := v.flags(e)
	t := targetFlags(fs)
	person := fs.String("person", "", "`NAME` of who answers")
	business := fs.String("business", "", "list: only this `KEY`")
	all := fs.Bool("all", false, "list: closed ones too")
	rest, code, ok := v.parse(e, fs, args)
	if !ok {
		return code
	}
	word := "list"
	if len(rest) > 0 {
		word, rest = rest[0], rest[1:]
	}
	a := daemon.ThreadArgs{Person: *person, Business: *business, All: *all}
	if a.Person == "" {
		if u, err := user.Current(); err == nil {
			a.Person = u.Username
		}
	}
	switch {
	case word == "list" && len(rest) == 0:
		var list []textback.Thread
		err := t.orOpen(ctx, "threads", a, &list, func(ctx context.Context, st *store.Store) (err error) {
			list, err = st.Threads(ctx, store.ThreadFilter{Business: *business, Closed: *all})
			return err
		})
		if err != nil {
			return report(e, err)
		}
		return t.show(e, list, func(w io.Writer) {
			for _, th := range list {
				fmt.Fprintf(w, "%d\t#%s\t%s\t%s\t%s\t%s\n", th.ID, th.Tag, th.Business, th.Caller, clock(th.Last), or(plain(th.TakenBy), "nobody yet"))
			}
		})
	case word == "reply" && len(rest) == 2:
		a.Thread, a.Text = rest[0], rest[1]
		var text textback.Text
		if err := t.call(ctx, "thread-reply", a, &text); err != nil {
			return report(e, err)
		}
		return t.show(e, text, func(w io.Writer) { fmt.Fprintf(w, "text %d queued to %s\n", text.ID, text.To) })
	case (word == "show" || word == "take" || word == "close") && len(rest) == 1:
		a.Thread = rest[0]
		name := map[string]string{"show": "thread", "take": "thread-take", "close": "thread-close"}[word]
		var th textback.Thread
		if err := t.call(ctx, name, a, &th); err != nil {
			return report(e, err)
		}
		return t.show(e, th, func(w io.Writer) { printThread(w, &th) })
	default:
		return v.misuse(e)
	}
}

func printThread(w io.Writer, th *textback.Thread) {
	fmt.Fprintf(w, "thread %d #%s: %s and %s, opened %s", th.ID, th.Tag, th.Caller, th.Business, clock(th.Opened))
	if th.TakenBy != "" {
		fmt.Fprintf(w, ", taken by %s", plain(th.TakenBy))
	}
	if th.Closed {
		fmt.Fprint(w, ", closed")
	}
	fmt.Fprintln(w)
	for _, m := range th.Messages {
		who := "them"
		if !m.In {
			who = or(plain(m.Person), "textback")
		}
		fmt.Fprintf(w, "  %s  %s: %s", clock(m.At), who, plain(m.Body))
		if m.Flag != "" {
			fmt.Fprintf(w, "  [%s]", plain(m.Flag))
		}
		fmt.Fprintln(w)
	}
	if b := th.Booking; b != nil {
		fmt.Fprintf(w, "  booking %s by %s: %s, %s\n", plain(b.ID), b.Service, b.State, clock(b.Start))
	}
}
