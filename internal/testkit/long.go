package testkit

import (
	"flag"
	"testing"
)

var long = flag.Bool("long", false, "also run what takes minutes, or run it in full (make test-long)")

// Long says whether the tests are to run what takes minutes.
func Long() bool { return *long }

// NeedsLong skips a test that takes minutes, unless -long asks for it.
func NeedsLong(t *testing.T) {
	t.Helper()
	if !*long {
		t.Skip("only with -long")
	}
}
