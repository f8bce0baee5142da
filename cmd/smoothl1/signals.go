package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// stopped is why the command's context ends.
type stopped struct{ os.Signal }

func (s stopped) Error() string { return s.String() }

// signalCode is the exit code by which a shell knows which signal ended a command, 0 where none did.
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

// settling is how long the same signal counts as one: some programs send it to a process and then to its group.
const settling = 100 * time.Millisecond

// isSecond says whether a signal that comes so long after the first is another one.
func isSecond(first, s os.Signal, after time.Duration) bool { return s != first || after > settling }

// withSignals returns a context that the first signal to stop cancels, and a channel that is closed at the second.
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
