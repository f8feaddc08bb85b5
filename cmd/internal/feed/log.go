package feed

import (
	"context"
	"log/slog"
	"slices"

	"textback/cmd/internal/syslog"
)

// Log is a slog.Handler that hands on what it is given and tells the feed of it, so that whoever watches sees the lines that
// no other event stands for: links, opt-outs, breakers, bookings. Lines below info are not told.
type Log struct {
	slog.Handler
	Feed *Feed
}

// ofItsOwn tells whether a message id has an event of its own.
func ofItsOwn(id string) bool {
	return slices.Contains([]string{"verdict", "text", "reply", "reply-sent", "call"}, id)
}

// Enabled is slog.Handler's: somebody may watch although the log wants less.
func (l *Log) Enabled(ctx context.Context, level slog.Level) bool {
	return l.Handler.Enabled(ctx, level) || level >= slog.LevelInfo
}

// Handle is slog.Handler's.
func (l *Log) Handle(ctx context.Context, r slog.Record) error {
	if r.Level >= slog.LevelInfo && !ofItsOwn(r.Message) {
		line := Line{ID: r.Message, Level: syslog.LevelWord(r.Level)}
		r.Attrs(func(a slog.Attr) bool {
			line.Pairs = append(line.Pairs, [2]string{a.Key, a.Value.Resolve().String()})
			return true
		})
		l.Feed.Tell(TypeLog, r.Time, "", line)
	}
	if !l.Handler.Enabled(ctx, r.Level) {
		return nil
	}
	return l.Handler.Handle(ctx, r)
}

// WithAttrs is slog.Handler's. The daemon has no use for it: attributes given so are not told.
func (l *Log) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &Log{l.Handler.WithAttrs(attrs), l.Feed}
}

// WithGroup is slog.Handler's.
func (l *Log) WithGroup(name string) slog.Handler { return &Log{l.Handler.WithGroup(name), l.Feed} }
