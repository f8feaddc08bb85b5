package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"textback"
	"textback/cmd/internal/discover"
	"textback/cmd/internal/records"
	"textback/configs"
)

const (
	tryWithin   = 30 * time.Second // for all that a PBX is asked
	watchWithin = 3 * time.Minute  // for a call from a mobile
)

// askPBX asks where the PBX is, tries it until it can be read, and finds the contexts.
func (r *initRun) askPBX(ctx context.Context) error {
	var err error
	if r.s.kind, err = r.ask.ask(ctx, question{key: "pbx_kind", text: "Kind of PBX",
		help: "1 freepbx   2 asterisk (plain)   3 fusionpbx   4 freeswitch (plain)",
		dflt: guessKind(), must: true, words: discover.Kinds()}); err != nil {
		return err
	}
	if r.s.pbx.Name, err = r.ask.ask(ctx, question{key: "pbx_name", text: "A name for it, for the log", dflt: "hq",
		must: true, check: identifier}); err != nil {
		return err
	}
	r.s.pbx.Kind = discover.Engine(r.s.kind)
	if err := r.untilReached(ctx, r.askAccess, r.try); err != nil {
		return err
	}
	if !r.flags.noConnect && r.found.Product != "" {
		if err := r.watch(ctx); err != nil {
			return err
		}
	}
	return nil
}

// guessKind looks which PBX is on this machine.
func guessKind() string {
	for _, k := range []struct{ path, kind string }{{"/etc/freepbx.conf", discover.FreePBX}, {"/etc/fusionpbx",
		discover.FusionPBX},
		{"/etc/freeswitch", discover.FreeSWITCH}, {"/usr/local/freeswitch", discover.FreeSWITCH}} {
		if _, err := os.Stat(k.path); err == nil {
			return k.kind
		}
	}
	return discover.Asterisk
}

func identifier(s string) (string, error) {
	if len(s) > 40 || strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") != "" {
		return "", errors.New("letters, digits, - and _, at most 40")
	}
	return s, nil
}

// untilReached asks how to get to a peer and tries it, again with other answers where the person wants so.
func (r *initRun) untilReached(ctx context.Context, ask func(context.Context) error, try func(context.Context) (again bool, err error)) error {
	for {
		if err := ask(ctx); err != nil || r.flags.noConnect {
			return err
		}
		if again, err := try(ctx); err != nil || !again {
			return err
		}
	}
}

// askAccess asks for address, account and password.
func (r *initRun) askAccess(ctx context.Context) (err error) {
	p := &r.s.pbx
	if p.Kind == configs.Asterisk {
		if p.URL, err = r.ask.ask(ctx, question{key: "pbx_address", text: "URL of ARI",
			help: "Asterisk's HTTP server, http.conf; https:// on another machine.",
			dflt: cmp.Or(p.URL, "http://127.0.0.1:8088/ari"), must: true, check: ariURL}); err != nil {
			return err
		}
		p.TLS = strings.HasPrefix(p.URL, "https:")
		if p.Username, err = r.ask.ask(ctx, question{key: "pbx_username",
			text: "User of ari.conf (read_only = yes is enough)", dflt: cmp.Or(p.Username, "textback"), must: true,
			check: func(s string) (string, error) {
				if strings.ContainsAny(s, ": \t") {
					return "", errors.New("a user's name has no colon and no space")
				}
				return s, nil
			}}); err != nil {
			return err
		}
		r.s.pbxSecret = filepath.Join(r.flags.secrets, "ari.password")
	} else {
		if p.Addr, err = r.ask.ask(ctx, question{key: "pbx_address", text: "Address of the event socket",
			dflt: cmp.Or(p.Addr, "127.0.0.1:8021"), must: true,
			check: hostPortCheck("8021")}); err != nil {
			return err
		}
		r.s.pbxSecret = filepath.Join(r.flags.secrets, "esl.password")
	}
	if p.Kind == configs.Asterisk && r.ask.person() {
		err = r.ownPassword(ctx)
	} else {
		r.pbxPassword, err = r.password(ctx, "pbx_password_file", "Its password (not shown)")
	}
	p.Password = configs.NewSecret(r.pbxPassword)
	return err
}

// ownPassword asks for the password of ari.conf, or makes one whose hash the snippet then shows: the PBX needs no more.
func (r *initRun) ownPassword(ctx context.Context) error {
	typed, err := r.ask.ask(ctx, question{key: "pbx_password_file",
		text: "Its password (not shown; Enter makes a new one)", secret: true})
	if err != nil {
		return err
	}
	if typed != "" {
		r.pbxPassword, r.s.pbxHash = typed, ""
		return nil
	}
	if r.s.pbxHash == "" { // else it was made a moment ago, and may stand in ari.conf already
		salt, err := newSalt()
		if err != nil {
			return err
		}
		if r.pbxPassword, err = newPassword(); err != nil {
			return err
		}
		r.s.pbxHash = cryptSHA512(r.pbxPassword, salt)
	}
	r.ask.say("\nA new password is in use. The PBX gets its hash: put this there, in another terminal, then press Enter here.\n\n%s", r.s.snippet())
	_, err = r.ask.ask(ctx, question{key: "ready", text: "Enter when it is there"})
	return err
}

