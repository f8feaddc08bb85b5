package main

import (
	"context"
	"fmt"
	"io"

	"textback/cmd/internal/control"
	"textback/cmd/internal/daemon"
	"textback/store"
)

func optoutVerb() *verb {
	return &verb{name: "optout", args: "add|remove NUMBER | list | import FILE | export | verify", short: "opt numbers out and in, and keep the ledger",
		long: "add and remove take --business KEY (default: all), --source WORD (e.g. voicemail) and --note TEXT (what was said).\n" +
			"import reads CSV as export writes it; - is standard input. verify checks the ledger's hash chain.", run: runOptout}
}

func runOptout(ctx context.Context, e *env, v *verb, args []string) int {
	fs := v.flags(e)
	t := targetFlags(fs)
	business := fs.String("business", "", "`KEY` of one business; it counts for all that share its sender")
	source := fs.String("source", store.SourceCommand, "where the wish came from, a `WORD` such as voicemail")
	note := fs.String("note", "", "`TEXT` of what was said")
	rest, code, ok := v.parse(e, fs, args)
	if !ok {
		return code
	}
	word := ""
	if len(rest) > 0 {
		word, rest = rest[0], rest[1:]
	}
	opt := daemon.OptArgs{Business: *business, Source: *source, Note: *note}
	switch {
	case (word == "add" || word == "remove") && len(rest) == 1:
		opt.Number = rest[0]
		var r store.OptResult
		if err := t.call(ctx, "optout-"+word, opt, &r); err != nil {
			return report(e, err)
		}
		return t.show(e, r, func(w io.Writer) {
			if !r.Changed {
				fmt.Fprintln(w, "nothing to change: it was so already")
				return
			}
			fmt.Fprintf(w, "%s is opted %s: ledger entry %d, queued texts cancelled: %d\n", r.Entry.Number, map[string]string{"add": "out", "remove": "in"}[word], r.Entry.Seq, len(r.Cancelled))
		})
	case word == "list" && len(rest) == 0:
		list := []store.OptedOut{}
		err := t.orOpen(ctx, "optout-list", nil, &list, func(ctx context.Context, st *store.Store) error {
			return st.OptOuts(ctx, func(o store.OptedOut) bool { list = append(list, o); return true })
		})
		if err != nil {
			return report(e, err)
		}
		return t.show(e, list, func(w io.Writer) {
			for _, o := range list {
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", or(o.Number, "(erased)"), o.Business, clock(o.At), o.Source, plain(o.Wording))
			}
		})
	case word == "import" && len(rest) == 1:
		in, err := e.open(rest[0])
		if err != nil {
			return fail(e, exitFailed, err, "")
		}
		defer in.Close()
		var r store.ImportResult
		socket, _, err := t.paths()
		if err == nil {
			err = control.NewClient(socket).Send(ctx, "optout-import", in, &r)
		}
		if err != nil {
			return report(e, err)
		}
		return t.show(e, r, func(w io.Writer) { fmt.Fprintf(w, "%d added, %d known already\n", r.Added, r.Known) })
	case word == "export" && len(rest) == 0:
		socket, _, err := t.paths()
		if err == nil {
			err = control.NewClient(socket).Stream(ctx, "optout-export", nil, e.stdout)
		}
		if err != nil {
			return report(e, err)
		}
		return exitOK
	case word == "verify" && len(rest) == 0:
		err := t.orOpen(ctx, "verify", nil, nil, func(ctx context.Context, st *store.Store) error { return st.Verify(ctx) })
		if err != nil {
			return report(e, err)
		}
		fmt.Fprintln(e.stdout, "the ledger's chain, its index, and verdicts = missed calls: all hold")
		return exitOK
	default:
		return v.misuse(e)
	}
}
