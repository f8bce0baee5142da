package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// stopped is the cause of the cancelled context: a signal.
type stopped struct{ os.Signal }

func (s stopped) Error() string { return s.String() }

// signalCode returns the exit code by which a shell recognizes the signal that ended a command, or 0 if none did.
func signalCode(ctx context.Context) int {
	var by stopped
	if !errors.As(context.Cause(ctx), &by) {
		return 0
	}
	if number, ok := by.Signal.(syscall.Signal); ok {
		return 128 + int(number)
	}
	return exitFailed
}

// settling is the time within which a repeated signal counts as one: some programs send it to a process and then to its group.
const settling = 100 * time.Millisecond

// isSecond reports whether a signal that arrives this long after the first counts as a second one.
func isSecond(first, s os.Signal, after time.Duration) bool { return s != first || after > settling }

// withSignals returns a context that is cancelled by the first signal to stop, and a channel that is closed by the second.
func withSignals(parent context.Context) (ctx context.Context, again <-chan struct{}, stop func()) {
	ctx, cancel := context.WithCancelCause(parent)
	signals, second := make(chan os.Signal, 2), make(chan struct{})
	signal.Notify(signals, stopping()...)
	go func() {
		var first os.Signal
		select {
		case first = <-signals:
			cancel(stopped{first})
		case <-ctx.Done():
			return
		}
		for begun := time.Now(); !isSecond(first, <-signals, time.Since(begun)); {
		}
		close(second)
	}()
	return ctx, second, func() {
		signal.Stop(signals)
		cancel(nil)
	}
}
