package main

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"textback/cmd/internal/daemon"
	"textback/cmd/internal/heap"
	"textback/cmd/internal/syslog"
	"textback/cmd/internal/systemd"
	"textback/configs"
)

// defaultConfig is where the package puts the configuration.
const defaultConfig = "/etc/textback/textback.toml"

func runVerb() *verb {
	return &verb{name: "run", args: "[--config FILE]", short: "run the daemon",
		long: "SIGTERM drains and stops within five seconds, SIGHUP reads the configuration again.",
		run:  runDaemon}
}

func runDaemon(ctx context.Context, e *env, v *verb, args []string) int {
	fs := v.flags(e)
	path := fs.String("config", defaultConfig, "configuration `FILE`")
	rest, code, ok := v.parse(e, fs, args)
	if !ok {
		return code
	}
	if len(rest) > 0 {
		return v.misuse(e)
	}
	cfg, _ := loadConfig(e, *path)
	if cfg == nil {
		return exitConfig
	}
	logTo, err := logOptions(cfg)
	if err != nil {
		return fail(e, exitConfig, err, "see [syslog] in "+*path)
	}
	handler, err := syslog.New(logTo)
	if err != nil {
		return fail(e, exitConfig, err, "see [syslog] in "+*path)
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		handler.Close(ctx)
	}()
	log := slog.New(handler)
	defer heap.Keep()()
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	o := daemon.Options{Config: cfg, Log: log, Version: versionWord(), Reload: hup, Notify: systemd.New(os.Getenv, os.Getpid()),
		LogDropped: func() uint64 { return handler.Stats().Dropped }}
	o.Load = func() (*configs.Config, error) {
		next, err := checkedConfig(*path)
		if err != nil {
			return nil, err
		}
		if configs.Diff(cfg, next).Syslog {
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			to, err := logOptions(next)
			if err == nil {
				err = handler.Reload(ctx, to)
			}
			if err != nil {
				return nil, err
			}
		}
		cfg = next
		return next, nil
	}
	if err := daemon.Run(ctx, o); err != nil {
		log.Error("failed", "error", err)
		return fail(e, exitFailed, err, "")
	}
	return exitOK
}

// logOptions are the log's settings of a configuration.
func logOptions(cfg *configs.Config) (syslog.Options, error) {
	s := cfg.Syslog
	level, err := syslog.ParseLevel(s.Level)
	if err != nil {
		return syslog.Options{}, err
	}
	o := syslog.Options{To: s.To, Facility: s.Facility, Level: level}
	if s.Addr != "" {
		o.To = s.To + "://" + s.Addr
	}
	if s.To == "tls" {
		o.TLS, err = daemon.ClientTLS(s.TLSCA, s.TLSServerName, s.Addr)
	}
	return o, err
}
