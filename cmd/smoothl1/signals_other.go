//go:build !unix

package main

import (
	"context"
	"os"
	"os/signal"
)

// withSignals returns a context that the first signal to stop cancels. The second ends the process.
func withSignals(parent context.Context) (context.Context, context.CancelFunc) {
	ctx, stop := signal.NotifyContext(parent, os.Interrupt)
	context.AfterFunc(ctx, stop)
	return ctx, stop
}
