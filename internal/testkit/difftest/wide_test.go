package difftest

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestWide compares the whole operation, bit for bit, with the results of an independent implementation of the contract.
func TestWide(t *testing.T) {
	heedTime(t)
	w, err := openWide(goldenDir)
	require.NoError(t, err)
	defer func() { assert.NoError(t, w.arrays.Close()) }()
	require.Len(t, w.Cases, 384)
	for _, column := range allColumns(t) {
		t.Run(column.Name, func(t *testing.T) {
			for _, c := range w.Cases {
				require.NoError(t, w.hold(c, column), "%+v", c)
			}
		})
	}
}
