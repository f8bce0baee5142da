package difftest

import (
	"github.com/smoothl1/smoothl1/internal/op"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
)

// TestFormats checks that there are cases for every element type, and that a type without a format is refused.
func TestFormats(t *testing.T) {
	var all []smoothl1.DType
	for d := smoothl1.DType(0); d.Size() != 0; d++ {
		all = append(all, d)
	}
	require.Equal(t, all, Types)
	next := smoothl1.DType(len(all))
	assert.Panics(t, func() { formatOf(next) })
	for _, err := range RunAll(Case{DType: next}, []Column{Fallback()}, Reference()) {
		require.ErrorIs(t, err, smoothl1.ErrDType)
	}
	formatIs[float32](t, 1<<23-1, math.Nextafter32(math.MaxFloat32, 0))
	formatIs[float64](t, 1<<52-1, math.Nextafter(math.MaxFloat64, 0))
}

func formatIs[T op.Computing](t *testing.T, subnormals uint64, belowLargest T) {
	f := formatOf(smoothl1.DTypeOf[T]())
	assert.Equal(t, T(f.smallest), fromBits[T](1))
	assert.Equal(t, subnormals+1, bitsOf(T(f.smallestNormal)))
	assert.Equal(t, subnormals, uint64(1)<<(f.digits-1)-1)
	assert.Equal(t, T(f.largest), next(belowLargest, math.Inf(1)))
	assert.True(t, math.IsInf(float64(next(T(f.largest), math.Inf(1))), 1))
	assert.True(t, math.IsNaN(float64(fromBits[T](f.sentinel))))
	assert.Equal(t, f.sentinel, bitsOf(fromBits[T](f.sentinel)))
}
