package op

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/smoothl1/smoothl1"
)

// A power of two has an inverse only if that is finite in the computing type: 0·Inf would be NaN.
func TestInverseIsFinite(t *testing.T) {
	for beta, want := range map[float64]float32{0.25: 4, 0.3: 1, 0x1p-127: 0x1p127, 0x1p-128: 1, 0x1p-149: 1} {
		assert.Equal(t, want, Of[float32](smoothl1.Loss{Beta: beta}).Inverse, beta)
	}
	for beta, want := range map[float64]float64{0x1p-128: 0x1p128, 0x1p-1022: 0x1p1022, 0x1p-1074: 1} {
		assert.Equal(t, want, Of[float64](smoothl1.Loss{Beta: beta}).Inverse, beta)
	}
}

func TestLeast(t *testing.T) {
	of := func(beta float64, p Pass, norm, g float64) float64 {
		return float64(math.Float32frombits(uint32(FormulaOf(smoothl1.Float16, smoothl1.Loss{Beta: beta}).Least(p, norm, g))))
	}
	never := math.Inf(1)
	for _, p := range []Pass{Terms, Forward} {
		assert.Equal(t, 0x1p-50, of(0.1, p, never, never), "%v: (0.5*d)*d is 2^-101", p)
	}
	assert.Equal(t, 0x1p-99, of(0.1, Backward, 1, 1))
	assert.Equal(t, 0x1p-50, of(0.1, ForwardBackward, 1, 1))
	assert.Equal(t, 0x1p-39, of(0.1, ForwardBackward, -0x1p-20, 0x1p-40))
	assert.Equal(t, 0.0, of(0.1, Backward, 1, 0), "every quotient is one of 0")
	for _, c := range [][2]float64{{1, 0x1.8p79}, {0x1.8p79, 0x1p-20}, {0x1p40, -0x1p40}, {1, math.NaN()}, {never, 1}, {never, 0}, {0x1p-60, 0x1p128}} {
		assert.Equal(t, never, of(0.1, Backward, c[0], c[1]), "norm %v, g %v", c[0], c[1])
	}
	for beta, corrects := range map[float64]bool{0x1.fffffep-25: false, 0x1.000002p-24: true, 0x1.fffffep23: true, 0x1.000002p24: false, 1: false} {
		assert.Equal(t, corrects, of(beta, Forward, 1, 1) != never, beta)
		assert.Equal(t, corrects, FormulaOf(smoothl1.Float32, smoothl1.Loss{Beta: beta}).Corrects)
	}
	assert.False(t, FormulaOf(smoothl1.Float64, smoothl1.Loss{Beta: 0.1}).Corrects)
}
