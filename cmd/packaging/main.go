// Command packaging makes what a package of textback holds beside the binary: the manual pages, the completion for bash, the
// notices of third parties, and the changelog in Debian's form. `make deb` runs it.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"time"

	"textback/cmd/internal/manual"
	"textback/configs"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintf(os.Stderr, "packaging: %v\n", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	binary := flag.String("textback", "", "`FILE` of a textback that runs on this machine, whose help is read")
	version := flag.String("version", "", "`VERSION` of the package")
	stamp := flag.Int64("date", 0, "`SECONDS` since 1970 at which the source was made (SOURCE_DATE_EPOCH)")
	maintainer := flag.String("maintainer", "", "`NAME <ADDRESS>` in the changelog")
	out := flag.String("out", "", "`DIR` to write to")
	flag.Parse()
	if *binary == "" || *version == "" || *out == "" || *maintainer == "" || flag.NArg() > 0 {
		flag.Usage()
		return errors.New("-textback, -version, -maintainer and -out are needed")
	}
	date := time.Unix(*stamp, 0).UTC()
	page := manual.Page{Version: *version, Date: date.Format(time.DateOnly)}
	m, err := manual.Read(func(args ...string) (string, error) {
		text, err := exec.CommandContext(ctx, *binary, args...).Output()
		return string(text), err
	})
	if err != nil {
		return err
	}
	changes, err := os.ReadFile("CHANGELOG.md")
	if err != nil {
		return fmt.Errorf("read the changelog: %w", err)
	}
	for name, write := range map[string]func(io.Writer) error{
		"textback.1":      func(w io.Writer) error { return m.WriteCommands(w, page) },
		"textback.toml.5": func(w io.Writer) error { return manual.WriteConfiguration(w, string(configs.Reference), page) },
		"textback.bash":   m.WriteBash,
		"changelog": func(w io.Writer) error {
			return writeChangelog(w, string(changes), entry{version: *version, date: date}, *maintainer)
		},
		"third-party-notices.txt": func(w io.Writer) error { return writeNotices(ctx, w) },
	} {
		var b bytes.Buffer
		if err := write(&b); err != nil {
			return fmt.Errorf("make %s: %w", name, err)
		}
		if err := os.WriteFile(filepath.Join(*out, name), b.Bytes(), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// command runs a program in the folder of the source and gives what it prints.
func command(ctx context.Context, env []string, name string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), env...)
	text, err := cmd.Output()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return nil, fmt.Errorf("%s: %w: %s", strings.Join(cmd.Args, " "), err, bytes.TrimSpace(exit.Stderr))
	}
	return text, err
}
