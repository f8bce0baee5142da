package difftest

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
)

// TestFormats checks that there are cases for every element type, and that a type without a format is refused.
func TestFormats(t *testing.T) {
	var all []smoothl1.DType
	for d := smoothl1.DType(0); d.Computing().Size() != 0; d++ {
		all = append(all, d)
	}
	require.Equal(t, all, Types)
	next := smoothl1.DType(len(all))
	assert.Panics(t, func() { formatOf(next) })
	for _, err := range RunAll(Case{DType: next}, []Column{Fallback()}, Reference()) {
		require.ErrorIs(t, err, smoothl1.ErrDType)
	}
	formatIs[float32](t)
	formatIs[float64](t)
	formatIs[smoothl1.F16](t)
	formatIs[smoothl1.BF16](t)
}

func formatIs[T smoothl1.Float](t *testing.T) {
	f := formatOf(smoothl1.DTypeOf[T]())
	bits := func(x float64) uint64 {
		to := make([]T, 1)
		require.NoError(t, smoothl1.Convert(to, []float64{f.round(x)}))
		return bitsOf(to[0])
	}
	assert.EqualValues(t, 1, bits(f.smallest))
	assert.Equal(t, uint64(1)<<(f.digits-1), bits(f.smallestNormal))
	infinite := math.Inf(1)
	for _, s := range []float64{1, -1} {
		assert.Equal(t, bits(s*f.largest)+1, bits(s*infinite))
		assert.Equal(t, s*infinite, f.next(s*f.largest, s*infinite))
		assert.Equal(t, s*f.smallest, f.next(0, s*infinite))
		assert.Equal(t, s*f.smallest, f.next(math.Copysign(0, -s), s*infinite))
		assert.Equal(t, 0.0, f.next(s*f.smallest, -s*infinite)+0)
		assert.Equal(t, bits(s)+1, bits(f.next(s, s*infinite)))
		assert.Equal(t, bits(s)-1, bits(f.next(s, -s*infinite)))
	}
}

// TestSentinels checks that guard zones hold NaN, of bits that no operation gives, or an index out of range.
func TestSentinels(t *testing.T) {
	sentinelIs[float32](t)
	sentinelIs[float64](t)
	sentinelIs[smoothl1.F16](t)
	sentinelIs[smoothl1.BF16](t)
	assert.Greater(t, elements[int32](newArray(smoothl1.Int32, smoothl1.View{}, 1, 0))[0], int32(1<<28))
}

func sentinelIs[T smoothl1.Float](t *testing.T) {
	x := elements[T](newArray(smoothl1.DTypeOf[T](), smoothl1.View{}, 3, 1))
	to := make([]T, 2)
	require.NoError(t, smoothl1.Convert(to, []float64{math.NaN(), math.Copysign(math.NaN(), -1)}))
	for _, s := range x {
		assert.True(t, isNaN(s))
		assert.NotContains(t, []uint64{bitsOf(to[0]), bitsOf(to[1])}, bitsOf(s))
	}
}
