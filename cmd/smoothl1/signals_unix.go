//go:build unix

package main

import (
	"os"
	"os/signal"
	"syscall"
)

// stopping returns the signals that end the command, without those that were ignored when it started: nohup ignores SIGHUP, and a shell
// without job control ignores SIGINT in background commands.
func stopping() (all []os.Signal) {
	// Without SIGPIPE, writing to a pipe without a reader is an ordinary error, after which temporary files are removed.
	signal.Ignore(syscall.SIGPIPE)
	for _, s := range []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP} {
		if !signal.Ignored(s) {
			all = append(all, s)
		}
	}
	return all
}
