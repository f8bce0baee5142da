package testkit

import (
	"os"
	"os/exec"
	"testing"
)

// Self returns the path of the test binary, for a test that executes it again. It skips the test on systems that cannot do that, such as
// js/wasm, or another architecture under an emulator that is not registered with the kernel.
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
