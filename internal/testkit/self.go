package testkit

import (
	"os"
	"os/exec"
	"testing"
)

// Self returns the test's own binary, for a test that starts it again. It skips the test where the system cannot do that: js/wasm,
// or another architecture under an emulator that the kernel does not know of.
func Self(t *testing.T) string {
	t.Helper()
	path, err := os.Executable()
	if err == nil {
		err = exec.Command(path, "-test.run=^$").Run()
	}
	if err != nil {
		t.Skipf("cannot start %s again: %v", path, err)
	}
	return path
}
