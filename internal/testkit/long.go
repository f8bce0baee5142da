package testkit

import (
	"flag"
	"testing"
)

var long = flag.Bool("long", false, "also run tests that take minutes, and run all in full (make test-long)")

// Long reports whether tests that take minutes should run.
func Long() bool { return *long }

// NeedsLong skips a test that takes minutes, unless -long is set.
func NeedsLong(t *testing.T) {
	t.Helper()
	if !*long {
		t.Skip("only with -long")
	}
}