func ariURL(s string) (string, error) {
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return "", errors.New(`write it as http://127.0.0.1:8088/ari`)
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return "", errors.New("without a user or password: they are asked for next")
	case strings.Trim(u.Path, "/") == "":
		u.Path = "/ari"
	}
	return strings.TrimRight(u.String(), "/"), nil
}

func hostPortCheck(port string) func(string) (string, error) {
	return func(s string) (string, error) {
		host, p, err := net.SplitHostPort(s)
		if err != nil {
			host, p = strings.Trim(s, "[]"), port
		}
		if host == "" || strings.ContainsAny(host, " /") || p == "" || len(p) > 5 || strings.Trim(p, "0123456789") != "" {
			return "", fmt.Errorf("write host:port, as in 127.0.0.1:%s", port)
		}
		return net.JoinHostPort(host, p), nil
	}
}

// password asks a person without echo, or reads the file that the answers name.
func (r *initRun) password(ctx context.Context, key, text string) (string, error) {
	if r.ask.person() {
		return r.ask.ask(ctx, question{key: key, text: text, must: true, secret: true})
	}
	path, err := r.ask.ask(ctx, question{key: key, text: strings.TrimSuffix(text, " (not shown)") + ", from the file",
		must: true})
	if err != nil {
		return "", err
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return "", &answerError{key, err}
	}
	q := question{must: true, secret: true}
	secret, err := q.judge(strings.TrimRight(string(data), "\r\n"))
	if err != nil {
		return "", &answerError{key, err}
	}
	return secret, nil
}

// try connects. again asks for the access anew.
func (r *initRun) try(ctx context.Context) (again bool, err error) {
	for {
		r.ask.say("\nTrying %s ...", cmp.Or(r.s.pbx.URL, r.s.pbx.Addr))
		within, cancel := context.WithTimeout(ctx, tryWithin)
		found, err := discover.Ask(within, r.s.kind, &r.s.pbx)
		cancel()
		if err == nil {
			r.found = found
			r.tell()
			return false, nil
		}
		if ctx.Err() != nil {
			return false, ctx.Err()
		}
		var p *discover.Problem
		if !r.ask.person() || !errors.As(err, &p) {
			return false, err
		}
		r.ask.say("It does not work: %s\n  %s\n\nWhat it needs:\n\n%s", p.Message, p.Hint, r.s.snippet())
		next, err := r.ask.ask(ctx, question{key: "retry", text: "1 retry   2 change the answers   3 go on without it",
			dflt: "retry", must: true, words: []string{"retry", "change", "go on"}})
		switch {
		case err != nil:
			return false, err
		case next == "change":
			return true, nil
		case next == "go on":
			return false, nil
		}
	}
}

// tell shows what was found.
func (r *initRun) tell() {
	f := r.found
	rights := ""
	if r.s.pbx.Kind == configs.Asterisk {
		rights = ", account may write (read_only = yes is enough)"
		if f.ReadOnly {
			rights = ", account reads only, which is enough"
		}
	}
	r.ask.say("Connected: %s, %d live channels%s.", f.Product, f.Live, rights)
	if f.Blind != "" {
		r.ask.say("warning: %s", f.Blind)
	}
	r.table()
	for i, n := range f.Notes {
		if i == 5 {
			r.ask.say("note: and %d more", len(f.Notes)-i)
			break
		}
		r.ask.say("note: %s", n)
	}
}

// table shows the contexts.
func (r *initRun) table() {
	if len(r.found.Contexts) == 0 {
		return
	}
	w := tabwriter.NewWriter(r.e.stdout, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "  CONTEXT\tCALLS FROM OUTSIDE?\tWHY\tENDPOINTS")
	for i, c := range r.found.Contexts {
		if i == 25 {
			fmt.Fprintf(w, "  and %d more\n", len(r.found.Contexts)-i)
			break
		}
		word := "-"
		if c.Outside {
			word = "yes"
		}
		list := strings.Join(c.Endpoints[:min(len(c.Endpoints), 4)], " ")
		if n := len(c.Endpoints) - 4; n > 0 {
			list += fmt.Sprintf(" and %d more", n)
		}
		fmt.Fprintf(w, "  %s\t%s\t%s\t%s\n", c.Name, word, c.Why, list)
	}
	_ = w.Flush() // the next line of output would fail as well
}

