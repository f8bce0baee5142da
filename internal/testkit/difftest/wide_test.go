package difftest

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/cpu"
)

// TestWide compares the whole operation, bit for bit, with the results of an independent implementation of the contract.
func TestWide(t *testing.T) {
	w, err := openWide(goldenDir)
	require.NoError(t, err)
	defer func() { assert.NoError(t, w.arrays.Close()) }()
	require.Len(t, w.Cases, 384)
	for _, c := range w.Cases {
		switch c.DType {
		case "float32":
			err = runWide(w, c, cpu.RefRun[float32])
		case "float64":
			err = runWide(w, c, cpu.RefRun[float64])
		case "float16":
			err = runWide(w, c, cpu.RefRun[smoothl1.F16])
		case "bfloat16":
			err = runWide(w, c, cpu.RefRun[smoothl1.BF16])
		}
		require.NoError(t, err, "%+v", c)
	}
}
