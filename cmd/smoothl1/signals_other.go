//go:build !unix

package main

import "os"

// stopping returns the signals that end the command.
func stopping() []os.Signal { return []os.Signal{os.Interrupt} }
