// Package mlog stands in for the logging library that the webhook names, which not every module
// proxy serves: the few words of it that the webhook says, written to standard error.
package mlog

import (
	"context"
	"log/slog"
	"os"

	"github.com/go-logr/logr"
)

// LogLevel is a level by its name; the empty one is the least.
type LogLevel string

// LogFormat is how lines are written; here always the same.
type LogFormat string

// LogSpec is what is logged, and how.
type LogSpec struct {
	Level  LogLevel
	Format LogFormat
}

// Logger writes lines with the same values each.
type Logger struct{ lines *slog.Logger }

const (
	LevelWarning LogLevel = ""
	LevelInfo    LogLevel = "info"
	LevelDebug   LogLevel = "debug"
	LevelTrace   LogLevel = "trace"
	LevelAll     LogLevel = "all"

	FormatJSON LogFormat = "json"
)

var (
	order = map[LogLevel]int{LevelWarning: 0, LevelInfo: 1, LevelDebug: 2, LevelTrace: 3, LevelAll: 4}
	level = LevelWarning
	lines = slog.New(slog.NewTextHandler(os.Stderr, nil))
)

func Setup() func() { return func() {} }

func Fatal(err error) {
	lines.Error("failed", "error", err)
	os.Exit(1)
}

func Enabled(asked LogLevel) bool { return order[asked] <= order[level] }

func ValidateAndSetLogLevelAndFormatGlobally(_ context.Context, spec LogSpec) error {
	level = spec.Level
	return nil
}

func Logr() logr.Logger { return logr.FromSlogHandler(lines.Handler()) }

func New() Logger { return Logger{lines} }

func (l Logger) WithName(name string) Logger { return Logger{l.lines.With("of", name)} }

func (l Logger) WithValues(values ...any) Logger { return Logger{l.lines.With(values...)} }

func (l Logger) Info(message string, values ...any) { l.lines.Info(message, values...) }

func (l Logger) Error(message string, err error, values ...any) {
	l.lines.With("error", err).Error(message, values...)
}
