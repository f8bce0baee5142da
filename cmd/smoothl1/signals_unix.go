//go:build unix

package main

import (
	"os"
	"os/signal"
	"syscall"
)

// stopping are the signals that end the command, without those that it was told to ignore when it was started: SIGHUP by nohup,
// SIGINT by a shell that has no job control and runs it in the background.
func stopping() (all []os.Signal) {
	// Writing to a pipe that nobody reads is then an error like any other, after which temporary files are removed.
	signal.Ignore(syscall.SIGPIPE)
	for _, s := range []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP} {
		if !signal.Ignored(s) {
			all = append(all, s)
		}
	}
	return all
}
