package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"

	"textback/cmd/internal/discover"
	"textback/configs"
)

func initVerb() *verb {
	return &verb{name: "init", args: "[--config FILE] [flags]",
		short: "ask the questions of a first configuration, try the links, write the file",
		long: "Asks for the PBX, the message centre and the business, tries what it is told, finds the contexts and numbers of calls from\n" +
			"outside, writes the configuration (shadow = true) and the passwords into files of their own, and prints what the PBX needs.\n" +
			"It changes nothing at the PBX. Passwords are typed without echo, or read from the files that the answers\n" +
			"pbx_password_file and smpp_password_file name. With --answers it asks nobody: the keys stand in docs/getting-started-asterisk.md.",
		run: runInit}
}

// initFlags are the flags of init.
type initFlags struct {
	config, secrets, answers   string
	force, noConnect, printing bool
	watch                      time.Duration
}

// initRun is one run of init.
type initRun struct {
	e     *env
	flags initFlags
	ask   *asker
	s     setup
	found *discover.Found
	// The secrets, until they are in their files.
	pbxPassword, smppPassword string
}

func runInit(ctx context.Context, e *env, v *verb, args []string) int {
	fs := v.flags(e)
	r := &initRun{e: e, found: &discover.Found{}}
	f := &r.flags
	fs.StringVar(&f.config, "config", defaultConfig, "configuration `FILE` to write")
	fs.StringVar(&f.secrets, "secrets", "",
		"`FOLDER` for the passwords' files; that of the configuration, or one beside it, unless given")
	fs.StringVar(&f.answers, "answers", "", "TOML `FILE` with the answers, key = \"value\": nobody is asked")
	fs.BoolVar(&f.force, "force", false, "replace files that exist; the configuration is kept as FILE.old")
	fs.BoolVar(&f.noConnect, "no-connect", false, "do not try the PBX and the message centre")
	fs.BoolVar(&f.printing, "print", false, "print the configuration instead of writing it")
	fs.DurationVar(&f.watch, "watch", 0, "with --answers: `TIME` to watch for calls from outside")
	rest, code, ok := v.parse(e, fs, args)
	if !ok {
		return code
	}
	if len(rest) > 0 {
		return v.misuse(e)
	}
	if err := r.prepare(); err != nil {
		return fail(e, exitUsage, err, initHint(err))
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	err := r.run(ctx)
	var problem *discover.Problem
	var answer *answerError
	switch {
	case err == nil:
		return exitOK
	case ctx.Err() != nil:
		fmt.Fprintln(e.stdout)
		return fail(e, exitFailed, errors.New("interrupted: nothing was written"), "")
	case errors.Is(err, errInputEnded):
		fmt.Fprintln(e.stdout)
		return fail(e, exitFailed, fmt.Errorf("%w: nothing was written", err), "without a person to ask: --answers FILE")
	case errors.As(err, &problem):
		return fail(e, exitFailed, fmt.Errorf("%w: nothing was written", err), problem.Hint)
	case errors.As(err, &answer):
		return fail(e, exitUsage, fmt.Errorf("%w: nothing was written", err), "")
	default:
		return fail(e, exitFailed, err, initHint(err))
	}
}

// initHint is the next step after an error of the files.
func initHint(err error) string {
	switch {
	case errors.Is(err, errConfigExists):
		return "--force replaces it, --config names another"
	case errors.Is(err, fs.ErrPermission):
		return "run it with sudo, or name a file of yours with --config"
	default:
		return ""
	}
}

// errConfigExists: nothing is asked for a file that could not be written then.
var errConfigExists = errors.New("the configuration exists already")

// prepare looks at the files before anybody is asked anything.
func (r *initRun) prepare() error {
	f := &r.flags
	path, err := filepath.Abs(f.config)
	if err != nil {
		return fmt.Errorf("find the configuration's folder: %w", err)
	}
	f.config = path
	if f.secrets == "" {
		f.secrets = filepath.Dir(path)
		if filepath.Base(f.secrets) != "textback" { // a folder of others
			f.secrets = strings.TrimSuffix(path, ".toml") + ".secrets"
		}
	}
	if f.secrets, err = filepath.Abs(f.secrets); err != nil {
		return fmt.Errorf("find the passwords' folder: %w", err)
	}
	if !f.printing {
		if info, err := os.Stat(path); err == nil && info.IsDir() {
			return fmt.Errorf("%s is a folder: --config names the file that is to be written", path)
		}
		if _, err := os.Lstat(path); err == nil && !f.force && f.answers != "" {
			return fmt.Errorf("%s: %w", path, errConfigExists)
		}
		if err := writable(filepath.Dir(path)); err != nil {
			return fmt.Errorf("%s could not be written: %w", path, err)
		}
	}
	answers, err := readAnswers(f.answers)
	if err != nil {
		return err
	}
	r.ask = newAsker(r.e.stdin, r.e.stdout, answers)
	if unknown := r.ask.unknown(answerKeys()); len(unknown) > 0 {
		return fmt.Errorf("%s: there is no question %s", f.answers, strings.Join(unknown, ", "))
	}
	return nil
}

// writable tells whether a file can be made in a folder, or in the one that is to hold it.
func writable(dir string) error {
	for {
		_, err := os.Stat(dir)
		if errors.Is(err, fs.ErrNotExist) && dir != filepath.Dir(dir) {
			dir = filepath.Dir(dir)
			continue
		}
		if err != nil {
			return err
		}
		break
	}
	t, err := os.CreateTemp(dir, ".textback-init-*")
	if err != nil {
		return err
	}
	t.Close()
	return os.Remove(t.Name())
}

// answerKeys are the keys of a file of answers.
func answerKeys() []string {
	return []string{"pbx_kind", "pbx_name", "pbx_address", "pbx_username", "pbx_password_file", "inbound", "records",
		"business", "country", "timezone", "hours",
		"lines", "callback", "message", "mobile", "staff", "smpp_host", "smpp_port", "smpp_tls", "smpp_system_id", "smpp_password_file", "sender", "state", "control"}
}

// readAnswers reads a flat TOML file; lists become words with commas. nil without a file.
func readAnswers(path string) (map[string]string, error) {
	if path == "" {
		return nil, nil
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the answers: %w", err)
	}
	var raw map[string]any
	if err := toml.Unmarshal(data, &raw); err != nil {
		return nil, fmt.Errorf("read the answers: %s is not TOML: %w", path, err)
	}
	answers := make(map[string]string, len(raw))
	for k, v := range raw {
		switch v := v.(type) {
		case string, int64, bool:
			answers[k] = fmt.Sprint(v)
		case []any:
			var words []string
			for _, x := range v {
				words = append(words, fmt.Sprint(x))
			}
			answers[k] = strings.Join(words, ", ")
		default:
			return nil, fmt.Errorf("read the answers: %s: %s is neither a text nor a list of texts", path, k)
		}
	}
	return answers, nil
}

// run asks, tries, and writes at the very end.
func (r *initRun) run(ctx context.Context) error {
	if r.flags.printing {
		r.ask.say("textback init: nothing is written, the configuration is printed at the end. Enter takes what stands in [brackets].\n")
	} else {
		r.ask.say("textback init: %s will be written when all is known, not before. Enter takes what stands in [brackets].\n", r.flags.config)
	}
	for _, step := range []func(context.Context) error{r.askReplace, r.askPBX, r.askRecords, r.askBusiness, r.askLines,
		r.askWords, r.askSMPP, r.finish} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// askReplace asks before anything else whether a configuration that exists is to be replaced.
func (r *initRun) askReplace(ctx context.Context) error {
	if r.flags.printing || r.flags.force || !r.ask.person() {
		return nil
	}
	if _, err := os.Lstat(r.flags.config); err != nil {
		return nil // there is none, or writing will say what is wrong
	}
	yes, err := r.ask.yes(ctx, "replace", r.flags.config+" exists. Replace it (it is kept as "+r.flags.config+".old)",
		false)
	if err == nil && !yes {
		err = errConfigExists
	}
	r.flags.force = yes
	return err
}

// finish checks the configuration, writes all files, and says what comes next.
func (r *initRun) finish(ctx context.Context) error {
	s := &r.s
	text := s.toml()
	secrets := map[string]string{s.pbxSecret: r.pbxPassword, s.smppSecret: r.smppPassword}
	cfg, err := configs.Parse(r.flags.config, []byte(text), configs.Options{Mode: 0o640,
		ReadFile: func(path string) ([]byte, fs.FileMode, error) {
			if secret, ok := secrets[path]; ok {
				return []byte(secret), 0o640, nil
			}
			return nil, 0, fs.ErrNotExist
		}})
	if err != nil {
		return fmt.Errorf("these answers make no configuration, nothing was written:\n%s",
			strings.Join(configs.Lines(err), "\n"))
	}
	for _, w := range cfg.Warnings {
		r.ask.say("warning: %s", w)
	}
	if r.flags.printing {
		fmt.Fprintf(r.e.stdout, "\n%s\n%s", text, s.snippet())
		return nil
	}
	r.ask.say("\nFiles to write: %s, %s, %s", r.flags.config, s.pbxSecret, s.smppSecret)
	if r.ask.person() {
		if ok, err := r.ask.yes(ctx, "write", "Write them", true); err != nil {
			return err
		} else if !ok {
			r.ask.say("Nothing was written.")
			return nil
		}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err := writeAll([]newFile{{s.pbxSecret, r.pbxPassword + "\n"}, {s.smppSecret, r.smppPassword + "\n"},
		{r.flags.config, text}}, r.flags.force); err != nil {
		return err
	}
	r.ask.say("\nWritten. It begins in shadow mode: everything is decided and counted, nothing is sent.\n\nThe PBX needs this (docs/%s):\n", r.page())
	r.ask.say("%s", s.snippet())
	if err := r.replay(ctx); err != nil {
		return err
	}
	r.ask.say("Next:\n  textback check --config %[1]s\n  systemctl enable --now textback\n  textback doctor --config %[1]s\n"+
		"  call a line from your mobile, hang up, and: textback explain YOUR-NUMBER --config %[1]s\n  textback test --to YOUR-NUMBER --config %[1]s",
		r.flags.config)
	return nil
}

// page is the documentation of the kind.
func (r *initRun) page() string { return "getting-started-" + r.s.kind + ".md" }

// replay shows what would have been texted lately, by the records that were given.
func (r *initRun) replay(ctx context.Context) error {
	if r.s.records == "" {
		return nil
	}
	r.ask.say("What would have been texted in the last 31 days, by %s:\n", r.s.records)
	v := replayVerb()
	args := []string{"--config", r.flags.config, "--since", "744h"}
	if !isFolder(r.s.records) { // a folder is read as [[records]] has it
		args = append(args, "--kind", r.s.recordsKind, r.s.records)
	}
	if code := v.run(ctx, r.e, v, args); code != exitOK {
		r.ask.say("(that could not be told; textback replay says more)")
	}
	r.ask.say("")
	return nil
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}
