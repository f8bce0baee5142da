package difftest

import (
	"math"
	"math/big"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestHardest checks how near the quotients of hardest are to the middle of two numbers, in units in the last place.
func TestHardest(t *testing.T) {
	for _, beta := range quotientBetas {
		xs := hardest(float32(beta))
		require.NotEmpty(t, xs, beta)
		for _, x := range xs {
			require.EqualValues(t, x, float32(x))
			q, _ := new(big.Rat).Quo(new(big.Rat).SetFloat64(x), new(big.Rat).SetFloat64(float64(float32(beta)))).Float64()
			units := math.Ldexp(q, 23-exponent(q)) // exact to 2^-29
			assert.InDelta(t, 0.5, units-math.Floor(units), 8/float64(oddPart(float32(beta)))+0x1p-29, "%v / %v", x, beta)
		}
	}
}
