package gpu_test

import (
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1/gpu"
	"github.com/smoothl1/smoothl1/internal/testkit"
	"github.com/smoothl1/smoothl1/sim"
)

// TestEnvironment opens devices in processes with an invalid SMOOTHL1_CPU or SMOOTHL1_TUNE, which are read at program start.
func TestEnvironment(t *testing.T) {
	want := map[string]string{
		"SMOOTHL1_CPU":  `gpu: Open: the CPU: smoothl1: environment: SMOOTHL1_CPU = "foo": no such instruction set, want one of `,
		"SMOOTHL1_TUNE": `gpu: Open: the CPU: smoothl1: environment: SMOOTHL1_TUNE = "foo": "foo": no such setting, want off, `,
	}
	inside := false
	for variable, complaint := range want {
		if os.Getenv(variable) != "foo" {
			continue
		}
		inside = true
		_, err := gpu.Open(gpu.CPU())
		assert.ErrorContains(t, err, complaint)
		dev, err := gpu.Open(gpu.On(sim.New(sim.Fast())))
		require.NoError(t, err, "nothing is computed on the CPU")
		require.NoError(t, dev.Close())
	}
	if inside {
		return
	}
	for variable := range want {
		c := exec.Command(testkit.Self(t), "-test.run=^TestEnvironment$", "-test.v")
		c.Env = append(os.Environ(), variable+"=foo")
		out, err := c.CombinedOutput()
		require.NoError(t, err, "%s", out)
		require.Contains(t, string(out), "--- PASS: TestEnvironment")
	}
}