// watch looks at the calls that arrive for a while.
func (r *initRun) watch(ctx context.Context) error {
	within := r.flags.watch
	if r.ask.person() {
		ok, err := r.ask.yes(ctx, "watch", "\nWatch for a call from your mobile now, to see its context and number",
			len(r.found.Lines) == 0)
		if err != nil || !ok {
			return err
		}
		within = watchWithin
	}
	if within <= 0 {
		return nil
	}
	watching, stop := context.WithTimeout(ctx, within)
	defer stop()
	calls, up, done := make(chan discover.Call), make(chan struct{}), make(chan error, 1)
	go func() {
		done <- discover.Watch(watching, &r.s.pbx, func() { close(up) }, func(c discover.Call) {
			select {
			case calls <- c:
			case <-watching.Done():
			}
		})
	}()
	for seen := 0; ; {
		select {
		case <-up:
			up = nil
			r.ask.say("Call one of your lines from a mobile and hang up. Enter ends this, or %s.", within)
		case c := <-calls:
			seen++
			outside := r.found.Add(r.s.kind, c, "a call was seen")
			word := "inside, or not to be told"
			if outside {
				word = "from outside"
			}
			r.ask.say("  %s  context %s  dialled %s  from %s  (%s)", time.Now().Format("15:04:05"),
				discover.Clean(c.Context), cmp.Or(discover.Clean(c.Dialled), "-"),
				cmp.Or(textback.Short(discover.Clean(c.Caller)), "-"), word)
		case _, more := <-r.lines():
			stop()
			if err := <-done; err != nil {
				return err
			}
			if !more {
				return errInputEnded
			}
			return nil
		case err := <-done:
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err == nil && seen == 0 {
				r.ask.say("No call was seen.")
			}
			return err
		}
	}
}

// lines are what a person writes; nobody writes where a file answers.
func (r *initRun) lines() <-chan string {
	if r.ask.person() {
		return r.ask.lines
	}
	return nil
}

// askRecords reads a file of call records, if there is one, for more contexts and numbers, and then settles the contexts.
func (r *initRun) askRecords(ctx context.Context) error {
	guess := ""
	for _, p := range map[bool][]string{true: {"/var/log/asterisk/cdr-csv/Master.csv"},
		false: {"/var/log/freeswitch/cdr-csv/Master.csv"}}[r.s.pbx.Kind == configs.Asterisk] {
		if f, err := os.Open(p); err == nil {
			f.Close()
			guess = p
		}
	}
	path, err := r.ask.ask(ctx, question{key: "records", text: "Call records file of the PBX (Enter: none)", dflt: guess,
		help: "\nCall records tell more contexts and numbers, and what would have been texted last month.", check: recordsFile})
	if err != nil {
		return err
	}
	if path != "" {
		r.s.records = path
		if err := r.survey(ctx, path); err != nil {
			return err
		}
	}
	answer, err := r.ask.ask(ctx, question{key: "inbound", text: "Contexts in which calls from outside arrive",
		dflt: strings.Join(r.found.Inbound(r.s.kind), ", "), must: true,
		check: func(s string) (string, error) {
			if strings.ContainsAny(s, "[]\\\"'") {
				return "", errors.New("write names with commas between, * for any letters")
			}
			return s, nil
		}})
	r.s.pbx.Inbound = words(answer)
	return err
}

func words(s string) (all []string) {
	for w := range strings.SplitSeq(s, ",") {
		if w = strings.TrimSpace(w); w != "" {
			all = append(all, w)
		}
	}
	return all
}

func recordsFile(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("it cannot be read: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return "", fmt.Errorf("it cannot be read: %w", err)
	case info.IsDir(): // of mod_json_cdr
		if found, err := filepath.Glob(filepath.Join(path, "*.json")); err != nil || len(found) == 0 {
			return "", errors.New("there are no records of mod_json_cdr (*.json) in this folder")
		}
		return path, nil
	case !info.Mode().IsRegular():
		return "", errors.New("it is neither a plain file nor a folder")
	}
	if _, _, err := records.GuessStream(f); err != nil {
		return "", errors.New("it does not look like call records that are known (docs/records.md)")
	}
	return path, nil
}

// arrivalsOf surveys a file, or a folder of mod_json_cdr.
func arrivalsOf(ctx context.Context, path string, since time.Time) ([]records.Arrival, records.Result, string, error) {
	s := records.Source{Records: configs.Records{Timezone: time.Local, Path: path}}
	f, err := os.Open(path)
	if err != nil {
		return nil, records.Result{}, "", err
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.IsDir() {
		all, result, err := records.SurveyFolder(ctx, s, since)
		return all, result, records.JSONCDR, err
	}
	return records.Survey(ctx, s, f, since)
}

// survey adds what the records of the last month tell.
func (r *initRun) survey(ctx context.Context, path string) error {
	arrivals, result, kind, err := arrivalsOf(ctx, path, time.Now().Add(-31*24*time.Hour))
	if err != nil {
		return err
	}
	r.s.recordsKind = kind
	if engine := records.PBXKind(kind); engine != r.s.pbx.Kind {
		return &answerError{"records", fmt.Errorf("%s holds the records of a PBX of kind %s", path, engine)}
	}
	for _, a := range arrivals {
		c := discover.Call{Context: a.Context, Dialled: a.Dialled, Caller: a.Caller}
		if r.found.Add(r.s.kind, c, "the records of the last month") {
			r.found.Count(c, a.Calls-1)
		}
	}
	r.ask.say("%d records, %d contexts with numbers in the last 31 days:", result.Rows, len(arrivals))
	r.table()
	return nil
}
