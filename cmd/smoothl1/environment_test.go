package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestEnvironment sets environment variables to invalid values.
func TestEnvironment(t *testing.T) {
	dir := t.TempDir()
	p := save(t, dir, "p.npy", []float32{1}, 1)
	for _, arguments := range [][]string{{"eval", p, p}, {"eval", p, p, "--device", "sim"}, {"plot", "-o", filepath.Join(dir, "x.svg")},
		{"verify", "--cases", "1"}, {"bench", "--sizes", "8", "--samples", "1"}, {"devices"}} {
		for variable, complaint := range map[string]string{"SMOOTHL1_CPU": "no such instruction set, want one of ", "SMOOTHL1_TUNE": `"foo": no such setting, want off, `} {
			c := command(arguments...)
			c.Env = append(c.Env, variable+"=foo")
			var stdout, stderr strings.Builder
			c.Stdout, c.Stderr = &stdout, &stderr
			require.Error(t, c.Run(), arguments)
			requireRefused(t, exitFailed, "environment: "+variable+` = "foo": `+complaint, stdout.String(), stderr.String(), c.ProcessState.ExitCode())
		}
	}
	assert.Len(t, names(t, dir), 1)
	c := command("--version")
	c.Env = append(c.Env, "SMOOTHL1_CPU=foo")
	require.NoError(t, c.Run())
	seeded := command("devices")
	seeded.Env = append(seeded.Env, "SMOOTHL1_SIM_SEED=zzz")
	out, err := seeded.Output()
	require.NoError(t, err)
	require.Contains(t, string(out), `cannot be used: CUDA_ERROR_INVALID_VALUE (1) from cuStreamSynchronize: the environment variable SMOOTHL1_SIM_SEED is "zzz"`)
}
