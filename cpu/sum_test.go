package cpu

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// cancelling returns numbers whose sum depends on the order of the additions.
func cancelling(n int) []float64 {
	var scales [90]float64
	for i := range scales {
		scales[i] = math.Ldexp(1, i-76) // times 32-bit numbers: 2⁻⁴⁵ to 2⁴⁴
	}
	x := make([]float64, n)
	for i := range x {
		x[i] = float64(int32(uint32(i)*2654435761+99)) * scales[i%len(scales)]
	}
	return x
}

func TestChunks(t *testing.T) {
	for n, want := range map[int]int{math.MinInt: 0, -1: 0, 0: 0, 1: 1, Chunk: 1, Chunk + 1: 2, math.MaxInt: math.MaxInt/Chunk + 1} {
		assert.Equal(t, want, Chunks(n), n)
	}
}

func TestTotalIsTheCanonicalSum(t *testing.T) {
	for _, n := range []int{0, 1, 2, 3, 63, 64, 65, 127, 128, 129, 200, 255, 256, 2047, 2048, 2049, 2176, 4096, 4097, 300_000,
		Chunk*Chunk - 1, Chunk * Chunk, Chunk*Chunk + 5000} {
		sums := cancelling(n)
		require.Equal(t, math.Float64bits(refSum(sums)), math.Float64bits(total(sums)), n)
	}
}

// TestOrderAffectsSum checks that the sum of the cancelling numbers depends on the order: otherwise the test above would prove nothing.
func TestOrderAffectsSum(t *testing.T) {
	sums := cancelling(5000)
	straight := 0.0
	for _, x := range sums {
		straight += x
	}
	assert.NotEqual(t, straight, total(sums))
}
