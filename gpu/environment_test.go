package gpu_test

import (
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1/gpu"
	"github.com/smoothl1/smoothl1/internal/isa"
	"github.com/smoothl1/smoothl1/internal/testkit"
	"github.com/smoothl1/smoothl1/sim"
)

// TestEnvironment opens devices in a process with an invalid SMOOTHL1_CPU, which is read at program start.
func TestEnvironment(t *testing.T) {
	if os.Getenv(isa.Variable) != "foo" {
		c := exec.Command(testkit.Self(t), "-test.run=^TestEnvironment$", "-test.v")
		c.Env = append(os.Environ(), isa.Variable+"=foo")
		out, err := c.CombinedOutput()
		require.NoError(t, err, "%s", out)
		require.Contains(t, string(out), "--- PASS: TestEnvironment")
		return
	}
	_, err := gpu.Open(gpu.CPU())
	assert.ErrorContains(t, err, `gpu: Open: the CPU: smoothl1: environment: SMOOTHL1_CPU = "foo": no such instruction set, want one of generic, avx2, avx512`)
	dev, err := gpu.Open(gpu.On(sim.New(sim.Fast())))
	require.NoError(t, err, "nothing is computed on the CPU")
	require.NoError(t, dev.Close())
}
