package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"
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

// withSignals returns a context that the first signal to stop cancels, and a channel that is closed at the second.
func withSignals(parent context.Context) (ctx context.Context, again <-chan struct{}, stop func()) {
	ctx, cancel := context.WithCancelCause(parent)
	signals, second := make(chan os.Signal, 2), make(chan struct{})
	signal.Notify(signals, stopping()...)
	go func() {
		select {
		case s := <-signals:
			cancel(stopped{s})
		case <-ctx.Done():
			return
		}
		<-signals
		close(second)
	}()
	return ctx, second, func() {
		signal.Stop(signals)
		cancel(nil)
	}
}
