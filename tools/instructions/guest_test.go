package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestRangesOf(t *testing.T) {
	got, err := rangesOf("   11000 32 T runtime.text\n   b1c00 16 T " + ofCPU + ".a\n   b1c20 368 t " + ofCPU + ".b\n   c0000 16 D " + ofCPU +
		".data\n   d0000 8 T " + ofCPU + "/internal/core.c\n")
	require.NoError(t, err)
	assert.Equal(t, "0xb1c00..0xb1d8f,0xd0000..0xd0007", got)
	_, err = rangesOf("11000 32 T runtime.text\n")
	assert.ErrorContains(t, err, "no symbol of")
}

func TestExecuted(t *testing.T) {
	at, ok := executed("Trace 0: 0x7f75754c2380 [0000000001009b31/00000000000b1c00/00000001/00080201] name/with/slashes")
	assert.True(t, ok)
	assert.EqualValues(t, 0xb1c00, at)
	for _, line := range []string{"", "Trace", "cpu_io_recompile: [a/b1c00/c]", "Trace 0: 0x7 [a/zz/c]"} {
		_, ok = executed(line)
		assert.False(t, ok, line)
	}
}

// Loads and stores are found in what the disassembler prints.
func TestInstruction(t *testing.T) {
	m := instruction.FindStringSubmatch("  kernels.s:12\t\t0xb1c28\t\tad400400\t\tFLDPQ (R0), (F0, F1)                 // ldp q0, q1, [x0]\n")
	require.NotNil(t, m)
	assert.Equal(t, []string{"b1c28", "ldp"}, m[1:])
}
