package smoothl1_test

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
)

func ExampleDivideBy() {
	fmt.Println(smoothl1.Divisor{}, smoothl1.DivideBy(1000))
	fmt.Println(smoothl1.DivideBy(-1).Validate(smoothl1.Mean))
	// Output:
	// elements 1000
	// smoothl1: Divisor: divisor = -1: divisor out of range: must be positive and finite
}

func TestDivisor(t *testing.T) {
	for _, r := range []smoothl1.Reduction{smoothl1.Mean, smoothl1.Sum, smoothl1.None} {
		require.NoError(t, smoothl1.Divisor{}.Validate(r))
		for _, x := range []float64{0, math.Copysign(0, -1), -1, math.NaN(), math.Inf(1), math.Inf(-1), 5e-324, 0.5, math.MaxFloat64} {
			d := smoothl1.DivideBy(x)
			err := d.Validate(r)
			assert.False(t, d.IsZero())
			switch {
			case r != smoothl1.Mean:
				require.ErrorIs(t, err, smoothl1.ErrReduction)
			case x > 0 && x <= math.MaxFloat64:
				require.NoError(t, err)
				assert.Equal(t, x, d.Of(7))
			default:
				require.ErrorIs(t, err, smoothl1.ErrDivisor)
			}
		}
	}
	for _, d := range []smoothl1.Divisor{smoothl1.DivideByKept(), smoothl1.DivideByWeights(), smoothl1.Divisor{}.ZeroIfEmpty()} {
		assert.False(t, d.IsZero(), d)
		assert.NoError(t, d.Validate(smoothl1.Mean), d)
		assert.ErrorIs(t, d.Validate(smoothl1.Sum), smoothl1.ErrReduction, d)
		assert.ErrorIs(t, d.Validate(smoothl1.None), smoothl1.ErrReduction, d)
	}
	assert.Equal(t, "elements kept weights 7 weights, 0 if empty", fmt.Sprint(smoothl1.Divisor{}, " ", smoothl1.DivideByKept(), " ", smoothl1.DivideByWeights(),
		" ", smoothl1.DivideBy(7), " ", smoothl1.DivideByWeights().ZeroIfEmpty()))
	for _, d := range []smoothl1.Divisor{{}, smoothl1.DivideBy(2), smoothl1.DivideByKept(), smoothl1.DivideByWeights()} {
		_, number := d.Number()
		kinds := []bool{d.IsZero(), number, d.Kept(), d.Weights()}
		assert.Len(t, slices.DeleteFunc(kinds, func(is bool) bool { return !is }), 1, d)
		assert.Equal(t, []bool{false, true}, []bool{d.IsZeroIfEmpty(), d.ZeroIfEmpty().IsZeroIfEmpty()}, d)
		assert.Equal(t, []bool{d.Kept(), d.Weights()}, []bool{d.ZeroIfEmpty().Kept(), d.ZeroIfEmpty().Weights()}, d)
	}
	assert.True(t, math.IsNaN(smoothl1.DivideByKept().Of(7)))
	assert.Equal(t, 7.0, smoothl1.Divisor{}.ZeroIfEmpty().Of(7))
	assert.True(t, smoothl1.Divisor{}.IsZero())
	assert.Equal(t, 7.0, smoothl1.Divisor{}.Of(7))
}

// TestValidateTwoWays checks that Validate accepts exactly the valid losses, by its fast path and by the full check.
func TestValidateTwoWays(t *testing.T) {
	for _, beta := range []float64{0, 5e-324, 0x1p-127, 0x1p-126, 1, math.MaxFloat32, math.Nextafter(math.MaxFloat32, math.Inf(1)), 0x1p128, math.Inf(1), math.NaN(), -1} {
		for _, l := range []smoothl1.Loss{{Beta: beta}, {Kind: smoothl1.Huber, Beta: beta}, {Kind: 2, Beta: beta}, {Reduction: 3, Beta: beta}} {
			for _, d := range []smoothl1.DType{smoothl1.Float32, smoothl1.Float64, smoothl1.Float16, smoothl1.BFloat16, smoothl1.Uint8, smoothl1.Int32 + 1} {
				valid := l.Kind <= smoothl1.Huber && l.Reduction <= smoothl1.None && d <= smoothl1.BFloat16 && beta >= 0 && beta <= math.MaxFloat64 &&
					(beta > 0 || l.Kind == smoothl1.SmoothL1) && (d == smoothl1.Float64 || beta == 0 || float32(beta) > 0 && float32(beta) <= math.MaxFloat32)
				assert.Equal(t, valid, l.Validate(d) == nil, "%v %v", l, d)
			}
		}
	}
}
