//go:build unix

package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// withSignals returns a context that the first signal to stop cancels. The second ends the process.
func withSignals(parent context.Context) (context.Context, context.CancelFunc) {
	// Writing to a pipe that nobody reads is then an error like any other, after which temporary files are removed.
	signal.Ignore(syscall.SIGPIPE)
	stopping := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // under nohup
		stopping = append(stopping, syscall.SIGHUP)
	}
	ctx, stop := signal.NotifyContext(parent, stopping...)
	context.AfterFunc(ctx, stop)
	return ctx, stop
}
