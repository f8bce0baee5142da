package op

import (
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
